package bench

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// An answer is what the head of an HTTP/1.1 response says.
type answer struct {
	status int
	// length is that of the body in bytes, -1 for one in chunks. After HEAD it
	// is what a body would have, -1 where that is not said.
	length int64
	// last says that the server closes the connection after the body.
	last bool
	// contentRange is the field of that name, as it stands; empty for none.
	contentRange string
}

// A protocolError is an answer that HTTP/1.1 does not allow, or that this client
// does not take.
type protocolError struct{ text string }

func (e *protocolError) Error() string { return "malformed answer: " + e.text }

func malformed(format string, args ...any) error {
	return &protocolError{fmt.Sprintf(format, args...)}
}

// Bounds of the head of an answer.
const (
	maxFields  = 100
	maxInterim = 8
)

// readAnswer reads the head of a final response to a method (RFC 9112, sections
// 4, 5 and 6). It is strict: a load tool that makes sense of anything measures
// anything. Interim responses are skipped. A line may be as long as the buffer
// of r.
func readAnswer(r *bufio.Reader, method string) (answer, error) {
	for range maxInterim {
		a, err := readHead(r, method)
		if err != nil || a.status >= 200 {
			return a, err
		}
		if a.status == 101 {
			return a, malformed("101 Switching Protocols")
		}
	}
	return answer{}, malformed("more than %d interim responses", maxInterim)
}

// hasBody reports whether a body follows the head of the answer to a method.
func (a *answer) hasBody(method string) bool {
	return method != "HEAD" && a.status >= 200 && a.status != 204 && a.status != 304
}

func readHead(r *bufio.Reader, method string) (a answer, err error) {
	line, err := readLine(r)
	if err != nil {
		return a, err
	}
	if a.status, err = parseStatus(line); err != nil {
		return a, err
	}
	f := framing{length: -1}
	for range maxFields + 1 {
		line, err := readLine(r)
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return a, err
		}
		if len(line) == 0 {
			return a, f.finish(&a, method)
		}
		if err := f.field(&a, line); err != nil {
			return a, err
		}
	}
	return a, malformed("more than %d header fields", maxFields)
}

// readLine returns a line without its CRLF. It is valid until the next read.
func readLine(r *bufio.Reader) ([]byte, error) {
	line, err := r.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, malformed("a line of more than %d bytes", r.Size())
	case errors.Is(err, io.EOF) && len(line) > 0:
		return nil, io.ErrUnexpectedEOF
	case err != nil:
		return nil, err
	}
	text, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok || bytes.IndexByte(text, '\r') >= 0 || bytes.IndexByte(text, 0) >= 0 {
		return nil, malformed("a line that does not end in CRLF, or holds CR or NUL")
	}
	return text, nil
}

// parseStatus parses a status line (RFC 9112, section 4).
func parseStatus(line []byte) (int, error) {
	const version = "HTTP/1.1 "
	if len(line) < len(version)+3 || string(line[:len(version)]) != version {
		return 0, malformed("it begins with %.40q, not with HTTP/1.1 and a status", line)
	}
	code := line[len(version):]
	status := 0
	for _, c := range code[:3] {
		if c < '0' || c > '9' {
			return 0, malformed("status %.10q", code)
		}
		status = status*10 + int(c-'0')
	}
	if status < 100 || status > 599 || len(code) > 3 && code[3] != ' ' {
		return 0, malformed("status %.10q", code)
	}
	return status, nil
}

// framing is what fields say of how long the body is.
type framing struct {
	length  int64 // -1: not said
	chunked bool
}

// field takes in a header field (RFC 9112, section 5).
func (f *framing) field(a *answer, line []byte) error {
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 || !token(line[:colon]) {
		return malformed("header field %.60q", line)
	}
	name, value := line[:colon], bytes.Trim(line[colon+1:], " \t")
	// Nearly all fields are of no interest: lengths tell these apart.
	switch {
	case len(name) == len("content-length") && bytes.EqualFold(name, []byte("content-length")):
		n, err := strconv.ParseUint(string(value), 10, 62)
		if err != nil || f.length >= 0 {
			return malformed("Content-Length %.40q, or more than one", value)
		}
		f.length = int64(n)
	case len(name) == len("transfer-encoding") && bytes.EqualFold(name, []byte("transfer-encoding")):
		if f.chunked || !bytes.EqualFold(value, []byte("chunked")) {
			return malformed("Transfer-Encoding %.40q, or more than one", value)
		}
		f.chunked = true
	case len(name) == len("connection") && bytes.EqualFold(name, []byte("connection")):
		a.last = a.last || hasToken(value, "close")
	case len(name) == len("content-range") && bytes.EqualFold(name, []byte("content-range")):
		a.contentRange = string(value)
	}
	return nil
}

// finish settles the length (RFC 9112, section 6.3). A body that ends with the
// connection is refused: it cannot be told from one that was cut off.
func (f *framing) finish(a *answer, method string) error {
	bodiless := !a.hasBody(method)
	a.length = f.length
	switch {
	case f.chunked && f.length >= 0:
		return malformed("both Content-Length and Transfer-Encoding")
	case f.chunked && bodiless && method != "HEAD":
		return malformed("Transfer-Encoding with status %d", a.status)
	case !f.chunked && !bodiless && f.length < 0:
		return malformed("neither Content-Length nor Transfer-Encoding")
	}
	return nil
}

// token reports whether text is a token (RFC 9110, section 5.6.2).
func token(text []byte) bool {
	for _, c := range text {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
		if !letter && bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), c) < 0 {
			return false
		}
	}
	return true
}

// hasToken reports whether a list of tokens has one.
func hasToken(list []byte, want string) bool {
	for part := range bytes.SplitSeq(list, []byte(",")) {
		if bytes.EqualFold(bytes.Trim(part, " \t"), []byte(want)) {
			return true
		}
	}
	return false
}
