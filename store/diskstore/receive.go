package diskstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
	"github.com/minio/crc64nvme"
)

// DefaultInlineSize is the size of the largest body that is kept in the
// index, in bytes. BenchmarkPut settled it (2 busy cores, ext4, 0.26 ms for a
// sync; durable PUTs per second in the index / in files):
//
//	            1 writer     16 writers
//	  4 KiB    3355 / 573    6696 / 668
//	 16 KiB    1589 / 538    4276 / 711
//	 64 KiB    1367 / 417    1735 / 525
//	128 KiB     837 / 351     712 / 451
//	256 KiB     479 / 323     451 / 450
//	  1 MiB     142 / 185     120 / 233
//
// Beyond 64 KiB the gain no longer pays for writing a body twice (log and
// table) and for sending it through the index's cache instead of sendfile.
const DefaultInlineSize = 64 << 10

// A staged body has been received; no object refers to it yet. Exactly one of
// keep or discard ends it.
type staged struct {
	d    *Driver
	size int64
	id   uint64 // none when the body is empty
	crc  uint64

	small  []byte // a body for the index
	pooled *[]byte
	file   bool // a body in a linked file
	// offered says that a commit that refers to the body has begun. If it
	// fails, only the next Open can tell whether it is durable all the same.
	offered bool
}

func newBuffer(n int) *[]byte {
	b := make([]byte, n)
	return &b
}

func getBuffer(p *sync.Pool) *[]byte { return p.Get().(*[]byte) }

// receive reads a body to its end and stages it. The size need not be known:
// what does not fit into the index goes on into a file.
func (d *Driver) receive(ctx context.Context, body *store.Upload) (*staged, error) {
	size := body.SizeHint()
	if size < 0 || size > int64(d.opts.InlineSize) {
		if err := d.checkSpace(size); err != nil {
			return nil, err
		}
	} else if err := d.space.take(size, d.opts.Now(), d.checkSpace); err != nil {
		return nil, err
	}
	if size > int64(d.opts.InlineSize) {
		return d.receiveLarge(ctx, nil, body)
	}
	pooled := getBuffer(&d.small)
	n, err := io.ReadFull(body, *pooled)
	switch {
	case err == nil: // longer than a small body may be
		defer d.small.Put(pooled)
		return d.receiveLarge(ctx, *pooled, body)
	case err != io.EOF && err != io.ErrUnexpectedEOF:
		d.small.Put(pooled)
		return nil, err
	}
	return d.stageSmall(pooled, (*pooled)[:n])
}

func (d *Driver) stageSmall(pooled *[]byte, data []byte) (*staged, error) {
	s := &staged{d: d, size: int64(len(data)), small: data, pooled: pooled}
	if len(data) == 0 {
		return s, nil
	}
	s.crc = crc64nvme.Checksum(data)
	var err error
	if s.id, err = d.ids.take(); err != nil {
		s.discard()
		return nil, writeError(err)
	}
	return s, nil
}

// receiveLarge writes head and the rest of the body to a durable file.
func (d *Driver) receiveLarge(ctx context.Context, head []byte, body *store.Upload) (*staged, error) {
	f, err := d.blobs.files.create(d.opts.Dir)
	if err != nil {
		return nil, writeError(err)
	}
	defer f.Close()
	s := &staged{d: d, file: true}
	if err := s.copy(ctx, f, head, body); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, writeError(err)
	}
	if s.id, err = d.ids.takeFile(); err != nil {
		return nil, writeError(err)
	}
	if err := d.blobs.link(f, s.id); err != nil {
		s.discard()
		return nil, writeError(err)
	}
	return s, nil
}

// copy writes head and body to f, counts and sums.
func (s *staged) copy(ctx context.Context, f newFile, head []byte, body *store.Upload) error {
	w := &fileWriter{ctx: ctx, s: s, f: f}
	if len(head) > 0 {
		if _, err := w.Write(head); err != nil {
			return err
		}
	} else if body.SizeHint() >= store.PieceSize {
		w.direct = setDirect(f, true)
	}
	_, err := body.WriteTo(w)
	return err
}

// spaceEvery is how many bytes of a body, or of small ones together, are written
// between two looks at the space that is left on the disk.
const spaceEvery = 1 << 20

// smallOverhead is what a small body adds to the index beside its bytes: its
// record, written more than once.
const smallOverhead = 1 << 10

// spaceFor is how long a look at the disk holds for small bodies: others fill it,
// too.
const spaceFor = time.Second

// A spaceAllowance is how many bytes small bodies may be written before the
// next look at the disk, which was seen to have them at an instant.
type spaceAllowance struct {
	mu   sync.Mutex
	left int64
	seen time.Time
}

// take takes n bytes, and where there are no more looks for space for them, and
// for some more, if there is as much.
func (s *spaceAllowance) take(n int64, now time.Time, check func(int64) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n += smallOverhead
	age := now.Sub(s.seen)
	if s.left -= n; s.left >= 0 && age >= 0 && age < spaceFor {
		return nil
	}
	s.left = 0
	if check(n+spaceEvery) == nil {
		s.left, s.seen = spaceEvery, now
		return nil
	}
	return check(n)
}

// A fileWriter writes the body of a staged one.
type fileWriter struct {
	ctx     context.Context
	s       *staged
	f       newFile
	allowed int64 // how many bytes may be written before the next look
	// direct says that writes bypass the kernel's cache. That halves the work
	// of the kernel, and a large body does not drive out what is read often.
	// It is made durable by Sync all the same.
	direct bool
}

// Write implements io.Writer. Direct I/O wants whole pages, and each write waits
// for the disk, so that only large pieces are worth it: the end of a body, and
// all where memory is short, goes through the kernel's cache.
func (w *fileWriter) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	if err := w.checkSpace(int64(len(p))); err != nil {
		return 0, err
	}
	if w.direct && len(p) != store.PieceSize {
		w.direct = setDirect(w.f, false)
	}
	n, err := w.f.Write(p)
	if w.direct && refusesDirect(err) {
		// The file system wants larger blocks or has none of it.
		w.direct = setDirect(w.f, false)
		var m int
		m, err = w.f.Write(p[n:])
		n += m
	}
	w.s.size += int64(n)
	w.s.crc = crc64nvme.Update(w.s.crc, p[:n])
	return n, writeError(err)
}

// checkSpace looks for space for n bytes, and for some more so that the next
// writes need not look, if there is as much.
func (w *fileWriter) checkSpace(n int64) error {
	if w.allowed -= n; w.allowed >= 0 {
		return nil
	}
	w.allowed = 0
	if w.s.d.checkSpace(n+spaceEvery) == nil {
		w.allowed = spaceEvery
		return nil
	}
	return w.s.d.checkSpace(n)
}

// segments returns how a record refers to the body.
func (s *staged) segments() []segment {
	if s.size == 0 {
		return nil
	}
	return []segment{{blob: s.id, size: s.size, file: s.file}}
}

// keep ends a staged body that an object durably refers to.
func (s *staged) keep() {
	if s.file {
		s.d.ids.settle(s.id)
	}
	s.release()
}

// discard ends a staged body that no object refers to. A file that may be
// referred to stays, unsettled, for the next Open to decide.
func (s *staged) discard() {
	if s.file && !s.offered {
		// A file that cannot be removed stays unsettled, so that a later
		// Open looks for it.
		if err := s.d.blobs.remove([]uint64{s.id}); err == nil {
			s.d.ids.settle(s.id)
		}
	}
	s.release()
}

func (s *staged) release() {
	if s.pooled != nil {
		s.d.small.Put(s.pooled)
		s.pooled, s.small = nil, nil
	}
}

// checkSpace refuses a write of n bytes that would not leave MinFree. The
// margin is for the index, which must not run out of space.
func (d *Driver) checkSpace(n int64) error {
	usage, err := d.opts.fs.GetDiskUsage(d.opts.Dir)
	if errors.Is(err, vfs.ErrUnsupported) {
		return nil
	}
	if err != nil {
		return err
	}
	if need := uint64(max(n, 0)) + d.opts.MinFree; usage.AvailBytes < need {
		return &daypass.Error{
			Code: daypass.InsufficientStorage,
			Err:  fmt.Errorf("%d bytes are free on the disk, %d are needed", usage.AvailBytes, need),
		}
	}
	return nil
}
