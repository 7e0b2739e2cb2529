package main

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"github.com/daypass/daypass/audit/bucketlog"
	"github.com/daypass/daypass/audit/spool"
	"github.com/daypass/daypass/server"
)

// bucketLogsDir is where the access logs wait that buckets do not take yet. It is
// in the spool's directory, since it goes on where that is.
func bucketLogsDir(data string) string { return filepath.Join(eventsDir(data), "bucket-logs") }

// startBucketLogs delivers the access logs of buckets to buckets.
func (n *node) startBucketLogs() error {
	s, c := n.sinks, &n.config.events
	source := &bucketLogSource{Consumer: n.spool.Consumer(bucketLogsSink), spool: n.spool, interval: c.logInterval,
		hurried: s.hurried, through: make(chan struct{})}
	buckets := server.NewLogDelivery(server.LogDeliveryConfig{Store: n.store, Settings: n.state, Region: n.config.server.Region,
		Encrypt: n.config.server.Encrypt, Events: n.events, Clock: n.app.now, Rand: n.app.rand})
	d, err := bucketlog.New(bucketlog.Config{
		Source: source, Buckets: buckets, Dir: bucketLogsDir(n.config.data), MaxBytes: c.maxBytes, Now: n.app.now,
		Failed: s.failed(bucketLogsSink, "an access log cannot be delivered yet"),
		Refused: func(err error) {
			s.log.Warn("an access log cannot be delivered", "sink", bucketLogsSink, "err", err)
		},
		Lost: func(int) { n.metrics.sinkFailed(bucketLogsSink) },
	})
	if err != nil {
		return err
	}
	n.metrics.addSink(bucketLogsSink)
	s.busy = append(s.busy, source.busy)
	s.running.Go(func() { d.Run(s.ctx) })
	return nil
}

// A bucketLogSource is a consumer of the spool, as package bucketlog reads it.
type bucketLogSource struct {
	*spool.Consumer
	spool    *spool.Spool
	interval time.Duration
	hurried  context.Context
	// last is up to where a server that stops delivers, and through is closed
	// when it has: to deliver makes events, for which there would be no end.
	last    spool.Position
	through chan struct{}
	once    sync.Once
}

var _ bucketlog.Source = (*bucketLogSource)(nil)

// Wait implements bucketlog.Source. Once the server stops nothing waits.
func (s *bucketLogSource) Wait(ctx context.Context) (spool.Position, error) {
	if s.hurried.Err() == nil {
		patient, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(s.hurried, cancel)()
		end, err := s.Consumer.Wait(patient, spool.Limit{Wait: s.interval, Patience: s.interval * 4 / 5})
		if err == nil || s.hurried.Err() == nil || ctx.Err() != nil {
			return end, err
		}
	}
	st := s.spool.Stats()
	if s.last == 0 {
		s.last = st.End // everything of clients is durable by now
	}
	if at := st.End - spool.Position(st.Lag[bucketLogsSink]); at >= s.last {
		s.once.Do(func() { close(s.through) })
		<-ctx.Done()
		return 0, ctx.Err()
	}
	return s.Consumer.Wait(ctx, spool.Limit{})
}

// Next implements bucketlog.Source.
func (s *bucketLogSource) Next(ctx context.Context) (*spool.Batch, error) {
	return s.Consumer.Next(ctx, spool.Limit{})
}

// busy reports whether something is to be delivered before the server ends.
func (s *bucketLogSource) busy() bool {
	select {
	case <-s.through:
		return false
	default:
		return true
	}
}
