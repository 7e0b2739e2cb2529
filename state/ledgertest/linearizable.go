package ledgertest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daypass/daypass/state"
)

const (
	historyUses   = 8 // of each pass
	historySize   = 3 // bytes of an object: so few that nothing is forgiven
	historyPasses = 8
	historyDraws  = 24 // of each pass at most
	// historyStaleness is for how long a node may not know of a revocation.
	historyStaleness = time.Second
)

// Linearizable has clients of several nodes draw, return, upload, revoke and ask
// while disturb, which is called again and again, gets in their way, and checks
// that the history is what passes promise.
func Linearizable(t *testing.T, nodes []*state.State, disturb func()) {
	for _, kind := range []string{"downloads", "uploads"} {
		t.Run(kind, func(t *testing.T) {
			c := &clients{t: t, nodes: nodes, uploads: kind == "uploads"}
			h := c.run(disturb)
			good, decided := h.Check(2 * time.Minute)
			if !decided {
				t.Skipf("not decided in time, of %d operations", len(h.ops))
			}
			if !good {
				t.Errorf("a history of %d operations is not what passes promise", len(h.ops))
			}
			t.Logf("%d operations, %d of unknown outcome", len(h.ops), c.unknown.Load())
		})
	}
}

// clients are those who make a history.
type clients struct {
	t       *testing.T
	nodes   []*state.State
	uploads bool
	ids     [historyPasses]string
	history *History
	tokens  [historyPasses]atomic.Int64
	unknown atomic.Int64
}

// run makes a history.
func (c *clients) run(disturb func()) *History {
	capacity := historyUses * historySize
	if c.uploads {
		capacity = historyUses
	}
	c.history = &History{capacity: capacity, staleness: historyStaleness, start: time.Now()}
	for i := range c.ids {
		c.ids[i] = pass(c.t, &node{State: c.nodes[0]})
	}
	done := make(chan struct{})
	var disturbing, wg sync.WaitGroup
	disturbing.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(30 * time.Millisecond):
				disturb()
			}
		}
	})
	for client := range 3 * len(c.nodes) {
		wg.Go(func() { c.client(client) })
	}
	wg.Wait()
	close(done)
	disturbing.Wait()
	time.Sleep(historyStaleness + historyStaleness/2) // now all are to know
	for i, s := range c.nodes {
		for p := range c.ids {
			c.revoked(i, s, p)
			c.ask(i, s, p)
		}
	}
	return c.history
}

// client does something to some pass, until all have been drawn of enough.
func (c *clients) client(client int) {
	s := c.nodes[client%len(c.nodes)]
	for range historyPasses * historyDraws / 4 {
		p := rand.IntN(historyPasses)
		switch rand.IntN(12) {
		case 0, 1, 2:
			c.ask(client, s, p)
		case 3, 4, 5:
			c.revoked(client, s, p)
		case 6:
			if rand.IntN(8) == 0 {
				c.revoke(client, s, p)
			}
		default:
			if token := int(c.tokens[p].Add(1)) - 1; token < historyDraws {
				c.draw(client, s, p, token)
			}
		}
		time.Sleep(rand.N(4 * time.Millisecond))
	}
}

func (c *clients) budget(p int) state.Budget {
	return state.Budget{Pass: c.ids[p], Uses: historyUses, Size: historySize, ETag: "e", Ends: ends()}
}

func (c *clients) count(p int) state.Count {
	return state.Count{Pass: c.ids[p], Uses: historyUses, Ends: ends()}
}

// draw draws and, some time later, ends it.
func (c *clients) draw(client int, s *state.State, p, number int) {
	token, err := s.NewToken()
	if err != nil {
		c.t.Error(err)
	}
	in := input{op: opDraw, pass: p, token: number, bytes: 1}
	call := c.history.now()
	if c.uploads {
		err = s.Reserve(context.Background(), c.count(p), token)
	} else {
		in.bytes = 1 + rand.IntN(historySize)
		err = s.Draw(context.Background(), c.budget(p), token, int64(in.bytes), int64(in.bytes))
	}
	out := c.outcome(err)
	c.history.add(client, in, out, call, c.history.now())
	switch out {
	case outUnknown: // the node itself sees to its end
		c.history.add(client, input{op: opEnd, pass: p, token: number}, outUnknown, call, 0)
	case outOK:
		time.Sleep(rand.N(5 * time.Millisecond))
		c.end(client, s, token, in)
	}
}

// end ends a draw of which some was sent.
func (c *clients) end(client int, s *state.State, token state.Token, drawn input) {
	in := drawn
	in.op, in.bytes = opEnd, rand.IntN(drawn.bytes+1)
	call := c.history.now()
	begin := in
	begin.op = opBegin
	c.history.add(client, begin, outOK, call, call)
	var err error
	if c.uploads {
		err = s.Release(context.Background(), c.count(in.pass), token, in.bytes == 1)
	} else {
		err = s.Settle(context.Background(), c.budget(in.pass), token, int64(in.bytes), false)
	}
	out := outOK
	if err != nil {
		out = outUnknown
		c.unknown.Add(1)
	}
	c.history.add(client, in, out, call, c.history.now())
}

// outcome tells what an error of a draw says of what has happened.
func (c *clients) outcome(err error) int {
	switch {
	case err == nil:
		return outOK
	case errors.Is(err, state.ErrExhausted):
		return outExhausted
	case errors.Is(err, state.ErrHeld):
		return outNo
	}
	c.unknown.Add(1)
	return outUnknown
}

// ask asks whether a pass is used up.
func (c *clients) ask(client int, s *state.State, p int) {
	call := c.history.now()
	var yes bool
	var err error
	if c.uploads {
		yes, err = s.WritesSpent(context.Background(), c.count(p))
	} else {
		yes, err = s.DownloadsSpent(context.Background(), c.budget(p))
	}
	if err == nil {
		c.history.add(client, input{op: opAsk, pass: p}, answer(yes), call, c.history.now())
	}
}

func answer(yes bool) int {
	if yes {
		return outOK
	}
	return outNo
}

// revoke revokes a pass. Its node knows at once.
func (c *clients) revoke(client int, s *state.State, p int) {
	in := input{op: opRevoke, pass: p}
	call := c.history.now()
	_, err := s.Revoke(context.Background(), state.Revocation{Pass: c.ids[p]})
	out := outOK
	if err != nil {
		out = outUnknown
	}
	c.history.add(client, in, out, call, c.history.now())
	if err != nil {
		return
	}
	call = c.history.now()
	_, revoked := s.Revoked(&state.Subject{Pass: c.ids[p]})
	c.history.add(client, input{op: opRevoked, pass: p}, answer(revoked), call, c.history.now())
}

// revoked asks whether a pass is revoked. The answer may be as old as the last
// contact with state, and as a second.
func (c *clients) revoked(client int, s *state.State, p int) {
	call := c.history.now()
	known := min(call-int64(c.history.staleness), int64(s.LastContact().Sub(c.history.start)))
	_, revoked := s.Revoked(&state.Subject{Pass: c.ids[p]})
	c.history.add(client, input{op: opRevoked, pass: p}, answer(revoked), known, c.history.now())
}
