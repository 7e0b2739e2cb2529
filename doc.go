// Package daypass is the vocabulary that the parts of Daypass share: what a
// request asks for (Action, ObjectRef), what its signature proves (Grant) and
// how it is refused (Code, Error).
//
// Daypass makes pre-signed URLs, honours them as an S3-compatible endpoint,
// limits them beyond what S3 can, and lets people watch their use. Programs
// that only make or check URLs need package sign alone; it has no
// dependencies. Programs that embed the endpoint put a store.Store and a key
// source into server.New and serve the result.
//
// This package depends on the standard library only, and everything else may
// depend on it.
package daypass
