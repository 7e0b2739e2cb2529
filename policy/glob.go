package policy

import (
	"strings"
	"unicode/utf8"
)

// A glob is a pattern with the wildcards * (any run of characters) and ? (one
// character), cut at its stars: one chunk is an exact match; of several, the
// first is a prefix, the last a suffix, and the others lie between in order.
//
// Finding each chunk as far left as possible is enough, so that matching never
// backtracks over a star.
type glob []chunk

// A chunk is a run without stars: literals with one ? between each two.
type chunk []string

func (g glob) match(s string) bool {
	n, ok := g[0].prefix(s)
	if !ok || len(g) == 1 {
		return ok && n == len(s)
	}
	s = s[n:]
	n, ok = g[len(g)-1].suffix(s)
	if !ok {
		return false
	}
	s = s[:len(s)-n]
	for _, c := range g[1 : len(g)-1] {
		if n, ok = c.find(s); !ok {
			return false
		}
		s = s[n:]
	}
	return true
}

// prefix returns the length of the prefix of s that c matches.
func (c chunk) prefix(s string) (n int, ok bool) {
	for i, literal := range c {
		if i > 0 {
			size := characterLen(s[n:])
			if size == 0 {
				return 0, false
			}
			n += size
		}
		if !strings.HasPrefix(s[n:], literal) {
			return 0, false
		}
		n += len(literal)
	}
	return n, true
}

// suffix returns the length of the suffix of s that c matches.
func (c chunk) suffix(s string) (n int, ok bool) {
	for i := len(c) - 1; i >= 0; i-- {
		rest := s[:len(s)-n]
		if !strings.HasSuffix(rest, c[i]) {
			return 0, false
		}
		n += len(c[i])
		if i > 0 {
			_, size := utf8.DecodeLastRuneInString(s[:len(s)-n])
			if size == 0 {
				return 0, false
			}
			n += size
		}
	}
	return n, true
}

// find returns where the leftmost match of c in s ends.
func (c chunk) find(s string) (end int, ok bool) {
	switch {
	case c.shortest() > len(s):
		return 0, false
	case len(c) == 1:
		end = strings.Index(s, c[0])
		return end + len(c[0]), end >= 0
	}
	return newAutomaton(c).find(s)
}

// An automaton finds a chunk that holds ? in one pass, all candidates at once,
// with a bit per element of the chunk (the Shift-And algorithm of Baeza-Yates
// and Gonnet). Trying one candidate after the other would let a document of
// the allowed size keep a processor busy for seconds.
type automaton struct {
	last  int // the last element
	state []uint64
	// one is the elements that are ?; literal those that are a byte.
	one     []uint64
	literal [256][]uint64
}

func newAutomaton(c chunk) *automaton {
	n := c.shortest()
	words := (n + 63) / 64
	a := &automaton{last: n - 1, state: make([]uint64, words), one: make([]uint64, words)}
	i := 0
	for part, literal := range c {
		if part > 0 {
			a.one[i/64] |= 1 << (i % 64)
			i++
		}
		for _, b := range []byte(literal) {
			if a.literal[b] == nil {
				a.literal[b] = make([]uint64, words)
			}
			a.literal[b][i/64] |= 1 << (i % 64)
			i++
		}
	}
	return a
}

func (a *automaton) find(s string) (end int, ok bool) {
	for i := 0; i < len(s); {
		next := i + characterLen(s[i:])
		a.first(s[i])
		for i++; i < next; i++ {
			a.follow(s[i])
		}
		if a.state[a.last/64]>>(a.last%64)&1 == 1 {
			return next, true
		}
	}
	return 0, false
}

// first takes the first byte of a character: it may begin a match, and any ?
// takes it.
func (a *automaton) first(b byte) {
	literal := a.literal[b]
	carry := uint64(1)
	for w, was := range a.state {
		may := a.one[w]
		if literal != nil {
			may |= literal[w]
		}
		a.state[w] = (was<<1 | carry) & may
		carry = was >> 63
	}
}

// follow takes a further byte of a character: a ? that took the first takes
// all.
func (a *automaton) follow(b byte) {
	literal := a.literal[b]
	carry := uint64(0)
	for w, was := range a.state {
		stay := was & a.one[w]
		if literal != nil {
			stay |= (was<<1 | carry) & literal[w]
		}
		a.state[w] = stay
		carry = was >> 63
	}
}

// characterLen returns the length of the first character of s; a byte that is
// not UTF-8 is a character, and the empty string has none.
func characterLen(s string) int {
	if s != "" && s[0] < utf8.RuneSelf {
		return 1
	}
	_, size := utf8.DecodeRuneInString(s)
	return size
}

// shortest returns the least number of bytes that c can match.
func (c chunk) shortest() int {
	n := len(c) - 1
	for _, literal := range c {
		n += len(literal)
	}
	return n
}
