package main

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/daypass/daypass/store/diskstore"
)

// A diskCollector tells what the embedded store does.
type diskCollector struct {
	disk *diskstore.Driver
	reads, cacheBytes, cacheLimit, openBlobs,
	commits, syncs, committed, written *prometheus.Desc
}

func newDiskCollector(d *diskstore.Driver) *diskCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &diskCollector{
		disk:       d,
		reads:      desc("daypass_store_cache_reads_total", "Looks for an object in the memory of those that were read lately, by outcome: hit or miss.", "outcome"),
		cacheBytes: desc("daypass_store_cache_bytes", "Memory that objects take that were read lately."),
		cacheLimit: desc("daypass_store_cache_limit_bytes", "Memory that they may take (--cache-size)."),
		openBlobs:  desc("daypass_store_open_blobs", "Files of larger objects that are kept open for the next reader."),
		commits:    desc("daypass_store_commits_total", "Changes of the store's index that were made durable, a small upload being one."),
		syncs:      desc("daypass_store_syncs_total", "Syncs of the index's log to disk, which commits share."),
		committed:  desc("daypass_store_committed_bytes_total", "Bytes of these changes, with the small objects that lie in them."),
		written:    desc("daypass_store_written_bytes_total", "Bytes that the index has written to disk: its log, and tables, some more than once."),
	}
}

// Describe implements prometheus.Collector.
func (c *diskCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.reads, c.cacheBytes, c.cacheLimit, c.openBlobs, c.commits, c.syncs, c.committed, c.written} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *diskCollector) Collect(out chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v int64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(v))
	}
	s := c.disk.Stats()
	counter(c.reads, s.Hits, "hit")
	counter(c.reads, s.Misses, "miss")
	gauge(c.cacheBytes, s.CacheBytes)
	gauge(c.cacheLimit, s.CacheLimit)
	gauge(c.openBlobs, int64(s.OpenBlobs))
	counter(c.commits, s.Commits)
	counter(c.syncs, s.Syncs)
	counter(c.committed, s.CommittedBytes)
	counter(c.written, s.WrittenBytes)
}
