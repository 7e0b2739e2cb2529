package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	idleConns   = 10_000
	activeConns = 2_000
	activeTime  = 5 * time.Second
)

// measureConnections measures the memory that connections take.
func (b *bench) measureConnections(ctx context.Context) error {
	t := b.table("Connections", "10,000 idle and 2,000 active connections within 300 MiB.",
		"resident, MiB", "for each connection, KiB", "requests/s", "p50, ms", "p99, ms")
	p, err := b.serve(ctx, b.sizes[0])
	if err != nil {
		return err
	}
	defer p.stop()
	url, err := p.url("GET", treeBucket, treeKey(1, b.sizes[0]))
	if err != nil {
		return err
	}
	get := request{method: "GET", url: url}
	before, err := p.rss()
	if err != nil {
		return err
	}
	t.add("none", mebibytes(before), missing, missing, missing, missing)

	idle, err := openIdle(ctx, p, get)
	defer closeAll(idle)
	if err != nil {
		return err
	}
	rss, err := p.rss()
	if err != nil {
		return err
	}
	t.add(fmt.Sprintf("%d idle", idleConns), mebibytes(rss), float64(rss-before)/idleConns/1024, missing, missing, missing)
	return active(ctx, p, get, t)
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }

// openIdle opens connections that each have had one answer.
func openIdle(ctx context.Context, p *process, get request) (all []*connection, err error) {
	for range idleConns {
		c, err := dialBuffered(p.address, 4<<10)
		if err != nil {
			return all, err
		}
		all = append(all, c)
		if _, err := c.do(get); err != nil {
			return all, err
		}
		if err := ctx.Err(); err != nil {
			return all, err
		}
	}
	return all, nil
}

func closeAll(all []*connection) {
	for _, c := range all {
		c.close()
	}
}

// active adds what the server takes while more connections send one request
// after the other.
func active(ctx context.Context, p *process, get request, t *table) error {
	ctx, cancel := context.WithTimeout(ctx, activeTime)
	defer cancel()
	peak := make(chan int64, 1)
	go func() { peak <- watch(ctx, p) }()
	times, err := loopUntil(ctx, p.address, activeConns, get)
	if err != nil {
		return err
	}
	most := <-peak
	r := newRun(times)
	t.add(fmt.Sprintf("%d idle, %d active", idleConns, activeConns), mebibytes(most), missing,
		float64(r.requests)/activeTime.Seconds(), r.p50(), r.p99())
	return nil
}

// watch returns the largest resident set until the context ends, in bytes.
func watch(ctx context.Context, p *process) (most int64) {
	for {
		if rss, err := p.rss(); err == nil {
			most = max(most, rss)
		}
		select {
		case <-ctx.Done():
			return most
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// loopUntil sends a request over n connections, again and again, until the
// context ends, and returns how long each took.
func loopUntil(ctx context.Context, address string, n int, q request) ([]time.Duration, error) {
	var (
		mu   sync.Mutex
		all  []time.Duration
		errs []error
		wg   sync.WaitGroup
	)
	for range n {
		wg.Go(func() {
			times, err := loop(ctx, address, q)
			mu.Lock()
			defer mu.Unlock()
			all, errs = append(all, times...), append(errs, err)
		})
	}
	wg.Wait()
	return all, errors.Join(errs...)
}

func loop(ctx context.Context, address string, q request) (times []time.Duration, err error) {
	c, err := dialBuffered(address, 4<<10)
	if err != nil {
		return nil, err
	}
	defer c.close()
	for ctx.Err() == nil {
		a, err := c.do(q)
		if err != nil {
			return times, err
		}
		times = append(times, a.total)
	}
	return times, nil
}
