//go:build linux

package h1

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// A response is the http.ResponseWriter of one request.
type response struct {
	conn *conn
	x    *exchange
	turn *turn
	req  *http.Request
	head bool // the request is HEAD

	done        atomic.Bool // the handler has returned
	wroteHeader bool
	framed      bool // the head of the answer is complete
	chunked     bool
	typed       bool // nobody need guess the Content-Type
	dated       bool
	fullDuplex  bool
	closes      bool // the connection ends after this answer
	tooBig      bool // the request's body was left unread for its size
	trailers    []string
	hasTrailers bool
	// Headers that depend on what is sent; the rest is written at once.
	connection, length, encoding []string
	hasLength                    bool
	status                       int
	size                         int64 // of the body, as declared; -1: not declared
	written                      int64
	err                          error // of the connection

	// asked guards the interim answer that asks for the body.
	asked sync.Mutex
	ask   atomic.Bool // it has not been given
}

var (
	_ http.ResponseWriter = (*response)(nil)
	_ http.Flusher        = (*response)(nil)
	_ io.ReaderFrom       = (*response)(nil)
	_ io.StringWriter     = (*response)(nil)

	errReturned = errors.New("h1: the handler of this request has returned")
)

// textSize is how much of a body is held back while its framing is not known;
// as in net/http.
const textSize = 2 << 10

func (w *response) init(c *conn, t *turn, r *http.Request) {
	w.conn, w.x, w.turn, w.req, w.size = c, c.x, t, r, -1
	w.head = r.Method == http.MethodHead
	w.closes = r.Close
	w.ask.Store(t.body.asks)
}

// Header implements http.ResponseWriter. The map is used again for other
// requests.
func (w *response) Header() http.Header {
	if w.done.Load() {
		return make(http.Header)
	}
	return w.x.header
}

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if w.done.Load() {
		return
	}
	if w.wroteHeader {
		frame := caller()
		w.conn.server.logf("http: superfluous response.WriteHeader call from %s (%s:%d)", frame.Function, path.Base(frame.File), frame.Line)
		return
	}
	if status < 100 || status > 999 {
		panic(fmt.Sprintf("invalid WriteHeader code %v", status))
	}
	if status < 101 || status > 199 {
		w.dontAsk()
	}
	if status <= 199 && status != http.StatusSwitchingProtocols {
		w.inform(status)
		return
	}
	w.wroteHeader, w.status = true, status
	w.x.out = appendStatus(w.x.out, status)
	for _, name := range w.x.sorted() {
		w.putHeader(name, w.x.header[name])
	}
	if len(w.length) > 0 && w.length[0] != "" {
		n, err := strconv.ParseInt(w.length[0], 10, 64)
		if err == nil && n >= 0 {
			w.size = n
		} else {
			w.conn.server.logf("http: invalid Content-Length of %q", w.length[0])
		}
	}
}

// caller is who called this package.
func caller() runtime.Frame {
	pc := make([]uintptr, 16)
	frames := runtime.CallersFrames(pc[:runtime.Callers(1, pc)])
	for {
		frame, more := frames.Next()
		if !more || !strings.Contains(frame.Function, "/internal/h1.(*response)") && !strings.HasSuffix(frame.Function, "/internal/h1.caller") {
			return frame
		}
	}
}

// inform sends an interim answer (RFC 9110, section 15.2).
func (w *response) inform(status int) {
	out := appendStatus(nil, status)
	for _, name := range w.x.sorted() {
		if name != "Content-Length" && name != "Transfer-Encoding" {
			out = appendField(out, name, w.x.header[name])
		}
	}
	_ = w.send(append(out, "\r\n"...)) // the final answer fails in the same way
}

// send sends at once, after what is held back.
func (w *response) send(p []byte) error {
	if _, err := w.put(p); err != nil {
		return err
	}
	return w.flush()
}

// putHeader writes one header of the handler, or keeps it for frame.
func (w *response) putHeader(name string, values []string) {
	switch name {
	case "Connection":
		w.connection = values
		return
	case "Content-Length":
		w.length, w.hasLength = values, true
		return
	case "Transfer-Encoding":
		w.encoding = values
		return
	case "Content-Type":
		w.typed = true
		if w.status == http.StatusNotModified {
			return
		}
	case "Content-Encoding":
		w.typed = w.typed || len(values) > 0 && values[0] != ""
	case "Date":
		w.dated = true
	case "Trailer":
		w.hasTrailers = true
		w.declare(values)
	default:
		if strings.HasPrefix(name, http.TrailerPrefix) {
			w.hasTrailers = true
			return
		}
	}
	w.x.out = appendField(w.x.out, name, values)
}

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) {
	if w.done.Load() {
		return 0, errReturned
	}
	w.dontAsk()
	if !w.wroteHeader {
		w.WriteHeader(http.StatusOK)
	}
	switch {
	case len(p) == 0:
		return 0, nil
	case !bodyAllowed(w.status):
		return 0, http.ErrBodyNotAllowed
	}
	w.written += int64(len(p))
	if w.size >= 0 && w.written > w.size {
		return 0, http.ErrContentLength
	}
	if !w.framed && w.size >= 0 && w.settled() && (w.fullDuplex || w.turn.body.atEnd()) {
		w.frame(nil, false)
	}
	if w.framed && !w.chunked && !w.head && len(w.x.text) == 0 {
		return w.put(p)
	}
	return w.hold(p)
}

// WriteString implements io.StringWriter.
func (w *response) WriteString(s string) (int, error) { return w.Write([]byte(s)) }

// settled reports whether nothing of the body is needed to frame it.
func (w *response) settled() bool { return w.typed || w.hasEncoding() }

func (w *response) hasEncoding() bool { return len(w.encoding) > 0 && w.encoding[0] != "" }

// hold collects a body whose framing is not known, or the content of a chunk.
func (w *response) hold(p []byte) (n int, err error) {
	x := w.x
	for n < len(p) {
		if len(x.text) == 0 && len(p)-n >= textSize {
			m, err := w.putBody(p[n:])
			return n + m, err
		}
		k := min(textSize-len(x.text), len(p)-n)
		x.text = append(x.text, p[n:n+k]...)
		n += k
		if len(x.text) == textSize {
			_, err = w.putBody(x.text)
			x.text = x.text[:0]
		}
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// putBody sends a part of the body, as it is or as a chunk (RFC 9112, section
// 7.1).
func (w *response) putBody(p []byte) (int, error) {
	if !w.framed {
		w.frame(p, false)
	}
	switch {
	case len(p) == 0:
		return 0, nil
	case w.head:
		return len(p), nil
	case !w.chunked:
		return w.put(p)
	}
	w.x.out = append(strconv.AppendInt(w.x.out, int64(len(p)), 16), "\r\n"...)
	n, err := w.put(p)
	if err == nil {
		_, err = w.put(crlf)
	}
	return n, err
}

var crlf = []byte("\r\n")

// put sends p after what is held back, or holds it back too. n counts the
// bytes of p.
func (w *response) put(p []byte) (n int, err error) {
	x := w.x
	if w.err != nil {
		return 0, w.err
	}
	held := len(x.out)
	if held+len(p) <= outSize {
		x.out = append(x.out, p...)
		return len(p), nil
	}
	sent, err := w.conn.transmit(output{first: x.out, then: p})
	x.out = x.out[:0]
	if err != nil {
		w.fail(err)
		return max(int(sent)-held, 0), err
	}
	return len(p), nil
}

// flush sends what is held back.
func (w *response) flush() error {
	x := w.x
	if w.err != nil || len(x.out) == 0 {
		return w.err
	}
	_, err := w.conn.transmit(output{first: x.out})
	x.out = x.out[:0]
	if err != nil {
		w.fail(err)
	}
	return err
}

// fail notes that the connection cannot be written to.
func (w *response) fail(err error) {
	w.err, w.closes = err, true
	w.turn.ctx.end()
}

// Flush implements http.Flusher.
func (w *response) Flush() { _ = w.FlushError() }

// FlushError is for http.ResponseController.
func (w *response) FlushError() error {
	if w.done.Load() {
		return errReturned
	}
	if !w.wroteHeader {
		w.WriteHeader(http.StatusOK)
	}
	_, err := w.putBody(w.x.text)
	w.x.text = w.x.text[:0]
	if err != nil {
		return err
	}
	return w.flush()
}

// finish sends what is left once the handler has returned.
func (w *response) finish() {
	if !w.wroteHeader {
		w.WriteHeader(http.StatusOK)
	}
	x := w.x
	if !w.framed {
		w.frame(x.text, true)
	}
	// Where the connection fails nobody is left to be told.
	_, _ = w.putBody(x.text)
	if w.chunked {
		x.out = append(x.out, "0\r\n"...)
		x.out = w.appendTrailers(x.out)
		x.out = append(x.out, "\r\n"...)
	}
	_ = w.flush()
}

// abandon ends an answer whose handler will not return. What has not been held
// back for its framing goes out.
func (w *response) abandon() {
	w.done.Store(true)
	if w.framed && w.written > textSize {
		_ = w.flush()
	}
}

// reusable reports whether the connection can serve another request.
func (w *response) reusable() bool {
	short := !w.head && w.size >= 0 && bodyAllowed(w.status) && w.size != w.written
	return !w.closes && !short && w.err == nil && !w.turn.body.early
}

// SetReadDeadline is for http.ResponseController.
func (w *response) SetReadDeadline(t time.Time) error {
	if w.done.Load() {
		return errReturned
	}
	w.conn.reads.ask(t)
	return nil
}

// SetWriteDeadline is for http.ResponseController.
func (w *response) SetWriteDeadline(t time.Time) error {
	if w.done.Load() {
		return errReturned
	}
	w.conn.writes.ask(t)
	return nil
}

// SetWriteTimeout bounds for how long the client is waited for from now on, in
// all, counted from the first time that something cannot be sent at once. It
// costs no timer before, and ends with the request. Zero is no bound.
func (w *response) SetWriteTimeout(d time.Duration) {
	if !w.done.Load() {
		w.conn.writes.askWithin(d)
	}
}

// EnableFullDuplex is for http.ResponseController.
func (w *response) EnableFullDuplex() error {
	w.fullDuplex = true
	return nil
}

// sendContinue asks the client for its body, once and not after the answer has
// begun.
func (w *response) sendContinue() {
	if !w.ask.Load() {
		return
	}
	w.asked.Lock()
	defer w.asked.Unlock()
	if w.ask.Load() {
		// Where it fails, so does reading what it asks for.
		_, _ = w.conn.transmit(output{first: []byte("HTTP/1.1 100 Continue\r\n\r\n")})
		w.ask.Store(false) // only now: whoever writes next does not wait for this any more
	}
}

// dontAsk makes sure that the client is not asked any more.
func (w *response) dontAsk() {
	if !w.ask.Load() {
		return
	}
	w.asked.Lock()
	defer w.asked.Unlock()
	w.ask.Store(false)
}

func bodyAllowed(status int) bool {
	return status >= 200 && status != http.StatusNoContent && status != http.StatusNotModified
}
