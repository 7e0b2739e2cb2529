package main

import "math"

// A station is a queue, first come first served, before several servers: the
// cores of a machine, or the places of a pool.
type station struct {
	clock   *clock
	servers int
	// speed is how much work a server does in a second; 1 where work is
	// measured in seconds of the same server.
	speed float64
	// quota is the share of each period that the servers may work, as the
	// quota of a control group; 0: all of it. The work of one server is meant.
	quota, period float64
	spent         float64 // of the period that began at
	began         float64
	// vary draws the work of one job around its mean; nil: all have the mean.
	vary func(mean float64) float64

	busy  int
	queue fifo[job]
	epoch int // rises when the station loses what it has

	area gauge // jobs that wait or are served
	work gauge // servers that are busy
	done int
}

type job struct {
	work float64
	then func()
}

func newStation(c *clock, servers int, speed float64) *station {
	return &station{clock: c, servers: servers, speed: speed, area: gauge{clock: c}, work: gauge{clock: c}}
}

// do calls then when a mean of so many seconds of work is done.
func (s *station) do(mean float64, then func()) {
	work := mean
	if s.vary != nil && mean > 0 {
		work = s.vary(mean)
	}
	s.area.add(1)
	if s.busy >= s.servers {
		s.queue.push(job{work, then})
		return
	}
	s.serve(job{work, then})
}

func (s *station) serve(j job) {
	s.busy++
	s.work.add(1)
	epoch := s.epoch
	s.clock.after(s.takes(j.work/s.speed), func() {
		if s.epoch != epoch {
			return // lost meanwhile
		}
		s.busy--
		s.work.add(-1)
		s.area.add(-1)
		s.done++
		if next, ok := s.queue.pop(); ok {
			s.serve(next)
		}
		j.then()
	})
}

// takes returns how long a server needs for work that begins now. Where there is
// a quota, the server rests from when it is spent until the next period.
func (s *station) takes(work float64) float64 {
	if s.quota == 0 || s.quota >= 1 {
		return work
	}
	budget, now := s.quota*s.period, s.clock.now
	for at := now; ; {
		if at >= s.began+s.period {
			s.began, s.spent = math.Floor(at/s.period)*s.period, 0
		}
		run := max(0, min(work, budget-s.spent))
		s.spent += run
		at, work = at+run, work-run
		if work <= 1e-12 {
			return at - now
		}
		// The next period, however the division rounds.
		at = max(s.began+s.period, math.Nextafter(at, math.Inf(1)))
		s.began, s.spent = at, 0
	}
}

// lose forgets all jobs, as a machine does that stops.
func (s *station) lose() {
	s.epoch++
	s.area.add(-float64(s.busy + s.queue.len()))
	s.work.add(-float64(s.busy))
	s.busy, s.queue = 0, fifo[job]{}
}

// utilization is the share of the servers' time that was busy.
func (s *station) utilization() float64 { return s.work.mean() / float64(s.servers) }

// reset begins to measure now.
func (s *station) reset() {
	s.area.reset()
	s.work.reset()
	s.done = 0
}

// A gauge is a quantity that changes in steps; it knows its mean over time.
type gauge struct {
	clock             *clock
	value             float64
	area, since, from float64
}

func (g *gauge) add(n float64) {
	g.area += g.value * (g.clock.now - g.since)
	g.since = g.clock.now
	g.value += n
}

func (g *gauge) reset() { g.area, g.since, g.from = 0, g.clock.now, g.clock.now }

// mean is that since the latest reset.
func (g *gauge) mean() float64 {
	g.add(0)
	if g.clock.now <= g.from {
		return 0
	}
	return g.area / (g.clock.now - g.from)
}

// A fifo is a queue that does not keep what was taken off it.
type fifo[T any] struct {
	items []T
	first int
}

func (q *fifo[T]) len() int { return len(q.items) - q.first }

func (q *fifo[T]) push(v T) { q.items = append(q.items, v) }

func (q *fifo[T]) pop() (v T, ok bool) {
	if q.len() == 0 {
		return v, false
	}
	var none T
	v, q.items[q.first] = q.items[q.first], none
	q.first++
	if q.first*2 > len(q.items) && q.first > 64 {
		n := copy(q.items, q.items[q.first:])
		clear(q.items[n:])
		q.items, q.first = q.items[:n], 0
	}
	return v, true
}
