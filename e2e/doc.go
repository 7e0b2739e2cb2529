// Package e2e holds end-to-end tests alone: real SDKs, command-line clients
// and a browser against the daypass program, as its users run it. It is a
// module of its own, so that none of these clients becomes a dependency of
// Daypass.
//
// Every client does the same, where it can: it makes a bucket, writes, reads,
// lists and deletes objects with signed headers, and makes pre-signed URLs.
// The URLs then go through one table of uses and misuses by plain net/http
// (presigned_test.go), whoever made them.
//
// Beyond that each does what it is used for: uploads in parts, copies, syncs,
// versions, forms, and access for others by policies, lists and sessions.
// Clients in other languages are scripts in clients/ that report step by step
// (scripts_test.go).
package e2e
