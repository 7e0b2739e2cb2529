package ledgertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/daypass/daypass/state"
)

// sizes are sizes of objects around which rules change.
func sizes() []int64 { return []int64{0, 1, 3, 4, 5, 100, 4097, 1 << 20, 3<<20 + 1} }

// A greedy scenario is one set of clients that take what they can get.
type greedy struct {
	budget                        state.Budget
	clients, nodes, requests      int
	fail, lose, delay, crashAfter int
	seed                          uint64
	handed                        atomic.Int64
	wholes                        atomic.Int64
}

// testGreedy has many clients of several nodes take what they can get, with
// every trick: whatever happens, no more bytes are handed over than the uses
// and the allowance make.
func testGreedy(t *testing.T, d state.Driver) {
	rapid.Check(struct{ testing.TB }{t}, func(r *rapid.T) { // synctest has no deadline to ask for
		g := &greedy{
			budget: state.Budget{
				Uses: rapid.Int64Range(1, 4).Draw(r, "uses"),
				Size: rapid.SampledFrom(sizes()).Draw(r, "size"),
				ETag: "e", Ends: ends(),
			},
			clients:    rapid.IntRange(1, 8).Draw(r, "clients"),
			nodes:      rapid.IntRange(1, 3).Draw(r, "nodes"),
			requests:   rapid.IntRange(1, 8).Draw(r, "requests"),
			fail:       rapid.SampledFrom([]int{0, 0, 20, 60}).Draw(r, "fail"),
			lose:       rapid.SampledFrom([]int{0, 0, 20, 60}).Draw(r, "lose"),
			delay:      rapid.SampledFrom([]int{0, 30}).Draw(r, "delay"),
			crashAfter: rapid.IntRange(0, 10).Draw(r, "crashAfter"),
			seed:       rapid.Uint64().Draw(r, "seed"),
		}
		g.run(t, r, d)
	})
}

func (g *greedy) run(t *testing.T, r *rapid.T, d state.Driver) {
	nodes := make([]*node, g.nodes)
	for i := range nodes {
		nodes[i] = start(t, d, state.Options{})
		defer nodes[i].stop(t)
		nodes[i].faults.Set(g.fail, g.lose, g.delay)
	}
	g.budget.Pass = pass(t, nodes[0])
	var wg sync.WaitGroup
	var done atomic.Int64
	for i := range g.clients {
		rng := rand.New(rand.NewPCG(g.seed, uint64(i)))
		wg.Go(func() {
			for range g.requests {
				if n := int(done.Add(1)); n == g.crashAfter {
					nodes[0].faults.Crash()
				}
				g.request(t, nodes[rng.IntN(len(nodes))], rng)
			}
		})
	}
	wg.Wait()
	b := &g.budget
	if most := b.Uses * (b.Size + allowance(b.Size)); g.handed.Load() > most {
		r.Fatalf("%d bytes handed over of at most %d", g.handed.Load(), most)
	}
	if b.Size == 0 && g.wholes.Load() > b.Uses {
		r.Fatalf("%d copies of an empty object for %d uses", g.wholes.Load(), b.Uses)
	}
}

// request is one response: a whole one or a range, in chunks, which may break
// anywhere, be settled twice, or not at all.
func (g *greedy) request(t *testing.T, n *node, rng *rand.Rand) {
	length, fits := g.budget.Size, g.budget.Size
	if length > 0 && rng.IntN(2) == 0 {
		length = 1 + rng.Int64N(length)
		fits = 0
	}
	chunk := max(1, length/int64(1+rng.IntN(4)))
	token := n.token(t)
	var drawn, sent int64
	for sent < length || drawn == 0 {
		total := min(length, drawn+chunk)
		if !g.draw(n, token, total, max(fits, total), rng) {
			break
		}
		drawn = max(total, 1)
		if rng.IntN(4) == 0 && total > sent { // breaks off
			sent += rng.Int64N(total - sent)
			break
		}
		sent = total
	}
	whole := drawn > 0 && sent == length
	g.handed.Add(sent)
	if whole {
		g.wholes.Add(1)
	}
	if rng.IntN(10) == 0 {
		return // never settled
	}
	for range 1 + rng.IntN(2) {
		n.Settle(context.Background(), g.budget, token, sent, whole)
	}
}

// draw draws, again when the outcome is unknown.
func (g *greedy) draw(n *node, token state.Token, total, fits int64, rng *rand.Rand) bool {
	for range 1 + rng.IntN(3) {
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		err := n.Draw(ctx, g.budget, token, total, fits)
		cancel()
		if err == nil {
			return true
		}
	}
	return false
}

func testHonest(t *testing.T, d state.Driver) {
	for seed := range uint64(40) {
		honest(t, d, seed, 0, 0)
	}
}

func testHonestWithFaults(t *testing.T, d state.Driver) {
	for seed := range uint64(20) {
		honest(t, d, 100+seed, 10, 15)
	}
}

// An honestClient wants one copy, over connections that break. Of what a
// broken response sent, it loses no more than its allowance in all.
type honestClient struct {
	budget state.Budget
	nodes  []*node
	rng    *rand.Rand
	lose   int64
	got    int64
}

// honest has as many clients as there are uses fetch one copy each.
func honest(t *testing.T, d state.Driver, seed uint64, fail, lose int) {
	rng := rand.New(rand.NewPCG(seed, 0))
	nodes := make([]*node, 1+rng.IntN(2))
	for i := range nodes {
		nodes[i] = start(t, d, state.Options{})
		defer nodes[i].stop(t)
		nodes[i].faults.Set(fail, lose, 10)
	}
	b := state.Budget{Pass: pass(t, nodes[0]), Uses: 1 + rng.Int64N(5), Size: sizes()[rng.IntN(len(sizes()))], ETag: "e", Ends: ends()}
	var wg sync.WaitGroup
	for i := range b.Uses {
		c := &honestClient{budget: b, nodes: nodes, rng: rand.New(rand.NewPCG(seed, uint64(1+i))), lose: allowance(b.Size)}
		wg.Go(func() {
			if err := c.fetch(t); err != nil {
				t.Errorf("seed %d, %d uses of %d bytes: client %d has %d: %v", seed, b.Uses, b.Size, i, c.got, err)
			}
		})
	}
	wg.Wait()
}

func (c *honestClient) fetch(t *testing.T) error {
	for tries := 0; ; tries++ {
		done, err := c.request(t)
		switch {
		case done:
			return nil
		case errors.Is(err, state.ErrExhausted), errors.Is(err, state.ErrChanged):
			return err
		case err != nil && tries > 200:
			return fmt.Errorf("gave up: %w", err)
		case err != nil:
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// request asks for what is missing and reports whether it all came.
func (c *honestClient) request(t *testing.T) (done bool, err error) {
	n := c.nodes[c.rng.IntN(len(c.nodes))]
	token := n.token(t)
	length := c.budget.Size - c.got
	chunk := max(1, length/int64(1+c.rng.IntN(4)))
	fits := length
	if c.got > 0 {
		fits = min(length, chunk)
	}
	var sent, drawn int64
	for drawn == 0 || sent < length {
		total := min(length, drawn+chunk)
		if err = n.Draw(context.Background(), c.budget, token, total, max(fits, total)); err != nil {
			break
		}
		drawn = max(total, 1)
		if c.rng.IntN(5) == 0 && total > sent {
			sent += c.rng.Int64N(total - sent)
			break
		}
		sent = total
	}
	whole := drawn > 0 && sent == length
	if drawn > 0 {
		n.Settle(context.Background(), c.budget, token, sent, whole) // written later, if it fails
	}
	lost := int64(0)
	if most := min(c.lose, sent); !whole && most > 0 {
		lost = c.rng.Int64N(most + 1)
	}
	c.lose -= lost
	c.got += sent - lost
	return whole, err
}
