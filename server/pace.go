package server

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/daypass/daypass"
)

// A pace bounds how slowly a client may send or take a body, by deadlines of
// the connection. Deadlines are compared with the machine's clock, so this is
// the one place that does not use Config.Clock.
type pace struct {
	conn   deadliner // nil where nothing is bounded
	timed  timeouter // nil where deadlines bound what is written
	writer http.ResponseWriter
	rate   int64 // bytes per second; zero: none asked for
	grace  time.Duration
	until  time.Time // when a body must have been read; zero: never
	in     *intake   // counts what is read; may be nil
}

// A deadliner is a connection that has deadlines.
type deadliner interface {
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// A timeouter is a response writer that bounds by itself how long the client
// may keep it waiting, so that deadlines are set only where it does.
type timeouter interface {
	// SetWriteTimeout bounds for how long what is written from now on may wait
	// for the client, in all, what is still held back when the handler returns
	// included. Zero is no bound.
	SetWriteTimeout(d time.Duration)
}

func (s *Server) setPace(p *pace, w http.ResponseWriter, start time.Time) {
	if s.cfg.MinBodyRate <= 0 && s.cfg.MaxRequestDuration <= 0 {
		return
	}
	var ok bool
	if p.conn, ok = w.(deadliner); !ok {
		p.conn = http.NewResponseController(w)
	}
	p.timed, _ = w.(timeouter)
	p.writer, p.rate, p.grace = w, s.cfg.MinBodyRate, s.cfg.BodyGrace
	if s.cfg.MaxRequestDuration > 0 {
		p.until = start.Add(s.cfg.MaxRequestDuration)
	}
}

// timeFor returns how long n bytes may take at the minimum rate.
func (p *pace) timeFor(n int64) time.Duration {
	return time.Duration(float64(n) / float64(p.rate) * float64(time.Second))
}

// writePiece is how much is sent under one deadline. It bounds for how long a
// client that has stopped taking anything is waited for.
const writePiece = 256 << 10

// piece returns how much of n bytes to send under one deadline.
func (p *pace) piece(n int64) int64 {
	if p.conn == nil || p.rate <= 0 {
		return n
	}
	return min(n, writePiece)
}

// extendWrite gives the client time to take n more bytes. Connections without
// deadlines, as in tests, are left alone here and below.
func (p *pace) extendWrite(n int64) {
	switch {
	case p.conn == nil || p.rate <= 0:
	case p.timed != nil:
		p.timed.SetWriteTimeout(p.grace + p.timeFor(n))
	default:
		_ = p.conn.SetWriteDeadline(time.Now().Add(p.grace + p.timeFor(n)))
	}
}

// endWrite sends what net/http still holds back, within the deadline, and
// then removes it for whoever uses the connection next. Who keeps a timeout
// does so by itself.
func (p *pace) endWrite() {
	switch {
	case p.conn == nil || p.rate <= 0:
	case p.timed != nil:
		p.timed.SetWriteTimeout(p.grace)
	default:
		_ = p.conn.SetWriteDeadline(time.Now().Add(p.grace))
		_ = http.NewResponseController(p.writer).Flush()
		_ = p.conn.SetWriteDeadline(time.Time{})
	}
}

// pauseWrite and pauseRead remove the deadlines while the server itself waits.
// The next piece has its own.
func (p *pace) pauseWrite() {
	switch {
	case p.conn == nil || p.rate <= 0:
	case p.timed != nil:
		p.timed.SetWriteTimeout(0)
	default:
		_ = p.conn.SetWriteDeadline(time.Time{})
	}
}

func (p *pace) pauseRead() {
	if p.conn != nil {
		_ = p.conn.SetReadDeadline(time.Time{})
	}
}

// extendRead gives the client a last time to send what is left of a body.
func (p *pace) extendRead() {
	if p.conn != nil {
		_ = p.conn.SetReadDeadline(time.Now().Add(p.grace))
	}
}

// A pacedBody reads a request's body at no less than the minimum rate. Only
// the time spent waiting for the client counts.
type pacedBody struct {
	body io.Reader
	pace *pace
	// slack is for how long the client may still keep the server waiting: it
	// shrinks while waiting and grows with what arrives, up to the grace.
	slack time.Duration
}

func (p *pace) reader(body io.Reader) io.Reader {
	return &pacedBody{body: body, pace: p, slack: p.grace}
}

// Read implements io.Reader. Whatever keeps the body from being read to its
// end is the client's: IncompleteBody, RequestTimeout.
func (b *pacedBody) Read(buf []byte) (int, error) {
	if b.pace.conn == nil {
		n, err := b.body.Read(buf)
		b.pace.in.add(n, err == io.EOF)
		return n, clientError(err)
	}
	began := time.Now()
	_ = b.pace.conn.SetReadDeadline(b.deadline(began))
	n, err := b.body.Read(buf)
	b.pace.in.add(n, err == io.EOF)
	if err != nil {
		// net/http goes on reading, to learn when the client goes away.
		_ = b.pace.conn.SetReadDeadline(time.Time{})
		return n, clientError(err)
	}
	if b.pace.rate > 0 {
		b.slack = min(b.pace.grace, b.slack-time.Since(began)+b.pace.timeFor(int64(n)))
	}
	return n, nil
}

func (b *pacedBody) deadline(now time.Time) time.Time {
	if b.pace.rate <= 0 {
		return b.pace.until
	}
	d := now.Add(max(b.slack, time.Millisecond))
	if !b.pace.until.IsZero() && b.pace.until.Before(d) {
		return b.pace.until
	}
	return d
}

func clientError(err error) error {
	switch {
	case err == nil || err == io.EOF:
		return err
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &daypass.Error{Op: "server.body", Code: daypass.RequestTimeout, Err: err}
	}
	return &daypass.Error{Op: "server.body", Code: daypass.IncompleteBody, Err: err}
}
