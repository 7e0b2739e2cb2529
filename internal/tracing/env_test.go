package tracing

import (
	"bytes"
	"compress/gzip"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/slim/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/internal/instrument"
	"github.com/daypass/daypass/server"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/state/sqlstate"
	"github.com/daypass/daypass/store"
	"github.com/daypass/daypass/store/diskstore"
)

// A sink is a collector that keeps what it gets.
type sink struct {
	*httptest.Server
	mu     sync.Mutex
	raw    [][]byte // bodies, decompressed
	heads  []http.Header
	paths  []string
	spans  []*otlp.Span
	about  []*otlp.ResourceSpans
	answer func(http.ResponseWriter) // nil: takes everything
}

func newSink(t *testing.T) *sink {
	s := &sink{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			var err error
			if body, err = gzip.NewReader(r.Body); err != nil {
				t.Errorf("gzip: %v", err)
				return
			}
		}
		raw, err := io.ReadAll(body)
		if err != nil {
			t.Errorf("read: %v", err)
		}
		s.take(t, r, raw)
		if s.answer != nil {
			s.answer(w)
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *sink) take(t *testing.T, r *http.Request, raw []byte) {
	var req collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(raw, &req); err != nil {
		t.Errorf("the body is no ExportTraceServiceRequest: %v", err)
	}
	if len(req.ProtoReflect().GetUnknown()) > 0 {
		t.Error("the body has unknown fields")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raw, s.heads, s.paths = append(s.raw, raw), append(s.heads, r.Header), append(s.paths, r.URL.RequestURI())
	for _, rs := range req.ResourceSpans {
		s.about = append(s.about, rs)
		for _, ss := range rs.ScopeSpans {
			if ss.Scope.GetName() != scopeName {
				t.Errorf("scope %q", ss.Scope.GetName())
			}
			s.spans = append(s.spans, ss.Spans...)
		}
	}
}

// values are attributes as text.
func values(list []*common.KeyValue) map[string]any {
	m := make(map[string]any)
	for _, kv := range list {
		switch v := kv.Value.Value.(type) {
		case *common.AnyValue_StringValue:
			m[kv.Key] = v.StringValue
		case *common.AnyValue_IntValue:
			m[kv.Key] = v.IntValue
		case *common.AnyValue_BoolValue:
			m[kv.Key] = v.BoolValue
		case *common.AnyValue_DoubleValue:
			m[kv.Key] = v.DoubleValue
		}
	}
	return m
}

// variables are an environment.
type variables map[string]string

func (v variables) get(name string) string { return v[name] }

// node is a server whose requests are traced, all the way to a collector.
type node struct {
	t       *testing.T
	sink    *sink
	tracing *Tracing
	http    *httptest.Server
	handler http.Handler
	key     daypass.AccessKey
	store   *store.Store
	events  eventList
	log     lockedBuffer
}

// lockedBuffer is a log that may be read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

type eventList struct {
	mu   sync.Mutex
	list []daypass.Event
}

func (l *eventList) Append(e *daypass.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, *e)
}

func (l *eventList) last() daypass.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list[len(l.list)-1]
}

// newNode starts a node with an environment; change may change its server.
func newNode(t *testing.T, env variables, change ...func(*server.Config)) *node {
	t.Helper()
	n := &node{t: t, sink: newSink(t)}
	get := func(name string) string {
		if name == "OTEL_BSP_SCHEDULE_DELAY" && env[name] == "" {
			return "3600000" // spans go out when the test asks for them
		}
		return env[name]
	}
	c, err := Configure(Options{Endpoint: n.sink.URL, Version: "1.2.3", Env: get})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewJSONHandler(&n.log, nil))
	n.tracing = Start(c, log)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = n.tracing.Shutdown(ctx)
	})
	disk, err := diskstore.Open(diskstore.Options{Dir: t.TempDir(), MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	n.store = store.New(instrument.Store(disk, nil, n.tracing))
	t.Cleanup(func() { n.store.Close() })
	db, err := sqlstate.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	kept, err := state.Open(t.Context(), instrument.State(db, nil, n.tracing), state.MasterKey{1}, state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kept.Close() })
	if n.key, _, err = kept.EnsureRoot(t.Context(), "", ""); err != nil {
		t.Fatal(err)
	}
	config := server.Config{Store: n.store, Keys: kept, Region: "us-east-1", Settings: kept, Revocations: kept, Passes: kept,
		Ledger: n.tracing.Ledger(kept), Tracer: n.tracing, Events: &n.events, Logger: log}
	for _, f := range change {
		f(&config)
	}
	if n.handler, err = server.New(config); err != nil {
		t.Fatal(err)
	}
	n.http = httptest.NewServer(n.handler)
	t.Cleanup(n.http.Close)
	if _, err := n.store.CreateBucket(t.Context(), store.Bucket{Name: "photos", Owner: n.key.Owner}, time.Now()); err != nil {
		t.Fatal(err)
	}
	n.put("a/key.txt", strings.Repeat("x", 1<<20))
	return n
}

func (n *node) put(key, body string) {
	n.t.Helper()
	u, err := store.NewUpload(strings.NewReader(body), store.UploadOptions{Size: int64(len(body))})
	if err != nil {
		n.t.Fatal(err)
	}
	if _, err := n.store.PutObject(n.t.Context(), &store.PutRequest{Bucket: "photos", Key: key, Body: u, Owner: n.key.Owner}); err != nil {
		n.t.Fatal(err)
	}
}

// presign signs a URL for the object, with further parameters.
func (n *node) presign(method, key string, params ...string) string {
	n.t.Helper()
	p, err := sign.NewPresigner(sign.Key{ID: n.key.ID, Secret: string(n.key.Secret)}, n.http.URL, "us-east-1")
	if err != nil {
		n.t.Fatal(err)
	}
	req := sign.URLRequest{Method: method, Bucket: "photos", Key: key, Time: time.Now().UTC(), Lifetime: time.Hour}
	for i := 0; i < len(params); i += 2 {
		req.Query = append(req.Query, sign.Param{Name: params[i], Value: params[i+1]})
	}
	u, err := p.Presign(req)
	if err != nil {
		n.t.Fatal(err)
	}
	return u
}

// do sends a request and returns the status and body of the answer.
func (n *node) do(method, url string, header ...string) (int, string) {
	n.t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		n.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header[header[i]] = append(req.Header[header[i]], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		n.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		n.t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// spans waits until the requests so far are answered, and returns their spans.
func (n *node) spans() []*otlp.Span {
	n.t.Helper()
	n.http.Close() // waits for the handlers
	if err := n.tracing.Shutdown(n.t.Context()); err != nil {
		n.t.Fatal(err)
	}
	n.sink.mu.Lock()
	defer n.sink.mu.Unlock()
	return n.sink.spans
}

// server returns the spans of requests.
func requestSpans(list []*otlp.Span) []*otlp.Span {
	return slices.DeleteFunc(slices.Clone(list), func(s *otlp.Span) bool { return s.Kind != otlp.Span_SPAN_KIND_SERVER })
}

// one returns the only span of a request.
func (n *node) one() *otlp.Span {
	n.t.Helper()
	list := requestSpans(n.spans())
	if len(list) != 1 {
		n.t.Fatalf("%d spans of requests, want 1", len(list))
	}
	return list[0]
}
