package state

import (
	"context"
	"errors"
	"slices"
	"time"
)

// A Count is how often a pass may succeed in a write.
type Count struct {
	Pass string
	Uses int64
	Ends time.Time
}

func (c *Count) ref() ref { return refOf(c.Pass, kindCount, "", c.Ends) }

func (c *Count) check() error {
	if c.Pass == "" || c.Uses < 1 {
		return invalid("Count", "a count has a pass and a use")
	}
	return nil
}

// A tally is the entry of a count: how many uses are gone, and who holds one.
type tally struct {
	used    int64
	holders []Token
}

func openTally(data []byte) (*tally, error) {
	c := new(tally)
	if data == nil {
		return c, nil
	}
	d := decode(data, kindCount)
	c.used = d.number()
	for n := d.number(); n > 0 && !d.bad; n-- {
		var t Token
		d.bytes(t[:])
		c.holders = append(c.holders, t)
	}
	return c, d.end()
}

func (c *tally) data() []byte {
	e := encode(kindCount)
	e.number(c.used)
	e.number(int64(len(c.holders)))
	for i := range c.holders {
		e.bytes(c.holders[i][:])
	}
	return e
}

// reserve gives a token one of the uses, and reports whether it had none.
func (c *tally) reserve(t Token, uses int64) (changed bool, err error) {
	switch held := len(c.holders); {
	case slices.Contains(c.holders, t):
		return false, nil
	case c.used >= uses:
		return false, exhausted()
	case int64(held) >= uses-c.used || held >= maxOutstanding:
		return false, busy("Other requests are using what is left of this pass.", ErrHeld)
	}
	c.holders = append(c.holders, t)
	return true, nil
}

// release ends reservations and reports whether there was any.
func (c *tally) release(list []settlement) (changed bool) {
	for _, m := range list {
		i := slices.Index(c.holders, m.token)
		if i < 0 {
			continue
		}
		changed = true
		c.holders = slices.Delete(c.holders, i, i+1)
		if m.whole {
			c.used++
		}
	}
	return changed
}

// Reserve takes one use before the body of a request is read; the use stays
// taken until Release, however long that takes. Repeating a call changes
// nothing. AccessDenied when none is left (ErrExhausted), ServiceUnavailable
// while others hold what is left (ErrHeld, RetryAfter). After a failure of
// the driver, Reserve itself sees to it that the token holds nothing.
func (s *State) Reserve(ctx context.Context, c Count, t Token) error {
	const op = "state.Reserve"
	if err := c.check(); err != nil {
		return failed(op, err)
	}
	held, err := s.settling.begin(c.ref().id, t)
	if err == nil && !held {
		err = s.reserve(ctx, c, t)
	}
	if err != nil {
		return failed(op, err)
	}
	return nil
}

func (s *State) reserve(ctx context.Context, c Count, t Token) error {
	e := c.ref()
	if _, ok := s.usedUp.get(e.id, s.now()); ok {
		return exhausted()
	}
	done := s.settling.of(e.id)
	mark := s.usedUp.mark()
	refused, err := s.change(ctx, e, func(data []byte) ([]byte, error) {
		v, err := openTally(data)
		if err != nil {
			return nil, err
		}
		released := v.release(done)
		reserved, err := v.reserve(t, c.Uses)
		if err != nil || !reserved && !released {
			return nil, err
		}
		return v.data(), nil
	})
	switch {
	case err == nil:
		s.settling.hold(e.id, t)
		s.settled(e.id, done)
	case errors.Is(err, ErrExhausted):
		s.usedUp.put(e.id, usedUp{}, s.now(), mark)
	case !refused:
		s.settling.queue(e, nil, settlement{token: t})
	}
	return err
}

// Release ends a reservation: used says that the write was done, or may have
// been. Only proof that nothing was stored gives the use back. It applies
// once; releasing a token that holds nothing does nothing. Where the driver
// fails, Release returns the error and tries again in the background until it
// is done.
func (s *State) Release(ctx context.Context, c Count, t Token, used bool) error {
	const op = "state.Release"
	if err := c.check(); err != nil {
		return failed(op, err)
	}
	e := c.ref()
	if err := s.settling.queue(e, nil, settlement{token: t, whole: used}); err != nil {
		return failed(op, err)
	}
	if err := s.settle(context.WithoutCancel(ctx), e.id); err != nil {
		return failed(op, err)
	}
	return nil
}
