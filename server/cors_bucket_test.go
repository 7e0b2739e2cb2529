package server

import (
	"net/http"
	"strings"
	"testing"
)

const corsDocument = `<CORSConfiguration>` +
	`<CORSRule><AllowedOrigin>https://app.example.com</AllowedOrigin><AllowedMethod>PUT</AllowedMethod><AllowedMethod>GET</AllowedMethod>` +
	`<AllowedHeader>content-type</AllowedHeader><AllowedHeader>X-Amz-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><ExposeHeader>x-amz-version-id</ExposeHeader><MaxAgeSeconds>600</MaxAgeSeconds></CORSRule>` +
	`<CORSRule><AllowedOrigin>http://localhost:*</AllowedOrigin><AllowedOrigin>https://*.example.com</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedHeader>*</AllowedHeader></CORSRule>` +
	`<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>HEAD</AllowedMethod></CORSRule>` +
	`</CORSConfiguration>`

func TestBucketPreflight(t *testing.T) {
	r := newRealm(t)
	target := r.presignFor("http://"+r.addr, r.alice, signURL("PUT", "key")).target
	ask := func(target, origin, method, headers string) *reply {
		h := []string{"Origin", origin, "Access-Control-Request-Method", method}
		if headers != "" {
			h = append(h, "Access-Control-Request-Headers", headers)
		}
		return r.send(preflightRequest(r.env, target, h...))
	}
	if a := ask(target, "https://app.example.com", "PUT", ""); a.status != 403 || !strings.Contains(a.body, "CORS is not enabled") {
		t.Errorf("without rules: status %d\n%s", a.status, a.body)
	}
	if a := ask("/nowhere/key", "https://app.example.com", "PUT", ""); a.status != 403 || !strings.Contains(a.body, "Bucket not found") {
		t.Errorf("no bucket: status %d\n%s", a.status, a.body)
	}
	r.must("PUT", "/photos?cors", corsDocument)
	for _, c := range []struct {
		origin, method, headers string
		allow, methods          string // allow empty: refused
	}{
		{"https://app.example.com", "PUT", "", "https://app.example.com", "PUT, GET"},
		{"https://app.example.com", "PUT", "Content-Type, x-amz-meta-a", "https://app.example.com", "PUT, GET"},
		{"https://app.example.com", "PUT", "authorization", "", ""},
		{"https://app.example.com", "GET", "authorization", "https://app.example.com", "GET"}, // by the second rule
		{"https://APP.example.com", "PUT", "", "", ""},
		{"http://app.example.com", "PUT", "", "", ""},
		{"https://app.example.com:8443", "PUT", "", "", ""},
		{"https://app.example.com.evil.test", "PUT", "", "", ""},
		{"http://localhost:5173", "GET", "range", "http://localhost:5173", "GET"},
		{"http://localhost", "GET", "", "", ""},
		{"https://a.b.example.com", "GET", "", "https://a.b.example.com", "GET"},
		{"https://.example.com", "GET", "", "https://.example.com", "GET"},
		{"https://example.com", "GET", "", "", ""},
		{"https://whoever.test", "HEAD", "", "*", "HEAD"},
		{"https://whoever.test", "HEAD", "range", "", ""},
		{"https://app.example.com", "DELETE", "", "", ""},
		{"null", "HEAD", "", "*", "HEAD"},
	} {
		for _, target := range []string{target, "/photos"} {
			a := ask(target, c.origin, c.method, c.headers)
			status := http.StatusOK
			if c.allow == "" {
				status = http.StatusForbidden
			}
			if a.status != status || a.header.Get("Access-Control-Allow-Origin") != c.allow || a.header.Get("Access-Control-Allow-Methods") != c.methods {
				t.Errorf("%s %s %q: status %d, %v", c.origin, c.method, c.headers, a.status, a.header)
			}
			if c.allow != "" && a.header.Get("Access-Control-Allow-Headers") != strings.ToLower(c.headers) {
				t.Errorf("%s %s: headers %q", c.origin, c.headers, a.header.Get("Access-Control-Allow-Headers"))
			}
			if !strings.Contains(a.header.Get("Vary"), "Origin") {
				t.Errorf("Vary %q", a.header.Get("Vary"))
			}
			if credentials := a.header.Get("Access-Control-Allow-Credentials"); credentials != map[bool]string{true: "true"}[c.allow != "" && c.allow != "*"] {
				t.Errorf("%s: credentials %q", c.origin, credentials)
			}
		}
	}
	first := ask(target, "https://app.example.com", "PUT", "")
	if first.header.Get("Access-Control-Max-Age") != "600" || first.header.Get("Access-Control-Expose-Headers") != "ETag, x-amz-version-id" {
		t.Errorf("headers %v", first.header)
	}
	if a := ask(target, "https://app.example.com", "PATCH", ""); a.code() != "BadRequest" || !strings.Contains(a.body, "Invalid Access-Control-Request-Method: PATCH") {
		t.Errorf("PATCH: status %d\n%s", a.status, a.body)
	}
}

// TestBucketCORSHeaders checks that answers and errors alike, whoever sends
// them, can be read by the origins of the bucket's rules alone.
func TestBucketCORSHeaders(t *testing.T) {
	r := newRealm(t, func(c *Config) { c.CORSOrigins = []string{"https://console.example.com"} })
	r.must("PUT", "/photos?cors", corsDocument)
	r.bucket("other")
	for _, c := range []struct {
		target, origin, allow string
	}{
		{"/photos/key", "https://app.example.com", "https://app.example.com"},
		{"/photos/none", "https://app.example.com", "https://app.example.com"},
		{"/photos", "http://localhost:80", "http://localhost:80"},
		{"/photos/key", "https://console.example.com", "https://console.example.com"}, // by *.example.com
		{"/photos/key", "https://evil.test", ""},
		{"/photos/key", "", ""},
		{"/other/key", "https://app.example.com", ""},
		{"/other/key", "https://console.example.com", "https://console.example.com"},
	} {
		for _, who := range []struct{ q request }{{r.signedBy(r.alice, "GET", c.target, "")}, {r.signedBy(nobody, "GET", c.target, "")}, {r.signedBy(r.bob, "GET", c.target, "")}} {
			if c.origin != "" {
				who.q.header.Set("Origin", c.origin)
			}
			a := r.send(who.q)
			if a.header.Get("Access-Control-Allow-Origin") != c.allow || !strings.Contains(a.header.Get("Vary"), "Origin") {
				t.Errorf("%s from %q: status %d, %v", c.target, c.origin, a.status, a.header)
			}
		}
	}
	r.must("DELETE", "/photos?cors", "")
	q := r.signedBy(r.alice, "GET", "/photos/key", "", "Origin", "https://app.example.com")
	if a := r.send(q); a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("after the rules were deleted: %v", a.header)
	}
}
