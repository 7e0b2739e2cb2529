package diskstore

// A sieve is a cache that holds at most so much. When it is full it evicts as
// SIEVE does (Zhang and others, NSDI 2024): a hand goes from the oldest entry
// to newer ones and takes the first that was not asked for since it passed. A
// hit changes no order, and what is read once, as by a scan, goes first. Its
// user locks it.
type sieve[V any] struct {
	limit   int64
	used    int64
	entries map[uint64]*sieveEntry[V]
	hand    *sieveEntry[V] // nil: at the oldest
	newest  *sieveEntry[V]
	oldest  *sieveEntry[V]
}

type sieveEntry[V any] struct {
	id           uint64
	size         int64
	value        V
	asked        bool
	newer, older *sieveEntry[V]
}

// get returns what is kept under an id.
func (s *sieve[V]) get(id uint64) (v V, ok bool) {
	e := s.entries[id]
	if e == nil {
		return v, false
	}
	e.asked = true
	return e.value, true
}

// put keeps a value of a size in place of any under the same id, unless it is
// larger than all that may be kept.
func (s *sieve[V]) put(id uint64, v V, size int64) {
	s.remove(id)
	if size > s.limit {
		return
	}
	for s.used+size > s.limit {
		s.evict()
	}
	if s.entries == nil {
		s.entries = make(map[uint64]*sieveEntry[V])
	}
	e := &sieveEntry[V]{id: id, size: size, value: v, older: s.newest}
	if s.newest != nil {
		s.newest.newer = e
	} else {
		s.oldest = e
	}
	s.newest = e
	s.entries[id] = e
	s.used += size
}

// evict takes one entry out.
func (s *sieve[V]) evict() {
	e := s.hand
	if e == nil {
		e = s.oldest
	}
	for e.asked {
		e.asked = false
		if e = e.newer; e == nil {
			e = s.oldest
		}
	}
	s.hand = e
	s.remove(e.id)
}

// remove forgets what is kept under an id.
func (s *sieve[V]) remove(id uint64) {
	e := s.entries[id]
	if e == nil {
		return
	}
	if s.hand == e {
		s.hand = e.newer
	}
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		s.newest = e.older
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		s.oldest = e.newer
	}
	delete(s.entries, id)
	s.used -= e.size
}
