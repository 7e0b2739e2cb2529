// Package state keeps the little that all nodes of a deployment must agree
// on: access keys, settings, what passes have used up, revocations, what was
// seen of passes, and links. State is the portable type that callers use: it
// encrypts secrets under the master key, checks values and caches; a Driver
// keeps records.
//
// Drivers live in sub-packages (sqlstate for SQLite and PostgreSQL) and pass
// the suite in statetest.
//
// # The ledger
//
// What a pass has used up is kept in small entries of the driver, each of
// which changes in one step: a budget of bytes for downloads (Draw, Settle), a
// count of writes (Reserve, Release), the address that a pass is bound to
// (Bind) and the tries of its PIN (TryPIN, AcceptPIN). The rules are pure
// functions over an entry's data, so that a driver that gets a lost reply may
// simply be asked again; ledgertest tries them over any driver. Whatever fails,
// a pass never gives more than it promises; a failure that is not a crash
// takes nothing from it either, since what could not be written is written
// later.
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
