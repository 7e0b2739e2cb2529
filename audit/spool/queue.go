package spool

import (
	"encoding/binary"
	"sync"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit"
)

// chunkBytes is about how much one piece of the queue holds.
const chunkBytes = 64 << 10

// spareChunks are kept when they are empty, some 2 MiB.
const spareChunks = 32

// lengthBytes is how many bytes before an event in a chunk say how long it is.
const lengthBytes = 4

// A chunk is a piece of the queue: events in their stored form, not yet
// cleaned, each with its length before it. So the events hold on to nothing of
// their requests, and the garbage collector has nothing to look at.
type chunk struct{ data []byte }

// full reports whether no usual event has room any more. One that is larger
// makes its chunk larger.
func (c *chunk) full() bool { return len(c.data) > chunkBytes-usualRecord*2 }

// add adds an event and returns its size.
func (c *chunk) add(e *daypass.Event) int64 {
	from := len(c.data)
	c.data = audit.AppendEvent(append(c.data, make([]byte, lengthBytes)...), e)
	size := len(c.data) - from
	binary.LittleEndian.PutUint32(c.data[from:], uint32(size-lengthBytes))
	return int64(size)
}

// events calls do with each event, which is valid until it returns.
func (c *chunk) events(do func(stored string)) {
	for rest := c.data; len(rest) > 0; {
		end := lengthBytes + int(binary.LittleEndian.Uint32(rest))
		do(view(rest[lengthBytes:end]))
		rest = rest[end:]
	}
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
	size := q.last().add(e)
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
	if n := len(q.chunks); n > 0 && !q.chunks[n-1].full() {
		return q.chunks[n-1]
	}
	var c *chunk
	if n := len(q.free); n > 0 {
		c, q.free = q.free[n-1], q.free[:n-1]
	} else {
		c = &chunk{data: make([]byte, 0, chunkBytes)}
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
		q.waiting -= int64(len(c.data))
	}
	if len(q.chunks) == 0 {
		q.chunks = nil
		g, q.dropped = q.dropped, Gap{}
	}
	return c, g
}

// release gives back the memory of a chunk.
func (q *queue) release(c *chunk) {
	bytes := int64(len(c.data))
	c.data = c.data[:0]
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= bytes
	if len(q.free) < spareChunks && cap(c.data) == chunkBytes {
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
