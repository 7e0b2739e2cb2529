package server

import (
	"crypto/sha256"
	"encoding/base64"
	"html"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
)

const (
	rightPIN = "12 34+é&"
	browser  = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"
)

// pinTag is the limit of the right PIN for the test key.
func pinTag(t testing.TB) string {
	t.Helper()
	tag, err := limits.NewPIN(strings.NewReader("sixteen bytes...and some more of it"), daypass.Secret(testKey.Secret), rightPIN)
	if err != nil {
		t.Fatal(err)
	}
	return tag.String()
}

// locked is a pass for p/a.txt that needs the right PIN.
func (e *passEnv) locked(more ...string) request {
	e.t.Helper()
	return e.query("GET", "p/a.txt", append([]string{limits.PIN, pinTag(e.t)}, more...)...)
}

// pinForm is what the page of a pass sends.
func (e *env) pinForm(target, pin string) request {
	return request{method: "POST", host: e.addr, target: "/.daypass/pin",
		header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {"null"}, "Sec-Fetch-Site": {"same-origin"}},
		body:   url.Values{"target": {target}, "pin": {pin}}.Encode()}
}

// unlock enters the right PIN and returns the cookie.
func (e *passEnv) unlock(q request) *http.Cookie {
	e.t.Helper()
	r := e.forward(e.pinForm(q.target, rightPIN), q.host)
	set := r.cookies()
	if r.status != 303 || len(set) != 1 {
		e.t.Fatalf("status %d, %v\n%s", r.status, r.header, r.body)
	}
	e.private(r)
	return set[0]
}

func (q request) withCookie(c *http.Cookie) request { return q.with("Cookie", c.Name+"="+c.Value) }

func TestPINHeader(t *testing.T) {
	e := newTree(t)
	q := e.locked()
	e.refused(e.send(q), 403, "AccessDenied", limits.PIN)
	e.refused(e.send(q.with("X-Daypass-Pin-Value", "")), 403, "AccessDenied", limits.PIN)
	if asked := e.ledger.asked(); asked != "" {
		t.Errorf("an empty header was a try: %s", asked)
	}
	wrong := e.send(q.with("X-Daypass-Pin-Value", "0000"))
	e.refused(wrong, 403, "AccessDenied", limits.PIN)
	e.granted(e.send(q.with("X-Daypass-Pin-Value", rightPIN)), 200, "p/a.txt")
	if asked := e.ledger.asked(); asked != "TryPIN TryPIN AcceptPIN" {
		t.Error(asked)
	}
	// A program's wrong PIN is answered in its language, HTML or not.
	if r := e.send(q.with("X-Daypass-Pin-Value", "0000", "Accept", browser)); r.code() != "AccessDenied" {
		t.Error(r.body)
	}
	for _, secret := range []string{rightPIN, "0000", "sixteen bytes"} {
		if strings.Contains(e.log.String(), secret) {
			t.Errorf("the log has %q", secret)
		}
	}
}

// TestPINWait uses the tries up, and learns how long to wait.
func TestPINWait(t *testing.T) {
	e := newTree(t, func(c *Config) {
		st, err := state.Open(t.Context(), newMemoryDriver(), state.MasterKey{1}, state.Options{Clock: c.Clock})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { st.Close() })
		c.Ledger = st
	})
	q := e.locked()
	for range 10 {
		e.refused(e.send(q.with("X-Daypass-Pin-Value", "0000")), 403, "AccessDenied", limits.PIN)
	}
	e.at(10 * time.Second)
	for _, pin := range []string{"0000", rightPIN} {
		r := e.send(q.with("X-Daypass-Pin-Value", pin))
		if e.want(r, 503, "SlowDown"); r.header.Get("Retry-After") != "50" {
			t.Errorf("Retry-After %q", r.header.Get("Retry-After"))
		}
	}
	r := e.send(e.pinForm(q.target, rightPIN))
	if r.status != 503 || r.header.Get("Retry-After") != "50" || !strings.Contains(r.body, "wait 50 seconds") || len(r.cookies()) > 0 {
		t.Errorf("status %d, %v\n%s", r.status, r.header, r.body)
	}
	e.at(time.Minute)
	e.unlock(q)
}

// TestPINLocked has a PIN guessed from many addresses.
func TestPINLocked(t *testing.T) {
	e := newTree(t, func(c *Config) { c.TrustedProxies = behindProxy() })
	q := e.locked()
	for i := range 100 {
		e.refused(e.send(q.with("X-Daypass-Pin-Value", "0000", "X-Forwarded-For", "192.0.2."+strconv.Itoa(i))), 403, "AccessDenied", limits.PIN)
	}
	e.want(e.send(q.with("X-Daypass-Pin-Value", rightPIN, "X-Forwarded-For", "198.51.100.1")), 403, "AccessDenied")
	r := e.send(e.pinForm(q.target, rightPIN).with("X-Forwarded-For", "198.51.100.1"))
	if r.status != 403 || !strings.Contains(r.body, "this link is locked") || strings.Contains(r.body, "<form") {
		t.Errorf("status %d\n%s", r.status, r.body)
	}
}

var (
	hiddenTarget = regexp.MustCompile(`<input type="hidden" name="target" value="([^"]*)">`)
	formAction   = regexp.MustCompile(`<form method="post" action="([^"]*)"`)
	pageStyle    = regexp.MustCompile(`(?s)<style>(.*)</style>`)
)

// TestPINPrompt opens a pass as a browser does: page, form, cookie, object.
func TestPINPrompt(t *testing.T) {
	e := newTree(t)
	q := e.locked(limits.Uses, "1", limits.Bind, "ip").with("Accept", browser)
	page := e.send(q)
	e.checkPage(page, 403)
	at := &url.URL{Scheme: "http", Host: e.addr, Path: "/photos/p/a.txt"}
	if action := e.pageLink(formAction, page, at); action.Path != "/.daypass/pin" {
		t.Errorf("the form goes to %s", action)
	}
	if target := e.hidden(page); target != q.target {
		t.Errorf("target %s, want %s", target, q.target)
	}
	wrong := e.send(e.pinForm(q.target, "0000"))
	e.checkPage(wrong, 403)
	if !strings.Contains(wrong.body, "That is not the PIN.") || e.hidden(wrong) != q.target || len(wrong.cookies()) > 0 {
		t.Error(wrong.body)
	}
	if action := e.pageLink(formAction, wrong, &url.URL{Scheme: "http", Host: e.addr, Path: "/.daypass/pin"}); action.Path != "/.daypass/pin" {
		t.Errorf("the form goes to %s", action)
	}
	empty := e.send(e.pinForm(q.target, ""))
	e.checkPage(empty, 403)
	if asked := e.ledger.asked(); asked != "TryPIN" {
		t.Errorf("asked %s", asked)
	}
	right := e.send(e.pinForm(q.target, rightPIN))
	set := right.cookies()
	if right.status != 303 || len(set) != 1 {
		t.Fatalf("status %d, %v\n%s", right.status, right.header, right.body)
	}
	if c := set[0]; c.Path != "/photos/p/a.txt" || c.MaxAge != 900 || !c.HttpOnly || c.Secure || c.SameSite != http.SameSiteLaxMode {
		t.Errorf("%+v", c)
	}
	to, err := (&url.URL{Scheme: "http", Host: e.addr, Path: "/.daypass/pin"}).Parse(right.header.Get("Location"))
	if err != nil || to.RequestURI() != q.target || to.Host != e.addr {
		t.Errorf("Location %s: %v", right.header.Get("Location"), err)
	}
	if asked := e.ledger.asked(); asked != "TryPIN AcceptPIN" {
		t.Errorf("the page took more than a try: %s", asked)
	}
	e.granted(e.send(q.withCookie(set[0])), 200, "p/a.txt")
	e.refused(e.send(q.withCookie(set[0])), 403, "AccessDenied", limits.Uses)
	if log := e.log.String(); strings.Contains(log, "0000") || strings.Contains(log, url.QueryEscape(rightPIN)) || strings.Contains(log, set[0].Value) {
		t.Error(log)
	}
}

// checkPage checks that a page can do nothing but send its form.
func (e *passEnv) checkPage(r *reply, status int) {
	e.t.Helper()
	h := r.header
	if r.status != status || h.Get("Content-Type") != "text/html; charset=utf-8" || h.Get("X-Frame-Options") != "DENY" ||
		h.Get("Referrer-Policy") != "no-referrer" || h.Get("X-Content-Type-Options") != "nosniff" {
		e.t.Errorf("status %d, %v\n%s", r.status, h, r.body)
	}
	e.private(r)
	style := pageStyle.FindStringSubmatch(r.body)
	sum := sha256.Sum256([]byte(style[1]))
	want := "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) +
		"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	if got := h.Get("Content-Security-Policy"); got != want {
		e.t.Errorf("policy %s, want %s", got, want)
	}
	for _, active := range []string{"<script", "<img", "<link", "<iframe", "src=", "url(", "@import", "style=", "onload", "ZgotmplZ"} {
		if strings.Contains(r.body, active) {
			e.t.Errorf("the page has %s", active)
		}
	}
}

func (e *passEnv) pageLink(p *regexp.Regexp, r *reply, at *url.URL) *url.URL {
	e.t.Helper()
	m := p.FindStringSubmatch(r.body)
	if m == nil {
		e.t.Fatal(r.body)
	}
	u, err := at.Parse(html.UnescapeString(m[1]))
	if err != nil {
		e.t.Fatal(err)
	}
	return u
}

func (e *passEnv) hidden(r *reply) string {
	e.t.Helper()
	m := hiddenTarget.FindStringSubmatch(r.body)
	if m == nil {
		e.t.Fatal(r.body)
	}
	return html.UnescapeString(m[1])
}

// TestPINPromptIsForPeople asks in ways for which there is no page.
func TestPINPromptIsForPeople(t *testing.T) {
	e := newTree(t)
	e.put(`p/"><script>alert(1)</script>`, "x")
	for what, q := range map[string]request{
		"program":       e.locked(),
		"image":         e.locked().with("Accept", "image/avif,image/webp,*/*;q=0.8"),
		"HEAD":          e.query("HEAD", "p/a.txt", limits.PIN, pinTag(t)).with("Accept", browser),
		"upload":        e.query("PUT", "p/a.txt", limits.PIN, pinTag(t)).with("Accept", browser),
		"delete":        e.query("DELETE", "p/a.txt", limits.PIN, pinTag(t)).with("Accept", browser),
		"origins":       e.locked(limits.Origin, "https://app.example.com").with("Accept", browser, "Origin", "https://app.example.com"),
		"bad signature": e.locked().change("X-Amz-Signature=", "X-Amz-Signature=0").with("Accept", browser),
		"backslash":     e.query("GET", `p/\evil`, limits.PIN, pinTag(t)).change("%5C", `\`).with("Accept", browser),
	} {
		r := e.send(q)
		if r.status != 403 || strings.Contains(r.header.Get("Content-Type"), "html") {
			t.Errorf("%s: status %d, %s", what, r.status, r.header.Get("Content-Type"))
		}
	}
	odd := e.query("GET", `p/"><script>alert(1)</script>`, limits.PIN, pinTag(t)).with("Accept", browser)
	e.checkPage(e.send(odd), 403)
	e.unlock(odd)
	listing := e.list(limits.PIN, pinTag(t)).with("Accept", browser)
	e.checkPage(e.send(listing), 403)
	if c := e.unlock(listing); c.Path != "/photos" {
		t.Errorf("path %s", c.Path)
	}
}

// TestPINFormForgeries sends forms that are not the page's.
func TestPINFormForgeries(t *testing.T) {
	e := newTree(t)
	e.put("p/free.txt", "free")
	q := e.locked()
	good := e.pinForm(q.target, rightPIN)
	e.ledger.asked()
	targets := []string{
		"", "/", "//evil.example.com" + q.target, "https://evil.example.com/", "http://" + e.addr + q.target, `/\evil.example.com`, `\\evil.example.com`,
		"/photos/p/a.txt", "javascript:alert(1)", q.target + "#x", q.target + "\r\nSet-Cookie: a=b", " " + q.target, q.target + "\x00", q.target + "é",
		q.target + strings.Repeat("&a=b", 2048), strings.Replace(q.target, "a.txt", "sub/b.txt", 1), e.query("GET", "p/free.txt").target,
		e.query("GET", "p/free.txt", limits.Name, "x").target, "/.daypass/pin", "/photos/%zz?x", "*",
	}
	for _, target := range targets {
		r := e.send(e.pinForm(target, rightPIN))
		if r.status < 400 || r.status >= 500 || len(r.cookies()) > 0 || r.header.Get("Location") != "" {
			t.Errorf("%s: status %d, %v", target, r.status, r.header)
		}
	}
	for what, form := range map[string]request{
		"another site":     good.with("Sec-Fetch-Site", "cross-site").dropFirst("Sec-Fetch-Site"),
		"a sibling":        good.with("Sec-Fetch-Site", "same-site").dropFirst("Sec-Fetch-Site"),
		"another origin":   good.dropFirst("Sec-Fetch-Site").dropFirst("Origin").with("Origin", "https://evil.example.com"),
		"another type":     good.dropFirst("Content-Type").with("Content-Type", "text/plain"),
		"no type":          good.dropFirst("Content-Type"),
		"two PINs":         good.changeBody("pin=", "pin=0000&pin="),
		"two targets":      good.changeBody("target=", "target=%2F&target="),
		"too large":        good.changeBody("pin=", "x="+strings.Repeat("x", maxPINForm)+"&pin="),
		"malformed":        good.changeBody("pin=", "pin=%zz"),
		"a later end":      e.pinForm(strings.Replace(q.target, "X-Amz-Expires=900", "X-Amz-Expires=9000", 1), rightPIN),
		"without the PIN":  e.pinForm(q.without(limits.PIN).target, rightPIN),
		"expired":          e.pinForm(e.presign(sign.URLRequest{Method: "GET", Bucket: "photos", Key: "p/a.txt", Time: testTime.Add(-time.Hour), Query: pairs([]string{limits.PIN, pinTag(t)})}).target, rightPIN),
		"another address":  e.pinForm(e.locked(limits.IP, "192.0.2.1").target, rightPIN),
		"another method":   e.pinForm(e.query("PUT", "p/a.txt", limits.PIN, pinTag(t)).target, rightPIN),
		"origins":          e.pinForm(e.locked(limits.Origin, "https://app.example.com").target, rightPIN),
		"with a signature": e.signed(request{method: "POST", target: "/.daypass/pin?x", header: good.header, body: good.body}),
	} {
		r := e.send(form)
		if r.status < 400 || r.status >= 500 || len(r.cookies()) > 0 {
			t.Errorf("%s: status %d, %v\n%s", what, r.status, r.header, r.body)
		}
	}
	if asked := e.ledger.asked(); strings.Contains(asked, "PIN") {
		t.Errorf("tries were taken: %s", asked)
	}
	e.unlock(q)
	for _, origin := range []string{"", "null", "http://" + e.addr} {
		form := good.dropFirst("Sec-Fetch-Site").dropFirst("Origin")
		if origin != "" {
			form = form.with("Origin", origin)
		}
		if r := e.send(form); r.status != 303 {
			t.Errorf("origin %q: status %d\n%s", origin, r.status, r.body)
		}
	}
	for _, method := range []string{"GET", "HEAD", "PUT", "DELETE"} {
		form := good
		form.method = method
		if r := e.send(form); r.status < 400 {
			t.Errorf("%s: status %d", method, r.status)
		}
	}
}

// dropFirst takes the first line of a header away.
func (q request) dropFirst(name string) request {
	q.header = q.header.Clone()
	if q.header[name] = q.header[name][1:]; len(q.header[name]) == 0 {
		delete(q.header, name)
	}
	return q
}

func (q request) changeBody(old, new string) request {
	q.body = strings.Replace(q.body, old, new, 1)
	return q
}

// TestPINCookieForgeries uses the cookie of another pass, of another server,
// beyond its end, and for writing.
func TestPINCookieForgeries(t *testing.T) {
	e := newTree(t)
	q, other := e.locked(limits.Until, "20260206T150000Z"), e.locked(limits.Name, "other")
	c := e.unlock(q)
	if c.MaxAge != 3600 {
		t.Errorf("Max-Age %d", c.MaxAge)
	}
	e.granted(e.send(q.withCookie(c)), 200, "p/a.txt")
	renamed, edited := *e.unlock(other), *c
	renamed.Name = c.Name
	seconds, mac, _ := strings.Cut(c.Value, ".")
	n, _ := strconv.ParseInt(seconds, 10, 64)
	edited.Value = strconv.FormatInt(n+1, 10) + "." + mac
	elsewhere := newTree(t)
	for what, forged := range map[string]*http.Cookie{
		"another pass's":    e.unlock(other),
		"renamed":           &renamed,
		"a later end":       &edited,
		"no MAC":            {Name: c.Name, Value: seconds},
		"an empty MAC":      {Name: c.Name, Value: seconds + "."},
		"leading zero":      {Name: c.Name, Value: "0" + c.Value},
		"sign":              {Name: c.Name, Value: "+" + c.Value},
		"padding":           {Name: c.Name, Value: c.Value + "="},
		"another server's":  elsewhere.unlock(q),
		"another name":      {Name: "daypass-pin-", Value: c.Value},
		"the pass's cookie": {Name: strings.Replace(c.Name, "pin-", "", 1), Value: c.Value},
	} {
		e.refused(e.send(q.withCookie(forged)), 403, "AccessDenied", limits.PIN)
		if r := e.send(request{method: "GET", host: e.addr, target: "/photos/p/a.txt"}.withCookie(forged)); r.status != 403 {
			t.Errorf("%s: status %d without the pass", what, r.status)
		}
	}
	// Without the pass it admits nothing, and nothing but reading with it.
	e.want(e.send(request{method: "GET", host: e.addr, target: "/photos/p/a.txt"}.withCookie(c)), 403, "AccessDenied")
	put := e.query("PUT", "p/new.txt", limits.PIN, pinTag(t))
	proof := http.Cookie{Name: pinCookiePrefix + e.idOf(put), Value: e.server.pinProof(e.idOf(put), "9999999999")}
	e.refused(e.send(put.withCookie(&proof)), 403, "AccessDenied", limits.PIN)
	e.at(time.Hour - time.Second)
	e.granted(e.send(q.withCookie(c)), 200, "p/a.txt")
	e.at(time.Hour)
	e.refused(e.send(q.withCookie(c)), 403, "AccessDenied", limits.PIN)
	e.at(0)
	if _, err := e.state.Revoke(t.Context(), state.Revocation{Pass: e.idOf(q)}); err != nil {
		t.Fatal(err)
	}
	if r := e.send(q.withCookie(c)); r.status != 403 || r.element("Revocation") == "" {
		t.Errorf("status %d\n%s", r.status, r.body)
	}
	if r := e.send(e.pinForm(q.target, rightPIN)); r.status != 403 || r.element("Revocation") == "" {
		t.Errorf("status %d\n%s", r.status, r.body)
	}
}

// idOf returns the pass id of a pre-signed request.
func (e *passEnv) idOf(q request) string {
	e.t.Helper()
	v := sign.NewVerifier(signingKeys{testKeys()}, sign.Options{Region: testRegion})
	r, _ := http.NewRequest(q.method, "http://"+q.host+q.target, nil)
	r.RequestURI = q.target
	result, err := v.Verify(r, testTime)
	if err != nil {
		e.t.Fatal(err)
	}
	return result.PassID()
}

// TestPINCookieIsShared checks that servers with one key believe each other.
func TestPINCookieIsShared(t *testing.T) {
	key := []byte(strings.Repeat("k", 32))
	a, b := newTree(t, func(c *Config) { c.PINKey = key }), newTree(t, func(c *Config) { c.PINKey = key })
	q := a.locked()
	set := a.unlock(q)
	at := q
	b.granted(b.forward(at.withCookie(set), a.addr), 200, "p/a.txt")
	cfg := testConfig(newStore(t))
	cfg.PINKey = key[:31]
	if _, err := New(cfg); err == nil {
		t.Error("a short key was taken")
	}
}

// forward sends a request for another host.
func (e *passEnv) forward(q request, host string) *reply {
	q.host = host
	return e.send(q)
}

// TestPINAndCookie opens a page below a prefix with a PIN: the cookie of the
// pass does not stand in for the PIN, nor does it bring up the page.
func TestPINAndCookie(t *testing.T) {
	e := newTree(t)
	q := e.tree("GET", limits.Cookie, "1", limits.PIN, pinTag(t)).at("p/a.txt").with("Accept", browser)
	page := e.send(q)
	if e.checkPage(page, 403); len(page.header["Set-Cookie"]) > 0 {
		t.Error(page.header)
	}
	proof := e.unlock(q)
	if proof.Path != "/photos/p/" {
		t.Errorf("path %s", proof.Path)
	}
	_, cookie := e.handedBy(q.withCookie(proof))
	both := cookie + "; " + proof.Name + "=" + proof.Value
	e.granted(e.send(e.relative("GET", "/photos/p/sub/b.txt", both)), 200, "p/sub/b.txt")
	alone := e.send(e.relative("GET", "/photos/p/sub/b.txt", cookie).with("Accept", browser))
	e.refused(alone, 403, "AccessDenied", limits.PIN)
	e.granted(e.send(e.relative("GET", "/photos/p/sub/b.txt", cookie).with("X-Daypass-Pin-Value", rightPIN)), 200, "p/sub/b.txt")
}

// TestPINHosts asks for the PIN where the host names the bucket, and below a
// path that is passed on, taken off with a header, or silently.
func TestPINHosts(t *testing.T) {
	e := newTree(t, func(c *Config) {
		c.BaseURLs, c.TrustedProxies = []string{"https://files.example.com/s3/x"}, behindProxy()
	})
	e.put("p;q/a", "content")
	tag := pinTag(t)
	for _, test := range []struct {
		endpoint, key, seen, cookie, strip string
		headers                            []string
		options                            []sign.PresignOptions
	}{
		{"http://localhost", "p/a.txt", "/", "/p/a.txt", "", nil, []sign.PresignOptions{{VirtualHost: true}}},
		{"http://localhost", "a", "/", "/a", "", nil, []sign.PresignOptions{{VirtualHost: true}}},
		{"https://files.example.com/s3/x", "p/a.txt", "/s3/x/", "/s3/x/photos/p/a.txt", "", []string{"X-Forwarded-Proto", "https"}, nil},
		{"https://files.example.com/s3/x", "p/a.txt", "/s3/x/", "/s3/x/photos/p/a.txt", "/s3/x", nil, nil},
		{"https://other.example.com/y", "p/a.txt", "/y/", "/y/photos/p/a.txt", "/y", []string{"X-Forwarded-Prefix", "/y"}, nil},
		{"http://" + e.addr, "p;q/a", "/", "/photos/p%3Bq/a", "", nil, nil},
	} {
		q := e.presignFor(test.endpoint, testKey, sign.URLRequest{Method: "GET", Bucket: "photos", Key: test.key, Query: pairs([]string{limits.PIN, tag})}, test.options...)
		if len(test.headers) > 0 {
			q = q.with(test.headers...)
		}
		seen := "https://" + q.host + q.target
		if test.strip != "" {
			q = q.change(test.strip, "")
		}
		page := e.send(q.with("Accept", browser))
		e.checkPage(page, 403)
		opened, err := url.Parse(seen)
		if err != nil {
			t.Fatal(err)
		}
		action := e.pageLink(formAction, page, opened)
		if action.Path != test.seen+".daypass/pin" {
			t.Errorf("%s: the form goes to %s", seen, action)
		}
		form := e.pinForm(e.hidden(page), rightPIN)
		form.host, form.target = q.host, strings.TrimPrefix(action.Path, test.strip)
		for name, v := range q.header {
			form = form.with(name, v[0])
		}
		r := e.send(form)
		set := r.cookies()
		if r.status != 303 || len(set) != 1 || set[0].Path != test.cookie || set[0].Secure != (q.header.Get("X-Forwarded-Proto") != "") {
			t.Errorf("%s: status %d, %v\n%s", seen, r.status, r.header, r.body)
			continue
		}
		if to, err := action.Parse(r.header.Get("Location")); err != nil || to.String() != seen {
			t.Errorf("%s: Location %s leads to %s", seen, r.header.Get("Location"), to)
		}
	}
}

func TestCookiePathWithOddCharacters(t *testing.T) {
	for path, want := range map[string]string{
		"/photos/p/a.txt": "/photos/p/a.txt", "/photos/p;x/a": "/photos/", "/photos/a;b": "/photos/", "/;": "/", "/a b/c": "/", "/a/\x7f": "/a/", "/é": "/",
	} {
		if got := cookiePath(path); got != want {
			t.Errorf("%q: %q, want %q", path, got, want)
		}
	}
}

// TestReservedPath checks that no S3 request is lost to the form's path.
func TestReservedPath(t *testing.T) {
	e := newTree(t)
	e.put(".daypass/pin", "an object")
	virtual := func(method, target string) request {
		return request{method: method, host: "photos.localhost", target: target, header: http.Header{}}
	}
	e.granted(e.send(e.presignFor("http://localhost", testKey, sign.URLRequest{Method: "GET", Bucket: "photos", Key: ".daypass/pin",
		Query: pairs([]string{limits.Name, "x"})}, sign.PresignOptions{VirtualHost: true})), 200, "an object")
	if r := e.send(virtual("POST", "/other")); r.status != 405 {
		t.Errorf("POST to an object: status %d", r.status)
	}
	upload := e.presignFor("http://localhost", testKey, sign.URLRequest{Method: "POST", Bucket: "photos", Key: ".daypass/pin",
		Query: pairs([]string{"uploads", ""})}, sign.PresignOptions{VirtualHost: true})
	if r := e.send(upload); r.status != 200 || r.element("UploadId") == "" {
		t.Errorf("status %d\n%s", r.status, r.body)
	}
}

// TestPINAddress counts tries by the address that the proxies tell of.
func TestPINAddress(t *testing.T) {
	e := newTree(t, func(c *Config) { c.TrustedProxies = behindProxy() })
	q := e.locked()
	for i := range 11 {
		r := e.send(e.pinForm(q.target, "0000").with("X-Forwarded-For", "2001:db8::"+strconv.Itoa(i+1)))
		if want := map[bool]int{true: 503, false: 403}[i == 10]; r.status != want {
			t.Errorf("try %d: status %d, want %d", i, r.status, want)
		}
	}
	if r := e.send(e.pinForm(q.target, rightPIN).with("X-Forwarded-For", netip.MustParseAddr("2001:db8:0:1::1").String())); r.status != 303 {
		t.Errorf("status %d", r.status)
	}
}

// TestPINFormIsNoUse checks that the right PIN is not yet a use of the pass,
// and that a wrong one is a refusal.
func TestPINFormIsNoUse(t *testing.T) {
	seen := &sightings{}
	e := newTree(t, func(c *Config) { c.Passes = seen })
	q := e.locked()
	proof := e.unlock(q)
	e.send(e.pinForm(q.target, "0000"))
	if s := seen.last(t, 1); s.Refused != 1 || s.Uses != 0 || s.ID != e.idOf(q) {
		t.Errorf("%+v", s)
	}
	e.send(q.withCookie(proof))
	if s := seen.last(t, 2); s.Refused != 0 || s.Uses != 1 || len(seen.list) != 2 {
		t.Errorf("%+v", s)
	}
}
