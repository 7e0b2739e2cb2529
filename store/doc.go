// Package store keeps buckets and objects. Store is the portable type that
// the endpoint uses; it holds every rule that must be the same on every
// backend (valid names, checksums, conditions, ranges, listings) and stands
// on a small Driver that only keeps bytes and metadata.
//
// Drivers live in sub-packages (diskstore for a local disk) and pass the
// suite in storetest.
package store
