package server

import (
	"crypto/tls"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
)

// cookies returns the cookies that an answer sets.
func (r *reply) cookies() []*http.Cookie {
	return (&http.Response{Header: r.header}).Cookies()
}

// handed uses a pass for p/ that sets a cookie, and returns what a browser
// sends back.
func (e *passEnv) handed(more ...string) (cookie *http.Cookie, header string) {
	e.t.Helper()
	return e.handedBy(e.tree("GET", append([]string{limits.Cookie, "1"}, more...)...).at("p/a.txt"))
}

func (e *passEnv) handedBy(q request) (cookie *http.Cookie, header string) {
	e.t.Helper()
	r := e.send(q)
	if set := r.cookies(); r.status == 200 && len(set) == 1 {
		return set[0], set[0].Name + "=" + set[0].Value
	}
	e.t.Fatalf("status %d, cookies %v\n%s", r.status, r.header["Set-Cookie"], r.body)
	return nil, ""
}

// behindProxy trusts the peers of the tests.
func behindProxy() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

// relative is a request as a page sends it, with a cookie.
func (e *env) relative(method, target, cookie string) request {
	q := request{method: method, host: e.addr, target: target, header: http.Header{}}
	if cookie != "" {
		q.header.Set("Cookie", cookie)
	}
	return q
}

func TestCookieAttributes(t *testing.T) {
	e := newTree(t)
	set, _ := e.handed()
	if set.Path != "/photos/p/" || set.MaxAge != 900 || !set.HttpOnly || set.Secure || set.SameSite != http.SameSiteLaxMode ||
		set.Domain != "" || set.Quoted {
		t.Errorf("%+v", set)
	}
	raw, err := base64.RawURLEncoding.DecodeString(set.Value)
	if pass, ok := strings.CutPrefix(set.Name, "daypass-"); !ok || len(pass) != 26 || err != nil || !strings.Contains(string(raw), "X-Amz-Signature=") {
		t.Errorf("%s=%s: %v", set.Name, raw, err)
	}
	e.at(14 * time.Minute)
	if set, _ := e.handed(); set.MaxAge != 60 {
		t.Errorf("Max-Age %d after 14 of 15 minutes", set.MaxAge)
	}
	if set, _ := e.handed(limits.Until, "20260206T133000Z"); set.MaxAge != 76*60 {
		t.Errorf("Max-Age %d with until", set.MaxAge)
	}
	if r := e.send(e.tree("GET", limits.Cookie, "1").at("p/a.txt").with("Range", "bytes=0-0")); r.status != 206 || len(r.cookies()) != 1 {
		t.Errorf("a range: status %d, %v", r.status, r.header["Set-Cookie"])
	}
	if r := e.send(e.tree("HEAD", limits.Cookie, "1").at("p/a.txt")); r.status != 200 || len(r.cookies()) != 1 {
		t.Errorf("HEAD: status %d, %v", r.status, r.header["Set-Cookie"])
	}
}

// TestCookieIsSecureOverTLS sends requests over TLS, and by a proxy that does.
func TestCookieIsSecureOverTLS(t *testing.T) {
	e := newTree(t)
	q := e.tree("GET", limits.Cookie, "1").at("p/a.txt")
	for _, tlsState := range []*tls.ConnectionState{nil, {}} {
		r := httptest.NewRequest("GET", q.target, nil)
		r.RequestURI, r.Host, r.TLS = q.target, q.host, tlsState
		w := httptest.NewRecorder()
		e.server.ServeHTTP(w, r)
		if set := w.Result().Cookies(); len(set) != 1 || set[0].Secure != (tlsState != nil) {
			t.Errorf("TLS %v: %v", tlsState != nil, w.Result().Header["Set-Cookie"])
		}
	}
}

func TestCookieIsNotSet(t *testing.T) {
	e := newTree(t)
	for what, q := range map[string]request{
		"not asked for": e.tree("GET").at("p/a.txt"),
		"no object":     e.tree("GET", limits.Cookie, "1").at("p/none"),
		"outside":       e.tree("GET", limits.Cookie, "1").at("secret"),
		"a bad range":   e.tree("GET", limits.Cookie, "1").at("p/a.txt").with("Range", "bytes=9999-"),
		"unsigned":      e.tree("GET").at("p/a.txt").change("?", "?x-daypass-cookie=1&"),
		"archive":       e.tree("GET", limits.As, "zip"),
		"listing":       e.list(limits.Cookie, "1"),
		"no prefix":     e.query("GET", "p/a.txt", limits.Cookie, "1"),
		"upload":        e.tree("PUT", limits.Cookie, "1").at("p/a.txt"),
	} {
		if r := e.send(q); len(r.header["Set-Cookie"]) > 0 {
			t.Errorf("%s: status %d, %v", what, r.status, r.header["Set-Cookie"])
		}
	}
	e.invalid(e.send(e.list(limits.Cookie, "1")), "cannot be enforced for ListObjectsV2")
	e.invalid(e.send(e.tree("GET", limits.As, "zip", limits.Cookie, "1")), "cannot go with")
	// A cookie is not handed on by one.
	_, cookie := e.handed()
	if r := e.send(e.relative("GET", "/photos/p/a.txt", cookie)); r.status != 200 || len(r.header["Set-Cookie"]) > 0 {
		t.Errorf("status %d, %v", r.status, r.header["Set-Cookie"])
	}
}

// TestCookieAdmits reads what lies below the prefix, and nothing else.
func TestCookieAdmits(t *testing.T) {
	e := newTree(t)
	_, cookie := e.handed()
	for _, target := range []string{"/photos/p/a.txt", "/photos/p/sub/b.txt", "/photos/p/a%20b", "/photos/%70%2Fa.txt", "/photos/p/a.txt?"} {
		r := e.send(e.relative("GET", target, cookie))
		if e.private(r); r.status != 200 || !strings.HasPrefix(r.body, "p/") {
			t.Errorf("%s: status %d\n%s", target, r.status, r.body)
		}
	}
	if r := e.send(e.relative("GET", "/photos/p/a.txt", "a=b; "+cookie+"; theme=dark").with("Range", "bytes=2-4")); r.status != 206 || r.body != "a.t" {
		t.Errorf("status %d %q", r.status, r.body)
	}
	e.want(e.send(e.relative("GET", "/photos/p/none", cookie)), 404, "NoSuchKey")
	for _, target := range []string{
		"/photos/p-private/secret", "/photos/secret", "/photos/p", "/photos/q/c", "/photos/P/a.txt", "/photos//p/a.txt",
		"/photos/p/../secret", "/photos/p/%2e%2e/secret", "/photos/p/..%2Fsecret", "/photos/p/.%2Fa.txt", "/photos/p/%5C..%5Csecret", "/photos/p/a%00",
		"/photos", "/photos/", "/", "/photos?list-type=2&prefix=p/", "/photos?location",
	} {
		e.want(e.send(e.relative("GET", target, cookie)), 403, "AccessDenied")
	}
	e.want(e.send(e.relative("GET", "/other/p/a.txt", cookie)), 403, "SignatureDoesNotMatch")
	for _, query := range []string{"?tagging", "?acl", "?attributes", "?versionId=null", "?partNumber=1", "?x", "?&", "?x-id=GetObject", "?response-content-type=text%2Fhtml"} {
		if r := e.send(e.relative("GET", "/photos/p/a.txt"+query, cookie)); r.status < 400 {
			t.Errorf("%s: status %d", query, r.status)
		}
	}
}

// TestCookieOnlyReads tries everything that changes something.
func TestCookieOnlyReads(t *testing.T) {
	e := newTree(t)
	_, cookie := e.handed()
	for _, method := range []string{"PUT", "POST", "DELETE", "PATCH"} {
		q := e.relative(method, "/photos/p/a.txt", cookie)
		q.body = "other"
		if r := e.send(q); r.status != 403 && r.status != 405 {
			t.Errorf("%s: status %d\n%s", method, r.status, r.body)
		}
	}
	for _, target := range []string{"/photos/p/a.txt?uploads", "/photos?delete", "/photos"} {
		if r := e.send(e.relative("POST", target, cookie)); r.status < 400 {
			t.Errorf("%s: status %d", target, r.status)
		}
	}
	if got := e.content("p/a.txt"); got != "p/a.txt" {
		t.Errorf("%q", got)
	}
	// A cookie of a pass that the signer made for writing, or for another
	// action, which is never handed out.
	for _, q := range []request{
		e.tree("PUT", limits.Cookie, "1"), e.tree("DELETE", limits.Cookie, "1"), e.tree("GET", limits.Cookie, "1", "tagging", ""),
		e.tree("GET", limits.Cookie, "1", "versionId", "null"), e.list(limits.Cookie, "1"), e.tree("GET"), e.tree("GET", limits.As, "zip"),
		e.query("GET", "p/a.txt"), e.query("GET", "p/a.txt", limits.Cookie, "1"), e.tree("GET", limits.Cookie, "1", limits.As, "zip"),
	} {
		for _, method := range []string{"GET", "PUT", "DELETE"} {
			if r := e.send(e.relative(method, "/photos/p/a.txt", forged(q))); r.status < 400 || r.status >= 500 {
				t.Errorf("%s with a cookie of %s %s: status %d", method, q.method, q.target, r.status)
			}
		}
	}
}

// forged is a cookie of a URL under some name.
func forged(q request) string {
	_, query, _ := strings.Cut(q.target, "?")
	return "daypass-" + strings.Repeat("A", 26) + "=" + base64.RawURLEncoding.EncodeToString([]byte(query))
}

// TestCookieForgeries changes cookies and how they are sent.
func TestCookieForgeries(t *testing.T) {
	e := newTree(t)
	set, cookie := e.handed()
	raw, _ := base64.RawURLEncoding.DecodeString(set.Value)
	edited := func(old, new string) string {
		if !strings.Contains(string(raw), old) {
			t.Fatalf("no %q in %s", old, raw)
		}
		return set.Name + "=" + base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(raw), old, new, 1)))
	}
	for what, cookie := range map[string]string{
		"another name":       forged(e.tree("GET", limits.Cookie, "1")),
		"lower-case name":    strings.ToLower(set.Name) + "=" + set.Value,
		"no value":           set.Name + "=",
		"padded":             cookie + "==",
		"not base64":         set.Name + "=%%%",
		"a wider prefix":     edited("x-daypass-prefix=p%2F", "x-daypass-prefix="),
		"more time":          edited("X-Amz-Expires=900", "X-Amz-Expires=9000"),
		"no signature":       edited("X-Amz-Signature=", "X-Amz-Other="),
		"another signature":  edited("X-Amz-Signature=", "X-Amz-Signature=0"),
		"two signatures":     edited("X-Amz-Signature=", "X-Amz-Signature=0&X-Amz-Signature="),
		"an added override":  edited("X-Amz-Expires", "response-content-type=text%2Fhtml&X-Amz-Expires"),
		"an added action":    edited("X-Amz-Expires", "tagging&X-Amz-Expires"),
		"a limit twice":      edited("x-daypass-cookie=1", "x-daypass-cookie=1&x-daypass-cookie=1"),
		"malformed":          edited("x-daypass-cookie=1", "x-daypass-cookie=1&a=%zz"),
		"without the option": edited("x-daypass-cookie=1&", ""),
	} {
		r := e.send(e.relative("GET", "/photos/p/a.txt", cookie))
		if r.status != 403 && r.status != 400 || strings.Contains(r.body, "SignatureProvided") || strings.Contains(r.body, "StringToSign") {
			t.Errorf("%s: status %d\n%s", what, r.status, r.body)
		}
	}
	// Beside another authentication it is none.
	signed := e.signed(request{method: "GET", target: "/photos/p/a.txt", header: http.Header{"Cookie": {cookie}}})
	e.want(e.send(signed), 200, "")
	e.want(e.send(signed.change("a.txt", "a%20b")), 403, "SignatureDoesNotMatch")
	e.want(e.send(e.relative("GET", "/photos/p/a.txt", cookie).with("Authorization", "Bearer x")), 400, "InvalidArgument")
	e.want(e.send(e.relative("GET", "/photos/p/a.txt", cookie).with("x-amz-acl", "private")), 403, "AccessDenied")
	e.invalid(e.send(e.relative("GET", "/photos/p/a.txt", cookie).with("X-Daypass-Prefix", "p/")), "not a header")
	// The method is signed: HEAD only where the URL may be used for it.
	if r := e.send(e.relative("HEAD", "/photos/p/a.txt", cookie)); r.status != 403 {
		t.Errorf("HEAD: status %d", r.status)
	}
	_, head := e.handedBy(e.tree("HEAD", limits.Cookie, "1").at("p/a.txt"))
	if r := e.send(e.relative("HEAD", "/photos/p/sub/b.txt", head)); r.status != 200 {
		t.Errorf("HEAD: status %d", r.status)
	}
	e.want(e.send(e.relative("GET", "/photos/p/sub/b.txt", head)), 403, "SignatureDoesNotMatch")
	// Another host is another signature.
	elsewhere := e.relative("GET", "/photos/p/a.txt", cookie)
	elsewhere.host = "elsewhere.example.com"
	e.want(e.send(elsewhere), 403, "SignatureDoesNotMatch")
}

// TestCookieIsThePass checks that limits, revocation, uses, name and the end of
// the pass hold for its cookie.
func TestCookieIsThePass(t *testing.T) {
	e := newTree(t)
	q := func(cookie string) request { return e.relative("GET", "/photos/p/sub/b.txt", cookie) }
	set, cookie := e.handed()
	e.at(15 * time.Minute)
	e.want(e.send(q(cookie)), 403, "AccessDenied")
	e.at(0)
	e.want(e.send(q(cookie)), 200, "")
	if _, err := e.state.Revoke(t.Context(), state.Revocation{Pass: strings.TrimPrefix(set.Name, "daypass-")}); err != nil {
		t.Fatal(err)
	}
	r := e.send(q(cookie))
	if e.want(r, 403, "AccessDenied"); r.element("Revocation") == "" {
		t.Error(r.body)
	}

	_, once := e.handed(limits.Uses, "1")
	e.granted(e.send(q(once)), 200, "p/sub/b.txt")
	e.refused(e.send(q(once)), 403, "AccessDenied", limits.Uses)
	e.refused(e.send(e.relative("GET", "/photos/p/a.txt", once)), 403, "AccessDenied", limits.Uses)

	proxied := newTree(t, func(c *Config) { c.TrustedProxies = behindProxy() })
	from := func(q request, addr string) request { return q.with("X-Forwarded-For", addr) }
	_, bound := proxied.handedBy(from(proxied.tree("GET", limits.Cookie, "1", limits.Bind, "ip").at("p/a.txt"), "192.0.2.1"))
	here := proxied.relative("GET", "/photos/p/sub/b.txt", bound)
	proxied.granted(proxied.send(from(here, "192.0.2.1")), 200, "p/sub/b.txt")
	proxied.refused(proxied.send(from(here, "192.0.2.2")), 403, "AccessDenied", limits.Bind)

	if !strings.Contains(e.log.String(), "scheme=cookie") || strings.Contains(e.log.String(), set.Value[:40]) {
		t.Error(e.log.String())
	}
}

// TestCookieKeepsOverrides checks that what the signer says of the answer
// cannot be stripped by coming back with the cookie.
func TestCookieKeepsOverrides(t *testing.T) {
	e := newTree(t)
	_, cookie := e.handed("response-content-disposition", "attachment", "response-content-type", "application/octet-stream")
	r := e.send(e.relative("GET", "/photos/p/sub/b.txt", cookie))
	if r.status != 200 || r.header.Get("Content-Disposition") != "attachment" || r.header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("status %d, %v", r.status, r.header)
	}
}

// TestCookieBesidePublicObjects checks that a cookie is of no consequence
// where everybody may read.
func TestCookieBesidePublicObjects(t *testing.T) {
	r := newRealm(t)
	r.put("p/public", "open")
	r.put("p/closed", "closed")
	block := `<PublicAccessBlockConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></PublicAccessBlockConfiguration>`
	r.must("PUT", "/photos?publicAccessBlock", block)
	r.policy(statement("Allow", "*", "s3:GetObject", "arn:aws:s3:::photos/p/public"))
	q := r.presignFor("http://"+r.addr, r.alice, sign.URLRequest{Method: "GET", Bucket: "photos", Key: "p/", Query: pairs([]string{limits.Prefix, "p/", limits.Cookie, "1"})})
	set := r.send(q.at("p/closed")).cookies()
	if len(set) != 1 {
		t.Fatal("no cookie")
	}
	cookie := set[0].Name + "=" + set[0].Value
	for _, c := range []string{cookie, cookie + "x", set[0].Name + "=x", ""} {
		r.want(r.send(r.relative("GET", "/photos/p/public", c)), 200, "")
	}
	r.want(r.send(r.relative("GET", "/photos/p/closed", cookie)), 200, "")
	r.now = testTime.Add(time.Hour)
	r.want(r.send(r.relative("GET", "/photos/p/public", cookie)), 200, "")
	expired := r.send(r.relative("GET", "/photos/p/closed", cookie))
	if r.want(expired, 403, "AccessDenied"); expired.element("Message") != "Request has expired" {
		t.Error(expired.body)
	}
	// The holder's permissions are those of the signer.
	r.now = testTime
	weak := r.user("weak", statement("Allow", "", "s3:GetObject", "arn:aws:s3:::photos/p/a*", `{"StringEquals":{"s3:authType":"REST-QUERY-STRING"}}`))
	r.put("p/a", "a")
	q = r.presignFor("http://"+r.addr, weak, sign.URLRequest{Method: "GET", Bucket: "photos", Key: "p/", Query: pairs([]string{limits.Prefix, "p/", limits.Cookie, "1"})})
	set = r.send(q.at("p/a")).cookies()
	if len(set) != 1 {
		t.Fatal("no cookie")
	}
	cookie = set[0].Name + "=" + set[0].Value
	r.want(r.send(r.relative("GET", "/photos/p/a", cookie)), 200, "")
	r.want(r.send(r.relative("GET", "/photos/p/closed", cookie)), 403, "AccessDenied")
}

// TestSeveralCookies has a browser send more than one: the newest that admits
// the request counts, and at most four are tried.
func TestSeveralCookies(t *testing.T) {
	e := newTree(t)
	at := func(ago time.Duration, prefix string, more ...string) string {
		q := e.presign(sign.URLRequest{Method: "GET", Bucket: "photos", Key: prefix, Time: testTime.Add(-ago),
			Query: pairs(append([]string{limits.Prefix, prefix, limits.Cookie, "1"}, more...))})
		_, cookie := e.handedBy(q.at(prefix + map[string]string{"p/": "a.txt", "q/": "c"}[prefix]))
		return cookie
	}
	old, fresh, other := at(10*time.Minute, "p/", limits.Uses, "1"), at(time.Minute, "p/"), at(0, "q/")
	q := func(cookies ...string) request {
		return e.relative("GET", "/photos/p/a.txt", strings.Join(cookies, "; "))
	}
	e.refused(e.send(q(old)), 403, "AccessDenied", limits.Uses)
	e.want(e.send(q(old, other, fresh)), 200, "")
	e.want(e.send(q(fresh, old)), 200, "")
	e.want(e.send(q(other)), 403, "AccessDenied")
	broken := make([]string, 0, 4)
	for _, name := range []string{"A", "B", "C", "D"} {
		broken = append(broken, "daypass-"+strings.Repeat(name, 26)+strings.TrimLeft(strings.Replace(fresh, "daypass-", "", 1), "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
	}
	e.want(e.send(q(append(broken[:3:3], fresh)...)), 200, "")
	e.refused(e.send(q(append(broken, fresh)...)), 403, "AccessDenied", limits.Cookie)
	// The error is that of the first, here that of the newest.
	gone := at(0, "p/", limits.Until, "20260206T120100Z")
	e.at(2 * time.Minute)
	if r := e.send(q(gone, broken[0])); r.element("Message") != "Request has expired" {
		t.Error(r.body)
	}
}

// TestCookieOfLongURL bounds the cookie by what browsers keep.
func TestCookieOfLongURL(t *testing.T) {
	e := newTree(t)
	long := func(n int) request {
		return e.tree("GET", limits.Cookie, "1", "x-amz-meta-x", strings.Repeat("x", n)).at("p/a.txt")
	}
	n := 2850 - len(strings.SplitN(long(0).target, "?", 2)[1])
	set, cookie := e.handedBy(long(n))
	if len(set.Value) != maxCookie {
		t.Fatalf("%d bytes", len(set.Value))
	}
	e.want(e.send(e.relative("GET", "/photos/p/sub/b.txt", cookie)), 200, "")
	e.invalid(e.send(long(n+1)), "x-daypass-cookie needs a shorter URL")
}

// TestCookiePath checks where browsers send the cookie: below the prefix as
// they see it.
func TestCookiePath(t *testing.T) {
	e := newTree(t, func(c *Config) {
		c.BaseURLs, c.TrustedProxies = []string{"https://files.example.com/s3/x"}, behindProxy()
	})
	e.put("a (b);c/é/key", "content")
	const prefix = "a (b);c/é/"
	u := sign.URLRequest{Method: "GET", Bucket: "photos", Key: prefix, Query: pairs([]string{limits.Prefix, prefix, limits.Cookie, "1"})}
	for _, test := range []struct {
		endpoint, old, new string
		headers            []string
		want               string
		options            []sign.PresignOptions
	}{
		{"http://" + e.addr, "%A9/", "%A9/key", nil, "/photos/a%20%28b%29%3Bc/%C3%A9/", nil},
		{"http://" + e.addr, "a%20%28b%29%3Bc/%C3%A9/", "a%20(b)%3bc/%c3%a9/key", nil, "/photos/a%20(b)%3bc/%c3%a9/", nil},
		{"http://" + e.addr, "a%20%28b%29%3Bc/%C3%A9/", "a%20(b);c/%c3%a9/key", nil, "/photos/a%20%28b%29%3Bc/%C3%A9/", nil},
		{"http://" + e.addr, "%A9/", "%A9%2Fkey", nil, "/photos/a%20%28b%29%3Bc/%C3%A9/", nil},
		{"https://files.example.com/s3/x", "%A9/", "%A9/key", nil, "/s3/x/photos/a%20%28b%29%3Bc/%C3%A9/", nil},
		{"https://files.example.com/s3/x", "%A9/", "%A9/key", []string{"strip", ""}, "/s3/x/photos/a%20%28b%29%3Bc/%C3%A9/", nil},
		{"https://other.example.com/y", "%A9/", "%A9/key", []string{"X-Forwarded-Prefix", "/y"}, "/y/photos/a%20%28b%29%3Bc/%C3%A9/", nil},
		{"http://localhost", "%A9/", "%A9/key", nil, "/a%20%28b%29%3Bc/%C3%A9/", []sign.PresignOptions{{VirtualHost: true}}},
	} {
		q := e.presignFor(test.endpoint, testKey, u, test.options...).change(test.old, test.new)
		switch {
		case len(test.headers) > 0 && test.headers[0] == "strip":
			q = q.change("/s3/x", "")
		case len(test.headers) > 0:
			q = q.change("/y", "").with(test.headers...)
		}
		set, cookie := e.handedBy(q)
		if set.Path != test.want {
			t.Errorf("%s%s: path %s, want %s", q.host, q.target, set.Path, test.want)
		}
		q.target, _, _ = strings.Cut(q.target, "?")
		e.want(e.send(q.with("Cookie", cookie)), 200, "")
	}
}
