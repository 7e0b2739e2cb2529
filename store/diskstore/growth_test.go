package diskstore

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/daypass/daypass/store"
)

// The tests here count what the index does for a request, in stores of two
// sizes: what is promised to cost the same whatever the size must not do more.

// fill puts objects without a body into the test's bucket and moves all to
// the lowest level of the index, as time does.
func fill(t testing.TB, d *Driver, n int, key func(i int) string) {
	t.Helper()
	l := NewLoader(d)
	for i := range n {
		body, err := store.NewUpload(bytes.NewReader(nil), store.UploadOptions{Size: 0})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Put(context.Background(), &store.PutRequest{Bucket: testBucket, Key: key(i), Body: body}); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := d.db.Compact(context.Background(), []byte{0}, []byte{0xFF}, true); err != nil {
		t.Fatal(err)
	}
}

// A cost is what an iterator of the index has done.
type cost struct {
	seeks, steps int
	// inner are the same of what lies below, where deleted keys count too.
	inner  int
	blocks uint64 // bytes of blocks that were loaded, cached or not
}

func costOf(stats ...pebble.IteratorStats) (c cost) {
	for _, s := range stats {
		c.seeks += s.ForwardSeekCount[pebble.InterfaceCall] + s.ReverseSeekCount[pebble.InterfaceCall]
		c.steps += s.ForwardStepCount[pebble.InterfaceCall] + s.ReverseStepCount[pebble.InterfaceCall]
		c.inner += s.ForwardSeekCount[pebble.InternalIterCall] + s.ForwardStepCount[pebble.InternalIterCall]
		c.blocks += s.InternalStats.BlockBytes
	}
	return c
}

// listCost lists and returns how many entries the page has and what it took.
func listCost(t *testing.T, d *Driver, req store.ListRequest) (int, cost) {
	t.Helper()
	b, err := d.bucket(testBucket)
	if err != nil {
		t.Fatal(err)
	}
	it, err := d.db.NewIter(bucketBounds(spaceObject, b))
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	page, err := store.List(&cursor{ctx: context.Background(), bucket: b, it: it}, req)
	if err != nil {
		t.Fatal(err)
	}
	return len(page.Objects) + len(page.CommonPrefixes), costOf(it.Stats())
}

// versionsCost is listCost for a listing of versions.
func versionsCost(t *testing.T, d *Driver, req store.VersionsRequest) (int, cost) {
	t.Helper()
	b, err := d.bucket(testBucket)
	if err != nil {
		t.Fatal(err)
	}
	objects, err := d.db.NewIter(bucketBounds(spaceObject, b))
	if err != nil {
		t.Fatal(err)
	}
	defer objects.Close()
	shelved, err := d.db.NewIter(bucketBounds(spaceVersion, b))
	if err != nil {
		t.Fatal(err)
	}
	defer shelved.Close()
	page, err := store.ListVersions(&versionCursor{
		ctx: context.Background(), reader: d.db, bucket: b, objects: objects, shelved: shelved,
	}, req)
	if err != nil {
		t.Fatal(err)
	}
	return len(page.Versions) + len(page.CommonPrefixes), costOf(objects.Stats(), shelved.Stats())
}

// TestListCostsResults lists stores of which one has 20 times as many keys as
// the other: the same page must cost the same.
func TestListCostsResults(t *testing.T) {
	const dirs, page = 100, 20
	costs := make(map[string][2]cost)
	for i, keysPerDir := range []int{50, 1000} {
		d := openTest(t, Options{Dir: t.TempDir()})
		createTestBucket(t, d)
		fill(t, d, dirs*keysPerDir, func(i int) string {
			return fmt.Sprintf("dir-%03d/a/%08d", i/keysPerDir, i%keysPerDir)
		})
		count := func(name string, entries int, c cost) {
			if entries != page {
				t.Fatalf("%s: a page of %d", name, entries)
			}
			both := costs[name]
			both[i] = c
			costs[name] = both
		}
		for name, req := range map[string]store.ListRequest{
			"common prefixes":           {Delimiter: "/"},
			"common prefixes, further":  {Delimiter: "/", After: "dir-040/", SkipAfter: true},
			"common prefixes, from key": {Delimiter: "/", After: fmt.Sprintf("dir-040/a/%08d", keysPerDir/2)},
			"keys below a prefix":       {Delimiter: "/", Prefix: "dir-070/a/"},
			"keys in the middle":        {Delimiter: "/", Prefix: "dir-070/a/", After: fmt.Sprintf("dir-070/a/%08d", keysPerDir/4)},
			"keys without a delimiter":  {After: "dir-070/a/"},
		} {
			req.Max = page
			entries, c := listCost(t, d, req)
			count(name, entries, c)
		}
		entries, c := versionsCost(t, d, store.VersionsRequest{Delimiter: "/", Max: page})
		count("common prefixes of versions", entries, c)
		entries, c = versionsCost(t, d, store.VersionsRequest{Max: page, KeyMarker: "dir-070/a/"})
		count("versions", entries, c)
	}
	for name, both := range costs {
		small, large := both[0], both[1]
		t.Logf("%s: %+v, %+v", name, small, large)
		// How many steps a seek takes within the index depends on what was
		// flushed meanwhile; with few keys some take none.
		if large.seeks > small.seeks || large.steps > small.steps || large.inner > large.seeks+large.steps+2 {
			t.Errorf("%s: %+v with 20 times as many keys, %+v without", name, large, small)
		}
		// Each seek may read a block of each level of the table and of its index.
		if most := uint64(large.seeks+1)*4*16<<10 + 2*small.blocks; large.blocks > most {
			t.Errorf("%s: %d bytes of blocks, %d with less keys", name, large.blocks, small.blocks)
		}
	}
}
