package bench

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// files is a server that keeps what is put, as a WebDAV server does, and that
// can be made to do something else.
type files struct {
	mu      sync.Mutex
	objects map[string][]byte
	// instead, where it returns true, has answered in the place of the server.
	instead func(w http.ResponseWriter, r *http.Request) bool
}

func (f *files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.instead != nil && f.instead(w, r) {
		return
	}
	switch r.Method {
	case http.MethodPut:
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.objects[r.URL.Path] = body
		w.WriteHeader(http.StatusCreated)
	case http.MethodDelete:
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.objects, r.URL.Path)
		w.WriteHeader(http.StatusNoContent)
	default:
		f.mu.Lock()
		body, ok := f.objects[r.URL.Path]
		f.mu.Unlock()
		if !ok {
			http.NotFound(w, r)
			return
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(body)))
	}
}

// load runs a mix against a server and returns the report.
func load(t *testing.T, url string, change func(*Config)) *Report {
	t.Helper()
	r := runner(t, url, change)
	ctx := t.Context()
	if err := r.Prepare(ctx, false); err != nil {
		t.Fatal(err)
	}
	report, err := r.Run(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func runner(t *testing.T, url string, change func(*Config)) *Runner {
	t.Helper()
	target, err := Plain(url+"/{key}", nil)
	if err != nil {
		t.Fatal(err)
	}
	c := Config{Target: target, Mix: Mix{Get: 4, Range: 2, Head: 1, Put: 2}, Sizes: Sizes{{100, 2}, {70_000, 1}, {3 << 20, 0.2}, {0, 0.5}},
		RangeSize: 1000, Objects: 40, Connections: 4, Requests: 300, Verify: true, Timeout: 10 * time.Second, Seed: 7}
	if change != nil {
		change(&c)
	}
	r, err := NewRunner(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func TestRun(t *testing.T) {
	for _, secure := range []bool{false, true} {
		for _, verify := range []bool{false, true} {
			t.Run(fmt.Sprintf("TLS=%v,verify=%v", secure, verify), func(t *testing.T) { testRun(t, secure, verify) })
		}
	}
}

func testRun(t *testing.T, secure, verify bool) {
	f := &files{objects: make(map[string][]byte)}
	s := httptest.NewUnstartedServer(f)
	if s.Start(); secure {
		s.Close()
		s = httptest.NewTLSServer(f)
	}
	defer s.Close()
	var progress []Progress
	report := load(t, s.URL, func(c *Config) {
		c.Verify, c.Rounds, c.Processes = verify, 3, nil
		c.Progress = func(p Progress) { progress = append(progress, p) }
		if secure {
			c.Target = tlsTarget(t, s)
		}
	})
	if report.ErrorCount() != 0 || len(report.Rounds) != 3 {
		t.Fatalf("%d rounds, errors %v", len(report.Rounds), report.Rounds[0].All.Errors)
	}
	for i := range report.Rounds {
		checkRound(t, &report.Rounds[i])
	}
	if back := report.ReadBack; verify && (back == nil || back.Objects == 0 || back.Objects > 40) || !verify && back != nil {
		t.Errorf("read back %+v", back)
	}
}

func tlsTarget(t *testing.T, s *httptest.Server) *Target {
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate())
	target, err := Plain(s.URL+"/{key}", &tls.Config{RootCAs: roots})
	if err != nil {
		t.Fatal(err)
	}
	return target
}

// checkRound checks that the figures of a round agree with each other.
func checkRound(t *testing.T, r *Round) {
	t.Helper()
	count, bytes := int64(0), int64(0)
	for name, s := range r.Operations {
		count, bytes = count+s.Count, bytes+s.Bytes
		l := s.Latency
		if s.Count == 0 || l.P50 <= 0 || l.P50 > l.P90 || l.P90 > l.P99 || l.P99 > l.P999 || l.P999 > l.Max*1.001 {
			t.Errorf("%s: %d operations, latency %+v", name, s.Count, l)
		}
		if name == "head" && s.Bytes != 0 || name != "head" && s.Bytes == 0 {
			t.Errorf("%s moved %d bytes", name, s.Bytes)
		}
	}
	if count != 300 || r.All.Count != 300 || bytes != r.All.Bytes || len(r.Operations) != 4 {
		t.Errorf("%d operations of %d kinds, all are %d; %d bytes, all are %d", count, len(r.Operations), r.All.Count, bytes, r.All.Bytes)
	}
}

// TestSees makes a server answer wrongly in every way that a load tool must not
// take for speed.
func TestSees(t *testing.T) {
	download := func(r *http.Request) bool { return r.Method == http.MethodGet }
	raw := func(w http.ResponseWriter, text string) bool {
		c, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			io.WriteString(c, text)
			c.Close()
		}
		return true
	}
	sized := func(w http.ResponseWriter, n int) bool {
		w.Header().Set("Content-Length", fmt.Sprint(n))
		w.Write(make([]byte, n))
		return true
	}
	for _, tc := range []struct {
		name, want string
		mix        Mix
		instead    func(w http.ResponseWriter, r *http.Request) bool
	}{
		{"zeros", "wrong body", Mix{Get: 1}, func(w http.ResponseWriter, r *http.Request) bool { return download(r) && sized(w, 5000) }},
		{"too long", "wrong body", Mix{Get: 1}, func(w http.ResponseWriter, r *http.Request) bool { return download(r) && sized(w, 5001) }},
		{"zeros in chunks", "wrong body", Mix{Get: 1}, func(w http.ResponseWriter, r *http.Request) bool {
			if !download(r) {
				return false
			}
			w.(http.Flusher).Flush()
			w.Write(make([]byte, 5000))
			return true
		}},
		{"cut off", "short body", Mix{Get: 1}, func(w http.ResponseWriter, r *http.Request) bool {
			return download(r) && raw(w, "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
		}},
		{"cut off in a chunk", "short body", Mix{Get: 1}, func(w http.ResponseWriter, r *http.Request) bool {
			return download(r) && raw(w, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\nfew")
		}},
		{"hang-up", "connection closed", Mix{Get: 1}, func(w http.ResponseWriter, r *http.Request) bool { return download(r) && raw(w, "") }},
		{"not HTTP", "malformed answer", Mix{Get: 1}, func(w http.ResponseWriter, r *http.Request) bool {
			return download(r) && raw(w, "SSH-2.0-OpenSSH\r\n")
		}},
		{"whole for a range", "HTTP 200", Mix{Range: 1}, func(w http.ResponseWriter, r *http.Request) bool { return download(r) && sized(w, 5000) }},
		{"another range", "wrong body", Mix{Range: 1}, func(w http.ResponseWriter, r *http.Request) bool {
			if !download(r) {
				return false
			}
			w.Header().Set("Content-Range", "bytes 4990-5989/5000")
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(http.StatusPartialContent)
			w.Write(make([]byte, 1000))
			return true
		}},
		{"S3 error", "SlowDown", Mix{Get: 1}, func(w http.ResponseWriter, r *http.Request) bool {
			if download(r) {
				w.WriteHeader(http.StatusServiceUnavailable)
				io.WriteString(w, `<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>`)
			}
			return download(r)
		}},
		{"plain error", "HTTP 502", Mix{Put: 1}, func(w http.ResponseWriter, r *http.Request) bool {
			http.Error(w, "bad gateway", http.StatusBadGateway)
			return true
		}},
		{"redirect", "HTTP 307", Mix{Get: 1}, func(w http.ResponseWriter, r *http.Request) bool {
			if download(r) {
				http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
			}
			return download(r)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f := &files{objects: make(map[string][]byte), instead: tc.instead}
			s := httptest.NewServer(f)
			defer s.Close()
			report := load(t, s.URL, func(c *Config) { c.Mix, c.Sizes, c.Requests = tc.mix, Sizes{{5000, 1}}, 20 })
			want := map[string]int64{tc.want: 20}
			if diff := cmp.Diff(want, report.Rounds[0].All.Errors); diff != "" || report.Rounds[0].All.Count != 0 {
				t.Errorf("%d succeeded; errors (-want +got):\n%s\n%v", report.Rounds[0].All.Count, diff, report.Rounds[0].All.Examples)
			}
		})
	}
}

// TestSeesLostWrites has a server that forgets, and one that keeps something
// else, after it said that an upload was stored.
func TestSeesLostWrites(t *testing.T) {
	for want, spoil := range map[string]func(f *files, path string){
		"HTTP 404":   func(f *files, path string) { delete(f.objects, path) },
		"wrong body": func(f *files, path string) { f.objects[path] = make([]byte, 5000) },
	} {
		f := &files{objects: make(map[string][]byte)}
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			f.ServeHTTP(w, r)
			if r.Method == http.MethodPut {
				f.mu.Lock()
				defer f.mu.Unlock()
				spoil(f, r.URL.Path)
			}
		}))
		report := load(t, s.URL, func(c *Config) { c.Mix, c.Sizes, c.Requests, c.Objects = Mix{Put: 1}, Sizes{{5000, 1}}, 60, 10 })
		s.Close()
		if b := report.ReadBack; b == nil || b.Objects != 0 || b.Errors[want] == 0 || report.ErrorCount() == 0 {
			t.Errorf("%s: read back %+v", want, report.ReadBack)
		}
	}
}

// TestEarlyRefusal uploads to a server that refuses before it has read the body.
func TestEarlyRefusal(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, "<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>")
	}))
	defer s.Close()
	report := load(t, s.URL, func(c *Config) { c.Mix, c.Sizes, c.Requests = Mix{Put: 1}, Sizes{{32 << 20, 1}}, 4 })
	errs := report.Rounds[0].All.Errors
	// A reset may overtake the answer: then the connection was closed.
	if errs["AccessDenied"]+errs["connection closed"] != 4 {
		t.Errorf("errors %v", errs)
	}
}

func TestPrepareFails(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusNotFound)
		io.WriteString(w, "<Error><Code>NoSuchBucket</Code><Message>The specified bucket does not exist</Message></Error>")
	}))
	defer s.Close()
	err := runner(t, s.URL, nil).Prepare(t.Context(), false)
	if err == nil || !strings.Contains(err.Error(), "NoSuchBucket") {
		t.Errorf("Prepare: %v", err)
	}
	s.Close()
	if err := runner(t, s.URL, nil).Prepare(t.Context(), false); err == nil || ErrorName(err) != "connection refused" {
		t.Errorf("Prepare without a server: %v", err)
	}
}

func TestCleanUp(t *testing.T) {
	f := &files{objects: map[string][]byte{"/foreign": nil, "/r/foreign": nil}}
	s := httptest.NewServer(f)
	defer s.Close()
	r := runner(t, s.URL, nil)
	if err := r.Prepare(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(f.objects) < 50 {
		t.Errorf("%d objects are there", len(f.objects))
	}
	if err := r.CleanUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(f.objects) != 2 {
		t.Errorf("%d objects are left, want the two that are not ours", len(f.objects))
	}
}

// TestInterrupted ends a run in its middle.
func TestInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	f := &files{objects: make(map[string][]byte), instead: func(http.ResponseWriter, *http.Request) bool { stop(); return false }}
	s := httptest.NewServer(f)
	defer s.Close()
	r := runner(t, s.URL, func(c *Config) { c.Mix, c.Requests = Mix{Put: 1}, 1<<40 })
	if report, err := r.Run(ctx); err == nil {
		t.Errorf("a run that was interrupted returns %+v", report)
	}
}

func TestReportRoundTrip(t *testing.T) {
	s := httptest.NewServer(&files{objects: make(map[string][]byte)})
	defer s.Close()
	report := load(t, s.URL, func(c *Config) {
		c.Counters = func(context.Context) map[string]float64 { return map[string]float64{"n": 1} }
	})
	text, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseReport(text)
	if diff := cmp.Diff(report, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	var table strings.Builder
	if err := got.WriteTable(&table); err != nil || !strings.Contains(table.String(), "range") || !strings.Contains(table.String(), "read back") {
		t.Errorf("%v\n%s", err, table.String())
	}
}

func TestConfigIsChecked(t *testing.T) {
	target, err := Plain("http://127.0.0.1/{key}", nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Config){
		"no target":      func(c *Config) { c.Target = nil },
		"no mix":         func(c *Config) { c.Mix = Mix{} },
		"no sizes":       func(c *Config) { c.Sizes = nil },
		"no connections": func(c *Config) { c.Connections = 0 },
		"no objects":     func(c *Config) { c.Objects = 0 },
		"no range":       func(c *Config) { c.Mix = Mix{Range: 1} },
		"no end":         func(c *Config) { c.Requests = 0 },
		"negative rate":  func(c *Config) { c.Rate = -1 },
	} {
		c := Config{Target: target, Mix: Mix{Get: 1}, Sizes: Sizes{{1, 1}}, Objects: 1, Connections: 1, Requests: 1}
		change(&c)
		if _, err := NewRunner(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
