package main

import (
	"fmt"
	"math"
	"testing"
)

// near reports whether a value is within a share of what it should be.
func near(t *testing.T, what string, got, want, share float64) {
	t.Helper()
	if math.Abs(got-want) > share*math.Abs(want) || math.IsNaN(got) {
		t.Errorf("%s is %.6g, want %.6g within %.1f %%", what, got, want, 100*share)
	}
}

// A queue is a station with Poisson arrivals, measured after a warm-up.
type queue struct {
	*station
	waited  histogram // from arrival until served
	arrived int
}

// runQueue simulates customers that arrive at a rate at so many servers, each
// of whom needs a second of work on average.
func runQueue(servers int, rate float64, vary func(*clock) func(float64) float64) *queue {
	const warmup, customers = 2000, 1_000_000
	c := newClock(1)
	q := &queue{station: newStation(c, servers, 1)}
	if vary != nil {
		q.vary = vary(c)
	}
	var arrive func()
	arrive = func() {
		start := c.now
		if start > warmup {
			q.arrived++
		}
		q.do(1, func() {
			if start > warmup {
				q.waited.add(c.now - start)
			}
		})
		c.after(c.exponential(1/rate), arrive)
	}
	c.after(0, arrive)
	c.runUntil(warmup)
	q.reset()
	c.runUntil(warmup + customers/rate)
	return q
}

func exponentially(c *clock) func(float64) float64 { return c.exponential }

// TestMM1 compares with the M/M/1 queue: a customer is there for 1/(µ-λ), and
// longer than t with probability e^-(µ-λ)t.
func TestMM1(t *testing.T) {
	for _, rho := range []float64{0.5, 0.9} {
		q := runQueue(1, rho, exponentially)
		name := fmt.Sprintf("M/M/1 at %.1f: ", rho)
		near(t, name+"time in the system", q.waited.mean(), 1/(1-rho), 0.03)
		near(t, name+"99th percentile", q.waited.quantile(0.99), -math.Log(0.01)/(1-rho), 0.05)
		near(t, name+"utilization", q.utilization(), rho, 0.01)
		near(t, name+"Little's law", q.area.mean(), q.waited.mean()*float64(q.arrived)/(1_000_000/rho), 0.01)
	}
}

// TestMD1 compares with the M/D/1 queue, Pollaczek and Khinchine: the wait is
// ρ/2µ(1-ρ), half that of M/M/1.
func TestMD1(t *testing.T) {
	for _, rho := range []float64{0.5, 0.9} {
		q := runQueue(1, rho, nil)
		name := fmt.Sprintf("M/D/1 at %.1f: ", rho)
		near(t, name+"wait in the queue", q.waited.mean()-1, rho/2/(1-rho), 0.03)
		near(t, name+"utilization", q.utilization(), rho, 0.01)
	}
}

// erlangC is the probability that a customer of an M/M/c queue has to wait.
func erlangC(servers int, load float64) float64 {
	sum, term := 0.0, 1.0
	for k := range servers {
		if k > 0 {
			term *= load / float64(k)
		}
		sum += term
	}
	last := term * load / float64(servers) * float64(servers) / (float64(servers) - load)
	return last / (sum + last)
}

// TestMMC compares with the M/M/c queue, whose wait is C/(cµ-λ).
func TestMMC(t *testing.T) {
	for _, servers := range []int{2, 8} {
		load := 0.8 * float64(servers)
		q := runQueue(servers, load, exponentially)
		name := fmt.Sprintf("M/M/%d: ", servers)
		near(t, name+"wait in the queue", q.waited.mean()-1, erlangC(servers, load)/(float64(servers)-load), 0.03)
		near(t, name+"utilization", q.utilization(), 0.8, 0.01)
	}
}

// machineRepairman is the throughput of so many clients that think and are
// served by one exponential server, by mean value analysis, which is exact.
func machineRepairman(clients int, service, think float64) float64 {
	inside, throughput := 0.0, 0.0
	for n := 1; n <= clients; n++ {
		time := service * (1 + inside)
		throughput = float64(n) / (time + think)
		inside = throughput * time
	}
	return throughput
}

// TestClosedLoop compares a node of one core under clients that wait with mean
// value analysis: two halves of work in one queue are one visit each.
func TestClosedLoop(t *testing.T) {
	for _, clients := range []int{1, 3, 10, 40} {
		c := testConfig()
		c.Nodes, c.Cores, c.Clients, c.Think = 1, 1, clients, 5e-3
		c.Mix = []share{{"redirect", 1}}
		c.Costs.Wait["get"] = 0
		c.Duration = 60
		s := newSimulation(c)
		s.run()
		r := s.report()
		// Two visits of half the work are not one of the whole: by mean value
		// analysis the demand counts, whatever the visits.
		near(t, fmt.Sprintf("throughput of %d clients", clients), r.Served, machineRepairman(clients, c.Costs.Node["redirect"], c.Think), 0.02)
		near(t, "Little's law", r.Inside, r.Served*r.Kinds[0].Mean, 0.02)
	}
}

// TestBounds checks the asymptotic bounds of closed networks: no more than the
// slowest part carries, and no more than the clients ask for.
func TestBounds(t *testing.T) {
	for _, nodes := range []int{1, 2, 3, 5} {
		for _, mix := range []string{"get=1", "counted=1", "get=0.8,counted=0.1,put=0.1", "hot=1"} {
			c := testConfig()
			c.Nodes, c.Clients, c.Duration = nodes, 200, 4
			c.Mix, _ = parseMix(mix)
			work, wait := 0.0, 0.0
			for _, m := range c.Mix {
				work += m.Share * c.Costs.Node[m.Kind]
				for _, k := range kinds() {
					if k.Name == m.Kind {
						wait += m.Share * float64(k.Asks) * c.Costs.Wait[k.Store]
					}
				}
			}
			s := newSimulation(c)
			s.run()
			r := s.report()
			capacity := float64(nodes*c.Cores) / work
			if bound := min(capacity, float64(c.Clients)/(work+wait)); r.Served > 1.02*bound || r.Served <= 0 {
				t.Errorf("%d nodes, %s: %.0f/s, the bound is %.0f/s", nodes, mix, r.Served, bound)
			}
			if mix == "get=1" {
				near(t, fmt.Sprintf("saturated throughput of %d nodes", nodes), r.Served, min(capacity, float64(c.Clients)/(work+wait)), 0.1)
			}
			near(t, "Little's law", r.Inside, littles(r), 0.02)
		}
	}
}

// littles is how many requests are inside by Little's law.
func littles(r *report) (sum float64) {
	for _, k := range r.Kinds {
		sum += k.Served * k.Mean
	}
	return sum
}

// TestOpenLoop checks that what arrives is served where it can be, and that
// utilization is what the work makes it.
func TestOpenLoop(t *testing.T) {
	c := testConfig()
	c.Rate, c.Nodes, c.Cores = 3000, 3, 2
	c.Duration = 30
	s := newSimulation(c)
	s.run()
	r := s.report()
	near(t, "served", r.Served, c.Rate, 0.02)
	near(t, "utilization", r.Node.Mean, c.Rate*c.Costs.Node["get"]/6, 0.02)
	near(t, "store", r.Store.Requests, c.Rate, 0.02)
}

// A server with a quota rests when it is spent: what takes 3 ms of work, at 1 ms
// in each 5, takes 11 ms; and at any load no more is done than the quota allows.
func TestQuota(t *testing.T) {
	c := newClock(1)
	s := newStation(c, 1, 1)
	s.quota, s.period = 0.2, 5e-3
	var ends []float64
	for range 2 {
		s.do(3e-3, func() { ends = append(ends, c.now) })
	}
	c.runUntil(1)
	if len(ends) != 2 || math.Abs(ends[0]-11e-3) > 1e-9 || math.Abs(ends[1]-26e-3) > 1e-9 {
		t.Errorf("done at %v", ends)
	}
	c.after(0.0007, func() { s.do(0.5e-3, func() { ends = append(ends, c.now) }) })
	c.runUntil(2)
	if math.Abs(ends[2]-1.0012) > 1e-9 {
		t.Errorf("what fits into the quota was done at %v", ends[2])
	}
	cfg := testConfig()
	cfg.Cores, cfg.Quota, cfg.Nodes = 1, 0.25, 2
	r := simulate(t, cfg)
	near(t, "throughput with a quota", r.Served, 2*0.25/cfg.Costs.Node["get"], 0.03)
}
