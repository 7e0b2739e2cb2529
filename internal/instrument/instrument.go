// Package instrument stands between the portable types of packages store and
// state and their drivers: it measures how long each call takes, and makes it a
// step of the request's trace. It changes nothing of what a call is given or
// returns; the body of an object is the driver's own, so that it still goes out
// by sendfile.
package instrument

import (
	"context"
	"time"
)

// Durations take how long calls took, failed ones included. Observe may be
// called concurrently; the operation is an index of StoreOperations or
// StateOperations.
type Durations interface {
	Observe(operation int, took time.Duration)
}

// Steps make calls steps of a trace.
type Steps interface {
	// Step begins a step of the work that ctx is for and returns the context
	// of what belongs to it, and what ends it with its error. end is nil where
	// nothing follows that work.
	Step(ctx context.Context, name string) (_ context.Context, end func(error))
}

// calls are the calls of one driver.
type calls struct {
	durations Durations // nil: nobody measures
	steps     Steps     // nil: nobody follows
	names     []string  // of steps, by operation
}

func newCalls(prefix string, operations []string, d Durations, s Steps) calls {
	c := calls{durations: d, steps: s}
	if s != nil {
		for _, name := range operations {
			c.names = append(c.names, prefix+name)
		}
	}
	return c
}

// A call is one call under way.
type call struct {
	durations Durations
	operation int
	began     time.Time
	end       func(error)
}

// begin begins a call.
func (c *calls) begin(ctx context.Context, operation int) (context.Context, call) {
	out := call{operation: operation}
	if c.steps != nil {
		ctx, out.end = c.steps.Step(ctx, c.names[operation])
	}
	if c.durations != nil {
		out.durations, out.began = c.durations, time.Now()
	}
	return ctx, out
}

// done ends a call with the error that it returns. It is deferred: a driver may
// panic.
func (c *call) done(err *error) {
	if c.durations != nil {
		c.durations.Observe(c.operation, time.Since(c.began))
	}
	if c.end != nil {
		c.end(*err)
	}
}
