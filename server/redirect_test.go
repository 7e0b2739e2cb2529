package server

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/store"
	"github.com/daypass/daypass/store/diskstore"
)

// A redirector is a store that makes URLs and notes what it was asked for.
type redirector struct {
	*diskstore.Driver
	mu      sync.Mutex
	asked   []store.RedirectRequest
	refuses bool
}

const engineURL = "https://engine.example/photos/key?X-Amz-Signature=0"

func (d *redirector) RedirectURL(_ context.Context, req store.RedirectRequest) (string, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, req)
	return engineURL, !d.refuses, nil
}

// last returns the last request, if there was one since.
func (d *redirector) last() (req store.RedirectRequest, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if ok = len(d.asked) > 0; ok {
		req = d.asked[len(d.asked)-1]
	}
	d.asked = nil
	return req, ok
}

// newRedirects is a server whose engine makes URLs, with an object key.
func newRedirects(t testing.TB, mode Redirect, change ...func(*Config)) (*passEnv, *redirector, *eventLog) {
	t.Helper()
	d, err := diskstore.Open(diskstore.Options{Dir: t.TempDir(), MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	r := &redirector{Driver: d}
	s := store.New(r, store.WithWrappingKeys(oneWrappingKey{}))
	t.Cleanup(func() { s.Close() })
	log := &eventLog{}
	e := newPassEnv(t, append([]func(*Config){log.sink, func(c *Config) { c.Store, c.Redirect = s, mode }}, change...)...)
	e.store = s
	e.bucket("photos")
	e.put("key", "content")
	e.put("p/a.txt", "text")
	e.put("p/../key", "text")
	return e, r, log
}

// redirected checks that an answer sends the client to the engine.
func (e *passEnv) redirected(what string, r *reply) {
	e.t.Helper()
	if r.status != http.StatusTemporaryRedirect || r.header.Get("Location") != engineURL || r.body != "" {
		e.t.Errorf("%s: status %d, Location %q, body %q, want a redirect", what, r.status, r.header.Get("Location"), r.body)
		return
	}
	e.private(r)
}

func TestRedirectGet(t *testing.T) {
	e, d, log := newRedirects(t, RedirectGet)
	get := func(params ...string) request { return e.query("GET", "key", params...) }
	ref := daypass.ObjectRef{Bucket: "photos", Key: "key"}
	for _, tt := range []struct {
		what string
		q    request
		want store.RedirectRequest
	}{
		{"plain", get(), store.RedirectRequest{Ref: ref}},
		{"a range", get().with("Range", "bytes=1-2"), store.RedirectRequest{Ref: ref, Range: "bytes=1-2"}},
		{"conditions that hold", get().with("If-None-Match", `"other"`, "If-Modified-Since", "Mon, 02 Jan 2006 15:04:05 GMT"), store.RedirectRequest{Ref: ref}},
		{"overrides", get("response-content-type", "text/html", "response-content-disposition", `attachment; filename="a b"`, "response-cache-control", "no-cache",
			"response-content-encoding", "gzip", "response-content-language", "de", "response-expires", "x"),
			store.RedirectRequest{Ref: ref, Response: store.ResponseHeaders{ContentType: "text/html", ContentDisposition: `attachment; filename="a b"`,
				CacheControl: "no-cache", ContentEncoding: "gzip", ContentLanguage: "de", Expires: "x"}}},
		{"as of the SDK for JavaScript", get("x-amz-checksum-mode", "ENABLED", "x-id", "GetObject"), store.RedirectRequest{Ref: ref}},
		{"a name", get(limits.Name, "label"), store.RedirectRequest{Ref: ref, Response: store.ResponseHeaders{CacheControl: "private, no-store"}}},
		{"a name and overrides", get(limits.Name, "label", "response-cache-control", "public", "response-expires", "x"),
			store.RedirectRequest{Ref: ref, Response: store.ResponseHeaders{CacheControl: "private, no-store"}}},
		{"times", get(limits.NotBefore, "20260101T000000Z", limits.Until, "20260206T120500Z"),
			store.RedirectRequest{Ref: ref, Response: store.ResponseHeaders{CacheControl: "private, no-store"}}},
		{"below a prefix", e.query("GET", "p/", limits.Prefix, "p/").at("p/a.txt"),
			store.RedirectRequest{Ref: daypass.ObjectRef{Bucket: "photos", Key: "p/a.txt"}, Response: store.ResponseHeaders{CacheControl: "private, no-store"}}},
	} {
		log.take()
		r := e.send(tt.q)
		e.redirected(tt.what, r)
		tt.want.Life = store.MaxRedirectLife
		got, _ := d.last()
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: the URL is for (-want +got)\n%s", tt.what, diff)
		}
		if ev := log.one(t); ev.Status != 307 || ev.Action != daypass.GetObject || ev.Code != "" || ev.Sent != 0 || ev.Grant.PassID == "" {
			t.Errorf("%s: event %+v", tt.what, ev)
		}
	}
}

// TestRedirectStreams lists what is served, not redirected: nothing that
// checks a request may be lost.
func TestRedirectStreams(t *testing.T) {
	e, d, _ := newRedirects(t, RedirectAll)
	get := func(params ...string) request { return e.query("GET", "key", params...) }
	etag := `"` + e.put("key", "content").ETag + `"`
	_, cookie := e.handed()
	d.last()
	for _, tt := range []struct {
		what string
		q    request
		code int
	}{
		{"header-signed", e.signed(request{method: "GET", target: "/photos/key"}), 200},
		{"cookie", e.relative("GET", "/photos/p/a.txt", cookie), 200},
		{"a pass that sets a cookie", e.query("GET", "p/", limits.Prefix, "p/", limits.Cookie, "1").at("p/a.txt"), 200},
		{"zip", e.query("GET", "p/", limits.Prefix, "p/", limits.As, "zip"), 200},
		{"listing", e.presign(sign.URLRequest{Method: "GET", Bucket: "photos", Query: pairs([]string{"list-type", "2", limits.Prefix, "p/"})}), 200},
		{"HEAD", e.query("HEAD", "key"), 200},
		{"uses", get(limits.Uses, "1"), 200},
		{"bind", get(limits.Bind, "ip"), 200},
		{"ip", get(limits.IP, "127.0.0.1,::1"), 200},
		{"rate", get(limits.Rate, "1000000"), 200},
		{"etag", get(limits.ETag, strings.Trim(etag, `"`)), 200},
		{"pin", get(limits.PIN, examplePIN), 403},
		{"origin", get(limits.Origin, "https://app.example.com").with("Origin", "https://app.example.com"), 200},
		{"a script's request", get().with("Origin", "https://app.example.com"), 200},
		{"If-Match", get().with("If-Match", etag), 200},
		{"If-Unmodified-Since", get().with("If-Unmodified-Since", "Mon, 02 Jan 2106 15:04:05 GMT"), 200},
		{"If-Range", get().with("If-Range", etag, "Range", "bytes=1-2"), 206},
		{"several ranges", get().with("Range", "bytes=1-2,4-5"), 200},
		{"a part", get("partNumber", "1"), 206},
		{"checksum mode as a header", e.presign(sign.URLRequest{Method: "GET", Bucket: "photos", Key: "key",
			Header: http.Header{"X-Amz-Checksum-Mode": {"ENABLED"}}}), 200},
		{"an override that is not ASCII", get("response-content-disposition", "attachment; filename=\"\u00e4\""), 200},
		{"PUT without Expect", e.query("PUT", "new"), 200},
		{"a script's request to the page's own server", get().with("Sec-Fetch-Mode", "cors"), 200},
		{"the same, not to other servers", get().with("Sec-Fetch-Mode", "same-origin"), 200},
		{"a key that clients would shorten", e.query("GET", "p/../key"), 200},
	} {
		r := e.send(tt.q)
		if r.status != tt.code || r.header.Get("Location") != "" {
			t.Errorf("%s: status %d, Location %q, want %d\n%s", tt.what, r.status, r.header.Get("Location"), tt.code, r.body)
		}
	}
	for what, q := range map[string]request{
		"not modified": get().with("If-None-Match", etag),
		"bad range":    get().with("Range", "bytes=100-"),
		"missing":      e.query("GET", "none"),
		"revoked":      get(limits.NotBefore, "20270101T000000Z"),
		"no tls":       get(limits.TLS, "required"),
		"tampered":     get().change("X-Amz-Signature=", "X-Amz-Signature=0"),
	} {
		if r := e.send(q); r.status < 304 || r.status == 307 || r.header.Get("Location") != "" {
			t.Errorf("%s: status %d", what, r.status)
		}
	}
	d.last()
	d.refuses = true
	if r := e.send(get()); r.status != 200 || r.body != "content" {
		t.Errorf("an engine without a URL: status %d %q", r.status, r.body)
	}
}

// TestRedirectEncrypted: only this server can read what it has encrypted.
func TestRedirectEncrypted(t *testing.T) {
	e, _, _ := newRedirects(t, RedirectGet)
	r := e.do("PUT", "/photos/sealed", "secret", "X-Amz-Server-Side-Encryption", "AES256")
	e.want(r, 200, "")
	if r := e.send(e.query("GET", "sealed")); r.status != 200 || r.body != "secret" {
		t.Errorf("status %d, %q", r.status, r.body)
	}
}

// TestRedirectOff: without the setting, nothing asks the engine.
func TestRedirectOff(t *testing.T) {
	e, d, _ := newRedirects(t, RedirectNone)
	if r := e.send(e.query("GET", "key")); r.status != 200 {
		t.Errorf("status %d", r.status)
	}
	if _, asked := d.last(); asked {
		t.Error("the engine was asked for a URL")
	}
}

// TestRedirectLife: a URL ends with what it stands for.
func TestRedirectLife(t *testing.T) {
	e, d, _ := newRedirects(t, RedirectGet, func(c *Config) { c.MaxSignatureAge = 2 * time.Minute })
	at := func(age, life time.Duration) request {
		return e.presign(sign.URLRequest{Method: "GET", Bucket: "photos", Key: "key", Time: testTime.Add(-age), Lifetime: life})
	}
	for _, tt := range []struct {
		q    request
		want time.Duration
	}{
		{at(0, time.Hour), 10 * time.Second},
		{at(57*time.Second, time.Minute), 3 * time.Second},
		{at(116*time.Second, time.Hour), 4 * time.Second},
	} {
		e.redirected("a pass", e.send(tt.q))
		if got, _ := d.last(); got.Life != tt.want {
			t.Errorf("the URL lives %v, want %v", got.Life, tt.want)
		}
	}
	e.at(time.Second / 2)
	if r := e.send(at(59*time.Second, time.Minute)); r.status != 200 {
		t.Errorf("half a second before its end, a pass is answered %d", r.status)
	}
}

// TestRedirectTLS: who came over TLS is not sent away from it.
func TestRedirectTLS(t *testing.T) {
	e, d, _ := newRedirects(t, RedirectGet, func(c *Config) { c.TrustedProxies = behindProxy() })
	for _, q := range []request{
		e.query("GET", "key").with("X-Forwarded-Proto", "https"),
		e.query("GET", "key", limits.TLS, "required").with("X-Forwarded-Proto", "https"),
	} {
		e.redirected("over TLS", e.send(q))
		if got, _ := d.last(); !got.TLS {
			t.Error("the URL need not have TLS")
		}
	}
}

// announce sends the header of a PUT and reads the answer, before any of its
// body is sent.
func (e *passEnv) announce(q request) *reply {
	e.t.Helper()
	conn := e.dial()
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	body := q.body
	q.body = ""
	if err := q.write(conn); err != nil {
		e.t.Fatal(err)
	}
	in := bufio.NewReader(conn)
	if line, err := in.Peek(12); err == nil && string(line) == "HTTP/1.1 100" {
		if _, err := http.ReadResponse(in, nil); err != nil {
			e.t.Fatal(err)
		}
		if _, err := io.WriteString(conn, body); err != nil {
			e.t.Fatal(err)
		}
	}
	r := e.read(in, q.method)
	if r.status == http.StatusTemporaryRedirect {
		if _, err := in.ReadByte(); err != io.EOF {
			e.t.Errorf("the connection stays open for a body that does not come: %v", err)
		}
	}
	return r
}

func TestRedirectPut(t *testing.T) {
	e, d, log := newRedirects(t, RedirectAll)
	// It is larger than what net/http reads of a body that nobody wants.
	body := strings.Repeat("text", 80<<10)
	put := func(params ...string) request {
		q := e.query("PUT", "new", params...).with("Expect", "100-continue", "Content-Length", strconv.Itoa(len(body)))
		q.body = body
		return q
	}
	log.take()
	r := e.announce(put().with("Content-Type", "text/plain", "Content-Md5", md5Of(body)))
	e.redirected("PUT", r)
	want := store.RedirectRequest{Ref: daypass.ObjectRef{Bucket: "photos", Key: "new"}, Write: true, ContentType: "text/plain",
		ContentMD5: md5Of(body), ContentLength: int64(len(body)), Life: store.MaxRedirectLife}
	if got, _ := d.last(); !cmp.Equal(want, got) {
		t.Errorf("the URL is for (-want +got)\n%s", cmp.Diff(want, got))
	}
	if ev := log.one(t); ev.Status != 307 || ev.Action != daypass.PutObject || ev.Code != "" {
		t.Errorf("event %+v", ev)
	}
	for what, q := range map[string]request{
		"size":                  put(limits.Size, "0-999999"),
		"type":                  put(limits.Type, "*/*"),
		"overwrite":             put(limits.Overwrite, "no"),
		"uses":                  put(limits.Uses, "1"),
		"metadata":              put().with("X-Amz-Meta-A", "b"),
		"tags":                  put().with("X-Amz-Tagging", "a=b"),
		"condition":             put().with("If-None-Match", "*"),
		"cache control":         put().with("Cache-Control", "no-cache"),
		"checksum":              put().with("X-Amz-Checksum-Crc32", "AAAAAA=="),
		"encryption":            put().with("X-Amz-Server-Side-Encryption", "AES256"),
		"a body that is signed": withLength(e.presign(sign.URLRequest{Method: "PUT", Bucket: "photos", Key: "new", PayloadSHA256: fmt.Sprintf("%x", sha256.Sum256([]byte(body)))}), body),
		"payload's hash":        put().with("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"),
	} {
		if r := e.announce(q); r.status == 307 || r.header.Get("Location") != "" {
			t.Errorf("%s: a PUT was redirected", what)
		}
		if _, asked := d.last(); asked {
			t.Errorf("%s: the engine was asked for a URL", what)
		}
	}
	if e.content("new") != body {
		t.Error("nothing was stored")
	}
}

// withLength announces a body.
func withLength(q request, body string) request {
	q.body = body
	return q.with("Expect", "100-continue", "Content-Length", strconv.Itoa(len(body)))
}

// TestRedirectPolicies: what a policy or an access control list has looked at
// must be so for whoever follows the URL, for as long as that lives.
func TestRedirectPolicies(t *testing.T) {
	d, err := diskstore.Open(diskstore.Options{Dir: t.TempDir(), MinFree: 1})
	if err != nil {
		t.Fatal(err)
	}
	engine := &redirector{Driver: d}
	r := newRealm(t, func(c *Config) {
		c.Redirect, c.Store = RedirectGet, store.New(engine)
		t.Cleanup(func() { c.Store.Close() })
		if _, err := c.Store.CreateBucket(t.Context(), store.Bucket{Name: "photos", Owner: "alice", Region: testRegion}, testTime); err != nil {
			t.Fatal(err)
		}
	})
	r.must("PUT", "/photos/key", "content")
	everywhere := func(operator, key, value string) string {
		return statement("Deny", "*", "s3:GetObject", allARN, `{"`+operator+`":{"`+key+`":"`+value+`"}}`)
	}
	const here = `{"IpAddress":{"aws:SourceIp":"127.0.0.1"}}`
	allow := statement("Allow", "", "s3:*", "*")
	plain, near := r.user("plain", allow), r.user("near", statement("Allow", "", "s3:*", "*", here))
	for _, tt := range []struct {
		what   string
		key    sign.Key
		policy []string
		status int
	}{
		{"no policy", r.alice, nil, 307},
		{"a key's policy", plain, nil, 307},
		{"a key's policy that asks for the address", near, nil, 200},
		{"a bucket's policy that asks for nothing of the moment", plain, []string{statement("Deny", "*", "s3:DeleteObject", allARN, here)}, 307},
		{"one that asks for TLS", plain, []string{everywhere("Bool", "aws:SecureTransport", "true")}, 307},
		{"for the address", plain, []string{everywhere("IpAddress", "aws:SourceIp", "192.0.2.1")}, 200},
		{"for the page", plain, []string{everywhere("StringEquals", "aws:Referer", "https://evil.example/")}, 200},
		{"for the time", plain, []string{everywhere("DateGreaterThan", "aws:CurrentTime", "2026-02-06T12:00:05Z")}, 200},
		{"for the signature's age", plain, []string{everywhere("NumericGreaterThan", "s3:signatureAge", "5000")}, 200},
		{"for the object's tags", plain, []string{everywhere("StringEquals", "s3:ExistingObjectTag/secret", "yes")}, 200},
	} {
		r.policy(tt.policy...)
		if got := r.url(tt.key, "GET", "key"); got.status != tt.status {
			t.Errorf("%s: status %d, want %d\n%s", tt.what, got.status, tt.status, got.body)
		}
	}
	r.policy()
	r.must("PUT", "/photos?ownershipControls", `<OwnershipControls><Rule><ObjectOwnership>ObjectWriter</ObjectOwnership></Rule></OwnershipControls>`)
	if got := r.url(r.alice, "GET", "key"); got.status != 200 {
		t.Errorf("access control lists: status %d", got.status)
	}
}

// TestRedirectPutOnlyIfConfigured: get leaves uploads alone.
func TestRedirectPutOnlyIfConfigured(t *testing.T) {
	e, d, _ := newRedirects(t, RedirectGet)
	q := e.query("PUT", "new").with("Expect", "100-continue", "Content-Length", "4")
	q.body = "text"
	e.want(e.announce(q), 200, "")
	if _, asked := d.last(); asked {
		t.Error("the engine was asked for a URL")
	}
}

func TestParseRedirect(t *testing.T) {
	for word, want := range map[string]Redirect{"off": RedirectNone, "get": RedirectGet, "all": RedirectAll} {
		if got, err := ParseRedirect(word); got != want || err != nil {
			t.Errorf("%s: %v, %v", word, got, err)
		}
	}
	if _, err := ParseRedirect("on"); err == nil {
		t.Error("on is taken for something")
	}
}

type waits time.Duration

func (w waits) Error() string             { return "wait" }
func (w waits) RetryAfter() time.Duration { return time.Duration(w) }

// TestRetryAfter: whoever is told to come back is told when.
func TestRetryAfter(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&daypass.Error{Code: daypass.ServiceUnavailable}, "1"},
		{&daypass.Error{Code: daypass.SlowDown}, "1"},
		{&daypass.Error{Code: daypass.ServiceUnavailable, Err: waits(4100 * time.Millisecond)}, "5"},
		{&daypass.Error{Code: daypass.InternalError, Err: waits(time.Second)}, ""},
	} {
		h := http.Header{}
		setRetryAfter(h, tt.err)
		if got := h.Get("Retry-After"); got != tt.want {
			t.Errorf("%v: Retry-After %q, want %q", tt.err, got, tt.want)
		}
	}
}
