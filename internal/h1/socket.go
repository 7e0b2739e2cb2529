//go:build linux

package h1

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A deadline is one of a connection. To set it costs more than most reads and
// writes that it is for, which need not wait; so it is set once somebody has
// to wait, and only then.
type deadline struct {
	mu     sync.Mutex
	set    func(time.Time) error
	want   time.Time     // what was asked for; zero: none
	real   time.Time     // what the descriptor has
	within time.Duration // from when somebody has to wait; zero: want counts
	waits  bool
}

// ask asks for a deadline. It counts at once for who waits already, and where
// it is over.
func (d *deadline) ask(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.want, d.within = t, 0
	if d.want != d.real && (d.waits || !t.IsZero() && !t.After(time.Now())) {
		d.apply()
	}
}

// askWithin asks for a deadline that begins when somebody has to wait.
func (d *deadline) askWithin(within time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.want, d.within = time.Time{}, within
	if d.waits {
		d.begin()
	}
}

func (d *deadline) apply() {
	d.real = d.want
	_ = d.set(d.want) // fails where the connection is closed, and so does what waits
}

func (d *deadline) begin() {
	if d.within > 0 {
		d.want, d.within = time.Now().Add(d.within), 0
	}
	if d.want != d.real {
		d.apply()
	}
}

// wait is called before somebody has to wait.
func (d *deadline) wait() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waits = true
	d.begin()
}

// waitUntil is wait with another deadline. An earlier one may stay: it is
// replaced when it is over.
func (d *deadline) waitUntil(t, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waits = true
	d.want, d.within = t, 0
	if d.want != d.real && (d.real.IsZero() || !d.real.After(now) || !t.IsZero() && d.real.After(t)) {
		d.apply()
	}
}

// over ends the waiting, and reports whether what failed with err is to be
// tried again, because the deadline was not the one that counts.
func (d *deadline) over(err error) (again bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waits = false
	if err == nil || d.want == d.real || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	d.apply()
	return true
}

// An input is what is to be read from a connection.
type input struct {
	into []byte // nil: a head, into the buffer of the connection
	n    int
	err  error
}

// receive reads once into p, or as a head where p is nil.
func (c *conn) receive(p []byte) (int, error) {
	for {
		c.in = input{into: p}
		err := c.raw.Read(c.onRead)
		if c.reads.over(err) {
			continue
		}
		if err != nil {
			return 0, err
		}
		return c.in.n, c.in.err
	}
}

// tryRead reads what is there. It returns false to be called again once there
// is something.
func (c *conn) tryRead(fd uintptr) bool {
	into := c.in.into
	if into == nil {
		x := c.exchange()
		into = x.buf[x.end:]
	}
	for {
		n, err := syscall.Read(int(fd), into)
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN && c.in.into == nil:
			c.rest()
			return false
		case err == syscall.EAGAIN:
			c.reads.wait()
			return false
		case err != nil:
			c.in.err = c.failure("read", err)
		case n == 0:
			c.in.err = io.EOF
		}
		c.in.n = max(n, 0)
		return true
	}
}

func (c *conn) failure(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.tcp.LocalAddr(), Addr: c.tcp.RemoteAddr(), Err: os.NewSyscallError(op, err)}
}

// An output is what is to be written to a connection: bytes, then more bytes,
// or n bytes of a file.
type output struct {
	first, then []byte
	more        bool // something follows at once
	file        int  // used where size > 0
	size        int64
	offset      *int64 // in the file; nil: its own
	n           int64  // what was written of all
	err         error
}

// transmit writes an output and returns how many bytes were handed over.
func (c *conn) transmit(o output) (int64, error) {
	c.out = o
	for {
		err := c.raw.Write(c.onWrite)
		if c.writes.over(err) {
			continue
		}
		if err == nil {
			err = c.out.err
		}
		n := c.out.n
		c.out = output{}
		return n, err
	}
}

// tryWrite writes what can be written. It returns false to be called again once
// there is room.
func (c *conn) tryWrite(fd uintptr) bool {
	o := &c.out
	for len(o.first)+len(o.then) > 0 || o.size > 0 {
		n, err := o.once(int(fd))
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			c.writes.wait()
			return false
		case err != nil:
			o.err = c.failure(o.op(), err)
			return true
		case n == 0:
			o.err = io.ErrUnexpectedEOF // of the file
			return true
		}
		o.n += n
	}
	return true
}

func (o *output) op() string {
	if len(o.first)+len(o.then) > 0 {
		return "write"
	}
	return "sendfile"
}

// maxSendfile is how much is sent of a file by one system call, so that no
// connection keeps a thread for long.
const maxSendfile = 4 << 20

// once writes once, and takes off what was written.
func (o *output) once(fd int) (int64, error) {
	switch {
	case len(o.first) > 0 && len(o.then) > 0:
		n, err := unix.Writev(fd, [][]byte{o.first, o.then})
		n = max(n, 0)
		k := min(n, len(o.first))
		o.first, o.then = o.first[k:], o.then[n-k:]
		return int64(n), err
	case len(o.then) > 0:
		o.first, o.then = o.then, nil
		fallthrough
	case len(o.first) > 0:
		n, err := o.write(fd)
		n = max(n, 0)
		o.first = o.first[n:]
		return int64(n), err
	}
	n, err := syscall.Sendfile(fd, o.file, o.offset, int(min(o.size, maxSendfile)))
	n = max(n, 0)
	o.size -= int64(n)
	return int64(n), err
}

func (o *output) write(fd int) (int, error) {
	if o.more {
		return syscall.SendmsgN(fd, o.first, nil, nil, syscall.MSG_MORE)
	}
	return syscall.Write(fd, o.first)
}
