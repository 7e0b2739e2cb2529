package store

import (
	"io"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/daypass/daypass/internal/md5lanes"
)

// The sizes of the pieces in which Upload.WriteTo passes a body on, in bytes.
const (
	// PieceSize is that of all but the last, of a body that is known to be as
	// large. It is what a disk takes at once with little work.
	PieceSize = 1 << 20
	// smallPiece is that of smaller bodies, and of all while maxPieces are in
	// use.
	smallPiece = 64 << 10
)

// maxPieces bounds the memory of uploads: no more pieces are large, whoever
// holds them. One upload wants two while there are others; with 8 at once, 16
// would save 8 % of their processor time and cost 4 MiB more.
const maxPieces = 12

// PieceAlignment is that of the memory of pieces, the size of a page, which
// direct I/O needs.
const PieceAlignment = 4096

// An intake is what the uploads of a store share.
type intake struct {
	md5   *md5lanes.Pool
	large sync.Pool // *[]byte of PieceSize bytes
	small sync.Pool // *[]byte of smallPiece bytes
	used  atomic.Int64
}

func newIntake() *intake {
	in := &intake{md5: md5lanes.New()}
	in.large.New = func() any { return alignedBytes(PieceSize) }
	in.small.New = func() any { return alignedBytes(smallPiece) }
	return in
}

// alignedBytes returns memory that begins a page.
func alignedBytes(n int) *[]byte {
	b := make([]byte, n+PieceAlignment)
	skip := -int(uintptr(unsafe.Pointer(&b[0]))) & (PieceAlignment - 1)
	b = b[skip : skip+n : skip+n]
	return &b
}

// take returns a piece for a body of a size, negative if unknown; give takes it
// back.
func (in *intake) take(size int64) *[]byte {
	if size < PieceSize {
		return in.small.Get().(*[]byte)
	}
	if in.used.Add(1) > maxPieces {
		in.used.Add(-1)
		return in.small.Get().(*[]byte)
	}
	return in.large.Get().(*[]byte)
}

func (in *intake) give(piece *[]byte) {
	switch {
	case piece == nil:
	case len(*piece) == smallPiece:
		in.small.Put(piece)
	default:
		in.used.Add(-1)
		in.large.Put(piece)
	}
}

// WriteTo implements io.WriterTo: it is Read to the end with less work for the
// processor. While w writes a piece and the next one arrives, the MD5 waits for
// those of other uploads, to be computed together with them. w must not keep
// the pieces. The errors are those of Read, none where that ends with io.EOF,
// and of w.
func (u *Upload) WriteTo(w io.Writer) (written int64, err error) {
	switch {
	case u.lost != nil:
		return 0, u.lost
	case u.err != nil && u.sealer == nil:
		// A sealer may still hold something when the content has ended.
		return 0, endError(u.err)
	}
	if u.intake == nil {
		u.intake = newIntake()
	}
	next := u.readFull
	if u.md5 != nil && u.err == nil {
		hash := u.intake.md5.Continue(u.md5)
		u.md5 = hash
		defer hash.Close()
		if u.sealer == nil {
			u.lanes, next = hash, u.fill
		}
	}
	var pieces [2]*[]byte
	defer func() {
		if u.lanes != nil {
			u.lanes.Close() // before the memory goes to somebody else
		}
		u.intake.give(pieces[0])
		u.intake.give(pieces[1])
	}()
	for i := 0; ; {
		if pieces[i] == nil {
			pieces[i] = u.intake.take(u.SizeHint())
		}
		n, err := next(*pieces[i])
		if err != nil && err != io.EOF {
			return written, err
		}
		if n > 0 {
			m, werr := w.Write((*pieces[i])[:n])
			written += int64(m)
			if werr != nil {
				u.lost = werr
				return written, werr
			}
		}
		if err == io.EOF {
			return written, nil
		}
		if u.lanes != nil && u.lanes.Busy() {
			i = 1 - i
		}
	}
}

// endError returns the error of WriteTo for one of Read.
func endError(err error) error {
	if err == io.EOF {
		return nil
	}
	return err
}

// readFull fills p from Read; io.EOF comes with what is left.
func (u *Upload) readFull(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = u.Read(p[n:])
		n += m
	}
	return n, err
}

// fill is readFull for content that nobody encrypts: its MD5 goes through
// u.lanes, and may not be computed yet when fill returns.
func (u *Upload) fill(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		var m int
		m, err = u.body.Read(p[n:])
		if u.err = u.take(p[n : n+m]); u.err != nil {
			return n, u.err
		}
		n += m
	}
	u.lanes.Start(p[:n])
	switch {
	case err == io.EOF:
		u.err = u.finish()
	case err != nil:
		u.err = bodyError(err)
	}
	return n, u.err
}
