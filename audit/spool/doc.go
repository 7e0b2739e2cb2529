// Package spool keeps events on disk until every sink has them. It is a
// write-ahead log: requests append to a bounded queue in memory, one goroutine
// writes and syncs batches to segment files, and named consumers read them from
// there, each with a durable cursor.
//
// # What is promised
//
// Append never blocks on anything but a mutex, never fails, and costs well
// under a microsecond. What was synced survives a crash of the process and of
// the machine. Events that were appended in the last FlushEvery before a crash
// may be lost. Events are dropped in one case only: the queue is full because
// the disk takes nothing, since it is full, broken or too slow. Then the newest
// are dropped, because what happened first in an incident tells most, and
// because nothing that is in the queue is lost that way; they are counted, and
// a gap record with the count and the times stands in their place as soon as the
// disk takes it.
//
// # Exactly once
//
// A consumer's batch is a range of positions. Next writes the range to the
// cursor before it returns it, and until Commit returns the very same range
// again, whatever happened in between. A sink that names what it writes after
// the batch (Batch.Unique, Batch.Time) therefore overwrites on redelivery what
// it had written before. A sink that appends keeps how far it was as the state
// that Commit stores together with the cursor.
//
// # Segments
//
// A segment file is named by the position of its first record. It is written by
// one process, which starts a new one at the position where the valid records
// of its predecessor end: the torn end of a segment is cut off by the start of
// the next, and nothing is ever overwritten. Records are framed with a marker
// that is random for each segment and a checksum, so that reading goes on behind
// damage, and so that no text a client sends can look like a record.
package spool
