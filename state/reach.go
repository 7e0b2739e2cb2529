package state

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/daypass/daypass"
)

const (
	// lostAfter is how long an answer may take until state counts as out of
	// reach, so that requests stop waiting for it.
	lostAfter = time.Second
	// probeTimeout bounds one attempt to reach state. It is longer, since a
	// driver may have to find out first which of its hosts answers.
	probeTimeout = 5 * time.Second
	// probeAgain is the pause after which an attempt is repeated that failed
	// quickly: one connection that was cut is no outage.
	probeAgain = 20 * time.Millisecond
	// readTimeout bounds a reading for which a request waits.
	readTimeout = 2 * time.Second
	// healthyAge is how old the last contact with state may be for Healthy.
	healthyAge = 2 * time.Second
	// lostRetry is what is recommended to those who need state meanwhile.
	lostRetry = time.Second
)

// ErrUnreachable is the cause where state is known to be out of reach.
var ErrUnreachable = errors.New("state cannot be reached")

// A reach is what a task of the background knows of state, which it asks again
// and again: when it was answered, and whether it still is. Requests look here
// before they ask, so that none waits for what does not answer.
type reach struct {
	// contact is when the last asking began that was answered, by the clock of
	// the State.
	contact atomic.Pointer[time.Time]
	// asking is when the one that is under way began, nil for none.
	asking atomic.Pointer[time.Time]
	failed atomic.Bool
}

// ask calls f, which asks state as often as it needs to and returns when the
// last asking began, and takes note of what comes of it. Callers take turns.
func (r *reach) ask(ctx context.Context, f func(context.Context) (time.Time, error)) error {
	began := time.Now()
	r.asking.Store(&began)
	defer r.asking.Store(nil)
	at, err := f(ctx)
	if err != nil && time.Since(began) < lostAfter/2 && sleep(ctx, probeAgain) {
		at, err = f(ctx)
	}
	switch {
	case err == nil:
		r.contact.Store(&at)
		r.failed.Store(false)
	case ctx.Err() == nil: // not the caller's own end
		r.failed.Store(true)
	}
	return err
}

// answered notes that state has answered one of several questions: what takes
// long because there is much of it is not out of reach.
func (r *reach) answered() {
	began := time.Now()
	r.asking.Store(&began)
}

// lost reports whether state is known to be out of reach.
func (r *reach) lost() bool {
	if r.failed.Load() {
		return true
	}
	began := r.asking.Load()
	return began != nil && time.Since(*began) > lostAfter
}

// age returns how long ago state was last reached.
func (r *reach) age(now time.Time) time.Duration {
	at := r.contact.Load()
	if at == nil {
		return 1<<63 - 1
	}
	return elapsed(*at, now)
}

// elapsed returns how long it is from one time to another: the longer one of what
// the clock of the machine says and of what the process has counted, which goes
// on when that clock is set back, and stands still while the machine sleeps.
func elapsed(from, to time.Time) time.Duration {
	return max(to.Sub(from), to.Round(0).Sub(from.Round(0)))
}

// unreachable returns the refusal of what needs state while it is lost.
func unreachable() error {
	return &daypass.Error{Code: daypass.ServiceUnavailable, Message: "The state of this service cannot be reached. Please try again.",
		Err: &waitError{ErrUnreachable, lostRetry}}
}

// unanswered reports whether an error of the driver is no answer but a failure.
func unanswered(err error) bool {
	switch daypass.CodeOf(err) {
	case daypass.InternalError, daypass.ServiceUnavailable, daypass.InsufficientStorage:
		return true
	}
	return false
}

// LastContact returns when state was last reached: the earlier of when
// revocations and when access keys and settings were last known to be current,
// which is the same unless they are kept in several places.
func (s *State) LastContact() time.Time {
	var last time.Time
	for _, at := range []*time.Time{s.revocations.contact.Load(), s.validity.contact.Load()} {
		if at != nil && (last.IsZero() || at.Before(last)) {
			last = *at
		}
	}
	return last
}

// Healthy returns an error when state was not reached within the last two
// seconds. ServiceUnavailable (ErrUnreachable).
func (s *State) Healthy() error { return s.reachedWithin("state.Healthy", healthyAge) }

// Serving returns an error when even requests that need no counted limit are
// refused, since state was not reached for longer than the grace.
// ServiceUnavailable (ErrUnreachable).
func (s *State) Serving() error { return s.reachedWithin("state.Serving", cacheAge+s.grace) }

func (s *State) reachedWithin(op string, most time.Duration) error {
	now := s.now()
	if s.revocations.age(now) <= most && s.validity.age(now) <= most {
		return nil
	}
	return failed(op, unreachable())
}
