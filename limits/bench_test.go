package limits_test

import (
	"testing"

	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
)

const signedQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20300101%2Fus-east-1%2Fs3%2Faws4_request" +
	"&X-Amz-Date=20300101T000000Z&X-Amz-Expires=3600&X-Amz-SignedHeaders=host&X-Amz-Signature=00"

func parsed(tb testing.TB, raw string) sign.Query {
	q, err := sign.ParseQuery(raw)
	if err != nil {
		tb.Fatal(err)
	}
	return q
}

// TestParseNoneAllocates checks that a pass without limits pays nothing.
func TestParseNoneAllocates(t *testing.T) {
	q := parsed(t, signedQuery)
	if n := testing.AllocsPerRun(100, func() { limits.Parse(q) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkParseNone(b *testing.B) {
	q := parsed(b, signedQuery)
	b.ReportAllocs()
	for b.Loop() {
		limits.Parse(q)
	}
}

func BenchmarkParseThree(b *testing.B) {
	q := parsed(b, signedQuery+"&x-daypass-ip=203.0.113.0%2F24&x-daypass-until=20300108T000000Z&x-daypass-uses=1")
	b.ReportAllocs()
	for b.Loop() {
		if s, err := limits.Parse(q); s == nil || err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkContradicts(b *testing.B) {
	head := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x40\x00\x00\x00\x40\x01\x00\x00\x00\x00" + string(make([]byte, 480)))
	b.ReportAllocs()
	for b.Loop() {
		if _, bad := limits.Contradicts("image/png", head); bad {
			b.Fatal("refused")
		}
	}
}

func BenchmarkPINMatches(b *testing.B) {
	tag := new(limits.PINTag)
	b.ReportAllocs()
	for b.Loop() {
		if tag.Matches("secret", "1234") {
			b.Fatal("matches")
		}
	}
}
