package diskstore

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/errors/oserror"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// errFrozen is what Pebble is told of writes that it can do without.
var errFrozen = errors.New("the index is frozen after a failed write")

// A fuse lies between Pebble and its file system. When a write, a sync or a
// creation that durability rests on fails (the log, the manifest and their
// directory entries; not tables, which Pebble writes anew), the fuse blows:
// the state on disk stays what it was at that moment, as after a loss of
// power.
//
// Pebble itself treats such a failure as the end of the process, and goes on
// wrongly if its logger does not exit. So it is not told: to it, vital writes
// go on succeeding, into the void, and the driver, which asks blown after each
// commit, refuses to acknowledge any. Reads go on.
type fuse struct {
	vfs.FS
	err    atomic.Pointer[error]
	counts *counts
	onBlow func(error)
	done   chan struct{} // closed when the database is about to be closed
	held   sync.Pool     // *[]byte of tableBuffer bytes
}

func newFuse(fs vfs.FS, counts *counts, onBlow func(error)) *fuse {
	f := &fuse{FS: fs, counts: counts, onBlow: onBlow, done: make(chan struct{})}
	f.held.New = func() any { return newBuffer(tableBuffer) }
	return f
}

// blown returns the failure that froze the disk, or nil.
func (f *fuse) blown() error {
	if err := f.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (f *fuse) blow(err error) {
	err = fmt.Errorf("the index could not be written, writes are refused until a restart: %w", err)
	if f.err.CompareAndSwap(nil, &err) {
		f.onBlow(err)
	}
}

// vital reports whether durability rests on writes to the named file.
func vital(name string) bool {
	return !strings.HasSuffix(name, ".sst") && !strings.HasSuffix(name, ".blob")
}

// guard runs a change of a vital file unless the fuse is blown, and blows it
// when the change fails.
func (f *fuse) guard(change func() error) {
	if f.blown() != nil {
		return
	}
	if err := change(); err != nil {
		f.blow(err)
	}
}

// pause keeps Pebble from retrying a failed flush or compaction in a tight
// loop.
func (f *fuse) pause() {
	select {
	case <-f.done:
	case <-time.After(time.Second):
	}
}

// open returns the file that a creating call yields. A vital file that cannot
// be had becomes one that leads nowhere.
func (f *fuse) open(name string, create func() (vfs.File, error)) (vfs.File, error) {
	if vital(name) {
		file := vfs.NewMemFile(nil)
		f.guard(func() error {
			made, err := create()
			if err == nil {
				file = made
			}
			return err
		})
		return &fusedFile{File: file, fuse: f, vital: true, log: strings.HasSuffix(name, ".log")}, nil
	}
	if f.blown() != nil {
		f.pause()
		return nil, errFrozen
	}
	file, err := create()
	if err != nil {
		f.pause()
		return nil, err
	}
	return &fusedFile{File: file, fuse: f}, nil
}

// Create implements vfs.FS.
func (f *fuse) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.open(name, func() (vfs.File, error) { return f.FS.Create(name, c) })
}

// OpenReadWrite implements vfs.FS.
func (f *fuse) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return f.open(name, func() (vfs.File, error) { return f.FS.OpenReadWrite(name, c, opts...) })
}

// ReuseForWrite implements vfs.FS.
func (f *fuse) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return f.open(to, func() (vfs.File, error) { return f.FS.ReuseForWrite(from, to, c) })
}

// OpenDir implements vfs.FS.
func (f *fuse) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &fusedFile{File: file, fuse: f, vital: true}, nil
}

// Rename implements vfs.FS.
func (f *fuse) Rename(from, to string) error {
	f.guard(func() error { return f.FS.Rename(from, to) })
	return nil
}

// Link implements vfs.FS.
func (f *fuse) Link(from, to string) error {
	f.guard(func() error { return f.FS.Link(from, to) })
	return nil
}

// Remove implements vfs.FS. A file that cannot be removed harms nothing.
func (f *fuse) Remove(name string) error {
	if f.blown() != nil {
		return nil
	}
	return f.FS.Remove(name)
}

// RemoveAll implements vfs.FS.
func (f *fuse) RemoveAll(name string) error {
	if f.blown() != nil {
		return nil
	}
	return f.FS.RemoveAll(name)
}

// Unwrap implements vfs.FS.
func (f *fuse) Unwrap() vfs.FS { return f.FS }

// A fusedFile is a file that was opened through a fuse for writing.
type fusedFile struct {
	vfs.File
	fuse  *fuse
	vital bool
	log   bool // it is the index's log
	// held is what was written to a table last and is not in the file yet, at
	// the beginning of memory of the pool; nil where there is none. Pebble
	// writes a table in order, by one goroutine at a time, syncs and closes it,
	// and only then reads it.
	held   []byte
	pooled *[]byte
}

// tableBuffer is how much is written to a table at once, in bytes. Pebble writes
// each block by itself, which for a table of small bodies is one system call for
// each of them.
const tableBuffer = 64 << 10

// change runs a change of the file's content.
func (f *fusedFile) change(do func() error) error {
	switch {
	case f.vital:
		f.fuse.guard(do)
		return nil
	case f.fuse.blown() != nil:
		return errFrozen
	}
	err := do()
	if err != nil {
		f.fuse.pause()
	}
	return err
}

// Write implements vfs.File.
func (f *fusedFile) Write(p []byte) (n int, err error) {
	f.fuse.counts.written.Add(uint64(len(p)))
	if f.vital {
		f.fuse.guard(func() error { _, err := f.File.Write(p); return err })
		return len(p), nil
	}
	if len(f.held)+len(p) > tableBuffer {
		if err := f.flush(); err != nil {
			return 0, err
		}
	}
	if len(p) >= tableBuffer {
		err = f.change(func() error { n, err = f.File.Write(p); return err })
		return n, err
	}
	if f.pooled == nil {
		f.pooled = getBuffer(&f.fuse.held)
		f.held = (*f.pooled)[:0]
	}
	f.held = append(f.held, p...)
	return len(p), nil
}

// flush writes what is held. What could not be written is lost, as is the table.
func (f *fusedFile) flush() error {
	if len(f.held) == 0 {
		return nil
	}
	err := f.change(func() error { _, err := f.File.Write(f.held); return err })
	f.held = f.held[:0]
	return err
}

// Close implements vfs.File.
func (f *fusedFile) Close() error {
	err := f.flush()
	if f.pooled != nil {
		f.fuse.held.Put(f.pooled)
		f.held, f.pooled = nil, nil
	}
	if cerr := f.File.Close(); err == nil {
		err = cerr
	}
	return err
}

// WriteAt implements vfs.File.
func (f *fusedFile) WriteAt(p []byte, off int64) (n int, err error) {
	n = len(p)
	f.fuse.counts.written.Add(uint64(n))
	if err := f.flush(); err != nil {
		return 0, err
	}
	err = f.change(func() error { n, err = f.File.WriteAt(p, off); return err })
	if f.vital {
		n = len(p)
	}
	return n, err
}

// Sync implements vfs.File.
func (f *fusedFile) Sync() error {
	f.countSync()
	if err := f.flush(); err != nil {
		return err
	}
	return f.change(f.File.Sync)
}

func (f *fusedFile) countSync() {
	if f.log {
		f.fuse.counts.syncs.Add(1)
	}
}

// SyncData implements vfs.File.
func (f *fusedFile) SyncData() error {
	f.countSync()
	if err := f.flush(); err != nil {
		return err
	}
	return f.change(f.File.SyncData)
}

// SyncTo implements vfs.File.
func (f *fusedFile) SyncTo(length int64) (full bool, err error) {
	if err := f.flush(); err != nil {
		return false, err
	}
	err = f.change(func() error { full, err = f.File.SyncTo(length); return err })
	return full, err
}

// Preallocate implements vfs.File. Where it fails, the write that follows
// will tell.
func (f *fusedFile) Preallocate(off, length int64) error {
	if f.fuse.blown() == nil {
		_ = f.File.Preallocate(off, length)
	}
	return nil
}

var _ vfs.FS = (*fuse)(nil)

func notExist(err error) bool { return oserror.IsNotExist(err) }
