package sqlstate

import (
	"context"
	"database/sql"
	"time"

	"github.com/daypass/daypass/state"
)

const (
	selectRevocation = `SELECT id, version, pass, name, owner, access_key, bucket, prefix,
		signed_before, created, creator, expires, lifted FROM revocations `

	followed = `WHERE version > CASE WHEN $1 > (SELECT value FROM counters WHERE name = 'revocations') THEN 0 ELSE $1 END
		ORDER BY version LIMIT $2`

	insertRevocation = `INSERT INTO revocations (id, version, pass, name, owner, access_key, bucket, prefix,
			signed_before, created, creator, expires, lifted)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT DO NOTHING`

	liftRevocation = `UPDATE revocations SET lifted = TRUE, version = $1, expires = $2 WHERE id = $3 AND NOT lifted`

	expireRevocations = `DELETE FROM revocations WHERE expires < $1 AND id IN
		(SELECT id FROM revocations WHERE expires < $1 ORDER BY expires LIMIT $2)`
)

// InsertRevocation implements state.Driver. Inserting an id again changes
// nothing and returns the version that it has.
func (d *Driver) InsertRevocation(ctx context.Context, r state.RevocationRecord) (version int64, err error) {
	const op = "InsertRevocation"
	if err := checkText(op, r.ID, r.Pass, r.Name, r.Owner, r.Key, r.Bucket, r.Prefix, r.Creator); err != nil {
		return 0, err
	}
	err = d.do(ctx, op, func(ctx context.Context, t *tx) error {
		if version, err = nextVersion(ctx, t, 1); err != nil {
			return err
		}
		n, err := t.exec(ctx, insertRevocation, r.ID, version, r.Pass, r.Name, r.Owner, r.Key, r.Bucket, r.Prefix,
			micros(r.Before), micros(r.Created), r.Creator, micros(r.Expires), r.Lifted)
		if n == 1 || err != nil {
			return err
		}
		return t.queryRow(ctx, `SELECT version FROM revocations WHERE id = $1`, []any{r.ID}, &version)
	})
	return version, err
}

// LiftRevocations implements state.Driver.
func (d *Driver) LiftRevocations(ctx context.Context, ids []string, t time.Time) (lifted int, err error) {
	const op = "LiftRevocations"
	if len(ids) == 0 {
		return 0, nil
	}
	err = d.do(ctx, op, func(ctx context.Context, tx *tx) error {
		lifted = 0
		last, err := nextVersion(ctx, tx, len(ids))
		if err != nil {
			return err
		}
		for i, id := range ids {
			if !validText(id) {
				continue
			}
			n, err := tx.exec(ctx, liftRevocation, last-int64(len(ids)-1-i), micros(t), id)
			if err != nil {
				return err
			}
			lifted += int(n)
		}
		return nil
	})
	return lifted, err
}

// Revocations implements state.Driver. Where so many versions were never given
// out, state is not what the caller has followed: it was restored, or a standby
// took over that lacks the latest of them. All of it is new then.
func (d *Driver) Revocations(ctx context.Context, after int64, max int) ([]state.RevocationRecord, error) {
	ctx, cancel := d.bound(ctx)
	defer cancel()
	defer d.writer.session.readings.begin()()
	rows, err := d.watch.QueryContext(ctx, selectRevocation+followed, after, max)
	list, err := collect(rows, err, scanRevocation)
	return list, d.fail("Revocations", err)
}

// ExpireRevocations implements state.Driver.
func (d *Driver) ExpireRevocations(ctx context.Context, t time.Time, max int) (int, error) {
	return d.expire(ctx, "ExpireRevocations", expireRevocations, t, max)
}

// nextVersion takes the next n versions and returns the last of them. They are
// no less than the time in milliseconds, so that after a failover that lost some
// none is given out again, which nodes would take for one that they have seen.
func nextVersion(ctx context.Context, t *tx, n int) (last int64, err error) {
	const take = `UPDATE counters SET value = CASE WHEN value < $1 THEN $1 ELSE value END + $2 WHERE name = 'revocations' RETURNING value`
	t.revoked = true
	err = t.queryRow(ctx, take, []any{time.Now().UnixMilli(), n}, &last)
	return last, err
}

// scanRevocation reads a row of selectRevocation.
func scanRevocation(row scanner) (state.RevocationRecord, error) {
	var r state.RevocationRecord
	var before, created, expires sql.NullInt64
	err := row.Scan(&r.ID, &r.Version, &r.Pass, &r.Name, &r.Owner, &r.Key, &r.Bucket, &r.Prefix,
		&before, &created, &r.Creator, &expires, &r.Lifted)
	r.Before, r.Created, r.Expires = timeOf(before), timeOf(created), timeOf(expires)
	return r, err
}
