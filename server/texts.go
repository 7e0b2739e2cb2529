package server

import (
	"io"
	"strings"
	"sync"
)

// A texts keeps the short texts that an answer is made of. Those of one answer
// share an allocation, which is not used again: what has them may keep them.
type texts struct{ b strings.Builder }

// textRoom is what the texts of an ordinary answer need, in bytes.
const textRoom = 192

// keep returns a copy of p.
func (t *texts) keep(p []byte) string {
	if t.b.Cap()-t.b.Len() < len(p) {
		t.b.Reset()
		t.b.Grow(max(textRoom, len(p)))
	}
	start := t.b.Len()
	t.b.Write(p)
	return t.b.String()[start:]
}

// Lengths of the ids of a request, in characters: S3's are as long at the
// least.
const (
	requestIDLength = 16
	hostIDLength    = 48
	idLength        = requestIDLength + hostIDLength
)

// The characters of S3's ids.
const (
	requestIDChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	hostIDChars    = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
)

// An idSource makes the ids of requests. They tell requests apart and are no
// secrets, so that randomness is read for several at once.
type idSource struct {
	rand io.Reader
	mu   sync.Mutex
	read [16 * idLength]byte
	left []byte // of read, which no id has yet
}

// next writes a request id and a host id in the form of S3's. Without
// randomness they are the same each time.
func (s *idSource) next(ids *[idLength]byte) error {
	err := s.random(ids)
	for i := range requestIDLength {
		ids[i] = requestIDChars[ids[i]%32]
	}
	for i := requestIDLength; i < idLength; i++ {
		ids[i] = hostIDChars[ids[i]%64]
	}
	return err
}

func (s *idSource) random(b *[idLength]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.left) == 0 {
		if _, err := io.ReadFull(s.rand, s.read[:]); err != nil {
			clear(b[:])
			return err
		}
		s.left = s.read[:]
	}
	s.left = s.left[copy(b[:], s.left):]
	return nil
}
