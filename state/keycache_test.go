package state

import (
	"fmt"
	"testing"
	"time"

	"github.com/daypass/daypass"
)

func TestKeyCacheIsBounded(t *testing.T) {
	c := newKeyCache()
	now := time.Unix(0, 0)
	const n = 3 * cacheSets * cacheWays
	for i := range n {
		c.put(daypass.AccessKey{ID: fmt.Sprint("key-", i)}, now, c.mark())
	}
	kept := 0
	for i := range n {
		if k := c.get(fmt.Sprint("key-", i)); k != nil {
			kept++
		}
	}
	if kept > cacheSets*cacheWays || kept < cacheSets*cacheWays*9/10 {
		t.Errorf("%d of %d keys kept in %d places", kept, n, cacheSets*cacheWays)
	}
}

// A full set gives up the key that was read longest ago.
func TestKeyCacheEvictsOldest(t *testing.T) {
	c := newKeyCache()
	ids := sameSet(c, cacheWays+1)
	at := func(i int) time.Time { return time.Unix(0, int64(i)) }
	for i, id := range ids[:cacheWays] {
		c.put(daypass.AccessKey{ID: id}, at(i), c.mark())
	}
	c.put(daypass.AccessKey{ID: ids[0], Name: "again"}, at(cacheWays), c.mark())
	c.put(daypass.AccessKey{ID: ids[cacheWays]}, at(cacheWays+1), c.mark())
	for i, id := range ids {
		if got, want := c.get(id) != nil, i != 1; got != want {
			t.Errorf("key %d kept: %v, want %v", i, got, want)
		}
	}
	if k := c.get(ids[0]); k == nil || k.key.Name != "again" {
		t.Errorf("key 0 is %v, not its newer self", k)
	}
}

// A key takes its own place again, not one that became free before it.
func TestKeyCacheHoldsKeyOnce(t *testing.T) {
	c := newKeyCache()
	ids := sameSet(c, 2)
	now := time.Unix(0, 0)
	for _, id := range ids {
		c.put(daypass.AccessKey{ID: id}, now, c.mark())
	}
	c.drop(ids[0])
	c.put(daypass.AccessKey{ID: ids[1]}, now, c.mark())
	held := 0
	for i := range c.set(ids[1]) {
		if c.set(ids[1])[i].Load() != nil {
			held++
		}
	}
	if held != 1 {
		t.Errorf("%d places hold one key", held)
	}
}

// sameSet returns n ids of one set.
func sameSet(c *keyCache, n int) []string {
	ids := []string{"first"}
	for i := 0; len(ids) < n; i++ {
		if id := fmt.Sprint("key-", i); c.set(id) == c.set(ids[0]) {
			ids = append(ids, id)
		}
	}
	return ids
}

func TestKeyCacheDropAndClear(t *testing.T) {
	c := newKeyCache()
	now := time.Unix(0, 0)
	fill := func() {
		for _, id := range []string{"one", "two"} {
			c.put(daypass.AccessKey{ID: id}, now, c.mark())
		}
	}
	fill()
	c.drop("one")
	if c.get("one") != nil || c.get("two") == nil {
		t.Error("drop forgot the wrong keys")
	}
	fill()
	stale := c.mark()
	c.clear()
	c.put(daypass.AccessKey{ID: "one"}, now, stale)
	if c.get("one") != nil || c.get("two") != nil {
		t.Error("a key survived clear")
	}
}

// What was read before keys have changed says nothing of them.
func TestKeyCacheAbsent(t *testing.T) {
	c := newKeyCache()
	now := time.Unix(1, 0)
	for what, change := range map[string]func(){
		"drop":    func() { c.drop("another") },
		"clear":   c.clear,
		"suspect": func() { c.suspect(now) },
	} {
		stale := c.mark()
		c.putAbsent("one", now, stale)
		if since, ok := c.lacks("one"); !ok || !since.Equal(now) {
			t.Errorf("%s: absent since %v, %v", what, since, ok)
		}
		if _, ok := c.lacks("two"); ok {
			t.Errorf("%s: an id was never asked for", what)
		}
		change()
		if _, ok := c.lacks("one"); ok {
			t.Errorf("%s changed nothing", what)
		}
		c.putAbsent("one", now, stale)
		if _, ok := c.lacks("one"); ok {
			t.Errorf("%s: what was read before it counts", what)
		}
	}
}
