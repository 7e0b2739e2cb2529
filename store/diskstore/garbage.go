package diskstore

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

const (
	// garbageBatch is how many files are removed between two directory syncs.
	garbageBatch = 512
	// garbageQueue is how many ids wait in memory. More are found in the
	// index once these are done.
	garbageQueue = 1 << 16
)

// A collector removes, in the background, the files that commits have set
// free. Each has a garbage record, written by the same commit, until its
// removal is durable; so nothing is forgotten in a crash.
type collector struct {
	d     *Driver
	wake  chan struct{} // capacity 1: there is something to do
	quit  chan struct{}
	ended chan struct{}

	mu      sync.Mutex
	queue   []uint64
	dropped bool // the index holds garbage that the queue does not
}

func newCollector(d *Driver) *collector {
	return &collector{
		d:     d,
		wake:  make(chan struct{}, 1),
		quit:  make(chan struct{}),
		ended: make(chan struct{}),
	}
}

// add hands over the files of a record that a durable commit has removed.
func (c *collector) add(old *objectRecord) {
	if old == nil || len(old.parts) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range old.parts {
		switch {
		case !p.file:
		case len(c.queue) < garbageQueue:
			c.queue = append(c.queue, p.blob)
		default:
			c.dropped = true
		}
	}
	if len(c.queue) > 0 {
		c.poke()
	}
}

func (c *collector) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// next takes up to garbageBatch ids from the queue.
func (c *collector) next() (ids []uint64, dropped bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(len(c.queue), garbageBatch)
	ids, c.queue = c.queue[:n:n], c.queue[n:]
	if n == 0 {
		c.queue = nil
		dropped, c.dropped = c.dropped, false
	}
	return ids, dropped
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
		ids, dropped := c.next()
		if dropped {
			if err := c.load(); err != nil {
				return err
			}
			continue
		}
		if len(ids) == 0 {
			return nil
		}
		if err := c.remove(ids); err != nil {
			return err
		}
		select {
		case <-c.quit:
			return nil
		default:
		}
	}
}

// remove removes files and then their garbage records. The records' removal
// needs no sync: if it is lost, the files are removed again, in vain.
func (c *collector) remove(ids []uint64) error {
	d := c.d
	low := d.ids.low() / idsPerDir
	if err := d.blobs.remove(ids); err != nil {
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
	if err := d.fuse.blown(); err != nil {
		return err
	}
	return batch.Commit(pebble.NoSync)
}

// load fills the queue from the index.
func (c *collector) load() (err error) {
	d := c.d
	it, err := d.db.NewIter(&pebble.IterOptions{
		LowerBound: []byte{spaceGarbage},
		UpperBound: []byte{spaceGarbage + 1},
	})
	if err != nil {
		return err
	}
	defer closeInto(&err, it)
	// What the iterator sees may not be durable yet, and only what is may be
	// acted on. The log is written in order, so this makes it all durable.
	if err := d.db.LogData(nil, pebble.Sync); err != nil {
		return err
	}
	if err := d.fuse.blown(); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for ok := it.First(); ok; ok = it.Next() {
		if len(c.queue) >= garbageQueue {
			c.dropped = true
			break
		}
		id, err := parseIDKey(it.Key())
		if err != nil {
			return err
		}
		c.queue = append(c.queue, id)
	}
	if len(c.queue) > 0 {
		c.poke()
	}
	return nil
}

// stop ends the work. What is left is done after the next Open.
func (c *collector) stop() {
	close(c.quit)
	<-c.ended
}
