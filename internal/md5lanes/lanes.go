package md5lanes

import (
	"crypto/md5"
	"hash"
	"runtime"
	"sync"
)

// A Pool brings streams together. It is safe for concurrent use.
type Pool struct {
	kernels []kernel // the narrowest first; none: every stream for itself

	mu     sync.Mutex
	passed sync.Cond // a pass has ended
	active int       // streams that have begun and not been closed
	open   []*Hash   // those with data that nobody hashes at the moment
}

// New returns a pool with what the processor can do.
func New() *Pool {
	if !knownForm() {
		return newPool(nil)
	}
	return newPool(kernels())
}

func newPool(kernels []kernel) *Pool {
	p := &Pool{kernels: kernels}
	p.passed.L = &p.mu
	return p
}

// A Hash computes the MD5 of one stream. It is not safe for concurrent use.
// Close must be called, which removes it from the pool.
type Hash struct {
	pool   *Pool
	single single

	state state
	tail  [blockSize]byte // what does not fill a block yet
	size  uint64          // of the stream so far, in bytes

	begun bool
	// pending are the whole blocks that Start took and nobody has hashed yet.
	// Guarded by pool.mu unless taken; while taken, the pass that took them
	// has them, and the state.
	pending []byte
	taken   bool
	at      int // in pool.open; valid while it is there
	listed  bool
}

var _ hash.Hash = (*Hash)(nil)

// NewHash returns a Hash for a new stream.
func (p *Pool) NewHash() *Hash {
	return &Hash{pool: p, single: single{Hash: md5.New()}, state: initial()}
}

// Continue returns a Hash that goes on where h, of crypto/md5, is, which must
// not be used any more.
func (p *Pool) Continue(h hash.Hash) *Hash {
	c := &Hash{pool: p, single: single{Hash: h}}
	if p.kernels != nil {
		c.size = c.single.get(&c.state, &c.tail)
	}
	return c
}

// Size implements hash.Hash.
func (h *Hash) Size() int { return md5.Size }

// BlockSize implements hash.Hash.
func (h *Hash) BlockSize() int { return blockSize }

// Write implements hash.Hash: it adds p to the stream and returns when it is
// hashed.
func (h *Hash) Write(p []byte) (int, error) {
	h.Start(p)
	h.Wait()
	return len(p), nil
}

// Start adds p to the stream. Until Wait has returned, p must not change.
func (h *Hash) Start(p []byte) {
	if h.pool.kernels == nil {
		h.single.Write(p)
		return
	}
	h.Wait()
	p = h.fill(p)
	n := len(p) &^ (blockSize - 1)
	copy(h.tail[:], p[n:])
	if n == 0 {
		return
	}
	if h.alone() {
		h.single.blocks(&h.state, p[:n])
		return
	}
	h.pool.mu.Lock()
	h.pending = p[:n]
	h.pool.list(h)
	h.pool.mu.Unlock()
}

// fill completes the block that has begun and returns the rest of p, of which
// the size counts all.
func (h *Hash) fill(p []byte) []byte {
	had := int(h.size % blockSize)
	h.size += uint64(len(p))
	if had == 0 {
		return p
	}
	n := copy(h.tail[had:], p)
	if had+n < blockSize {
		return nil
	}
	h.single.blocks(&h.state, h.tail[:])
	return p[n:]
}

// alone reports whether no other stream is under way. It counts this one.
func (h *Hash) alone() bool {
	p := h.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if !h.begun {
		h.begun = true
		p.active++
	}
	return p.active == 1
}

// Wait returns when everything that Start took is hashed.
func (h *Hash) Wait() {
	p := h.pool
	if p.kernels == nil || !h.begun {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for called := false; ; {
		for h.taken {
			p.passed.Wait()
		}
		if len(h.pending) == 0 {
			return
		}
		if !called && len(p.open) < min(p.active, p.widest()) {
			// Whoever can run is given the time to start a piece, else those
			// who share a processor would take turns in passes of one stream.
			called = true
			p.mu.Unlock()
			runtime.Gosched()
			p.mu.Lock()
			continue
		}
		team := p.take(h)
		p.mu.Unlock()
		p.pass(team)
		p.mu.Lock()
		p.giveBack(team)
	}
}

// Busy reports whether Wait would have to wait or to work.
func (h *Hash) Busy() bool {
	p := h.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	return h.taken || len(h.pending) > 0
}

// Reset implements hash.Hash.
func (h *Hash) Reset() {
	h.Close()
	h.single.Reset()
	h.state, h.size = initial(), 0
}

// Sum implements hash.Hash.
func (h *Hash) Sum(b []byte) []byte {
	if h.pool.kernels == nil {
		return h.single.Sum(b)
	}
	h.Wait()
	h.single.set(&h.state, h.tail[:h.size%blockSize], h.size)
	return h.single.Sum(b)
}

// Close ends the stream, hashed or not: what Start took is the caller's again.
func (h *Hash) Close() {
	if !h.begun {
		return
	}
	p := h.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	for h.taken {
		p.passed.Wait()
	}
	p.unlist(h)
	h.pending, h.begun = nil, false
	p.active--
}

func (p *Pool) list(h *Hash) {
	h.at, h.listed = len(p.open), true
	p.open = append(p.open, h)
}

func (p *Pool) unlist(h *Hash) {
	if !h.listed {
		return
	}
	h.listed = false
	last := len(p.open) - 1
	p.open[h.at] = p.open[last]
	p.open[h.at].at = h.at
	p.open[last] = nil
	p.open = p.open[:last]
}

// take returns who is hashed in one pass: h first, then as many others as
// there are lanes. p.mu is held.
func (p *Pool) take(h *Hash) []*Hash {
	p.unlist(h)
	h.taken = true
	team := append(make([]*Hash, 0, maxLanes), h)
	for len(team) < p.widest() && len(p.open) > 0 {
		other := p.open[len(p.open)-1]
		p.unlist(other)
		other.taken = true
		team = append(team, other)
	}
	return team
}

// giveBack ends a pass. p.mu is held.
func (p *Pool) giveBack(team []*Hash) {
	for _, h := range team {
		h.taken = false
		if len(h.pending) > 0 {
			p.list(h)
		}
	}
	p.passed.Broadcast()
}

// maxPass bounds the bytes of a stream in one pass, and so how long the others
// in it are kept.
const maxPass = 1 << 20

// pass hashes what the first of a team has, and of the others as much as goes
// along with it.
func (p *Pool) pass(team []*Hash) {
	lanes := make([]lane, 0, maxLanes)
	n := 0
	for left := maxPass; len(team[0].pending) > 0 && left > 0; left -= n {
		lanes = lanes[:0]
		n = min(len(team[0].pending), left, maxBlocks*blockSize)
		for _, h := range team {
			if len(h.pending) > 0 {
				lanes = append(lanes, lane{state: &h.state, data: h.pending})
				n = min(n, len(h.pending))
			}
		}
		if len(lanes) == 1 {
			team[0].single.blocks(&team[0].state, team[0].pending[:n])
		} else {
			p.narrowest(len(lanes)).advance(lanes, n/blockSize)
		}
		for _, h := range team {
			h.pending = h.pending[min(n, len(h.pending)):]
		}
	}
}

// widest returns how many streams go into one pass.
func (p *Pool) widest() int { return p.kernels[len(p.kernels)-1].lanes }

// narrowest returns the kernel for a number of streams.
func (p *Pool) narrowest(n int) kernel {
	for _, k := range p.kernels {
		if k.lanes >= n {
			return k
		}
	}
	return p.kernels[len(p.kernels)-1]
}
