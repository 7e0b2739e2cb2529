package tracing

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	otlp "go.opentelemetry.io/proto/slim/otlp/trace/v1"

	"github.com/daypass/daypass/server"
)

// tree writes spans as "parent > name" in byte order.
func tree(list []*otlp.Span) (lines []string) {
	names := make(map[string]string)
	for _, s := range list {
		names[string(s.SpanId)] = s.Name
	}
	for _, s := range list {
		lines = append(lines, names[string(s.ParentSpanId)]+" > "+s.Name)
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// TestRequest follows a download of a limited pass from the request to the
// state's driver.
func TestRequest(t *testing.T) {
	n := newNode(t, variables{"OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test,team=a%20b", "OTEL_EXPORTER_OTLP_HEADERS": "x-key=secret%20one"})
	url := n.presign("GET", "a/key.txt", "x-daypass-name", "report", "x-daypass-uses", "2")
	status, body := n.do("GET", url, "User-Agent", "agent/1 \xff", "Referer", "http://x/?X-Amz-Signature=ffffffffffffffff")
	if status != 200 || len(body) != 1<<20 {
		t.Fatalf("status %d, %d bytes", status, len(body))
	}
	list := n.spans()
	want := []string{
		" > GetObject",
		"GetObject > authenticate",
		"GetObject > authorize",
		"GetObject > ledger.Draw",
		"GetObject > ledger.Settle",
		"GetObject > state.BucketSettings",
		"GetObject > store.Bucket",
		"GetObject > store.OpenObject",
		"authenticate > state.Key",
		"ledger.Draw > state.UpdateEntry",
	}
	if diff := cmp.Diff(want, tree(list)); diff != "" {
		t.Errorf("spans (-want +got):\n%s", diff)
	}
	root := requestSpans(list)[0]
	event := n.events.last()
	got := values(root.Attributes)
	for _, varies := range []string{"network.peer.port", "server.port"} {
		if p, ok := got[varies].(int64); !ok || p == 0 {
			t.Errorf("%s is %v", varies, got[varies])
		}
		delete(got, varies)
	}
	attributes := map[string]any{
		"http.request.method": "GET", "url.path": "/photos/a/key.txt", "url.scheme": "http", "server.address": "127.0.0.1",
		"client.address": "127.0.0.1", "network.peer.address": "127.0.0.1", "network.protocol.version": "1.1",
		"user_agent.original": "agent/1 \uFFFD", "http.response.status_code": int64(200),
		"http.request.body.size": int64(0), "http.response.body.size": int64(1 << 20),
		"aws.s3.bucket": "photos", "aws.s3.key": "a/key.txt", "daypass.request_id": event.RequestID, "daypass.scheme": "query",
		"daypass.access_key.id": n.key.ID, "daypass.pass.id": event.Grant.PassID, "daypass.pass.name": "report",
	}
	if diff := cmp.Diff(attributes, got); diff != "" {
		t.Errorf("attributes (-want +got):\n%s", diff)
	}
	if id := hex.EncodeToString(root.TraceId); event.TraceID != id || !strings.Contains(n.log.String(), `"trace_id":"`+id+`"`) {
		t.Errorf("the event has the trace id %q, the log is\n%s\nwant %s", event.TraceID, n.log.String(), id)
	}
	if root.Status.GetCode() != otlp.Status_STATUS_CODE_UNSET || root.EndTimeUnixNano <= root.StartTimeUnixNano || root.Flags&1 == 0 {
		t.Errorf("status %v, flags %x, from %d to %d", root.Status, root.Flags, root.StartTimeUnixNano, root.EndTimeUnixNano)
	}
	about := values(n.sink.about[0].Resource.Attributes)
	for key, value := range map[string]string{"service.name": "daypass", "service.version": "1.2.3", "deployment.environment.name": "test",
		"team": "a b", "telemetry.sdk.name": "opentelemetry", "telemetry.sdk.language": "go"} {
		if about[key] != value {
			t.Errorf("the resource has %s=%v, want %s", key, about[key], value)
		}
	}
	if h := n.sink.heads[0]; h.Get("X-Key") != "secret one" || h.Get("Content-Type") != "application/x-protobuf" || n.sink.paths[0] != "/v1/traces" {
		t.Errorf("sent to %s with %v", n.sink.paths[0], h)
	}
}

// TestNoSecrets looks at every byte that is exported.
func TestNoSecrets(t *testing.T) {
	n := newNode(t, nil)
	const token = "FwoGZXIvYXdzEBYaDtokentokentoken"
	good := n.presign("GET", "a/key.txt", "x-daypass-name", "report")
	signature := regexp.MustCompile(`X-Amz-Signature=([0-9a-f]{64})`).FindStringSubmatch(good)[1]
	forged := strings.Replace(good, signature, strings.Repeat("ab", 32), 1)
	requests := []struct {
		method, url string
		header      []string
	}{
		{"GET", good, []string{"Referer", good, "User-Agent", "see " + good}},
		{"GET", forged, nil},
		{"GET", good + "&X-Amz-Security-Token=" + token, nil},
		{"GET", n.http.URL + "/photos/a%3FX-Amz-Signature=" + signature, nil},
		{"GET", n.http.URL + "/photos/key", []string{"Authorization", "AWS4-HMAC-SHA256 Credential=" + n.key.ID + "/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=" + signature, "X-Amz-Security-Token", token}},
		{"PUT", n.http.URL + "/photos/copy", []string{"X-Amz-Copy-Source", "/photos/key?X-Amz-Signature=" + signature}},
	}
	for _, r := range requests {
		n.do(r.method, r.url, r.header...)
	}
	list := requestSpans(n.spans())
	if len(list) != len(requests) {
		t.Errorf("%d spans of requests, want %d", len(list), len(requests))
	}
	for _, raw := range n.sink.raw {
		for _, secret := range []string{signature, strings.Repeat("ab", 32), token, string(n.key.Secret)} {
			if bytes.Contains(raw, []byte(secret)) {
				t.Errorf("%q was exported", secret)
			}
		}
	}
}

// TestErrors checks how refusals and failures are told.
func TestErrors(t *testing.T) {
	n := newNode(t, nil)
	n.do("GET", n.presign("GET", "none"))
	n.do("GET", n.http.URL+"/photos/a/key.txt")
	n.do("BREW", n.http.URL+"/photos/a/key.txt")
	list := requestSpans(n.spans())
	var got [][]any
	for _, s := range list {
		v := values(s.Attributes)
		got = append(got, []any{s.Name, v["http.request.method"], v["http.request.method_original"], v["http.response.status_code"], v["error.type"], s.Status.GetCode()})
	}
	unset := otlp.Status_STATUS_CODE_UNSET
	want := [][]any{
		{"GetObject", "GET", nil, int64(404), "NoSuchKey", unset},
		{"GetObject", "GET", nil, int64(403), "AccessDenied", unset},
		{"HTTP", "_OTHER", "BREW", int64(405), "MethodNotAllowed", unset},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A breaking handler panics below the server.
type breaking struct{ server.Keys }

func TestPanic(t *testing.T) {
	n := newNode(t, nil, func(c *server.Config) { c.Keys = breaking{} })
	if status, _ := n.do("GET", n.presign("GET", "a/key.txt")); status != 500 {
		t.Fatalf("status %d", status)
	}
	list := n.spans()
	root := requestSpans(list)[0]
	if root.Status.GetCode() != otlp.Status_STATUS_CODE_ERROR || values(root.Attributes)["error.type"] != "InternalError" {
		t.Errorf("status %v, attributes %v", root.Status, values(root.Attributes))
	}
	if !slices.Contains(tree(list), root.Name+" > authenticate") {
		t.Errorf("the step that panicked was not ended: %q", tree(list))
	}
	// What the log says of the request can be found by its ids.
	lines := strings.Split(strings.TrimSpace(n.log.String()), "\n")
	for _, line := range lines {
		var entry map[string]any
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		if entry["request_id"] != n.events.last().RequestID || entry["trace_id"] != hex.EncodeToString(root.TraceId) {
			t.Errorf("a line without the ids of its request: %s", line)
		}
	}
	if len(lines) != 2 || !strings.Contains(lines[0], "panic") {
		t.Errorf("the log is\n%s", n.log.String())
	}
}

const (
	callerTrace = "4bf92f3577b34da6a3ce929d0e0e4736"
	callerSpan  = "00f067aa0ba902b7"
)

// TestContinued checks which traces of clients are continued, and who decides
// what is recorded.
func TestContinued(t *testing.T) {
	loopback := func(c *server.Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }
	nobody := func(*server.Config) {}
	sampled, not := "00-"+callerTrace+"-"+callerSpan+"-01", "00-"+callerTrace+"-"+callerSpan+"-00"
	// A sampler that takes a share of all ids takes this one, however small
	// the share is.
	chosen := "00-" + strings.Repeat("1", 16) + strings.Repeat("0", 16) + "-" + callerSpan + "-01"
	for name, tt := range map[string]struct {
		env      variables
		trust    func(*server.Config)
		parent   string
		recorded bool
	}{
		"anyone, sampled":                     {nil, nobody, sampled, true},
		"anyone, not sampled":                 {nil, nobody, not, true},
		"anyone, sampled, off":                {variables{"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, nobody, sampled, false},
		"anyone, chosen id":                   {variables{"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1e-12"}, nobody, chosen, false},
		"anyone, chosen id, ratio":            {variables{"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1e-12"}, nobody, chosen, false},
		"proxy, sampled":                      {variables{"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, loopback, sampled, true},
		"proxy, not sampled":                  {nil, loopback, not, false},
		"proxy, chosen id, ratio":             {variables{"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1e-12"}, loopback, chosen, true},
		"proxy, sampled, always off":          {variables{"OTEL_TRACES_SAMPLER": "always_off"}, loopback, sampled, false},
		"anyone, a later version of the form": {nil, nobody, "01-" + callerTrace + "-" + callerSpan + "-01-more", true},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, tt.env, tt.trust)
			n.do("GET", n.presign("GET", "a/key.txt"), "Traceparent", tt.parent, "Tracestate", "a=1", "Tracestate", "b=2")
			list := requestSpans(n.spans())
			if len(list) > 0 != tt.recorded {
				t.Fatalf("%d spans of requests, recorded should be %v", len(list), tt.recorded)
			}
			if id := n.events.last().TraceID; id != strings.Split(tt.parent, "-")[1] {
				t.Errorf("the event has the trace id %q", id)
			}
			if !tt.recorded {
				return
			}
			s := list[0]
			if got := "00-" + hex.EncodeToString(s.TraceId) + "-" + hex.EncodeToString(s.ParentSpanId); !strings.Contains(tt.parent, got[3:]) {
				t.Errorf("the span belongs to %s, want %s", got, tt.parent)
			}
			if s.TraceState != "a=1,b=2" || s.Flags&isRemote == 0 {
				t.Errorf("tracestate %q, flags %x", s.TraceState, s.Flags)
			}
		})
	}
}

// TestHostile sends headers that say nothing: each request begins a trace of
// its own.
func TestHostile(t *testing.T) {
	n := newNode(t, nil)
	good := "00-" + callerTrace + "-" + callerSpan + "-01"
	headers := [][]string{
		{"Traceparent", ""},
		{"Traceparent", "ff" + good[2:]},
		{"Traceparent", strings.ToUpper(good)},
		{"Traceparent", "00-" + strings.Repeat("0", 32) + "-" + callerSpan + "-01"},
		{"Traceparent", "00-" + callerTrace + "-" + strings.Repeat("0", 16) + "-01"},
		{"Traceparent", good + "-more"},
		{"Traceparent", strings.Repeat("x", 32<<10)},
		{"Traceparent", good, "Traceparent", good},
		{"Traceparent", good[1:]},
	}
	for _, h := range headers {
		if status, _ := n.do("GET", n.presign("GET", "a/key.txt"), h...); status != 200 {
			t.Errorf("%.60q: status %d", h, status)
		}
	}
	// A tracestate that says nothing, or a secret, is left out.
	states := []string{strings.Repeat("a=1,", 4000), "a=X-Amz-Signature:ffffffffffffffff"}
	for _, state := range states {
		n.do("GET", n.presign("GET", "a/key.txt"), "Traceparent", good, "Tracestate", state)
	}
	list := requestSpans(n.spans())
	if len(list) != len(headers)+len(states) {
		t.Fatalf("%d spans, want %d", len(list), len(headers)+len(states))
	}
	for i, s := range list[:len(headers)] {
		if len(s.ParentSpanId) > 0 || hex.EncodeToString(s.TraceId) == callerTrace {
			t.Errorf("%.60q was continued", headers[i])
		}
	}
	for _, s := range list[len(headers):] {
		if s.TraceState != "" || hex.EncodeToString(s.TraceId) != callerTrace {
			t.Errorf("trace %x, state %.40q", s.TraceId, s.TraceState)
		}
	}
}

func TestNotContinued(t *testing.T) {
	n := newNode(t, variables{"OTEL_PROPAGATORS": "none"})
	n.do("GET", n.presign("GET", "a/key.txt"), "Traceparent", "00-"+callerTrace+"-"+callerSpan+"-01")
	if s := n.one(); len(s.ParentSpanId) > 0 {
		t.Error("a trace was continued although propagation is off")
	}
}

// TestTrustedParents checks that the option trusts everybody.
func TestTrustedParents(t *testing.T) {
	n := newNode(t, variables{"OTEL_TRACES_SAMPLER": "parentbased_always_off"})
	n.tracing.config.trust = true
	n.do("GET", n.presign("GET", "a/key.txt"), "Traceparent", "00-"+callerTrace+"-"+callerSpan+"-01")
	n.one()
}

// TestLongValues sends more than is kept.
func TestLongValues(t *testing.T) {
	n := newNode(t, nil)
	n.do("GET", n.http.URL+"/photos/"+strings.Repeat("k", 20<<10), "User-Agent", strings.Repeat("u", 20<<10))
	for key, v := range values(n.one().Attributes) {
		if text, ok := v.(string); ok && len(text) > maxValue {
			t.Errorf("%s has %d bytes", key, len(text))
		}
	}
}

// A fileTaker is a response writer that can send files by itself.
type fileTaker struct {
	*httptest.ResponseRecorder
	files int
}

func (w *fileTaker) ReadFrom(r io.Reader) (int64, error) {
	if l, ok := r.(*io.LimitedReader); ok {
		if _, ok := l.R.(*os.File); ok {
			w.files++
		}
	}
	return io.Copy(w.ResponseRecorder, r)
}

// TestSendfile checks that the body of a traced download is still a file.
func TestSendfile(t *testing.T) {
	n := newNode(t, nil)
	w := &fileTaker{ResponseRecorder: httptest.NewRecorder()}
	r := httptest.NewRequest(http.MethodGet, n.presign("GET", "a/key.txt"), nil)
	n.handler.ServeHTTP(w, r)
	if w.Code != 200 || w.Body.Len() != 1<<20 || w.files == 0 {
		t.Errorf("status %d, %d bytes, %d files", w.Code, w.Body.Len(), w.files)
	}
	n.one()
}

func FuzzTraceparent(f *testing.F) {
	f.Add("00-"+callerTrace+"-"+callerSpan+"-01", "a=1,b=2")
	f.Add("", "")
	t := &Tracing{config: &Config{continues: true}}
	f.Fuzz(func(test *testing.T, parent, state string) {
		r := &http.Request{Header: http.Header{"Traceparent": {parent}, "Tracestate": {state}}}
		c := t.parent(r)
		if !c.IsValid() {
			return
		}
		if got := c.TraceID().String(); !strings.Contains(parent, got) {
			test.Errorf("%q is the trace %s", parent, got)
		}
		if len(c.TraceState().String()) > maxTraceState {
			test.Errorf("a state of %d bytes", len(c.TraceState().String()))
		}
	})
}
