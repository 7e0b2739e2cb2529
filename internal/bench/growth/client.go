package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"time"
)

// A request is one HTTP request of the raw client.
type request struct {
	method, url string
	// headers are whole lines, each with its line end.
	headers string
	body    []byte
}

// A connection speaks HTTP/1.1 with little cost of its own, one request after
// the other: what is measured is the server.
type connection struct {
	net net.Conn
	r   *bufio.Reader
	out bytes.Buffer
}

// An answer is what came of a request.
type answer struct {
	status int
	size   int64 // of the body, in bytes
	// first is the time to the first byte of the answer, total that to its
	// last.
	first, total time.Duration
	etag         string
	body         []byte // of answers that are asked for in whole
}

func dial(address string) (*connection, error) { return dialBuffered(address, 64<<10) }

// dialBuffered is dial with a buffer of another size, in bytes.
func dialBuffered(address string, size int) (*connection, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &connection{net: c, r: bufio.NewReaderSize(c, size)}, nil
}

func (c *connection) close() { c.net.Close() }

// do sends a request and reads the answer, whose body is thrown away. Answers
// other than 2xx are errors.
func (c *connection) do(q request) (answer, error) { return c.exchange(q, false) }

// fetch is do for an answer whose body is needed.
func (c *connection) fetch(q request) (answer, error) { return c.exchange(q, true) }

func (c *connection) exchange(q request, keep bool) (a answer, err error) {
	u, err := url.Parse(q.url)
	if err != nil {
		return a, err
	}
	c.out.Reset()
	fmt.Fprintf(&c.out, "%s %s HTTP/1.1\r\nHost: %s\r\n%s", q.method, u.RequestURI(), u.Host, q.headers)
	if q.body != nil || q.method == "PUT" || q.method == "POST" {
		fmt.Fprintf(&c.out, "Content-Length: %d\r\n", len(q.body))
	}
	c.out.WriteString("\r\n")
	begun := time.Now()
	bufs := net.Buffers{c.out.Bytes(), q.body}
	if _, err := bufs.WriteTo(c.net); err != nil {
		return a, err
	}
	if _, err := c.r.Peek(1); err != nil {
		return a, err
	}
	a.first = time.Since(begun)
	if err := c.readAnswer(&a, q.method == "HEAD", keep); err != nil {
		return a, err
	}
	a.total = time.Since(begun)
	if a.status/100 != 2 {
		return a, fmt.Errorf("%s %s: %d %s", q.method, u.Path, a.status, a.body)
	}
	return a, nil
}

// readAnswer reads the status, the headers that matter and the body.
func (c *connection) readAnswer(a *answer, head, keep bool) error {
	line, err := c.r.ReadSlice('\n')
	if err != nil {
		return err
	}
	if len(line) < 12 {
		return fmt.Errorf("malformed answer %q", line)
	}
	if a.status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return err
	}
	chunked, err := c.readHeaders(a)
	if err != nil || head || a.status == 204 {
		return err
	}
	var w io.Writer = io.Discard
	var kept bytes.Buffer
	if keep || a.status/100 != 2 {
		w = &kept
	}
	if chunked {
		a.size, err = c.readChunks(w)
	} else {
		_, err = io.CopyN(w, c.r, a.size)
	}
	a.body = kept.Bytes()
	return err
}

func (c *connection) readHeaders(a *answer) (chunked bool, err error) {
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil || len(line) <= 2 {
			return chunked, err
		}
		name, value, _ := bytes.Cut(bytes.TrimSpace(line), []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if a.size, err = strconv.ParseInt(string(value), 10, 64); err != nil {
				return false, err
			}
		case bytes.EqualFold(name, []byte("Transfer-Encoding")):
			chunked = bytes.EqualFold(value, []byte("chunked"))
		case bytes.EqualFold(name, []byte("ETag")):
			a.etag = string(value)
		}
	}
}

func (c *connection) readChunks(w io.Writer) (total int64, err error) {
	for {
		line, err := c.r.ReadSlice('\n')
		if err != nil {
			return total, err
		}
		n, err := strconv.ParseInt(string(bytes.TrimSpace(line)), 16, 64)
		if err != nil {
			return total, err
		}
		if _, err := io.CopyN(w, c.r, n); err != nil {
			return total, err
		}
		if _, err := c.r.Discard(2); err != nil {
			return total, err
		}
		if total += n; n == 0 {
			return total, nil
		}
	}
}
