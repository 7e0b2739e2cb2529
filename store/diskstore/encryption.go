package diskstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

var _ store.Rewrapper = (*Driver)(nil)

// The tags of an Encryption.
const (
	tagEncryptionSSE        = 1<<3 | varint // index in encryptions
	tagEncryptionGeneration = 2<<3 | varint
	tagEncryptionWrapped    = 3<<3 | bytesTy
)

// encryptions are the kinds of encryption by their numbers in the index.
var encryptions = []store.SSE{store.NoSSE, store.SSES3, store.SSEC}

func appendEncryption(b []byte, tag uint64, e *store.Encryption) []byte {
	if e == nil {
		return b
	}
	msg := make([]byte, 0, 128)
	for n, sse := range encryptions {
		if sse == e.SSE {
			msg = appendNumber(msg, tagEncryptionSSE, uint64(n))
		}
	}
	msg = appendNumber(msg, tagEncryptionGeneration, uint64(e.Generation))
	return appendBytes(b, tag, appendBytes(msg, tagEncryptionWrapped, e.Wrapped))
}

// decodeEncryption is the inverse of appendEncryption. What is unknown is an
// error: a body must not be taken for what it is not.
func decodeEncryption(data []byte) (*store.Encryption, error) {
	e := &store.Encryption{}
	err := eachField(data, func(f field) error {
		switch f.tag {
		case tagEncryptionSSE:
			if f.number >= uint64(len(encryptions)) {
				return errMalformed
			}
			e.SSE = encryptions[f.number]
		case tagEncryptionGeneration:
			e.Generation = uint32(f.number)
		case tagEncryptionWrapped:
			e.Wrapped = bytes.Clone(f.bytes)
		}
		return nil
	})
	if err == nil && e.SSE == store.NoSSE {
		err = errMalformed
	}
	return e, err
}

// copyEncryption gives a copy the encryption that the request wants for the
// source's.
func (r *objectRecord) copyEncryption(src *objectRecord, req *store.CopyRequest) (err error) {
	switch {
	case req.Encrypt != nil:
		r.object.Encryption, err = req.Encrypt(src.object.Encryption)
	case src.object.Encryption != nil:
		err = errSealedCopy()
	}
	return err
}

// errSealedCopy refuses to share the bytes of an encrypted body.
func errSealedCopy() error {
	return &daypass.Error{Code: daypass.NotImplemented, Err: fmt.Errorf("the bytes of an encrypted body are not shared")}
}

// Bounds of one step of Rewrap: how many records of the index it looks at, and
// how many it changes, whose locks it holds for one commit.
const (
	rewrapStep  = 1024
	rewrapBatch = 128
)

// rewrapSpaces are those with records that have an Encryption, in the order in
// which Rewrap visits them: that of their keys.
var rewrapSpaces = []byte{spaceObject, spaceUpload, spaceVersion}

// A rewrapping is one step of Rewrap.
type rewrapping struct {
	d      *Driver
	rewrap store.RewrapFunc
	count  store.RewrapCount
	names  map[uint64]*bucket
	// found are the records to be changed, all of one bucket.
	found []recordKey
	in    *bucket
}

// A recordKey is a key of the index in one of rewrapSpaces.
type recordKey struct {
	raw    []byte
	bucket uint64
	key    string
	// order is that of an upload or version; zero in spaceObject.
	order uint64
}

func (k recordKey) upload() bool { return k.raw[0] == spaceUpload }

func parseRecordKey(raw []byte) (k recordKey, err error) {
	k.raw = bytes.Clone(raw)
	if raw[0] == spaceObject {
		k.bucket, k.key, err = parseObjectKey(raw)
		return k, err
	}
	if k.key, k.order, err = parseEscapedKey(raw); err == nil {
		k.bucket = binary.BigEndian.Uint64(raw[1:])
	}
	return k, err
}

// Rewrap implements store.Rewrapper. A cursor is the key of a record in the
// index.
func (d *Driver) Rewrap(ctx context.Context, after []byte, rewrap store.RewrapFunc) ([]byte, store.RewrapCount, error) {
	r := rewrapping{d: d, rewrap: rewrap, names: d.buckets.byNumber()}
	next, err := r.scan(ctx, after)
	if err == nil {
		err = r.change()
	}
	return next, r.count, err
}

// scan looks for records to be changed and returns the last key that it has
// seen, nil at the end of the index. The cursor of a space that it has not begun
// is the space alone, which no record has for a key.
func (r *rewrapping) scan(ctx context.Context, after []byte) (next []byte, err error) {
	for _, space := range rewrapSpaces {
		if len(after) > 0 && after[0] > space {
			continue
		}
		from := []byte{space}
		if len(after) > 0 && after[0] == space {
			from = after
		}
		next, ended, err := r.scanSpace(ctx, from)
		if !ended || err != nil {
			return next, err
		}
	}
	return nil, nil
}

// scanSpace is scan of one space, after a cursor in it. ended says that it has
// come to the end of the space; otherwise next is the cursor to go on with.
func (r *rewrapping) scanSpace(ctx context.Context, after []byte) (next []byte, ended bool, err error) {
	bounds := &pebble.IterOptions{LowerBound: append(bytes.Clone(after), 0), UpperBound: []byte{after[0] + 1}}
	it, err := r.d.db.NewIterWithContext(ctx, bounds)
	if err != nil {
		return nil, false, err
	}
	defer closeInto(&err, it)
	next = after
	for ok := it.First(); ok; ok = it.Next() {
		if r.count.Seen >= rewrapStep || len(r.found) >= rewrapBatch {
			return next, false, nil
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, false, err
		}
		more, err := r.look(it.Key(), value)
		if !more || err != nil {
			return next, false, err
		}
		r.count.Seen++
		next = bytes.Clone(it.Key())
	}
	return nil, true, it.Error()
}

// look notes a record that is to be changed. It returns false for one of
// another bucket than those before it, which is left to the next step.
func (r *rewrapping) look(key, value []byte) (more bool, err error) {
	k, err := parseRecordKey(key)
	if err != nil {
		return false, err
	}
	b := r.names[k.bucket]
	if b == nil {
		return true, nil // being deleted
	}
	to, err := r.replaced(b, k, value)
	if to == nil || err != nil {
		return err == nil, err
	}
	if r.in != nil && r.in != b {
		return false, nil
	}
	r.in = b
	r.found = append(r.found, k)
	return true, nil
}

// replaced returns a record with another encryption, nil when it is to stay.
func (r *rewrapping) replaced(b *bucket, k recordKey, value []byte) ([]byte, error) {
	rec, err := decodeUpload(value) // which has all that an object has
	if err != nil || rec.target.object.Encryption == nil {
		return nil, err
	}
	to, err := r.rewrap(b.Name, k.key, rec.target.object.Encryption)
	if to == nil || err != nil {
		return nil, err
	}
	rec.target.object.Encryption = to
	return rec.encode(), nil
}

// change changes the records that were found, as far as they are still there
// and still want it, in one commit.
func (r *rewrapping) change() error {
	if len(r.found) == 0 {
		return nil
	}
	if err := r.d.checkSpace(0); err != nil {
		return err
	}
	r.in.mu.RLock()
	defer r.in.mu.RUnlock()
	if r.in.gone {
		return nil
	}
	defer r.lockUploads()()
	stripes := make([]int, len(r.found))
	for i, k := range r.found {
		stripes[i] = keyStripe(k.bucket, k.key)
	}
	defer r.d.keys.lock(stripes...)()
	e := r.d.newEdit()
	defer e.close()
	for _, k := range r.found {
		if err := r.changeOne(e, k); err != nil {
			return err
		}
	}
	if err := e.commit(); err != nil {
		return err
	}
	r.count.Changed = int(e.batch.Count())
	return nil
}

// lockUploads keeps the uploads among the records from ending.
func (r *rewrapping) lockUploads() (unlock func()) {
	var locks []uint64
	for _, k := range r.found {
		if k.upload() {
			locks = append(locks, k.order%uint64(len(r.d.uploads)))
		}
	}
	slices.Sort(locks)
	locks = slices.Compact(locks)
	for _, i := range locks {
		r.d.uploads[i].Lock()
	}
	return func() {
		for _, i := range locks {
			r.d.uploads[i].Unlock()
		}
	}
}

// changeOne adds a record to the batch as it is to be. It is read again under
// its lock: it may be gone, or another one.
func (r *rewrapping) changeOne(e *edit, k recordKey) error {
	var to []byte
	_, err := r.d.get(k.raw, func(value []byte) (err error) {
		to, err = r.replaced(r.in, k, value)
		return err
	})
	if to == nil || err != nil {
		return err
	}
	return e.batch.Set(k.raw, to, nil)
}
