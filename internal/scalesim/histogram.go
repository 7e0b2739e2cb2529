package main

import "math"

// A histogram counts times in buckets that are 1 % wide, from a microsecond to
// some minutes.
type histogram struct {
	counts [2000]int
	n      int
	sum    float64
	worst  float64
}

const (
	shortest = 1e-6
	widening = 1.01
)

func (h *histogram) add(seconds float64) {
	i := 0
	if seconds > shortest {
		i = int(math.Log(seconds/shortest)/math.Log(widening)) + 1
	}
	h.counts[min(i, len(h.counts)-1)]++
	h.n++
	h.sum += seconds
	h.worst = max(h.worst, seconds)
}

func (h *histogram) mean() float64 {
	if h.n == 0 {
		return 0
	}
	return h.sum / float64(h.n)
}

// quantile returns the time that a share q of all does not exceed, at most 1 %
// too much; 0 where there is none.
func (h *histogram) quantile(q float64) float64 {
	rank := int(math.Ceil(q * float64(h.n)))
	for i, count := range h.counts {
		if rank -= count; rank <= 0 && h.n > 0 {
			return min(shortest*math.Pow(widening, float64(i)), h.worst)
		}
	}
	return h.worst
}
