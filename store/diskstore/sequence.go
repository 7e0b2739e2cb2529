package diskstore

import (
	"sync"
)

// reserveIDs is how many ids are reserved by one synced commit. Larger means
// fewer commits and more to look through after a crash.
const reserveIDs = 4 * idsPerDir

// A sequence gives out ids that never repeat, across crashes too, since it
// reserves them durably before. It also knows which blob files are not settled
// yet, that is, neither in use by a durable commit nor durably gone.
type sequence struct {
	save func(sequenceRecord) error

	mu          sync.Mutex
	next, limit uint64
	unsettled   map[uint64]struct{}
}

// newSequence goes on where a saved sequence may have ended.
func newSequence(saved sequenceRecord, save func(sequenceRecord) error) *sequence {
	next := max(saved.limit, 1) // so that no id is zero
	return &sequence{save: save, next: next, limit: next, unsettled: make(map[uint64]struct{})}
}

// take returns a new id.
func (s *sequence) take() (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.takeLocked()
}

// takeFile returns a new id for a blob file, which is unsettled until settle.
func (s *sequence) takeFile() (uint64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, err := s.takeLocked()
	if err == nil {
		s.unsettled[id] = struct{}{}
	}
	return id, err
}

func (s *sequence) takeLocked() (uint64, error) {
	if s.next == s.limit {
		limit := s.limit + reserveIDs
		if err := s.save(sequenceRecord{limit: limit, watermark: s.lowLocked()}); err != nil {
			return 0, err
		}
		s.limit = limit
	}
	id := s.next
	s.next++
	return id, nil
}

// settle says that a blob file is durably in use, or durably gone.
func (s *sequence) settle(id uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.unsettled, id)
}

// low returns an id below which every file is settled.
func (s *sequence) low() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lowLocked()
}

func (s *sequence) lowLocked() uint64 {
	low := s.next
	for id := range s.unsettled {
		low = min(low, id)
	}
	return low
}
