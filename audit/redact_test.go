package audit

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const (
	hexSignature  = "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
	textSignature = "vjbyPxybdZaNmGa+yT272YEAiv4="
	sessionToken  = "IQoJb3JpZ2luX2VjEDoaCXVzLWVhc3QtMSJGMEQCIH/AbC+dEf=="
)

func TestRedact(t *testing.T) {
	tests := []struct{ in, want string }{
		{"", ""},
		{"/bucket/key", "/bucket/key"},
		{"/b/k?x-user=joe&X-Amz-Date=20260206T000000Z&X-Amz-SignedHeaders=host%3Brange&X-Amz-Signature=" + hexSignature,
			"/b/k?x-user=joe&X-Amz-Date=20260206T000000Z&X-Amz-SignedHeaders=host%3Brange&X-Amz-Signature=REDACTED"},
		{"/b/k?X-Amz-Signature=" + hexSignature + "&x=y", "/b/k?X-Amz-Signature=REDACTED&x=y"},
		{"/b/k?x-amz-SIGNATURE=a&X-AMZ-signature=b", "/b/k?x-amz-SIGNATURE=REDACTED&X-AMZ-signature=REDACTED"},
		{"/b/k?Signature=vjby%2BPx%3D&Expires=1", "/b/k?Signature=REDACTED&Expires=1"},
		{"/b/k?X-Amz-Security-Token=" + url.QueryEscape(sessionToken), "/b/k?X-Amz-Security-Token=REDACTED"},
		{"/b/k?%58-Amz-%53ignature=abc", "/b/k?%58-Amz-%53ignature=REDACTED"},
		{"/b/k?%2558-Amz-Signatur%252565=abc&q", "/b/k?%2558-Amz-Signatur%252565=REDACTED&q"},
		{"/b/k?X-Amz-Signature%3Dabc&q=1", "/b/k?X-Amz-Signature%3DREDACTED&q=1"},
		{"/b/k?X-Amz-Signature=ab%26cd%20ef;gh#ij&q=1", "/b/k?X-Amz-Signature=REDACTED&q=1"},
		{"/b/k?a=b;X-Amz-Signature=abc", "/b/k?a=b;X-Amz-Signature=REDACTED"},
		{"/b/k?a=1&amp;X-Amz-Signature=abc&amp;b=2", "/b/k?a=1&amp;X-Amz-Signature=REDACTED&amp;b=2"},
		{`u":"k?a=b\u0026X-Amz-Signature=abc"`, `u":"k?a=b\u0026X-Amz-Signature=REDACTED`},
		{`/b/k?a\u003db\u0026X-Amz-Signature\u003Dabc\u0026x\u003dy`, `/b/k?a\u003db\u0026X-Amz-Signature\u003DREDACTED\u0026x\u003dy`},
		{`/b/k?X-Amz-\u0053ignature%5Cu003dabc`, `/b/k?X-Amz-\u0053ignature%5Cu003dREDACTED`},
		{`/b/k?X-Amz-Signature\\u003dabc`, `/b/k?X-Amz-Signature\\u003dREDACTED`},
		{`/b/k?X-Amz-Signature\u0`, `/b/k?X-Amz-Signature\u0`},
		{"/b/k%3FX-Amz-Signature=abc", "/b/k%3FX-Amz-Signature=REDACTED"},
		{"/b/k%3FX-Amz-Signature%3Dabc%26x-foo%3D1", "/b/k%3FX-Amz-Signature%3DREDACTED%26x-foo%3D1"},
		{"https://p/?u=https%3A%2F%2Fh%2Fk%3FX-Amz-Signature%3Dabc%2526d%26x%3D1&lang=en",
			"https://p/?u=https%3A%2F%2Fh%2Fk%3FX-Amz-Signature%3DREDACTED%26x%3D1&lang=en"},
		{"/b/k?x-daypass-pin-value=12%2634&x=1", "/b/k?x-daypass-pin-value=REDACTED&x=1"},
		{"/b/k?x-amz-server-side-encryption-customer-key=c2VjcmV0&x-amz-server-side-encryption-customer-algorithm=AES256",
			"/b/k?x-amz-server-side-encryption-customer-key=REDACTED&x-amz-server-side-encryption-customer-algorithm=AES256"},
		{"x-amz-copy-source-server-side-encryption-customer-key: c2VjcmV0", "x-amz-copy-source-server-side-encryption-customer-key: REDACTED"},
		{"/b/k?X-Amz-Signature +]=abc", "/b/k?X-Amz-Signature +]=REDACTED"},
		{"Authorization: AWS AKID:" + textSignature, "Authorization: REDACTED"},
		{"AWS4-HMAC-SHA256 Credential=A, SignedHeaders=host, Signature=abc", "AWS4-HMAC-SHA256 Credential=A, SignedHeaders=host, Signature=REDACTED"},
		{`{"x-amz-signature": "abc"}`, `{"x-amz-signature": "REDACTED`},
		{"/b/k?X-Amz-Signature=", "/b/k?X-Amz-Signature="},
		{"/b/k?X-Amz-Signature=&a=b", "/b/k?X-Amz-Signature=&a=b"},
		{"/b/k?X-Amz-Signature", "/b/k?X-Amz-Signature"},
		{"/signature/k?x=1", "/signature/k?x=1"},
		{"/b/k?continuation-token=abc&uploadId=1", "/b/k?continuation-token=abc&uploadId=1"},
		{"/b/k?%", "/b/k?%"},
		{"/b/k?Signature%", "/b/k?Signature%"},
		{"/b/k?Signature=%", "/b/k?Signature=REDACTED"},
	}
	for _, tt := range tests {
		if got := Redact(tt.in); got != tt.want {
			t.Errorf("Redact(%q)\n got %q\nwant %q", tt.in, got, tt.want)
		}
		if again := Redact(tt.want); again != tt.want {
			t.Errorf("twice: Redact(%q) = %q", tt.want, again)
		}
	}
}

func TestSecretNames(t *testing.T) {
	for _, name := range secretNames {
		if len(name) > tokenBytes || (&token{plain: name}).secret() == "" || Redact(name+"=x") != name+"=REDACTED" {
			t.Errorf("%q is not recognized", name)
		}
	}
}

func TestRedactHeader(t *testing.T) {
	for name, want := range map[string]string{
		"Authorization":        "REDACTED",
		"COOKIE":               "REDACTED",
		"X-Amz-Security-Token": "REDACTED",
		"x-daypass-pin-value":  "REDACTED",
		"Referer":              "https://h/k?Signature=REDACTED",
		"User-Agent":           "https://h/k?Signature=REDACTED",
		"X-Amz-Server-Side-Encryption-Customer-Key": "REDACTED",
	} {
		if got := RedactHeader(name, "https://h/k?Signature=abc"); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// spell draws one of the ways of writing text in a URL: any byte may be
// percent-encoded, more than once, and letters are in any case.
func spell(t *rapid.T, text string, foldCase bool) string {
	var b strings.Builder
	for i := range len(text) {
		c := text[i]
		if foldCase && rapid.Bool().Draw(t, "case") {
			c = strings.ToUpper(string(c))[0]
		}
		switch n := rapid.IntRange(0, 4).Draw(t, "encode"); n {
		case 0, 1, 2:
			b.WriteByte(c)
		default:
			b.WriteString("%" + strings.Repeat("25", n-3) + fmt.Sprintf("%02x", c))
		}
	}
	return b.String()
}

// TestRedactKeepsNoSecret hides a secret in every place and spelling.
func TestRedactKeepsNoSecret(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.SampledFrom([]string{hexSignature, textSignature, sessionToken}).Draw(t, "secret")
		name := rapid.SampledFrom([]string{"x-amz-signature", "signature", "x-amz-security-token", "x-daypass-pin-value"}).Draw(t, "name")
		before := rapid.SampledFrom([]string{"", "/b/k?", "?a=b&", ";", "%26", "%253F", " ", `"`, "/", "x=", "Signature=&"}).Draw(t, "before")
		equals := rapid.SampledFrom([]string{"=", "%3D", "%253d", `\u003d`, `%5Cu003D`, ": ", "%20=", "==", "=\""}).Draw(t, "equals")
		after := rapid.SampledFrom([]string{"", "&", "&a=b", " ", "%26a=b", "#f", ";x", "\n"}).Draw(t, "after")
		junk := rapid.String().Draw(t, "junk")
		in := junk + before + spell(t, name, true) + equals + secret + after + junk
		if got := Redact(in); strings.Contains(got, secret) {
			t.Fatalf("Redact(%q) = %q", in, got)
		}
		if got := Redact(in); Redact(got) != got {
			t.Fatalf("Redact(%q) is redacted again", got)
		}
	})
}

func FuzzRedact(f *testing.F) {
	f.Add("/b/k?a=b&", "&c=d")
	f.Add("%", "%25")
	f.Add("?Signature=", "")
	f.Add("?%53ignature%2", "%0aX-Amz-Signature=1")
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.Contains(before, hexSignature) || strings.Contains(after, hexSignature) {
			return
		}
		in := before + "&X-Amz-Signature=" + hexSignature + after
		got := Redact(in)
		if strings.Contains(got, hexSignature) {
			t.Errorf("Redact(%q) = %q", in, got)
		}
		if Redact(got) != got {
			t.Errorf("redacted again: %q, %q", got, Redact(got))
		}
	})
}

func TestRedactAllocatesNothing(t *testing.T) {
	s := "/bucket/photos/puppy.jpg?x-user=joe&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=REDACTED"
	if n := testing.AllocsPerRun(100, func() { _ = Redact(s) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestRedactIsLinear compares hostile texts of 64 KiB and 1 MiB: a quadratic
// scan takes 256 times as long, not 16 times.
func TestRedactIsLinear(t *testing.T) {
	for _, unit := range []string{"%25", "Signature", "Signature=", "Signature=a&", "Signature ", "%", "Authorization:\"", "a=", "% ", `\`, `\u0053`, "%53ignature%25="} {
		small := fastest(strings.Repeat(unit, 1<<16/len(unit)))
		large := fastest(strings.Repeat(unit, 1<<20/len(unit)))
		if large > 100*small {
			t.Errorf("%q: %v for 64 KiB, %v for 1 MiB", unit, small, large)
		}
	}
}

// fastest returns the least time of a few that Redact takes.
func fastest(s string) time.Duration {
	least := time.Hour
	for range 5 {
		start := time.Now()
		Redact(s)
		least = min(least, time.Since(start))
	}
	return least
}

func BenchmarkRedact(b *testing.B) {
	plain := "/bucket/photos/puppy.jpg?x-user=joe&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260206%2Fus-west-1%2Fs3%2Faws4_request&X-Amz-Date=20260206T000000Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host"
	for name, s := range map[string]string{"nothing": plain, "signature": plain + "&X-Amz-Signature=" + hexSignature} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Redact(s)
			}
		})
	}
}

// TestHarmless redacts texts made of whatever matters to it, with and
// without looking at every byte.
func TestHarmless(t *testing.T) {
	pieces := []string{"X-Amz-Signature", "signature", "Sign", "ature", "token", "security-", "X-Amz-Date", "key", "y", "customer_", "Authorization",
		"=", ":", "%3D", "%3a", "%253D", `\`, `\u003d`, `\u0053`, "%5C", "%2F", "%2f", "%252F", "%20", "%53", "%", "%2", "&", "%26", "?", "/", " ", "\"", "\n", "REDACTED", "v", "a1b2"}
	everything := func(_ string, from int) int { return from }
	random := rand.New(rand.NewPCG(1, 2))
	redactedSome := 0
	for range 200_000 {
		var b strings.Builder
		for range 2 + random.IntN(8) {
			b.WriteString(pieces[random.IntN(len(pieces))])
		}
		s := b.String()
		got, want := redactWith(s, skipHarmless), redactWith(s, everything)
		if got != want {
			t.Fatalf("%q: %q, want %q", s, got, want)
		}
		if want != Redact(s) {
			t.Fatalf("%q: %q", s, Redact(s))
		}
		if want != s {
			redactedSome++
		}
	}
	if redactedSome < 5_000 {
		t.Errorf("only %d texts held anything", redactedSome)
	}
}
