package diskstore

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// idsPerDir is how many ids share a directory of blob files.
const idsPerDir = 4096

// blobs are the files that hold larger bodies.
type blobs struct {
	fs    vfs.FS
	files files
	dir   string
	syncs dirSyncs

	mu    sync.Mutex
	ready map[uint64]bool // directories that durably exist
}

func newBlobs(fs vfs.FS, files files, dir string) *blobs {
	return &blobs{fs: fs, files: files, dir: dir, syncs: dirSyncs{fs: fs}, ready: make(map[uint64]bool)}
}

func (b *blobs) subdir(n uint64) string {
	return b.fs.PathJoin(b.dir, fmt.Sprintf("%013x", n))
}

func (b *blobs) path(id uint64) string {
	return b.fs.PathJoin(b.subdir(id/idsPerDir), fmt.Sprintf("%016x", id))
}

// link gives a file its durable name.
func (b *blobs) link(f newFile, id uint64) error {
	if err := b.prepare(id / idsPerDir); err != nil {
		return err
	}
	if err := f.link(b.path(id)); err != nil {
		return err
	}
	return b.syncs.sync(b.subdir(id / idsPerDir))
}

// prepare makes sure that a directory durably exists.
func (b *blobs) prepare(n uint64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ready[n] {
		return nil
	}
	if err := b.fs.MkdirAll(b.subdir(n), 0o700); err != nil {
		return err
	}
	if err := b.syncs.sync(b.dir); err != nil {
		return err
	}
	if len(b.ready) > 64 {
		clear(b.ready) // old directories are hardly asked for again
	}
	b.ready[n] = true
	return nil
}

// open opens a blob and returns its size, too.
func (b *blobs) open(id uint64) (blobFile, int64, error) {
	f, err := b.files.open(b.path(id))
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// checkBlob checks that a blob of a size reaches as far as a segment.
func checkBlob(s segment, size int64) error {
	if size < s.off+s.size {
		return fmt.Errorf("blob %016x has %d bytes instead of %d", s.blob, size, s.off+s.size)
	}
	return nil
}

// remove removes files durably. Those that are not there count as removed.
func (b *blobs) remove(ids []uint64) error {
	dirs := make(map[uint64]bool)
	for _, id := range ids {
		err := b.fs.Remove(b.path(id))
		switch {
		case err == nil:
			dirs[id/idsPerDir] = true
		case !notExist(err):
			return err
		}
	}
	for n := range dirs {
		if err := b.syncs.sync(b.subdir(n)); err != nil {
			return err
		}
	}
	return nil
}

// removeEmptyDirs removes the directories of the given ids that are empty.
// All ids of a directory must be settled.
func (b *blobs) removeEmptyDirs(ids []uint64) {
	last := ^uint64(0)
	for _, id := range ids {
		if n := id / idsPerDir; n != last {
			_ = b.fs.Remove(b.subdir(n)) // fails unless it is empty
			last = n
		}
	}
}

// list returns the ids of the files in one directory.
func (b *blobs) list(n uint64) ([]uint64, error) {
	names, err := b.fs.List(b.subdir(n))
	if notExist(err) {
		return nil, nil
	}
	ids := make([]uint64, 0, len(names))
	for _, name := range names {
		if id, err := strconv.ParseUint(filepath.Base(name), 16, 64); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, err
}

// dirSyncs syncs directories, at most one at a time; whoever asks while
// another sync runs shares the next one.
type dirSyncs struct {
	fs      vfs.FS
	running sync.Mutex

	mu      sync.Mutex
	waiting map[string]*dirSync // those that have not begun
}

type dirSync struct {
	done chan struct{}
	err  error
}

// sync returns when all changes of dir before the call are durable.
func (s *dirSyncs) sync(dir string) error {
	s.mu.Lock()
	if round := s.waiting[dir]; round != nil {
		s.mu.Unlock()
		<-round.done
		return round.err
	}
	round := &dirSync{done: make(chan struct{})}
	if s.waiting == nil {
		s.waiting = make(map[string]*dirSync)
	}
	s.waiting[dir] = round
	s.mu.Unlock()

	s.running.Lock()
	s.mu.Lock()
	delete(s.waiting, dir) // from here on it is too late to join
	s.mu.Unlock()
	round.err = syncDir(s.fs, dir)
	s.running.Unlock()
	close(round.done)
	return round.err
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}
