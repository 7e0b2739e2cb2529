package diskstore

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// A writer writes as the driver does, or as a Loader does.
type writer struct {
	put    func(req *store.PutRequest) error
	delete func(ref daypass.ObjectRef) error
}

func driverWriter(d *Driver) writer {
	return writer{
		put: func(req *store.PutRequest) error {
			_, err := d.PutObject(context.Background(), req)
			return err
		},
		delete: func(ref daypass.ObjectRef) error {
			_, err := d.DeleteObject(context.Background(), ref, store.DeleteOptions{})
			return err
		},
	}
}

func loaderWriter(l *Loader) writer {
	return writer{
		put:    func(req *store.PutRequest) error { return l.Put(context.Background(), req) },
		delete: func(ref daypass.ObjectRef) error { return l.Delete(context.Background(), ref) },
	}
}

// writeAll overwrites and deletes keys, some of them twice in a row.
func (w writer) writeAll(t *testing.T) {
	t.Helper()
	for i := range 400 {
		key := fmt.Sprint("key-", i*i%61)
		if i%7 == 0 {
			if err := w.delete(testRef(key)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		data := content(uint64(i), i*37%3000)
		body, err := store.NewUpload(bytes.NewReader(data), store.UploadOptions{Size: int64(len(data))})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.put(&store.PutRequest{Bucket: testBucket, Key: key, Body: body, Owner: "someone"}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLoader writes the same with a Loader and without, and compares what
// there is after a restart.
func TestLoader(t *testing.T) {
	for _, v := range []store.Versioning{store.VersioningOff, store.VersioningEnabled, store.VersioningSuspended} {
		t.Run(string(v), func(t *testing.T) {
			loaded, plain := openVersioned(t, v), openVersioned(t, v)
			l := NewLoader(loaded)
			loaderWriter(l).writeAll(t)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			driverWriter(plain).writeAll(t)
			loaded = reopen(t, loaded)
			checkConsistency(t, loaded)
			compareStores(t, loaded, plain)
		})
	}
}

func openVersioned(t *testing.T, v store.Versioning) *Driver {
	d := openTest(t, Options{Dir: t.TempDir()})
	createTestBucket(t, d)
	if v != store.VersioningOff {
		if err := d.SetVersioning(context.Background(), testBucket, v); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func reopen(t *testing.T, d *Driver) *Driver {
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return openTest(t, Options{Dir: d.opts.Dir})
}

// compareStores compares all versions in the test's bucket, and the contents
// of the current ones.
func compareStores(t *testing.T, got, want *Driver) {
	t.Helper()
	req := store.VersionsRequest{Bucket: testBucket, Max: 1000}
	have, err := got.ListVersions(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	expected, err := want.ListVersions(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	ids := cmpopts.IgnoreFields(store.Object{}, "VersionID", "ModTime")
	if diff := cmp.Diff(expected.Versions, have.Versions, ids); diff != "" || len(have.Versions) < 20 {
		t.Errorf("%d versions (-plain +loaded):\n%s", len(have.Versions), diff)
	}
	for i := range 61 {
		key := fmt.Sprint("key-", i)
		a, _, err := read(got, key)
		b, _, err2 := read(want, key)
		if err != nil || err2 != nil || !bytes.Equal(a, b) {
			t.Errorf("%s: %d bytes instead of %d (%v, %v)", key, len(a), len(b), err, err2)
		}
	}
}

// TestLoaderRefusesLarge keeps bodies out that belong in files.
func TestLoaderRefusesLarge(t *testing.T) {
	d := openVersioned(t, store.VersioningOff)
	body, err := store.NewUpload(bytes.NewReader(content(1, 100_000)), store.UploadOptions{Size: -1})
	if err != nil {
		t.Fatal(err)
	}
	l := NewLoader(d)
	if err := l.Put(context.Background(), &store.PutRequest{Bucket: testBucket, Key: "k", Body: body}); err == nil {
		t.Error("a large body was taken")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	checkConsistency(t, d)
}
