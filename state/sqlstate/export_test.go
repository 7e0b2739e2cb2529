package sqlstate

import (
	"context"
	"database/sql"
	"time"
)

// Query runs a statement that returns one value on a connection for reading,
// or on the one for writing.
func Query(ctx context.Context, d *Driver, writing bool, query string) (v string, err error) {
	if !writing {
		return v, d.read.QueryRowContext(ctx, query).Scan(&v)
	}
	return v, d.do(ctx, "Query", func(ctx context.Context, t *tx) error {
		return t.queryRow(ctx, query, nil, &v)
	})
}

// Do has the writer run a job, which may run statements.
func Do(ctx context.Context, d *Driver, job func(exec func(query string, args ...any) error) error) error {
	return d.do(ctx, "Do", func(ctx context.Context, t *tx) error {
		return job(func(query string, args ...any) error {
			_, err := t.exec(ctx, query, args...)
			return err
		})
	})
}

// Patient has the transactions of d, which nobody uses yet, take any time as long
// as the server answers.
func Patient(d *Driver) { d.writer.session.engine.timeout = time.Hour }

// Migrate applies the given steps to an SQLite database instead of the
// released ones.
func Migrate(ctx context.Context, db *sql.DB, steps []string) error {
	return migrate(ctx, db, steps, engine{adapt: asIs})
}

// Commits returns how many transactions the writer of d has committed.
func Commits(d *Driver) int64 { return d.writer.session.commits.Load() }

// Statements returns how many statements the writer of d keeps prepared. It
// must be idle.
func Statements(d *Driver) int { return len(d.writer.session.statements) }

// Shorten has the writer of d, which nobody uses yet, give its connection up
// when it has been idle for so long.
func Shorten(d *Driver, idle time.Duration) {
	s := d.writer.session
	close(d.writer.stop)
	<-d.writer.stopped
	d.writer = newWriter(s, idle)
}

// The kinds of failures.
const (
	Poisoned    = poisoned
	Conflict    = conflict
	Unreachable = unreachable
	DiskFull    = diskFull
	Broken      = broken
)

// Classifiers tell what errors of each engine mean.
var (
	ClassifySQLite   = classifySQLite
	ClassifyPostgres = classifyPostgres
)

// AfterAll returns the first text after all that begin with s.
func AfterAll(s string) string { return afterAll(s) }

// ErrRace says that a transaction is to be run again.
var ErrRace = errRace

// MaxBatch bounds the requests of a transaction.
const MaxBatch = maxBatch

// Connections returns how often the writer of d, which is closed, has got a
// connection.
func Connections(d *Driver) int { return d.writer.session.connected }

// FreeReaders returns how many more readings d can do at once.
func FreeReaders(d *Driver) int {
	s := d.read.Stats()
	return s.MaxOpenConnections - s.InUse
}
