package server

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

// nowhere is a response writer that keeps nothing.
type nowhere struct{ header http.Header }

func (w *nowhere) Header() http.Header         { return w.header }
func (w *nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (w *nowhere) WriteHeader(int)             {}

// BenchmarkGetPresigned is one pre-signed GET of 4 KiB through the handler,
// from parsing the query to the last byte, without the network.
func BenchmarkGetPresigned(b *testing.B) {
	e := newEnv(b)
	e.put("key", strings.Repeat("x", 4<<10))
	s, err := New(testConfig(e.store))
	if err != nil {
		b.Fatal(err)
	}
	q := e.query("GET", "key")
	r := httptest.NewRequest("GET", q.target, nil)
	r.Host = q.host
	b.ReportAllocs()
	for b.Loop() {
		w := &nowhere{header: make(http.Header, 16)}
		s.ServeHTTP(w, r)
		if w.header.Get("Last-Modified") == "" {
			b.Fatal("no object")
		}
	}
}
