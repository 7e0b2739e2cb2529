package tracing

import (
	"context"
	"net/netip"
	"time"

	"github.com/daypass/daypass/server"
	"github.com/daypass/daypass/state"
)

// A ledger makes what a request asks of the ledger steps of its trace.
type ledger struct {
	server.Ledger
	tracing *Tracing
}

// Ledger returns a ledger that does what l does.
func (t *Tracing) Ledger(l server.Ledger) server.Ledger { return &ledger{l, t} }

// within carries out a step.
func (l *ledger) within(ctx context.Context, name string, do func(context.Context) error) error {
	ctx, end := l.tracing.Step(ctx, name)
	if end == nil {
		return do(ctx)
	}
	var err error
	defer func() { end(err) }()
	err = do(ctx)
	return err
}

// Draw implements server.Ledger.
func (l *ledger) Draw(ctx context.Context, b state.Budget, t state.Token, total, fits int64) error {
	return l.within(ctx, "ledger.Draw", func(ctx context.Context) error { return l.Ledger.Draw(ctx, b, t, total, fits) })
}

// Settle implements server.Ledger.
func (l *ledger) Settle(ctx context.Context, b state.Budget, t state.Token, sent int64, whole bool) error {
	return l.within(ctx, "ledger.Settle", func(ctx context.Context) error { return l.Ledger.Settle(ctx, b, t, sent, whole) })
}

// Exhausted implements server.Ledger.
func (l *ledger) Exhausted(ctx context.Context, b state.Budget) (used bool, err error) {
	err = l.within(ctx, "ledger.Exhausted", func(ctx context.Context) error {
		used, err = l.Ledger.Exhausted(ctx, b)
		return err
	})
	return used, err
}

// Reserve implements server.Ledger.
func (l *ledger) Reserve(ctx context.Context, c state.Count, t state.Token) error {
	return l.within(ctx, "ledger.Reserve", func(ctx context.Context) error { return l.Ledger.Reserve(ctx, c, t) })
}

// Release implements server.Ledger.
func (l *ledger) Release(ctx context.Context, c state.Count, t state.Token, used bool) error {
	return l.within(ctx, "ledger.Release", func(ctx context.Context) error { return l.Ledger.Release(ctx, c, t, used) })
}

// Bind implements server.Ledger.
func (l *ledger) Bind(ctx context.Context, pass string, addr netip.Addr, ends time.Time) (owner netip.Addr, err error) {
	err = l.within(ctx, "ledger.Bind", func(ctx context.Context) error {
		owner, err = l.Ledger.Bind(ctx, pass, addr, ends)
		return err
	})
	return owner, err
}

// Bound implements server.Ledger.
func (l *ledger) Bound(ctx context.Context, pass string) (owner netip.Addr, err error) {
	err = l.within(ctx, "ledger.Bound", func(ctx context.Context) error {
		owner, err = l.Ledger.Bound(ctx, pass)
		return err
	})
	return owner, err
}

// TryPIN implements server.Ledger.
func (l *ledger) TryPIN(ctx context.Context, p state.PINTry) error {
	return l.within(ctx, "ledger.TryPIN", func(ctx context.Context) error { return l.Ledger.TryPIN(ctx, p) })
}

// AcceptPIN implements server.Ledger.
func (l *ledger) AcceptPIN(ctx context.Context, p state.PINTry) error {
	return l.within(ctx, "ledger.AcceptPIN", func(ctx context.Context) error { return l.Ledger.AcceptPIN(ctx, p) })
}
