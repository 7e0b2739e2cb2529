package sqlstate

import (
	"context"
	"database/sql"
	"sync/atomic"
	"time"
)

// An engine is what differs from one database to another.
type engine struct {
	// prepare says that statements are worth keeping prepared; otherwise the
	// engine's driver does so by itself.
	prepare bool
	// lockRows ends a SELECT of rows that are going to be changed.
	lockRows string
	// begin are the options of a transaction.
	begin *sql.TxOptions
	// timeout bounds an attempt at a transaction, and a reading; zero:
	// nothing does.
	timeout time.Duration
	// idleReaders is how many connections for reading are kept where a network
	// may cut them; zero: there is none.
	idleReaders int
	// classify tells what kind of failure an error is.
	classify func(error) failure
	// anonymous says that the parameters of long statements have no names: its
	// driver looks for the name of each among those of all.
	anonymous bool
	// adapt prepares a step of the schema for the engine.
	adapt func(step string) string
	// notify is the statement that tells other nodes of changes at the commit;
	// empty: they find out by asking.
	notify string
	// warned is set when the server warns on the writer's connection; nil where
	// it does not.
	warned *atomic.Bool
}

// asIs leaves a step of the schema as it is.
func asIs(step string) string { return step }

// A failure is what an error of a database means for those who wait.
type failure int

const (
	// poisoned: one of the requests may be to blame; the others can do
	// without it.
	poisoned failure = iota
	// conflict: another transaction was in the way; nothing was done.
	conflict
	// unreachable: the connection failed.
	unreachable
	// diskFull: the engine has no space left.
	diskFull
	// broken: the engine cannot go on, whoever asks.
	broken
)

// bound returns a context for reading.
func (d *Driver) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if d.engine.timeout == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, d.engine.timeout)
}
