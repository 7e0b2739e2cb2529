package state

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/daypass/daypass"
)

// The reasons why a token is refused.
var (
	errEnded     = errors.New("the token has ended")
	errUnwritten = errors.New("too many settlements wait for the driver")
)

const (
	// maxUnsettled is how many settlements may wait to be written.
	maxUnsettled = 1 << 16
	// settleAtOnce is how many of those that could not be written are tried at
	// once, settleFailures how many may fail until the rest is left for later.
	settleAtOnce   = 32
	settleFailures = 64
	// maxSettlers is how many are written at once off the request's path.
	maxSettlers = 256
)

// A settling knows the tokens of this node: those that hold something, and
// those that have ended, but whose settlement is not written yet. What it
// does not get to write before a crash stays drawn.
type settling struct {
	mu      sync.Mutex
	held    map[holding]struct{}
	ended   map[holding]struct{}
	entries map[string]*unsettled
	// writers counts the goroutines that write settlements.
	writers int
	closed  bool
	wg      sync.WaitGroup
}

// A holding is a token in one entry.
type holding struct {
	id    string
	token Token
}

// unsettled is what is to be written to one entry.
type unsettled struct {
	ref
	budget *Budget // nil: the entry is a count
	list   []settlement
}

func newSettling() *settling {
	return &settling{held: map[holding]struct{}{}, ended: map[holding]struct{}{}, entries: map[string]*unsettled{}}
}

// begin refuses a token that has ended, and reports whether it holds
// something in an entry.
func (q *settling) begin(id string, t Token) (held bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if _, ended := q.ended[holding{id, t}]; ended {
		return false, &daypass.Error{Code: daypass.ServiceUnavailable, Err: errEnded}
	}
	_, held = q.held[holding{id, t}]
	return held, nil
}

func (q *settling) hold(id string, t Token) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held[holding{id, t}] = struct{}{}
}

func (q *settling) holds(id string, t Token) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, held := q.held[holding{id, t}]
	return held
}

// queue adds what is to be written to the entry of a budget, or of a count
// where b is nil. It fails when too much waits already.
func (q *settling) queue(e ref, b *Budget, m settlement) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	h := holding{e.id, m.token}
	delete(q.held, h)
	if _, ended := q.ended[h]; ended {
		return nil
	}
	if len(q.ended) >= maxUnsettled {
		return busy("Too much waits to be written.", errUnwritten)
	}
	q.ended[h] = struct{}{}
	u := q.entries[e.id]
	if u == nil {
		u = &unsettled{ref: e, budget: b}
		q.entries[e.id] = u
	}
	u.list = append(u.list, m)
	return nil
}

// get returns what is to be written to an entry.
func (q *settling) get(id string) (u unsettled, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	p := q.entries[id]
	if p == nil {
		return unsettled{}, false
	}
	u = *p
	u.list = u.list[:len(u.list):len(u.list)]
	return u, true
}

// of returns the settlements that are to be written to an entry.
func (q *settling) of(id string) []settlement {
	u, _ := q.get(id)
	return u.list
}

// ofPass returns the settlements that are to be written to the entries of a
// pass, by entry.
func (q *settling) ofPass(pass string) map[string][]settlement {
	q.mu.Lock()
	defer q.mu.Unlock()
	found := map[string][]settlement{}
	for id, u := range q.entries {
		if strings.HasPrefix(id, pass+"/") {
			found[id] = u.list[:len(u.list):len(u.list)]
		}
	}
	return found
}

// done forgets settlements that were written: the first ones of the entry's,
// unless somebody else was quicker.
func (q *settling) done(id string, list []settlement) {
	q.mu.Lock()
	defer q.mu.Unlock()
	u := q.entries[id]
	if u == nil {
		return
	}
	for len(list) > 0 && len(u.list) > 0 {
		if u.list[0].token == list[0].token {
			delete(q.ended, holding{id, list[0].token})
			u.list = u.list[1:]
		}
		list = list[1:]
	}
	if len(u.list) == 0 {
		delete(q.entries, id)
	}
}

// ids returns the entries that something is to be written to.
func (q *settling) ids() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	ids := make([]string, 0, len(q.entries))
	for id := range q.entries {
		ids = append(ids, id)
	}
	return ids
}

// enter admits a goroutine that writes settlements.
func (q *settling) enter() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.writers >= maxSettlers {
		return false
	}
	q.writers++
	q.wg.Add(1)
	return true
}

func (q *settling) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.writers--
	q.wg.Done()
}

// close waits for the goroutines and admits no more.
func (q *settling) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.wg.Wait()
}

// settleSoon has the settlements of an entry written in the background, and
// reports whether that was possible.
func (s *State) settleSoon(id string) bool {
	if !s.settling.enter() {
		return false
	}
	go func() {
		defer s.settling.leave()
		s.note(context.Background(), "settle", s.settle(context.Background(), id))
	}()
	return true
}

// settle writes the settlements of an entry.
func (s *State) settle(ctx context.Context, id string) error {
	u, ok := s.settling.get(id)
	if !ok {
		return nil
	}
	if _, err := s.change(ctx, u.ref, u.apply); err != nil {
		return err
	}
	s.settled(id, u.list)
	return nil
}

// settled takes note that settlements were written.
func (s *State) settled(id string, list []settlement) {
	if len(list) == 0 {
		return
	}
	s.settling.done(id, list)
	s.waiting.wake(id)
}

// apply is the rule that applies the settlements.
func (u *unsettled) apply(data []byte) ([]byte, error) {
	if data == nil {
		return nil, nil
	}
	if u.budget == nil {
		c, err := openTally(data)
		if err != nil || !c.release(u.list) {
			return nil, err
		}
		return c.data(), nil
	}
	l, err := openLedger(data, u.budget)
	if err != nil || !l.settle(u.list) {
		return nil, err
	}
	return l.data(), nil
}

// settleAll writes all settlements that wait, several at once, so that after an
// outage passes are not held for long by what has ended. It goes on past some
// failures: one of several databases may be out of reach.
func (s *State) settleAll(ctx context.Context) error {
	var mu sync.Mutex
	var failures []error
	var wg sync.WaitGroup
	ids := make(chan string)
	list := s.settling.ids()
	for range min(len(list), settleAtOnce) {
		wg.Go(func() {
			for id := range ids {
				ctx, cancel := context.WithTimeout(ctx, time.Second)
				err := s.settle(ctx, id)
				cancel()
				if err != nil {
					mu.Lock()
					failures = append(failures, err)
					mu.Unlock()
				}
			}
		})
	}
	enough := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(failures) >= settleFailures || ctx.Err() != nil || s.revocations.lost()
	}
	for _, id := range list {
		if enough() {
			break
		}
		ids <- id
	}
	close(ids)
	wg.Wait()
	if len(failures) == 0 {
		if len(list) > 0 && s.revocations.lost() {
			return unreachable()
		}
		return nil
	}
	return failures[0]
}
