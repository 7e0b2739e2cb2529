package sqlstate

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/daypass/daypass"
)

const (
	// retryFor is how long a transaction is tried again that others are in
	// the way of, reconnectFor one whose connection failed.
	retryFor     = 10 * time.Second
	reconnectFor = time.Second
	// firstPause and lastPause bound the pauses between tries.
	firstPause = 2 * time.Millisecond
	lastPause  = 250 * time.Millisecond
)

// errRace says that another process came in between: the transaction is run
// again.
var errRace = errors.New("changed by another process at the same time")

// A session is the writer's connection to the database.
type session struct {
	db     *sql.DB
	engine engine

	conn       *sql.Conn            // nil: not connected
	connected  int                  // counts connections
	statements map[string]*sql.Stmt // of conn, by text
	texts      map[shape]string     // of statements for several rows

	commits atomic.Int64 // counts transactions
	// readings are those that tell whether the server answers.
	readings readings
}

func newSession(db *sql.DB, e engine) *session {
	return &session{db: db, engine: e, texts: make(map[shape]string)}
}

// A commitError is a failure to commit, which leaves open whether the
// transaction was done unless it is a conflict.
type commitError struct{ err error }

func (e *commitError) Error() string { return "commit: " + e.err.Error() }
func (e *commitError) Unwrap() error { return e.err }

// divisible reports whether a batch that failed with err may succeed in part.
func (s *session) divisible(err error) bool {
	var commit *commitError
	return !errors.As(err, &commit) && s.classify(err) == poisoned
}

// classify tells what kind of failure an error is.
func (s *session) classify(err error) failure {
	if errors.Is(err, errRace) {
		return conflict
	}
	return s.engine.classify(err)
}

// attempt runs a batch, again and again while others are in the way.
func (s *session) attempt(batch []*request) error {
	start := time.Now()
	pause := firstPause
	for {
		err := s.transact(batch)
		if err == nil {
			return nil
		}
		var commit *commitError
		age := time.Since(start)
		switch kind := s.classify(err); {
		case kind == conflict && age < retryFor:
		case kind == unreachable && age < reconnectFor && !errors.As(err, &commit):
		default:
			return err
		}
		time.Sleep(pause/2 + rand.N(pause))
		pause = min(2*pause, lastPause)
	}
}

// transact runs a batch in one transaction. Errors of single requests are
// left with them; one that is returned undid everything.
func (s *session) transact(batch []*request) (err error) {
	ctx, cancel := s.limit()
	defer cancel()
	t, err := s.begin(ctx)
	if err != nil {
		return because(ctx, err)
	}
	defer func() {
		if err = because(ctx, err); err != nil {
			t.Rollback()
			s.abandon(err)
		}
	}()
	for _, r := range batch {
		if err := r.run(ctx, t); err != nil {
			return err
		}
	}
	if err := t.editEntries(ctx, batch); err != nil {
		return err
	}
	if err := t.finish(ctx); err != nil {
		return err
	}
	if err := s.commit(t); err != nil {
		return &commitError{err}
	}
	s.commits.Add(1)
	return nil
}

// errWarned says that the server has warned of a commit: it is done there, but
// may not be on the standby, since the wait for that was cut short.
var errWarned = errors.New("committed with a warning: the standby may not have it")

// commit commits a transaction, which is done when the server says so without
// a warning.
func (s *session) commit(t *tx) error {
	if s.engine.warned != nil {
		s.engine.warned.Store(false)
	}
	err := t.Commit()
	if err == nil && s.engine.warned != nil && s.engine.warned.Load() {
		return errWarned
	}
	return err
}

// run runs the request's job, if it has one. A *daypass.Error is the answer
// to that request; any other error is a failure of the transaction.
func (r *request) run(ctx context.Context, t *tx) error {
	r.err, r.panicked = nil, nil
	if r.job == nil {
		return nil
	}
	err := r.job(ctx, t)
	var own *daypass.Error
	if errors.As(err, &own) {
		r.err = err
		return nil
	}
	return err
}

// begin starts a transaction, connecting first where needed.
func (s *session) begin(ctx context.Context) (*tx, error) {
	if s.conn == nil {
		conn, err := s.db.Conn(ctx)
		if err != nil {
			return nil, err
		}
		s.conn, s.statements = conn, make(map[string]*sql.Stmt)
		s.connected++
	}
	t, err := s.conn.BeginTx(ctx, s.engine.begin)
	if err != nil {
		s.abandon(err)
		return nil, err
	}
	return &tx{Tx: t, session: s}, nil
}

// abandon gives the connection up after a failure. Where that says that the
// server is not there, or is not the primary any more, the connection is closed
// even if it seems to work, so that the next one finds the server that is.
func (s *session) abandon(err error) {
	if s.conn != nil && s.classify(err) == unreachable {
		s.conn.Raw(func(any) error { return driver.ErrBadConn })
	}
	s.drop()
}

// drop gives the connection back, which is closed if it is broken.
func (s *session) drop() error {
	if s.conn == nil {
		return nil
	}
	for _, statement := range s.statements {
		statement.Close()
	}
	err := s.conn.Close()
	s.conn, s.statements = nil, nil
	if errors.Is(err, sql.ErrConnDone) {
		return nil
	}
	return err
}

// close ends the session and closes the database.
func (s *session) close() error { return errors.Join(s.drop(), s.db.Close()) }

// A tx is a transaction of the writer.
type tx struct {
	*sql.Tx
	session *session
	// changed says that it changes what is cached by nodes and counted as such,
	// revoked that it changes revocations.
	changed, revoked bool
}

// countChange is what tells nodes that something they have cached was changed.
// The count is no less than the time in microseconds, so that after a failover
// that lost some no other change gets the same.
const countChange = `UPDATE counters SET value = CASE WHEN value < $1 THEN $1 ELSE value + 1 END WHERE name = 'changes'`

// finish counts the changes of a transaction and has other nodes told. Counting
// comes last, since whoever counts holds others up until the commit.
func (t *tx) finish(ctx context.Context) error {
	if t.changed {
		if _, err := t.exec(ctx, countChange, time.Now().UnixMicro()); err != nil {
			return err
		}
	}
	if notify := t.session.engine.notify; notify != "" && (t.changed || t.revoked) {
		_, err := t.exec(ctx, notify)
		return err
	}
	return nil
}

// statement returns a prepared statement, nil where the engine's driver
// prepares by itself. It belongs to the connection, and so to whatever
// transaction that is in.
func (t *tx) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	s := t.session
	if !s.engine.prepare {
		return nil, nil
	}
	if p := s.statements[query]; p != nil {
		return p, nil
	}
	p, err := s.conn.PrepareContext(ctx, query)
	if err == nil {
		s.statements[query] = p
	}
	return p, err
}

// exec runs a statement and returns how many rows it changed.
func (t *tx) exec(ctx context.Context, query string, args ...any) (int64, error) {
	p, err := t.statement(ctx, query)
	if err != nil {
		return 0, err
	}
	var res sql.Result
	if p != nil {
		res, err = p.ExecContext(ctx, args...)
	} else {
		res, err = t.ExecContext(ctx, query, args...)
	}
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// query runs a statement that returns rows.
func (t *tx) query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	p, err := t.statement(ctx, query)
	if err != nil {
		return nil, err
	}
	if p != nil {
		return p.QueryContext(ctx, args...)
	}
	return t.QueryContext(ctx, query, args...)
}

// queryRow runs a statement that returns one row and reads it.
func (t *tx) queryRow(ctx context.Context, query string, args []any, into ...any) error {
	rows, err := t.query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	if !rows.Next() {
		return errors.Join(rows.Err(), sql.ErrNoRows)
	}
	if err := rows.Scan(into...); err != nil {
		return err
	}
	return rows.Close()
}
