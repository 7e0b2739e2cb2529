package sqlstate

import (
	"context"
	"database/sql"
)

const selectSetting = `SELECT value FROM settings WHERE name = $1`

// Setting implements state.Driver.
func (d *Driver) Setting(ctx context.Context, name string) ([]byte, error) {
	if !validText(name) {
		return nil, nil
	}
	ctx, cancel := d.bound(ctx)
	defer cancel()
	v, err := scanSetting(d.read.QueryRowContext(ctx, selectSetting, name))
	if err == sql.ErrNoRows {
		return nil, nil
	}
	return v, d.fail("Setting", err)
}

// InitSetting implements state.Driver.
func (d *Driver) InitSetting(ctx context.Context, name string, value []byte) (have []byte, err error) {
	const op = "InitSetting"
	if err := checkText(op, name); err != nil {
		return nil, err
	}
	err = d.do(ctx, op, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING`, name, blob(value))
		if err != nil {
			return err
		}
		return t.queryRow(ctx, selectSetting, []any{name}, &have)
	})
	if err != nil {
		return nil, err
	}
	return blob(have), nil // nil would say that it was never set
}

// SetSetting implements state.Driver.
func (d *Driver) SetSetting(ctx context.Context, name string, value []byte) error {
	const op = "SetSetting"
	if err := checkText(op, name); err != nil {
		return err
	}
	return d.do(ctx, op, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO settings (name, value) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, blob(value))
		return err
	})
}

// Changes implements state.Driver.
func (d *Driver) Changes(ctx context.Context) (n int64, err error) {
	ctx, cancel := d.bound(ctx)
	defer cancel()
	defer d.writer.session.readings.begin()()
	err = d.watch.QueryRowContext(ctx, `SELECT value FROM counters WHERE name = 'changes'`).Scan(&n)
	return n, d.fail("Changes", err)
}

// scanSetting reads a row of selectSetting.
func scanSetting(row scanner) ([]byte, error) {
	var v []byte
	err := row.Scan(&v)
	return blob(v), err // nil would say that it was never set
}
