package state

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math"
	"math/bits"

	"github.com/daypass/daypass"
)

// maxOutstanding is how many draws of a budget, or reservations of a count,
// may be outstanding, so that entries stay small.
const maxOutstanding = 1024

// maxAllowance is the most that is forgiven per use, in bytes.
const maxAllowance = 256 << 10

// errWait says that a draw does not fit now, but would if outstanding draws
// came back.
var errWait = errors.New("does not fit while others are being served")

// A ledger is the entry of a budget: what of it is drawn, and by whom.
//
// The entry stays when everything came back: the object is fixed at first
// use, and an answer that was broken off before its first byte is one, since
// nobody can tell how much of its head the client has seen.
type ledger struct {
	// object stands for the size, ETag and version of the object.
	object [16]byte
	// drawn counts the bytes that are gone or outstanding.
	drawn int64
	// allowance is what is left of the bytes that broken responses may
	// have again.
	allowance int64
	draws     []draw
}

// A draw is what an unfinished response holds.
type draw struct {
	token Token
	bytes int64
}

// A settlement ends a draw or a reservation.
type settlement struct {
	token Token
	sent  int64
	// whole says that the last byte of a response was handed over, or that a
	// reserved use was used.
	whole bool
}

// capacity returns how many bytes a budget has: uses × max(size, 1), at most
// what an int64 holds.
func (b *Budget) capacity() int64 { return product(b.Uses, max(b.Size, 1)) }

// product returns a × b, neither negative, or the largest number.
func product(a, b int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi != 0 || lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(lo)
}

// object returns what stands for the object of a budget in its entry.
func (b *Budget) object() [16]byte {
	text := binary.AppendUvarint(nil, uint64(b.Size))
	for _, s := range []string{b.ETag, b.Version} {
		text = append(binary.AppendUvarint(text, uint64(len(s))), s...)
	}
	sum := sha256.Sum256(text)
	return [16]byte(sum[:16])
}

// openLedger returns the ledger in an entry's data, a new one for nil.
func openLedger(data []byte, b *Budget) (*ledger, error) {
	if data == nil {
		return &ledger{object: b.object(), allowance: product(b.Uses, min(maxAllowance, b.Size/4))}, nil
	}
	d := decode(data, kindBudget)
	var l ledger
	d.bytes(l.object[:])
	l.drawn, l.allowance = d.number(), d.number()
	for n := d.number(); n > 0 && !d.bad; n-- {
		var w draw
		d.bytes(w.token[:])
		w.bytes = d.number()
		l.draws = append(l.draws, w)
	}
	return &l, d.end()
}

func (l *ledger) data() []byte {
	e := encode(kindBudget)
	e.bytes(l.object[:])
	e.number(l.drawn)
	e.number(l.allowance)
	e.number(int64(len(l.draws)))
	for i := range l.draws {
		e.bytes(l.draws[i].token[:])
		e.number(l.draws[i].bytes)
	}
	return e
}

// find returns the place of a token among the draws, -1 for none.
func (l *ledger) find(t Token) int {
	for i := range l.draws {
		if l.draws[i].token == t {
			return i
		}
	}
	return -1
}

// within returns the bytes that could still be had of a capacity if
// everything that is outstanding came back. It never grows while the entry
// lives, since nothing returns more than it drew.
func (l *ledger) within(capacity int64) int64 {
	n := capacity - l.drawn
	for i := range l.draws {
		n += l.draws[i].bytes
	}
	return n
}

// draw makes the token hold total bytes, and reports whether it held less. Of
// the capacity, the part that is free of promises to others is to be had now.
func (l *ledger) draw(t Token, total, fits, free, capacity int64) (changed bool, err error) {
	var held int64
	i := l.find(t)
	if i >= 0 {
		held = l.draws[i].bytes
	}
	switch {
	case held >= total:
		return false, nil
	case fits > l.within(capacity):
		return false, exhausted()
	case fits > free-l.drawn+held:
		return false, errWait
	case i < 0 && len(l.draws) >= maxOutstanding:
		return false, busy("too many responses of this pass are under way", ErrHeld)
	case i < 0:
		l.draws = append(l.draws, draw{token: t})
		i = len(l.draws) - 1
	}
	l.draws[i].bytes = total
	l.drawn += total - held
	return true, nil
}

// settle ends draws and reports whether there was any.
func (l *ledger) settle(list []settlement) (changed bool) {
	for _, m := range list {
		i := l.find(m.token)
		if i < 0 {
			continue
		}
		changed = true
		held := l.draws[i].bytes
		last := len(l.draws) - 1
		l.draws[i] = l.draws[last]
		l.draws = l.draws[:last]
		if m.whole {
			continue
		}
		sent := min(max(m.sent, 0), held)
		forgiven := min(sent, l.allowance)
		l.allowance -= forgiven
		l.drawn -= held - sent + forgiven
	}
	return changed
}

// exhausted returns the refusal of a pass that is used up.
func exhausted() error {
	return &daypass.Error{Code: daypass.AccessDenied, Message: "This pass is used up.", Err: ErrExhausted}
}

// changed returns the refusal of a pass whose object is another one.
func changed() error {
	return &daypass.Error{Code: daypass.AccessDenied, Message: "The object has changed since this pass was first used.", Err: ErrChanged}
}

// busy returns the refusal of a pass that others hold.
func busy(message string, cause error) error {
	return &daypass.Error{Code: daypass.ServiceUnavailable, Message: message, Err: &waitError{cause, heldRetry}}
}
