package tracing

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Options say where traces go. What they leave open is taken from the
// environment variables of OpenTelemetry (OpenTelemetry Specification,
// "Environment Variable Specification" and "OpenTelemetry Protocol Exporter").
type Options struct {
	// Endpoint is the base URL of a collector, to which /v1/traces is added. It
	// goes before OTEL_EXPORTER_OTLP_ENDPOINT. Empty leaves it to the
	// environment.
	Endpoint string
	// TrustParents lets the traceparent header of any client decide whether a
	// request is recorded, not only that of a trusted proxy.
	TrustParents bool
	// Version is that of the program.
	Version string
	// Env returns a variable of the environment.
	Env func(name string) string
}

// A Config is a sound configuration.
type Config struct {
	url       *url.URL
	headers   http.Header
	gzip      bool
	timeout   time.Duration // of one attempt to export
	tls       *tls.Config   // nil: that of the system
	sampler   sdktrace.Sampler
	continues bool
	trust     bool
	resource  []attribute.KeyValue
	version   string
	queue     queueSize
}

// maxQueue bounds the queue: each span may hold some KiB.
const maxQueue = 1 << 16

// A queueSize bounds what waits for export.
type queueSize struct {
	spans, batch int
	delay        time.Duration // after which an incomplete batch is sent
}

// Configure returns the configuration that the options and the environment ask
// for, nil where they ask for no traces. Its errors name the variable.
func Configure(o Options) (*Config, error) {
	e := environment{get: o.Env}
	if !e.wanted(o.Endpoint) {
		return nil, errors.Join(e.errs...)
	}
	c := &Config{trust: o.TrustParents, version: o.Version}
	e.checkProtocol()
	c.url = e.endpoint(o.Endpoint)
	c.headers = e.headers()
	c.gzip = e.choice(e.ofTraces("COMPRESSION"), "none", "none", "gzip") == "gzip"
	c.timeout = e.milliseconds(e.ofTraces("TIMEOUT"), 10*time.Second)
	c.tls = e.tls()
	c.sampler = e.sampler()
	c.continues = e.propagates()
	c.resource = e.resource(o.Version)
	c.queue = queueSize{
		spans: e.number("OTEL_BSP_MAX_QUEUE_SIZE", 2048, maxQueue), batch: e.number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512, maxQueue),
		delay: e.milliseconds("OTEL_BSP_SCHEDULE_DELAY", 5*time.Second),
	}
	c.queue.batch = min(c.queue.batch, c.queue.spans)
	if err := errors.Join(e.errs...); err != nil {
		return nil, err
	}
	return c, nil
}

// Endpoint is the URL that traces are sent to, without user, password and query.
func (c *Config) Endpoint() string {
	return (&url.URL{Scheme: c.url.Scheme, Host: c.url.Host, Path: c.url.Path}).String()
}

// An environment reads variables and gathers what is wrong with them.
type environment struct {
	get  func(string) string
	errs []error
}

func (e *environment) fail(name, format string, args ...any) {
	e.errs = append(e.errs, fmt.Errorf(name+" "+format, args...))
}

// wanted reports whether traces are asked for: by an endpoint, or by naming the
// exporter.
func (e *environment) wanted(endpoint string) bool {
	if strings.EqualFold(strings.TrimSpace(e.get("OTEL_SDK_DISABLED")), "true") {
		return false
	}
	switch exporter := e.get("OTEL_TRACES_EXPORTER"); exporter {
	case "none":
		return false
	case "otlp":
		return true
	case "":
		return endpoint != "" || e.get(base+"ENDPOINT") != "" || e.get(base+"TRACES_ENDPOINT") != ""
	default:
		e.fail("OTEL_TRACES_EXPORTER", "is otlp or none, not %q", exporter)
		return false
	}
}

const base = "OTEL_EXPORTER_OTLP_"

// ofTraces returns the name of an exporter's variable: the one for traces where
// it is set, else the one for everything.
func (e *environment) ofTraces(name string) string {
	if e.get(base+"TRACES_"+name) != "" {
		return base + "TRACES_" + name
	}
	return base + name
}

func (e *environment) checkProtocol() {
	name := e.ofTraces("PROTOCOL")
	switch protocol := e.get(name); protocol {
	case "", "http/protobuf":
	case "grpc":
		e.fail(name, "is grpc, which this program does not speak; set it to http/protobuf, for which collectors listen on port 4318")
	default:
		e.fail(name, "is http/protobuf, not %q", protocol)
	}
}

// endpoint is the URL to send traces to (OTLP Exporter, "Endpoint URLs for
// OTLP/HTTP"): a base gets the path of traces, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT
// is taken as it is.
func (e *environment) endpoint(given string) *url.URL {
	name, text, whole := "--otlp-endpoint", given, false
	if given == "" {
		name = e.ofTraces("ENDPOINT")
		text, whole = e.get(name), strings.Contains(name, "TRACES")
	}
	if text == "" {
		text = "http://localhost:4318"
	}
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.Fragment != "" {
		// It may hold a password, so it is not repeated.
		e.fail(name, "must be http:// or https://, a host and at most a port, a path and a query, such as http://localhost:4318")
		return nil
	}
	if !whole {
		u = u.JoinPath("v1", "traces")
	} else if u.Path == "" {
		u.Path = "/"
	}
	return u
}

// headers are those that go with every export, such as a key of the collector.
func (e *environment) headers() http.Header {
	h := make(http.Header)
	name := e.ofTraces("HEADERS")
	for key, value := range e.pairs(name) {
		if !token(key) || strings.ContainsAny(value, "\r\n\x00") {
			e.fail(name, "holds a header that HTTP does not allow")
			continue
		}
		h.Set(key, value)
	}
	return h
}

// token reports whether a text may be the name of a header (RFC 9110, section
// 5.6.2).
func token(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// pairs reads a list of key=value with percent-encoded values (W3C Baggage).
func (e *environment) pairs(name string) map[string]string {
	pairs := make(map[string]string)
	for _, pair := range strings.Split(e.get(name), ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		key, value, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(value))
		if !ok || err != nil {
			e.fail(name, "is a list of name=value, separated by commas")
			continue
		}
		pairs[strings.TrimSpace(key)] = value
	}
	return pairs
}

// tls is how a collector is recognized, and how it recognizes us.
func (e *environment) tls() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if name := e.ofTraces("CERTIFICATE"); e.get(name) != "" {
		text, err := os.ReadFile(e.get(name))
		c.RootCAs = x509.NewCertPool()
		if err != nil || !c.RootCAs.AppendCertsFromPEM(text) {
			e.fail(name, "names no file with certificates (PEM)")
		}
	}
	cert, key := e.ofTraces("CLIENT_CERTIFICATE"), e.ofTraces("CLIENT_KEY")
	if e.get(cert) != "" || e.get(key) != "" {
		pair, err := tls.LoadX509KeyPair(e.get(cert), e.get(key))
		if err != nil {
			e.fail(cert, "and %s must name a certificate and its key (PEM)", key)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c
}

// sampler is what decides about traces that begin here, and about those of
// others where they are believed.
func (e *environment) sampler() sdktrace.Sampler {
	const name = "OTEL_TRACES_SAMPLER"
	ratio := 1.0
	text := e.get(name)
	if arg := e.get(name + "_ARG"); arg != "" && strings.HasSuffix(text, "traceidratio") {
		var err error
		if ratio, err = strconv.ParseFloat(arg, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
			e.fail(name+"_ARG", "is a share between 0 and 1, not %q", arg)
		}
	}
	switch text {
	case "", "parentbased_always_on":
		return sdktrace.ParentBased(sdktrace.AlwaysSample())
	case "parentbased_always_off":
		return sdktrace.ParentBased(sdktrace.NeverSample())
	case "parentbased_traceidratio":
		return sdktrace.ParentBased(sdktrace.TraceIDRatioBased(ratio))
	case "always_on":
		return sdktrace.AlwaysSample()
	case "always_off":
		return sdktrace.NeverSample()
	case "traceidratio":
		return sdktrace.TraceIDRatioBased(ratio)
	}
	e.fail(name, "is always_on, always_off, traceidratio, or one of these with parentbased_ before it, not %q", text)
	return nil
}

// propagates reports whether the traces of clients are continued.
func (e *environment) propagates() bool {
	const name = "OTEL_PROPAGATORS"
	text := e.get(name)
	if text == "" {
		return true
	}
	found := false
	for _, p := range strings.Split(text, ",") {
		switch p = strings.TrimSpace(p); p {
		case "tracecontext":
			found = true
		case "baggage", "none", "": // nothing here puts baggage to use
		default:
			e.fail(name, "is tracecontext, baggage or none, not %q", p)
		}
	}
	return found
}

// resource tells who is traced.
func (e *environment) resource(version string) (attrs []attribute.KeyValue) {
	values := e.pairs("OTEL_RESOURCE_ATTRIBUTES")
	if name := e.get("OTEL_SERVICE_NAME"); name != "" {
		values["service.name"] = name
	}
	defaults := map[string]string{"service.name": "daypass", "service.version": version}
	for key, value := range defaults {
		if values[key] == "" {
			values[key] = value
		}
	}
	for key, value := range values {
		attrs = append(attrs, attribute.String(key, value))
	}
	return attrs
}

func (e *environment) choice(name, usual string, choices ...string) string {
	value := e.get(name)
	if value == "" {
		return usual
	}
	for _, c := range choices {
		if value == c {
			return c
		}
	}
	e.fail(name, "is %s, not %q", strings.Join(choices, " or "), value)
	return usual
}

func (e *environment) number(name string, usual, most int) int {
	text := e.get(name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		e.fail(name, "is a number between 1 and %d, not %q", most, text)
		return usual
	}
	return n
}

func (e *environment) milliseconds(name string, usual time.Duration) time.Duration {
	if e.get(name) == "" {
		return usual
	}
	const day = 24 * 60 * 60 * 1000
	return time.Duration(e.number(name, 0, day)) * time.Millisecond
}
