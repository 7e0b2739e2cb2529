package bench

import (
	"io"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// discarder returns what skips received bytes without copying them out of the
// kernel, which TCP has (tcp(7), MSG_TRUNC), nil where the connection cannot.
func discarder(c net.Conn) func(int64) (int64, error) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	d := &tcpDiscard{raw: raw, nothing: make([]byte, 1<<20)}
	receive := d.receive // one closure for all calls
	return func(n int64) (int64, error) {
		d.wanted = n
		if err := raw.Read(receive); err != nil {
			return 0, err
		}
		return int64(d.got), d.err
	}
}

type tcpDiscard struct {
	raw     syscall.RawConn
	nothing []byte // is never written to, and so takes no memory
	wanted  int64
	got     int
	err     error
}

// receive skips what is there; false waits for more.
func (d *tcpDiscard) receive(fd uintptr) bool {
	for {
		n, _, err := unix.Recvfrom(int(fd), d.nothing[:min(d.wanted, int64(len(d.nothing)))], unix.MSG_TRUNC|unix.MSG_DONTWAIT)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			return false
		case err != nil:
			d.got, d.err = 0, os.NewSyscallError("recvfrom", err)
		case n == 0:
			d.got, d.err = 0, io.ErrUnexpectedEOF
		default:
			d.got, d.err = n, nil
		}
		return true
	}
}
