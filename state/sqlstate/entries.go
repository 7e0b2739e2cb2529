package sqlstate

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/daypass/daypass/state"
)

const (
	selectEntry = `SELECT id, pass, data, expires FROM entries `

	expireEntries = `DELETE FROM entries WHERE expires < $1 AND id IN
		(SELECT id FROM entries WHERE expires < $1 ORDER BY expires LIMIT $2)`
)

// UpdateEntry implements state.Driver. An entry with another id than the one
// given is refused.
func (d *Driver) UpdateEntry(ctx context.Context, id string, change func(*state.EntryRecord) (*state.EntryRecord, error)) error {
	const op = "UpdateEntry"
	if err := checkText(op, id); err != nil {
		return err
	}
	err := d.writer.submit(&request{ctx: ctx, id: id, edit: func(old *state.EntryRecord) (*state.EntryRecord, error) {
		e, err := change(old)
		if err != nil {
			return nil, &changeError{err}
		}
		return e, nil
	}})
	if own, ok := err.(*changeError); ok {
		return own.err
	}
	return d.fail(op, err)
}

// A changeError is an error that a change function returned.
type changeError struct{ err error }

func (e *changeError) Error() string { return e.err.Error() }

// Entry implements state.Driver.
func (d *Driver) Entry(ctx context.Context, id string) (*state.EntryRecord, error) {
	if !validText(id) {
		return nil, nil
	}
	ctx, cancel := d.bound(ctx)
	defer cancel()
	e, err := scanEntry(d.read.QueryRowContext(ctx, selectEntry+`WHERE id = $1`, id))
	if err == sql.ErrNoRows {
		return nil, nil
	}
	if err != nil {
		return nil, d.fail("Entry", err)
	}
	return &e, nil
}

// PassEntries implements state.Driver.
func (d *Driver) PassEntries(ctx context.Context, pass, after string, max int) ([]state.EntryRecord, error) {
	const op = "PassEntries"
	if err := checkText(op, pass, after); err != nil {
		return nil, err
	}
	where, args := ofPass(pass)
	query := selectEntry + where + fmt.Sprintf(` AND id > $%d ORDER BY id LIMIT $%d`, len(args)+1, len(args)+2)
	ctx, cancel := d.bound(ctx)
	defer cancel()
	rows, err := d.read.QueryContext(ctx, query, append(args, after, max)...)
	entries, err := collect(rows, err, scanEntry)
	return entries, d.fail(op, err)
}

// DeletePassEntries implements state.Driver.
func (d *Driver) DeletePassEntries(ctx context.Context, pass string) error {
	const op = "DeletePassEntries"
	if err := checkText(op, pass); err != nil {
		return err
	}
	return d.do(ctx, op, func(ctx context.Context, t *tx) error {
		where, args := ofPass(pass)
		_, err := t.exec(ctx, `DELETE FROM entries `+where, args...)
		return err
	})
}

// ofPass returns the condition for the entries of a pass. Their ids begin
// with it, so that they are found without an index of their own, which would
// have cost every new entry a random page.
func ofPass(pass string) (where string, args []any) {
	where, args = `WHERE pass = $1`, []any{pass}
	if pass != "" {
		where += ` AND id >= $1`
		if end := afterAll(pass); end != "" {
			where, args = where+` AND id < $2`, append(args, end)
		}
	}
	return where, args
}

// ExpireEntries implements state.Driver.
func (d *Driver) ExpireEntries(ctx context.Context, t time.Time, max int) (int, error) {
	return d.expire(ctx, "ExpireEntries", expireEntries, t, max)
}

// expire runs a statement that removes at most max rows that expire before t.
func (d *Driver) expire(ctx context.Context, op, statement string, t time.Time, max int) (int, error) {
	var n int64
	err := d.do(ctx, op, func(ctx context.Context, tx *tx) (err error) {
		n, err = tx.exec(ctx, statement, t.UnixMicro(), max)
		return err
	})
	return int(n), err
}

// scanEntry reads a row of selectEntry.
func scanEntry(row scanner) (state.EntryRecord, error) {
	var e state.EntryRecord
	var expires sql.NullInt64
	err := row.Scan(&e.ID, &e.Pass, &e.Data, &expires)
	e.Data, e.Expires = blob(e.Data), timeOf(expires)
	return e, err
}
