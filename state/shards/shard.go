package shards

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

// tryAgain is how long a shard that could not be reached is left alone until
// one call tries it again.
const tryAgain = 500 * time.Millisecond

// errNothing stands for a call of which nothing came, as where it panicked.
var errNothing = fmt.Errorf("no answer: %w", context.Canceled)

// errDown is the cause where a shard is known to be out of reach.
var errDown = errors.New("this shard of state cannot be reached")

// A shard is one of the drivers, with what is known of whether it answers.
type shard struct {
	state.Driver
	number int

	mu sync.Mutex
	// failed is when it last did not answer; zero while it does. trying says
	// that a call has been let through since.
	failed time.Time
	trying bool
}

// enter refuses a call to a shard that is out of reach, but for one now and
// then.
func (s *shard) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed.IsZero() {
		return nil
	}
	if s.trying || time.Since(s.failed) < tryAgain {
		return s.wrap(&daypass.Error{Op: "shards", Code: daypass.ServiceUnavailable,
			Message: "The state of this service cannot be reached. Please try again.", Err: errDown})
	}
	s.trying = true
	return nil
}

// leave takes note of what came of a call: only what a driver itself could not
// do tells of the shard. Whoever gave up before it answered has learnt nothing.
func (s *shard) leave(ctx context.Context, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trying = false
	switch {
	case daypass.CodeOf(err) != daypass.ServiceUnavailable:
		if err == nil || !errors.Is(err, context.Canceled) {
			s.failed = time.Time{}
		}
	case !errors.Is(ctx.Err(), context.Canceled):
		s.failed = time.Now()
	}
}

// call calls f, which asks the shard, unless the shard is out of reach.
func (s *shard) call(ctx context.Context, f func() error) error {
	if err := s.enter(); err != nil {
		return err
	}
	err := errNothing
	defer func() { s.leave(ctx, err) }() // also where f panics
	err = f()
	return s.wrap(err)
}

// wrap tells which shard an error is of, where it is a failure.
func (s *shard) wrap(err error) error {
	switch daypass.CodeOf(err) {
	case daypass.InternalError, daypass.ServiceUnavailable, daypass.InsufficientStorage:
		return fmt.Errorf("shard %d: %w", s.number+1, err)
	}
	return err
}

// ask returns what f gets from a shard.
func ask[V any](ctx context.Context, s *shard, f func() (V, error)) (v V, err error) {
	err = s.call(ctx, func() (err error) {
		v, err = f()
		return err
	})
	return v, err
}

// all asks all shards at the same time, and returns what each answered.
func all[V any](ctx context.Context, shards []*shard, f func(*shard) (V, error)) ([]V, error) {
	values, errs := make([]V, len(shards)), make([]error, len(shards))
	var wg sync.WaitGroup
	for i, s := range shards {
		wg.Go(func() { values[i], errs[i] = ask(ctx, s, func() (V, error) { return f(s) }) })
	}
	wg.Wait()
	return values, errors.Join(errs...)
}
