package diskstore

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"

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
	store.Bucket // without Versioning and ObjectLock
	number       uint64
	versioning   atomic.Pointer[store.Versioning]
	lock         atomic.Pointer[store.ObjectLock]

	// mu is held for reading while an object or part is committed, and for
	// writing while the bucket is deleted or its versioning or object lock is
	// changed, so that one sees the other.
	mu   sync.RWMutex
	gone bool
}

// state returns the versioning of the bucket. It does not change under mu.
func (b *bucket) state() store.Versioning { return *b.versioning.Load() }

func (b *bucket) record() bucketRecord {
	return bucketRecord{
		id: b.ID, owner: b.Owner, region: b.Region, number: b.number, created: b.Created, versioning: b.state(),
		lock: *b.lock.Load(),
	}
}

// public returns the bucket as the store knows it.
func (b *bucket) public() store.Bucket {
	p := b.Bucket
	p.Versioning, p.ObjectLock = b.state(), *b.lock.Load()
	return p
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

// byNumber returns all buckets by the numbers that stand for them in the index.
func (t *bucketTable) byNumber() map[uint64]*bucket {
	t.mu.RLock()
	defer t.mu.RUnlock()
	numbers := make(map[uint64]*bucket, len(t.byName))
	for _, b := range t.byName {
		numbers[b.number] = b
	}
	return numbers
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
	b := &bucket{number: r.number, Bucket: store.Bucket{
		Name: name, ID: r.id, Owner: r.owner, Region: r.region, Created: r.created,
	}}
	b.versioning.Store(&r.versioning)
	b.lock.Store(&r.lock)
	return b
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
	if err := b.ObjectLock.CheckVersioning(b.Versioning); err != nil {
		return err
	}
	number, err := d.ids.take()
	if err != nil {
		return writeError(err)
	}
	r := bucketRecord{
		id: b.ID, owner: b.Owner, region: b.Region, number: number, created: b.Created, versioning: b.Versioning,
		lock: b.ObjectLock,
	}
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
	return b.public(), nil
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
		found = append(found, newBucket(name, r).public())
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
	if err := d.removeBucket(b); err != nil {
		return err
	}
	b.gone = true
	d.buckets.remove(name)
	return nil
}

// removeBucket removes an empty bucket and the uploads under way in it.
func (d *Driver) removeBucket(b *bucket) error {
	e := d.newEdit()
	defer e.close()
	if err := e.batch.Delete(bucketKey(b.Name), nil); err != nil {
		return err
	}
	err := eachKey(d.db, bucketBounds(spaceUpload, b), func(key []byte) error {
		_, order, err := parseEscapedKey(key)
		if err != nil {
			return err
		}
		if err := e.batch.Delete(key, nil); err != nil {
			return err
		}
		return e.dropUpload(order)
	})
	if err != nil {
		return err
	}
	return e.commit()
}

// eachKey visits the index keys within bounds.
func eachKey(r pebble.Reader, bounds *pebble.IterOptions, visit func(key []byte) error) (err error) {
	it, err := r.NewIter(bounds)
	if err != nil {
		return err
	}
	defer closeInto(&err, it)
	for ok := it.First(); ok; ok = it.Next() {
		if err := visit(it.Key()); err != nil {
			return err
		}
	}
	return nil // the iterator's own error comes with Close
}

// emptyBucket reports whether a bucket has neither objects nor versions nor
// delete markers.
func (d *Driver) emptyBucket(b *bucket) (empty bool, err error) {
	for _, space := range []byte{spaceObject, spaceVersion} {
		empty, err := d.emptyRange(bucketBounds(space, b))
		if !empty || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (d *Driver) emptyRange(bounds *pebble.IterOptions) (empty bool, err error) {
	it, err := d.db.NewIter(bounds)
	if err != nil {
		return false, err
	}
	defer closeInto(&err, it)
	return !it.First(), it.Error()
}

// bucketBounds hold the keys of a bucket in a space.
func bucketBounds(space byte, b *bucket) *pebble.IterOptions {
	return &pebble.IterOptions{
		LowerBound: plainKey(space, b.number, ""),
		UpperBound: plainKey(space, b.number+1, ""),
	}
}
