package server

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/store"
)

// A formField is one part of a form; one with a fileName is a file.
type formField struct{ name, value, fileName string }

const formBoundary = "x-boundary-x"

// formBody writes a form as a browser does.
func formBody(fields []formField) string {
	var b strings.Builder
	for _, f := range fields {
		b.WriteString("--" + formBoundary + "\r\nContent-Disposition: form-data; name=\"" + f.name + "\"")
		if f.fileName != "" {
			b.WriteString("; filename=\"" + f.fileName + "\"\r\nContent-Type: text/html")
		}
		b.WriteString("\r\n\r\n" + f.value + "\r\n")
	}
	return b.String() + "--" + formBoundary + "--\r\n"
}

func (e *env) post(fields []formField) request {
	return request{method: "POST", host: e.addr, target: "/photos", body: formBody(fields),
		header: http.Header{"Content-Type": {"multipart/form-data; boundary=" + formBoundary}}}
}

// form makes the fields of a signed form, without its file.
func (e *env) form(r sign.FormRequest, opts ...sign.PresignOptions) []formField {
	e.t.Helper()
	p, err := sign.NewPresigner(testKey, "http://"+e.addr, testRegion, opts...)
	if err != nil {
		e.t.Fatal(err)
	}
	if r.Bucket == "" {
		r.Bucket = "photos"
	}
	if r.Lifetime == 0 {
		r.Lifetime, r.Time = time.Hour, testTime
	}
	signed, err := p.Form(r)
	if err != nil {
		e.t.Fatal(err)
	}
	var fields []formField
	for _, f := range signed.Fields {
		fields = append(fields, formField{name: f.Name, value: f.Value})
	}
	return fields
}

var textFile = formField{"file", "content", "name.txt"}

// policyForm signs a policy document as it stands, with Version 2, whose fields
// a policy need not cover.
func policyForm(document string, fields ...formField) []formField {
	policy := base64.StdEncoding.EncodeToString([]byte(document))
	mac := hmac.New(sha1.New, []byte(testKey.Secret))
	mac.Write([]byte(policy))
	return append(fields, formField{name: "AWSAccessKeyId", value: testKey.ID}, formField{name: "Policy", value: policy},
		formField{name: "Signature", value: base64.StdEncoding.EncodeToString(mac.Sum(nil))}, textFile)
}

// TestPostObject looks at what a form stores and answers.
func TestPostObject(t *testing.T) {
	e := newEnv(t)
	for i, version := range []sign.Version{sign.V4, sign.V4A, sign.V2} {
		fields := e.form(sign.FormRequest{Key: fmt.Sprintf("in/%d/${filename}", i),
			Fields: []sign.Param{{Name: "Content-Type", Value: "text/plain"}, {Name: "x-amz-meta-Note", Value: "hi"},
				{Name: "tagging", Value: twoTags}, {Name: "x-amz-storage-class", Value: "STANDARD_IA"}, {Name: "acl", Value: "private"},
				{Name: "x-amz-checksum-crc32", Value: sumOf(store.CRC32, "content")}, {Name: "Cache-Control", Value: "no-cache"}},
			Conditions: []sign.Condition{sign.ContentLengthRange(7, 7)},
		}, sign.PresignOptions{Version: version})
		fields = append(fields, formField{name: "x-ignore-this", value: "x"}, formField{"file", "content", `C:\dir\dir/näme 1.txt`},
			formField{name: "after", value: "ignored"})
		r := e.send(e.post(fields))
		e.want(r, 204, "")
		key := fmt.Sprintf("in/%d/näme 1.txt", i)
		location := fmt.Sprintf("http://%s/photos/in/%d/n%%C3%%A4me%%201.txt", e.addr, i)
		if r.body != "" || r.header.Get("Location") != location || r.header.Get("ETag") != `"`+md5hex("content")+`"` ||
			r.header.Get("x-amz-checksum-crc32") != sumOf(store.CRC32, "content") {
			t.Errorf("headers %v\n%s", r.header, r.body)
		}
		if got := e.content(key); got != "content" {
			t.Errorf("stored %q", got)
		}
		obj, err := e.store.Object(t.Context(), ref(key))
		if err != nil {
			t.Fatal(err)
		}
		m := obj.Metadata
		if m.ContentType != "text/plain" || m.User["note"] != "hi" || len(m.User) != 1 || m.StorageClass != "STANDARD_IA" ||
			m.CacheControl != "no-cache" || len(obj.Tags) != 2 || obj.Owner != "alice" {
			t.Errorf("%+v", obj)
		}
	}
	e.http.Close()
	if log := e.log.String(); !strings.Contains(log, "action=PostObject") || !strings.Contains(log, "scheme=form") || !strings.Contains(log, "accessKey=AKIDEXAMPLE") ||
		!strings.Contains(log, "key=in/") && !strings.Contains(log, `key="in/`) {
		t.Error(log)
	}
}

func TestPostAnswers(t *testing.T) {
	e := newEnv(t)
	stored := "bucket=photos&key=a%2Fb%20c&etag=%22" + md5hex("content") + "%22"
	for _, c := range []struct {
		fields   []sign.Param
		status   int
		location string
	}{
		{nil, 204, ""},
		{[]sign.Param{{Name: "success_action_status", Value: "200"}}, 200, ""},
		{[]sign.Param{{Name: "success_action_status", Value: "201"}}, 201, ""},
		{[]sign.Param{{Name: "success_action_status", Value: "204"}}, 204, ""},
		{[]sign.Param{{Name: "success_action_status", Value: "404"}}, 204, ""},
		{[]sign.Param{{Name: "success_action_redirect", Value: "https://app.example.com/done"}}, 303, "https://app.example.com/done?" + stored},
		{[]sign.Param{{Name: "success_action_redirect", Value: "https://app.example.com/?a=b#c"}}, 303, "https://app.example.com/?a=b&" + stored + "#c"},
		{[]sign.Param{{Name: "redirect", Value: "http://app.example.com"}}, 303, "http://app.example.com?" + stored},
		{[]sign.Param{{Name: "success_action_redirect", Value: "/done"}}, 204, ""},
		{[]sign.Param{{Name: "success_action_redirect", Value: "javascript:alert(1)"}}, 204, ""},
		{[]sign.Param{{Name: "success_action_redirect", Value: "://"}, {Name: "success_action_status", Value: "201"}}, 201, ""},
	} {
		r := e.send(e.post(append(e.form(sign.FormRequest{Key: "a/b c", Fields: c.fields}), textFile)))
		if c.location == "" {
			c.location = "http://" + e.addr + "/photos/a/b%20c"
		}
		if r.status != c.status || r.header.Get("Location") != c.location {
			t.Errorf("%v: status %d, Location %q, want %d, %q\n%s", c.fields, r.status, r.header.Get("Location"), c.status, c.location, r.body)
		}
		if want := "<PostResponse><Location>" + c.location + "</Location><Bucket>photos</Bucket><Key>a/b c</Key><ETag>&quot;" + md5hex("content") + "&quot;</ETag></PostResponse>"; c.status == 201 != strings.HasSuffix(r.body, want) {
			t.Errorf("%v: %s", c.fields, r.body)
		}
	}
	// In virtual-host style.
	q := e.post(append(e.form(sign.FormRequest{Key: "virtual", Fields: []sign.Param{{Name: "success_action_status", Value: "201"}}}), textFile))
	q.host, q.target = "photos.localhost", "/"
	if r := e.send(q); r.element("Location") != "http://photos.localhost/virtual" || e.content("virtual") != "content" {
		t.Errorf("status %d\n%s", r.status, r.body)
	}
	// Where there are versions.
	e.versioning("Enabled")
	if r := e.send(e.post(append(e.form(sign.FormRequest{Key: "versioned"}), textFile))); len(r.header.Get("X-Amz-Version-Id")) != 32 {
		t.Errorf("headers %v", r.header)
	}
}

// without returns fields less those of a name.
func without(fields []formField, name string) []formField {
	return slices.DeleteFunc(slices.Clone(fields), func(f formField) bool { return strings.EqualFold(f.name, name) })
}

// with returns fields with one set to a value.
func replaced(fields []formField, name, value string) []formField {
	out := slices.Clone(fields)
	for i := range out {
		if strings.EqualFold(out[i].name, name) {
			out[i].value = value
		}
	}
	return out
}

const missingField = "Bucket POST must contain a field named '%s'.  If it is specified, please check the order of the fields."

func TestPostRefusals(t *testing.T) {
	e := newEnv(t)
	signed := append(e.form(sign.FormRequest{Key: "key", Fields: []sign.Param{{Name: "Content-Type", Value: "text/plain"}},
		Conditions: []sign.Condition{sign.ContentLengthRange(2, 10)}}), textFile)
	v2 := append(e.form(sign.FormRequest{Key: "key"}, sign.PresignOptions{Version: sign.V2}), textFile)
	expired := append(e.form(sign.FormRequest{Key: "key", Time: testTime.Add(-2 * time.Hour), Lifetime: time.Hour}), textFile)
	plain := []formField{{name: "key", value: "key"}, textFile}
	const failed = "Invalid according to Policy: Policy Condition failed: "
	for what, c := range map[string]struct {
		fields        []formField
		status        int
		code, message string
		elements      string
	}{
		"no file":            {without(signed, "file"), 400, "InvalidArgument", "POST requires exactly one file upload per request.", "<ArgumentName>file</ArgumentName><ArgumentValue>0</ArgumentValue>"},
		"no key":             {without(signed, "key"), 400, "InvalidArgument", fmt.Sprintf(missingField, "key"), "<ArgumentName>key</ArgumentName><ArgumentValue></ArgumentValue>"},
		"key after file":     {append(without(signed, "key"), formField{name: "key", value: "key"}), 400, "InvalidArgument", fmt.Sprintf(missingField, "key"), ""},
		"no signature":       {without(signed, "X-Amz-Signature"), 400, "InvalidArgument", fmt.Sprintf(missingField, "X-Amz-Signature"), "<ArgumentName>X-Amz-Signature</ArgumentName><ArgumentValue></ArgumentValue>"},
		"no algorithm":       {without(signed, "X-Amz-Algorithm"), 400, "InvalidArgument", fmt.Sprintf(missingField, "X-Amz-Algorithm"), ""},
		"no credential":      {without(signed, "X-Amz-Credential"), 400, "InvalidArgument", fmt.Sprintf(missingField, "X-Amz-Credential"), ""},
		"no date":            {without(signed, "X-Amz-Date"), 400, "InvalidArgument", fmt.Sprintf(missingField, "X-Amz-Date"), ""},
		"no V2 signature":    {without(v2, "Signature"), 400, "InvalidArgument", fmt.Sprintf(missingField, "Signature"), ""},
		"no V2 key":          {without(v2, "AWSAccessKeyId"), 400, "InvalidArgument", fmt.Sprintf(missingField, "AWSAccessKeyId"), ""},
		"anonymous":          {plain, 403, "AccessDenied", "Access Denied", ""},
		"unknown key":        {replaced(v2, "AWSAccessKeyId", "NOBODY"), 403, "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", "<AWSAccessKeyId>NOBODY</AWSAccessKeyId>"},
		"tampered policy":    {replaced(signed, "policy", "e30="), 403, "SignatureDoesNotMatch", "", "<StringToSign>e30=</StringToSign>"},
		"tampered V2 policy": {replaced(v2, "policy", "e30="), 403, "SignatureDoesNotMatch", "", "<StringToSign>e30=</StringToSign>"},
		"expired":            {expired, 403, "AccessDenied", "Invalid according to Policy: Policy expired.", ""},
		"another key":        {replaced(signed, "key", "other"), 403, "AccessDenied", failed + `["eq", "$key", "key"]`, ""},
		"another type":       {replaced(signed, "Content-Type", "Text/plain"), 403, "AccessDenied", failed + `["eq", "$Content-Type", "text/plain"]`, ""},
		"type left out":      {without(signed, "Content-Type"), 403, "AccessDenied", failed + `["eq", "$Content-Type", "text/plain"]`, ""},
		"extra field":        {append([]formField{{name: "acl", value: "private"}}, signed...), 403, "AccessDenied", "Invalid according to Policy: Extra input fields: acl", ""},
		"too large":          {replaced(signed, "file", "eleven bytes"[:11]), 400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", "<ProposedSize>11</ProposedSize><MaxSizeAllowed>10</MaxSizeAllowed>"},
		"far too large":      {replaced(signed, "file", strings.Repeat("x", 100000)), 400, "EntityTooLarge", "", "<ProposedSize>100000</ProposedSize>"},
		"too small":          {replaced(signed, "file", "x"), 400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size", "<ProposedSize>1</ProposedSize><MinSizeAllowed>2</MinSizeAllowed>"},
		"too many fields":    {append([]formField{{name: "x-ignore-a", value: strings.Repeat("x", 20<<10)}}, signed...), 400, "MaxPostPreDataLengthExceededError", "Your POST request fields preceding the upload file were too large.", ""},
		"endless fields":     {append([]formField{{name: "x-ignore-a", value: strings.Repeat("x", 200<<10)}}, signed...), 400, "MaxPostPreDataLengthExceededError", "", ""},
		"a limit":            {append([]formField{{name: "X-Daypass-Uses", value: "1"}}, signed...), 400, "InvalidArgument", "", "<ArgumentName>x-daypass-uses</ArgumentName>"},
	} {
		r := e.send(e.post(c.fields))
		if r.status != c.status || r.code() != c.code || c.message != "" && strings.ReplaceAll(r.element("Message"), "&quot;", `"`) != c.message || !strings.Contains(r.body, c.elements) {
			t.Errorf("%s: status %d, want %d %s %q %s\n%s", what, r.status, c.status, c.code, c.message, c.elements, r.body)
		}
	}
	if l := e.list(); len(l.Contents) != 0 {
		t.Errorf("stored: %+v", l.Contents)
	}
	e.want(e.send(e.post(signed)), 204, "")
	e.want(e.send(e.post(v2)), 204, "")
}

// TestPostValues refuses fields that stand for headers in the words for those.
func TestPostValues(t *testing.T) {
	e := newEnv(t)
	for _, c := range []struct {
		name, value string
		status      int
		code, text  string
	}{
		{"tagging", "<x/>", 400, "MalformedXML", ""},
		{"tagging", strings.Replace(twoTags, "b c", "a", 1), 400, "InvalidTag", ""},
		{"x-amz-storage-class", "COLD", 400, "InvalidStorageClass", "<StorageClassRequested>COLD</StorageClassRequested>"},
		{"x-amz-server-side-encryption", "aws:kms", 501, "NotImplemented", ""},
		{"x-amz-object-lock-mode", "GOVERNANCE", 400, "InvalidArgument", "<ArgumentName>x-amz-object-lock-retain-until-date</ArgumentName>"},
		{"x-amz-object-lock-event-hold", "ON", 501, "NotImplemented", ""},
		{"x-amz-copy-source", "photos/other", 501, "NotImplemented", ""},
		{"acl", "public-read", 400, "AccessControlListNotSupported", ""},
		{"acl", "everyone", 400, "InvalidArgument", ""},
		{"x-amz-checksum-sha256", sumOf(store.SHA256, "other"), 400, "BadDigest", "The SHA256 you specified did not match the calculated checksum."},
		{"x-amz-checksum-sha256", "AAAA", 400, "InvalidRequest", "Value for x-amz-checksum-sha256 header is invalid."},
		{"x-amz-checksum-md4", "AAAA", 400, "InvalidRequest", ""},
		{"Content-MD5", md5Of("other"), 400, "BadDigest", ""},
		{"x-amz-meta-a", strings.Repeat("x", 2048), 400, "MetadataTooLarge", ""},
		{"x-amz-meta-a", "1\r\nSet-Cookie: x", 400, "InvalidArgument", ""},
		{"Content-Type", "a\nb", 400, "InvalidArgument", ""},
		{"x-amz-expected-bucket-owner", "bob", 403, "AccessDenied", ""},
		{"If-None-Match", `"e"`, 501, "NotImplemented", ""},
	} {
		r := e.send(e.post(append(e.form(sign.FormRequest{Key: "key", Fields: []sign.Param{{Name: c.name, Value: c.value}}}), textFile)))
		if r.status != c.status || r.code() != c.code || !strings.Contains(r.body, c.text) {
			t.Errorf("%s=%.20s: status %d, want %d %s\n%s", c.name, c.value, r.status, c.status, c.code, r.body)
		}
	}
	e.want(e.send(e.post(append(e.form(sign.FormRequest{Key: strings.Repeat("k", 1025)}), textFile))), 400, "KeyTooLongError")
	if e.exists("key") {
		t.Fatal("something was stored")
	}
	once := append(e.form(sign.FormRequest{Key: "key", Fields: []sign.Param{{Name: "If-None-Match", Value: "*"}}}), textFile)
	e.want(e.send(e.post(once)), 204, "")
	e.want(e.send(e.post(once)), 412, "PreconditionFailed")
}

// TestPostPolicies signs documents that no presigner makes.
func TestPostPolicies(t *testing.T) {
	e := newEnv(t)
	note := formField{name: "x-amz-meta-a", value: "1"}
	key := formField{name: "key", value: "key"}
	const head = `{"expiration":"2026-02-06T13:00:00Z","conditions":[`
	const tail = `["starts-with","$x-amz-meta-a",""]]}`
	for document, c := range map[string]struct {
		status  int
		message string
	}{
		"not JSON":                                              {400, "Invalid Policy: Invalid JSON."},
		`{"conditions":[]}`:                                     {400, "Invalid Policy: Policy missing expiration."},
		`{"expiration":"soon","conditions":[]}`:                 {400, "Invalid Policy: Invalid 'expiration' value: 'soon'"},
		head + `{"bucket":"photos","key":"key"},` + tail:        {400, "Invalid Policy: Invalid Simple-Condition: Simple-Conditions must have exactly one property specified."},
		head + `{"bucket":"photos"},{"key":"other"},` + tail:    {403, `Invalid according to Policy: Policy Condition failed: ["eq", "$key", "other"]`},
		head + `{"bucket":"other"},{"key":"key"},` + tail:       {403, `Invalid according to Policy: Policy Condition failed: ["eq", "$bucket", "other"]`},
		head + `{"bucket":"photos"},["eq","key","key"],` + tail: {403, `Invalid according to Policy: Policy Condition failed: ["eq", "key", "key"]`},
		head + `{"bucket":"photos"},` + tail:                    {403, `Invalid according to Policy: Extra input fields: key`},
		head + `{"bucket":"photos"},["content-length-range","test","10"],["eq","$key","key"],` + tail:     {403, `Invalid according to Policy: Policy Condition failed: ["content-length-range", "test", "10"]`},
		head + `{"bUcKeT":"photos"},["StArTs-WiTh","$KeY","k"],["content-length-range","0","10"],` + tail: {204, ""},
	} {
		r := e.send(e.post(policyForm(document, key, note)))
		if r.status != c.status || strings.ReplaceAll(r.element("Message"), "&quot;", `"`) != c.message {
			t.Errorf("%s: status %d, want %d %s\n%s", document, r.status, c.status, c.message, r.body)
		}
	}
	// The name of a file that is none stays what it is; so does a plain field.
	literal := policyForm(head+`{"bucket":"photos"},["starts-with","$key","file-as-field"],`+tail, formField{name: "key", value: "file-as-field-${filename}"}, note)
	literal[len(literal)-1].fileName = ""
	e.want(e.send(e.post(literal)), 204, "")
	if got := e.content("file-as-field-${filename}"); got != "content" {
		t.Errorf("stored %q", got)
	}
	empty := policyForm(head+`{"bucket":"photos"},["starts-with","$key",""],`+tail, formField{name: "key"}, note)
	r := e.send(e.post(empty))
	e.want(r, 400, "InvalidArgument")
	if r.element("Message") != "User key must have a length greater than 0." {
		t.Error(r.body)
	}
}

// TestPostPermissions asks who may post what: the signer's and the bucket's
// policies decide, also about forms that nobody signed.
func TestPostPermissions(t *testing.T) {
	r := newRealm(t)
	by := func(k sign.Key, fields ...sign.Param) *reply {
		p, err := sign.NewPresigner(k, "http://"+r.addr, testRegion)
		if err != nil {
			t.Fatal(err)
		}
		f, err := p.Form(sign.FormRequest{Bucket: "photos", Key: "in/x", Lifetime: time.Hour, Time: testTime, Fields: fields})
		if err != nil {
			t.Fatal(err)
		}
		var form []formField
		for _, field := range f.Fields {
			form = append(form, formField{name: field.Name, value: field.Value})
		}
		return r.send(r.post(append(form, textFile)))
	}
	anonymous := func(fields ...formField) *reply {
		return r.send(r.post(append(fields, formField{name: "key", value: "anonymous/x"}, textFile)))
	}
	uploader := r.user("uploader", `{"Effect":"Allow","Action":"s3:PutObject","Resource":"arn:aws:s3:::photos/in/*"}`)
	r.want(by(uploader), 204, "")
	r.want(by(r.user("reader", `{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`)), 403, "AccessDenied")
	r.want(by(r.bob), 403, "AccessDenied")
	r.want(by(uploader, sign.Param{Name: "tagging", Value: twoTags}), 403, "AccessDenied")
	r.want(anonymous(), 403, "AccessDenied")

	r.must("PUT", "/photos?policy", document(
		`{"Effect":"Allow","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::photos/anonymous/*"}`,
		`{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"arn:aws:s3:::photos/in/*","Condition":{"StringEquals":{"s3:authType":"POST"}}}`))
	r.want(by(uploader), 403, "AccessDenied")
	answer := anonymous(formField{name: "success_action_status", value: "201"})
	r.want(answer, 201, "")
	if answer.element("Key") != "anonymous/x" {
		t.Error(answer.body)
	}
	r.want(r.send(r.post([]formField{{name: "key", value: "elsewhere"}, textFile})), 403, "AccessDenied")
	if obj, err := r.store.Object(t.Context(), ref("anonymous/x")); err != nil || obj.Owner != "alice" {
		t.Errorf("%+v, %v", obj, err)
	}
}

// TestPostOddKeys posts keys that are easily misread.
func TestPostOddKeys(t *testing.T) {
	e := newEnv(t)
	for _, key := range []string{"a+b", "a b", "a%20b", "a?b", "a#b", "é", "日本", "a//b", "/a", "a/", "./a", "a/../b", "..", `a"b`, "a&b", "$key"} {
		r := e.send(e.post(append(e.form(sign.FormRequest{Key: key}), textFile)))
		e.want(r, 204, "")
		if got := e.content(key); got != "content" {
			t.Errorf("%q: stored %q", key, got)
		}
		if want := "http://" + e.addr + "/photos/" + sign.EscapePath(key); r.header.Get("Location") != want {
			t.Errorf("%q: Location %q, want %q", key, r.header.Get("Location"), want)
		}
	}
}

// TestLocationBehindProxy checks that the URL of an object is the one that the
// client of a trusted proxy knows.
func TestLocationBehindProxy(t *testing.T) {
	for trusted, want := range map[string]string{"127.0.0.0/8": "https://files.example.com/s3/photos/key", "192.0.2.0/24": ""} {
		e := newEnv(t, func(c *Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix(trusted)} })
		q := e.post(append(e.form(sign.FormRequest{Key: "key"}), textFile))
		for name, value := range map[string]string{"X-Forwarded-Proto": "https", "X-Forwarded-Host": "files.example.com", "X-Forwarded-Prefix": "/s3"} {
			q.header.Set(name, value)
		}
		if want == "" {
			want = "http://" + e.addr + "/photos/key"
		}
		if r := e.send(q); r.header.Get("Location") != want {
			t.Errorf("Location %q, want %q\n%s", r.header.Get("Location"), want, r.body)
		}
	}
}

// TestPostShape sends what is no form, or one that is cut off.
func TestPostShape(t *testing.T) {
	e := newEnv(t)
	signed := e.post(append(e.form(sign.FormRequest{Key: "key"}), textFile))
	kind := func(v string) request {
		q := signed
		q.header = http.Header{"Content-Type": {v}}
		return q
	}
	body := func(b string) request {
		q := signed
		q.body = b
		return q
	}
	chunked := signed
	chunked.header, chunked.noLength = http.Header{"Content-Type": signed.header["Content-Type"], "Transfer-Encoding": {"chunked"}}, true
	chunked.body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(signed.body), signed.body)
	object := signed
	object.target = "/photos/key"
	nowhere := signed
	nowhere.target = "/nowhere"
	both := e.signed(request{method: "POST", target: "/photos", header: signed.header, body: signed.body})
	framed := signed
	framed.header = http.Header{"Content-Type": signed.header["Content-Type"], "X-Amz-Content-Sha256": {"STREAMING-UNSIGNED-PAYLOAD-TRAILER"}}
	for what, c := range map[string]struct {
		q       request
		status  int
		code    string
		element string
	}{
		"no type":        {kind(""), 412, "PreconditionFailed", "<Condition>Bucket POST must be of the enclosure-type multipart/form-data</Condition>"},
		"another type":   {kind("application/x-www-form-urlencoded"), 412, "PreconditionFailed", ""},
		"no boundary":    {kind("multipart/form-data"), 400, "MalformedPOSTRequest", ""},
		"long boundary":  {kind("multipart/form-data; boundary=" + strings.Repeat("x", 300)), 400, "MalformedPOSTRequest", ""},
		"other boundary": {kind("multipart/form-data; boundary=other"), 400, "MalformedPOSTRequest", ""},
		"empty":          {body(""), 400, "MalformedPOSTRequest", ""},
		"only an end":    {body("--" + formBoundary + "--\r\n"), 400, "InvalidArgument", "<ArgumentName>file</ArgumentName>"},
		"no end":         {body(strings.TrimSuffix(signed.body, "--"+formBoundary+"--\r\n")), 400, "MalformedPOSTRequest", ""},
		"no disposition": {body(strings.Replace(signed.body, "Content-Disposition: form-data;", "X: ", 1)), 400, "MalformedPOSTRequest", ""},
		"no length":      {chunked, 411, "MissingContentLength", ""},
		"on an object":   {object, 405, "MethodNotAllowed", "<Method>POST</Method><ResourceType>OBJECT</ResourceType>"},
		"no bucket":      {nowhere, 404, "NoSuchBucket", ""},
		"signed twice":   {both, 400, "InvalidArgument", ""},
		"framed":         {framed, 501, "NotImplemented", ""},
	} {
		r := e.send(c.q)
		if r.status != c.status || r.code() != c.code || !strings.Contains(r.body, c.element) {
			t.Errorf("%s: status %d, want %d %s\n%s", what, r.status, c.status, c.code, r.body)
		}
	}
	if e.exists("key") {
		t.Error("something was stored")
	}
}

// TestPostLarge streams a file that is larger than what is kept in memory, and
// one whose connection breaks off.
func TestPostLarge(t *testing.T) {
	e := newEnv(t)
	content := strings.Repeat("0123456789abcdef\r\n--x-boundary-", 100000)
	fields := append(e.form(sign.FormRequest{Key: "key"}), formField{"file", content, "f"})
	e.want(e.send(e.post(fields)), 204, "")
	if got := e.content("key"); got != content {
		t.Errorf("%d bytes, want %d", len(got), len(content))
	}
	q := e.post(append(e.form(sign.FormRequest{Key: "broken"}), formField{"file", content, "f"}))
	q.header.Set("Content-Length", fmt.Sprint(len(q.body)))
	q.body = q.body[:len(q.body)/2]
	conn := e.dial()
	if err := q.write(conn); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	e.http.Close()
	if e.exists("broken") {
		t.Error("half a file was stored")
	}
}

// FuzzForm sends forms of any shape. None is stored, since none is signed.
func FuzzForm(f *testing.F) {
	e := newEnv(f)
	s, err := New(testConfig(e.store))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(formBody([]formField{{name: "key", value: "k"}, textFile}))
	f.Add("--" + formBoundary + "\r\n\r\n")
	f.Fuzz(func(t *testing.T, body string) {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/photos", strings.NewReader(body))
		r.Header.Set("Content-Type", "multipart/form-data; boundary="+formBoundary)
		r.Header.Set("Content-Length", fmt.Sprint(len(body)))
		s.ServeHTTP(w, r)
		if w.Code < 400 || w.Code >= 500 {
			t.Errorf("status %d\n%s", w.Code, w.Body)
		}
		if page, err := e.store.ListObjects(t.Context(), store.ListRequest{Bucket: "photos", Max: 1}); err != nil || len(page.Objects) > 0 {
			t.Errorf("stored %v, %v", page, err)
		}
	})
}
