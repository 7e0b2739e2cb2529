package tracing

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	collector "go.opentelemetry.io/proto/slim/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// configured returns the configuration of an environment.
func configured(t *testing.T, env variables) *Config {
	t.Helper()
	c, err := Configure(Options{Endpoint: "http://collector:4318", Env: env.get})
	if err != nil || c == nil {
		t.Fatalf("%v, %v", c, err)
	}
	return c
}

// A canned is an http.RoundTripper that answers one thing after the other, the
// last for ever.
type canned struct {
	answers []func(*http.Request) (*http.Response, error)
	times   []time.Time
}

func (c *canned) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	c.times = append(c.times, time.Now())
	a := c.answers[0]
	if len(c.answers) > 1 {
		c.answers = c.answers[1:]
	}
	return a(r)
}

func status(code int, header ...string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		res := &http.Response{StatusCode: code, Status: http.StatusText(code), Header: make(http.Header), Body: http.NoBody}
		if len(header) == 2 {
			res.Header.Set(header[0], header[1])
		}
		return res, nil
	}
}

func broken(*http.Request) (*http.Response, error) { return nil, errors.New("connection refused") }

// hanging answers when the request is given up.
func hanging(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// partial says that spans were rejected.
func partial(n int64) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		body, err := proto.Marshal(&collector.ExportTraceServiceResponse{
			PartialSuccess: &collector.ExportTracePartialSuccess{RejectedSpans: n, ErrorMessage: "too old"}})
		return &http.Response{StatusCode: 200, Header: make(http.Header), Body: io.NopCloser(bytes.NewReader(body))}, err
	}
}

// startCanned starts tracing to canned answers.
func startCanned(t *testing.T, env variables, log io.Writer, answers ...func(*http.Request) (*http.Response, error)) (*Tracing, *canned) {
	c := configured(t, env)
	e, transport := newExporter(c), &canned{answers: answers}
	e.client.Transport = transport
	return start(c, e, slog.New(slog.NewTextHandler(log, nil))), transport
}

// make makes spans.
func (t *Tracing) make(n int) {
	for range n {
		_, span := t.tracer.Start(context.Background(), "span")
		span.SetAttributes(attribute.String("text", "value"))
		span.End()
	}
}

// TestRetry lets a collector answer and looks at what becomes of two spans.
func TestRetry(t *testing.T) {
	answers := func(list ...func(*http.Request) (*http.Response, error)) []func(*http.Request) (*http.Response, error) {
		return list
	}
	for name, tt := range map[string]struct {
		answers []func(*http.Request) (*http.Response, error)
		want    Stats
		posts   int
		atLeast time.Duration // between the first and the second
	}{
		"taken":              {answers(status(200)), Stats{Exported: 2}, 1, 0},
		"later":              {answers(status(503), status(429), status(200)), Stats{Exported: 2}, 3, time.Second / 2},
		"asked to wait":      {answers(status(503, "Retry-After", "20"), status(200)), Stats{Exported: 2}, 2, 20 * time.Second},
		"asked for too much": {answers(status(503, "Retry-After", "999999999999999999"), status(200)), Stats{Exported: 2}, 2, time.Second / 2},
		"broken":             {answers(broken, broken, status(200)), Stats{Exported: 2}, 3, time.Second / 2},
		"down":               {answers(broken), Stats{Failed: 2}, maxAttempts, time.Second / 2},
		"refused":            {answers(status(400)), Stats{Failed: 2}, 1, 0},
		"redirected":         {answers(status(307, "Location", "http://elsewhere/")), Stats{Failed: 2}, 1, 0},
		"one of them":        {answers(partial(1)), Stats{Exported: 1, Failed: 1}, 1, 0},
		"nonsense":           {answers(partial(99)), Stats{Failed: 2}, 1, 0},
		"negative nonsense":  {answers(partial(-99)), Stats{Exported: 2}, 1, 0},
		"hanging":            {answers(hanging, status(200)), Stats{Exported: 2}, 2, 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log bytes.Buffer
				tracing, transport := startCanned(t, nil, &log, tt.answers...)
				tracing.make(2)
				if err := tracing.queue.ForceFlush(t.Context()); err != nil {
					t.Error(err)
				}
				if err := tracing.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
				if diff := cmp.Diff(tt.want, tracing.Stats()); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if len(transport.times) != tt.posts {
					t.Fatalf("%d attempts, want %d", len(transport.times), tt.posts)
				}
				if tt.posts > 1 && transport.times[1].Sub(transport.times[0]) < tt.atLeast {
					t.Errorf("the second attempt came after %v, want at least %v", transport.times[1].Sub(transport.times[0]), tt.atLeast)
				}
				if told := strings.Count(log.String(), "cannot be exported"); told != int(min(tt.want.Failed, 1)) {
					t.Errorf("the log tells %d times of it:\n%s", told, log.String())
				}
			})
		})
	}
}

// TestBatches checks what is sent when.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		tracing, transport := startCanned(t, variables{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "3", "OTEL_BSP_SCHEDULE_DELAY": "7000"}, &log, status(200))
		began := time.Now()
		tracing.make(4) // one whole batch, and the beginning of another
		synctest.Wait()
		if got := tracing.Stats(); got.Exported != 3 {
			t.Errorf("%d spans are exported at once, want 3", got.Exported)
		}
		time.Sleep(7 * time.Second)
		synctest.Wait()
		if got := tracing.Stats(); got.Exported != 4 || transport.times[1].Sub(began) != 7*time.Second {
			t.Errorf("%d spans are exported after the delay, want 4, at %v", got.Exported, transport.times)
		}
		tracing.make(2)
		if err := tracing.Shutdown(t.Context()); err != nil || tracing.Stats().Exported != 6 {
			t.Errorf("after the shutdown: %+v, %v", tracing.Stats(), err)
		}
		tracing.make(1) // nobody takes it, and nobody minds
		if err := tracing.Shutdown(t.Context()); err != nil {
			t.Errorf("a second shutdown: %v", err)
		}
	})
}

// TestFull fills the queue while the collector hangs: nothing waits, and what
// is lost is counted.
func TestFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		tracing, _ := startCanned(t, variables{"OTEL_BSP_MAX_QUEUE_SIZE": "10", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "5"}, &log, hanging)
		began := time.Now()
		tracing.make(5)
		synctest.Wait() // they are under way
		tracing.make(100)
		if got := tracing.Stats(); got.Dropped != 90 || got.Queued != 10 || time.Since(began) != 0 {
			t.Errorf("%+v after %v, want 10 queued and 90 dropped at once", got, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := tracing.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 3*time.Second {
			t.Errorf("Shutdown: %v after %v, want its deadline after 3 s", err, time.Since(began))
		}
		if got := tracing.Stats(); got.Failed != 15 || got.Queued != 0 {
			t.Errorf("%+v, want 15 failed and none queued", got)
		}
		if strings.Count(log.String(), "\n") != 1 {
			t.Errorf("the log is\n%s", log.String())
		}
	})
}

// TestHurry ends while the collector is away: nobody waits for it to come back.
func TestHurry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		tracing, transport := startCanned(t, variables{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "2"}, &log, broken)
		tracing.make(2)
		synctest.Wait() // the first attempt has failed
		tracing.make(3)
		began := time.Now()
		if err := tracing.Shutdown(t.Context()); err != nil || time.Since(began) != 0 {
			t.Errorf("Shutdown: %v after %v", err, time.Since(began))
		}
		if got := tracing.Stats(); got.Failed != 5 || len(transport.times) != 3 {
			t.Errorf("%+v after %d attempts, want 5 failed after 3", got, len(transport.times))
		}
	})
}

// TestWorksAgain checks that the log tells of the end of a failure.
func TestWorksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		tracing, _ := startCanned(t, nil, &log, status(400), status(400), status(200))
		for range 3 {
			tracing.make(1)
			if err := tracing.queue.ForceFlush(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if err := tracing.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if text := log.String(); strings.Count(text, "\n") != 2 || !strings.Contains(text, "exported again") {
			t.Errorf("the log is\n%s", text)
		}
	})
}

// TestKeysStayOut checks that the log does not repeat what an endpoint or a
// header may hold.
func TestKeysStayOut(t *testing.T) {
	c, err := Configure(Options{Endpoint: "http://user:hidden-word@127.0.0.1:1/?key=hidden-word", Env: variables{
		"OTEL_EXPORTER_OTLP_HEADERS": "authorization=hidden-word"}.get})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	e := newExporter(c)
	_, _, err = e.post(t.Context(), nil)
	tracing := start(c, e, slog.New(slog.NewTextHandler(&log, nil)))
	tracing.exported(err)
	if err == nil || strings.Contains(log.String(), "hidden-word") || !strings.Contains(log.String(), "127.0.0.1:1/v1/traces") {
		t.Errorf("%v; the log is\n%s", err, log.String())
	}
	if err := tracing.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if _, err := Configure(Options{Endpoint: "ftp://user:hidden-word@x", Env: variables{}.get}); err == nil || strings.Contains(err.Error(), "hidden-word") {
		t.Errorf("a bad endpoint: %v", err)
	}
}

// TestGzip checks that a collector can read what is compressed.
func TestGzip(t *testing.T) {
	n := newNode(t, variables{"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"})
	n.do("GET", n.presign("GET", "a/key.txt"))
	n.one()
	if n.sink.heads[0].Get("Content-Encoding") != "gzip" {
		t.Errorf("sent with %v", n.sink.heads[0])
	}
}

// TestValues encodes each kind of value.
func TestValues(t *testing.T) {
	attrs := []attribute.KeyValue{attribute.Bool("yes", true), attribute.Bool("no", false), attribute.Int64("n", -5),
		attribute.Float64("f", 1.5), attribute.String("s", ""), attribute.StringSlice("list", []string{"a", "b"}), attribute.String("bad", "\xff")}
	raw := encode(encodeAttributes(attrs), encodeScope(scopeName, ""), []sdktrace.ReadOnlySpan{})
	var req collector.ExportTraceServiceRequest
	if err := proto.Unmarshal(raw, &req); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"yes": true, "no": false, "n": int64(-5), "f": 1.5, "s": "", "list": `["a","b"]`, "bad": "\uFFFD"}
	if diff := cmp.Diff(want, values(req.ResourceSpans[0].Resource.Attributes)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzRejected(f *testing.F) {
	f.Add([]byte{10, 2, 8, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		var res collector.ExportTraceServiceResponse
		if proto.Unmarshal(b, &res) != nil {
			_, _ = rejectedOf(b) // must end
			return
		}
		n, _ := rejectedOf(b)
		// Of a message that comes twice, protobuf merges the parts; nobody
		// sends that.
		if bytes.Count(b, []byte{10}) < 2 && n != res.PartialSuccess.GetRejectedSpans() {
			t.Errorf("%x: %d spans, want %d", b, n, res.PartialSuccess.GetRejectedSpans())
		}
	})
}
