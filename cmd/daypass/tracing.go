package main

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/daypass/daypass/internal/tracing"
)

// lastExport is how long a node that stops waits for its collector to take the
// last spans.
const lastExport = 5 * time.Second

// tracingConfig is what --otlp-endpoint and the variables of OpenTelemetry ask
// for; nil: no traces.
func (a *app) tracingConfig(f *serveFlags) (*tracing.Config, error) {
	c, err := tracing.Configure(tracing.Options{Endpoint: f.otlpEndpoint, TrustParents: f.trustTraceparent,
		Version: readVersion().Version, Env: a.env})
	if err != nil {
		return nil, usagef("traces are not set up right: %v", err)
	}
	return c, nil
}

// stopTracing exports what is left. What a collector does not take is no reason
// to fail: the node has done its work.
func (n *node) stopTracing() error {
	ctx, cancel := context.WithTimeout(context.Background(), lastExport)
	defer cancel()
	if err := n.tracing.Shutdown(ctx); err != nil {
		n.log.Warn("the last traces could not be exported", "err", err)
	}
	if s := n.tracing.Stats(); s.Failed+s.Dropped > 0 {
		n.log.Warn("traces are not complete", "exported", s.Exported, "failed", s.Failed, "dropped", s.Dropped)
	}
	return nil
}

// A spanCollector tells what became of spans.
type spanCollector struct {
	tracing       *tracing.Tracing
	spans, queued *prometheus.Desc
}

func newSpanCollector(t *tracing.Tracing) *spanCollector {
	return &spanCollector{tracing: t,
		spans:  prometheus.NewDesc("daypass_spans_total", "Spans, by what became of them: exported, failed (the collector did not take them), or dropped (the queue was full).", []string{"outcome"}, nil),
		queued: prometheus.NewDesc("daypass_spans_queued", "Spans that wait to be exported.", nil, nil)}
}

// Describe implements prometheus.Collector.
func (c *spanCollector) Describe(out chan<- *prometheus.Desc) { out <- c.spans; out <- c.queued }

// Collect implements prometheus.Collector.
func (c *spanCollector) Collect(out chan<- prometheus.Metric) {
	s := c.tracing.Stats()
	for _, o := range []struct {
		outcome string
		n       int64
	}{{"exported", s.Exported}, {"failed", s.Failed}, {"dropped", s.Dropped}} {
		out <- prometheus.MustNewConstMetric(c.spans, prometheus.CounterValue, float64(o.n), o.outcome)
	}
	out <- prometheus.MustNewConstMetric(c.queued, prometheus.GaugeValue, float64(s.Queued))
}
