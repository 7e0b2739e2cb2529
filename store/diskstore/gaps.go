package diskstore

import (
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// A gapCache keeps what listings have found out by seeking past a common
// prefix: that a bucket has no key from here on until there. A seek reads a
// block of each level of a large index; what it finds hardly ever changes, as a
// write touches it only if its key lies between two common prefixes, or is the
// first of one and goes away. So the next listing of the same page is answered
// from memory, whatever the size of the bucket.
//
// A gap that is found was true when the listing began. Every commit tells the
// cache which keys it sets and deletes before it begins, and when it has ended.
// Gaps that it makes untrue are removed at once. Each listing under way, a
// gapWalk, is told too: it knows what was under way when it began, and what has
// begun since; what that could have changed it neither takes from the cache nor
// puts there. Until the first listing with a delimiter, the cache only counts
// the commits under way.
type gapCache struct {
	mu    sync.Mutex
	limit int64 // bytes; without one, nothing is kept
	used  int64
	gaps  map[uint64]*bucketGaps

	watched  bool       // somebody has listed
	unknown  int        // commits under way that began before that
	underWay []*changes // all others
	walks    []*gapWalk
}

// bucketGaps are those of one bucket, in order. None touches another.
type bucketGaps struct{ gaps []gap }

// A gap says that to is the first key of a bucket at or after from.
type gap struct{ from, to string }

// A change sets or deletes the current version of a key.
type change struct {
	bucket  uint64
	key     string
	deleted bool
}

// changes are those of one commit; nil ones are not known.
type changes struct{ list []change }

const (
	// walkChanges bounds how many changes a walk remembers. With more it goes
	// on without the cache.
	walkChanges = 4096
	// gapBytes is what a gap takes besides its keys.
	gapBytes = 64
)

func newGapCache(limit int64) *gapCache {
	return &gapCache{limit: max(limit, 0), gaps: make(map[uint64]*bucketGaps)}
}

// untrue says whether a change makes a gap untrue.
func (c *change) untrue(g gap) bool {
	if c.deleted {
		return c.key == g.to
	}
	return g.from <= c.key && c.key < g.to
}

// begin must be called before a batch is committed, and end, with what it has
// returned, after that.
func (c *gapCache) begin(b *pebble.Batch) (*changes, error) {
	if c.unwatched() {
		return nil, nil
	}
	all := new(changes)
	for r := b.Reader(); ; {
		kind, key, _, ok, err := r.Next()
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		if key[0] == spaceObject {
			bucket, name, err := parseObjectKey(key)
			if err != nil {
				return nil, err
			}
			all.list = append(all.list, change{bucket, name, kind == pebble.InternalKeyKindDelete})
		}
	}
	c.announce(all)
	return all, nil
}

// unwatched says whether nobody has listed yet, and counts a commit if so.
func (c *gapCache) unwatched() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.watched {
		c.unknown++
	}
	return !c.watched
}

// announce tells of changes whose commit is about to begin.
func (c *gapCache) announce(all *changes) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.underWay = append(c.underWay, all)
	for i := range all.list {
		c.tell(&all.list[i])
	}
}

// end ends what begin began.
func (c *gapCache) end(all *changes) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if all == nil {
		c.unknown--
		return
	}
	i := slices.Index(c.underWay, all)
	c.underWay = slices.Delete(c.underWay, i, i+1)
}

// tell removes what a change makes untrue.
func (c *gapCache) tell(ch *change) {
	for _, w := range c.walks {
		w.tell(ch)
	}
	b := c.gaps[ch.bucket]
	if b == nil {
		return
	}
	if i := b.at(ch.key); i < len(b.gaps) && ch.untrue(b.gaps[i]) {
		c.used -= b.gaps[i].size()
		b.gaps = slices.Delete(b.gaps, i, i+1)
	}
}

// at returns where the first gap is that ends at key or after it.
func (b *bucketGaps) at(key string) int {
	return sort.Search(len(b.gaps), func(i int) bool { return b.gaps[i].to >= key })
}

func (g gap) size() int64 { return int64(len(g.from)+len(g.to)) + gapBytes }

// A gapWalk is what one listing knows. It is used by one goroutine.
type gapWalk struct {
	cache  *gapCache
	bucket uint64
	// told are the keys, in order, that the index may or may not have changed
	// before the walk began. It is guarded by the cache's lock.
	told  []string
	blind bool // told is not all
	// seen are the gaps that the walk has found, in order, with those that the
	// cache has had already.
	seen  []gap
	fresh bool // some of them it has not
}

// walk begins a listing of a bucket, before its iterator is made; nil says that
// there is nothing to gain. It must be ended.
func (c *gapCache) walk(bucket uint64) *gapWalk {
	if c.limit == 0 {
		return nil
	}
	w := &gapWalk{cache: c, bucket: bucket}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watched = true
	w.blind = c.unknown > 0
	for _, all := range c.underWay {
		for i := range all.list {
			w.tell(&all.list[i])
		}
	}
	c.walks = append(c.walks, w)
	return w
}

// tell notes a change.
func (w *gapWalk) tell(ch *change) {
	if w.blind || ch.bucket != w.bucket {
		return
	}
	if len(w.told) == walkChanges {
		w.blind, w.told = true, nil
		return
	}
	i, _ := slices.BinarySearch(w.told, ch.key)
	w.told = slices.Insert(w.told, i, ch.key)
}

// certain says that a gap that is true now was true when the walk began, and the
// other way round: no change can have made it either.
func (w *gapWalk) certain(g gap) bool {
	if w.blind {
		return false
	}
	i, _ := slices.BinarySearch(w.told, g.from)
	return i == len(w.told) || w.told[i] > g.to
}

// find returns the first key at or after from, if it is known.
func (w *gapWalk) find(from string) (to string, ok bool) {
	c := w.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.gaps[w.bucket]
	if b == nil {
		return "", false
	}
	i := b.at(from)
	if i == len(b.gaps) || b.gaps[i].from > from || !w.certain(b.gaps[i]) {
		return "", false
	}
	w.see(b.gaps[i])
	return b.gaps[i].to, true
}

// found notes the first key at or after from.
func (w *gapWalk) found(from, to string) {
	// Either may be cut from something larger.
	w.see(gap{strings.Clone(from), strings.Clone(to)})
	w.fresh = true
}

// see notes a gap behind the others. A listing never goes back, but may find
// the same key twice.
func (w *gapWalk) see(g gap) {
	if n := len(w.seen); n == 0 || w.seen[n-1].to < g.from {
		w.seen = append(w.seen, g)
	}
}

// end ends the walk and keeps what it has found.
func (w *gapWalk) end() {
	c := w.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.walks, w)
	c.walks = slices.Delete(c.walks, i, i+1)
	if w.blind || !w.fresh {
		return
	}
	c.add(w.bucket, slices.DeleteFunc(w.seen, func(g gap) bool { return !w.certain(g) }))
}

// add puts gaps that are true, in order, among those of a bucket.
func (c *gapCache) add(bucket uint64, fresh []gap) {
	if len(fresh) == 0 {
		return
	}
	b := c.gaps[bucket]
	if b == nil {
		b = new(bucketGaps)
		c.gaps[bucket] = b
	}
	first, last := b.at(fresh[0].from), b.at(fresh[len(fresh)-1].to)
	if last < len(b.gaps) && b.gaps[last].from <= fresh[len(fresh)-1].to {
		last++
	}
	old := b.gaps[first:last]
	c.used += bytesOf(fresh) - bytesOf(old)
	merged := merge(old, fresh)
	c.used += bytesOf(merged) - bytesOf(fresh)
	b.gaps = slices.Replace(b.gaps, first, last, merged...)
	if c.used > c.limit {
		c.shrink(bucket, fresh)
	}
}

// shrink leaves nothing but the given gaps of a bucket, if there is room for
// them.
func (c *gapCache) shrink(bucket uint64, gaps []gap) {
	clear(c.gaps)
	c.used = 0
	if n := bytesOf(gaps); n <= c.limit {
		c.gaps[bucket] = &bucketGaps{gaps: slices.Clone(gaps)}
		c.used = n
	}
}

func bytesOf(gaps []gap) (n int64) {
	for _, g := range gaps {
		n += g.size()
	}
	return n
}

// merge returns the gaps of two lists in order. Those that touch are about the
// same key, as both are true, and become one.
func merge(old, fresh []gap) []gap {
	merged := make([]gap, 0, len(old)+len(fresh))
	for _, g := range fresh {
		for len(old) > 0 && old[0].to < g.from {
			merged, old = append(merged, old[0]), old[1:]
		}
		for len(old) > 0 && old[0].from <= g.to {
			if old[0].to == g.to {
				g.from = min(g.from, old[0].from)
			}
			old = old[1:]
		}
		merged = append(merged, g)
	}
	return append(merged, old...)
}
