package main

import (
	"github.com/prometheus/client_golang/prometheus"
)

// A backendCollector tells how what a node depends on is when it is asked.
type backendCollector struct {
	node                                         *node
	info, draining, reachable, age, up, failures *prometheus.Desc
}

func newBackendCollector(n *node) *backendCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &backendCollector{
		node: n,
		info: desc("daypass_node_info", "The node, and where its objects and its state are: in the data directory (disk), or in an upstream (s3) and a database (postgres); the value is 1.",
			"node", "store", "state"),
		draining:  desc("daypass_draining", "1 while the node is about to end."),
		reachable: desc("daypass_state_reachable", "1 while state is reached."),
		age:       desc("daypass_state_age_seconds", "Time since state was last reached."),
		up:        desc("daypass_store_endpoint_up", "1 while an endpoint of the upstream takes requests, 0 while its circuit breaker keeps them from it.", "endpoint"),
		failures:  desc("daypass_store_endpoint_failures_total", "Requests to an endpoint of the upstream that failed or had no answer in time.", "endpoint"),
	}
}

// Describe implements prometheus.Collector.
func (c *backendCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.info, c.draining, c.reachable, c.age, c.up, c.failures} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *backendCollector) Collect(out chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	n := c.node
	objects, state := "disk", "disk"
	if n.upstream != nil {
		objects = "s3"
	}
	if n.config.backend.shared() {
		state = "postgres"
	}
	gauge(c.info, 1, n.identity.name, objects, state)
	gauge(c.draining, number(n.draining.Load()))
	gauge(c.reachable, number(n.state.Healthy() == nil))
	if at := n.state.LastContact(); !at.IsZero() {
		gauge(c.age, max(0, n.app.now().Sub(at).Seconds()))
	}
	if n.upstream == nil {
		return
	}
	for _, e := range n.upstream.Endpoints() {
		gauge(c.up, number(!e.Open), endpointName(e))
		out <- prometheus.MustNewConstMetric(c.failures, prometheus.CounterValue, float64(e.Failures), endpointName(e))
	}
}

// number is 1 for true.
func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
