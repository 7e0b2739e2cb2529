//go:build linux

package h1

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// maxDrain is how much of a request's body is read that its handler has left,
// in bytes, so that the connection can serve another request; as in net/http.
const maxDrain = 256 << 10

// A body is the body of a request, of a known length.
type body struct {
	mu      sync.Mutex
	conn    *conn
	x       *exchange // of the connection, which has none any more once the handler has panicked
	turn    *turn
	left    int64
	asks    bool        // the client waits for 100 Continue
	closing bool        // the connection ends with this request
	end     bool        // nothing more comes
	seen    atomic.Bool // the handler knows
	closed  bool
	shut    atomic.Bool // closed, or about to be
	early   bool        // closed with so much left that nobody reads it
}

var _ io.ReadCloser = (*body)(nil)

func (b *body) init(c *conn, t *turn, length int64, h *head) {
	b.conn, b.x, b.turn, b.left, b.asks, b.closing = c, c.x, t, length, h.expect, h.close
}

// Read implements io.Reader. The client is asked for the body by the first one
// (RFC 9110, section 10.1.1).
func (b *body) Read(p []byte) (int, error) {
	if b.asks && !b.shut.Load() {
		b.turn.response.sendContinue()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.read(p)
	if err == io.EOF {
		b.seen.Store(true)
	}
	return n, err
}

func (b *body) read(p []byte) (n int, err error) {
	if b.end {
		return 0, io.EOF
	}
	if len(p) == 0 {
		return 0, nil
	}
	p = p[:min(int64(len(p)), b.left)]
	if x := b.x; x.begin < x.end {
		n = copy(p, x.buf[x.begin:x.end])
		x.begin += n
	} else if n, err = b.conn.receive(p); err != nil {
		b.turn.ctx.end()
	}
	b.left -= int64(n)
	switch {
	case b.left == 0:
		b.end, err = true, io.EOF
	case err == io.EOF:
		b.end, err = true, io.ErrUnexpectedEOF
	}
	return n, err
}

// Close implements io.Closer. What is left is read, if it is little.
func (b *body) Close() error {
	b.shut.Store(true)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed || b.conn == nil {
		return nil
	}
	var err error
	switch {
	case b.end || b.closing:
	case b.left > maxDrain:
		b.early = true
	default:
		err = b.drain()
	}
	b.closed = true
	return err
}

// drain reads what is left. What comes after it is read too where it is there
// already: a connection that is closed with something unread is reset, and the
// answer may be lost with it.
func (b *body) drain() error {
	for x := b.x; !b.end; {
		if x.begin == x.end {
			n, err := b.conn.receive(x.buf[:])
			x.begin, x.end = 0, n
			switch {
			case err == io.EOF:
				b.end = true
				return io.ErrUnexpectedEOF
			case err != nil:
				b.turn.ctx.end()
				return err
			}
		}
		n := min(int64(x.end-x.begin), b.left)
		x.begin += int(n)
		b.left -= n
		b.end = b.left == 0
	}
	return nil
}

// atEnd reports whether the body, if there is one, was read to its end. It is
// not while somebody reads it.
func (b *body) atEnd() bool {
	if !b.mu.TryLock() {
		return false
	}
	defer b.mu.Unlock()
	return b.conn == nil || b.end
}

// finish reads what the handler has left before the answer begins, since some
// clients send all before they read. tooBig says that so much is left that
// the connection ends instead; ok is false where it cannot be used again.
func (b *body) finish() (tooBig, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return false, b.end
	case b.left >= maxDrain:
		return true, true
	case b.end:
	case b.drain() != nil:
		return false, false
	}
	b.closed = true
	return false, true
}

var copyBuffers = sync.Pool{New: func() any {
	b := make([]byte, 32<<10)
	return &b
}}
