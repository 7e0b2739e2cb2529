package diskstore

import (
	"context"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// A bucketTable holds every bucket in memory.
type bucketTable struct {
	changing sync.Mutex // held while a bucket is created or deleted

	mu     sync.RWMutex
	byName map[string]*bucket
}

// A bucket is an existing bucket, or one that existed when it was looked up.
type bucket struct {
	store.Bucket
	number uint64

	// mu is held for reading while an object is committed, and for writing
	// while the bucket is deleted, so that one sees the other.
	mu   sync.RWMutex
	gone bool
}

func (t *bucketTable) get(name string) *bucket {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byName[name]
}

func (t *bucketTable) put(b *bucket) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byName[b.Name] = b
}

func (t *bucketTable) remove(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.byName, name)
}

// bucket returns a bucket by name. NoSuchBucket.
func (d *Driver) bucket(name string) (*bucket, error) {
	if b := d.buckets.get(name); b != nil {
		return b, nil
	}
	return nil, noSuchBucket(name)
}

func noSuchBucket(name string) error {
	return &daypass.Error{
		Code:    daypass.NoSuchBucket,
		Details: []daypass.Detail{{Name: "BucketName", Value: name}},
	}
}

// loadBuckets fills the table from the index.
func (d *Driver) loadBuckets() error {
	d.buckets.byName = make(map[string]*bucket)
	return d.eachBucket("", func(name string, r bucketRecord) bool {
		d.buckets.byName[name] = newBucket(name, r)
		return true
	})
}

func newBucket(name string, r bucketRecord) *bucket {
	return &bucket{number: r.number, Bucket: store.Bucket{
		Name: name, ID: r.id, Owner: r.owner, Region: r.region, Created: r.created,
	}}
}

// eachBucket visits the buckets from name on, in order, until visit returns
// false.
func (d *Driver) eachBucket(from string, visit func(name string, r bucketRecord) bool) (err error) {
	it, err := d.db.NewIter(&pebble.IterOptions{
		LowerBound: bucketKey(from),
		UpperBound: []byte{spaceBucket + 1},
	})
	if err != nil {
		return err
	}
	defer closeInto(&err, it)
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		r, err := decodeBucket(value)
		if err != nil {
			return err
		}
		if !visit(string(it.Key()[1:]), r) {
			return nil
		}
	}
	return nil // the iterator's own error comes with Close
}

// CreateBucket implements store.Driver.
func (d *Driver) CreateBucket(ctx context.Context, b store.Bucket) error {
	d.buckets.changing.Lock()
	defer d.buckets.changing.Unlock()
	if d.buckets.get(b.Name) != nil {
		return &daypass.Error{
			Code:    daypass.BucketAlreadyExists,
			Details: []daypass.Detail{{Name: "BucketName", Value: b.Name}},
		}
	}
	number, err := d.ids.take()
	if err != nil {
		return writeError(err)
	}
	r := bucketRecord{id: b.ID, owner: b.Owner, region: b.Region, number: number, created: b.Created}
	if err := d.set(bucketKey(b.Name), r.encode()); err != nil {
		return writeError(err)
	}
	d.buckets.put(newBucket(b.Name, r))
	return nil
}

// Bucket implements store.Driver.
func (d *Driver) Bucket(ctx context.Context, name string) (store.Bucket, error) {
	b, err := d.bucket(name)
	if err != nil {
		return store.Bucket{}, err
	}
	return b.Bucket, nil
}

// ListBuckets implements store.Driver.
func (d *Driver) ListBuckets(ctx context.Context, prefix, after string, max int) ([]store.Bucket, error) {
	var found []store.Bucket
	from := prefix
	if after >= prefix && after != "" {
		from = after + "\x00"
	}
	err := d.eachBucket(from, func(name string, r bucketRecord) bool {
		if len(found) >= max || !strings.HasPrefix(name, prefix) {
			return false
		}
		found = append(found, newBucket(name, r).Bucket)
		return true
	})
	return found, err
}

// DeleteBucket implements store.Driver. No object is committed between the
// look at the bucket and its end, as commits hold the bucket's lock.
func (d *Driver) DeleteBucket(ctx context.Context, name string) error {
	d.buckets.changing.Lock()
	defer d.buckets.changing.Unlock()
	b, err := d.bucket(name)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	empty, err := d.emptyBucket(b)
	if err != nil {
		return err
	}
	if !empty {
		return &daypass.Error{
			Code:    daypass.BucketNotEmpty,
			Details: []daypass.Detail{{Name: "BucketName", Value: name}},
		}
	}
	batch := d.db.NewBatch()
	defer batch.Close()
	if err := batch.Delete(bucketKey(name), nil); err != nil {
		return err
	}
	if err := d.commit(batch); err != nil {
		return writeError(err)
	}
	b.gone = true
	d.buckets.remove(name)
	return nil
}

func (d *Driver) emptyBucket(b *bucket) (empty bool, err error) {
	it, err := d.db.NewIter(bucketBounds(b))
	if err != nil {
		return false, err
	}
	defer closeInto(&err, it)
	return !it.First(), it.Error()
}

// bucketBounds hold the keys of a bucket's objects.
func bucketBounds(b *bucket) *pebble.IterOptions {
	return &pebble.IterOptions{
		LowerBound: objectKey(b.number, ""),
		UpperBound: objectKey(b.number+1, ""),
	}
}
