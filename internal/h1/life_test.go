//go:build linux

package h1

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// start serves a handler with this package.
func start(t *testing.T, h http.HandlerFunc, change ...func(*http.Server)) (addr string, s *Server) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	behind := &http.Server{Handler: h}
	for _, f := range change {
		f(behind)
	}
	s = New(behind)
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; err != http.ErrServerClosed {
			t.Error(err)
		}
	})
	return l.Addr().String(), s
}

// A client is a connection to a server.
type client struct {
	*net.TCPConn
	t *testing.T
	r *bufio.Reader
}

func dial(t *testing.T, addr string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	return &client{conn.(*net.TCPConn), t, bufio.NewReader(conn)}
}

func (c *client) send(text string) *client {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
	return c
}

// want reads an answer and checks its status and body.
func (c *client) want(status int, body string) *answer {
	c.t.Helper()
	resp, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != status || string(b) != body {
		c.t.Fatalf("status %d, body %q, %v", resp.StatusCode, b, err)
	}
	return &answer{resp, c}
}

// An answer is the head of one, and the client that got it.
type answer struct {
	*http.Response
	*client
}

// ends checks that the server closes the connection without another word.
func (c *client) ends() {
	c.t.Helper()
	if b, err := io.ReadAll(c.r); len(b) > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatalf("%q, %v", b, err)
	}
}

func hello(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }

// await waits until something is so, which a lock guards.
func await(lock sync.Locker, so func() bool) {
	for {
		lock.Lock()
		done := so()
		lock.Unlock()
		if done {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// TestTimes checks that connections end that are idle, or slow with a head.
func TestTimes(t *testing.T) {
	idle, _ := start(t, hello, func(s *http.Server) { s.IdleTimeout, s.ReadHeaderTimeout = 50*time.Millisecond, time.Hour })
	c := dial(t, idle)
	for range 2 { // others are idle for that long, one after the other
		dial(t, idle).send(get("/")).want(200, "hello").ends()
	}
	c.send(get("/")).want(200, "hello") // no request before: was not idle
	c.send(get("/")).want(200, "hello").ends()
	slow, _ := start(t, hello, func(s *http.Server) { s.IdleTimeout, s.ReadHeaderTimeout = time.Hour, 50*time.Millisecond })
	dial(t, slow).ends()
	dial(t, slow).send("GET / HTTP/1.1\r\nHo").ends()
	c = dial(t, slow)
	c.send(get("/")).want(200, "hello")
	for range 2 {
		dial(t, slow).ends()
	}
	c.send(get("/")).want(200, "hello") // was idle, not slow
	c.send("GET / HTTP/1.1\r\nHo").ends()
}

// TestDeadlines checks the deadlines that handlers set.
func TestDeadlines(t *testing.T) {
	results := make(chan error, 10)
	addr, _ := start(t, func(w http.ResponseWriter, r *http.Request) {
		c, own := http.NewResponseController(w), w.(*response)
		var err error
		switch r.URL.Path {
		case "/read":
			c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			_, err = io.ReadAll(r.Body)
		case "/past":
			c.SetReadDeadline(time.Unix(1, 0))
			_, err = r.Body.Read(make([]byte, 1))
			c.SetReadDeadline(time.Time{})
		case "/other": // set while somebody reads
			go func() {
				await(&own.conn.reads.mu, func() bool { return own.conn.reads.waits })
				c.SetReadDeadline(time.Unix(1, 0))
			}()
			_, err = io.ReadAll(r.Body)
		case "/write":
			c.SetWriteDeadline(time.Now().Add(20 * time.Millisecond))
			_, err = w.Write(make([]byte, 64<<20))
		case "/within":
			own.SetWriteTimeout(20 * time.Millisecond)
			_, err = w.Write(make([]byte, 64<<20))
		case "/taken-back":
			deadline := time.Now().Add(time.Millisecond)
			c.SetWriteDeadline(deadline)
			time.Sleep(time.Until(deadline))
			c.SetWriteDeadline(time.Time{})
			_, err = w.Write(make([]byte, 100))
		}
		results <- err
	})
	for _, path := range []string{"/read", "/other", "/past"} {
		dial(t, addr).send(request("PUT", path, "Content-Length: 5"))
		if err := <-results; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v", path, err)
		}
	}
	for _, path := range []string{"/write", "/within"} {
		dial(t, addr).send(get(path))
		if err := <-results; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("%s: %v", path, err)
		}
	}
	c := dial(t, addr)
	for range 3 {
		c.send(get("/taken-back")).want(200, strings.Repeat("\x00", 100))
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

// TestClientGone checks that the context of a request ends with its client,
// also for contexts made of it, and not because of what the client sends.
func TestClientGone(t *testing.T) {
	begun, gone := make(chan bool, 1), make(chan error, 1)
	addr, _ := start(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		ctx, cancel := context.WithTimeout(context.WithValue(r.Context(), contextKey{}, 1), time.Minute)
		defer cancel()
		begun <- true
		if r.URL.Path == "/short" {
			d := &w.(*response).conn.watchdog
			await(&d.mu, func() bool { return d.timer != nil && !d.armed }) // the connection is watched, or has been
			gone <- ctx.Err()
			return
		}
		<-ctx.Done()
		gone <- ctx.Err()
	})
	for what, leave := range map[string]func(*client){
		"close":      func(c *client) { c.Close() },
		"reset":      func(c *client) { c.SetLinger(0); c.Close() },
		"half close": func(c *client) { c.CloseWrite() },
	} {
		for _, text := range []string{get("/"), put("/", "body")} {
			c := dial(t, addr).send(text)
			<-begun
			leave(c)
			if err := <-gone; err != context.Canceled {
				t.Errorf("%s: %v", what, err)
			}
		}
	}
	c := dial(t, addr).send(get("/short"))
	<-begun
	if err := <-gone; err != nil {
		t.Error(err)
	}
	c.want(200, "")
	c.send(get("/short") + get("/short")) // watched, with the next one there
	for range 2 {
		<-begun
		if err := <-gone; err != nil {
			t.Error(err)
		}
		c.want(200, "")
	}
}

type contextKey struct{}

// TestContext checks that a request's context ends with its handler, whenever
// it is asked.
func TestContext(t *testing.T) {
	requests := make(chan *http.Request, 2)
	addr, _ := start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/early" {
			<-time.After(time.Millisecond)
			r.Context().Done()
		}
		requests <- r
	})
	c := dial(t, addr)
	for _, path := range []string{"/early", "/late"} {
		c.send(get(path)).want(200, "")
		ctx := (<-requests).Context()
		<-ctx.Done()
		if ctx.Err() != context.Canceled || context.Cause(ctx) != context.Canceled {
			t.Errorf("%s: %v, %v", path, ctx.Err(), context.Cause(ctx))
		}
	}
}

// TestShutdown checks that idle connections end, that requests under way are
// answered, of both servers, and that nothing is served afterwards.
func TestShutdown(t *testing.T) {
	begun, proceed := make(chan bool), make(chan bool)
	addr, s := start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			begun <- true
			<-proceed
		}
		hello(w, r)
	})
	idle := dial(t, addr)
	idle.send(get("/")).want(200, "hello")
	idleThere := dial(t, addr)
	idleThere.send(get("/", "Pragma: no-cache")).want(200, "hello")
	busy := dial(t, addr).send(get("/slow"))
	<-begun
	busyThere := dial(t, addr).send(get("/slow", "Pragma: no-cache"))
	<-begun
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(t.Context()) }()
	idle.ends()
	idleThere.ends()
	close(proceed)
	for _, c := range []*client{busy, busyThere} {
		if resp := c.want(200, "hello"); !resp.Close {
			t.Error("the client does not learn that the connection ends")
		}
		c.ends()
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if conn, err := net.Dial("tcp", addr); err == nil {
		conn.Close()
		t.Error("somebody still listens")
	}
}

// TestShutdownEnds checks that a request that does not end keeps Shutdown until
// its context ends, and that Close ends it.
func TestShutdownEnds(t *testing.T) {
	begun, gone := make(chan bool), make(chan bool)
	addr, s := start(t, func(_ http.ResponseWriter, r *http.Request) {
		begun <- true
		<-r.Context().Done()
		close(gone)
	})
	dial(t, addr).send(get("/"))
	<-begun
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); err != context.DeadlineExceeded {
		t.Error(err)
	}
	s.Close()
	<-gone
}

// TestContinue checks that the client is asked for its body when it is wanted,
// and never when it is not.
func TestContinue(t *testing.T) {
	addr, _ := start(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/no" {
			w.WriteHeader(403)
			return
		}
		b, err := io.ReadAll(r.Body)
		fmt.Fprint(w, string(b), err)
	})
	c := dial(t, addr)
	for range 2 {
		c.send(request("PUT", "/yes", "Content-Length: 4", "Expect: 100-continue"))
		for _, want := range []string{"HTTP/1.1 100 Continue\r\n", "\r\n"} {
			if line, err := c.r.ReadString('\n'); line != want || err != nil {
				t.Fatalf("%q, %v", line, err)
			}
		}
		c.send("body").want(200, "body<nil>")
	}
	c.send(request("PUT", "/no", "Content-Length: 400000", "Expect: 100-continue"))
	if resp := c.want(403, ""); !resp.Close {
		t.Error("what comes next may be anything")
	}
	c.ends()
}

// TestLog checks what is logged, against net/http.
func TestLog(t *testing.T) {
	p := newPair(t)
	for _, path := range []string{"/panic", "/abort", "/twice", "/bad-length", "/both"} {
		p.same(t, [][]byte{[]byte(get(path))}, 0)
	}
	p.server.Close()
	for _, words := range []string{": on purpose\n", "http: superfluous response.WriteHeader call from ", `invalid Content-Length of "five"`,
		`WriteHeader called with both Transfer-Encoding of "chunked" and a Content-Length of 5`, "behaviour_test.go:"} {
		if std, own := strings.Count(p.logs[0].String(), words), strings.Count(p.logs[1].String(), words); std == 0 || own == 0 {
			t.Errorf("%q: %d and %d times", words, std, own)
		}
	}
	if strings.Contains(p.logs[1].String(), "ErrAbortHandler") || strings.Count(p.logs[1].String(), "panic serving") != 1 {
		t.Error(p.logs[1].String())
	}
}

// TestReturned checks that a handler's writer and body do nothing once it has
// returned.
func TestReturned(t *testing.T) {
	kept := make(chan http.ResponseWriter, 1)
	bodies := make(chan io.Reader, 1)
	addr, _ := start(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case kept <- w:
			bodies <- r.Body
		default:
			hello(w, r)
		}
	})
	c := dial(t, addr)
	c.send(put("/", "body")).want(200, "")
	w := <-kept
	kept <- nil
	w.Header().Set("X-Late", "1")
	w.WriteHeader(500)
	_, err1 := io.WriteString(w, "late")
	_, err2 := w.(io.ReaderFrom).ReadFrom(strings.NewReader("late"))
	rc := http.NewResponseController(w)
	_, err3 := (<-bodies).Read(make([]byte, 1))
	for i, err := range []error{err1, err2, err3, rc.Flush(), rc.SetReadDeadline(time.Unix(1, 0)), rc.SetWriteDeadline(time.Unix(1, 0))} {
		if err == nil {
			t.Errorf("%d: no error", i)
		}
	}
	if resp := c.send(get("/")).want(200, "hello"); resp.Header.Get("X-Late") != "" {
		t.Error("a late header got into another answer")
	}
}

// TestIdleBuffers checks that connections that wait have no buffers.
func TestIdleBuffers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := New(&http.Server{Handler: http.HandlerFunc(hello)})
	kept := make(chan string, 100)
	s.resting = func(c *conn) { kept <- fmt.Sprintf("%v %q", c.x == nil, c.pending) }
	go s.Serve(l)
	defer s.Close()
	c := dial(t, l.Addr().String())
	c.send(get("/")).want(200, "hello")
	c.send("GET / HT")
	for got := ""; got != `true "GET / HT"`; {
		if got = <-kept; !strings.HasPrefix(got, "true ") {
			t.Fatal(got)
		}
	}
	c.send("TP/1.1\r\nHost: a\r\n\r\n").want(200, "hello")
}

// TestServedByGo checks what is left to net/http from the beginning.
func TestServedByGo(t *testing.T) {
	var states logText
	addr, _ := start(t, hello, func(s *http.Server) {
		s.ConnState = func(_ net.Conn, state http.ConnState) { fmt.Fprint(&states, state, " ") }
	})
	c := dial(t, addr)
	c.send(get("/", "Connection: close")).want(200, "hello")
	c.ends()
	if !strings.HasPrefix(states.String(), "new active ") {
		t.Errorf("%q", states.String())
	}
}
