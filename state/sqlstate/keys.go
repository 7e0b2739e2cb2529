package sqlstate

import (
	"context"
	"database/sql"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

const (
	selectKey = `SELECT id, sealed_secret, owner, name, created, expires, disabled, root, policy FROM access_keys `
	insertKey = `INSERT INTO access_keys (id, sealed_secret, owner, name, created, expires, disabled, root, policy)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING`
)

// InsertKey implements state.Driver.
func (d *Driver) InsertKey(ctx context.Context, k state.KeyRecord) error {
	const op = "InsertKey"
	res, err := d.write.ExecContext(ctx, insertKey, keyArgs(k)...)
	if err != nil {
		return d.fail(op, err)
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		return &daypass.Error{Op: "sqlstate." + op, Code: daypass.AccessKeyAlreadyExists}
	}
	return d.fail(op, err)
}

// Key implements state.Driver.
func (d *Driver) Key(ctx context.Context, id string) (state.KeyRecord, error) {
	k, err := scanKey(d.read.QueryRowContext(ctx, selectKey+`WHERE id = $1`, id))
	return k, d.fail("Key", err)
}

// RootKey implements state.Driver.
func (d *Driver) RootKey(ctx context.Context) (state.KeyRecord, error) {
	k, err := scanKey(d.read.QueryRowContext(ctx, selectKey+`WHERE root`))
	return k, d.fail("RootKey", err)
}

// ListKeys implements state.Driver.
func (d *Driver) ListKeys(ctx context.Context, after string, max int) ([]state.KeyRecord, error) {
	const op = "ListKeys"
	rows, err := d.read.QueryContext(ctx, selectKey+`WHERE id > $1 ORDER BY id LIMIT $2`, after, max)
	if err != nil {
		return nil, d.fail(op, err)
	}
	defer rows.Close()
	var keys []state.KeyRecord
	for rows.Next() {
		k, err := scanKey(rows)
		if err != nil {
			return nil, d.fail(op, err)
		}
		keys = append(keys, k)
	}
	return keys, d.fail(op, rows.Err())
}

// SetKeyDisabled implements state.Driver.
func (d *Driver) SetKeyDisabled(ctx context.Context, id string, disabled bool) error {
	return d.changeOne(ctx, "SetKeyDisabled", `UPDATE access_keys SET disabled = $1 WHERE id = $2`, disabled, id)
}

// SetKeyPolicy implements state.Driver.
func (d *Driver) SetKeyPolicy(ctx context.Context, id, policy string) error {
	return d.changeOne(ctx, "SetKeyPolicy", `UPDATE access_keys SET policy = $1 WHERE id = $2`, policy, id)
}

// DeleteKey implements state.Driver.
func (d *Driver) DeleteKey(ctx context.Context, id string) error {
	return d.changeOne(ctx, "DeleteKey", `DELETE FROM access_keys WHERE id = $1`, id)
}

// ReplaceRoot implements state.Driver.
func (d *Driver) ReplaceRoot(ctx context.Context, k state.KeyRecord) error {
	err := inTx(ctx, d.write, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `DELETE FROM access_keys WHERE root OR id = $1`, k.ID); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, insertKey, keyArgs(k)...)
		return err
	})
	return d.fail("ReplaceRoot", err)
}

// changeOne runs a statement that changes one access key.
func (d *Driver) changeOne(ctx context.Context, op, statement string, args ...any) error {
	res, err := d.write.ExecContext(ctx, statement, args...)
	if err != nil {
		return d.fail(op, err)
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		err = sql.ErrNoRows
	}
	return d.fail(op, err)
}

// keyArgs returns the parameters of insertKey.
func keyArgs(k state.KeyRecord) []any {
	return []any{k.ID, k.SealedSecret, k.Owner, k.Name, micros(k.Created), micros(k.Expires), k.Disabled, k.Root, k.Policy}
}

// scanKey reads a row of selectKey.
func scanKey(row interface{ Scan(...any) error }) (state.KeyRecord, error) {
	var k state.KeyRecord
	var created, expires sql.NullInt64
	err := row.Scan(&k.ID, &k.SealedSecret, &k.Owner, &k.Name, &created, &expires, &k.Disabled, &k.Root, &k.Policy)
	k.Created, k.Expires = timeOf(created), timeOf(expires)
	return k, err
}
