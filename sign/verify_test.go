package sign

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

var (
	docKey  = Key{ID: "AKIAIOSFODNN7EXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
	testNow = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
)

func keysOf(keys ...Key) Keys {
	return KeysFunc(func(_ context.Context, id, _ string) (Key, bool, error) {
		for _, k := range keys {
			if k.ID == id {
				return k, true, nil
			}
		}
		return Key{}, false, nil
	})
}

func newPresigner(t testing.TB, key Key, endpoint string, opts ...PresignOptions) *Presigner {
	t.Helper()
	p, err := NewPresigner(key, endpoint, "us-east-1", opts...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// wire makes the request that a server would see for a URL, untouched.
func wire(t testing.TB, method, rawURL string) *http.Request {
	t.Helper()
	_, rest, _ := strings.Cut(rawURL, "://")
	i := strings.IndexAny(rest, "/?")
	if i < 0 {
		t.Fatalf("no path in %q", rawURL)
	}
	return &http.Request{Method: method, Host: rest[:i], RequestURI: rest[i:], URL: &url.URL{}, Header: http.Header{}}
}

// TestDocumentedV4URL is the example of the S3 API reference,
// "Authenticating Requests: Using Query Parameters".
func TestDocumentedV4URL(t *testing.T) {
	p := newPresigner(t, docKey, "https://s3.amazonaws.com", PresignOptions{VirtualHost: true})
	got, err := p.URL(time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC), "GET", "examplebucket", "test.txt", 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	want := "https://examplebucket.s3.amazonaws.com/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256" +
		"&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2Faws4_request" +
		"&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host" +
		"&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
	compare(t, "URL", got, want)
}

// TestDocumentedV2 holds the examples of "Signing and authenticating REST
// requests".
func TestDocumentedV2(t *testing.T) {
	head := func(kv ...string) http.Header {
		h := http.Header{}
		for i := 0; i < len(kv); i += 2 {
			h.Set(kv[i], kv[i+1])
		}
		return h
	}
	for _, c := range []struct {
		method, target, signature string
		header                    http.Header
		now                       time.Time
	}{
		{"GET", "/photos/puppy.jpg", "bWq2s1WEIj+Ydj0vQ697zp+IXMU=",
			head("Date", "Tue, 27 Mar 2007 19:36:42 +0000"), time.Date(2007, 3, 27, 19, 37, 0, 0, time.UTC)},
		{"PUT", "/photos/puppy.jpg", "MyyxeRY7whkBe+bq8fHCL/2kKUg=",
			head("Date", "Tue, 27 Mar 2007 21:15:45 +0000", "Content-Type", "image/jpeg", "Content-Length", "94328"),
			time.Date(2007, 3, 27, 21, 16, 0, 0, time.UTC)},
		{"GET", "/?prefix=photos&max-keys=50&marker=puppy", "htDYFYduRNen8P9ZfE/s9SuKy0U=",
			head("Date", "Tue, 27 Mar 2007 19:42:41 +0000", "User-Agent", "Mozilla/5.0"), time.Date(2007, 3, 27, 19, 43, 0, 0, time.UTC)},
		{"GET", "/?acl", "c2WLPFtWHVgbEmeEG93a4cG37dM=",
			head("Date", "Tue, 27 Mar 2007 19:44:46 +0000"), time.Date(2007, 3, 27, 19, 45, 0, 0, time.UTC)},
		{"GET", "/photos/puppy.jpg?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=NpgCjnDzrM%2BWFzoENXmpNDUsSn8%3D&Expires=1175139620", "",
			head(), time.Date(2007, 3, 27, 19, 45, 0, 0, time.UTC)},
	} {
		path, rawQuery, _ := strings.Cut(c.target, "?")
		q, err := ParseQuery(rawQuery)
		if err != nil {
			t.Fatal(err)
		}
		if c.signature != "" {
			c.header.Set("Authorization", "AWS "+docKey.ID+":"+c.signature)
		}
		r := &Request{Method: c.method, Path: path, Query: q, Header: c.header, HostBucket: "johnsmith",
			Hosts: []Host{{Name: "johnsmith.s3.amazonaws.com"}}}
		res, err := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"}).VerifyRequest(t.Context(), r, c.now)
		if err != nil || res.Version != V2 {
			t.Errorf("%s %s: %v %v", c.method, c.target, res, err)
		}
		_, err = NewVerifier(keysOf(docKey), Options{Region: "us-east-1", DenyV2: true}).VerifyRequest(t.Context(), r, c.now)
		if codeOf(err) != CodeInvalidRequest {
			t.Errorf("V2 denied: %v", err)
		}
	}
}

// oddKeys are the keys that users report as broken elsewhere.
var oddKeys = []string{
	"a+b", "a b", "a%20b", "a%2Bb", "a=b", "(a)", "[a]", "a&b", "a;b", "a?b", "a#b", "é", "日本", "🙂", "a//b", "/a", "a/",
	"./a", "a/../b", "..", "~a", "a:b", "a@b", "a,b", "a'b", `a"b`, `a\b`, "*", "!*()'", "%2F", "\x01\x7f", "a\xffb",
	strings.Repeat("k", 1024), "//", " ", "+",
}

// TestOddKeys signs and verifies every odd key with every scheme, and refuses
// it under another method.
func TestOddKeys(t *testing.T) {
	v := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"})
	for _, key := range oddKeys {
		for _, version := range []Version{V4, V4A, V2} {
			for _, vhost := range []bool{false, true} {
				p := newPresigner(t, docKey, "http://s3.example.com:9000", PresignOptions{Version: version, VirtualHost: vhost})
				for _, method := range []string{"GET", "PUT", "HEAD", "DELETE"} {
					u, err := p.URL(testNow, method, "bucket", key, time.Minute)
					if err != nil {
						t.Fatal(err)
					}
					if err := verifyURL(t, v, method, u, vhost); err != nil {
						t.Errorf("%s %v vhost=%v %q: %v", version, method, vhost, key, err)
					}
					if err := verifyURL(t, v, "POST", u, vhost); codeOf(err) != CodeSignatureDoesNotMatch {
						t.Errorf("%s %q under POST: %v", version, key, err)
					}
					path, _ := RawTarget(wire(t, method, u))
					got, err := UnescapePath(path)
					if want := "/bucket/" + key; err != nil || !vhost && got != want || vhost && got != "/"+key {
						t.Errorf("%q became %q (%v)", key, got, err)
					}
				}
			}
		}
	}
}

func verifyURL(t testing.TB, v *Verifier, method, u string, vhost bool) error {
	t.Helper()
	return verifyWire(t, v, wire(t, method, u), vhost)
}

func verifyWire(t testing.TB, v *Verifier, r *http.Request, vhost bool) error {
	t.Helper()
	path, rawQuery := RawTarget(r)
	q, err := ParseQuery(rawQuery)
	if err != nil {
		return err
	}
	req := &Request{Method: r.Method, Path: path, Query: q, Header: r.Header, ContentLength: r.ContentLength, Hosts: []Host{{Name: r.Host}}}
	if vhost {
		req.HostBucket, _, _ = strings.Cut(r.Host, ".")
	}
	_, err = v.VerifyRequest(t.Context(), req, testNow)
	return err
}

// TestSpellings holds re-spellings of one signed URL that must verify, and
// name the same pass.
func TestSpellings(t *testing.T) {
	p := newPresigner(t, docKey, "https://Files.Example.com:443")
	u, err := p.Presign(URLRequest{Method: "GET", Bucket: "b", Key: "~a (1)+é.txt", Lifetime: time.Hour, Time: testNow,
		Query: Query{{Name: "response-content-disposition", Value: `attachment; filename*=UTF-8''na%C3%AFve +.txt`}, {Name: "x"}, {Name: "hello", Value: "wor/ld"}}})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(u, "https://files.example.com/b/~a%20%281%29%2B%C3%A9.txt?") {
		t.Fatal(u)
	}
	v := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"})
	_, query, _ := strings.Cut(u, "?")
	pairs := strings.Split(query, "&")
	for i, j := 0, len(pairs)-1; i < j; i, j = i+1, j-1 {
		pairs[i], pairs[j] = pairs[j], pairs[i]
	}
	reversed := strings.Join(pairs, "&")
	for name, c := range map[string]struct{ host, target string }{
		"as made":             {"files.example.com", "/b/~a%20%281%29%2B%C3%A9.txt?" + query},
		"default port":        {"files.example.com:443", "/b/~a%20%281%29%2B%C3%A9.txt?" + query},
		"host in capitals":    {"FILES.example.COM", "/b/~a%20%281%29%2B%C3%A9.txt?" + query},
		"raw path characters": {"files.example.com", "/b/~a%20(1)+é.txt?" + query},
		"lower-case hex":      {"files.example.com", "/b/%7ea%20%281%29%2b%c3%a9.txt?" + query},
		"reversed query":      {"files.example.com", "/b/~a%20%281%29%2B%C3%A9.txt?" + reversed},
		"plus for space":      {"files.example.com", "/b/~a%20%281%29%2B%C3%A9.txt?" + strings.ReplaceAll(query, "%20", "+")},
		"raw slash":           {"files.example.com", "/b/~a%20%281%29%2B%C3%A9.txt?" + strings.ReplaceAll(query, "%2F", "/")},
		"valueless":           {"files.example.com", "/b/~a%20%281%29%2B%C3%A9.txt?" + strings.Replace(query, "&x=", "&x", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			r := &http.Request{Method: "GET", Host: c.host, RequestURI: c.target, URL: &url.URL{}, Header: http.Header{}}
			res, err := v.Verify(r, testNow)
			if err != nil {
				t.Fatal(err)
			}
			first, err := v.Verify(wire(t, "GET", u), testNow)
			if err != nil || res.PassID() != first.PassID() || len(res.PassID()) != 26 {
				t.Errorf("pass %q, want %q (%v)", res.PassID(), first.PassID(), err)
			}
		})
	}
}

// TestPassIDGolden keeps the identity of a pass from ever changing.
func TestPassIDGolden(t *testing.T) {
	got := passID(QueryAuth, "AKIAIOSFODNN7EXAMPLE", []byte{1, 2, 3})
	compare(t, "pass id", got, "IXJI4VP2J3GZXNGHC5ZXB2FVTL")
}

// signedQuery returns the query of a good URL, with parameters replaced.
func signedQuery(t *testing.T, replace ...string) string {
	t.Helper()
	u, err := newPresigner(t, docKey, "http://h").URL(testNow, "GET", "b", "k", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	_, query, _ := strings.Cut(u, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(replace); i += 2 {
		if replace[i+1] == "-" {
			values.Del(replace[i])
		} else {
			values.Set(replace[i], replace[i+1])
		}
	}
	return values.Encode()
}

// TestRefusals holds S3's refusals of pre-signed URLs, word by word.
func TestRefusals(t *testing.T) {
	missing := missingV4
	expired := "Request has expired"
	cred := func(s string) []string { return []string{paramCredential, s} }
	for _, c := range []struct {
		name    string
		replace []string
		header  http.Header
		code    Code
		message string
		details string
	}{
		{"no algorithm", []string{paramAlgorithm, "-"}, nil, CodeAuthQueryParameters, missing, ""},
		{"no credential", []string{paramCredential, "-"}, nil, CodeAuthQueryParameters, missing, ""},
		{"no date", []string{paramDate, "-"}, nil, CodeAuthQueryParameters, missing, ""},
		{"no expires", []string{paramExpires, "-"}, nil, CodeAuthQueryParameters, missing, ""},
		{"no signed headers", []string{paramSignedHeaders, "-"}, nil, CodeAuthQueryParameters, missing, ""},
		{"no signature", []string{paramSignature, "-"}, nil, CodeAuthQueryParameters, missing, ""},
		{"algorithm", []string{paramAlgorithm, "AWS3"}, nil, CodeAuthQueryParameters,
			`X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"`, ""},
		{"malformed credential", cred("AKIA/20261123/us-east-1/s3"), nil, CodeAuthQueryParameters,
			`Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`, ""},
		{"doubly encoded credential", cred("AKIA%2F20261123%2Fus-east-1%2Fs3%2Faws4_request"), nil, CodeAuthQueryParameters,
			`Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`, ""},
		{"region", cred("A/20261123/auto/s3/aws4_request"), nil, CodeAuthQueryParameters,
			"Error parsing the X-Amz-Credential parameter; the region 'auto' is wrong; expecting 'us-east-1'", "Region=us-east-1"},
		{"service", cred("A/20261123/us-east-1/ec2/aws4_request"), nil, CodeAuthQueryParameters,
			`Error parsing the X-Amz-Credential parameter; incorrect service "ec2". This endpoint belongs to "s3".`, ""},
		{"terminal", cred("A/20261123/us-east-1/s3/aws5_request"), nil, CodeAuthQueryParameters,
			`Error parsing the X-Amz-Credential parameter; incorrect terminal "aws5_request". This endpoint uses "aws4_request".`, ""},
		{"credential date", cred("A/2026-11-23/us-east-1/s3/aws4_request"), nil, CodeAuthQueryParameters,
			`Error parsing the X-Amz-Credential parameter; incorrect date format "2026-11-23". This date in the credential must be in the format "yyyyMMdd".`, ""},
		{"other day", cred("A/20261122/us-east-1/s3/aws4_request"), nil, CodeAuthQueryParameters,
			`Invalid credential date "20261122". This date is not the same as X-Amz-Date: "20261123".`, ""},
		{"date", []string{paramDate, "2026-11-23T12:00:00Z"}, nil, CodeAuthQueryParameters,
			"X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"", ""},
		{"no such day", []string{paramDate, "20260231T120000Z"}, nil, CodeAuthQueryParameters,
			"X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"", ""},
		{"expires text", []string{paramExpires, "1h"}, nil, CodeAuthQueryParameters, "X-Amz-Expires should be a number", ""},
		{"expires empty", []string{paramExpires, ""}, nil, CodeAuthQueryParameters, "X-Amz-Expires should be a number", ""},
		{"expires plus", []string{paramExpires, "+60"}, nil, CodeAuthQueryParameters, "X-Amz-Expires should be a number", ""},
		{"expires negative", []string{paramExpires, "-1"}, nil, CodeAuthQueryParameters, "X-Amz-Expires must be non-negative", ""},
		{"expires above", []string{paramExpires, "604801"}, nil, CodeAuthQueryParameters,
			"X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds", ""},
		{"expires far above", []string{paramExpires, "99999999999999999999"}, nil, CodeAuthQueryParameters,
			"X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds", ""},
		{"zero", []string{paramExpires, "0"}, nil, CodeAccessDenied, expired,
			"X-Amz-Expires=0|Expires=2026-11-23T12:00:00Z|ServerTime=2026-11-23T12:00:00Z"},
		{"expired", []string{paramDate, "20261123T110000Z", paramExpires, "600"}, nil, CodeAccessDenied, expired,
			"X-Amz-Expires=600|Expires=2026-11-23T11:10:00Z|ServerTime=2026-11-23T12:00:00Z"},
		{"future", []string{paramDate, "20261123T121501Z"}, nil, CodeAccessDenied, "Request is not valid yet",
			"X-Amz-Date=20261123T121501Z|ServerTime=2026-11-23T12:00:00Z"},
		{"unsigned headers", nil, http.Header{"X-Amz-Meta-B": {"1"}, "X-Amz-Acl": {"public-read"}}, CodeAccessDenied,
			"There were headers present in the request which were not signed", "HeadersNotSigned=x-amz-acl, x-amz-meta-b"},
		{"host not signed", []string{paramSignedHeaders, ""}, nil, CodeAccessDenied,
			"There were headers present in the request which were not signed", "HeadersNotSigned=host"},
		{"unknown key", cred("NOBODY/20261123/us-east-1/s3/aws4_request"), nil, CodeInvalidAccessKeyID,
			"The AWS Access Key Id you provided does not exist in our records.", "AWSAccessKeyId=NOBODY"},
		{"token", []string{paramToken, "tok"}, nil, CodeInvalidToken,
			"The provided token is malformed or otherwise invalid.", "Token-0=tok"},
		{"two mechanisms", nil, http.Header{"Authorization": {"Bearer x"}}, CodeInvalidArgument,
			"Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified",
			"ArgumentName=Authorization|ArgumentValue=Bearer x"},
		{"V2 beside V4", []string{"Signature", "x"}, nil, CodeInvalidArgument,
			"Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter or the Authorization header should be specified",
			"ArgumentName=Signature|ArgumentValue=x"},
		{"upper-case signature", []string{paramSignature, strings.Repeat("AB", 32)}, nil, CodeSignatureDoesNotMatch, mismatchMessage, "*"},
		{"short signature", []string{paramSignature, "ab"}, nil, CodeSignatureDoesNotMatch, mismatchMessage, "*"},
		{"added parameter", []string{"v", "4.6"}, nil, CodeSignatureDoesNotMatch, mismatchMessage, "*"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := wire(t, "GET", "http://h/b/k?"+signedQuery(t, c.replace...))
			for k, v := range c.header {
				r.Header[k] = v
			}
			_, err := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"}).Verify(r, testNow)
			checkRefusal(t, err, c.code, c.message, c.details)
		})
	}
}

func checkRefusal(t *testing.T, err error, code Code, message, details string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
	if e.Code != code || e.Message != message {
		t.Errorf("got %s %q\nwant %s %q", e.Code, e.Message, code, message)
	}
	var got []string
	for _, d := range e.Details {
		got = append(got, d.Name+"="+d.Value)
	}
	if details != "*" && strings.Join(got, "|") != details {
		t.Errorf("details %q, want %q", got, details)
	}
}

// TestMismatchDetails checks the elements from which a client learns what the
// server calculated.
func TestMismatchDetails(t *testing.T) {
	r := wire(t, "PUT", "http://h/b/k?"+signedQuery(t))
	_, err := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"}).Verify(r, testNow)
	var e *Error
	if !errors.As(err, &e) {
		t.Fatal(err)
	}
	var names []string
	for _, d := range e.Details {
		names = append(names, d.Name)
	}
	compare(t, "details", strings.Join(names, " "),
		"AWSAccessKeyId StringToSign SignatureProvided StringToSignBytes CanonicalRequest CanonicalRequestBytes")
	canonical := e.Details[4].Value
	if !strings.HasPrefix(canonical, "PUT\n/b/k\nX-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F") ||
		!strings.HasSuffix(canonical, "\nhost:h\n\nhost\nUNSIGNED-PAYLOAD") {
		t.Errorf("canonical request %q", canonical)
	}
	if !strings.HasPrefix(e.Details[5].Value, "50 55 54 0a 2f 62") {
		t.Errorf("bytes %q", e.Details[5].Value)
	}
}

// TestTime checks the window of a URL: from 15 minutes before its signing
// time until it expires, however long ago it was signed.
func TestTime(t *testing.T) {
	u, err := newPresigner(t, docKey, "http://h").URL(testNow, "GET", "b", "k", MaxLifetime)
	if err != nil {
		t.Fatal(err)
	}
	v := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"})
	for offset, ok := range map[time.Duration]bool{
		-MaxSkew - time.Second: false, -MaxSkew: true, 0: true, 16 * time.Minute: true,
		MaxLifetime - time.Second: true, MaxLifetime: false,
	} {
		if _, err := v.Verify(wire(t, "GET", u), testNow.Add(offset)); (err == nil) != ok {
			t.Errorf("%v after signing: %v", offset, err)
		}
	}
}

// TestHoisted checks x-amz-* headers that stand in the query.
func TestHoisted(t *testing.T) {
	v := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"})
	p := newPresigner(t, docKey, "http://h")
	// The JavaScript SDK v2 signs the header and puts it into the query too.
	u, err := p.Presign(URLRequest{Method: "PUT", Bucket: "b", Key: "k", Lifetime: time.Hour, Time: testNow,
		Query: Query{{Name: "x-amz-meta-a", Value: "1"}}, Header: http.Header{"X-Amz-Meta-A": {"1"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(wire(t, "PUT", u), testNow); err != nil {
		t.Errorf("signed header in the query: %v", err)
	}
	r := wire(t, "PUT", u)
	r.Header.Set("X-Amz-Meta-A", "1")
	if _, err := v.Verify(r, testNow); err != nil {
		t.Errorf("in the query and sent: %v", err)
	}
	r.Header.Set("X-Amz-Meta-A", "2")
	if _, err := v.Verify(r, testNow); codeOf(err) != CodeSignatureDoesNotMatch {
		t.Errorf("in the query and sent otherwise: %v", err)
	}
}

// TestTwoWays holds the options that loosen S3's rules, and their defaults.
func TestTwoWays(t *testing.T) {
	u, err := newPresigner(t, docKey, "http://h").URL(testNow, "GET", "b", "k", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	loose := NewVerifier(keysOf(docKey), Options{Region: "us-east-1", HeadWithGet: true, IgnoreForeignAuthorization: true})
	strict := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"})
	head := wire(t, "HEAD", u)
	if _, err := strict.Verify(head, testNow); codeOf(err) != CodeSignatureDoesNotMatch {
		t.Errorf("HEAD with GET: %v", err)
	}
	if res, err := loose.Verify(head, testNow); err != nil || res.Method != "GET" {
		t.Errorf("HEAD with GET allowed: %v", err)
	}
	foreign := wire(t, "GET", u)
	foreign.Header.Set("Authorization", "Bearer abc")
	if _, err := loose.Verify(foreign, testNow); err != nil {
		t.Errorf("foreign header ignored: %v", err)
	}
	foreign.Header.Set("Authorization", "AWS a:b")
	if _, err := loose.Verify(foreign, testNow); codeOf(err) != CodeInvalidArgument {
		t.Errorf("a second signature: %v", err)
	}
}

// TestHeader signs requests in the header and refuses what S3 refuses.
func TestHeader(t *testing.T) {
	v := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"})
	for _, version := range []Version{V4, V4A, V2} {
		s := NewSigner(docKey, SignerOptions{Region: "us-east-1", Version: version})
		for _, key := range oddKeys {
			r := wire(t, "PUT", "http://h/b"+EscapePath("/"+key)+"?partNumber=1&uploadId=x%2By")
			r.Header.Set("X-Amz-Meta-A", "  b   c ")
			if _, err := s.Sign(r, UnsignedPayload, testNow); err != nil {
				t.Fatal(err)
			}
			if res, err := v.Verify(r, testNow); err != nil || res.Version != version || res.PassID() != "" {
				t.Errorf("%s %q: %+v %v", version, key, res, err)
			}
			r.Header.Set("X-Amz-Meta-A", "d")
			if _, err := v.Verify(r, testNow); codeOf(err) != CodeSignatureDoesNotMatch {
				t.Errorf("%s with another header: %v", version, err)
			}
		}
	}
}

func TestHeaderRefusals(t *testing.T) {
	s := NewSigner(docKey, SignerOptions{Region: "us-east-1"})
	v := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"})
	const good = "AWS4-HMAC-SHA256 Credential=A/20261123/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date, Signature=00"
	for _, c := range []struct {
		name   string
		change func(r *http.Request)
		code   Code
	}{
		{"skew", func(r *http.Request) { s.Sign(r, UnsignedPayload, testNow.Add(-16*time.Minute)) }, CodeRequestTimeTooSkewed},
		{"ahead", func(r *http.Request) { s.Sign(r, UnsignedPayload, testNow.Add(16*time.Minute)) }, CodeRequestTimeTooSkewed},
		{"no hash", func(r *http.Request) { s.Sign(r, UnsignedPayload, testNow); r.Header.Del("X-Amz-Content-Sha256") }, CodeInvalidRequest},
		{"unsigned header", func(r *http.Request) { s.Sign(r, UnsignedPayload, testNow); r.Header.Set("X-Amz-Acl", "x") }, CodeAccessDenied},
		{"limit", func(r *http.Request) { r.RequestURI += "?X-DayPass-uses=1"; s.Sign(r, UnsignedPayload, testNow) }, CodeInvalidArgument},
		{"other type", func(r *http.Request) { r.Header.Set("Authorization", "Basic eDp5") }, CodeInvalidArgument},
		{"malformed", func(r *http.Request) { r.Header.Set("Authorization", "AWS4-HMAC-SHA256 x") }, CodeAuthHeaderMalformed},
		{"repeated", func(r *http.Request) { r.Header.Set("Authorization", good+", Signature=11") }, CodeAuthHeaderMalformed},
		{"region", func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(good, "us-east-1", "eu-west-1", 1))
		}, CodeAuthHeaderMalformed},
		{"no date", func(r *http.Request) { r.Header.Set("Authorization", good) }, CodeAccessDenied},
		{"unsigned date", func(r *http.Request) {
			r.Header.Set("Authorization", strings.Replace(good, ";x-amz-date", "", 1))
			r.Header.Set("X-Amz-Date", testNow.Format(longLayout))
		}, CodeAccessDenied},
		{"payload value", func(r *http.Request) { s.Sign(r, "STREAMING-NONSENSE", testNow) }, CodeInvalidArgument},
		{"V2 malformed", func(r *http.Request) { r.Header.Set("Authorization", "AWS nocolon") }, CodeInvalidArgument},
		{"V2 no date", func(r *http.Request) { r.Header.Set("Authorization", "AWS a:b") }, CodeAccessDenied},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := wire(t, "GET", "http://h/b/k")
			c.change(r)
			if _, err := v.Verify(r, testNow); codeOf(err) != c.code {
				t.Errorf("got %v, want %s", err, c.code)
			}
		})
	}
}

// TestTemporaryKeys checks session tokens and the end of keys.
func TestTemporaryKeys(t *testing.T) {
	temp := Key{ID: "ASIA+/X", Secret: "s3cret", Token: "tok/en+=", Expires: testNow.Add(time.Minute)}
	v := NewVerifier(keysOf(temp), Options{Region: "us-east-1"})
	for _, version := range []Version{V4, V4A, V2} {
		u, err := newPresigner(t, temp, "http://h", PresignOptions{Version: version}).URL(testNow, "GET", "b", "k", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(wire(t, "GET", u), testNow); err != nil {
			t.Errorf("%s: %v", version, err)
		}
		if _, err := v.Verify(wire(t, "GET", u), testNow.Add(time.Minute)); codeOf(err) != CodeExpiredToken {
			t.Errorf("%s after the token's end: %v", version, err)
		}
		stripped := strings.Replace(u, "oken=tok", "oken=kot", 1)
		if _, err := v.Verify(wire(t, "GET", stripped), testNow); codeOf(err) != CodeInvalidToken {
			t.Errorf("%s with another token: %v", version, err)
		}
	}
}

// TestECDSAMalleability checks that both signatures that verify are one pass.
func TestECDSAMalleability(t *testing.T) {
	u, err := newPresigner(t, docKey, "http://h", PresignOptions{Version: V4A}).URL(testNow, "GET", "b", "k", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	v := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"})
	first, err := v.Verify(wire(t, "GET", u), testNow)
	if err != nil {
		t.Fatal(err)
	}
	head, sig, _ := strings.Cut(u, paramSignature+"=")
	other, err := v.Verify(wire(t, "GET", head+paramSignature+"="+negateS(t, sig)), testNow)
	if err != nil || other.PassID() != first.PassID() {
		t.Errorf("n - s: %v %v", other, err)
	}
	for _, bad := range []string{sig + "00", "3006020100020101", "30", strings.ToUpper(sig)} {
		if _, err := v.Verify(wire(t, "GET", head+paramSignature+"="+bad), testNow); codeOf(err) != CodeSignatureDoesNotMatch {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestRegionSet(t *testing.T) {
	for set, ok := range map[string]bool{"us-east-1": true, "*": true, "eu-*": false, "eu-west-1, us-*": true, "": false, "us-*-1": true, "us-east-11": false} {
		if regionMatches(set, "us-east-1") != ok {
			t.Errorf("%q", set)
		}
	}
}

func TestPresignRefuses(t *testing.T) {
	p := newPresigner(t, docKey, "https://h")
	v2 := newPresigner(t, docKey, "https://h", PresignOptions{Version: V2})
	for name, err := range map[string]error{
		"eight days":   second(p.URL(testNow, "GET", "b", "k", 8*24*time.Hour)),
		"no lifetime":  second(p.URL(testNow, "GET", "b", "k", 0)),
		"no bucket":    second(p.URL(testNow, "GET", "", "k", time.Hour)),
		"no method":    second(p.URL(testNow, "", "b", "k", time.Hour)),
		"own param":    second(p.Presign(URLRequest{Method: "GET", Bucket: "b", Lifetime: time.Hour, Query: Query{{Name: "x-amz-DATE"}}})),
		"limit in V2":  second(v2.Presign(URLRequest{Method: "GET", Bucket: "b", Lifetime: time.Hour, Query: Query{{Name: "x-daypass-uses", Value: "1"}}})),
		"V2 hash":      second(v2.Presign(URLRequest{Method: "GET", Bucket: "b", Lifetime: time.Hour, PayloadSHA256: EmptySHA256})),
		"endpoint":     second(NewPresigner(docKey, "ftp://h", "r")),
		"endpoint two": second(NewPresigner(docKey, "https://h/?x", "r")),
		"vhost on IP":  second(NewPresigner(docKey, "https://127.0.0.1", "r", PresignOptions{VirtualHost: true})),
		"no key":       second(NewPresigner(Key{}, "https://h", "r")),
	} {
		if codeOf(err) != CodeInvalidArgument {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func ExamplePresigner_URL() {
	key := Key{ID: "AKIAIOSFODNN7EXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
	p, err := NewPresigner(key, "https://files.example.com", "us-east-1")
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2026, 2, 6, 0, 0, 0, 0, time.UTC)
	u, err := p.URL(now, "GET", "photos", "puppy.jpg", 15*time.Minute)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(u[:len("https://files.example.com/photos/puppy.jpg?X-Amz-Algorithm=AWS4-HMAC-SHA256")])
	// Output: https://files.example.com/photos/puppy.jpg?X-Amz-Algorithm=AWS4-HMAC-SHA256
}

func ExampleVerifier_Verify() {
	key := Key{ID: "AKIAIOSFODNN7EXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
	keys := KeysFunc(func(_ context.Context, id, _ string) (Key, bool, error) { return key, id == key.ID, nil })
	v := NewVerifier(keys, Options{Region: "us-east-1"})

	now := time.Date(2026, 2, 6, 0, 0, 0, 0, time.UTC)
	p, _ := NewPresigner(key, "https://files.example.com", "us-east-1")
	u, _ := p.URL(now, "GET", "photos", "puppy.jpg", 15*time.Minute)
	r, _ := http.NewRequest("GET", u, nil)
	result, err := v.Verify(r, now.Add(time.Minute))
	fmt.Println(result.KeyID, result.ExpiresAt, err)
	_, err = v.Verify(r, now.Add(time.Hour))
	fmt.Println(err)
	// Output:
	// AKIAIOSFODNN7EXAMPLE 2026-02-06 00:15:00 +0000 UTC <nil>
	// sign: AccessDenied: Request has expired
}

// TestV2Repeats refuses a second x-amz-* parameter, of which Version 2 would
// sign only one.
func TestV2Repeats(t *testing.T) {
	p := newPresigner(t, docKey, "http://h", PresignOptions{Version: V2})
	u, err := p.Presign(URLRequest{Method: "PUT", Bucket: "b", Key: "k", Lifetime: time.Hour, Time: testNow,
		Query: Query{{Name: "x-amz-meta-a", Value: "1"}}})
	if err != nil {
		t.Fatal(err)
	}
	v := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"})
	if _, err := v.Verify(wire(t, "PUT", u), testNow); err != nil {
		t.Fatal(err)
	}
	forged := strings.Replace(u, "?", "?X-Amz-Meta-A=2&", 1)
	if _, err := v.Verify(wire(t, "PUT", forged), testNow); codeOf(err) != CodeInvalidArgument {
		t.Errorf("repeated: %v", err)
	}
}

// TestPinnedBody checks that an unsigned header cannot take the place of the
// payload hash that was signed.
func TestPinnedBody(t *testing.T) {
	pinned := strings.Repeat("ab", 32)
	v := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"})
	p := newPresigner(t, docKey, "http://h")
	u, err := p.Presign(URLRequest{Method: "PUT", Bucket: "b", Key: "k", Lifetime: time.Hour, Time: testNow, PayloadSHA256: pinned})
	if err != nil {
		t.Fatal(err)
	}
	open, err := p.URL(testNow, "PUT", "b", "k", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		url, header string
		want        Payload
		code        Code
	}{
		{u, "", Payload{PayloadSHA256, pinned}, ""},
		{u, pinned, Payload{PayloadSHA256, pinned}, ""},
		{u, UnsignedPayload, Payload{}, CodeSignatureDoesNotMatch},
		{u, EmptySHA256, Payload{}, CodeSignatureDoesNotMatch},
		{u, streamingUnsignedTrailer, Payload{}, CodeSignatureDoesNotMatch},
		{open, "", Payload{PayloadUnsigned, ""}, ""},
		{open, EmptySHA256, Payload{PayloadSHA256, EmptySHA256}, ""},
		{open, streamingUnsignedTrailer, Payload{PayloadUnsignedTrailer, ""}, ""},
		{open, "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", Payload{}, CodeInvalidArgument},
	} {
		r := wire(t, "PUT", c.url)
		if c.header != "" {
			r.Header.Set("X-Amz-Content-Sha256", c.header)
		}
		res, err := v.Verify(r, testNow)
		if codeOf(err) != c.code || err == nil && res.Payload != c.want {
			t.Errorf("header %q: %+v %v, want %+v %s", c.header, res, err, c.want, c.code)
		}
	}
}

// TestV2Injection tries to read a signed value as another part of the string
// to sign.
func TestV2Injection(t *testing.T) {
	p := newPresigner(t, docKey, "http://h", PresignOptions{Version: V2})
	v := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"})
	for _, value := range []string{"x\n9999999999\n/b/secret", "a\r\nb", "f&versionId=null", "f&acl"} {
		_, err := p.Presign(URLRequest{Method: "GET", Bucket: "b", Key: "k", Lifetime: time.Hour, Time: testNow,
			Query: Query{{Name: "response-content-disposition", Value: value}}})
		if codeOf(err) != CodeInvalidArgument {
			t.Errorf("presigned %q: %v", value, err)
		}
	}
	// What another signer made must not verify in its second reading.
	in := v2Input{method: "GET", date: "1900000000", resource: "/b/pub",
		query: Query{{Name: "response-content-disposition", Value: "x\n9999999999\n/b/secret"}}}
	sig := EscapeQuery(base64.StdEncoding.EncodeToString(in.sign(docKey.Secret)))
	forged := "http://h/b/secret?AWSAccessKeyId=" + docKey.ID + "&Expires=9999999999&Signature=" + sig +
		"&Content-Type=%0A1900000000%0A/b/pub?response-content-disposition=x"
	if _, err := v.Verify(wire(t, "GET", forged), testNow); codeOf(err) != CodeInvalidArgument {
		t.Errorf("forged: %v", err)
	}
	fine, err := p.Presign(URLRequest{Method: "GET", Bucket: "b", Key: "k", Lifetime: time.Hour, Time: testNow,
		Query: Query{{Name: "response-content-disposition", Value: "a&b=c\td"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(wire(t, "GET", fine), testNow); err != nil {
		t.Errorf("harmless: %v", err)
	}
}

// TestBounds checks that a hostile request costs little and is answered
// shortly.
func TestBounds(t *testing.T) {
	v := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"})
	many := strings.Repeat("x-amz-a;", 200) + "host"
	_, err := v.Verify(wire(t, "GET", "http://h/b/k?"+signedQuery(t, paramSignedHeaders, many)), testNow)
	checkRefusal(t, err, CodeAuthQueryParameters, "Too many signed headers", "")
	_, err = v.Verify(wire(t, "GET", "http://h/b/k?"+signedQuery(t, "pad", strings.Repeat("p", maxEcho))), testNow)
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeSignatureDoesNotMatch || len(e.Details) != 4 {
		t.Errorf("a huge request: %v", err)
	}
}
