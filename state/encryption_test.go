package state_test

import (
	"context"
	"testing"
	"time"

	"github.com/daypass/daypass/state"
)

// settingsOnly is a driver that has settings.
type settingsOnly struct {
	*memory
}

func (d settingsOnly) Setting(_ context.Context, name string) ([]byte, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.settings[name], nil
}

func (d settingsOnly) SetSetting(_ context.Context, name string, value []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.settings[name] = value
	return nil
}

func TestEncryption(t *testing.T) {
	now := time.Date(2026, 2, 6, 12, 0, 0, 0, time.UTC)
	d := settingsOnly{newMemory()}
	open := func() *state.State {
		s, err := state.Open(t.Context(), d, state.MasterKey{1}, state.Options{Clock: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	one, other := open(), open()
	generation := func(s *state.State) uint32 {
		t.Helper()
		e, err := s.Encryption(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return e.Generation
	}
	if generation(one) != 1 || generation(other) != 1 {
		t.Error("the first wrapping key is not that of generation 1")
	}
	e, _ := one.Encryption(t.Context())
	if err := one.SetEncryption(t.Context(), e.Begin(now)); err != nil {
		t.Fatal(err)
	}
	if generation(one) != 2 {
		t.Error("a rotation does not show at once where it was begun")
	}
	now = now.Add(time.Second)
	if generation(other) != 2 {
		t.Error("a rotation does not show elsewhere after a second")
	}
}

func TestEncryptionStep(t *testing.T) {
	now := time.Date(2026, 2, 6, 12, 0, 0, 0, time.UTC)
	e := state.Encryption{Generation: 4, Seen: 9, Ended: now}.Begin(now)
	for _, step := range []struct {
		next          []byte
		seen, changed int
		running       bool
	}{
		{[]byte("a"), 10, 3, true},
		{nil, 5, 0, true}, // the first pass has changed something
		{[]byte("a"), 10, 0, true},
		{nil, 5, 0, false},
	} {
		if e = e.Step(step.next, step.seen, step.changed, now); e.Running != step.running {
			t.Errorf("after %+v: running %v", step, e.Running)
		}
	}
	if again := e.Resume().Step(nil, 0, 0, now); !again.Running {
		t.Error("no other pass follows what a crash has interrupted")
	}
	if e.Generation != 5 || e.Seen != 30 || e.Rewrapped != 3 || !e.Ended.Equal(now) {
		t.Errorf("the rotation ended as %+v", e)
	}
}
