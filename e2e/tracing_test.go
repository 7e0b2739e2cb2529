package e2e

import (
	"bytes"
	"encoding/hex"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	otlp "go.opentelemetry.io/proto/slim/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// An otlpCollector keeps the spans that it gets.
type otlpCollector struct {
	*httptest.Server
	mu       sync.Mutex
	raw      []byte
	spans    []*otlp.Span
	services map[string]bool
}

func newOTLPCollector(t *testing.T) *otlpCollector {
	c := &otlpCollector{services: map[string]bool{}}
	c.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var req collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &req)
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("export to %s: %v", r.URL, err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.raw = append(c.raw, body...)
		for _, rs := range req.ResourceSpans {
			for _, a := range rs.Resource.Attributes {
				if a.Key == "service.name" {
					c.services[a.Value.GetStringValue()] = true
				}
			}
			for _, ss := range rs.ScopeSpans {
				c.spans = append(c.spans, ss.Spans...)
			}
		}
	}))
	t.Cleanup(c.Close)
	return c
}

// TestTracing traces the requests of an AWS SDK to a collector that the
// standard variables name, and looks for them in the log and the metrics too.
func TestTracing(t *testing.T) {
	c := newOTLPCollector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", c.URL)
	t.Setenv("OTEL_SERVICE_NAME", "e2e-daypass")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "3600000") // what is left goes out when the server ends
	s := launch(t, t.TempDir(), "--log-format", "json")
	u := newUser(s, "traced")
	if _, err := u.owner.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &u.bucket}); err != nil {
		t.Fatal(err)
	}
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	put := u.presign(t, "PUT", "key", url.Values{})
	signed := u.presign(t, "GET", "key", url.Values{"x-daypass-name": {"report"}, "x-daypass-uses": {"1"}})
	u.do(t, "PUT", put, "content", nil).success(t, 200, "")
	u.do(t, "GET", signed, "", func(r *http.Request) { r.Header.Set("Traceparent", "00-"+trace+"-"+parent+"-01") }).success(t, 200, "content")
	u.do(t, "GET", signed, "", nil).refusal(t, 403, "AccessDenied")
	metrics := get(t, s.ops+"/metrics")
	for _, want := range []string{`daypass_store_duration_seconds_count{operation="OpenObject"}`, `daypass_store_duration_seconds_count{operation="PutObject"} 1`,
		`daypass_state_duration_seconds_count{operation="UpdateEntry"}`, `daypass_spans_total{outcome="dropped"} 0`, "daypass_spans_queued"} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no %s among the metrics", want)
		}
	}
	s.stop(t)
	checkSpans(t, c, trace, parent)
	if !c.services["e2e-daypass"] || len(c.services) != 1 {
		t.Errorf("the service is %v", c.services)
	}
	for _, signed := range []string{put, signed} {
		signature := regexp.MustCompile(`X-Amz-Signature=([0-9a-f]+)`).FindStringSubmatch(signed)[1]
		if bytes.Contains(c.raw, []byte(signature)) || bytes.Contains(c.raw, []byte(secretKey)) {
			t.Error("a signature or a secret was exported")
		}
	}
	if !regexp.MustCompile(`"request_id":"[^"]+","trace_id":"` + trace + `".*"action":"GetObject"`).MatchString(s.log.String()) {
		t.Errorf("no line of the log has the trace %s", trace)
	}
}

func checkSpans(t *testing.T, c *otlpCollector, trace, parent string) {
	var requests, below []string
	for _, s := range c.spans {
		in := hex.EncodeToString(s.TraceId) == trace
		if s.Kind == otlp.Span_SPAN_KIND_SERVER {
			requests = append(requests, s.Name)
			if got := hex.EncodeToString(s.ParentSpanId); in != (got == parent) {
				t.Errorf("%s has the parent %q", s.Name, got)
			}
		} else if in {
			below = append(below, s.Name)
		}
	}
	slices.Sort(requests)
	if want := []string{"CreateBucket", "GetObject", "GetObject", "PutObject"}; !slices.Equal(requests, want) {
		t.Errorf("requests %q, want %q", requests, want)
	}
	for _, want := range []string{"authenticate", "authorize", "store.OpenObject", "ledger.Draw", "state.UpdateEntry"} {
		if !slices.Contains(below, want) {
			t.Errorf("the continued trace has %q, want %s", below, want)
		}
	}
}

// TestTracingDown checks that a collector that is not there delays nothing.
func TestTracingDown(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	s := serve(t, "--otlp-endpoint", gone.URL)
	u := newUser(s, "untraced")
	if _, err := u.owner.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &u.bucket}); err != nil {
		t.Fatal(err)
	}
	u.do(t, "PUT", u.presign(t, "PUT", "key", url.Values{}), "content", nil).success(t, 200, "")
	s.stop(t) // within its time
	if log := s.log.String(); !strings.Contains(log, "traces are not complete") {
		t.Errorf("the loss of traces was not told:\n%s", log)
	}
}

// TestTracingSetUpWrong checks that what cannot be done is said at the start.
func TestTracingSetUpWrong(t *testing.T) {
	cmd := exec.Command(program, "serve", "--data", t.TempDir(), "--listen", "127.0.0.1:0", "--ops-listen", "", "--otlp-endpoint", "http://127.0.0.1:4317")
	cmd.Env = programEnv("OTEL_EXPORTER_OTLP_PROTOCOL=grpc")
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "OTEL_EXPORTER_OTLP_PROTOCOL is grpc, which this program does not speak; set it to http/protobuf") {
		t.Errorf("%v\n%s", err, out)
	}
}
