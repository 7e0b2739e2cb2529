// Package state keeps the little that all nodes of a deployment must agree
// on: access keys now; settings, draws, revocations and links as later parts
// add them. State is the portable type that callers use: it encrypts secrets
// under the master key, checks values and caches; a Driver keeps records.
//
// Drivers live in sub-packages (sqlstate for SQLite and PostgreSQL) and pass
// the suite in statetest.
//
// # Secrets
//
// A secret is needed in full to check a signature, so it cannot be hashed. It
// is sealed with AES-256-GCM under a key derived from the master key for this
// one purpose (HKDF-SHA-256), and bound to the id of its access key, so that
// whoever can write to the database cannot make one key answer to another
// key's secret. A check value in the settings refuses a node that was given
// another master key before it can write anything that the others could not
// read.
package state
