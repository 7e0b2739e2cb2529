package server

import (
	"cmp"
	"fmt"
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

// BenchmarkEncryption puts and gets objects over a connection, as they are and
// encrypted.
func BenchmarkEncryption(b *testing.B) {
	for _, size := range []int{4 << 10, 1 << 20, 64 << 20} {
		content := strings.Repeat("x", size)
		for _, sse := range []string{"", "AES256"} {
			e := newEnv(b)
			var params []string
			if sse != "" {
				params = []string{"x-amz-server-side-encryption", sse}
			}
			name := fmt.Sprintf("%dKiB/%s", size>>10, cmp.Or(sse, "plain"))
			b.Run("PUT/"+name, func(b *testing.B) { e.benchmark(b, e.query("PUT", "key", params...), content, size) })
			b.Run("GET/"+name, func(b *testing.B) { e.benchmark(b, e.query("GET", "key"), "", size) })
		}
	}
}

// benchmark sends the same request again and again.
func (e *env) benchmark(b *testing.B, q request, body string, size int) {
	b.SetBytes(int64(size))
	for b.Loop() {
		r, err := http.NewRequest(q.method, "http://"+e.addr+q.target, strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		r.Host = q.host
		answer, err := e.http.Client().Do(r)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, answer.Body); err != nil || answer.StatusCode != 200 {
			b.Fatal(answer.Status, err)
		}
		answer.Body.Close()
	}
}
