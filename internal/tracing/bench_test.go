package tracing

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/daypass/daypass"
)

// BenchmarkRequest is what the span of a request costs its goroutine, recorded
// and not.
func BenchmarkRequest(b *testing.B) {
	event := daypass.Event{Action: daypass.GetObject, Method: "GET", URI: "/photos/key?X-Amz-Signature=abc", Status: 200, Protocol: "HTTP/1.1",
		Host: "files.example.com", Source: "192.0.2.1", Peer: "192.0.2.1:5000", UserAgent: "agent", RequestID: "4ZC6QW7A2N5T3K8R",
		Object: daypass.ObjectRef{Bucket: "photos", Key: "key"}, Grant: daypass.Grant{PassID: "TS7A", AccessKeyID: "DPAK", Scheme: daypass.SchemeQuery}}
	for _, sampler := range []string{"always_on", "always_off"} {
		b.Run(sampler, func(b *testing.B) {
			c, err := Configure(Options{Endpoint: "http://127.0.0.1:1", Env: variables{"OTEL_TRACES_SAMPLER": sampler}.get})
			if err != nil {
				b.Fatal(err)
			}
			e := newExporter(c)
			e.client.Transport = &canned{answers: []func(*http.Request) (*http.Response, error){status(200)}}
			t := start(c, e, slog.New(slog.DiscardHandler))
			r := httptest.NewRequest("GET", "/photos/key", nil)
			b.ReportAllocs()
			for b.Loop() {
				ctx, span := t.Request(r, false)
				if _, end := t.Step(ctx, "store.OpenObject"); end != nil {
					end(nil)
				}
				span.End(&event)
			}
			b.StopTimer()
			if err := t.Shutdown(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}
