//go:build linux

package h1

import (
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// States of a connection, as Shutdown sees them.
const (
	fresh  = iota // nothing has come yet
	active        // a request is under way
	idle          // between requests
	closed        // by Shutdown, while idle
)

// A conn is one connection. While it is idle it has no buffer.
type conn struct {
	server *Server
	tcp    *net.TCPConn
	raw    syscall.RawConn
	ctx    context.Context
	remote string
	state  atomic.Int32
	since  time.Time // when it was accepted

	reads, writes   deadline
	in              input
	out             output
	onRead, onWrite func(fd uintptr) bool

	x       *exchange // nil while idle
	pending []byte    // of a head that has not come whole, while idle
	headBy  time.Time // when the head must be there; zero: nothing of it has come
	idleBy  time.Time // when the first of it must be there; zero: not waited for yet
	begun   bool      // there has been a request
	posted  bool      // the last one was a POST
	turn    *turn     // while the handler has it; else nil

	watchdog watchdog
}

// An exchange is what a connection needs while it is not idle.
type exchange struct {
	buf        [maxHead]byte
	begin, end int // of what was read and not used
	head       head
	header     http.Header // of the answer
	names      []string    // of that header
	out        []byte      // what is to be sent
	text       []byte      // of the body, while it is not known how it will be framed
}

// outSize is how much is held back to be sent by one system call: the head of
// an answer and a small body.
const outSize = 6 << 10

var exchanges = sync.Pool{New: func() any {
	return &exchange{header: make(http.Header), out: make([]byte, 0, outSize)}
}}

// sorted returns the names of the answer's header in order, so that the same
// answer is always the same bytes.
func (x *exchange) sorted() []string {
	x.names = x.names[:0]
	for name := range x.header {
		x.names = append(x.names, name)
	}
	slices.Sort(x.names)
	return x.names
}

func (c *conn) exchange() *exchange {
	if c.x == nil {
		c.x = exchanges.Get().(*exchange)
		c.x.begin, c.x.end = 0, copy(c.x.buf[:], c.pending)
		c.pending = nil
	}
	return c.x
}

// release gives the exchange back.
func (c *conn) release() {
	x := c.x
	if x == nil {
		return
	}
	c.x = nil
	if cap(x.out) > 2*outSize {
		x.out = make([]byte, 0, outSize)
	}
	exchanges.Put(x)
}

// rest prepares a connection for waiting for a head, or the rest of one.
func (c *conn) rest() {
	s, now := c.server.http, time.Now()
	x := c.x
	by := c.headBy
	switch {
	case x.end > x.begin && by.IsZero() && c.begun:
		by = within(now, s.ReadHeaderTimeout)
		c.headBy = by
	case !c.begun:
		by = within(c.since, s.ReadHeaderTimeout)
	case by.IsZero():
		// Once: this is called again where an older deadline is over.
		if c.idleBy.IsZero() {
			c.idleBy = within(now, s.IdleTimeout)
		}
		by = c.idleBy
	}
	if x.end > x.begin {
		c.pending = append([]byte(nil), x.buf[x.begin:x.end]...)
	}
	c.release()
	if f := c.server.resting; f != nil {
		f(c)
	}
	c.reads.waitUntil(by, now)
}

func within(t time.Time, d time.Duration) time.Time {
	if d <= 0 {
		return time.Time{}
	}
	return t.Add(d)
}

// serve serves a connection to its end, or to where net/http takes over.
func (c *conn) serve() {
	kept := false
	defer func() {
		if err := recover(); err != nil && err != http.ErrAbortHandler {
			stack := make([]byte, 64<<10)
			stack = stack[:runtime.Stack(stack, false)]
			c.server.logf("http: panic serving %v: %v\n%s", c.remote, err, stack)
		}
		if t := c.turn; t != nil { // the handler has not returned
			t.response.abandon()
			t.ctx.end()
			c.unwatch(&t.ctx)
			c.x = nil // whoever still uses it may go on
		}
		c.release()
		if !kept {
			c.tcp.Close()
		}
		c.server.forget(c)
	}()
	for {
		switch c.awaitHead() {
		case incomplete:
			return
		case foreign:
			kept = c.handOver()
			return
		}
		t, r := c.request(&c.x.head, c.x.buf[c.x.begin:c.x.end])
		if r == nil {
			kept = c.handOver()
			return
		}
		if !c.answer(t, r) {
			return
		}
	}
}

// awaitHead reads until there is a plain head, or something else. incomplete
// means that nothing is to be answered any more.
func (c *conn) awaitHead() verdict {
	c.headBy, c.idleBy = time.Time{}, time.Time{}
	if c.begun && !c.state.CompareAndSwap(active, idle) {
		return incomplete
	}
	if x := c.x; x != nil && x.begin == x.end {
		x.begin, x.end = 0, 0
	}
	peeked := !c.begun
	for some := c.x != nil && c.x.end > c.x.begin; ; some = true {
		if some {
			if c.state.Load() != active && !c.enter() {
				return incomplete
			}
			if v := c.parse(&peeked); v != incomplete {
				return v
			}
		}
		n, err := c.receive(nil)
		switch x := c.x; {
		case err == io.EOF && peeked && x.end > x.begin:
			return foreign // net/http says what is to be said of half a head
		case err != nil:
			return incomplete
		}
		c.x.end += n
	}
}

// parse parses what has come. Like net/http it looks at nothing of a further
// request before there are four bytes.
func (c *conn) parse(peeked *bool) verdict {
	x := c.x
	if !*peeked && x.end-x.begin >= 4 {
		*peeked = true
		c.skipBlank()
	}
	if *peeked {
		if v := x.head.parse(x.buf[x.begin:x.end]); v != incomplete {
			return v
		}
	}
	x.end = copy(x.buf[:], x.buf[x.begin:x.end])
	x.begin = 0
	return incomplete
}

// enter notes that a request has begun. It returns false where Shutdown has
// closed the connection.
func (c *conn) enter() bool {
	return c.state.CompareAndSwap(fresh, active) || c.state.CompareAndSwap(idle, active)
}

// skipBlank skips the empty lines that old clients send after the body of a
// POST, as net/http does (RFC 9112, section 2.2).
func (c *conn) skipBlank() {
	x := c.x
	for n := 0; n < 4 && c.posted && (x.buf[x.begin] == '\r' || x.buf[x.begin] == '\n'); n++ {
		x.begin++
	}
}

// handOver gives the connection to net/http, with what was read of it in
// front, and reports whether net/http has it.
func (c *conn) handOver() bool {
	x := c.x
	rest := append([]byte(nil), x.buf[x.begin:x.end]...)
	c.release()
	if c.tcp.SetDeadline(time.Time{}) != nil {
		return false
	}
	return c.server.handed.put(&handedConn{TCPConn: c.tcp, unread: rest})
}

// answer serves one request, and reports whether the connection can serve
// another.
func (c *conn) answer(t *turn, r *http.Request) bool {
	x := c.x
	x.begin += x.head.size
	c.begun, c.posted = true, r.Method == http.MethodPost
	c.reads.ask(time.Time{})
	w := &t.response
	w.init(c, t, r)
	c.turn = t
	c.server.handler.ServeHTTP(w, r)
	t.ctx.end()
	w.finish()
	c.unwatch(&t.ctx)
	t.body.Close()
	w.done.Store(true)
	c.turn = nil
	c.writes.ask(time.Time{})
	if r.MultipartForm != nil {
		// What is left of temporary files is of no interest to the client.
		_ = r.MultipartForm.RemoveAll()
	}
	clear(x.header)
	x.out, x.text = x.out[:0], x.text[:0]
	if w.reusable() {
		return !c.server.ending.Load()
	}
	if w.tooBig || t.body.early {
		c.linger()
	}
	return false
}

// lingerTime is for how long a connection whose request was not read to its
// end is kept, so that the client gets the answer before it learns that nobody
// reads (RFC 9112, section 9.6); as in net/http.
const lingerTime = 500 * time.Millisecond

func (c *conn) linger() {
	c.release()
	if c.tcp.CloseWrite() == nil {
		time.Sleep(lingerTime)
	}
}
