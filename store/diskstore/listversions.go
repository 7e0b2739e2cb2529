package diskstore

import (
	"bytes"
	"context"

	"github.com/cockroachdb/pebble/v2"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// ListVersions implements store.Versioner.
func (d *Driver) ListVersions(ctx context.Context, req store.VersionsRequest) (page *store.VersionsPage, err error) {
	b, err := d.bucket(req.Bucket)
	if err != nil {
		return nil, err
	}
	err = d.view(func(r pebble.Reader) (err error) {
		page, err = listVersions(ctx, r, b, req)
		return err
	})
	return page, err
}

func listVersions(ctx context.Context, r pebble.Reader, b *bucket, req store.VersionsRequest) (page *store.VersionsPage, err error) {
	objects, err := r.NewIterWithContext(ctx, bucketBounds(spaceObject, b))
	if err != nil {
		return nil, err
	}
	defer closeInto(&err, objects)
	shelved, err := r.NewIterWithContext(ctx, bucketBounds(spaceVersion, b))
	if err != nil {
		return nil, err
	}
	defer closeInto(&err, shelved)
	return store.ListVersions(&versionCursor{ctx: ctx, reader: r, bucket: b, objects: objects, shelved: shelved}, req)
}

// A versionCursor walks the current versions and the others of one bucket at
// once.
type versionCursor struct {
	ctx              context.Context
	reader           pebble.Reader
	bucket           *bucket
	objects, shelved *pebble.Iterator

	// The current position is that of objects if current is true.
	current bool
	key     string
	latest  bool // this is the newest version of its key
	err     error
}

var _ store.VersionCursor = (*versionCursor)(nil)

// SeekGE implements store.VersionCursor.
func (c *versionCursor) SeekGE(key string) bool {
	c.objects.SeekGE(objectKey(c.bucket.number, key))
	c.shelved.SeekGE(escapedKey(spaceVersion, c.bucket.number, key))
	return c.settle("", false)
}

// SeekAfter implements store.VersionCursor.
func (c *versionCursor) SeekAfter(key, id string) bool {
	order, ok, err := c.orderOf(key, id)
	if err != nil {
		return c.fail(err)
	}
	if !ok || !c.SeekGE(key) || c.key != key {
		return c.SeekGE(key)
	}
	for c.key == key {
		at, err := c.order()
		if err != nil {
			return c.fail(err)
		}
		if at < order {
			return true
		}
		if !c.current {
			return c.seekShelved(key, order)
		}
		if !c.Next() {
			return false
		}
	}
	return true
}

// seekShelved goes on behind a version of the key that the cursor is at.
func (c *versionCursor) seekShelved(key string, order uint64) bool {
	k := versionKey(c.bucket.number, key, order)
	if c.shelved.SeekGE(k) && bytes.Equal(c.shelved.Key(), k) {
		c.shelved.Next()
	}
	return c.settle(key, true)
}

// orderOf returns the order of a version, which need not exist unless it is
// the null version; ok is false when that does not.
func (c *versionCursor) orderOf(key, id string) (order uint64, ok bool, err error) {
	if id != store.NullVersion {
		t, ok := parseVersionID(id)
		if !ok {
			return 0, false, &daypass.Error{
				Code: daypass.InvalidArgument, Message: "Invalid version id specified",
				Details: []daypass.Detail{
					{Name: "ArgumentName", Value: "version-id-marker"}, {Name: "ArgumentValue", Value: id},
				},
			}
		}
		return t.order, true, nil
	}
	cur, err := currentRecord(c.reader, c.bucket, key)
	if err != nil {
		return 0, false, err
	}
	rec, err := version(c.reader, c.bucket, key, id, cur)
	if rec == nil || err != nil {
		return 0, false, err
	}
	return rec.order, true, nil
}

// Next implements store.VersionCursor.
func (c *versionCursor) Next() bool {
	if c.current {
		c.objects.Next()
	} else {
		c.shelved.Next()
	}
	return c.settle(c.key, true)
}

// settle finds out which of the two iterators is at the next version. The one
// before was of key last, if there was one.
func (c *versionCursor) settle(last string, any bool) bool {
	if c.err == nil {
		c.err = c.ctx.Err()
	}
	objects, shelved := c.objects.Valid(), c.shelved.Valid()
	if c.err != nil || !objects && !shelved {
		return false
	}
	var current, other string
	if objects {
		_, current, c.err = parseObjectKey(c.objects.Key())
	}
	if shelved && c.err == nil {
		other, _, c.err = parseEscapedKey(c.shelved.Key())
	}
	c.current = objects && (!shelved || current <= other)
	c.key = other
	if c.current {
		c.key = current
	}
	c.latest = !any || c.key != last
	return c.err == nil
}

func (c *versionCursor) fail(err error) bool {
	c.err = err
	return false
}

// Key implements store.VersionCursor.
func (c *versionCursor) Key() string { return c.key }

// order returns the order of the current position.
func (c *versionCursor) order() (uint64, error) {
	rec, err := c.record()
	if err != nil {
		return 0, err
	}
	return rec.order, nil
}

func (c *versionCursor) record() (*objectRecord, error) {
	it := c.shelved
	if c.current {
		it = c.objects
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return nil, err
	}
	return decodeObject(value)
}

// Version implements store.VersionCursor.
func (c *versionCursor) Version() (*store.Object, error) {
	rec, err := c.record()
	if err != nil {
		return nil, err
	}
	return rec.named(c.bucket, c.key, c.latest), nil
}

// Err implements store.VersionCursor.
func (c *versionCursor) Err() error {
	if c.err != nil {
		return c.err
	}
	if err := c.objects.Error(); err != nil {
		return err
	}
	return c.shelved.Error()
}
