package state

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/daypass/daypass"
)

const (
	// The cache holds at most cacheSets × cacheWays keys.
	cacheSets = 1 << 10
	cacheWays = 4
	// absentIDs is how many ids are remembered at most that no key has.
	absentIDs = 1 << 9
)

// A keyCache keeps access keys with their secrets opened. A look-up takes no
// lock and allocates nothing: the id's hash selects a set, and the set has
// few places. Its size is fixed, and only keys that exist enter it, so that
// requests with invented ids neither grow nor empty it. Those have places of
// their own.
type keyCache struct {
	seed   maphash.Seed
	sets   [cacheSets][cacheWays]atomic.Pointer[cachedKey]
	absent [absentIDs]atomic.Pointer[absentID]
	// drops counts changes to keys; see mark.
	drops atomic.Uint64
	mu    sync.Mutex // held while sets or drops change
}

type cachedKey struct {
	key    daypass.AccessKey
	loaded time.Time
	// suspect is when the key was last known to be what state has, where keys
	// were changed since; else zero.
	suspect time.Time
}

// An absentID is an id that no key had. Any change of any key, or the suspicion
// of one, ends that.
type absentID struct {
	id     string
	loaded time.Time
	mark   uint64
}

func newKeyCache() *keyCache { return &keyCache{seed: maphash.MakeSeed()} }

func (c *keyCache) set(id string) *[cacheWays]atomic.Pointer[cachedKey] {
	return &c.sets[maphash.String(c.seed, id)%cacheSets]
}

// get returns the key with the given id, nil when it is not there.
func (c *keyCache) get(id string) *cachedKey {
	set := c.set(id)
	for i := range set {
		if e := set[i].Load(); e != nil && e.key.ID == id {
			return e
		}
	}
	return nil
}

// mark returns a mark to take before a key is read from the driver and to
// give to put. A change in between makes put do nothing, since the key that
// was read may be the one from before the change.
func (c *keyCache) mark() uint64 { return c.drops.Load() }

// put adds a key that was read from the driver after mark was taken, in the
// place of its older self, of nothing, or of the key read longest ago.
func (c *keyCache) put(k daypass.AccessKey, now time.Time, mark uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.drops.Load() != mark {
		return
	}
	set := c.set(k.ID)
	place := &set[0]
	for i := range set {
		e := set[i].Load()
		if e != nil && e.key.ID == k.ID {
			place = &set[i]
			break
		}
		if older(e, place.Load()) {
			place = &set[i]
		}
	}
	place.Store(&cachedKey{key: k, loaded: now})
}

// lacks returns since when it is known that no key has the given id; there says
// whether it is.
func (c *keyCache) lacks(id string) (since time.Time, there bool) {
	e := c.place(id).Load()
	if e == nil || e.id != id || e.mark != c.drops.Load() {
		return time.Time{}, false
	}
	return e.loaded, true
}

// putAbsent notes that the driver, asked after mark was taken, had no key with
// the given id. It takes the place of whatever is there.
func (c *keyCache) putAbsent(id string, now time.Time, mark uint64) {
	// The caller's may be cut from a request, all of which it would keep.
	c.place(id).Store(&absentID{strings.Clone(id), now, mark})
}

func (c *keyCache) place(id string) *atomic.Pointer[absentID] {
	return &c.absent[maphash.String(c.seed, id)%absentIDs]
}

// older reports whether a was read before b; nothing is older than any key.
func older(a, b *cachedKey) bool {
	return b != nil && (a == nil || a.loaded.Before(b.loaded))
}

// drop forgets the key with the given id. It is called after every attempt to
// change the key, failed ones included: those may have taken effect.
func (c *keyCache) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drops.Add(1)
	set := c.set(id)
	for i := range set {
		if e := set[i].Load(); e != nil && e.key.ID == id {
			set[i].Store(nil)
		}
	}
}

// suspect notes that keys have changed since they were last known to be what
// state has.
func (c *keyCache) suspect(last time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drops.Add(1)
	for i := range c.sets {
		for j := range c.sets[i] {
			if e := c.sets[i][j].Load(); e != nil && e.suspect.IsZero() {
				c.sets[i][j].Store(&cachedKey{e.key, e.loaded, last})
			}
		}
	}
}

// clear forgets all keys.
func (c *keyCache) clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drops.Add(1)
	for i := range c.sets {
		for j := range c.sets[i] {
			c.sets[i][j].Store(nil)
		}
	}
}
