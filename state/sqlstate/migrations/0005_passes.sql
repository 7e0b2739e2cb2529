-- What was seen of passes.
CREATE TABLE passes (
	id         TEXT   NOT NULL PRIMARY KEY,
	name       TEXT   NOT NULL,
	access_key TEXT   NOT NULL,
	owner      TEXT   NOT NULL,
	action     TEXT   NOT NULL,
	bucket     TEXT   NOT NULL,
	object     TEXT   NOT NULL,
	limits     TEXT   NOT NULL,
	signed     BIGINT, -- NULL: unknown, as in the next three
	ends       BIGINT,
	first_seen BIGINT,
	last_seen  BIGINT,
	uses       BIGINT NOT NULL,
	refused    BIGINT NOT NULL,
	received   BIGINT NOT NULL,
	sent       BIGINT NOT NULL,
	expires    BIGINT -- NULL: never
);

CREATE INDEX passes_expires ON passes (expires);
