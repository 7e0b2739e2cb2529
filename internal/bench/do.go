package bench

import (
	"bytes"
	"fmt"
	"strconv"
)

// expectation is what the answer to a request must be.
type expectation struct {
	// from and length are the part of the object, in bytes; length is -1
	// where the operation does not say.
	from, length int64
	total        int64
	partial      bool
}

// contentRange is the field of a partial answer (RFC 9110, section 14.4).
func (e *expectation) contentRange() string {
	var room [80]byte
	out := strconv.AppendInt(append(room[:0], "bytes "...), e.from, 10)
	out = strconv.AppendInt(append(out, '-'), e.from+e.length-1, 10)
	return string(strconv.AppendInt(append(out, '/'), e.total, 10))
}

// do carries out a request whose head is in w.out, and returns the bytes of the
// bodies that went either way.
func (w *worker) do(q request) (int64, error) {
	want := expectation{length: -1}
	switch q.op {
	case Get, Head:
		want.length = q.size
	case Range:
		want.partial, want.total = true, q.size
		want.length = min(w.config.RangeSize, q.size)
		if free := q.size - want.length; free > 0 {
			want.from = w.rnd.Int64N(free + 1)
		}
		if q.size == 0 {
			// There is no range of nothing that a server could give.
			want.partial = false
			break
		}
		w.out = append(w.out, "Range: bytes="...)
		w.out = strconv.AppendInt(w.out, want.from, 10)
		w.out = append(w.out, '-')
		w.out = strconv.AppendInt(w.out, want.from+want.length-1, 10)
		w.out = append(w.out, "\r\n"...)
	}
	w.out = append(w.out, "\r\n"...)
	return w.exchange(q, want)
}

// exchange sends a request and reads its answer.
func (w *worker) exchange(q request, want expectation) (int64, error) {
	if err := w.conn.extend(w.now()); err != nil {
		return 0, err
	}
	content, sent := w.content.of(q.key), int64(0)
	if q.op == Put && !q.bucket {
		sent = q.size
	}
	if err := w.conn.send(w.out, content, sent); err != nil {
		// A server that refuses an upload may say so before it hangs up.
		if refused := w.lastWords(q); refused != nil {
			return 0, refused
		}
		return 0, err
	}
	a, err := readAnswer(w.conn.in, q.op.method())
	if err != nil {
		return 0, err
	}
	got, err := w.take(q, &a, want)
	if a.last {
		w.close()
	}
	return sent + got, err
}

// lastWords returns the refusal that came before the connection broke, or nil.
func (w *worker) lastWords(q request) error {
	a, err := readAnswer(w.conn.in, q.op.method())
	if err != nil || a.status < 300 {
		return nil
	}
	refused := w.refused(q, &a)
	w.close()
	return refused
}

// take reads what follows the head of an answer, and checks both.
func (w *worker) take(q request, a *answer, want expectation) (int64, error) {
	if !q.op.accepts(a.status, want.partial) {
		return 0, w.refused(q, a)
	}
	if want.length >= 0 && a.length >= 0 && a.length != want.length {
		return 0, wrong(q, fmt.Sprintf("%d bytes instead of %d", a.length, want.length))
	}
	if want.partial {
		if exact := want.contentRange(); a.contentRange != exact {
			return 0, wrong(q, fmt.Sprintf("Content-Range %q instead of %q", a.contentRange, exact))
		}
	}
	if !a.hasBody(q.op.method()) {
		return 0, nil
	}
	if q.op == List && w.config.Verify {
		return w.takeList(a)
	}
	return w.takeBody(q, a, want)
}

// accepts reports whether a status means that the operation was carried out.
func (o Operation) accepts(status int, partial bool) bool {
	switch o {
	case Put:
		return status == 200 || status == 201 || status == 204
	case Delete:
		return status == 204 || status == 200
	}
	if partial {
		return status == 206
	}
	return status == 200
}

// takeBody reads the body of an answer.
func (w *worker) takeBody(q request, a *answer, want expectation) (int64, error) {
	download := q.op == Get || q.op == Range
	if a.length < 0 {
		text, err := w.conn.readChunks(max(want.length, maxAnswer))
		if err != nil {
			return 0, err
		}
		if download && int64(len(text)) != want.length || w.config.Verify && download && !w.content.of(q.key).matches(text, want.from) {
			return 0, fmt.Errorf("%s: %w", q.key, errWrongBody)
		}
		return int64(len(text)), nil
	}
	var see func([]byte, int64) error
	if w.config.Verify && download {
		content := w.content.of(q.key)
		see = func(p []byte, at int64) error {
			if !content.matches(p, want.from+at) {
				return fmt.Errorf("%s, near byte %d: %w", q.key, want.from+at, errWrongBody)
			}
			return nil
		}
	}
	return a.length, w.conn.readBody(a.length, see)
}

// maxAnswer bounds answers that are looked at as a whole: listings and errors.
const maxAnswer = 16 << 20

// whole reads a body into memory.
func (w *worker) whole(a *answer) ([]byte, error) {
	if a.length < 0 {
		return w.conn.readChunks(maxAnswer)
	}
	if a.length > maxAnswer {
		return nil, malformed("a body of %d bytes where at most %d are expected", a.length, maxAnswer)
	}
	w.body = w.body[:0]
	err := w.conn.readBody(a.length, func(p []byte, _ int64) error { w.body = append(w.body, p...); return nil })
	return w.body, err
}

// takeList reads a listing and counts its keys.
func (w *worker) takeList(a *answer) (int64, error) {
	text, err := w.whole(a)
	if err != nil {
		return 0, err
	}
	want := 1000
	if w.config.List.MaxKeys > 0 {
		want = min(want, w.config.List.MaxKeys)
	}
	want = min(want, w.config.Objects)
	got := bytes.Count(text, []byte("<Key>")) + bytes.Count(text, []byte("<CommonPrefixes>"))
	if w.config.List.Delimiter == "" && got != want || got == 0 || !bytes.Contains(text, []byte("</ListBucketResult>")) {
		return 0, fmt.Errorf("a listing of %d keys instead of %d: %w", got, want, errWrongBody)
	}
	return int64(len(text)), nil
}

// refused reads the answer of a server that did not do what was asked.
func (w *worker) refused(q request, a *answer) error {
	if !a.hasBody(q.op.method()) {
		return &refusal{status: a.status}
	}
	text, err := w.whole(a)
	if err != nil {
		return err
	}
	return parseRefusal(a.status, text)
}

// wrong is an answer that is not what was stored.
func wrong(q request, what string) error { return fmt.Errorf("%s: %s: %w", q.key, what, errWrongBody) }
