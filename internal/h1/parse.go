package h1

import (
	"bytes"
	"strconv"
	"strings"
)

// A verdict says what the parser makes of the bytes of a head.
type verdict int

const (
	plain      verdict = iota
	incomplete         // plain so far, and not whole
	foreign            // for net/http, which may refuse it
)

// maxHead is how long a head may be, and maxFields how many fields it may
// have. What is longer is served by net/http, within its own limits.
const (
	maxHead   = 8 << 10
	maxFields = 64
)

// A field is one header of a request.
type field struct {
	name       string // canonical where known; else empty
	begin, end uint16 // of the name in the head
	from, to   uint16 // of the value in the head
}

// A head is what was found in the head of a request. Offsets are those of the
// bytes that were parsed, of which maxHead are looked at.
type head struct {
	method string
	// target is at [4:7] in "GET /a HTTP/1.1".
	target, targetEnd int
	size              int // of the whole head, with the empty line
	fields            []field
	host              int   // index in fields; -1: none yet
	length            int64 // of the body; -1: not said
	close             bool  // Connection: close
	connection        bool  // there was a Connection
	expect            bool  // Expect: 100-continue
}

// parse reads the head of a request at the beginning of b. h is usable where
// the verdict is plain, until it is parsed into again.
func (h *head) parse(b []byte) verdict {
	*h = head{fields: h.fields[:0], host: -1, length: -1}
	b = b[:min(len(b), maxHead)]
	line, rest, v := cutLine(b)
	if v == incomplete && len(b) == maxHead {
		return foreign
	}
	if v != plain {
		if v == incomplete && !maybeMethod(b) {
			return foreign
		}
		return v
	}
	if !h.requestLine(line) {
		return foreign
	}
	for {
		line, rest, v = cutLine(rest)
		if v == incomplete && len(b) == maxHead {
			return foreign
		}
		if v != plain {
			return v
		}
		if len(line) == 0 {
			h.size = len(b) - len(rest)
			return h.check()
		}
		if len(h.fields) == maxFields || !h.field(line, len(b)-len(rest)-len(line)-2) {
			return foreign
		}
	}
}

// cutLine cuts a line that ends in CRLF.
func cutLine(b []byte) (line, rest []byte, v verdict) {
	i := bytes.IndexByte(b, '\n')
	switch {
	case i < 0:
		return nil, nil, incomplete
	case i == 0 || b[i-1] != '\r':
		return nil, nil, foreign
	}
	return b[:i-1], b[i+1:], plain
}

// methods are the methods of plain requests.
var methods = [...]string{"GET", "PUT", "HEAD", "POST", "DELETE"}

// maybeMethod reports whether an unfinished request line may become a plain
// one, so that nobody waits for the rest of something else.
func maybeMethod(b []byte) bool {
	for _, m := range methods {
		if n := min(len(m), len(b)); string(b[:n]) == m[:n] {
			return true
		}
	}
	return false
}

// requestLine parses the request line (RFC 9112, section 3).
func (h *head) requestLine(line []byte) bool {
	for _, m := range methods {
		if len(line) > len(m) && line[len(m)] == ' ' && string(line[:len(m)]) == m {
			h.method = m
		}
	}
	const version = " HTTP/1.1"
	h.target, h.targetEnd = len(h.method)+1, len(line)-len(version)
	if h.method == "" || h.targetEnd <= h.target || string(line[h.targetEnd:]) != version || line[h.target] != '/' {
		return false
	}
	for _, c := range line[h.target:h.targetEnd] {
		if c <= ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

// field parses a header line that begins at an offset in the head (RFC 9112,
// section 5).
func (h *head) field(line []byte, at int) bool {
	colon := 0
	canonical, upper := true, true
	for ; colon < len(line) && line[colon] != ':'; colon++ {
		c := line[colon]
		class := classes[c]
		if class&token == 0 {
			return false
		}
		canonical = canonical && (!upper || class&lower == 0) && (upper || class&capital == 0)
		upper = c == '-'
	}
	if colon == 0 || colon == len(line) {
		return false
	}
	from, to := colon+1, len(line)
	for from < to && blank(line[from]) {
		from++
	}
	for from < to && blank(line[to-1]) {
		to--
	}
	for _, c := range line[from:to] {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	f := field{name: nameOf(line[:colon], canonical), begin: uint16(at), end: uint16(at + colon),
		from: uint16(at + from), to: uint16(at + to)}
	h.fields = append(h.fields, f)
	return h.note(f.name, line[from:to])
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// note looks at the fields that say how a message is framed, and returns
// whether they leave it plain.
func (h *head) note(name string, value []byte) bool {
	switch name {
	case "Host":
		if h.host >= 0 || !plainHost(value) {
			return false
		}
		h.host = len(h.fields) - 1
	case "Content-Length":
		return h.length < 0 && h.setLength(value)
	case "Connection":
		again := h.connection
		h.connection, h.close = true, strings.EqualFold(string(value), "close")
		return !again && (h.close || strings.EqualFold(string(value), "keep-alive"))
	case "Expect":
		again := h.expect
		h.expect = strings.EqualFold(string(value), "100-continue")
		return h.expect && !again
	case "Transfer-Encoding", "Trailer", "Te", "Upgrade", "Pragma", "Proxy-Connection", "Keep-Alive", "Http2-Settings":
		return false
	}
	return true
}

// setLength parses a Content-Length.
func (h *head) setLength(value []byte) bool {
	if len(value) == 0 || len(value) > 18 {
		return false
	}
	for _, c := range value {
		if c < '0' || c > '9' {
			return false
		}
	}
	n, err := strconv.ParseInt(string(value), 10, 64)
	h.length = n
	return err == nil
}

// plainHost reports whether a Host (RFC 9110, section 7.2) has nothing in it
// but a name or an address, and perhaps a port.
func plainHost(value []byte) bool {
	for _, c := range value {
		if classes[c]&host == 0 {
			return false
		}
	}
	return len(value) > 0
}

// check looks at a whole head.
func (h *head) check() verdict {
	if h.host < 0 {
		return foreign
	}
	if h.length > 0 && h.method != "PUT" && h.method != "POST" {
		return foreign
	}
	return plain
}

// Classes of bytes.
const (
	token    = 1 << iota // of a token (RFC 9110, section 5.6.2)
	lower                // of a name, in lower case
	capital              // of a name, in upper case
	host                 // of a host name, an address or a port
	pathByte             // of a path that stands for itself
)

var classes = classify()

func classify() (t [256]byte) {
	for c := range 128 {
		b := byte(c)
		switch {
		case 'a' <= b && b <= 'z':
			t[c] = token | lower | host
		case 'A' <= b && b <= 'Z':
			t[c] = token | capital | host
		case '0' <= b && b <= '9':
			t[c] = token | host
		case strings.IndexByte("!#$%&'*+-.^_`|~", b) >= 0:
			t[c] = token
		}
		if strings.IndexByte("-._:[]", b) >= 0 {
			t[c] |= host
		}
		if t[c]&(lower|capital) != 0 || '0' <= b && b <= '9' || strings.IndexByte("-._~/$&+,:;=@", b) >= 0 {
			t[c] |= pathByte
		}
	}
	return t
}
