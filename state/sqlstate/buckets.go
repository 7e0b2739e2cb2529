package sqlstate

import "context"

const (
	setBucketSetting = `INSERT INTO bucket_settings (bucket_id, name, value) VALUES ($1, $2, $3)
		ON CONFLICT (bucket_id, name) DO UPDATE SET value = excluded.value`
	unsetBucketSetting = `DELETE FROM bucket_settings WHERE bucket_id = $1 AND name = $2`
)

// BucketSettings implements state.Driver.
func (d *Driver) BucketSettings(ctx context.Context, bucketID string) (map[string][]byte, error) {
	const op = "BucketSettings"
	settings := make(map[string][]byte)
	if !validText(bucketID) {
		return settings, nil
	}
	ctx, cancel := d.bound(ctx)
	defer cancel()
	rows, err := d.read.QueryContext(ctx, `SELECT name, value FROM bucket_settings WHERE bucket_id = $1`, bucketID)
	if err != nil {
		return nil, d.fail(op, err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var value []byte
		if err := rows.Scan(&name, &value); err != nil {
			return nil, d.fail(op, err)
		}
		settings[name] = blob(value)
	}
	return settings, d.fail(op, rows.Err())
}

// HasBucketSetting implements state.Driver.
func (d *Driver) HasBucketSetting(ctx context.Context, name string) (has bool, err error) {
	const op = "HasBucketSetting"
	if !validText(name) {
		return false, nil
	}
	ctx, cancel := d.bound(ctx)
	defer cancel()
	err = d.read.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM bucket_settings WHERE name = $1)`, name).Scan(&has)
	return has, d.fail(op, err)
}

// SetBucketSetting implements state.Driver.
func (d *Driver) SetBucketSetting(ctx context.Context, bucketID, name string, value []byte) error {
	const op = "SetBucketSetting"
	if err := checkText(op, bucketID, name); err != nil {
		return err
	}
	return d.do(ctx, op, func(ctx context.Context, t *tx) (err error) {
		t.changed = true
		if value == nil {
			_, err = t.exec(ctx, unsetBucketSetting, bucketID, name)
		} else {
			_, err = t.exec(ctx, setBucketSetting, bucketID, name, value)
		}
		return err
	})
}

// DeleteBucketSettings implements state.Driver.
func (d *Driver) DeleteBucketSettings(ctx context.Context, bucketID string) error {
	const op = "DeleteBucketSettings"
	if !validText(bucketID) {
		return nil
	}
	return d.do(ctx, op, func(ctx context.Context, t *tx) error {
		t.changed = true
		_, err := t.exec(ctx, `DELETE FROM bucket_settings WHERE bucket_id = $1`, bucketID)
		return err
	})
}
