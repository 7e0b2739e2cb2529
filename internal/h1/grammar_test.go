//go:build linux

package h1

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// The parts of requests that servers and proxies have been found to disagree
// about. The first of each list is harmless.
var (
	grammarMethods  = []string{"GET", "PUT", "POST", "HEAD", "DELETE", "OPTIONS", "CONNECT", "PATCH", "get", "G ET", "GET\t", "\x00GET", "PRI", ""}
	grammarTargets  = []string{"/a", "/", "/a%20b", "//a/b", "/a//b/../c", "/?", "/%2e%2e/%00", "/a%zz", "*", "http://h/a", "https://h:1/a?b", "http:///a", "h:80", "/a b", "/a\tb", "/\xff", "/a#b", "/a?b#c%zz", "?x", "", "/a;b=c", "/\x7f", "/a\\b", "/[x]", "/a?%", "///", "/:x", "/a:b@c"}
	grammarVersions = []string{"HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/1.10", "http/1.1", "HTTP/1.1 ", "HTTP/01.1", "HTTP/", ""}
	grammarEnds     = []string{"\r\n", "\n", "\r", "\r\r\n", " \r\n", "\n\r\n", "\x00\r\n"}
	grammarHosts    = []string{"Host: h", "", "Host:", "Host: h\r\nHost: h", "Host: a,b", "Host: a b", "Host: h:99999", "Host: [::1", "Host: user@h", "host: h", "HOST:h", "Host : h", " Host: h", "Host: h\r\n x", "Host: \x80", "Host: h/", "Host: \t h \t", "Host: .", "Host: %41"}
	grammarLengths  = []string{"Content-Length: N", "", "Content-Length: N\r\nContent-Length: N", "Content-Length: N\r\nContent-Length: 0", "Content-Length: N, N",
		"Content-Length: +N", "Content-Length: -1", "Content-Length: 0N", "Content-Length: 0xN", "Content-Length:N", "Content-Length : N", "content-length: N", "Content-Length: N ", "Content-Length: \tN", "Content-Length: N\x00",
		"Content-Length: \"N\"", "Content-Length: N;x", "Content_Length: N", "Content-Length: ", "Content-Length: N\r\n 0", "Content-Length: 18446744073709551616", "Content-Length: 000000000000000000N", "Content-Length: N.0", "Content-Length: 1"}
	grammarCodings = []string{"", "", "", "Transfer-Encoding: chunked", "Transfer-Encoding: Chunked", "Transfer-Encoding: chunked, chunked", "Transfer-Encoding: identity", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding:chunked",
		"Transfer-Encoding : chunked", "Transfer-Encoding: xchunked", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "transfer-encoding: chunked", "Transfer-Encoding:\x0bchunked", "Transfer-Encoding:\r\n chunked", "X: y\nTransfer-Encoding: chunked", "Transfer-Encoding: \"chunked\"", "Transfer_Encoding: chunked", "Transfer-Encoding: ", "Transfer-Encoding: chunked;x=y", "TE: trailers", "Trailer: X-T", "Trailer: Content-Length"}
	grammarOthers = []string{"Accept: */*", "Connection: close", "Connection: keep-alive", "Connection: Content-Length", "Connection: close, Host", "Connection: ", "Connection: upgrade\r\nUpgrade: websocket", "Connection: keep-alive\r\nConnection: close",
		"Keep-Alive: x", "Proxy-Connection: close", "Expect: 100-continue", "Expect: 100-Continue", "Expect: 100-continue, x", "Expect: 200-ok", "Expect: ", "expect:100-continue", "Expect: 100-continue\r\nExpect: 100-continue",
		"Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__", "X: a\r\n b", "X: \x00", "X: \x7f", "X: \x01", "X: \xff", "X : y", ": y", "X", "X:", "X\x80: y", "X(y): z", "\"X\": y", "x-lower: 1", "X-lOwEr: 2", "X: a\rb", "X: a\r\r", "X:\ty\t", "X: y\x0b", "Cookie: a=b", "Cookie: a=b\r\nCookie: c=d", "Pragma: no-cache",
		"Content-Type: x/y", "X-Forwarded-For: 1.2.3.4", "Range: bytes=0-1", "If-Match: *", "X-Method-Override: PUT"}
)

// choose prefers the harmless first.
func choose(r *rand.Rand, from []string, odd int) string {
	if r.IntN(odd) > 0 {
		return from[0]
	}
	return from[r.IntN(len(from))]
}

// grammarRequest makes one request, most of which is as it should be.
func grammarRequest(r *rand.Rand) string {
	body := strings.Repeat("b", r.IntN(30))
	if r.IntN(10) == 0 {
		body = get("/smuggled")
	}
	chunked := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(body), body)
	lines := []string{choose(r, grammarHosts, 12)}
	for range r.IntN(4) {
		lines = append(lines, grammarOthers[r.IntN(len(grammarOthers))])
	}
	if body != "" {
		lines = append(lines, strings.ReplaceAll(choose(r, grammarLengths, 4), "N", fmt.Sprint(len(body))))
		if c := choose(r, grammarCodings, 3); c != "" {
			lines, body = append(lines, c), chunked
		}
	}
	switch r.IntN(60) {
	case 0:
		lines = append(lines, "X-Long: "+strings.Repeat("x", 100<<r.IntN(9)))
	case 1:
		for i := range r.IntN(200) {
			lines = append(lines, fmt.Sprintf("X-%d: y", i))
		}
	}
	r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
	var b strings.Builder
	b.WriteString(choose(r, []string{"", "\r\n", "\n", " ", "\x00"}, 30))
	method := choose(r, grammarMethods, 12)
	if r.IntN(2) == 0 {
		method = choose(r, []string{"PUT", "POST"}, 2)
	}
	b.WriteString(method + " " + choose(r, grammarTargets, 3) + " " + choose(r, grammarVersions, 20) + choose(r, grammarEnds, 40))
	for _, line := range lines {
		if line != "" {
			b.WriteString(line + choose(r, grammarEnds, 60))
		}
	}
	b.WriteString(choose(r, grammarEnds, 40))
	b.WriteString(body)
	return b.String()
}

// grammarPieces makes a connection of a few requests, cut into pieces.
func grammarPieces(seed uint64) (pieces [][]byte, pause time.Duration) {
	r := rand.New(rand.NewPCG(seed, 1))
	var text strings.Builder
	for range 1 + r.IntN(3) {
		text.WriteString(grammarRequest(r))
	}
	text.WriteString(get("/next"))
	all := []byte(text.String())
	if r.IntN(8) == 0 {
		all = all[:r.IntN(len(all))]
	}
	if r.IntN(8) == 0 && len(all) > 0 {
		all[r.IntN(len(all))] = byte(r.IntN(256))
	}
	if r.IntN(3) == 0 {
		pause = 200 * time.Microsecond
	}
	for len(all) > 0 && len(pieces) < 20 {
		n := len(all)
		if r.IntN(2) == 0 {
			n = 1 + r.IntN(n)
		}
		pieces, all = append(pieces, all[:n]), all[n:]
	}
	return pieces, pause
}

// FuzzGrammar compares what becomes of requests that are made of what servers
// disagree about, one after another on a connection.
func FuzzGrammar(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed)
	}
	p := newPair(f)
	f.Fuzz(func(t *testing.T, seed uint64) {
		pieces, pause := grammarPieces(seed)
		p.same(t, pieces, pause)
	})
}
