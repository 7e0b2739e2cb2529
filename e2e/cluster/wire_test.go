package cluster

import (
	"io"
	"net"
	"sync"
	"testing"
)

// A wire carries TCP connections from a node to one server, and can be cut.
type wire struct {
	listener net.Listener
	to       string
	mu       sync.Mutex
	state    wireState
	changed  chan struct{} // closed when the state changes
	open     map[net.Conn]bool
}

// A wireState says what becomes of connections.
type wireState int

const (
	whole  wireState = iota // bytes pass
	cut                     // connections are reset, new ones too
	silent                  // connections stay and are accepted, no byte passes
)

// newWire starts a wire to an address; it ends with the test.
func newWire(t *testing.T, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, to: to, changed: make(chan struct{}), open: map[net.Conn]bool{}}
	go w.accept()
	t.Cleanup(func() {
		l.Close()
		w.set(cut)
	})
	return w
}

func (w *wire) addr() string { return w.listener.Addr().String() }

// set changes the state of the wire for all connections at once.
func (w *wire) set(s wireState) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state = s
	close(w.changed)
	w.changed = make(chan struct{})
	if s == cut {
		for c := range w.open {
			reset(c)
		}
		clear(w.open)
	}
}

func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	c.Close()
}

// now returns the state and what is closed when it changes.
func (w *wire) now() (wireState, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.state, w.changed
}

// keep notes an open connection, unless the wire is cut.
func (w *wire) keep(c net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.state == cut {
		reset(c)
		return false
	}
	w.open[c] = true
	return true
}

func (w *wire) forget(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.open, c)
	c.Close()
}

func (w *wire) accept() {
	for {
		c, err := w.listener.Accept()
		if err != nil {
			return
		}
		if w.keep(c) {
			go w.carry(c)
		}
	}
}

// carry connects to the server, once bytes pass, and carries both directions.
func (w *wire) carry(client net.Conn) {
	defer w.forget(client)
	if !w.pass() {
		return
	}
	server, err := net.Dial("tcp", w.to)
	if err != nil {
		reset(client)
		return
	}
	defer w.forget(server)
	if !w.keep(server) {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		w.pump(server, client)
	}()
	w.pump(client, server)
	client.Close()
	server.Close()
	<-done
}

// pass waits until bytes may pass; it returns false once the wire is cut.
func (w *wire) pass() bool {
	for {
		state, changed := w.now()
		if state != silent {
			return state == whole
		}
		<-changed
	}
}

// pump copies one direction until it ends.
func (w *wire) pump(to, from net.Conn) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		if !w.pass() {
			return
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if err == io.EOF {
				if tcp, ok := to.(*net.TCPConn); ok {
					tcp.CloseWrite()
				}
			}
			return
		}
	}
}
