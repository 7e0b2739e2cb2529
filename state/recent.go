package state

import (
	"strings"
	"sync"
	"time"
)

// A recent remembers values for a short time. It holds a fixed number at
// most; past it, it starts afresh.
type recent[V any] struct {
	max int
	age time.Duration

	mu      sync.RWMutex
	entries map[string]remembered[V]
	drops   uint64
}

type remembered[V any] struct {
	value V
	since time.Time
}

func newRecent[V any](max int, age time.Duration) *recent[V] { return &recent[V]{max: max, age: age} }

func (c *recent[V]) get(id string, now time.Time) (v V, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	e, ok := c.entries[id]
	if age := now.Sub(e.since); !ok || age < 0 || age >= c.age {
		return v, false
	}
	return e.value, true
}

// mark returns a mark to take before a value is read from the driver and to
// give to put, which does nothing when there was a drop in between.
func (c *recent[V]) mark() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.drops
}

func (c *recent[V]) put(id string, v V, now time.Time, mark uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.drops != mark {
		return
	}
	if c.entries == nil || len(c.entries) >= c.max {
		c.entries = make(map[string]remembered[V])
	}
	c.entries[id] = remembered[V]{v, now}
}

// dropPass forgets all values of a pass, whose ids begin with its id.
func (c *recent[V]) dropPass(pass string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drops++
	for id := range c.entries {
		if strings.HasPrefix(id, pass+"/") {
			delete(c.entries, id)
		}
	}
}
