package server

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit/bucketlog"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/store"
)

// oneWrappingKey is what the keys of objects are wrapped under in tests.
type oneWrappingKey struct{}

func (oneWrappingKey) Current(context.Context) (uint32, error) { return 1, nil }
func (oneWrappingKey) WrappingKey(generation uint32) (store.Key, error) {
	return store.Key{byte(generation)}, nil
}

// throughProxy lets a test say that its connection is encrypted.
func throughProxy(c *Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }

// secure are the headers of a request over TLS.
var secure = []string{"X-Forwarded-Proto", "https"}

// customerHeaders are those of a customer's key.
func customerHeaders(prefix string, key []byte) []string {
	sum := md5.Sum(key)
	return slices.Concat(secure, []string{
		prefix + "-algorithm", "AES256",
		prefix + "-key", base64.StdEncoding.EncodeToString(key),
		prefix + "-key-md5", base64.StdEncoding.EncodeToString(sum[:]),
	})
}

const (
	ssec       = "x-amz-server-side-encryption-customer"
	sourceSSEC = "x-amz-copy-source-server-side-encryption-customer"
)

// keyOne and keyTwo are customers' keys.
var (
	keyOne = []byte("an excellent key of thirty-two b")
	keyTwo = []byte("another one, of the same length ")
)

// wantSSE checks what an answer says of encryption.
func (e *env) wantSSE(what string, r *reply, sse, algorithm, sum string) {
	e.t.Helper()
	got := [3]string{r.header.Get("X-Amz-Server-Side-Encryption"), r.header.Get(ssec + "-Algorithm"), r.header.Get(ssec + "-Key-Md5")}
	if r.status/100 != 2 || got != [3]string{sse, algorithm, sum} {
		e.t.Errorf("%s: status %d, encryption %q, want %q\n%s", what, r.status, got, [3]string{sse, algorithm, sum}, r.body)
	}
	if r.header.Get(ssec+"-Key") != "" {
		e.t.Errorf("%s: the answer holds the key", what)
	}
}

func TestSSES3(t *testing.T) {
	e := newEnv(t)
	asked := []string{"x-amz-server-side-encryption", "AES256", "x-amz-server-side-encryption-bucket-key-enabled", "false"}
	content := strings.Repeat("plain ", 30_000)
	put := e.do("PUT", "/photos/key", content, asked...)
	e.wantSSE("PUT", put, "AES256", "", "")
	sum := md5.Sum([]byte(content))
	if got := put.header.Get("ETag"); got != fmt.Sprintf(`"%x"`, sum) {
		t.Errorf("ETag %s is not the MD5 of the content", got)
	}
	get := e.do("GET", "/photos/key", "")
	e.wantSSE("GET", get, "AES256", "", "")
	if get.body != content {
		t.Errorf("GET returned %d bytes, want %d", len(get.body), len(content))
	}
	e.wantSSE("HEAD", e.do("HEAD", "/photos/key", ""), "AES256", "", "")
	part := e.do("GET", "/photos/key", "", "Range", "bytes=65530-65545")
	if part.status != 206 || part.body != content[65530:65546] {
		t.Errorf("range: status %d, %q", part.status, part.body)
	}
	e.wantSSE("without", e.do("PUT", "/photos/plain", content), "", "", "")
	e.wantSSE("pre-signed", e.send(e.query("PUT", "signed", "x-amz-server-side-encryption", "AES256")), "AES256", "", "")

	id := e.begin("parts", asked...)
	one := e.do("PUT", partTarget("parts", id, 1), partOf('1'))
	e.wantSSE("UploadPart", one, "AES256", "", "")
	copied := e.do("PUT", partTarget("parts", id, 2), "", "x-amz-copy-source", "photos/plain")
	e.wantSSE("UploadPartCopy", copied, "AES256", "", "")
	done := e.do("POST", "/photos/parts?uploadId="+id, completion("1", one.header.Get("ETag"), "", "2", copied.element("ETag"), ""))
	e.wantSSE("CompleteMultipartUpload", done, "AES256", "", "")
	if got := e.content("parts"); got != partOf('1')+content {
		t.Errorf("the parts hold %d bytes", len(got))
	}

	e.wantSSE("CopyObject", e.do("PUT", "/photos/copy", "", "x-amz-copy-source", "photos/key", asked[0], asked[1]), "AES256", "", "")
	e.wantSSE("CopyObject without", e.do("PUT", "/photos/copy", "", "x-amz-copy-source", "photos/copy", "x-amz-metadata-directive", "REPLACE"), "", "", "")
	e.wantSSE("CopyObject onto itself", e.do("PUT", "/photos/copy", "", "x-amz-copy-source", "photos/copy", asked[0], asked[1]), "AES256", "", "")
	if e.content("copy") != content {
		t.Error("the copy has another content")
	}
	fields := e.form(sign.FormRequest{Key: "form", Fields: []sign.Param{{Name: "x-amz-server-side-encryption", Value: "AES256"}}})
	e.wantSSE("form", e.send(e.post(append(fields, formField{name: "file", value: content}))), "AES256", "", "")
	if e.content("form") != content {
		t.Error("the form's file has another content")
	}
}

func TestSSERefused(t *testing.T) {
	e := newEnv(t, throughProxy)
	e.put("plain", "content")
	id := e.begin("parts")
	const sse = "x-amz-server-side-encryption"
	customer := customerHeaders(ssec, keyOne)
	with := func(name, value string) []string {
		h := slices.Clone(customer)
		for i := 0; i < len(h); i += 2 {
			if h[i] == name {
				h[i+1] = value
			}
		}
		return h
	}
	without := func(name string) []string {
		i := slices.Index(customer, name)
		return slices.Delete(slices.Clone(customer), i, i+2)
	}
	short := base64.StdEncoding.EncodeToString(keyOne[:10])
	shortSum := md5.Sum(keyOne[:10])
	for _, c := range []struct {
		method, target string
		headers        []string
		status         int
		code, text     string
	}{
		{"PUT", "/photos/new", []string{sse, "aws:kms"}, 501, "NotImplemented", "AWS KMS keys is not implemented"},
		{"PUT", "/photos/new", []string{sse, "aws:kms:dsse"}, 501, "NotImplemented", "AWS KMS keys is not implemented"},
		{"POST", "/photos/new?uploads", []string{sse, "aws:kms"}, 501, "NotImplemented", ""},
		{"PUT", "/photos/new", []string{sse, "AES512"}, 400, "InvalidArgument", "The encryption method specified is not supported"},
		{"PUT", "/photos/new", []string{sse, ""}, 400, "InvalidArgument", "The encryption method specified is not supported"},
		{"PUT", "/photos/new", []string{sse, "AES256", sse + "-aws-kms-key-id", "k"}, 400, "InvalidArgument", "requires HTTP header x-amz-server-side-encryption : aws:kms"},
		{"PUT", "/photos/new", []string{sse + "-aws-kms-key-id", "k"}, 400, "InvalidArgument", "requires HTTP header x-amz-server-side-encryption : aws:kms"},
		{"PUT", "/photos/new", []string{sse, "AES256", sse + "-bucket-key-enabled", "maybe"}, 400, "InvalidArgument", ""},
		{"PUT", "/photos/new", append([]string{sse, "AES256"}, customer...), 400, "InvalidArgument", "is incompatible with the encryption method specified"},
		{"GET", "/photos/plain", []string{sse, "AES256"}, 400, "InvalidArgument", "header is not supported for this operation"},
		{"PUT", partTarget("parts", id, 1), []string{sse, "AES256"}, 400, "InvalidArgument", "header is not supported for this operation"},

		{"PUT", "/photos/new", customer[2:], 400, "InvalidRequest", "Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection."},
		{"GET", "/photos/plain", customer[2:], 400, "InvalidRequest", "over a secure connection"},
		{"PUT", partTarget("parts", id, 1), customer[2:], 400, "InvalidRequest", "over a secure connection"},
		{"PUT", "/photos/new", with(ssec+"-algorithm", "DES"), 400, "InvalidEncryptionAlgorithmError", "<ArgumentValue>DES</ArgumentValue>"},
		{"GET", "/photos/plain", with(ssec+"-algorithm", "aes256"), 400, "InvalidEncryptionAlgorithmError", "Supported value: AES256."},
		{"PUT", "/photos/new", without(ssec + "-algorithm"), 400, "InvalidArgument", "must provide a valid encryption algorithm."},
		{"PUT", "/photos/new", without(ssec + "-key"), 400, "InvalidArgument", "must provide an appropriate secret key."},
		{"PUT", "/photos/new", without(ssec + "-key-md5"), 400, "InvalidArgument", "the client calculated MD5 of the secret key."},
		{"PUT", "/photos/new", with(ssec+"-key-md5", base64.StdEncoding.EncodeToString(shortSum[:])), 400, "InvalidArgument", "The calculated MD5 hash of the key did not match the hash that was provided."},
		{"PUT", "/photos/new", with(ssec+"-key", "????"), 400, "InvalidArgument", "The secret key was invalid for the specified algorithm."},
		{"PUT", "/photos/new", with(ssec+"-key", strings.Repeat("A", 400)), 400, "InvalidArgument", "The secret key was invalid"},
		{"PUT", "/photos/new", append(slices.Clone(secure), ssec+"-algorithm", "AES256", ssec+"-key", short, ssec+"-key-md5", base64.StdEncoding.EncodeToString(shortSum[:])), 400, "InvalidArgument", "The secret key was invalid"},
		{"GET", "/photos/plain", customer, 400, "InvalidRequest", "The encryption parameters are not applicable to this object."},
		{"HEAD", "/photos/plain", customer, 400, "", ""},
		{"GET", "/photos/plain?attributes", append(slices.Clone(customer), "x-amz-object-attributes", "ETag"), 400, "InvalidRequest", "not applicable"},
		{"PUT", "/photos/new", append(slices.Clone(customerHeaders(sourceSSEC, keyOne)), "x-amz-copy-source", "photos/plain"), 400, "InvalidRequest", "not applicable"},
		{"PUT", partTarget("parts", id, 1), customer, 400, "InvalidRequest", "The multipart upload initiate requested encryption."},
		{"PUT", "/photos/new", customerHeaders(sourceSSEC, keyOne), 400, "InvalidRequest", "not applicable"},
	} {
		r := e.do(c.method, c.target, "", c.headers...)
		if r.status != c.status || r.code() != c.code || !strings.Contains(r.body, c.text) {
			t.Errorf("%s %s %q: status %d, want %d %s %q\n%s", c.method, c.target, c.headers, r.status, c.status, c.code, c.text, r.body)
		}
		if strings.Contains(r.body, base64.StdEncoding.EncodeToString(keyOne)) {
			t.Errorf("the answer repeats the key: %s", r.body)
		}
	}
	if e.exists("new") {
		t.Error("something was stored")
	}
	if text := e.log.String(); strings.Contains(text, base64.StdEncoding.EncodeToString(keyOne)) || strings.Contains(text, string(keyOne)) {
		t.Error("the log holds a key")
	}
}

func TestSSEC(t *testing.T) {
	e := newEnv(t, throughProxy)
	one, two := customerHeaders(ssec, keyOne), customerHeaders(ssec, keyTwo)
	sum := one[len(one)-1]
	content := strings.Repeat("plain ", 30_000)
	put := e.do("PUT", "/photos/key", content, one...)
	e.wantSSE("PUT", put, "", "AES256", sum)
	md := md5.Sum([]byte(content))
	if got := put.header.Get("ETag"); got == fmt.Sprintf(`"%x"`, md) || len(got) != 34 {
		t.Errorf("ETag %s", got)
	}
	get := e.do("GET", "/photos/key", "", one...)
	e.wantSSE("GET", get, "", "AES256", sum)
	if get.body != content || get.header.Get("ETag") != put.header.Get("ETag") {
		t.Errorf("GET returned %d bytes, want %d", len(get.body), len(content))
	}
	e.wantSSE("HEAD", e.do("HEAD", "/photos/key", "", one...), "", "AES256", sum)
	e.wantSSE("attributes", e.do("GET", "/photos/key?attributes", "", append(slices.Clone(one), "x-amz-object-attributes", "ETag")...), "", "", "")
	for _, c := range []struct {
		method  string
		headers []string
		status  int
		code    string
		text    string
	}{
		{"GET", secure, 400, "InvalidRequest", "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object."},
		{"GET", two, 403, "AccessDenied", "must provide the correct secret key."},
		{"HEAD", secure, 400, "", ""},
		{"HEAD", two, 403, "", ""},
		{"GET", one[2:], 400, "InvalidRequest", "over a secure connection"},
	} {
		r := e.do(c.method, "/photos/key", "", c.headers...)
		if r.status != c.status || r.code() != c.code || !strings.Contains(r.body, c.text) || r.header.Get("ETag") != "" {
			t.Errorf("%s: status %d, want %d\n%v\n%s", c.method, r.status, c.status, r.header, r.body)
		}
	}
	e.multipartSSEC(one, two, sum, content)
	e.copySSEC(one, two, content)
	if e.do("DELETE", "/photos/key", "").status != 204 {
		t.Error("a deletion needs a key")
	}
	if strings.Contains(e.log.String(), one[5]) {
		t.Error("the log holds a key")
	}
}

func (e *env) multipartSSEC(one, two []string, sum, content string) {
	e.t.Helper()
	begun := e.do("POST", "/photos/parts?uploads", "", one...)
	e.wantSSE("CreateMultipartUpload", begun, "", "AES256", sum)
	id := begun.element("UploadId")
	e.want(e.do("PUT", partTarget("parts", id, 1), "x", secure...), 400, "InvalidRequest")
	if r := e.do("PUT", partTarget("parts", id, 1), "x", two...); r.status != 400 || !strings.Contains(r.body, "The provided encryption parameters did not match the ones used originally.") {
		e.t.Errorf("part with another key: %d\n%s", r.status, r.body)
	}
	part := e.do("PUT", partTarget("parts", id, 1), partOf('1'), one...)
	e.wantSSE("UploadPart", part, "", "AES256", sum)
	copied := e.do("PUT", partTarget("parts", id, 2), "", slices.Concat(one, customerHeaders(sourceSSEC, keyOne),
		[]string{"x-amz-copy-source", "photos/key", "x-amz-copy-source-range", "bytes=5-70000"})...)
	e.wantSSE("UploadPartCopy", copied, "", "AES256", sum)
	body := completion("1", part.header.Get("ETag"), "", "2", copied.element("ETag"), "")
	e.want(e.do("POST", "/photos/parts?uploadId="+id, body, two...), 400, "InvalidRequest")
	e.wantSSE("CompleteMultipartUpload", e.do("POST", "/photos/parts?uploadId="+id, body, secure...), "", "", "")
	want := partOf('1') + content[5:70001]
	if got := e.do("GET", "/photos/parts", "", one...); got.body != want {
		e.t.Errorf("the parts hold %d bytes, want %d\n", len(got.body), len(want))
	}
	ranged := e.do("GET", "/photos/parts", "", append(slices.Clone(one), "Range", "bytes=5242870-5242890")...)
	if ranged.status != 206 || ranged.body != want[5242870:5242891] {
		e.t.Errorf("range over the parts: %d, %q", ranged.status, ranged.body)
	}
	if got := e.do("GET", "/photos/parts?partNumber=2", "", one...); got.body != content[5:70001] {
		e.t.Errorf("part 2 has %d bytes", len(got.body))
	}
}

func (e *env) copySSEC(one, two []string, content string) {
	e.t.Helper()
	from := []string{"x-amz-copy-source", "photos/key"}
	e.want(e.do("PUT", "/photos/copy", "", from...), 400, "InvalidRequest")
	e.want(e.do("PUT", "/photos/copy", "", append(customerHeaders(sourceSSEC, keyTwo), from...)...), 403, "AccessDenied")
	source := append(customerHeaders(sourceSSEC, keyOne), from...)
	e.wantSSE("copy to plain", e.do("PUT", "/photos/copy", "", source...), "", "", "")
	if e.content("copy") != content {
		e.t.Error("the plain copy has another content")
	}
	e.wantSSE("copy to SSE-S3", e.do("PUT", "/photos/copy", "", append(source, "x-amz-server-side-encryption", "AES256")...), "AES256", "", "")
	e.wantSSE("copy to another key", e.do("PUT", "/photos/copy", "", append(source, two[2:]...)...), "", "AES256", two[len(two)-1])
	if got := e.do("GET", "/photos/copy", "", two...); got.body != content {
		e.t.Errorf("the copy under another key has %d bytes", len(got.body))
	}
	// A new key for the same object.
	rekeyed := e.do("PUT", "/photos/copy", "", slices.Concat(customerHeaders(sourceSSEC, keyTwo), one[2:], []string{"x-amz-copy-source", "photos/copy"})...)
	e.wantSSE("another key for an object", rekeyed, "", "AES256", one[len(one)-1])
	if got := e.do("GET", "/photos/copy", "", one...); got.body != content {
		e.t.Errorf("the object under its new key has %d bytes", len(got.body))
	}
}

// TestSSECPresigned carries the key in a header that the URL's signature covers,
// and as a parameter.
func TestSSECPresigned(t *testing.T) {
	e := newEnv(t, throughProxy)
	one := customerHeaders(ssec, keyOne)
	q := e.query("PUT", "key", one[2], one[3], one[4], one[5], one[6], one[7]).with("X-Forwarded-Proto", "https")
	q.body = "content"
	e.wantSSE("PUT", e.send(q), "", "AES256", one[7])
	e.want(e.send(e.query("GET", "key")), 400, "InvalidRequest")
	get := e.send(e.query("GET", "key", one[2], one[3], one[4], one[5], one[6], one[7]).with("X-Forwarded-Proto", "https"))
	if e.wantSSE("GET", get, "", "AES256", one[7]); get.body != "content" {
		t.Errorf("GET returned %q", get.body)
	}
	e.want(e.send(e.query("GET", "key", one[2], one[3], one[4], one[5], one[6], one[7])), 400, "InvalidRequest")
	forged := e.signed(request{method: "GET", target: "/photos/key", header: http.Header{ssec + "-Key": {one[5]}}})
	e.want(e.send(forged.with("X-Amz-Meta-Added", "x")), 403, "AccessDenied")
	forged.target = "/photos/other"
	e.want(e.send(forged), 403, "SignatureDoesNotMatch")
	if strings.Contains(e.log.String(), one[5]) || strings.Contains(e.log.String(), sign.EscapeQuery(one[5])) {
		t.Error("the log holds a key")
	}
	fields := e.form(sign.FormRequest{Key: "form", Fields: []sign.Param{{Name: one[2], Value: one[3]}, {Name: one[4], Value: one[5]}, {Name: one[6], Value: one[7]}}})
	post := e.post(append(fields, formField{name: "file", value: "content"}))
	e.want(e.send(post), 400, "InvalidRequest")
	e.wantSSE("form", e.send(post.with("X-Forwarded-Proto", "https")), "", "AES256", one[7])
}

// TestDefaultEncryption sets what new objects get.
func TestDefaultEncryption(t *testing.T) {
	config := func(rule string) string {
		return "<ServerSideEncryptionConfiguration><Rule>" + rule + "</Rule></ServerSideEncryptionConfiguration>"
	}
	const byDefault = "<ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault>"
	r := newRealm(t, throughProxy)
	r.wantSSE("before", r.as(r.alice, "PUT", "/photos/key", "x"), "", "", "")
	r.want(r.as(r.alice, "PUT", "/photos?encryption", config(byDefault)), 200, "")
	r.wantSSE("PUT", r.as(r.alice, "PUT", "/photos/key", "x"), "AES256", "", "")
	r.wantSSE("CreateMultipartUpload", r.as(r.alice, "POST", "/photos/key?uploads", ""), "AES256", "", "")
	r.put("plain", "plain")
	r.wantSSE("CopyObject", r.as(r.alice, "PUT", "/photos/copy", "", "x-amz-copy-source", "photos/plain"), "AES256", "", "")
	one := customerHeaders(ssec, keyOne)
	r.wantSSE("SSE-C", r.as(r.alice, "PUT", "/photos/key", "x", one...), "", "AES256", one[7])

	r.want(r.as(r.alice, "PUT", "/photos?encryption", config("<BlockedEncryptionTypes><EncryptionType>SSE-C</EncryptionType></BlockedEncryptionTypes>")), 200, "")
	r.want(r.as(r.alice, "PUT", "/photos/key", "x", one...), 403, "AccessDenied")
	r.want(r.as(r.alice, "GET", "/photos/key", "", one...), 200, "")
	r.wantSSE("without a default", r.as(r.alice, "PUT", "/photos/other", "x"), "", "", "")
	for _, c := range []struct{ rule, code string }{
		{"", "MalformedXML"},
		{byDefault + "</Rule><Rule>" + byDefault, "MalformedXML"},
		{strings.Replace(byDefault, "AES256", "aws:kms", 1), "NotImplemented"},
		{strings.Replace(byDefault, "AES256", "ROT13", 1), "MalformedXML"},
		{strings.Replace(byDefault, "</SSE", "</SSEAlgorithm><KMSMasterKeyID>k</KMSMasterKeyID><SSE", 1), "MalformedXML"},
		{strings.Replace(byDefault, "</App", "<KMSMasterKeyID>k</KMSMasterKeyID></App", 1), "InvalidArgument"},
		{byDefault + "<BucketKeyEnabled>perhaps</BucketKeyEnabled>", "MalformedXML"},
		{"<BlockedEncryptionTypes></BlockedEncryptionTypes>", "MalformedXML"},
		{"<BlockedEncryptionTypes><EncryptionType>SSE-X</EncryptionType></BlockedEncryptionTypes>", "MalformedXML"},
	} {
		if got := r.as(r.alice, "PUT", "/photos?encryption", config(c.rule)); got.code() != c.code {
			t.Errorf("%s: status %d, want %s\n%s", c.rule, got.status, c.code, got.body)
		}
	}
}

// TestEncryptByDefault turns encryption on for all buckets.
func TestEncryptByDefault(t *testing.T) {
	r := newRealm(t, func(c *Config) { c.Encrypt = true })
	r.wantSSE("PUT", r.as(r.alice, "PUT", "/photos/key", "x"), "AES256", "", "")
	if got := r.as(r.alice, "GET", "/photos?encryption", ""); got.status != 200 || got.element("SSEAlgorithm") != "AES256" {
		t.Errorf("GetBucketEncryption: %d\n%s", got.status, got.body)
	}
}

// TestEncryptionPolicy denies uploads that are not encrypted.
func TestEncryptionPolicy(t *testing.T) {
	r := newRealm(t, throughProxy)
	policy := `{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Principal":"*","Action":"s3:PutObject","Resource":"` + allARN + `",
		"Condition":{"StringNotEquals":{"s3:x-amz-server-side-encryption":"AES256"}}}]}`
	r.want(r.as(r.alice, "PUT", "/photos?policy", policy), 204, "")
	writer := r.key("alice", "writer", document(statement("Allow", "", "s3:*", "*")))
	r.want(r.as(writer, "PUT", "/photos/key", "x"), 403, "AccessDenied")
	r.want(r.as(writer, "PUT", "/photos/key", "x", "x-amz-server-side-encryption", "AES256"), 200, "")

	// Parts cannot say how they are encrypted; it is the upload that does.
	r.want(r.as(writer, "POST", "/photos/parts?uploads", ""), 403, "AccessDenied")
	id := r.as(writer, "POST", "/photos/parts?uploads", "", "x-amz-server-side-encryption", "AES256").element("UploadId")
	part := r.as(writer, "PUT", partTarget("parts", id, 1), "x")
	r.want(part, 200, "")
	r.want(r.as(writer, "PUT", partTarget("parts", id, 2), "", "x-amz-copy-source", "photos/key"), 200, "")
	r.want(r.as(writer, "POST", "/photos/parts?uploadId="+id, completion("1", part.header.Get("Etag"), "")), 200, "")
	plain, err := r.store.CreateUpload(t.Context(), &store.MultipartUpload{Bucket: "photos", Key: "parts", Owner: "alice"})
	if err != nil {
		t.Fatal(err)
	}
	r.want(r.as(writer, "PUT", partTarget("parts", plain.ID, 1), "x"), 403, "AccessDenied")
	r.want(r.as(writer, "PUT", partTarget("parts", "none", 1), "x"), 403, "AccessDenied")
}

// TestZipOfSSEC refuses an archive of what only its owner's key opens.
func TestZipOfSSEC(t *testing.T) {
	e := newTree(t)
	q := e.zipped()
	e.want(e.send(q), 200, "")
	body, err := store.NewUpload(strings.NewReader("x"), store.UploadOptions{Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, err = e.store.PutObject(t.Context(), &store.PutRequest{Bucket: "photos", Key: "p/locked", Body: body, Owner: "alice",
		Sealing: store.Sealing{SSE: store.SSEC, Key: (*store.Key)(keyOne)}})
	if err != nil {
		t.Fatal(err)
	}
	e.want(e.send(q), 400, "InvalidRequest")
}

// TestCountedSSE counts the bytes of the content, not those on disk.
func TestCountedSSE(t *testing.T) {
	e := newPassEnv(t)
	content := strings.Repeat("plain ", 100_000)
	e.wantSSE("PUT", e.do("PUT", "/photos/key", content, "x-amz-server-side-encryption", "AES256"), "AES256", "", "")
	q := e.query("GET", "key", limits.Uses, "1")
	half := e.send(q.with("Range", "bytes=0-299999"))
	if half.status != 206 || half.body != content[:300_000] {
		t.Errorf("the first half: status %d, %d bytes", half.status, len(half.body))
	}
	rest := e.send(q.with("Range", "bytes=300000-"))
	if rest.status != 206 || rest.body != content[300_000:] {
		t.Errorf("the other half: status %d, %d bytes", rest.status, len(rest.body))
	}
	e.refused(e.send(q), 403, "AccessDenied", limits.Uses)
}

// TestLogsAreEncrypted delivers access logs to a bucket that encrypts, and where
// the server does.
func TestLogsAreEncrypted(t *testing.T) {
	r := newLoggingRealm(t)
	r.must("PUT", "/logs?policy", document(`{"Effect":"Allow","Principal":{"Service":"logging.s3.amazonaws.com"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::logs/*"}`))
	d := r.logDelivery(nil)
	deliver := func(key string) *store.Encryption {
		t.Helper()
		if err := d.Put(t.Context(), &bucketlog.Object{Source: "photos", Owner: "alice", Target: "logs", Key: key, Body: []byte("lines\n")}); err != nil {
			t.Fatal(err)
		}
		obj, err := r.store.Object(t.Context(), daypass.ObjectRef{Bucket: "logs", Key: key})
		if err != nil {
			t.Fatal(err)
		}
		return obj.Encryption
	}
	if e := deliver("plain"); e != nil {
		t.Errorf("encrypted: %+v", e)
	}
	d.cfg.Encrypt = true
	if e := deliver("server"); e == nil || e.SSE != store.SSES3 {
		t.Errorf("--encrypt: %+v", e)
	}
	d.cfg.Encrypt = false
	r.must("PUT", "/logs?encryption", "<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm>"+
		"</ApplyServerSideEncryptionByDefault></Rule></ServerSideEncryptionConfiguration>")
	if e := deliver("bucket"); e == nil || e.SSE != store.SSES3 {
		t.Errorf("in a bucket that encrypts: %+v", e)
	}
}
