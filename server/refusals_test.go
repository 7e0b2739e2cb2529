package server

import (
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares a reply with testdata/name: status, error body without ids.
func golden(t *testing.T, name string, r *reply) {
	t.Helper()
	got := http.StatusText(r.status) + "\n" + masked(r.body)
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// change edits the target of a request.
func (q request) change(old, new string) request {
	if !strings.Contains(q.target, old) {
		panic("the target has no " + old)
	}
	q.target = strings.Replace(q.target, old, new, 1)
	return q
}

func (q request) with(headers ...string) request {
	q.header = q.header.Clone()
	if q.header == nil {
		q.header = http.Header{}
	}
	for i := 0; i+1 < len(headers); i += 2 {
		q.header.Add(headers[i], headers[i+1])
	}
	return q
}

func (q request) without(param string) request {
	path, query, _ := strings.Cut(q.target, "?")
	var kept []string
	for p := range strings.SplitSeq(query, "&") {
		if !strings.HasPrefix(p, param+"=") {
			kept = append(kept, p)
		}
	}
	q.target = path + "?" + strings.Join(kept, "&")
	return q
}

// TestRefusals compares the answers to refused requests, word by word. The
// host is fixed, so that bodies that echo the signature stay the same.
func TestRefusals(t *testing.T) {
	e := newEnv(t)
	e.put("key", "content")
	const at = "http://s3.test"
	get := func(change ...func(*sign.URLRequest)) request {
		r := sign.URLRequest{Method: "GET", Bucket: "photos", Key: "key"}
		for _, f := range change {
			f(&r)
		}
		return e.presignFor(at, testKey, r)
	}
	v2 := func(lifetime time.Duration) request {
		return e.presignFor(at, testKey, sign.URLRequest{Method: "GET", Bucket: "photos", Key: "key", Lifetime: lifetime,
			Time: testTime.Add(-time.Hour)}, sign.PresignOptions{Version: sign.V2})
	}
	by := func(id, secret string) request {
		return e.presignFor(at, sign.Key{ID: id, Secret: secret}, sign.URLRequest{Method: "GET", Bucket: "photos", Key: "key"})
	}
	header := func(when time.Duration) request {
		q := request{method: "GET", host: "s3.test", target: "/photos/key", header: http.Header{}}
		r := &http.Request{Method: q.method, RequestURI: q.target, Host: q.host, Header: q.header}
		if _, err := sign.NewSigner(testKey, sign.SignerOptions{Region: testRegion}).Sign(r, sign.UnsignedPayload, testTime.Add(when)); err != nil {
			t.Fatal(err)
		}
		return q
	}
	for _, c := range []struct {
		name   string
		q      request
		status int
		code   string
	}{
		{"anonymous", request{method: "GET", host: "s3.test", target: "/"}, 403, "AccessDenied"},
		{"anonymous_object", request{method: "GET", host: "s3.test", target: "/photos/key"}, 403, "AccessDenied"},
		{"anonymous_missing_bucket", request{method: "GET", host: "s3.test", target: "/nowhere/key"}, 404, "NoSuchBucket"},
		{"anonymous_response_header", request{method: "GET", host: "s3.test", target: "/photos/key?response-expires=0"}, 400, "InvalidRequest"},
		{"v4_missing_parameter", get().without("X-Amz-Date"), 400, "AuthorizationQueryParametersError"},
		{"v4_algorithm", get().change("AWS4-HMAC-SHA256", "AWS4-HMAC-MD5"), 400, "AuthorizationQueryParametersError"},
		{"v4_credential", get().change("%2Faws4_request", ""), 400, "AuthorizationQueryParametersError"},
		{"v4_region_auto", get().change(testRegion, "auto"), 400, "AuthorizationQueryParametersError"},
		{"v4_region_us", get().change(testRegion, "US"), 400, "AuthorizationQueryParametersError"},
		{"v4_service", get().change("%2Fs3%2F", "%2Fec2%2F"), 400, "AuthorizationQueryParametersError"},
		{"v4_scope_date", get().change("%2F20260206%2F", "%2F20260205%2F"), 400, "AuthorizationQueryParametersError"},
		{"v4_date", get().change("X-Amz-Date=20260206T", "X-Amz-Date=20260231T"), 400, "AuthorizationQueryParametersError"},
		{"v4_expires_text", get().change("Expires=900", "Expires=soon"), 400, "AuthorizationQueryParametersError"},
		{"v4_expires_negative", get().change("Expires=900", "Expires=-1"), 400, "AuthorizationQueryParametersError"},
		{"v4_expires_long", get().change("Expires=900", "Expires=604801"), 400, "AuthorizationQueryParametersError"},
		{"v4_expired", get(func(r *sign.URLRequest) { r.Time = testTime.Add(-time.Hour) }), 403, "AccessDenied"},
		{"v4_expires_zero", get().change("Expires=900", "Expires=0"), 403, "AccessDenied"},
		{"v4_future", get(func(r *sign.URLRequest) { r.Time = testTime.Add(16 * time.Minute) }), 403, "AccessDenied"},
		{"v4_not_signed", get().with("X-Amz-Meta-A", "1", "x-amz-acl", "public-read"), 403, "AccessDenied"},
		{"v4_empty_signed_headers", get().change("SignedHeaders=host", "SignedHeaders="), 403, "AccessDenied"},
		{"v4_signature", get().change("/key", "/other"), 403, "SignatureDoesNotMatch"},
		{"v4_method", request{method: "DELETE", host: "s3.test", target: get().target}, 403, "SignatureDoesNotMatch"},
		{"v4_appended", get().change("X-Amz-Date", "v=4.6&X-Amz-Date"), 403, "SignatureDoesNotMatch"},
		{"v4_token", get().change("?", "?X-Amz-Security-Token=t&"), 400, "InvalidToken"},
		{"unknown_key", by("AKIDNOBODY", "s"), 403, "InvalidAccessKeyId"},
		{"disabled_key", by("AKIDISABLED", "s"), 403, "InvalidAccessKeyId"},
		{"ended_key", by("AKIDENDED", "s"), 403, "InvalidAccessKeyId"},
		{"v2_missing_parameter", v2(2 * time.Hour).without("Expires"), 403, "AccessDenied"},
		{"v2_expired", v2(time.Minute), 403, "AccessDenied"},
		{"v2_signature", v2(2*time.Hour).change("/key", "/other"), 403, "SignatureDoesNotMatch"},
		{"v2_content_type", v2(2*time.Hour).with("Content-Type", "text/plain"), 403, "SignatureDoesNotMatch"},
		{"header_skew", header(-20 * time.Minute), 403, "RequestTimeTooSkewed"},
		{"header_foreign", request{method: "GET", host: "s3.test", target: "/", header: http.Header{"Authorization": {"Bearer x"}}}, 400, "InvalidArgument"},
		{"two_mechanisms", get().with("Authorization", "Bearer x"), 400, "InvalidArgument"},
		{"repeated_parameter", get().change("X-Amz-Date", "X-Amz-Expires=1&X-Amz-Date"), 400, "InvalidArgument"},
		{"bad_escape", request{method: "GET", host: "s3.test", target: "/photos/key?a=%zz"}, 400, "InvalidURI"},
		{"limit", get(func(r *sign.URLRequest) { r.Query = pairs([]string{"x-daypass-uses", "1"}) }), 400, "InvalidArgument"},
		{"limit_in_capitals", get(func(r *sign.URLRequest) { r.Query = pairs([]string{"X-Daypass-Uses", "1"}) }), 400, "InvalidArgument"},
		{"limit_v2", v2(2*time.Hour).change("?", "?x-daypass-uses=1&"), 400, "InvalidArgument"},
		{"limit_anonymous", request{method: "GET", host: "s3.test", target: "/photos/key?x-daypass-uses=1"}, 400, "InvalidArgument"},
		{"limit_header", get().with("X-Daypass-Uses", "1"), 400, "InvalidArgument"},
		{"no_such_key", get(func(r *sign.URLRequest) { r.Key = "none" }), 404, "NoSuchKey"},
		{"no_such_bucket", get(func(r *sign.URLRequest) { r.Bucket = "nowhere" }), 404, "NoSuchBucket"},
		{"not_implemented", get(func(r *sign.URLRequest) { r.Query = pairs([]string{"torrent", ""}) }), 501, "NotImplemented"},
		{"conflicting", get(func(r *sign.URLRequest) { r.Query = pairs([]string{"acl", "", "tagging", ""}) }), 400, "InvalidArgument"},
		{"method", request{method: "PATCH", host: "s3.test", target: "/photos/key"}, 405, "MethodNotAllowed"},
		{"version", get(func(r *sign.URLRequest) { r.Query = pairs([]string{"versionId", "x"}) }), 400, "InvalidArgument"},
		{"put_version", e.presignFor(at, testKey, sign.URLRequest{Method: "PUT", Bucket: "photos", Key: "key", Query: pairs([]string{"versionId", "null"})}), 400, "InvalidArgument"},
		{"no_such_version", get(func(r *sign.URLRequest) {
			r.Query = pairs([]string{"versionId", "3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrH"})
		}), 404, "NoSuchVersion"},
		{"form", request{method: "POST", host: "s3.test", target: "/photos", header: http.Header{"Content-Type": {"multipart/form-data; boundary=x"}}}, 400, "MalformedPOSTRequest"},
		{"post_object", request{method: "POST", host: "s3.test", target: "/photos/key"}, 405, "MethodNotAllowed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e.t = t
			r := e.send(c.q)
			e.want(r, c.status, c.code)
			golden(t, "refusals/"+c.name+".txt", r)
			if r.header.Get("X-Amz-Request-Id") != r.element("RequestId") || r.header.Get("X-Amz-Id-2") != r.element("HostId") {
				t.Error("the ids in header and body differ")
			}
			if ct := r.header.Get("Content-Type"); ct != "application/xml" {
				t.Errorf("Content-Type %q", ct)
			}
		})
	}
}

// TestSignCodes checks that every code of package sign has its row, with the
// status that the package names.
func TestSignCodes(t *testing.T) {
	for _, code := range []sign.Code{
		sign.CodeAccessDenied, sign.CodeAuthHeaderMalformed, sign.CodeAuthQueryParameters, sign.CodeExpiredToken,
		sign.CodeIncompleteBody, sign.CodeInvalidAccessKeyID, sign.CodeInvalidArgument, sign.CodeInvalidPolicyDocument,
		sign.CodeInvalidRequest, sign.CodeInvalidToken, sign.CodeInvalidURI, sign.CodeMalformedTrailer,
		sign.CodeMissingSecurityHeader, sign.CodeNotImplemented, sign.CodeRequestTimeTooSkewed,
		sign.CodeSignatureDoesNotMatch, sign.CodeEntityTooLarge, sign.CodeEntityTooSmall,
	} {
		if got := s3.Status(daypass.Code(code)); got != code.Status() {
			t.Errorf("%s: status %d, want %d", code, got, code.Status())
		}
	}
	// S3 was seen to answer 403 here.
	if got := s3.Status(daypass.Code(sign.CodeInvalidChunkSize)); got != 403 {
		t.Errorf("InvalidChunkSizeError: status %d", got)
	}
}

// TestHeadRefusals checks that an answer to HEAD has no body.
func TestHeadRefusals(t *testing.T) {
	e := newEnv(t)
	for _, c := range []struct {
		q      request
		status int
	}{
		{request{method: "HEAD", host: e.addr, target: "/photos/none"}, 403},
		{e.query("HEAD", "none"), 404},
		{e.presign(sign.URLRequest{Method: "HEAD", Bucket: "nowhere"}), 404},
	} {
		if r := e.send(c.q); r.status != c.status || r.body != "" || r.header.Get("X-Amz-Request-Id") == "" {
			t.Errorf("%s: status %d, body %q", c.q.target, r.status, r.body)
		}
	}
}

// TestNotImplemented asks for every action of the table that is not there
// yet, on an object that must come to no harm.
func TestNotImplemented(t *testing.T) {
	e := newEnv(t)
	e.put("key", "content")
	for _, a := range s3.Actions() {
		if operationOf(a.Name) != nil {
			continue
		}
		target := "/photos"
		if a.Level == s3.ObjectLevel {
			target = "/photos/key"
		}
		h := http.Header{}
		if a.Sub != "" {
			target += "?" + a.Sub
		}
		switch {
		case strings.HasPrefix(a.With, "X-Amz-"):
			h.Set(a.With, "/photos/other")
		case a.Sub == "" && a.With != "":
			target += "?" + a.With + "=1"
		case a.With != "":
			target += "&" + a.With + "=1"
		}
		q := request{method: a.Method, target: target, header: h, body: "overwritten"}
		r := e.send(e.signed(q))
		if r.status != 501 || r.code() != "NotImplemented" || r.element("Action") != string(a.Name) {
			t.Errorf("%s: status %d\n%s", a.Name, r.status, r.body)
		}
		if anonymous := e.send(request{method: a.Method, host: e.addr, target: target, header: h}); anonymous.status != 403 {
			t.Errorf("%s is told to anyone: status %d", a.Name, anonymous.status)
		}
	}
	if got := e.content("key"); got != "content" {
		t.Errorf("the object is now %q", got)
	}
}

// TestHoistedCopySource checks that a copy is never taken for an upload.
func TestHoistedCopySource(t *testing.T) {
	e := newEnv(t)
	q := e.query("PUT", "key", "x-amz-copy-source", "/photos/other")
	e.want(e.send(q), 404, "NoSuchKey")
	q = e.query("PUT", "key", "X-Amz-Copy-Source", "")
	e.want(e.send(q), 400, "InvalidArgument")
	q = e.signed(request{method: "PUT", target: "/photos/key?x-amz-copy-source=/photos/other"})
	e.want(e.send(q), 400, "InvalidArgument")
	if e.exists("key") {
		t.Error("something was stored")
	}
}

// TestUnsigned checks that nothing is written by a request with an x-amz-*
// header that was not signed, and that the payload hash alone is excepted.
func TestUnsigned(t *testing.T) {
	e := newEnv(t)
	for _, name := range []string{"x-amz-acl", "x-amz-meta-a", "x-amz-tagging", "x-amz-copy-source", "x-amz-storage-class",
		"x-amz-checksum-crc32", "x-amz-date", "x-amz-decoded-content-length", "x-amz-expires", "x-amz-trailer"} {
		q := e.query("PUT", "key").with(name, "x")
		q.body = "smuggled"
		r := e.send(q)
		e.want(r, 403, "AccessDenied")
		if r.element("HeadersNotSigned") != name {
			t.Errorf("%s: HeadersNotSigned %q", name, r.element("HeadersNotSigned"))
		}
	}
	if e.exists("key") {
		t.Fatal("something was stored")
	}
	q := e.query("PUT", "key").with("x-amz-content-sha256", sign.UnsignedPayload)
	e.want(e.send(q), 200, "")
}

// TestLogHoldsNoSecret looks for what must not be logged.
func TestLogHoldsNoSecret(t *testing.T) {
	e := newEnv(t)
	e.put("key", "content")
	ok := e.query("GET", "key")
	e.want(e.send(ok), 200, "")
	bad := ok.change("/key", "/other")
	e.want(e.send(bad), 403, "SignatureDoesNotMatch")
	token := ok.change("?", "?X-Amz-Security-Token=verysecret&")
	e.want(e.send(token), 400, "InvalidToken")
	header := e.signed(request{method: "GET", target: "/photos/none"})
	e.want(e.send(header), 404, "NoSuchKey")
	foreign := request{method: "GET", host: e.addr, target: "/", header: http.Header{"Authorization": {"Bearer verysecret"}}}
	e.want(e.send(foreign), 400, "InvalidArgument")
	e.http.Close()
	log := e.log.String()
	_, signature, _ := strings.Cut(ok.target, "X-Amz-Signature=")
	_, headerSignature, _ := strings.Cut(header.header.Get("Authorization"), "Signature=")
	for _, secret := range []string{signature, headerSignature, testKey.Secret, "verysecret"} {
		if len(secret) < 8 || strings.Contains(log, secret) {
			t.Errorf("the log holds %q:\n%s", secret, log)
		}
	}
	for _, want := range []string{"code=SignatureDoesNotMatch", "code=NoSuchKey", "action=GetObject", "status=200", "bucket=photos", "key=key", "accessKey=AKIDEXAMPLE"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
}
