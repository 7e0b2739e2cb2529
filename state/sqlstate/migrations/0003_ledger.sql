-- Small entries that are read, changed and written in one step: budgets of
-- passes, reservations, bindings, PIN tries.
CREATE TABLE entries (
	id      TEXT   NOT NULL PRIMARY KEY, -- begins with the pass id
	pass    TEXT   NOT NULL,
	data    BYTEA  NOT NULL,
	expires BIGINT -- NULL: never
);

CREATE INDEX entries_expires ON entries (expires);
