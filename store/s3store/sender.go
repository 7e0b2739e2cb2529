package s3store

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
)

// The deadlines that an upstream missed.
var (
	errNoAnswer   = errors.New("the upstream did not answer in time")
	errNoProgress = errors.New("the upstream made no progress in time")
)

// slowOperation reports whether the upstream answers an operation only after
// work that grows with the size of the object.
func slowOperation(name string) bool {
	switch name {
	case "CopyObject", "UploadPartCopy", "CompleteMultipartUpload":
		return true
	}
	return false
}

// slowFactor is how much longer than others a slow operation may take.
const slowFactor = 6

// A sender is the HTTP client of the SDK. It follows no redirect, and it ends
// requests of an upstream that does not answer or stops in the middle, since
// an engine that cannot write hangs without an error.
type sender struct {
	transport     http.RoundTripper
	timeout, idle time.Duration
	now           func() time.Time
}

// Do sends one request. A missed deadline is errNoAnswer or, from the answer's
// body, errNoProgress.
func (s *sender) Do(r *http.Request) (*http.Response, error) {
	t := tryOf(r.Context())
	ctx, cancel := context.WithCancelCause(r.Context())
	timeout := s.timeout
	if t.timeout > 0 {
		timeout = min(timeout, t.timeout)
	}
	if slowOperation(awsmiddleware.GetOperationName(ctx)) {
		timeout *= slowFactor
	}
	// The wait begins when the request has been sent; until then each write
	// has the deadline of its connection.
	answer := &deadline{after: timeout, miss: func() { cancel(errNoAnswer) }}
	r = r.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn:      func(info httptrace.GotConnInfo) { t.begin(info) },
		WroteRequest: func(httptrace.WroteRequestInfo) { answer.start() },
	}))
	begun := s.now()
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = &touchedBody{r.Body, t}
	}
	response, err := s.transport.RoundTrip(r)
	if err == nil && response.StatusCode >= http.StatusMultipleChoices {
		answer.start() // it may have come before the request was sent
		readError(response)
	}
	answer.stop()
	if err != nil {
		if source := t.source(); source != nil {
			err = source
		} else if context.Cause(ctx) == errNoAnswer {
			err = errNoAnswer
		}
		cancel(nil)
		return nil, err
	}
	if t.end != nil {
		t.end.clock.observe(response.Header.Get("Date"), begun, s.now())
	}
	if response.Body == http.NoBody {
		cancel(nil)
		return response, nil
	}
	response.Body = &watchedBody{body: response.Body, ctx: ctx, cancel: cancel, try: t, idle: s.idle}
	return response, nil
}

// maxError is the size in bytes of the largest body of an error that is read.
const maxError = 64 << 10

// readError reads the body of an error while its connection is there: an upstream
// that answers before it has read the request closes that. Where it breaks off or
// has no end, only the status counts.
func readError(response *http.Response) {
	if response.Body == http.NoBody {
		return
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, maxError+1))
	response.Body.Close()
	if err != nil || len(text) > maxError {
		text = nil
	}
	response.Body, response.ContentLength = http.NoBody, int64(len(text))
	if len(text) > 0 {
		response.Body = io.NopCloser(bytes.NewReader(text))
	}
}

// CloseIdleConnections closes the connections that no request goes over.
func (s *sender) CloseIdleConnections() {
	if t, ok := s.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// A deadline calls miss unless it is stopped in time.
type deadline struct {
	after time.Duration
	miss  func()

	mu      sync.Mutex
	timer   *time.Timer
	stopped bool
}

// start is ignored after stop: an upstream may answer before it has read all.
func (d *deadline) start() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stopped || d.timer != nil {
		return
	}
	d.timer = time.AfterFunc(d.after, d.miss)
}

func (d *deadline) stop() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped = true
	if d.timer != nil {
		d.timer.Stop()
	}
}

// A try is one request to one endpoint: what of it has left this process.
type try struct {
	end     *endpoint
	timeout time.Duration // if positive, a shorter one than usual
	touched atomic.Bool   // the body was read from

	mu     sync.Mutex
	reused bool // the connection has served others
	conn   *watchedConn
	before int64 // bytes that the connection had written before
	broken error // the body failed with it
}

type tryKey struct{}

// tryOf returns the try that a request belongs to. A request that did not come
// through endpoints gets one that nobody asks.
func tryOf(ctx context.Context) *try {
	if t, ok := ctx.Value(tryKey{}).(*try); ok {
		return t
	}
	return &try{}
}

// begin notes the connection that the request goes over.
func (t *try) begin(info httptrace.GotConnInfo) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.reused = info.Reused
	for conn := info.Conn; conn != nil; {
		if w, ok := conn.(*watchedConn); ok {
			t.conn, t.before = w, w.written.Load()
			return
		}
		inner, ok := conn.(interface{ NetConn() net.Conn }) // *tls.Conn
		if !ok {
			return
		}
		conn = inner.NetConn()
	}
}

// unsent reports whether no byte of the request reached a connection.
func (t *try) unsent() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.conn == nil || t.conn.written.Load() == t.before
}

// stale reports whether the other end had closed the connection before the
// request could go over it.
func (t *try) stale() bool {
	t.mu.Lock()
	reused := t.reused
	t.mu.Unlock()
	return reused && t.unsent()
}

// source returns the error of the request's own body, nil without one.
func (t *try) source() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.broken
}

// A touchedBody is the body of a request; it knows whether it was read from and
// whether it failed.
type touchedBody struct {
	io.ReadCloser
	try *try
}

// Read implements io.Reader.
func (b *touchedBody) Read(p []byte) (int, error) {
	b.try.touched.Store(true)
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		b.try.mu.Lock()
		b.try.broken = err
		b.try.mu.Unlock()
	}
	return n, err
}

// A watchedConn gives every write its own deadline, so that a request whose
// body the upstream does not take ends, however long a slow client makes it.
type watchedConn struct {
	net.Conn
	idle    time.Duration
	written atomic.Int64
}

// Write implements net.Conn.
func (c *watchedConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.idle)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	return n, err
}

// A watchedBody is the body of an answer. A Read that gets nothing for the idle
// time ends the request; time between Reads belongs to the reader.
type watchedBody struct {
	body   io.ReadCloser
	ctx    context.Context
	cancel context.CancelCauseFunc
	try    *try
	idle   time.Duration
	timer  *time.Timer
	failed bool // which is counted once
}

// Read implements io.Reader.
func (b *watchedBody) Read(p []byte) (int, error) {
	if b.timer == nil {
		b.timer = time.AfterFunc(b.idle, func() { b.cancel(errNoProgress) })
	} else {
		b.timer.Reset(b.idle)
	}
	n, err := b.body.Read(p)
	b.timer.Stop()
	if err == nil || err == io.EOF {
		return n, err
	}
	if context.Cause(b.ctx) == errNoProgress {
		err = errNoProgress
	}
	// A caller that gave up says nothing of the upstream.
	if b.try.end != nil && !b.failed && context.Cause(b.ctx) != context.Canceled {
		b.failed = true
		b.try.end.breaker.fail()
	}
	return n, err
}

// Close implements io.Closer.
func (b *watchedBody) Close() error {
	if b.timer != nil {
		b.timer.Stop()
	}
	err := b.body.Close()
	b.cancel(nil)
	return err
}
