package spool

import (
	"sync"
	"unsafe"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit"
)

// chunkEvents are the events of one piece of the queue, some 100 KiB.
const chunkEvents = 128

// spareChunks are kept when they are empty, some 3 MiB.
const spareChunks = 32

// eventBytes is what an event takes besides its texts.
const eventBytes = int64(unsafe.Sizeof(daypass.Event{}))

// A chunk is a piece of the queue.
type chunk struct {
	events [chunkEvents]daypass.Event
	n      int
	bytes  int64
}

// A queue holds events until they are written. Its memory, with that of
// events being written, is at most most bytes and a chunk.
type queue struct {
	wake chan struct{} // it is not empty
	full chan struct{} // there is a batch in it

	mu      sync.Mutex
	chunks  []*chunk
	free    []*chunk // spare ones, so that a steady load allocates nothing
	bytes   int64    // also of those taken and not yet released
	waiting int64    // of those not yet taken
	batch   int64    // bytes that are worth writing at once
	most    int64
	dropped Gap
	closed  bool
	stats   queueStats
}

type queueStats struct{ appended, dropped uint64 }

func newQueue(most, batch int64) *queue {
	return &queue{wake: make(chan struct{}, 1), full: make(chan struct{}, 1), most: most, batch: batch}
}

// append copies an event into the queue, or counts it where that is full.
func (q *queue) append(e *daypass.Event) {
	q.mu.Lock()
	if q.closed || q.bytes >= q.most {
		q.dropped.add(e.Time)
		q.stats.dropped++
		q.mu.Unlock()
		signal(q.wake)
		return
	}
	c := q.last()
	slot := &c.events[c.n]
	*slot = *e
	size := eventBytes + int64(audit.Bound(slot))
	c.n++
	c.bytes += size
	first := q.waiting == 0
	q.bytes += size
	q.waiting += size
	q.stats.appended++
	full := q.waiting >= q.batch && q.waiting-size < q.batch
	q.mu.Unlock()
	if first {
		signal(q.wake)
	}
	if full {
		signal(q.full)
	}
}

// last returns the chunk with room for one more.
func (q *queue) last() *chunk {
	if n := len(q.chunks); n > 0 && q.chunks[n-1].n < chunkEvents {
		return q.chunks[n-1]
	}
	var c *chunk
	if n := len(q.free); n > 0 {
		c, q.free = q.free[n-1], q.free[:n-1]
	} else {
		c = new(chunk)
	}
	q.chunks = append(q.chunks, c)
	return c
}

// take returns the oldest events, and the gap behind the last of them. Both
// count as memory until they are released.
func (q *queue) take() (c *chunk, g Gap) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.chunks) > 0 {
		c = q.chunks[0]
		q.chunks[0] = nil
		q.chunks = q.chunks[1:]
		q.waiting -= c.bytes
	}
	if len(q.chunks) == 0 {
		q.chunks = nil
		g, q.dropped = q.dropped, Gap{}
	}
	return c, g
}

// release gives back the memory of a chunk.
func (q *queue) release(c *chunk) {
	bytes := c.bytes
	clear(c.events[:c.n])
	c.n, c.bytes = 0, 0
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= bytes
	if len(q.free) < spareChunks {
		q.free = append(q.free, c)
	}
}

// pieces returns how many chunks are there to be taken, at least one where
// there is a gap.
func (q *queue) pieces() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.chunks) == 0 && q.dropped.Events > 0 {
		return 1
	}
	return len(q.chunks)
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

// signal sends unless a signal is there already.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
