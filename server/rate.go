package server

import (
	"context"
	"io"
	"sync"

	"golang.org/x/time/rate"
)

// Connections of one pass share its rate, so that opening more of them gains
// nothing. What a pass has taken is remembered for as long as it matters:
// until its bucket is full again.

// A rates holds the buckets of passes in use.
type rates struct {
	mu      sync.Mutex
	buckets map[string]*bucket
	sweepAt int // sweep when there are that many
}

// A bucket is the rate of one pass.
type bucket struct {
	*rate.Limiter
	users int
}

const (
	// minSweep is how many buckets are kept before the full ones are dropped.
	minSweep = 1024
	// maxBurst bounds how much may pass at once, in bytes.
	maxBurst = 1 << 20
	// perSecond is into how many pieces the bytes of a second are divided.
	perSecond = 8
)

// take returns the bucket of a pass, until release.
func (r *rates) take(pass string, bytesPerSecond int64) *bucket {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.buckets[pass]
	if b == nil {
		r.sweep()
		burst := int(min(max(bytesPerSecond/perSecond, 1), maxBurst))
		b = &bucket{Limiter: rate.NewLimiter(rate.Limit(bytesPerSecond), burst)}
		r.buckets[pass] = b
	}
	b.users++
	return b
}

// release gives a bucket back.
func (r *rates) release(b *bucket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b.users--
}

// sweep drops the buckets that nobody uses and that are full, which are as
// good as new ones.
func (r *rates) sweep() {
	if r.buckets == nil {
		r.buckets, r.sweepAt = make(map[string]*bucket), minSweep
	}
	if len(r.buckets) < r.sweepAt {
		return
	}
	for pass, b := range r.buckets {
		if b.users == 0 && b.Tokens() >= float64(b.Burst()) {
			delete(r.buckets, pass)
		}
	}
	r.sweepAt = max(minSweep, 2*len(r.buckets))
}

// piece bounds what may pass at once. A nil bucket bounds nothing.
func (b *bucket) piece(n int64) int64 {
	if b == nil {
		return n
	}
	return min(n, int64(b.Burst()))
}

// wait waits until n bytes, a piece, may pass.
func (b *bucket) wait(ctx context.Context, n int64) error {
	if b == nil {
		return nil
	}
	return b.WaitN(ctx, int(n))
}

// awaitRate waits until n bytes, a piece, may pass. Meanwhile the client is not
// late: net/http would end a stream of HTTP/2 whose deadline passes.
func (w *response) awaitRate(ctx context.Context, n int64) error {
	if w.rate == nil {
		return nil
	}
	w.pace.pauseWrite()
	return w.rate.wait(ctx, n)
}

// rated reads a body at the rate of the pass.
func (w *response) rated(ctx context.Context, body io.Reader) io.Reader {
	if w.rate == nil {
		return body
	}
	return &ratedBody{ctx: ctx, body: body, bucket: w.rate, pace: &w.pace}
}

// A ratedBody waits after each piece, so that the client's connection fills up
// and slows it down.
type ratedBody struct {
	ctx    context.Context
	body   io.Reader
	bucket *bucket
	pace   *pace
}

// Read implements io.Reader.
func (b *ratedBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p[:b.bucket.piece(int64(len(p)))])
	b.pace.pauseRead()
	if waited := b.bucket.wait(b.ctx, int64(n)); err == nil && waited != nil {
		err = clientError(waited)
	}
	return n, err
}
