package server

import (
	"strings"
	"testing"

	"github.com/daypass/daypass/store"
)

const twoTags = "<Tagging><TagSet><Tag><Key>a</Key><Value>1</Value></Tag><Tag><Key>b c</Key><Value></Value></Tag></TagSet></Tagging>"

func TestObjectTagging(t *testing.T) {
	e := newEnv(t)
	e.want(e.do("PUT", "/photos/key", "content", "x-amz-tagging", "x=1&y%20z=%2B"), 200, "")
	r := e.do("GET", "/photos/key?tagging", "")
	if want := "<TagSet><Tag><Key>x</Key><Value>1</Value></Tag><Tag><Key>y z</Key><Value>+</Value></Tag></TagSet>"; !strings.Contains(r.body, want) {
		t.Error(r.body)
	}
	if n := e.do("GET", "/photos/key", "").header.Get("X-Amz-Tagging-Count"); n != "2" {
		t.Errorf("x-amz-tagging-count %q", n)
	}
	e.want(e.do("PUT", "/photos/key?tagging", twoTags), 200, "")
	if r = e.do("GET", "/photos/key?tagging", ""); !strings.Contains(r.body, "<Key>b c</Key><Value></Value>") || strings.Contains(r.body, "<Key>x</Key>") {
		t.Error(r.body)
	}
	e.want(e.do("DELETE", "/photos/key?tagging", ""), 204, "")
	if r = e.do("GET", "/photos/key?tagging", ""); !strings.Contains(r.body, "<TagSet></TagSet>") {
		t.Error(r.body)
	}
	if _, counted := e.do("GET", "/photos/key", "").header["X-Amz-Tagging-Count"]; counted {
		t.Error("no tags are counted")
	}

	q := e.query("PUT", "key", "tagging", "")
	q.body = twoTags
	e.want(e.send(q), 200, "")
	e.want(e.send(e.query("GET", "key", "tagging", "")), 200, "")
	e.want(e.send(e.query("PUT", "hoisted", "x-amz-tagging", "k=v")), 200, "")
	e.headersOf("hoisted", map[string]string{"X-Amz-Tagging-Count": "1"})
	e.want(e.send(e.query("DELETE", "key", "tagging", "")), 204, "")

	many := "<Tagging><TagSet>" + strings.Repeat("<Tag><Key>a</Key><Value/></Tag>", 11) + "</TagSet></Tagging>"
	for body, code := range map[string]string{
		many: "BadRequest", "<x/>": "MalformedXML", "": "MalformedXML",
		strings.Replace(twoTags, "b c", "a", 1):     "InvalidTag",
		strings.Replace(twoTags, "b c", "aws:x", 1): "InvalidTag",
		strings.Replace(twoTags, "b c", "!", 1):     "InvalidTag",
	} {
		e.want(e.do("PUT", "/photos/key?tagging", body), 400, code)
	}
	for _, method := range []string{"GET", "PUT", "DELETE"} {
		body := map[string]string{"PUT": twoTags}[method]
		e.want(e.do(method, "/photos/none?tagging", body), 404, "NoSuchKey")
		e.want(e.do(method, "/nowhere/key?tagging", body), 404, "NoSuchBucket")
	}
}

func TestVersionTagging(t *testing.T) {
	e := newEnv(t)
	e.versioning("Enabled")
	id := e.do("PUT", "/photos/key", "1").header.Get("X-Amz-Version-Id")
	e.do("PUT", "/photos/key", "2")
	r := e.do("PUT", "/photos/key?tagging&versionId="+id, twoTags)
	e.want(r, 200, "")
	if r.header.Get("X-Amz-Version-Id") != id {
		t.Errorf("headers %v", r.header)
	}
	if r := e.do("GET", "/photos/key?tagging", ""); strings.Contains(r.body, "<Tag>") {
		t.Error(r.body)
	}
	if r := e.do("GET", "/photos/key?tagging&versionId="+id, ""); !strings.Contains(r.body, "<Tag>") || r.header.Get("X-Amz-Version-Id") != id {
		t.Errorf("headers %v\n%s", r.header, r.body)
	}
	marker := e.do("DELETE", "/photos/key", "").header.Get("X-Amz-Version-Id")
	e.want(e.do("GET", "/photos/key?tagging", ""), 404, "NoSuchKey")
	e.want(e.do("GET", "/photos/key?tagging&versionId="+marker, ""), 405, "MethodNotAllowed")
	e.want(e.do("PUT", "/photos/key?tagging&versionId="+marker, twoTags), 405, "MethodNotAllowed")
	e.want(e.do("DELETE", "/photos/key?tagging&versionId="+id, ""), 204, "")
}

func TestGetObjectAttributes(t *testing.T) {
	e := newEnv(t)
	e.put("key", "content")
	get := func(attributes string) *reply {
		return e.do("GET", "/photos/key?attributes", "", "x-amz-object-attributes", attributes)
	}
	r := get("ETag,Checksum,ObjectParts,StorageClass,ObjectSize")
	e.want(r, 200, "")
	if r.element("ETag") != md5hex("content") || r.element("ChecksumCRC64NVME") != sumOf(store.CRC64NVME, "content") ||
		r.element("StorageClass") != "STANDARD" || r.element("ObjectSize") != "7" || strings.Contains(r.body, "ObjectParts") ||
		r.header.Get("Last-Modified") != "Fri, 06 Feb 2026 12:00:00 GMT" {
		t.Errorf("headers %v\n%s", r.header, r.body)
	}
	if r := get("ObjectSize"); strings.Contains(r.body, "ETag") || r.element("ObjectSize") != "7" {
		t.Error(r.body)
	}
	e.want(get("Everything"), 400, "InvalidArgument")
	e.want(e.do("GET", "/photos/key?attributes", ""), 400, "InvalidRequest")
	e.want(e.do("GET", "/photos/none?attributes", "", "x-amz-object-attributes", "ETag"), 404, "NoSuchKey")
	e.want(e.do("GET", "/photos/key?attributes", "", "x-amz-object-attributes", "ETag", "If-Match", `"x"`), 412, "PreconditionFailed")
	e.want(e.send(e.query("GET", "key", "attributes", "", "x-amz-object-attributes", "ETag")), 200, "")

	id := e.begin("parts")
	var parts []string
	for _, n := range []string{"1", "2", "3"} {
		etag := e.do("PUT", "/photos/parts?partNumber="+n+"&uploadId="+id, partOf(n[0])).header.Get("ETag")
		parts = append(parts, n, etag, "")
	}
	e.want(e.do("POST", "/photos/parts?uploadId="+id, completion(parts...)), 200, "")
	r = e.do("GET", "/photos/parts?attributes", "", "x-amz-object-attributes", "ObjectParts", "x-amz-max-parts", "1", "x-amz-part-number-marker", "1")
	if r.element("PartsCount") != "3" || r.element("PartNumber") != "2" || r.element("IsTruncated") != "true" || r.element("NextPartNumberMarker") != "2" ||
		r.element("ChecksumCRC64NVME") != sumOf(store.CRC64NVME, partOf('2')) {
		t.Error(r.body)
	}
	for _, name := range []string{"x-amz-max-parts", "x-amz-part-number-marker"} {
		e.want(e.do("GET", "/photos/parts?attributes", "", "x-amz-object-attributes", "ObjectParts", name, "x"), 400, "InvalidArgument")
	}
}
