package sign

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"
)

// TestDocumentedPolicy is the example of the S3 API reference, "Browser-Based
// Upload using HTTP POST (Using AWS Signature Version 4)".
func TestDocumentedPolicy(t *testing.T) {
	policy := "eyAiZXhwaXJhdGlvbiI6ICIyMDE1LTEyLTMwVDEyOjAwOjAwLjAwMFoiLA0KICAiY29uZGl0aW9ucyI6IFsNCiAgICB7ImJ1Y2tldCI6ICJzaWd2NGV4YW1wbGVidWNrZXQifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRrZXkiLCAidXNlci91c2VyMS8iXSwNCiAgICB7ImFjbCI6ICJwdWJsaWMtcmVhZCJ9LA0KICAgIHsic3VjY2Vzc19hY3Rpb25fcmVkaXJlY3QiOiAiaHR0cDovL3NpZ3Y0ZXhhbXBsZWJ1Y2tldC5zMy5hbWF6b25hd3MuY29tL3N1Y2Nlc3NmdWxfdXBsb2FkLmh0bWwifSwNCiAgICBbInN0YXJ0cy13aXRoIiwgIiRDb250ZW50LVR5cGUiLCAiaW1hZ2UvIl0sDQogICAgeyJ4LWFtei1tZXRhLXV1aWQiOiAiMTQzNjUxMjM2NTEyNzQifSwNCiAgICB7IngtYW16LXNlcnZlci1zaWRlLWVuY3J5cHRpb24iOiAiQUVTMjU2In0sDQogICAgWyJzdGFydHMtd2l0aCIsICIkeC1hbXotbWV0YS10YWciLCAiIl0sDQoNCiAgICB7IngtYW16LWNyZWRlbnRpYWwiOiAiQUtJQUlPU0ZPRE5ON0VYQU1QTEUvMjAxNTEyMjkvdXMtZWFzdC0xL3MzL2F3czRfcmVxdWVzdCJ9LA0KICAgIHsieC1hbXotYWxnb3JpdGhtIjogIkFXUzQtSE1BQy1TSEEyNTYifSwNCiAgICB7IngtYW16LWRhdGUiOiAiMjAxNTEyMjlUMDAwMDAwWiIgfQ0KICBdDQp9"
	form := Form{{Name: "key", Value: "user/user1/${filename}"}, {Name: "acl", Value: "public-read"},
		{Name: "success_action_redirect", Value: "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},
		{Name: "Content-Type", Value: "image/jpeg"}, {Name: "x-amz-meta-uuid", Value: "14365123651274"},
		{Name: "x-amz-server-side-encryption", Value: "AES256"},
		{Name: "X-Amz-Credential", Value: "AKIAIOSFODNN7EXAMPLE/20151229/us-east-1/s3/aws4_request"},
		{Name: "X-Amz-Algorithm", Value: algorithmV4}, {Name: "X-Amz-Date", Value: "20151229T000000Z"}, {Name: "x-amz-meta-tag"},
		{Name: "Policy", Value: policy},
		{Name: "X-Amz-Signature", Value: "8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e"}}
	v := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"})
	res, p, err := v.VerifyForm(t.Context(), form, time.Date(2015, 12, 30, 0, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Check(form, "sigv4examplebucket"); err != nil || res.Scheme != FormAuth || len(res.PassID()) != 26 {
		t.Errorf("%+v %v", res, err)
	}
	_, _, err = v.VerifyForm(t.Context(), form, time.Date(2015, 12, 30, 12, 0, 0, 0, time.UTC))
	checkRefusal(t, err, CodeAccessDenied, "Invalid according to Policy: Policy expired.", "")
}

// TestForms makes a form of each version and tries to bend it.
func TestForms(t *testing.T) {
	v := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"})
	for _, version := range []Version{V4, V4A, V2} {
		f, err := newPresigner(t, docKey, "https://h", PresignOptions{Version: version}).Form(FormRequest{
			Bucket: "b", Key: "in/${filename}", Lifetime: time.Hour, Time: testNow,
			Fields:     []Param{{Name: "Content-Type", Value: "text/plain"}},
			Conditions: []Condition{ContentLengthRange(1, 10), StartsWith("x-amz-meta-note", "")},
		})
		if err != nil {
			t.Fatal(err)
		}
		compare(t, "URL", f.URL, "https://h/b")
		sent := append(Form{{Name: "x-ignore-this"}, {Name: "x-amz-meta-note", Value: "hi"}}, f.Fields...)
		res, p, err := v.VerifyForm(t.Context(), sent, testNow)
		if err != nil || res.Version != version {
			t.Fatalf("%s: %v", version, err)
		}
		if err := p.Check(sent, "b"); err != nil {
			t.Errorf("%s: %v", version, err)
		}
		checkRefusal(t, p.Check(sent, "c"), CodeAccessDenied, `Invalid according to Policy: Policy Condition failed: ["eq", "$bucket", "b"]`, "")
		checkRefusal(t, p.Check(append(sent, Param{Name: "acl", Value: "x"}), "b"), CodeAccessDenied, "Invalid according to Policy: Extra input fields: acl", "")
		checkRefusal(t, p.Check(append(sent, Param{Name: "x-amz-meta-notİ", Value: "x"}), "b"), CodeAccessDenied, "Invalid according to Policy: Extra input fields: x-amz-meta-notİ", "")
		checkRefusal(t, p.Check(append(sent, Param{Name: "\u212aey", Value: "x"}), "b"), CodeAccessDenied, "Invalid according to Policy: Extra input fields: \u212aey", "")
		checkRefusal(t, p.CheckSize(11), CodeEntityTooLarge, "Your proposed upload exceeds the maximum allowed size", "ProposedSize=11|MaxSizeAllowed=10")
		checkRefusal(t, p.CheckSize(0), CodeEntityTooSmall, "Your proposed upload is smaller than the minimum allowed size", "ProposedSize=0|MinSizeAllowed=1")
		if p.MaxSize() != 10 || p.CheckSize(10) != nil {
			t.Errorf("largest size %d", p.MaxSize())
		}
		tampered := make(Form, len(sent))
		copy(tampered, sent)
		for i := range tampered {
			if tampered[i].Name == fieldPolicy {
				tampered[i].Value = base64.StdEncoding.EncodeToString([]byte(`{"expiration":"2030-01-01T00:00:00Z","conditions":[]}`))
			}
		}
		if _, _, err := v.VerifyForm(t.Context(), tampered, testNow); codeOf(err) != CodeSignatureDoesNotMatch {
			t.Errorf("%s with another policy: %v", version, err)
		}
	}
}

func TestFormMissing(t *testing.T) {
	v := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"})
	all := []string{"X-Amz-Signature", "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "policy"}
	for i, missing := range all {
		var form Form
		for j, name := range all {
			if j != i {
				form = append(form, Param{Name: name, Value: "x"})
			}
		}
		_, _, err := v.VerifyForm(t.Context(), form, testNow)
		checkRefusal(t, err, CodeInvalidArgument, "Bucket POST must contain a field named '"+missing+
			"'.  If it is specified, please check the order of the fields.", "ArgumentName="+missing+"|ArgumentValue=")
	}
	if res, p, err := v.VerifyForm(t.Context(), Form{{Name: "key", Value: "k"}}, testNow); err != nil || p != nil || res.Scheme != Anonymous {
		t.Errorf("anonymous: %v %v %v", res, p, err)
	}
	_, _, err := v.VerifyForm(t.Context(), Form{{Name: "policy", Value: "k"}}, testNow)
	checkRefusal(t, err, CodeAccessDenied, "Access Denied", "")
}

func TestPolicyDocuments(t *testing.T) {
	const head = `{"expiration":"2030-01-01T00:00:00Z","conditions":`
	for doc, message := range map[string]string{
		`nonsense`: "Invalid Policy: Invalid JSON.",
		`{"EXPIRATION":"2030-01-01T00:00:00Z","conditions":[]}`: "Invalid Policy: Policy missing expiration.",
		`{"expiration":"2030-01-01T00:00:00Z","CONDITIONS":[]}`: "Invalid Policy: Policy missing conditions.",
		`{"conditions":[]}`:                     "Invalid Policy: Policy missing expiration.",
		`{"expiration":"2030-01-01T00:00:00Z"}`: "Invalid Policy: Policy missing conditions.",
		`{"expiration":"soon","conditions":[]}`: "Invalid Policy: Invalid 'expiration' value: 'soon'",
		head + `[{"a":"1","b":"2"}]}`:           "Invalid Policy: Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.",
		head + `[["eq","$a"]]}`:                 "Invalid Policy: Invalid Condition: wrong number of arguments.",
		head + `[["like","$a","b"]]}`:           "Invalid Policy: Invalid Condition: unknown operation 'like'.",
		head + `[["eq","$a",{}]]}`:              "Invalid Policy: Invalid Condition: arguments must be strings.",
		head + `[{"a":["b"]}]}`:                 "Invalid Policy: Invalid Simple-Condition: value must be a string.",
		head + `["eq"]}`:                        `Invalid Policy: Invalid Condition: "eq"`,
	} {
		_, err := ParsePolicy([]byte(doc))
		checkRefusal(t, err, CodeInvalidPolicyDocument, message, "")
	}
	failed := "Invalid according to Policy: Policy Condition failed: "
	for doc, message := range map[string]string{
		head + `[["content-length-range","test","10"]]}`:                       failed + `["content-length-range", "test", "10"]`,
		head + `[["eq","key","k"]]}`:                                           failed + `["eq", "key", "k"]`,
		head + `[{"Key":"K"}]}`:                                                failed + `["eq", "$Key", "K"]`,
		head + `[{"X-Amz-Server-Side-Encryption-Customer-Key":"secret"}]}`:     failed + `["eq", "$X-Amz-Server-Side-Encryption-Customer-Key", "REDACTED"]`,
		head + `[["starts-with","x-amz-security-token","secret"]]}`:            failed + `["starts-with", "$x-amz-security-token", "REDACTED"]`,
		head + `[["starts-with","$key","x"]]}`:                                 failed + `["starts-with", "$key", "x"]`,
		head + `[["starts-with","$content-type","image/"],["eq","$key","k"]]}`: failed + `["starts-with", "$content-type", "image/"]`,
	} {
		p, err := ParsePolicy([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		form := Form{{Name: "key", Value: "k"}, {Name: "Content-Type", Value: "image/png, text/html"}}
		checkRefusal(t, p.Check(form, "b"), CodeAccessDenied, message, "")
	}
	p, err := ParsePolicy([]byte(head + `[["content-length-range","1",10],["Starts-With","$KEY",""],["starts-with","$content-type","image/"]]}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Check(Form{{Name: "key", Value: "k"}, {Name: "Content-Type", Value: "image/png, image/gif"}}, "b"); err != nil || p.MaxSize() != 10 {
		t.Errorf("%v %d", err, p.MaxSize())
	}
}

func FuzzParsePolicy(f *testing.F) {
	f.Add(`{"expiration":"2030-01-01T00:00:00Z","conditions":[["eq","$a","b"],{"c":"d"},["content-length-range",1,"2"]]}`)
	f.Fuzz(func(t *testing.T, doc string) {
		p, err := ParsePolicy([]byte(doc))
		if err != nil {
			if codeOf(err) != CodeInvalidPolicyDocument {
				t.Errorf("%v", err)
			}
			return
		}
		p.Check(Form{{Name: "key", Value: doc}}, "b")
		p.CheckSize(int64(len(doc)))
		if strings.Count(doc, ",") > maxConditions*3 && len(p.Conditions) > maxConditions {
			t.Error("too many conditions")
		}
	})
}

// TestExpirationsThatCannotBeWritten refuses policies whose end, in UTC, has no
// year of four digits.
func TestExpirationsThatCannotBeWritten(t *testing.T) {
	for end, ok := range map[string]bool{
		"9999-12-31T23:59:59Z": true, "9999-12-31T23:59:59-23:59": false, "0000-01-01T00:00:00+23:59": false, "0000-01-01T00:00:00Z": true,
	} {
		if at, got := parseExpiration(end); got != ok {
			t.Errorf("%s: %v, %v", end, at, got)
		}
	}
}
