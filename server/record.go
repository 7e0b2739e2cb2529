package server

import (
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit"
	"github.com/daypass/daypass/s3"
)

// begin gives a request its ids and its response writer.
func (s *Server) begin(w http.ResponseWriter, r *http.Request) *exchange {
	x, _ := s.exchanges.Get().(*exchange)
	if x == nil {
		x = new(exchange)
	}
	x.r, x.start = r, time.Now()
	x.w.ResponseWriter, x.w.size = w, -1
	s.setPace(&x.w.pace, w, x.start)
	x.in.start, x.in.length = x.start, r.ContentLength
	x.w.pace.in = &x.in
	if s.cors.configured() {
		x.w.cors = s.cors.allow(r.Header.Get("Origin"))
	}
	if s.cfg.Events != nil || s.cfg.Tracer != nil {
		x.arrived = s.cfg.Clock().UTC()
		x.in.timed, x.w.timed = true, true
	}
	s.follow(x)
	s.newIDs(x)
	x.w.set("X-Amz-Request-Id", x.w.ids[0])
	x.w.set("X-Amz-Id-2", x.w.ids[1])
	h := w.Header()
	h["Server"] = serverName
	if s.cors.configured() {
		varyOrigin(h)
	}
	return x
}

var serverName = []string{"Daypass"}

// newIDs gives an exchange a request id and a host id.
func (s *Server) newIDs(x *exchange) {
	var ids [idLength]byte
	err := s.ids.next(&ids)
	both := x.w.texts.keep(ids[:])
	x.w.ids = [2]string{both[:requestIDLength], both[requestIDLength:]}
	if err != nil {
		// No answer depends on it.
		s.logOf(x.logIDs()).Error("no randomness for a request id", "err", err)
	}
}

// logIDs name a request in lines of the log: all that are about one can be
// found, and its trace.
type logIDs struct{ request, trace string }

func (x *exchange) logIDs() logIDs {
	ids := logIDs{request: x.w.ids[0]}
	if x.span != nil {
		ids.trace = x.span.TraceID()
	}
	return ids
}

// logOf returns the log for what is about one request.
func (s *Server) logOf(ids logIDs) *slog.Logger {
	l := s.cfg.Logger.With("request_id", ids.request)
	if ids.trace != "" {
		l = l.With("trace_id", ids.trace)
	}
	return l
}

// end completes an exchange and records it. A panic of the handler becomes
// InternalError.
func (s *Server) end(x *exchange) {
	if v := recover(); v != nil {
		s.recovered(x, v)
	}
	abort := x.w.broken
	if abort {
		x.w.pace.extendWrite(0) // for what the connection still holds back
	} else {
		x.w.pace.endWrite()
	}
	if x.w.rate != nil {
		s.rates.release(x.w.rate)
	}
	took := time.Since(x.start)
	s.diagnose(x)
	s.record(x, took)
	s.sight(x)
	s.emit(x, took)
	if abort {
		// Only a broken connection tells the client that the body is not
		// whole: the status has been sent.
		panic(http.ErrAbortHandler)
	}
	s.reuse(x)
}

// reuse keeps the memory of an exchange for the next one, where nobody can have
// it any more: whoever reads a body may do so for longer than the request
// lasts, and an archive has goroutines of its own.
func (s *Server) reuse(x *exchange) {
	if x.r.ContentLength != 0 || x.span != nil || x.target != &x.memory.target || x.call != nil && x.call.zips() {
		return
	}
	if a := x.target.action; a == nil || a.Name != daypass.GetObject && a.Name != daypass.HeadObject {
		return
	}
	*x = exchange{}
	s.exchanges.Put(x)
}

func (s *Server) recovered(x *exchange, v any) {
	if v == http.ErrAbortHandler {
		x.w.broken = true
		return
	}
	s.logOf(x.logIDs()).Error("panic", "value", fmt.Sprint(v), "stack", string(debug.Stack()))
	x.err = &daypass.Error{Op: "server", Code: daypass.InternalError, Err: fmt.Errorf("panic: %v", v)}
	x.refuse()
}

// refuse answers with x.err, or breaks the connection where an answer has
// already begun.
func (x *exchange) refuse() {
	if x.w.status != 0 {
		x.w.broken = true
		return
	}
	x.w.refuse(x.r, x.err)
}

// record logs what happened. It holds no signature, token or secret: those
// stand in the query, in headers and in the details of errors, which are left
// out, or in a key, where a URL was escaped as a whole, and are redacted there.
func (s *Server) record(x *exchange, took time.Duration) {
	level, ctx := s.cfg.LogLevel, x.r.Context()
	if x.w.status >= http.StatusInternalServerError && x.w.status != http.StatusNotImplemented {
		level = max(level, slog.LevelError)
	}
	if !s.cfg.Logger.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 16)
	ids := x.logIDs()
	attrs = append(attrs, slog.String("request_id", ids.request))
	if ids.trace != "" {
		attrs = append(attrs, slog.String("trace_id", ids.trace))
	}
	attrs = append(attrs, slog.String("remote", x.r.RemoteAddr),
		slog.String("method", x.r.Method), slog.Int("status", x.w.status),
		slog.Int64("sent", x.w.sent), slog.Duration("took", took))
	attrs = append(attrs, x.subject()...)
	if x.err != nil {
		attrs = append(attrs, slog.String("code", string(s3.ErrorOf(x.err).Code)), slog.String("reason", audit.Redact(x.err.Error())))
	}
	s.cfg.Logger.LogAttrs(ctx, level, "request", attrs...)
}

// subject tells what the request was about and who sent it, as far as that
// was found out.
func (x *exchange) subject() (attrs []slog.Attr) {
	if t := x.target; t != nil {
		if t.action != nil {
			attrs = append(attrs, slog.String("action", string(t.action.Name)))
		}
		attrs = append(attrs, slog.String("bucket", audit.Redact(t.ref.Bucket)), slog.String("key", audit.Redact(t.ref.Key)))
	}
	if c := x.call; c != nil {
		attrs = append(attrs, slog.String("scheme", string(c.grant.Scheme)),
			slog.String("accessKey", c.grant.AccessKeyID), slog.String("pass", c.grant.PassID))
	}
	return attrs
}
