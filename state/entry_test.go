package state_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

// used returns a driver with an entry of each kind.
func used(t *testing.T) (*memory, *state.State, state.Budget, state.Count, state.PINTry) {
	m := newMemory()
	s, c := openMemory(t, m, state.Options{})
	b := state.Budget{Pass: "pass", Object: "a/../b\x00", Uses: 3, Size: 10, Ends: c.now().Add(time.Hour)}
	n := state.Count{Pass: "pass", Uses: 3, Ends: b.Ends}
	p := state.PINTry{Pass: "pass", Key: "k", Tag: "t", Addr: netip.MustParseAddr("192.0.2.1"), Ends: b.Ends}
	for range 2 {
		token, err := s.NewToken()
		if err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{
			"Draw": s.Draw(t.Context(), b, token, 10, 10), "Reserve": s.Reserve(t.Context(), n, token), "TryPIN": s.TryPIN(t.Context(), p),
		} {
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
		}
	}
	if _, err := s.Bind(t.Context(), "pass", p.Addr, b.Ends); err != nil {
		t.Fatal(err)
	}
	return m, s, b, n, p
}

func TestEntries(t *testing.T) {
	m, _, b, _, _ := used(t)
	if len(m.entries) != 6 {
		t.Errorf("%d entries", len(m.entries))
	}
	for id, e := range m.entries {
		if shared := e.Pass == ""; !shared && (e.Pass != "pass" || !strings.HasPrefix(id, "pass/")) || id != e.ID || strings.ContainsAny(id, "\x00.") {
			t.Errorf("entry %q is called %q, of pass %q", id, e.ID, e.Pass)
		}
		if !e.Expires.Equal(b.Ends.Add(24 * time.Hour)) {
			t.Errorf("%q expires at %v", id, e.Expires)
		}
		if len(id) > 64 || len(e.Data) > 100 {
			t.Errorf("%q has %d bytes", id, len(e.Data))
		}
	}
}

// TestDamagedEntries checks that nothing is granted from an entry that is cut,
// longer, of another version or of another kind.
func TestDamagedEntries(t *testing.T) {
	good, _, _, _, _ := used(t)
	for id, e := range good.entries {
		damaged := [][]byte{{}, append(bytes.Clone(e.Data), 0)}
		for n := range e.Data {
			if id != "pass/A" || n < 6 { // four bytes of a longer address would be one
				damaged = append(damaged, e.Data[:n])
			}
		}
		for i := range 2 {
			d := bytes.Clone(e.Data)
			d[i]++
			damaged = append(damaged, d)
		}
		for _, d := range damaged {
			if strings.HasSuffix(id, "/M") && len(d) >= 2 && d[0] == 1 && d[1] == 'M' {
				continue // any text is an id
			}
			e.Data = slices.Clip(d)
			wantRefusal(t, id, e)
		}
	}
}

// wantRefusal checks that calls that read an entry fail.
func wantRefusal(t *testing.T, id string, e state.EntryRecord) {
	t.Helper()
	m, _, b, n, p := used(t)
	m.entries[id] = e
	s, _ := openMemory(t, m, state.Options{})
	token, _ := s.NewToken()
	ctx := context.Background()
	_, bindErr := s.Bind(ctx, "pass", p.Addr, b.Ends)
	_, boundErr := s.Bound(ctx, "pass")
	_, exhaustedErr := s.Exhausted(ctx, b)
	errs := map[byte][]error{
		'B': {s.Draw(ctx, b, token, 1, 1), exhaustedErr},
		'C': {s.Reserve(ctx, n, token)},
		'A': {bindErr, boundErr},
		'T': {s.TryPIN(ctx, p), s.AcceptPIN(ctx, p)},
		'F': {s.TryPIN(ctx, p), s.AcceptPIN(ctx, p)},
	}
	kind := id[strings.Index(id, "/")+1]
	for _, err := range errs[kind] {
		if daypass.CodeOf(err) != daypass.InternalError {
			t.Errorf("%q with data %q: %v", id, e.Data, err)
		}
	}
	if kind == 'M' {
		if _, err := s.RestorePass(ctx, "pass"); daypass.CodeOf(err) != daypass.InternalError {
			t.Errorf("%q with data %q: %v", id, e.Data, err)
		}
	}
}

// TestHugeBudgets checks products beyond what an int64 holds.
func TestHugeBudgets(t *testing.T) {
	s, _ := openMemory(t, newMemory(), state.Options{})
	const size = 5 << 40
	b := state.Budget{Pass: "p", Uses: 1e9, Size: size}
	draw := func(bytes int64, want error) {
		t.Helper()
		token, err := s.NewToken()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Draw(t.Context(), b, token, bytes, bytes); !errors.Is(err, want) {
			t.Errorf("draw: %v, want %v", err, want)
		}
		if err := s.Settle(t.Context(), b, token, bytes, true); err != nil {
			t.Error(err)
		}
	}
	draw(size, nil)
	draw(math.MaxInt64, state.ErrExhausted)
	draw(math.MaxInt64-size-1, nil)
	draw(2, state.ErrExhausted)
	b.Uses = math.MaxInt64
	draw(2, state.ErrExhausted)
	draw(1, nil)
	b.Pass, b.Uses = "q", math.MaxInt64/size+2 // more than an int64, less than a uint64
	draw(size, nil)
}

// TestOutstandingIsBounded checks that an entry does not grow without end.
func TestOutstandingIsBounded(t *testing.T) {
	m := newMemory()
	s, _ := openMemory(t, m, state.Options{})
	b := state.Budget{Pass: "p", Uses: 1e6, Size: 10}
	c := state.Count{Pass: "p", Uses: 1e6}
	var last state.Token
	for i := range 1025 {
		token, _ := s.NewToken()
		drawn, reserved := s.Draw(t.Context(), b, token, 1, 1), s.Reserve(t.Context(), c, token)
		want := daypass.Code("")
		if i == 1024 {
			want = daypass.ServiceUnavailable
		}
		wantCode(t, "Draw", drawn, want)
		wantCode(t, "Reserve", reserved, want)
		if i < 1024 {
			last = token
		}
	}
	for id, e := range m.entries {
		if len(e.Data) > 20<<10 {
			t.Errorf("%q has %d bytes", id, len(e.Data))
		}
	}
	if err := s.Settle(t.Context(), b, last, 1, false); err != nil {
		t.Error(err)
	}
	token, _ := s.NewToken()
	wantCode(t, "Draw after a settlement", s.Draw(t.Context(), b, token, 1, 1), "")
}
