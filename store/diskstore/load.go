package diskstore

import (
	"context"
	"fmt"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// loadBytes is how large a Loader's commits become, roughly. Larger ones leave
// the index's memory no room beside them.
const loadBytes = memTableSize / 4

// A Loader writes many small objects, thousands in each commit: so a store of
// millions is made in minutes. What it writes is what PutObject and
// DeleteObject would have written. It is not safe for concurrent use, and
// nobody else may use the driver before Close. Once a method has failed, what
// was not flushed is lost, and all others fail with the same error.
type Loader struct {
	d       *Driver
	e       *edit
	touched map[string]bool // the keys that e changes, by bucket and key
	err     error           // sticky: e may hold half of a change
}

// NewLoader returns a Loader that writes into a driver.
func NewLoader(d *Driver) *Loader { return &Loader{d: d, touched: make(map[string]bool)} }

// Put adds an object. It is durable once Flush or Close has returned. The body
// must fit into the index (Options.InlineSize). Conditions are not looked at;
// the errors are those of PutObject.
func (l *Loader) Put(ctx context.Context, req *store.PutRequest) error {
	body, err := l.d.receive(ctx, req.Body)
	if err != nil {
		return err
	}
	if body.file {
		body.discard()
		return fmt.Errorf("diskstore: %d bytes are too many for a Loader", body.size)
	}
	defer body.release()
	return l.edit(req.Bucket, req.Key, func(k *keyEdit) error {
		if err := k.addBody(body); err != nil {
			return err
		}
		return k.put(newRecord(req, body))
	})
}

// Delete adds the deletion of a key's current version, which leaves a delete
// marker where the bucket keeps versions.
func (l *Loader) Delete(ctx context.Context, ref daypass.ObjectRef) error {
	return l.edit(ref.Bucket, ref.Key, func(k *keyEdit) error {
		_, err := k.delete(store.DeleteOptions{})
		return err
	})
}

// edit adds a change of one key to the commit that is being gathered.
func (l *Loader) edit(bucket, key string, change func(k *keyEdit) error) error {
	if l.err != nil {
		return l.err
	}
	b, err := l.d.bucket(bucket)
	if err != nil {
		return err
	}
	if l.err = l.prepare(string(objectKey(b.number, key))); l.err != nil {
		return l.err
	}
	k, err := l.e.onKey(b, key)
	if err == nil {
		err = change(k)
	}
	l.err = err
	return err
}

// prepare makes ready for a change of a key. A key that is changed already is
// committed first, as edits see what is committed.
func (l *Loader) prepare(name string) error {
	if l.e != nil && (l.touched[name] || l.e.batch.Len() > loadBytes) {
		if err := l.Flush(); err != nil {
			return err
		}
	}
	if l.e == nil {
		l.e = l.d.newEdit()
	}
	l.touched[name] = true
	return nil
}

// Flush makes all that was added durable.
func (l *Loader) Flush() error {
	if l.e == nil {
		return l.err
	}
	if l.err == nil {
		l.err = l.e.commit()
	}
	l.e.close()
	l.e = nil
	clear(l.touched)
	return l.err
}

// Close flushes. The driver stays open.
func (l *Loader) Close() error { return l.Flush() }
