package diskstore

import (
	"context"

	"github.com/cockroachdb/pebble/v2"
	"github.com/daypass/daypass/store"
)

// PutPart implements store.Multiparter.
func (d *Driver) PutPart(ctx context.Context, req *store.PartRequest) (*store.Part, error) {
	b, err := d.bucket(req.Bucket)
	if err != nil {
		return nil, err
	}
	if err := d.fuse.blown(); err != nil {
		return nil, writeError(err)
	}
	if _, err := d.upload(b, req.Key, req.UploadID); err != nil {
		return nil, err
	}
	body, err := d.receive(ctx, req.Body)
	if err != nil {
		return nil, err
	}
	rec := &partRecord{segments: body.segments(), Part: store.Part{
		Number: req.Number, Size: req.Body.Size(), ETag: req.Body.ETag(), ModTime: req.Time,
		Checksums: req.Body.Checksums(), Salt: req.Salt,
	}}
	place := partPlace{bucket: b, key: req.Key, uploadID: req.UploadID, number: req.Number}
	err = d.editPart(place, nil, func(e *edit) (*partRecord, error) { return rec, e.addBody(body) })
	if err != nil {
		body.discard()
		return nil, err
	}
	body.keep()
	return &rec.Part, nil
}

// A partPlace is where a part goes.
type partPlace struct {
	bucket        *bucket
	key, uploadID string
	number        int
}

// editPart commits the part that make makes, in place of one with that number.
// The given key stripes are locked, too, while make runs and until the commit
// is done.
func (d *Driver) editPart(p partPlace, stripes []int, make func(e *edit) (*partRecord, error)) error {
	p.bucket.mu.RLock()
	defer p.bucket.mu.RUnlock()
	if p.bucket.gone {
		return noSuchBucket(p.bucket.Name)
	}
	t, _ := parseUploadID(p.uploadID)
	lock := d.uploads.of(t.order)
	lock.RLock()
	defer lock.RUnlock()
	if _, err := d.upload(p.bucket, p.key, p.uploadID); err != nil {
		return err
	}
	defer d.keys.lock(append(stripes, partStripe(t.order, p.number))...)()
	e := d.newEdit()
	defer e.close()
	rec, err := make(e)
	if err != nil {
		return err
	}
	if err := e.setPart(t.order, rec); err != nil {
		return err
	}
	return e.commit()
}

// setPart adds a part to the batch and frees the one before it. Its stripe is
// locked.
func (e *edit) setPart(upload uint64, rec *partRecord) error {
	key := partKey(upload, rec.Number)
	_, err := e.d.get(key, func(value []byte) error {
		old, err := decodePart(value)
		if err == nil {
			e.refer(-1, old.segments...)
		}
		return err
	})
	if err != nil {
		return err
	}
	return e.batch.Set(key, rec.encode(), nil)
}

// Parts implements store.Multiparter.
func (d *Driver) Parts(ctx context.Context, bucket, key, id string, after, max int) ([]store.Part, error) {
	b, err := d.bucket(bucket)
	if err != nil {
		return nil, err
	}
	u, err := d.upload(b, key, id)
	if err != nil {
		return nil, err
	}
	if after >= store.MaxParts {
		return nil, nil
	}
	var parts []store.Part
	err = eachPart(d.db, u.target.order, after+1, func(p *partRecord) (bool, error) {
		if len(parts) >= max {
			return false, nil
		}
		parts = append(parts, p.Part)
		return true, nil
	})
	return parts, err
}

// eachPart visits the parts of an upload from a number on, until visit returns
// false or an error.
func eachPart(r pebble.Reader, upload uint64, from int, visit func(p *partRecord) (bool, error)) (err error) {
	it, err := r.NewIter(&pebble.IterOptions{
		LowerBound: partKey(upload, from),
		UpperBound: idKey(spacePart, upload+1),
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
		p, err := decodePart(value)
		if err != nil {
			return err
		}
		if more, err := visit(p); !more || err != nil {
			return err
		}
	}
	return nil // the iterator's own error comes with Close
}

// CompleteUpload implements store.Multiparter.
func (d *Driver) CompleteUpload(ctx context.Context, req *store.CompleteRequest) (*store.Object, error) {
	b, err := d.bucket(req.Bucket)
	if err != nil {
		return nil, err
	}
	if err := d.checkSpace(0); err != nil {
		return nil, err
	}
	var rec *objectRecord
	err = d.endUpload(b, req.Key, req.UploadID, func(e *edit, u *uploadRecord) error {
		body, err := e.takeParts(u.target.order, req)
		if err != nil {
			return err
		}
		rec = u.completed(req, body)
		return e.completeKey(b, req, rec, body)
	})
	if err != nil {
		return nil, err
	}
	return rec.named(b, req.Key, true), nil
}

// takeParts removes all parts of an upload and returns those that become the
// object. The upload's lock is held.
func (e *edit) takeParts(upload uint64, req *store.CompleteRequest) (*manifest, error) {
	m := &manifest{parts: make([]*partRecord, 0, len(req.Parts))}
	err := eachPart(e.d.db, upload, 0, func(p *partRecord) (bool, error) {
		next := len(m.parts)
		if next < len(req.Parts) && req.Parts[next].Number == p.Number && req.Parts[next].ETag == p.ETag {
			m.parts = append(m.parts, p)
		} else {
			e.refer(-1, p.segments...)
		}
		return true, e.batch.Delete(partKey(upload, p.Number), nil)
	})
	if err == nil && len(m.parts) < len(req.Parts) {
		err = store.InvalidPartError(req.UploadID, req.Parts[len(m.parts)])
	}
	return m, err
}

// completed describes the object that an upload becomes.
func (r *uploadRecord) completed(req *store.CompleteRequest, body *manifest) *objectRecord {
	rec := r.target
	o := &rec.object
	o.ModTime, o.ETag, o.Checksums = req.Time, req.ETag, req.Checksums
	o.UploadID, o.PartCount = r.target.uploadID(), len(body.parts)
	for _, p := range body.parts {
		o.Size += p.Size
	}
	return &rec
}

// completeKey adds the object to the batch and commits it, if the conditions
// hold.
func (e *edit) completeKey(b *bucket, req *store.CompleteRequest, rec *objectRecord, body *manifest) (err error) {
	stripe := &e.d.keys[keyStripe(b.number, req.Key)]
	stripe.Lock()
	defer stripe.Unlock()
	k, err := e.onKey(b, req.Key)
	if err != nil {
		return err
	}
	if err := k.cur.check(req.Conditions); err != nil {
		return err
	}
	if rec.manifest, err = e.d.ids.take(); err != nil {
		return writeError(err)
	}
	if err := e.batch.Set(idKey(spaceManifest, rec.manifest), body.encode(), nil); err != nil {
		return err
	}
	if err := k.put(rec); err != nil {
		return err
	}
	return e.commit()
}
