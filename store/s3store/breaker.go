package s3store

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// tripAfter is how many failures in a row open a breaker.
	tripAfter = 3
	// firstOpen is how long it stays open then; each failure of the request
	// that is let through afterwards doubles that, up to maxOpen.
	firstOpen = time.Second
	maxOpen   = 10 * time.Second
)

// A breaker keeps requests away from an endpoint that fails, so that they are
// answered at once instead of waiting for a deadline each, and lets one through
// from time to time to see whether it answers again.
type breaker struct {
	now     func() time.Time
	changed func(open bool, wait time.Duration) // called when it opens and closes

	total    atomic.Int64 // failures ever
	mu       sync.Mutex
	failures int           // in a row
	wait     time.Duration // 0: closed
	until    time.Time     // open until then
	probing  bool          // the one request after until is under way
}

// closed reports whether requests pass.
func (b *breaker) closed() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.wait == 0
}

// admit reports whether a request may go to the endpoint, whether it is the one
// that finds out whether that answers again (only if mayProbe), and if not, how
// long until there is a chance. What is admitted ends with succeed, fail or
// release.
func (b *breaker) admit(mayProbe bool) (admitted, probe bool, left time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.wait == 0 {
		return true, false, 0
	}
	left = b.until.Sub(b.now())
	if left > 0 || b.probing || !mayProbe {
		return false, false, max(left, 0)
	}
	b.probing = true
	return true, true, 0
}

// succeed closes the breaker.
func (b *breaker) succeed() {
	b.mu.Lock()
	opened := b.wait != 0
	b.failures, b.wait, b.probing = 0, 0, false
	b.mu.Unlock()
	if opened {
		b.changed(false, 0)
	}
}

// fail counts a failure and opens the breaker after some.
func (b *breaker) fail() {
	b.total.Add(1)
	b.mu.Lock()
	b.failures++
	opened := false
	switch {
	case b.wait == 0 && b.failures >= tripAfter:
		b.wait, opened = firstOpen, true
	case b.wait != 0 && b.probing:
		b.wait = min(2*b.wait, maxOpen)
	}
	b.probing = false
	b.until = b.now().Add(b.wait)
	wait := b.wait
	b.mu.Unlock()
	if opened {
		b.changed(true, wait)
	}
}

// release ends a request that tells nothing of the endpoint.
func (b *breaker) release() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
}
