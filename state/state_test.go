package state_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/state/sqlstate"
)

var masterKey = state.MasterKey([]byte("MASTER-KEY-OF-THE-TESTS-12345678"))

// A clock is a time that tests move.
type clock struct{ micros atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.micros.Store(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).UnixMicro())
	return c
}

func (c *clock) now() time.Time          { return time.UnixMicro(c.micros.Load()) }
func (c *clock) advance(d time.Duration) { c.micros.Add(d.Microseconds()) }

// A fixture is a State with its parts.
type fixture struct {
	*state.State
	driver *spy
	clock  *clock
	path   string
}

// A spy counts look-ups and may act between a look-up and its answer.
type spy struct {
	state.Driver
	lookups   atomic.Int64
	afterRead func()
	insertErr error
}

func (s *spy) Key(ctx context.Context, id string) (state.KeyRecord, error) {
	s.lookups.Add(1)
	k, err := s.Driver.Key(ctx, id)
	if s.afterRead != nil {
		f := s.afterRead
		s.afterRead = nil
		f()
	}
	return k, err
}

func (s *spy) InsertKey(ctx context.Context, k state.KeyRecord) error {
	if s.insertErr != nil {
		return s.insertErr
	}
	return s.Driver.InsertKey(ctx, k)
}

func open(t testing.TB) *fixture {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state.db")
	d, err := sqlstate.OpenSQLite(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{driver: &spy{Driver: d}, clock: newClock(), path: path}
	f.State, err = state.Open(t.Context(), f.driver, masterKey, state.Options{Clock: f.clock.now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func (f *fixture) create(t testing.TB, n state.NewKey) daypass.AccessKey {
	t.Helper()
	k, err := f.CreateKey(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func wantCode(t *testing.T, what string, err error, want daypass.Code) {
	t.Helper()
	if got := daypass.CodeOf(err); got != want {
		t.Errorf("%s: code %q (%v), want %q", what, got, err, want)
	}
}

func TestOpenRefusesOtherMasterKey(t *testing.T) {
	f := open(t)
	_, err := state.Open(t.Context(), f.driver, state.MasterKey{2}, state.Options{})
	if !errors.Is(err, state.ErrMasterKey) {
		t.Errorf("another key: %v, want ErrMasterKey", err)
	}
	if _, err := state.Open(t.Context(), f.driver, masterKey, state.Options{}); err != nil {
		t.Errorf("the same key: %v", err)
	}
}

func TestOpenRefusesNoMasterKey(t *testing.T) {
	f := open(t)
	if _, err := state.Open(t.Context(), f.driver, state.MasterKey{}, state.Options{}); err == nil {
		t.Error("the zero master key was accepted")
	}
}

func TestOpenIsDeterministicUnderGivenRand(t *testing.T) {
	var ids [2]string
	for i := range ids {
		f := open(t)
		s, err := state.Open(t.Context(), f.driver, masterKey, state.Options{Clock: f.clock.now, Rand: rand.NewChaCha8([32]byte{7})})
		if err != nil {
			t.Fatal(err)
		}
		k, err := s.CreateKey(t.Context(), state.NewKey{})
		if err != nil {
			t.Fatal(err)
		}
		if !k.Created.Equal(f.clock.now()) {
			t.Errorf("Created %v is not the clock's", k.Created)
		}
		ids[i] = k.ID + string(k.Secret)
	}
	if ids[0] != ids[1] {
		t.Errorf("%v differ", ids)
	}
}

// A failing source of randomness must not yield a weak key.
func TestCreateKeyWithoutRandomness(t *testing.T) {
	f := open(t)
	for _, have := range []int64{0, 9, 11, 73, 80} {
		r := io.LimitReader(bytes.NewReader(make([]byte, 100)), have)
		s, err := state.Open(t.Context(), f.driver, masterKey, state.Options{Rand: r})
		if err != nil {
			t.Fatal(err)
		}
		if k, err := s.CreateKey(t.Context(), state.NewKey{}); err == nil {
			t.Errorf("with %d random bytes: made %v", have, k.ID)
		}
	}
}

// The files hold no secret in the clear.
func TestSecretsAreSealedOnDisk(t *testing.T) {
	f := open(t)
	secrets := []daypass.Secret{"imported-secret-0123456789"}
	f.create(t, state.NewKey{ID: "imported", Secret: secrets[0], Name: "plain label"})
	secrets = append(secrets, f.create(t, state.NewKey{}).Secret)
	root, _, err := f.EnsureRoot(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	secrets = append(secrets, root.Secret, daypass.Secret(masterKey[:]))
	files, err := filepath.Glob(f.path + "*")
	if err != nil || len(files) < 2 {
		t.Fatalf("files %v, %v", files, err)
	}
	found := false
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		found = found || bytes.Contains(b, []byte("plain label"))
		for i, s := range secrets {
			if bytes.Contains(b, []byte(s)) {
				t.Errorf("%s holds secret %d", filepath.Base(name), i)
			}
		}
	}
	if !found {
		t.Error("the label was not found either: this test looks in the wrong place")
	}
}

// A secret that was moved to another key in the database does not open.
func TestMovedSecretIsRefused(t *testing.T) {
	f := open(t)
	f.create(t, state.NewKey{ID: "victim", Secret: "secret of the victim"})
	f.create(t, state.NewKey{ID: "attacker", Secret: "secret of the attacker"})
	r, err := f.driver.Driver.Key(t.Context(), "attacker")
	if err != nil {
		t.Fatal(err)
	}
	if err := f.driver.DeleteKey(t.Context(), "victim"); err != nil {
		t.Fatal(err)
	}
	r.ID = "victim"
	if err := f.driver.InsertKey(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	k, err := f.AccessKey(t.Context(), "victim")
	wantCode(t, "AccessKey", err, daypass.InternalError)
	if k.Secret != "" {
		t.Error("a secret came with the error")
	}
}

func TestConcurrentUse(t *testing.T) {
	f := open(t)
	shared := f.create(t, state.NewKey{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				k, err := f.CreateKey(t.Context(), state.NewKey{})
				if err != nil {
					t.Error(err)
					return
				}
				f.clock.advance(100 * time.Millisecond)
				for _, id := range []string{k.ID, shared.ID} {
					if got, err := f.AccessKey(t.Context(), id); err != nil || got.ID != id || got.Secret == "" {
						t.Errorf("AccessKey(%s) = %v, %v", id, got, err)
					}
				}
				if err := f.DeleteKey(t.Context(), k.ID); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
