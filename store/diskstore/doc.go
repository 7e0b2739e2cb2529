// Package diskstore keeps objects on a local disk: it is the embedded driver
// of package store.
//
// # On disk
//
//	DIR/format   {"format":3}: the version of everything below
//	DIR/index/   a Pebble database: buckets, objects, uploads and small bodies
//	DIR/blobs/   larger bodies: blobs/<id / 4096>/<id>, in hexadecimal
//	DIR/tmp/     uploads under way, where the file system has no unnamed files
//
// Bodies are immutable and have ids that never repeat. A small body lies in
// the index, in the same atomic, synced commit as its object, and concurrent
// commits share one sync. A larger one is written to a file without a name,
// synced and linked; then the object that refers to it is committed. So what
// is acknowledged survives a loss of power, and a crash leaves at worst files
// that nothing refers to. Those have ids above a durable watermark, and Open
// looks for them there only. Files that an overwrite or a deletion set free
// are removed later, by a record that is part of the same commit.
//
// # Versions, parts and copies
//
// The current version of each key lies apart from the others and from delete
// markers, so reading and listing objects costs the same with versions as
// without.
//
// A body that was uploaded in parts is a manifest: a record that lists its
// parts and the pieces of blobs that they lie in. Completing an upload writes
// the manifest and copies no bytes. Copies refer to the same blobs, or to the
// same manifest; where more than one record refers to a blob or manifest, the
// index counts them, in the commits that change the number. Who reads an
// object in parts pins its manifest, as its files are opened one at a time.
// What aborted uploads and dropped manifests refer to is freed later.
//
// # Failures
//
// When the disk runs full, writes are refused with InsufficientStorage while
// Options.MinFree bytes are still left, so that the index itself never runs
// out of space; deletions and reads go on.
//
// When a write or sync of the index's log fails, nobody can know what the
// disk holds. From then on the driver refuses every write and changes nothing
// on disk, as if the power had been lost at that moment; reads go on from
// what was there, which may include the write that failed. Driver.Err tells.
// After a restart the state is that of the last successful sync, or later.
package diskstore
