package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"
)

const (
	largeSize  = 64 << 20
	smallSize  = 4 << 10
	smallConns = 8
	// smallPause is the time between the requests of one connection, so that
	// small requests are but a small part of the work.
	smallPause = 10 * time.Millisecond
	mixTime    = 8 * time.Second
)

// A mix is a server under test with its small and large objects.
type mix struct {
	name                     string
	p                        *process
	small, download, uploads []request
}

// measureMixed measures small downloads beside large uploads and downloads.
func (b *bench) measureMixed(ctx context.Context) error {
	t := b.table("GET of 4 KiB beside two uploads and two downloads of 64 MiB", "p99 ≤ 10 × the median.",
		"p50, ms", "p99, ms", "p99.9, ms", "p99 / p50", "large, MiB/s")
	for _, apart := range []bool{false, true} {
		if apart && runtime.NumCPU() < 2 {
			continue
		}
		if err := b.mixedOn(ctx, t, apart); err != nil {
			return err
		}
	}
	return nil
}

// mixedOn measures the servers, with a processor of their own or with all.
func (b *bench) mixedOn(ctx context.Context, t *table, apart bool) error {
	where := ", all processors"
	if apart {
		where = ", server and client on one processor each"
		if err := pin(0); err != nil {
			return err
		}
	}
	servers, err := b.mixServers(ctx)
	if apart {
		err = errors.Join(err, pin(1))
	}
	defer func() {
		pin() // back to all
		for _, m := range servers {
			m.p.stop()
		}
	}()
	if err != nil {
		return err
	}
	for _, load := range []bool{false, true} {
		if err := b.mixRounds(ctx, t, servers, load, where); err != nil {
			return err
		}
	}
	return nil
}

// mixRounds measures the servers in turn.
func (b *bench) mixRounds(ctx context.Context, t *table, servers []*mix, load bool, where string) error {
	figures := make([][5][]float64, len(servers))
	for range b.rounds {
		for i, m := range servers {
			r, rate, err := m.run(ctx, load)
			if err != nil {
				return err
			}
			got := []float64{r.p50(), r.p99(), quantile(r.times, 0.999), r.p99() / r.p50(), rate}
			for j, f := range got {
				figures[i][j] = append(figures[i][j], f)
			}
		}
	}
	for i, m := range servers {
		name, cells := m.name+where, make([]float64, 5)
		if !load {
			name += ", nothing beside"
		}
		for j := range cells {
			cells[j] = median(figures[i][j])
		}
		t.add(name, cells...)
	}
	return nil
}

// mixServers starts the program and, where it is installed, nginx.
func (b *bench) mixServers(ctx context.Context) (all []*mix, err error) {
	large := make([]byte, largeSize)
	rand.NewChaCha8([32]byte{4}).Read(large)
	dir, err := os.MkdirTemp(b.work, "mixed-")
	if err != nil {
		return nil, err
	}
	m, err := b.mixDaypass(ctx, filepath.Join(dir, "daypass"), large)
	if err != nil {
		return nil, err
	}
	all = append(all, m)
	n, err := b.mixNginx(ctx, filepath.Join(dir, "nginx"), large)
	if n != nil {
		all = append(all, n)
	}
	return all, err
}

func (b *bench) mixDaypass(ctx context.Context, dir string, large []byte) (*mix, error) {
	p, err := startServer(ctx, b.program, dir, probe{"PUT", "mixed", ""})
	if err != nil {
		return nil, err
	}
	m := &mix{name: "Daypass", p: p}
	return m, m.fill(large, func(method, key string) (string, error) { return p.url(method, "mixed", key) })
}

func (b *bench) mixNginx(ctx context.Context, dir string, large []byte) (*mix, error) {
	p, err := b.startNginx(ctx, dir, "first", []byte("content"))
	if p == nil || err != nil {
		return nil, err
	}
	m := &mix{name: "nginx", p: p}
	return m, m.fill(large, func(_, key string) (string, error) { return "http://" + p.address + "/" + key, nil })
}

// fill stores the objects and makes the requests.
func (m *mix) fill(large []byte, url func(method, key string) (string, error)) error {
	c, err := dial(m.p.address)
	if err != nil {
		return err
	}
	defer c.close()
	var errs []error
	made := func(method, key string, body []byte) request {
		u, err := url(method, key)
		errs = append(errs, err)
		return request{method: method, url: u, body: body}
	}
	for i := range 100 {
		key := fmt.Sprint("small-", i)
		_, err := c.do(made("PUT", key, large[i*smallSize:(i+1)*smallSize]))
		errs = append(errs, err)
		m.small = append(m.small, made("GET", key, nil))
	}
	for i := range 2 {
		_, err := c.do(made("PUT", fmt.Sprint("large-", i), large))
		errs = append(errs, err)
		m.download = append(m.download, made("GET", fmt.Sprint("large-", i), nil))
		m.uploads = append(m.uploads, made("PUT", fmt.Sprint("upload-", i), bytes.Clone(large)))
	}
	return errors.Join(errs...)
}

// run sends small requests for a while, with large ones beside them if load is
// true, and returns what the small ones took and how many MiB/s went through.
func (m *mix) run(ctx context.Context, load bool) (run, float64, error) {
	ctx, cancel := context.WithTimeout(ctx, mixTime)
	defer cancel()
	var (
		mu    sync.Mutex
		times []time.Duration
		bytes int64
		errs  []error
		wg    sync.WaitGroup
	)
	done := func(t []time.Duration, n int64, err error) {
		mu.Lock()
		defer mu.Unlock()
		times, bytes, errs = append(times, t...), bytes+n, append(errs, err)
	}
	if load {
		for _, q := range slices.Concat(m.download, m.uploads) {
			wg.Go(func() {
				n, err := moveLarge(ctx, m.p.address, q)
				done(nil, n, err)
			})
		}
	}
	for i := range smallConns {
		wg.Go(func() {
			t, err := paced(ctx, m.p.address, m.small, i)
			done(t, 0, err)
		})
	}
	wg.Wait()
	return newRun(times), float64(bytes) / (1 << 20) / mixTime.Seconds(), errors.Join(errs...)
}

// moveLarge sends a request again and again and returns how many bytes went
// through.
func moveLarge(ctx context.Context, address string, q request) (total int64, err error) {
	c, err := dial(address)
	if err != nil {
		return 0, err
	}
	defer c.close()
	for ctx.Err() == nil {
		if _, err := c.do(q); err != nil {
			return total, err
		}
		total += largeSize
	}
	return total, nil
}

// paced sends a request after the other with a pause between them.
func paced(ctx context.Context, address string, requests []request, from int) (times []time.Duration, err error) {
	c, err := dial(address)
	if err != nil {
		return nil, err
	}
	defer c.close()
	for i := from; ctx.Err() == nil; i++ {
		time.Sleep(smallPause)
		a, err := c.do(requests[i%len(requests)])
		if err != nil {
			return times, err
		}
		times = append(times, a.total)
	}
	return times, nil
}
