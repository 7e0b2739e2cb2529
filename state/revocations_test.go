package state_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/state/ledgertest"
)

// openMemory opens a State over a driver in memory, with a clock that tests
// move.
func openMemory(t testing.TB, m state.Driver, o state.Options) (*state.State, *clock) {
	t.Helper()
	c := newClock()
	if o.Clock == nil {
		o.Clock = c.now
	}
	s, err := state.Open(context.Background(), m, masterKey, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, c
}

func revoke(t testing.TB, s *state.State, r state.Revocation) state.Revocation {
	t.Helper()
	r, err := s.Revoke(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// matches is what Revoked must find, written as plainly as can be.
func matches(r *state.Revocation, p *state.Subject, now time.Time) bool {
	return !r.Lifted && (r.Expires.IsZero() || now.Before(r.Expires)) &&
		(r.Pass == "" || r.Pass == p.Pass) &&
		(r.Name == "" || r.Name == p.Name) &&
		(r.Owner == "" || r.Owner == p.Owner) &&
		(r.Key == "" || r.Key == p.Key) &&
		(r.Bucket == "" || r.Bucket == p.Bucket) &&
		strings.HasPrefix(p.Object, r.Prefix) &&
		(r.Before.IsZero() || p.Signed.IsZero() || p.Signed.Before(r.Before))
}

func TestRevokedBySelector(t *testing.T) {
	signed := newClock().now()
	p := state.Subject{Pass: "p", Name: "n", Owner: "o", Key: "k", Bucket: "b", Object: "a/b/c", Signed: signed}
	later := signed.Add(time.Microsecond)
	for _, c := range []struct {
		what string
		r    state.Revocation
		want bool
	}{
		{"pass", state.Revocation{Pass: "p"}, true},
		{"another pass", state.Revocation{Pass: "P"}, false},
		{"owner", state.Revocation{Owner: "o"}, true},
		{"name", state.Revocation{Name: "n", Owner: "o"}, true},
		{"another owner's name", state.Revocation{Name: "n", Owner: "x"}, false},
		{"key", state.Revocation{Key: "k"}, true},
		{"bucket", state.Revocation{Bucket: "b"}, true},
		{"prefix", state.Revocation{Bucket: "b", Prefix: "a/b"}, true},
		{"whole key", state.Revocation{Bucket: "b", Prefix: "a/b/c"}, true},
		{"longer than the key", state.Revocation{Bucket: "b", Prefix: "a/b/cd"}, false},
		{"another prefix", state.Revocation{Bucket: "b", Prefix: "a/c"}, false},
		{"another bucket's prefix", state.Revocation{Bucket: "c", Prefix: "a/"}, false},
		{"before", state.Revocation{Before: later}, true},
		{"not before", state.Revocation{Before: signed}, false},
		{"key and before", state.Revocation{Key: "k", Before: later}, true},
		{"key and not before", state.Revocation{Key: "k", Before: signed}, false},
		{"all", state.Revocation{Pass: "p", Name: "n", Owner: "o", Key: "k", Bucket: "b", Prefix: "a", Before: later}, true},
		{"all but the key", state.Revocation{Name: "n", Owner: "o", Key: "x", Bucket: "b", Prefix: "a"}, false},
		{"pass and another prefix", state.Revocation{Pass: "p", Bucket: "b", Prefix: "b"}, false},
	} {
		s, _ := openMemory(t, newMemory(), state.Options{})
		r := revoke(t, s, c.r)
		if id, got := s.Revoked(&p); got != c.want || got && id != r.ID {
			t.Errorf("%s: revoked %v by %q", c.what, got, id)
		}
		q := p
		q.Signed = time.Time{}
		if _, got := s.Revoked(&q); got != (c.want || !c.r.Before.IsZero()) {
			t.Errorf("%s, signed at an unknown time: revoked %v", c.what, got)
		}
		if n, err := s.Lift(t.Context(), r.ID, "rev-unknown"); n != 1 || err != nil {
			t.Errorf("%s: lifted %d, %v", c.what, n, err)
		}
		if _, got := s.Revoked(&p); got {
			t.Errorf("%s: lifted, but still revoked", c.what)
		}
	}
}

func TestRevokeRules(t *testing.T) {
	s, c := openMemory(t, newMemory(), state.Options{MaxLifetime: time.Hour})
	for what, r := range map[string]state.Revocation{
		"nothing":               {},
		"a creator only":        {Creator: "k"},
		"a name without owner":  {Name: "n"},
		"prefix without bucket": {Prefix: "p"},
		"expired":               {Pass: "p", Expires: c.now()},
		"too long":              {Bucket: "b", Prefix: strings.Repeat("x", 1025)},
		"not text":              {Pass: "\xff"},
		"NUL":                   {Pass: "a\x00b"},
	} {
		_, err := s.Revoke(t.Context(), r)
		wantCode(t, what, err, daypass.InvalidArgument)
	}
	r := revoke(t, s, state.Revocation{ID: "mine", Key: "k", Lifted: true, Version: 7, Creator: "admin"})
	if r.ID == "mine" || r.ID == "" || r.Lifted || !r.Created.Equal(c.now()) || !r.Expires.Equal(c.now().Add(25*time.Hour)) {
		t.Errorf("made %+v", r)
	}
	if list, more := s.Revocations("", 10); len(list) != 1 || more || list[0] != r {
		t.Errorf("listed %+v, want %+v", list, r)
	}
}

// TestRevocationsModel compares with the plain rule: revocations that share
// values, nested prefixes, changes from two nodes, expiry and restarts.
func TestRevocationsModel(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := newMemory()
		a, c := openMemory(t, m, state.Options{})
		b, _ := openMemory(t, m, state.Options{Clock: c.now})
		defer a.Close()
		defer b.Close()
		word := rapid.SampledFrom([]string{"", "", "x", "y"})
		object := rapid.StringMatching(`[ab]{0,6}`)
		signed := func() time.Time {
			if n := rapid.IntRange(0, 3).Draw(r, "time"); n > 0 {
				return newClock().now().Add(time.Duration(n) * time.Second)
			}
			return time.Time{}
		}
		var all []state.Revocation
		for range rapid.IntRange(1, 60).Draw(r, "revocations") {
			v := state.Revocation{
				Pass: word.Draw(r, "pass"), Owner: word.Draw(r, "owner"), Key: word.Draw(r, "key"),
				Bucket: word.Draw(r, "bucket"), Before: signed(),
			}
			if v.Owner != "" {
				v.Name = word.Draw(r, "name")
			}
			if v.Bucket != "" {
				v.Prefix = object.Draw(r, "prefix")
			}
			if rapid.Bool().Draw(r, "expires") {
				v.Expires = c.now().Add(time.Duration(rapid.IntRange(1, 100).Draw(r, "life")) * time.Second)
			}
			if v, err := a.Revoke(context.Background(), v); err == nil {
				all = append(all, v)
			}
			switch rapid.IntRange(0, 6).Draw(r, "then") {
			case 0:
				if len(all) > 0 {
					v := &all[rapid.IntRange(0, len(all)-1).Draw(r, "lifted")]
					v.Lifted = true
					b.Lift(context.Background(), v.ID)
				}
			case 1:
				c.advance(5 * time.Second)
			case 2:
				check(r, b.Refresh(context.Background()))
			}
		}
		check(r, a.Refresh(context.Background()))
		check(r, b.Refresh(context.Background()))
		fresh, _ := openMemory(t, m, state.Options{Clock: c.now})
		defer fresh.Close()
		for range 20 {
			p := state.Subject{
				Pass: word.Draw(r, "pass"), Name: word.Draw(r, "name"), Owner: word.Draw(r, "owner"), Key: word.Draw(r, "key"),
				Bucket: word.Draw(r, "bucket"), Object: object.Draw(r, "object"), Signed: signed(),
			}
			want := map[string]bool{}
			for i := range all {
				if matches(&all[i], &p, c.now()) {
					want[all[i].ID] = true
				}
			}
			for i, s := range []*state.State{a, b, fresh} {
				if id, got := s.Revoked(&p); got != (len(want) > 0) || got && !want[id] {
					r.Fatalf("node %d: %+v is revoked %v by %q; of %d matches", i, p, got, id, len(want))
				}
			}
		}
	})
}

// TestRevokedPrefixes compares with the plain rule where many prefixes of one
// bucket are inside each other and differ in time.
func TestRevokedPrefixes(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	now := newClock().now()
	text := func() string {
		b := make([]byte, 1+rng.IntN(12))
		for i := range b {
			b[i] = "ab\x00\xff"[min(rng.IntN(12)/4+rng.IntN(2), 3)]
		}
		return strings.ToValidUTF8(strings.ReplaceAll(string(b), "\x00", "\x01"), "z")
	}
	for range 20 {
		var all []state.Revocation
		for i := range 300 {
			r := state.Revocation{Bucket: "b", Prefix: text(), Before: now.Add(time.Duration(i%7) * time.Second), Created: now}
			if i%3 == 0 {
				r.Expires = now.Add(time.Second)
			}
			all = append(all, r)
		}
		s := load(t, all)
		for i := range all {
			if i%4 == 0 {
				all[i].Lifted = true
				s.Lift(t.Context(), fmt.Sprintf("rev-%016d", i))
			}
		}
		for range 500 {
			p := state.Subject{Pass: "p", Bucket: "b", Object: text() + text(), Signed: now.Add(time.Duration(rng.IntN(7)) * time.Second)}
			want := false
			for i := range all {
				want = want || matches(&all[i], &p, now)
			}
			if id, got := s.Revoked(&p); got != want {
				t.Fatalf("%q, signed %v: revoked %v by %q", p.Object, p.Signed, got, id)
			}
		}
	}
}

func check(r *rapid.T, err error) {
	if err != nil {
		r.Fatal(err)
	}
}

// TestRevocationReachesOthers checks that a node that only waits knows of a
// revocation, and of its end, within a second.
func TestRevocationReachesOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemory()
		a, _ := openMemory(t, m, state.Options{Clock: time.Now})
		b, _ := openMemory(t, m, state.Options{Clock: time.Now})
		p := state.Subject{Pass: "p"}
		r := revoke(t, a, state.Revocation{Pass: "p"})
		time.Sleep(time.Second)
		if _, got := b.Revoked(&p); !got {
			t.Error("not revoked after a second")
		}
		if _, err := a.Lift(t.Context(), r.ID); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Second)
		if _, got := b.Revoked(&p); got {
			t.Error("not lifted after a second")
		}
		a.Close()
		b.Close()
	})
}

// TestFresh checks how long a node that state is out of reach of goes on.
func TestFresh(t *testing.T) {
	for _, c := range []struct{ grace, bound time.Duration }{
		{0, 61 * time.Second}, {10 * time.Second, 11 * time.Second}, {-1, time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := ledgertest.NewFaults(newMemory())
			s, _ := openMemory(t, f, state.Options{Clock: time.Now, Grace: c.grace})
			defer s.Close()
			time.Sleep(time.Hour)
			if err := s.Fresh(); err != nil {
				t.Errorf("grace %v: not fresh within reach of state: %v", c.grace, err)
			}
			f.Crash()
			time.Sleep(c.bound - 300*time.Millisecond)
			if err := s.Fresh(); err != nil {
				t.Errorf("grace %v: %v", c.grace, err)
			}
			time.Sleep(400 * time.Millisecond)
			err := s.Fresh()
			wantCode(t, fmt.Sprintf("grace %v: after it", c.grace), err, daypass.ServiceUnavailable)
			if !errors.Is(err, state.ErrStale) {
				t.Errorf("%v is not ErrStale", err)
			}
		})
	}
}

func TestListRevocations(t *testing.T) {
	s, c := openMemory(t, newMemory(), state.Options{})
	for i := range 25 {
		r := state.Revocation{Key: fmt.Sprint(i)}
		if i < 5 {
			r.Expires = c.now().Add(time.Second)
		}
		revoke(t, s, r)
	}
	c.advance(time.Second)
	var ids []string
	for after := ""; ; {
		list, more := s.Revocations(after, 7)
		for _, r := range list {
			if r.ID <= after {
				t.Errorf("%s comes after %s", r.ID, after)
			}
			after = r.ID
			ids = append(ids, r.ID)
		}
		if !more {
			break
		}
	}
	if len(ids) != 20 {
		t.Errorf("listed %d, want 20", len(ids))
	}
}

const manyRevocations = 100_000

// mixed returns revocations of all kinds, as many of each.
func mixed(n int) (list []state.Revocation) {
	rng := rand.New(rand.NewPCG(1, 2))
	now := newClock().now()
	for i := range n {
		r := state.Revocation{Created: now, Creator: "DPAKABCDEFGHIJKLMNOP", Expires: now.Add(time.Duration(i) * time.Hour)}
		switch i % 8 {
		case 0:
			r.Key = fmt.Sprintf("DPAK%016d", rng.Int64N(1e16))
		case 1:
			r.Name, r.Owner = fmt.Sprintf("report of customer %d", i), "daypass"
		case 2:
			r.Bucket, r.Prefix = "backups", fmt.Sprintf("customer/%d/%s", rng.IntN(1000), strings.Repeat("ab/", rng.IntN(20)))
		case 3:
			r.Bucket, r.Prefix, r.Key = "photos", fmt.Sprintf("%x/", rng.Uint64()), "DPAKABCDEFGHIJKLMNOP"
		case 4:
			r.Key, r.Before = fmt.Sprintf("DPAK%016d", i), now
		case 5:
			r.Bucket = fmt.Sprintf("bucket-%d", i)
		case 6:
			r.Before = now.Add(-time.Duration(i) * time.Second)
		default:
			r.Pass = fmt.Sprintf("%026x", rng.Uint64())
		}
		list = append(list, r)
	}
	return list
}

// load returns a State that holds the given revocations.
func load(t testing.TB, list []state.Revocation) *state.State {
	t.Helper()
	m := newMemory()
	for i, r := range list {
		r.ID = fmt.Sprintf("rev-%016d", i)
		if _, err := m.InsertRevocation(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	s, _ := openMemory(t, m, state.Options{})
	m.mu.Lock()                                         // the upkeep may be reading them
	m.revocations = map[string]state.RevocationRecord{} // not in our memory
	m.mu.Unlock()
	return s
}

// TestRevocationsMemory holds a hundred thousand revocations to 32 MiB.
func TestRevocationsMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a second")
	}
	for name, list := range map[string][]state.Revocation{"mixed": mixed(manyRevocations), "prefixes": nested(manyRevocations, 40)} {
		before := heap()
		s := load(t, list)
		used := heap() - before
		t.Logf("%s: %.1f MiB for %d revocations", name, float64(used)/(1<<20), len(list))
		if used > 32<<20 {
			t.Errorf("%s: more than 32 MiB", name)
		}
		s.Close()
		runtime.KeepAlive(s)
		runtime.KeepAlive(list)
	}
}

func heap() int64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// nested returns prefixes of one bucket, many of them inside each other, up
// to a depth.
func nested(n, depth int) (list []state.Revocation) {
	now := newClock().now()
	for i := range n {
		prefix := strings.Repeat("a", i%depth) + fmt.Sprintf("b%06d", i)
		if i < depth {
			prefix = strings.Repeat("a", i+1)
		}
		list = append(list, state.Revocation{Bucket: "b", Prefix: prefix, Before: now.Add(-time.Hour), Created: now})
	}
	return list
}

// TestRevokedAllocates checks that a look-up takes no memory.
func TestRevokedAllocates(t *testing.T) {
	s := load(t, mixed(1000))
	p := subject(newClock().now())
	if n := testing.AllocsPerRun(1000, func() { s.Revoked(&p) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func subject(signed time.Time) state.Subject {
	return state.Subject{
		Pass: "abcdefghijklmnopqrstuvwxyz", Name: "report of customer 7", Owner: "team", Key: "DPAKABCDEFGHIJKLMNOP",
		Bucket: "backups", Object: "customer/77/ab/ab/ab/ab/file.txt.gz", Signed: signed,
	}
}

func BenchmarkRevoked(b *testing.B) {
	now := newClock().now()
	for _, c := range []struct {
		name string
		list []state.Revocation
		p    state.Subject
	}{
		{"none", nil, subject(now)},
		{"mixed", mixed(manyRevocations), subject(now)},
		{"nested", nested(manyRevocations, 1000), state.Subject{Pass: "p", Bucket: "b", Object: strings.Repeat("a", 1024), Signed: now}},
	} {
		c.p.Object = strings.Replace(c.p.Object, "customer/77/", "customer/7777/", 1)
		s := load(b, c.list)
		if id, revoked := s.Revoked(&c.p); revoked {
			b.Fatalf("%s: revoked by %s", c.name, id)
		}
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Revoked(&c.p)
			}
		})
		b.Run(c.name+"/different", func(b *testing.B) { benchDifferent(b, s, c.p) })
		b.Run(c.name+"/parallel", func(b *testing.B) {
			b.RunParallel(func(pb *testing.PB) {
				p := c.p
				for pb.Next() {
					s.Revoked(&p)
				}
			})
		})
	}
}

// benchDifferent looks for passes that nobody looked for lately.
func benchDifferent(b *testing.B, s *state.State, p state.Subject) {
	subjects := make([]state.Subject, 1<<16)
	for i := range subjects {
		subjects[i] = p
		subjects[i].Pass = fmt.Sprintf("%026d", i)
		subjects[i].Name = fmt.Sprintf("name %d", i)
		subjects[i].Key = fmt.Sprintf("DPAKx%015d", i)
		subjects[i].Object = fmt.Sprintf("customer/%d/%x", 2000+i, i)
	}
	b.ResetTimer()
	for i := range b.N {
		s.Revoked(&subjects[i%len(subjects)])
	}
}

func BenchmarkRevoke(b *testing.B) {
	s := load(b, nested(manyRevocations, 1000))
	b.ReportAllocs()
	for i := range b.N {
		revoke(b, s, state.Revocation{Bucket: "b", Prefix: fmt.Sprint(i)})
	}
}

// TestRevokedRace reads while others change.
func TestRevokedRace(t *testing.T) {
	s, c := openMemory(t, newMemory(), state.Options{})
	always := revoke(t, s, state.Revocation{Bucket: "b", Prefix: "a"})
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			p := state.Subject{Pass: "p", Bucket: "b", Object: "ab", Signed: c.now()}
			for {
				select {
				case <-stop:
					return
				default:
				}
				if _, revoked := s.Revoked(&p); !revoked {
					t.Error("a revocation was missing for a moment")
					return
				}
			}
		})
	}
	for i := range 300 {
		r := revoke(t, s, state.Revocation{Bucket: "b", Prefix: strings.Repeat("a", i%40+2)})
		if i%3 == 0 {
			s.Lift(context.Background(), r.ID)
		}
		if i%50 == 0 {
			s.Refresh(context.Background())
		}
	}
	close(stop)
	wg.Wait()
	if id, revoked := s.Revoked(&state.Subject{Bucket: "b", Object: "a"}); !revoked || id != always.ID {
		t.Errorf("%q, %v", id, revoked)
	}
}
