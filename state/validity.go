package state

import (
	"context"
	"sync"
	"time"
)

const (
	// cacheAge is how old what a node knows of access keys and settings may be
	// while it reaches state.
	cacheAge = time.Second
	// cacheLife is how long something is cached although it does not change, so
	// that a change that was not counted, by a program older than the count,
	// shows in the end.
	cacheLife = time.Minute
)

// A validity tells whether the cached access keys and settings of buckets are
// still what state has: the driver counts the changes, and as long as the count
// stays the same, nothing that was cached needs to be read again. So the load
// on state follows changes, not requests, and when state cannot be reached, all
// that is cached is known to be as old as the last contact.
type validity struct {
	reach
	mu    sync.Mutex // held by the one who asks
	count int64
	known bool
}

// revalidate finds out whether anything has changed. If so, all that is cached
// is suspect: it is read again before it is used, as long as state answers.
func (s *State) revalidate(ctx context.Context) error {
	v := &s.validity
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.ask(ctx, func(ctx context.Context) (time.Time, error) {
		ctx, cancel := context.WithTimeout(ctx, probeTimeout)
		defer cancel()
		at := s.now()
		n, err := s.driver.Changes(ctx)
		if err != nil || v.known && n == v.count {
			return at, err
		}
		v.count, v.known = n, true
		if last := v.contact.Load(); last != nil {
			s.keys.suspect(*last)
			s.settings.suspect(*last)
		}
		return at, nil
	})
}

// current reports whether what was read at a time, and was not suspected since,
// is known to be what state has.
func (v *validity) current(now, loaded time.Time) bool {
	life := now.Sub(loaded)
	return v.answers(now) && life >= 0 && life < cacheLife
}

// answers reports whether state was reached within the last second.
func (v *validity) answers(now time.Time) bool {
	age := v.age(now)
	return age >= 0 && age < cacheAge
}

// A cached is a value that was read before.
type cached[V any] struct {
	value V
	there bool
	// current says that it is what state has; suspect that it may have been
	// changed since, as far as state could still tell.
	current, suspect bool
	// age is how long ago it was known to be what state has.
	age time.Duration
}

// readThrough returns a cached value that is current, or else reads it. While
// state cannot be reached, one that is not older than the grace takes its place;
// as long as state answers, one that is suspect never does.
func readThrough[V any](ctx context.Context, s *State, c cached[V], read func(context.Context) (V, error)) (V, error) {
	if c.there && c.current {
		return c.value, nil
	}
	stale := c.there && c.age <= cacheAge+s.grace
	if s.validity.lost() {
		if stale {
			return c.value, nil
		}
		var none V
		return none, unreachable()
	}
	bound, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	v, err := read(bound)
	switch {
	case err == nil || !unanswered(err) || ctx.Err() != nil:
	case stale && (!c.suspect || !s.validity.answers(s.now())):
		return c.value, nil
	}
	return v, err
}

// known returns whether something that is cached is suspect, since the given
// time, and how long ago it was known to be what state has.
func (s *State) known(now, suspect time.Time) (bool, time.Duration) {
	if suspect.IsZero() {
		return false, s.validity.age(now)
	}
	return true, now.Sub(suspect)
}
