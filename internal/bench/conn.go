package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// A conn is one keep-alive connection. It is used by one worker at a time.
type conn struct {
	net     net.Conn
	in      *bufio.Reader
	discard func(int64) (int64, error) // skips bytes of net, nil where it cannot
	timeout time.Duration
	until   time.Time // the deadline that is set
}

// dialer opens connections to a target.
type dialer struct {
	target  *Target
	timeout time.Duration
	buffer  int
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
}

func (d *dialer) open(ctx context.Context) (*conn, error) {
	ctx, stop := context.WithTimeout(ctx, d.timeout)
	defer stop()
	c, err := d.dial(ctx, "tcp", d.target.Dial)
	if err != nil {
		return nil, err
	}
	out := &conn{net: c, timeout: d.timeout}
	if d.target.TLS != nil {
		t := tls.Client(c, d.target.TLS)
		if err := t.HandshakeContext(ctx); err != nil {
			c.Close()
			return nil, fmt.Errorf("TLS: %w", err)
		}
		out.net = t
	} else {
		out.discard = discarder(c)
	}
	out.in = bufio.NewReaderSize(out.net, d.buffer)
	return out, nil
}

// extend moves the deadline, if it has come nearer by a quarter: setting one is
// work for the runtime that small requests would notice.
func (c *conn) extend(now time.Time) error {
	if c.until.Sub(now) > c.timeout*3/4 {
		return nil
	}
	c.until = now.Add(c.timeout)
	return c.net.SetDeadline(c.until)
}

// smallBody is what goes out together with the head.
const smallBody = 16 << 10

// send writes a head, which must be complete, and the body of an upload.
// scratch is memory to use; it is returned.
func (c *conn) send(head []byte, b body, size int64) error {
	if size > 0 && size <= smallBody {
		head = append(head, b.window(0, size)...)
		_, err := c.net.Write(head)
		return err
	}
	if _, err := c.net.Write(head); err != nil {
		return err
	}
	for at := int64(0); at < size; {
		if err := c.extend(time.Now()); err != nil {
			return err
		}
		n, err := c.net.Write(b.window(at, size-at))
		if at += int64(n); err != nil {
			return err
		}
	}
	return nil
}

// errWrongBody is a body that is not what was stored.
var errWrongBody = errors.New("wrong body")

// readBody reads the body of an answer, n bytes, and hands each piece to see
// with its offset; nil does not look at it.
func (c *conn) readBody(n int64, see func(p []byte, at int64) error) error {
	for at := int64(0); at < n; {
		if see == nil && c.discard != nil && c.in.Buffered() == 0 && n-at > int64(c.in.Size()) {
			m, err := c.skip(n - at)
			if err != nil {
				return cutOff(err, at, n)
			}
			at += m
			continue
		}
		if c.in.Buffered() == 0 {
			if err := c.extend(time.Now()); err != nil {
				return err
			}
			if _, err := c.in.Peek(1); err != nil {
				return cutOff(err, at, n)
			}
		}
		p, _ := c.in.Peek(int(min(n-at, int64(c.in.Buffered()))))
		if see != nil {
			if err := see(p, at); err != nil {
				return err
			}
		}
		at += int64(len(p))
		c.in.Discard(len(p))
	}
	return nil
}

func (c *conn) skip(n int64) (int64, error) {
	if err := c.extend(time.Now()); err != nil {
		return 0, err
	}
	return c.discard(n)
}

// A shortBody is a body that ended early.
type shortBody struct{ got, want int64 }

func (e *shortBody) Error() string {
	return fmt.Sprintf("short body: it ended after %d of %d bytes", e.got, e.want)
}

func cutOff(err error, got, want int64) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &shortBody{got, want}
	}
	return err
}

// maxTrailer bounds the lines after a chunked body.
const maxTrailer = 16

// readChunks reads a body in chunks of at most limit bytes (RFC 9112, section
// 7.1) and returns it.
func (c *conn) readChunks(limit int64) ([]byte, error) {
	var text bytes.Buffer
	n, err := io.Copy(&text, io.LimitReader(httputil.NewChunkedReader(c.in), limit+1))
	switch {
	case err != nil:
		return nil, cutOff(err, n, -1)
	case n > limit:
		return nil, malformed("a body in chunks of more than %d bytes", limit)
	}
	for range maxTrailer {
		line, err := readLine(c.in)
		if err != nil || len(line) == 0 {
			return text.Bytes(), err
		}
	}
	return nil, malformed("more than %d trailer fields", maxTrailer)
}

// A refusal is an answer with another status than the operation has.
type refusal struct {
	status        int
	code, message string
}

func (e *refusal) Error() string {
	if e.code == "" {
		return "HTTP " + strconv.Itoa(e.status)
	}
	return fmt.Sprintf("HTTP %d %s: %s", e.status, e.code, e.message)
}

// parseRefusal finds code and message in an error body of S3.
func parseRefusal(status int, text []byte) *refusal {
	return &refusal{status, element(text, "Code"), element(text, "Message")}
}

// element returns the text of the first XML element of a name, shortened.
func element(text []byte, name string) string {
	_, rest, _ := bytes.Cut(text, []byte("<"+name+">"))
	value, _, ok := bytes.Cut(rest, []byte("</"+name+">"))
	if !ok {
		return ""
	}
	return string(value[:min(len(value), 200)])
}

// ErrorName is under which name reports count an error: the code of S3 where the
// server sent one, else "HTTP 502", "connection refused", "short body" and so on.
func ErrorName(err error) string {
	var (
		refused  *refusal
		protocol *protocolError
		short    *shortBody
		network  net.Error
	)
	switch {
	case errors.As(err, &refused) && refused.code != "":
		return refused.code
	case errors.As(err, &refused):
		return "HTTP " + strconv.Itoa(refused.status)
	case errors.As(err, &protocol):
		return "malformed answer"
	case errors.As(err, &short):
		return "short body"
	case errors.Is(err, errWrongBody):
		return "wrong body"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "timeout"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrClosedPipe):
		return "connection closed"
	case strings.HasPrefix(err.Error(), "TLS: "):
		return "TLS"
	}
	return "network"
}
