package state

import (
	"context"
	"encoding/binary"
	"errors"
	"net/netip"
	"time"

	"github.com/daypass/daypass"
)

// The reasons why a PIN is not even compared.
var (
	// ErrPINWait says that an address has tried too often for now.
	ErrPINWait = errors.New("too many tries from this address")
	// ErrPINLocked says that a PIN was failed so often, from wherever, that
	// the pass is locked until it is restored.
	ErrPINLocked = errors.New("too many failures; locked until restored")
)

const (
	// pinTries is how many tries of a pass an address has in pinWindow.
	pinTries  = 10
	pinWindow = time.Hour
	// After those it has one try after each of these waits, which double. A
	// pinWindow of silence after a wait gives the tries back.
	pinFirstWait = time.Minute
	pinLastWait  = 24 * time.Hour
	// pinFailures is how many failures over all addresses lock a PIN.
	pinFailures = 100
)

// A PINTry is one attempt to give the PIN of a pass.
type PINTry struct {
	Pass string
	// Key is the access key that signed and Tag the pass's PIN limit: passes
	// that share both share a PIN.
	Key, Tag string
	Addr     netip.Addr
	Ends     time.Time
}

func (p *PINTry) check() error {
	if p.Pass == "" || p.Key == "" || p.Tag == "" || !p.Addr.IsValid() {
		return invalid("PIN", "a try has a pass, an access key, a tag and an address")
	}
	return nil
}

// tries names the entry of the tries of an address: all of a /64 for IPv6,
// since one customer has that many.
func (p *PINTry) tries() ref {
	addr := p.Addr.Unmap().WithZone("")
	network := netip.PrefixFrom(addr, addr.BitLen())
	if addr.Is6() {
		network = netip.PrefixFrom(addr, 64).Masked()
	}
	return refOf(p.Pass, kindTries, network.String(), p.Ends)
}

// failures names the entry of the failures of a PIN, which is no pass's own.
func (p *PINTry) failures() ref {
	text := binary.AppendUvarint(nil, uint64(len(p.Key)))
	return refOf("", kindFailed, string(text)+p.Key+p.Tag, p.Ends)
}

// marker names the entry from which RestorePass knows which failures go with
// a pass.
func (p *PINTry) marker() ref { return refOf(p.Pass, kindMarker, "", p.Ends) }

// TryPIN takes one try before the PIN is compared. SlowDown with ErrPINWait
// and the time to wait (RetryAfter) when the address has no try left;
// AccessDenied with ErrPINLocked when the PIN was failed too often.
//
// A try is written in two places, first the address's, then the PIN's own. It
// counts as a failure until AcceptPIN, and for good after a crash or a
// failure of the driver in between.
func (s *State) TryPIN(ctx context.Context, p PINTry) error {
	const op = "state.TryPIN"
	err := p.check()
	if err == nil {
		err = s.mark(ctx, &p)
	}
	if err == nil {
		err = s.refuseLocked(ctx, &p)
	}
	if err == nil {
		_, err = s.changeOnce(ctx, p.tries(), s.takeTry)
	}
	if err == nil {
		_, err = s.changeOnce(ctx, p.failures(), takeFailure)
	}
	if err != nil {
		return failed(op, err)
	}
	return nil
}

// AcceptPIN gives the try of a right PIN back.
func (s *State) AcceptPIN(ctx context.Context, p PINTry) error {
	const op = "state.AcceptPIN"
	err := p.check()
	if err == nil {
		_, err = s.changeOnce(ctx, p.failures(), returnFailure)
	}
	if err == nil {
		_, err = s.changeOnce(ctx, p.tries(), s.returnTry)
	}
	if err != nil {
		return failed(op, err)
	}
	return nil
}

// mark makes sure that the pass's entries tell which failures are its own.
func (s *State) mark(ctx context.Context, p *PINTry) error {
	e := p.marker()
	data, err := s.data(ctx, e.id)
	if err != nil || data != nil {
		return err
	}
	id := p.failures().id
	_, err = s.change(ctx, e, func(data []byte) ([]byte, error) {
		if data != nil {
			return nil, nil
		}
		m := encode(kindMarker)
		m.bytes([]byte(id))
		return m, nil
	})
	return err
}

// openMarker returns the id of the entry of failures.
func openMarker(data []byte) (id string, err error) {
	d := decode(data, kindMarker)
	raw := make([]byte, len(d.rest))
	d.bytes(raw)
	return string(raw), d.end()
}

// refuseLocked spares those who try a locked PIN from being written about.
func (s *State) refuseLocked(ctx context.Context, p *PINTry) error {
	data, err := s.data(ctx, p.failures().id)
	if err != nil {
		return err
	}
	_, err = takeFailure(data)
	return err
}

// openFailures returns the number in an entry of failures, zero for nil.
func openFailures(data []byte) (int64, error) {
	if data == nil {
		return 0, nil
	}
	d := decode(data, kindFailed)
	n := d.number()
	return n, d.end()
}

func failureData(n int64) []byte {
	e := encode(kindFailed)
	e.number(n)
	return e
}

func takeFailure(data []byte) ([]byte, error) {
	n, err := openFailures(data)
	if err != nil {
		return nil, err
	}
	if n >= pinFailures {
		return nil, &daypass.Error{Code: daypass.AccessDenied,
			Message: "A wrong PIN was given too often. Whoever made this pass can restore it.", Err: ErrPINLocked}
	}
	return failureData(n + 1), nil
}

func returnFailure(data []byte) ([]byte, error) {
	n, err := openFailures(data)
	if err != nil || n == 0 {
		return nil, err
	}
	return failureData(n - 1), nil
}

// tries is the entry of what an address has tried.
type tries struct {
	// free are the times of the tries of the last hour, oldest first, as
	// long as they are fewer than pinTries.
	free []time.Time
	// paid counts the tries for which the address had to wait; until is when
	// it may try next.
	paid  int64
	until time.Time
}

func openTries(data []byte) (t tries, err error) {
	if data == nil {
		return t, nil
	}
	d := decode(data, kindTries)
	t.paid, t.until = d.number(), d.instant()
	for n := d.number(); n > 0 && !d.bad; n-- {
		t.free = append(t.free, d.instant())
	}
	return t, d.end()
}

func (t *tries) data() []byte {
	e := encode(kindTries)
	e.number(t.paid)
	e.instant(t.until)
	e.number(int64(len(t.free)))
	for _, at := range t.free {
		e.instant(at)
	}
	return e
}

// take takes a try, or returns how long to wait for the next one.
func (t *tries) take(now time.Time) (wait time.Duration) {
	t.forget(now)
	switch {
	case len(t.free) < pinTries && t.paid == 0:
		t.free = append(t.free, now)
	case now.Before(t.until):
		return t.until.Sub(now)
	default:
		t.paid++
	}
	if len(t.free) >= pinTries || t.paid > 0 {
		t.until = now.Add(min(pinFirstWait<<min(t.paid, 30), pinLastWait))
	}
	return 0
}

// forget drops what is too old to count.
func (t *tries) forget(now time.Time) {
	if t.paid > 0 && !now.Before(t.until.Add(pinWindow)) {
		*t = tries{}
	}
	for len(t.free) > 0 && !now.Before(t.free[0].Add(pinWindow)) {
		t.free = t.free[1:]
	}
}

// giveBack undoes the last take.
func (t *tries) giveBack(now time.Time) {
	if t.paid > 0 {
		t.paid--
		t.until = now
	} else if n := len(t.free); n > 0 {
		t.free = t.free[:n-1]
		t.until = time.Time{}
	}
}

func (s *State) takeTry(data []byte) ([]byte, error) {
	t, err := openTries(data)
	if err != nil {
		return nil, err
	}
	if wait := t.take(stamp(s.now())); wait > 0 {
		return nil, &daypass.Error{Code: daypass.SlowDown, Message: "A wrong PIN was given too often. Try again later.",
			Err: &waitError{ErrPINWait, wait}}
	}
	return t.data(), nil
}

func (s *State) returnTry(data []byte) ([]byte, error) {
	t, err := openTries(data)
	if err != nil || data == nil {
		return nil, err
	}
	t.giveBack(stamp(s.now()))
	return t.data(), nil
}
