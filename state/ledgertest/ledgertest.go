// Package ledgertest tries to get more out of passes than they allow, and all
// that they allow, over any state driver: many clients and nodes at once,
// broken responses, lost replies, failures and crashes.
package ledgertest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

// A Scenario is one test of the ledger over a driver whose state may hold
// other passes' entries.
type Scenario struct {
	Name string
	Test func(t *testing.T, d state.Driver)
}

// Scenarios returns all scenarios. They can run under testing/synctest.
func Scenarios() []Scenario {
	return []Scenario{
		{"Greedy", testGreedy},
		{"Honest", testHonest},
		{"HonestWithFaults", testHonestWithFaults},
		{"UploadRace", testUploadRace},
		{"UploadFailures", testUploadFailures},
		{"DrawRepeated", testDrawRepeated},
		{"Promises", testPromises},
		{"SettleOnce", testSettleOnce},
		{"SettleAfterFailure", testSettleAfterFailure},
		{"ReserveAfterFailure", testReserveAfterFailure},
		{"Crash", testCrash},
		{"ChangedObject", testChangedObject},
		{"EmptyObject", testEmptyObject},
		{"Objects", testObjects},
		{"WaitForOthers", testWaitForOthers},
		{"Exhausted", testExhausted},
		{"Restore", testRestore},
		{"BindRace", testBindRace},
		{"MarkRace", testMarkRace},
		{"Spent", testSpent},
		{"PINAddressRace", testPINAddressRace},
		{"PINFailureRace", testPINFailureRace},
	}
}

// Run runs all scenarios. Each call of open returns a driver, which Run
// closes.
func Run(t *testing.T, open func(t *testing.T) state.Driver) {
	for _, c := range Scenarios() {
		t.Run(c.Name, func(t *testing.T) {
			d := open(t)
			defer func() {
				if err := d.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			}()
			c.Test(t, d)
		})
	}
}

// A node is one State among several over the same driver.
type node struct {
	*state.State
	faults *Faults
}

// start starts a node over a driver, which outlives it.
func start(t testing.TB, d state.Driver, o state.Options) *node {
	t.Helper()
	f := NewFaults(d)
	s, err := state.Open(context.Background(), f, state.MasterKey{1}, o)
	if err != nil {
		t.Fatal(err)
	}
	return &node{s, f}
}

// stop ends a node. It may have crashed.
func (n *node) stop(t testing.TB) {
	t.Helper()
	n.faults.Set(0, 0, 0)
	if err := n.Close(); err != nil && !n.faults.crashed.Load() {
		t.Errorf("Close: %v", err)
	}
}

func (n *node) token(t testing.TB) state.Token {
	token, err := n.NewToken()
	if err != nil {
		t.Error(err)
	}
	return token
}

// pass returns a pass id that no other scenario has.
func pass(t testing.TB, n *node) string {
	token := n.token(t)
	const letters = "abcdefghijklmnopqrstuvwxyz234567"
	id := make([]byte, 26)
	for i := range id {
		id[i] = letters[(token[i%16]>>(i/16))&31]
	}
	return string(id)
}

// must fails the test when an error is not the one that is wanted.
func must(t testing.TB, what string, err, want error) {
	t.Helper()
	if want == nil && err != nil || want != nil && !errors.Is(err, want) {
		t.Errorf("%s: %v, want %v", what, err, want)
	}
}

// code fails the test when an error has another code.
func code(t testing.TB, what string, err error, want daypass.Code) {
	t.Helper()
	if got := daypass.CodeOf(err); got != want {
		t.Errorf("%s: %v, want code %q", what, err, want)
	}
}

func ends() time.Time { return time.Now().Add(time.Hour) }

// allowance is what a use may lose in broken responses.
func allowance(size int64) int64 { return min(256<<10, size/4) }
