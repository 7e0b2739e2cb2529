package sign

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"net/http"
	"testing"
	"time"
)

var benchKey = Key{ID: "AKIAIOSFODNN7EXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}

var benchTime = time.Date(2026, 2, 6, 0, 0, 0, 0, time.UTC)

// BenchmarkFloor is the hashing that no implementation can avoid: SHA-256
// over a canonical request of 400 bytes and one HMAC, with its key schedule
// reused, over a string to sign of 150 bytes. The other benchmarks are read
// as ratios to it in the same run.
func BenchmarkFloor(b *testing.B) {
	canonical, sts := make([]byte, 400), make([]byte, 150)
	mac := hmac.New(sha256.New, make([]byte, 32))
	var out [32]byte
	for b.Loop() {
		sum := sha256.Sum256(canonical)
		mac.Reset()
		mac.Write(sts)
		mac.Sum(out[:0])
		out[0] ^= sum[0]
	}
}

func BenchmarkPresignGet(b *testing.B) {
	p, err := NewPresigner(benchKey, "https://files.example.com", "us-east-1")
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.URL(benchTime, "GET", "my-bucket", "photos/2026/puppy.jpg", 15*time.Minute); err != nil {
			b.Fatal(err)
		}
	}
}

func benchKeys() Keys {
	return KeysFunc(func(_ context.Context, id, _ string) (Key, bool, error) { return benchKey, id == benchKey.ID, nil })
}

func BenchmarkVerifyGet(b *testing.B) {
	p, err := NewPresigner(benchKey, "https://files.example.com", "us-east-1")
	if err != nil {
		b.Fatal(err)
	}
	url, err := p.URL(benchTime, "GET", "my-bucket", "photos/2026/puppy.jpg", 15*time.Minute)
	if err != nil {
		b.Fatal(err)
	}
	r, err := http.NewRequest("GET", url, nil)
	if err != nil {
		b.Fatal(err)
	}
	r.RequestURI = url[len("https://files.example.com"):]
	r.Header = http.Header{"User-Agent": {"curl/8.5.0"}, "Accept": {"*/*"}}
	v := NewVerifier(benchKeys(), Options{Region: "us-east-1"})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(r, benchTime.Add(time.Minute)); err != nil {
			b.Fatal(err)
		}
	}
}
