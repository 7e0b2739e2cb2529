-- Short aliases for passes that are minted when they are opened.
CREATE TABLE links (
	id         TEXT   NOT NULL PRIMARY KEY,
	access_key TEXT   NOT NULL,
	owner      TEXT   NOT NULL,
	pass       BYTEA  NOT NULL,
	created    BIGINT,
	expires    BIGINT -- NULL: never
);

CREATE INDEX links_owner ON links (owner, id);
CREATE INDEX links_expires ON links (expires);
