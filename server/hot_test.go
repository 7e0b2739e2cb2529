package server

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/internal/allocbudget"
	"github.com/daypass/daypass/internal/h1"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/store"
)

// What a request costs the server beside its store: the store here has one
// bucket with one object, and costs next to nothing.

// A fixedDriver has one object, in the bucket that it is asked for.
type fixedDriver struct {
	store.Driver
	object store.Object
	body   fixedBody
}

func newFixedDriver(content []byte) *fixedDriver {
	sum := md5.Sum(content)
	return &fixedDriver{
		object: store.Object{Bucket: "photos", Key: "key", Size: int64(len(content)), ETag: hex.EncodeToString(sum[:]),
			ModTime: testTime.Add(-time.Hour), Owner: "alice", IsLatest: true, Metadata: store.Metadata{ContentType: "image/jpeg"}},
		body: fixedBody{content: content},
	}
}

func (d *fixedDriver) Bucket(context.Context, string) (store.Bucket, error) {
	return store.Bucket{Name: "photos", ID: "1", Owner: "alice", Region: testRegion, Created: testTime}, nil
}

func (d *fixedDriver) Object(context.Context, daypass.ObjectRef) (*store.Object, error) {
	return &d.object, nil
}

func (d *fixedDriver) OpenObject(context.Context, daypass.ObjectRef) (*store.Object, store.Body, error) {
	return &d.object, &d.body, nil
}

func (d *fixedDriver) PutObject(_ context.Context, req *store.PutRequest) (*store.Object, error) {
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return nil, err
	}
	return &d.object, nil
}

func (d *fixedDriver) Close() error { return nil }

// A fixedBody is read by one request at a time.
type fixedBody struct {
	content []byte
	reader  bytes.Reader
}

func (b *fixedBody) Range(off, n int64) (io.Reader, error) {
	b.reader.Reset(b.content[off : off+n])
	return &b.reader, nil
}

func (b *fixedBody) Close() error { return nil }

// A connWriter is a response writer as a connection has it: the header is the
// same map for each request, and there are deadlines.
type connWriter struct {
	header http.Header
	status int
	sent   int
}

func (w *connWriter) Header() http.Header { return w.header }

func (w *connWriter) WriteHeader(status int) { w.status = status }

func (w *connWriter) Write(p []byte) (int, error) {
	w.sent += len(p)
	return len(p), nil
}

func (w *connWriter) FlushError() error                { return nil }
func (w *connWriter) SetReadDeadline(time.Time) error  { return nil }
func (w *connWriter) SetWriteDeadline(time.Time) error { return nil }

func (w *connWriter) reset() {
	clear(w.header)
	w.status, w.sent = 0, 0
}

// A hotCase is a request that is sent again and again.
type hotCase struct {
	name   string
	method string
	header http.Header
	params []string
	body   int // bytes
	status int
	sent   int // bytes of the answer; negative: any
	spoil  func(target string) string
	// varies says that what is done depends on the time: signatures that do not
	// match are explained as long as that takes little.
	varies bool
}

const hotSize = 4 << 10

var hotCases = []hotCase{
	{name: "GET", method: "GET", status: 200, sent: hotSize},
	{name: "GET limited", method: "GET", status: 200, sent: hotSize, params: []string{
		limits.Name, "report", limits.IP, "127.0.0.0/8,::1", limits.Until, "20260207T000000Z"}},
	{name: "range", method: "GET", header: http.Header{"Range": {"bytes=1024-2047"}}, status: 206, sent: 1024},
	{name: "HEAD", method: "HEAD", status: 200},
	{name: "PUT", method: "PUT", body: hotSize, status: 200},
	{name: "mismatch", method: "GET", status: 403, sent: -1, varies: true, spoil: func(target string) string {
		return strings.Replace(target, "X-Amz-Expires=900", "X-Amz-Expires=901", 1)
	}},
	{name: "expired", method: "GET", status: 403, sent: -1, params: []string{limits.Until, "20260206T115900Z"}},
}

// A hotServer serves hot cases, with all that a node has.
type hotServer struct {
	*Server
	realm *realm
	w     connWriter
}

func newHotServer(t testing.TB) *hotServer {
	t.Helper()
	r := newRealm(t)
	cfg := testConfig(store.New(newFixedDriver(bytes.Repeat([]byte("x"), hotSize))))
	cfg.Keys, cfg.Ledger, cfg.Revocations, cfg.Passes, cfg.Settings = r.state, r.state, r.state, r.state, r.state
	cfg.Events = &counting{}
	cfg.MinBodyRate, cfg.MaxRequestDuration = 1<<10, 24*time.Hour
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &hotServer{Server: s, realm: r, w: connWriter{header: make(http.Header, 16)}}
}

// A hotBody is the body of a request, which can be sent again.
type hotBody struct{ bytes.Reader }

func (b *hotBody) Close() error { return nil }

// incoming is a case as it comes in, without its body.
func (s *hotServer) incoming(t testing.TB, c hotCase) *http.Request {
	t.Helper()
	q := s.realm.presignFor("http://files.example.com", s.realm.alice, sign.URLRequest{Method: c.method, Bucket: "photos", Key: "key", Query: pairs(c.params)})
	if c.spoil != nil {
		q.target = c.spoil(q.target)
	}
	r := httptest.NewRequest(c.method, q.target, nil)
	r.Host, r.RemoteAddr, r.ContentLength = q.host, "127.0.0.1:99", int64(c.body)
	r.Header = http.Header{"User-Agent": {"curl/8.5.0"}, "Accept": {"*/*"}}
	if c.body > 0 {
		r.Header.Set("Content-Length", strconv.Itoa(c.body))
	}
	for name, values := range c.header {
		r.Header[name] = values
	}
	return r
}

// request returns a function that sends a case once, to the handler alone.
func (s *hotServer) request(t testing.TB, c hotCase) (send func()) {
	t.Helper()
	r := s.incoming(t, c)
	body, content := new(hotBody), bytes.Repeat([]byte("x"), c.body)
	if c.body > 0 {
		r.Body = body
	}
	return func() {
		body.Reset(content)
		s.w.reset()
		s.ServeHTTP(&s.w, r)
		if s.w.status != c.status || c.sent >= 0 && s.w.sent != c.sent {
			t.Fatalf("%s: status %d, %d bytes", c.name, s.w.status, s.w.sent)
		}
	}
}

// BenchmarkHot is what a request costs the server beside its store.
func BenchmarkHot(b *testing.B) {
	for _, c := range hotCases {
		b.Run(strings.ReplaceAll(c.name, " ", "-"), func(b *testing.B) {
			send := newHotServer(b).request(b, c)
			b.ReportAllocs()
			for b.Loop() {
				send()
			}
		})
	}
}

// TestAllocationBudget counts the allocations of a request beside those of its
// store: in the handler alone, and over connections.
func TestAllocationBudget(t *testing.T) {
	for _, c := range hotCases {
		if c.varies {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			allocbudget.Check(t, "server/"+c.name, newHotServer(t).request(t, c))
		})
		for _, stack := range []string{"h1", "net-http"} {
			t.Run(stack+"/"+c.name, func(t *testing.T) {
				s := newHotServer(t)
				allocbudget.Check(t, stack+"/"+c.name, s.connection(t, s.listen(t, stack), c))
			})
		}
	}
}

// listen serves connections with one of the implementations of HTTP/1.1 and
// returns their address.
func (s *hotServer) listen(t testing.TB, stack string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	plain := &http.Server{Handler: s.Server}
	t.Cleanup(func() { plain.Close() })
	serve := plain.Serve
	if stack == "h1" {
		quick := h1.New(plain)
		t.Cleanup(func() { quick.Close() })
		serve = quick.Serve
	}
	go serve(l)
	return l.Addr().String()
}

// connection is request over a connection that stays open.
func (s *hotServer) connection(t testing.TB, addr string, c hotCase) (send func()) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	r := s.incoming(t, c)
	var text bytes.Buffer
	fmt.Fprintf(&text, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, r.RequestURI, r.Host)
	if err := r.Header.Write(&text); err != nil {
		t.Fatal(err)
	}
	text.WriteString("\r\n" + strings.Repeat("x", c.body))
	want, buf := -1, make([]byte, 64<<10)
	return func() {
		if _, err := conn.Write(text.Bytes()); err != nil {
			t.Fatal(err)
		}
		if want < 0 {
			want = s.answer(t, conn, buf, c)
		} else if _, err := io.ReadFull(conn, buf[:want]); err != nil || string(buf[9:12]) != strconv.Itoa(c.status) {
			t.Fatalf("%v\n%s", err, buf[:want])
		}
	}
}

// answer reads the first answer and returns how long it is: so long are all.
func (s *hotServer) answer(t testing.TB, conn net.Conn, buf []byte, c hotCase) int {
	n, size := 0, -1
	for size != n {
		more, err := conn.Read(buf[n:])
		if n += more; err != nil {
			t.Fatalf("%v\n%s", err, buf[:n])
		}
		head, _, ended := bytes.Cut(buf[:n], []byte("\r\n\r\n"))
		if !ended {
			continue
		}
		size = len(head) + 4
		_, length, _ := strings.Cut(string(head), "Content-Length: ")
		length, _, _ = strings.Cut(length, "\r\n")
		if body, err := strconv.Atoi(length); err == nil && c.method != "HEAD" {
			size += body
		}
	}
	return n
}
