package ledgertest

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

// testUploadRace has a thousand clients of three nodes try a one-time upload
// until they are refused for good: exactly one succeeds.
func testUploadRace(t *testing.T, d state.Driver) {
	for _, faults := range []int{0, 20} {
		var nodes [3]*node
		for i := range nodes {
			nodes[i] = start(t, d, state.Options{})
			defer nodes[i].stop(t)
			nodes[i].faults.Set(faults, faults, 0)
		}
		c := state.Count{Pass: pass(t, nodes[0]), Uses: 1, Ends: ends()}
		var stored, busy atomic.Int64
		var wg sync.WaitGroup
		for i := range 1000 {
			wg.Go(func() {
				switch upload(t, nodes[i%len(nodes)], c, i%3 == 0) {
				case nil:
					stored.Add(1)
				default:
					busy.Add(1)
				}
			})
		}
		wg.Wait()
		if stored.Load() != 1 || busy.Load() != 999 {
			t.Errorf("with %d %% faults: %d of 1000 racers stored something", faults, stored.Load())
		}
	}
}

// upload tries to store something until the pass is used up. A clumsy client
// fails at first, and nothing is stored.
func upload(t *testing.T, n *node, c state.Count, clumsy bool) error {
	for {
		token := n.token(t)
		err := n.Reserve(context.Background(), c, token)
		switch {
		case err == nil && clumsy:
			n.Release(context.Background(), c, token, false)
			clumsy = false
		case err == nil:
			time.Sleep(rand.N(5 * time.Millisecond))
			n.Release(context.Background(), c, token, true)
			return nil
		case errors.Is(err, state.ErrExhausted):
			return err
		default:
			time.Sleep(10*time.Millisecond + rand.N(40*time.Millisecond))
		}
	}
}

// testUploadFailures checks that a use is gone when something was stored, or
// may have been, and only then.
func testUploadFailures(t *testing.T, d state.Driver) {
	n := start(t, d, state.Options{})
	defer n.stop(t)
	ctx := context.Background()
	c := state.Count{Pass: pass(t, n), Uses: 2, Ends: ends()}
	first, second, third := n.token(t), n.token(t), n.token(t)
	must(t, "Reserve", n.Reserve(ctx, c, first), nil)
	must(t, "Reserve again", n.Reserve(ctx, c, first), nil)
	must(t, "Reserve", n.Reserve(ctx, c, second), nil)
	err := n.Reserve(ctx, c, third)
	must(t, "Reserve while all are held", err, state.ErrHeld)
	code(t, "Reserve while all are held", err, daypass.ServiceUnavailable)
	if _, ok := state.RetryAfter(err); !ok {
		t.Error("no time to retry after")
	}
	for range 2 {
		must(t, "Release", n.Release(ctx, c, first, false), nil)
	}
	must(t, "Reserve what was given back", n.Reserve(ctx, c, third), nil)
	must(t, "Release", n.Release(ctx, c, third, true), nil)
	must(t, "Release the other way", n.Release(ctx, c, third, false), nil)
	must(t, "Reserve while one is held and one used", n.Reserve(ctx, c, n.token(t)), state.ErrHeld)
	must(t, "Release", n.Release(ctx, c, second, true), nil)
	err = n.Reserve(ctx, c, n.token(t))
	must(t, "Reserve when all are used", err, state.ErrExhausted)
	code(t, "Reserve when all are used", err, daypass.AccessDenied)
	updates := n.faults.Updates()
	for range 100 {
		must(t, "Reserve when all are used", n.Reserve(ctx, c, n.token(t)), state.ErrExhausted)
	}
	if u := n.faults.Updates() - updates; u > 1 {
		t.Errorf("100 attempts on a used-up pass cost %d changes", u)
	}
}

// testReserveAfterFailure checks that a reservation whose reply was lost is
// given back, and one whose node crashed is not.
func testReserveAfterFailure(t *testing.T, d state.Driver) {
	n := start(t, d, state.Options{})
	defer n.stop(t)
	ctx := context.Background()
	c := state.Count{Pass: pass(t, n), Uses: 1, Ends: ends()}
	n.faults.Set(0, 100, 0)
	code(t, "Reserve", n.Reserve(ctx, c, n.token(t)), daypass.InternalError)
	n.faults.Set(0, 0, 0)
	waitFor(t, "the reservation to be given back", func() bool {
		token := n.token(t)
		return n.Reserve(ctx, c, token) == nil && n.Release(ctx, c, token, false) == nil
	})
	other := start(t, d, state.Options{})
	must(t, "Reserve", other.Reserve(ctx, c, n.token(t)), nil)
	other.faults.Crash()
	other.stop(t)
	must(t, "Reserve after a crash", n.Reserve(ctx, c, n.token(t)), state.ErrHeld)
}
