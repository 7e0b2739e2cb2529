package shards

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

// AddPasses implements state.PassDriver. Each shard writes its own; those of
// shards that fail are named in a *state.UnwrittenError.
func (d *Driver) AddPasses(ctx context.Context, seen []state.PassRecord) error {
	parts := make([][]state.PassRecord, len(d.shards))
	for i := range seen {
		if !validTexts(&seen[i]) {
			return &daypass.Error{Op: "shards.AddPasses", Code: daypass.InvalidArgument, Message: "text must be valid UTF-8 without NUL"}
		}
	}
	for _, p := range seen {
		i := place(p.ID, len(parts))
		parts[i] = append(parts[i], p)
	}
	var left []state.PassRecord
	var errs []error
	for i, s := range d.shards {
		if len(parts[i]) == 0 {
			continue
		}
		if err := s.call(ctx, func() error { return s.AddPasses(ctx, parts[i]) }); err != nil {
			left, errs = append(left, parts[i]...), append(errs, err)
		}
	}
	if len(left) == len(seen) {
		return errors.Join(errs...)
	}
	if len(left) > 0 {
		return &state.UnwrittenError{Passes: left, Err: errors.Join(errs...)}
	}
	return nil
}

// validTexts reports whether a shard would take a record, so that all of what is
// added is refused, as with one shard alone.
func validTexts(p *state.PassRecord) bool {
	for _, text := range []string{p.ID, p.Name, p.Key, p.Owner, p.Action, p.Bucket, p.Object, p.Limits} {
		if !utf8.ValidString(text) || strings.Contains(text, "\x00") {
			return false
		}
	}
	return true
}

// Pass implements state.PassDriver.
func (d *Driver) Pass(ctx context.Context, id string) (*state.PassRecord, error) {
	s := d.of(id)
	return ask(ctx, s, func() (*state.PassRecord, error) { return s.Pass(ctx, id) })
}

// ListPasses implements state.PassDriver. The shards' lists are merged in order.
func (d *Driver) ListPasses(ctx context.Context, f state.PassFilter, after string, max int) ([]state.PassRecord, error) {
	lists, err := all(ctx, d.shards, func(s *shard) ([]state.PassRecord, error) { return s.ListPasses(ctx, f, after, max) })
	if err != nil {
		return nil, err
	}
	return merge(lists, max, func(a, b state.PassRecord) int { return strings.Compare(a.ID, b.ID) }), nil
}

// ExpirePasses implements state.PassDriver.
func (d *Driver) ExpirePasses(ctx context.Context, t time.Time, max int) (int, error) {
	return d.expire(ctx, max, func(s *shard, max int) (int, error) { return s.ExpirePasses(ctx, t, max) })
}
