package spool

import (
	"encoding/binary"
	"fmt"
	"time"
)

// A Loss is why events are missing.
type Loss string

// The losses.
const (
	// Overflow: the disk did not take events as fast as they came.
	Overflow Loss = "overflow"
	// Damage: records on the disk cannot be read.
	Damage Loss = "damage"
	// Expiry: the consumer was so late that the events were removed, since
	// the spool had reached MaxBytes.
	Expiry Loss = "expiry"
)

// A Gap stands where events are missing.
type Gap struct {
	Loss Loss
	// Events is how many, 0 where that is not known; Bytes is how many
	// bytes of records, 0 where they were never written.
	Events uint64
	Bytes  uint64
	// From and To are the times of the first and the last of them; zero
	// where that is not known.
	From, To time.Time
}

// String says what is missing, for people.
func (g Gap) String() string {
	what := fmt.Sprintf("%d bytes of events", g.Bytes)
	if g.Events > 0 {
		what = fmt.Sprintf("%d events", g.Events)
	}
	s := fmt.Sprintf("%s missing (%s)", what, g.Loss)
	if !g.From.IsZero() {
		s += fmt.Sprintf(" from %s to %s", g.From.UTC().Format(time.RFC3339), g.To.UTC().Format(time.RFC3339))
	}
	return s
}

// add counts one more event.
func (g *Gap) add(t time.Time) {
	g.Loss = Overflow
	if g.Events == 0 || t.Before(g.From) {
		g.From = t
	}
	if g.Events == 0 || t.After(g.To) {
		g.To = t
	}
	g.Events++
}

func appendGap(dst []byte, g Gap) []byte {
	dst = binary.AppendUvarint(dst, g.Events)
	dst = binary.AppendVarint(dst, g.From.UnixMicro())
	return binary.AppendVarint(dst, g.To.UnixMicro())
}

func decodeGap(b []byte) Gap {
	g := Gap{Loss: Overflow}
	var n, m int
	g.Events, n = binary.Uvarint(b)
	from, m := binary.Varint(b[max(0, n):])
	to, _ := binary.Varint(b[max(0, n)+max(0, m):])
	g.From, g.To = time.UnixMicro(from).UTC(), time.UnixMicro(to).UTC()
	return g
}
