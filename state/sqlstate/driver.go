package sqlstate

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

// A Driver keeps state in an SQL database.
type Driver struct {
	read, write *sql.DB
	// diskFull tells the engine's way of saying that its disk is full.
	diskFull func(error) bool
}

var _ state.Driver = (*Driver)(nil)

// newDriver returns a driver over the given pools, with the schema up to
// date. It closes them when it fails.
func newDriver(ctx context.Context, read, write *sql.DB, diskFull func(error) bool) (*Driver, error) {
	d := &Driver{read: read, write: write, diskFull: diskFull}
	steps, err := migrations()
	if err == nil {
		err = migrate(ctx, write, steps)
	}
	if err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// Close waits for running statements and closes the database.
func (d *Driver) Close() error {
	return d.fail("Close", errors.Join(d.read.Close(), d.write.Close()))
}

// Setting implements state.Driver.
func (d *Driver) Setting(ctx context.Context, name string) ([]byte, error) {
	v, err := setting(ctx, d.read, name)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return v, d.fail("Setting", err)
}

// InitSetting implements state.Driver.
func (d *Driver) InitSetting(ctx context.Context, name string, value []byte) (have []byte, err error) {
	err = inTx(ctx, d.write, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING`, name, value)
		if err != nil {
			return err
		}
		have, err = setting(ctx, tx, name)
		return err
	})
	return have, d.fail("InitSetting", err)
}

// A querier is a database or a transaction.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// setting returns the value of a setting, or sql.ErrNoRows.
func setting(ctx context.Context, q querier, name string) ([]byte, error) {
	var v []byte
	err := q.QueryRowContext(ctx, `SELECT value FROM settings WHERE name = $1`, name).Scan(&v)
	if v == nil && err == nil {
		v = []byte{} // nil would say that it was never set
	}
	return v, err
}

// fail returns err as an error of the operation op, nil for nil.
func (d *Driver) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	e := &daypass.Error{Op: "sqlstate." + op, Code: daypass.InternalError, Err: err}
	switch {
	case errors.Is(err, sql.ErrNoRows):
		e.Code, e.Err = daypass.NoSuchAccessKey, nil
	case d.diskFull(err):
		e.Code = daypass.InsufficientStorage
	}
	return e
}

// micros returns t as the database keeps it, NULL for the zero time.
func micros(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMicro(), Valid: !t.IsZero()}
}

// timeOf is the inverse of micros.
func timeOf(v sql.NullInt64) time.Time {
	if !v.Valid {
		return time.Time{}
	}
	return time.UnixMicro(v.Int64).UTC()
}
