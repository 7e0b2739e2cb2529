package main

import (
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit/spool"
	"github.com/daypass/daypass/internal/tracing"
	"github.com/daypass/daypass/lifecycle"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/server"
)

// metrics count the events of a node, for Prometheus. A client cannot make
// them grow: each label has the values of a table, and "other".
type metrics struct {
	events     *spool.Spool
	requests   *prometheus.CounterVec
	refusals   *prometheus.CounterVec
	received   *prometheus.CounterVec
	sent       *prometheus.CounterVec
	passes     *prometheus.CounterVec
	admin      *prometheus.CounterVec
	webhooks   *prometheus.CounterVec
	total      *prometheus.HistogramVec
	turnAround *prometheus.HistogramVec
	sinks      *prometheus.CounterVec
	actions    map[daypass.Action]bool
	times      *operationTimes
	tracing    *tracing.Tracing // nil where nothing is traced
	rotation   *rotation        // nil: none to tell of
	lifecycle  *lifecycle.Worker
	backends   *backendCollector // nil: none to tell of
	disk       *diskCollector    // nil: objects are elsewhere

	mu sync.Mutex // of changes to series
	// series are made when they are first counted: whoever adds one makes a new
	// map, so that requests need no lock.
	series atomic.Pointer[map[seriesKey]*series]
}

var _ server.EventSink = (*metrics)(nil)

// A seriesKey is what the labels of an event are.
type seriesKey struct {
	action daypass.Action
	scheme daypass.Scheme
	status int // 0: other
	code   daypass.Code
	pass   string // what became of a pass; empty where there was none
}

// A series is what events with one key count, looked up once.
type series struct {
	requests, refusals, received, sent, passes prometheus.Counter // refusals and passes may be nil
	total, turnAround                          prometheus.Observer
}

// beside are what requests ask for besides the actions of S3: of STS, and what
// browsers do.
var beside = []daypass.Action{"AssumeRole", "GetSessionToken", "GetCallerIdentity", "PreflightRequest", "EnterPIN"}

// other is the value of labels that are in no table.
const other = "other"

// latencies are the bounds of the histograms, in seconds: from an object in the
// page cache to an upload of minutes.
var latencies = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 10, 60, 300}

func newMetrics(events *spool.Spool) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: latencies}, []string{"action"})
	}
	m := &metrics{
		events:     events,
		requests:   counter("daypass_requests_total", "Requests, by S3 action, authentication scheme and HTTP status.", "action", "scheme", "status"),
		refusals:   counter("daypass_refusals_total", "Requests that were refused or failed, by S3 error code.", "code"),
		received:   counter("daypass_received_bytes_total", "Bytes of request bodies.", "action"),
		sent:       counter("daypass_sent_bytes_total", "Bytes of response bodies.", "action"),
		passes:     counter("daypass_pass_requests_total", "Requests with a pass, by what became of them: used, exhausted, revoked, or refused for another reason.", "outcome"),
		admin:      counter("daypass_admin_requests_total", "Requests to the admin API, by action and HTTP status.", "action", "status"),
		webhooks:   counter("daypass_webhook_deliveries_total", "Attempts to deliver to a webhook, by outcome: delivered, failed (and tried again), dropped, discarded.", "webhook", "outcome"),
		total:      histogram("daypass_request_duration_seconds", "Time from the arrival of a request to the last byte of its answer."),
		turnAround: histogram("daypass_turn_around_seconds", "Time from the last byte of a request to the first of its answer."),
		sinks:      counter("daypass_sink_failures_total", "Attempts of a sink that failed, and what it dropped.", "sink"),
		actions:    make(map[daypass.Action]bool),
	}
	m.series.Store(new(map[seriesKey]*series))
	for _, a := range s3.Actions() {
		m.actions[a.Name] = true
	}
	for _, name := range beside {
		m.actions[name] = true
	}
	return m
}

// gatherer returns what knows all metrics. It is made when they are first asked
// for: a server whom nobody asks needs no memory for those of the Go runtime.
func (m *metrics) gatherer() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(m.requests, m.refusals, m.received, m.sent, m.passes, m.admin, m.webhooks, m.total, m.turnAround, m.sinks,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newSpoolCollector(m.events),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "daypass_build_info", Help: "The version that runs; the value is 1.",
			ConstLabels: prometheus.Labels{"version": readVersion().Version}}, func() float64 { return 1 }))
	if m.times != nil {
		r.MustRegister(m.times)
	}
	if m.tracing != nil {
		r.MustRegister(newSpanCollector(m.tracing))
	}
	if m.backends != nil {
		r.MustRegister(m.backends)
	}
	if m.disk != nil {
		r.MustRegister(m.disk)
	}
	m.rotation.describe(r)
	describeLifecycle(r, m.lifecycle)
	return r
}

func (m *metrics) handler() http.Handler {
	handler := sync.OnceValue(func() http.Handler {
		return promhttp.HandlerFor(m.gatherer(), promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler().ServeHTTP(w, r) })
}

// Append implements server.EventSink.
func (m *metrics) Append(e *daypass.Event) {
	if e.Action.Service() == daypass.ServiceDaypass {
		// Both are of a table: the API's routes, and its errors.
		m.admin.WithLabelValues(string(e.Action), strconv.Itoa(e.Status)).Inc()
		return
	}
	if e.Total < 0 {
		return // a part of a request, such as an object of DeleteObjects
	}
	k := m.key(e)
	s := (*m.series.Load())[k]
	if s == nil {
		s = m.add(k)
	}
	s.requests.Inc()
	if s.refusals != nil {
		s.refusals.Inc()
	}
	if s.passes != nil {
		s.passes.Inc()
	}
	if e.Received > 0 {
		s.received.Add(float64(e.Received))
	}
	if e.Sent > 0 {
		s.sent.Add(float64(e.Sent))
	}
	s.total.Observe(e.Total.Seconds())
	if e.TurnAround > 0 {
		s.turnAround.Observe(e.TurnAround.Seconds())
	}
}

// key returns the labels of an event.
func (m *metrics) key(e *daypass.Event) seriesKey {
	k := seriesKey{action: e.Action, scheme: e.Grant.Scheme, status: e.Status, code: e.Code}
	if !m.actions[k.action] {
		k.action = other
	}
	switch k.scheme {
	case daypass.SchemeAnonymous, daypass.SchemeHeader, daypass.SchemeQuery, daypass.SchemeForm, daypass.SchemeCookie:
	default:
		k.scheme = other
	}
	if k.status < 100 || k.status > 599 {
		k.status = 0
	}
	if e.Code != "" && e.Code != daypass.InternalError && s3.Message(e.Code) == s3.Message(daypass.InternalError) {
		k.code = other
	}
	if e.Grant.PassID != "" {
		k.pass = outcome(e)
	}
	return k
}

// outcome says what became of a request with a pass.
func outcome(e *daypass.Event) string {
	switch {
	case e.Code == "":
		return "used"
	case e.Code != daypass.AccessDenied:
		return "refused"
	case strings.HasPrefix(e.Message, "This pass has been revoked"):
		return "revoked"
	case strings.Contains(e.Message, limits.Uses):
		return "exhausted"
	}
	return "refused"
}

// add makes a series.
func (m *metrics) add(k seriesKey) *series {
	m.mu.Lock()
	defer m.mu.Unlock()
	known := *m.series.Load()
	if s := known[k]; s != nil {
		return s
	}
	action, status := string(k.action), other
	if k.status != 0 {
		status = strconv.Itoa(k.status)
	}
	s := &series{
		requests: m.requests.WithLabelValues(action, string(k.scheme), status),
		received: m.received.WithLabelValues(action), sent: m.sent.WithLabelValues(action),
		total: m.total.WithLabelValues(action), turnAround: m.turnAround.WithLabelValues(action),
	}
	if k.code != "" {
		s.refusals = m.refusals.WithLabelValues(string(k.code))
	}
	if k.pass != "" {
		s.passes = m.passes.WithLabelValues(k.pass)
	}
	next := make(map[seriesKey]*series, len(known)+1)
	maps.Copy(next, known)
	next[k] = s
	m.series.Store(&next)
	return s
}

// A spoolCollector tells how the spool is when it is asked.
type spoolCollector struct {
	spool                                    *spool.Spool
	appended, dropped, queue, lag, writeFail *prometheus.Desc
}

func newSpoolCollector(s *spool.Spool) *spoolCollector {
	return &spoolCollector{
		spool:     s,
		appended:  prometheus.NewDesc("daypass_events_total", "Events that were taken.", nil, nil),
		dropped:   prometheus.NewDesc("daypass_events_dropped_total", "Events that were lost, since the disk did not take them.", nil, nil),
		queue:     prometheus.NewDesc("daypass_events_queue_bytes", "Memory of events that are not yet on the disk.", nil, nil),
		lag:       prometheus.NewDesc("daypass_events_lag_bytes", "How far a sink is behind.", []string{"sink"}, nil),
		writeFail: prometheus.NewDesc("daypass_events_failing", "1 while events cannot be written to the disk.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *spoolCollector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.appended, c.dropped, c.queue, c.lag, c.writeFail} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *spoolCollector) Collect(out chan<- prometheus.Metric) {
	st := c.spool.Stats()
	counter, gauge := prometheus.CounterValue, prometheus.GaugeValue
	failing := 0.0
	if st.Err != nil {
		failing = 1
	}
	out <- prometheus.MustNewConstMetric(c.appended, counter, float64(st.Appended))
	out <- prometheus.MustNewConstMetric(c.dropped, counter, float64(st.Dropped))
	out <- prometheus.MustNewConstMetric(c.queue, gauge, float64(st.QueueBytes))
	out <- prometheus.MustNewConstMetric(c.writeFail, gauge, failing)
	for name, n := range st.Lag {
		out <- prometheus.MustNewConstMetric(c.lag, gauge, float64(n), name)
	}
}

// addSink makes a sink's failures count from 0. There may be no metrics.
func (m *metrics) addSink(name string) {
	if m != nil {
		m.sinks.WithLabelValues(name)
	}
}

// sinkFailed counts a failure of a sink.
func (m *metrics) sinkFailed(name string) {
	if m != nil {
		m.sinks.WithLabelValues(name).Inc()
	}
}
