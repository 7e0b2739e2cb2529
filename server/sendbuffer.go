package server

import (
	"context"
	"net"
	"net/http"
)

// connKey is the context key of a request's connection.
type connKey struct{}

// ConnContext is for http.Server.ConnContext. With it, responses that draw on
// a budget keep little in the buffers of the operating system: what is there
// when a download breaks off counts as sent although the client may never have
// got it.
func ConnContext(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, conn)
}

// maxUnsent is how much of a counted response may wait in the send buffer
// beyond what is on its way already, in bytes. It takes nothing from the
// speed: the window is filled before.
const maxUnsent = 64 << 10

// boundUnsent bounds what waits in the send buffer of a request's connection,
// until undo. HTTP/2 has buffers of its own, shared by many requests.
func boundUnsent(r *http.Request) (undo func()) {
	conn, _ := r.Context().Value(connKey{}).(net.Conn)
	if wrapped, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = wrapped.NetConn()
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok || r.ProtoMajor != 1 {
		return func() {}
	}
	setUnsent(tcp, maxUnsent)
	return func() { setUnsent(tcp, 0) }
}
