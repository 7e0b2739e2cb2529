package state_test

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/daypass/daypass/state"
)

func TestPINWaits(t *testing.T) {
	s, c := openMemory(t, newMemory(), state.Options{})
	p := state.PINTry{Pass: "p", Key: "k", Tag: "t", Addr: netip.MustParseAddr("192.0.2.1"), Ends: c.now().Add(1e6 * time.Second)}
	try := func(want time.Duration) {
		t.Helper()
		err := s.TryPIN(t.Context(), p)
		if wait, _ := state.RetryAfter(err); wait != want || (err != nil) != (want > 0) {
			t.Fatalf("wait %v (%v), want %v", wait, err, want)
		}
	}
	for range pinTries {
		try(0)
	}
	wait := time.Minute
	for range 15 {
		try(wait)
		c.advance(wait - time.Second)
		try(time.Second)
		c.advance(time.Second)
		try(0)
		wait = min(2*wait, 24*time.Hour)
	}
	if wait != 24*time.Hour {
		t.Errorf("the wait ends at %v", wait)
	}
	if err := s.AcceptPIN(t.Context(), p); err != nil { // the last one was right
		t.Error(err)
	}
	try(0)
	try(wait)
	c.advance(wait + time.Hour)
	for range pinTries {
		try(0)
	}
	try(time.Minute)
}

const pinTries = 10

// TestPINHour checks that tries spread over time need no wait, and that no
// hour has more than ten.
func TestPINHour(t *testing.T) {
	s, c := openMemory(t, newMemory(), state.Options{})
	p := state.PINTry{Pass: "p", Key: "k", Tag: "t", Addr: netip.MustParseAddr("2001:db8::1")}
	for i := range 90 {
		if err := s.TryPIN(t.Context(), p); err != nil {
			t.Fatalf("try %d: %v", i, err)
		}
		c.advance(6*time.Minute + time.Second)
	}
	let := 0
	for range 20 {
		if s.TryPIN(t.Context(), p) == nil {
			let++
		}
	}
	if let != 1 {
		t.Errorf("%d tries at once after nine in the last hour", let)
	}
	p.Addr = netip.MustParseAddr("2001:db8:0:1::1")
	if err := s.TryPIN(t.Context(), p); errors.Is(err, state.ErrPINWait) {
		t.Error("the next /64 has to wait too")
	}
}

// TestSharedFailuresAreKept checks that the failures of a PIN outlive the
// longest pass that has it.
func TestSharedFailuresAreKept(t *testing.T) {
	m := newMemory()
	s, c := openMemory(t, m, state.Options{})
	p := state.PINTry{Pass: "long", Key: "k", Tag: "t", Addr: netip.MustParseAddr("192.0.2.1"), Ends: c.now().Add(time.Hour)}
	end := p.Ends.Add(24 * time.Hour)
	for range 2 {
		if err := s.TryPIN(t.Context(), p); err != nil {
			t.Fatal(err)
		}
		p.Pass, p.Ends = "short", c.now().Add(time.Minute)
	}
	for id, e := range m.entries {
		if e.Pass == "" && !e.Expires.Equal(end) {
			t.Errorf("%s expires at %v, want %v", id, e.Expires, end)
		}
	}
}
