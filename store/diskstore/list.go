package diskstore

import (
	"cmp"
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"
	"github.com/daypass/daypass/store"
)

// ListObjects implements store.Driver.
func (d *Driver) ListObjects(ctx context.Context, req store.ListRequest) (page *store.ListPage, err error) {
	b, err := d.bucket(req.Bucket)
	if err != nil {
		return nil, err
	}
	c := &cursor{ctx: ctx, bucket: b}
	if req.Delimiter != "" {
		if c.walk = d.gaps.walk(b.number); c.walk != nil {
			defer c.walk.end()
		}
	}
	if c.it, err = d.db.NewIterWithContext(ctx, bucketBounds(spaceObject, b)); err != nil {
		return nil, err
	}
	defer closeInto(&err, c.it)
	return store.List(c, req)
}

// A cursor walks the objects of one bucket.
type cursor struct {
	ctx    context.Context
	bucket *bucket
	it     *pebble.Iterator
	err    error
	// walk knows where keys are without a look; nil if nothing does.
	walk *gapWalk
	// known is the key of the current position where it is known; ahead says
	// that the iterator is not there yet.
	known string
	ahead bool
}

var _ store.Cursor = (*cursor)(nil)

// SeekGE implements store.Cursor.
func (c *cursor) SeekGE(key string) bool {
	c.known, c.ahead = "", false
	if !c.alive() {
		return false
	}
	if c.walk == nil {
		return c.it.SeekGE(objectKey(c.bucket.number, key))
	}
	if c.known, c.ahead = c.walk.find(key); c.ahead {
		return true
	}
	if !c.it.SeekGE(objectKey(c.bucket.number, key)) {
		return false
	}
	c.known = c.Key()
	if c.err == nil {
		c.walk.found(key, c.known)
	}
	return c.err == nil
}

// Next implements store.Cursor.
func (c *cursor) Next() bool {
	if !c.arrive() {
		return false
	}
	c.known = ""
	return c.alive() && c.it.Next()
}

// arrive moves the iterator to the current position.
func (c *cursor) arrive() bool {
	if !c.ahead {
		return true
	}
	c.ahead = false
	if !c.it.SeekGE(objectKey(c.bucket.number, c.known)) {
		c.err = cmp.Or(c.it.Error(), errLostKey)
		return false
	}
	known := c.known
	if c.known = ""; c.Key() != known {
		c.err = cmp.Or(c.err, errLostKey)
	}
	return c.err == nil
}

// errLostKey says that a gap was not true, which would be a mistake here.
var errLostKey = errors.New("a key that a listing has seen lately is not in the index")

// alive ends the walk when nobody waits for it any longer.
func (c *cursor) alive() bool {
	if c.err == nil {
		c.err = c.ctx.Err()
	}
	return c.err == nil
}

// Key implements store.Cursor.
func (c *cursor) Key() string {
	if c.known != "" {
		return c.known
	}
	_, key, err := parseObjectKey(c.it.Key())
	if err != nil && c.err == nil {
		c.err = err
	}
	return key
}

// Object implements store.Cursor.
func (c *cursor) Object() (*store.Object, error) {
	if !c.arrive() {
		return nil, c.Err()
	}
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
