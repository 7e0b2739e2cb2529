package server

import (
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/daypass/daypass/store"
)

func TestCopyObject(t *testing.T) {
	e := newEnv(t)
	r := e.do("PUT", "/photos/from", "content", "Content-Type", "text/plain", "x-amz-meta-a", "1", "x-amz-tagging", "k=v",
		"x-amz-storage-class", "STANDARD_IA", "x-amz-website-redirect-location", "/x", "Cache-Control", "no-cache")
	e.want(r, 200, "")

	copied := e.do("PUT", "/photos/to", "", "x-amz-copy-source", "photos/from", "Content-Type", "text/ignored", "x-amz-meta-b", "2")
	e.want(copied, 200, "")
	if copied.element("ETag") != "&quot;"+md5hex("content")+"&quot;" || copied.element("LastModified") != "2026-02-06T12:00:00.000Z" ||
		copied.element("ChecksumCRC64NVME") != sumOf(store.CRC64NVME, "content") || !strings.Contains(copied.body, "<CopyObjectResult xmlns=") {
		t.Error(copied.body)
	}
	e.headersOf("to", map[string]string{"Content-Type": "text/plain", "X-Amz-Meta-A": "1", "X-Amz-Meta-B": "", "X-Amz-Tagging-Count": "1",
		"Cache-Control": "no-cache", "X-Amz-Storage-Class": "", "X-Amz-Website-Redirect-Location": ""})

	e.want(e.do("PUT", "/photos/to", "", "x-amz-copy-source", "/photos/from", "x-amz-metadata-directive", "REPLACE",
		"x-amz-tagging-directive", "REPLACE", "x-amz-tagging", "x=1&y=2&z=3", "x-amz-meta-b", "2", "x-amz-storage-class", "ONEZONE_IA"), 200, "")
	e.headersOf("to", map[string]string{"Content-Type": "binary/octet-stream", "X-Amz-Meta-A": "", "X-Amz-Meta-B": "2", "X-Amz-Tagging-Count": "3",
		"Cache-Control": "", "X-Amz-Storage-Class": "ONEZONE_IA"})
	if got := e.content("to"); got != "content" {
		t.Errorf("stored %q", got)
	}

	sums := e.do("PUT", "/photos/to", "", "x-amz-copy-source", "photos/from", "x-amz-checksum-algorithm", "SHA256")
	if sums.element("ChecksumSHA256") != sumOf(store.SHA256, "content") || sums.element("ChecksumType") != "FULL_OBJECT" {
		t.Error(sums.body)
	}
	// As a pre-signed URL, with the source in the query.
	e.want(e.send(e.query("PUT", "third", "x-amz-copy-source", "photos/from")), 200, "")
	if got := e.content("third"); got != "content" {
		t.Errorf("stored %q", got)
	}
	e.bucket("other")
	e.want(e.do("PUT", "/other/copy", "", "x-amz-copy-source", "photos/from"), 200, "")
}

// headersOf compares headers of an object; "" is one that must not be there.
func (e *env) headersOf(key string, want map[string]string) {
	e.t.Helper()
	h := e.do("HEAD", "/photos/"+key, "").header
	for name, value := range want {
		if h.Get(name) != value {
			e.t.Errorf("%s: %s: %q, want %q", key, name, h.Get(name), value)
		}
	}
}

func TestCopyOntoItself(t *testing.T) {
	e := newEnv(t)
	e.put("key", "content", store.Metadata{ContentType: "text/plain"})
	self := []string{"x-amz-copy-source", "photos/key"}
	for _, c := range []struct {
		headers []string
		status  int
	}{
		{nil, 400},
		{[]string{"x-amz-metadata-directive", "COPY"}, 400},
		{[]string{"x-amz-tagging-directive", "REPLACE"}, 400},
		{[]string{"x-amz-metadata-directive", "REPLACE"}, 200},
		{[]string{"x-amz-storage-class", "STANDARD_IA"}, 200},
		{[]string{"x-amz-website-redirect-location", "/x"}, 200},
	} {
		r := e.do("PUT", "/photos/key", "", append(c.headers, self...)...)
		if r.status != c.status {
			t.Errorf("%v: status %d\n%s", c.headers, r.status, r.body)
		}
		if c.status == 400 && r.element("Message") != "This copy request is illegal because it is trying to copy an object to itself "+
			"without changing the object's metadata, storage class, website redirect location or encryption attributes." {
			t.Errorf("%v: %s", c.headers, r.body)
		}
	}
	if got := e.content("key"); got != "content" {
		t.Errorf("stored %q", got)
	}
}

func TestCopyRefusals(t *testing.T) {
	e := newEnv(t)
	etag := `"` + e.put("from", "content").ETag + `"`
	id := e.begin("part")
	const before, after = "Thu, 05 Feb 2026 12:00:00 GMT", "Sat, 07 Feb 2026 12:00:00 GMT"
	for _, c := range []struct {
		headers []string
		status  int
		code    string
		element [2]string
	}{
		{[]string{"x-amz-copy-source", "photos/none"}, 404, "NoSuchKey", [2]string{"Key", "none"}},
		{[]string{"x-amz-copy-source", "nowhere/from"}, 404, "NoSuchBucket", [2]string{"BucketName", "nowhere"}},
		{[]string{"x-amz-copy-source", "photos"}, 400, "InvalidArgument", [2]string{"ArgumentName", "x-amz-copy-source"}},
		{[]string{"x-amz-copy-source", "No_Bucket/from"}, 400, "InvalidArgument", [2]string{"Message", "Invalid copy source bucket name"}},
		{[]string{"x-amz-copy-source", "photos/from?versionId="}, 400, "InvalidArgument", [2]string{}},
		{[]string{"x-amz-copy-source", "photos/from?versionId=x"}, 400, "InvalidArgument", [2]string{"Message", "Invalid version id specified"}},
		{[]string{"x-amz-copy-source", "photos/from?versionId=" + strings.Repeat("v", 32)}, 404, "NoSuchVersion", [2]string{}},
		{[]string{"x-amz-copy-source", "photos/from", "x-amz-copy-source-if-match", `"x"`}, 412, "PreconditionFailed", [2]string{"Condition", "x-amz-copy-source-If-Match"}},
		{[]string{"x-amz-copy-source", "photos/from", "x-amz-copy-source-if-none-match", etag}, 412, "PreconditionFailed", [2]string{"Condition", "x-amz-copy-source-If-None-Match"}},
		{[]string{"x-amz-copy-source", "photos/from", "x-amz-copy-source-if-unmodified-since", before}, 412, "PreconditionFailed", [2]string{"Condition", "x-amz-copy-source-If-Unmodified-Since"}},
		{[]string{"x-amz-copy-source", "photos/from", "x-amz-copy-source-if-modified-since", after}, 412, "PreconditionFailed", [2]string{"Condition", "x-amz-copy-source-If-Modified-Since"}},
		{[]string{"x-amz-copy-source", "photos/from", "x-amz-source-expected-bucket-owner", "bob"}, 403, "AccessDenied", [2]string{}},
		{[]string{"x-amz-copy-source", "photos/from", "x-amz-expected-bucket-owner", "bob"}, 403, "AccessDenied", [2]string{}},
		{[]string{"x-amz-copy-source", "photos/from", "x-amz-copy-source-server-side-encryption-customer-key", "x"}, 400, "InvalidRequest", [2]string{}},
	} {
		for _, target := range []string{"/photos/to", partTarget("part", id, 1)} {
			r := e.do("PUT", target, "", c.headers...)
			if r.status != c.status || r.code() != c.code || c.element[0] != "" && r.element(c.element[0]) != c.element[1] {
				t.Errorf("%s %v: status %d, want %d %s\n%s", target, c.headers, r.status, c.status, c.code, r.body)
			}
		}
	}
	for _, c := range []struct {
		name, value, code string
	}{
		{"x-amz-metadata-directive", "MOVE", "InvalidArgument"},
		{"x-amz-tagging-directive", "copy", "InvalidArgument"},
		{"x-amz-checksum-algorithm", "MD4", "InvalidRequest"},
		{"x-amz-tagging", "a=1&a=2", "InvalidArgument"},
		{"x-amz-storage-class", "COLD", "InvalidStorageClass"},
		{"x-amz-object-lock-mode", "GOVERNANCE", "InvalidArgument"},
		{"x-amz-object-lock-event-hold", "ON", "NotImplemented"},
		{"x-amz-server-side-encryption", "aws:kms", "NotImplemented"},
		{"If-Match", `"x"`, "NoSuchKey"},
	} {
		if r := e.do("PUT", "/photos/to", "", "x-amz-copy-source", "photos/from", c.name, c.value); r.code() != c.code {
			t.Errorf("%s: status %d\n%s", c.name, r.status, r.body)
		}
	}
	e.want(e.do("PUT", "/photos/to?versionId=null", "", "x-amz-copy-source", "photos/from"), 400, "InvalidArgument")
	if e.exists("to") {
		t.Error("something was stored")
	}
	for _, headers := range [][]string{
		{"x-amz-copy-source-if-match", etag, "x-amz-copy-source-if-unmodified-since", before},
		{"x-amz-copy-source-if-none-match", `"x"`, "x-amz-copy-source-if-modified-since", before},
		{"x-amz-source-expected-bucket-owner", "alice", "If-Match", etag},
	} {
		e.want(e.do("PUT", "/photos/to", "", append(headers, "x-amz-copy-source", "photos/from")...), 200, "")
	}
	e.want(e.do("PUT", "/photos/to", "", "x-amz-copy-source", "photos/from", "If-None-Match", "*"), 412, "PreconditionFailed")
}

// TestCopyOddKeys copies keys that are easily misread.
func TestCopyOddKeys(t *testing.T) {
	e := newEnv(t)
	for _, key := range []string{"a+b", "a b", "a%20b", "a%2Bb", "a?b", "a?versionId=x", "a#b", "é", "日本", "a//b", "/a", "a/", "./a", "a/../b", "..", `a"b`, "a&b"} {
		e.put(key, "content of "+key)
		escaped := strings.ReplaceAll(url.QueryEscape(key), "+", "%20")
		for _, source := range []string{"photos/" + escaped, "/photos/" + strings.ReplaceAll(escaped, "%2F", "/"), "photos%2F" + url.QueryEscape(key)} {
			e.want(e.do("PUT", "/photos/copy", "", "x-amz-copy-source", source), 200, "")
			if got := e.content("copy"); got != "content of "+key {
				t.Errorf("%q by %q: %q", key, source, got)
			}
		}
		e.want(e.send(e.query("PUT", key+"-copy", "x-amz-copy-source", "photos/"+escaped)), 200, "")
	}
}

func TestUploadPartCopy(t *testing.T) {
	e := newEnv(t)
	body := partOf('a') + "tail"
	e.put("from", body)
	e.put("empty", "")
	id := e.begin("to")
	first := e.do("PUT", partTarget("to", id, 1), "", "x-amz-copy-source", "photos/from", "x-amz-copy-source-range", "bytes=0-5242879")
	e.want(first, 200, "")
	if !strings.Contains(first.body, "<CopyPartResult xmlns=") || first.element("ETag") != "&quot;"+md5hex(partOf('a'))+"&quot;" {
		t.Error(first.body)
	}
	q := e.query("PUT", "to", "partNumber", "2", "uploadId", id, "x-amz-copy-source", "photos/from", "x-amz-copy-source-range", "bytes=5242880-5242883")
	second := e.send(q)
	e.want(second, 200, "")
	whole := e.do("PUT", partTarget("to", id, 3), "", "x-amz-copy-source", "photos/from")
	e.want(whole, 200, "")
	for value, message := range map[string]string{
		"bytes=0-5242884": "Range specified is not valid for source object of size: 5242884",
		"0-2":             "", "bytes=0": "", "bytes=hello-world": "", "bytes=0-bar": "", "bytes=hello-": "", "bytes=0-2,3-5": "", "bytes=5-2": "", "bytes=-2": "", "bytes=2-": "",
	} {
		r := e.do("PUT", partTarget("to", id, 4), "", "x-amz-copy-source", "photos/from", "x-amz-copy-source-range", value)
		if message == "" {
			message = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy"
		}
		if r.status != 400 || r.code() != "InvalidArgument" || r.element("Message") != message || r.element("ArgumentValue") != value {
			t.Errorf("%s: status %d\n%s", value, r.status, r.body)
		}
	}
	e.want(e.do("PUT", partTarget("to", id, 4), "", "x-amz-copy-source", "photos/empty"), 200, "")
	e.want(e.do("PUT", partTarget("to", "none", 4), "", "x-amz-copy-source", "photos/from"), 404, "NoSuchUpload")
	unquote := func(r *reply) string { return strings.ReplaceAll(r.element("ETag"), "&quot;", `"`) }
	done := e.do("POST", "/photos/to?uploadId="+id, completion("1", unquote(first), "", "3", unquote(whole), ""))
	e.want(done, 200, "")
	if got := e.content("to"); got != partOf('a')+body {
		t.Errorf("%d bytes", len(got))
	}
	// A copy of an object in parts is read as it is.
	e.want(e.do("PUT", "/photos/again", "", "x-amz-copy-source", "photos/to"), 200, "")
	if got := e.content("again"); got != partOf('a')+body {
		t.Errorf("%d bytes", len(got))
	}
}

// TestCopyRace copies an object while it is replaced: every copy is one of the
// two, whole, and none is refused for a condition that nobody set.
func TestCopyRace(t *testing.T) {
	e := newEnv(t)
	e.put("from", "old")
	stop := make(chan struct{})
	var writer, copiers sync.WaitGroup
	writer.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				e.put("from", []string{"old", "newer"}[i%2])
			}
		}
	})
	for range 4 {
		copiers.Go(func() {
			for range 5 {
				r := e.do("PUT", "/photos/to", "", "x-amz-copy-source", "photos/from")
				if r.status != 200 {
					t.Errorf("status %d\n%s", r.status, r.body)
				}
			}
		})
	}
	copiers.Wait()
	close(stop)
	writer.Wait()
	if got := e.content("to"); got != "old" && got != "newer" {
		t.Errorf("stored %q", got)
	}
}
