package sqlstate

import "context"

// BucketSettings implements state.Driver.
func (d *Driver) BucketSettings(ctx context.Context, bucketID string) (map[string][]byte, error) {
	const op = "BucketSettings"
	rows, err := d.read.QueryContext(ctx, `SELECT name, value FROM bucket_settings WHERE bucket_id = $1`, bucketID)
	if err != nil {
		return nil, d.fail(op, err)
	}
	defer rows.Close()
	settings := make(map[string][]byte)
	for rows.Next() {
		var name string
		var value []byte
		if err := rows.Scan(&name, &value); err != nil {
			return nil, d.fail(op, err)
		}
		settings[name] = value
	}
	return settings, d.fail(op, rows.Err())
}

// SetBucketSetting implements state.Driver.
func (d *Driver) SetBucketSetting(ctx context.Context, bucketID, name string, value []byte) error {
	if value == nil {
		_, err := d.write.ExecContext(ctx, `DELETE FROM bucket_settings WHERE bucket_id = $1 AND name = $2`, bucketID, name)
		return d.fail("SetBucketSetting", err)
	}
	_, err := d.write.ExecContext(ctx, `INSERT INTO bucket_settings (bucket_id, name, value) VALUES ($1, $2, $3)
		ON CONFLICT (bucket_id, name) DO UPDATE SET value = excluded.value`, bucketID, name, value)
	return d.fail("SetBucketSetting", err)
}

// DeleteBucketSettings implements state.Driver.
func (d *Driver) DeleteBucketSettings(ctx context.Context, bucketID string) error {
	_, err := d.write.ExecContext(ctx, `DELETE FROM bucket_settings WHERE bucket_id = $1`, bucketID)
	return d.fail("DeleteBucketSettings", err)
}
