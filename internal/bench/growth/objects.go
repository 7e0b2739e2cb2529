package main

import (
	"context"
	"fmt"
	"math/rand/v2"
)

// A work is a kind of request about single objects.
type work struct {
	name string
	// request returns the i-th of its requests.
	request func(p *process, r *rand.Rand, n, i int) (request, error)
}

const (
	hotKeys        = 1000
	someKeys       = 10_000
	objectConns    = 16
	objectRequests = 8000 // in each round
	warmRounds     = 3    // that are not measured
)

// works are the kinds of requests that are measured.
func works() []work {
	get := func(key func(r *rand.Rand, n int) string) func(*process, *rand.Rand, int, int) (request, error) {
		return func(p *process, r *rand.Rand, n, _ int) (request, error) {
			url, err := p.url("GET", treeBucket, key(r, n))
			return request{method: "GET", url: url}, err
		}
	}
	put := func(key func(r *rand.Rand, n, i int) string) func(*process, *rand.Rand, int, int) (request, error) {
		body := make([]byte, bodySize)
		bodyOf(body, rand.NewChaCha8([32]byte{2}))
		return func(p *process, r *rand.Rand, n, i int) (request, error) {
			url, err := p.url("PUT", treeBucket, key(r, n, i))
			return request{method: "PUT", url: url, body: body}, err
		}
	}
	return []work{
		{"GET, 1,000 hot keys", get(func(r *rand.Rand, n int) string { return treeKey(r.IntN(hotKeys)*(n/hotKeys), n) })},
		{"GET, any of 10,000 keys", get(func(r *rand.Rand, n int) string { return treeKey(r.IntN(someKeys)*(n/someKeys), n) })},
		{"GET, any key", get(func(r *rand.Rand, n int) string { return treeKey(r.IntN(n), n) })},
		{"PUT over any key", put(func(r *rand.Rand, n, _ int) string { return treeKey(r.IntN(n), n) })},
		{"PUT of a new key", put(func(r *rand.Rand, n, i int) string {
			return fmt.Sprintf("%s-%x-%x", treeKey(r.IntN(n), n), r.Uint32(), i)
		})},
	}
}

// measureObjects measures reading and writing in the smallest and the largest
// store, in turn.
func (b *bench) measureObjects(ctx context.Context) error {
	small, large := b.sizes[0], b.sizes[len(b.sizes)-1]
	t := b.table("GET and PUT of 512 bytes", "The larger store within 1.3 × of the smaller one.",
		showCount(small)+": server CPU, µs", "p50, ms", "p99, ms", showCount(large)+": server CPU, µs", "p50, ms", "p99, ms", "CPU, ratio", "p50, ratio")
	var servers [2]*process
	for i, n := range []int{small, large} {
		p, err := b.serve(ctx, n)
		if err != nil {
			return err
		}
		defer p.stop()
		servers[i] = p
	}
	for _, w := range works() {
		a, c, err := b.compare(ctx, w, servers, [2]int{small, large})
		if err != nil {
			return err
		}
		t.add(w.name, a[0], a[1], a[2], c[0], c[1], c[2], c[0]/a[0], c[1]/a[1])
	}
	return nil
}

// compare measures work on two servers in turn and returns the medians of CPU,
// p50 and p99 of each.
func (b *bench) compare(ctx context.Context, w work, servers [2]*process, sizes [2]int) (first, second [3]float64, err error) {
	for i, p := range servers { // so that caches hold what they can
		for seed := range uint64(warmRounds) {
			if _, err := b.round(p, w, sizes[i], 1000+seed); err != nil {
				return first, second, err
			}
		}
	}
	var figures [2][3][]float64
	for round := range b.rounds {
		for i, p := range servers {
			if err := ctx.Err(); err != nil {
				return first, second, err
			}
			r, err := b.round(p, w, sizes[i], uint64(round))
			if err != nil {
				return first, second, err
			}
			for j, f := range []float64{r.cpu, r.p50(), r.p99()} {
				figures[i][j] = append(figures[i][j], f)
			}
		}
	}
	for j := range 3 {
		first[j], second[j] = median(figures[0][j]), median(figures[1][j])
	}
	return first, second, nil
}

func (b *bench) round(p *process, w work, n int, seed uint64) (run, error) {
	r := rand.New(rand.NewPCG(3, seed))
	requests := make([]request, objectRequests)
	for i := range requests {
		var err error
		if requests[i], err = w.request(p, r, n, i); err != nil {
			return run{}, err
		}
	}
	return closedLoop(p, objectConns, requests)
}
