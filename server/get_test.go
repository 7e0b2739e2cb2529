package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/daypass/daypass/store"
)

func TestRanges(t *testing.T) {
	e := newEnv(t)
	e.put("key", "0123456789")
	e.put("empty", "")
	for _, c := range []struct {
		key, header  string
		status       int
		body, served string
	}{
		{"key", "", 200, "0123456789", ""},
		{"key", "bytes=0-0", 206, "0", "bytes 0-0/10"},
		{"key", "bytes=2-5", 206, "2345", "bytes 2-5/10"},
		{"key", "bytes=7-", 206, "789", "bytes 7-9/10"},
		{"key", "bytes=-3", 206, "789", "bytes 7-9/10"},
		{"key", "bytes=-99", 206, "0123456789", "bytes 0-9/10"},
		{"key", "bytes=5-99", 206, "56789", "bytes 5-9/10"},
		{"key", "bytes=5-4", 200, "0123456789", ""},
		{"key", "bytes=0-1,3-4", 200, "0123456789", ""},
		{"key", "bytes=x", 200, "0123456789", ""},
		{"key", "items=0-1", 200, "0123456789", ""},
		{"key", "bytes=10-", 416, "", "bytes */10"},
		{"key", "bytes=-0", 416, "", "bytes */10"},
		{"empty", "bytes=0-", 416, "", "bytes */0"},
	} {
		q := e.query("GET", c.key)
		if c.header != "" {
			q = q.with("Range", c.header)
		}
		r := e.send(q)
		if r.status != c.status || c.status != 416 && r.body != c.body || r.header.Get("Content-Range") != c.served {
			t.Errorf("%s %q: status %d, Content-Range %q, body %q", c.key, c.header, r.status, r.header.Get("Content-Range"), r.body)
		}
		h := e.send(e.headOf(c.key, c.header))
		if h.status != c.status || c.status != 416 && h.header.Get("Content-Length") != r.header.Get("Content-Length") {
			t.Errorf("HEAD %s %q: status %d, Content-Length %q", c.key, c.header, h.status, h.header.Get("Content-Length"))
		}
	}
	r := e.send(e.query("GET", "key").with("Range", "bytes=10-"))
	golden(t, "refusals/range.txt", r)
}

func (e *env) headOf(key, rangeHeader string) request {
	q := e.query("HEAD", key)
	if rangeHeader != "" {
		q = q.with("Range", rangeHeader)
	}
	return q
}

func TestIfRange(t *testing.T) {
	e := newEnv(t)
	etag := e.put("key", "0123456789").ETag
	for condition, want := range map[string]int{
		`"` + etag + `"`: 206, `"other"`: 200, `W/"` + etag + `"`: 200,
		"Fri, 06 Feb 2026 12:00:00 GMT": 206, "Fri, 06 Feb 2026 11:00:00 GMT": 200, "nonsense": 200,
	} {
		if r := e.send(e.query("GET", "key").with("Range", "bytes=0-0", "If-Range", condition)); r.status != want {
			t.Errorf("%s: status %d, want %d", condition, r.status, want)
		}
	}
}

func TestPartNumber(t *testing.T) {
	e := newEnv(t)
	e.put("key", "0123456789")
	e.put("empty", "")
	r := e.send(e.query("GET", "key", "partNumber", "1"))
	if r.status != 206 || r.body != "0123456789" || r.header.Get("Content-Range") != "bytes 0-9/10" {
		t.Errorf("part 1: status %d, Content-Range %q", r.status, r.header.Get("Content-Range"))
	}
	e.want(e.send(e.query("GET", "empty", "partNumber", "1")), 200, "")
	e.want(e.send(e.query("GET", "key", "partNumber", "2")), 416, "InvalidPartNumber")
	e.want(e.send(e.query("GET", "key", "partNumber", "0")), 400, "InvalidArgument")
	e.want(e.send(e.query("GET", "key", "partNumber", "x")), 400, "InvalidArgument")
	e.want(e.send(e.query("GET", "key", "partNumber", "1").with("Range", "bytes=0-1")), 400, "InvalidRequest")
}

func TestConditionalReads(t *testing.T) {
	e := newEnv(t)
	etag := `"` + e.put("key", "content", store.Metadata{CacheControl: "max-age=60"}).ETag + `"`
	const at, before, after = "Fri, 06 Feb 2026 12:00:00 GMT", "Fri, 06 Feb 2026 11:59:59 GMT", "Fri, 06 Feb 2026 12:00:01 GMT"
	for _, c := range []struct {
		headers []string
		status  int
	}{
		{[]string{"If-Match", etag}, 200},
		{[]string{"If-Match", `"other", ` + etag}, 200},
		{[]string{"If-Match", "*"}, 200},
		{[]string{"If-Match", `"other"`}, 412},
		{[]string{"If-None-Match", etag}, 304},
		{[]string{"If-None-Match", "W/" + etag}, 304},
		{[]string{"If-None-Match", "*"}, 304},
		{[]string{"If-None-Match", `"other"`}, 200},
		{[]string{"If-Modified-Since", at}, 304},
		{[]string{"If-Modified-Since", after}, 304},
		{[]string{"If-Modified-Since", before}, 200},
		{[]string{"If-Modified-Since", "nonsense"}, 200},
		{[]string{"If-Unmodified-Since", before}, 412},
		{[]string{"If-Unmodified-Since", at}, 200},
		{[]string{"If-Unmodified-Since", "20260206T115959Z"}, 412},
		{[]string{"If-Match", etag, "If-Unmodified-Since", before}, 200},
		{[]string{"If-None-Match", `"other"`, "If-Modified-Since", at}, 200},
		{[]string{"If-None-Match", etag, "If-Modified-Since", before}, 304},
	} {
		for _, q := range []request{e.query("GET", "key").with(c.headers...), e.query("HEAD", "key").with(c.headers...), e.query("GET", "key", c.headers...)} {
			r := e.send(q)
			if r.status != c.status {
				t.Errorf("%s %v: status %d, want %d", q.method, c.headers, r.status, c.status)
			}
			if c.status == 304 && (r.body != "" || r.header.Get("ETag") != etag || r.header.Get("Last-Modified") != at) {
				t.Errorf("304 with body %q, headers %v", r.body, r.header)
			}
		}
	}
	golden(t, "refusals/precondition.txt", e.send(e.query("GET", "key").with("If-Match", `"other"`)))
}

func TestOverrides(t *testing.T) {
	e := newEnv(t)
	e.put("key", "content", store.Metadata{ContentType: "text/plain", CacheControl: "max-age=60"})
	q := e.query("GET", "key", "response-content-type", "image/png", "response-content-language", "de", "response-expires", "never",
		"response-cache-control", "no-store", "response-content-disposition", `attachment; filename="é.txt"; filename*=UTF-8''%E6%97%A5.txt`,
		"response-content-encoding", "identity")
	for _, method := range []string{"GET", "HEAD"} {
		r := e.send(e.query(method, "key", "response-content-type", "image/png", "response-cache-control", "no-store"))
		if r.header.Get("Content-Type") != "image/png" || r.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: headers %v", method, r.header)
		}
	}
	r := e.send(q)
	for name, want := range map[string]string{
		"Content-Type": "image/png", "Content-Language": "de", "Expires": "never", "Cache-Control": "no-store", "Content-Encoding": "identity",
		"Content-Disposition": "attachment; filename=\"\xE9.txt\"; filename*=UTF-8''%E6%97%A5.txt",
	} {
		if got := r.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	golden(t, "refusals/latin1.txt", e.send(e.query("GET", "key", "response-content-disposition", "日本")))
	e.want(e.send(e.query("GET", "key", "response-content-type", "a\r\nSet-Cookie: x=y")), 400, "InvalidArgument")
	e.want(e.send(e.query("GET", "key", "response-content-type", "a\x00")), 400, "InvalidArgument")
	// Other actions leave them alone.
	e.want(e.send(e.query("PUT", "other", "response-content-type", "日本")), 200, "")
}

func TestContentTypes(t *testing.T) {
	e := newEnv(t)
	e.put("plain", "<html>")
	e.put("named", "x", store.Metadata{ContentType: "text/html", StorageClass: "STANDARD_IA"})
	if got := e.send(e.query("GET", "plain")).header.Get("Content-Type"); got != "binary/octet-stream" {
		t.Errorf("Content-Type %q", got)
	}
	r := e.send(e.query("GET", "named"))
	if r.header.Get("Content-Type") != "text/html" || r.header.Get("X-Amz-Storage-Class") != "STANDARD_IA" {
		t.Errorf("headers %v", r.header)
	}
	e.want(e.send(e.signed(request{method: "GET", target: "/photos/plain", header: http.Header{"X-Amz-Server-Side-Encryption-Customer-Algorithm": {"AES256"}}})), 400, "InvalidRequest")
}

// TestMetadataNames checks the bytes on the wire: names of user metadata are
// in lower case, as on S3.
func TestMetadataNames(t *testing.T) {
	e := newEnv(t)
	e.put("key", "x", store.Metadata{User: map[string]string{"mixed_case": "ä"}})
	raw := e.raw(e.query("GET", "key").with("Connection", "close"))
	if !strings.Contains(raw, "\r\nx-amz-meta-mixed_case: ä\r\n") {
		t.Errorf("%s", raw)
	}
}
