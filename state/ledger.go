package state

import (
	"context"
	"errors"
	"io"
	"time"
)

// The reasons why the ledger refuses a pass.
var (
	// ErrExhausted says that a pass has no use left, and will get none back.
	ErrExhausted = errors.New("no use is left")
	// ErrChanged says that the object is not the one of the first use.
	ErrChanged = errors.New("the object is not the one that the pass was first used for")
	// ErrHeld says that what is left is in the hands of others who may give
	// it back.
	ErrHeld = errors.New("what is left is held by requests under way")
)

const (
	// drawWait is how long a draw waits for others to come back.
	drawWait = 2 * time.Second
	// drawPoll is how often it looks whether other nodes settled something.
	drawPoll = 250 * time.Millisecond
	// heldRetry is what is recommended to those who waited in vain.
	heldRetry = 2 * time.Second
	// usedUpMaxAge is how long a pass may still be refused after another
	// node restored it.
	usedUpMaxAge  = time.Second
	usedUpEntries = 1 << 14
)

// A Token names the draws and reservations of one HTTP request, one of each
// budget and count: 128 random bits that the node makes, never from what a
// client sends. It is of no use to a budget after Settle, nor to a count after
// Release.
type Token [16]byte

// NewToken returns a new token.
func (s *State) NewToken() (t Token, err error) {
	if _, err := io.ReadFull(s.rand, t[:]); err != nil {
		return Token{}, failed("state.NewToken", err)
	}
	return t, nil
}

// A waitError is a cause that passes with time.
type waitError struct {
	cause error
	wait  time.Duration
}

func (e *waitError) Error() string { return e.cause.Error() + "; again in " + e.wait.String() }
func (e *waitError) Unwrap() error { return e.cause }

// RetryAfter returns how long to wait before trying again, for errors that
// tell: those of TryPIN with ErrPINWait and those with ErrHeld.
func RetryAfter(err error) (time.Duration, bool) {
	var w *waitError
	if !errors.As(err, &w) {
		return 0, false
	}
	return w.wait, true
}

// A Budget is what a download pass may read of one object: Uses copies.
type Budget struct {
	// Pass is the pass id; Object is the key where the pass is for a prefix,
	// since each object below it has its own budget.
	Pass, Object string
	Uses         int64
	// Size, ETag and Version are those of the object; they are fixed at first
	// use, and another object refuses the pass.
	Size          int64
	ETag, Version string
	// Ends is when the pass ends; zero: unknown.
	Ends time.Time
}

func (b *Budget) ref() ref { return refOf(b.Pass, kindBudget, b.Object, b.Ends) }

func (b *Budget) check() error {
	if b.Pass == "" || b.Uses < 1 || b.Size < 0 {
		return invalid("Budget", "a budget has a pass, a use and a size")
	}
	return nil
}

// A usedUp is what is known of a budget whose draw was refused for good.
type usedUp struct {
	object [16]byte
	// within is how much could be had at most; it never grows.
	within int64
}

// Draw makes sure that the response with a token holds total bytes of a
// budget, of which it may have drawn some before; an empty object counts as
// one byte. fits, which is at least total, is how much must be there for the
// response to be admitted; the rest of it is kept for the response until
// Settle, as long as this State lives. Where that depends on draws that are outstanding,
// Draw waits for them for up to two seconds. Repeating a call changes nothing.
//
// AccessDenied when the budget is used up (ErrExhausted) or when the object
// has changed (ErrChanged); ServiceUnavailable when the wait was in vain
// (ErrHeld, RetryAfter). After a failure of the driver at a token's first
// draw, Draw itself sees to it that the token holds nothing; at a later one,
// Settle ends the response as ever.
func (s *State) Draw(ctx context.Context, b Budget, t Token, total, fits int64) error {
	const op = "state.Draw"
	if err := b.check(); err != nil {
		return failed(op, err)
	}
	total = max(total, 1)
	d := &drawing{budget: &b, ref: b.ref(), object: b.object(), token: t, total: total, fits: max(fits, total), promises: &s.promises}
	held, err := s.settling.begin(d.id, t)
	if err == nil && !held {
		err = s.recall(d)
	}
	if err == nil {
		err = s.drawOrWait(ctx, d)
	}
	if err != nil {
		return failed(op, err)
	}
	s.settling.hold(d.id, t)
	return nil
}

// A drawing is a call of Draw.
type drawing struct {
	budget *Budget
	ref
	object      [16]byte
	token       Token
	total, fits int64
	promises    *promises
}

// recall refuses what was refused a moment ago, without touching state.
func (s *State) recall(d *drawing) error {
	u, ok := s.usedUp.get(d.id, s.now())
	switch {
	case !ok:
		return nil
	case u.object != d.object:
		return changed()
	case d.fits > u.within:
		return exhausted()
	}
	return nil
}

func (s *State) drawOrWait(ctx context.Context, d *drawing) error {
	err := s.drawOnce(ctx, d)
	if !errors.Is(err, errWait) {
		return err
	}
	if !s.waiting.join(d.id) {
		return busy("Too many requests wait for this pass.", ErrHeld)
	}
	defer s.waiting.leave(d.id)
	limit := time.NewTimer(drawWait)
	defer limit.Stop()
	poll := time.NewTicker(drawPoll)
	defer poll.Stop()
	for {
		woken := s.waiting.signal(d.id)
		if err := s.drawOnce(ctx, d); !errors.Is(err, errWait) {
			return err
		}
		if err := s.awaitRoom(ctx, d, woken, poll.C, limit.C); err != nil {
			return err
		}
	}
}

// awaitRoom returns when the draw has a chance, or an error when the wait is
// over.
func (s *State) awaitRoom(ctx context.Context, d *drawing, woken <-chan struct{}, poll, limit <-chan time.Time) error {
	for {
		select {
		case <-woken:
			return nil
		case <-limit:
			return busy("What is left of this pass is being sent to others.", ErrHeld)
		case <-ctx.Done():
			return ctx.Err()
		case <-poll:
			data, err := s.data(ctx, d.id)
			if err != nil {
				return err
			}
			if _, err := d.apply(data, nil); !errors.Is(err, errWait) {
				return nil
			}
		}
	}
}

// drawOnce draws what fits at once. Settlements that are not written yet are
// written with it.
func (s *State) drawOnce(ctx context.Context, d *drawing) error {
	done := s.settling.of(d.id)
	mark := s.usedUp.mark()
	var left usedUp
	refused, err := s.change(ctx, d.ref, func(data []byte) ([]byte, error) {
		l, err := d.apply(data, done)
		if l != nil {
			left = usedUp{l.object, l.within(d.budget.capacity())}
		}
		if l == nil || err != nil {
			return nil, err
		}
		if d.fits > d.total {
			s.promises.make(d.id, d.token, d.fits)
		}
		return l.data(), nil
	})
	switch {
	case err == nil:
		s.settled(d.id, done)
	case errors.Is(err, ErrExhausted), errors.Is(err, ErrChanged):
		s.usedUp.put(d.id, left, s.now(), mark)
	case !refused && !s.settling.holds(d.id, d.token): // what came of it is unknown
		s.promises.drop(d.id, d.token)
		s.settling.queue(d.ref, d.budget, settlement{token: d.token})
	}
	return err
}

// apply applies settlements and the draw to an entry's data. It returns the
// ledger as it then is, nil where nothing changes.
func (d *drawing) apply(data []byte, done []settlement) (*ledger, error) {
	l, err := openLedger(data, d.budget)
	if err != nil {
		return nil, err
	}
	if l.object != d.object {
		return l, changed()
	}
	ended := l.settle(done)
	drawn, err := l.draw(d.token, d.total, d.fits, d.budget.capacity()-d.promises.others(d.id, d.token, l), d.budget.capacity())
	if err == nil && !drawn && !ended {
		return nil, nil
	}
	return l, err
}

// Settle ends the draw of a token: sent bytes were handed over, and whole says
// that the last byte of the response was among them. What was not handed over
// returns to the budget, and for a broken response a part of what is in
// doubt. It applies once; settling a token that holds nothing does nothing.
//
// Nothing returns of a whole response, so that its end is written in the
// background, if it can. Where the driver fails, Settle returns the error and
// tries again in the background until it is done.
func (s *State) Settle(ctx context.Context, b Budget, t Token, sent int64, whole bool) error {
	const op = "state.Settle"
	if err := b.check(); err != nil {
		return failed(op, err)
	}
	e := b.ref()
	s.promises.drop(e.id, t)
	if err := s.settling.queue(e, &b, settlement{t, sent, whole}); err != nil {
		return failed(op, err)
	}
	if whole && s.settleSoon(e.id) {
		return nil
	}
	if err := s.settle(context.WithoutCancel(ctx), e.id); err != nil {
		return failed(op, err)
	}
	return nil
}

// Exhausted reports whether nothing is left of a budget, nor can come back
// from outstanding draws, so that HEAD is refused too. Where all of it is
// outstanding, it waits for up to two seconds for that to be settled.
// AccessDenied when the object has changed (ErrChanged).
func (s *State) Exhausted(ctx context.Context, b Budget) (bool, error) {
	const op = "state.Exhausted"
	if err := b.check(); err != nil {
		return false, failed(op, err)
	}
	within, free, err := s.leftOf(ctx, &b)
	id := b.ref().id
	if err == nil && within > 0 && free <= 0 && s.waiting.join(id) {
		defer s.waiting.leave(id)
		within, err = s.awaitSettled(ctx, &b, id)
	}
	if err != nil {
		return false, failed(op, err)
	}
	return within == 0, nil
}

// leftOf returns how many bytes of a budget could still be had if everything
// that is outstanding came back, and how many are free now.
func (s *State) leftOf(ctx context.Context, b *Budget) (within, free int64, err error) {
	e, object := b.ref(), b.object()
	u, ok := s.usedUp.get(e.id, s.now())
	if !ok || u.object == object && u.within > 0 {
		mark := s.usedUp.mark()
		done := s.settling.of(e.id) // before the entry, which may get it meanwhile
		data, err := s.data(ctx, e.id)
		if err != nil {
			return 0, 0, err
		}
		l, err := openLedger(data, b)
		if err != nil {
			return 0, 0, err
		}
		l.settle(done)
		if u = (usedUp{l.object, l.within(b.capacity())}); u.within == 0 || u.object != object {
			s.usedUp.put(e.id, u, s.now(), mark)
		}
		free = b.capacity() - l.drawn
	}
	if u.object != object {
		return 0, 0, changed()
	}
	return u.within, free, nil
}

// awaitSettled waits until a budget of which all is outstanding is used up or
// has something left, and returns what could still be had.
func (s *State) awaitSettled(ctx context.Context, b *Budget, id string) (within int64, err error) {
	limit := time.NewTimer(drawWait)
	defer limit.Stop()
	poll := time.NewTicker(drawPoll)
	defer poll.Stop()
	for {
		woken := s.waiting.signal(id)
		within, free, err := s.leftOf(ctx, b)
		if err != nil || within == 0 || free > 0 {
			return within, err
		}
		select {
		case <-woken:
		case <-poll.C:
		case <-limit.C:
			return within, nil
		case <-ctx.Done():
			return within, ctx.Err()
		}
	}
}
