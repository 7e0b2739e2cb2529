package s3store

import "sync"

// Sizes in bytes.
const (
	// wholeSize is that of the largest body that is read before it is sent.
	wholeSize = 1 << 20
	// partSize is that of the parts of a body of an unknown size, the smallest
	// that S3 takes.
	partSize = 5 << 20
)

// listMax is the size of the largest page that S3 lists.
const listMax = 1000

// A pool is a pool of buffers of one size.
type pool struct{ buffers sync.Pool }

func newPool(size int) *pool {
	return &pool{sync.Pool{New: func() any {
		b := make([]byte, size)
		return &b
	}}}
}

func (p *pool) get() *[]byte  { return p.buffers.Get().(*[]byte) }
func (p *pool) put(b *[]byte) { p.buffers.Put(b) }

// pools are buffers for bodies of some sizes, so that many small bodies at once
// do not take the memory of as many large ones. Each is one byte larger than the
// bodies that go into it, whose end is seen so.
type pools [3]*pool

// bodySizes are the sizes of bodies, in bytes, that the pools are for.
func bodySizes() [3]int { return [...]int{16 << 10, 128 << 10, wholeSize} }

func newPools() (ps pools) {
	for i, size := range bodySizes() {
		ps[i] = newPool(size + 1)
	}
	return ps
}

// of returns the pool for a body; a negative size is unknown.
func (ps *pools) of(size int64) *pool {
	for i, largest := range bodySizes() {
		if size >= 0 && size <= int64(largest) {
			return ps[i]
		}
	}
	return ps[len(ps)-1]
}
