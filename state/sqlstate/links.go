package sqlstate

import (
	"context"
	"database/sql"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

const (
	selectLink = `SELECT id, access_key, owner, pass, created, expires FROM links `
	insertLink = `INSERT INTO links (id, access_key, owner, pass, created, expires)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING`
	expireLinks = `DELETE FROM links WHERE expires < $1 AND id IN
		(SELECT id FROM links WHERE expires < $1 ORDER BY expires LIMIT $2)`
)

// InsertLink implements state.Driver.
func (d *Driver) InsertLink(ctx context.Context, l state.LinkRecord) error {
	const op = "InsertLink"
	if err := checkText(op, l.ID, l.Key, l.Owner); err != nil {
		return err
	}
	return d.changeOne(ctx, op, daypass.LinkAlreadyExists, insertLink,
		l.ID, l.Key, l.Owner, blob(l.Pass), micros(l.Created), micros(l.Expires))
}

// Link implements state.Driver.
func (d *Driver) Link(ctx context.Context, id string) (state.LinkRecord, error) {
	const op = "Link"
	if !validText(id) {
		return state.LinkRecord{}, refuse(op, daypass.NoSuchLink)
	}
	ctx, cancel := d.bound(ctx)
	defer cancel()
	l, err := scanLink(d.read.QueryRowContext(ctx, selectLink+`WHERE id = $1`, id))
	if err == sql.ErrNoRows {
		err = refuse(op, daypass.NoSuchLink)
	}
	return l, d.fail(op, err)
}

// ListLinks implements state.Driver.
func (d *Driver) ListLinks(ctx context.Context, owner, after string, max int) ([]state.LinkRecord, error) {
	const op = "ListLinks"
	if err := checkText(op, owner, after); err != nil {
		return nil, err
	}
	where, args := `WHERE id > $1 ORDER BY id LIMIT $2`, []any{after, max}
	if owner != "" {
		where, args = `WHERE owner = $1 AND id > $2 ORDER BY id LIMIT $3`, []any{owner, after, max}
	}
	ctx, cancel := d.bound(ctx)
	defer cancel()
	rows, err := d.read.QueryContext(ctx, selectLink+where, args...)
	list, err := collect(rows, err, scanLink)
	return list, d.fail(op, err)
}

// DeleteLink implements state.Driver.
func (d *Driver) DeleteLink(ctx context.Context, id string) error {
	const op = "DeleteLink"
	if !validText(id) {
		return refuse(op, daypass.NoSuchLink)
	}
	return d.changeOne(ctx, op, daypass.NoSuchLink, `DELETE FROM links WHERE id = $1`, id)
}

// ExpireLinks implements state.Driver.
func (d *Driver) ExpireLinks(ctx context.Context, t time.Time, max int) (int, error) {
	return d.expire(ctx, "ExpireLinks", expireLinks, t, max)
}

// scanLink reads a row of selectLink.
func scanLink(row scanner) (state.LinkRecord, error) {
	var l state.LinkRecord
	var created, expires sql.NullInt64
	err := row.Scan(&l.ID, &l.Key, &l.Owner, &l.Pass, &created, &expires)
	l.Pass, l.Created, l.Expires = blob(l.Pass), timeOf(created), timeOf(expires)
	return l, err
}
