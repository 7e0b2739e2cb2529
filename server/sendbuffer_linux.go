package server

import (
	"net"
	"syscall"
)

// tcpNotsentLowat is TCP_NOTSENT_LOWAT (tcp(7)), which package syscall lacks.
const tcpNotsentLowat = 25

// setUnsent bounds what may wait unsent in a connection's buffer; zero is the
// system's default. It is a matter of courtesy only, so failing is no error.
func setUnsent(conn *net.TCPConn, bytes int) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Control(func(fd uintptr) {
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotsentLowat, bytes)
	})
}
