package main

// cacheWays is how many places a set of a cache has.
const cacheWays = 4

// A cache remembers for a time what it was told, and asks once for those who
// want the same. As in package state its size is fixed: an id may be in any
// place of one set, and takes the place of the oldest there.
type cache struct {
	clock  *clock
	ttl    float64
	grace  float64 // how long it serves while nobody answers, whatever its age
	places []place
	asking map[int][]func(bool)

	hits, misses int
}

type place struct {
	id     int
	loaded float64
	taken  bool
}

func newCache(c *clock, ttl, grace float64, places int) *cache {
	return &cache{clock: c, ttl: ttl, grace: grace, places: make([]place, places), asking: map[int][]func(bool){}}
}

// set returns the places that an id may be in.
func (c *cache) set(id int) []place {
	hash := uint64(id) * 0x9e3779b97f4a7c15 // the golden ratio spreads neighbours
	first := int(hash>>32) % (len(c.places) / cacheWays) * cacheWays
	return c.places[first : first+cacheWays]
}

// age returns how old what is known of an id is.
func (c *cache) age(id int) (age float64, ok bool) {
	for _, p := range c.set(id) {
		if p.taken && p.id == id {
			return c.clock.now - p.loaded, true
		}
	}
	return 0, false
}

// fresh reports whether an id is known, and counts.
func (c *cache) fresh(id int) bool {
	if age, ok := c.age(id); ok && age < c.ttl {
		c.hits++
		return true
	}
	c.misses++
	return false
}

func (c *cache) put(id int) {
	set := c.set(id)
	oldest := 0
	for i, p := range set {
		if p.taken && p.id == id || !p.taken {
			oldest = i
			break
		}
		if p.loaded < set[oldest].loaded {
			oldest = i
		}
	}
	set[oldest] = place{id, c.clock.now, true}
}

// get calls then with whether what an id stands for is known.
func (c *cache) get(s *shard, id int, then func(ok bool)) {
	if !s.up {
		_, known := c.age(id)
		then(known && c.clock.now-s.lost < c.grace)
		return
	}
	if c.fresh(id) {
		then(true)
		return
	}
	waiting, asked := c.asking[id]
	c.asking[id] = append(waiting, then)
	if asked {
		return
	}
	s.read(func(ok bool) {
		if ok {
			c.put(id)
		} else {
			_, ok = c.age(id)
		}
		waiting := c.asking[id]
		delete(c.asking, id)
		for _, then := range waiting {
			then(ok)
		}
	})
}

// clear forgets everything, and those who wait.
func (c *cache) clear() {
	clear(c.places)
	clear(c.asking)
}
