package diskstore

import (
	"context"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

var _ store.Locker = (*Driver)(nil)

// SetObjectLock implements store.Locker. Commits hold the bucket's lock, so
// each sees one state.
func (d *Driver) SetObjectLock(ctx context.Context, bucket string, def store.DefaultRetention) error {
	b, err := d.bucket(bucket)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.gone {
		return noSuchBucket(bucket)
	}
	r := b.record()
	if r.versioning != store.VersioningEnabled {
		return &daypass.Error{
			Code:    store.InvalidBucketState,
			Message: "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
		}
	}
	r.lock = store.ObjectLock{Enabled: true, Default: def}
	if err := d.set(bucketKey(bucket), r.encode()); err != nil {
		return writeError(err)
	}
	b.lock.Store(&r.lock)
	return nil
}

// UpdateLock implements store.Locker.
func (d *Driver) UpdateLock(ctx context.Context, ref daypass.ObjectRef, u store.LockUpdate) (*store.Object, error) {
	return d.update(ref, func(b *bucket, o *store.Object) (err error) {
		if err := b.lock.Load().CheckEnabled(); err != nil {
			return err
		}
		o.Lock, err = u.Apply(o.Lock)
		return err
	})
}
