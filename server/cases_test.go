package server

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass/sign"
)

// TestSpellings sends one signed URL in the spellings that clients and
// proxies make of it.
func TestSpellings(t *testing.T) {
	e := newEnv(t)
	for _, c := range []struct{ key, encoded, sent string }{
		{"a++b", "a%2B%2Bb", "a++b"},
		{"a b", "a%20b", "a%20b"},
		{"!*()'", "%21%2A%28%29%27", "!*()'"},
		{"a:b", "a%3Ab", "a:b"}, {"~a", "~a", "%7Ea"}, {"a=b", "a%3Db", "a=b"},
		{"abc", "abc", "%61b%63"}, {"é", "%C3%A9", "%c3%a9"}, {"a;b,c@d&e", "a%3Bb%2Cc%40d%26e", "a;b,c@d&e"},
		{"a%2Fb", "a%252Fb", "a%252Fb"}, {"a/b", "a/b", "a%2Fb"}, {"a/b", "a/b", "a%2fb"},
	} {
		e.put(c.key, "content of "+c.key)
		q := e.query("GET", c.key)
		if !strings.Contains(q.target, "/photos/"+c.encoded+"?") {
			t.Errorf("%q is presigned as %s", c.key, q.target)
			continue
		}
		r := e.send(q.change(c.encoded, c.sent))
		if r.status != 200 || r.body != "content of "+c.key {
			t.Errorf("%q sent as %s: status %d\n%s", c.key, c.sent, r.status, r.body)
		}
	}
}

// TestQuerySpellings does the same for the query.
func TestQuerySpellings(t *testing.T) {
	e := newEnv(t)
	e.put("key", "content")
	disposition := []string{"response-content-disposition", `attachment; filename="a b.txt"; filename*=UTF-8''%E6%97%A5.txt`}
	reversed := func(q request) request {
		path, query, _ := strings.Cut(q.target, "?")
		parts := strings.Split(query, "&")
		for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
			parts[i], parts[j] = parts[j], parts[i]
		}
		q.target = path + "?" + strings.Join(parts, "&")
		return q
	}
	for _, c := range []struct {
		what string
		q    request
	}{
		{"signature first", reversed(e.query("GET", "key"))},
		{"x for x=", e.query("GET", "key", "x", "").change("&x=", "&x")},
		{"x= for x", e.query("GET", "key", "hello", "world", "x", "")},
		{"repeated", e.query("GET", "key", "x", "1", "x", "2")},
		{"empty pairs", e.query("GET", "key").change("?", "?&").change("&X-Amz-Date", "&&X-Amz-Date")},
		{"plus for space", e.query("GET", "key", "x", "a b").change("a%20b", "a+b")},
		{"raw file name", e.query("GET", "key", disposition...).change("UTF-8%27%27", "UTF-8''")},
		{"raw slash in credential", e.query("GET", "key").change("%2Faws4_request", "/aws4_request")},
		{"lower-case escapes", e.query("GET", "key").change("%2Fus-east-1%2Fs3%2F", "%2fus-east-1%2fs3%2f")},
		{"x-id", e.query("GET", "key", "x-id", "GetObject")},
		{"payload hash", e.presign(sign.URLRequest{Method: "GET", Bucket: "photos", Key: "key", PayloadSHA256: sign.UnsignedPayload})},
		{"versionId null", e.query("GET", "key", "versionId", "null")},
		{"signed custom parameter", e.query("GET", "key", "hello", "world")},
	} {
		if r := e.send(c.q); r.status != 200 || r.body != "content" {
			t.Errorf("%s: %s: status %d\n%s", c.what, c.q.target, r.status, r.body)
		}
	}
}

func TestTimes(t *testing.T) {
	e := newEnv(t)
	e.put("key", "content")
	for _, c := range []struct {
		what     string
		signed   time.Duration
		lifetime time.Duration
		status   int
	}{
		{"a week, after 16 minutes", -16 * time.Minute, 7 * 24 * time.Hour, 200},
		{"a week, at its end", -7*24*time.Hour + time.Second, 7 * 24 * time.Hour, 200},
		{"15 minutes ahead", 15 * time.Minute, time.Minute, 200},
		{"at the end", -time.Minute, time.Minute, 403},
		{"a second before the end", -59 * time.Second, time.Minute, 200},
	} {
		q := e.presign(sign.URLRequest{Method: "GET", Bucket: "photos", Key: "key", Time: testTime.Add(c.signed), Lifetime: c.lifetime})
		if r := e.send(q); r.status != c.status {
			t.Errorf("%s: status %d\n%s", c.what, r.status, r.body)
		}
	}
}

func TestOddAccessKey(t *testing.T) {
	e := newEnv(t)
	e.put("key", "content")
	for _, v := range []sign.Version{sign.V4, sign.V4A, sign.V2} {
		q := e.presignFor("http://"+e.addr, oddKey, sign.URLRequest{Method: "GET", Bucket: "photos", Key: "key"}, sign.PresignOptions{Version: v})
		e.want(e.send(q), 200, "")
	}
}

// TestNoBucketFromObject checks that no spelling of an upload makes a bucket.
func TestNoBucketFromObject(t *testing.T) {
	e := newEnv(t)
	for _, target := range []string{"//key", "//", "///key", "//key/"} {
		q := e.signed(request{method: "PUT", target: target, body: "x"})
		e.want(e.send(q), 400, "InvalidBucketName")
	}
	p := e.presign(sign.URLRequest{Method: "PUT", Bucket: "photos", Key: "key", Query: pairs([]string{"x-amz-meta-a", "1"})})
	p.target = strings.Replace(p.target, "/photos/", "//", 1)
	e.want(e.send(p), 403, "SignatureDoesNotMatch")
	if bs, err := e.store.ListBuckets(t.Context(), "", "", 10); err != nil || len(bs) != 1 {
		t.Errorf("there are %d buckets, %v", len(bs), err)
	}
}

func TestHeadWithGet(t *testing.T) {
	strict, lenient := newEnv(t), newEnv(t, func(c *Config) { c.HeadWithGet = true })
	for _, e := range []*env{strict, lenient} {
		e.put("key", "content")
		q := e.query("GET", "key")
		q.method = "HEAD"
		want := 403
		if e == lenient {
			want = 200
		}
		r := e.send(q)
		if r.status != want || r.body != "" {
			t.Errorf("status %d, want %d", r.status, want)
		}
		if want == 200 && r.header.Get("Content-Length") != "7" {
			t.Errorf("Content-Length %q", r.header.Get("Content-Length"))
		}
	}
	q := lenient.query("GET", "key")
	q.method = "DELETE"
	lenient.want(lenient.send(q), 403, "SignatureDoesNotMatch")
}

func TestDenyV2(t *testing.T) {
	e := newEnv(t, func(c *Config) { c.DenyV2 = true })
	q := e.presign(sign.URLRequest{Method: "GET", Bucket: "photos", Key: "key"}, sign.PresignOptions{Version: sign.V2})
	e.want(e.send(q), 400, "InvalidRequest")
	q = e.signed(request{method: "GET", target: "/photos"}, sign.SignerOptions{Version: sign.V2})
	e.want(e.send(q), 400, "InvalidRequest")
}

func TestForeignAuthorization(t *testing.T) {
	e := newEnv(t, func(c *Config) { c.IgnoreForeignAuthorization = true })
	e.put("key", "content")
	e.want(e.send(e.query("GET", "key").with("Authorization", "Bearer x")), 200, "")
	e.want(e.send(e.query("GET", "key").with("Authorization", "AWS4-HMAC-SHA256 x")), 400, "InvalidArgument")
}

// TestHoistedHeaders checks what counts as a header when it stands in a
// signed query, and what does not.
func TestHoistedHeaders(t *testing.T) {
	e := newEnv(t)
	q := e.query("PUT", "key", "x-amz-meta-Color", "blue & red", "X-Amz-Storage-Class", "STANDARD_IA",
		"x-amz-checksum-crc32", "AAAAAA==", "x-amz-sdk-checksum-algorithm", "CRC32", "Content-Type", "text/never")
	q.body = "not empty"
	e.want(e.send(q), 200, "")
	obj, err := e.store.Object(t.Context(), ref("key"))
	if err != nil {
		t.Fatal(err)
	}
	m := obj.Metadata
	if m.User["color"] != "blue & red" || len(m.User) != 1 || m.StorageClass != "STANDARD_IA" || m.ContentType != "" {
		t.Errorf("metadata %+v", m)
	}

	// Altering the text breaks the signature all the same.
	q = e.query("PUT", "key", "x-amz-checksum-crc32", "AAAAAA==")
	e.want(e.send(q.change("AAAAAA%3D%3D", "BBBBBB%3D%3D")), 403, "SignatureDoesNotMatch")

	for what, c := range map[string]struct {
		q    request
		code string
	}{
		"encryption":        {e.query("PUT", "other", "x-amz-server-side-encryption", "aws:kms"), "NotImplemented"},
		"repeated":          {e.query("PUT", "other", "x-amz-meta-a", "1", "X-Amz-Meta-A", "2"), "InvalidArgument"},
		"injection":         {e.query("PUT", "other", "x-amz-meta-a", "1\r\nSet-Cookie: x"), "InvalidArgument"},
		"bad name":          {e.query("PUT", "other", "x-amz-meta-a b", "1"), "InvalidArgument"},
		"public":            {e.query("PUT", "other", "x-amz-acl", "public-read"), "AccessControlListNotSupported"},
		"header beside it":  {e.query("PUT", "other", "x-amz-server-side-encryption", "AES256").with("x-amz-server-side-encryption", "aws:kms"), "AccessDenied"},
		"condition differs": {e.query("PUT", "other", "If-None-Match", "*").with("If-None-Match", `"e"`), "SignatureDoesNotMatch"},
	} {
		r := e.send(c.q)
		if r.code() != c.code {
			t.Errorf("%s: status %d\n%s", what, r.status, r.body)
		}
	}
	if e.exists("other") {
		t.Error("something was stored")
	}
}

// TestSignedHoistedHeader signs a header that then stands in the query alone,
// and in both places with the same and with another value.
func TestSignedHoistedHeader(t *testing.T) {
	e := newEnv(t)
	both := func(header string, send bool) request {
		q := e.presign(sign.URLRequest{Method: "PUT", Bucket: "photos", Key: "key",
			Header: http.Header{"X-Amz-Meta-A": {header}}, Query: pairs([]string{"x-amz-meta-a", "1"})})
		if !send {
			q.header = nil
		}
		return q
	}
	e.want(e.send(both("1", false)), 200, "")
	e.want(e.send(both("1", true)), 200, "")
	e.want(e.send(both("2", true)), 403, "SignatureDoesNotMatch")
	e.want(e.send(both("2", false)), 403, "SignatureDoesNotMatch")
}

// TestV2QueryHeaders is what the aws-sdk v2 for JavaScript does: it copies
// the headers into the query and signs their values.
func TestV2QueryHeaders(t *testing.T) {
	e := newEnv(t)
	q := e.presign(sign.URLRequest{Method: "PUT", Bucket: "photos", Key: "key",
		Query:  pairs([]string{"Content-Type", "text/plain", "Content-MD5", md5Of("content"), "x-amz-meta-color", "blue", "Cache-Control", "no-cache"}),
		Header: http.Header{"Content-Type": {"text/plain"}, "Content-Md5": {md5Of("content")}, "X-Amz-Meta-Color": {"blue"}},
	}, sign.PresignOptions{Version: sign.V2})
	q.header, q.body = nil, "another"
	e.want(e.send(q), 400, "BadDigest")
	q.body = "content"
	e.want(e.send(q), 200, "")
	obj, err := e.store.Object(t.Context(), ref("key"))
	if err != nil {
		t.Fatal(err)
	}
	m := obj.Metadata
	if m.ContentType != "text/plain" || m.CacheControl != "no-cache" || m.User["color"] != "blue" || len(m.User) != 1 {
		t.Errorf("metadata %+v", m)
	}
	// The signature covers one of two equal names: neither may be swapped in.
	e.want(e.send(q.change("?", "?x-amz-meta-color=red&")), 400, "InvalidArgument")
	e.want(e.send(q.change("blue", "red")), 403, "SignatureDoesNotMatch")
}

// TestSignedLength sends another length than the one that was signed.
func TestSignedLength(t *testing.T) {
	e := newEnv(t)
	q := e.presign(sign.URLRequest{Method: "PUT", Bucket: "photos", Key: "key", Header: http.Header{"Content-Length": {"3"}}})
	q.body = "four"
	q.header = http.Header{"Content-Length": {"4"}}
	e.want(e.send(q), 403, "SignatureDoesNotMatch")
	q.body, q.header = "six", http.Header{"Content-Length": {"3"}}
	e.want(e.send(q), 200, "")
}

// TestV2BucketSlash signs a bucket as boto3 does with Version 2: with a final
// slash that is not sent. An object's slash is part of its key.
func TestV2BucketSlash(t *testing.T) {
	e := newEnv(t)
	e.put("key", "content")
	bucket := e.signed(request{method: "GET", target: "/photos/"}, sign.SignerOptions{Version: sign.V2})
	bucket.target = "/photos"
	e.want(e.send(bucket), 200, "")
	object := e.signed(request{method: "GET", target: "/photos/key/"}, sign.SignerOptions{Version: sign.V2})
	object.target = "/photos/key"
	e.want(e.send(object), 403, "SignatureDoesNotMatch")
	virtual := e.signed(request{method: "GET", host: "photos.localhost", target: "/key/"}, sign.SignerOptions{Version: sign.V2, HostBucket: "photos"})
	virtual.target = "/key"
	e.want(e.send(virtual), 403, "SignatureDoesNotMatch")
	q := e.signed(request{method: "GET", target: "/photos/"})
	q.target = "/photos"
	e.want(e.send(q), 403, "SignatureDoesNotMatch")
}

func TestAbsoluteForm(t *testing.T) {
	e := newEnv(t)
	e.put("a//b", "content")
	q := e.query("GET", "a//b")
	q.target = "http://" + e.addr + q.target
	if r := e.send(q); r.status != 200 || r.body != "content" {
		t.Errorf("status %d\n%s", r.status, r.body)
	}
	e.want(e.send(request{method: "GET", host: e.addr, target: "*"}), 400, "InvalidURI")
}
