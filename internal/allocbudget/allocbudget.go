// Package allocbudget holds operations to the number of allocations that
// budget.json allows them. Time differs between machines and runs, allocations
// do not, so they tell of a change that makes everything slower.
package allocbudget

import (
	_ "embed"
	"encoding/json"
	"testing"
)

//go:embed budget.json
var budget []byte

// runs is how often an operation is done, so that what is allocated once, or at
// each collection of garbage, does not count.
const runs = 1000

// Check fails the test where op allocates more often than the budget of its
// name allows, and where it allocates so much less that the budget should
// follow. Without a budget it says what it would be.
func Check(t *testing.T, name string, op func()) {
	t.Helper()
	if Instrumented {
		t.Skip("the race detector allocates by itself; make allocations runs without it")
	}
	var allowed map[string]int
	if err := json.Unmarshal(budget, &allowed); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		op() // fills pools and caches
	}
	got := int(testing.AllocsPerRun(runs, op))
	most, ok := allowed[name]
	for range 3 {
		if got > most { // others in the process may have allocated
			got = min(got, int(testing.AllocsPerRun(runs, op)))
		}
	}
	switch {
	case !ok:
		t.Errorf("internal/allocbudget/budget.json has no %q, which allocates %d times", name, got)
	case got > most:
		t.Errorf("%s allocates %d times, and internal/allocbudget/budget.json allows %d", name, got, most)
	case got < most-slack(most):
		t.Errorf("%s allocates %d times only: make its %d in internal/allocbudget/budget.json smaller", name, got, most)
	}
}

// slack is by how much an operation may stay below its budget.
func slack(most int) int { return 1 + most/10 }
