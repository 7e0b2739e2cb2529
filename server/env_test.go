package server

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/internal/h1"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/store"
	"github.com/daypass/daypass/store/diskstore"
)

const testRegion = "us-east-1"

var (
	testTime = time.Date(2026, 2, 6, 12, 0, 0, 0, time.UTC)
	testKey  = sign.Key{ID: "AKIDEXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}
	oddKey   = sign.Key{ID: "AK+ID/EXAMPLE=", Secret: "another secret"}
)

// keyMap is a key source.
type keyMap map[string]daypass.AccessKey

func (m keyMap) AccessKey(_ context.Context, id string) (daypass.AccessKey, error) {
	k, ok := m[id]
	if !ok {
		return k, &daypass.Error{Code: daypass.NoSuchAccessKey}
	}
	return k, nil
}

func testKeys() keyMap {
	m := keyMap{}
	for _, k := range []sign.Key{testKey, oddKey} {
		m[k.ID] = daypass.AccessKey{ID: k.ID, Secret: daypass.Secret(k.Secret), Owner: "alice"}
	}
	m["AKIDISABLED"] = daypass.AccessKey{ID: "AKIDISABLED", Secret: "s", Disabled: true}
	m["AKIDENDED"] = daypass.AccessKey{ID: "AKIDENDED", Secret: "s", Expires: testTime.Add(-time.Second)}
	m["AKIDBOB"] = daypass.AccessKey{ID: "AKIDBOB", Secret: "s", Owner: "bob"}
	return m
}

// env is a server on a real listener over a store on disk.
type env struct {
	t     testing.TB
	http  *httptest.Server
	store *store.Store
	addr  string
	log   *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func newStore(t testing.TB) *store.Store {
	t.Helper()
	d, err := diskstore.Open(diskstore.Options{Dir: t.TempDir(), MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(d, store.WithWrappingKeys(oneWrappingKey{}))
	t.Cleanup(func() { s.Close() })
	return s
}

func testConfig(s *store.Store) Config {
	return Config{Store: s, Keys: testKeys(), Region: testRegion, Domains: []string{"localhost"},
		Clock: func() time.Time { return testTime }}
}

func newEnv(t testing.TB, change ...func(*Config)) *env {
	t.Helper()
	e := &env{t: t, store: newStore(t), log: &lockedBuffer{}}
	cfg := testConfig(e.store)
	cfg.Logger = slog.New(slog.NewTextHandler(e.log, nil))
	for _, f := range change {
		f(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	e.http = serveTest(t, s)
	e.addr = e.http.Listener.Addr().String()
	e.bucket("photos")
	return e
}

// testHTTPServer is the variable that says what serves the requests of tests,
// as --http-server does: daypass, the default, or go.
const testHTTPServer = "DAYPASS_TEST_HTTP_SERVER"

// serveTest serves requests as `daypass serve` does, until the test ends.
func serveTest(t testing.TB, h http.Handler) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	t.Cleanup(s.Close)
	s.Config.ConnContext = ConnContext
	switch name := os.Getenv(testHTTPServer); name {
	case "go":
		s.Start()
	case "", "daypass":
		front := h1.New(&http.Server{Handler: h, ConnContext: ConnContext})
		go front.Serve(s.Listener)
		s.URL = "http://" + s.Listener.Addr().String()
		s.Listener = &frontListener{s.Listener, front}
	default:
		t.Fatalf("%s is daypass or go, not %q", testHTTPServer, name)
	}
	return s
}

// A frontListener is the listener of a Server that stands in for an
// httptest.Server, which closes it.
type frontListener struct {
	net.Listener
	front *h1.Server
}

// Close implements net.Listener. Like httptest.Server, it waits for requests.
func (l *frontListener) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(l.front.Shutdown(ctx), l.front.Close())
}

func (e *env) bucket(name string) {
	e.t.Helper()
	b := store.Bucket{Name: name, Owner: "alice", Region: testRegion}
	if _, err := e.store.CreateBucket(context.Background(), b, testTime); err != nil {
		e.t.Fatal(err)
	}
}

func (e *env) put(key, body string, meta ...store.Metadata) *store.Object {
	e.t.Helper()
	u, err := store.NewUpload(strings.NewReader(body), store.UploadOptions{Size: int64(len(body))})
	if err != nil {
		e.t.Fatal(err)
	}
	req := &store.PutRequest{Bucket: "photos", Key: key, Body: u, Owner: "alice", Time: testTime}
	if len(meta) > 0 {
		req.Metadata = meta[0]
	}
	obj, err := e.store.PutObject(context.Background(), req)
	if err != nil {
		e.t.Fatal(err)
	}
	return obj
}

// exists reports whether an object is there.
func (e *env) exists(key string) bool {
	e.t.Helper()
	_, err := e.store.Object(context.Background(), daypass.ObjectRef{Bucket: "photos", Key: key})
	if err != nil && daypass.CodeOf(err) != daypass.NoSuchKey {
		e.t.Fatal(err)
	}
	return err == nil
}

func (e *env) content(key string) string {
	e.t.Helper()
	obj, body, err := e.store.OpenObject(context.Background(), daypass.ObjectRef{Bucket: "photos", Key: key})
	if err != nil {
		e.t.Fatal(err)
	}
	defer body.Close()
	r, err := body.Range(0, obj.Size)
	if err != nil {
		e.t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err != nil {
		e.t.Fatal(err)
	}
	return string(b)
}

// A request is one HTTP/1.1 request, written as it stands.
type request struct {
	method, host, target string
	header               http.Header
	body                 string
	noLength             bool
}

type reply struct {
	status int
	header http.Header
	body   string
}

var codePattern = regexp.MustCompile(`<Code>([^<]*)</Code>`)

// code returns the error code of a reply, or "".
func (r *reply) code() string {
	if m := codePattern.FindStringSubmatch(r.body); m != nil {
		return m[1]
	}
	return ""
}

// element returns the text of an XML element, or "".
func (r *reply) element(name string) string {
	_, rest, ok := strings.Cut(r.body, "<"+name+">")
	if !ok {
		return ""
	}
	text, _, _ := strings.Cut(rest, "</"+name+">")
	return text
}

func (q request) write(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", q.method, q.target, q.host)
	if q.header.Get("Content-Length") == "" && !q.noLength && (q.body != "" || q.method == "PUT" || q.method == "POST") {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(q.body))
	}
	for name, values := range q.header {
		for _, v := range values {
			fmt.Fprintf(&b, "%s: %s\r\n", name, v)
		}
	}
	b.WriteString("\r\n" + q.body)
	_, err := w.Write(b.Bytes())
	return err
}

// send writes a request over a connection of its own and reads the answer.
func (e *env) send(q request) *reply {
	e.t.Helper()
	conn, err := net.Dial("tcp", e.addr)
	if err != nil {
		e.t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	if q.header == nil {
		q.header = http.Header{}
	}
	if err := q.write(conn); err != nil {
		e.t.Fatal(err)
	}
	return e.read(bufio.NewReader(conn), q.method)
}

func (e *env) read(r *bufio.Reader, method string) *reply {
	e.t.Helper()
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		e.t.Fatalf("read response: %v", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		e.t.Fatalf("read body: %v", err)
	}
	return &reply{resp.StatusCode, resp.Header, string(body)}
}

// presigned splits a pre-signed URL into a request.
func presigned(method, rawURL string) request {
	_, rest, _ := strings.Cut(rawURL, "://")
	i := strings.IndexAny(rest, "/?")
	return request{method: method, host: rest[:i], target: rest[i:], header: http.Header{}}
}

// presign makes a pre-signed request for this server.
func (e *env) presign(r sign.URLRequest, opts ...sign.PresignOptions) request {
	e.t.Helper()
	return e.presignFor("http://"+e.addr, testKey, r, opts...)
}

func (e *env) presignFor(endpoint string, key sign.Key, r sign.URLRequest, opts ...sign.PresignOptions) request {
	e.t.Helper()
	p, err := sign.NewPresigner(key, endpoint, testRegion, opts...)
	if err != nil {
		e.t.Fatal(err)
	}
	if r.Lifetime == 0 {
		r.Lifetime = 15 * time.Minute
	}
	if r.Time.IsZero() {
		r.Time = testTime
	}
	u, err := p.Presign(r)
	if err != nil {
		e.t.Fatal(err)
	}
	q := presigned(r.Method, u)
	for name, v := range r.Header {
		q.header[name] = v
	}
	return q
}

// query makes a pre-signed request with parameters given in pairs.
func (e *env) query(method, key string, params ...string) request {
	e.t.Helper()
	return e.presign(sign.URLRequest{Method: method, Bucket: "photos", Key: key, Query: pairs(params)})
}

func pairs(params []string) (q sign.Query) {
	for i := 0; i+1 < len(params); i += 2 {
		q = append(q, sign.Param{Name: params[i], Value: params[i+1]})
	}
	return q
}

// signed signs a request in the Authorization header.
func (e *env) signed(q request, opts ...sign.SignerOptions) request {
	e.t.Helper()
	o := sign.SignerOptions{Region: testRegion}
	if len(opts) > 0 {
		o = opts[0]
	}
	q, _ = e.signedPayload(q, o, "")
	return q
}

func (e *env) signedPayload(q request, o sign.SignerOptions, payload string) (request, *sign.Seed) {
	e.t.Helper()
	if q.header = q.header.Clone(); q.header == nil {
		q.header = http.Header{}
	}
	if q.host == "" {
		q.host = e.addr
	}
	if payload == "" {
		payload = sign.UnsignedPayload
	}
	r := &http.Request{Method: q.method, URL: &url.URL{}, RequestURI: q.target, Host: q.host, Header: q.header}
	seed, err := sign.NewSigner(testKey, o).Sign(r, payload, testTime)
	if err != nil {
		e.t.Fatal(err)
	}
	return q, seed
}

// do signs a request for path-style access in the header and sends it.
func (e *env) do(method, target, body string, headers ...string) *reply {
	e.t.Helper()
	h := http.Header{}
	for i := 0; i+1 < len(headers); i += 2 {
		h.Add(headers[i], headers[i+1])
	}
	return e.send(e.signed(request{method: method, target: target, header: h, body: body}))
}

func (e *env) want(r *reply, status int, code string) {
	e.t.Helper()
	if r.status != status || r.code() != code {
		e.t.Errorf("status %d, code %q, want %d, %q\n%s", r.status, r.code(), status, code, r.body)
	}
}

// idPattern matches what differs between two runs.
var idPattern = regexp.MustCompile(`<RequestId>[A-Z2-7]{16}</RequestId><HostId>[A-Za-z0-9+/=]{48}</HostId>`)

// masked returns a body with its ids taken out.
func masked(body string) string {
	return idPattern.ReplaceAllString(body, "<RequestId/><HostId/>")
}
