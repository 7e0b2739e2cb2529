package state

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"
)

// The texts of a revocation, in the order in which a held keeps them.
const (
	textID = iota
	textPass
	textName
	textOwner
	textKey
	textBucket
	textPrefix
	textCreator
	texts
)

// heldHead is the size of what comes before the texts: where each ends, the
// version and the time of making.
const heldHead = 2*texts + 8 + 8

// A held is a revocation in memory. A hundred thousand of them must fit, so
// that all but the times are packed into one string. It never changes.
type held struct {
	packed string
	// before and expires are in microseconds since 1970; where they are not
	// set, later than any time.
	before, expires int64
}

// newHeld packs a revocation.
func newHeld(r *RevocationRecord) (*held, error) {
	list := [texts]string{r.ID, r.Pass, r.Name, r.Owner, r.Key, r.Bucket, r.Prefix, r.Creator}
	b := make([]byte, 0, heldHead+len(strings.Join(list[:], "")))
	end := 0
	for _, t := range list {
		if end += len(t); end > math.MaxUint16 {
			return nil, fmt.Errorf("revocation %.64q is longer than any may be", r.ID)
		}
		b = binary.BigEndian.AppendUint16(b, uint16(end))
	}
	b = binary.BigEndian.AppendUint64(b, uint64(r.Version))
	b = binary.BigEndian.AppendUint64(b, uint64(r.Created.UnixMicro()))
	for _, t := range list {
		b = append(b, t...)
	}
	return &held{packed: string(b), before: microsOr(r.Before), expires: microsOr(r.Expires)}, nil
}

// microsOr returns t in microseconds, for the zero time the last there are.
func microsOr(t time.Time) int64 {
	if t.IsZero() {
		return math.MaxInt64
	}
	return t.UnixMicro()
}

// orMicros is the inverse of microsOr.
func orMicros(v int64) time.Time {
	if v == math.MaxInt64 {
		return time.Time{}
	}
	return time.UnixMicro(v).UTC()
}

// end returns where a text ends.
func (h *held) end(i int) int {
	return heldHead + int(h.packed[2*i])<<8 + int(h.packed[2*i+1])
}

func (h *held) text(i int) string {
	if i == 0 {
		return h.packed[heldHead:h.end(0)]
	}
	return h.packed[h.end(i-1):h.end(i)]
}

func (h *held) id() string { return h.text(textID) }

// record unpacks the revocation.
func (h *held) record() RevocationRecord {
	head := []byte(h.packed[2*texts : heldHead])
	return RevocationRecord{
		ID: h.text(textID), Pass: h.text(textPass), Name: h.text(textName), Owner: h.text(textOwner),
		Key: h.text(textKey), Bucket: h.text(textBucket), Prefix: h.text(textPrefix), Creator: h.text(textCreator),
		Version: int64(binary.BigEndian.Uint64(head)),
		Created: time.UnixMicro(int64(binary.BigEndian.Uint64(head[8:]))).UTC(),
		Before:  orMicros(h.before), Expires: orMicros(h.expires),
	}
}

// matches reports whether all that is set matches a pass, but for the times.
func (h *held) matches(p *Subject) bool {
	return same(h.text(textPass), p.Pass) && same(h.text(textName), p.Name) && same(h.text(textOwner), p.Owner) &&
		same(h.text(textKey), p.Key) && same(h.text(textBucket), p.Bucket) &&
		strings.HasPrefix(p.Object, h.text(textPrefix))
}

func same(want, have string) bool { return want == "" || want == have }
