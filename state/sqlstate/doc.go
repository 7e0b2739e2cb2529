// Package sqlstate is a state.Driver over database/sql. OpenSQLite keeps
// state in one file on one machine, OpenPostgres in a database that many
// nodes share.
//
// All changes go through one writer, which runs what many callers ask for in
// one transaction and syncs it once; changes of the ledger in the same
// transaction are read together, made in memory and written together. A
// request's own refusal leaves the others alone; a transaction that others
// are in the way of is run again.
//
// There is one schema, in migrations/, and one set of statements. They keep
// to what SQLite, PostgreSQL, CockroachDB and YugabyteDB all run in the same
// way, which is this and no more; a test holds every statement against it:
//
//	statements   CREATE TABLE, CREATE TABLE IF NOT EXISTS, CREATE INDEX,
//	             CREATE UNIQUE INDEX, ALTER TABLE ADD COLUMN, SELECT FROM,
//	             INSERT INTO VALUES, UPDATE SET, DELETE FROM
//	clauses      WHERE, ORDER BY, LIMIT, RETURNING,
//	             ON CONFLICT DO NOTHING, ON CONFLICT DO UPDATE SET, EXCLUDED
//	types        TEXT, BYTEA, BIGINT, BOOLEAN
//	constraints  NOT NULL, PRIMARY KEY, DEFAULT
//	operators    AND, OR, NOT, IS NULL, IN, TRUE, CASE WHEN THEN ELSE END,
//	             = < > >= +
//	functions    COALESCE, MAX, SUBSTR
//	parameters   $1, $2 and so on
//
// Times are BIGINT, microseconds since 1970 in UTC, NULL for none. SQLite
// takes BYTEA and BOOLEAN as names without a meaning of their own. Text is
// valid UTF-8 without NUL and compares by its bytes: by itself in SQLite,
// CockroachDB and YugabyteDB, and in PostgreSQL because OpenPostgres gives
// the columns a collation that does where the database's own does not.
//
// What differs from one engine to another is in the file of each engine: in
// PostgreSQL, rows that are about to be changed are read FOR UPDATE. Only
// SQLite and PostgreSQL are run in tests.
package sqlstate
