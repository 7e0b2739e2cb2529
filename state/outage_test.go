package state_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

// How a remote driver answers.
const (
	answers = iota
	refuses // at once
	hangs   // until the caller gives up
)

var errRefused = errors.New("connection refused")

// A remote is a driver that several nodes share, as one of them sees it: it can
// be out of reach.
type remote struct {
	*memory
	shared *sharedKeys
	mode   atomic.Int32
	// keysOnly has only the reading of access keys fail.
	keysOnly atomic.Bool
	reads    atomic.Int64 // of access keys
}

// sharedKeys are access keys and settings, and how often they were changed.
type sharedKeys struct {
	mu      sync.Mutex
	keys    map[string]state.KeyRecord
	buckets map[string]map[string][]byte
	changes int64
}

func newRemotes(n int) (list []*remote) {
	m, k := newMemory(), &sharedKeys{keys: map[string]state.KeyRecord{}, buckets: map[string]map[string][]byte{}}
	for range n {
		list = append(list, &remote{memory: m, shared: k})
	}
	return list
}

func (r *remote) reach(ctx context.Context) error {
	switch r.mode.Load() {
	case refuses:
		return errRefused
	case hangs:
		<-ctx.Done()
		return &daypass.Error{Code: daypass.ServiceUnavailable, Err: ctx.Err()}
	}
	return ctx.Err()
}

func (r *remote) change(ctx context.Context, f func(k *sharedKeys) error) error {
	if err := r.reach(ctx); err != nil {
		return err
	}
	r.shared.mu.Lock()
	defer r.shared.mu.Unlock()
	r.shared.changes++
	return f(r.shared)
}

func (r *remote) InsertKey(ctx context.Context, k state.KeyRecord) error {
	return r.change(ctx, func(s *sharedKeys) error { s.keys[k.ID] = k; return nil })
}

func (r *remote) DeleteKey(ctx context.Context, id string) error {
	return r.change(ctx, func(s *sharedKeys) error { delete(s.keys, id); return nil })
}

func (r *remote) SetBucketSetting(ctx context.Context, id, name string, value []byte) error {
	return r.change(ctx, func(s *sharedKeys) error { s.buckets[id] = map[string][]byte{name: value}; return nil })
}

func (r *remote) Key(ctx context.Context, id string) (state.KeyRecord, error) {
	r.reads.Add(1)
	if err := r.reach(ctx); err != nil || r.keysOnly.Load() {
		return state.KeyRecord{}, errors.Join(err, errRefused)
	}
	r.shared.mu.Lock()
	defer r.shared.mu.Unlock()
	k, ok := r.shared.keys[id]
	if !ok {
		return k, &daypass.Error{Code: daypass.NoSuchAccessKey}
	}
	return k, nil
}

func (r *remote) BucketSettings(ctx context.Context, id string) (map[string][]byte, error) {
	if err := r.reach(ctx); err != nil {
		return nil, err
	}
	r.shared.mu.Lock()
	defer r.shared.mu.Unlock()
	return maps.Clone(r.shared.buckets[id]), nil
}

func (r *remote) Changes(ctx context.Context) (int64, error) {
	if err := r.reach(ctx); err != nil {
		return 0, err
	}
	r.shared.mu.Lock()
	defer r.shared.mu.Unlock()
	return r.shared.changes, nil
}

func (r *remote) Setting(ctx context.Context, name string) ([]byte, error) {
	if err := r.reach(ctx); err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.settings[name], nil
}

func (r *remote) Revocations(ctx context.Context, after int64, max int) ([]state.RevocationRecord, error) {
	if err := r.reach(ctx); err != nil {
		return nil, err
	}
	return r.memory.Revocations(ctx, after, max)
}

func (r *remote) ListKeys(ctx context.Context, _ string, _ int) ([]state.KeyRecord, error) {
	return nil, r.reach(ctx)
}

func (r *remote) HasBucketSetting(ctx context.Context, _ string) (bool, error) {
	return false, r.reach(ctx)
}

func (r *remote) AddPasses(ctx context.Context, seen []state.PassRecord) error {
	if err := r.reach(ctx); err != nil {
		return err
	}
	return r.memory.AddPasses(ctx, seen)
}

func (r *remote) UpdateEntry(ctx context.Context, id string, change func(*state.EntryRecord) (*state.EntryRecord, error)) error {
	if err := r.reach(ctx); err != nil {
		return err
	}
	return r.memory.UpdateEntry(ctx, id, change)
}

func (r *remote) Entry(ctx context.Context, id string) (*state.EntryRecord, error) {
	if err := r.reach(ctx); err != nil {
		return nil, err
	}
	return r.memory.Entry(ctx, id)
}

// node opens a State over a driver, in a bubble with its own time.
func node(t *testing.T, d state.Driver, grace time.Duration) *state.State {
	t.Helper()
	s, err := state.Open(t.Context(), d, state.MasterKey{1}, state.Options{Clock: time.Now, Grace: grace})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// within fails the test when f takes longer.
func within(t *testing.T, what string, most time.Duration, f func() error) error {
	t.Helper()
	began := time.Now()
	err := f()
	if took := time.Since(began); took > most {
		t.Errorf("%s took %v, want %v at most", what, took, most)
	}
	return err
}

// uncounted is all that serving a pass without counted limits reads from state.
func uncounted(t *testing.T, s *state.State, key string) map[string]func() error {
	return map[string]func() error{
		"AccessKey":      func() error { _, err := s.AccessKey(t.Context(), key); return err },
		"BucketSettings": func() error { _, err := s.BucketSettings(t.Context(), "b"); return err },
		"Encryption":     func() error { _, err := s.Encryption(t.Context()); return err },
		"Fresh":          s.Fresh,
	}
}

// counted is what needs state.
func counted(t *testing.T, s *state.State) map[string]func() error {
	token, err := s.NewToken()
	if err != nil {
		t.Fatal(err)
	}
	b := state.Budget{Pass: "p", Uses: 1, Size: 10, ETag: "e"}
	return map[string]func() error{
		"Draw":        func() error { return s.Draw(t.Context(), b, token, 10, 10) },
		"Exhausted":   func() error { _, err := s.Exhausted(t.Context(), b); return err },
		"Reserve":     func() error { return s.Reserve(t.Context(), state.Count{Pass: "p", Uses: 1}, token) },
		"Bound":       func() error { _, err := s.Bound(t.Context(), "p"); return err },
		"MarkPass":    func() error { _, err := s.MarkPass(t.Context(), "p", "k", "c", time.Time{}); return err },
		"unknown key": func() error { _, err := s.AccessKey(t.Context(), "AKIAUNKNOWN000000000"); return err },
		"unknown bucket": func() error {
			_, err := s.BucketSettings(t.Context(), "unknown")
			return err
		},
	}
}

// asking is what else asks state.
func asking(t *testing.T, s *state.State) map[string]func() error {
	return map[string]func() error{
		"Link":      func() error { _, err := s.Link(t.Context(), "unknown"); return err },
		"ListKeys":  func() error { _, _, err := s.ListKeys(t.Context(), "", 1); return err },
		"CreateKey": func() error { _, err := s.CreateKey(t.Context(), state.NewKey{}); return err },
		"SetBucketSetting": func() error {
			return s.SetBucketSetting(t.Context(), "b", "policy", []byte("p"))
		},
		"HasBucketSetting": func() error { _, err := s.HasBucketSetting(t.Context(), "policy"); return err },
		"Revoke":           func() error { _, err := s.Revoke(t.Context(), state.Revocation{Pass: "p"}); return err },
		"Lift":             func() error { _, err := s.Lift(t.Context(), "rev-x"); return err },
		"Spending":         func() error { _, err := s.Spending(t.Context(), "p"); return err },
		"RestorePass":      func() error { _, err := s.RestorePass(t.Context(), "p"); return err },
		"Pass":             func() error { _, err := s.Pass(t.Context(), "p"); return err },
		"ListPasses":       func() error { _, _, err := s.ListPasses(t.Context(), state.PassFilter{}, "", 1); return err },
	}
}

// TestOutage loses state and finds it again. What needs no count is served for
// the grace, counted from the last contact, and nothing waits.
func TestOutage(t *testing.T) {
	for mode, name := range map[int32]string{refuses: "refused", hangs: "hanging"} {
		for _, grace := range []time.Duration{0, 5 * time.Second, -1} {
			t.Run(fmt.Sprint(name, grace), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { testOutage(t, mode, grace) })
			})
		}
	}
}

func testOutage(t *testing.T, mode int32, grace time.Duration) {
	r := newRemotes(1)[0]
	s := node(t, r, grace)
	defer s.Close()
	k, err := s.CreateKey(t.Context(), state.NewKey{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.SetBucketSetting(t.Context(), "b", "policy", []byte("p")); err != nil {
		t.Fatal(err)
	}
	for what, f := range uncounted(t, s, k.ID) {
		if err := f(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	time.Sleep(10 * time.Minute) // in which nobody asks
	if err := errors.Join(s.Healthy(), s.Serving()); err != nil {
		t.Error(err)
	}
	for what, f := range uncounted(t, s, k.ID) { // read again, since it was long
		if err := f(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	synctest.Wait()
	r.mode.Store(mode)
	lost := time.Now()
	end := time.Second + max(grace, 0)
	if grace == 0 {
		end = time.Second + state.DefaultGrace
	}
	for time.Since(lost) < end-300*time.Millisecond {
		for what, f := range uncounted(t, s, k.ID) {
			if err := within(t, what, 2*time.Second, f); err != nil && time.Since(lost) < end-300*time.Millisecond {
				t.Fatalf("%s after %v: %v", what, time.Since(lost), err)
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	time.Sleep(time.Until(lost.Add(max(end, 2*time.Second) - 100*time.Millisecond)))
	refused := counted(t, s)
	maps.Copy(refused, asking(t, s))
	for what, f := range refused {
		err := within(t, what, 0, f)
		wantCode(t, what, err, daypass.ServiceUnavailable)
		if wait, ok := state.RetryAfter(err); !ok || wait <= 0 {
			t.Errorf("%s: %v says nothing of when to try again", what, err)
		}
	}
	time.Sleep(time.Until(lost.Add(max(end, 2*time.Second) + time.Millisecond)))
	wantCode(t, "Healthy", s.Healthy(), daypass.ServiceUnavailable)
	wantCode(t, "Serving", s.Serving(), daypass.ServiceUnavailable)
	for what, f := range uncounted(t, s, k.ID) {
		wantCode(t, what+" after the grace", within(t, what, 0, f), daypass.ServiceUnavailable)
	}
	time.Sleep(time.Minute)
	r.mode.Store(answers)
	time.Sleep(6 * time.Second)
	if err := errors.Join(s.Healthy(), s.Serving()); err != nil {
		t.Error(err)
	}
	for what, f := range uncounted(t, s, k.ID) {
		if err := f(); err != nil {
			t.Errorf("%s when state is back: %v", what, err)
		}
	}
}

// TestUnchanged: what does not change is hardly ever read again, and a change by
// another node shows within a second.
func TestUnchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rs := newRemotes(2)
		a, b := node(t, rs[0], 0), node(t, rs[1], 0)
		defer a.Close()
		defer b.Close()
		k, err := a.CreateKey(t.Context(), state.NewKey{})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		for range 5 * 60 * 10 {
			if _, err := b.AccessKey(t.Context(), k.ID); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if n := rs[1].reads.Load(); n > 6 {
			t.Errorf("an access key was read %d times in five minutes", n)
		}
		if err := rs[0].DeleteKey(t.Context(), k.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		_, err = b.AccessKey(t.Context(), k.ID)
		wantCode(t, "AccessKey a second after another node removed it", err, daypass.NoSuchAccessKey)
	})
}

// TestAbsentElsewhere: an id that no key had is no longer refused a second after
// another node has made one, and is asked for again every minute.
func TestAbsentElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rs := newRemotes(2)
		a, b := node(t, rs[0], 0), node(t, rs[1], 0)
		defer a.Close()
		defer b.Close()
		const id = "AKIALATECOMER"
		time.Sleep(time.Second)
		rs[1].reads.Store(0)
		for range 5 * 60 * 10 {
			_, err := b.AccessKey(t.Context(), id)
			wantCode(t, "AccessKey", err, daypass.NoSuchAccessKey)
			time.Sleep(100 * time.Millisecond)
		}
		if n := rs[1].reads.Load(); n < 4 || n > 6 {
			t.Errorf("an id was asked for %d times in five minutes", n)
		}
		if _, err := a.CreateKey(t.Context(), state.NewKey{ID: id, Secret: "late secret"}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if _, err := b.AccessKey(t.Context(), id); err != nil {
			t.Errorf("a second after another node made the key: %v", err)
		}
	})
}

// TestNotStaleInReach: as long as state answers, what has changed is not served,
// even where reading it anew fails.
func TestNotStaleInReach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rs := newRemotes(2)
		a, b := node(t, rs[0], 0), node(t, rs[1], 0)
		defer a.Close()
		defer b.Close()
		k, err := a.CreateKey(t.Context(), state.NewKey{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.AccessKey(t.Context(), k.ID); err != nil {
			t.Fatal(err)
		}
		rs[1].keysOnly.Store(true)
		if err := rs[0].DeleteKey(t.Context(), k.ID); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if _, err := b.AccessKey(t.Context(), k.ID); err == nil {
			t.Error("served although it was removed")
		}
		time.Sleep(20 * time.Second)
		// From here on nobody can tell; what the node last knew for sure counts,
		// as long as that is not longer ago than the grace.
		rs[1].mode.Store(hangs)
		time.Sleep(30 * time.Second)
		if _, err := b.AccessKey(t.Context(), k.ID); err != nil {
			t.Error(err)
		}
		time.Sleep(20 * time.Second) // since the last contact; longer since the removal
		_, err = b.AccessKey(t.Context(), k.ID)
		wantCode(t, "AccessKey a grace after it was last known to be there", err, daypass.ServiceUnavailable)
	})
}

// A told is a driver that hears of changes.
type told struct {
	*remote
	changed chan struct{}
}

func (d told) Changed() <-chan struct{} { return d.changed }

// TestNotified: what a node is told of shows at once.
func TestNotified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rs := newRemotes(2)
		a, d := node(t, rs[0], 0), told{rs[1], make(chan struct{}, 1)}
		b := node(t, d, 0)
		defer a.Close()
		defer b.Close()
		k, err := a.CreateKey(t.Context(), state.NewKey{})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if _, err := b.AccessKey(t.Context(), k.ID); err != nil {
			t.Fatal(err)
		}
		if err := rs[0].DeleteKey(t.Context(), k.ID); err != nil {
			t.Fatal(err)
		}
		revoke(t, a, state.Revocation{Pass: "p"})
		d.changed <- struct{}{}
		synctest.Wait() // no time has passed
		_, err = b.AccessKey(t.Context(), k.ID)
		wantCode(t, "AccessKey", err, daypass.NoSuchAccessKey)
		if _, revoked := b.Revoked(&state.Subject{Pass: "p"}); !revoked {
			t.Error("not revoked")
		}
	})
}

// TestFlickering: one connection that was cut is no outage.
func TestFlickering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRemotes(1)[0]
		s := node(t, r, 0)
		defer s.Close()
		for range 100 {
			r.mode.Store(refuses)
			time.Sleep(10 * time.Millisecond)
			r.mode.Store(answers)
			for what, f := range counted(t, s) {
				if err := f(); daypass.CodeOf(err) == daypass.ServiceUnavailable && errors.Is(err, state.ErrUnreachable) {
					t.Fatalf("%s: %v", what, err)
				}
			}
			time.Sleep(83 * time.Millisecond)
		}
	})
}
