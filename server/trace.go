package server

import (
	"context"
	"net/http"

	"github.com/daypass/daypass"
)

// A Tracer follows requests on their way. It is asked for each request, so it
// should be cheap for those that it does not record.
type Tracer interface {
	// Request begins the span of a request and returns the context that the
	// request goes on with. trusted says that the request came from one of
	// Config.TrustedProxies: what others say of the trace that it belongs to
	// is but a client's claim.
	Request(r *http.Request, trusted bool) (context.Context, RequestSpan)
	// Step begins a step of the work that ctx is for and returns the context
	// of what belongs to it, and what ends it with its error. end is nil where
	// the step is not recorded.
	Step(ctx context.Context, name string) (_ context.Context, end func(error))
}

// A RequestSpan is a request under way, as a Tracer follows it.
type RequestSpan interface {
	// TraceID returns the id of the trace that the request belongs to, in 32
	// hexadecimal digits; empty where there is none.
	TraceID() string
	// End ends it with the event of the request, which must not be kept, and
	// in which secrets are still to be redacted (audit.Clean).
	End(e *daypass.Event)
}

// follow begins the span of a request, where somebody follows requests.
func (s *Server) follow(x *exchange) {
	if s.cfg.Tracer == nil {
		return
	}
	ctx := x.r.Context()
	followed, span := s.cfg.Tracer.Request(x.r, s.trusts(x.r.RemoteAddr))
	if x.span = span; followed != ctx {
		x.r = x.r.WithContext(followed)
	}
}

// step does something as a step of a request's trace, with the request that
// what belongs to the step goes on with.
func (s *Server) step(r *http.Request, name string, do func(*http.Request) error) (err error) {
	if s.cfg.Tracer == nil {
		return do(r)
	}
	ctx, end := s.cfg.Tracer.Step(r.Context(), name)
	if end == nil {
		return do(r)
	}
	defer func() { end(err) }()
	return do(r.WithContext(ctx))
}

// identify is authenticate as a step of the request's trace.
func (s *Server) identify(r *http.Request, t *target) (c *call, err error) {
	err = s.step(r, "authenticate", func(r *http.Request) error {
		var err error
		c, err = s.authenticate(r, t)
		return err
	})
	if c != nil {
		c.r = r
	}
	return c, err
}

// allow is authorize as a step of the request's trace.
func (s *Server) allow(c *call) error {
	return s.stepOf(c, "authorize", func() error { return s.authorize(c) })
}

// stepOf is step for a call.
func (s *Server) stepOf(c *call, name string, do func() error) error {
	r := c.r
	defer func() { c.r = r }()
	return s.step(r, name, func(r *http.Request) error {
		c.r = r
		return do()
	})
}
