package server

import (
	"net/http"
	"strings"
	"testing"
)

func preflightRequest(e *env, target string, headers ...string) request {
	return request{method: "OPTIONS", host: e.addr, target: target, header: http.Header{}}.with(headers...)
}

func TestPreflight(t *testing.T) {
	off := newEnv(t)
	on := newEnv(t, func(c *Config) { c.CORSOrigins = []string{"https://app.example.com", "https://*.preview.example.com"} })
	signed := on.query("PUT", "key").target
	ask := []string{"Origin", "https://app.example.com", "Access-Control-Request-Method", "PUT"}
	for _, c := range []struct {
		name    string
		e       *env
		headers []string
		status  int
		code    string
	}{
		{"cors_no_origin", on, nil, 400, "BadRequest"},
		{"cors_no_method", on, ask[:2], 400, "BadRequest"},
		{"cors_off", off, ask, 403, "AccessForbidden"},
		{"cors_other_origin", on, []string{"Origin", "https://evil.example.com", "Access-Control-Request-Method", "PUT"}, 403, "AccessForbidden"},
		{"cors_other_method", on, []string{"Origin", "https://app.example.com", "Access-Control-Request-Method", "PATCH"}, 403, "AccessForbidden"},
	} {
		r := c.e.send(preflightRequest(c.e, signed, c.headers...))
		if r.status != c.status || r.code() != c.code {
			t.Errorf("%s: status %d\n%s", c.name, r.status, r.body)
		}
		golden(t, "refusals/"+c.name+".txt", r)
	}
	for _, origin := range []string{"https://app.example.com", "https://pr-7.preview.example.com"} {
		r := on.send(preflightRequest(on, signed, "Origin", origin, "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "content-type, x-amz-meta-a"))
		on.want(r, 200, "")
		for name, want := range map[string]string{
			"Access-Control-Allow-Origin": origin, "Access-Control-Allow-Methods": "GET, PUT, POST, DELETE, HEAD",
			"Access-Control-Allow-Headers": "content-type, x-amz-meta-a", "Access-Control-Max-Age": "3000", "Access-Control-Allow-Credentials": "true",
			"Vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
		} {
			if got := r.header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
}

// TestCORSHeaders checks that answers and errors alike can be read by allowed
// origins, and by nobody else.
func TestCORSHeaders(t *testing.T) {
	off := newEnv(t)
	named := newEnv(t, func(c *Config) { c.CORSOrigins = []string{"https://app.example.com"} })
	any := newEnv(t, func(c *Config) { c.CORSOrigins = []string{"*"} })
	for _, c := range []struct {
		e              *env
		origin, allow  string
		credentials    string
		varies, readby bool
	}{
		{off, "https://app.example.com", "", "", false, false},
		{named, "https://app.example.com", "https://app.example.com", "true", true, true},
		{named, "https://app.example.com.evil.test", "", "", true, false},
		{named, "", "", "", true, false},
		{any, "https://whoever.test", "*", "", true, true},
	} {
		c.e.put("key", "content")
		for _, q := range []request{c.e.query("GET", "key"), c.e.query("GET", "none"), c.e.query("PUT", "new"), {method: "GET", host: c.e.addr, target: "/", header: http.Header{}}} {
			if c.origin != "" {
				q = q.with("Origin", c.origin)
			}
			h := c.e.send(q).header
			exposed := h.Get("Access-Control-Expose-Headers")
			if h.Get("Access-Control-Allow-Origin") != c.allow || h.Get("Access-Control-Allow-Credentials") != c.credentials ||
				(h.Get("Vary") != "") != c.varies || strings.Contains(exposed, "ETag") != c.readby || strings.Contains(exposed, "x-amz-request-id") != c.readby {
				t.Errorf("%s %s from %q: %v", q.method, q.target, c.origin, h)
			}
		}
	}
}

func TestCORSRules(t *testing.T) {
	for _, origin := range []string{"", "app.example.com", "https://*.*", "https://a\r\n"} {
		if _, err := newCORSRules([]string{origin}); err == nil {
			t.Errorf("%q is accepted", origin)
		}
	}
}
