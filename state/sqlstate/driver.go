package sqlstate

import (
	"context"
	"database/sql"
	"errors"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

// A Driver keeps state in an SQL database.
type Driver struct {
	read *sql.DB
	// watch reads what nodes ask for again and again to know whether state is
	// there, so that no flood of other readings keeps them waiting.
	watch  *sql.DB
	writer *writer
	engine engine
	// listener hears of changes; nil: the engine does not tell.
	listener *listener
}

var (
	_ state.Driver   = (*Driver)(nil)
	_ state.Notifier = (*Driver)(nil)
)

// newDriver returns a driver over the given pools, of which read and watch may
// be one, with the schema up to date. It closes them when it fails.
func newDriver(ctx context.Context, read, watch, write *sql.DB, e engine) (*Driver, error) {
	steps, err := migrations()
	if err == nil {
		err = migrate(ctx, write, steps, e)
	}
	if err != nil {
		return nil, errors.Join(err, read.Close(), watch.Close(), write.Close())
	}
	return &Driver{read: read, watch: watch, writer: newWriter(newSession(write, e), idleWriter), engine: e}, nil
}

// Close lets the calls that have begun finish and closes the database. Calls
// that come later fail.
func (d *Driver) Close() error {
	if d.listener != nil {
		d.listener.close()
	}
	return d.fail("Close", errors.Join(d.writer.close(), d.read.Close(), d.watch.Close()))
}

// Commits returns how many transactions have been committed for writing, each
// of which the disk has synced.
func (d *Driver) Commits() int64 { return d.writer.session.commits.Load() }

// do runs a job in a transaction of the writer, which may be run several
// times. A *daypass.Error that it returns is the answer and must leave no
// trace in the transaction.
func (d *Driver) do(ctx context.Context, op string, job func(ctx context.Context, t *tx) error) error {
	return d.fail(op, d.writer.submit(&request{ctx: ctx, job: job}))
}

// changeOne runs a statement that changes one row, and refuses with a code
// when there was nothing to change.
func (d *Driver) changeOne(ctx context.Context, op string, none daypass.Code, statement string, args ...any) error {
	return d.do(ctx, op, changingOne(op, none, statement, args...))
}

// changingOne returns the job of changeOne.
func changingOne(op string, none daypass.Code, statement string, args ...any) func(context.Context, *tx) error {
	return func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, statement, args...)
		if err == nil && n == 0 {
			return refuse(op, none)
		}
		return err
	}
}

// Changed implements state.Notifier.
func (d *Driver) Changed() <-chan struct{} {
	if d.listener == nil {
		return nil
	}
	return d.listener.changed
}

// forgetIdle closes the readers that nobody uses at the moment, where a network
// is in between: what one of them has lost, the others have most likely lost too,
// and each would find out by itself, slowly.
func (d *Driver) forgetIdle() {
	if n := d.engine.idleReaders; n > 0 {
		for _, pool := range []*sql.DB{d.read, d.watch} {
			pool.SetMaxIdleConns(-1)
			pool.SetMaxIdleConns(n)
		}
	}
}

// refuse returns an error of the operation op that is no failure.
func refuse(op string, code daypass.Code) error {
	return &daypass.Error{Op: "sqlstate." + op, Code: code}
}

// fail returns err as an error of the operation op, nil for nil. What is a
// *daypass.Error already stays as it is.
func (d *Driver) fail(op string, err error) error {
	var refusal *daypass.Error
	if err == nil || errors.As(err, &refusal) {
		return err
	}
	e := &daypass.Error{Op: "sqlstate." + op, Code: daypass.InternalError, Err: err}
	switch d.engine.classify(err) {
	case diskFull:
		e.Code = daypass.InsufficientStorage
	case unreachable:
		e.Code = daypass.ServiceUnavailable
		d.forgetIdle()
	}
	return e
}
