package sign

import (
	"fmt"
	"testing"
	"time"
)

// TestInspect reads back what presigning wrote, for each version, and names
// the same pass as verification does.
func TestInspect(t *testing.T) {
	for _, version := range []Version{V4, V4A, V2} {
		p := newPresigner(t, docKey, "https://h.example:8443/pre", PresignOptions{Version: version})
		u, err := p.URL(testNow, "GET", "b", "a b/ü", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		in, err := Inspect(u + "#fragment")
		if err != nil {
			t.Fatal(err)
		}
		if in.Version != version || in.KeyID != docKey.ID || !in.ExpiresAt.Equal(testNow.Add(time.Hour)) ||
			in.Host != "h.example:8443" || in.Path != "/pre/b/a%20b/%C3%BC" || in.HasToken {
			t.Errorf("%s: %+v", version, in)
		}
		res, err := NewVerifier(keysOf(docKey), Options{Region: "us-east-1"}).Verify(wire(t, "GET", u), testNow)
		if err != nil || res.PassID() != in.PassID {
			t.Errorf("%s: pass %q, verified as %q (%v)", version, in.PassID, res.PassID(), err)
		}
	}
}

func TestInspectRefuses(t *testing.T) {
	for u, code := range map[string]Code{
		"nonsense":                                        CodeInvalidURI,
		"https://h/b/k":                                   CodeAccessDenied,
		"https://h/b/k?X-Amz-Signature=00":                CodeAuthQueryParameters,
		"https://h/b/k?AWSAccessKeyId=a":                  CodeAccessDenied,
		"https://h/b/k?%zz":                               CodeInvalidURI,
		"https://h/b/k?AWSAccessKeyId=a&AWSAccessKeyId=b": CodeInvalidArgument,
	} {
		if _, err := Inspect(u); codeOf(err) != code {
			t.Errorf("%s: %v, want %s", u, err, code)
		}
	}
}

func ExampleInspect() {
	in, err := Inspect("https://photos.s3.amazonaws.com/puppy.jpg?X-Amz-Algorithm=AWS4-HMAC-SHA256" +
		"&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260206%2Fus-east-1%2Fs3%2Faws4_request" +
		"&X-Amz-Date=20260206T000000Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host&X-Amz-Signature=00")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(in.KeyID, in.Region, in.ExpiresAt)
	// Output: AKIAIOSFODNN7EXAMPLE us-east-1 2026-02-06 00:05:00 +0000 UTC
}

func ExamplePresigner_Form() {
	p, err := NewPresigner(docKey, "https://files.example.com", "us-east-1")
	if err != nil {
		fmt.Println(err)
		return
	}
	form, err := p.Form(FormRequest{Bucket: "uploads", Key: "in/${filename}", Lifetime: time.Hour,
		Time: testNow, Conditions: []Condition{ContentLengthRange(1, 10<<20)}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(form.URL)
	fmt.Println(form.Fields[0].Name, form.Fields[0].Value)
	// Output:
	// https://files.example.com/uploads
	// key in/${filename}
}
