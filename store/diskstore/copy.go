package diskstore

import (
	"context"
	"fmt"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// maxSharedSegments is how many blobs a part may share with the object that it
// is copied from. Beyond that its bytes are cheaper to copy than its segments
// to keep.
const maxSharedSegments = 64

// CopyObject implements store.Copier. The copy refers to the same blobs.
func (d *Driver) CopyObject(ctx context.Context, req *store.CopyRequest) (*store.Object, error) {
	from, err := d.bucket(req.Source.Bucket)
	if err != nil {
		return nil, err
	}
	b, err := d.bucket(req.Bucket)
	if err != nil {
		return nil, err
	}
	if err := d.checkSpace(0); err != nil {
		return nil, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.gone {
		return nil, noSuchBucket(b.Name)
	}
	defer d.keys.lock(keyStripe(from.number, req.Source.Key), keyStripe(b.number, req.Key))()
	src, err := d.source(from, req.Source, req.SourceETag)
	if err != nil {
		return nil, err
	}
	e := d.newEdit()
	defer e.close()
	rec := copyOf(src, req)
	if err := rec.copyEncryption(src, req); err != nil {
		return nil, err
	}
	if err := e.copyKey(b, req, rec); err != nil {
		return nil, err
	}
	return rec.named(b, req.Key, true), nil
}

// source returns what is to be copied. Its key's stripe is locked, so that its
// blobs stay until the commit.
func (d *Driver) source(b *bucket, ref daypass.ObjectRef, etag string) (*objectRecord, error) {
	f := found{bucket: b}
	if err := f.look(d.db, ref); err != nil {
		return nil, err
	}
	if err := f.verdict(ref); err != nil {
		return nil, err
	}
	return f.rec, store.CheckSource(&f.rec.object, etag)
}

// copyOf describes a copy.
func copyOf(src *objectRecord, req *store.CopyRequest) *objectRecord {
	o := &src.object
	return &objectRecord{segments: src.segments, manifest: src.manifest, object: store.Object{
		Size: o.Size, ETag: o.ETag, Checksums: o.Checksums, PartCount: o.PartCount,
		ModTime: req.Time, Owner: req.Owner, Metadata: req.Metadata, Tags: req.Tags, ACL: req.ACL,
		Lock: req.Lock,
	}}
}

// copyKey adds a copy to the batch and commits it, if the conditions hold.
func (e *edit) copyKey(b *bucket, req *store.CopyRequest, rec *objectRecord) error {
	k, err := e.onKey(b, req.Key)
	if err != nil {
		return err
	}
	if err := k.cur.check(req.Conditions); err != nil {
		return err
	}
	e.referBody(+1, rec)
	if err := k.put(rec); err != nil {
		return err
	}
	return e.commit()
}

// CopyPart implements store.Copier.
func (d *Driver) CopyPart(ctx context.Context, req *store.PartCopyRequest, sums func() (store.PartSums, error)) (*store.Part, error) {
	from, err := d.bucket(req.Source.Bucket)
	if err != nil {
		return nil, err
	}
	b, err := d.bucket(req.Bucket)
	if err != nil {
		return nil, err
	}
	if err := d.checkSpace(0); err != nil {
		return nil, err
	}
	sum, err := sums()
	if err != nil {
		return nil, err
	}
	rec := &partRecord{Part: store.Part{
		Number: req.Number, Size: req.Size, ETag: sum.ETag, ModTime: req.Time, Checksums: sum.Checksums,
	}}
	place := partPlace{bucket: b, key: req.Key, uploadID: req.UploadID, number: req.Number}
	stripe := keyStripe(from.number, req.Source.Key)
	err = d.editPart(place, []int{stripe}, func(e *edit) (*partRecord, error) {
		src, err := d.source(from, req.Source, req.SourceETag)
		if err != nil {
			return nil, err
		}
		if src.object.Encryption != nil {
			return nil, errSealedCopy()
		}
		rec.segments, err = d.shareRange(src, req.Offset, req.Size)
		e.refer(+1, rec.segments...)
		return rec, err
	})
	if err != nil {
		return nil, err
	}
	return &rec.Part, nil
}

// shareRange returns the segments of a range of a body. NotImplemented when
// there are too many.
func (d *Driver) shareRange(src *objectRecord, off, n int64) ([]segment, error) {
	if err := checkRange(off, n, src.object.Size); err != nil {
		return nil, err
	}
	all := src.segments
	if src.manifest != 0 {
		m, err := d.manifest(src.manifest)
		if err != nil {
			return nil, err
		}
		all = m.segments()
	}
	cut := cutSegments(all, off, n)
	if len(cut) > maxSharedSegments {
		return nil, &daypass.Error{
			Code: daypass.NotImplemented,
			Err:  fmt.Errorf("the range lies in %d blobs, at most %d are shared", len(cut), maxSharedSegments),
		}
	}
	return cut, nil
}

// cutSegments returns what holds n bytes from off.
func cutSegments(all []segment, off, n int64) []segment {
	var cut []segment
	for _, s := range all {
		if n == 0 {
			break
		}
		if off >= s.size {
			off -= s.size
			continue
		}
		s.off += off
		s.size = min(s.size-off, n)
		cut = append(cut, s)
		off, n = 0, n-s.size
	}
	return cut
}
