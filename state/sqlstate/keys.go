package sqlstate

import (
	"context"
	"database/sql"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

const (
	selectKey = `SELECT id, sealed_secret, owner, name, created, expires, disabled, root, policy, disabled_at, disabled_by FROM access_keys `
	insertKey = `INSERT INTO access_keys (id, sealed_secret, owner, name, created, expires, disabled, root, policy, disabled_at, disabled_by)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING`
	enableKey  = `UPDATE access_keys SET disabled = $1, disabled_at = $2, disabled_by = $3 WHERE id = $4`
	disableKey = `UPDATE access_keys SET disabled_at = CASE WHEN disabled THEN disabled_at ELSE $1 END,
		disabled_by = CASE WHEN disabled THEN disabled_by ELSE $2 END, disabled = $3 WHERE id = $4`
	deleteRoots = `DELETE FROM access_keys WHERE root OR id = $1`
)

// InsertKey implements state.Driver.
func (d *Driver) InsertKey(ctx context.Context, k state.KeyRecord) error {
	const op = "InsertKey"
	if err := checkKey(op, k); err != nil {
		return err
	}
	return d.do(ctx, op, counted(changingOne(op, daypass.AccessKeyAlreadyExists, insertKey, keyArgs(k)...)))
}

// Key implements state.Driver.
func (d *Driver) Key(ctx context.Context, id string) (state.KeyRecord, error) {
	const op = "Key"
	if !validText(id) {
		return state.KeyRecord{}, refuse(op, daypass.NoSuchAccessKey)
	}
	ctx, cancel := d.bound(ctx)
	defer cancel()
	return d.oneKey(op, d.read.QueryRowContext(ctx, selectKey+`WHERE id = $1`, id))
}

// RootKey implements state.Driver.
func (d *Driver) RootKey(ctx context.Context) (state.KeyRecord, error) {
	ctx, cancel := d.bound(ctx)
	defer cancel()
	return d.oneKey("RootKey", d.read.QueryRowContext(ctx, selectKey+`WHERE root`))
}

// oneKey reads the one row of a query for a key.
func (d *Driver) oneKey(op string, row *sql.Row) (state.KeyRecord, error) {
	k, err := scanKey(row)
	if err == sql.ErrNoRows {
		err = refuse(op, daypass.NoSuchAccessKey)
	}
	return k, d.fail(op, err)
}

// ListKeys implements state.Driver.
func (d *Driver) ListKeys(ctx context.Context, after string, max int) ([]state.KeyRecord, error) {
	const op = "ListKeys"
	if err := checkText(op, after); err != nil {
		return nil, err
	}
	ctx, cancel := d.bound(ctx)
	defer cancel()
	rows, err := d.read.QueryContext(ctx, selectKey+`WHERE id > $1 ORDER BY id LIMIT $2`, after, max)
	keys, err := collect(rows, err, scanKey)
	return keys, d.fail(op, err)
}

// SetKeyDisabled implements state.Driver.
func (d *Driver) SetKeyDisabled(ctx context.Context, id string, disabled bool, at time.Time, by string) error {
	const op = "SetKeyDisabled"
	if err := checkText(op, by); err != nil {
		return err
	}
	if !disabled {
		return d.changeKey(ctx, op, id, enableKey, false, micros(time.Time{}), "", id)
	}
	return d.changeKey(ctx, op, id, disableKey, micros(at), by, true, id)
}

// SetKeyPolicy implements state.Driver.
func (d *Driver) SetKeyPolicy(ctx context.Context, id, policy string) error {
	const op = "SetKeyPolicy"
	if err := checkText(op, policy); err != nil {
		return err
	}
	return d.changeKey(ctx, op, id, `UPDATE access_keys SET policy = $1 WHERE id = $2`, policy, id)
}

// DeleteKey implements state.Driver.
func (d *Driver) DeleteKey(ctx context.Context, id string) error {
	return d.changeKey(ctx, "DeleteKey", id, `DELETE FROM access_keys WHERE id = $1`, id)
}

// ReplaceRoot implements state.Driver.
func (d *Driver) ReplaceRoot(ctx context.Context, k state.KeyRecord) error {
	const op = "ReplaceRoot"
	if err := checkKey(op, k); err != nil {
		return err
	}
	return d.do(ctx, op, func(ctx context.Context, t *tx) error {
		if _, err := t.exec(ctx, deleteRoots, k.ID); err != nil {
			return err
		}
		n, err := t.exec(ctx, insertKey, keyArgs(k)...)
		if err == nil && n == 0 {
			return errRace // another root key came in between
		}
		t.changed = true
		return err
	})
}

// changeKey runs a statement that changes the key with an id.
func (d *Driver) changeKey(ctx context.Context, op, id, statement string, args ...any) error {
	if !validText(id) {
		return refuse(op, daypass.NoSuchAccessKey)
	}
	return d.do(ctx, op, counted(changingOne(op, daypass.NoSuchAccessKey, statement, args...)))
}

// counted returns a job that counts as a change of what nodes cache when it
// succeeds.
func counted(job func(context.Context, *tx) error) func(context.Context, *tx) error {
	return func(ctx context.Context, t *tx) error {
		err := job(ctx, t)
		t.changed = t.changed || err == nil
		return err
	}
}

// checkKey returns InvalidArgument for a key that cannot be kept.
func checkKey(op string, k state.KeyRecord) error {
	return checkText(op, k.ID, k.Owner, k.Name, k.Policy, k.DisabledBy)
}

// keyArgs returns the parameters of insertKey.
func keyArgs(k state.KeyRecord) []any {
	return []any{k.ID, blob(k.SealedSecret), k.Owner, k.Name, k.Created.UnixMicro(), micros(k.Expires), k.Disabled, k.Root, k.Policy,
		micros(k.DisabledAt), k.DisabledBy}
}

// scanKey reads a row of selectKey.
func scanKey(row scanner) (state.KeyRecord, error) {
	var k state.KeyRecord
	var created, expires, disabled sql.NullInt64
	err := row.Scan(&k.ID, &k.SealedSecret, &k.Owner, &k.Name, &created, &expires, &k.Disabled, &k.Root, &k.Policy, &disabled, &k.DisabledBy)
	k.Created, k.Expires, k.DisabledAt = timeOf(created), timeOf(expires), timeOf(disabled)
	return k, err
}
