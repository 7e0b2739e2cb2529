package main

const (
	// cachedKeys, cachedBuckets and cachedPasses are how many access keys,
	// settings of buckets and exhausted passes a node remembers.
	cachedKeys    = 1 << 12
	cachedBuckets = 1 << 12
	cachedPasses  = 1 << 14
	// usedUpAge is how long it remembers an exhausted pass.
	usedUpAge = 1.0
)

// quotaPeriod is that of control groups in internal/scalesim/measure.
const quotaPeriod = 10e-3

// A node is one Daypass process.
type node struct {
	sim      *simulation
	up       bool
	out      bool // the balancer has noticed that it is down
	cpu      *station
	keys     *cache
	settings *cache
	usedUp   *cache
	writers  []*writer
	seen     sightings
	inside   map[*request]struct{}
}

func newNode(s *simulation) *node {
	n := &node{sim: s, up: true, cpu: newStation(s.clock, s.config.Cores, s.config.Speed), inside: map[*request]struct{}{}}
	n.cpu.quota, n.cpu.period = s.config.Quota, quotaPeriod
	n.seen.node = n
	s.clock.every(flushAge, n.seen.flush)
	if s.config.Service == "exponential" {
		n.cpu.vary = s.clock.exponential
	}
	n.keys = newCache(s.clock, s.config.CacheTTL, s.config.Grace, cachedKeys)
	n.settings = newCache(s.clock, s.config.CacheTTL, s.config.Grace, cachedBuckets)
	n.usedUp = newCache(s.clock, usedUpAge, 0, cachedPasses)
	for _, sh := range s.shards {
		w := &writer{shard: sh, cpu: n.cpu}
		n.writers = append(n.writers, w)
		sh.writers = append(sh.writers, w)
		s.clock.every(1, func() {
			if n.up {
				sh.poll()
			}
		})
	}
	return n
}

// A request is one of a client.
type request struct {
	kind    kind
	node    *node
	arrived float64
	key     int
	bucket  int
	pass    int
	drawn   bool
	asked   int // how often the store was
	over    bool
	then    func() // told when it is over
}

// serve takes a request in. Half of the work comes before the store, half
// after it.
func (n *node) serve(r *request) {
	r.node = n
	n.inside[r] = struct{}{}
	n.cpu.do(n.work(r), func() { n.authenticate(r) })
}

func (n *node) work(r *request) float64 { return n.sim.config.Costs.Node[r.kind.Name] / 2 }

// authenticate needs the access key and the bucket's settings, which come
// from the first shard.
func (n *node) authenticate(r *request) {
	state := n.sim.shards[0]
	n.keys.get(state, r.key, func(ok bool) {
		if !ok {
			n.end(r, unavailable)
			return
		}
		n.settings.get(state, r.bucket, func(ok bool) {
			if !ok {
				n.end(r, unavailable)
				return
			}
			first := 0
			if r.kind.Draws != drawsNothing {
				first = 1
			}
			n.ask(r, first, func() { n.draw(r) })
		})
	})
}

// draw changes state where the kind asks for it.
func (n *node) draw(r *request) {
	if r.kind.Draws == drawsNothing {
		n.act(r)
		return
	}
	if r.kind.Draws == drawsExhausted && n.usedUp.fresh(r.pass) {
		n.act(r)
		return
	}
	c := &change{then: func(ok bool) {
		switch {
		case r.over:
			n.sim.lost++
		case !ok:
			n.end(r, unavailable)
		case r.kind.Draws == drawsExhausted:
			n.usedUp.put(r.pass)
			n.act(r) // and answers 403, which is what it is for
		default:
			r.drawn = true
			n.act(r)
		}
	}}
	if r.kind.Draws == drawsHot {
		c.row = r.pass + 1
	}
	n.writers[r.pass%len(n.writers)].submit(c)
}

// act asks the store and answers. A draw needs to know the object, so that the
// store is asked before it, too.
func (n *node) act(r *request) {
	n.ask(r, r.kind.Asks-r.asked, func() {
		n.cpu.do(n.work(r), func() { n.end(r, served) })
	})
}

// ask asks the store so many times, one after the other.
func (n *node) ask(r *request, times int, then func()) {
	if r.over {
		return
	}
	if times <= 0 {
		then()
		return
	}
	r.asked++
	n.sim.upstream.do(n.sim.config.Costs.Wait[r.kind.Store], func() { n.ask(r, times-1, then) })
}

// end answers a request. What it drew is settled later, and nobody waits for
// that.
func (n *node) end(r *request, as outcome) {
	if r.over {
		return
	}
	r.over = true
	delete(n.inside, r)
	if r.kind.Fresh && as == served {
		n.seen.add()
	}
	if r.drawn && as == served {
		c := &change{}
		if r.kind.Draws == drawsHot {
			c.row = r.pass + 1
		}
		n.writers[r.pass%len(n.writers)].submit(c)
	}
	n.sim.record(r, as)
}

// fail ends the process: every request that is inside breaks off.
func (n *node) fail() {
	n.up = false
	n.cpu.lose()
	for r := range n.inside {
		if r.drawn {
			n.sim.lost++
		}
	}
	for _, r := range inOrder(n.inside) {
		n.end(r, broken)
	}
	for _, w := range n.writers {
		w.abandon()
	}
	n.keys.clear()
	n.settings.clear()
	n.usedUp.clear()
	n.seen.waiting = 0
}
