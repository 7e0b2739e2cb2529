package tracing

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestConfigure(t *testing.T) {
	pem := filepath.Join(t.TempDir(), "none.pem")
	if err := os.WriteFile(pem, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	const on, ep = "http://localhost:4318/v1/traces", "OTEL_EXPORTER_OTLP_ENDPOINT"
	for name, tt := range map[string]struct {
		endpoint string
		env      variables
		url      string // empty: no traces
		err      string
	}{
		"nothing":                 {},
		"endpoint":                {env: variables{ep: "http://c:4318"}, url: "http://c:4318/v1/traces"},
		"endpoint with a path":    {env: variables{ep: "https://c/base/"}, url: "https://c/base/v1/traces"},
		"endpoint of traces":      {env: variables{ep: "http://a", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://b/x?k=v"}, url: "http://b/x"},
		"endpoint without a path": {env: variables{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://b"}, url: "http://b/"},
		"flag":                    {endpoint: "http://f", env: variables{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://b/x"}, url: "http://f/v1/traces"},
		"exporter alone":          {env: variables{"OTEL_TRACES_EXPORTER": "otlp"}, url: on},
		"exporter none":           {endpoint: "http://f", env: variables{"OTEL_TRACES_EXPORTER": "none"}},
		"exporter unknown":        {env: variables{"OTEL_TRACES_EXPORTER": "zipkin"}, err: `OTEL_TRACES_EXPORTER is otlp or none, not "zipkin"`},
		"disabled":                {endpoint: "http://f", env: variables{"OTEL_SDK_DISABLED": "TRUE"}},
		"not disabled":            {endpoint: "http://f", env: variables{"OTEL_SDK_DISABLED": "1"}, url: "http://f/v1/traces"},
		"grpc":                    {endpoint: "http://f", env: variables{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, err: "OTEL_EXPORTER_OTLP_PROTOCOL is grpc, which this program does not speak; set it to http/protobuf"},
		"grpc for traces":         {endpoint: "http://f", env: variables{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "grpc"}, err: "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL is grpc"},
		"grpc for others":         {endpoint: "http://f", env: variables{"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"}, url: "http://f/v1/traces"},
		"json":                    {endpoint: "http://f", env: variables{"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, err: "is http/protobuf"},
		"no scheme":               {endpoint: "localhost:4318", err: "--otlp-endpoint must be http:// or https://"},
		"no host":                 {env: variables{ep: "http://"}, err: ep + " must be"},
		"sampler":                 {endpoint: "http://f", env: variables{"OTEL_TRACES_SAMPLER": "some"}, err: "OTEL_TRACES_SAMPLER is"},
		"ratio":                   {endpoint: "http://f", env: variables{"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1.1"}, err: "OTEL_TRACES_SAMPLER_ARG is a share"},
		"no number":               {endpoint: "http://f", env: variables{"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "NaN"}, err: "OTEL_TRACES_SAMPLER_ARG is a share"},
		"propagators":             {endpoint: "http://f", env: variables{"OTEL_PROPAGATORS": "tracecontext,b3"}, err: `OTEL_PROPAGATORS is tracecontext, baggage or none, not "b3"`},
		"headers":                 {endpoint: "http://f", env: variables{"OTEL_EXPORTER_OTLP_HEADERS": "nonsense"}, err: "OTEL_EXPORTER_OTLP_HEADERS is a list"},
		"line end":                {endpoint: "http://f", env: variables{"OTEL_EXPORTER_OTLP_HEADERS": "a=b%0D%0Ac"}, err: "that HTTP does not allow"},
		"bad name":                {endpoint: "http://f", env: variables{"OTEL_EXPORTER_OTLP_HEADERS": "a b=c"}, err: "that HTTP does not allow"},
		"resource":                {endpoint: "http://f", env: variables{"OTEL_RESOURCE_ATTRIBUTES": "a=%zz"}, err: "OTEL_RESOURCE_ATTRIBUTES is a list"},
		"compression":             {endpoint: "http://f", env: variables{"OTEL_EXPORTER_OTLP_COMPRESSION": "zstd"}, err: "OTEL_EXPORTER_OTLP_COMPRESSION is none or gzip"},
		"timeout":                 {endpoint: "http://f", env: variables{"OTEL_EXPORTER_OTLP_TIMEOUT": "10s"}, err: "OTEL_EXPORTER_OTLP_TIMEOUT is a number"},
		"queue":                   {endpoint: "http://f", env: variables{"OTEL_BSP_MAX_QUEUE_SIZE": "0"}, err: "OTEL_BSP_MAX_QUEUE_SIZE is a number"},
		"certificate":             {endpoint: "http://f", env: variables{"OTEL_EXPORTER_OTLP_CERTIFICATE": pem}, err: "OTEL_EXPORTER_OTLP_CERTIFICATE names no file"},
		"client certificate":      {endpoint: "http://f", env: variables{"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": pem}, err: "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and"},
	} {
		t.Run(name, func(t *testing.T) {
			c, err := Configure(Options{Endpoint: tt.endpoint, Env: tt.env.get})
			switch {
			case tt.err != "":
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
			case err != nil:
				t.Error(err)
			case c == nil && tt.url != "" || c != nil && c.Endpoint() != tt.url:
				t.Errorf("%+v, want %q", c, tt.url)
			}
		})
	}
}

func TestSettings(t *testing.T) {
	c := configured(t, variables{"OTEL_EXPORTER_OTLP_HEADERS": "a=1", "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "api-key=x%3Dy, team = t",
		"OTEL_EXPORTER_OTLP_TIMEOUT": "1500", "OTEL_BSP_MAX_QUEUE_SIZE": "100"})
	if want := (http.Header{"Api-Key": {"x=y"}, "Team": {"t"}}); len(c.headers) != 2 || c.headers.Get("api-key") != want.Get("api-key") || c.headers.Get("team") != "t" {
		t.Errorf("headers %v, want %v", c.headers, want)
	}
	if c.timeout != 1500*time.Millisecond || c.queue != (queueSize{100, 100, 5 * time.Second}) || !c.continues {
		t.Errorf("timeout %v, queue %+v", c.timeout, c.queue)
	}
}

// TestDocumented compares the variables that are read with those of the page.
func TestDocumented(t *testing.T) {
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "tracing.md"))
	if err != nil {
		t.Fatal(err)
	}
	ours := func(name string) string {
		return strings.Replace(name, "OTEL_EXPORTER_OTLP_TRACES_", "OTEL_EXPORTER_OTLP_", 1)
	}
	documented, read := map[string]bool{}, map[string]bool{}
	for _, name := range regexp.MustCompile("`(OTEL_[A-Z_]+[A-Z])`").FindAllStringSubmatch(string(page), -1) {
		documented[ours(name[1])] = true
	}
	if _, err := Configure(Options{Env: func(name string) string {
		read[ours(name)] = true
		if name == "OTEL_TRACES_EXPORTER" {
			return "otlp"
		}
		return ""
	}}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(documented, read); diff != "" {
		t.Errorf("(-documented +read):\n%s", diff)
	}
}
