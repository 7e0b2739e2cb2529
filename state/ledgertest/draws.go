package ledgertest

import (
	"context"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

// draw draws and wants it to come out that way.
func (n *node) draw(t *testing.T, b state.Budget, token state.Token, total, fits int64, want error) {
	t.Helper()
	must(t, "Draw", n.Draw(context.Background(), b, token, total, fits), want)
}

func (n *node) settle(t *testing.T, b state.Budget, token state.Token, sent int64, whole bool) {
	t.Helper()
	must(t, "Settle", n.Settle(context.Background(), b, token, sent, whole), nil)
}

// left measures what is left of a budget by drawing it, and gives it back.
func (n *node) left(t *testing.T, b state.Budget) int64 {
	t.Helper()
	lo, hi := int64(0), b.Uses*max(b.Size, 1)
	for lo < hi {
		mid := hi - (hi-lo)/2
		token := n.token(t)
		ctx, cancel := context.WithTimeout(context.Background(), 150*time.Millisecond)
		if err := n.Draw(ctx, b, token, mid, mid); err == nil {
			n.settle(t, b, token, 0, false)
			lo = mid
		} else {
			hi = mid - 1
		}
		cancel()
	}
	return lo
}

func (n *node) wantLeft(t *testing.T, what string, b state.Budget, want int64) {
	t.Helper()
	if got := n.left(t, b); got != want {
		t.Errorf("%s: %d bytes left, want %d", what, got, want)
	}
}

// one starts a node and names a budget.
func one(t *testing.T, d state.Driver, uses, size int64) (*node, state.Budget) {
	n := start(t, d, state.Options{})
	return n, state.Budget{Pass: pass(t, n), Uses: uses, Size: size, ETag: "e", Version: "v", Ends: ends()}
}

// testDrawRepeated checks that a draw says how much a response holds, not how
// much more it wants.
func testDrawRepeated(t *testing.T, d state.Driver) {
	n, b := one(t, d, 2, 100)
	defer n.stop(t)
	token := n.token(t)
	for range 3 {
		n.draw(t, b, token, 30, 30, nil)
	}
	n.wantLeft(t, "after a draw of 30", b, 170)
	n.draw(t, b, token, 80, 80, nil)
	n.draw(t, b, token, 30, 30, nil)
	n.wantLeft(t, "after a total of 80", b, 120)
	n.faults.Set(0, 70, 0)
	other := n.token(t)
	for n.Draw(context.Background(), b, other, 50, 50) != nil {
		time.Sleep(10 * time.Millisecond)
	}
	n.faults.Set(0, 0, 0)
	waitFor(t, "what was given up to come back", func() bool { return n.left(t, b) == 70 })
	n.draw(t, b, n.token(t), 101, 201, state.ErrExhausted)
	part := n.token(t)
	n.draw(t, b, part, 70, 70, nil)
	n.settle(t, b, part, 70, true)
	n.draw(t, b, n.token(t), 131, 131, state.ErrExhausted)
	n.draw(t, b, token, 80, 200, nil) // admitted long ago
}

// testPromises checks that what a response was admitted with is kept for it, on
// its node, and that a crash costs no more than what it had drawn.
func testPromises(t *testing.T, d state.Driver) {
	n, b := one(t, d, 2, 100)
	token := n.token(t)
	n.draw(t, b, token, 30, 100, nil)
	n.wantLeft(t, "beside 30 of 100 drawn", b, 100)
	n.draw(t, b, token, 60, 60, nil)
	n.wantLeft(t, "beside 60 of 100 drawn", b, 100)
	n.draw(t, b, n.token(t), 1, 201, state.ErrExhausted)
	n.settle(t, b, token, 60, false)
	n.wantLeft(t, "after 60 were sent, 50 of them forgiven", b, 190)
	n.draw(t, b, n.token(t), 30, 100, nil)
	n.wantLeft(t, "beside another", b, 90)
	n.faults.Crash()
	n.stop(t)
	n = start(t, d, state.Options{})
	defer n.stop(t)
	n.wantLeft(t, "after a crash", b, 160)
}

// testSettleOnce checks what comes back, and that it does so once.
func testSettleOnce(t *testing.T, d state.Driver) {
	n, b := one(t, d, 2, 100) // an allowance of 25 per use
	defer n.stop(t)
	token := n.token(t)
	n.settle(t, b, token, 0, false)
	n.wantLeft(t, "before any draw", b, 200)
	n.draw(t, b, token, 90, 100, nil)
	for range 3 {
		n.settle(t, b, token, 40, false)
	}
	n.wantLeft(t, "after 40 of 90 were sent, all 40 of them forgiven", b, 200)
	token = n.token(t)
	n.draw(t, b, token, 100, 100, nil)
	n.settle(t, b, token, 30, false)
	n.wantLeft(t, "after 30 of 100 were sent, 10 of them forgiven", b, 180)
	token = n.token(t)
	n.draw(t, b, token, 100, 100, nil)
	n.settle(t, b, token, 1000, false)
	n.wantLeft(t, "after more was sent than was drawn", b, 80)
	token = n.token(t)
	n.draw(t, b, token, 50, 50, nil)
	n.settle(t, b, token, 50, true)
	n.settle(t, b, token, 0, false)
	n.wantLeft(t, "after a whole response", b, 30)
}

// testSettleAfterFailure checks that what could not be written is written
// later.
func testSettleAfterFailure(t *testing.T, d state.Driver) {
	n, b := one(t, d, 1, 100)
	defer n.stop(t)
	token, void := n.token(t), n.token(t)
	n.draw(t, b, token, 50, 50, nil)
	n.faults.Set(100, 0, 0)
	code(t, "Settle", n.Settle(context.Background(), b, token, 0, false), daypass.InternalError)
	n.faults.Set(0, 100, 0)
	code(t, "Draw", n.Draw(context.Background(), b, void, 20, 20), daypass.InternalError)
	code(t, "Draw with a token that has ended", n.Draw(context.Background(), b, void, 20, 20), daypass.ServiceUnavailable)
	n.faults.Set(0, 0, 0)
	waitFor(t, "settlements to be written", func() bool { return n.left(t, b) == 100 })
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for range 100 {
		if ok() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	t.Errorf("waited in vain for %s", what)
}

// testCrash checks that a draw outlives its node.
func testCrash(t *testing.T, d state.Driver) {
	n, b := one(t, d, 1, 100)
	n.draw(t, b, n.token(t), 60, 60, nil)
	n.faults.Crash()
	n.stop(t)
	n = start(t, d, state.Options{})
	defer n.stop(t)
	n.wantLeft(t, "after a crash", b, 40)
}

func testChangedObject(t *testing.T, d state.Driver) {
	n, b := one(t, d, 2, 100)
	defer n.stop(t)
	token := n.token(t)
	n.draw(t, b, token, 1, 1, nil)
	n.settle(t, b, token, 0, false)
	for what, change := range map[string]func(*state.Budget){
		"size":    func(b *state.Budget) { b.Size++ },
		"ETag":    func(b *state.Budget) { b.ETag = "f" },
		"version": func(b *state.Budget) { b.Version = "w" },
		"no ETag": func(b *state.Budget) { b.ETag, b.Version = "", "ev" },
	} {
		other := b
		change(&other)
		for range 2 {
			err := n.Draw(context.Background(), other, n.token(t), 1, 1)
			must(t, "Draw with another "+what, err, state.ErrChanged)
			code(t, "Draw with another "+what, err, daypass.AccessDenied)
		}
		_, err := n.Exhausted(context.Background(), other)
		must(t, "Exhausted with another "+what, err, state.ErrChanged)
	}
	n.wantLeft(t, "of the object of the first use", b, 200)
}

func testEmptyObject(t *testing.T, d state.Driver) {
	n, b := one(t, d, 2, 0)
	defer n.stop(t)
	for range 2 {
		token := n.token(t)
		n.draw(t, b, token, 0, 0, nil)
		n.settle(t, b, token, 0, true)
	}
	n.draw(t, b, n.token(t), 0, 0, state.ErrExhausted)
}

// testObjects checks that each object below a prefix has its own budget, even
// when one request draws from all of them, and reserves a use as well.
func testObjects(t *testing.T, d state.Driver) {
	n, b := one(t, d, 1, 10)
	defer n.stop(t)
	all := n.token(t)
	for _, object := range []string{"x", "y"} {
		b.Object = object
		n.draw(t, b, all, 10, 10, nil)
		n.settle(t, b, all, 10, true)
		n.draw(t, b, n.token(t), 1, 1, state.ErrExhausted)
	}
	c := state.Count{Pass: b.Pass, Uses: 1, Ends: b.Ends}
	must(t, "Reserve", n.Reserve(context.Background(), c, all), nil)
	must(t, "Reserve", n.Reserve(context.Background(), c, n.token(t)), state.ErrHeld)
	for _, object := range []string{"", "a", "b", "a/b", "b/a"} {
		b.Object = object
		token := n.token(t)
		n.draw(t, b, token, 10, 10, nil)
		n.settle(t, b, token, 10, true)
		n.draw(t, b, n.token(t), 1, 1, state.ErrExhausted)
	}
}

// testWaitForOthers checks who waits for outstanding draws: those who may get
// something from it.
func testWaitForOthers(t *testing.T, d state.Driver) {
	n, b := one(t, d, 1, 100)
	defer n.stop(t)
	other := start(t, d, state.Options{})
	defer other.stop(t)
	for _, settler := range []*node{n, other} {
		token, next := n.token(t), n.token(t)
		n.draw(t, b, token, 100, 100, nil)
		go func() {
			time.Sleep(50 * time.Millisecond)
			settler.Settle(context.Background(), b, token, 0, false)
		}()
		n.draw(t, b, next, 100, 100, nil)
		n.settle(t, b, next, 0, false)
	}
	token := n.token(t)
	n.draw(t, b, token, 60, 60, nil)
	began := time.Now()
	n.draw(t, b, n.token(t), 101, 101, state.ErrExhausted)
	if waited := time.Since(began); waited > time.Second {
		t.Errorf("waited %v for what could not be", waited)
	}
	err := n.Draw(context.Background(), b, n.token(t), 50, 50)
	must(t, "Draw while others hold", err, state.ErrHeld)
	code(t, "Draw while others hold", err, daypass.ServiceUnavailable)
	if _, ok := state.RetryAfter(err); !ok {
		t.Error("no time to retry after")
	}
	if waited := time.Since(began); waited < 1900*time.Millisecond || waited > 4*time.Second {
		t.Errorf("waited %v, want 2 s", waited)
	}
	n.settle(t, b, token, 60, true)
	n.draw(t, b, n.token(t), 50, 50, state.ErrExhausted)
	n.draw(t, b, n.token(t), 40, 40, nil)
}

// testExhausted checks that a used-up pass costs no state, and that nothing
// is said to be used up that may come back.
func testExhausted(t *testing.T, d state.Driver) {
	n, b := one(t, d, 1, 100)
	defer n.stop(t)
	want := func(what string, want bool) {
		t.Helper()
		if got, err := n.Exhausted(context.Background(), b); got != want || err != nil {
			t.Errorf("%s: exhausted %v, %v", what, got, err)
		}
	}
	want("before the first use", false)
	token := n.token(t)
	n.draw(t, b, token, 100, 100, nil)
	want("while a draw is outstanding", false)
	n.settle(t, b, token, 100, true)
	want("after the last use", true)
	n.draw(t, b, n.token(t), 1, 1, state.ErrExhausted)
	other := start(t, d, state.Options{})
	defer other.stop(t)
	for range 100 {
		other.draw(t, b, other.token(t), 1, 1, state.ErrExhausted)
	}
	if u := other.faults.Updates(); u > 5 { // the last settlement may still be on its way
		t.Errorf("100 draws of a used-up pass cost %d changes", u)
	}
	updates, reads := n.faults.Updates(), n.faults.Reads()
	for range 100 {
		n.draw(t, b, n.token(t), 1, 1, state.ErrExhausted)
		want("after the last use", true)
	}
	if u, r := n.faults.Updates()-updates, n.faults.Reads()-reads; u > 1 || r > 1 {
		t.Errorf("100 attempts on a used-up pass cost %d changes and %d reads", u, r)
	}
}

func testRestore(t *testing.T, d state.Driver) {
	n, b := one(t, d, 1, 100)
	defer n.stop(t)
	c := state.Count{Pass: b.Pass, Uses: 1, Ends: b.Ends}
	ctx := context.Background()
	for range 2 {
		token, written := n.token(t), n.token(t)
		n.draw(t, b, token, 100, 100, nil)
		n.settle(t, b, token, 100, true)
		n.draw(t, b, n.token(t), 1, 1, state.ErrExhausted)
		must(t, "Reserve", n.Reserve(ctx, c, written), nil)
		must(t, "Release", n.Release(ctx, c, written, true), nil)
		must(t, "Reserve", n.Reserve(ctx, c, n.token(t)), state.ErrExhausted)
		r, err := n.Revoke(ctx, state.Revocation{Pass: b.Pass, Expires: ends()})
		must(t, "Revoke", err, nil)
		subject := state.Subject{Pass: b.Pass, Key: "k"}
		if id, revoked := n.Revoked(&subject); !revoked || id != r.ID {
			t.Errorf("revoked by %q, %v", id, revoked)
		}
		if lifted, err := n.RestorePass(ctx, b.Pass); lifted != 1 || err != nil {
			t.Errorf("RestorePass: %d, %v", lifted, err)
		}
		if id, revoked := n.Revoked(&subject); revoked {
			t.Errorf("still revoked by %q", id)
		}
	}
	n.wantLeft(t, "after RestorePass", b, 100)
}
