//go:build linux

package h1

import (
	"context"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// A turn is one request and its answer. It is never used again, since handlers
// may keep parts of it.
type turn struct {
	url      url.URL
	ctx      requestContext
	body     body
	response response
	values   [8]string // of the headers, as many as fit
}

// request makes the http.Request of a plain head, and the turn that it belongs
// to. It returns nil where net/http may see it differently.
func (c *conn) request(h *head, raw []byte) (*turn, *http.Request) {
	text := string(raw[:h.size]) // the buffer is used again, this is not
	t := new(turn)
	target := text[h.target:h.targetEnd]
	if !splitTarget(&t.url, target) {
		u, err := url.ParseRequestURI(target)
		if err != nil || u.Host != "" {
			return nil, nil
		}
		t.url = *u
	}
	t.ctx.parent, t.ctx.conn, t.ctx.body = c.ctx, c, &t.body
	r := http.Request{Method: h.method, URL: &t.url, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: t.header(h, text), Body: http.NoBody, ContentLength: max(h.length, 0), Close: h.close,
		Host: text[h.fields[h.host].from:h.fields[h.host].to], RemoteAddr: c.remote, RequestURI: target}
	if r.ContentLength > 0 {
		t.body.init(c, t, r.ContentLength, h)
		r.Body = &t.body
	}
	return t, r.WithContext(&t.ctx)
}

// header makes the header of a request, without Host.
func (t *turn) header(h *head, text string) http.Header {
	header := make(http.Header, len(h.fields)-1)
	values := t.values[:]
	if len(h.fields) > len(values) {
		values = make([]string, len(h.fields))
	}
	for i, f := range h.fields {
		if i == h.host {
			continue
		}
		name := f.name
		if name == "" {
			name = http.CanonicalHeaderKey(text[f.begin:f.end])
		}
		value := text[f.from:f.to]
		if before := header[name]; before != nil {
			header[name] = append(before, value)
			continue
		}
		values[0] = value
		header[name], values = values[:1:1], values[1:]
	}
	return header
}

// splitTarget sets what url.ParseRequestURI would for a target whose path
// needs no decoding, and reports whether it is one.
func splitTarget(u *url.URL, target string) bool {
	for i := range len(target) {
		c := target[i]
		if c == '?' && i > 0 && i+1 < len(target) {
			u.Path, u.RawQuery = target[:i], target[i+1:]
			return true
		}
		if classes[c]&pathByte == 0 || i == 1 && c == '/' {
			return false
		}
	}
	u.Path = target
	return true
}

// A requestContext is the context of a request. It ends with the request, and
// when it is found that the client is gone. Most handlers never wait for that:
// whoever does gets a context of the standard library, so that contexts made
// of this one cost no goroutine.
type requestContext struct {
	parent context.Context
	conn   *conn
	body   *body
	real   atomic.Pointer[realContext]
	ended  atomic.Bool
}

type realContext struct {
	context.Context
	cancel context.CancelFunc
}

var _ context.Context = (*requestContext)(nil)

// waited returns the context of who waits, which is made once.
func (x *requestContext) waited() *realContext {
	if r := x.real.Load(); r != nil {
		return r
	}
	r := new(realContext)
	r.Context, r.cancel = context.WithCancel(x.parent)
	if !x.real.CompareAndSwap(nil, r) {
		r.cancel()
		return x.real.Load()
	}
	if x.ended.Load() {
		r.cancel()
	} else {
		x.conn.watch(x)
	}
	return r
}

// end ends the context, once or more often.
func (x *requestContext) end() {
	x.ended.Store(true)
	if r := x.real.Load(); r != nil {
		r.cancel()
	}
}

// Deadline implements context.Context.
func (x *requestContext) Deadline() (time.Time, bool) { return x.parent.Deadline() }

// Done implements context.Context.
func (x *requestContext) Done() <-chan struct{} { return x.waited().Done() }

// Err implements context.Context.
func (x *requestContext) Err() error {
	if x.ended.Load() {
		return context.Canceled
	}
	return x.waited().Err()
}

// Value implements context.Context.
func (x *requestContext) Value(key any) any {
	if r := x.real.Load(); r != nil {
		return r.Value(key)
	}
	return x.parent.Value(key)
}
