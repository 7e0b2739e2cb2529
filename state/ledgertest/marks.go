package ledgertest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

// testMarkRace has many claim to be the first: all are told of the same one,
// again and again, until the pass is restored.
func testMarkRace(t *testing.T, d state.Driver) {
	nodes := []*node{start(t, d, state.Options{}), start(t, d, state.Options{})}
	defer nodes[0].stop(t)
	defer nodes[1].stop(t)
	id := pass(t, nodes[0])
	ctx := context.Background()
	nodes[0].faults.Set(20, 20, 20)
	firsts := make([]string, 100)
	var wg sync.WaitGroup
	for i := range firsts {
		wg.Go(func() {
			for range 10 {
				first, err := nodes[i%2].MarkPass(ctx, id, "first-use", fmt.Sprint("claim ", i), ends())
				if err == nil {
					firsts[i] = first
					return
				}
			}
		})
	}
	wg.Wait()
	for i, first := range firsts {
		if first != firsts[0] || !strings.HasPrefix(first, "claim ") {
			t.Errorf("claim %d is told of %q, another one of %q", i, first, firsts[0])
		}
	}
	nodes[0].faults.Set(0, 0, 0)
	for _, other := range []string{"exhausted", "first-use "} {
		if first, err := nodes[1].MarkPass(ctx, id, other, "own", ends()); first != "own" || err != nil {
			t.Errorf("another kind: %q, %v", first, err)
		}
	}
	for _, bad := range [][3]string{{"", "k", "c"}, {id, "", "c"}, {id, "k", ""}, {id, "k", strings.Repeat("c", 256)}} {
		if _, err := nodes[0].MarkPass(ctx, bad[0], bad[1], bad[2], ends()); daypass.CodeOf(err) != daypass.InvalidArgument {
			t.Errorf("%q: %v", bad, err)
		}
	}
	_, err := nodes[0].RestorePass(ctx, id)
	must(t, "RestorePass", err, nil)
	if first, err := nodes[1].MarkPass(ctx, id, "first-use", "anew", ends()); first != "anew" || err != nil {
		t.Errorf("restored: %q, %v", first, err)
	}
}

// testSpent uses passes up: they are spent once nothing is left that could come
// back.
func testSpent(t *testing.T, d state.Driver) {
	n, b := one(t, d, 2, 100)
	defer n.stop(t)
	ctx := context.Background()
	c := state.Count{Pass: b.Pass, Uses: 1, Ends: b.Ends}
	want := func(what string, downloads, writes bool) {
		t.Helper()
		if spent, err := n.DownloadsSpent(ctx, b); spent != downloads || err != nil {
			t.Errorf("%s: downloads are spent: %v, %v", what, spent, err)
		}
		if spent, err := n.WritesSpent(ctx, c); spent != writes || err != nil {
			t.Errorf("%s: writes are spent: %v, %v", what, spent, err)
		}
	}
	want("unused", false, false)
	first, second, written := n.token(t), n.token(t), n.token(t)
	n.draw(t, b, first, 100, 100, nil)
	n.settle(t, b, first, 100, true)
	n.draw(t, b, second, 100, 100, nil)
	must(t, "Reserve", n.Reserve(ctx, c, written), nil)
	want("under way", false, false)
	n.settle(t, b, second, 100, true)
	must(t, "Release", n.Release(ctx, c, written, true), nil)
	want("used", true, true)
	other := b
	other.ETag = "another"
	if spent, err := n.DownloadsSpent(ctx, other); spent || err != nil {
		t.Errorf("another object: %v, %v", spent, err)
	}
	if _, err := n.DownloadsSpent(ctx, state.Budget{}); daypass.CodeOf(err) != daypass.InvalidArgument {
		t.Error(err)
	}
	if _, err := n.WritesSpent(ctx, state.Count{}); daypass.CodeOf(err) != daypass.InvalidArgument {
		t.Error(err)
	}
}
