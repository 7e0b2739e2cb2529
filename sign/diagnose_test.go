package sign

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A trial is a request as it is sent and a mistake in what is signed for it.
type trial struct {
	name string
	// What is sent; a GET of /b/a%20b under h.test where empty.
	method, path, query string
	header              http.Header
	host, bucket        string
	// signed lists headers beside host.
	signed []string
	// inHeader puts the signature into the Authorization header.
	inHeader bool
	// change makes of the right canonical request the one that is signed.
	change func(canonical string) string
	// key makes of the right key the one that signs.
	region, service, day, secret string
	// respell changes the signature itself.
	respell  func(string) string
	suspects []Host
	// want is part of the words, found the host that is named.
	want, found string
}

func replace(old, new string) func(string) string {
	return func(s string) string {
		out := strings.Replace(s, old, new, 1)
		if out == s {
			panic("nothing to replace: " + old + "\n" + s)
		}
		return out
	}
}

func mac256(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

// request signs the trial without any code of this package but the encoding
// of names and values.
func (c *trial) request(t testing.TB) *Request {
	t.Helper()
	or := func(s *string, other string) {
		if *s == "" {
			*s = other
		}
	}
	or(&c.method, "GET")
	or(&c.path, "/b/a%20b")
	or(&c.host, "h.test")
	or(&c.region, "us-east-1")
	or(&c.service, "s3")
	or(&c.day, testNow.Format(shortLayout))
	or(&c.secret, docKey.Secret)
	date, scope := testNow.Format(longLayout), testNow.Format(shortLayout)+"/us-east-1/s3/aws4_request"
	header, payload := c.header.Clone(), UnsignedPayload
	if header == nil {
		header = http.Header{}
	}
	names := append([]string{"host"}, c.signed...)
	raw := c.query
	if c.inHeader {
		header.Set("X-Amz-Date", date)
		header.Set("X-Amz-Content-Sha256", payload)
		names = append(names, "x-amz-content-sha256", "x-amz-date")
	} else {
		raw += "&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=" + url.QueryEscape(docKey.ID+"/"+scope) +
			"&X-Amz-Date=" + date + "&X-Amz-Expires=900&X-Amz-SignedHeaders=" + url.QueryEscape(strings.Join(names, ";"))
	}
	sent, err := ParseQuery(raw)
	if err != nil {
		t.Fatal(err)
	}
	lines := ""
	for _, name := range names {
		value := c.host
		if name != "host" {
			value = strings.Join(header.Values(name), ",")
		}
		lines += name + ":" + value + "\n"
	}
	decoded, err := UnescapePath(c.path)
	if err != nil {
		t.Fatal(err)
	}
	canonical := strings.Join([]string{c.method, EscapePath(decoded), sent.Encode(), lines, strings.Join(names, ";"), payload}, "\n")
	if c.change != nil {
		canonical = c.change(canonical)
	}
	k := []byte("AWS4" + c.secret)
	for _, part := range []string{c.day, strings.Trim(c.region, "-"), strings.Trim(c.service, "-"), "aws4_request"} {
		k = mac256(k, part)
	}
	sum := sha256.Sum256([]byte(canonical))
	signature := hex.EncodeToString(mac256(k, "AWS4-HMAC-SHA256\n"+date+"\n"+scope+"\n"+hex.EncodeToString(sum[:])))
	if c.respell != nil {
		signature = c.respell(signature)
	}
	if c.inHeader {
		header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+docKey.ID+"/"+scope+",SignedHeaders="+
			strings.Join(names, ";")+",Signature="+signature)
	} else {
		sent = append(sent, Param{Name: paramSignature, Value: signature})
	}
	return &Request{Method: c.method, Path: c.path, Query: sent, Header: header, ContentLength: -1,
		Hosts: []Host{{Name: c.host}}, HostBucket: c.bucket}
}

// diagnose checks that a request is refused, and returns what is found.
func (c *trial) diagnose(t testing.TB) (Mistake, bool) {
	t.Helper()
	req := c.request(t)
	v := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"})
	if _, err := v.VerifyRequest(t.Context(), req, testNow); codeOf(err) != CodeSignatureDoesNotMatch {
		t.Fatalf("%s: %v, want a mismatch", c.name, err)
	}
	return v.Diagnose(t.Context(), req, c.suspects, testNow)
}

func head(kv ...string) http.Header {
	h := http.Header{}
	for i := 0; i+1 < len(kv); i += 2 {
		h.Add(kv[i], kv[i+1])
	}
	return h
}

func hostTrials() []trial {
	return []trial{
		{name: "method", method: "GET", change: replace("GET\n", "PUT\n"), want: "for the method PUT, not \"GET\""},
		{name: "head", method: "HEAD", change: replace("HEAD\n", "GET\n"), want: "for the method GET, not \"HEAD\""},
		{name: "suspect", change: replace("host:h.test", "host:files.example.com"), suspects: []Host{{"other", ""}, {"files.example.com", ""}},
			want: `for the host "files.example.com"`, found: "files.example.com"},
		{name: "prefix removed", change: func(s string) string { return replace("host:h.test", "host:pub")(replace("/b/", "/s3/b/")(s)) },
			suspects: []Host{{"pub", "/s3"}}, want: `for the host "pub" with the path prefix "/s3"`, found: "pub"},
		{name: "port added", change: replace("host:h.test", "host:h.test:9000"), want: `"h.test:9000"`, found: "h.test:9000"},
		{name: "port removed", host: "h.test:9000", change: replace("host:h.test:9000", "host:h.test"), want: `"h.test"`},
		{name: "upper case", change: replace("host:h.test", "host:H.TEST"), want: `"H.TEST"`},
		{name: "Amazon", change: replace("host:h.test", "host:s3.us-east-1.amazonaws.com"), want: `"s3.us-east-1.amazonaws.com"`},
		{name: "virtual host", change: func(s string) string { return replace("host:h.test", "host:b.h.test")(replace("/b/", "/")(s)) },
			want: `for the bucket in the host "b.h.test", not in the path`},
		{name: "path style", host: "b.h.test", path: "/k", bucket: "b", want: `for the bucket in the path, under the host "h.test"`,
			change: func(s string) string { return replace("host:b.h.test", "host:h.test")(replace("/k", "/b/k")(s)) }},
		{name: "region", region: "eu-west-1", want: `derived for the region "eu-west-1", not "us-east-1"`},
		{name: "service", service: "execute-api", want: `derived for the service "execute-api", not "s3"`},
		{name: "no service", service: "-", want: `derived for the service "", not "s3"`},
		{name: "day", day: testNow.Add(24 * time.Hour).Format(shortLayout), want: "derived for the day 20261124"},
		{name: "secret", secret: docKey.Secret + "\n", want: "line end after the secret"},
		{name: "encoded secret", secret: url.QueryEscape(docKey.Secret), want: "secret in percent-encoding"},
		{name: "upper-case signature", respell: strings.ToUpper, want: "written in upper case"},
		{name: "longer signature", respell: func(s string) string { return s + ")." }, want: "followed by characters"},
		{name: "empty payload", change: replace(UnsignedPayload, EmptySHA256), want: "payload hash: that of an empty body"},
		{name: "streaming", inHeader: true, change: replace("\n"+UnsignedPayload, "\n"+"STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
			want: "payload hash: STREAMING-UNSIGNED-PAYLOAD-TRAILER"},
	}
}

func pathTrials() []trial {
	return []trial{
		{name: "prefix added", path: "/s3/b/k", change: replace("/s3/b/k", "/b/k"), want: `without "/s3", which a proxy added`},
		{name: "two added", path: "/x/y/b/k", change: replace("/x/y/b/k", "/b/k"), want: `without "/x/y", which a proxy added`},
		{name: "slash added", change: replace("/b/a%20b\n", "/b/a%20b/\n"), want: "with a trailing slash"},
		{name: "slash removed", path: "/b/", change: replace("/b/\n", "/b\n"), want: "without its trailing slash"},
		{name: "merged", change: replace("/b/a", "/b//a"), want: "two slashes"},
		{name: "escaped slashes", path: "/b/x/y", change: replace("/b/x/y", "/b/x%2Fy"), want: "slashes escaped"},
		{name: "resolved", path: "/b/x/../y//z", change: replace("/b/x/../y//z", "/b/y/z"), want: "resolved"},
		{name: "twice", change: replace("a%20b", "a%2520b"), want: "path encoded twice"},
		{name: "sent twice", path: "/b/a%2520b", change: replace("a%2520b", "a%20b"), want: "encoded twice when it was sent"},
		{name: "as sent", path: "/b/(a)%20+", change: replace("%28a%29%20%2B", "(a)%20+"), want: "as it was sent"},
		{name: "decoded", change: replace("a%20b", "a b"), want: "without percent-encoding"},
		{name: "encodeURIComponent", path: "/b/%28a%29+", change: replace("%28a%29%2B", "(a)%2B"), want: "encodeURIComponent"},
		{name: "encodeURI", path: "/b/%28a%29%2B%3F%20", change: replace("%28a%29%2B%3F", "(a)+?"), want: "encodeURI of"},
		{name: "net/url", path: "/b/%28a%29%2B%3D", change: replace("%28a%29%2B%3D", "%28a%29+="), want: "net/url"},
		{name: "plus for space", change: replace("a%20b", "a+b"), want: "plus for each space"},
		{name: "plus became space", change: replace("a%20b", "a%2Bb"), want: "which became spaces"},
		{name: "space became plus", path: "/b/a+b", change: replace("a%2Bb", "a%20b"), want: "sent as plus signs"},
		{name: "lower escapes", path: "/b/%C3%A9", change: replace("%C3%A9", "%c3%a9"), want: "escapes in lower case"},
	}
}

func queryTrials() []trial {
	return []trial{
		{name: "tracker", query: "fbclid=1", change: replace("&fbclid=1", ""), want: `without "fbclid"`},
		{name: "trackers", query: "versionId=v&utm_source=a&utm_medium=b", change: replace("&utm_medium=b&utm_source=a", ""),
			want: "track visitors"},
		{name: "any", query: "versionId=v&response-content-type=a", change: replace("&response-content-type=a", ""),
			want: `without "response-content-type"`},
		{name: "all", query: "versionId=v&response-content-type=a", change: replace("&response-content-type=a&versionId=v", ""),
			want: "without any parameter"},
		{name: "x-id", change: replace("X-Amz-SignedHeaders=host\n", "X-Amz-SignedHeaders=host&x-id=GetObject\n"), want: `with "x-id=GetObject"`},
		{name: "checksum mode", change: replace("X-Amz-SignedHeaders=host\n", "X-Amz-SignedHeaders=host&x-amz-checksum-mode=ENABLED\n"),
			want: `"x-amz-checksum-mode=ENABLED"`},
		{name: "order", query: "versionId=v", change: func(s string) string {
			return replace("X-Amz-Algorithm", "versionId=v&X-Amz-Algorithm")(replace("&versionId=v", "")(s))
		}, want: "not sorted"},
		{name: "plus for space", query: "response-content-disposition=a%20b", change: replace("=a%20b", "=a+b"), want: "plus for each space"},
		{name: "plus became space", query: "response-content-disposition=a+b", change: replace("=a%20b", "=a%2Bb"), want: "sent unescaped"},
		{name: "space became plus", query: "response-content-disposition=a%2Bb", change: replace("a%2Bb", "a%20b"), want: "escaped plus signs"},
		{name: "slashes", change: func(s string) string { return strings.ReplaceAll(s, "%2F", "/") }, want: "unescaped slashes"},
		{name: "lower escapes", change: func(s string) string { return strings.ReplaceAll(s, "%2F", "%2f") }, want: "escapes in lower case"},
		{name: "twice", change: func(s string) string { return strings.ReplaceAll(s, "%2F", "%252F") }, want: "query encoded twice"},
		{name: "decoded", query: "response-content-type=a%3Bb", change: func(s string) string {
			return replace("a%3Bb", "a;b")(strings.ReplaceAll(s, "%2F", "/"))
		}, want: "query without percent-encoding"},
		{name: "sent twice", query: "response-content-type=a%252Fb", change: replace("a%252Fb", "a%2Fb"), want: "query was encoded twice when"},
		{name: "no equals sign", query: "acl", change: replace("acl=", "acl"), want: "without the equals sign"},
	}
}

func headerTrials() []trial {
	typed := []string{"content-type"}
	return []trial{
		{name: "type added", header: head("Content-Type", "text/x"), signed: typed, change: replace("content-type:text/x", "content-type:"),
			want: `without a value of "content-type"`},
		{name: "type not sent", signed: typed, change: replace("content-type:", "content-type:application/octet-stream"),
			want: `"content-type: application/octet-stream", which the client did not send`},
		{name: "charset added", header: head("Content-Type", "text/x; charset=UTF-8"), signed: typed,
			change: replace("text/x; charset=UTF-8", "text/x"), want: `"content-type: text/x"`},
		{name: "charset lost", header: head("Content-Type", "text/x"), signed: typed,
			change: replace("text/x", "text/x;charset=UTF-8"), want: `"content-type: text/x;charset=UTF-8"`},
		{name: "encoding", inHeader: true, header: head("Accept-Encoding", "br"), signed: []string{"accept-encoding"},
			change: replace("accept-encoding:br", "accept-encoding:identity"), want: `"accept-encoding: identity"`},
		{name: "agent", header: head("User-Agent", "proxy"), signed: []string{"user-agent"},
			change: replace("user-agent:proxy", "user-agent:"), want: `without a value of "user-agent"`},
		{name: "meta", header: head("X-Amz-Meta-A", "1"), signed: []string{"x-amz-meta-a"},
			change: replace("x-amz-meta-a:1", "x-amz-meta-a:"), want: `without a value of "x-amz-meta-a"`},
		{name: "twice", header: head("X-Amz-Meta-A", "1", "X-Amz-Meta-A", "2"), signed: []string{"x-amz-meta-a"},
			change: replace("x-amz-meta-a:1,2", "x-amz-meta-a:1"), want: "sent more than once"},
		{name: "length", header: head("Content-Length", "5"), signed: []string{"content-length"},
			change: replace("content-length:5", "content-length:0"), want: `"content-length: 0"`},
		{name: "header method", inHeader: true, change: replace("GET\n", "DELETE\n"), want: "for the method DELETE"},
		{name: "unknown", header: head("User-Agent", "proxy"), signed: []string{"user-agent"}, change: replace("user-agent:proxy", "user-agent:client")},
		{name: "other secret", secret: "another"},
		{name: "expiry", change: replace("X-Amz-Expires=900", "X-Amz-Expires=901")},
		{name: "two mistakes", change: func(s string) string { return replace("GET\n", "PUT\n")(replace("a%20b", "a%2520b")(s)) }},
	}
}

// TestDiagnose makes each mistake with a real signature and expects it, and
// only it, to be named; what leaves no trace is not.
func TestDiagnose(t *testing.T) {
	for _, group := range [][]trial{hostTrials(), pathTrials(), queryTrials(), headerTrials()} {
		for _, c := range group {
			m, ok := c.diagnose(t)
			if ok != (c.want != "") || !strings.Contains(m.Words, c.want) || c.found != "" && m.Host.Name != c.found {
				t.Errorf("%s: %+v, want %q", c.name, m, c.want)
			}
			if strings.Contains(m.Words, docKey.Secret) {
				t.Errorf("%s: the words hold the secret", c.name)
			}
		}
	}
}

// TestDiagnoseOtherHosts checks that mistakes are found under a host that
// verification takes too, behind the one that the request came with.
func TestDiagnoseOtherHosts(t *testing.T) {
	c := trial{host: "files.example.com", change: replace("a%20b", "a%2520b")}
	req := c.request(t)
	req.Hosts = []Host{{Name: "10.0.0.1:9000"}, {Name: "files.example.com"}}
	m, ok := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"}).Diagnose(t.Context(), req, nil, testNow)
	if !ok || !strings.Contains(m.Words, "encoded twice") {
		t.Errorf("%+v", m)
	}
}

// TestDiagnoseV2 does the same for Version 2.
func TestDiagnoseV2(t *testing.T) {
	tomorrow := strconv.FormatInt(testNow.Add(24*time.Hour).Unix(), 10)
	expires := tomorrow
	for _, c := range []struct {
		name, method, path, query string
		header                    http.Header
		sts, want                 string
		suspects                  []Host
		respell                   func(string) string
		bucket, secret            string
	}{
		{name: "method", sts: "PUT\n\n\n" + expires + "\n/b/k", want: "the method PUT"},
		{name: "type added", header: head("Content-Type", "text/x"), sts: "GET\n\n\n" + expires + "\n/b/k", want: `without a value of "content-type"`},
		{name: "type not sent", sts: "GET\n\ntext/plain\n" + expires + "\n/b/k", want: `"content-type: text/plain"`},
		{name: "md5 added", header: head("Content-Md5", "x"), sts: "GET\n\n\n" + expires + "\n/b/k", want: `"content-md5"`},
		{name: "amz added", header: head("X-Amz-Meta-A", "x"), sts: "GET\n\n\n" + expires + "\n/b/k", want: `"x-amz-meta-a"`},
		{name: "amz parameter added", query: "&x-amz-checksum-mode=ENABLED", sts: "GET\n\n\n" + expires + "\n/b/k", want: `without "x-amz-checksum-mode"`},
		{name: "sub-resource added", query: "&acl", sts: "GET\n\n\n" + expires + "\n/b/k", want: `without "acl"`},
		{name: "slash", sts: "GET\n\n\n" + expires + "\n/b/k/", want: "trailing slash"},
		{name: "prefix", sts: "GET\n\n\n" + expires + "\n/s3/b/k", suspects: []Host{{"h", "/s3"}}, want: `prefix "/s3"`},
		{name: "prefix added", path: "/s3/b/k", sts: "GET\n\n\n" + expires + "\n/b/k", want: `without "/s3"`},
		{name: "twice", path: "/b/a%20b", sts: "GET\n\n\n" + expires + "\n/b/a%2520b", want: "encoded twice"},
		{name: "decoded", path: "/b/a%20b", sts: "GET\n\n\n" + expires + "\n/b/a b", want: "without percent-encoding"},
		{name: "bucket not signed", bucket: "b", path: "/k", sts: "GET\n\n\n" + expires + "\n/k", want: "without the bucket"},
		{name: "host as bucket", sts: "GET\n\n\n" + expires + "\n/h.test/b/k", want: `the host "h.test" for a bucket`},
		{name: "whole query", query: "&a=b", sts: "GET\n\n\n" + expires + "\n/b/k?a=b", want: "whole query"},
		{name: "plus lost", path: "/b/k", sts: "GET\n\n\n" + expires + "\n/b/k", want: "became spaces",
			respell: func(s string) string { return strings.ReplaceAll(s, "+", " ") }},
		{name: "escaped twice", sts: "GET\n\n\n" + expires + "\n/b/k", want: "escaped twice", respell: url.QueryEscape},
		{name: "equals lost", sts: "GET\n\n\n" + expires + "\n/b/k", want: "final equals sign", respell: func(s string) string { return strings.TrimSuffix(s, "=") }},
		{name: "line end", secret: docKey.Secret + "\n", sts: "GET\n\n\n" + expires + "\n/b/k", want: "line end"},
		{name: "other secret", secret: "other", sts: "GET\n\n\n" + expires + "\n/b/k"},
	} {
		if c.path == "" {
			c.path = "/b/k"
		}
		if c.secret == "" {
			c.secret = docKey.Secret
		}
		if c.name == "plus lost" { // find a time whose signature has a plus
			for !strings.Contains(base64.StdEncoding.EncodeToString(hmacSHA1(c.secret, c.sts)), "+") {
				next := expires[:8] + string(rune('0'+rand.IntN(10))) + string(rune('0'+rand.IntN(10)))
				c.sts, expires = strings.Replace(c.sts, expires, next, 1), next
			}
		}
		signature := base64.StdEncoding.EncodeToString(hmacSHA1(c.secret, c.sts))
		if c.respell != nil {
			signature = c.respell(signature)
		}
		q, err := ParseQuery("AWSAccessKeyId=" + docKey.ID + "&Expires=" + expires + c.query)
		if err != nil {
			t.Fatal(err)
		}
		expires = tomorrow
		req := &Request{Method: "GET", Path: c.path, Query: append(q, Param{Name: paramV2Signature, Value: signature}),
			Header: c.header, ContentLength: -1, Hosts: []Host{{Name: "h.test"}}, HostBucket: c.bucket}
		v := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"})
		if _, err := v.VerifyRequest(t.Context(), req, testNow); codeOf(err) != CodeSignatureDoesNotMatch {
			t.Fatalf("%s: %v, want a mismatch", c.name, err)
		}
		m, ok := v.Diagnose(t.Context(), req, c.suspects, testNow)
		if ok != (c.want != "") || !strings.Contains(m.Words, c.want) {
			t.Errorf("%s: %+v, want %q", c.name, m, c.want)
		}
	}
}

// TestDiagnoseNothing checks what has no diagnosis: a good signature, other
// refusals, signatures that are garbage, and requests that are too large.
func TestDiagnoseNothing(t *testing.T) {
	v := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"})
	good, large := trial{}, trial{query: "versionId=" + strings.Repeat("v", maxEcho), change: replace("GET\n", "PUT\n")}
	many := trial{query: strings.Repeat("a=b&", maxTriedQuery), change: replace("GET\n", "PUT\n")}
	if m, ok := v.Diagnose(t.Context(), good.request(t), nil, testNow); ok {
		t.Errorf("a good signature: %+v", m)
	}
	if m, ok := v.Diagnose(t.Context(), good.request(t), nil, testNow.Add(time.Hour)); ok {
		t.Errorf("an expired one: %+v", m)
	}
	if m, ok := large.diagnose(t); ok {
		t.Errorf("a large one: %+v", m)
	}
	if m, ok := many.diagnose(t); ok {
		t.Errorf("one with many parameters: %+v", m)
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var b [32]byte
		for i := range b {
			b[i] = byte(rnd.Uint32())
		}
		garbage := trial{respell: func(string) string { return hex.EncodeToString(b[:rnd.IntN(33)]) },
			path: "/b/" + EscapePath(string(b[:rnd.IntN(20)]))}
		if m, ok := garbage.diagnose(t); ok {
			t.Errorf("garbage: %+v", m)
		}
	}
}

// TestDiagnoseBounds counts what one diagnosis hashes: as much for a mistake
// that is known as for one that is not, and never more than the bounds.
func TestDiagnoseBounds(t *testing.T) {
	cost := func(c trial) (tries, bytes int) {
		req := c.request(t)
		v := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"})
		k := check{Verifier: v, Request: req, scratch: getScratch(), ctx: context.Background(), now: testNow}
		if codeOf(k.run()) != CodeSignatureDoesNotMatch {
			t.Fatal("no mismatch")
		}
		b := trials{tries: maxTries, bytes: maxTriedBytes}
		k.diagnoseV4(&b, []Host{{"a", ""}, {"b", "/c"}})
		return maxTries - b.tries, maxTriedBytes - b.bytes
	}
	tries, bytes := cost(trial{change: replace("GET\n", "PUT\n")})
	again, same := cost(trial{secret: "another"})
	if tries != again || bytes != same {
		t.Errorf("%d tries of %d bytes for a known mistake, %d of %d for none", tries, bytes, again, same)
	}
	if tries < 30 || tries > 64 {
		t.Errorf("%d tries for an ordinary request", tries)
	}
	tries, bytes = cost(trial{query: "versionId=" + strings.Repeat("v", maxEcho-1000), secret: "another"})
	if tries > maxTries || bytes > maxTriedBytes {
		t.Errorf("%d tries of %d bytes for a large request", tries, bytes)
	}
}

// FuzzDiagnose looks for panics, and for words without a signature.
func FuzzDiagnose(f *testing.F) {
	f.Add("GET", "/b/k", "a=b", "h:1", "Content-Type", "text/x")
	f.Add("PUT", "/", "", "", "X-Amz-Meta-A", "")
	f.Add("", "//%2F/../", "X-Amz-Security-Token=&=&&", "[::1]", "", "")
	f.Fuzz(func(t *testing.T, method, path, query, host, name, value string) {
		q, err := ParseQuery(query)
		if err != nil || !strings.HasPrefix(path, "/") {
			t.Skip()
		}
		date := testNow.Format(longLayout)
		scope := testNow.Format(shortLayout) + "/us-east-1/s3/aws4_request"
		header := http.Header{http.CanonicalHeaderKey(name): {value}, "X-Amz-Date": {date}, "X-Amz-Content-Sha256": {UnsignedPayload},
			"Authorization": {"AWS4-HMAC-SHA256 Credential=" + docKey.ID + "/" + scope + ",SignedHeaders=host;x-amz-date;" +
				strings.ToLower(name) + ",Signature=" + strings.Repeat("0", 64)}}
		req := &Request{Method: method, Path: path, Query: q, Header: header, Hosts: []Host{{Name: host}}}
		v := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"})
		if m, ok := v.Diagnose(t.Context(), req, []Host{{host, path}}, testNow); ok {
			t.Errorf("%+v", m)
		}
		req.Header = http.Header{"Authorization": {"AWS " + docKey.ID + ":" + strings.Repeat("A", 27) + "="}, "X-Amz-Date": {date}}
		if m, ok := v.Diagnose(t.Context(), req, []Host{{host, path}}, testNow); ok {
			t.Errorf("%+v", m)
		}
	})
}

// BenchmarkDiagnose is what one refused request costs besides.
func BenchmarkDiagnose(b *testing.B) {
	many := "versionId=v"
	for i := range maxTriedQuery - 10 {
		many += "&p" + strconv.Itoa(100-i) + "=" + strings.Repeat("%20", 80)
	}
	for name, c := range map[string]trial{
		"ordinary": {secret: "another"},
		"header":   {secret: "another", inHeader: true, header: head("Content-Type", "text/x", "Accept-Encoding", "br"), signed: []string{"accept-encoding", "content-type"}},
		"large":    {secret: "another", query: many},
	} {
		req := c.request(b)
		v := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"})
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				v.Diagnose(b.Context(), req, []Host{{"files.example.com", ""}, {"files.example.com", "/s3"}}, testNow)
			}
		})
	}
}
