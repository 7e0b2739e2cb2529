package s3store

import (
	"net/http"
	"sync"
	"time"
)

const (
	// maxSkew is by how much the clocks of node and upstream may differ for
	// URLs that live a few seconds. The Date header tells whole seconds, so what
	// counts as less may be half a second more.
	maxSkew = 1500 * time.Millisecond
	// clockFresh is how long a comparison of the clocks counts.
	clockFresh = time.Minute
	// clockLatency is how long an answer may take that tells the time.
	clockLatency = time.Second
)

// A clock is the upstream's, as seen in the Date headers of its answers (RFC
// 9110, section 6.6.1).
type clock struct {
	mu     sync.Mutex
	seen   time.Time // zero: never
	offset time.Duration
}

// observe notes the Date of an answer to a request that began and ended then.
func (c *clock) observe(date string, begun, ended time.Time) {
	told, err := http.ParseTime(date)
	if err != nil || ended.Sub(begun) > clockLatency {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	// In the middle, it was half a second past the whole one that is told.
	c.seen, c.offset = ended, told.Add(time.Second/2).Sub(begun.Add(ended.Sub(begun)/2))
}

// agrees reports whether the clock goes with the node's, and whether that is
// known at all.
func (c *clock) agrees(now time.Time) (agrees, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	age := now.Sub(c.seen)
	if c.seen.IsZero() || age > clockFresh || age < 0 {
		return false, false
	}
	return c.offset.Abs() <= maxSkew, true
}
