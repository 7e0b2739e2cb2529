package sqlstate

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/daypass/daypass/state"
)

const (
	// maxBatch bounds the requests of a transaction, and so how long one
	// takes.
	maxBatch = 512
	// idleWriter is how long the writer keeps its connection, with cache and
	// statements, when there is nothing to write.
	idleWriter = time.Minute
	// gatherTime is how long a batch waits for more requests where there are
	// several callers: a transaction costs the processor as much as dozens of
	// draws, so that on a fast disk many small ones would take it all.
	gatherTime = 500 * time.Microsecond
	// enough requests do not wait for more.
	enough = 64
)

// errClosed is returned for requests that come after Close.
var errClosed = errors.New("the driver is closed")

// A writer runs the requests of many callers in few transactions, since the
// disk takes as long to sync one change as to sync hundreds. While a
// transaction runs, requests queue up; the next one takes what is there.
type writer struct {
	session *session
	idle    time.Duration
	queue   chan *request
	stop    chan struct{} // closed when there are no callers any more
	stopped chan struct{} // closed when run has returned
	last    int           // requests of the latest batch

	mu      sync.RWMutex // held to read while a caller comes in
	closed  bool
	callers sync.WaitGroup
}

// A request is one call that changes something: a job, or a change of one
// entry of the ledger.
type request struct {
	ctx  context.Context
	job  func(ctx context.Context, t *tx) error
	id   string // of the entry
	edit edit

	// err is the request's own error, of the latest attempt; panicked is what
	// edit panicked with.
	err      error
	panicked any
	done     chan error // gets the answer
}

// An edit makes a new entry of an old one, as state.LedgerDriver says.
type edit func(old *state.EntryRecord) (*state.EntryRecord, error)

// newWriter returns a writer over a session, which it owns and which it keeps
// connected until it has been idle for so long. It runs until close.
func newWriter(s *session, idle time.Duration) *writer {
	w := &writer{
		session: s,
		idle:    idle,
		queue:   make(chan *request),
		stop:    make(chan struct{}),
		stopped: make(chan struct{}),
	}
	go w.run()
	return w
}

// submit runs a request and returns its error. A request that still waits
// when its context ends is not run at all; one that is being run is waited
// for, so that nothing of it is called after submit has returned.
func (w *writer) submit(r *request) error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if !w.enter() {
		return errClosed
	}
	defer w.callers.Done()
	r.done = make(chan error, 1)
	select {
	case w.queue <- r:
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
	err := <-r.done
	if r.panicked != nil {
		panic(r.panicked) // where the caller can see it
	}
	return err
}

// enter counts a caller in, unless the writer is closed.
func (w *writer) enter() bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return false
	}
	w.callers.Add(1)
	return true
}

// close lets everybody who waits finish, and ends the writer.
func (w *writer) close() error {
	w.mu.Lock()
	first := !w.closed
	w.closed = true
	w.mu.Unlock()
	if !first {
		<-w.stopped
		return nil
	}
	w.callers.Wait()
	close(w.stop)
	<-w.stopped
	return w.session.close()
}

// run commits batches of what is queued.
func (w *writer) run() {
	defer close(w.stopped)
	idle := time.NewTimer(w.idle)
	defer idle.Stop()
	var batch []*request
	for {
		select {
		case r := <-w.queue:
			batch = w.gather(append(batch, r))
			if err := w.commit(batch); errors.Is(err, errSilent) {
				// Whoever waits is told at once, instead of waiting in turn.
				answer(w.drain(nil), err)
			}
			clear(batch)
			batch = batch[:0]
			idle.Reset(w.idle)
		case <-idle.C:
			w.session.drop()
		case <-w.stop:
			return
		}
	}
}

// gather adds what is queued to a batch and, where the latest one says that
// there are several callers, what comes within gatherTime.
func (w *writer) gather(batch []*request) []*request {
	batch = w.drain(batch)
	if w.last > 1 && len(batch) < enough {
		wait := time.NewTimer(gatherTime)
		defer wait.Stop()
		for waiting := true; waiting && len(batch) < enough; {
			select {
			case r := <-w.queue:
				batch = append(batch, r)
			case <-wait.C:
				waiting = false
			}
		}
		batch = w.drain(batch)
	}
	w.last = len(batch)
	return batch
}

// drain adds what is queued to a batch.
func (w *writer) drain(batch []*request) []*request {
	for len(batch) < maxBatch {
		select {
		case r := <-w.queue:
			batch = append(batch, r)
		default:
			return batch
		}
	}
	return batch
}

// commit runs a batch, answers every request of it, and returns what failed all
// of them, if anything. When one of them may
// be to blame for a failure, the halves are tried on their own, and so on
// until it stands alone.
func (w *writer) commit(batch []*request) error {
	err := w.session.attempt(batch)
	if err != nil && len(batch) > 1 && w.session.divisible(err) {
		half := len(batch) / 2
		first, second := w.commit(batch[:half]), w.commit(batch[half:])
		if errors.Is(first, errSilent) {
			return first
		}
		return second
	}
	answer(batch, err)
	return err
}

// answer answers requests, with an error that all of them have met, if any.
func answer(batch []*request, err error) {
	for _, r := range batch {
		if err != nil {
			r.err = err
		}
		r.done <- r.err
	}
}
