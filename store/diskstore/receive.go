package diskstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

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

// copySize is how much of a larger body is read and written at once.
const copySize = 128 << 10

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
	if err := d.checkSpace(body.SizeHint()); err != nil {
		return nil, err
	}
	if body.SizeHint() > int64(d.opts.InlineSize) {
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
func (d *Driver) receiveLarge(ctx context.Context, head []byte, body io.Reader) (*staged, error) {
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

// copy writes head and body to w, counts and sums.
func (s *staged) copy(ctx context.Context, w io.Writer, head []byte, body io.Reader) error {
	pooled := getBuffer(&s.d.large)
	defer s.d.large.Put(pooled)
	n := copy(*pooled, head)
	for {
		m, err := io.ReadFull(body, (*pooled)[n:])
		ended := err == io.EOF || err == io.ErrUnexpectedEOF
		if err != nil && !ended {
			return err
		}
		if err := s.write(ctx, w, (*pooled)[:n+m]); err != nil {
			return err
		}
		if ended {
			return nil
		}
		n = 0
	}
}

func (s *staged) write(ctx context.Context, w io.Writer, p []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.d.checkSpace(int64(len(p))); err != nil {
		return err
	}
	s.size += int64(len(p))
	s.crc = crc64nvme.Update(s.crc, p)
	_, err := w.Write(p)
	return writeError(err)
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
