package diskstore

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
)

// openIndex opens the Pebble database.
func (d *Driver) openIndex() error {
	d.fuse = newFuse(d.opts.fs, &d.counts, func(err error) {
		d.log.Error("the index is frozen", "err", err)
	})
	db, err := pebble.Open(d.path(indexDir), d.pebbleOptions())
	if err != nil {
		return err
	}
	d.db = db
	return d.fuse.blown()
}

// pebbleOptions are meant for a process that shares a small machine: little
// memory, at most two compactions at a time. Pebble takes the memory of its
// tables in memory out of that of its cache, so it comes on top: without it,
// nothing was cached while there were writes.
func (d *Driver) pebbleOptions() *pebble.Options {
	opts := &pebble.Options{
		FS:                          d.fuse,
		Lock:                        d.lock,
		Logger:                      pebbleLogger{d.log, d.fuse},
		EventListener:               d.pebbleEvents(),
		FormatMajorVersion:          pebble.FormatValueSeparation,
		CacheSize:                   d.opts.CacheSize + 2*memTableSize,
		MemTableSize:                memTableSize,
		MemTableStopWritesThreshold: 3,
		MaxOpenFiles:                openFiles(),
		MaxManifestFileSize:         maxManifest,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 2 },
	}
	for i := range opts.Levels {
		opts.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	// Gets do not read the filters of the last level, which would be large.
	opts.Levels[len(opts.Levels)-1].FilterPolicy = pebble.NoFilterPolicy
	opts.Experimental.FileCacheShards = 2
	opts.Experimental.ValueSeparationPolicy = separateValues
	opts.Experimental.SpanPolicyFunc = pebble.MakeStaticSpanPolicyFunc(
		pebble.DefaultComparer.Compare,
		pebble.KeyRange{Start: []byte{spaceObject}, End: []byte{spaceObject + 1}},
		// Listings read object records in bulk, so they stay with their keys.
		pebble.SpanPolicy{ValueStoragePolicy: pebble.ValueStorageLowReadLatency},
	)
	return opts
}

// Bounds of how many files the index keeps open. With 10 million objects of 512
// bytes it has 3,000; a GET that has to open two of them takes 110 µs of CPU time
// instead of 30.
const (
	minOpenFiles = 256
	maxOpenFiles = 4096
)

// maxManifest is how large the list of changes to the index's files becomes
// before it is begun anew: a start reads all of it. The files of 10 million
// objects take 52 KiB in it; Pebble's default is 128 MiB.
const maxManifest = 1 << 20

// memTableSize bounds how much of the index's log is held in memory, twice
// over. 8 MiB was not measurably faster and costs 8 MiB more.
const memTableSize = 4 << 20

// separateValues keeps small bodies out of compactions: tables then move keys
// only, and bodies are rewritten when a fifth of a Pebble blob file is dead.
func separateValues() pebble.ValueSeparationPolicy {
	return pebble.ValueSeparationPolicy{
		Enabled:               true,
		MinimumSize:           512,
		MaxBlobReferenceDepth: 10,
		RewriteMinimumAge:     5 * time.Minute,
		TargetGarbageRatio:    0.20,
	}
}

func (d *Driver) pebbleEvents() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) { d.log.Error("index: background work failed", "err", err) },
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			d.log.Error("index: corrupt data", "path", info.Path, "err", info.Details)
		},
		WriteStallBegin: func(info pebble.WriteStallBeginInfo) {
			d.log.Warn("index: writes wait for compactions", "reason", info.Reason)
		},
	}
}

// commit makes a batch durable. Only a nil error may be acknowledged.
func (d *Driver) commit(b *pebble.Batch) error { return d.apply(b, pebble.Sync) }

// apply gives a batch to Pebble. Nothing else does, so that no change passes
// the read cache by.
func (d *Driver) apply(b *pebble.Batch, durability *pebble.WriteOptions) error {
	if err := d.fuse.blown(); err != nil {
		return err
	}
	var few [8]uint64
	changed, err := d.cache.changes(few[:0], b)
	if err != nil {
		return err
	}
	told, err := d.gaps.begin(b)
	if err != nil {
		return err
	}
	defer d.gaps.end(told)
	size := uint64(b.Len()) // of which there is none once Pebble had it
	d.cache.begin(changed)
	defer d.cache.end(changed)
	if err := b.Commit(pebble.NoSync); err != nil {
		return err
	}
	if durability.GetSync() {
		if err := d.group.sync(d.syncLog); err != nil {
			return err
		}
	}
	d.counts.commits.Add(1)
	d.counts.committed.Add(size)
	return d.fuse.blown()
}

// syncLog makes durable all that was committed before. The log is written in
// order, so this is one sync of its file; where a new one was begun meanwhile,
// the old one was synced then.
func (d *Driver) syncLog() error { return d.db.LogData(nil, pebble.Sync) }

// view runs a look at the index as it is at one instant.
func (d *Driver) view(look func(r pebble.Reader) error) (err error) {
	snapshot := d.db.NewSnapshot()
	defer closeInto(&err, snapshot)
	return look(snapshot)
}

// set makes a single record durable.
func (d *Driver) set(key, value []byte) error {
	b := d.db.NewBatch()
	defer b.Close()
	if err := b.Set(key, value, nil); err != nil {
		return err
	}
	return d.commit(b)
}

// get reads a record; decode must not keep the slice. found is false, without
// an error, when there is none.
func (d *Driver) get(key []byte, decode func(value []byte) error) (found bool, err error) {
	return get(d.db, key, decode)
}

func get(r pebble.Reader, key []byte, decode func(value []byte) error) (found bool, err error) {
	value, closer, err := r.Get(key)
	if err == pebble.ErrNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	err = decode(value)
	if cerr := closer.Close(); err == nil {
		err = cerr
	}
	return err == nil, err
}

// A pebbleLogger passes Pebble's errors on. Its notices are left out: every
// flush and compaction has one.
type pebbleLogger struct {
	log  *slog.Logger
	fuse *fuse
}

// Infof implements pebble.Logger.
func (l pebbleLogger) Infof(string, ...any) {}

// Errorf implements pebble.Logger.
func (l pebbleLogger) Errorf(format string, args ...any) {
	l.log.Error("index: " + fmt.Sprintf(format, args...))
}

// Fatalf implements pebble.Logger. As failures of the disk do not reach Pebble
// (see fuse), this is a violated invariant: nothing more may be written, and
// the process ends rather than go on with a wrong state.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	msg := "index: " + fmt.Sprintf(format, args...)
	l.fuse.blow(fmt.Errorf("%s", msg))
	panic(msg)
}
