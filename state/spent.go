package state

import (
	"context"
	"errors"
)

// DownloadsSpent reports whether nothing is left of a budget, nor can come back
// from outstanding draws. Unlike Exhausted it waits for nobody, and another
// object has nothing to do with the budget.
func (s *State) DownloadsSpent(ctx context.Context, b Budget) (bool, error) {
	const op = "state.DownloadsSpent"
	if err := b.check(); err != nil {
		return false, failed(op, err)
	}
	within, _, err := s.leftOf(ctx, &b)
	if errors.Is(err, ErrChanged) {
		return false, nil
	}
	if err != nil {
		return false, failed(op, err)
	}
	return within == 0, nil
}

// WritesSpent reports whether all uses of a count are gone for good.
func (s *State) WritesSpent(ctx context.Context, c Count) (bool, error) {
	const op = "state.WritesSpent"
	if err := c.check(); err != nil {
		return false, failed(op, err)
	}
	id := c.ref().id
	done := s.settling.of(id) // before the entry, which may get it meanwhile
	data, err := s.data(ctx, id)
	if err != nil {
		return false, failed(op, err)
	}
	v, err := openTally(data)
	if err != nil {
		return false, failed(op, err)
	}
	v.release(done)
	return v.used >= c.Uses, nil
}
