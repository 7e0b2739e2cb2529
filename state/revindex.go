package state

import (
	"hash/maphash"
	"maps"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// revShards is how many parts the look-up tables have; a change copies one.
const revShards = 256

// The selectors of a revocation but for prefix and before. Revocations that
// set the same ones are found with one look-up of their values.
const (
	selPass = 1 << iota
	selName
	selOwner
	selKey
	selBucket
	// selTree tells revocations with a prefix from those without.
	selTree
	selectors
)

// A revIndex finds revocations. Readers take no lock: tables are copied in
// parts to be changed. Writers take turns.
//
// A revocation is looked up by the values of all selectors that it sets, or
// of the pass alone, which says most. So a look-up costs as many probes as
// there are combinations in use, 19 at most, however many revocations there
// are.
type revIndex struct {
	seed maphash.Seed
	// used has a bit for each combination of selectors that ever occurred.
	used atomic.Uint64
	// exact has the revocations without a prefix, by the hash of their
	// selectors, those that match the latest signatures first.
	exact [revShards]atomic.Pointer[map[uint64][]*held]
	// trees has those with one.
	trees [revShards]atomic.Pointer[map[uint64]*prefixes]

	byID map[string]*held // the writers' alone
}

func newRevIndex() *revIndex {
	return &revIndex{seed: maphash.MakeSeed(), byID: make(map[string]*held)}
}

// fields are the hashes of what selectors are compared with, zero for what
// is not set.
type fields [5]uint64

func (x *revIndex) fields(pass, name, owner, key, bucket string) (f fields) {
	for i, text := range [5]string{pass, name, owner, key, bucket} {
		if text != "" {
			f[i] = maphash.String(x.seed, text) | 1
		}
	}
	return f
}

// mix returns the hash of the fields that a combination has, and whether all
// of those are set.
func (f *fields) mix(combination uint) (h uint64, ok bool) {
	h = uint64(combination)
	for i, v := range f {
		if combination&(1<<i) == 0 {
			continue
		}
		if v == 0 {
			return 0, false
		}
		h = (h ^ v) * 0x9e3779b97f4a7c15
		h ^= h >> 32
	}
	return h, true
}

// place returns where a revocation belongs.
func (x *revIndex) place(h *held) (combination uint, hash uint64) {
	f := x.fields(h.text(textPass), h.text(textName), h.text(textOwner), h.text(textKey), h.text(textBucket))
	if f[0] != 0 {
		hash, _ = f.mix(selPass)
		return selPass, hash
	}
	for i, v := range f {
		if v != 0 {
			combination |= 1 << i
		}
	}
	if h.text(textPrefix) != "" {
		combination |= selTree
	}
	hash, _ = f.mix(combination)
	return combination, hash
}

// find returns a revocation that matches a pass, nil for none.
func (x *revIndex) find(p *Subject, now func() time.Time) *held {
	used := x.used.Load()
	if used == 0 {
		return nil
	}
	q := query{Subject: p, signed: math.MinInt64, now: now}
	if !p.Signed.IsZero() {
		q.signed = p.Signed.UnixMicro()
	}
	f := x.fields(p.Pass, p.Name, p.Owner, p.Key, p.Bucket)
	for c := uint(0); c < selectors; c++ {
		if used&(1<<c) == 0 {
			continue
		}
		hash, ok := f.mix(c)
		if !ok {
			continue
		}
		if h := x.probe(&q, c, hash); h != nil {
			return h
		}
	}
	return nil
}

func (x *revIndex) probe(q *query, combination uint, hash uint64) *held {
	if combination&selTree != 0 {
		if m := x.trees[hash%revShards].Load(); m != nil {
			return (*m)[hash].find(q)
		}
		return nil
	}
	if m := x.exact[hash%revShards].Load(); m != nil {
		return q.first((*m)[hash])
	}
	return nil
}

// A query is what revocations are looked for.
type query struct {
	*Subject
	// signed is the time of signing in microseconds, before any other where
	// it is unknown.
	signed int64
	now    func() time.Time
}

// first returns the first of a list that matches. The list begins with those
// that match the latest signatures.
func (q *query) first(list []*held) *held {
	for _, h := range list {
		if q.signed >= h.before {
			return nil
		}
		if h.matches(q.Subject) && q.now().UnixMicro() < h.expires {
			return h
		}
	}
	return nil
}

// ended returns what makes apply remove those that have expired.
func (x *revIndex) ended(now time.Time) (list []RevocationRecord) {
	t := now.UnixMicro()
	for id, h := range x.byID {
		if h.expires <= t {
			list = append(list, RevocationRecord{ID: id, Lifted: true})
		}
	}
	return list
}

// A change is what happens to one place of the tables.
type change struct{ add, remove []*held }

// apply adds revocations, and removes those that are lifted or have expired.
// The last of several of one id counts. Each place is rebuilt once.
func (x *revIndex) apply(list []RevocationRecord, now time.Time) error {
	if len(list) == 0 {
		return nil
	}
	next, err := latest(list, now)
	if err != nil {
		return err
	}
	var p plan
	for id, h := range next {
		if old := x.byID[id]; old != nil {
			c := x.change(&p, old)
			c.remove = append(c.remove, old)
			delete(x.byID, id)
		}
		if h != nil {
			c := x.change(&p, h)
			c.add = append(c.add, h)
			x.byID[h.id()] = h
		}
	}
	for i := range revShards {
		replace(&x.exact[i], p.exact[i], changeList)
		replace(&x.trees[i], p.trees[i], (*prefixes).change)
	}
	return nil
}

// latest returns what becomes of each revocation of a list, by id; nil when
// it is in force no more.
func latest(list []RevocationRecord, now time.Time) (map[string]*held, error) {
	next := make(map[string]*held, len(list))
	for i := range list {
		r := &list[i]
		if r.Lifted || microsOr(r.Expires) <= now.UnixMicro() {
			next[r.ID] = nil
			continue
		}
		h, err := newHeld(r)
		if err != nil {
			return nil, err
		}
		next[h.id()] = h
	}
	return next, nil
}

// A plan says what happens to each place of the tables.
type plan struct {
	exact, trees [revShards]map[uint64]*change
}

// change returns what is planned for the place of a revocation.
func (x *revIndex) change(p *plan, h *held) *change {
	combination, hash := x.place(h)
	x.used.Or(1 << combination)
	table := &p.exact[hash%revShards]
	if combination&selTree != 0 {
		table = &p.trees[hash%revShards]
	}
	if *table == nil {
		*table = make(map[uint64]*change)
	}
	c := (*table)[hash]
	if c == nil {
		c = new(change)
		(*table)[hash] = c
	}
	return c
}

// replace puts a changed copy of a table in its place.
func replace[V any](p *atomic.Pointer[map[uint64]V], changes map[uint64]*change, change func(V, *change) (V, bool)) {
	if len(changes) == 0 {
		return
	}
	m := make(map[uint64]V)
	if old := p.Load(); old != nil {
		m = maps.Clone(*old)
	}
	for hash, c := range changes {
		v, any := change(m[hash], c)
		if !any {
			delete(m, hash)
			continue
		}
		m[hash] = v
	}
	p.Store(&m)
}

// changeList returns a changed copy of a list and whether anything is left.
func changeList(list []*held, c *change) ([]*held, bool) {
	list = edit(list, c)
	slices.SortStableFunc(list, byBefore)
	return list, len(list) > 0
}

// edit returns a changed copy of a list, in no order.
func edit(list []*held, c *change) []*held {
	next := make([]*held, 0, len(list)+len(c.add))
	gone := make(map[*held]bool, len(c.remove))
	for _, h := range c.remove {
		gone[h] = true
	}
	for _, h := range list {
		if !gone[h] {
			next = append(next, h)
		}
	}
	return append(next, c.add...)
}

func byBefore(a, b *held) int {
	switch {
	case a.before > b.before:
		return -1
	case a.before < b.before:
		return 1
	}
	return 0
}

// byPrefix orders by prefix, then as byBefore.
func byPrefix(a, b *held) int {
	if c := strings.Compare(a.text(textPrefix), b.text(textPrefix)); c != 0 {
		return c
	}
	return byBefore(a, b)
}
