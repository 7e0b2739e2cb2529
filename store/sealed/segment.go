package sealed

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"io"
	"math"
)

// SegmentSize is how many bytes of a body are encrypted together: what reading
// a single byte costs.
const SegmentSize = 64 << 10

// Overhead is how many bytes each segment grows by.
const Overhead = 16

// segmentLength is the length of a full segment, encrypted.
const segmentLength = SegmentSize + Overhead

// MaxSize is the size of the largest body, in bytes.
const MaxSize = math.MaxInt64 / 2

// segments returns how many segments a body of size bytes has; an empty body
// has one.
func segments(size int64) int64 { return max(1, (size+SegmentSize-1)/SegmentSize) }

// SealedSize returns how long a body of size bytes is when it is encrypted. A
// negative size, which is unknown, stays so.
func SealedSize(size int64) int64 {
	if size < 0 {
		return size
	}
	return size + segments(size)*Overhead
}

// ErrDamaged is the error of a segment that is not what was written in its
// place.
var ErrDamaged = errors.New("the encrypted body is damaged, cut off, or belongs elsewhere")

// nonce returns the nonce of a segment: eleven bytes of its position, and one
// that says whether it is the last.
func nonce(index int64, last bool) []byte {
	n := make([]byte, 12)
	binary.BigEndian.PutUint64(n[3:], uint64(index))
	if last {
		n[11] = 1
	}
	return n
}

// A Sealer is a reader of the encrypted form of what it reads. It returns the
// errors of its source as they are, io.EOF included, and the last segment only
// once the source has ended well.
type Sealer struct {
	src   io.Reader
	aead  cipher.AEAD
	index int64
	plain []byte // read and not encrypted yet; its capacity is more than a segment
	out   []byte // encrypted and not returned yet
	buf   []byte // what out lies in
	ended bool   // the source has
	err   error
}

// NewSealer returns a reader of src, encrypted under a key that is used for
// nothing else. hint is how many bytes src will have, negative where that is
// unknown; it only saves memory.
func NewSealer(key Key, src io.Reader, hint int64) (*Sealer, error) {
	aead, err := key.aead()
	if err != nil {
		return nil, err
	}
	size := int64(SegmentSize)
	if hint >= 0 {
		size = min(hint, size)
	}
	// One byte more tells whether the segment is the last.
	return &Sealer{src: src, aead: aead, plain: make([]byte, 0, size+1), buf: make([]byte, 0, size+Overhead)}, nil
}

// Read implements io.Reader.
func (s *Sealer) Read(p []byte) (int, error) {
	for len(s.out) == 0 && len(p) > 0 {
		if s.err == nil {
			s.err = s.fill()
		}
		if s.err != nil {
			return 0, s.err
		}
		if len(s.plain) > SegmentSize {
			s.seal(SegmentSize, false)
			continue
		}
		s.seal(len(s.plain), true)
		s.err = io.EOF
	}
	n := copy(p, s.out)
	s.out = s.out[n:]
	return n, nil
}

// fill reads until there is more than a segment, or the source has ended.
func (s *Sealer) fill() error {
	for len(s.plain) <= SegmentSize && !s.ended {
		if len(s.plain) == cap(s.plain) {
			s.grow()
		}
		n, err := s.src.Read(s.plain[len(s.plain):cap(s.plain)])
		s.plain = s.plain[:len(s.plain)+n]
		if s.ended = err == io.EOF; err != nil && !s.ended {
			return err
		}
	}
	return nil
}

// grow makes room for a full segment and one byte, where the hint was wrong.
func (s *Sealer) grow() {
	s.plain = append(make([]byte, 0, SegmentSize+1), s.plain...)
	s.buf = make([]byte, 0, segmentLength)
}

// seal encrypts the first n bytes of what was read.
func (s *Sealer) seal(n int, last bool) {
	s.out = s.aead.Seal(s.buf[:0], nonce(s.index, last), s.plain[:n], nil)
	s.index++
	s.plain = s.plain[:copy(s.plain, s.plain[n:])]
}
