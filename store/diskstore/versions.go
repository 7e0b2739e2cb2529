package diskstore

import (
	"context"
	"encoding/binary"

	"github.com/cockroachdb/pebble/v2"
	"github.com/daypass/daypass/store"
)

// SetVersioning implements store.Versioner. Commits hold the bucket's lock, so
// each sees one state.
func (d *Driver) SetVersioning(ctx context.Context, bucket string, v store.Versioning) error {
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
	if err := r.lock.CheckVersioning(v); err != nil {
		return err
	}
	r.versioning = v
	if err := d.set(bucketKey(bucket), r.encode()); err != nil {
		return writeError(err)
	}
	b.versioning.Store(&r.versioning)
	return nil
}

// A keyEdit is an edit of the versions of one key, under its lock.
type keyEdit struct {
	*edit
	bucket *bucket
	key    string
	// cur is the record of the current version, nil when there is none or
	// when it is a delete marker. Nobody may change it: readers share it.
	cur *objectRecord
	// placed is the record of the version that the edit makes current, as it
	// stands in the batch; nil where there is none.
	placed []byte
}

// onKey returns an edit of a key whose stripe is locked.
func (e *edit) onKey(b *bucket, key string) (*keyEdit, error) {
	k := &keyEdit{edit: e, bucket: b, key: key, cur: e.d.cache.current(b.number, key)}
	if k.cur != nil {
		return k, nil
	}
	var err error
	k.cur, err = currentRecord(e.d.db, b, key)
	return k, err
}

// editKey runs an edit of one key and commits it.
func (d *Driver) editKey(b *bucket, key string, change func(k *keyEdit) error) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.gone {
		return noSuchBucket(b.Name)
	}
	stripe := &d.keys[keyStripe(b.number, key)]
	stripe.Lock()
	defer stripe.Unlock()
	e := d.newEdit()
	defer e.close()
	k, err := e.onKey(b, key)
	if err != nil {
		return err
	}
	if err := change(k); err != nil {
		return err
	}
	if err := e.commit(); err != nil {
		return err
	}
	if k.placed != nil {
		d.cache.wrote(b.number, key, k.placed)
	}
	return nil
}

// put makes rec the current version.
func (k *keyEdit) put(rec *objectRecord) (err error) {
	o := &rec.object
	if o.Lock, err = k.bucket.lock.Load().LockFor(o.Lock, o.ModTime); err != nil {
		return err
	}
	if err := k.stamp(rec); err != nil {
		return err
	}
	if err := k.yield(rec); err != nil {
		return err
	}
	k.placed = rec.encode()
	return k.batch.Set(objectKey(k.bucket.number, k.key), k.placed, nil)
}

// mark puts a delete marker over the current version.
func (k *keyEdit) mark() (*objectRecord, error) {
	rec := &objectRecord{object: store.Object{DeleteMarker: true, ModTime: k.d.opts.Now()}}
	if err := k.stamp(rec); err != nil {
		return nil, err
	}
	if err := k.yield(rec); err != nil {
		return nil, err
	}
	if err := k.removeCurrent(); err != nil {
		return nil, err
	}
	return rec, k.shelve(rec)
}

// stamp gives a version that is about to be written its place among the
// others.
func (k *keyEdit) stamp(rec *objectRecord) (err error) {
	rec.ticket = ticket{}
	state := k.bucket.state()
	if state == store.VersioningOff {
		return nil
	}
	rec.ticket, err = k.d.newTicket()
	if state == store.VersioningSuspended {
		rec.nonce = nonce{}
	}
	return err
}

// yield makes room for rec as the current version: another version is kept, a
// null version gives way to a null version. The record of the current version
// is left for the caller to replace.
func (k *keyEdit) yield(rec *objectRecord) error {
	if rec.null() {
		if err := k.removeNull(); err != nil {
			return err
		}
	}
	switch {
	case k.cur == nil:
		return nil
	case rec.null() && k.cur.null():
		k.referBody(-1, k.cur)
		return nil
	}
	return k.shelve(k.cur)
}

// removeNull removes a null version that is not current, or a null delete
// marker.
func (k *keyEdit) removeNull() error {
	if k.bucket.state() == store.VersioningOff {
		return nil // so there are no versions
	}
	old, err := nullRecord(k.d.db, k.bucket, k.key)
	if old == nil || err != nil {
		return err
	}
	k.referBody(-1, old)
	return k.unshelve(old)
}

// removeCurrent removes the record of the current version, if there is one.
func (k *keyEdit) removeCurrent() error {
	if k.cur == nil {
		return nil
	}
	return k.batch.Delete(objectKey(k.bucket.number, k.key), nil)
}

// shelve adds a version that is not current, or a delete marker.
func (k *keyEdit) shelve(rec *objectRecord) error {
	if rec.null() {
		order := binary.BigEndian.AppendUint64(nil, rec.order)
		if err := k.batch.Set(plainKey(spaceNull, k.bucket.number, k.key), order, nil); err != nil {
			return err
		}
	}
	return k.batch.Set(versionKey(k.bucket.number, k.key, rec.order), rec.encode(), nil)
}

// unshelve takes such a version away.
func (k *keyEdit) unshelve(rec *objectRecord) error {
	if rec.null() {
		if err := k.batch.Delete(plainKey(spaceNull, k.bucket.number, k.key), nil); err != nil {
			return err
		}
	}
	return k.batch.Delete(versionKey(k.bucket.number, k.key, rec.order), nil)
}

// remove removes a version for ever, unless it is locked. If none is current
// then, the newest that is left becomes current. Every removal of a version
// comes by here but that of a null version by another, which no bucket with
// object lock has.
func (k *keyEdit) remove(rec *objectRecord, opts store.DeleteOptions) error {
	if err := rec.object.Lock.CheckRemoval(opts.Time, opts.BypassGovernance); err != nil {
		return err
	}
	k.referBody(-1, rec)
	switch {
	case rec != k.cur:
		if err := k.unshelve(rec); err != nil {
			return err
		}
		if k.cur != nil {
			return nil
		}
	default:
		if err := k.removeCurrent(); err != nil {
			return err
		}
	}
	return k.promote(rec)
}

// promote makes the newest version, the removed one aside, the current one,
// unless it is a delete marker.
func (k *keyEdit) promote(removed *objectRecord) error {
	if k.bucket.state() == store.VersioningOff {
		return nil
	}
	next, err := newestShelved(k.d.db, k.bucket, k.key, removed)
	if err != nil || next == nil || next.object.DeleteMarker {
		return err
	}
	if err := k.unshelve(next); err != nil {
		return err
	}
	return k.batch.Set(objectKey(k.bucket.number, k.key), next.encode(), nil)
}

// currentRecord returns the record of the current version, nil when there is
// none or when it is a delete marker.
func currentRecord(r pebble.Reader, b *bucket, key string) (*objectRecord, error) {
	return recordAt(r, objectKey(b.number, key))
}

// recordAt returns the object record under an index key, nil when there is
// none.
func recordAt(r pebble.Reader, key []byte) (rec *objectRecord, err error) {
	_, err = get(r, key, func(value []byte) (err error) {
		rec, err = decodeObject(value)
		return err
	})
	return rec, err
}

// nullRecord returns the null version of a key, unless it is the current one
// and no delete marker.
func nullRecord(r pebble.Reader, b *bucket, key string) (*objectRecord, error) {
	var order uint64
	found, err := get(r, plainKey(spaceNull, b.number, key), func(value []byte) error {
		if len(value) != 8 {
			return errMalformed
		}
		order = binary.BigEndian.Uint64(value)
		return nil
	})
	if !found || err != nil {
		return nil, err
	}
	return recordAt(r, versionKey(b.number, key, order))
}

// newestShelved returns the newest version that is not current or is a delete
// marker, leaving one out; nil when there is none.
func newestShelved(r pebble.Reader, b *bucket, key string, except *objectRecord) (rec *objectRecord, err error) {
	lower, upper := keyRange(spaceVersion, b.number, key)
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, err
	}
	defer closeInto(&err, it)
	ok := it.First()
	if ok && except != nil {
		if _, last, _ := parseEscapedKey(it.Key()); ^last == except.order {
			ok = it.Next()
		}
	}
	if !ok {
		return nil, it.Error()
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return nil, err
	}
	return decodeObject(value)
}

// version returns the version of a key that an id names, cur if it is the
// current one, nil when there is none.
func version(r pebble.Reader, b *bucket, key, id string, cur *objectRecord) (*objectRecord, error) {
	if id == store.NullVersion {
		if cur != nil && cur.null() {
			return cur, nil
		}
		return nullRecord(r, b, key)
	}
	t, ok := parseVersionID(id)
	switch {
	case !ok || t.nonce == nonce{}:
		return nil, nil
	case cur != nil && cur.ticket == t:
		return cur, nil
	}
	rec, err := recordAt(r, versionKey(b.number, key, t.order))
	if rec == nil || rec.ticket != t {
		return nil, err
	}
	return rec, err
}
