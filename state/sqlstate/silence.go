package sqlstate

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// silentAfter is how long a server may leave both a transaction and the readings
// by which nodes know that it is there without an answer. After that, whoever
// waits for the transaction waits in vain. One that is only slow to write, or
// waits for its standby, goes on answering readings.
const silentAfter = 2 * time.Second

// errSilent says that a transaction was given up since the server is silent.
var errSilent = errors.New("the server does not answer")

// readings are those under way that nothing on a healthy server holds up.
type readings struct {
	mu   sync.Mutex
	open map[*time.Time]struct{} // when each began
}

// begin notes a reading until the function is called that it returns.
func (r *readings) begin() (end func()) {
	at := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.open == nil {
		r.open = make(map[*time.Time]struct{})
	}
	r.open[&at] = struct{}{}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.open, &at)
	}
}

// silent reports whether a reading has waited for silentAfter.
func (r *readings) silent() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for at := range r.open {
		if time.Since(*at) >= silentAfter {
			return true
		}
	}
	return false
}

// limit returns the context of an attempt at a transaction, which ends when the
// engine's time is over, when the server is silent, or when it is canceled.
func (s *session) limit() (context.Context, context.CancelFunc) {
	if s.engine.timeout == 0 {
		return context.Background(), func() {}
	}
	bounded, cancel := context.WithTimeout(context.Background(), s.engine.timeout)
	ctx, giveUp := context.WithCancelCause(bounded)
	var look func()
	look = func() {
		switch {
		case ctx.Err() != nil: // it has ended
		case s.readings.silent():
			giveUp(errSilent)
		default:
			time.AfterFunc(silentAfter/10, look)
		}
	}
	first := time.AfterFunc(silentAfter, look)
	return ctx, func() {
		first.Stop()
		cancel()
	}
}

// because adds to the error of an attempt that it was given up, where it was.
func because(ctx context.Context, err error) error {
	if err != nil && context.Cause(ctx) == errSilent {
		return fmt.Errorf("%w: %w", errSilent, err)
	}
	return err
}
