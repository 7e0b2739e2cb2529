package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/daypass/daypass/internal/bench"
)

// A measurement is one run.
type measurement struct {
	options     *options
	rows        []row
	contestants []*contestant
	dir         string
	log         io.Writer

	runners map[string]*bench.Runner
}

// run measures everything.
func (m *measurement) run(ctx context.Context) (*result, error) {
	out := &result{Started: time.Now().UTC().Truncate(time.Second), Machine: bench.ThisMachine(), Rounds: m.options.rounds,
		Seconds: m.options.seconds, Servers: make(map[string]*server)}
	for _, r := range m.rows {
		out.Rows = append(out.Rows, newCells(&r))
	}
	if err := m.prepare(ctx); err != nil {
		return nil, err
	}
	for n := range m.options.rounds {
		if err := m.round(ctx, n, out); err != nil {
			return nil, err
		}
	}
	for _, c := range m.contestants {
		s, err := bench.TakeSample([]int{c.pid()})
		if err != nil {
			return nil, err
		}
		out.server(c.name).Peak = s.Peak
	}
	if m.options.profile {
		if err := m.profiles(ctx); err != nil {
			return nil, err
		}
	}
	if err := m.starts(ctx, out); err != nil {
		return nil, err
	}
	if m.options.micro {
		var err error
		if out.Micro, err = micro(ctx, m.log); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// prepare starts the servers and stores what will be read.
func (m *measurement) prepare(ctx context.Context) error {
	m.runners = make(map[string]*bench.Runner)
	for _, c := range m.contestants {
		if _, err := c.start(ctx); err != nil {
			return err
		}
		target, err := c.target(c.address)
		if err != nil {
			return err
		}
		for i := range m.rows {
			r := &m.rows[i]
			if !c.takes(r) {
				continue
			}
			fmt.Fprintf(m.log, "preparing %s of %s\n", r.name, c.name)
			config := r.config(target, c.pid(), m.options.seconds)
			config.Counters = c.counters
			runner, err := bench.NewRunner(config)
			if err != nil {
				return err
			}
			if err := runner.Prepare(ctx, c.metrics != ""); err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			runner.Close()
			m.runners[c.name+" "+r.name] = runner
		}
	}
	return nil
}

// round lets all contestants take their turn in each row.
func (m *measurement) round(ctx context.Context, n int, out *result) error {
	syncs, err := syncsPerSecond(m.dir)
	if err != nil {
		return err
	}
	out.Syncs = append(out.Syncs, syncs)
	for i := range m.rows {
		for _, c := range m.contestants {
			if !c.takes(&m.rows[i]) {
				continue
			}
			if err := m.turn(ctx, c, out.Rows[i]); err != nil {
				return fmt.Errorf("%s of %s: %w", m.rows[i].name, c.name, err)
			}
			turns := out.Rows[i].Turns[c.name]
			last := &turns[len(turns)-1]
			fmt.Fprintf(m.log, "round %d of %d: %-9s %-9s %8.4g %s, %.0f/s\n", n+1, m.options.rounds, m.rows[i].name, c.name,
				m.rows[i].cost(last), m.rows[i].unit(), last.All.PerSecond)
		}
	}
	return nil
}

// turn measures one contestant in one row, once.
func (m *measurement) turn(ctx context.Context, c *contestant, to *cells) error {
	runner := m.runners[c.name+" "+to.row.name]
	report, err := runner.Run(ctx)
	runner.Close()
	if err != nil {
		return err
	}
	if n := report.ErrorCount(); n > 0 {
		return fmt.Errorf("%d operations failed: %v", n, report.Rounds[0].All.Examples)
	}
	round := report.Rounds[0]
	round.All.Histogram = ""
	round.Operations = nil // there is one only
	to.Turns[c.name] = append(to.Turns[c.name], round)
	return nil
}

// starts measures how long the servers take to start with the data that they
// have by now, and their memory while they do nothing.
func (m *measurement) starts(ctx context.Context, out *result) error {
	for n := range m.options.rounds {
		for _, c := range m.contestants {
			if err := c.stop(); err != nil {
				return err
			}
			took, err := c.start(ctx)
			if err != nil {
				return err
			}
			s := out.server(c.name)
			s.Start = append(s.Start, took.Seconds()*1e3)
			if n > 0 {
				continue
			}
			if err := pause(ctx, 3*time.Second); err != nil {
				return err
			}
			sample, err := bench.TakeSample([]int{c.pid()})
			if err != nil {
				return err
			}
			s.Idle = sample.Resident
		}
		fmt.Fprintf(m.log, "start %d of %d\n", n+1, m.options.rounds)
	}
	return nil
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// stop stops all servers.
func (m *measurement) stop() {
	for _, r := range m.runners {
		r.Close()
	}
	for _, c := range m.contestants {
		if err := c.stop(); err != nil {
			fmt.Fprintf(m.log, "stopping %s: %v\n", c.name, err)
		}
	}
}

// syncsPerSecond measures how often the disk below a directory makes an
// appended page durable, one after the other.
func syncsPerSecond(dir string) (float64, error) {
	f, err := os.Create(filepath.Join(dir, "syncs"))
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	page := make([]byte, 4096)
	start, n := time.Now(), 0
	for ; time.Since(start) < time.Second; n++ {
		if _, err := f.Write(page); err != nil {
			return 0, err
		}
		if err := datasync(f); err != nil {
			return 0, err
		}
	}
	return float64(n) / time.Since(start).Seconds(), nil
}
