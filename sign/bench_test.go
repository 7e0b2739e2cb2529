package sign

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"
)

var benchKey = Key{ID: "AKIAIOSFODNN7EXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}

var benchTime = time.Date(2026, 2, 6, 0, 0, 0, 0, time.UTC)

// benchRequest is a pre-signed GET as the benchmarks make and check it.
func benchRequest(tb testing.TB) (p *Presigner, r *http.Request) {
	p, err := NewPresigner(benchKey, "https://files.example.com", "us-east-1")
	if err != nil {
		tb.Fatal(err)
	}
	url, err := p.URL(benchTime, "GET", "my-bucket", "photos/2026/puppy.jpg", 15*time.Minute)
	if err != nil {
		tb.Fatal(err)
	}
	if r, err = http.NewRequest("GET", url, nil); err != nil {
		tb.Fatal(err)
	}
	r.RequestURI = url[len("https://files.example.com"):]
	r.Header = http.Header{"User-Agent": {"curl/8.5.0"}, "Accept": {"*/*"}}
	return p, r
}

// benchFloor returns the hashing of one signature, which no implementation can
// avoid: the SHA-256 of the canonical request and the HMAC of the string to
// sign, over the bytes that BenchmarkPresignGet and BenchmarkVerifyGet sign,
// with the schedule of the signing key at hand.
func benchFloor(tb testing.TB) func() byte {
	_, r := benchRequest(tb)
	query, signature, _ := strings.Cut(r.URL.RawQuery, "&X-Amz-Signature=")
	canonical := []byte("GET\n" + r.URL.EscapedPath() + "\n" + query + "\nhost:files.example.com\n\nhost\nUNSIGNED-PAYLOAD")
	scope := "20260206/us-east-1/s3/aws4_request"
	sts := appendStringToSign(nil, algorithmV4, "20260206T000000Z", scope, canonical)
	mac := hmac.New(sha256.New, deriveKey(benchKey.Secret, "20260206", "us-east-1", "s3").raw[:])
	mac.Write(sts)
	if hex.EncodeToString(mac.Sum(nil)) != signature {
		tb.Fatal("the floor signs something else")
	}
	var out [sha256.Size]byte
	return func() byte {
		sum := sha256.Sum256(canonical)
		mac.Reset()
		mac.Write(sts)
		mac.Sum(out[:0])
		return out[0] ^ sum[0]
	}
}

// BenchmarkFloor is that hashing.
func BenchmarkFloor(b *testing.B) {
	floor := benchFloor(b)
	b.ReportAllocs()
	for b.Loop() {
		floor()
	}
}

// BenchmarkRatio does the hashing and the whole in turns, and tells how many
// times as long the whole takes.
func BenchmarkRatio(b *testing.B) {
	p, r := benchRequest(b)
	v := NewVerifier(benchKeys(), Options{Region: "us-east-1"})
	for name, op := range map[string]func() error{
		"presign": func() error {
			_, err := p.URL(benchTime, "GET", "my-bucket", "photos/2026/puppy.jpg", 15*time.Minute)
			return err
		},
		"verify": func() error {
			_, err := v.Verify(r, benchTime.Add(time.Minute))
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			const turn = 100
			floor, floors, ops := benchFloor(b), time.Duration(0), time.Duration(0)
			for b.Loop() {
				begin := time.Now()
				for range turn {
					floor()
				}
				middle := time.Now()
				for range turn {
					if err := op(); err != nil {
						b.Fatal(err)
					}
				}
				floors, ops = floors+middle.Sub(begin), ops+time.Since(middle)
			}
			b.ReportMetric(float64(ops)/float64(floors), "x-floor")
			b.ReportMetric(float64(ops.Nanoseconds())/float64(turn*b.N), "ns/op")
		})
	}
}

func BenchmarkPresignGet(b *testing.B) {
	p, _ := benchRequest(b)
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
	_, r := benchRequest(b)
	v := NewVerifier(benchKeys(), Options{Region: "us-east-1"})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Verify(r, benchTime.Add(time.Minute)); err != nil {
			b.Fatal(err)
		}
	}
}
