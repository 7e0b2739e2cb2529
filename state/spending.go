package state

import (
	"context"
	"strings"
)

// A Spending is what the ledger says of a pass: what other nodes do at the moment
// may be missing.
type Spending struct {
	// Budgets is how many objects were downloaded from, Drawn the bytes of
	// them that are gone or on their way, and Under the bytes on their way.
	Budgets      int
	Drawn, Under int64
	// Used is how many writes succeeded.
	Used int64
	// Outstanding counts the responses and uploads under way.
	Outstanding int
	// More says that there is more than was looked at.
	More bool
}

// maxSpendingEntries is how many entries of a pass Spending looks at.
const maxSpendingEntries = 1000

// Spending returns what is drawn of a pass.
func (s *State) Spending(ctx context.Context, pass string) (sum Spending, err error) {
	const op = "state.Spending"
	// Before the entries: what is written in between is in both, which counts
	// once.
	waiting := s.settling.ofPass(pass)
	entries, err := s.driver.PassEntries(ctx, pass, "", maxSpendingEntries+1)
	if err != nil {
		return sum, failed(op, err)
	}
	if sum.More = len(entries) > maxSpendingEntries; sum.More {
		entries = entries[:maxSpendingEntries]
	}
	for i := range entries {
		if err := sum.add(pass, &entries[i], waiting[entries[i].ID]); err != nil {
			return sum, failed(op, err)
		}
	}
	return sum, nil
}

// add adds an entry, with what was settled of it and is not yet written.
func (sum *Spending) add(pass string, e *EntryRecord, done []settlement) error {
	kind, _ := strings.CutPrefix(e.ID, pass+"/")
	switch {
	case strings.HasPrefix(kind, string(rune(kindBudget))):
		l, err := openLedger(e.Data, nil)
		if err != nil {
			return err
		}
		l.settle(done)
		sum.Budgets++
		sum.Drawn += l.drawn
		for i := range l.draws {
			sum.Under += l.draws[i].bytes
		}
		sum.Outstanding += len(l.draws)
	case strings.HasPrefix(kind, string(rune(kindCount))):
		v, err := openTally(e.Data)
		if err != nil {
			return err
		}
		v.release(done)
		sum.Used += v.used
		sum.Outstanding += len(v.holders)
	}
	return nil
}
