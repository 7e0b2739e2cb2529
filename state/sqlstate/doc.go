// Package sqlstate is a state.Driver over database/sql. OpenSQLite keeps
// state in one file on one machine.
//
// There is one schema, in migrations/, and one set of statements, in SQL that
// SQLite and PostgreSQL both speak: $1 for parameters, ON CONFLICT, BIGINT
// for times (microseconds since 1970, UTC), BYTEA and BOOLEAN, which SQLite
// takes as names without a meaning of their own. What is left of differences
// belongs in the file of each engine; today that is how it says that its disk
// is full. Ids must compare by their bytes, which is how SQLite does it.
package sqlstate
