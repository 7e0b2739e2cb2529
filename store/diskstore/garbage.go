package diskstore

import (
	"errors"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

var errQueueFull = errors.New("the queue is full")

const (
	// garbageBatch is how many files are removed between two directory syncs.
	garbageBatch = 512
	// garbageQueue is how many ids wait in memory. More are found in the
	// index once these are done.
	garbageQueue = 1 << 16
)

// A collector removes, in the background, the files that commits have set
// free, and takes apart the manifests and uploads that they have dropped. Each
// has a record, written by the same commit, until that is durably done; so
// nothing is forgotten in a crash.
type collector struct {
	d     *Driver
	wake  chan struct{} // capacity 1: there is something to do
	quit  chan struct{}
	ended chan struct{}

	mu    sync.Mutex
	queue freed
	more  bool // the index holds garbage that the queue does not
}

func newCollector(d *Driver) *collector {
	return &collector{
		d:     d,
		wake:  make(chan struct{}, 1),
		quit:  make(chan struct{}),
		ended: make(chan struct{}),
	}
}

// add hands over what a durable commit has freed.
func (c *collector) add(f freed) {
	if len(f.files)+len(f.dropped) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.queue.files)+len(c.queue.dropped) >= garbageQueue {
		c.more = true
	} else {
		c.queue.files = append(c.queue.files, f.files...)
		c.queue.dropped = append(c.queue.dropped, f.dropped...)
	}
	c.poke()
}

func (c *collector) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// next takes some of the queue. When it is empty, more tells whether the index
// holds what the queue did not.
func (c *collector) next() (f freed, more bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	q := &c.queue
	n := min(len(q.files), garbageBatch)
	f.files, q.files = q.files[:n:n], q.files[n:]
	if n == 0 {
		n = min(len(q.dropped), 1)
		f.dropped, q.dropped = q.dropped[:n:n], q.dropped[n:]
	}
	if n == 0 {
		c.queue = freed{}
		more, c.more = c.more, false
	}
	return f, more
}

// run works until stop.
func (c *collector) run() {
	defer close(c.ended)
	for {
		select {
		case <-c.quit:
			return
		case <-c.wake:
		}
		if err := c.drain(); err != nil {
			// The records stay, so the next Open tries again.
			c.d.log.Error("removing blob files failed", "err", err)
		}
	}
}

// drain empties the queue, unless it is told to stop.
func (c *collector) drain() error {
	for {
		f, more := c.next()
		if more {
			if err := c.load(); err != nil {
				return err
			}
			continue
		}
		if len(f.files)+len(f.dropped) == 0 {
			return nil
		}
		if err := c.work(f); err != nil {
			return err
		}
		select {
		case <-c.quit:
			return nil
		default:
		}
	}
}

func (c *collector) work(f freed) error {
	if len(f.files) > 0 {
		return c.remove(f.files)
	}
	for _, id := range f.dropped {
		if err := c.d.dismantle(id); err != nil {
			return err
		}
	}
	return nil
}

// remove removes files and then their garbage records. The records' removal
// needs no sync: if it is lost, the files are removed again, in vain.
func (c *collector) remove(ids []uint64) error {
	d := c.d
	low := d.ids.low() / idsPerDir
	err := d.blobs.remove(ids)
	d.handles.forget(ids)
	if err != nil {
		return err
	}
	var old []uint64
	batch := d.db.NewBatch()
	defer batch.Close()
	for _, id := range ids {
		if id/idsPerDir < low {
			old = append(old, id)
		}
		if err := batch.Delete(idKey(spaceGarbage, id), nil); err != nil {
			return err
		}
	}
	d.blobs.removeEmptyDirs(old)
	return d.apply(batch, pebble.NoSync)
}

// load fills the queue from the index.
func (c *collector) load() error {
	d := c.d
	snapshot := d.db.NewSnapshot()
	defer snapshot.Close()
	// What the snapshot holds may not be durable yet, and only what is may be
	// acted on. The log is written in order, so this makes it all durable.
	if err := d.syncLog(); err != nil {
		return err
	}
	if err := d.fuse.blown(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.loadSpace(snapshot, spaceGarbage, &c.queue.files)
	if err == nil {
		err = c.loadSpace(snapshot, spaceDropped, &c.queue.dropped)
	}
	if len(c.queue.files)+len(c.queue.dropped) > 0 {
		c.poke()
	}
	return err
}

// loadSpace appends the ids in one space to a queue.
func (c *collector) loadSpace(r pebble.Reader, space byte, queue *[]uint64) error {
	bounds := &pebble.IterOptions{LowerBound: []byte{space}, UpperBound: []byte{space + 1}}
	err := eachKey(r, bounds, func(key []byte) error {
		if len(*queue) >= garbageQueue {
			c.more = true
			return errQueueFull
		}
		id, err := parseIDKey(key)
		*queue = append(*queue, id)
		return err
	})
	if err == errQueueFull {
		return nil
	}
	return err
}

// stop ends the work. What is left is done after the next Open.
func (c *collector) stop() {
	close(c.quit)
	<-c.ended
}
