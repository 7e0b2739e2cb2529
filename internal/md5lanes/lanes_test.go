package md5lanes

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
)

// pools returns a pool of each kind that this processor can have, and one that
// has no kernels.
func pools() map[string]func() *Pool {
	all := map[string]func() *Pool{
		"chosen": New,
		"none":   func() *Pool { return newPool(nil) },
	}
	for name, k := range everyKernel() {
		all[name] = func() *Pool { return newPool(k) }
	}
	return all
}

func eachPool(t *testing.T, test func(t *testing.T, p *Pool)) {
	for name, p := range pools() {
		t.Run(name, func(t *testing.T) { test(t, p()) })
	}
}

// stream returns n bytes that differ from stream to stream.
func stream(seed uint64, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(n)}).Read(b)
	return b
}

func check(t *testing.T, h *Hash, data []byte) {
	t.Helper()
	if got, want := h.Sum(nil), md5.Sum(data); !bytes.Equal(got, want[:]) {
		t.Errorf("the MD5 of %d bytes is %x instead of %x", len(data), got, want)
	}
}

// TestVectors are those of RFC 1321, appendix A.5.
func TestVectors(t *testing.T) {
	eachPool(t, func(t *testing.T, p *Pool) {
		for text, want := range map[string]string{
			"":    "d41d8cd98f00b204e9800998ecf8427e",
			"abc": "900150983cd24fb0d6963f7d28e17f72",
			"12345678901234567890123456789012345678901234567890123456789012345678901234567890": "57edf4a22be3c955ac49da2e2107b67a",
		} {
			h := p.NewHash()
			io.WriteString(h, text)
			if got := hex.EncodeToString(h.Sum(nil)); got != want {
				t.Errorf("the MD5 of %q is %s instead of %s", text, got, want)
			}
			h.Close()
		}
	})
}

// TestKernels compares each lane of each kernel with crypto/md5, with all
// numbers of streams that fit.
func TestKernels(t *testing.T) {
	for name, ks := range everyKernel() {
		for _, k := range ks {
			for n := 1; n <= k.lanes; n++ {
				t.Run(fmt.Sprintf("%s/%d of %d", name, n, k.lanes), func(t *testing.T) { testKernel(t, k, n) })
			}
		}
	}
}

func testKernel(t *testing.T, k kernel, n int) {
	const blocks = 5
	states := make([]state, n)
	lanes := make([]lane, n)
	data := make([][]byte, n)
	for i := range lanes {
		data[i] = stream(uint64(i), blocks*blockSize)
		states[i] = initial()
		lanes[i] = lane{state: &states[i], data: data[i]}
	}
	k.advance(lanes, 2)
	for i := range lanes {
		lanes[i].data = lanes[i].data[2*blockSize:]
	}
	k.advance(lanes, blocks-2)
	for i := range lanes {
		s := single{Hash: md5.New()}
		s.set(&states[i], nil, blocks*blockSize)
		if got, want := s.Sum(nil), md5.Sum(data[i]); !bytes.Equal(got, want[:]) {
			t.Errorf("lane %d: %x instead of %x", i, got, want)
		}
	}
}

// TestTogether hashes streams of all lengths from many goroutines, in pieces of
// all lengths, waited for at once or later, some of them given up.
func TestTogether(t *testing.T) {
	eachPool(t, func(t *testing.T, p *Pool) {
		var wg sync.WaitGroup
		for i := range 40 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(i), 2))
				for range 5 {
					data := stream(r.Uint64(), r.IntN(300<<10))
					if h := p.NewHash(); feed(h, data, r) {
						check(t, h, data)
						h.Close()
					}
				}
			})
		}
		wg.Wait()
		if p.active != 0 || len(p.open) != 0 {
			t.Errorf("%d streams are left, %d of them waiting", p.active, len(p.open))
		}
	})
}

// feed writes data to h and reports whether it has not given up.
func feed(h *Hash, data []byte, r *rand.Rand) bool {
	for len(data) > 0 {
		n := r.IntN(min(len(data), 1<<r.IntN(18))) + 1
		switch r.IntN(8) {
		case 0:
			h.Write(data[:n])
		case 1:
			// The buffer may be used again after Wait.
			b := bytes.Clone(data[:n])
			h.Start(b)
			h.Wait()
			clear(b)
		case 2:
			if r.IntN(20) == 0 {
				b := bytes.Clone(data[:n])
				h.Start(b)
				h.Close()
				clear(b)
				return false
			}
			h.Start(data[:n])
		default:
			h.Start(data[:n])
		}
		data = data[n:]
	}
	return true
}

// TestStalled checks that nobody waits for a stream that does not go on.
func TestStalled(t *testing.T) {
	eachPool(t, func(t *testing.T, p *Pool) {
		synctest.Test(t, func(t *testing.T) {
			stalled := p.NewHash()
			defer stalled.Close()
			half := stream(1, 100<<10)
			stalled.Start(half)
			for i := range uint64(40) {
				data := stream(i, 200<<10)
				h := p.NewHash()
				h.Start(data)
				check(t, h, data) // a wait without an end is a deadlock here
				h.Close()
			}
			check(t, stalled, half)
		})
	})
}

// TestCompany checks that streams that are under way are hashed together: the
// result of one Wait is there for all.
func TestCompany(t *testing.T) {
	for name, ks := range everyKernel() {
		t.Run(name, func(t *testing.T) {
			p := newPool(ks)
			widest := ks[len(ks)-1].lanes
			hashes := make([]*Hash, widest+2)
			for i := range hashes {
				hashes[i] = p.NewHash()
				defer hashes[i].Close()
				hashes[i].Start(stream(uint64(i), 64)) // so that each knows that there are others
			}
			for _, h := range hashes {
				h.Wait()
			}
			for i, h := range hashes {
				h.Start(stream(uint64(i), 10<<10))
			}
			hashes[0].Wait()
			left := 0
			for _, h := range hashes {
				if len(h.pending) > 0 {
					left++
				}
			}
			if left != 2 {
				t.Errorf("%d streams of %d are not hashed, in %d lanes", left, len(hashes), widest)
			}
		})
	}
}

// TestInterruptible checks that no call of a kernel is long.
func TestInterruptible(t *testing.T) {
	longest := 0
	run := func(_ *[4][maxLanes]uint32, _ *[maxLanes]*byte, blocks int) { longest = max(longest, blocks) }
	p := newPool([]kernel{{2, run}})
	a, b := p.NewHash(), p.NewHash()
	defer a.Close()
	defer b.Close()
	for range 2 { // the first alone, the second in company
		for _, h := range []*Hash{a, b} {
			h.Start(make([]byte, maxPass+blockSize))
		}
		a.Wait()
		b.Wait()
	}
	if longest != maxBlocks {
		t.Errorf("a call takes %d blocks", longest)
	}
}

// TestReset checks that a hash can be used again.
func TestReset(t *testing.T) {
	eachPool(t, func(t *testing.T, p *Pool) {
		h := p.NewHash()
		defer h.Close()
		h.Start(stream(1, 1000))
		h.Reset()
		data := stream(2, 5000)
		h.Start(data)
		check(t, h, data)
		h.Start(data) // a sum does not end a stream
		check(t, h, append(bytes.Clone(data), data...))
	})
}

// FuzzInterleaved lets the fuzzer choose who writes how much when.
func FuzzInterleaved(f *testing.F) {
	f.Add([]byte{0, 200, 1, 10, 2, 255, 0, 3, 17, 64})
	f.Fuzz(func(t *testing.T, script []byte) {
		for _, newPool := range pools() {
			p, script := newPool(), script
			hashes := make([]*Hash, 20)
			data := make([][]byte, len(hashes))
			for i := range hashes {
				hashes[i] = p.NewHash()
				defer hashes[i].Close()
			}
			for ; len(script) >= 2; script = script[2:] {
				i := int(script[0]) % len(hashes)
				piece := stream(uint64(len(script)), int(script[1])*int(script[1])/3)
				data[i] = append(data[i], piece...)
				hashes[i].Start(piece)
				if script[0] >= 200 {
					hashes[i].Wait()
				}
			}
			for i, h := range hashes {
				check(t, h, data[i])
			}
		}
	})
}

// Benchmark hashes n streams of 1 MiB in pieces of 128 KiB.
func Benchmark(b *testing.B) {
	piece := stream(1, 128<<10)
	for _, n := range []int{1, 2, 4, 8, 16} {
		for _, kind := range []string{"chosen", "none"} {
			b.Run(fmt.Sprintf("streams=%d/kernels=%s", n, kind), func(b *testing.B) {
				b.SetBytes(int64(n) << 20)
				p := pools()[kind]()
				for b.Loop() {
					hashes := make([]*Hash, n)
					for i := range hashes {
						hashes[i] = p.NewHash()
					}
					for range 8 {
						for _, h := range hashes {
							h.Start(piece)
						}
					}
					for _, h := range hashes {
						h.Sum(nil)
						h.Close()
					}
				}
			})
		}
	}
}
