package diskstore

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"

	"github.com/daypass/daypass/store"
)

// gapModel is an index with commits and listings under way, step by step.
type gapModel struct {
	t       *testing.T
	r       *rand.Rand
	cache   *gapCache
	keys    map[string]bool // as the index has it
	commits []*modelCommit
	walks   []*modelWalk
	hits    int
}

type modelCommit struct {
	told *changes
	list []change
	done bool // the index has it
}

type modelWalk struct {
	walk *gapWalk
	keys []string // of its snapshot, sorted
	from string   // where it goes on
}

func (m *gapModel) key() string { return fmt.Sprintf("%02d", m.r.IntN(40)) }

// first returns the first key at or after from, "" if there is none.
func first(keys []string, from string) string {
	if i, _ := slices.BinarySearch(keys, from); i < len(keys) {
		return keys[i]
	}
	return ""
}

func (m *gapModel) beginCommit() {
	c := new(modelCommit)
	for range 1 + m.r.IntN(2) {
		key := m.key()
		// As commits lock the keys that they change.
		if slices.ContainsFunc(m.commits, func(o *modelCommit) bool {
			return slices.ContainsFunc(o.list, func(ch change) bool { return ch.key == key })
		}) {
			continue
		}
		c.list = append(c.list, change{7, key, m.r.IntN(2) == 0})
	}
	if !m.cache.unwatched() {
		c.told = &changes{list: c.list}
		m.cache.announce(c.told)
	}
	m.commits = append(m.commits, c)
}

func (m *gapModel) stepCommit() {
	i := m.r.IntN(len(m.commits))
	c := m.commits[i]
	if c.done {
		m.cache.end(c.told)
		m.commits = slices.Delete(m.commits, i, i+1)
		return
	}
	c.done = true
	for _, ch := range c.list {
		if ch.deleted {
			delete(m.keys, ch.key)
		} else {
			m.keys[ch.key] = true
		}
	}
}

func (m *gapModel) beginWalk() {
	w := &modelWalk{walk: m.cache.walk(7)}
	w.keys = slices.Sorted(maps.Keys(m.keys))
	if m.r.IntN(2) == 0 {
		w.from = m.key()
	}
	m.walks = append(m.walks, w)
}

// stepWalk seeks once, ends where that found nothing, and at random.
func (m *gapModel) stepWalk() {
	i := m.r.IntN(len(m.walks))
	w := m.walks[i]
	want := first(w.keys, w.from)
	got, ok := w.walk.find(w.from)
	if ok {
		m.hits++
		if got != want {
			m.t.Fatalf("the first key from %q on is %q, and not %q: %q", w.from, want, got, w.keys)
		}
	} else if want != "" {
		w.walk.found(w.from, want)
	}
	if want == "" || m.r.IntN(20) == 0 {
		w.walk.end()
		m.walks = slices.Delete(m.walks, i, i+1)
		m.check()
		return
	}
	w.from = want + "x"
	if m.r.IntN(3) == 0 { // the next of these is the end of a common prefix
		w.from = fmt.Sprintf("%c9x", want[0])
	}
}

// check looks for what must hold of the gaps at any time.
func (m *gapModel) check() {
	var used int64
	for _, b := range m.cache.gaps {
		used += bytesOf(b.gaps)
		for i, g := range b.gaps {
			if g.from > g.to || i > 0 && b.gaps[i-1].to >= g.from {
				m.t.Fatalf("gaps out of order: %q", b.gaps)
			}
		}
	}
	if used != m.cache.used || used > m.cache.limit {
		m.t.Fatalf("%d bytes of gaps, counted as %d, of %d", used, m.cache.used, m.cache.limit)
	}
}

// TestGapsAreTrue runs commits and listings against each other in every order
// and compares what listings find with what the index had when they began.
func TestGapsAreTrue(t *testing.T) {
	for seed := range uint64(300) {
		limit := int64(1 << 20)
		if seed%3 == 0 {
			limit = 700 // some ten gaps
		}
		m := &gapModel{t: t, r: rand.New(rand.NewPCG(seed, 1)), cache: newGapCache(limit), keys: make(map[string]bool)}
		for range 1500 {
			switch n := m.r.IntN(10); {
			case n == 0 && len(m.commits) < 3:
				m.beginCommit()
			case n < 3 && len(m.commits) > 0:
				m.stepCommit()
			case n == 4 && len(m.walks) < 3:
				m.beginWalk()
			case len(m.walks) > 0:
				m.stepWalk()
			}
			m.check()
		}
		if m.hits == 0 {
			t.Errorf("seed %d: no gap was ever used", seed)
		}
	}
}

// TestListingsAreTheSameWithGaps compares listings of a driver with those of
// one that remembers nothing.
func TestListingsAreTheSameWithGaps(t *testing.T) {
	none := memOptions(newMemFS())
	none.ReadCacheSize = -1
	with, without := openTest(t, memOptions(newMemFS())), openTest(t, none)
	r := rand.New(rand.NewPCG(1, 2))
	part := func() string { return string("ab/\xff\x00"[r.IntN(5)]) }
	key := func() string {
		k := "k"
		for range r.IntN(6) {
			k += part()
		}
		return k
	}
	for _, d := range []*Driver{with, without} {
		createTestBucket(t, d)
	}
	for range 3000 {
		k, deletes := key(), r.IntN(3) == 0
		for _, d := range []*Driver{with, without} {
			err := error(nil)
			if deletes {
				err = remove(d, k)
			} else {
				err = put(d, k, nil)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		req := store.ListRequest{Bucket: testBucket, Delimiter: part(), Max: 1 + r.IntN(20), SkipAfter: r.IntN(2) == 0}
		if r.IntN(2) == 0 {
			req.Prefix = key()
		}
		if r.IntN(2) == 0 {
			req.After = req.Prefix + key()
		}
		if got, want := listed(t, with, req), listed(t, without, req); !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v:\n%q\n%q", req, got, want)
		}
	}
}

// listed returns what a page says, without times.
func listed(t *testing.T, d *Driver, req store.ListRequest) (all []string) {
	t.Helper()
	page, err := d.ListObjects(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range page.Objects {
		all = append(all, o.Key)
	}
	return append(append(all, page.CommonPrefixes...), fmt.Sprint(page.Truncated), page.Next)
}

// TestListingsSeeWhatIsAlwaysThere moves an object to and fro by writing one
// key before the other is deleted, so that every instant has one of them.
func TestListingsSeeWhatIsAlwaysThere(t *testing.T) {
	d := openTest(t, memOptions(newMemFS()))
	createTestBucket(t, d)
	for i := range 10 {
		if err := put(d, fmt.Sprintf("%d/x", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	moved := []string{"2a/moves", "6a/moves"}
	if err := put(d, moved[0], nil); err != nil {
		t.Fatal(err)
	}
	var listers sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		listers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				page, err := d.ListObjects(context.Background(), store.ListRequest{Bucket: testBucket, Delimiter: "/", Max: 100})
				if err != nil {
					t.Error(err)
					return
				}
				if n := len(page.CommonPrefixes); n != 11 && n != 12 {
					t.Errorf("%d common prefixes: %q", n, page.CommonPrefixes)
					return
				}
			}
		})
	}
	for i := range 300 {
		if err := put(d, moved[(i+1)%2], bytes.Repeat([]byte{1}, 10)); err != nil {
			t.Fatal(err)
		}
		if err := remove(d, moved[i%2]); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	listers.Wait()
}

// TestGapsSaveSeeks lists twice: the second time nothing is looked for but the
// end, also after writes below the common prefixes.
func TestGapsSaveSeeks(t *testing.T) {
	d := openTest(t, memOptions(newMemFS()))
	createTestBucket(t, d)
	const dirs = 100
	fill(t, d, dirs*10, func(i int) string { return fmt.Sprintf("dir-%03d/%d", i/10, i%10) })
	b, err := d.bucket(testBucket)
	if err != nil {
		t.Fatal(err)
	}
	seeks := func() int {
		c := &cursor{ctx: context.Background(), bucket: b, walk: d.gaps.walk(b.number)}
		defer c.walk.end()
		if c.it, err = d.db.NewIter(bucketBounds(spaceObject, b)); err != nil {
			t.Fatal(err)
		}
		defer c.it.Close()
		page, err := store.List(c, store.ListRequest{Delimiter: "/", Max: 1000})
		if err != nil || len(page.CommonPrefixes) != dirs {
			t.Fatalf("%d common prefixes, %v", len(page.CommonPrefixes), err)
		}
		return costOf(c.it.Stats()).seeks
	}
	if n := seeks(); n != dirs+1 {
		t.Errorf("%d seeks", n)
	}
	for i := range dirs {
		if err := put(d, fmt.Sprintf("dir-%03d/5", i), nil); err != nil {
			t.Fatal(err)
		}
		if err := put(d, fmt.Sprintf("dir-%03d/new", i), nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := seeks(); n != 1 {
		t.Errorf("%d seeks", n)
	}
	// The first key of a common prefix, whose gap also is the last of the next.
	if err := remove(d, "dir-050/0"); err != nil {
		t.Fatal(err)
	}
	if n := seeks(); n != 2 {
		t.Errorf("%d seeks", n)
	}
}
