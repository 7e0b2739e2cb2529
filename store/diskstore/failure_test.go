package diskstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// A faultyFS fails operations on request.
type faultyFS struct {
	crashFS
	fail atomic.Pointer[func(errorfs.Op) error]
}

func (f *faultyFS) failWith(err error, kind errorfs.OpKind, pathPart string) {
	fail := func(op errorfs.Op) error {
		if op.Kind == kind && strings.Contains(op.Path, pathPart) {
			return err
		}
		return nil
	}
	f.fail.Store(&fail)
}

func (f *faultyFS) heal() { f.fail.Store(nil) }

// MaybeError implements errorfs.Injector.
func (f *faultyFS) MaybeError(op errorfs.Op) error {
	if fail := f.fail.Load(); fail != nil {
		return (*fail)(op)
	}
	return nil
}

func (f *faultyFS) String() string { return "faulty" }

// openFaulty opens a driver whose disk can be made to fail. It leaves out the
// wait of a frozen index.
func openFaulty(t *testing.T) (*Driver, *faultyFS) {
	t.Helper()
	fs := &faultyFS{crashFS: newMemFS()}
	d := openMem(t, inject(fs.crashFS, fs))
	createTestBucket(t, d)
	return d, fs
}

// TestFrozenIndex lets the index's log or manifest fail under load: nothing
// is acknowledged from then on, reads go on, and what was acknowledged is
// there after a restart.
func TestFrozenIndex(t *testing.T) {
	tests := []struct {
		name string
		kind errorfs.OpKind
		path string
		err  error
		code daypass.Code
	}{
		{"sync of the log", errorfs.OpFileSyncData, ".log", syscall.EIO, daypass.InternalError},
		{"write of the log", errorfs.OpFileWrite, ".log", syscall.EIO, daypass.InternalError},
		{"full disk", errorfs.OpFileWrite, ".log", syscall.ENOSPC, daypass.InsufficientStorage},
		{"a new log", errorfs.OpCreate, ".log", syscall.EIO, daypass.InternalError},
		{"manifest", errorfs.OpFileSync, "MANIFEST", syscall.EIO, daypass.InternalError},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, fs := openFaulty(t)
			stored := writeUntilRefused(t, d, func() { fs.failWith(tt.err, tt.kind, tt.path) }, tt.code)
			if d.Err() == nil {
				t.Error("Err is nil")
			}
			fs.heal()
			if err := put(d, "late", nil); daypass.CodeOf(writeError(err)) != tt.code {
				t.Errorf("PutObject on a frozen index: %v", err)
			}
			for _, key := range []string{slices.Collect(maps.Keys(stored))[0], "missing"} {
				if err := remove(d, key); daypass.CodeOf(err) != tt.code {
					t.Errorf("DeleteObject of %s on a frozen index: %v", key, err)
				}
			}
			err := d.CreateBucket(context.Background(), store.Bucket{Name: "late"})
			if daypass.CodeOf(err) != tt.code {
				t.Errorf("CreateBucket on a frozen index: %v", err)
			}
			checkStored(t, d, stored)
			crashed := crashFS{fs.CrashClone(vfs.CrashCloneCfg{})}
			d.Close()

			d = openMem(t, crashed)
			defer d.Close()
			checkStored(t, d, stored)
			checkConsistency(t, d)
		})
	}
}

// writeUntilRefused lets writers work until each is refused; after a while it
// makes the disk fail. It returns the keys that were acknowledged and their
// sizes.
func writeUntilRefused(t *testing.T, d *Driver, fail func(), code daypass.Code) map[string]int {
	time.AfterFunc(30*time.Millisecond, fail)
	var mu sync.Mutex
	stored := make(map[string]int)
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for n := 0; ; n++ {
				key, size := fmt.Sprintf("%d/%d", w, n), 1000
				if n%10 == 0 {
					size = 5000
				}
				if err := put(d, key, content(uint64(size), size)); err != nil {
					if got := daypass.CodeOf(err); got != code {
						t.Errorf("%s: code %s, want %s (%v)", key, got, code, err)
					}
					return
				}
				mu.Lock()
				stored[key] = size
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return stored
}

func checkStored(t *testing.T, d *Driver, stored map[string]int) {
	t.Helper()
	if len(stored) == 0 {
		t.Error("nothing was stored")
	}
	for key, size := range stored {
		data, _, err := read(d, key)
		if err != nil || string(data) != string(content(uint64(size), size)) {
			t.Errorf("%s: %d bytes, want %d (%v)", key, len(data), size, err)
		}
	}
}

// TestFailingTables lets Pebble's tables fail for a while, which it survives
// by itself.
func TestFailingTables(t *testing.T) {
	d, fs := openFaulty(t)
	defer d.Close()
	fs.failWith(syscall.ENOSPC, errorfs.OpFileWrite, ".sst")
	for n := range 600 { // enough to begin a flush
		if err := put(d, fmt.Sprint(n), content(1, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	fs.heal()
	for n := range 600 {
		if data, _, err := read(d, fmt.Sprint(n)); len(data) != 1000 {
			t.Fatal(len(data), err)
		}
	}
	if err := d.Err(); err != nil {
		t.Error(err)
	}
}

// TestFailingBlob lets each step of a large upload fail: it is refused and
// leaves nothing, and the next one succeeds.
func TestFailingBlob(t *testing.T) {
	tests := []struct {
		name string
		kind errorfs.OpKind
		path string
		err  error
		code daypass.Code
	}{
		{"full disk", errorfs.OpFileWrite, "/tmp/", syscall.ENOSPC, daypass.InsufficientStorage},
		{"quota", errorfs.OpFileWrite, "/tmp/", syscall.EDQUOT, daypass.InsufficientStorage},
		{"write", errorfs.OpFileWrite, "/tmp/", syscall.EIO, daypass.InternalError},
		{"create", errorfs.OpCreate, "/tmp/", syscall.ENOSPC, daypass.InsufficientStorage},
		{"sync", errorfs.OpFileSync, "/tmp/", syscall.EIO, daypass.InternalError},
		{"link", errorfs.OpRename, "/tmp/", syscall.ENOSPC, daypass.InsufficientStorage},
		{"directory", errorfs.OpMkdirAll, "/blobs/", syscall.ENOSPC, daypass.InsufficientStorage},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, fs := openFaulty(t)
			defer d.Close()
			fs.failWith(tt.err, tt.kind, tt.path)
			err := put(d, "key", content(1, 10_000))
			if daypass.CodeOf(err) != tt.code || !errors.Is(err, tt.err) {
				t.Errorf("got %v, want %s", err, tt.code)
			}
			if err := put(d, "small", content(2, 100)); err != nil {
				t.Errorf("a small body: %v", err)
			}
			fs.heal()
			if _, ok, err := read(d, "key"); ok || err != nil {
				t.Errorf("the refused object exists: %v, %v", ok, err)
			}
			if err := put(d, "key", content(3, 10_000)); err != nil {
				t.Error(err)
			}
			checkConsistency(t, d)
		})
	}
}

// TestFailingDirSync covers a link that nobody knows to be durable.
func TestFailingDirSync(t *testing.T) {
	d, fs := openFaulty(t)
	if err := put(d, "first", content(1, 10_000)); err != nil { // makes the directory
		t.Fatal(err)
	}
	fs.failWith(syscall.EIO, errorfs.OpFileSync, "/blobs/")
	if err := put(d, "key", content(1, 10_000)); err == nil {
		t.Error("an upload whose link is not durable was acknowledged")
	}
	fs.heal()
	if d.ids.low() == d.ids.next {
		t.Error("the failed file counts as settled")
	}
	crashed := crashFS{fs.CrashClone(vfs.CrashCloneCfg{})}
	d.Close()
	d = openMem(t, crashed)
	defer d.Close()
	checkConsistency(t, d)
}

// TestMinFree refuses writes before the disk is full; deletions and reads go
// on.
func TestMinFree(t *testing.T) {
	fs := newMemFS()
	opts := memOptions(fs)
	opts.MinFree = 1 << 20
	d := openTest(t, opts)
	createTestBucket(t, d)
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1<<20 + 5_000})
	if err := put(d, "key", content(1, 3_000)); err != nil {
		t.Fatal(err)
	}
	if err := put(d, "large", content(1, 10_000)); daypass.CodeOf(err) != daypass.InsufficientStorage {
		t.Errorf("a body that does not fit: %v", err)
	}
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 19})
	if err := put(d, "small", nil); daypass.CodeOf(err) != daypass.InsufficientStorage {
		t.Errorf("an empty body: %v", err)
	}
	if data, _, err := read(d, "key"); len(data) != 3_000 {
		t.Errorf("reading: %v", err)
	}
	if err := remove(d, "key"); err != nil {
		t.Errorf("deleting: %v", err)
	}
	checkConsistency(t, d)
}
