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
		body, err := d.openBody(f.rec)
		if err == nil {
			return f.object(ref), body, nil
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

// openBody opens the body of a record. The error is errBlobGone when a blob is
// not there, which is normal if the object has been replaced meanwhile.
func (d *Driver) openBody(rec *objectRecord) (store.Body, error) {
	switch {
	case rec.manifest != 0:
		return d.openManifest(rec)
	case len(rec.segments) == 0:
		return smallBody(nil), nil
	case len(rec.segments) > 1:
		return nil, errors.New("the object has several segments but no manifest")
	case !rec.segments[0].file:
		data, err := d.readSmall(rec.segments[0])
		return smallBody(data), err
	}
	f, err := d.blobs.open(rec.segments[0])
	if notExist(err) {
		return nil, fmt.Errorf("%w: %w", errBlobGone, err)
	}
	if err != nil {
		return nil, err
	}
	return &fileBody{file: f, size: rec.segments[0].size}, nil
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

// A smallBody is a body in memory.
type smallBody []byte

// Range implements store.Body.
func (b smallBody) Range(off, n int64) (io.Reader, error) {
	if err := checkRange(off, n, int64(len(b))); err != nil {
		return nil, err
	}
	return bytes.NewReader(b[off : off+n]), nil
}

// Close implements store.Body.
func (b smallBody) Close() error { return nil }

// A fileBody is a body in a file. The file stays readable when it is removed.
type fileBody struct {
	file blobFile
	size int64
}

// Range implements store.Body.
func (b *fileBody) Range(off, n int64) (io.Reader, error) {
	if err := checkRange(off, n, b.size); err != nil {
		return nil, err
	}
	return fileRange(b.file, off, n)
}

// fileRange returns a reader over n bytes of a file from off on.
func fileRange(file blobFile, off, n int64) (io.Reader, error) {
	f, ok := file.(*os.File)
	if !ok {
		return io.NewSectionReader(file, off, n), nil
	}
	if _, err := f.Seek(off, io.SeekStart); err != nil {
		return nil, err
	}
	return &io.LimitedReader{R: f, N: n}, nil
}

// Close implements store.Body.
func (b *fileBody) Close() error { return b.file.Close() }

func checkRange(off, n, size int64) error {
	if off < 0 || n < 0 || off > size || n > size-off {
		return fmt.Errorf("diskstore: range of %d bytes from %d in a body of %d", n, off, size)
	}
	return nil
}
