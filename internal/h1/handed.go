//go:build linux

package h1

import (
	"io"
	"net"
)

// A handedConn is a connection that begins with what was read of it already.
// In all else it is a *net.TCPConn, also to who asks for its sendfile.
type handedConn struct {
	*net.TCPConn
	unread []byte
}

// Read implements net.Conn.
func (c *handedConn) Read(p []byte) (int, error) {
	if len(c.unread) == 0 {
		return c.TCPConn.Read(p)
	}
	n := copy(p, c.unread)
	if c.unread = c.unread[n:]; len(c.unread) == 0 {
		c.unread = nil
	}
	return n, nil
}

// WriteTo implements io.WriterTo.
func (c *handedConn) WriteTo(w io.Writer) (n int64, err error) {
	if len(c.unread) > 0 {
		m, err := w.Write(c.unread)
		c.unread, n = c.unread[m:], int64(m)
		if err != nil {
			return n, err
		}
	}
	m, err := c.TCPConn.WriteTo(w)
	return n + m, err
}

// NetConn returns the connection itself, to whoever sets its options.
func (c *handedConn) NetConn() net.Conn { return c.TCPConn }
