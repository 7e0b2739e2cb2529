package diskstore

import (
	"context"
	"encoding/binary"
	"hash/maphash"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// keyLocks serialize the commits of one key. Keys share locks by hash.
type keyLocks struct {
	stripes [512]sync.Mutex
}

var keySeed = maphash.MakeSeed()

func (l *keyLocks) of(bucket uint64, key string) *sync.Mutex {
	h := maphash.String(keySeed, key) + bucket
	return &l.stripes[h%uint64(len(l.stripes))]
}

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
	if err := d.replace(b, req.Key, req.Conditions, rec, body); err != nil {
		body.discard()
		return nil, err
	}
	body.keep()
	return rec.named(b, req.Key), nil
}

// mayReplace refuses a write that is bound to fail before its body is read.
func (d *Driver) mayReplace(b *bucket, req *store.PutRequest) error {
	if err := d.fuse.blown(); err != nil {
		return writeError(err)
	}
	if req.Conditions.Empty() {
		return nil
	}
	cur, err := d.record(b, req.Key)
	if err != nil {
		return err
	}
	return cur.check(req.Conditions)
}

// newRecord describes a body that has been received.
func newRecord(req *store.PutRequest, body *staged) *objectRecord {
	return &objectRecord{parts: body.parts(), object: store.Object{
		Size:      req.Body.Size(),
		ETag:      req.Body.ETag(),
		ModTime:   req.Time,
		Owner:     req.Owner,
		Metadata:  req.Metadata,
		Checksums: req.Body.Checksums(),
	}}
}

// named returns the object of a record with its name.
func (r *objectRecord) named(b *bucket, key string) *store.Object {
	r.object.Bucket, r.object.Key = b.Name, key
	return &r.object
}

// check applies conditions to a record, which is nil when there is no object.
func (r *objectRecord) check(cond store.WriteConditions) error {
	if r == nil {
		return cond.Check(nil)
	}
	return cond.Check(&r.object)
}

// record returns what the index holds of an object, nil when it does not
// exist.
func (d *Driver) record(b *bucket, key string) (*objectRecord, error) {
	var rec *objectRecord
	_, err := d.get(objectKey(b.number, key), func(value []byte) (err error) {
		rec, err = decodeObject(value)
		return err
	})
	return rec, err
}

// replace commits rec, or a deletion when it is nil, in place of what is
// stored under key, if cond holds for that.
func (d *Driver) replace(b *bucket, key string, cond store.WriteConditions, rec *objectRecord, body *staged) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.gone {
		return noSuchBucket(b.Name)
	}
	lock := d.keys.of(b.number, key)
	lock.Lock()
	defer lock.Unlock()
	cur, err := d.record(b, key)
	if err != nil {
		return err
	}
	if err := cur.check(cond); err != nil {
		return err
	}
	if cur == nil && rec == nil {
		// On a frozen index it may be a refused deletion that one sees.
		return writeError(d.fuse.blown())
	}
	batch := d.db.NewBatch()
	defer batch.Close()
	if err := addChanges(batch, objectKey(b.number, key), cur, rec, body); err != nil {
		return err
	}
	if err := d.commit(batch); err != nil {
		return writeError(err)
	}
	d.garbage.add(cur)
	return nil
}

// addChanges adds to a batch all that turns one record into another.
func addChanges(batch *pebble.Batch, key []byte, old, rec *objectRecord, body *staged) error {
	if err := dropParts(batch, old); err != nil {
		return err
	}
	if rec == nil {
		return batch.Delete(key, nil)
	}
	if err := addBody(batch, body); err != nil {
		return err
	}
	return batch.Set(key, rec.encode(), nil)
}

// dropParts adds to a batch that the blobs of a record are no longer in use.
// Small bodies are gone at once; files are removed by the collector.
func dropParts(batch *pebble.Batch, old *objectRecord) error {
	if old == nil {
		return nil
	}
	for _, p := range old.parts {
		if !p.file {
			if err := batch.Delete(idKey(spaceBody, p.blob), nil); err != nil {
				return err
			}
			continue
		}
		if err := batch.Delete(idKey(spaceFile, p.blob), nil); err != nil {
			return err
		}
		if err := batch.Set(idKey(spaceGarbage, p.blob), nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// addBody adds a staged body to a batch that is about to be committed.
func addBody(batch *pebble.Batch, s *staged) error {
	s.offered = true
	switch {
	case s.size == 0:
		return nil
	case s.file:
		r := fileRecord{size: s.size, crc: s.crc}
		return batch.Set(idKey(spaceFile, s.id), r.encode(), nil)
	}
	op := batch.SetDeferred(9, crcSize+len(s.small))
	op.Key[0] = spaceBody
	binary.BigEndian.PutUint64(op.Key[1:], s.id)
	binary.BigEndian.PutUint64(op.Value, s.crc)
	copy(op.Value[crcSize:], s.small)
	return op.Finish()
}

// DeleteObject implements store.Driver.
func (d *Driver) DeleteObject(ctx context.Context, ref daypass.ObjectRef, cond store.WriteConditions) error {
	b, err := d.bucket(ref.Bucket)
	if err != nil {
		return err
	}
	if err := unversioned(ref); err != nil {
		return err
	}
	return d.replace(b, ref.Key, cond, nil, nil)
}

// Object implements store.Driver.
func (d *Driver) Object(ctx context.Context, ref daypass.ObjectRef) (*store.Object, error) {
	b, rec, err := d.lookup(ref)
	if err != nil {
		return nil, err
	}
	return rec.named(b, ref.Key), nil
}

// lookup returns the bucket and record of an existing object. NoSuchBucket,
// NoSuchKey, NoSuchVersion.
func (d *Driver) lookup(ref daypass.ObjectRef) (*bucket, *objectRecord, error) {
	b, err := d.bucket(ref.Bucket)
	if err != nil {
		return nil, nil, err
	}
	if err := unversioned(ref); err != nil {
		return nil, nil, err
	}
	rec, err := d.record(b, ref.Key)
	if err != nil {
		return nil, nil, err
	}
	if rec == nil {
		return nil, nil, &daypass.Error{
			Code:    daypass.NoSuchKey,
			Details: []daypass.Detail{{Name: "Key", Value: ref.Key}},
		}
	}
	return b, rec, nil
}

// unversioned refuses references to versions, of which there are none but the
// current one.
func unversioned(ref daypass.ObjectRef) error {
	if ref.VersionID == "" || ref.VersionID == "null" {
		return nil
	}
	return &daypass.Error{Code: daypass.NoSuchVersion, Details: []daypass.Detail{
		{Name: "Key", Value: ref.Key},
		{Name: "VersionId", Value: ref.VersionID},
	}}
}
