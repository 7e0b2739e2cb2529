//go:build linux

package h1

import (
	"sync"
	"syscall"
	"time"
)

// watchAfter is how long a request has been under way, and somebody has waited
// for the end of its context, before the connection is watched: most requests
// are over by then, and so cost nothing.
const watchAfter = 500 * time.Millisecond

// A watchdog finds out whether the client goes away while its request is under
// way.
type watchdog struct {
	mu    sync.Mutex
	timer *time.Timer // nil until needed
	armed bool
	ctx   *requestContext // of the request to watch for; nil: none
	ended chan struct{}   // closed when watching has ended; nil: nobody watches
	call  bool            // whoever watches is to end
}

// watch watches the client of a request before long.
func (c *conn) watch(ctx *requestContext) {
	d := &c.watchdog
	d.mu.Lock()
	defer d.mu.Unlock()
	if ctx.ended.Load() {
		return
	}
	d.ctx = ctx
	switch {
	case d.timer == nil:
		d.timer = time.AfterFunc(watchAfter, c.look)
	case !d.armed:
		d.timer.Reset(watchAfter)
	}
	d.armed = true
}

// look watches until the request ends, where one is to be watched.
func (c *conn) look() {
	d := &c.watchdog
	d.mu.Lock()
	ctx := d.ctx
	if ctx == nil {
		d.armed = false
		d.mu.Unlock()
		return
	}
	if !ctx.body.atEnd() {
		d.timer.Reset(watchAfter)
		d.mu.Unlock()
		return
	}
	d.armed = false
	ended := make(chan struct{})
	d.ended, d.call = ended, false
	c.reads.ask(time.Time{})
	d.mu.Unlock()

	gone := c.awaitEnd()
	d.mu.Lock()
	if gone && !d.call {
		ctx.end()
	}
	d.ended = nil
	d.mu.Unlock()
	close(ended)
}

// awaitEnd waits until the client has something to say, and reports whether it
// is that it says no more.
func (c *conn) awaitEnd() (gone bool) {
	for {
		err := c.raw.Read(func(fd uintptr) bool {
			var b [1]byte
			n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
			if err == syscall.EAGAIN || err == syscall.EINTR {
				c.reads.wait()
				return false
			}
			// What has come is the next request: its sender is there.
			gone = n <= 0
			return true
		})
		if !c.reads.over(err) {
			return gone || err != nil
		}
	}
}

// unwatch ends the watching for a request, so that the connection can be read.
func (c *conn) unwatch(ctx *requestContext) {
	if ctx.real.Load() == nil {
		return // nobody ever waited
	}
	d := &c.watchdog
	d.mu.Lock()
	d.ctx = nil
	ended := d.ended
	if ended != nil {
		d.call = true
		c.reads.ask(time.Unix(1, 0))
	}
	d.mu.Unlock()
	if ended != nil {
		<-ended
		c.reads.ask(time.Time{})
	}
}
