//go:build linux

package h1

import (
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// A Server serves HTTP/1.1 on TCP connections without TLS. It is safe for
// concurrent use.
type Server struct {
	http    *http.Server
	all     bool // everything is for net/http
	handler http.Handler
	handed  *handedListener
	ending  atomic.Bool
	date    atomic.Pointer[date]
	loops   sync.WaitGroup // calls of Serve
	resting func(*conn)    // for tests: called before a connection waits; may be nil

	mu        sync.Mutex
	listeners map[net.Listener]bool
	conns     map[*conn]bool
	started   bool          // net/http serves handed
	empty     chan struct{} // closed when the last connection ends; nil: nobody waits
}

// New returns a Server in front of one of net/http. The handler, the limits
// and times, ErrorLog, BaseContext and ConnContext of that one apply to both;
// it must not be changed any more. A server with TLSConfig, Protocols,
// ReadTimeout, WriteTimeout, ConnState or a MaxHeaderBytes below 8 KiB is
// served by net/http alone.
func New(s *http.Server) *Server {
	h := s.Handler
	if h == nil {
		h = http.DefaultServeMux
	}
	// net/http changes TLSConfig once it serves.
	all := s.TLSConfig != nil || s.ReadTimeout > 0 || s.WriteTimeout > 0 || s.ConnState != nil ||
		s.MaxHeaderBytes > 0 && s.MaxHeaderBytes < maxHead || s.Protocols != nil
	return &Server{http: s, all: all, handler: h, handed: newHandedListener(),
		listeners: make(map[net.Listener]bool), conns: make(map[*conn]bool)}
}

// Serve serves the connections of a listener until Shutdown or Close, and
// returns http.ErrServerClosed, or until the listener fails.
func (s *Server) Serve(l net.Listener) error {
	if s.all {
		return s.http.Serve(l)
	}
	if !s.start(l) {
		l.Close()
		return http.ErrServerClosed
	}
	defer s.stop(l)
	base := context.Background()
	if s.http.BaseContext != nil {
		base = s.http.BaseContext(l)
	}
	base = context.WithValue(base, http.ServerContextKey, s.http)
	for pause := time.Duration(0); ; {
		conn, err := l.Accept()
		if err == nil {
			pause = 0
			s.take(base, conn)
			continue
		}
		if s.ending.Load() {
			return http.ErrServerClosed
		}
		var short interface{ Temporary() bool } // such as too many open files
		if !errors.As(err, &short) || !short.Temporary() {
			return err
		}
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		s.logf("http: Accept error: %v; retrying in %v", err, pause)
		time.Sleep(pause)
	}
}

// start notes a listener. It returns false after Shutdown and Close.
func (s *Server) start(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending.Load() {
		return false
	}
	s.listeners[l] = true
	s.loops.Add(1)
	if !s.started {
		s.started = true
		s.handed.addr = l.Addr()
		go func() {
			if err := s.http.Serve(s.handed); !errors.Is(err, http.ErrServerClosed) {
				s.logf("http: %v", err)
			}
		}()
	}
	return true
}

func (s *Server) stop(l net.Listener) {
	defer s.loops.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
	l.Close()
}

// take begins to serve a connection.
func (s *Server) take(base context.Context, nc net.Conn) {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		if !s.handed.put(nc) {
			nc.Close()
		}
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		tcp.Close()
		return
	}
	if s.http.ConnContext != nil {
		base = s.http.ConnContext(base, nc)
	}
	c := &conn{server: s, tcp: tcp, raw: raw, ctx: context.WithValue(base, http.LocalAddrContextKey, tcp.LocalAddr()),
		remote: tcp.RemoteAddr().String(), since: time.Now()}
	c.reads.set, c.writes.set = tcp.SetReadDeadline, tcp.SetWriteDeadline
	c.onRead, c.onWrite = c.tryRead, c.tryWrite
	s.mu.Lock()
	s.conns[c] = true
	s.mu.Unlock()
	go c.serve()
}

func (s *Server) forget(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if len(s.conns) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

func (s *Server) logf(format string, args ...any) {
	if s.http.ErrorLog != nil {
		s.http.ErrorLog.Printf(format, args...)
		return
	}
	log.Printf(format, args...)
}

// Shutdown stops listening, closes idle connections and waits until the others
// have answered, or until the context ends, whose error it returns then. It is
// http.Server.Shutdown for both servers.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.end()
	if s.all {
		return s.http.Shutdown(ctx)
	}
	s.http.SetKeepAlivesEnabled(false) // closes its idle ones
	for gone := s.closeIdle(); gone != nil; gone = s.closeIdle() {
		patience := time.NewTimer(startTime / 10)
		select {
		case <-gone:
		case <-patience.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		patience.Stop()
	}
	return errors.Join(err, s.http.Shutdown(ctx))
}

// end closes the listeners, and waits until each connection that they have
// accepted is among conns, so that none is served later on.
func (s *Server) end() error {
	err := s.closeListeners()
	s.loops.Wait()
	return err
}

func (s *Server) closeListeners() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ending.Store(true)
	var errs []error
	for l := range s.listeners {
		errs = append(errs, l.Close())
		delete(s.listeners, l)
	}
	return errors.Join(errs...)
}

// startTime is how long a connection without a request counts as one that is
// about to send it; as in net/http.
const startTime = 5 * time.Second

// closeIdle closes what is idle. It returns a channel that is closed when
// nothing is left, nil where nothing is.
func (s *Server) closeIdle() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if c.state.CompareAndSwap(idle, closed) || time.Since(c.since) > startTime && c.state.CompareAndSwap(fresh, closed) {
			c.tcp.Close()
		}
	}
	if len(s.conns) == 0 {
		return nil
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	return s.empty
}

// Close closes all listeners and connections at once.
func (s *Server) Close() error {
	err := s.end()
	s.mu.Lock()
	for c := range s.conns {
		c.tcp.Close()
	}
	s.mu.Unlock()
	return errors.Join(err, s.http.Close())
}

// A handedListener is the listener of what goes to net/http.
type handedListener struct {
	conns chan net.Conn
	ended chan struct{}
	once  sync.Once
	addr  net.Addr
}

func newHandedListener() *handedListener {
	return &handedListener{conns: make(chan net.Conn), ended: make(chan struct{})}
}

// put gives a connection to net/http, and reports whether it took it.
func (l *handedListener) put(c net.Conn) bool {
	select {
	case l.conns <- c:
		return true
	case <-l.ended:
		return false
	}
}

// Accept implements net.Listener.
func (l *handedListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.ended:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *handedListener) Close() error {
	l.once.Do(func() { close(l.ended) })
	return nil
}

// Addr implements net.Listener.
func (l *handedListener) Addr() net.Addr { return l.addr }
