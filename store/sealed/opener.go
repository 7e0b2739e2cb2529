package sealed

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
	"sort"
)

// A Source is where an encrypted body lies.
type Source interface {
	// Range returns a reader over n bytes from offset off.
	Range(off, n int64) (io.Reader, error)
}

// A Piece is one of the encrypted bodies that an Opener reads as one.
type Piece struct {
	// Size is in bytes, not encrypted.
	Size int64
	// Key returns the key of the piece. It is called when the piece is read,
	// since there may be thousands.
	Key func() (Key, error)
}

// An Opener reads ranges of encrypted bodies that lie one after the other in a
// source. It is not safe for concurrent use.
type Opener struct {
	src    Source
	pieces []Piece
	ends   []int64 // where each piece ends, not encrypted
	starts []int64 // where each piece begins in the source

	// The segment that was decrypted last. Ranges often go on where the one
	// before has ended.
	piece   int // -1: none
	segment int64
	plain   []byte

	keyed int // the piece that aead is for; -1: none
	aead  cipher.AEAD
	buf   []byte
}

// NewOpener returns an Opener. It fails on pieces whose sizes make no sense.
func NewOpener(src Source, pieces []Piece) (*Opener, error) {
	o := &Opener{src: src, pieces: pieces, piece: -1, keyed: -1,
		ends: make([]int64, len(pieces)), starts: make([]int64, len(pieces))}
	var end, start int64
	var most int64
	for i, p := range pieces {
		if p.Size < 0 || p.Size > MaxSize-start {
			return nil, fmt.Errorf("sealed: a piece of %d bytes", p.Size)
		}
		o.starts[i] = start
		end, start = end+p.Size, start+SealedSize(p.Size)
		o.ends[i] = end
		most = max(most, p.Size)
	}
	o.buf = make([]byte, min(most, SegmentSize)+Overhead)
	return o, nil
}

// Size returns the size of all pieces together, in bytes.
func (o *Opener) Size() int64 {
	if len(o.ends) == 0 {
		return 0
	}
	return o.ends[len(o.ends)-1]
}

// Range returns a reader over n bytes from offset off, which lie within the
// pieces. It is an io.WriterTo. Reads fail with ErrDamaged where the source
// does not hold what was encrypted. A reader is of no use once Range is called
// again.
func (o *Opener) Range(off, n int64) (io.Reader, error) {
	if off < 0 || n < 0 || off > o.Size() || n > o.Size()-off {
		return nil, fmt.Errorf("sealed: range of %d bytes from %d in a body of %d", n, off, o.Size())
	}
	return &rangeReader{o: o, off: off, left: n}, nil
}

// A place is a segment of a piece.
type place struct {
	piece   int
	segment int64
}

// find returns the segment that holds the byte at an offset, and where in the
// segment.
func (o *Opener) find(off int64) (place, int64) {
	i := sort.Search(len(o.ends), func(i int) bool { return o.ends[i] > off })
	in := off - (o.ends[i] - o.pieces[i].Size)
	return place{i, in / SegmentSize}, in % SegmentSize
}

// span returns where an encrypted segment begins in the source, and its length.
func (o *Opener) span(p place) (start, length int64) {
	in := p.segment * SegmentSize
	plain := min(o.pieces[p.piece].Size-in, SegmentSize)
	return o.starts[p.piece] + p.segment*segmentLength, plain + Overhead
}

// decrypt reads the next segment from src.
func (o *Opener) decrypt(src io.Reader, p place) error {
	o.piece = -1 // buf is about to change
	if err := o.useKey(p.piece); err != nil {
		return err
	}
	_, length := o.span(p)
	sealed := o.buf[:length]
	if _, err := io.ReadFull(src, sealed); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			err = fmt.Errorf("%w: %w", ErrDamaged, io.ErrUnexpectedEOF)
		}
		return err
	}
	last := p.segment == segments(o.pieces[p.piece].Size)-1
	plain, err := o.aead.Open(sealed[:0], nonce(p.segment, last), sealed, nil)
	if err != nil {
		return ErrDamaged
	}
	o.piece, o.segment, o.plain = p.piece, p.segment, plain
	return nil
}

func (o *Opener) useKey(piece int) error {
	if o.keyed == piece {
		return nil
	}
	o.keyed = -1
	key, err := o.pieces[piece].Key()
	if err != nil {
		return err
	}
	if o.aead, err = key.aead(); err != nil {
		return err
	}
	o.keyed = piece
	return nil
}

// A rangeReader reads a range, one segment at a time.
type rangeReader struct {
	o         *Opener
	off, left int64
	src       io.Reader // encrypted; nil until it is needed
	next      int64     // where src goes on in the source
	err       error
}

var _ io.WriterTo = (*rangeReader)(nil)

// some returns the next bytes of the range, decrypted, at most one segment.
func (r *rangeReader) some() ([]byte, error) {
	if r.err != nil {
		return nil, r.err
	}
	if r.left == 0 {
		return nil, io.EOF
	}
	p, in := r.o.find(r.off)
	if r.o.piece != p.piece || r.o.segment != p.segment {
		if r.err = r.load(p); r.err != nil {
			return nil, r.err
		}
	}
	plain := r.o.plain[in:]
	return plain[:min(int64(len(plain)), r.left)], nil
}

// load decrypts a segment. The encrypted bytes of the whole range are asked for
// at once, from the first segment that is not at hand.
func (r *rangeReader) load(p place) error {
	start, length := r.o.span(p)
	if r.src == nil {
		last, _ := r.o.find(r.off + r.left - 1)
		lastStart, lastLength := r.o.span(last)
		src, err := r.o.src.Range(start, lastStart+lastLength-start)
		if err != nil {
			return err
		}
		r.src, r.next = src, start
	}
	if err := r.skip(start); err != nil {
		return err
	}
	r.next = start + length
	return r.o.decrypt(r.src, p)
}

// skip passes over the segments of empty pieces.
func (r *rangeReader) skip(to int64) error {
	if r.next == to {
		return nil
	}
	_, err := io.CopyN(io.Discard, r.src, to-r.next)
	return err
}

func (r *rangeReader) advance(n int) {
	r.off += int64(n)
	r.left -= int64(n)
}

// Read implements io.Reader.
func (r *rangeReader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	plain, err := r.some()
	n := copy(p, plain)
	r.advance(n)
	return n, err
}

// WriteTo implements io.WriterTo: no byte is copied once it is decrypted.
func (r *rangeReader) WriteTo(w io.Writer) (total int64, err error) {
	for {
		plain, err := r.some()
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(plain)
		r.advance(n)
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
}
