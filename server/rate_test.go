package server

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/store"
)

// A rated is a server with one object of zeros that keeps no state, so that
// its clock can be a virtual one.
type rated struct {
	*Server
	t *testing.T
}

func newRated(t *testing.T, size int64) *rated {
	cfg := testConfig(store.New(ratedDriver{bigDriver{size: size}}))
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return &rated{s, t}
}

// ratedDriver reads what is put and keeps nothing.
type ratedDriver struct{ bigDriver }

func (ratedDriver) PutObject(_ context.Context, r *store.PutRequest) (*store.Object, error) {
	buf := make([]byte, 64<<10)
	for {
		if _, err := r.Body.Read(buf); err != nil {
			return &store.Object{Bucket: r.Bucket, Key: r.Key, ETag: "e", ModTime: testTime}, nil
		}
	}
}

// pass makes a pass with a rate. Others of the same rate differ by name.
func (s *rated) pass(method, name string, rate int64) request {
	p, err := sign.NewPresigner(testKey, "http://localhost", testRegion)
	if err != nil {
		s.t.Fatal(err)
	}
	u, err := p.Presign(sign.URLRequest{Method: method, Bucket: "photos", Key: "key", Time: testTime, Lifetime: time.Hour,
		Query: pairs([]string{limits.Name, name, limits.Rate, fmt.Sprint(rate)})})
	if err != nil {
		s.t.Fatal(err)
	}
	return presigned(method, u)
}

func (s *rated) do(ctx context.Context, q request, took func(int64)) int {
	w := &receiver{header: http.Header{}, breaks: -1, took: took}
	r := httptest.NewRequestWithContext(ctx, q.method, q.target, strings.NewReader(q.body))
	r.Host, r.Header = q.host, q.header.Clone()
	if q.body != "" {
		r.Header.Set("Content-Length", fmt.Sprint(len(q.body)))
	}
	defer func() {
		if v := recover(); v != nil && v != http.ErrAbortHandler {
			panic(v)
		}
	}()
	s.ServeHTTP(w, r)
	return w.status
}

// near checks that a time is what n bytes take at a rate.
func near(t *testing.T, what string, took time.Duration, n, rate int64) {
	t.Helper()
	want := time.Duration(float64(n) / float64(rate) * float64(time.Second))
	if took > want+time.Millisecond || took < want-time.Second/4 {
		t.Errorf("%s took %v, want %v", what, took, want)
	}
}

// TestRateShared downloads over several connections at once, one after the
// other, and in pieces: the pass has one rate.
func TestRateShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, rate = 1 << 20, 64 << 10
		s := newRated(t, size)
		q := s.pass("GET", "a", rate)
		start := time.Now()
		var wg sync.WaitGroup
		var mu sync.Mutex
		perSecond := map[int64]int64{}
		for range 4 {
			wg.Go(func() {
				if status := s.do(t.Context(), q, func(n int64) {
					mu.Lock()
					defer mu.Unlock()
					perSecond[int64(time.Since(start)/time.Second)] += n
				}); status != 200 {
					t.Errorf("status %d", status)
				}
			})
		}
		wg.Wait()
		near(t, "four at once", time.Since(start), 4*size, rate)
		for second, n := range perSecond {
			if n > rate+rate/4 {
				t.Errorf("%d bytes in second %d", n, second)
			}
		}
		start = time.Now()
		for i := range int64(16) {
			s.do(t.Context(), q.with("Range", fmt.Sprintf("bytes=%d-%d", i<<16, (i+1)<<16-1)), nil)
		}
		near(t, "in pieces", time.Since(start), size, rate)
		// Another pass has a rate of its own.
		start = time.Now()
		other := s.pass("GET", "b", rate)
		wg.Go(func() { s.do(t.Context(), q, nil) })
		wg.Go(func() { s.do(t.Context(), other, nil) })
		wg.Wait()
		near(t, "two passes", time.Since(start), size, rate)
	})
}

// TestRateOfUploads uploads over several connections at once.
func TestRateOfUploads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, rate = 256 << 10, 32 << 10
		s := newRated(t, 0)
		q := s.pass("PUT", "a", rate)
		q.body = strings.Repeat("x", size)
		start := time.Now()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if status := s.do(t.Context(), q, nil); status != 200 {
					t.Errorf("status %d", status)
				}
			})
		}
		wg.Wait()
		near(t, "four at once", time.Since(start), 4*size, rate)
	})
}

// TestRateExtremes has rates of one byte and of a terabyte per second.
func TestRateExtremes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRated(t, 8)
		start := time.Now()
		if status := s.do(t.Context(), s.pass("GET", "slow", 1), nil); status != 200 {
			t.Errorf("status %d", status)
		}
		if took := time.Since(start); took < 7*time.Second || took > 8*time.Second {
			t.Errorf("8 bytes took %v", took)
		}
		put := s.pass("PUT", "slow", 1)
		put.body = "12345678"
		start = time.Now()
		if status := s.do(t.Context(), put, nil); status != 200 || time.Since(start) < 7*time.Second {
			t.Errorf("status %d after %v", status, time.Since(start))
		}
		s = newRated(t, 64<<20)
		start = time.Now()
		if status := s.do(t.Context(), s.pass("GET", "fast", 1<<40), nil); status != 200 || time.Since(start) > time.Second {
			t.Errorf("status %d after %v", status, time.Since(start))
		}
	})
}

// TestRateClientGone has clients go away while they wait: the wait ends, and
// what it leaves behind is forgotten.
func TestRateClientGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newRated(t, 1<<20)
		q := s.pass("GET", "a", 1<<10)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { s.do(ctx, q, nil) })
		}
		time.Sleep(time.Second)
		start := time.Now()
		cancel()
		wg.Wait()
		if took := time.Since(start); took > time.Millisecond {
			t.Errorf("the wait went on for %v", took)
		}
		for pass, b := range s.rates.buckets {
			if b.users != 0 {
				t.Errorf("%s has %d users", pass, b.users)
			}
		}
	})
}

// TestRatesForgotten uses a great many passes.
func TestRatesForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r rates
		inUse := r.take("in use", 1<<10)
		for i := range 100_000 {
			b := r.take(fmt.Sprint(i), 1<<20)
			if err := b.WaitN(t.Context(), 1<<10); err != nil {
				t.Fatal(err)
			}
			r.release(b)
			time.Sleep(time.Millisecond)
			if len(r.buckets) > 2*minSweep {
				t.Fatalf("%d buckets after %d passes", len(r.buckets), i)
			}
		}
		if r.take("in use", 1<<10) != inUse {
			t.Error("a bucket in use was forgotten")
		}
	})
}

// TestRateNotForgotten checks that a pass does not get a fresh bucket by being
// forgotten with its debt.
func TestRateNotForgotten(t *testing.T) {
	var r rates
	b := r.take("spent", 8)
	if !b.AllowN(time.Now(), b.Burst()) {
		t.Fatal("a new bucket is not full")
	}
	b.ReserveN(time.Now().Add(time.Hour), 1)
	r.release(b)
	r.sweepAt = 0
	r.sweep()
	if r.buckets["spent"] != b {
		t.Error("the bucket was forgotten")
	}
}
