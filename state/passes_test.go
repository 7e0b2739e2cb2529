package state_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/state/ledgertest"
)

func TestSeen(t *testing.T) {
	m := newMemory()
	s, c := openMemory(t, m, state.Options{})
	first := c.now().UTC()
	use := state.Sighting{
		ID: "p", Name: "n", Key: "k", Owner: "o", Action: "GetObject", Bucket: "b", Object: "a/b", Limits: "x=y",
		Signed: first, Ends: first.Add(time.Hour), Uses: 1, Received: 1, Sent: 10,
	}
	s.Seen(&use)
	c.advance(time.Minute)
	for range 2 {
		s.Seen(&state.Sighting{ID: "p", Ends: use.Ends, Refused: 1, Sent: 1})
	}
	s.Seen(&state.Sighting{ID: "q", Object: "c", Uses: 1})
	s.Seen(&state.Sighting{})
	s.Seen(&state.Sighting{ID: "p", Ends: use.Ends, First: first.Add(-time.Hour), Last: first})
	want := use
	want.First, want.Last, want.Expires = first.Add(-time.Hour), first.Add(time.Minute), first.Add(25*time.Hour)
	want.Refused, want.Sent = 2, 12
	for range 2 {
		got, err := s.Pass(t.Context(), "p")
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	_, err := s.Pass(t.Context(), "r")
	wantCode(t, "Pass", err, daypass.NoSuchPass)
	if q, err := s.Pass(t.Context(), "q"); err != nil || !q.Expires.Equal(c.now().Add(8*24*time.Hour)) {
		t.Errorf("unknown end: kept until %v, %v", q.Expires, err)
	}
}

func TestListPasses(t *testing.T) {
	s, _ := openMemory(t, newMemory(), state.Options{})
	for i := range 25 {
		s.Seen(&state.Sighting{ID: fmt.Sprintf("p%02d", i), Owner: fmt.Sprint(i % 2), Uses: 1})
	}
	var got []string
	for after, more := "", true; more; {
		var list []state.PassRecord
		var err error
		list, more, err = s.ListPasses(t.Context(), state.PassFilter{Owner: "1"}, after, 5)
		if err != nil || len(list) == 0 || len(list) > 5 {
			t.Fatalf("%d passes, %v", len(list), err)
		}
		for _, p := range list {
			got = append(got, p.ID)
		}
		after = got[len(got)-1]
	}
	if len(got) != 12 || got[0] != "p01" || got[11] != "p23" {
		t.Errorf("listed %v", got)
	}
}

// TestSeenIsWritten checks that statistics reach the driver by themselves
// within five seconds, at once when there are many, and when State closes.
func TestSeenIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		s, _ := openMemory(t, m, state.Options{Clock: time.Now})
		written := func() int {
			m.mu.Lock()
			defer m.mu.Unlock()
			return len(m.passes)
		}
		time.Sleep(time.Minute + time.Millisecond)
		s.Seen(&state.Sighting{ID: "a"})
		time.Sleep(5 * time.Second)
		if n := written(); n != 1 {
			t.Errorf("after 5 s: %d passes written", n)
		}
		synctest.Wait()
		for i := range 20000 {
			s.Seen(&state.Sighting{ID: fmt.Sprint(i)})
		}
		synctest.Wait()
		if n := written(); n < 10000 {
			t.Errorf("at once: %d of 20000 passes written", n)
		}
		s.Flush(t.Context())
		s.Seen(&state.Sighting{ID: "z"})
		s.Close()
		if _, ok := m.passes["z"]; !ok {
			t.Error("Close wrote nothing")
		}
	})
}

// TestSeenIsBounded checks that statistics wait for a driver that fails, but
// not without end.
func TestSeenIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		f := &failing{Driver: m}
		s, _ := openMemory(t, f, state.Options{Clock: time.Now})
		defer s.Close()
		f.set(errors.New("out of reach"))
		for range 3 {
			s.Seen(&state.Sighting{ID: "0", Uses: 1})
			time.Sleep(5 * time.Second)
		}
		f.set(nil)
		time.Sleep(5 * time.Second)
		if p, err := m.Pass(t.Context(), "0"); err != nil || p.Uses != 3 {
			t.Errorf("%+v, %v; want 3 uses", p, err)
		}
		f.set(errors.New("out of reach"))
		for i := range 100_000 {
			s.Seen(&state.Sighting{ID: fmt.Sprint(i), Uses: 1})
		}
		for range 3 {
			if err := s.Flush(t.Context()); err == nil {
				t.Error("Flush says that it succeeded")
			}
		}
		f.set(nil)
		if err := s.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		m.mu.Lock()
		defer m.mu.Unlock()
		if n := len(m.passes); n < 16*1024 || n > 16*2048+1 {
			t.Errorf("%d passes were kept", n)
		}
	})
}

// A failing driver fails to write statistics.
type failing struct {
	state.Driver
	mu  sync.Mutex
	err error
}

func (f *failing) set(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

func (f *failing) AddPasses(ctx context.Context, seen []state.PassRecord) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return f.err
	}
	return f.Driver.AddPasses(ctx, seen)
}

func BenchmarkSeen(b *testing.B) {
	s, _ := openMemory(b, newMemory(), state.Options{Clock: time.Now})
	var ids [1000]string
	for i := range ids {
		ids[i] = fmt.Sprintf("%026d", i)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for i := 0; pb.Next(); i++ {
			s.Seen(&state.Sighting{ID: ids[i%len(ids)], Name: "n", Key: "k", Object: "a/b", Uses: 1, Sent: 100})
		}
	})
}

// TestSweep checks that expired records go by themselves, in small batches,
// and others stay.
func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		var ahead atomic.Int64 // of the time that passes
		now := func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		s, _ := openMemory(t, m, state.Options{Clock: now})
		defer s.Close()
		ends := time.Now().Add(time.Hour)
		token, err := s.NewToken()
		if err != nil {
			t.Fatal(err)
		}
		for i := range 1200 {
			b := state.Budget{Pass: fmt.Sprint(i), Uses: 1, Size: 1, Ends: ends}
			if i < 10 {
				b.Ends = time.Time{} // unknown: 8 days
			}
			if err := s.Draw(t.Context(), b, token, 1, 1); err != nil {
				t.Fatal(err)
			}
		}
		left := func() int {
			m.mu.Lock()
			defer m.mu.Unlock()
			return len(m.entries)
		}
		ahead.Store(int64(25*time.Hour - 3*time.Minute))
		time.Sleep(2 * time.Minute)
		if n := left(); n != 1200 {
			t.Errorf("%d entries left before they expired", n)
		}
		ahead.Store(int64(25 * time.Hour))
		time.Sleep(time.Minute + 10*time.Second)
		if n := left(); n != 10 {
			t.Errorf("%d entries left, want those whose end is unknown", n)
		}
		ahead.Store(int64(8 * 24 * time.Hour))
		time.Sleep(time.Minute)
		if n := left(); n != 0 {
			t.Errorf("%d entries left", n)
		}
	})
}

func TestLinks(t *testing.T) {
	s, c := openMemory(t, newMemory(), state.Options{})
	good := state.NewLink{Key: "AKIA", Owner: "o", Pass: []byte(`{"a":1}`), Expires: c.now().Add(time.Hour)}
	l, err := s.CreateLink(t.Context(), good)
	if err != nil || len(l.ID) < 20 || !l.Created.Equal(c.now()) {
		t.Fatalf("%+v, %v", l, err)
	}
	if got, err := s.Link(t.Context(), l.ID); err != nil || cmp.Diff(l, got) != "" {
		t.Errorf("%+v, %v", got, err)
	}
	for what, change := range map[string]func(*state.NewLink){
		"no key":   func(n *state.NewLink) { n.Key = "" },
		"no owner": func(n *state.NewLink) { n.Owner = "" },
		"no JSON":  func(n *state.NewLink) { n.Pass = []byte("{") },
		"too long": func(n *state.NewLink) { n.Pass = []byte(fmt.Sprintf("%65537d", 1)) },
		"expired":  func(n *state.NewLink) { n.Expires = c.now() },
	} {
		n := good
		change(&n)
		_, err := s.CreateLink(t.Context(), n)
		wantCode(t, what, err, daypass.InvalidArgument)
	}
	other, err := s.CreateLink(t.Context(), state.NewLink{Key: "AKIA", Owner: "p", Pass: []byte(`{}`)})
	if err != nil {
		t.Fatal(err)
	}
	if list, more, err := s.ListLinks(t.Context(), "o", "", 1); err != nil || more || len(list) != 1 || list[0].ID != l.ID {
		t.Errorf("listed %v, %v, %v", list, more, err)
	}
	if list, more, err := s.ListLinks(t.Context(), "", "", 1); err != nil || !more || len(list) != 1 {
		t.Errorf("listed %v, %v, %v", list, more, err)
	}
	c.advance(time.Hour)
	_, err = s.Link(t.Context(), l.ID)
	wantCode(t, "a link that has ended", err, daypass.NoSuchLink)
	if err := s.DeleteLink(t.Context(), other.ID); err != nil {
		t.Error(err)
	}
	_, err = s.Link(t.Context(), other.ID)
	wantCode(t, "a deleted link", err, daypass.NoSuchLink)
	wantCode(t, "deleting it again", s.DeleteLink(t.Context(), other.ID), daypass.NoSuchLink)
}

func TestDeriveKey(t *testing.T) {
	s, _ := openMemory(t, newMemory(), state.Options{})
	other, err := state.Open(t.Context(), newMemory(), state.MasterKey{9}, state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	seen := map[string]string{}
	for name, c := range map[string]struct {
		s       *state.State
		purpose string
	}{
		"cookie": {s, "cookie"}, "other purpose": {s, "cookie2"}, "other master key": {other, "cookie"},
		"like one of state's own": {s, "session secret"},
	} {
		k, err := c.s.DeriveKey(c.purpose)
		if err != nil || len(k) != 32 || seen[string(k)] != "" {
			t.Errorf("%s: %d bytes, %v, same as %q", name, len(k), err, seen[string(k)])
		}
		seen[string(k)] = name
		if again, _ := c.s.DeriveKey(c.purpose); string(again) != string(k) {
			t.Errorf("%s: not the same again", name)
		}
	}
}

// TestCloseWritesSettlements checks that what could not be settled is written
// when State closes.
func TestCloseWritesSettlements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		f := ledgertest.NewFaults(m)
		s, _ := openMemory(t, f, state.Options{Clock: time.Now})
		b := state.Budget{Pass: "p", Uses: 1, Size: 100}
		token, _ := s.NewToken()
		if err := s.Draw(t.Context(), b, token, 100, 100); err != nil {
			t.Fatal(err)
		}
		f.Set(100, 0, 0)
		if err := s.Settle(t.Context(), b, token, 0, false); err == nil {
			t.Error("settled in spite of failures")
		}
		f.Set(0, 0, 0)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		s, _ = openMemory(t, m, state.Options{Clock: time.Now})
		defer s.Close()
		next, _ := s.NewToken()
		if err := s.Draw(t.Context(), b, next, 100, 100); err != nil {
			t.Error(err)
		}
	})
}

// TestSeenBounds notes what no database takes as it is: neither a client's
// claim nor a key may keep statistics from being written.
func TestSeenBounds(t *testing.T) {
	s, _ := openMemory(t, newMemory(), state.Options{})
	for range 3 {
		s.Seen(&state.Sighting{ID: "P", Received: math.MaxInt64, Sent: -5, Object: "a\x00b\xff" + strings.Repeat("x", 2000)})
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	p, err := s.Pass(t.Context(), "P")
	if err != nil || p.Received != 3<<50 || p.Sent != 0 || len(p.Object) > 1030 || strings.Contains(p.Object, "\x00") || !utf8.ValidString(p.Object) {
		t.Errorf("%+v, %v", p, err)
	}
}
