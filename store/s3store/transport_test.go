package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/daypass/daypass"
)

// A network is connections in memory between the client and upstreams by name,
// so that a test in a synctest bubble takes no time.
type network struct {
	mu    sync.Mutex
	hosts map[string]*memListener
}

type memListener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *memListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *memListener) Addr() net.Addr { return &net.TCPAddr{} }

var errRefused = errors.New("connection refused")

func (n *network) dial(ctx context.Context, _, address string) (net.Conn, error) {
	n.mu.Lock()
	l := n.hosts[address]
	n.mu.Unlock()
	if l == nil {
		return nil, errRefused
	}
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.closed:
		return nil, errRefused
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// An upstream answers as its handler says and notes what it was asked.
type upstream struct {
	url  string
	gone chan struct{} // closed at the end of the test

	mu       sync.Mutex
	handler  http.HandlerFunc
	requests []string
	bodies   []string
}

func (u *upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	u.mu.Lock()
	u.requests = append(u.requests, r.Method+" "+r.Host+r.URL.Path)
	handler := u.handler
	u.mu.Unlock()
	handler(w, r)
}

func (u *upstream) set(h http.HandlerFunc) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.handler = h
}

func (u *upstream) count() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.requests)
}

// keep reads the body of a request and answers 200.
func (u *upstream) keep(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	u.mu.Lock()
	u.bodies = append(u.bodies, string(body))
	u.mu.Unlock()
	w.Header().Set("ETag", `"e"`)
}

func hello(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "hello") }

// hang answers nothing.
func (u *upstream) hang(http.ResponseWriter, *http.Request) { <-u.gone }

func status(code int, s3Code string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(code)
		fmt.Fprintf(w, "<Error><Code>%s</Code><Message>secret host 10.1.2.3</Message></Error>", s3Code)
	}
}

// A fixture is a driver's transport to a number of upstreams.
type fixture struct {
	*Driver
	t   *testing.T
	up  []*upstream
	net *network
}

// bubble runs f in a synctest bubble with n upstreams that say hello.
func bubble(t *testing.T, n int, f func(x *fixture)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(time.Second) }) // servers linger at the end of a connection
		x := &fixture{t: t, net: &network{hosts: map[string]*memListener{}}}
		c := Config{Region: "r", PathStyle: true, Timeout: 10 * time.Second, IdleTimeout: 20 * time.Second}
		for i := range n {
			host := fmt.Sprintf("up%d:80", i)
			u := &upstream{url: "http://" + host, handler: hello, gone: make(chan struct{})}
			l := &memListener{conns: make(chan net.Conn), closed: make(chan struct{})}
			x.net.hosts[host] = l
			server := &http.Server{Handler: u}
			go server.Serve(l)
			t.Cleanup(func() {
				close(u.gone)
				server.Close()
			})
			x.up = append(x.up, u)
			c.Endpoints = append(c.Endpoints, u.url)
		}
		c = c.withDefaults()
		transport, err := newTransport(c, x.net.dial)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(transport.CloseIdleConnections)
		loaded := aws.Config{Region: "r", Credentials: credentials.NewStaticCredentialsProvider("AK", "SK", "")}
		client, ends := clientOver(loaded, c, transport)
		x.Driver = &Driver{config: c, client: client, endpoints: ends, log: c.Logger, now: c.Now}
		f(x)
	})
}

// refuse makes an upstream refuse connections.
func (x *fixture) refuse(i int) {
	u, _ := url.Parse(x.up[i].url)
	x.net.mu.Lock()
	defer x.net.mu.Unlock()
	x.net.hosts[u.Host].Close()
	delete(x.net.hosts, u.Host)
	x.client.Options().HTTPClient.(*sender).CloseIdleConnections()
}

func (x *fixture) get() (string, error) {
	out, err := x.client.GetObject(x.t.Context(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
	if err != nil {
		return "", x.fail("get", err)
	}
	defer out.Body.Close()
	text, err := io.ReadAll(out.Body)
	return string(text), x.fail("get", err)
}

func (x *fixture) put(body io.Reader, size int64) error {
	_, err := x.client.PutObject(x.t.Context(), &s3.PutObjectInput{
		Bucket: aws.String("b"), Key: aws.String("k"), Body: body, ContentLength: &size,
	}, s3.WithAPIOptions(v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware))
	return x.fail("put", err)
}

// code checks the code of an error, and that clients learn nothing else.
func (x *fixture) code(err error, want daypass.Code) {
	x.t.Helper()
	if got := daypass.CodeOf(err); err == nil || got != want {
		x.t.Fatalf("error %v, want code %s", err, want)
	}
	var e *daypass.Error
	if errors.As(err, &e); e.Message != "" || len(e.Details) != 0 {
		x.t.Errorf("a client is told %q %v", e.Message, e.Details)
	}
}

// open takes an endpoint to an open breaker.
func (x *fixture) open(i int) {
	for range tripAfter {
		x.endpoints.all[i].breaker.fail()
	}
}

// stream is a body that cannot be read twice.
func stream(text string) io.Reader { return io.MultiReader(strings.NewReader(text)) }

func TestHangBeforeHeaders(t *testing.T) {
	bubble(t, 2, func(x *fixture) {
		x.up[0].set(x.up[0].hang)
		begin := time.Now()
		if text, err := x.get(); text != "hello" || err != nil {
			t.Errorf("GET with a second endpoint: %q, %v", text, err)
		}
		if took := time.Since(begin); took != x.config.Timeout {
			t.Errorf("moved on after %v, want %v", took, x.config.Timeout)
		}
		x.up[1].set(x.up[1].hang)
		begin = time.Now()
		_, err := x.get()
		x.code(err, daypass.ServiceUnavailable)
		if took := time.Since(begin); took != 2*x.config.Timeout {
			t.Errorf("gave up after %v, want %v", took, 2*x.config.Timeout)
		}
	})
}

// TestHangingWrite: a write that was sent may be done later, so it is not sent
// again.
func TestHangingWrite(t *testing.T) {
	bubble(t, 2, func(x *fixture) {
		x.up[0].set(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			<-x.up[0].gone
		})
		begin := time.Now()
		x.code(x.put(bytes.NewReader([]byte("text")), 4), daypass.ServiceUnavailable)
		if took := time.Since(begin); took != x.config.Timeout {
			t.Errorf("gave up after %v, want %v", took, x.config.Timeout)
		}
		if n := x.up[1].count(); n != 0 {
			t.Errorf("the second endpoint got the write too")
		}
	})
}

func TestSlowOperations(t *testing.T) {
	bubble(t, 1, func(x *fixture) {
		x.up[0].set(func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(x.config.Timeout * 3)
			io.WriteString(w, "<CopyObjectResult><ETag>e</ETag></CopyObjectResult>")
		})
		_, err := x.client.CopyObject(x.t.Context(), &s3.CopyObjectInput{Bucket: aws.String("b"), Key: aws.String("k"), CopySource: aws.String("b/s")})
		if err != nil {
			t.Errorf("a copy that takes long: %v", err)
		}
	})
}

func TestHangInBody(t *testing.T) {
	bubble(t, 1, func(x *fixture) {
		x.up[0].set(func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "half")
			w.(http.Flusher).Flush()
			<-x.up[0].gone
		})
		begin := time.Now()
		text, err := x.get()
		x.code(err, daypass.ServiceUnavailable)
		if took := time.Since(begin); text != "half" || took != x.config.IdleTimeout {
			t.Errorf("got %q after %v, want half after %v", text, took, x.config.IdleTimeout)
		}
		if n := x.Endpoints()[0].Failures; n != 1 {
			t.Errorf("%d failures were counted, want 1", n)
		}
	})
}

// TestSlowBody: neither an upstream that is slow nor a reader that is ends an
// answer.
func TestSlowBody(t *testing.T) {
	bubble(t, 1, func(x *fixture) {
		pause := x.config.IdleTimeout - time.Second
		x.up[0].set(func(w http.ResponseWriter, r *http.Request) {
			for range 4 {
				time.Sleep(pause)
				io.WriteString(w, "x")
				w.(http.Flusher).Flush()
			}
		})
		x.config.Timeout = time.Hour
		x.client.Options().HTTPClient.(*sender).timeout = time.Hour
		out, err := x.client.GetObject(x.t.Context(), &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
		if err != nil {
			t.Fatal(err)
		}
		defer out.Body.Close()
		first := make([]byte, 1)
		if _, err := out.Body.Read(first); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * x.config.IdleTimeout)
		rest, err := io.ReadAll(out.Body)
		if err != nil || string(rest) != "xxx" {
			t.Errorf("the rest is %q, %v", rest, err)
		}
	})
}

// TestStuckUpload: an upstream that stops taking a body ends the request, while
// a client that is slow to send it does not.
func TestStuckUpload(t *testing.T) {
	bubble(t, 1, func(x *fixture) {
		x.up[0].set(x.up[0].keep)
		slow, in := io.Pipe()
		go func() {
			for range 4 {
				time.Sleep(3 * x.config.IdleTimeout)
				io.WriteString(in, "x")
			}
			in.Close()
		}()
		if err := x.put(stream2{slow}, 4); err != nil {
			t.Errorf("a slow client: %v", err)
		}
		x.up[0].set(x.up[0].hang)
		begin := time.Now()
		x.code(x.put(stream(strings.Repeat("x", 1<<20)), 1<<20), daypass.ServiceUnavailable)
		if took := time.Since(begin); took != x.config.IdleTimeout {
			t.Errorf("gave up after %v, want %v", took, x.config.IdleTimeout)
		}
	})
}

// stream2 hides the type of a pipe, whose length the SDK ignores.
type stream2 struct{ io.Reader }

func TestRefusedConnections(t *testing.T) {
	bubble(t, 2, func(x *fixture) {
		x.refuse(0)
		x.up[1].set(x.up[1].keep)
		for _, body := range []io.Reader{strings.NewReader("text"), stream("text")} {
			if err := x.put(body, 4); err != nil {
				t.Errorf("PUT: %v", err)
			}
		}
		if got := strings.Join(x.up[1].bodies, ","); got != "text,text" {
			t.Errorf("the second endpoint got %q", got)
		}
		for _, request := range x.up[1].requests {
			if request != "PUT up1/b/k" {
				t.Errorf("the second endpoint was asked %s", request)
			}
		}
		x.refuse(1)
		_, err := x.get()
		x.code(err, daypass.ServiceUnavailable)
	})
}

func TestErrorsOfOneEndpoint(t *testing.T) {
	for _, test := range []struct {
		status    int
		code      string
		want      daypass.Code // of a write
		elsewhere bool         // a read goes on elsewhere
	}{
		{500, "InternalError", daypass.ServiceUnavailable, true},
		{502, "", daypass.ServiceUnavailable, true},
		{503, "ServiceUnavailable", daypass.ServiceUnavailable, true},
		{503, "SlowDown", daypass.SlowDown, false},
		{504, "", daypass.ServiceUnavailable, true},
		{403, "AccessDenied", daypass.InternalError, false},
		{403, "InvalidAccessKeyId", daypass.InternalError, false},
		{404, "NoSuchKey", daypass.NoSuchKey, false},
		{412, "PreconditionFailed", daypass.PreconditionFailed, false},
		{507, "QuotaExceeded", daypass.InsufficientStorage, false},
		{301, "PermanentRedirect", daypass.InternalError, false},
	} {
		bubble(t, 2, func(x *fixture) {
			x.up[0].set(status(test.status, test.code))
			_, err := x.get()
			if went := x.up[1].count() == 1; went != test.elsewhere || went != (err == nil) {
				t.Errorf("%d %s: a read went elsewhere: %v (%v)", test.status, test.code, went, err)
			}
			before := x.up[1].count()
			x.code(x.put(strings.NewReader("text"), 4), test.want)
			if x.up[1].count() != before {
				t.Errorf("%d %s: a write was repeated", test.status, test.code)
			}
		})
	}
}

func TestBreaker(t *testing.T) {
	bubble(t, 1, func(x *fixture) {
		x.up[0].set(status(500, "InternalError"))
		for range tripAfter {
			_, err := x.get()
			x.code(err, daypass.ServiceUnavailable)
		}
		if s := x.Endpoints()[0]; !s.Open || s.Failures != tripAfter || s.URL != x.up[0].url {
			t.Fatalf("after %d failures: %+v", tripAfter, s)
		}
		_, err := x.get()
		x.code(err, daypass.ServiceUnavailable)
		var wait interface{ RetryAfter() time.Duration }
		if !errors.As(err, &wait) || wait.RetryAfter() != firstOpen {
			t.Errorf("an open breaker says %v", err)
		}
		if n := x.up[0].count(); n != tripAfter {
			t.Errorf("an open breaker let a request through")
		}
		// The one that is let through fails: it stays open for twice as long.
		time.Sleep(firstOpen)
		_, err = x.get()
		x.code(err, daypass.ServiceUnavailable)
		time.Sleep(2*firstOpen - 1)
		if _, err = x.get(); err == nil || x.up[0].count() != tripAfter+1 {
			t.Errorf("a breaker let a request through too early: %v", err)
		}
		x.up[0].set(hello)
		time.Sleep(time.Nanosecond)
		for range 3 {
			if text, err := x.get(); text != "hello" {
				t.Errorf("an endpoint that answers again: %v", err)
			}
		}
		if x.Endpoints()[0].Open {
			t.Error("the breaker is still open")
		}
	})
}

// TestHalfOpen: one request at a time finds out whether an endpoint answers
// again, and where there is another endpoint, that is a read.
func TestHalfOpen(t *testing.T) {
	bubble(t, 2, func(x *fixture) {
		x.open(0)
		time.Sleep(firstOpen)
		x.up[0].set(x.up[0].hang)
		x.up[1].set(x.up[1].keep)
		if err := x.put(strings.NewReader("text"), 4); err != nil || x.up[0].count() != 0 {
			t.Errorf("a write while an endpoint is to be probed: %v", err)
		}
		begin := time.Now()
		var reads sync.WaitGroup
		for range 5 {
			reads.Go(func() {
				if _, err := x.get(); err != nil {
					t.Errorf("a read while an endpoint is to be probed: %v", err)
				}
			})
		}
		reads.Wait()
		if n := x.up[0].count(); n != 1 {
			t.Errorf("%d reads probed the endpoint, want 1", n)
		}
		if took := time.Since(begin); took != probeTimeout {
			t.Errorf("the probe took %v, want %v", took, probeTimeout)
		}
	})
}

// TestGivenUp: a caller that goes away says nothing of the endpoint, also where
// its request was the probe.
func TestGivenUp(t *testing.T) {
	bubble(t, 1, func(x *fixture) {
		x.open(0)
		time.Sleep(firstOpen)
		x.up[0].set(x.up[0].hang)
		ctx, cancel := context.WithTimeout(x.t.Context(), time.Second)
		defer cancel()
		_, err := x.client.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("b"), Key: aws.String("k")})
		x.code(x.fail("get", err), daypass.ServiceUnavailable)
		x.up[0].set(hello)
		if text, err := x.get(); text != "hello" {
			t.Errorf("after a probe that was given up: %v", err)
		}
	})
}

// TestBodyFails: an error of the request's own body is passed on and is not held
// against the endpoint.
func TestBodyFails(t *testing.T) {
	bubble(t, 2, func(x *fixture) {
		x.up[0].set(x.up[0].keep)
		bad := &daypass.Error{Code: daypass.BadDigest, Message: "own"}
		err := x.put(io.MultiReader(strings.NewReader("te"), badSource{bad}), 4)
		if !errors.Is(err, error(bad)) || daypass.CodeOf(err) != daypass.BadDigest {
			t.Errorf("error %v, want the body's", err)
		}
		if len(x.up[0].bodies) != 0 || x.up[1].count() != 0 || x.Endpoints()[0].Failures != 0 {
			t.Errorf("bodies %q, repeated %d, failures %d", x.up[0].bodies, x.up[1].count(), x.Endpoints()[0].Failures)
		}
	})
}

type badSource struct{ err error }

func (f badSource) Read([]byte) (int, error) { return 0, f.err }
