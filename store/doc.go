// Package store keeps buckets and objects. Store is the portable type that
// the endpoint uses; it holds every rule that must be the same on every
// backend (valid names, checksums, conditions, ranges, listings, multipart
// uploads) and stands on a small Driver that only keeps bytes and metadata.
// What not every backend can do is an optional interface of the driver:
// Versioner, Updater, Copier, Multiparter. Without one, Store answers
// NotImplemented, except that it copies objects by itself.
//
// Drivers live in sub-packages (diskstore for a local disk) and pass the
// suite in storetest.
package store
