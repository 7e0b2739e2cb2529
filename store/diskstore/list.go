package diskstore

import (
	"context"

	"github.com/cockroachdb/pebble/v2"
	"github.com/daypass/daypass/store"
)

// ListObjects implements store.Driver.
func (d *Driver) ListObjects(ctx context.Context, req store.ListRequest) (page *store.ListPage, err error) {
	b, err := d.bucket(req.Bucket)
	if err != nil {
		return nil, err
	}
	it, err := d.db.NewIterWithContext(ctx, bucketBounds(spaceObject, b))
	if err != nil {
		return nil, err
	}
	defer closeInto(&err, it)
	return store.List(&cursor{ctx: ctx, bucket: b, it: it}, req)
}

// A cursor walks the objects of one bucket.
type cursor struct {
	ctx    context.Context
	bucket *bucket
	it     *pebble.Iterator
	err    error
}

var _ store.Cursor = (*cursor)(nil)

// SeekGE implements store.Cursor.
func (c *cursor) SeekGE(key string) bool {
	return c.alive() && c.it.SeekGE(objectKey(c.bucket.number, key))
}

// Next implements store.Cursor.
func (c *cursor) Next() bool { return c.alive() && c.it.Next() }

// alive ends the walk when nobody waits for it any longer.
func (c *cursor) alive() bool {
	if c.err == nil {
		c.err = c.ctx.Err()
	}
	return c.err == nil
}

// Key implements store.Cursor.
func (c *cursor) Key() string {
	_, key, err := parseObjectKey(c.it.Key())
	if err != nil && c.err == nil {
		c.err = err
	}
	return key
}

// Object implements store.Cursor.
func (c *cursor) Object() (*store.Object, error) {
	value, err := c.it.ValueAndErr()
	if err != nil {
		return nil, err
	}
	rec, err := decodeObject(value)
	if err != nil {
		return nil, err
	}
	return rec.named(c.bucket, c.Key(), true), nil
}

// Err implements store.Cursor.
func (c *cursor) Err() error {
	if c.err != nil {
		return c.err
	}
	return c.it.Error()
}
