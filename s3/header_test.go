package s3

import (
	"math/rand/v2"
	"net/http"
	"testing"
	"time"
)

// TestAppendHTTPTime checks the quick way of writing a time against that of
// package time.
func TestAppendHTTPTime(t *testing.T) {
	zone := time.FixedZone("", -5*3600)
	times := []time.Time{{}, time.Unix(0, 0), time.Date(9999, 12, 31, 23, 59, 59, 0, zone), time.Date(-1, 1, 1, 0, 0, 0, 0, time.UTC),
		time.Date(2024, 2, 29, 0, 0, 0, 999999999, zone), time.Date(99, 1, 2, 3, 4, 5, 6, time.UTC)}
	for range 10000 {
		times = append(times, time.Unix(rand.Int64N(400*365*86400*2)-400*365*86400, rand.Int64N(1e9)).In(zone))
	}
	for _, at := range times {
		if got, want := string(AppendHTTPTime([]byte("x"), at)), "x"+at.UTC().Format(http.TimeFormat); got != want {
			t.Fatalf("%v is written as %q, want %q", at, got, want)
		}
	}
}
