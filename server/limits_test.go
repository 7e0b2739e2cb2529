package server

import (
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"html"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/store"
)

// examples has a value for every limit.
var examples = []struct{ name, value string }{
	{limits.Name, "label"}, {limits.Uses, "1"}, {limits.NotBefore, "20260101T000000Z"}, {limits.Until, "20260207T000000Z"},
	{limits.IP, "127.0.0.1,::1"}, {limits.Bind, "ip"}, {limits.Size, "0-9"}, {limits.Type, "*/*"}, {limits.Overwrite, "no"},
	{limits.Rate, "1000000"}, {limits.Prefix, "dir/"}, {limits.ETag, "abc"}, {limits.PIN, examplePIN},
	{limits.Origin, "https://app.example.com"}, {limits.TLS, "required"}, {limits.As, "zip"}, {limits.Cookie, "1"},
}

const examplePIN = "AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

// TestUnknownCombination sends every limit with every action and compares the
// words of the refusal with those at minting.
func TestUnknownCombination(t *testing.T) {
	e := newPassEnv(t)
	for _, a := range s3.Actions() {
		if a.Name == s3.PostObject {
			continue // TestFormLimits
		}
		for _, limit := range examples {
			set, err := limits.Parse(pairs([]string{limit.name, limit.value}))
			if err != nil {
				t.Fatal(err)
			}
			want := ""
			var refusal *daypass.Error
			if errors.As(set.Check(limits.Pass{Action: a.Name, Scheme: daypass.SchemeQuery, Version: "SigV4"}), &refusal) {
				want = refusal.Message
			}
			status, message := e.combine(a, limit.name, limit.value)
			if a.Method == "HEAD" && (status == 400) != (want != "") {
				t.Errorf("%s for %s: status %d, want %q", limit.name, a.Name, status, want)
			}
			refused := strings.HasPrefix(message, "The limit ") && status == 400
			if a.Method != "HEAD" && (want != "" && message != want || want == "" && refused) {
				t.Errorf("%s for %s: status %d, %q, want %q", limit.name, a.Name, status, message, want)
			}
		}
	}
}

// combine asks for an action with a limit.
func (e *passEnv) combine(a s3.Action, name, value string) (status int, message string) {
	u := sign.URLRequest{Method: a.Method, Bucket: "photos", Key: "dir/", Query: sign.Query{{Name: name, Value: value}}}
	switch {
	case a.Level == s3.ServiceLevel:
		u.Bucket = ""
		fallthrough
	case a.Level == s3.BucketLevel:
		u.Key = ""
	}
	for _, p := range []string{a.Sub, a.With} {
		switch {
		case p == "list-type":
			u.Query = append(u.Query, sign.Param{Name: p, Value: "2"})
		case p != "":
			u.Query = append(u.Query, sign.Param{Name: p})
		}
	}
	q := e.presign(u)
	r := httptest.NewRequest(q.method, q.target, nil)
	r.Host, r.RemoteAddr = q.host, "127.0.0.1:99"
	w := httptest.NewRecorder()
	e.server.ServeHTTP(w, r)
	reply := reply{body: w.Body.String()}
	return w.Code, html.UnescapeString(reply.element("Message"))
}

// TestRefusedLimits checks that a limit is never ignored: what is unknown,
// misspelled, malformed or repeated is refused by name.
func TestRefusedLimits(t *testing.T) {
	e := newPassEnv(t)
	e.put("key", "content")
	for _, c := range []struct {
		params []string
		words  string
	}{
		{[]string{"x-daypass-max-uses", "1"}, "x-daypass-max-uses is unknown"},
		{[]string{"x-daypass-", "1"}, "The limit x-daypass- is unknown"},
		{[]string{"x-daypass-pin-value", "1234"}, "x-daypass-pin-value is unknown"},
		{[]string{"X-Daypass-Uses", "1"}, "X-Daypass-Uses must be written in lower case"},
		{[]string{"x-daypass-Uses", "1"}, "x-daypass-Uses must be written in lower case"},
		{[]string{"x-daypass-uses", "1", "X-DAYPASS-USES", "5"}, "X-DAYPASS-USES must be written in lower case"},
		{[]string{"x-daypass-uses", "1", "x-daypass-uses", "5"}, "x-daypass-uses is repeated"},
		{[]string{"x-daypass-uses", "5", "x-daypass-uses", "5"}, "x-daypass-uses is repeated"},
		{[]string{"x-daypass-uses", "0"}, "x-daypass-uses must be"},
		{[]string{"x-daypass-uses", "+1"}, "x-daypass-uses must be"},
		{[]string{"x-daypass-uses", ""}, "x-daypass-uses must be"},
		{[]string{"x-daypass-tls", "yes"}, "x-daypass-tls must be"},
		{[]string{"x-daypass-until", "tomorrow"}, "x-daypass-until must be"},
		{[]string{"x-daypass-name", "a\r\nSet-Cookie: b"}, "x-daypass-name must be"},
		{[]string{"x-daypass-<b>&", "<i>"}, "x-daypass-&lt;b&gt;&amp; is unknown"},
	} {
		r := e.send(e.query("GET", "key", c.params...))
		e.invalid(r, c.words)
		e.private(r)
	}
	// The repetition of a limit in another spelling of its name is one too.
	e.invalid(e.send(e.query("GET", "key", "x-daypass-uses", "1", "x-daypass-uses", "2").change("x-daypass-uses=2", "x%2Ddaypass%2Duses=2")), "is repeated")
	// A strange name costs neither memory nor time, nor does it come back whole.
	long := "x-daypass-" + strings.Repeat("A", 8<<10)
	if r := e.send(e.query("GET", "key", long, "1")); r.status != 400 || len(r.body) > 2<<10 {
		t.Errorf("status %d, %d bytes", r.status, len(r.body))
	}
}

// TestLimitInOtherCase checks that changing the case of a signed limit does not
// make it go away.
func TestLimitInOtherCase(t *testing.T) {
	e := newPassEnv(t)
	e.put("key", "content")
	q := e.query("GET", "key", "x-daypass-ip", "192.0.2.1")
	e.refused(e.send(q), 403, "AccessDenied", limits.IP)
	if r := e.send(q.change("x-daypass-ip", "X-Daypass-Ip")); r.status != 403 || r.code() != "SignatureDoesNotMatch" {
		t.Errorf("status %d\n%s", r.status, r.body)
	}
	if r := e.send(q.without("x-daypass-ip")); r.code() != "SignatureDoesNotMatch" {
		t.Errorf("status %d\n%s", r.status, r.body)
	}
}

// TestPassMovedIntoHeader takes the signature out of a URL with limits and puts
// it into an Authorization header, and signs limits there.
func TestPassMovedIntoHeader(t *testing.T) {
	e := newPassEnv(t)
	e.put("key", "content")
	q := e.query("GET", "key", "x-daypass-uses", "1")
	credential, signature := "", ""
	for pair := range strings.SplitSeq(q.target, "&") {
		if v, ok := strings.CutPrefix(pair, "X-Amz-Signature="); ok {
			signature = v
		}
		if _, v, ok := strings.Cut(pair, "X-Amz-Credential="); ok {
			credential = strings.ReplaceAll(v, "%2F", "/")
		}
	}
	authorization := "AWS4-HMAC-SHA256 Credential=" + credential + ", SignedHeaders=host, Signature=" + signature
	headers := []string{"Authorization", authorization, "X-Amz-Date", "20260206T120000Z", "X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"}
	moved := q.without("X-Amz-Signature").with(headers...)
	e.want(e.send(moved), 400, "InvalidArgument")
	e.want(e.send(q.with(headers...)), 400, "InvalidArgument")
	for _, param := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders"} {
		moved = moved.without(param)
	}
	e.invalid(e.send(moved), "x-daypass-uses cannot be used with header authentication")
	e.want(e.send(moved.without("x-daypass-uses")), 403, "AccessDenied")
	// With a signature that is good.
	for _, limit := range examples {
		target := "/photos/dir/?" + limit.name + "=" + sign.EscapeQuery(limit.value)
		e.invalid(e.send(e.signed(request{method: "GET", target: target})), limit.name+" cannot be used with header authentication")
		e.invalid(e.send(request{method: "GET", host: e.addr, target: target}), "The limit "+limit.name)
	}
	for _, name := range []string{"X-Daypass-Uses", "x-daypass-until", "X-Daypass-Nonsense"} {
		e.invalid(e.send(e.query("GET", "key").with(name, "1")), "is a parameter of the URL, not a header")
		e.invalid(e.send(e.signed(request{method: "GET", target: "/photos/key"}).with(name, "1")), "is a parameter of the URL, not a header")
	}
}

// TestV2SignsNoLimits adds limits to URLs whose signature does not cover them,
// and signs them with Version 2.
func TestV2SignsNoLimits(t *testing.T) {
	e := newPassEnv(t)
	e.put("dir/", "content")
	u := sign.URLRequest{Method: "GET", Bucket: "photos", Key: "dir/"}
	for _, limit := range examples {
		q := e.presign(u, sign.PresignOptions{Version: sign.V2}).change("?", "?"+limit.name+"="+sign.EscapeQuery(limit.value)+"&")
		e.invalid(e.send(q), limit.name+" cannot be used with Signature Version 2")
	}
	// The prefix would open what lies beside the object that was signed.
	e.put("dir/secret", "secret")
	q := e.presign(u, sign.PresignOptions{Version: sign.V2}).change("dir/?", "dir/secret?x-daypass-prefix=dir%2F&")
	e.invalid(e.send(q), "x-daypass-prefix cannot be used with Signature Version 2")
}

// TestRespelledURLIsTheSamePass spells a URL for one download in many ways.
func TestRespelledURLIsTheSamePass(t *testing.T) {
	e := newPassEnv(t)
	e.put("a b~", "content")
	q := e.query("GET", "a b~", "x-daypass-uses", "1", "x-daypass-name", "a b")
	e.granted(e.send(q), 200, "content")
	path, query, _ := strings.Cut(q.target, "?")
	params := strings.Split(query, "&")
	for i, j := 0, len(params)-1; i < j; i, j = i+1, j-1 {
		params[i], params[j] = params[j], params[i]
	}
	again := map[string]request{
		"as it is":          q,
		"reversed":          {target: path + "?" + strings.Join(params, "&")},
		"empty pairs":       {target: path + "?&&" + query + "&"},
		"escaped name":      q.change("x-daypass-uses", "x%2ddaypass%2duses"),
		"plus for space":    q.change("a%20b&", "a+b&"),
		"escaped digit":     q.change("x-daypass-uses=1", "x-daypass-uses=%31"),
		"lower-case escape": q.change("%2F", "%2f"),
		"escaped tilde":     q.change("~", "%7E"),
		"escaped letter":    q.change("/photos/a", "/photos/%61"),
		"absolute form":     {target: "http://" + e.addr + q.target},
		"upper-case":        {target: path + "?" + strings.Replace(query, "X-Amz-Date", "X-Amz-Date", 1), host: strings.ToUpper(q.host)},
	}
	for what, r := range again {
		r.method, r.header = "GET", http.Header{}
		if r.host == "" {
			r.host = q.host
		}
		if got := e.send(r); got.status != 403 || got.element("Limit") != limits.Uses {
			t.Errorf("%s: status %d\n%s", what, got.status, got.body)
		}
	}
	i := strings.Index(q.target, "X-Amz-Signature=") + len("X-Amz-Signature=")
	capitals := q.change(q.target[i:i+64], strings.ToUpper(q.target[i:i+64]))
	e.want(e.send(capitals), 403, "SignatureDoesNotMatch")
	e.want(e.send(q.change("X-Amz-Signature=", "X-Amz-Signature=00")), 403, "SignatureDoesNotMatch")
	e.want(e.send(q.change("?", "?x-other=1&")), 403, "SignatureDoesNotMatch")
	// Signing again is the right of the key's owner.
	e.granted(e.send(e.presign(sign.URLRequest{Method: "GET", Bucket: "photos", Key: "a b~", Query: pairs([]string{"x-daypass-uses", "1", "x-daypass-name", "a b"}),
		Time: testTime.Add(-time.Second)})), 200, "content")
}

// TestMirroredSignatureIsTheSamePass uses that (r, n-s) is as good an ECDSA
// signature as (r, s).
func TestMirroredSignatureIsTheSamePass(t *testing.T) {
	e := newPassEnv(t)
	e.put("key", "content")
	q := e.presign(sign.URLRequest{Method: "GET", Bucket: "photos", Key: "key", Query: pairs([]string{"x-daypass-uses", "1"})},
		sign.PresignOptions{Version: sign.V4A})
	e.granted(e.send(q), 200, "content")
	_, signature, _ := strings.Cut(q.target, "X-Amz-Signature=")
	signature, _, _ = strings.Cut(signature, "&")
	der, err := hex.DecodeString(signature)
	if err != nil {
		t.Fatal(err)
	}
	var pair struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &pair); err != nil {
		t.Fatal(err)
	}
	n, _ := new(big.Int).SetString("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)
	pair.S.Sub(n, pair.S)
	if der, err = asn1.Marshal(pair); err != nil {
		t.Fatal(err)
	}
	e.refused(e.send(q.change(signature, hex.EncodeToString(der))), 403, "AccessDenied", limits.Uses)
}

// TestTimes of limits: the first and the last moment of a pass.
func TestTimeLimits(t *testing.T) {
	e := newPassEnv(t)
	e.put("key", "content")
	q := e.query("GET", "key", "x-daypass-not-before", "20260206T120100Z", "x-daypass-until", "20260206T130000Z")
	for _, c := range []struct {
		later  time.Duration
		status int
		limit  string
	}{
		{59 * time.Second, 403, limits.NotBefore}, {time.Minute, 200, ""}, {20 * time.Minute, 200, ""},
		{time.Hour - time.Second, 200, ""}, {time.Hour, 403, limits.Until}, {48 * time.Hour, 403, limits.Until},
	} {
		e.at(c.later)
		r := e.send(q)
		if r.status != c.status || r.element("Limit") != c.limit {
			t.Errorf("after %v: status %d\n%s", c.later, r.status, r.body)
		}
		e.private(r)
		if c.limit == limits.Until && r.element("Message") != "Request has expired" {
			t.Error(r.body)
		}
	}
}

// TestUntilBeyondMaxLifetime asks for a longer life than the server allows.
func TestUntilBeyondMaxLifetime(t *testing.T) {
	year := func(c *Config) { c.MaxLifetime = 365 * 24 * time.Hour }
	for _, c := range []struct {
		server func(*Config)
		until  time.Duration
		later  time.Duration
		status int
	}{
		{func(*Config) {}, 7 * 24 * time.Hour, 7*24*time.Hour - time.Second, 200},
		{func(*Config) {}, 7 * 24 * time.Hour, 7 * 24 * time.Hour, 403},
		{func(*Config) {}, 7*24*time.Hour + time.Second, 0, 400},
		{year, 30 * 24 * time.Hour, 29 * 24 * time.Hour, 200},
		{year, 365 * 24 * time.Hour, 364 * 24 * time.Hour, 200},
		{year, 365*24*time.Hour + time.Second, 0, 400},
		{func(c *Config) { c.MaxLifetime = time.Hour }, 2 * time.Hour, 0, 400},
		{func(c *Config) { c.MaxLifetime, c.MaxSignatureAge = 365*24*time.Hour, time.Hour }, 30 * 24 * time.Hour, 2 * time.Hour, 403},
	} {
		e := newPassEnv(t, c.server)
		e.put("key", "content")
		q := e.query("GET", "key", limits.Until, testTime.Add(c.until).Format("20060102T150405Z"))
		e.at(c.later)
		r := e.send(q)
		if r.status != c.status {
			t.Errorf("until %v after %v: status %d\n%s", c.until, c.later, r.status, r.body)
		}
		if c.status == 400 {
			e.invalid(r, limits.Until)
		}
		e.private(r)
	}
	// Without the limit, a shorter lifetime cuts off whatever was signed.
	e := newPassEnv(t, func(c *Config) { c.MaxLifetime = time.Hour })
	e.put("key", "content")
	q := e.presign(sign.URLRequest{Method: "GET", Bucket: "photos", Key: "key", Lifetime: 24 * time.Hour})
	e.at(time.Hour - time.Second)
	e.want(e.send(q), 200, "")
	e.at(time.Hour)
	e.want(e.send(q), 403, "AccessDenied")
}

func TestAddressLimit(t *testing.T) {
	e := newPassEnv(t)
	e.put("key", "content")
	for value, allowed := range map[string]bool{
		"127.0.0.1": true, "127.0.0.0/8": true, "::ffff:127.0.0.1": true, "::ffff:127.0.0.0/104": true, "192.0.2.1,127.0.0.1/32": true,
		"192.0.2.1": false, "::1": false, "::/0": false, "128.0.0.0/1": false,
	} {
		r := e.send(e.query("GET", "key", limits.IP, value))
		if allowed {
			e.granted(r, 200, "content")
			continue
		}
		e.refused(r, 403, "AccessDenied", limits.IP)
		if r.element("Asked") != "127.0.0.1" {
			t.Error(r.body)
		}
	}
}

// TestOriginNeedsAPage uses a pass for pages without being on one, and on
// others.
func TestOriginNeedsAPage(t *testing.T) {
	e := newPassEnv(t)
	e.put("key", "content")
	q := e.query("GET", "key", limits.Origin, "https://app.example.com,http://localhost:3000")
	for _, c := range []struct {
		headers []string
		status  int
	}{
		{nil, 403},
		{[]string{"Origin", "https://app.example.com"}, 200},
		{[]string{"Origin", "http://localhost:3000"}, 200},
		{[]string{"Referer", "https://app.example.com/album?x#y"}, 200},
		{[]string{"Referer", "https://app.example.com:443/"}, 200},
		{[]string{"Referer", "https://app.example.com"}, 200},
		{[]string{"Origin", "https://evil.example", "Referer", "https://app.example.com/"}, 403},
		{[]string{"Origin", "https://evil.example"}, 403},
		{[]string{"Origin", "null"}, 403},
		{[]string{"Origin", "null", "Referer", "https://app.example.com/"}, 403},
		{[]string{"Origin", ""}, 403},
		{[]string{"Origin", "", "Referer", "https://app.example.com/"}, 403},
		{[]string{"Origin", "http://app.example.com"}, 403},
		{[]string{"Origin", "https://app.example.com.evil.example"}, 403},
		{[]string{"Referer", "https://evil.example/https://app.example.com/"}, 403},
		{[]string{"Referer", "https://app.example.com@evil.example/"}, 403},
		{[]string{"Referer", "https://evil.example/?https://app.example.com"}, 403},
		{[]string{"Referer", "https://evil.example#@app.example.com/"}, 403},
		{[]string{"Referer", "//app.example.com/"}, 403},
	} {
		r := e.send(q.with(c.headers...))
		if r.status != c.status {
			t.Errorf("%q: status %d\n%s", c.headers, r.status, r.body)
		}
		if c.status == 403 {
			e.refused(r, 403, "AccessDenied", limits.Origin)
		}
	}
}

// TestBindAfterAllOtherChecks checks that a request that is refused binds
// nothing, and that HEAD does not either.
func TestBindAfterAllOtherChecks(t *testing.T) {
	e := newPassEnv(t, func(c *Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		c.HeadWithGet = true
	})
	e.put("key", "content")
	from := func(q request, client string) *reply {
		return e.send(q.with("X-Forwarded-For", client))
	}
	bound := func(q request, extra ...string) {
		t.Helper()
		for _, client := range []string{"198.51.100.1", "2001:db8::1"} {
			r := from(q.with(extra...), client)
			if r.status < 400 {
				t.Errorf("status %d for %s", r.status, client)
			}
		}
		if asked := e.ledger.asked(); strings.Contains(asked, "Bind") {
			t.Errorf("the ledger was asked for %s", asked)
		}
	}
	q := e.query("GET", "key", limits.Bind, "ip", limits.IP, "192.0.2.0/24")
	bound(q)
	// A revoked one, and one that is refused by a policy, by its own time, and
	// by what every request is checked for.
	if _, err := e.state.Revoke(t.Context(), state.Revocation{Name: "gone", Owner: "alice"}); err != nil {
		t.Fatal(err)
	}
	bound(e.query("GET", "key", limits.Bind, "ip", limits.Name, "gone"))
	bound(e.query("GET", "key", limits.Bind, "ip", limits.NotBefore, "20260206T130000Z"))
	bound(e.query("GET", "key", limits.Bind, "ip", limits.Origin, "https://app.example.com"))
	bound(e.query("GET", "key", limits.Bind, "ip", limits.TLS, "required"))
	bound(e.query("GET", "key", limits.Bind, "ip", limits.PIN, examplePIN), "x-daypass-pin-value", "1234")
	bound(e.query("PUT", "key", limits.Bind, "ip", "x-amz-write-offset-bytes", "1"))
	bound(e.query("GET", "key", limits.Bind, "ip", "x-amz-expected-bucket-owner", "123456789012"))
	bound(e.query("GET", "key", limits.Bind, "ip", "versionId", "nonsense"))
	bound(e.query("GET", "none", limits.Bind, "ip"))
	bound(e.query("GET", "key", limits.Bind, "ip"), "Range", "bytes=99-")
	bound(e.upload("content", []string{limits.Bind, "ip", limits.Size, "1-3"}))
	bound(e.upload("content", []string{limits.Bind, "ip", limits.Type, "image/*"}))
	bound(e.presignFor("http://"+e.addr, sign.Key{ID: "AKIDBOB", Secret: "s"}, sign.URLRequest{Method: "GET", Bucket: "photos", Key: "key", Query: pairs([]string{limits.Bind, "ip"})}))

	// HEAD looks, and the first GET owns.
	head := q
	head.method = "HEAD"
	if r := from(head, "192.0.2.9"); r.status != 200 {
		t.Errorf("HEAD: status %d", r.status)
	}
	e.granted(from(q, "192.0.2.1"), 200, "content")
	e.granted(from(q, "::ffff:192.0.2.1"), 200, "content")
	r := from(q, "192.0.2.2")
	e.refused(r, 403, "AccessDenied", limits.Bind)
	if strings.Contains(r.body, "192.0.2.1") {
		t.Error("the owner's address is told to others")
	}
	if r := from(head, "192.0.2.2"); r.status != 403 {
		t.Errorf("HEAD of a stranger: status %d", r.status)
	}
	if r := from(head, "192.0.2.1"); r.status != 200 {
		t.Errorf("HEAD of the owner: status %d", r.status)
	}
	// No address, no binding.
	fresh := e.query("GET", "key", limits.Bind, "ip")
	e.refused(from(fresh, "unknown"), 403, "AccessDenied", limits.Bind)
	e.granted(from(fresh, "192.0.2.7"), 200, "content")
}

// TestBindRace lets many addresses use a pass at once.
func TestBindRace(t *testing.T) {
	e := newPassEnv(t, func(c *Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	e.put("key", "content")
	q := e.query("GET", "key", limits.Bind, "ip")
	var wg sync.WaitGroup
	won := make(chan string, 64)
	for i := range cap(won) {
		wg.Go(func() {
			if r := e.serve(q.with("X-Forwarded-For", fmt.Sprintf("192.0.2.%d", i))); r.Code == 200 {
				won <- r.Body.String()
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Errorf("%d addresses own the pass", len(won))
	}
}

// serve calls the handler without a network, from 127.0.0.1.
func (e *passEnv) serve(q request) *httptest.ResponseRecorder {
	r := httptest.NewRequest(q.method, q.target, strings.NewReader(q.body))
	r.Host, r.RemoteAddr, r.Header = q.host, "127.0.0.1:99", q.header.Clone()
	if q.body != "" {
		r.Header.Set("Content-Length", fmt.Sprint(len(q.body)))
	}
	w := httptest.NewRecorder()
	e.server.ServeHTTP(w, r)
	return w
}

// TestETagChanged replaces an object that a pass was made for.
func TestETagChanged(t *testing.T) {
	e := newPassEnv(t, func(c *Config) { c.HeadWithGet = true })
	etag := e.put("key", "content").ETag
	q := e.query("GET", "key", limits.ETag, `"`+etag+`"`)
	head := q
	head.method = "HEAD"
	e.granted(e.send(q), 200, "content")
	e.granted(e.send(q.with("Range", "bytes=0-2")), 206, "con")
	e.granted(e.send(q.with("If-None-Match", `"`+etag+`"`)), 304, "")
	other := e.put("key", "another").ETag
	for _, again := range []request{q, q.with("Range", "bytes=0-2"), q.with("If-None-Match", `"`+other+`"`), q.with("If-Match", `"`+other+`"`)} {
		r := e.send(again)
		e.refused(r, 412, "PreconditionFailed", limits.ETag)
		if strings.Contains(r.body, "another") {
			t.Error(r.body)
		}
	}
	if r := e.send(head); r.status != 412 {
		t.Errorf("HEAD: status %d", r.status)
	}
	e.put("key", "content")
	e.granted(e.send(q), 200, "content")
}

// TestNoStoreOverOverrides tries to make an answer storable.
func TestNoStoreOverOverrides(t *testing.T) {
	e := newPassEnv(t)
	etag := e.put("key", "content", store.Metadata{CacheControl: "public, max-age=31536000"}).ETag
	plain := e.send(e.query("GET", "key"))
	if got := plain.header.Get("Cache-Control"); got != "public, max-age=31536000" {
		t.Fatalf("Cache-Control %q", got)
	}
	over := []string{limits.Name, "x", "response-cache-control", "public, max-age=600"}
	q := e.query("GET", "key", over...)
	e.granted(e.send(q), 200, "content")
	e.granted(e.send(q.with("Range", "bytes=1-2")), 206, "on")
	e.granted(e.send(q.with("If-None-Match", `"`+etag+`"`)), 304, "")
	e.granted(e.send(e.query("HEAD", "key", over...)), 200, "")
	e.private(e.send(q.with("Range", "bytes=99-")))
	e.private(e.send(q.with("If-Match", `"x"`)))
	e.private(e.send(e.query("GET", "none", over...)))
	e.private(e.send(q.change("X-Amz-Signature=", "X-Amz-Signature=0")))
	put := e.query("PUT", "other", limits.Name, "x")
	put.body = "content"
	e.granted(e.send(put), 200, "")
	e.granted(e.send(e.presign(sign.URLRequest{Method: "DELETE", Bucket: "photos", Key: "other", Query: pairs([]string{limits.Name, "x"})})), 204, "")
}

// TestRevokedPass revokes passes in every way.
func TestRevokedPass(t *testing.T) {
	e := newPassEnv(t)
	e.put("dir/key", "content")
	e.put("dir/sub/key", "content")
	plain := e.query("GET", "dir/key")
	named := e.query("GET", "dir/key", limits.Name, "report", limits.IP, "127.0.0.1")
	tree := e.query("GET", "dir/", limits.Prefix, "dir/")
	list := e.presign(sign.URLRequest{Method: "GET", Bucket: "photos", Query: pairs([]string{"list-type", "2", limits.Prefix, "dir/"})})
	header := request{method: "GET", target: "/photos/dir/key"}
	all := map[string]request{"plain": plain, "named": named, "tree": tree.change("dir/?", "dir/key?"),
		"deep": tree.change("dir/?", "dir/sub/key?"), "list": list, "deep list": list.change("?", "?prefix=dir%2Fsub%2F&"),
		"v2":     e.presign(sign.URLRequest{Method: "GET", Bucket: "photos", Key: "dir/key"}, sign.PresignOptions{Version: sign.V2}),
		"header": e.signed(header)}
	check := func(what string, r state.Revocation, refused ...string) {
		t.Helper()
		made, err := e.state.Revoke(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		for name, q := range all {
			want := 200
			for _, one := range refused {
				if one == name {
					want = 403
				}
			}
			got := e.send(q)
			if got.status != want || want == 403 && (got.element("Message") != "This pass has been revoked." || got.element("Revocation") != made.ID) {
				t.Errorf("%s, %s: status %d, want %d\n%s", what, name, got.status, want, got.body)
			}
		}
		if _, err := e.state.Lift(t.Context(), made.ID); err != nil {
			t.Fatal(err)
		}
	}
	passes := []string{"plain", "named", "tree", "deep", "list", "deep list", "v2"}
	check("name", state.Revocation{Name: "report", Owner: "alice"}, "named")
	check("another owner's name", state.Revocation{Name: "report", Owner: "bob"})
	check("key", state.Revocation{Key: testKey.ID}, passes...)
	check("bucket", state.Revocation{Bucket: "photos"}, passes...)
	check("another bucket", state.Revocation{Bucket: "videos"})
	check("prefix", state.Revocation{Bucket: "photos", Prefix: "dir/"}, passes...)
	check("below the prefix", state.Revocation{Bucket: "photos", Prefix: "dir/sub/"}, "deep", "deep list")
	check("before", state.Revocation{Before: testTime.Add(time.Second)}, passes...)
	check("before, too early", state.Revocation{Before: testTime}, "v2") // which does not tell when it was signed
}

// TestRevocationsNotFresh checks that nothing is served on old knowledge.
func TestRevocationsNotFresh(t *testing.T) {
	e := newPassEnv(t, func(c *Config) { c.Revocations = staleRevocations{} })
	e.put("key", "content")
	e.want(e.send(e.query("GET", "key")), 503, "ServiceUnavailable")
	e.want(e.send(e.signed(request{method: "GET", target: "/photos/key"})), 200, "")
}

type staleRevocations struct{}

func (staleRevocations) Revoked(*state.Subject) (string, bool) { return "", false }
func (staleRevocations) Fresh() error {
	return &daypass.Error{Code: daypass.ServiceUnavailable, Err: errors.New("state is out of reach")}
}

// TestLimitsNeedState asks a server without state for limits that need it.
func TestLimitsNeedState(t *testing.T) {
	e := newPassEnv(t, func(c *Config) { c.Ledger = nil })
	e.put("key", "content")
	for _, limit := range examples {
		if _, needs := mustParse(t, limit.name, limit.value).NeedsState(); needs {
			e.invalid(e.send(e.query("GET", "key", limit.name, limit.value)), limit.name+" cannot be enforced by this server, which keeps no state")
		}
	}
	e.granted(e.send(e.query("GET", "key", limits.Name, "x", limits.IP, "127.0.0.1")), 200, "content")
}

func mustParse(t *testing.T, params ...string) *limits.Set {
	t.Helper()
	set, err := limits.Parse(pairs(params))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestUncountedTouchesNoState counts what state is asked for.
func TestUncountedTouchesNoState(t *testing.T) {
	e := newPassEnv(t)
	etag := e.put("dir/key", "content").ETag
	uncounted := []string{limits.Name, "x", limits.IP, "127.0.0.1", limits.Rate, "1000000000", limits.Until, "20260207T000000Z"}
	before := e.driver.calls.Load()
	for range 3 {
		e.want(e.send(e.query("GET", "dir/key")), 200, "")
		e.granted(e.send(e.query("GET", "dir/key", append(uncounted, limits.ETag, etag)...)), 200, "content")
		e.granted(e.send(e.query("HEAD", "dir/key", uncounted...)), 200, "")
		e.granted(e.send(e.query("GET", "dir/", append(uncounted, limits.Prefix, "dir/")...).change("dir/?", "dir/key?")), 200, "content")
		put := e.query("PUT", "other", append(uncounted, limits.Size, "0-9", limits.Type, "*/*")...)
		put.body = "content"
		e.granted(e.send(put), 200, "")
	}
	if n, asked := e.driver.calls.Load()-before, e.ledger.asked(); n != 0 || asked != "" {
		t.Errorf("state was asked %d times: %s", n, asked)
	}
	e.granted(e.send(e.query("GET", "dir/key", limits.Uses, "2")), 200, "content")
	if e.driver.calls.Load() == before {
		t.Error("the counter does not count")
	}
}

// sightings is a PassRecorder.
type sightings struct {
	mu   sync.Mutex
	list []state.Sighting
}

func (s *sightings) Seen(p *state.Sighting) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, *p)
}

// last waits for n sightings and returns the last one.
func (s *sightings) last(t *testing.T, n int) state.Sighting {
	t.Helper()
	for range 1000 {
		s.mu.Lock()
		list := s.list
		s.mu.Unlock()
		if len(list) >= n {
			return list[len(list)-1]
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("no %d sightings", n)
	return state.Sighting{}
}

// TestSight checks what is noted of passes, and that only who has the key can
// have something noted.
func TestSight(t *testing.T) {
	seen := &sightings{}
	e := newPassEnv(t, func(c *Config) { c.Passes = seen })
	e.put("dir/key", "content")
	limited := "x-daypass-name=a%20b&x-daypass-prefix=dir%2F"
	q := e.query("GET", "dir/", limits.Prefix, "dir/", limits.Name, "a b").change("dir/?", "dir/key?")
	e.granted(e.send(q), 200, "content")
	got := seen.last(t, 1)
	id := got.ID
	if len(id) != 26 {
		t.Errorf("id %q", id)
	}
	want := state.Sighting{ID: id, Name: "a b", Key: testKey.ID, Owner: "alice", Action: "GetObject", Bucket: "photos", Object: "dir/",
		Limits: limited, Signed: testTime, Ends: testTime.Add(15 * time.Minute), First: testTime, Last: testTime, Uses: 1, Sent: 7}
	if got != want {
		t.Errorf("%+v", got)
	}
	e.want(e.send(q.change("dir/key", "dir/none")), 404, "NoSuchKey")
	if got := seen.last(t, 2); got.ID != id || got.Refused != 1 || got.Uses != 0 {
		t.Errorf("%+v", got)
	}
	put := e.query("PUT", "other", limits.Size, "0-3")
	put.body = "content"
	e.refused(e.send(put), 400, "EntityTooLarge", limits.Size)
	if got := seen.last(t, 3); got.Refused != 1 || got.Limits != "x-daypass-size=0-3" || got.Object != "other" {
		t.Errorf("%+v", got)
	}
	e.invalid(e.send(e.query("GET", "dir/key", limits.Size, "0-3")), "cannot be enforced for GetObject")
	if got := seen.last(t, 4); got.Refused != 1 {
		t.Errorf("%+v", got)
	}
	e.want(e.send(q.change("X-Amz-Signature=", "X-Amz-Signature=0")), 403, "SignatureDoesNotMatch")
	e.want(e.send(e.signed(request{method: "GET", target: "/photos/dir/key"})), 200, "")
	e.want(e.send(e.query("GET", "dir/key")), 200, "")
	if got := seen.last(t, 5); got.Limits != "" || got.Uses != 1 || len(seen.list) != 5 {
		t.Errorf("%+v", seen.list)
	}
}

// BenchmarkGetPass is BenchmarkGetPresigned with revocations and statistics,
// for a pass without limits and for one whose limits need no state.
func BenchmarkGetPass(b *testing.B) {
	for name, params := range map[string][]string{
		"plain":   nil,
		"limited": {limits.Name, "report", limits.IP, "127.0.0.0/8,::1", limits.Until, "20260207T000000Z", limits.Rate, "1099511627776"},
	} {
		b.Run(name, func(b *testing.B) {
			e := newPassEnv(b, func(c *Config) { c.Logger = nil })
			e.put("key", strings.Repeat("x", 4<<10))
			q := e.query("GET", "key", params...)
			r := httptest.NewRequest("GET", q.target, nil)
			r.Host, r.RemoteAddr = q.host, "127.0.0.1:99"
			b.ReportAllocs()
			for b.Loop() {
				w := &nowhere{header: make(http.Header, 16)}
				e.server.ServeHTTP(w, r)
				if w.header.Get("Last-Modified") == "" {
					b.Fatal("no object")
				}
			}
		})
	}
}

// TestMethodNotAllowedIsPrivate checks that no cache keeps the refusal of a
// method, which caches may keep by themselves (RFC 9110, section 15.1).
func TestMethodNotAllowedIsPrivate(t *testing.T) {
	e := newPassEnv(t)
	q := e.query("GET", "key", limits.Name, "n")
	for _, method := range []string{"PATCH", "POST"} {
		q.method = method
		r := e.send(q)
		if e.private(r); r.status != 405 {
			t.Errorf("%s: status %d", method, r.status)
		}
	}
}
