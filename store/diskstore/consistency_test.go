package diskstore

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

const testBucket = "a-bucket"

func createTestBucket(t testing.TB, d *Driver) {
	t.Helper()
	err := d.CreateBucket(context.Background(), store.Bucket{Name: testBucket, ID: "0123456789abcdef"})
	if err != nil {
		t.Fatal(err)
	}
}

func testRef(key string) daypass.ObjectRef {
	return daypass.ObjectRef{Bucket: testBucket, Key: key}
}

func put(d *Driver, key string, data []byte) error { return putInto(d, testBucket, key, data) }

func putInto(d *Driver, bucket, key string, data []byte) error {
	body, err := store.NewUpload(bytes.NewReader(data), store.UploadOptions{Size: -1})
	if err != nil {
		return err
	}
	_, err = d.PutObject(context.Background(), &store.PutRequest{Bucket: bucket, Key: key, Body: body})
	return err
}

func remove(d *Driver, key string) error { return removeFrom(d, testBucket, key) }

func removeFrom(d *Driver, bucket, key string) error {
	ref := daypass.ObjectRef{Bucket: bucket, Key: key}
	_, err := d.DeleteObject(context.Background(), ref, store.DeleteOptions{})
	return err
}

// read returns the content of an object; ok is false when there is none.
func read(d *Driver, key string) (data []byte, ok bool, err error) { return readRef(d, testRef(key)) }

func readRef(d *Driver, ref daypass.ObjectRef) (data []byte, ok bool, err error) {
	obj, body, err := d.OpenObject(context.Background(), ref)
	switch daypass.CodeOf(err) {
	case "":
	case daypass.NoSuchKey, daypass.NoSuchVersion:
		return nil, false, nil
	default:
		return nil, false, err
	}
	defer body.Close()
	r, err := body.Range(0, obj.Size)
	if err != nil {
		return nil, false, err
	}
	data, err = io.ReadAll(r)
	return data, true, err
}

// content returns n bytes that differ by seed and position.
func content(seed uint64, n int) []byte {
	p := make([]byte, n)
	x := uint32(seed)*2654435761 + uint32(seed>>32) + 1
	for i := range p {
		x = x*1664525 + 1013904223
		p[i] = byte(x >> 24)
	}
	return p
}

// settleGarbage waits until the collector has nothing left to do.
func settleGarbage(t testing.TB, d *Driver) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		// In this order, as what is dropped becomes garbage.
		if len(indexKeys(t, d, spaceDropped)) == 0 && len(indexKeys(t, d, spaceGarbage)) == 0 {
			return
		}
	}
	t.Fatal("the collector does not come to an end")
}

// indexKeys returns the blob ids in one space of the index.
func indexKeys(t testing.TB, d *Driver, space byte) map[uint64]bool {
	t.Helper()
	ids := make(map[uint64]bool)
	it, err := d.db.NewIter(&pebble.IterOptions{LowerBound: []byte{space}, UpperBound: []byte{space + 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		id, err := parseIDKey(it.Key())
		if err != nil {
			t.Fatal(err)
		}
		ids[id] = true
	}
	return ids
}

// checkConsistency fails the test unless every blob, in the index and in
// files, is there exactly if something refers to it, and is known to be
// referred to as often as it is; and unless versions are in order.
func checkConsistency(t testing.TB, d *Driver) {
	t.Helper()
	settleGarbage(t, d)
	c := &census{TB: t, d: d, refs: make(map[uint64]int),
		small: make(map[uint64]bool), large: make(map[uint64]bool), manifests: make(map[uint64]bool)}
	c.countObjects(spaceObject)
	c.countObjects(spaceVersion)
	c.countManifests()
	c.countParts(c.uploads())
	compareIDs(t, "small bodies", c.small, indexKeys(t, d, spaceBody))
	compareIDs(t, "file records", c.large, indexKeys(t, d, spaceFile))
	compareIDs(t, "files", c.large, blobFiles(t, d))
	compareIDs(t, "manifests", c.manifests, indexKeys(t, d, spaceManifest))
	c.checkRefs()
	c.checkVersions()
	checkCache(t, d)
}

// A census counts what refers to each blob and manifest.
type census struct {
	testing.TB
	d                       *Driver
	refs                    map[uint64]int
	small, large, manifests map[uint64]bool
}

// each visits the records of one space.
func (c *census) each(space byte, visit func(key, value []byte)) {
	it, err := c.d.db.NewIter(&pebble.IterOptions{LowerBound: []byte{space}, UpperBound: []byte{space + 1}})
	if err != nil {
		c.Fatal(err)
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		visit(it.Key(), it.Value())
	}
}

func (c *census) countSegments(segments []segment) {
	for _, s := range segments {
		c.refs[s.blob]++
		used := c.small
		if s.file {
			used = c.large
		}
		used[s.blob] = true
	}
}

func (c *census) countObjects(space byte) {
	c.each(space, func(_, value []byte) {
		rec, err := decodeObject(value)
		if err != nil {
			c.Fatal(err)
		}
		c.countSegments(rec.segments)
		if rec.manifest != 0 {
			c.refs[rec.manifest]++
			c.manifests[rec.manifest] = true
		}
	})
}

func (c *census) countManifests() {
	for id := range c.manifests {
		m, err := c.d.manifest(id)
		if err != nil {
			c.Fatal(err)
		}
		c.countSegments(m.segments())
	}
}

func (c *census) uploads() map[uint64]bool {
	uploads := make(map[uint64]bool)
	c.each(spaceUpload, func(key, _ []byte) {
		_, order, err := parseEscapedKey(key)
		if err != nil {
			c.Fatal(err)
		}
		uploads[order] = true
	})
	return uploads
}

func (c *census) countParts(uploads map[uint64]bool) {
	c.each(spacePart, func(key, value []byte) {
		p, err := decodePart(value)
		if err != nil {
			c.Fatal(err)
		}
		if upload := binary.BigEndian.Uint64(key[1:]); !uploads[upload] {
			c.Errorf("part %d is left of upload %d", p.Number, upload)
		}
		c.countSegments(p.segments)
	})
}

func (c *census) checkRefs() {
	shared := indexKeys(c, c.d, spaceShared)
	for id, refs := range c.refs {
		n, err := c.d.sharers(id)
		if err != nil || n != refs-1 {
			c.Errorf("%d refer to %d, counted are %d (%v)", refs, id, n+1, err)
		}
		delete(shared, id)
	}
	for id := range shared {
		c.Errorf("references to %d are counted, but there are none", id)
	}
}

// checkVersions checks what holds for the versions of each key: the current
// one is the newest; without a current one the newest is a delete marker; at
// most one is a null version, and it is found.
func (c *census) checkVersions() {
	last, nulls := "", make(map[string]uint64)
	c.each(spaceVersion, func(key, value []byte) {
		rec, err := decodeObject(value)
		if err != nil {
			c.Fatal(err)
		}
		name, order, err := parseEscapedKey(key)
		id := fmt.Sprintf("%x/%s", key[1:9], name)
		if err != nil || ^order != rec.order {
			c.Errorf("%s: order %d, record %d, %v", id, ^order, rec.order, err)
		}
		b := &bucket{number: binary.BigEndian.Uint64(key[1:])}
		cur, err := currentRecord(c.d.db, b, name)
		switch {
		case err != nil:
			c.Error(err)
		case cur != nil && cur.order <= rec.order:
			c.Errorf("%s: version %d is newer than the current one", id, rec.order)
		case cur == nil && id != last && !rec.object.DeleteMarker:
			c.Errorf("%s: the newest version is an object but not the current one", id)
		case cur != nil && cur.null() && rec.null():
			c.Errorf("%s: two null versions", id)
		}
		last = id
		if rec.null() {
			nulls[id] = rec.order
		}
	})
	c.each(spaceNull, func(key, value []byte) {
		id := fmt.Sprintf("%x/%s", key[1:9], key[9:])
		if order := binary.BigEndian.Uint64(value); nulls[id] != order {
			c.Errorf("%s: the null version should be %d but is %d", id, order, nulls[id])
		}
		delete(nulls, id)
	})
	for id := range nulls {
		c.Errorf("%s: the null version cannot be found", id)
	}
}

func compareIDs(t testing.TB, what string, used, have map[uint64]bool) {
	t.Helper()
	for id := range used {
		if !have[id] {
			t.Errorf("%s: %d is missing", what, id)
		}
	}
	for id := range have {
		if !used[id] {
			t.Errorf("%s: %d is an orphan", what, id)
		}
	}
}

// blobFiles returns the ids of all files below the blob directory, and checks
// that there are no temporary ones.
func blobFiles(t testing.TB, d *Driver) map[uint64]bool {
	t.Helper()
	fs := d.opts.fs
	ids := make(map[uint64]bool)
	dirs, err := fs.List(d.path(blobsDir))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		var n uint64
		if _, err := fmt.Sscanf(dir, "%x", &n); err != nil {
			t.Fatalf("%s: %v", dir, err)
		}
		files, err := d.blobs.list(n)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range files {
			ids[id] = true
		}
	}
	if tmp, err := fs.List(d.path(tmpDir)); err != nil || len(tmp) > 0 {
		t.Errorf("temporary files: %v, %v", tmp, err)
	}
	return ids
}
