package ledgertest

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

// testBindRace has many addresses use a pass first: one owns it.
func testBindRace(t *testing.T, d state.Driver) {
	nodes := []*node{start(t, d, state.Options{}), start(t, d, state.Options{})}
	defer nodes[0].stop(t)
	defer nodes[1].stop(t)
	id := pass(t, nodes[0])
	ctx := context.Background()
	if a, err := nodes[0].Bound(ctx, id); a.IsValid() || err != nil {
		t.Errorf("bound before the first use to %v, %v", a, err)
	}
	nodes[0].faults.Set(20, 20, 20)
	owners := make([]netip.Addr, 200)
	var wg sync.WaitGroup
	for i := range owners {
		wg.Go(func() {
			addr := netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})
			for range 10 {
				owner, err := nodes[i%2].Bind(ctx, id, addr, ends())
				if err == nil {
					owners[i] = owner
					return
				}
			}
		})
	}
	wg.Wait()
	for i, owner := range owners {
		if owner != owners[0] || !owner.IsValid() {
			t.Errorf("client %d sees the owner %v, another one %v", i, owner, owners[0])
		}
	}
	mapped := netip.AddrFrom16(owners[0].As16())
	for _, n := range nodes {
		if owner, err := n.Bind(ctx, id, mapped, ends()); owner != owners[0] || err != nil {
			t.Errorf("mapped: %v, %v", owner, err)
		}
		if owner, err := n.Bound(ctx, id); owner != owners[0] || err != nil {
			t.Errorf("Bound: %v, %v", owner, err)
		}
	}
	if _, err := nodes[0].Bind(ctx, id, netip.Addr{}, ends()); daypass.CodeOf(err) != daypass.InvalidArgument {
		t.Errorf("Bind to no address: %v", err)
	}
	nodes[0].faults.Set(0, 0, 0)
	_, err := nodes[0].RestorePass(ctx, id)
	must(t, "RestorePass", err, nil)
	next := netip.MustParseAddr("::ffff:203.0.113.9")
	if owner, err := nodes[0].Bind(ctx, id, next, ends()); owner != next.Unmap() || err != nil {
		t.Errorf("after RestorePass bound to %v, %v", owner, err)
	}
}

// tryAll tries PINs at the same time and returns how many were let through,
// and how often each refusal came.
func tryAll(t *testing.T, n *node, tries []state.PINTry) (let, wait, locked int64) {
	var count [3]atomic.Int64
	var wg sync.WaitGroup
	for _, p := range tries {
		wg.Go(func() {
			err := n.TryPIN(context.Background(), p)
			switch {
			case err == nil:
				count[0].Add(1)
			case errors.Is(err, state.ErrPINWait):
				code(t, "too many tries", err, daypass.SlowDown)
				if d, ok := state.RetryAfter(err); !ok || d <= 0 || d > time.Minute {
					t.Errorf("retry after %v, %v", d, ok)
				}
				count[1].Add(1)
			case errors.Is(err, state.ErrPINLocked):
				code(t, "locked", err, daypass.AccessDenied)
				count[2].Add(1)
			default:
				t.Errorf("TryPIN: %v", err)
			}
		})
	}
	wg.Wait()
	return count[0].Load(), count[1].Load(), count[2].Load()
}

// testPINAddressRace has one address try at many connections at once: ten
// tries are let through, and right ones are given back.
func testPINAddressRace(t *testing.T, d state.Driver) {
	n := start(t, d, state.Options{})
	defer n.stop(t)
	p := state.PINTry{Pass: pass(t, n), Key: "key", Tag: pass(t, n), Ends: ends()}
	network := netip.MustParseAddr("2001:db8::").As16()
	var tries []state.PINTry
	for i := range 50 {
		network[15] = byte(i) // another address of the same customer
		p.Addr = netip.AddrFrom16(network)
		tries = append(tries, p)
	}
	if let, wait, _ := tryAll(t, n, tries); let != 10 || wait != 40 {
		t.Errorf("%d tries were let through, %d told to wait", let, wait)
	}
	p.Addr = netip.MustParseAddr("192.0.2.1")
	for range 30 {
		must(t, "TryPIN", n.TryPIN(context.Background(), p), nil)
		must(t, "AcceptPIN", n.AcceptPIN(context.Background(), p), nil)
	}
	if let, _, _ := tryAll(t, n, tries[:1]); let != 0 {
		t.Error("another address's right PIN gave tries back")
	}
}

// testPINFailureRace has many addresses try, over two passes with the same
// PIN: a hundred tries are let through, and then the PIN is locked.
func testPINFailureRace(t *testing.T, d state.Driver) {
	n := start(t, d, state.Options{})
	defer n.stop(t)
	passes := []string{pass(t, n), pass(t, n)}
	p := state.PINTry{Key: "key", Tag: pass(t, n), Ends: ends()}
	var tries []state.PINTry
	for i := range 300 {
		p.Pass = passes[i%2]
		p.Addr = netip.AddrFrom4([4]byte{198, 51, 100, byte(i)})
		tries = append(tries, p)
	}
	if let, _, locked := tryAll(t, n, tries); let != 100 || locked != 200 {
		t.Errorf("%d tries were let through, %d found it locked", let, locked)
	}
	p.Addr = netip.MustParseAddr("203.0.113.1")
	must(t, "TryPIN", n.TryPIN(context.Background(), p), state.ErrPINLocked)
	_, err := n.RestorePass(context.Background(), p.Pass)
	must(t, "RestorePass", err, nil)
	must(t, "TryPIN", n.TryPIN(context.Background(), p), nil)
	must(t, "AcceptPIN", n.AcceptPIN(context.Background(), p), nil)
}
