//go:build linux

package h1

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// frame completes the head of the answer. text is the body so far, done says
// that it is all of it.
func (w *response) frame(text []byte, done bool) {
	w.framed = true
	allowed, hasEncoding := bodyAllowed(w.status), w.hasEncoding()
	auto := done && !w.hasTrailers && !hasEncoding && allowed && !w.hasLength && (!w.head || len(text) > 0)
	if auto {
		w.size = int64(len(text))
	}
	w.decide()
	x := w.x
	if !w.typed && allowed && !hasEncoding && len(text) > 0 {
		x.out = append(append(append(x.out, "Content-Type: "...), http.DetectContentType(text)...), "\r\n"...)
	}
	if !w.dated {
		x.out = w.conn.server.appendDate(x.out)
	}
	sized := w.frameBody()
	switch {
	case !sized || !allowed:
	case auto:
		x.out = strconv.AppendInt(append(x.out, "Content-Length: "...), w.size, 10)
		x.out = append(x.out, "\r\n"...)
	case w.hasLength:
		x.out = appendField(x.out, "Content-Length", w.length)
	}
	if w.closes && (w.tooBig || w.conn.server.ending.Load() || len(w.connection) == 0 || !hasToken(w.connection[0], "close")) {
		x.out = append(x.out, "Connection: close\r\n"...)
	} else {
		x.out = appendField(x.out, "Connection", w.connection)
	}
	x.out = append(x.out, "\r\n"...)
}

// decide finds out whether the connection ends with this answer.
func (w *response) decide() {
	if len(w.connection) > 0 && w.connection[0] == "close" || w.conn.server.ending.Load() {
		w.closes = true
	}
	b := &w.turn.body
	if b.asks && !b.seen.Load() {
		// The client may send its body or not: who knows what comes next?
		w.closes = true
	}
	if b.conn != nil && !w.closes && !w.fullDuplex {
		tooBig, ok := b.finish()
		w.tooBig, w.closes = tooBig, tooBig || !ok
	}
}

// frameBody chooses how the body is framed (RFC 9112, section 6), and returns
// whether Content-Length may be sent.
func (w *response) frameBody() (sized bool) {
	encoding := ""
	if w.hasEncoding() {
		encoding = w.encoding[0]
	}
	known := w.size >= 0
	if known && encoding != "" && encoding != "identity" {
		w.conn.server.logf("http: WriteHeader called with both Transfer-Encoding of %q and a Content-Length of %d", encoding, w.size)
		known, w.hasLength = false, false
	}
	switch {
	case w.head || !bodyAllowed(w.status) || known:
		return true
	case encoding == "identity":
		w.closes = true
		return true
	}
	w.chunked = true
	if encoding != "" && encoding != "chunked" {
		w.x.out = appendField(w.x.out, "Transfer-Encoding", w.encoding)
	}
	w.x.out = append(w.x.out, "Transfer-Encoding: chunked\r\n"...)
	return false
}

// hasToken reports whether a list has a token, in any case.
func hasToken(list, token string) bool {
	for item := range strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' }) {
		if strings.EqualFold(item, token) {
			return true
		}
	}
	return false
}

// declare notes the trailers that a handler announces.
func (w *response) declare(values []string) {
	for _, value := range values {
		for name := range strings.SplitSeq(value, ",") {
			if name = strings.Trim(name, " \t"); name != "" {
				w.trailers = append(w.trailers, http.CanonicalHeaderKey(name))
			}
		}
	}
}

// appendTrailers appends the trailers, which handlers set after the body
// (net/http, ResponseWriter).
func (w *response) appendTrailers(out []byte) []byte {
	for _, name := range w.x.sorted() {
		if trailer, ok := strings.CutPrefix(name, http.TrailerPrefix); ok {
			out = appendField(out, trailer, w.x.header[name])
		}
	}
	for _, name := range w.trailers {
		out = appendField(out, name, w.x.header[name])
	}
	return out
}

// appendStatus appends a status line.
func appendStatus(out []byte, status int) []byte {
	text := http.StatusText(status)
	if text == "" {
		text = "status code " + strconv.Itoa(status)
	}
	out = strconv.AppendInt(append(out, "HTTP/1.1 "...), int64(status), 10)
	return append(append(append(out, ' '), text...), "\r\n"...)
}

// appendField appends a header, a line for each value. What is no name is left
// out, and no value gets onto a line of its own.
func appendField(out []byte, name string, values []string) []byte {
	for i := range len(name) {
		if classes[name[i]]&token == 0 {
			return out
		}
	}
	if name == "" {
		return out
	}
	for _, value := range values {
		out = append(append(out, name...), ": "...)
		out = append(appendValue(out, value), "\r\n"...)
	}
	return out
}

func appendValue(out []byte, value string) []byte {
	value = trim(value)
	at := len(out)
	out = append(out, value...)
	for i, c := range out[at:] {
		if c == '\r' || c == '\n' {
			out[at+i] = ' '
		}
	}
	return out
}

// trim removes space around a value, line ends included.
func trim(value string) string {
	for value != "" && space(value[0]) {
		value = value[1:]
	}
	for value != "" && space(value[len(value)-1]) {
		value = value[:len(value)-1]
	}
	return value
}

func space(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// A date is the text of a second.
type date struct {
	second int64
	text   []byte // with the name and the line end
}

// appendDate appends the Date header.
func (s *Server) appendDate(out []byte) []byte {
	now := time.Now()
	d := s.date.Load()
	if d == nil || d.second != now.Unix() {
		text := now.UTC().AppendFormat([]byte("Date: "), http.TimeFormat)
		d = &date{now.Unix(), append(text, "\r\n"...)}
		s.date.Store(d)
	}
	return append(out, d.text...)
}
