// Package tracing makes OpenTelemetry traces of requests and sends them to a
// collector over OTLP: a span for each request, below it one for each step and
// for each call of store and state. Nothing of it runs unless it is configured.
//
// Spans hold what events hold, after the same redaction: no signature, no
// session token, no query at all.
package tracing

import (
	"context"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/server"
)

const scopeName = "github.com/daypass/daypass"

// A Tracing follows requests. It is safe for concurrent use.
type Tracing struct {
	config   *Config
	provider *sdktrace.TracerProvider
	tracer   trace.Tracer
	queue    *queue
	log      *slog.Logger
	failing  atomic.Bool
}

var _ server.Tracer = (*Tracing)(nil)

// Start begins to export. Shutdown ends it.
func Start(c *Config, log *slog.Logger) *Tracing { return start(c, newExporter(c), log) }

func start(c *Config, e *exporter, log *slog.Logger) *Tracing {
	t := &Tracing{config: c, log: log}
	t.queue = newQueue(c.queue, e.export, t.exported)
	t.provider = sdktrace.NewTracerProvider(
		sdktrace.WithSampler(cautiousSampler{c.sampler}),
		sdktrace.WithResource(resource.NewSchemaless(c.resource...)),
		sdktrace.WithSpanProcessor(t.queue),
	)
	t.tracer = t.provider.Tracer(scopeName, trace.WithInstrumentationVersion(c.version))
	return t
}

// sdkAttributes tell what made the spans (Semantic Conventions, "Telemetry
// SDK").
func sdkAttributes() []attribute.KeyValue {
	return []attribute.KeyValue{attribute.String("telemetry.sdk.name", "opentelemetry"),
		attribute.String("telemetry.sdk.language", "go"), attribute.String("telemetry.sdk.version", sdk.Version())}
}

// exported logs when export begins to fail and when it works again.
func (t *Tracing) exported(err error) {
	if t.failing.Swap(err != nil) == (err != nil) {
		return
	}
	if err != nil {
		t.log.Warn("traces cannot be exported", "endpoint", t.config.Endpoint(), "err", err)
		return
	}
	t.log.Info("traces are exported again", "endpoint", t.config.Endpoint())
}

// Shutdown exports what is left, until ctx ends.
func (t *Tracing) Shutdown(ctx context.Context) error { return t.provider.Shutdown(ctx) }

// Stats tell what became of spans so far.
func (t *Tracing) Stats() Stats { return t.queue.stats() }

// Request implements server.Tracer.
func (t *Tracing) Request(r *http.Request, trusted bool) (context.Context, server.RequestSpan) {
	ctx := r.Context()
	parent := t.parent(r)
	start := ctx
	if parent.IsValid() {
		start = trace.ContextWithRemoteSpanContext(start, parent)
		if !trusted && !t.config.trust {
			start = context.WithValue(start, doubtful{}, true)
		}
	}
	next, span := t.tracer.Start(start, "HTTP", trace.WithSpanKind(trace.SpanKindServer))
	out := &requestSpan{span: span}
	if span.IsRecording() {
		ctx = next
		out.id = span.SpanContext().TraceID().String()
	} else if parent.IsValid() {
		out.id = parent.TraceID().String()
	}
	return ctx, out
}

// parent returns the span that a request says it belongs to (W3C Trace
// Context), not valid where it says so in no sound way.
func (t *Tracing) parent(r *http.Request) trace.SpanContext {
	if !t.config.continues || len(r.Header["Traceparent"]) != 1 {
		return trace.SpanContext{}
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), carrier{r.Header})
	return trace.SpanContextFromContext(ctx)
}

// A carrier shows the headers of W3C Trace Context. Of tracestate there may be
// several, which are one list (section 3.3.1).
type carrier struct{ header http.Header }

// maxTraceState is how much of tracestate is looked at, in bytes: 512 must be
// passed on at the least (section 3.3.1.5).
const maxTraceState = 2 << 10

// Get implements propagation.TextMapCarrier. A tracestate that holds a secret is
// none, since it goes to the collector as it is.
func (c carrier) Get(key string) string {
	text := strings.Join(c.header.Values(key), ",")
	if key == "tracestate" && (len(text) > maxTraceState || audit.Redact(text) != text) {
		return ""
	}
	return text
}

// Set implements propagation.TextMapCarrier. Nothing is ever set.
func (carrier) Set(string, string) {}

// Keys implements propagation.TextMapCarrier.
func (carrier) Keys() []string { return []string{"traceparent", "tracestate"} }

// Step implements server.Tracer and instrument.Steps. Where the request is not
// recorded, end is nil.
func (t *Tracing) Step(ctx context.Context, name string) (_ context.Context, end func(error)) {
	if !trace.SpanFromContext(ctx).IsRecording() {
		return ctx, nil
	}
	ctx, span := t.tracer.Start(ctx, name)
	return ctx, func(err error) {
		if err != nil {
			code := daypass.CodeOf(err)
			span.SetAttributes(attribute.String("error.type", string(code)))
			if failed(s3.Status(code)) {
				span.SetStatus(codes.Error, bounded(audit.Redact(err.Error())))
			}
		}
		span.End()
	}
}

// failed reports whether a status is a failure of this server. What it refuses
// is none (Semantic Conventions for HTTP Spans, "Status").
func failed(status int) bool { return status >= 500 && status != http.StatusNotImplemented }

// A requestSpan is the span of one request.
type requestSpan struct {
	span trace.Span
	id   string
}

// TraceID implements server.RequestSpan.
func (s *requestSpan) TraceID() string { return s.id }

// End implements server.RequestSpan.
func (s *requestSpan) End(e *daypass.Event) {
	if s.span.IsRecording() {
		clean := *e
		audit.Bound(&clean) // so that a span that waits holds no long request
		audit.Clean(&clean)
		s.span.SetName(nameOf(&clean))
		s.span.SetAttributes(describe(&clean)...)
		if failed(e.Status) || e.Status < 400 && e.Reason != "" && e.Status != http.StatusNotModified {
			s.span.SetStatus(codes.Error, bounded(clean.Reason))
		}
	}
	s.span.End()
}

// nameOf names the span of a request: by its action, which is of a table, else
// by its method.
func nameOf(e *daypass.Event) string {
	if e.Action != "" {
		return string(e.Action)
	}
	if method, ok := methodOf(e); ok {
		return method
	}
	return "HTTP"
}

// methodOf returns a method of the table of Semantic Conventions for HTTP
// Spans.
func methodOf(e *daypass.Event) (string, bool) {
	switch e.Method {
	case "GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH", "CONNECT", "TRACE":
		return e.Method, true
	}
	return "_OTHER", false
}

// attributes gather what is known.
type attributes []attribute.KeyValue

func (a *attributes) text(key attribute.Key, value string) {
	if value != "" {
		*a = append(*a, key.String(bounded(value)))
	}
}

func (a *attributes) number(key attribute.Key, value int64) { *a = append(*a, key.Int64(value)) }

// describe tells of a request by Semantic Conventions for HTTP Spans and for
// S3, and by names of our own for what these do not have.
func describe(e *daypass.Event) []attribute.KeyValue {
	a := make(attributes, 0, 32)
	method, known := methodOf(e)
	a.text("http.request.method", method)
	if !known {
		a.text("http.request.method_original", e.Method)
	}
	path, _, _ := strings.Cut(e.URI, "?")
	a.text("url.path", strings.Clone(path))
	a.text("url.scheme", schemeOf(e))
	a.address("server", e.Host)
	a.text("client.address", e.Source)
	a.address("network.peer", e.Peer)
	a.text("network.protocol.version", strings.TrimSuffix(strings.TrimPrefix(e.Protocol, "HTTP/"), ".0"))
	a.text("user_agent.original", e.UserAgent)
	a.number("http.response.status_code", int64(e.Status))
	a.number("http.request.body.size", e.Received)
	a.number("http.response.body.size", e.Sent)
	a.text("tls.protocol.version", strings.TrimPrefix(e.TLSVersion, "TLSv"))
	a.text("aws.s3.bucket", e.Object.Bucket)
	a.text("aws.s3.key", e.Object.Key)
	a.text("aws.s3.copy_source", e.CopySource)
	a.text("error.type", errorOf(e))
	a.text("daypass.request_id", e.RequestID)
	a.text("daypass.scheme", string(e.Grant.Scheme))
	a.text("daypass.access_key.id", e.Grant.AccessKeyID)
	a.text("daypass.pass.id", e.Grant.PassID)
	a.text("daypass.pass.name", e.Grant.Name)
	a.text("daypass.reason", e.Reason)
	return a
}

func schemeOf(e *daypass.Event) string {
	if e.TLSVersion != "" {
		return "https"
	}
	return "http"
}

// errorOf is the kind of error that a request ended with: S3's code, or that
// its answer broke off.
func errorOf(e *daypass.Event) string {
	if e.Code == "" && e.Reason != "" && e.Status < 400 && e.Status != http.StatusNotModified {
		return "incomplete"
	}
	return string(e.Code)
}

// address adds a host and, where there is one, a port.
func (a *attributes) address(prefix, hostPort string) {
	host := hostPort
	if i := strings.LastIndexByte(hostPort, ':'); i > strings.LastIndexByte(hostPort, ']') {
		if port, err := strconv.ParseUint(hostPort[i+1:], 10, 16); err == nil {
			host = hostPort[:i]
			defer a.number(attribute.Key(prefix+".port"), int64(port))
		}
	}
	a.text(attribute.Key(prefix+".address"), strings.Trim(host, "[]"))
}

// maxValue bounds each value, in bytes: clients send long headers, and many
// spans may wait.
const maxValue = 1 << 10

// bounded returns what is kept of a text.
func bounded(s string) string {
	if len(s) > maxValue {
		return strings.Clone(s[:maxValue])
	}
	return s
}
