package bench

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A pace says when operations begin: in closed loop as soon as a connection is
// free, in open loop at even intervals, whatever the server does.
type pace struct {
	start time.Time
	end   time.Time // zero where limit decides
	limit int64     // of operations; 0 for none
	rate  float64   // each second; 0 is closed loop
	sleep func(until time.Time)

	claimed atomic.Int64 // of closed loop

	// Of open loop: operations whose time has come, and those that a worker
	// took.
	mu              sync.Mutex
	some            *sync.Cond
	released, taken int64
	over            bool
}

func newPace(rate float64, start time.Time, d time.Duration, limit int64, sleep func(time.Time)) *pace {
	p := &pace{start: start, limit: limit, rate: rate, sleep: sleep}
	p.some = sync.NewCond(&p.mu)
	if limit <= 0 {
		p.end = start.Add(d)
	}
	return p
}

// intended is when operation i of an open loop is to begin.
func (p *pace) intended(i int64) time.Time {
	return p.start.Add(time.Duration(float64(i) / p.rate * float64(time.Second)))
}

// next waits until another operation may begin and returns from when its
// latency counts; false when there is none any more.
func (p *pace) next(now func() time.Time) (time.Time, bool) {
	if p.rate > 0 {
		return p.take()
	}
	t := now()
	if p.limit > 0 {
		return t, p.claimed.Add(1) <= p.limit
	}
	return t, t.Before(p.end)
}

// take takes the oldest operation whose time has come. At the end of the time
// those that nobody took are left to waiting; a number of operations is carried
// out to the last.
func (p *pace) take() (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.taken == p.released && !p.over {
		p.some.Wait()
	}
	if p.taken == p.released || p.over && p.limit <= 0 {
		return time.Time{}, false
	}
	p.taken++
	return p.intended(p.taken - 1), true
}

// release lets operations begin, each at its time, until there are no more.
func (p *pace) release(ctx context.Context) {
	defer func() {
		p.mu.Lock()
		p.over = true
		p.mu.Unlock()
		p.some.Broadcast()
	}()
	for i := int64(0); p.limit <= 0 || i < p.limit; i++ {
		at := p.intended(i)
		if p.limit <= 0 && !at.Before(p.end) {
			p.sleep(p.end)
			return
		}
		p.sleep(at)
		if ctx.Err() != nil {
			return
		}
		p.mu.Lock()
		p.released++
		p.mu.Unlock()
		p.some.Signal()
	}
}

// waiting returns how long each operation that was to begin, and for which no
// connection was free until the end, has waited: the least that its latency
// would have been.
func (p *pace) waiting(now time.Time) (waited []time.Duration) {
	for i := p.taken; i < p.released; i++ {
		waited = append(waited, now.Sub(p.intended(i)))
	}
	return waited
}

// share is how much of the phase has passed.
func (p *pace) share(now time.Time) float64 {
	if p.limit > 0 {
		return 0
	}
	return min(1, now.Sub(p.start).Seconds()/p.end.Sub(p.start).Seconds())
}
