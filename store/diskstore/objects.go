package diskstore

import (
	"context"

	"github.com/cockroachdb/pebble/v2"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// PutObject implements store.Driver.
func (d *Driver) PutObject(ctx context.Context, req *store.PutRequest) (*store.Object, error) {
	b, err := d.bucket(req.Bucket)
	if err != nil {
		return nil, err
	}
	if err := d.mayReplace(b, req); err != nil {
		return nil, err
	}
	body, err := d.receive(ctx, req.Body)
	if err != nil {
		return nil, err
	}
	rec := newRecord(req, body)
	err = d.editKey(b, req.Key, func(k *keyEdit) error {
		if err := k.cur.check(req.Conditions); err != nil {
			return err
		}
		if err := k.addBody(body); err != nil {
			return err
		}
		return k.put(rec)
	})
	if err != nil {
		body.discard()
		return nil, err
	}
	body.keep()
	return rec.named(b, req.Key, true), nil
}

// mayReplace refuses a write that is bound to fail before its body is read.
func (d *Driver) mayReplace(b *bucket, req *store.PutRequest) error {
	if err := d.fuse.blown(); err != nil {
		return writeError(err)
	}
	if err := b.lock.Load().CheckLock(req.Lock); err != nil {
		return err
	}
	if req.Conditions.Empty() {
		return nil
	}
	cur, err := currentRecord(d.db, b, req.Key)
	if err != nil {
		return err
	}
	return cur.check(req.Conditions)
}

// newRecord describes a body that has been received.
func newRecord(req *store.PutRequest, body *staged) *objectRecord {
	return &objectRecord{segments: body.segments(), object: store.Object{
		Size:       req.Body.Size(),
		ETag:       req.Body.ETag(),
		ModTime:    req.Time,
		Owner:      req.Owner,
		Metadata:   req.Metadata,
		Checksums:  req.Body.Checksums(),
		Tags:       req.Tags,
		ACL:        req.ACL,
		Encryption: req.Encryption,
		Lock:       req.Lock,
	}}
}

// named returns the object of a record, which the caller gives up, with its
// name.
func (r *objectRecord) named(b *bucket, key string, latest bool) *store.Object {
	r.name(&r.object, b, key, latest)
	return &r.object
}

// name gives the object of a record, or a copy of it, its name.
func (r *objectRecord) name(o *store.Object, b *bucket, key string, latest bool) {
	o.Bucket, o.Key, o.IsLatest = b.Name, key, latest
	o.VersionID = r.versionIDIn(b)
}

func (r *objectRecord) versionIDIn(b *bucket) string {
	switch {
	case !r.null():
		return r.versionID()
	case b.state() == store.VersioningOff:
		return ""
	}
	return store.NullVersion
}

// check applies conditions to a record, which is nil when there is no object.
func (r *objectRecord) check(cond store.WriteConditions) error {
	if r == nil || r.object.DeleteMarker {
		return cond.Check(nil)
	}
	return cond.Check(&r.object)
}

// DeleteObject implements store.Driver.
func (d *Driver) DeleteObject(ctx context.Context, ref daypass.ObjectRef, opts store.DeleteOptions) (store.Deleted, error) {
	b, err := d.bucket(ref.Bucket)
	if err != nil {
		return store.Deleted{}, err
	}
	var done store.Deleted
	err = d.editKey(b, ref.Key, func(k *keyEdit) (err error) {
		if ref.VersionID != "" {
			done, err = k.deleteVersion(ref.VersionID, opts)
		} else {
			done, err = k.delete(opts)
		}
		return err
	})
	if err != nil {
		return store.Deleted{}, err
	}
	return done, nil
}

// delete removes the current version, or puts a delete marker over it.
func (k *keyEdit) delete(opts store.DeleteOptions) (store.Deleted, error) {
	if err := k.cur.check(opts.Conditions); err != nil {
		return store.Deleted{}, err
	}
	if err := k.checkSeen(k.cur, opts); err != nil {
		return store.Deleted{}, err
	}
	if k.bucket.state() != store.VersioningOff {
		marker, err := k.mark()
		if err != nil {
			return store.Deleted{}, err
		}
		return store.Deleted{VersionID: marker.versionIDIn(k.bucket), DeleteMarker: true}, nil
	}
	if k.cur == nil {
		return store.Deleted{}, nil
	}
	return store.Deleted{}, k.remove(k.cur, opts)
}

// deleteVersion removes one version for ever.
func (k *keyEdit) deleteVersion(id string, opts store.DeleteOptions) (store.Deleted, error) {
	done := store.Deleted{VersionID: id}
	rec, err := version(k.d.db, k.bucket, k.key, id, k.cur)
	if err != nil {
		return done, err
	}
	if err := rec.check(opts.Conditions); err != nil {
		return done, err
	}
	if err := k.checkSeen(rec, opts); err != nil || rec == nil {
		return done, err
	}
	done.DeleteMarker = rec.object.DeleteMarker
	return done, k.remove(rec, opts)
}

// checkSeen applies what the caller has seen to a version of the key, which is
// nil when there is none.
func (k *keyEdit) checkSeen(rec *objectRecord, opts store.DeleteOptions) error {
	if opts.Seen == nil || rec == nil {
		return opts.CheckSeen(nil)
	}
	newest := k.cur
	if newest == nil {
		var err error
		if newest, err = newestShelved(k.d.db, k.bucket, k.key, nil); err != nil {
			return err
		}
	}
	seen := rec.object
	rec.name(&seen, k.bucket, k.key, newest != nil && newest.order == rec.order)
	return opts.CheckSeen(&seen)
}

// Object implements store.Driver.
func (d *Driver) Object(ctx context.Context, ref daypass.ObjectRef) (*store.Object, error) {
	f, err := d.lookup(ref)
	if err == nil {
		d.keep(&f, ref.Key, nil)
	}
	return f.object(ref), err
}

// found is a version that was looked up.
type found struct {
	bucket *bucket
	rec    *objectRecord // may be shared: nobody may change it
	latest bool
	// cached says that rec comes from the cache, and small, unless it is nil,
	// is the body, from there, too. slot is where to put what does not.
	cached bool
	small  []byte
	slot   slot
}

// object returns the object that was found, nil where none was.
func (f *found) object(ref daypass.ObjectRef) *store.Object {
	if f.rec == nil {
		return nil
	}
	o := new(store.Object)
	f.copyTo(o, ref)
	return o
}

func (f *found) copyTo(o *store.Object, ref daypass.ObjectRef) {
	*o = f.rec.object
	f.rec.name(o, f.bucket, ref.Key, f.latest)
}

// keep puts what was found, and its body if that is small and was read, into the
// cache. Nobody may change either from then on.
func (d *Driver) keep(f *found, key string, small []byte) {
	if f.cached && (small == nil || f.small != nil) {
		return
	}
	d.cache.put(f.slot, &cached{bucket: f.bucket.number, key: key, rec: f.rec, small: small})
}

// lookup returns a version that holds an object. NoSuchBucket, NoSuchKey,
// NoSuchVersion, MethodNotAllowed; where a delete marker is the reason for the
// error, it is returned too.
func (d *Driver) lookup(ref daypass.ObjectRef) (found, error) {
	b, err := d.bucket(ref.Bucket)
	if err != nil {
		return found{}, err
	}
	f := found{bucket: b, latest: true}
	if ref.VersionID == "" || b.state() == store.VersioningOff {
		if err := d.lookupCurrent(&f, ref.Key); err != nil {
			return found{}, err
		}
		// Versions may have begun since, so that it need not be the null one.
		if f.rec != nil && (ref.VersionID == "" || ref.VersionID == store.NullVersion && f.rec.null()) {
			return f, nil
		}
		f = found{bucket: b, latest: true}
	}
	if b.state() != store.VersioningOff {
		err = d.view(func(r pebble.Reader) error { return f.look(r, ref) })
	}
	if err != nil {
		return found{}, err
	}
	return f, f.verdict(ref)
}

// lookupCurrent looks for the current version.
func (d *Driver) lookupCurrent(f *found, key string) (err error) {
	e, at := d.cache.get(f.bucket.number, key)
	f.slot = at
	if e == nil {
		f.rec, err = currentRecord(d.db, f.bucket, key)
		return err
	}
	f.rec, f.small, f.cached = e.rec, e.small, true
	return nil
}

// look finds a version that may be any. All reads are of one instant, as
// versions move when others come or go.
func (f *found) look(r pebble.Reader, ref daypass.ObjectRef) error {
	cur, err := currentRecord(r, f.bucket, ref.Key)
	if err != nil {
		return err
	}
	newest := cur
	if cur == nil {
		if newest, err = newestShelved(r, f.bucket, ref.Key, nil); err != nil {
			return err
		}
	}
	f.rec = newest
	if ref.VersionID != "" {
		f.rec, err = version(r, f.bucket, ref.Key, ref.VersionID, cur)
	}
	f.latest = f.rec != nil && newest != nil && f.rec.order == newest.order
	return err
}

// verdict returns what S3 says of what was found.
func (f *found) verdict(ref daypass.ObjectRef) error {
	key := daypass.Detail{Name: "Key", Value: ref.Key}
	switch {
	case f.rec != nil && !f.rec.object.DeleteMarker:
		return nil
	case ref.VersionID == "":
		return &daypass.Error{Code: daypass.NoSuchKey, Details: []daypass.Detail{key}}
	case f.rec == nil:
		return &daypass.Error{Code: daypass.NoSuchVersion, Details: []daypass.Detail{
			key, {Name: "VersionId", Value: ref.VersionID},
		}}
	}
	return &daypass.Error{Code: daypass.MethodNotAllowed, Details: []daypass.Detail{
		{Name: "ResourceType", Value: "DeleteMarker"},
	}}
}

// UpdateObject implements store.Updater.
func (d *Driver) UpdateObject(ctx context.Context, ref daypass.ObjectRef, u store.Update) (*store.Object, error) {
	return d.update(ref, func(b *bucket, o *store.Object) error {
		if u.Tags != nil {
			o.Tags = *u.Tags
		}
		if u.ACL != nil {
			o.ACL = *u.ACL
		}
		return nil
	})
}

// update changes what is kept beside the content of a version.
func (d *Driver) update(ref daypass.ObjectRef, change func(b *bucket, o *store.Object) error) (*store.Object, error) {
	b, err := d.bucket(ref.Bucket)
	if err != nil {
		return nil, err
	}
	f := found{bucket: b}
	err = d.editKey(b, ref.Key, func(k *keyEdit) error {
		if err := f.look(d.db, ref); err != nil {
			return err
		}
		if err := f.verdict(ref); err != nil {
			return err
		}
		if err := change(b, &f.rec.object); err != nil {
			return err
		}
		return k.rewrite(f.rec)
	})
	if err != nil {
		return nil, err
	}
	return f.object(ref), nil
}

// rewrite keeps the record of a version where it is.
func (k *keyEdit) rewrite(rec *objectRecord) error {
	if k.cur != nil && k.cur.ticket == rec.ticket {
		return k.batch.Set(objectKey(k.bucket.number, k.key), rec.encode(), nil)
	}
	return k.shelve(rec)
}
