package diskstore

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// TestWritesThroughTheCache does the same to two stores, of which one has a read
// cache and so knows what it replaces without asking its index: both indexes
// must be the same all the time.
func TestWritesThroughTheCache(t *testing.T) {
	for _, versioning := range []store.Versioning{store.VersioningOff, store.VersioningEnabled, store.VersioningSuspended} {
		t.Run(string(versioning), func(t *testing.T) {
			cached, plain := openTwin(t, versioning, 0), openTwin(t, versioning, -1)
			rng := rand.New(rand.NewPCG(1, 2))
			for i := range 600 {
				key, n, way := fmt.Sprint(rng.IntN(5)), rng.IntN(2000), rng.IntN(8)
				a, b := changeKey(t, cached, key, i, n, way), changeKey(t, plain, key, i, n, way)
				if a != b {
					t.Fatalf("change %d of %s: %s with the cache, %s without", i, key, a, b)
				}
			}
			checkCache(t, cached)
			settleGarbage(t, cached)
			settleGarbage(t, plain)
			if a, b := dumpIndex(t, cached), dumpIndex(t, plain); a != b {
				t.Errorf("the indexes differ: %d and %d bytes of text", len(a), len(b))
			}
			checkConsistency(t, cached)
		})
	}
}

// TestWrittenIsKnown has the cache know what was written, for the next writer
// and the next reader of the key, until something else is written or it is gone.
func TestWrittenIsKnown(t *testing.T) {
	d := openTest(t, memOptions(newMemFS()))
	createTestBucket(t, d)
	b, err := d.bucket(testBucket)
	if err != nil {
		t.Fatal(err)
	}
	for size := range 3 {
		if err := put(d, "key", content(1, size)); err != nil {
			t.Fatal(err)
		}
		if rec := d.cache.current(b.number, "key"); rec == nil || rec.object.Size != int64(size) {
			t.Fatalf("%+v is known, %d bytes were written", rec, size)
		}
		before := d.Stats()
		if obj, err := d.Object(t.Context(), testRef("key")); err != nil || obj.Size != int64(size) {
			t.Fatal(obj, err)
		}
		if after := d.Stats(); after.Hits != before.Hits+1 || after.Misses != before.Misses {
			t.Errorf("hits %d, misses %d; before %d, %d", after.Hits, after.Misses, before.Hits, before.Misses)
		}
		if rec := d.cache.current(b.number, "key"); rec == nil {
			t.Error("what was read is not known to writers")
		}
		checkCache(t, d)
	}
	if err := remove(d, "key"); err != nil {
		t.Fatal(err)
	}
	if rec := d.cache.current(b.number, "key"); rec != nil {
		t.Errorf("%+v is known of a key that is gone", rec)
	}
}

// TestSharingIsKnown copies an object, opens the store again and removes the
// source: the body must outlive it.
func TestSharingIsKnown(t *testing.T) {
	fs := newMemFS()
	d := openMem(t, fs)
	createTestBucket(t, d)
	if err := put(d, "a", content(1, 100)); err != nil {
		t.Fatal(err)
	}
	if d.sharing.Load() {
		t.Error("one object shares its body")
	}
	if _, err := d.CopyObject(t.Context(), &store.CopyRequest{Source: testRef("a"), Bucket: testBucket, Key: "b"}); err != nil {
		t.Fatal(err)
	}
	if !d.sharing.Load() {
		t.Error("two objects share nothing")
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = openMem(t, fs)
	defer d.Close()
	if !d.sharing.Load() {
		t.Error("two objects share nothing once they are opened again")
	}
	if err := put(d, "a", nil); err != nil {
		t.Fatal(err)
	}
	if data, ok, err := read(d, "b"); !ok || err != nil || !bytes.Equal(data, content(1, 100)) {
		t.Errorf("%d bytes of the copy are left: %v", len(data), err)
	}
	checkConsistency(t, d)
}

// openTwin opens a store whose ids repeat from one to the next.
func openTwin(t *testing.T, versioning store.Versioning, cache int64) *Driver {
	opts := memOptions(newMemFS())
	opts.ReadCacheSize, opts.Rand, opts.Now = cache, steady{}, func() time.Time { return time.Unix(1e9, 0) }
	d := openTest(t, opts)
	createTestBucket(t, d)
	if versioning != store.VersioningOff {
		if err := d.SetVersioning(t.Context(), testBucket, versioning); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

// steady is a source of the same bytes again and again.
type steady struct{}

func (steady) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 7
	}
	return len(p), nil
}

// changeKey does something to a key and tells what came of it.
func changeKey(t *testing.T, d *Driver, key string, i, n, way int) string {
	t.Helper()
	var err error
	switch way {
	case 0:
		err = remove(d, key)
	case 1:
		_, err = d.UpdateObject(t.Context(), testRef(key), store.Update{Tags: &[]store.Tag{{Key: "n", Value: fmt.Sprint(i)}}})
	case 2:
		var data []byte
		data, _, err = read(d, key)
		return fmt.Sprintf("%x %v", data, err)
	case 3:
		var body *store.Upload
		if body, err = store.NewUpload(bytes.NewReader(content(uint64(i), n)), store.UploadOptions{Size: int64(n)}); err == nil {
			_, err = d.PutObject(t.Context(), &store.PutRequest{
				Bucket: testBucket, Key: key, Body: body, Conditions: store.WriteConditions{IfNoneMatch: "*"},
			})
		}
	default:
		err = put(d, key, content(uint64(i), n))
	}
	return string(daypass.CodeOf(err))
}

// dumpIndex returns all that a store's index holds.
func dumpIndex(t *testing.T, d *Driver) string {
	t.Helper()
	it, err := d.db.NewIter(&pebble.IterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	var text bytes.Buffer
	for ok := it.First(); ok; ok = it.Next() {
		fmt.Fprintf(&text, "%x: %x\n", it.Key(), it.Value())
	}
	return text.String()
}

// TestSpaceAllowance counts how often the disk is looked at, and finds the exact
// end of its space.
func TestSpaceAllowance(t *testing.T) {
	free, looks := int64(5<<20), 0
	full := errors.New("full")
	check := func(n int64) error {
		looks++
		if n > free {
			return full
		}
		return nil
	}
	var s spaceAllowance
	now := time.Unix(1e9, 0)
	for range 1000 {
		if err := s.take(1000, now, check); err != nil {
			t.Fatal(err)
		}
	}
	if looks > 3 {
		t.Errorf("%d looks for 1000 small bodies", looks)
	}
	if s.left < 1000+smallOverhead {
		t.Fatal("nothing is left, so the next look is no matter of time")
	}
	free = 0 // others have filled the disk
	for _, then := range []time.Time{now.Add(spaceFor), now.Add(-1)} {
		again := s.left
		if err := s.take(1000, then, check); err != full {
			t.Errorf("error %v on a full disk", err)
		}
		s.left = again
	}
	s.left, free = 0, 1000+smallOverhead
	for range 2 {
		if err := s.take(1000, now, check); err != nil {
			t.Errorf("error %v where there is just as much", err)
		}
	}
	if err := s.take(1001, now, check); err != full {
		t.Errorf("error %v where there is one byte less", err)
	}
}

// TestTableBuffer writes a table and a log in pieces of all sizes, with syncs
// between, and compares what lies on the disk.
func TestTableBuffer(t *testing.T) {
	for _, name := range []string{"/1.sst", "/1.blob", "/1.log"} {
		fs := vfs.NewMem()
		f, err := newFuse(fs, new(counts), func(err error) { t.Error(err) }).Create(name, vfs.WriteCategoryUnspecified)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(3, 4))
		var want []byte
		for i := range 300 {
			piece := content(uint64(i), rng.IntN(1<<(1+rng.IntN(18))))
			want = append(want, piece...)
			if n, err := f.Write(piece); n != len(piece) || err != nil {
				t.Fatal(n, err)
			}
			clear(piece) // the caller's again
			switch rng.IntN(20) {
			case 0:
				err = f.Sync()
			case 1:
				err = f.SyncData()
			case 2:
				_, err = f.SyncTo(int64(len(want)))
			default:
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			checkFile(t, fs, name, want)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		checkFile(t, fs, name, want)
	}
}

func checkFile(t *testing.T, fs vfs.FS, name string, want []byte) {
	t.Helper()
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := io.ReadAll(f)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%s holds %d bytes, %d were written: %v", name, len(got), len(want), err)
	}
}
