package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/store"
)

// raw sends a request and returns the whole answer as text.
func (e *env) raw(q request) string {
	e.t.Helper()
	conn := e.dial()
	defer conn.Close()
	if err := q.write(conn); err != nil {
		e.t.Fatal(err)
	}
	b, err := io.ReadAll(conn)
	if err != nil {
		e.t.Fatal(err)
	}
	return string(b)
}

func (e *env) dial() *net.TCPConn {
	e.t.Helper()
	conn, err := net.Dial("tcp", e.addr)
	if err != nil {
		e.t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	return conn.(*net.TCPConn)
}

// head writes a request's header only, announcing n bytes of body.
func (q request) head(n int) request {
	q.header = q.header.Clone()
	q.header.Set("Content-Length", fmt.Sprint(n))
	q.body = ""
	return q
}

// TestExpectContinue checks that the client is asked for its body only once
// the request is known to be allowed, and told at once when it is not.
func TestExpectContinue(t *testing.T) {
	e := newEnv(t)
	e.put("there", "old")
	refused := map[string]request{
		"bad signature": e.query("PUT", "key").change("/key", "/other"),
		"anonymous":     {method: "PUT", host: e.addr, target: "/photos/key", header: http.Header{}},
		"not signed":    e.query("PUT", "key").with("x-amz-acl", "private"),
		"no bucket":     e.signed(request{method: "PUT", target: "/nowhere/key"}),
		"exists":        e.query("PUT", "there", "If-None-Match", "*"),
		"unsupported":   e.query("PUT", "key", "x-amz-write-offset-bytes", "1"),
	}
	for what, q := range refused {
		conn := e.dial()
		if err := q.head(1<<20).with("Expect", "100-continue").write(conn); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		conn.Close()
		if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 4")) && !bytes.HasPrefix(answer, []byte("HTTP/1.1 5")) {
			t.Errorf("%s: %v\n%s", what, err, answer)
		}
		if bytes.Contains(answer, []byte("100 Continue")) || !bytes.Contains(answer, []byte("\r\nConnection: close\r\n")) {
			t.Errorf("%s:\n%s", what, answer)
		}
	}

	conn := e.dial()
	defer conn.Close()
	if err := e.query("PUT", "key").head(7).with("Expect", "100-continue").write(conn); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	for _, want := range []string{"HTTP/1.1 100 Continue\r\n", "\r\n"} {
		if line, err := r.ReadString('\n'); err != nil || line != want {
			t.Fatalf("%q, %v", line, err)
		}
	}
	io.WriteString(conn, "content")
	e.want(e.read(r, "PUT"), 200, "")
}

// TestBrokenUploads checks that a body that ends early leaves nothing.
func TestBrokenUploads(t *testing.T) {
	e := newEnv(t)
	e.put("there", "old")
	for _, size := range []int{100, 5 << 20} {
		for _, key := range []string{"key", "there"} {
			conn := e.dial()
			q := e.query("PUT", key)
			if err := q.head(size).write(conn); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Write(make([]byte, size-1)); err != nil {
				t.Fatal(err)
			}
			conn.CloseWrite()
			e.want(e.read(bufio.NewReader(conn), "PUT"), 400, "IncompleteBody")
			conn.Close()

			gone := e.dial()
			if err := q.head(size).write(gone); err != nil {
				t.Fatal(err)
			}
			gone.Write(make([]byte, size/2))
			gone.SetLinger(0) // a reset, as of a client that vanished
			gone.Close()
		}
	}
	time.Sleep(100 * time.Millisecond)
	if e.exists("key") || e.content("there") != "old" {
		t.Error("something was stored")
	}
}

// TestKeepAlive checks that refusals leave the connection usable where the
// body was small, and that the next request is not part of the last body.
func TestKeepAlive(t *testing.T) {
	e := newEnv(t, func(c *Config) { c.MinBodyRate = 1000 })
	e.put("key", "content")
	conn := e.dial()
	defer conn.Close()
	r := bufio.NewReader(conn)
	for range 3 {
		bad := e.query("PUT", "key").change("/key", "/other")
		bad.body = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
		for _, step := range []struct {
			q      request
			status int
			body   string
		}{{e.query("GET", "key"), 200, "content"}, {bad, 403, ""}, {e.query("HEAD", "key"), 200, ""}, {e.query("HEAD", "none"), 404, ""}, {e.query("DELETE", "none"), 204, ""}} {
			if err := step.q.write(conn); err != nil {
				t.Fatal(err)
			}
			got := e.read(r, step.q.method)
			if got.status != step.status || step.body != "" && got.body != step.body {
				t.Fatalf("%s: status %d\n%s", step.q.method, got.status, got.body)
			}
		}
	}
}

// TestSlowUpload sends a body more slowly than is allowed.
func TestSlowUpload(t *testing.T) {
	trickle := func(e *env, every time.Duration) *reply {
		conn := e.dial()
		defer conn.Close()
		if err := e.query("PUT", "key").head(1000).write(conn); err != nil {
			t.Fatal(err)
		}
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(every):
					if _, err := conn.Write([]byte("x")); err != nil {
						return
					}
				}
			}
		}()
		return e.read(bufio.NewReader(conn), "PUT")
	}
	rate := newEnv(t, func(c *Config) { c.MinBodyRate, c.BodyGrace = 1<<20, 100*time.Millisecond })
	rate.want(trickle(rate, 5*time.Millisecond), 400, "RequestTimeout")
	limit := newEnv(t, func(c *Config) { c.MaxRequestDuration = 200 * time.Millisecond })
	limit.want(trickle(limit, 5*time.Millisecond), 400, "RequestTimeout")
	if rate.exists("key") || limit.exists("key") {
		t.Error("something was stored")
	}
	// Slow, but fast enough.
	alive := newEnv(t, func(c *Config) {
		c.MinBodyRate, c.BodyGrace, c.MaxRequestDuration = 10, 2*time.Second, time.Minute
	})
	alive.want(trickle(alive, time.Millisecond), 200, "")
}

// TestStalledDownload takes nothing of a large answer, and then takes another
// one slowly but steadily.
func TestStalledDownload(t *testing.T) {
	e := newEnv(t, func(c *Config) { c.MinBodyRate, c.BodyGrace = 1<<20, time.Second })
	size := 32 << 20
	u, err := store.NewUpload(io.LimitReader(zeros{}, int64(size)), store.UploadOptions{Size: int64(size)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.store.PutObject(t.Context(), &store.PutRequest{Bucket: "photos", Key: "large", Body: u, Time: testTime}); err != nil {
		t.Fatal(err)
	}
	stalled := e.dial()
	defer stalled.Close()
	if err := e.query("GET", "large").write(stalled); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2500 * time.Millisecond)
	if n, err := io.Copy(io.Discard, stalled); n >= int64(size) {
		t.Errorf("%d bytes arrived, %v", n, err)
	}
	steady := e.dial()
	defer steady.Close()
	if err := e.query("GET", "large").write(steady); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(steady), nil)
	if err != nil {
		t.Fatal(err)
	}
	var n int64
	for {
		m, err := io.CopyN(io.Discard, resp.Body, 1<<20)
		n += m
		if err != nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if n != int64(size) {
		t.Errorf("%d of %d bytes arrived", n, size)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestSmallMemory puts and gets a large object and looks at the heap.
func TestSmallMemory(t *testing.T) {
	e := newEnv(t)
	const size = 64 << 20
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	conn := e.dial()
	defer conn.Close()
	if err := e.query("PUT", "large").head(size).write(conn); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(conn, zeros{}, size); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	e.want(e.read(r, "PUT"), 200, "")
	if err := e.query("GET", "large").write(conn); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, resp.Body); n != size || err != nil {
		t.Fatalf("%d bytes, %v", n, err)
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 8<<20 {
		t.Errorf("%d bytes were allocated for %d of content", got, 2*size)
	}
}

// TestPanic checks that a panic is an internal error to the client, and told
// to the operator alone.
func TestPanic(t *testing.T) {
	e := newEnv(t)
	log := e.log
	keys := panicKeys{}
	s, err := New(func() Config { c := testConfig(e.store); c.Keys = keys; c.Logger = logTo(log); return c }())
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(s)
	defer srv.Close()
	e.addr = srv.Listener.Addr().String()
	r := e.send(e.query("GET", "key"))
	e.want(r, 500, "InternalError")
	if strings.Contains(r.body, "secret cause") || !strings.Contains(log.String(), "secret cause") || !strings.Contains(log.String(), "conn_test.go") {
		t.Errorf("body %s\nlog %s", r.body, log.String())
	}
}

type panicKeys struct{}

func (panicKeys) AccessKey(context.Context, string) (daypass.AccessKey, error) { panic("secret cause") }

// TestKeySourceFails checks that a failure to look a key up is not a refusal.
func TestKeySourceFails(t *testing.T) {
	e := newEnv(t, func(c *Config) { c.Keys = failingKeys{errors.New("database on fire")} })
	r := e.send(e.query("GET", "key"))
	e.want(r, 500, "InternalError")
	if strings.Contains(r.body, "database") {
		t.Error(r.body)
	}
}

// TestKeySourceOutOfReach checks that a look-up to try again says so.
func TestKeySourceOutOfReach(t *testing.T) {
	e := newEnv(t, func(c *Config) {
		c.Keys = failingKeys{&daypass.Error{Code: daypass.ServiceUnavailable, Err: errors.New("database out of reach")}}
	})
	r := e.send(e.query("GET", "key"))
	if e.want(r, 503, "ServiceUnavailable"); r.header.Get("Retry-After") != "1" || strings.Contains(r.body, "database") {
		t.Errorf("Retry-After %q, %s", r.header.Get("Retry-After"), r.body)
	}
}

// failingKeys fails with an error.
type failingKeys struct{ err error }

func (k failingKeys) AccessKey(context.Context, string) (daypass.AccessKey, error) {
	return daypass.AccessKey{}, k.err
}

// brokenDriver has one object, which cannot be read to its end.
type brokenDriver struct{ store.Driver }

func (brokenDriver) Bucket(context.Context, string) (store.Bucket, error) {
	return store.Bucket{Name: "photos", Owner: "alice"}, nil
}

func (d brokenDriver) OpenObject(ctx context.Context, ref daypass.ObjectRef) (*store.Object, store.Body, error) {
	return &store.Object{Bucket: ref.Bucket, Key: ref.Key, Size: 1 << 20, ETag: "e", ModTime: testTime}, brokenBody{}, nil
}

type brokenBody struct{}

func (brokenBody) Range(off, n int64) (io.Reader, error) {
	return io.MultiReader(strings.NewReader(strings.Repeat("half", 4<<10)), errReader{}), nil
}
func (brokenBody) Close() error { return nil }

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, os.ErrClosed }

// TestBrokenObject checks that a client notices when an object cannot be sent
// whole.
func TestBrokenObject(t *testing.T) {
	e := newEnv(t, func(c *Config) { c.Store = store.New(brokenDriver{}) })
	conn := e.dial()
	defer conn.Close()
	if err := e.query("GET", "key").write(conn); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(resp.Body); err == nil || !bytes.HasPrefix(b, []byte("half")) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
	e.http.Close()
	if !strings.Contains(e.log.String(), "file already closed") {
		t.Error(e.log.String())
	}
}

// TestHTTP2 checks what differs there: no chunked encoding, deadlines for
// each stream, and no connection to close.
func TestHTTP2(t *testing.T) {
	e := newEnv(t, func(c *Config) { c.MinBodyRate, c.BodyGrace = 1<<20, 5*time.Second })
	srv := httptest.NewUnstartedServer(e.http.Config.Handler)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	body := strings.Repeat("content ", 1<<17)
	send := func(method, key string, body io.Reader) (*http.Response, string) {
		q := e.presignFor(srv.URL, testKey, sign.URLRequest{Method: method, Bucket: "photos", Key: key})
		r, err := http.NewRequest(method, srv.URL, body)
		if err != nil {
			t.Fatal(err)
		}
		r.URL.Opaque, r.URL.RawQuery, _ = strings.Cut("//"+q.host+q.target, "?")
		resp, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.ProtoMajor != 2 {
			t.Fatalf("HTTP/%d, %v", resp.ProtoMajor, err)
		}
		return resp, string(b)
	}
	if r, b := send("PUT", "a b", strings.NewReader(body)); r.StatusCode != 200 {
		t.Fatalf("status %d\n%s", r.StatusCode, b)
	}
	if r, b := send("GET", "a b", nil); r.StatusCode != 200 || b != body {
		t.Errorf("status %d, %d bytes", r.StatusCode, len(b))
	}
	if r, _ := send("HEAD", "a b", nil); r.StatusCode != 200 || r.ContentLength != int64(len(body)) {
		t.Errorf("status %d, length %d", r.StatusCode, r.ContentLength)
	}
	if r, b := send("PUT", "unknown", io.MultiReader(strings.NewReader("x"))); r.StatusCode != 411 {
		t.Errorf("status %d\n%s", r.StatusCode, b)
	}
	if r, b := send("GET", "none", nil); r.StatusCode != 404 || !strings.Contains(b, "NoSuchKey") {
		t.Errorf("status %d\n%s", r.StatusCode, b)
	}
}
