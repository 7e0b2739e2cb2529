package state

import (
	"math"
	"slices"
	"strings"
)

// recentPrefixes is how many revocations are looked at one by one before
// they are sorted in with the others.
const recentPrefixes = 24

// A prefixes finds the revocations whose prefix an object's key begins with.
// It never changes.
//
// The prefixes that a key begins with, of a sorted list, are all prefixes of
// the last one in the list that does not come after the key. So one binary
// search finds the innermost candidate, and each prefix knows the longest
// other one that it begins with.
type prefixes struct {
	recent []*held
	sorted []prefix
	// shared is what all sorted ones begin with; heads are the eight bytes
	// after it of each, so that most of a search stays in few cache lines.
	shared string
	heads  []uint64
}

// A prefix is one prefix and the revocations that have it.
type prefix struct {
	text string
	list []*held // those that match the latest signatures first
	// outer is the place of the longest other prefix of this one, jump that
	// of one further out, by which any is reached in few steps; -1: none.
	outer, jump int32
	depth       int32
	// before is the latest of this prefix and those outside it.
	before int64
}

// find returns a revocation that matches, nil for none.
func (t *prefixes) find(q *query) *held {
	if t == nil {
		return nil
	}
	for _, h := range t.recent {
		if q.signed < h.before && h.matches(q.Subject) && q.now().UnixMicro() < h.expires {
			return h
		}
	}
	i := t.last(q.Object)
	for i = t.innermost(i, q.Object); i >= 0 && q.signed < t.sorted[i].before; i = t.sorted[i].outer {
		if h := q.first(t.sorted[i].list); h != nil {
			return h
		}
	}
	return nil
}

// last returns the place of the last prefix that does not come after key,
// -1 for none, or when none matches anyway.
func (t *prefixes) last(key string) int32 {
	if len(t.sorted) == 0 || !strings.HasPrefix(key, t.shared) {
		return -1
	}
	h := head(key[len(t.shared):])
	lo, _ := slices.BinarySearch(t.heads, h)
	hi := len(t.heads)
	if h < math.MaxUint64 {
		hi, _ = slices.BinarySearch(t.heads, h+1)
	}
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		if t.sorted[mid].text > key {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return int32(lo - 1)
}

// head returns the first eight bytes of a text as a number, in the order of
// texts.
func head(s string) (h uint64) {
	if len(s) >= 8 {
		return uint64(s[0])<<56 | uint64(s[1])<<48 | uint64(s[2])<<40 | uint64(s[3])<<32 |
			uint64(s[4])<<24 | uint64(s[5])<<16 | uint64(s[6])<<8 | uint64(s[7])
	}
	for i := range len(s) {
		h |= uint64(s[i]) << (56 - 8*i)
	}
	return h
}

// innermost returns the place of the longest prefix that key begins with,
// of the one at i and those outside it.
func (t *prefixes) innermost(i int32, key string) int32 {
	if i < 0 {
		return -1
	}
	fits := common(t.sorted[i].text, key)
	for i >= 0 && len(t.sorted[i].text) > fits {
		p := &t.sorted[i]
		if p.jump >= 0 && len(t.sorted[p.jump].text) > fits {
			i = p.jump
		} else {
			i = p.outer
		}
	}
	return i
}

// common returns how many bytes a and b have in common at their beginning.
func common(a, b string) int {
	const block = 32
	n, i := min(len(a), len(b)), 0
	for i+block <= n && a[i:i+block] == b[i:i+block] {
		i += block
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// change returns a changed copy and whether anything is left in it.
func (t *prefixes) change(c *change) (*prefixes, bool) {
	if t == nil {
		t = new(prefixes)
	}
	if len(c.remove) == 0 && len(t.recent)+len(c.add) <= recentPrefixes {
		next := *t
		next.recent = edit(t.recent, c)
		return &next, true
	}
	var sorted []*held
	for i := range t.sorted {
		sorted = append(sorted, t.sorted[i].list...)
	}
	recent := edit(t.recent, c)
	if len(c.remove) > 0 {
		sorted = edit(sorted, &change{remove: c.remove})
	}
	if len(sorted)+len(recent) <= recentPrefixes {
		recent = append(recent, sorted...)
		return &prefixes{recent: recent}, len(recent) > 0
	}
	slices.SortStableFunc(recent, byPrefix)
	return sortedPrefixes(merge(sorted, recent)), true
}

// merge returns two lists in the order of byPrefix as one.
func merge(a, b []*held) []*held {
	all := make([]*held, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if byPrefix(a[0], b[0]) <= 0 {
			all, a = append(all, a[0]), a[1:]
		} else {
			all, b = append(all, b[0]), b[1:]
		}
	}
	return append(append(all, a...), b...)
}

// sortedPrefixes returns the prefixes of revocations in the order of
// byPrefix.
func sortedPrefixes(all []*held) *prefixes {
	t := &prefixes{sorted: make([]prefix, 0, len(all))}
	inner := int32(-1)
	for begin := 0; begin < len(all); {
		text := all[begin].text(textPrefix)
		end := begin + 1
		for end < len(all) && all[end].text(textPrefix) == text {
			end++
		}
		for inner >= 0 && !strings.HasPrefix(text, t.sorted[inner].text) {
			inner = t.sorted[inner].outer
		}
		inner = t.add(all[begin:end:end], inner)
		begin = end
	}
	first, last := t.sorted[0].text, t.sorted[len(t.sorted)-1].text
	t.shared = first[:common(first, last)]
	t.heads = make([]uint64, len(t.sorted))
	for i := range t.sorted {
		t.heads[i] = head(t.sorted[i].text[len(t.shared):])
	}
	return t
}

// add adds a prefix inside another one and returns its place.
func (t *prefixes) add(list []*held, outer int32) int32 {
	p := prefix{text: list[0].text(textPrefix), list: list, outer: outer, jump: outer, before: list[0].before}
	if outer >= 0 {
		o := &t.sorted[outer]
		p.depth = o.depth + 1
		p.before = max(p.before, o.before)
		if j := o.jump; j >= 0 && t.sorted[j].jump >= 0 && o.depth-t.sorted[j].depth == t.sorted[j].depth-t.sorted[t.sorted[j].jump].depth {
			p.jump = t.sorted[j].jump
		}
	}
	t.sorted = append(t.sorted, p)
	return int32(len(t.sorted) - 1)
}
