package main

import (
	"errors"
	"slices"
	"sync"
	"time"
)

// A run is what came of a number of requests.
type run struct {
	requests int
	times    []time.Duration // sorted
	// cpu is the server's CPU time for each request, in microseconds.
	cpu float64
	// rate is how many requests were answered each second.
	rate float64
}

// closedLoop sends the requests over n connections, each sending its next one
// once it has the answer to the last.
func closedLoop(p *process, n int, requests []request) (run, error) {
	before, err := p.cpu()
	if err != nil {
		return run{}, err
	}
	times := make([]time.Duration, len(requests))
	errs := make([]error, n)
	var wg sync.WaitGroup
	begun := time.Now()
	for w := range n {
		wg.Go(func() {
			errs[w] = drive(p.address, requests, times, w, n)
		})
	}
	wg.Wait()
	elapsed := time.Since(begun)
	if err := errors.Join(errs...); err != nil {
		return run{}, err
	}
	after, err := p.cpu()
	slices.Sort(times)
	count := float64(len(requests))
	return run{
		requests: len(requests), times: times,
		cpu: (after - before) * 1e6 / count, rate: count / elapsed.Seconds(),
	}, err
}

// drive sends every step-th request, from the given one on.
func drive(address string, requests []request, times []time.Duration, from, step int) error {
	c, err := dial(address)
	if err != nil {
		return err
	}
	defer c.close()
	for i := from; i < len(requests); i += step {
		a, err := c.do(requests[i])
		if err != nil {
			return err
		}
		times[i] = a.total
	}
	return nil
}

func (r run) p50() float64 { return quantile(r.times, 0.50) }
func (r run) p99() float64 { return quantile(r.times, 0.99) }

// newRun returns what requests took, of which only that is known.
func newRun(times []time.Duration) run {
	slices.Sort(times)
	return run{requests: len(times), times: times}
}
