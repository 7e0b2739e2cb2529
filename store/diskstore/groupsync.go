package diskstore

import (
	"errors"
	"runtime"
	"sync"
)

// A groupSync lets those who have written to the index's log at about the same
// time share one sync of it. One sync is under way at a time; who comes
// meanwhile is of the next one. Pebble does so, too, but begins a sync with the
// first who asks, while others are about to.
type groupSync struct {
	mu   sync.Mutex
	next *syncRound // those who wait for the sync that is to begin; nil: nobody
	last *syncRound // the sync that has begun last; nil: none yet
}

// A syncRound is one sync and those who wait for it.
type syncRound struct {
	waiting int
	done    chan struct{} // closed when it has come back
	err     error
}

// gatherTurns bounds for how many turns of the scheduler a sync is held while
// others still come.
const gatherTurns = 8

// sync calls do, or lets another call do so, once after it was called, and
// returns what do returned.
func (g *groupSync) sync(do func() error) error {
	r, first := g.join()
	if !first {
		<-r.done
		return r.err
	}
	g.begin(r)
	defer close(r.done)
	r.err = errSyncPanicked // until do returns
	r.err = do()
	return r.err
}

// errSyncPanicked is what those get who share a sync that panicked.
var errSyncPanicked = errors.New("the sync of the index's log has panicked")

// join takes part in the next round. The first one makes it.
func (g *groupSync) join() (r *syncRound, first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.next == nil {
		g.next, first = &syncRound{done: make(chan struct{})}, true
	}
	g.next.waiting++
	return g.next, first
}

// begin waits for the round before, lets those who can run now join and then
// takes in no more.
func (g *groupSync) begin(r *syncRound) {
	g.mu.Lock()
	before := g.last
	g.mu.Unlock()
	if before != nil {
		<-before.done
	}
	for turn, waiting := 0, 0; turn < gatherTurns; turn++ {
		runtime.Gosched()
		g.mu.Lock()
		came := r.waiting != waiting
		waiting = r.waiting
		g.mu.Unlock()
		if !came {
			break
		}
	}
	g.mu.Lock()
	g.next, g.last = nil, r
	g.mu.Unlock()
}
