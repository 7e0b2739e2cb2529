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
	var seen []part
	for range openTries {
		b, rec, err := d.lookup(ref)
		if err != nil {
			return nil, nil, err
		}
		body, err := d.openBody(rec)
		if err == nil {
			return rec.named(b, ref.Key), body, nil
		}
		if !errors.Is(err, errBlobGone) || slices.Equal(seen, rec.parts) {
			return nil, nil, fmt.Errorf("%s: %w", ref, err)
		}
		seen = rec.parts
	}
	return nil, nil, &daypass.Error{
		Code: daypass.SlowDown,
		Err:  fmt.Errorf("%s was replaced %d times while it was being opened", ref, openTries),
	}
}

// openBody opens the body of a record. The error is errBlobGone when a blob is
// not there, which is normal if the object has been replaced meanwhile.
func (d *Driver) openBody(rec *objectRecord) (store.Body, error) {
	switch {
	case len(rec.parts) == 0:
		return smallBody(nil), nil
	case len(rec.parts) > 1:
		return nil, errors.New("the object has several parts, which this version does not know")
	case !rec.parts[0].file:
		return d.openSmall(rec.parts[0])
	}
	f, err := d.blobs.open(rec.parts[0])
	if notExist(err) {
		return nil, fmt.Errorf("%w: %w", errBlobGone, err)
	}
	if err != nil {
		return nil, err
	}
	return &fileBody{file: f, size: rec.parts[0].size}, nil
}

func (d *Driver) openSmall(p part) (store.Body, error) {
	var data []byte
	found, err := d.get(idKey(spaceBody, p.blob), func(value []byte) error {
		if int64(len(value)) != crcSize+p.size {
			return fmt.Errorf("blob %016x has %d bytes instead of %d", p.blob, len(value)-crcSize, p.size)
		}
		data = bytes.Clone(value[crcSize:])
		if binary.BigEndian.Uint64(value) != crc64nvme.Checksum(data) {
			return fmt.Errorf("blob %016x does not match its checksum", p.blob)
		}
		return nil
	})
	if err == nil && !found {
		err = errBlobGone
	}
	return smallBody(data), err
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
	f, ok := b.file.(*os.File)
	if !ok {
		return io.NewSectionReader(b.file, off, n), nil
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
