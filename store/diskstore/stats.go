package diskstore

import "sync/atomic"

// Stats tell what a Driver has done since it was opened, and what it holds.
type Stats struct {
	// Hits and Misses count looks for an object in the read cache; CacheBytes
	// is about how much memory it takes, and CacheLimit how much it may.
	Hits, Misses           uint64
	CacheBytes, CacheLimit int64
	// OpenBlobs is how many files of larger bodies are kept open for the next
	// reader.
	OpenBlobs int
	// Commits are changes of the index that were made durable, CommittedBytes
	// their size, with the small bodies that lie in it. Concurrent ones share
	// Syncs of its log.
	Commits, CommittedBytes, Syncs uint64
	// WrittenBytes is what the index has written to disk for them: its log, and
	// tables, some of them more than once. By CommittedBytes it is the write
	// amplification of small objects.
	WrittenBytes uint64
}

// counts are those of Stats that the paths of writes keep.
type counts struct {
	commits, committed, syncs, written atomic.Uint64
}

// Stats returns the driver's figures.
func (d *Driver) Stats() Stats {
	c := d.cache.stats()
	kept, limit := d.kept.memory()
	return Stats{
		Hits: c.hits, Misses: c.misses, CacheBytes: c.bytes + kept, CacheLimit: c.limit + limit,
		OpenBlobs: d.handles.idleCount(),
		Commits:   d.counts.commits.Load(), CommittedBytes: d.counts.committed.Load(),
		Syncs: d.counts.syncs.Load(), WrittenBytes: d.counts.written.Load(),
	}
}
