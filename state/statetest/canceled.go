package statetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/daypass/daypass/state"
)

// testCanceled checks that nothing is done for a context that has ended.
func testCanceled(t *testing.T, d state.Driver) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range canceledCalls(ctx, t, d) {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", name, err)
		}
	}
	// The driver works on, and nothing was stored.
	insert(t, d, key("late"))
	wantEntry(t, d, "late", nil)
	wantVersions(t, d, 0)
	wantPass(t, d, "late", nil)
	if err := d.InsertLink(t.Context(), link("late")); err != nil {
		t.Error(err)
	}
}

func canceledCalls(ctx context.Context, t *testing.T, d state.Driver) map[string]func() error {
	return map[string]func() error{
		"Key":       func() error { _, err := d.Key(ctx, "any"); return err },
		"Entry":     func() error { _, err := d.Entry(ctx, "any"); return err },
		"InsertKey": func() error { return d.InsertKey(ctx, key("late")) },
		"UpdateEntry": func() error {
			return d.UpdateEntry(ctx, "late", func(*state.EntryRecord) (*state.EntryRecord, error) {
				t.Error("change was called")
				return &state.EntryRecord{ID: "late"}, nil
			})
		},
		"InsertRevocation": func() error {
			_, err := d.InsertRevocation(ctx, revocation("late"))
			return err
		},
		"AddPasses":   func() error { return d.AddPasses(ctx, []state.PassRecord{pass("late")}) },
		"InsertLink":  func() error { return d.InsertLink(ctx, link("late")) },
		"ExpireLinks": func() error { _, err := d.ExpireLinks(ctx, time.Now(), 1); return err },
	}
}
