package server

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/store"
)

// partOf returns the content of a part of the least size.
func partOf(c byte) string { return strings.Repeat(string(c), store.MinPartSize) }

// begin begins an upload and returns its id.
func (e *env) begin(key string, headers ...string) string {
	e.t.Helper()
	r := e.do("POST", "/photos/"+key+"?uploads", "", headers...)
	e.want(r, 200, "")
	return r.element("UploadId")
}

func partTarget(key, id string, n int) string {
	return fmt.Sprintf("/photos/%s?partNumber=%d&uploadId=%s", key, n, id)
}

// completion makes the body of CompleteMultipartUpload. Parts are given as
// numbers, ETags and further XML.
func completion(parts ...string) string {
	var b strings.Builder
	b.WriteString("<CompleteMultipartUpload>")
	for i := 0; i+2 < len(parts); i += 3 {
		b.WriteString("<Part><PartNumber>" + parts[i] + "</PartNumber><ETag>" + parts[i+1] + "</ETag>" + parts[i+2] + "</Part>")
	}
	return b.String() + "</CompleteMultipartUpload>"
}

func multipartETag(parts ...string) string {
	h := md5.New()
	for _, p := range parts {
		sum := md5.Sum([]byte(p))
		h.Write(sum[:])
	}
	return fmt.Sprintf(`"%s-%d"`, hex.EncodeToString(h.Sum(nil)), len(parts))
}

// TestMultipartUpload walks one upload through its life.
func TestMultipartUpload(t *testing.T) {
	e := newEnv(t)
	id := e.begin("big", "Content-Type", "video/mp4", "x-amz-meta-a", "1", "x-amz-tagging", "k=v", "x-amz-storage-class", "STANDARD_IA")
	if e.exists("big") {
		t.Fatal("the object is there before it is complete")
	}
	one, two := partOf('1'), "the end"
	put := func(n int, body string) *reply {
		t.Helper()
		r := e.do("PUT", partTarget("big", id, n), body)
		e.want(r, 200, "")
		return r
	}
	put(7, "replaced")
	last := put(7, two)
	first := put(2, one)
	put(9, "not named")
	if got := first.header.Get("ETag"); got != `"`+md5hex(one)+`"` || first.header.Get("x-amz-checksum-crc64nvme") != sumOf(store.CRC64NVME, one) {
		t.Errorf("part: headers %v", first.header)
	}

	uploads := e.do("GET", "/photos?uploads", "")
	if uploads.element("UploadId") != id || uploads.element("Key") != "big" || uploads.element("StorageClass") != "STANDARD_IA" {
		t.Error(uploads.body)
	}
	list := e.do("GET", "/photos/big?uploadId="+id, "")
	if n := strings.Count(list.body, "<Part>"); n != 3 || list.element("PartNumber") != "2" || list.element("IsTruncated") != "false" ||
		list.element("NextPartNumberMarker") != "9" {
		t.Error(list.body)
	}
	page := e.do("GET", "/photos/big?uploadId="+id+"&max-parts=1&part-number-marker=2", "")
	if page.element("PartNumber") != "7" || page.element("IsTruncated") != "true" || page.element("NextPartNumberMarker") != "7" {
		t.Error(page.body)
	}

	doc := completion("2", first.header.Get("ETag"), "", "7", last.header.Get("ETag"), "")
	done := e.do("POST", "/photos/big?uploadId="+id, doc, "x-amz-mp-object-size", strconv.Itoa(len(one)+len(two)))
	e.want(done, 200, "")
	etag := multipartETag(one, two)
	if done.element("ETag") != strings.ReplaceAll(etag, `"`, "&quot;") || done.element("Location") != "http://"+e.addr+"/photos/big" ||
		done.element("ChecksumCRC64NVME") != sumOf(store.CRC64NVME, one+two) || done.element("ChecksumType") != "FULL_OBJECT" {
		t.Error(done.body)
	}
	// Once more is as good as once.
	e.want(e.do("POST", "/photos/big?uploadId="+id, doc), 200, "")
	e.want(e.do("GET", "/photos/big?uploadId="+id, ""), 404, "NoSuchUpload")

	got := e.do("GET", "/photos/big", "", "x-amz-checksum-mode", "ENABLED")
	for name, want := range map[string]string{"ETag": etag, "Content-Type": "video/mp4", "X-Amz-Meta-A": "1", "X-Amz-Tagging-Count": "1",
		"X-Amz-Storage-Class": "STANDARD_IA", "X-Amz-Checksum-Type": "FULL_OBJECT", "X-Amz-Mp-Parts-Count": ""} {
		if got.header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.header.Get(name), want)
		}
	}
	if got.body != one+two {
		t.Errorf("%d bytes", len(got.body))
	}
	e.partReads("big", one, two)
}

// partReads reads an object of the parts 2 and 7 by number and by range.
func (e *env) partReads(key, one, two string) {
	e.t.Helper()
	size := len(one) + len(two)
	for _, c := range []struct {
		number, want, contentRange string
	}{
		{"2", one, fmt.Sprintf("bytes 0-%d/%d", len(one)-1, size)},
		{"7", two, fmt.Sprintf("bytes %d-%d/%d", len(one), size-1, size)},
	} {
		r := e.do("GET", "/photos/"+key+"?partNumber="+c.number, "", "x-amz-checksum-mode", "ENABLED")
		head := e.do("HEAD", "/photos/"+key+"?partNumber="+c.number, "", "x-amz-checksum-mode", "ENABLED")
		if r.status != 206 || r.body != c.want {
			e.t.Errorf("part %s: status %d, %d bytes", c.number, r.status, len(r.body))
		}
		for _, h := range []http.Header{r.header, head.header} {
			if h.Get("X-Amz-Mp-Parts-Count") != "2" || h.Get("Content-Range") != c.contentRange ||
				h.Get("X-Amz-Checksum-Crc64nvme") != sumOf(store.CRC64NVME, c.want) {
				e.t.Errorf("part %s: headers %v", c.number, h)
			}
		}
	}
	missing := e.do("GET", "/photos/"+key+"?partNumber=3", "")
	e.want(missing, 416, "InvalidPartNumber")
	if missing.element("ActualPartCount") != "2" {
		e.t.Error(missing.body)
	}
	across := e.do("GET", "/photos/"+key, "", "Range", fmt.Sprintf("bytes=%d-%d", len(one)-2, len(one)+1))
	if across.status != 206 || across.body != one[:2]+two[:2] {
		e.t.Errorf("status %d, %q", across.status, across.body)
	}
}

func TestMultipartRefusals(t *testing.T) {
	e := newEnv(t)
	id := e.begin("big")
	small := e.do("PUT", partTarget("big", id, 1), "small").header.Get("ETag")
	end := e.do("PUT", partTarget("big", id, 2), "end").header.Get("ETag")
	upload := "/photos/big?uploadId=" + id
	for _, c := range []struct {
		method, target, body string
		headers              []string
		status               int
		code, element        string
	}{
		{"PUT", partTarget("big", id, 0), "x", nil, 400, "InvalidArgument", "ArgumentName"},
		{"PUT", partTarget("big", id, 10001), "x", nil, 400, "InvalidArgument", ""},
		{"PUT", "/photos/big?partNumber=x&uploadId=" + id, "x", nil, 400, "InvalidArgument", ""},
		{"PUT", "/photos/big?uploadId=" + id, "x", nil, 400, "InvalidArgument", ""},
		{"PUT", "/photos/big?partNumber=1", "x", nil, 400, "InvalidArgument", ""},
		{"PUT", partTarget("big", "none", 1), "x", nil, 404, "NoSuchUpload", "UploadId"},
		{"PUT", partTarget("other", id, 1), "x", nil, 404, "NoSuchUpload", ""},
		{"PUT", partTarget("big", id, 1), "x", []string{"Content-MD5", md5Of("y")}, 400, "BadDigest", ""},
		{"PUT", partTarget("big", id, 1), "x", []string{"x-amz-checksum-crc32", sumOf(store.CRC32, "y")}, 400, "BadDigest", ""},
		{"PUT", partTarget("big", id, 1), "x", []string{"x-amz-server-side-encryption-customer-algorithm", "AES256"}, 400, "InvalidRequest", ""},
		{"PUT", partTarget("big", id, 1) + "&versionId=null", "x", nil, 400, "InvalidArgument", ""},
		{"GET", "/photos/big?uploadId=none", "", nil, 404, "NoSuchUpload", "UploadId"},
		{"GET", upload + "&max-parts=x", "", nil, 400, "InvalidArgument", ""},
		{"GET", upload + "&max-parts=-1", "", nil, 400, "InvalidArgument", ""},
		{"GET", upload + "&part-number-marker=x", "", nil, 400, "InvalidArgument", ""},
		{"GET", upload + "&encoding-type=x", "", nil, 400, "InvalidArgument", ""},
		{"GET", "/photos?uploads&max-uploads=x", "", nil, 400, "InvalidArgument", ""},
		{"GET", "/photos?uploads&encoding-type=x", "", nil, 400, "InvalidArgument", ""},
		{"GET", "/nowhere?uploads", "", nil, 404, "NoSuchBucket", ""},
		{"POST", "/nowhere/big?uploads", "", nil, 404, "NoSuchBucket", ""},
		{"POST", "/photos/big?uploads", "", []string{"x-amz-checksum-algorithm", "MD4"}, 400, "InvalidRequest", ""},
		{"POST", "/photos/big?uploads", "", []string{"x-amz-checksum-type", "COMPOSITE"}, 400, "InvalidRequest", ""},
		{"POST", "/photos/big?uploads", "", []string{"x-amz-checksum-algorithm", "SHA1", "x-amz-checksum-type", "FULL_OBJECT"}, 400, "InvalidRequest", ""},
		{"POST", "/photos/big?uploads", "", []string{"x-amz-checksum-algorithm", "CRC64NVME", "x-amz-checksum-type", "COMPOSITE"}, 400, "InvalidRequest", ""},
		{"POST", "/photos/big?uploads", "", []string{"x-amz-storage-class", "COLD"}, 400, "InvalidStorageClass", ""},
		{"POST", "/photos/big?uploads", "", []string{"x-amz-server-side-encryption", "aws:kms"}, 501, "NotImplemented", ""},
		{"POST", "/photos/big?uploads", "", []string{"x-amz-acl", "public-read"}, 400, "AccessControlListNotSupported", ""},
		{"DELETE", "/photos/big?uploadId=none", "", nil, 404, "NoSuchUpload", "UploadId"},
		{"POST", "/photos/big?uploadId=none", completion("1", small, ""), nil, 404, "NoSuchUpload", "UploadId"},
		{"POST", upload, "", nil, 400, "MalformedXML", ""},
		{"POST", upload, "<x/>", nil, 400, "MalformedXML", ""},
		{"POST", upload, completion(), nil, 400, "InvalidRequest", ""},
		{"POST", upload, completion("2", end, "", "1", small, ""), nil, 400, "InvalidPartOrder", "UploadId"},
		{"POST", upload, completion("1", small, "", "1", small, ""), nil, 400, "InvalidPartOrder", ""},
		{"POST", upload, completion("1", small, "", "2", end, ""), nil, 400, "EntityTooSmall", "MinSizeAllowed"},
		{"POST", upload, completion("1", end, ""), nil, 400, "InvalidPart", "PartNumber"},
		{"POST", upload, completion("3", end, ""), nil, 400, "InvalidPart", ""},
		{"POST", upload, completion("0", end, ""), nil, 400, "InvalidArgument", ""},
		{"POST", upload, completion("2", end, "<ChecksumCRC32>AAAAAA==</ChecksumCRC32>"), nil, 400, "InvalidPart", ""},
		{"POST", upload, completion("2", end, ""), []string{"x-amz-mp-object-size", "4"}, 400, "InvalidRequest", ""},
		{"POST", upload, completion("2", end, ""), []string{"x-amz-mp-object-size", "x"}, 400, "InvalidRequest", ""},
		{"POST", upload, completion("2", end, ""), []string{"x-amz-checksum-crc64nvme", sumOf(store.CRC64NVME, "x")}, 400, "BadDigest", ""},
		{"POST", upload, completion("2", end, ""), []string{"x-amz-checksum-type", "COMPOSITE"}, 400, "InvalidRequest", ""},
		{"POST", upload, completion("2", end, ""), []string{"If-Match", `"x"`}, 404, "NoSuchKey", ""},
		{"POST", upload, "", []string{"Content-Length", "8388609"}, 400, "MaxMessageLengthExceeded", ""},
	} {
		r := e.do(c.method, c.target, c.body, c.headers...)
		if r.status != c.status || r.code() != c.code || c.element != "" && !strings.Contains(r.body, "<"+c.element+">") {
			t.Errorf("%s %s %v %.80s: status %d, want %d %s %s\n%s", c.method, c.target, c.headers, c.body, r.status, c.status, c.code, c.element, r.body)
		}
	}
	if e.exists("big") {
		t.Fatal("the object is there")
	}
	e.put("big", "meanwhile")
	e.want(e.do("POST", upload, completion("2", end, ""), "If-None-Match", "*"), 412, "PreconditionFailed")
	e.want(e.do("POST", upload, completion("2", end, ""), "If-Match", md5hex("meanwhile")), 200, "")
	if got := e.content("big"); got != "end" {
		t.Errorf("stored %q", got)
	}
	gone := e.begin("gone")
	e.want(e.do("DELETE", "/photos/gone?uploadId="+gone, ""), 204, "")
	e.want(e.do("PUT", partTarget("gone", gone, 1), "x"), 404, "NoSuchUpload")
	if l := e.do("GET", "/photos?uploads", ""); strings.Contains(l.body, "<Upload>") {
		t.Error(l.body)
	}
}

// TestMultipartChecksums goes through the algorithms and types.
func TestMultipartChecksums(t *testing.T) {
	e := newEnv(t)
	for _, a := range algorithms {
		for _, kind := range []string{"COMPOSITE", "FULL_OBJECT"} {
			if kind == "COMPOSITE" == (a == store.CRC64NVME) || kind == "FULL_OBJECT" && (a == store.SHA1 || a == store.SHA256) {
				continue
			}
			e.checksummed(a, kind)
		}
	}
}

func (e *env) checksummed(a store.ChecksumAlgorithm, kind string) {
	e.t.Helper()
	key := strings.ToLower(string(a) + kind)
	begun := e.do("POST", "/photos/"+key+"?uploads", "", "x-amz-checksum-algorithm", string(a), "x-amz-checksum-type", kind)
	e.want(begun, 200, "")
	if begun.header.Get("x-amz-checksum-algorithm") != string(a) || begun.header.Get("x-amz-checksum-type") != kind {
		e.t.Errorf("%s: headers %v", key, begun.header)
	}
	id, sum := begun.element("UploadId"), sumOf(a, "part")
	bare := e.do("PUT", partTarget(key, id, 1), "part")
	if kind == "COMPOSITE" {
		e.want(bare, 400, "InvalidRequest")
	} else {
		e.want(bare, 200, "")
	}
	other := map[bool]store.ChecksumAlgorithm{true: store.CRC32, false: store.CRC32C}[a != store.CRC32]
	e.want(e.do("PUT", partTarget(key, id, 1), "part", other.Header(), sumOf(other, "part")), 400, "InvalidRequest")
	part := e.do("PUT", partTarget(key, id, 1), "part", a.Header(), sum)
	if part.header.Get(a.Header()) != sum {
		e.t.Errorf("%s: part: headers %v", key, part.header)
	}
	etag := part.header.Get("ETag")
	element := "Checksum" + string(a)
	list := e.do("GET", "/photos/"+key+"?uploadId="+id, "")
	if list.element(element) != sum || list.element("ChecksumAlgorithm") != string(a) || list.element("ChecksumType") != kind {
		e.t.Error(list.body)
	}
	whole := sum
	if kind == "COMPOSITE" {
		e.want(e.do("POST", "/photos/"+key+"?uploadId="+id, completion("1", etag, "")), 400, "InvalidRequest")
		digest, _ := base64.StdEncoding.DecodeString(sum)
		whole = sumOf(a, string(digest)) + "-1"
	}
	done := e.do("POST", "/photos/"+key+"?uploadId="+id, completion("1", etag, "<"+element+">"+sum+"</"+element+">"),
		a.Header(), whole, "x-amz-checksum-type", kind)
	e.want(done, 200, "")
	head := e.do("HEAD", "/photos/"+key, "", "x-amz-checksum-mode", "ENABLED")
	if done.element(element) != whole || head.header.Get(a.Header()) != whole || head.header.Get("x-amz-checksum-type") != kind {
		e.t.Errorf("%s: %s\n%v", key, done.body, head.header)
	}
	attributes := e.do("GET", "/photos/"+key+"?attributes", "", "x-amz-object-attributes", "Checksum,ObjectParts")
	if attributes.element("ChecksumType") != kind || strings.Count(attributes.body, "<"+element+">") != 2 || attributes.element("PartsCount") != "1" {
		e.t.Error(attributes.body)
	}
}

// TestPresignedMultipart does what a browser does that was handed one URL for
// each part, from another origin.
func TestPresignedMultipart(t *testing.T) {
	e := newEnv(t, func(c *Config) { c.CORSOrigins = []string{"*"} })
	begun := e.send(e.query("POST", "a b+c", "uploads", "", "x-amz-checksum-algorithm", "CRC32", "x-amz-checksum-type", "FULL_OBJECT"))
	e.want(begun, 200, "")
	if begun.header.Get("X-Amz-Checksum-Algorithm") != "CRC32" {
		t.Errorf("headers %v", begun.header)
	}
	id := begun.element("UploadId")
	bodies := []string{partOf('a'), partOf('b'), "end"}
	etags := make([]string, len(bodies))
	var wg sync.WaitGroup
	for i, body := range bodies {
		q := e.query("PUT", "a b+c", "partNumber", strconv.Itoa(i+1), "uploadId", id).with("Origin", "https://app.example.com")
		q.body = body
		wg.Go(func() {
			r := e.send(q)
			if r.status != 200 || !strings.Contains(r.header.Get("Access-Control-Expose-Headers"), "ETag") {
				t.Errorf("status %d, headers %v\n%s", r.status, r.header, r.body)
			}
			etags[i] = r.header.Get("ETag")
		})
	}
	wg.Wait()
	e.want(e.send(e.query("GET", "a b+c", "uploadId", id)), 200, "")
	done := e.query("POST", "a b+c", "uploadId", id)
	done.body = completion("1", etags[0], "", "2", etags[1], "", "3", etags[2], "")
	r := e.send(done)
	e.want(r, 200, "")
	if want := "http://" + e.addr + "/photos/a%20b%2Bc"; r.element("Location") != want {
		t.Errorf("Location %q, want %q", r.element("Location"), want)
	}
	if got := e.content("a b+c"); got != strings.Join(bodies, "") {
		t.Errorf("%d bytes", len(got))
	}
	part := e.send(e.query("GET", "a b+c", "partNumber", "3"))
	if part.status != 206 || part.body != "end" {
		t.Errorf("status %d, %q", part.status, part.body)
	}
	// A URL for one part is good for no other, and for no other upload.
	stolen := e.query("PUT", "a b+c", "partNumber", "1", "uploadId", id)
	e.want(e.send(stolen.change("partNumber=1", "partNumber=2")), 403, "SignatureDoesNotMatch")
	id = e.begin("gone")
	e.want(e.send(e.query("DELETE", "gone", "uploadId", id)), 204, "")
	e.want(e.send(e.presign(sign.URLRequest{Method: "GET", Bucket: "photos", Query: pairs([]string{"uploads", ""})})), 200, "")
}

// TestChunkedPart uploads a part in aws-chunked framing with a trailer.
func TestChunkedPart(t *testing.T) {
	e := newEnv(t)
	id := e.begin("key", "x-amz-checksum-algorithm", "SHA256")
	h := http.Header{"X-Amz-Decoded-Content-Length": {"7"}, "X-Amz-Trailer": {"x-amz-checksum-sha256"}}
	q, _ := e.signedPayload(request{method: "PUT", target: partTarget("key", id, 1), header: h}, sign.SignerOptions{Region: testRegion}, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
	sum := sumOf(store.SHA256, "content")
	q.body = "7\r\ncontent\r\n0\r\nx-amz-checksum-sha256:" + sum + "\r\n\r\n"
	r := e.send(q)
	e.want(r, 200, "")
	if r.header.Get("x-amz-checksum-sha256") != sum || r.header.Get("ETag") != `"`+md5hex("content")+`"` {
		t.Errorf("headers %v", r.header)
	}
	q.body = strings.Replace(q.body, "content", "CONTENT", 1)
	e.want(e.send(q), 400, "BadDigest")
}

func TestListUploads(t *testing.T) {
	e := newEnv(t)
	var ids []string
	for _, key := range []string{"a%20b/1", "a%20b/2", "c", "c", "d/1"} {
		ids = append(ids, e.begin(key))
	}
	all := e.do("GET", "/photos?uploads&encoding-type=url&delimiter=/", "")
	if strings.Count(all.body, "<Upload>") != 2 || !strings.Contains(all.body, "<CommonPrefixes><Prefix>a%20b/</Prefix></CommonPrefixes>") {
		t.Error(all.body)
	}
	page := e.do("GET", "/photos?uploads&max-uploads=3", "")
	if page.element("IsTruncated") != "true" || page.element("NextKeyMarker") != "c" || page.element("NextUploadIdMarker") != ids[2] {
		t.Error(page.body)
	}
	rest := e.do("GET", "/photos?uploads&key-marker=c&upload-id-marker="+ids[2], "")
	if strings.Count(rest.body, "<Upload>") != 2 || rest.element("UploadId") != ids[3] || rest.element("IsTruncated") != "false" {
		t.Error(rest.body)
	}
	if r := e.do("GET", "/photos?uploads&prefix=a%20b/2", ""); strings.Count(r.body, "<Upload>") != 1 || r.element("UploadId") != ids[1] {
		t.Error(r.body)
	}
}

// TestCompletionRace completes one upload from several connections: each is
// told of the same object, and no part is lost.
func TestCompletionRace(t *testing.T) {
	e := newEnv(t)
	id := e.begin("key")
	etag := e.do("PUT", partTarget("key", id, 1), "content").header.Get("ETag")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if r := e.do("POST", "/photos/key?uploadId="+id, completion("1", etag, "")); r.status != 200 {
				t.Errorf("status %d\n%s", r.status, r.body)
			}
		})
	}
	wg.Wait()
	if got := e.content("key"); got != "content" {
		t.Errorf("stored %q", got)
	}
}

// TestPartOfWhole asks for parts of an object that was uploaded whole.
func TestPartOfWhole(t *testing.T) {
	e := newEnv(t)
	e.put("key", "content")
	r := e.do("GET", "/photos/key?partNumber=1", "")
	if r.status != 206 || r.body != "content" || r.header.Get("X-Amz-Mp-Parts-Count") != "" {
		t.Errorf("status %d, %q, headers %v", r.status, r.body, r.header)
	}
	e.want(e.do("GET", "/photos/key?partNumber=2", ""), 416, "InvalidPartNumber")
	e.want(e.do("GET", "/photos/key?partNumber=1", "", "Range", "bytes=0-1"), 400, "InvalidRequest")
}
