package main

import (
	"cmp"
	"math/rand/v2"
	"slices"
)

// An outcome is how a request ended.
type outcome int

const (
	served      outcome = iota
	unavailable         // 503: state was needed and away
	broken              // its node died under it
	refused             // no node took it
	outcomes
)

// A simulation is a deployment under load.
type simulation struct {
	config   *config
	clock    *clock
	nodes    []*node
	shards   []*shard
	upstream *station
	kinds    []kind
	until    []float64 // cumulated shares of kinds
	zipfKeys *rand.Zipf
	turn     int
	passes   int

	measuring bool
	inside    gauge // requests that are under way
	results   map[string]*result
	seconds   []second
	lost      int // draws whose answer never left
}

// A result is what became of the requests of one kind.
type result struct {
	count [outcomes]int
	times histogram // of those that were served
}

// A second is what ended in one second of the run.
type second [outcomes]int

func newSimulation(c *config) *simulation {
	s := &simulation{config: c, clock: newClock(c.Seed), results: map[string]*result{}}
	s.inside.clock = s.clock
	for range c.Shards {
		s.shards = append(s.shards, newShard(s.clock, c))
	}
	s.upstream = newStation(s.clock, c.Places, 1)
	if c.Service == "exponential" {
		s.upstream.vary = s.clock.exponential
	}
	for range c.Nodes {
		s.nodes = append(s.nodes, newNode(s))
	}
	if c.Skew > 1 {
		s.zipfKeys = rand.NewZipf(s.clock.random, c.Skew, 1, uint64(c.Keys-1))
	}
	sum := 0.0
	for _, m := range c.Mix {
		for _, k := range kinds() {
			if k.Name == m.Kind {
				sum += m.Share
				s.kinds, s.until = append(s.kinds, k), append(s.until, sum)
				s.results[k.Name] = new(result)
			}
		}
	}
	return s
}

// run simulates the warm-up, whose results are forgotten, and what is
// measured.
func (s *simulation) run() {
	for _, f := range s.config.Failures {
		s.clock.after(s.config.Warmup+f.At, func() { s.fail(f) })
	}
	s.load()
	s.clock.runUntil(s.config.Warmup)
	s.reset()
	s.clock.runUntil(s.config.Warmup + s.config.Duration)
}

// reset begins to measure.
func (s *simulation) reset() {
	s.measuring = true
	s.inside.reset()
	s.upstream.reset()
	s.lost = 0
	for _, n := range s.nodes {
		n.cpu.reset()
		n.seen.lost = 0
		for _, c := range []*cache{n.keys, n.settings, n.usedUp} {
			c.hits, c.misses = 0, 0
		}
	}
	for _, sh := range s.shards {
		sh.cpu.reset()
		sh.changes, sh.seen, sh.transactions, sh.reads, sh.polls, sh.flush.flushes = 0, 0, 0, 0, 0, 0
	}
}

// load starts the clients.
func (s *simulation) load() {
	c := s.config
	if c.Rate > 0 {
		var arrive func()
		arrive = func() {
			s.arrive(nil)
			s.clock.after(s.clock.exponential(1/c.Rate), arrive)
		}
		s.clock.after(s.clock.exponential(1/c.Rate), arrive)
		return
	}
	for range c.Clients {
		var next func()
		next = func() {
			s.arrive(func() {
				if c.Think > 0 {
					s.clock.after(s.clock.exponential(c.Think), next)
					return
				}
				s.clock.after(0, next)
			})
		}
		s.clock.after(s.clock.random.Float64()*1e-3, next)
	}
}

// arrive sends a new request to a node; then is told when it is over.
func (s *simulation) arrive(then func()) {
	r := &request{kind: s.pick(), arrived: s.clock.now, then: then}
	r.key = s.pickKey()
	r.bucket = s.clock.random.IntN(s.config.Buckets)
	switch r.kind.Draws {
	case drawsFresh:
		s.passes++
		r.pass = s.passes
	case drawsHot:
		r.pass = s.clock.random.IntN(s.config.Hot)
	case drawsExhausted:
		r.pass = s.clock.random.IntN(s.config.UsedUp)
	}
	s.inside.add(1)
	if n := s.balance(); n != nil {
		n.serve(r)
		return
	}
	r.over = true
	s.clock.after(1e-3, func() { s.record(r, refused) })
}

func (s *simulation) pick() kind {
	x := s.clock.random.Float64()
	i := slices.IndexFunc(s.until, func(until float64) bool { return x < until })
	if i < 0 {
		i = len(s.kinds) - 1 // shares sum up to less than 1 by rounding
	}
	return s.kinds[i]
}

func (s *simulation) pickKey() int {
	if s.zipfKeys != nil {
		return int(s.zipfKeys.Uint64())
	}
	return s.clock.random.IntN(s.config.Keys)
}

// balance picks a node. One that is down but not out yet refuses the
// connection, and the balancer goes on to the next.
func (s *simulation) balance() *node {
	first := s.turn
	switch s.config.Balance {
	case "random":
		first = s.clock.random.IntN(len(s.nodes))
	case "least":
		return s.leastLoaded()
	}
	for i := range s.nodes {
		n := s.nodes[(first+i)%len(s.nodes)]
		if n.up && !n.out {
			s.turn = (first + i + 1) % len(s.nodes)
			return n
		}
	}
	return nil
}

func (s *simulation) leastLoaded() (best *node) {
	for i := range s.nodes {
		n := s.nodes[(s.turn+i)%len(s.nodes)]
		if n.up && !n.out && (best == nil || len(n.inside) < len(best.inside)) {
			best = n
		}
	}
	s.turn = (s.turn + 1) % len(s.nodes)
	return best
}

// fail takes something away and brings it back.
func (s *simulation) fail(f failure) {
	if f.What == "shard" {
		sh := s.shards[f.Index]
		sh.fail()
		s.clock.after(f.For, sh.recover)
		return
	}
	n := s.nodes[f.Index]
	n.fail()
	n.out = true
	s.clock.after(f.For, func() {
		n.up = true
		// The balancer finds out by its next checks.
		s.clock.after(s.config.Detect, func() { n.out = false })
	})
}

// record notes how a request ended.
func (s *simulation) record(r *request, as outcome) {
	s.inside.add(-1)
	if s.measuring {
		result := s.results[r.kind.Name]
		result.count[as]++
		if as == served {
			result.times.add(s.clock.now - r.arrived)
		}
		i := int(s.clock.now - s.config.Warmup)
		for len(s.seconds) <= i {
			s.seconds = append(s.seconds, second{})
		}
		s.seconds[i][as]++
	}
	if r.then != nil {
		r.then()
	}
}

// inOrder returns requests in the order of their arrival, so that a run does
// not depend on the order of a map.
func inOrder(set map[*request]struct{}) []*request {
	var all []*request
	for r := range set {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *request) int {
		return cmp.Or(cmp.Compare(a.arrived, b.arrived), cmp.Compare(a.key, b.key), cmp.Compare(a.pass, b.pass))
	})
	return all
}
