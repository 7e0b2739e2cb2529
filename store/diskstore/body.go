package diskstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
	"github.com/minio/crc64nvme"
)

// crcSize is the length of the checksum before a small body.
const crcSize = 8

// openTries bounds how often OpenObject follows an object that is replaced
// between the look at its record and at its body.
const openTries = 100

var errBlobGone = errors.New("a blob of the object is missing")

// OpenObject implements store.Driver.
func (d *Driver) OpenObject(ctx context.Context, ref daypass.ObjectRef) (*store.Object, store.Body, error) {
	var seen *objectRecord
	for range openTries {
		f, err := d.lookup(ref)
		if err != nil {
			return f.object(ref), nil, err
		}
		obj, body, err := d.openBody(&f, ref)
		if err == nil {
			return obj, body, nil
		}
		if !errors.Is(err, errBlobGone) || f.rec.sameBody(seen) {
			return nil, nil, fmt.Errorf("%s: %w", ref, err)
		}
		seen = f.rec
	}
	return nil, nil, &daypass.Error{
		Code: daypass.SlowDown,
		Err:  fmt.Errorf("%s was replaced %d times while it was being opened", ref, openTries),
	}
}

// sameBody reports whether two records have the same body; old may be nil.
func (r *objectRecord) sameBody(old *objectRecord) bool {
	return old != nil && slices.Equal(r.segments, old.segments) && r.manifest == old.manifest
}

// openBody opens the body of what was found. The error is errBlobGone when a
// blob is not there, which is normal if the object has been replaced meanwhile.
func (d *Driver) openBody(f *found, ref daypass.ObjectRef) (*store.Object, store.Body, error) {
	rec := f.rec
	switch {
	case rec.manifest != 0:
		return d.openManifest(f, ref)
	case len(rec.segments) > 1:
		return nil, nil, errors.New("the object has several segments but no manifest")
	case len(rec.segments) == 0 || !rec.segments[0].file:
		return d.openSmall(f, ref)
	}
	file, err := d.handles.take(rec.segments[0])
	if notExist(err) {
		return nil, nil, fmt.Errorf("%w: %w", errBlobGone, err)
	}
	if err != nil {
		return nil, nil, err
	}
	d.keep(f, ref.Key, nil)
	return f.object(ref), &fileBody{file: file, size: rec.segments[0].size}, nil
}

// openSmall opens a body that lies in the index, or is empty.
func (d *Driver) openSmall(f *found, ref daypass.ObjectRef) (*store.Object, store.Body, error) {
	data := f.small
	if data == nil && len(f.rec.segments) > 0 {
		var err error
		if data, err = d.readSmall(f.rec.segments[0]); err != nil {
			return nil, nil, err
		}
	}
	d.keep(f, ref.Key, data)
	o := &openedSmall{body: smallBody{data: data}}
	f.copyTo(&o.object, ref)
	return &o.object, &o.body, nil
}

// readSmall returns the bytes of a segment of a small body.
func (d *Driver) readSmall(s segment) ([]byte, error) {
	var data []byte
	found, err := d.get(idKey(spaceBody, s.blob), func(value []byte) error {
		size := int64(len(value)) - crcSize
		if end := s.off + s.size; size < end {
			return fmt.Errorf("blob %016x has %d bytes instead of %d", s.blob, size, end)
		}
		whole := value[crcSize:]
		if binary.BigEndian.Uint64(value) != crc64nvme.Checksum(whole) {
			return fmt.Errorf("blob %016x does not match its checksum", s.blob)
		}
		data = bytes.Clone(whole[s.off : s.off+s.size])
		return nil
	})
	if err == nil && !found {
		err = errBlobGone
	}
	return data, err
}

// An openedSmall is an object and its small body, which are one allocation.
type openedSmall struct {
	object store.Object
	body   smallBody
}

// A smallBody is a body in memory, which may be shared.
type smallBody struct {
	data   []byte
	reader bytes.Reader
}

// Range implements store.Body.
func (b *smallBody) Range(off, n int64) (io.Reader, error) {
	if err := checkRange(off, n, int64(len(b.data))); err != nil {
		return nil, err
	}
	b.reader.Reset(b.data[off : off+n])
	return &b.reader, nil
}

// Close implements store.Body.
func (b *smallBody) Close() error { return nil }

// A fileBody is a body in a file. The file stays readable when it is removed.
type fileBody struct {
	file   *handle // nil once it is closed
	size   int64
	reader rangeReader
}

// Range implements store.Body.
func (b *fileBody) Range(off, n int64) (io.Reader, error) {
	if err := checkRange(off, n, b.size); err != nil {
		return nil, err
	}
	return b.reader.over(b.file, off, n)
}

// Close implements store.Body.
func (b *fileBody) Close() error {
	f := b.file
	if f == nil {
		return nil
	}
	b.file = nil
	return f.of.give(f)
}

// smallRange is the length of the longest range that is read into memory, so
// that it can leave in one write with the head of the answer. Longer ones cost
// less by sendfile, which copies nothing.
const smallRange = 4 << 10

// A rangeReader holds the reader over a range of a file, whichever it is, so
// that none has to be allocated for each.
type rangeReader struct {
	small fileReader
	large io.LimitedReader
}

// over returns a reader over n bytes of a file from off on, until the next call.
func (r *rangeReader) over(file *handle, off, n int64) (io.Reader, error) {
	f, ok := file.blobFile.(*os.File)
	if !ok || n <= smallRange {
		r.small = fileReader{file: file, off: off, left: n}
		return &r.small, nil
	}
	if _, err := f.Seek(off, io.SeekStart); err != nil {
		return nil, err
	}
	r.large = io.LimitedReader{R: f, N: n}
	return &r.large, nil
}

// A fileReader reads a range of a file.
type fileReader struct {
	file      *handle
	off, left int64
}

var _ io.WriterTo = (*fileReader)(nil)

// Read implements io.Reader.
func (r *fileReader) Read(p []byte) (n int, err error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	n, err = r.file.ReadAt(p[:min(int64(len(p)), r.left)], r.off)
	r.off += int64(n)
	r.left -= int64(n)
	switch {
	case n > 0:
		return n, nil // what is wrong the next Read will tell
	case err == io.EOF:
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// WriteTo implements io.WriterTo with one write for each smallRange bytes.
func (r *fileReader) WriteTo(w io.Writer) (total int64, err error) {
	buf := r.file.of.buffers.Get().(*[]byte)
	defer r.file.of.buffers.Put(buf)
	for r.left > 0 {
		n, err := r.Read(*buf)
		if err != nil {
			return total, err
		}
		m, err := w.Write((*buf)[:n])
		total += int64(m)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

func checkRange(off, n, size int64) error {
	if off < 0 || n < 0 || off > size || n > size-off {
		return fmt.Errorf("diskstore: range of %d bytes from %d in a body of %d", n, off, size)
	}
	return nil
}
