package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit"
	"github.com/daypass/daypass/audit/spool"
	"github.com/daypass/daypass/notify"
	"github.com/daypass/daypass/server"
)

// Every request of a node becomes one event. The spool keeps it on disk, and
// sinks read it from there: the access log, the trail, the access logs of
// buckets, the webhooks.

// The names of the sinks, by which the spool knows how far each is.
const (
	accessLogSink  = "access-log"
	trailSink      = "trail"
	bucketLogsSink = "bucket-logs"
)

// How long sinks let requests go first while the machine is busy.
const (
	accessLogPatience = 30 * time.Second
	trailPatience     = 4 * time.Minute
)

// lastDelivery is how long a node that stops waits for its sinks. What they do
// not have by then they get after the next start.
const lastDelivery = 5 * time.Second

// eventsDir is where the spool of a data directory is.
func eventsDir(data string) string { return filepath.Join(data, "events") }

// An eventConfig says how long events are kept and where they go besides.
type eventConfig struct {
	maxAge    time.Duration
	maxBytes  int64
	accessLog audit.LogFileOptions // an empty path: none
	trail     string               // directory; empty: none
	webhooks  webhookFlag
	// webhookAllow are the addresses that webhooks may be sent to although
	// they are not public.
	webhookAllow notify.Allowlist
	// logInterval is how long an event waits for others of its bucket's log.
	logInterval time.Duration
	// noSinks leaves the sinks of the data directory to another process,
	// which goes on where they were.
	noSinks bool
}

// sinks are the goroutines that read the spool of a node.
type sinks struct {
	names   []string // of those that run
	ctx     context.Context
	stop    context.CancelFunc
	hurried context.Context // ends when sinks are to wait for nothing more
	hurry   context.CancelFunc
	running sync.WaitGroup
	load    load
	log     *slog.Logger
	metrics *metrics // nil: none
	// busy tell of sinks that do not read to the end whether they still have
	// something to do.
	busy []func() bool
}

// openEvents opens the spool and starts the sinks.
func (n *node) openEvents(ctx context.Context) error {
	c, dir := &n.config.events, eventsDir(n.config.data)
	consumers, err := c.consumers(dir)
	if err != nil {
		return err
	}
	if !c.noSinks {
		if n.webhooks, err = c.webhooks.endpoints(n.app.env); err != nil {
			return err
		}
	}
	s := &sinks{log: n.log}
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.hurried, s.hurry = context.WithCancel(context.Background())
	opened, err := spool.Open(spool.Options{Dir: dir, Busy: s.isBusy, Consumers: consumers, Late: c.webhooks.sinks(), RetainAge: c.maxAge, RetainBytes: c.maxBytes,
		SegmentBytes: segmentBytes(c.maxBytes), MaxBytes: awayFactor * c.maxBytes, Logger: n.log, Now: n.app.now})
	if err != nil {
		s.stop()
		s.hurry()
		return err
	}
	n.spool, n.sinks = opened, s
	n.release = append(n.release, n.closeEvents)
	n.events = fanOut{opened}
	if n.config.opsListen != "" {
		n.metrics = newMetrics(opened)
		n.metrics.times, n.metrics.tracing = n.times, n.tracing
		s.metrics = n.metrics
		n.metrics.rotation = n.rotation
		n.events = fanOut{opened, n.metrics}
	}
	return n.startSinks(ctx)
}

// consumers returns the sinks that the spool keeps events for.
func (c *eventConfig) consumers(dir string) (names []string, err error) {
	if c.noSinks {
		return sinksOf(dir)
	}
	if c.accessLog.Path != "" {
		names = append(names, accessLogSink)
	}
	if c.trail != "" {
		names = append(names, trailSink)
	}
	return append(append(names, bucketLogsSink), c.webhooks.sinks()...), nil
}

// awayFactor is how much more than --events-max-size is kept while a sink is
// away.
const awayFactor = 8

// segmentBytes makes segments so small that the age and size that are kept are
// about those that were asked for.
func segmentBytes(kept int64) int64 { return min(64<<20, max(64<<10, kept/8)) }

// sinksOf returns the sinks that a spool knows of.
func sinksOf(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".cursor"); ok {
			names = append(names, name)
		}
	}
	return names, nil
}

func (n *node) startSinks(ctx context.Context) error {
	c := &n.config.events
	if c.noSinks {
		return nil
	}
	if c.accessLog.Path != "" {
		if err := n.startAccessLog(); err != nil {
			return err
		}
	}
	if c.trail != "" {
		if err := n.startTrail(ctx); err != nil {
			return err
		}
	}
	if err := n.startWebhooks(); err != nil {
		return err
	}
	return n.startBucketLogs()
}

// startAccessLog writes the access log, and reopens its file at SIGHUP.
func (n *node) startAccessLog() error {
	opts := n.config.events.accessLog
	opts.Now, opts.Stdout = n.app.now, n.app.out
	file, err := audit.OpenLogFile(opts)
	if err != nil {
		return hinted(err, "--access-log names a file that can be appended to, or - for standard output")
	}
	consumer := n.spool.Consumer(accessLogSink)
	put, err := consumer.LogTo(file, new(audit.AccessLog).Append)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	s := n.sinks
	s.names = append(s.names, accessLogSink)
	s.metrics.addSink(accessLogSink)
	s.running.Go(func() {
		_ = consumer.Deliver(s.ctx, spool.Limit{Patience: accessLogPatience}, put, s.failed(accessLogSink, "the access log cannot be written")) // nil: it was stopped
		if err := file.Close(); err != nil {
			s.failed(accessLogSink, "the access log cannot be closed")(err)
		}
	})
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	s.running.Go(func() {
		defer signal.Stop(hangup)
		for {
			select {
			case <-hangup:
				if err := file.Reopen(); err != nil {
					s.failed(accessLogSink, "the access log cannot be opened again")(err)
				}
			case <-s.ctx.Done():
				return
			}
		}
	})
	return nil
}

// isBusy reports whether sinks should let requests go first.
func (s *sinks) isBusy() bool { return s.hurried.Err() == nil && s.load.busy() }

// failed returns a function that logs and counts failures of a sink.
func (s *sinks) failed(sink, what string) func(error) {
	return func(err error) {
		s.metrics.sinkFailed(sink)
		s.log.Error(what, "sink", sink, "err", err)
	}
}

// closeEvents lets the sinks catch up with what is in the spool, for a time,
// and closes it.
func (n *node) closeEvents() error {
	ctx, cancel := context.WithTimeout(context.Background(), lastDelivery)
	defer cancel()
	s := n.sinks
	err := n.spool.Sync(ctx)
	s.hurry()
	if err == nil {
		for n.behind() && ctx.Err() == nil {
			time.Sleep(5 * time.Millisecond)
		}
	}
	s.stop()
	late, end := context.WithTimeout(context.Background(), lastDelivery)
	defer end()
	return errors.Join(s.wait(late), n.spool.Close())
}

// wait waits until the sinks have ended, or the context. One may never end: that
// which writes to a pipe whose reader has stopped. What it did not commit it gets
// after the next start.
func (s *sinks) wait(ctx context.Context) error {
	ended := make(chan struct{})
	go func() {
		s.running.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return errors.New("a sink of events does not end: what reads the access log may have stopped")
	}
}

// behind reports whether a sink has something left to do that it can do: without
// state, there are only those that write files.
func (n *node) behind() bool {
	lag := n.spool.Stats().Lag
	if n.state != nil && n.state.Healthy() != nil {
		return lag[accessLogSink] > 0 || lag[trailSink] > 0
	}
	return slices.ContainsFunc(n.sinks.names, func(name string) bool { return lag[name] > 0 }) ||
		slices.ContainsFunc(n.sinks.busy, func(busy func() bool) bool { return busy() })
}

// A fanOut gives events to all of its sinks.
type fanOut []server.EventSink

// Append implements server.EventSink.
func (f fanOut) Append(e *daypass.Event) {
	for _, s := range f {
		s.Append(e)
	}
}
