package sqlstate

import (
	"syscall"
	"time"
)

const (
	// unacknowledged is how long what was sent may stay unacknowledged by the
	// other machine until the connection fails.
	unacknowledged = 2500 * time.Millisecond
	// tcpUserTimeout is TCP_USER_TIMEOUT, tcp(7).
	tcpUserTimeout = 0x12
)

// controlSocket makes a connection fail soon when the other machine, or the way
// to it, is gone, instead of after the minutes for which TCP sends again.
func controlSocket(network, _ string, raw syscall.RawConn) error {
	if network == "unix" {
		return nil
	}
	var failed error
	err := raw.Control(func(fd uintptr) {
		failed = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpUserTimeout, int(unacknowledged/time.Millisecond))
	})
	if err != nil {
		return err
	}
	return failed
}
