package diskstore

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// crashFS is Pebble's in-memory file system, which can be cloned as a loss of
// power would leave it. Two methods of MemFS take a read lock twice, and so can
// deadlock with a clone; they are replaced.
type crashFS struct{ *vfs.MemFS }

// Lock implements vfs.FS. Nobody else knows the directory.
func (fs crashFS) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

// ReuseForWrite implements vfs.FS.
func (fs crashFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return reuse(fs.MemFS, from, to, c)
}

func reuse(fs vfs.FS, from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := fs.Rename(from, to); err != nil {
		return nil, err
	}
	return fs.OpenReadWrite(to, c)
}

// injectedFS is a file system whose operations an injector sees.
type injectedFS struct{ vfs.FS }

func inject(fs vfs.FS, by errorfs.Injector) vfs.FS { return injectedFS{errorfs.Wrap(fs, by)} }

// ReuseForWrite implements vfs.FS. What happens to the file that errorfs
// returns here, the injector would not see.
func (fs injectedFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	return reuse(fs.FS, from, to, c)
}

// memFiles are blob files in a vfs.FS.
type memFiles struct {
	fs   vfs.FS
	last *atomic.Int64
}

func (m memFiles) open(name string) (blobFile, error) {
	f, err := m.fs.Open(name)
	if err != nil {
		return nil, err
	}
	return memBlob{f}, nil
}

func (m memFiles) create(dir string) (newFile, error) {
	name := fmt.Sprintf("%s/%s/%d", dir, tmpDir, m.last.Add(1))
	f, err := m.fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	return &memNew{File: f, fs: m.fs, name: name}, nil
}

type memBlob struct{ vfs.File }

func (b memBlob) Stat() (os.FileInfo, error) { return b.File.Stat() }

type memNew struct {
	vfs.File
	fs     vfs.FS
	name   string
	linked bool
}

func (f *memNew) link(name string) error {
	err := f.fs.Rename(f.name, name)
	f.linked = err == nil
	return err
}

func (f *memNew) Close() error {
	if !f.linked {
		_ = f.fs.Remove(f.name)
	}
	return f.File.Close()
}

// memDir is the data directory in memory.
const memDir = "/data"

// memOptions are those of a driver in fs.
func memOptions(fs vfs.FS) Options {
	return Options{Dir: memDir, InlineSize: 1 << 10, MinFree: 1, fs: fs, files: memFiles{fs, new(atomic.Int64)}}
}

func newMemFS() crashFS { return crashFS{vfs.NewCrashableMem()} }

func openMem(t testing.TB, fs vfs.FS) *Driver {
	t.Helper()
	d, err := Open(memOptions(fs))
	if err != nil {
		t.Fatal(err)
	}
	return d
}
