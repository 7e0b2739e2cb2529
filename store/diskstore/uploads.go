package diskstore

import (
	"bytes"
	"context"

	"github.com/cockroachdb/pebble/v2"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// CreateUpload implements store.Multiparter.
func (d *Driver) CreateUpload(ctx context.Context, u *store.MultipartUpload) (*store.MultipartUpload, error) {
	b, err := d.bucket(u.Bucket)
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
	if err := b.lock.Load().CheckLock(u.Lock); err != nil {
		return nil, err
	}
	rec := newUpload(u)
	if rec.target.ticket, err = d.newTicket(); err != nil {
		return nil, writeError(err)
	}
	if err := d.set(uploadKey(b.number, u.Key, rec.target.order), rec.encode()); err != nil {
		return nil, writeError(err)
	}
	return rec.named(b, u.Key), nil
}

func newUpload(u *store.MultipartUpload) *uploadRecord {
	return &uploadRecord{
		checksum: u.Checksum, checksumType: u.ChecksumType,
		target: objectRecord{object: store.Object{
			Metadata: u.Metadata, Owner: u.Owner, Tags: u.Tags, ACL: u.ACL, Lock: u.Lock, ModTime: u.Initiated,
			Encryption: u.Encryption,
		}},
	}
}

// named returns the upload of a record with its name.
func (r *uploadRecord) named(b *bucket, key string) *store.MultipartUpload {
	o := &r.target.object
	return &store.MultipartUpload{
		Bucket: b.Name, Key: key, ID: r.target.uploadID(), Metadata: o.Metadata, Owner: o.Owner, Tags: o.Tags,
		ACL: o.ACL, Lock: o.Lock, Initiated: o.ModTime, Checksum: r.checksum, ChecksumType: r.checksumType,
		Encryption: o.Encryption,
	}
}

// MultipartUpload implements store.Multiparter.
func (d *Driver) MultipartUpload(ctx context.Context, bucket, key, id string) (*store.MultipartUpload, error) {
	b, err := d.bucket(bucket)
	if err != nil {
		return nil, err
	}
	rec, err := d.upload(b, key, id)
	if err != nil {
		return nil, err
	}
	return rec.named(b, key), nil
}

// upload returns the record of an upload that is under way. NoSuchUpload.
func (d *Driver) upload(b *bucket, key, id string) (rec *uploadRecord, err error) {
	t, ok := parseUploadID(id)
	if ok {
		ok, err = d.get(uploadKey(b.number, key, t.order), func(value []byte) (err error) {
			rec, err = decodeUpload(value)
			return err
		})
	}
	if err != nil {
		return nil, err
	}
	if !ok || rec.target.ticket != t {
		return nil, &daypass.Error{
			Code:    store.NoSuchUpload,
			Details: []daypass.Detail{{Name: "UploadId", Value: id}},
		}
	}
	return rec, nil
}

// AbortUpload implements store.Multiparter. The collector removes the parts.
func (d *Driver) AbortUpload(ctx context.Context, bucket, key, id string) error {
	b, err := d.bucket(bucket)
	if err != nil {
		return err
	}
	return d.endUpload(b, key, id, func(e *edit, rec *uploadRecord) error {
		if err := e.dropUpload(rec.target.order); err != nil {
			return err
		}
		return e.commit()
	})
}

// endUpload runs an edit that ends an upload; end commits it. No part is
// committed meanwhile or later.
func (d *Driver) endUpload(b *bucket, key, id string, end func(e *edit, rec *uploadRecord) error) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.gone {
		return noSuchBucket(b.Name)
	}
	t, _ := parseUploadID(id)
	lock := d.uploads.of(t.order)
	lock.Lock()
	defer lock.Unlock()
	rec, err := d.upload(b, key, id)
	if err != nil {
		return err
	}
	e := d.newEdit()
	defer e.close()
	if err := e.batch.Delete(uploadKey(b.number, key, t.order), nil); err != nil {
		return err
	}
	return end(e, rec)
}

// ListUploads implements store.Multiparter.
func (d *Driver) ListUploads(ctx context.Context, req store.UploadsRequest) (page *store.UploadsPage, err error) {
	b, err := d.bucket(req.Bucket)
	if err != nil {
		return nil, err
	}
	it, err := d.db.NewIterWithContext(ctx, bucketBounds(spaceUpload, b))
	if err != nil {
		return nil, err
	}
	defer closeInto(&err, it)
	return store.ListUploads(&uploadCursor{ctx: ctx, bucket: b, it: it}, req)
}

// An uploadCursor walks the uploads under way of one bucket.
type uploadCursor struct {
	ctx    context.Context
	bucket *bucket
	it     *pebble.Iterator
	err    error
}

var _ store.UploadCursor = (*uploadCursor)(nil)

// SeekGE implements store.UploadCursor.
func (c *uploadCursor) SeekGE(key string) bool {
	return c.alive() && c.it.SeekGE(escapedKey(spaceUpload, c.bucket.number, key))
}

// SeekAfter implements store.UploadCursor.
func (c *uploadCursor) SeekAfter(key, id string) bool {
	t, ok := parseUploadID(id)
	if !ok {
		c.err = &daypass.Error{
			Code: daypass.InvalidArgument, Message: "Invalid uploadId marker",
			Details: []daypass.Detail{
				{Name: "ArgumentName", Value: "upload-id-marker"}, {Name: "ArgumentValue", Value: id},
			},
		}
		return false
	}
	k := uploadKey(c.bucket.number, key, t.order)
	if !c.alive() || !c.it.SeekGE(k) {
		return false
	}
	if bytes.Equal(c.it.Key(), k) {
		return c.it.Next()
	}
	return true
}

// Next implements store.UploadCursor.
func (c *uploadCursor) Next() bool { return c.alive() && c.it.Next() }

// alive ends the walk when nobody waits for it any longer.
func (c *uploadCursor) alive() bool {
	if c.err == nil {
		c.err = c.ctx.Err()
	}
	return c.err == nil
}

// Key implements store.UploadCursor.
func (c *uploadCursor) Key() string {
	key, _, err := parseEscapedKey(c.it.Key())
	if err != nil && c.err == nil {
		c.err = err
	}
	return key
}

// Upload implements store.UploadCursor.
func (c *uploadCursor) Upload() (*store.MultipartUpload, error) {
	value, err := c.it.ValueAndErr()
	if err != nil {
		return nil, err
	}
	rec, err := decodeUpload(value)
	if err != nil {
		return nil, err
	}
	return rec.named(c.bucket, c.Key()), nil
}

// Err implements store.UploadCursor.
func (c *uploadCursor) Err() error {
	if c.err != nil {
		return c.err
	}
	return c.it.Error()
}
