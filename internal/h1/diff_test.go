//go:build linux

package h1

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// get is a plain request for a path.
func get(path string, lines ...string) string { return request("GET", path, lines...) }

func request(method, path string, lines ...string) string {
	return method + " " + path + " HTTP/1.1\r\nHost: example.com\r\n" + strings.Join(append(lines, "", ""), "\r\n")
}

// put is a request with a body.
func put(path, body string, lines ...string) string {
	return request("PUT", path, append(lines, fmt.Sprint("Content-Length: ", len(body)))...) + body
}

// heads are requests. The bool says whether they are served by this package.
var heads = []struct {
	text  string
	plain bool
}{
	{get("/"), true},
	{get("/a/b?c=d&e=%2F"), true},
	{get("/a%20b%2Fc?"), true},
	{get("/?"), true},
	{get("/a?b?c"), true},
	{get("/ä?ö=\xff"), true},
	{get("/#frag?x#y"), true},
	{get("/a!*'()[]\"<>|"), true},
	{get("/%zz"), false},
	{get("/%"), false},
	{get("//host/path"), true},
	{get("/../a/./b//c"), true},
	{get("http://other/path"), false},
	{get("*"), false},
	{get("a"), false},
	{request("OPTIONS", "*"), false},
	{request("OPTIONS", "/"), false},
	{request("CONNECT", "a:1"), false},
	{request("HEAD", "/"), true},
	{request("DELETE", "/a"), true},
	{request("POST", "/a"), true},
	{request("PUT", "/a"), true},
	{request("PATCH", "/a"), false},
	{request("get", "/a"), false},
	{request("G@T", "/a"), false},
	{get("/", "User-Agent: x", "Accept: */*", "X-Amz-Date: 1", "x-amz-date: 2", "ACCEPT: y"), true},
	{get("/", "x-UNKNOWN-header: 1", "X-Unknown-Header: 2", "!#$%&'*+-.^_`|~: x", "a-very-long-name-of-a-header-that-nobody-has-heard-of: x"), true},
	{get("/", "Empty:", "Blank: \t ", "Spaced: \t a b \t", "Obs: \x80\xff", "Tab: a\tb"), true},
	{get("/", "Connection: keep-alive"), true},
	{get("/", "Connection: Close"), true},
	{get("/", "connection: close"), true},
	{get("/", "Connection: close, x"), false},
	{get("/", "Connection: close", "Connection: keep-alive"), false},
	{get("/", "Connection:"), false},
	{get("/", "Connection: Upgrade", "Upgrade: h2c", "HTTP2-Settings: x"), false},
	{get("/", "Keep-Alive: 30"), false},
	{get("/", "Pragma: no-cache"), false},
	{get("/", "Host: again"), false},
	{get("/", "TE: trailers"), false},
	{get("/", "Trailer: X"), false},
	{get("/", "Content-Length: 0"), true},
	{get("/", "Content-Length: 3") + "abc", false},
	{request("DELETE", "/", "Content-Length: 3") + "abc", false},
	{put("/", ""), true},
	{put("/", "body"), true},
	{request("POST", "/", "Content-Length: 4") + "body", true},
	{put("/", "body", "Content-Length: 4"), false},
	{put("/", "body", "Content-Length: 5"), false},
	{put("/", "body", "content-length: 4"), false},
	{request("PUT", "/", "Content-Length: +4") + "body", false},
	{request("PUT", "/", "Content-Length: -4") + "body", false},
	{request("PUT", "/", "Content-Length: 4,4") + "body", false},
	{request("PUT", "/", "Content-Length: 0x4") + "body", false},
	{request("PUT", "/", "Content-Length: 4 4") + "body", false},
	{request("PUT", "/", "Content-Length:") + "body", false},
	{request("PUT", "/", "Content-Length: 4\v") + "body", false},
	{request("PUT", "/", "Content-Length: 00004") + "body", true},
	{request("PUT", "/", "Content-Length: 99999999999999999999") + "body", false},
	{request("PUT", "/", "Content-Length: 9223372036854775807") + "body", false},
	{request("PUT", "/", "Content-Length: 999999999999999999") + "body", true},
	{request("PUT", "/", "Content-Length : 4") + "body", false},
	{request("PUT", "/", "Content-Length: 9") + "body", true},
	{request("PUT", "/", "Transfer-Encoding: chunked") + "4\r\nbody\r\n0\r\n\r\n", false},
	{request("PUT", "/", "Transfer-Encoding: chunked", "Content-Length: 4") + "4\r\nbody\r\n0\r\n\r\n", false},
	{request("PUT", "/", "Content-Length: 4", "Transfer-Encoding: chunked") + "4\r\nbody\r\n0\r\n\r\n", false},
	{request("PUT", "/", "Content-Length: 4", "transfer-encoding: xchunked") + "4\r\nbody\r\n0\r\n\r\n", false},
	{request("PUT", "/", "Content-Length: 4", "Transfer-Encoding : chunked") + "4\r\nbody\r\n0\r\n\r\n", false},
	{request("PUT", "/", "Content-Length: 4", " Transfer-Encoding: chunked") + "body", false},
	{request("PUT", "/", "Content-Length: 4", "Transfer-Encoding:\vchunked") + "body", false},
	{request("PUT", "/", "Transfer-Encoding: chunked, identity") + "body", false},
	{request("PUT", "/", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked") + "0\r\n\r\n", false},
	{request("PUT", "/", "Content-Length: 4\nTransfer-Encoding: chunked") + "0\r\n\r\n", false},
	{"GET / HTTP/1.1\nHost: a\n\n", false},
	{"GET / HTTP/1.1\r\nHost: a\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\n\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", false},
	{"GET / HTTP/1.1\rHost: a\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n", false},
	{"GET / HTTP/1.1\r\n Host: a\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\nX: a\x00b\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\nX: a\x7fb\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\nX\x00: b\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\nX y: b\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\nXÜ: b\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n", false},
	{"GET / HTTP/1.1\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost:\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", false},
	{"GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", true},
	{"GET / HTTP/1.1\r\nhOST:a\r\n\r\n", true},
	{"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"GET /  HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", false},
	{"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{" GET / HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"GET / HTTP/1.0\r\nHost: a\r\n\r\n", false},
	{"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false},
	{"GET / HTTP/1.2\r\nHost: a\r\n\r\n", false},
	{"GET / HTTP/2.0\r\nHost: a\r\n\r\n", false},
	{"GET / http/1.1\r\nHost: a\r\n\r\n", false},
	{"GET /\r\n", false},
	{"GET\r\n\r\n", false},
	{"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", false},
	{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false},
	{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", false},
	{"GET / HTTP/1.1\r\nHost: a", false},
	{"GET / HT", false},
	{"GE", false},
	{"", true},
	{get("/", "X: "+strings.Repeat("x", 7000)), true},
	{get("/", "X: "+strings.Repeat("x", 12000)), false},
	{get("/", "X: "+strings.Repeat("x", 40000)), false},
	{get("/" + strings.Repeat("x", 12000)), false},
	{get("/", strings.Split(strings.Repeat("X: y\n", 63), "\n")[:63]...), true},
	{get("/", strings.Split(strings.Repeat("X: y\n", 64), "\n")[:64]...), false},
	{get("/", strings.Split(strings.Repeat("X: y\n", 1500), "\n")[:1500]...), false},
	// One after another.
	{get("/1") + get("/2") + request("HEAD", "/3") + put("/4", "body") + get("/5"), true},
	{put("/1", strings.Repeat("b", 20<<10)) + get("/2") + put("/3", strings.Repeat("b", 300<<10)) + get("/4"), true},
	{put("/", "body") + "garbage\r\n\r\n", false},
	{put("/1", "body") + request("PUT", "/2", "Transfer-Encoding: chunked") + "4\r\nbody\r\n0\r\n\r\n" + get("/3"), false},
	{request("POST", "/1", "Content-Length: 4") + "body\r\n" + get("/2"), true},
	{request("POST", "/1", "Content-Length: 4") + "body\r\n\r\n" + get("/2"), true},
	{request("POST", "/1", "Content-Length: 4") + "body\r\n\r\n\r\n" + get("/2"), false},
	{put("/1", "body") + "\r\n" + get("/2"), false},
	{get("/1", "Connection: close") + get("/2"), true},
	{get("/1") + "GET /2 HTTP/1.1\r\n\r\n" + get("/3"), false},
}

// TestHeads compares what handlers see, and what is refused.
func TestHeads(t *testing.T) {
	p := newPair(t)
	for _, c := range heads {
		before := p.handed.Load()
		p.same(t, [][]byte{[]byte(c.text)}, 0)
		if plain := p.handed.Load() == before; plain != c.plain {
			t.Errorf("%q: plain %v", c.text[:min(len(c.text), 200)], plain)
		}
	}
}

// TestSegments sends heads in pieces, each so late that the server waits.
func TestSegments(t *testing.T) {
	p := newPair(t)
	for _, c := range heads {
		if len(c.text) > 1000 {
			continue
		}
		var thirds, bytes [][]byte
		for i := 0; i < len(c.text); i += len(c.text)/3 + 1 {
			thirds = append(thirds, []byte(c.text[i:min(len(c.text), i+len(c.text)/3+1)]))
		}
		p.same(t, thirds, time.Millisecond)
		if len(c.text) < 120 {
			for i := range len(c.text) {
				bytes = append(bytes, []byte(c.text[i:i+1]))
			}
			p.same(t, bytes, 0)
		}
	}
}

// TestAnswers compares what becomes of what handlers do.
func TestAnswers(t *testing.T) {
	p := newPair(t)
	var requests []string
	for name := range behaviours {
		body := strings.Repeat("b", 10000)
		requests = append(requests, get("/"+name), request("HEAD", "/"+name), put("/"+name, "body"), put("/"+name, body),
			get("/"+name, "Connection: close"), put("/"+name, body, "Expect: 100-continue"))
	}
	for _, code := range []int{200, 201, 204, 206, 304, 400, 404, 500, 503, 599, 600, 999} {
		for _, more := range []string{"", "&length"} {
			path := fmt.Sprintf("/status?code=%d%s", code, more)
			requests = append(requests, get(path), request("HEAD", path), put(path, "body"))
		}
	}
	for _, q := range []string{"Content-Length=1000&Content-Type=a/b&head=200&limit=1000", "Content-Length=102400&Content-Type=a/b&head=206",
		"Content-Length=1000&Content-Type=a/b&head=200&limit=500&from=100", "Content-Length=1000&Content-Type=a/b&head=200&section=1000&from=7",
		"Content-Length=1000&head=200&limit=1000", "Content-Length=1000&Content-Type=a/b&limit=1000", "head=200&limit=5000", "limit=90000",
		"Content-Length=1000&Content-Type=a/b&head=200&limit=2000&from=102000", "Content-Length=2000&Content-Type=a/b&head=200&section=1000&times=2",
		"Content-Length=1000&Content-Type=a/b&head=304&limit=1000", "Content-Length=1000&Content-Type=a/b&head=204&limit=1000"} {
		requests = append(requests, get("/file?"+q), request("HEAD", "/file?"+q), put("/file?"+q, "body"))
	}
	for _, r := range requests {
		p.same(t, [][]byte{[]byte(r + get("/next"))}, 0)
		if strings.Contains(r, "Expect: ") || strings.Contains(r, "Connection: close") {
			continue // what comes once the server has closed makes the rest of the answer be lost
		}
		p.same(t, [][]byte{[]byte(r), []byte(get("/next"))}, time.Millisecond)
	}
	if n := p.handed.Load(); n > 0 {
		t.Errorf("%d connections were handed over", n)
	}
}
