ALTER TABLE access_keys ADD COLUMN policy TEXT NOT NULL DEFAULT '';

-- Settings belong to one creation of a bucket: those of a deleted bucket mean
-- nothing to a later one of the same name.
CREATE TABLE bucket_settings (
	bucket_id TEXT  NOT NULL,
	name      TEXT  NOT NULL,
	value     BYTEA NOT NULL,
	PRIMARY KEY (bucket_id, name)
);
