package state

import "sync"

// maxWaiting is how many requests may wait for one entry on a node; each
// takes memory and asks state now and then.
const maxWaiting = 64

// A waiting wakes those who wait for an entry when this node settles
// something there.
type waiting struct {
	mu      sync.Mutex
	entries map[string]*queue
}

type queue struct {
	n      int
	signal chan struct{}
}

// join begins to wait for an entry, which leave ends. It reports whether
// there was room.
func (w *waiting) join(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	q := w.entries[id]
	if q == nil {
		if w.entries == nil {
			w.entries = make(map[string]*queue)
		}
		q = &queue{signal: make(chan struct{})}
		w.entries[id] = q
	}
	if q.n >= maxWaiting {
		return false
	}
	q.n++
	return true
}

func (w *waiting) leave(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	q := w.entries[id]
	if q.n--; q.n == 0 {
		delete(w.entries, id)
	}
}

// signal returns what is closed at the next settlement of an entry that the
// caller has joined.
func (w *waiting) signal(id string) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.entries[id].signal
}

func (w *waiting) wake(id string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if q := w.entries[id]; q != nil {
		close(q.signal)
		q.signal = make(chan struct{})
	}
}
