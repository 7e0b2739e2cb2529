package state

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/daypass/daypass"
)

const (
	// keyMaxAge is how long a key that another process changed may still be
	// served as it was.
	keyMaxAge = time.Second

	// The cache holds at most cacheSets × cacheWays keys.
	cacheSets = 1 << 10
	cacheWays = 4
)

// A keyCache keeps access keys with their secrets opened. A look-up takes no
// lock and allocates nothing: the id's hash selects a set, and the set has
// few places. Its size is fixed, and only keys that exist enter it, so that
// requests with invented ids neither grow nor empty it.
type keyCache struct {
	seed maphash.Seed
	sets [cacheSets][cacheWays]atomic.Pointer[cachedKey]
	// drops counts changes to keys; see mark.
	drops atomic.Uint64
	mu    sync.Mutex // held while sets or drops change
}

type cachedKey struct {
	key    daypass.AccessKey
	loaded time.Time
}

func newKeyCache() *keyCache { return &keyCache{seed: maphash.MakeSeed()} }

func (c *keyCache) set(id string) *[cacheWays]atomic.Pointer[cachedKey] {
	return &c.sets[maphash.String(c.seed, id)%cacheSets]
}

// get returns the key with the given id, nil when it is not there or too old.
func (c *keyCache) get(id string, now time.Time) *daypass.AccessKey {
	set := c.set(id)
	for i := range set {
		e := set[i].Load()
		if e != nil && e.key.ID == id && now.Sub(e.loaded) < keyMaxAge {
			return &e.key
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
	place.Store(&cachedKey{k, now})
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
