-- The last number that was given out. Whoever takes one locks its row until
-- the end of the transaction, so that numbers become visible in order.
CREATE TABLE counters (
	name  TEXT   NOT NULL PRIMARY KEY,
	value BIGINT NOT NULL
);

INSERT INTO counters (name, value) VALUES ('revocations', 0);

CREATE TABLE revocations (
	id            TEXT    NOT NULL PRIMARY KEY,
	version       BIGINT  NOT NULL,
	pass          TEXT    NOT NULL,
	name          TEXT    NOT NULL,
	owner         TEXT    NOT NULL,
	access_key    TEXT    NOT NULL,
	bucket        TEXT    NOT NULL,
	prefix        TEXT    NOT NULL,
	signed_before BIGINT, -- NULL: whenever it was signed
	created       BIGINT,
	creator       TEXT    NOT NULL,
	expires       BIGINT, -- NULL: never
	lifted        BOOLEAN NOT NULL
);

CREATE UNIQUE INDEX revocations_version ON revocations (version);
CREATE INDEX revocations_expires ON revocations (expires);
