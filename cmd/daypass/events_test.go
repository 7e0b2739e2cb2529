package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit/spool"
)

func openSpool(t testing.TB) *spool.Spool {
	t.Helper()
	s, err := spool.Open(spool.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func passEvent() daypass.Event {
	return daypass.Event{
		Time: time.Date(2026, 3, 1, 10, 30, 0, 0, time.UTC), RequestID: "4442587FB7D0A2F9", Action: daypass.GetObject, Operation: "REST.GET.OBJECT",
		Object: daypass.ObjectRef{Bucket: "photos", Key: "puppy.jpg"},
		Grant: daypass.Grant{AccessKeyID: "DPAKEXAMPLE", Owner: "daypass", Scheme: daypass.SchemeQuery, SignatureVersion: "SigV4",
			PassID: "MFRGGZDFMZTWQ2LKNNWG23TPOB", Name: "for Joe"},
		Source: "192.0.2.3", Method: "GET", URI: "/photos/puppy.jpg", Status: 200, Sent: 1500, Total: time.Millisecond, TurnAround: time.Millisecond,
	}
}

func refusedEvent() daypass.Event {
	e := passEvent()
	e.Status, e.Code, e.Message, e.Reason = 403, daypass.AccessDenied, "Request has expired", "AccessDenied: expired 3 minutes ago\x1b[2J"
	e.Grant.Name = ""
	return e
}

// TestMetricsAreBounded checks that nothing a client chooses makes series.
func TestMetricsAreBounded(t *testing.T) {
	m := newMetrics(openSpool(t))
	for i := range 1000 {
		e := passEvent()
		text := fmt.Sprint("made up ", i)
		e.Action, e.Grant.Scheme, e.Code, e.Message = daypass.Action(text), daypass.Scheme(text), daypass.Code(text), text
		e.Status, e.Object.Bucket, e.Grant.Name, e.Grant.PassID = 1000+i, text, text, text
		m.Append(&e)
	}
	if len(*m.series.Load()) != 1 {
		t.Errorf("%d series", len(*m.series.Load()))
	}
	families, err := m.gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, metric := range f.GetMetric() {
			for _, l := range metric.GetLabel() {
				if strings.Contains(l.GetValue(), "made up") {
					t.Errorf("%s has %s", f.GetName(), l.GetValue())
				}
			}
		}
	}
}

// TestMetricsCountRequests leaves out parts of requests.
func TestMetricsCountRequests(t *testing.T) {
	m := newMetrics(openSpool(t))
	e := passEvent()
	e.Total, e.Method, e.URI = -1, "", ""
	m.Append(&e)
	if len(*m.series.Load()) != 0 {
		t.Error("a part was counted")
	}
}

// TestMetricsLoseNothing counts what is counted for the first time by many at once.
func TestMetricsLoseNothing(t *testing.T) {
	m := newMetrics(openSpool(t))
	const counting, kinds, times = 8, 100, 20
	var all sync.WaitGroup
	for range counting {
		all.Go(func() {
			for i := range kinds * times {
				e := passEvent()
				e.Status = 200 + i%kinds
				m.Append(&e)
			}
		})
	}
	all.Wait()
	if n := len(*m.series.Load()); n != kinds {
		t.Errorf("%d series", n)
	}
	families, err := m.gatherer().Gather()
	if err != nil {
		t.Fatal(err)
	}
	counted := 0
	for _, f := range families {
		if f.GetName() != "daypass_requests_total" {
			continue
		}
		for _, metric := range f.GetMetric() {
			counted++
			if n := metric.GetCounter().GetValue(); n != counting*times {
				t.Errorf("%v: %v requests", metric.GetLabel(), n)
			}
		}
	}
	if counted != kinds {
		t.Errorf("%d of %d are told", counted, kinds)
	}
}

func TestMetricsOutcome(t *testing.T) {
	for message, want := range map[string]string{
		"This pass has been revoked.":                           "revoked",
		"The limit x-daypass-uses does not allow this request.": "exhausted",
		"The limit x-daypass-ip does not allow this request.":   "refused",
		"": "refused",
	} {
		e := refusedEvent()
		e.Message = message
		if got := outcome(&e); got != want {
			t.Errorf("%q: %s, want %s", message, got, want)
		}
	}
	e := passEvent()
	if got := outcome(&e); got != "used" {
		t.Error(got)
	}
}

// BenchmarkEvents is what an event costs on the goroutine of its request.
func BenchmarkEvents(b *testing.B) {
	s := openSpool(b)
	m := newMetrics(s)
	for name, sink := range map[string]fanOut{"metrics": {m}, "metrics and spool": {s, m}} {
		b.Run(name, func(b *testing.B) {
			e := passEvent()
			b.ReportAllocs()
			for b.Loop() {
				sink.Append(&e)
			}
		})
	}
}

// TestSpoolCollector checks that its descriptions are those of its metrics.
func TestSpoolCollector(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(newSpoolCollector(openSpool(t)))
	if _, err := r.Gather(); err != nil {
		t.Error(err)
	}
}

// TestLogTable checks what people see: the code once, and nothing that steers
// a terminal.
func TestLogTable(t *testing.T) {
	var out bytes.Buffer
	a := &app{out: &out, err: &out, terminal: true, env: func(name string) string { return map[string]string{"NO_COLOR": "1"}[name] }}
	p := a.newLogPrinter(false)
	granted, refused := passEvent(), refusedEvent()
	for _, e := range []spool.Entry{{Event: &granted}, {Event: &refused}} {
		if err := p.print(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.end(); err != nil {
		t.Fatal(err)
	}
	want := `TIME (UTC)           STATUS  ACTION         SOURCE               BYTES  PASS                        OBJECT
2026-03-01 10:30:00  200     GetObject      192.0.2.3          1.5 KiB  for Joe                     s3://photos/puppy.jpg
2026-03-01 10:30:00  403     GetObject      192.0.2.3          1.5 KiB  MFRGGZDFMZTWQ2LKNNWG23TPOB  s3://photos/puppy.jpg  AccessDenied: expired 3 minutes ago\x1b[2J
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLogGap(t *testing.T) {
	var out, notes bytes.Buffer
	g := spool.Gap{Loss: spool.Overflow, Events: 3, From: time.Unix(0, 0).UTC(), To: time.Unix(60, 0).UTC()}
	a := &app{out: &out, err: &notes, json: true, env: func(string) string { return "" }}
	for _, json := range []bool{true, false} {
		a.json = json
		p := a.newLogPrinter(false)
		if err := p.print(spool.Entry{Gap: g}); err != nil {
			t.Fatal(err)
		}
		if err := p.end(); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := out.String(), `{"gap":{"loss":"overflow","events":3,"from":"1970-01-01T00:00:00Z","to":"1970-01-01T00:01:00Z"}}`+"\n"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if !strings.Contains(notes.String(), "3 events missing (overflow)") {
		t.Error(notes.String())
	}
}

// TestLogsFollow checks that what comes later is shown, and that an
// interruption is no failure.
func TestLogsFollow(t *testing.T) {
	data := t.TempDir()
	s, err := spool.Open(spool.Options{Dir: eventsDir(data), FlushEvery: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	e, seen := passEvent(), 0
	s.Append(&e)
	err = readEvents(ctx, data, spool.Filter{Name: "for Joe", Follow: true}, func(spool.Entry) error {
		if seen++; seen == 3 {
			cancel()
		} else {
			s.Append(&e)
		}
		return nil
	})
	if err != nil || seen != 3 {
		t.Errorf("%v, %d events", err, seen)
	}
}

// TestTrailKey checks that the key is made once, for its owner alone.
func TestTrailKey(t *testing.T) {
	data := t.TempDir()
	first, err := trailKey(data, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	again, err := trailKey(data, rand.Reader)
	if err != nil || !again.Equal(first) {
		t.Errorf("another key (%v)", err)
	}
	st, err := os.Stat(filepath.Join(data, trailKeyFile))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st.Mode(), err)
	}
	public, err := readPublicKey(filepath.Join(data, trailPublicFile))
	if err != nil || !public.Equal(&first.PublicKey) {
		t.Errorf("another public key (%v)", err)
	}
	if _, err := readPublicKey(filepath.Join(data, trailKeyFile)); err == nil {
		t.Error("the private key was taken for a public one")
	}
}

// TestSinksSurviveWithout checks that a process without sinks leaves alone how
// far those of the data directory are.
func TestSinksSurviveWithout(t *testing.T) {
	data := t.TempDir()
	run := func(noSinks bool) {
		t.Helper()
		a := &app{out: os.Stdout, now: time.Now, rand: rand.Reader, env: func(string) string { return "" }}
		n := &node{app: a, log: slog.New(slog.DiscardHandler)}
		n.config.data = data
		n.config.events = eventConfig{noSinks: noSinks}
		n.config.events.accessLog.Path = filepath.Join(data, "access.log")
		if err := errors.Join(n.openStore(t.Context()), n.openState(t.Context()), n.openEvents(t.Context())); err != nil {
			t.Fatal(err)
		}
		e := passEvent()
		n.events.Append(&e)
		if err := n.close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, noSinks := range []bool{false, true, false} {
		run(noSinks)
	}
	log, err := os.ReadFile(filepath.Join(data, "access.log"))
	if n := bytes.Count(log, []byte("\n")); err != nil || n != 3 {
		t.Errorf("%d lines, %v:\n%s", n, err, log)
	}
}

// TestStuckSink stops a node although what reads its access log does not read
// on.
func TestStuckSink(t *testing.T) {
	s, stuck := new(sinks), make(chan struct{})
	s.running.Go(func() { <-stuck })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.wait(ctx); err == nil {
		t.Error("a sink that does not end was waited for")
	}
	close(stuck)
	if err := s.wait(t.Context()); err != nil {
		t.Error(err)
	}
}
