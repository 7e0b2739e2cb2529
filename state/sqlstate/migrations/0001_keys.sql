CREATE TABLE settings (
	name  TEXT  NOT NULL PRIMARY KEY,
	value BYTEA NOT NULL
);

CREATE TABLE access_keys (
	id            TEXT    NOT NULL PRIMARY KEY,
	sealed_secret BYTEA   NOT NULL,
	owner         TEXT    NOT NULL,
	name          TEXT    NOT NULL,
	created       BIGINT  NOT NULL,
	expires       BIGINT, -- NULL: never
	disabled      BOOLEAN NOT NULL,
	root          BOOLEAN NOT NULL
);

-- At most one root key.
CREATE UNIQUE INDEX access_keys_root ON access_keys (root) WHERE root;
