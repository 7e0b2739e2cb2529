package diskstore

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/daypass/daypass/store"
)

// Names in the data directory.
const (
	indexDir = "index"
	blobsDir = "blobs"
	tmpDir   = "tmp"
)

// DefaultReadCacheSize is how many bytes of memory hold objects that were read
// lately.
const DefaultReadCacheSize = 16 << 20

// Options say where and how a Driver keeps its data.
type Options struct {
	// Dir is the data directory. It is created when it does not exist.
	Dir string
	// Logger receives what goes wrong in the background. The default
	// discards it.
	Logger *slog.Logger
	// CacheSize is how many bytes of the index are cached in memory. The
	// default is 8 MiB.
	CacheSize int64
	// ReadCacheSize is how many bytes of memory hold objects that were read
	// lately, with bodies of up to InlineSize bytes: reading these again asks
	// neither the index nor the disk. It fills as objects are read. The
	// default is DefaultReadCacheSize; a negative one is none.
	ReadCacheSize int64
	// InlineSize is the size, in bytes, of the largest body that is kept in
	// the index. The default is DefaultInlineSize.
	InlineSize int
	// MinFree is how many bytes of the disk writes leave free. The default
	// is 64 MiB.
	MinFree uint64
	// Now returns the present, which becomes the modification time of delete
	// markers. The default is time.Now.
	Now func() time.Time
	// Rand is the source of version and upload ids; it must be safe for
	// concurrent use. The default is crypto/rand.Reader.
	Rand io.Reader

	// fs and files are replaced by tests.
	fs    vfs.FS
	files files
}

// withDefaults returns the options with every empty field filled in.
func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.CacheSize == 0 {
		o.CacheSize = 8 << 20
	}
	if o.ReadCacheSize == 0 {
		o.ReadCacheSize = DefaultReadCacheSize
	}
	if o.InlineSize == 0 {
		o.InlineSize = DefaultInlineSize
	}
	if o.MinFree == 0 {
		o.MinFree = 64 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.fs == nil {
		o.fs, o.files = vfs.Default, osFiles{}
	}
	return o
}

// A Driver keeps buckets and objects in one data directory.
type Driver struct {
	opts    Options
	log     *slog.Logger
	fuse    *fuse
	lock    *pebble.Lock
	db      *pebble.DB
	ids     *sequence
	blobs   *blobs
	buckets bucketTable
	cache   *readCache
	gaps    *gapCache
	kept    manifests
	handles *handles
	counts  counts
	group   groupSync
	garbage *collector
	pins    pins
	uploads uploadLocks
	keys    stripes
	// blobLocks are held while the number of references to a blob changes.
	blobLocks stripes
	// sharing is false while the index holds nothing in spaceShared, which
	// then need not be asked.
	sharing atomic.Bool

	space spaceAllowance
	small sync.Pool // *[]byte of InlineSize+1 bytes

	closed   sync.Once
	closeErr error
}

var (
	_ store.Driver      = (*Driver)(nil)
	_ store.Versioner   = (*Driver)(nil)
	_ store.Updater     = (*Driver)(nil)
	_ store.Copier      = (*Driver)(nil)
	_ store.Multiparter = (*Driver)(nil)
)

// Open opens a data directory and clears away what a crash has left there.
// Close must be called to release it.
func Open(opts Options) (*Driver, error) {
	d := &Driver{opts: opts.withDefaults()}
	d.cache = newReadCache(d.opts.ReadCacheSize)
	d.gaps = newGapCache(d.opts.ReadCacheSize / 16)
	d.kept.entries.limit = d.opts.ReadCacheSize / 4
	d.log = d.opts.Logger
	if err := d.open(); err != nil {
		d.release()
		return nil, fmt.Errorf("diskstore: open %s: %w", opts.Dir, err)
	}
	return d, nil
}

func (d *Driver) open() error {
	fs := d.opts.fs
	if err := d.makeDirs(); err != nil {
		return err
	}
	lock, err := pebble.LockDirectory(d.path(indexDir), fs)
	if err != nil {
		return fmt.Errorf("lock the data directory (does another process use it?): %w", err)
	}
	d.lock = lock
	if err := checkFormat(fs, d.opts.Dir); err != nil {
		return err
	}
	if err := d.openIndex(); err != nil {
		return err
	}
	d.blobs = newBlobs(fs, d.opts.files, d.path(blobsDir))
	d.handles = newHandles(d.blobs)
	d.garbage = newCollector(d)
	d.small.New = func() any { return newBuffer(d.opts.InlineSize + 1) }
	if err := d.loadSharing(); err != nil {
		return err
	}
	if err := d.recover(); err != nil {
		return err
	}
	if err := d.loadBuckets(); err != nil {
		return err
	}
	go d.garbage.run()
	return nil
}

func (d *Driver) path(elem string) string { return d.opts.fs.PathJoin(d.opts.Dir, elem) }

// makeDirs makes the directories that everything else lies in, durably.
func (d *Driver) makeDirs() error {
	fs := d.opts.fs
	for _, dir := range []string{d.path(indexDir), d.path(blobsDir), d.path(tmpDir)} {
		if err := makeDir(fs, dir); err != nil {
			return err
		}
	}
	return syncDir(fs, d.opts.Dir)
}

// makeDir makes a directory and its parents, each durably.
func makeDir(fs vfs.FS, dir string) error {
	if _, err := fs.Stat(dir); !notExist(err) {
		return err
	}
	parent := fs.PathDir(dir)
	if err := makeDir(fs, parent); err != nil {
		return err
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(fs, parent)
}

// Close releases the data directory once all calls have returned.
func (d *Driver) Close() error {
	d.closed.Do(func() {
		d.garbage.stop()
		d.closeErr = d.release()
	})
	return d.closeErr
}

// release closes what open has opened, in the opposite order.
func (d *Driver) release() error {
	var errs []error
	if d.handles != nil {
		d.handles.close()
	}
	if d.db != nil {
		close(d.fuse.done)
		errs = append(errs, d.db.Close())
	}
	if d.lock != nil {
		errs = append(errs, d.lock.Close())
	}
	return errors.Join(errs...)
}

// Err returns why the driver refuses every write until it is opened anew, or
// nil while it does not.
func (d *Driver) Err() error { return d.fuse.blown() }
