//go:build linux

package h1

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// openFiles returns how many descriptors the process has.
func openFiles(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

// TestNothingLeaks checks that of clients who break off in all ways, among
// handlers that answer in all ways, neither goroutines nor descriptors nor
// connections are left.
func TestNothingLeaks(t *testing.T) {
	p := newPair(t, func(s *http.Server) { s.ReadHeaderTimeout, s.IdleTimeout = time.Second, time.Second })
	paths := []string{"", "file?Content-Length=102400&Content-Type=a/b&head=200", "file?limit=90000", "none"}
	for name := range behaviours {
		if name != "slow" {
			paths = append(paths, name)
		}
	}
	p.same(t, [][]byte{[]byte(get("/"))}, 0)
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 3))
			for range 10 {
				breakOff(t, r, p.own, paths)
			}
		})
	}
	all.Wait()
	left := func() bool {
		p.server.mu.Lock()
		defer p.server.mu.Unlock()
		return len(p.server.conns) > 0 || runtime.NumGoroutine() > goroutines+2 || openFiles(t) > files+2
	}
	for end := time.Now().Add(30 * time.Second); left(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			buf := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, before %d; %d descriptors, before %d; %d connections\n%s", runtime.NumGoroutine(), goroutines,
				openFiles(t), files, len(p.server.conns), buf[:runtime.Stack(buf, true)])
		}
	}
}

// breakOff sends some of some requests, and leaves in some way.
func breakOff(t *testing.T, r *rand.Rand, addr string, paths []string) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return
	}
	defer conn.Close()
	tcp := conn.(*net.TCPConn)
	var text strings.Builder
	for range 1 + r.IntN(4) {
		path := "/" + paths[r.IntN(len(paths))]
		switch r.IntN(6) {
		case 0:
			fmt.Fprint(&text, request("PUT", path, "Content-Length: 300000"), strings.Repeat("b", r.IntN(300000)))
		case 1:
			fmt.Fprint(&text, request("PUT", path, "Content-Length: 5", "Expect: 100-continue"))
		case 2:
			text.WriteString(request("PUT", path, "Transfer-Encoding: chunked") + "5\r\nbo")
		default:
			text.WriteString(randomRequest(r, path))
		}
	}
	all := text.String()
	if r.IntN(2) == 0 {
		all = all[:r.IntN(len(all)+1)]
	}
	conn.SetDeadline(time.Now().Add(time.Duration(r.IntN(300)) * time.Millisecond))
	io.WriteString(conn, all)
	switch r.IntN(4) {
	case 0:
		tcp.SetLinger(0)
	case 1:
		tcp.CloseWrite()
		io.Copy(io.Discard, conn)
	case 2:
		io.CopyN(io.Discard, conn, int64(r.IntN(50000)))
	}
}

// A lateListener gives out its last connection once it has been closed and more
// than that.
type lateListener struct {
	*net.TCPListener
	accepted chan net.Conn
	closing  sync.Once
	closed   chan bool
}

// Accept implements net.Listener.
func (l *lateListener) Accept() (net.Conn, error) {
	if conn := <-l.accepted; conn != nil {
		return conn, nil
	}
	return nil, net.ErrClosed
}

// Close implements net.Listener.
func (l *lateListener) Close() error {
	l.closing.Do(func() { close(l.closed) })
	return nil
}

// TestShutdownWaitsForAccept checks that a connection that was accepted before
// the listener was closed is not served after Shutdown: what its handler needs
// may be gone.
func TestShutdownWaitsForAccept(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	l := &lateListener{TCPListener: inner.(*net.TCPListener), accepted: make(chan net.Conn, 1), closed: make(chan bool)}
	ended := make(chan bool)
	s := New(&http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-ended:
			t.Error("a request is served after the end")
		default:
		}
		hello(w, r)
	})})
	loop := make(chan error, 1)
	go func() { loop <- s.Serve(l) }()
	c := dial(t, inner.Addr().String()).send(get("/"))
	accepted, err := inner.Accept()
	if err != nil {
		t.Fatal(err)
	}
	for !s.listens() {
		time.Sleep(time.Millisecond)
	}
	go func() {
		if err := s.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		close(ended)
	}()
	<-l.closed
	select {
	case <-ended:
	case <-time.After(100 * time.Millisecond):
	}
	l.accepted <- accepted
	close(l.accepted)
	c.want(200, "hello")
	<-ended
	if err := <-loop; err != http.ErrServerClosed {
		t.Error(err)
	}
}

// listens reports whether Serve has begun.
func (s *Server) listens() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.listeners) > 0
}
