package diskstore

import (
	"bytes"
	"context"
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

func put(d *Driver, key string, data []byte) error {
	body, err := store.NewUpload(bytes.NewReader(data), store.UploadOptions{Size: -1})
	if err != nil {
		return err
	}
	_, err = d.PutObject(context.Background(), &store.PutRequest{Bucket: testBucket, Key: key, Body: body})
	return err
}

func remove(d *Driver, key string) error {
	return d.DeleteObject(context.Background(), testRef(key), store.WriteConditions{})
}

// read returns the content of an object; ok is false when there is none.
func read(d *Driver, key string) (data []byte, ok bool, err error) {
	obj, body, err := d.OpenObject(context.Background(), testRef(key))
	if daypass.CodeOf(err) == daypass.NoSuchKey {
		return nil, false, nil
	}
	if err != nil {
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
		if len(indexKeys(t, d, spaceGarbage)) == 0 {
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
// files, belongs to exactly one object, and the other way round.
func checkConsistency(t testing.TB, d *Driver) {
	t.Helper()
	settleGarbage(t, d)
	small, large := make(map[uint64]bool), make(map[uint64]bool)
	it, err := d.db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceObject}, UpperBound: []byte{spaceObject + 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	for ok := it.First(); ok; ok = it.Next() {
		rec, err := decodeObject(it.Value())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range rec.parts {
			used := small
			if p.file {
				used = large
			}
			if used[p.blob] {
				t.Errorf("blob %d is used twice", p.blob)
			}
			used[p.blob] = true
		}
	}
	compareIDs(t, "small bodies", small, indexKeys(t, d, spaceBody))
	compareIDs(t, "file records", large, indexKeys(t, d, spaceFile))
	compareIDs(t, "files", large, blobFiles(t, d))
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
