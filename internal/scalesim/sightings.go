package main

const (
	// flushAge, maxSeen and seenBatch are those of the statistics of passes in
	// package state: how often they are written, how many a node holds at most
	// (half of them are written at once), and how many go at a time.
	flushAge  = 2.0
	maxSeen   = 1 << 15
	seenBatch = 100
)

// Sightings are the statistics of passes that a node has not written yet.
type sightings struct {
	node    *node
	waiting int
	writing bool
	lost    int
}

func (s *sightings) add() {
	if s.waiting >= maxSeen {
		s.lost++
		return
	}
	s.waiting++
	if s.waiting == maxSeen/2 {
		s.flush()
	}
}

// flush writes what waits, one batch after the other. A batch goes to all
// shards, since passes belong to all.
func (s *sightings) flush() {
	if s.writing || s.waiting == 0 || !s.node.up {
		return
	}
	s.writing = true
	todo := s.waiting
	s.waiting = 0
	s.next(todo)
}

func (s *sightings) next(todo int) {
	if todo == 0 {
		s.writing = false
		return
	}
	n := min(todo, seenBatch)
	left := 0
	done := func(bool) {
		if left--; left == 0 {
			s.next(todo - n)
		}
	}
	writers := s.node.writers
	for i, w := range writers {
		if part := (n + i) / len(writers); part > 0 {
			left++
			defer w.submit(&change{seen: part, then: done})
		}
	}
}
