package server

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/store"
)

func ref(key string) daypass.ObjectRef { return daypass.ObjectRef{Bucket: "photos", Key: key} }

func md5Of(body string) string {
	sum := md5.Sum([]byte(body))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func sumOf(a store.ChecksumAlgorithm, body string) string {
	h := a.New()
	h.Write([]byte(body))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

var algorithms = []store.ChecksumAlgorithm{store.CRC32, store.CRC32C, store.CRC64NVME, store.SHA1, store.SHA256}

func TestPutObject(t *testing.T) {
	e := newEnv(t)
	r := e.do("PUT", "/photos/key", "content", "Content-Type", "text/plain; charset=utf-8", "Cache-Control", "max-age=60",
		"Content-Disposition", `attachment; filename="é.txt"`, "Content-Encoding", "gzip", "Content-Language", "de",
		"Expires", "whenever", "x-amz-meta-Mixed_Case-1", "värde, 日本", "x-amz-meta-empty", "",
		"x-amz-website-redirect-location", "/other", "x-amz-storage-class", "STANDARD", "x-amz-acl", "private")
	e.want(r, 200, "")
	sum := md5.Sum([]byte("content"))
	for name, want := range map[string]string{
		"ETag": `"` + hex.EncodeToString(sum[:]) + `"`, "Content-Length": "0", "Server": "Daypass",
		"x-amz-checksum-crc64nvme": sumOf(store.CRC64NVME, "content"), "x-amz-checksum-type": "FULL_OBJECT",
	} {
		if got := r.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	got := e.do("GET", "/photos/key", "", "x-amz-checksum-mode", "ENABLED")
	for name, want := range map[string]string{
		"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "max-age=60", "Content-Disposition": `attachment; filename="é.txt"`,
		"Content-Encoding": "gzip", "Content-Language": "de", "Expires": "whenever", "X-Amz-Meta-Mixed_case-1": "värde, 日本",
		"X-Amz-Website-Redirect-Location": "/other", "X-Amz-Storage-Class": "", "Last-Modified": "Fri, 06 Feb 2026 12:00:00 GMT",
		"Accept-Ranges": "bytes", "Content-Length": "7", "X-Amz-Checksum-Crc64nvme": sumOf(store.CRC64NVME, "content"),
	} {
		if got := got.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if _, ok := got.header["X-Amz-Meta-Empty"]; !ok || got.body != "content" {
		t.Errorf("headers %v, body %q", got.header, got.body)
	}
}

// TestPutRefused checks that nothing is stored when a request asks for what
// cannot be had, or promises what its body does not keep.
func TestPutRefused(t *testing.T) {
	e := newEnv(t)
	e.put("there", "old")
	wrong := md5Of("other")
	for _, c := range []struct {
		headers []string
		status  int
		code    string
	}{
		{[]string{"Content-MD5", wrong}, 400, "BadDigest"},
		{[]string{"Content-MD5", "AAAA"}, 400, "InvalidDigest"},
		{[]string{"Content-MD5", "?"}, 400, "InvalidDigest"},
		{[]string{"x-amz-checksum-crc32", sumOf(store.CRC32, "other")}, 400, "BadDigest"},
		{[]string{"x-amz-checksum-sha256", sumOf(store.SHA256, "other")}, 400, "BadDigest"},
		{[]string{"x-amz-checksum-crc32", "AAAA"}, 400, "InvalidRequest"},
		{[]string{"x-amz-checksum-crc32", sumOf(store.CRC32, "content"), "x-amz-checksum-sha1", sumOf(store.SHA1, "content")}, 400, "InvalidRequest"},
		{[]string{"x-amz-checksum-md4", "AAAA"}, 400, "InvalidRequest"},
		{[]string{"x-amz-sdk-checksum-algorithm", "CRC32"}, 400, "InvalidRequest"},
		{[]string{"x-amz-sdk-checksum-algorithm", "SHA1", "x-amz-checksum-crc32", sumOf(store.CRC32, "content")}, 400, "InvalidRequest"},
		{[]string{"x-amz-trailer", "x-amz-checksum-crc32"}, 400, "InvalidRequest"},
		{[]string{"x-amz-decoded-content-length", "7"}, 400, "InvalidRequest"},
		{[]string{"x-amz-server-side-encryption", "aws:kms:dsse"}, 501, "NotImplemented"},
		{[]string{"x-amz-server-side-encryption-customer-algorithm", "AES256"}, 400, "InvalidRequest"},
		{[]string{"x-amz-object-lock-mode", "GOVERNANCE"}, 400, "InvalidArgument"},
		{[]string{"x-amz-object-lock-event-hold", "ON"}, 501, "NotImplemented"},
		{[]string{"x-amz-tagging", "a=b&a=c"}, 400, "InvalidArgument"},
		{[]string{"x-amz-tagging", "a=%21"}, 400, "InvalidTag"},
		{[]string{"x-amz-tagging", "a&b&c&d&e&f&g&h&i&j&k"}, 400, "BadRequest"},
		{[]string{"x-amz-write-offset-bytes", "1"}, 501, "NotImplemented"},
		{[]string{"x-amz-storage-class", "GLACIER"}, 501, "NotImplemented"},
		{[]string{"x-amz-storage-class", "COLD"}, 400, "InvalidStorageClass"},
		{[]string{"x-amz-acl", "public-read"}, 400, "AccessControlListNotSupported"},
		{[]string{"x-amz-acl", "everyone"}, 400, "InvalidArgument"},
		{[]string{"x-amz-grant-read", "id=" + daypass.CanonicalID("bob")}, 400, "AccessControlListNotSupported"},
		{[]string{"x-amz-checksum-type", "COMPOSITE"}, 501, "NotImplemented"},
		{[]string{"x-amz-meta-a", strings.Repeat("x", 2048)}, 400, "MetadataTooLarge"},
		{[]string{"x-amz-expected-bucket-owner", "bob"}, 403, "AccessDenied"},
		{[]string{"If-None-Match", `"etag"`}, 501, "NotImplemented"},
		{[]string{"If-Match", "*"}, 501, "NotImplemented"},
		{[]string{"If-Match", `"e"`, "If-None-Match", "*"}, 501, "NotImplemented"},
		{[]string{"If-Unmodified-Since", "Fri, 06 Feb 2026 12:00:00 GMT"}, 501, "NotImplemented"},
		{[]string{"If-Match", `"other"`}, 404, "NoSuchKey"},
		{[]string{"Content-Length", "5368709121"}, 400, "EntityTooLarge"},
		{[]string{"Transfer-Encoding", "chunked", "Content-Length", ""}, 501, "NotImplemented"},
	} {
		h := http.Header{}
		for i := 0; i+1 < len(c.headers); i += 2 {
			h.Add(c.headers[i], c.headers[i+1])
		}
		q := request{method: "PUT", target: "/photos/key", header: h, body: "content"}
		if h.Get("Transfer-Encoding") != "" {
			h.Del("Content-Length")
			q.noLength, q.body = true, "7\r\ncontent\r\n0\r\n\r\n"
		}
		r := e.send(e.signed(q))
		if r.status != c.status || r.code() != c.code {
			t.Errorf("%v: status %d, want %d %s\n%s", c.headers, r.status, c.status, c.code, r.body)
		}
		if e.exists("key") {
			t.Fatalf("%v: something was stored", c.headers)
		}
	}
	e.want(e.send(e.signed(request{method: "PUT", target: "/photos/key", noLength: true})), 411, "MissingContentLength")
	e.want(e.do("PUT", "/photos/"+strings.Repeat("k", 1025), "x"), 400, "KeyTooLongError")
	e.want(e.do("PUT", "/photos/%FF", "x"), 400, "InvalidURI")
	e.want(e.do("PUT", "/nowhere/key", "x"), 404, "NoSuchBucket")
}

func TestConditionalWrites(t *testing.T) {
	e := newEnv(t)
	etag := e.put("there", "old").ETag
	for _, c := range []struct {
		method, key string
		headers     []string
		status      int
		code        string
	}{
		{"PUT", "there", []string{"If-None-Match", "*"}, 412, "PreconditionFailed"},
		{"PUT", "there", []string{"If-Match", `"0"`}, 412, "PreconditionFailed"},
		{"PUT", "none", []string{"If-Match", `"` + etag + `"`}, 404, "NoSuchKey"},
		{"PUT", "there", []string{"If-Match", `"` + etag + `"`}, 200, ""},
		{"PUT", "there", []string{"If-Match", md5hex("new")}, 200, ""},
		{"PUT", "new", []string{"If-None-Match", "*"}, 200, ""},
		{"DELETE", "new", []string{"If-Match", `"0"`}, 412, "PreconditionFailed"},
		{"DELETE", "new", []string{"If-None-Match", "*"}, 501, "NotImplemented"},
		{"DELETE", "new", []string{"x-amz-if-match-size", "3"}, 501, "NotImplemented"},
		{"DELETE", "new", []string{"If-Match", "*"}, 204, ""},
		{"DELETE", "new", []string{"If-Match", "*"}, 404, "NoSuchKey"},
		{"DELETE", "new", nil, 204, ""},
	} {
		body := ""
		if c.method == "PUT" {
			body = "new"
		}
		r := e.do(c.method, "/photos/"+c.key, body, c.headers...)
		if r.status != c.status || r.code() != c.code {
			t.Errorf("%s %s %v: status %d, want %d\n%s", c.method, c.key, c.headers, r.status, c.status, r.body)
		}
		if c.status == 412 && r.element("Condition") != c.headers[0] {
			t.Errorf("Condition %q", r.element("Condition"))
		}
	}
	// As signed parameters: the first upload only.
	for _, want := range []int{200, 412} {
		if r := e.send(e.query("PUT", "once", "If-None-Match", "*")); r.status != want {
			t.Errorf("status %d, want %d", r.status, want)
		}
	}
	if r := e.send(e.query("PUT", "once", "If-Match", md5hex(""))); r.status != 200 {
		t.Errorf("status %d\n%s", r.status, r.body)
	}
}

func md5hex(body string) string {
	sum := md5.Sum([]byte(body))
	return hex.EncodeToString(sum[:])
}

func TestChecksumHeaders(t *testing.T) {
	e := newEnv(t)
	for _, a := range algorithms {
		sum := sumOf(a, "content")
		r := e.do("PUT", "/photos/key", "content", a.Header(), sum, "x-amz-sdk-checksum-algorithm", string(a))
		e.want(r, 200, "")
		if got := r.header.Get(a.Header()); got != sum {
			t.Errorf("%s is answered with %q", a, got)
		}
		got := e.do("HEAD", "/photos/key", "", "x-amz-checksum-mode", "enabled")
		if got.header.Get(a.Header()) != sum || got.header.Get("x-amz-checksum-type") != "FULL_OBJECT" {
			t.Errorf("%s: headers %v", a, got.header)
		}
		if plain := e.do("HEAD", "/photos/key", ""); plain.header.Get(a.Header()) != "" {
			t.Errorf("%s is shown without being asked for", a)
		}
		if part := e.do("GET", "/photos/key", "", "x-amz-checksum-mode", "ENABLED", "Range", "bytes=0-1"); part.header.Get(a.Header()) != "" {
			t.Errorf("%s of the whole is shown with a part", a)
		}
	}
	// A checksum in a signed header is a promise, also of a URL.
	q := e.presign(sign.URLRequest{Method: "PUT", Bucket: "photos", Key: "signed",
		Header: http.Header{"X-Amz-Checksum-Sha256": {sumOf(store.SHA256, "content")}}})
	q.body = "another"
	e.want(e.send(q), 400, "BadDigest")
	q.body = "content"
	e.want(e.send(q), 200, "")
	// The same where the header is signed but stands in the query.
	q = e.presign(sign.URLRequest{Method: "PUT", Bucket: "photos", Key: "hoisted",
		Header: http.Header{"X-Amz-Checksum-Sha256": {sumOf(store.SHA256, "content")}},
		Query:  pairs([]string{"x-amz-checksum-sha256", sumOf(store.SHA256, "content")})})
	q.header, q.body = nil, "another"
	e.want(e.send(q), 400, "BadDigest")
	if e.exists("hoisted") {
		t.Error("something was stored")
	}
}

func TestPayloadHash(t *testing.T) {
	e := newEnv(t)
	sum := sha256.Sum256([]byte("content"))
	q, _ := e.signedPayload(request{method: "PUT", target: "/photos/key"}, sign.SignerOptions{Region: testRegion}, hex.EncodeToString(sum[:]))
	q.body = "another"
	r := e.send(q)
	e.want(r, 400, "XAmzContentSHA256Mismatch")
	if r.element("ClientComputedContentSHA256") != hex.EncodeToString(sum[:]) || e.exists("key") {
		t.Error(r.body)
	}
	q.body = "content"
	e.want(e.send(q), 200, "")
}

// chunked makes an upload in aws-chunked framing. edit may change the framed
// body.
func (e *env) chunked(key, body string, o sign.SignerOptions, signed bool, a store.ChecksumAlgorithm, sum string, edit func([]byte) []byte) request {
	h := http.Header{"X-Amz-Decoded-Content-Length": {strconv.Itoa(len(body))}, "Content-Encoding": {"aws-chunked,gzip"}}
	var trailer [][2]string
	if a != "" {
		h["X-Amz-Trailer"] = []string{a.Header()}
		trailer = [][2]string{{a.Header(), sum}}
	}
	payload := sign.NewSigner(testKey, o).StreamingPayload(signed, a != "")
	q, seed := e.signedPayload(request{method: "PUT", target: "/photos/" + key, header: h}, o, payload)
	var b bytes.Buffer
	w := sign.NewChunkWriter(&b, seed, func() [][2]string { return trailer })
	if _, err := w.Write([]byte(body)); err != nil {
		e.t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		e.t.Fatal(err)
	}
	framed := b.Bytes()
	if edit != nil {
		framed = edit(framed)
	}
	q.body = string(framed)
	return q
}

func TestChunkedUploads(t *testing.T) {
	e := newEnv(t)
	v4, v4a := sign.SignerOptions{Region: testRegion}, sign.SignerOptions{Region: testRegion, Version: sign.V4A}
	body := strings.Repeat("0123456789", 20000)
	for _, o := range []sign.SignerOptions{v4, v4a} {
		for _, a := range append([]store.ChecksumAlgorithm{""}, algorithms...) {
			for _, signed := range []bool{true, false} {
				if a == "" && !signed {
					continue
				}
				sum := ""
				if a != "" {
					sum = sumOf(a, body)
				}
				r := e.send(e.chunked("key", body, o, signed, a, sum, nil))
				e.want(r, 200, "")
				if a != "" && r.header.Get(a.Header()) != sum {
					t.Errorf("%s is answered with %q", a, r.header.Get(a.Header()))
				}
				if got := e.content("key"); got != body {
					t.Errorf("%s %v: %d bytes are stored, beginning %.20q", a, signed, len(got), got)
				}
				obj, _ := e.store.Object(t.Context(), ref("key"))
				if obj.Metadata.ContentEncoding != "gzip" {
					t.Errorf("Content-Encoding %q", obj.Metadata.ContentEncoding)
				}
			}
		}
	}
}

// TestChunkedTransfer sends the framing in HTTP's own chunks, without a length
// but the decoded one.
func TestChunkedTransfer(t *testing.T) {
	e := newEnv(t)
	q := e.chunked("key", "content", sign.SignerOptions{Region: testRegion}, false, store.CRC32, sumOf(store.CRC32, "content"), nil)
	q.body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(q.body), q.body)
	q.noLength = true
	q.header.Set("Transfer-Encoding", "chunked")
	e.want(e.send(q), 200, "")
	if got := e.content("key"); got != "content" {
		t.Errorf("stored %q", got)
	}
}

func TestChunkedCorruption(t *testing.T) {
	e := newEnv(t)
	v4 := sign.SignerOptions{Region: testRegion}
	body := strings.Repeat("0123456789", 20000)
	sum := sumOf(store.CRC32, body)
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	for _, c := range []struct {
		what   string
		q      request
		status int
		code   string
	}{
		{"signed byte", e.chunked("key", body, v4, true, "", "", flip), 403, "SignatureDoesNotMatch"},
		{"signed byte with trailer", e.chunked("key", body, v4, true, store.CRC32, sum, flip), 403, "SignatureDoesNotMatch"},
		{"unsigned byte", e.chunked("key", body, v4, false, store.CRC32, sum, flip), 400, "BadDigest"},
		{"wrong trailer", e.chunked("key", body, v4, false, store.CRC32, sumOf(store.CRC32, "x"), nil), 400, "BadDigest"},
		{"malformed trailer", e.chunked("key", body, v4, false, store.CRC32, "AAAA", nil), 400, "InvalidRequest"},
		{"cut off", e.chunked("key", body, v4, true, "", "", func(b []byte) []byte { return b[:len(b)-200] }), 400, "IncompleteBody"},
		{"no last chunk", e.chunked("key", body, v4, false, store.CRC32, sum, func(b []byte) []byte { return b[:len(b)-40] }), 400, "IncompleteBody"},
		{"other length", e.chunked("key", body, v4, false, store.CRC32, sum, func(b []byte) []byte { return append([]byte("1\r\nx\r\n"), b...) }), 400, "IncompleteBody"},
		{"garbage", e.chunked("key", body, v4, false, store.CRC32, sum, func([]byte) []byte { return []byte("content") }), 400, ""},
	} {
		r := e.send(c.q)
		if r.status != c.status || c.code != "" && r.code() != c.code {
			t.Errorf("%s: status %d, want %d %s\n%.500s", c.what, r.status, c.status, c.code, r.body)
		}
		if e.exists("key") {
			t.Fatalf("%s: something was stored", c.what)
		}
	}
	noLength, _ := e.signedPayload(request{method: "PUT", target: "/photos/key", header: http.Header{"X-Amz-Trailer": {"x-amz-checksum-crc32"}}, body: "0\r\n\r\n"}, v4, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
	e.want(e.send(noLength), 411, "MissingContentLength")
}

// TestPresignedChunked uploads a framed body by a URL that does not say so:
// the header may stand unsigned, and the framing is never stored.
func TestPresignedChunked(t *testing.T) {
	e := newEnv(t)
	e2 := e.presign(sign.URLRequest{Method: "PUT", Bucket: "photos", Key: "key",
		Header: http.Header{"X-Amz-Decoded-Content-Length": {"7"}, "X-Amz-Trailer": {"x-amz-checksum-crc32"}}})
	e2.header.Set("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
	e2.body = "7\r\ncontent\r\n0\r\nx-amz-checksum-crc32:" + sumOf(store.CRC32, "content") + "\r\n\r\n"
	e.want(e.send(e2), 200, "")
	if got := e.content("key"); got != "content" {
		t.Errorf("stored %q", got)
	}
}
