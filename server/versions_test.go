package server

import (
	"fmt"
	"strings"
	"testing"

	"github.com/daypass/daypass/sign"
)

func (e *env) versioning(status string) {
	e.t.Helper()
	e.want(e.do("PUT", "/photos?versioning", "<VersioningConfiguration><Status>"+status+"</Status></VersioningConfiguration>"), 200, "")
}

func TestBucketVersioning(t *testing.T) {
	e := newEnv(t)
	for _, status := range []string{"", "Enabled", "Suspended", "Enabled"} {
		if status != "" {
			e.versioning(status)
		}
		r := e.do("GET", "/photos?versioning", "")
		e.want(r, 200, "")
		if r.element("Status") != status {
			t.Errorf("want %q\n%s", status, r.body)
		}
	}
	put := func(inner string) *reply {
		return e.do("PUT", "/photos?versioning", "<VersioningConfiguration>"+inner+"</VersioningConfiguration>")
	}
	e.want(put("<Status>Off</Status>"), 400, "MalformedXML")
	e.want(put(""), 400, "IllegalVersioningConfigurationException")
	e.want(put("<Status>Enabled</Status><MfaDelete>Enabled</MfaDelete>"), 501, "NotImplemented")
	e.want(put("<Status>Enabled</Status><MfaDelete>Disabled</MfaDelete>"), 200, "")
	e.want(e.do("PUT", "/nowhere?versioning", "<VersioningConfiguration/>"), 404, "NoSuchBucket")
	e.want(e.do("GET", "/nowhere?versioning", ""), 404, "NoSuchBucket")
	q := e.presign(sign.URLRequest{Method: "PUT", Bucket: "photos", Query: pairs([]string{"versioning", ""})})
	q.body = "<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>"
	e.want(e.send(q), 200, "")
}

// TestVersions walks a key through what versioning is for.
func TestVersions(t *testing.T) {
	e := newEnv(t)
	e.put("key", "null version")
	if h := e.do("GET", "/photos/key", "").header; h.Get("X-Amz-Version-Id") != "" {
		t.Errorf("headers %v", h)
	}
	e.want(e.do("GET", "/photos/key?versionId=null", ""), 200, "")
	e.versioning("Enabled")
	var ids []string
	for _, body := range []string{"one", "two"} {
		r := e.do("PUT", "/photos/key", body)
		ids = append(ids, r.header.Get("X-Amz-Version-Id"))
	}
	if len(ids[0]) != 32 || ids[0] == ids[1] {
		t.Fatalf("versions %q", ids)
	}
	for id, want := range map[string]string{"": "two", ids[0]: "one", ids[1]: "two", "null": "null version"} {
		target := "/photos/key"
		if id != "" {
			target += "?versionId=" + id
		}
		r := e.do("GET", target, "")
		if r.body != want || id != "" && r.header.Get("X-Amz-Version-Id") != id {
			t.Errorf("%s: %q, headers %v", target, r.body, r.header)
		}
	}
	e.deleteAndRestore(ids)

	e.versioning("Suspended")
	r := e.do("PUT", "/photos/key", "null again")
	if r.header.Get("X-Amz-Version-Id") != "" {
		t.Errorf("headers %v", r.header)
	}
	if r := e.do("GET", "/photos/key", ""); r.body != "null again" || r.header.Get("X-Amz-Version-Id") != "null" {
		t.Errorf("%q, headers %v", r.body, r.header)
	}
	if r := e.do("DELETE", "/photos/key", ""); r.header.Get("X-Amz-Version-Id") != "null" || r.header.Get("X-Amz-Delete-Marker") != "true" {
		t.Errorf("headers %v", r.header)
	}
	e.want(e.do("GET", "/photos/key?versionId="+ids[0], ""), 200, "")
	e.want(e.do("DELETE", "/photos", ""), 409, "BucketNotEmpty")
}

func (e *env) deleteAndRestore(ids []string) {
	e.t.Helper()
	deleted := e.do("DELETE", "/photos/key", "")
	marker := deleted.header.Get("X-Amz-Version-Id")
	if deleted.status != 204 || deleted.header.Get("X-Amz-Delete-Marker") != "true" || len(marker) != 32 {
		e.t.Errorf("status %d, headers %v", deleted.status, deleted.header)
	}
	for _, method := range []string{"GET", "HEAD"} {
		code := map[string]string{"GET": "NoSuchKey"}[method]
		gone := e.do(method, "/photos/key", "")
		e.want(gone, 404, code)
		if gone.header.Get("X-Amz-Delete-Marker") != "true" || gone.header.Get("X-Amz-Version-Id") != marker {
			e.t.Errorf("%s: headers %v", method, gone.header)
		}
		r := e.do(method, "/photos/key?versionId="+marker, "")
		if method == "GET" {
			code = "MethodNotAllowed"
		}
		e.want(r, 405, code)
		if r.header.Get("X-Amz-Delete-Marker") != "true" || r.header.Get("Allow") != "DELETE" || r.header.Get("Last-Modified") == "" ||
			method == "GET" && (r.element("Method") != "GET" || r.element("ResourceType") != "DeleteMarker") {
			e.t.Errorf("%s: headers %v\n%s", method, r.header, r.body)
		}
	}
	e.want(e.do("GET", "/photos/key?versionId="+strings.Repeat("v", 32), ""), 404, "NoSuchVersion")
	e.want(e.do("GET", "/photos/key?versionId=x", ""), 400, "InvalidArgument")
	e.want(e.do("GET", "/photos/key?versionId=", ""), 400, "InvalidArgument")
	e.want(e.do("PUT", "/photos/key?versionId="+ids[0], "x"), 400, "InvalidArgument")
	e.want(e.do("PUT", "/photos/to", "", "x-amz-copy-source", "photos/key"), 404, "NoSuchKey")
	e.want(e.do("PUT", "/photos/to", "", "x-amz-copy-source", "photos/key?versionId="+marker), 400, "InvalidRequest")

	// By a pre-signed URL: the version is signed.
	q := e.query("GET", "key", "versionId", ids[0])
	if r := e.send(q); r.body != "one" {
		e.t.Errorf("status %d\n%s", r.status, r.body)
	}
	e.want(e.send(q.change(ids[0], ids[1])), 403, "SignatureDoesNotMatch")

	restored := e.do("DELETE", "/photos/key?versionId="+marker, "")
	if restored.header.Get("X-Amz-Delete-Marker") != "true" || restored.header.Get("X-Amz-Version-Id") != marker {
		e.t.Errorf("headers %v", restored.header)
	}
	if r := e.do("GET", "/photos/key", ""); r.body != "two" {
		e.t.Errorf("restored %q", r.body)
	}
	back := e.do("PUT", "/photos/key", "", "x-amz-copy-source", "photos/key?versionId="+ids[0])
	e.want(back, 200, "")
	if back.header.Get("X-Amz-Copy-Source-Version-Id") != ids[0] || len(back.header.Get("X-Amz-Version-Id")) != 32 {
		e.t.Errorf("headers %v", back.header)
	}
	if r := e.do("GET", "/photos/key", ""); r.body != "one" {
		e.t.Errorf("copied back %q", r.body)
	}
	removed := e.do("DELETE", "/photos/key?versionId="+ids[1], "")
	if removed.status != 204 || removed.header.Get("X-Amz-Delete-Marker") != "" || removed.header.Get("X-Amz-Version-Id") != ids[1] {
		e.t.Errorf("headers %v", removed.header)
	}
	e.want(e.do("GET", "/photos/key?versionId="+ids[1], ""), 404, "NoSuchVersion")
}

func TestListObjectVersions(t *testing.T) {
	e := newEnv(t)
	e.put("a b", "1")
	e.versioning("Enabled")
	for _, key := range []string{"a%20b", "dir/1", "dir/2", "z"} {
		e.want(e.do("PUT", "/photos/"+key, "12"), 200, "")
	}
	e.want(e.do("DELETE", "/photos/z", ""), 204, "")
	all := e.do("GET", "/photos?versions&encoding-type=url&delimiter=/", "")
	e.want(all, 200, "")
	for want, n := range map[string]int{"<Version>": 3, "<DeleteMarker>": 1, "<CommonPrefixes>": 1, "<Key>a%20b</Key>": 2,
		"<IsLatest>true</IsLatest>": 2, "<VersionId>null</VersionId>": 1, "<Prefix>dir/</Prefix>": 1, "<Owner>": 4} {
		if got := strings.Count(all.body, want); got != n {
			t.Errorf("%d %s, want %d\n%s", got, want, n, all.body)
		}
	}
	var seen []string
	marker := ""
	for {
		r := e.do("GET", "/photos?versions&max-keys=2"+marker, "")
		for _, v := range strings.Split(r.body, "<VersionId>")[1:] {
			seen = append(seen, v[:strings.Index(v, "<")])
		}
		if r.element("IsTruncated") != "true" {
			break
		}
		marker = fmt.Sprintf("&key-marker=%s&version-id-marker=%s", strings.ReplaceAll(r.element("NextKeyMarker"), " ", "%20"), r.element("NextVersionIdMarker"))
	}
	if len(seen) != 6 {
		t.Errorf("pages hold %q", seen)
	}
	if r := e.do("GET", "/photos?versions&prefix=dir/2", ""); strings.Count(r.body, "<Version>") != 1 {
		t.Error(r.body)
	}
	refused := e.do("GET", "/photos?versions&version-id-marker=x", "")
	e.want(refused, 400, "InvalidArgument")
	if refused.element("Message") != "A version-id marker cannot be specified without a key marker." {
		t.Error(refused.body)
	}
	e.want(e.do("GET", "/photos?versions&max-keys=x", ""), 400, "InvalidArgument")
	e.want(e.do("GET", "/photos?versions&encoding-type=x", ""), 400, "InvalidArgument")
	e.want(e.do("GET", "/nowhere?versions", ""), 404, "NoSuchBucket")
	e.want(e.send(e.presign(sign.URLRequest{Method: "GET", Bucket: "photos", Query: pairs([]string{"versions", ""})})), 200, "")
}

func TestDeleteVersions(t *testing.T) {
	e := newEnv(t)
	e.versioning("Enabled")
	id := e.do("PUT", "/photos/key", "1").header.Get("X-Amz-Version-Id")
	remove := func(objects string) *reply {
		body := "<Delete>" + objects + "</Delete>"
		return e.do("POST", "/photos?delete", body, "Content-MD5", md5Of(body))
	}
	r := remove("<Object><Key>key</Key></Object><Object><Key>key</Key><VersionId>bad</VersionId></Object>")
	marker := r.element("DeleteMarkerVersionId")
	if r.element("DeleteMarker") != "true" || len(marker) != 32 || r.code() != "InvalidArgument" {
		t.Error(r.body)
	}
	r = remove("<Object><Key>key</Key><VersionId>" + marker + "</VersionId></Object>")
	if r.element("DeleteMarker") != "true" || r.element("DeleteMarkerVersionId") != marker || r.element("VersionId") != marker {
		t.Error(r.body)
	}
	e.want(e.do("GET", "/photos/key", ""), 200, "")
	r = remove("<Object><Key>key</Key><VersionId>" + id + "</VersionId></Object>")
	if r.element("VersionId") != id || strings.Contains(r.body, "DeleteMarker") {
		t.Error(r.body)
	}
	if r := e.do("GET", "/photos?versions", ""); strings.Contains(r.body, "<Version>") || strings.Contains(r.body, "<DeleteMarker>") {
		t.Error(r.body)
	}
	e.want(e.do("DELETE", "/photos", ""), 204, "")
}
