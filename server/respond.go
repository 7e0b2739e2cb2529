package server

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// A response is the http.ResponseWriter of one request. It knows what was
// sent, and keeps io.ReaderFrom so that bodies can go out by sendfile.
type response struct {
	http.ResponseWriter
	ids     [2]string // request id and host id
	texts   texts
	values  []string // of headers
	pace    pace
	rate    *bucket    // nil where the pass has no rate
	cors    *corsGrant // nil where the origin is not allowed
	status  int        // 0 until the header is sent
	sent    int64      // bytes of the body
	size    int64      // of the object that was read or written; negative: none
	written written    // by the call, where it changed something
	first   time.Time  // when the answer began, if timed
	timed   bool
	// private says that no cache may keep the answer.
	private bool
	broken  bool // an answer has begun that cannot be completed
}

var (
	_ io.ReaderFrom = (*response)(nil)
	_ io.Writer     = (*response)(nil)
)

// WriteHeader implements http.ResponseWriter.
func (w *response) WriteHeader(status int) {
	if w.status != 0 {
		return
	}
	w.status = status
	if w.timed {
		w.first = time.Now()
	}
	if w.private {
		w.Header()["Cache-Control"] = private
		w.Header().Del("Expires")
	}
	if w.cors != nil {
		w.cors.expose(w.Header())
	}
	w.ResponseWriter.WriteHeader(status)
}

var private = []string{"private, no-store"}

// Write implements http.ResponseWriter.
func (w *response) Write(p []byte) (int, error) {
	n, err := w.ResponseWriter.Write(p)
	w.sent += int64(n)
	return n, err
}

// ReadFrom implements io.ReaderFrom.
func (w *response) ReadFrom(r io.Reader) (n int64, err error) {
	if _, ok := w.ResponseWriter.(io.ReaderFrom); ok {
		n, err = io.Copy(w.ResponseWriter, r)
	} else { // a stream of HTTP/2
		buf := copyBuffers.Get().(*[]byte)
		defer copyBuffers.Put(buf)
		n, err = io.CopyBuffer(w.ResponseWriter, r, *buf)
	}
	w.sent += n
	return n, err
}

var copyBuffers = sync.Pool{New: func() any {
	buf := make([]byte, 32<<10)
	return &buf
}}

// set sets a header, given in canonical form, to one value. The values of an
// answer share an allocation, which is not used again: whoever has the header
// may keep it.
func (w *response) set(name, value string) {
	if len(w.values) == cap(w.values) {
		w.values = make([]string, 0, usualHeaders)
	}
	n := len(w.values)
	w.values = append(w.values, value)
	w.Header()[name] = w.values[n : n+1 : n+1]
}

// usualHeaders is how many headers an ordinary answer sets so.
const usualHeaders = 8

// setLength sets Content-Length.
func (w *response) setLength(n int64) {
	var digits [20]byte
	w.set("Content-Length", w.texts.keep(strconv.AppendInt(digits[:0], n, 10)))
}

// Unwrap serves http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// empty answers without a body.
func (w *response) empty(status int) error {
	if status != http.StatusNoContent {
		w.Header()["Content-Length"] = noLength
	}
	w.WriteHeader(status)
	return nil
}

var noLength = []string{"0"}

// xml answers with an XML body.
func (w *response) xml(status int, body []byte) error {
	w.Header()["Content-Type"] = xmlType
	w.setLength(int64(len(body)))
	w.WriteHeader(status)
	w.pace.extendWrite(int64(len(body)))
	_, err := w.Write(body)
	return incompleteAnswer(err)
}

var xmlType = []string{"application/xml"}

// send copies n bytes of an object from off on, in pieces, each of which must
// be taken at the minimum rate, waits for the rate of the pass and is drawn
// from its budget.
func (w *response) send(ctx context.Context, body store.Body, off, n int64, d *drawing) error {
	for begin := off; n > 0; {
		size := w.rate.piece(d.piece(w.pace.piece(n)))
		holds, err := d.extend(ctx, off-begin, off-begin+size)
		if err != nil {
			return incompleteAnswer(err)
		}
		size = min(size, holds-(off-begin))
		if err := w.awaitRate(ctx, size); err != nil {
			return incompleteAnswer(err)
		}
		r, err := body.Range(off, size)
		if err != nil {
			return incompleteAnswer(err)
		}
		w.pace.extendWrite(size)
		sent, err := d.copy(w, r)
		if err == nil && sent < size {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return incompleteAnswer(err)
		}
		off, n = off+size, n-size
	}
	return nil
}

// incompleteAnswer is the error of an answer that broke off.
func incompleteAnswer(err error) error {
	if err == nil {
		return nil
	}
	return &daypass.Error{Op: "server.send", Code: daypass.InternalError, Err: err}
}

// refuse answers with an error. HEAD and 304 have no body (RFC 9110, sections
// 9.3.2 and 15.4.5).
func (w *response) refuse(r *http.Request, err error) {
	e := s3.ErrorOf(err)
	status := s3.Status(e.Code)
	h := w.Header()
	w.closeAfter(r, e.Code)
	setRetryAfter(h, err)
	switch {
	case status == http.StatusNotModified:
		w.WriteHeader(status)
	case r.Method == http.MethodHead:
		h.Set("Content-Type", "application/xml")
		w.WriteHeader(status)
	default:
		body := s3.AppendError(make([]byte, 0, 1024), e, w.ids[0], w.ids[1])
		// The client learns the status either way.
		_ = w.xml(status, body)
	}
}

// closeAfter ends the connection where the client may still be sending a body
// that nobody will read; net/http reads small ones to their end, for which it
// is given time.
func (w *response) closeAfter(r *http.Request, code daypass.Code) {
	if r.ContentLength == 0 {
		return
	}
	w.pace.extendRead()
	expects := r.ProtoAtLeast(1, 1) && r.Header.Get("Expect") != ""
	if r.ProtoMajor == 1 && (expects || code == daypass.RequestTimeout) {
		w.Header().Set("Connection", "close")
	}
}
