package s3store

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// A frontend stands before an upstream and notes what is asked of it.
type frontend struct {
	mu     sync.Mutex
	seen   []string
	change func(w http.ResponseWriter, r *http.Request, next http.Handler)
	next   http.Handler
}

func (f *frontend) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.seen = append(f.seen, r.Method+" "+r.URL.Path)
	change := f.change
	f.mu.Unlock()
	if change != nil {
		change(w, r, f.next)
		return
	}
	f.next.ServeHTTP(w, r)
}

func (f *frontend) set(change func(w http.ResponseWriter, r *http.Request, next http.Handler)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.change, f.seen = change, nil
}

// requests returns what was asked for under a path since set.
func (f *frontend) requests(path string) (methods []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.seen {
		if method, at, _ := strings.Cut(s, " "); strings.HasPrefix(at, path) {
			methods = append(methods, method)
		}
	}
	return methods
}

// openFrontend opens a driver and a store over an upstream behind a frontend, with
// one bucket.
func openFrontend(t *testing.T, lease time.Duration, oneBucket bool) (*frontend, *Driver, *store.Store) {
	t.Helper()
	f := &frontend{next: upstreamHandler(t)}
	h := httptest.NewServer(f)
	t.Cleanup(h.Close)
	c := upstreamConfig(h.URL)
	if oneBucket {
		c = inOneBucket(t, c)
	}
	d, err := connect(t.Context(), c, lease)
	if err != nil {
		t.Fatal(err)
	}
	if d.can, err = d.probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := store.New(d)
	t.Cleanup(func() { s.Close() })
	if _, err := s.CreateBucket(t.Context(), store.Bucket{Name: "bucket"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	return f, d, s
}

func putBody(t *testing.T, s *store.Store, key string, body io.Reader, size int64, cond store.WriteConditions) error {
	t.Helper()
	u, err := store.NewUpload(body, store.UploadOptions{Size: size})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.PutObject(t.Context(), &store.PutRequest{Bucket: "bucket", Key: key, Body: u, Conditions: cond})
	return err
}

// TestOneRequest counts what a download asks of the upstream.
func TestOneRequest(t *testing.T) {
	f, _, s := openFrontend(t, time.Hour, false)
	if err := putBody(t, s, "key", strings.NewReader("0123456789"), 10, store.WriteConditions{}); err != nil {
		t.Fatal(err)
	}
	ref := daypass.ObjectRef{Bucket: "bucket", Key: "key"}
	for _, tt := range []struct {
		name   string
		hint   store.RangeHint
		off, n int64
		want   []string
	}{
		{"whole", store.RangeHint{}, 0, 10, []string{"GET"}},
		{"range", store.RangeHint{Range: "bytes=3-5"}, 3, 3, []string{"GET"}},
		{"suffix", store.RangeHint{Range: "bytes=-4"}, 6, 4, []string{"GET"}},
		{"condition that holds", store.RangeHint{Conditions: store.ReadConditions{IfNoneMatch: `"other"`}}, 0, 10, []string{"GET"}},
		{"several ranges", store.RangeHint{Range: "bytes=1-2,4-5"}, 0, 10, []string{"GET"}},
		{"another range than was hinted at", store.RangeHint{Range: "bytes=3-5"}, 0, 2, []string{"GET", "GET"}},
		{"range beyond the end", store.RangeHint{Range: "bytes=99-"}, 0, 0, []string{"GET", "HEAD"}},
		{"condition that does not hold", store.RangeHint{Conditions: store.ReadConditions{IfMatch: `"other"`}}, 0, 0, []string{"GET", "HEAD"}},
		{"lazily", store.RangeHint{Lazy: true}, 0, 0, []string{"HEAD"}},
	} {
		f.set(nil)
		obj, body, err := s.OpenRange(t.Context(), ref, nil, tt.hint)
		if err != nil || obj.Size != 10 {
			t.Fatalf("%s: %+v, %v", tt.name, obj, err)
		}
		r, err := body.Range(tt.off, tt.n)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		got, err := io.ReadAll(r)
		if want := "0123456789"[tt.off : tt.off+tt.n]; err != nil || string(got) != want {
			t.Errorf("%s: %q, %v, want %q", tt.name, got, err, want)
		}
		if err := body.Close(); err != nil {
			t.Error(err)
		}
		if got := f.requests("/bucket/"); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestLostAnswer stores on a condition when the upstream, asked twice by
// something between, says that the condition does not hold.
func TestLostAnswer(t *testing.T) {
	f, _, s := openFrontend(t, time.Hour, false)
	twice := func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method != http.MethodPut {
			next.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(httptest.NewRecorder(), r)
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusPreconditionFailed)
		_ = xml.NewEncoder(w).Encode(struct {
			XMLName xml.Name `xml:"Error"`
			Code    string
		}{Code: "PreconditionFailed"})
	}
	f.set(twice)
	cond := store.WriteConditions{IfNoneMatch: "*"}
	if err := putBody(t, s, "key", strings.NewReader("first"), 5, cond); err != nil {
		t.Errorf("a write whose answer was lost: %v", err)
	}
	if err := putBody(t, s, "key", strings.NewReader("other"), 5, cond); daypass.CodeOf(err) != daypass.PreconditionFailed {
		t.Errorf("a write of something else: %v", err)
	}
}

// pausing is a body that stops before its end until it is told to go on.
type pausing struct {
	reached chan struct{}
	goOn    chan struct{}
	sent    bool
}

func (p *pausing) Read(b []byte) (int, error) {
	if !p.sent {
		p.sent = true
		return copy(b, "content"), nil
	}
	close(p.reached)
	<-p.goOn
	return 0, io.EOF
}

// TestSlowWrite deletes a bucket while an object is on its way into it that takes
// longer than the deletion waits.
func TestSlowWrite(t *testing.T) {
	for _, oneBucket := range []bool{false, true} {
		_, d, s := openFrontend(t, time.Millisecond, oneBucket)
		body := &pausing{reached: make(chan struct{}), goOn: make(chan struct{})}
		stored := make(chan error, 1)
		go func() { stored <- putBody(t, s, "key", body, 7, store.WriteConditions{}) }()
		<-body.reached
		if err := s.DeleteBucket(t.Context(), "bucket"); err != nil {
			t.Fatal(err)
		}
		close(body.goOn)
		if err := <-stored; daypass.CodeOf(err) != daypass.NoSuchBucket {
			t.Errorf("one bucket: %v: a write into a bucket that was deleted: %v", oneBucket, err)
		}
		if oneBucket {
			names, _, err := d.listControl(t.Context(), "", "", 10)
			if err != nil || !slices.Contains(names, "buckets/bucket") {
				t.Errorf("control objects: %q, %v", names, err)
			}
			at := place{d.names.bucket, d.names.keyPrefix("bucket") + "key"}
			if w := (&writing{driver: d, req: &store.PutRequest{}, found: found{place: at, hold: hold{record: &record{}}}}); !w.missing(t) {
				t.Error("the object stays in the upstream")
			}
		}
	}
}

func (w *writing) missing(t *testing.T) bool {
	_, _, err := w.current(t.Context())
	return daypass.CodeOf(err) == daypass.NoSuchKey
}

func TestHeldBody(t *testing.T) {
	broken := errors.New("broken")
	for _, tt := range []struct {
		name string
		body io.Reader
		size int64
		want string
		err  error
	}{
		{"whole", strings.NewReader("abc"), 3, "abc", nil},
		{"fails behind its last byte", io.MultiReader(strings.NewReader("abc"), &brokenBody{broken}), 3, "ab", broken},
		{"fails before", io.MultiReader(strings.NewReader("a"), &brokenBody{broken}), 3, "a", broken},
		{"ends early", strings.NewReader("ab"), 3, "ab", io.ErrUnexpectedEOF},
		{"too long", strings.NewReader("abcd"), 3, "ab", errTooLong},
	} {
		b := &heldBody{ctx: t.Context(), body: tt.body, left: tt.size}
		got, err := io.ReadAll(b)
		if string(got) != tt.want || !errors.Is(err, tt.err) || !errors.Is(b.end(), tt.err) {
			t.Errorf("%s: %q, %v, at the end %v", tt.name, got, err, b.end())
		}
		if _, err := b.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s: a body is read after its end", tt.name)
		}
	}
}

type brokenBody struct{ err error }

func (f *brokenBody) Read([]byte) (int, error) { return 0, f.err }

// TestMemory sends a large body and looks at what that allocates.
func TestMemory(t *testing.T) {
	const size = 64 << 20
	h := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if n, err := io.Copy(io.Discard, r.Body); err != nil || n != size {
			t.Errorf("the upstream gets %d bytes, %v", n, err)
		}
		w.Header().Set("ETag", `"0"`)
	}))
	defer h.Close()
	c := Config{Endpoints: []string{h.URL}, PathStyle: true, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")}.withDefaults()
	client, ends, err := newClient(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	d := &Driver{config: c, client: client, endpoints: ends, names: newMapping(c), now: time.Now, lease: time.Hour, log: c.Logger}
	d.records = newRecords(d)
	e := &cached{done: make(chan struct{}), began: time.Now()}
	e.hold = hold{record: &record{name: "bucket", Phase: phaseLive}, until: time.Now().Add(time.Hour)}
	close(e.done)
	d.records.byName["bucket"] = e
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := putBody(t, store.New(d), "key", io.LimitReader(zeros{}, size), size, store.WriteConditions{}); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 4<<20 {
		t.Errorf("a body of %d bytes allocates %d bytes", size, n)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestLegalXML(t *testing.T) {
	for in, want := range map[string]string{
		"<a>&#x01;b&#9;&#x1f;&#xFFFF;&#99999999999;</a>": "<a>?b&#9;???</a>",
		"\x01\t\uffffé🙂":                                 "?\t?é🙂",
	} {
		if got := string(legalXML([]byte(in))); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}
