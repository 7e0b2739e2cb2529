package state

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// TestUpkeepEnds: what the end of a State interrupts is no failure to tell of.
func TestUpkeepEnds(t *testing.T) {
	var log bytes.Buffer
	s := &State{upkeep: upkeep{log: slog.New(slog.NewTextHandler(&log, nil))}}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.note(ctx, "refresh", context.Canceled)
	s.note(ctx, "refresh", errors.New("connection closed"))
	if log.Len() > 0 {
		t.Errorf("it is logged: %s", &log)
	}
	s.note(t.Context(), "refresh", errors.New("connection closed"))
	if !strings.Contains(log.String(), "connection closed") {
		t.Errorf("a failure is not logged: %q", &log)
	}
}
