package store

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// TestCombine compares combined checksums with those over the whole.
func TestCombine(t *testing.T) {
	for a := range crcFields {
		rapid.Check(t, func(t *rapid.T) {
			parts := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 50), 0, 8).Draw(t, "parts")
			checkCombined(t, a, parts)
		})
		rng := rand.New(rand.NewPCG(1, 2))
		var parts [][]byte
		for range 20 {
			p := make([]byte, 1+rng.IntN(100_000))
			for i := range p {
				p[i] = byte(rng.Uint32())
			}
			parts = append(parts, p)
		}
		checkCombined(t, a, parts)
	}
}

func checkCombined(t interface{ Errorf(string, ...any) }, a ChecksumAlgorithm, parts [][]byte) {
	c := newCRCCombiner(a)
	whole := a.New()
	for _, p := range parts {
		h := a.New()
		h.Write(p)
		c.add(h.Sum(nil), int64(len(p)))
		whole.Write(p)
	}
	if got, want := c.digest(), whole.Sum(nil); !bytes.Equal(got, want) {
		t.Errorf("%s of %d parts: %x, want %x", a, len(parts), got, want)
	}
}

// TestCombineLarge relies on what doubling does: two halves of zeros make the
// whole of zeros, up to far beyond what could be hashed here.
func TestCombineLarge(t *testing.T) {
	for a := range crcFields {
		h := a.New()
		h.Write(make([]byte, 1<<20))
		sum, length := h.Sum(nil), int64(1<<20)
		for length < 1<<42 {
			c := newCRCCombiner(a)
			c.add(sum, length)
			c.add(sum, length)
			split := newCRCCombiner(a)
			for _, n := range []int64{length / 4, length + length/4, length / 2} {
				split.add(zeroSum(a, n), n)
			}
			if !bytes.Equal(c.digest(), split.digest()) {
				t.Fatalf("%s of %d zeros: %x and %x", a, 2*length, c.digest(), split.digest())
			}
			sum, length = c.digest(), 2*length
		}
	}
}

// zeroSum returns the checksum of n zeros, n being a multiple of 1 KiB.
func zeroSum(a ChecksumAlgorithm, n int64) []byte {
	h := a.New()
	h.Write(make([]byte, 1<<10))
	unit := h.Sum(nil)
	total := newCRCCombiner(a)
	power, length := unit, int64(1<<10)
	for units := n >> 10; units > 0; units >>= 1 {
		if units&1 != 0 {
			total.add(power, length)
		}
		double := newCRCCombiner(a)
		double.add(power, length)
		double.add(power, length)
		power, length = double.digest(), 2*length
	}
	return total.digest()
}
