// Package state keeps the little that all nodes of a deployment must agree
// on: access keys now; settings, draws, revocations and links as later parts
// add them. State is the portable type that callers use: it encrypts secrets
// under the master key, checks values and caches; a Driver keeps records.
//
// Drivers live in sub-packages (sqlstate for SQLite and PostgreSQL) and pass
// the suite in statetest.
package state
