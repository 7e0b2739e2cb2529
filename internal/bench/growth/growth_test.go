package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestStride checks that every key of every size comes once.
func TestStride(t *testing.T) {
	for _, n := range []int{1000, 1500, 4999} {
		seen := make(map[int]bool)
		m := &maker{ctx: t.Context(), began: time.Now()}
		if err := m.each("bucket", n, func(i int) error { seen[i] = true; return nil }); err != nil || len(seen) != n {
			t.Errorf("%d of %d keys (%v)", len(seen), n, err)
		}
	}
	for _, n := range []int{10_000, 1_000_000, 10_000_000, 100_000_000} {
		if a, b := n, stride; gcd(a, b) != 1 || gcd(n/desertShare+oasis, b) != 1 {
			t.Errorf("the stride has a factor in common with %d", n)
		}
	}
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// TestConnection reads the kinds of answers that servers give.
func TestConnection(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("ETag", `"tag"`)
		switch r.URL.Path {
		case "/chunked":
			w.Write([]byte(strings.Repeat("x", 100_000)))
			w.(http.Flusher).Flush()
			w.Write(body)
		case "/missing":
			http.Error(w, "it is not there", http.StatusNotFound)
		default:
			w.Write(body)
		}
	}))
	defer s.Close()
	c, err := dial(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for _, tt := range []struct {
		q    request
		size int64
		want string
	}{
		{request{method: "PUT", url: s.URL + "/plain", body: []byte("body")}, 4, ""},
		{request{method: "PUT", url: s.URL + "/chunked", body: []byte("body")}, 100_004, ""},
		{request{method: "GET", url: s.URL + "/missing"}, 16, "404"},
		{request{method: "HEAD", url: s.URL + "/plain"}, 0, ""},
		{request{method: "GET", url: s.URL + "/plain"}, 0, ""},
	} {
		a, err := c.fetch(tt.q)
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s %s: %v", tt.q.method, tt.q.url, err)
		}
		if a.size != tt.size || a.total < a.first || tt.want == "" && a.etag != `"tag"` {
			t.Errorf("%s %s: %+v", tt.q.method, tt.q.url, a)
		}
	}
}

// TestCopyStore shares the files that do not change, and only those.
func TestCopyStore(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(from, "index"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"index/1.sst", "index/2.blob", "index/3.log", "format"} {
		if err := os.WriteFile(filepath.Join(from, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := copyStore(from, to); err != nil {
		t.Fatal(err)
	}
	for name, shared := range map[string]bool{"index/1.sst": true, "index/2.blob": true, "index/3.log": false, "format": false} {
		a, err := os.Stat(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.Stat(filepath.Join(to, name))
		if err != nil || os.SameFile(a, b) != shared || b.Size() != int64(len(name)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReport shows a table.
func TestReport(t *testing.T) {
	r := report{Date: "2026-01-02", Machine: "2 × processor", Load: [2]string{"0.1 0.2 0.3", "1 2 3"}}
	tab := &table{Name: "Listing", Goal: "Little.", Columns: []string{"ms", "µs"}}
	r.Tables = append(r.Tables, tab)
	tab.add("a page", 0.1234, 123.4)
	tab.add("another", 12.34, missing)
	want := `2026-01-02, 2 × processor. Load average 0.1 0.2 0.3 before, 1 2 3 after.

### Listing

Little.

| | ms | µs |
|---|--:|--:|
| a page | 0.12 | 123 |
| another | 12.3 | – |
`
	if got := r.markdown(); got != want {
		t.Errorf("got:\n%s", got)
	}
	name := filepath.Join(t.TempDir(), "sub", "growth")
	if err := r.write(name); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(name + ".json"); err != nil || !strings.Contains(string(text), `"Listing"`) {
		t.Errorf("%s, %v", text, err)
	}
}

// TestQuantiles takes the middle and the end of what was measured.
func TestQuantiles(t *testing.T) {
	r := newRun([]time.Duration{3 * time.Millisecond, time.Millisecond, 2 * time.Millisecond})
	if r.p50() != 2 || r.p99() != 3 || quantile(nil, 0.5) != missing || median([]float64{5, 1, 3}) != 3 {
		t.Error(r.p50(), r.p99(), median([]float64{5, 1, 3}))
	}
}

// TestUpdatePage replaces what lies between the marks, which docs/performance.md
// has.
func TestUpdatePage(t *testing.T) {
	page, err := os.ReadFile("../../../docs/performance.md")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(name, page, 0o644); err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for _, tables := range []string{"| new |\n", "| newer |\n"} {
		if err := updatePage(name, tables); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(name)
		if err != nil || !strings.Contains(string(got), beginMark+"\n"+tables+"\n"+endMark) {
			t.Errorf("%v\n%s", err, got)
		}
		sizes = append(sizes, len(got))
	}
	if sizes[1] != sizes[0]+len("er") {
		t.Errorf("the second update left something of the first: %d", sizes)
	}
	if err := os.WriteFile(name, []byte("no marks"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := updatePage(name, "x"); err == nil {
		t.Error("a page without marks is no error")
	}
}
