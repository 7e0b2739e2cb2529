package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/daypass/daypass/sign"
)

// oddKeys are the keys that signing and routing code is known to get wrong.
var oddKeys = []string{
	"a+b", "a b", "a%20b", "a%2Bb", "a=b", "(a)", "[a]", "a&b", "a;b", "a?b", "a#b", "é", "日本", "🙂",
	"a//b", "/a", "a/", "./a", "a/../b", "..", ".", "~a", "a:b", "a@b", "a,b", "a'b", `a"b`, `a\b`, "*",
	"//", "/", "a/./b", "index.html", "%", "a|b", "a<b>", "$a", "!a", "{a}", "^a", "`a", "a\tb", "photos", "photos/a",
	strings.Repeat("k", 1024), strings.Repeat("é/", 341) + "x",
}

// A scheme signs a request for an object in one of the ways that S3 knows.
type scheme struct {
	name string
	make func(e *env, method, key string, body string) request
}

func schemes() []scheme {
	var out []scheme
	for _, virtual := range []bool{false, true} {
		style := map[bool]string{false: "path", true: "virtual"}[virtual]
		for _, v := range []sign.Version{sign.V4, sign.V2, sign.V4A} {
			out = append(out, scheme{fmt.Sprintf("%s query %s", v, style), func(e *env, method, key, body string) request {
				q := e.presignFor(e.endpoint(), testKey, sign.URLRequest{Method: method, Bucket: "photos", Key: key},
					sign.PresignOptions{Version: v, VirtualHost: virtual})
				q.body = body
				return q
			}}, scheme{fmt.Sprintf("%s header %s", v, style), func(e *env, method, key, body string) request {
				return e.headerSigned(v, virtual, method, key, body)
			}})
		}
	}
	return out
}

// endpoint is the server by a name before which a bucket may stand.
func (e *env) endpoint() string {
	return "http://localhost" + e.addr[strings.LastIndexByte(e.addr, ':'):]
}

func (e *env) headerSigned(v sign.Version, virtual bool, method, key, body string) request {
	host := strings.TrimPrefix(e.endpoint(), "http://")
	q := request{method: method, host: host, target: "/photos/" + sign.EscapePath(key), body: body}
	opts := sign.SignerOptions{Region: testRegion, Version: v}
	if virtual {
		q.host, q.target, opts.HostBucket = "photos."+host, "/"+sign.EscapePath(key), "photos"
	}
	return e.signed(q, opts)
}

// TestOddKeys stores, finds, reads and deletes every odd key in every way of
// signing, and sees that it is that very key.
func TestOddKeys(t *testing.T) {
	e := newEnv(t)
	for _, s := range schemes() {
		t.Run(s.name, func(t *testing.T) {
			for _, key := range oddKeys {
				e.t = t
				e.oddKey(t, s, key)
			}
		})
	}
}

func (e *env) oddKey(t *testing.T, s scheme, key string) {
	t.Helper()
	body := "content of " + key
	for _, step := range []struct {
		method, send, want string
		status             int
	}{
		{"PUT", body, "", 200}, {"HEAD", "", "", 200}, {"GET", "", body, 200}, {"DELETE", "", "", 204}, {"GET", "", "", 404},
	} {
		r := e.send(s.make(e, step.method, key, step.send))
		if r.status != step.status || step.status == 200 && r.body != step.want {
			t.Errorf("%s %.40q: status %d, want %d; body %.600q", step.method, key, r.status, step.status, r.body)
		}
		if step.method == "PUT" && e.content(key) != body {
			t.Errorf("key %.40q was not stored under that name", key)
		}
	}
}
