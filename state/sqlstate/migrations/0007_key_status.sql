-- When an access key was disabled, and by which one.
ALTER TABLE access_keys ADD COLUMN disabled_at BIGINT; -- NULL: unknown, or it is not
ALTER TABLE access_keys ADD COLUMN disabled_by TEXT NOT NULL DEFAULT '';
