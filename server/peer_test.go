package server

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
)

func behindProxies(t *testing.T) *Server {
	cfg := testConfig(newStore(t))
	cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const unknown = "invalid IP"

// TestForwardedFromStranger has clients that are no proxies claim addresses.
func TestForwardedFromStranger(t *testing.T) {
	s := behindProxies(t)
	for _, peer := range []string{"192.0.2.1:99", "[::ffff:192.0.2.1]:99"} {
		for _, h := range []http.Header{
			{"X-Forwarded-For": {"203.0.113.9"}}, {"Forwarded": {"for=203.0.113.9;proto=https"}}, {"X-Real-Ip": {"203.0.113.9"}},
			{"X-Forwarded-For": {"10.0.0.1"}, "X-Forwarded-Proto": {"https"}},
		} {
			r := &http.Request{RemoteAddr: peer, Header: h}
			if got := s.clientAddress(r).String(); got != "192.0.2.1" || s.encrypted(r) {
				t.Errorf("%s with %v: %s, %v", peer, h, got, s.encrypted(r))
			}
		}
	}
	// A pass for another address stays closed.
	e := newPassEnv(t)
	e.put("key", "content")
	q := e.query("GET", "key", limits.IP, "203.0.113.0/24")
	for _, headers := range [][]string{{"X-Forwarded-For", "203.0.113.9"}, {"Forwarded", "for=203.0.113.9"}, {"X-Real-Ip", "203.0.113.9"}} {
		e.refused(e.send(q.with(headers...)), 403, "AccessDenied", limits.IP)
	}
	mine := e.query("GET", "key", limits.IP, "127.0.0.1")
	e.granted(e.send(mine.with("X-Forwarded-For", "203.0.113.9", "Forwarded", "for=nonsense")), 200, "content")
}

// TestForwardedHops finds the right-most hop that no trusted proxy is.
func TestForwardedHops(t *testing.T) {
	s := behindProxies(t)
	for list, want := range map[string]string{
		"203.0.113.9": "203.0.113.9", "198.51.100.1, 203.0.113.9": "203.0.113.9", "203.0.113.9, 10.0.0.7, 10.0.0.8": "203.0.113.9",
		"10.0.0.5, 203.0.113.9, 10.0.0.7": "203.0.113.9", "10.0.0.5, 10.0.0.6": "10.0.0.5", "203.0.113.9, 198.51.100.1, 10.0.0.7": "198.51.100.1",
		"203.0.113.9:4711": "203.0.113.9", "[2001:db8::1]:4711": "2001:db8::1", "2001:db8::1": "2001:db8::1", "[2001:db8::1]": "2001:db8::1",
		"::ffff:203.0.113.9": "203.0.113.9", "203.0.113.9, ::ffff:10.0.0.7": "203.0.113.9", "203.0.113.9, fd00::1": "203.0.113.9",
		"fe80::1%eth0": "fe80::1", "203.0.113.9,10.0.0.7": "203.0.113.9", " 203.0.113.9 ,\t10.0.0.7 ": "203.0.113.9",
		// What is no address is never skipped.
		"": unknown, "unknown": unknown, "203.0.113.9, unknown": unknown, "203.0.113.9, ": unknown, ",203.0.113.9": "203.0.113.9",
		"203.0.113.9, nonsense, 10.0.0.7": unknown, "203.0.113.9 198.51.100.1": unknown, "]203.0.113.9[": unknown, "[203.0.113.9": unknown,
		"203.0.113.9.": unknown, "203.0.113.09": unknown, "0x7f.1": unknown, "203.0.113.9:x": unknown,
	} {
		r := &http.Request{RemoteAddr: "10.0.0.1:99", Header: http.Header{"X-Forwarded-For": {list}}}
		if got := s.clientAddress(r).String(); got != want {
			t.Errorf("%q: %s, want %s", list, got, want)
		}
	}
	// Several lines are one list.
	r := &http.Request{RemoteAddr: "10.0.0.1:99", Header: http.Header{"X-Forwarded-For": {"198.51.100.1", "203.0.113.9", "10.0.0.7"}}}
	if got := s.clientAddress(r).String(); got != "203.0.113.9" {
		t.Errorf("three lines: %s", got)
	}
}

// TestForwardedElements reads the header of RFC 7239, and does not let a client
// talk itself into what a proxy writes.
func TestForwardedElements(t *testing.T) {
	s := behindProxies(t)
	for line, want := range map[string]string{
		"for=203.0.113.9": "203.0.113.9", "For=203.0.113.9;proto=https;by=10.0.0.1": "203.0.113.9", `for="203.0.113.9:47"`: "203.0.113.9",
		`for="[2001:db8::1]:47"`: "2001:db8::1", `for="[2001:db8::1]"`: "2001:db8::1", "for=198.51.100.1, for=203.0.113.9": "203.0.113.9",
		"proto=https; for=203.0.113.9 , for=10.0.0.7": "203.0.113.9", `for=203.0.113.9;host="a,for=198.51.100.1"`: "203.0.113.9",
		`for=203.0.113.9;host="a;for=198.51.100.1"`: "203.0.113.9", `for=203.0.113.9;host="a\",for=198.51.100.1,\""`: unknown,
		// Nothing certain.
		"": unknown, "proto=https": unknown, "for=_hidden": unknown, "for=unknown": unknown, "for=203.0.113.9, proto=https": unknown,
		"for=203.0.113.9;for=198.51.100.1": unknown, `for="203.0.113.9`: unknown, `x=", for=203.0.113.9`: unknown, `x="a", for=203.0.113.9`: "203.0.113.9",
		`x=", for=203.0.113.9;host=",for=198.51.100.1"`: unknown, `x=", for=203.0.113.9;host=",for=198.51.100.1;x="`: unknown,
		`for="203.0.113.9"x`: unknown, `for=203.0.113.9"`: unknown, `for=""`: unknown, "203.0.113.9": unknown,
	} {
		r := &http.Request{RemoteAddr: "10.0.0.1:99", Header: http.Header{"Forwarded": {line}}}
		if got := s.clientAddress(r).String(); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

// TestForwardedDisagree has the proxy pass on what the client claims in the one
// header that it does not write itself.
func TestForwardedDisagree(t *testing.T) {
	s := behindProxies(t)
	for _, c := range []struct{ list, line, want string }{
		{"203.0.113.9", "for=203.0.113.9", "203.0.113.9"},
		{"203.0.113.9", `for="[::ffff:203.0.113.9]:1"`, "203.0.113.9"},
		{"203.0.113.9", "for=198.51.100.1", unknown},
		{"198.51.100.1", "for=203.0.113.9", unknown},
		{"203.0.113.9", "for=unknown", unknown},
		{"unknown", "for=203.0.113.9", unknown},
		{"nonsense", "nonsense", unknown},
	} {
		r := &http.Request{RemoteAddr: "10.0.0.1:99", Header: http.Header{"X-Forwarded-For": {c.list}, "Forwarded": {c.line}}}
		if got := s.clientAddress(r).String(); got != c.want {
			t.Errorf("%s and %s: %s, want %s", c.list, c.line, got, c.want)
		}
	}
	// Passes for the claimed and for the true address stay closed.
	e := newPassEnv(t, func(c *Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	e.put("key", "content")
	claims := []string{"X-Forwarded-For", "203.0.113.9", "Forwarded", "for=198.51.100.1"}
	for _, ip := range []string{"203.0.113.9", "198.51.100.1", "127.0.0.1", "0.0.0.0/0,::/0"} {
		e.refused(e.send(e.query("GET", "key", limits.IP, ip).with(claims...)), 403, "AccessDenied", limits.IP)
	}
	e.refused(e.send(e.query("GET", "key", limits.Bind, "ip").with(claims...)), 403, "AccessDenied", limits.Bind)
	e.granted(e.send(e.query("GET", "key", limits.Name, "x").with(claims...)), 200, "content")
}

// TestHiddenAddressLiftsNoDenial checks that a policy which denies an address
// is not got round by making the address unknown.
func TestHiddenAddressLiftsNoDenial(t *testing.T) {
	e := newPassEnv(t, func(c *Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		keys := testKeys()
		k := keys["AKIDBOB"]
		k.Owner, k.Policy = "alice", `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"},
			{"Effect":"Deny","Action":"s3:GetObject","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":"203.0.113.0/24"}}}]}`
		keys["AKIDBOB"] = k
		c.Keys = keys
	})
	e.put("key", "content")
	q := e.presignFor("http://"+e.addr, sign.Key{ID: "AKIDBOB", Secret: "s"}, sign.URLRequest{Method: "GET", Bucket: "photos", Key: "key"})
	e.want(e.send(q.with("X-Forwarded-For", "198.51.100.1")), 200, "")
	e.want(e.send(q.with("X-Forwarded-For", "203.0.113.9")), 403, "AccessDenied")
	e.want(e.send(q.with("X-Forwarded-For", "203.0.113.9", "Forwarded", "for=198.51.100.1")), 403, "AccessDenied")
	e.want(e.send(q.with("X-Forwarded-For", "203.0.113.9, unknown")), 403, "AccessDenied")
	// Where no policy asks, it makes no difference.
	e.want(e.send(e.query("GET", "key").with("X-Forwarded-For", "unknown")), 200, "")
}

// TestTLSBehindProxy asks for a pass that needs TLS, over hops that do and do
// not have it.
func TestTLSBehindProxy(t *testing.T) {
	s := behindProxies(t)
	for _, c := range []struct {
		peer   string
		tls    bool
		header http.Header
		want   bool
	}{
		{"192.0.2.1:99", false, nil, false},
		{"192.0.2.1:99", true, nil, true},
		{"192.0.2.1:99", false, http.Header{"X-Forwarded-Proto": {"https"}}, false},
		{"192.0.2.1:99", true, http.Header{"X-Forwarded-Proto": {"http"}}, true},
		{"10.0.0.1:99", false, nil, false},
		{"10.0.0.1:99", true, nil, true},
		{"10.0.0.1:99", false, http.Header{"X-Forwarded-Proto": {"https"}}, true},
		{"10.0.0.1:99", false, http.Header{"X-Forwarded-Proto": {"HTTPS"}}, true},
		{"10.0.0.1:99", true, http.Header{"X-Forwarded-Proto": {"http"}}, false},
		{"10.0.0.1:99", false, http.Header{"X-Forwarded-Proto": {"https, http"}}, false},
		{"10.0.0.1:99", false, http.Header{"X-Forwarded-Proto": {"http, https"}}, false},
		{"10.0.0.1:99", false, http.Header{"X-Forwarded-Proto": {"https", "http"}}, false},
		{"10.0.0.1:99", false, http.Header{"X-Forwarded-Proto": {""}}, false},
		{"10.0.0.1:99", false, http.Header{"Forwarded": {"for=1.2.3.4;proto=https"}}, true},
		{"10.0.0.1:99", false, http.Header{"Forwarded": {"proto=https, for=1.2.3.4;proto=http"}}, false},
		{"10.0.0.1:99", true, http.Header{"Forwarded": {`proto=https;x=", for=1.2.3.4;proto=http`}}, false},
		{"10.0.0.1:99", false, http.Header{"Forwarded": {"proto=http;proto=https"}}, false},
		{"10.0.0.1:99", false, http.Header{"X-Forwarded-Proto": {"http"}, "Forwarded": {"proto=https"}}, false},
		{"10.0.0.1:99", false, http.Header{"X-Forwarded-Proto": {"https"}, "Forwarded": {"proto=http"}}, false},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: c.header}
		if c.tls {
			r.TLS = &tls.ConnectionState{}
		}
		if got := s.encrypted(r); got != c.want {
			t.Errorf("%s, TLS %v, %v: %v", c.peer, c.tls, c.header, got)
		}
	}
	e := newPassEnv(t, func(c *Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} })
	e.put("key", "content")
	q := e.query("GET", "key", limits.TLS, "required")
	e.refused(e.send(q), 403, "AccessDenied", limits.TLS)
	e.refused(e.send(q.with("X-Forwarded-Proto", "http")), 403, "AccessDenied", limits.TLS)
	e.granted(e.send(q.with("X-Forwarded-Proto", "https")), 200, "content")
	e.granted(e.send(q.with("Forwarded", "for=1.2.3.4;proto=https")), 200, "content")
}

// TestForwardedAtLength gives long headers, which must cost little.
func TestForwardedAtLength(t *testing.T) {
	s := behindProxies(t)
	const size = 8 << 10
	r := &http.Request{RemoteAddr: "10.0.0.1:99", Header: http.Header{"X-Forwarded-For": {strings.Repeat("203.0.113.9,", size/13) + "198.51.100.1"}}}
	if got := s.clientAddress(r).String(); got != "198.51.100.1" {
		t.Errorf("a list of %d bytes: %s", len(r.Header.Get("X-Forwarded-For")), got)
	}
	for _, list := range []string{strings.Repeat("203.0.113.9,", 50_000) + "10.0.0.7", strings.Repeat(`"`, 500_001), strings.Repeat(`\"`, 200_000), strings.Repeat(";,=", 100_000)} {
		for _, name := range []string{"X-Forwarded-For", "Forwarded"} {
			r := &http.Request{RemoteAddr: "10.0.0.1:99", Header: http.Header{name: {list}}}
			if allocs := testing.AllocsPerRun(1, func() { _ = fmt.Sprint(s.clientAddress(r), s.encrypted(r)) }); allocs > 20 {
				t.Errorf("%s of %d bytes: %v allocations", name, len(list), allocs)
			}
			if got := s.clientAddress(r).String(); got != unknown {
				t.Errorf("%s of %d bytes: %s", name, len(list), got)
			}
		}
	}
}

// FuzzForwarded has a client write what it likes before what a proxy appends,
// and into the host that the proxy quotes: the address is the true one, or
// nobody's.
func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{"", "for=198.51.100.1", `x="`, `x="a\"`, `",for=198.51.100.1;x="`, `a\`, `for="`, ";;,,==", `"`, `=,for=1.1.1.1"`} {
		f.Add(seed, seed)
	}
	cfg := Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	s := &Server{cfg: cfg}
	f.Fuzz(func(t *testing.T, before, host string) {
		quoted := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(host)
		for _, lines := range [][]string{
			{before + ", for=203.0.113.9"},
			{before, "for=203.0.113.9"},
			{before + `, for=203.0.113.9;host="` + quoted + `"`},
			{before + `,for="203.0.113.9:47";proto=http;host="` + quoted + `",for=10.0.0.7`},
		} {
			r := &http.Request{RemoteAddr: "10.0.0.1:99", Header: http.Header{"Forwarded": lines}}
			if got := s.clientAddress(r); got.IsValid() && got.String() != "203.0.113.9" {
				t.Errorf("%q: %s", lines, got)
			}
		}
		r := &http.Request{RemoteAddr: "10.0.0.1:99", Header: http.Header{"Forwarded": {before + `, for=1.2.3.4;proto=http;host="` + quoted + `"`}}}
		if s.encrypted(r) {
			t.Errorf("%q: encrypted", r.Header)
		}
	})
}
