// Package bucketlog delivers S3 server access logs: the events of buckets whose
// logging is on become objects in the buckets that it names (S3 user guide,
// "Logging requests with server access logging").
//
// # Exactly once
//
// A batch of events is read from the spool, grouped by where it goes as the
// buckets' settings are then, and written to one file of a queue on the disk.
// Only then is the batch committed, and only what is committed is delivered. So
// a batch that comes again, since the process ended in between, finds its file
// and does not look at the settings again, whatever has become of them; and a
// file that is there is delivered until it is done. The names of objects are
// made of the batch, and an object is written only where there is none of its
// name: one that is there is this delivery's own, from before a crash.
//
// One thing is left: a process that ends between writing an object and noting
// that, while somebody takes the object away before the process is back, writes
// it again.
//
// # What does not work
//
// A target that refuses an object, since it is gone or does not let logs in, has
// it dropped, with a warning: S3's promise is best effort too. A target that
// fails is asked again, after a time that grows to a minute, and the objects
// stay in the queue meanwhile, where they are in nobody's way. The queue is
// bounded: what is oldest goes first.
package bucketlog
