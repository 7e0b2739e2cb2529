package main

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/pflag"

	"github.com/daypass/daypass/lifecycle"
)

// lifecycleFlags say how lifecycle rules are carried out.
type lifecycleFlags struct {
	interval             time.Duration
	scanRate, deleteRate int
}

func addLifecycleFlags(fs *pflag.FlagSet, f *lifecycleFlags) {
	fs.DurationVar(&f.interval, "lifecycle-interval", lifecycle.DefaultInterval, "how often buckets are looked for whose lifecycle rules have changed or are due")
	fs.IntVar(&f.scanRate, "lifecycle-scan-rate", lifecycle.DefaultScanRate, "versions that lifecycle rules look at in a second, at most")
	fs.IntVar(&f.deleteRate, "lifecycle-delete-rate", lifecycle.DefaultDeleteRate, "versions that lifecycle rules remove in a second, at most")
}

func (f *lifecycleFlags) check() error {
	if f.interval < time.Second || f.scanRate < 1 || f.deleteRate < 1 {
		return usagef("--lifecycle-interval is at least 1s, --lifecycle-scan-rate and --lifecycle-delete-rate at least 1")
	}
	return nil
}

// oneNode is the name under which the worker of a node that is alone holds what it
// works on (nodeIdentity.holder).
const oneNode = "data directory"

// startLifecycle carries out lifecycle rules in the background. What they remove
// is told to the spool only, since the metrics count requests.
func (n *node) startLifecycle() {
	f := &n.config.lifecycle
	n.lifecycle = lifecycle.New(lifecycle.Config{
		Store: n.store, Settings: n.state, Journal: n.state, Events: n.spool, Sequencer: n.s3.NextSequencer, Node: n.identity.holder,
		Interval: f.interval, ScanRate: f.scanRate, DeleteRate: f.deleteRate, Clock: n.app.now, Rand: n.app.rand, Log: n.log,
	})
	n.release = append(n.release, n.lifecycle.Close)
	if n.metrics != nil {
		n.metrics.lifecycle = n.lifecycle
	}
	n.lifecycle.Start()
}

// describeLifecycle registers what a worker has done. w may be nil.
func describeLifecycle(registry prometheus.Registerer, w *lifecycle.Worker) {
	if w == nil {
		return
	}
	counter := func(name, help string, labels prometheus.Labels, value func(lifecycle.Stats) int64) {
		registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels},
			func() float64 { return float64(value(w.Stats())) }))
	}
	counter("daypass_lifecycle_scanned_total", "Versions, delete markers and uploads that lifecycle rules have looked at.", nil,
		func(s lifecycle.Stats) int64 { return s.Scanned })
	for what, value := range map[string]func(lifecycle.Stats) int64{
		"current": func(s lifecycle.Stats) int64 { return s.Expired }, "noncurrent": func(s lifecycle.Stats) int64 { return s.Noncurrent },
		"delete-marker": func(s lifecycle.Stats) int64 { return s.Markers }, "upload": func(s lifecycle.Stats) int64 { return s.Uploads },
	} {
		counter("daypass_lifecycle_removed_total", "What lifecycle rules have removed.", prometheus.Labels{"what": what}, value)
	}
	for why, value := range map[string]func(lifecycle.Stats) int64{
		"locked": func(s lifecycle.Stats) int64 { return s.Locked }, "changed": func(s lifecycle.Stats) int64 { return s.Changed },
		"failed": func(s lifecycle.Stats) int64 { return s.Failed },
	} {
		counter("daypass_lifecycle_kept_total", "What lifecycle rules were to remove and did not: it was locked, had changed, or could not be removed.",
			prometheus.Labels{"why": why}, value)
	}
	counter("daypass_lifecycle_passes_total", "Buckets that were gone through to their end.", nil,
		func(s lifecycle.Stats) int64 { return s.Passes })
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "daypass_lifecycle_running",
		Help: "1 while lifecycle rules are carried out."}, func() float64 {
		return number(w.Stats().Running)
	}))
}
