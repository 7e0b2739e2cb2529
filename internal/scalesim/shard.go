package main

import "slices"

const (
	// maxBatch, enough and gatherTime are those of the writer of
	// state/sqlstate: how many changes a transaction holds at most, how many
	// do not wait for more, and how long fewer wait.
	maxBatch   = 512
	enough     = 64
	gatherTime = 500e-6
	// reconnectFor is how long a change waits for state that is away.
	reconnectFor = 1.0
	// roundTrips are those of one transaction: begin, lock, write, commit.
	roundTrips = 4
	// readers are the connections of a node that only read, of which
	// idleReaders stay open.
	readers, idleReaders = 8, 2
)

// A shard is one PostgreSQL database of state.
type shard struct {
	clock   *clock
	costs   *costs
	rtt     float64
	cpu     *station
	up      bool
	lost    float64      // when it went away
	rows    map[int]*row // hot ones
	flush   flusher
	writers []*writer

	changes, seen, transactions, reads, polls int
}

func newShard(c *clock, cfg *config) *shard {
	s := &shard{clock: c, costs: &cfg.Costs, rtt: cfg.RTT, up: true, rows: map[int]*row{},
		cpu: newStation(c, cfg.ShardCores, 1), flush: flusher{clock: c, takes: cfg.Costs.Sync}}
	return s
}

// A row is one that several transactions may want to change; one has it until
// it has committed.
type row struct {
	taken   bool
	waiting fifo[func()]
}

// lock calls then when the rows, which are sorted, are all taken.
func (s *shard) lock(rows []int, then func()) {
	if len(rows) == 0 {
		then()
		return
	}
	r := s.rows[rows[0]]
	if r == nil {
		r = new(row)
		s.rows[rows[0]] = r
	}
	next := func() { s.lock(rows[1:], then) }
	if r.taken {
		r.waiting.push(next)
		return
	}
	r.taken = true
	next()
}

func (s *shard) unlock(rows []int) {
	for _, id := range rows {
		r := s.rows[id]
		if next, ok := r.waiting.pop(); ok {
			next() // it stays taken
			continue
		}
		r.taken = false
	}
}

// read calls then with whether a look-up was answered.
func (s *shard) read(then func(ok bool)) {
	if !s.up {
		then(false)
		return
	}
	s.reads++
	s.clock.after(s.rtt/2, func() {
		s.cpu.do(s.costs.Read, func() { s.clock.after(s.rtt/2, func() { then(true) }) })
	})
}

// poll is the refresh of a node.
func (s *shard) poll() {
	if s.up {
		s.polls++
		s.cpu.do(s.costs.Poll, func() {})
	}
}

// fail takes the shard away; what is under way is tried again when it is back.
func (s *shard) fail() {
	s.up, s.lost = false, s.clock.now
	s.cpu.lose()
	s.flush.lose()
	s.rows = map[int]*row{}
	for _, w := range s.writers {
		w.lose()
	}
}

func (s *shard) recover() {
	s.up = true
	for _, w := range s.writers {
		w.start()
	}
}

// A flusher makes commits durable: those that come during one flush share the
// next.
type flusher struct {
	clock   *clock
	takes   float64
	busy    bool
	epoch   int
	waiting []func()
	flushes int
}

func (f *flusher) commit(then func()) {
	f.waiting = append(f.waiting, then)
	if !f.busy {
		f.next()
	}
}

func (f *flusher) next() {
	f.busy = true
	batch, epoch := f.waiting, f.epoch
	f.waiting = nil
	f.clock.after(f.takes, func() {
		if f.epoch != epoch {
			return
		}
		f.busy = false
		f.flushes++
		for _, then := range batch {
			then()
		}
		if len(f.waiting) > 0 && !f.busy {
			f.next()
		}
	})
}

func (f *flusher) lose() {
	f.epoch++
	f.busy, f.waiting = false, nil
}

// A change is one of an entry of the ledger.
type change struct {
	row  int // of a hot pass, from 1; 0: nobody else wants it
	seen int // statistics of so many passes, instead of an entry
	over bool
	then func(ok bool) // nil: nobody waits
}

// A writer is the one of a node for a shard: it commits batches.
type writer struct {
	shard     *shard
	cpu       *station // of the node
	queue     []*change
	batch     []*change // under way
	running   bool
	gathering bool
	computing bool
	last      int // changes of the latest batch
	epoch     int
}

// submit calls c.then when the change is durable, or cannot be made.
func (w *writer) submit(c *change) {
	w.queue = append(w.queue, c)
	if !w.shard.up {
		w.expire(c)
		return
	}
	if w.gathering && len(w.queue) >= enough {
		w.commit()
		return
	}
	w.start()
}

// start begins a batch, unless one is under way.
func (w *writer) start() {
	if w.running || len(w.queue) == 0 {
		return
	}
	w.running = true
	if w.last <= 1 || len(w.queue) >= enough {
		w.commit()
		return
	}
	w.gathering = true
	epoch := w.epoch
	w.shard.clock.after(gatherTime, func() {
		if w.epoch == epoch && w.gathering {
			w.commit()
		}
	})
}

// commit runs one transaction with what is queued.
func (w *writer) commit() {
	w.epoch++
	w.gathering = false
	n := min(len(w.queue), maxBatch)
	w.batch, w.queue = w.queue[:n:n], w.queue[n:]
	w.last = n
	var rows []int
	s, changes, seen := w.shard, 0, 0
	for _, c := range w.batch {
		if c.seen > 0 {
			seen += c.seen
		} else {
			changes++
		}
		if c.row > 0 {
			rows = append(rows, c.row)
		}
	}
	slices.Sort(rows)
	rows = slices.Compact(rows)
	s.changes += changes
	s.seen += seen
	work := s.costs.transaction(float64(changes)) + float64(seen)*s.costs.Seen
	epoch := w.epoch
	still := func(f func()) func() {
		return func() {
			if w.epoch == epoch {
				f()
			}
		}
	}
	// The node works before it and after it; the rows are locked by the second
	// of the round trips.
	w.compute(still(func() {
		s.clock.after(1.5*s.rtt, still(func() {
			s.lock(rows, still(func() {
				s.cpu.do(work, still(func() {
					s.clock.after((roundTrips-2)*s.rtt, still(func() {
						s.flush.commit(still(func() {
							s.unlock(rows)
							s.clock.after(s.rtt/2, still(func() { w.compute(still(w.committed)) }))
						}))
					}))
				}))
			}))
		}))
	}))
}

// compute is half of what the node takes for a transaction. It waits for its
// turn like requests do, so that a busy node makes larger batches.
func (w *writer) compute(then func()) {
	w.computing = true
	w.cpu.do(w.shard.costs.NodeCommit/2, func() {
		w.computing = false
		then()
	})
}

// abandon ends the writer of a node that has died. What is on its way to the
// shard goes on there.
func (w *writer) abandon() {
	w.queue = nil
	if w.computing || w.gathering {
		w.epoch++
		w.running, w.gathering, w.computing, w.batch = false, false, false, nil
	}
}

func (w *writer) committed() {
	batch := w.batch
	w.shard.transactions++
	w.batch, w.running = nil, false
	for _, c := range batch {
		c.end(true)
	}
	w.start()
}

// lose puts the batch that is under way back into the queue.
func (w *writer) lose() {
	w.epoch++
	w.running, w.gathering, w.computing = false, false, false
	w.queue = append(w.batch, w.queue...)
	w.batch = nil
	for _, c := range w.queue {
		w.expire(c)
	}
}

// expire gives a change up where the shard does not come back in time. What
// nobody waits for is kept.
func (w *writer) expire(c *change) {
	if c.then == nil {
		return
	}
	w.shard.clock.after(reconnectFor, func() {
		if !w.shard.up && !c.over {
			w.queue = slices.DeleteFunc(w.queue, func(d *change) bool { return d == c })
			c.end(false)
		}
	})
}

func (c *change) end(ok bool) {
	if c.over {
		return
	}
	c.over = true
	if c.then != nil {
		c.then(ok)
	}
}
