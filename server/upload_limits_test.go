package server

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/store"
)

const pngHead = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"

// upload is a pass for putting an object, with a body and headers.
func (e *passEnv) upload(body string, params []string, headers ...string) request {
	q := e.query("PUT", "key", params...).with(headers...)
	q.body = body
	return q
}

// nothing checks that no object is there.
func (e *passEnv) nothing(what string) {
	e.t.Helper()
	if e.exists("key") {
		e.t.Fatalf("%s: something was stored", what)
	}
}

// TestSizeStreams uploads bodies that are too small, too large, and of unknown
// size.
func TestSizeStreams(t *testing.T) {
	e := newPassEnv(t)
	size := []string{limits.Size, "5-10"}
	for body, code := range map[string]string{"": "EntityTooSmall", "1234": "EntityTooSmall", "12345678901": "EntityTooLarge",
		strings.Repeat("x", 1<<20): "EntityTooLarge"} {
		r := e.send(e.upload(body, size))
		e.refused(r, 400, code, limits.Size)
		if r.element("Allowed") != "5-10" || r.element("Asked") != fmt.Sprint(len(body)) || r.element("ProposedSize") != fmt.Sprint(len(body)) ||
			r.element("MaxSizeAllowed")+r.element("MinSizeAllowed") == "" {
			t.Error(r.body)
		}
		e.nothing(code)
	}
	// The client learns it before it sends the body.
	conn := e.dial()
	if err := e.upload("", size).head(11).with("Expect", "100-continue").write(conn); err != nil {
		t.Fatal(err)
	}
	e.refused(e.read(bufio.NewReader(conn), "PUT"), 400, "EntityTooLarge", limits.Size)
	conn.Close()

	bare := e.upload("", size)
	bare.noLength = true
	e.want(e.send(bare), 411, "MissingContentLength")
	chunked := e.upload("7\r\ncontent\r\n0\r\n\r\n", size, "Transfer-Encoding", "chunked")
	chunked.noLength = true
	e.want(e.send(chunked), 411, "MissingContentLength")
	e.nothing("no length")
	for _, body := range []string{"12345", "1234567890"} {
		e.granted(e.send(e.upload(body, size)), 200, "")
	}
	for value, body := range map[string]string{"0-0": "", "1-1": "x", "0-5497558138880": "content"} {
		e.granted(e.send(e.upload(body, []string{limits.Size, value})), 200, "")
	}
}

// TestSizeOfChunkedUploads lies about the decoded length.
func TestSizeOfChunkedUploads(t *testing.T) {
	e := newPassEnv(t)
	send := func(declared, content string) *reply {
		q := e.presign(sign.URLRequest{Method: "PUT", Bucket: "photos", Key: "key", Query: pairs([]string{limits.Size, "5-10"}),
			Header: http.Header{"X-Amz-Decoded-Content-Length": {declared}, "X-Amz-Trailer": {"x-amz-checksum-crc32"}}})
		q.header.Set("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
		q.body = fmt.Sprintf("%x\r\n%s\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n", len(content), content, sumOf(store.CRC32, content))
		return e.send(q)
	}
	e.refused(send("4", "1234"), 400, "EntityTooSmall", limits.Size)
	e.refused(send("11", "12345678901"), 400, "EntityTooLarge", limits.Size)
	for _, c := range []struct{ declared, content string }{
		{"7", "12345678901"}, {"7", "1234"}, {"10", "12345678901234567890"}, {"", "content"}, {"-1", "content"}, {"x", "content"},
	} {
		if r := send(c.declared, c.content); r.status < 400 {
			t.Errorf("%q for %d bytes: status %d", c.declared, len(c.content), r.status)
		}
	}
	e.nothing("a lie")
	e.granted(send("7", "content"), 200, "")
}

// TestSizeOfParts bounds each part.
func TestSizeOfParts(t *testing.T) {
	e := newPassEnv(t)
	created := e.do("POST", "/photos/key?uploads", "")
	id := created.element("UploadId")
	q := e.query("PUT", "key", limits.Size, "5-10", "partNumber", "1", "uploadId", id)
	q.body = "1234"
	e.refused(e.send(q), 400, "EntityTooSmall", limits.Size)
	q.body = "12345678901"
	e.refused(e.send(q), 400, "EntityTooLarge", limits.Size)
	if r := e.do("GET", "/photos/key?uploadId="+id, ""); r.status != 200 || strings.Contains(r.body, "<Part>") {
		t.Errorf("status %d\n%s", r.status, r.body)
	}
	q.body = "content"
	e.granted(e.send(q), 200, "")
	// A pass for an object is none for a part, nor for a copy.
	put := e.upload("content", []string{limits.Size, "5-10"})
	e.want(e.send(put.change("?", "?partNumber=1&uploadId="+id+"&")), 403, "SignatureDoesNotMatch")
}

// TestCopyWithSizeRefused stores an object by copying where an upload would
// have been bounded.
func TestCopyWithSizeRefused(t *testing.T) {
	e := newPassEnv(t)
	e.put("large", strings.Repeat("x", 100))
	for _, limit := range []string{limits.Size, limits.Type, limits.Overwrite} {
		value := map[string]string{limits.Size: "0-10", limits.Type: "image/png", limits.Overwrite: "no"}[limit]
		r := e.send(e.upload("", []string{limit, value}, "X-Amz-Copy-Source", "/photos/large"))
		e.want(r, 403, "AccessDenied")
		signed := e.presign(sign.URLRequest{Method: "PUT", Bucket: "photos", Key: "key", Query: pairs([]string{limit, value}),
			Header: http.Header{"X-Amz-Copy-Source": {"/photos/large"}}})
		e.invalid(e.send(signed), "cannot be enforced for CopyObject")
		e.invalid(e.send(e.query("PUT", "key", limit, value, "x-amz-copy-source", "/photos/large")), "cannot be enforced for CopyObject")
		e.invalid(e.send(e.query("POST", "key", limit, value, "uploads", "")), "cannot be enforced for CreateMultipartUpload")
		e.invalid(e.send(e.query("POST", "key", limit, value, "uploadId", "x")), "cannot be enforced for CompleteMultipartUpload")
		e.nothing(limit)
	}
}

func TestTypes(t *testing.T) {
	e := newPassEnv(t)
	html := "<!DOCTYPE html><script>alert(1)</script>"
	for _, c := range []struct {
		allowed, declared, body string
		ok                      bool
	}{
		{"image/png", "image/png", pngHead, true},
		{"image/*", "Image/PNG; x=y", pngHead, true},
		{"image/*,application/pdf", "application/pdf", "%PDF-1.7\n", true},
		{"text/*", "text/plain; charset=utf-8", "words", true},
		{"*/*", "", "anything", true},
		{"image/png", "image/png", "", true},
		{"image/png", "image/png", pngHead + strings.Repeat("x", 10_000), true},
		{"image/*", "text/html", html, false},
		{"image/*", "", pngHead, false},
		{"image/png", "image/pngx", pngHead, false},
		{"image/*", "image/png, text/html", pngHead, false},
		{"image/*", "image/png;", html, false},
		{"image/*", "image", pngHead, false},
		{"image/*", "image/*", pngHead, false},
		{"image/*", "nonsense\x01", pngHead, false},
		// The content contradicts what is declared.
		{"image/png", "image/png", html, false},
		{"image/*", "image/png", html + strings.Repeat(" ", 10_000), false},
		{"application/pdf", "application/pdf", html, false},
	} {
		headers := []string{}
		if c.declared != "" {
			headers = []string{"Content-Type", c.declared}
		}
		r := e.send(e.upload(c.body, []string{limits.Type, c.allowed}, headers...))
		if c.ok {
			e.granted(r, 200, "")
			if got := e.content("key"); got != c.body {
				t.Errorf("%s: stored %d bytes", c.declared, len(got))
			}
			e.want(e.do("DELETE", "/photos/key", ""), 204, "")
			continue
		}
		if r.status == 400 && c.declared == "nonsense\x01" {
			continue // net/http refuses it
		}
		e.refused(r, 403, "AccessDenied", limits.Type)
		e.nothing(c.declared)
	}
	// Two lines are one value, and no way to have one checked and one stored.
	q := e.upload(pngHead, []string{limits.Type, "image/png"})
	q.header["Content-Type"] = []string{"image/png", "text/html"}
	e.refused(e.send(q), 403, "AccessDenied", limits.Type)
	// A contradiction in a chunked body.
	framed := e.presign(sign.URLRequest{Method: "PUT", Bucket: "photos", Key: "key", Query: pairs([]string{limits.Type, "image/png"}),
		Header: http.Header{"X-Amz-Decoded-Content-Length": {fmt.Sprint(len(html))}, "X-Amz-Trailer": {"x-amz-checksum-crc32"}}}).
		with("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "Content-Type", "image/png", "Content-Encoding", "aws-chunked")
	framed.body = fmt.Sprintf("3\r\n%s\r\n%x\r\n%s\r\n0\r\nx-amz-checksum-crc32:%s\r\n\r\n", html[:3], len(html)-3, html[3:], sumOf(store.CRC32, html))
	e.refused(e.send(framed), 403, "AccessDenied", limits.Type)
	e.nothing("chunked")
}

// TestTypeReadsOnce gives the body byte by byte: what is looked at is stored.
func TestTypeReadsOnce(t *testing.T) {
	for _, size := range []int{0, 1, 511, 512, 513, 5000} {
		body := (pngHead + strings.Repeat("x", 5000))[:size]
		if size == 1 {
			body = "\x89"
		}
		b := &typedBody{body: oneByte{strings.NewReader(body)}, declared: "image/png"}
		got, err := io.ReadAll(b)
		if size == 1 && err != nil {
			continue // one byte is no PNG
		}
		if err != nil || string(got) != body {
			t.Errorf("%d bytes: read %d, %v", size, len(got), err)
		}
	}
	broken := &typedBody{body: io.MultiReader(strings.NewReader(pngHead), errReader{}), declared: "image/png"}
	if got, err := io.ReadAll(broken); err == nil || string(got) != pngHead {
		t.Errorf("read %q, %v", got, err)
	}
}

type oneByte struct{ r io.Reader }

func (o oneByte) Read(p []byte) (int, error) { return o.r.Read(p[:min(1, len(p))]) }

// TestContentEncodingRefused hides content behind an encoding.
func TestContentEncodingRefused(t *testing.T) {
	e := newPassEnv(t)
	for _, encoding := range []string{"gzip", "aws-chunked,gzip", "identity,gzip", "GZIP", "br", "x", "identity, identity"} {
		r := e.send(e.upload(pngHead, []string{limits.Type, "image/png"}, "Content-Type", "image/png", "Content-Encoding", encoding))
		e.refused(r, 403, "AccessDenied", limits.Type)
		e.nothing(encoding)
	}
	for _, encoding := range []string{"identity", "Identity", "aws-chunked", "AWS-Chunked", "aws-chunked, identity"} {
		e.granted(e.send(e.upload(pngHead, []string{limits.Type, "image/png"}, "Content-Type", "image/png", "Content-Encoding", encoding)), 200, "")
	}
}

// TestOverwriteRace lets many clients make one new key, and then replace it.
func TestOverwriteRace(t *testing.T) {
	e := newPassEnv(t)
	q := e.query("PUT", "key", limits.Overwrite, "no")
	var wg sync.WaitGroup
	bodies := make(chan string, 50)
	for i := range cap(bodies) {
		wg.Go(func() {
			mine := q
			mine.header, mine.body = q.header.Clone(), fmt.Sprint("content ", i)
			switch w := e.serve(mine); w.Code {
			case 200:
				bodies <- mine.body
			case 403, 409:
			default:
				t.Errorf("status %d\n%s", w.Code, w.Body)
			}
		})
	}
	wg.Wait()
	if len(bodies) != 1 {
		t.Fatalf("%d uploads were stored", len(bodies))
	}
	want := <-bodies
	q.body = "another"
	obj, err := e.store.Object(t.Context(), ref("key"))
	if err != nil {
		t.Fatal(err)
	}
	for what, again := range map[string]request{
		"plain":         q,
		"if-none-match": q.with("If-None-Match", "*"),
		"if-match":      q.with("If-Match", s3.QuoteETag(obj.ETag)),
	} {
		e.refused(e.send(again), 403, "AccessDenied", limits.Overwrite)
		if got := e.content("key"); got != want {
			t.Fatalf("%s: stored %q", what, got)
		}
	}
	e.refused(e.send(q.change("/key", "/new").with("If-Match", s3.QuoteETag(obj.ETag))), 403, "SignatureDoesNotMatch", "")
	fresh := e.query("PUT", "new", limits.Overwrite, "no")
	e.refused(e.send(fresh.with("If-Match", s3.QuoteETag(obj.ETag))), 403, "AccessDenied", limits.Overwrite)
	e.want(e.send(q.with("If-Match", "*")), 501, "NotImplemented")
	hoisted := e.query("PUT", "key", limits.Overwrite, "no", "If-Match", obj.ETag)
	hoisted.body = "another"
	e.refused(e.send(hoisted), 403, "AccessDenied", limits.Overwrite)
	if got := e.content("key"); got != want {
		t.Fatalf("stored %q", got)
	}
}

// TestLimitsOverHTTP2 uploads without a length, and looks at what a counted
// download is like there.
func TestLimitsOverHTTP2(t *testing.T) {
	e := newPassEnv(t, func(c *Config) { c.MinBodyRate = 1 << 10 })
	srv := httptest.NewUnstartedServer(e.server)
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	send := func(method string, body io.Reader, params ...string) (*http.Response, string) {
		q := e.presignFor(srv.URL, testKey, sign.URLRequest{Method: method, Bucket: "photos", Key: "key", Query: pairs(params)})
		r, err := http.NewRequest(method, srv.URL+q.target, body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := srv.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.ProtoMajor != 2 {
			t.Fatalf("HTTP/%d, %v", resp.ProtoMajor, err)
		}
		return resp, string(b)
	}
	if r, b := send("PUT", io.MultiReader(strings.NewReader("content")), limits.Size, "0-10"); r.StatusCode != 411 {
		t.Errorf("status %d\n%s", r.StatusCode, b)
	}
	if r, b := send("PUT", strings.NewReader("12345678901"), limits.Size, "0-10"); r.StatusCode != 400 || !strings.Contains(b, "EntityTooLarge") {
		t.Errorf("status %d\n%s", r.StatusCode, b)
	}
	e.nothing("HTTP/2")
	body := strings.Repeat("content ", 1<<12)
	rated := []string{limits.Rate, "65536", limits.TLS, "required", limits.Uses, "1"}
	if r, b := send("PUT", strings.NewReader(body), rated...); r.StatusCode != 200 {
		t.Errorf("status %d\n%s", r.StatusCode, b)
	}
	if r, b := send("GET", nil, rated...); r.StatusCode != 200 || b != body || r.Header.Get("Cache-Control") != "private, no-store" {
		t.Errorf("status %d, %d bytes", r.StatusCode, len(b))
	}
	if r, b := send("GET", nil, rated...); r.StatusCode != 403 || !strings.Contains(b, limits.Uses) {
		t.Errorf("status %d\n%s", r.StatusCode, b)
	}
}

// TestRefusedUploadIsNotRead checks that a refusal does not wait for the body.
func TestRefusedUploadIsNotRead(t *testing.T) {
	e := newPassEnv(t)
	conn := e.dial()
	defer conn.Close()
	q := e.upload("", []string{limits.Type, "image/png"}, "Content-Type", "image/png").head(1 << 30)
	if err := q.write(conn); err != nil {
		t.Fatal(err)
	}
	io.WriteString(conn, strings.Repeat("<html>", 100))
	e.refused(e.read(bufio.NewReader(conn), "PUT"), 403, "AccessDenied", limits.Type)
	e.nothing("refused early")
}
