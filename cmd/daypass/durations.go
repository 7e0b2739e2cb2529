package main

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/daypass/daypass/internal/instrument"
	"github.com/daypass/daypass/internal/tracing"
	"github.com/daypass/daypass/server"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/store"
)

// durations are a histogram of how long operations take.
type durations struct {
	vec    *prometheus.HistogramVec
	names  []string
	series []atomic.Pointer[prometheus.Observer] // made when they are first observed
}

var _ instrument.Durations = (*durations)(nil)

// operationLatencies are the bounds of the histograms, in seconds: from a
// look-up in memory to an upload of a minute.
var operationLatencies = []float64{.00001, .000025, .00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5, 60}

func newDurations(name, help string, operations []string) *durations {
	return &durations{names: operations, series: make([]atomic.Pointer[prometheus.Observer], len(operations)),
		vec: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: operationLatencies}, []string{"operation"})}
}

// Observe implements instrument.Durations.
func (d *durations) Observe(operation int, took time.Duration) {
	o := d.series[operation].Load()
	if o == nil {
		made := d.vec.WithLabelValues(d.names[operation])
		o = &made
		d.series[operation].Store(o)
	}
	(*o).Observe(took.Seconds())
}

// operationTimes are those of store and state.
type operationTimes struct{ store, state *durations }

func newOperationTimes() *operationTimes {
	return &operationTimes{
		store: newDurations("daypass_store_duration_seconds", "Time that operations of the object store take; of uploads, with receiving the body.", instrument.StoreOperations()),
		state: newDurations("daypass_state_duration_seconds", "Time that operations of the state take.", instrument.StateOperations()),
	}
}

// Describe implements prometheus.Collector.
func (t *operationTimes) Describe(out chan<- *prometheus.Desc) {
	t.store.vec.Describe(out)
	t.state.vec.Describe(out)
}

// Collect implements prometheus.Collector.
func (t *operationTimes) Collect(out chan<- prometheus.Metric) {
	t.store.vec.Collect(out)
	t.state.vec.Collect(out)
}

// startTracing begins to trace, if that is configured, and to measure what
// store and state do, if somebody can ask for it. It comes before both are
// opened.
func (n *node) startTracing() {
	if n.config.opsListen != "" {
		n.times = newOperationTimes()
	}
	if n.config.tracing == nil {
		return
	}
	n.tracing = tracing.Start(n.config.tracing, n.log)
	n.release = append(n.release, n.stopTracing)
}

// steps returns what makes calls steps of traces, nil where nothing is traced.
func (n *node) steps() instrument.Steps {
	if n.tracing == nil {
		return nil
	}
	return n.tracing
}

// instrumentStore puts measuring and tracing before a driver, where there is
// any.
func (n *node) instrumentStore(d store.Driver) store.Driver {
	switch {
	case n.times != nil:
		return instrument.Store(d, n.times.store, n.steps())
	case n.tracing != nil:
		return instrument.Store(d, nil, n.tracing)
	}
	return d
}

func (n *node) instrumentState(d state.Driver) state.Driver {
	switch {
	case n.times != nil:
		return instrument.State(d, n.times.state, n.steps())
	case n.tracing != nil:
		return instrument.State(d, nil, n.tracing)
	}
	return d
}

// trace makes a server trace its requests, if that is configured.
func (n *node) trace(c *server.Config) {
	if n.tracing != nil {
		c.Tracer, c.Ledger = n.tracing, n.tracing.Ledger(c.Ledger)
	}
}
