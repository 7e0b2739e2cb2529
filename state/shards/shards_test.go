package shards_test

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/state/ledgertest"
	"github.com/daypass/daypass/state/shards"
	"github.com/daypass/daypass/state/sqlstate"
	"github.com/daypass/daypass/state/statetest"
)

func TestMain(m *testing.M) {
	// Property tests of the ledger run in full over memory, in package state.
	if err := flag.Set("rapid.checks", "10"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// sqlite opens n SQLite databases of a directory.
func sqlite(t testing.TB, dir string, n int) (drivers []state.Driver) {
	t.Helper()
	for i := range n {
		d, err := sqlstate.OpenSQLite(t.Context(), filepath.Join(dir, fmt.Sprint("state", i, ".db")))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		drivers = append(drivers, d)
	}
	return drivers
}

func open(t testing.TB, drivers ...state.Driver) *shards.Driver {
	t.Helper()
	d, err := shards.Open(t.Context(), drivers, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestConformance(t *testing.T) {
	for _, n := range []int{1, 3} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			statetest.Run(t, func(t *testing.T) state.Driver { return open(t, sqlite(t, t.TempDir(), n)...) })
		})
	}
}

func TestShared(t *testing.T) {
	statetest.RunShared(t, func(t *testing.T) (nodes []state.Driver) {
		dir := t.TempDir()
		for range 3 {
			nodes = append(nodes, open(t, sqlite(t, dir, 3)...))
		}
		return nodes
	})
}

func TestLedger(t *testing.T) {
	dir := t.TempDir()
	ledgertest.Run(t, func(t *testing.T) state.Driver { return open(t, sqlite(t, dir, 3)...) })
}

// The place of a pass never changes: what is kept would not be found again.
func TestPlaces(t *testing.T) {
	for _, c := range []struct {
		key  string
		want [3]int // of 2, 3 and 5 shards
	}{
		{"", [3]int{0, 1, 2}},
		{"abcdefghijklmnopqrstuvwxyz", [3]int{1, 0, 2}},
		{"task/lifecycle", [3]int{0, 2, 4}},
		{"mfrggzdfmztwq2lknnwg23tpoa", [3]int{0, 1, 4}},
	} {
		var got [3]int
		for i, n := range []int{2, 3, 5} {
			got[i] = shards.Place(c.key, n)
		}
		if got != c.want {
			t.Errorf("%q: %v, want %v", c.key, got, c.want)
		}
	}
	for id, key := range map[string]string{
		"mfrggzdfmztwq2lknnwg23tpoa":       "mfrggzdfmztwq2lknnwg23tpoa",
		"mfrggzdfmztwq2lknnwg23tpoa/B/xyz": "mfrggzdfmztwq2lknnwg23tpoa",
		"/F/abc":                           "/F/abc",
		"task/lifecycle":                   "task/lifecycle",
	} {
		if got, want := shards.PlaceEntry(id, 1000), shards.Place(key, 1000); got != want {
			t.Errorf("entry %q is in shard %d, want %d", id, got, want)
		}
	}
}

// Passes are spread, and everything of one is in one place.
func TestSpread(t *testing.T) {
	parts := sqlite(t, t.TempDir(), 3)
	d := open(t, parts...)
	for i := range 60 {
		pass := fmt.Sprintf("pass%022d", i)
		for _, id := range []string{pass + "/B", pass + "/C", pass + "/B/detail"} {
			if err := d.UpdateEntry(t.Context(), id, func(*state.EntryRecord) (*state.EntryRecord, error) {
				return &state.EntryRecord{ID: id, Pass: pass, Data: []byte("x")}, nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.AddPasses(t.Context(), []state.PassRecord{{ID: pass}}); err != nil {
			t.Fatal(err)
		}
	}
	for i, one := range parts {
		list, err := one.ListPasses(t.Context(), state.PassFilter{}, "", 100)
		if err != nil || len(list) < 10 {
			t.Errorf("shard %d has %d of 60 passes, %v", i, len(list), err)
		}
		for _, p := range list {
			entries, err := one.PassEntries(t.Context(), p.ID, "", 10)
			if err != nil || len(entries) != 3 {
				t.Errorf("shard %d has %s and %d of its 3 entries, %v", i, p.ID, len(entries), err)
			}
		}
	}
}

func TestMap(t *testing.T) {
	dir := t.TempDir()
	a := sqlite(t, dir, 4)
	open(t, a[:3]...)
	open(t, a[:3]...) // again, as another node
	alone := sqlite(t, t.TempDir(), 2)
	open(t, alone[0])
	used := sqlite(t, t.TempDir(), 2)
	s, err := state.Open(t.Context(), keep{used[0]}, state.MasterKey{1}, state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	for _, c := range []struct {
		what    string
		drivers []state.Driver
		want    string
	}{
		{"another order", []state.Driver{a[1], a[0], a[2]}, "shard 1 of 3 was set up as shard 2 of 3"},
		{"one less", a[:2], "shard 1 of 2 was set up as shard 1 of 3"},
		{"one alone", a[1:2], "shard 1 of 1 was set up as shard 2 of 3"},
		{"one more", a, "shard 1 of 4 was set up as shard 1 of 3"},
		{"one replaced", []state.Driver{a[0], a[1], a[3]}, "shard 1 of 3 was set up as shard 1 of 3"},
		{"a new one first", []state.Driver{a[3], a[0], a[1], a[2]}, "shard 2 of 4 was set up as shard 1 of 3"},
		{"the same twice", []state.Driver{a[0], a[0], a[2]}, "shards 1 and 2 are the same database"},
		{"one that was alone", alone, "shard 1 of 2 was set up to be alone"},
		{"one that was used without shards", used, "shard 1 was used alone"},
	} {
		_, err := shards.Open(t.Context(), c.drivers, rand.Reader)
		if !errors.Is(err, shards.ErrMap) || !contains(err, c.want) || !contains(err, "order in which they were set up") {
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		}
	}
	open(t, a[:3]...) // no attempt has changed anything
	open(t, used[0])  // which may go on alone
}

// contains reports whether the message of an error holds a text.
func contains(err error, text string) bool {
	var e *daypass.Error
	return errors.As(err, &e) && strings.Contains(e.Message, text)
}

// keep is a driver that Close leaves open.
type keep struct{ state.Driver }

func (keep) Close() error { return nil }

// A flaky is a driver that is out of reach at times.
type flaky struct {
	state.Driver
	down  atomic.Bool
	calls atomic.Int64
}

func (f *flaky) fail() error {
	f.calls.Add(1)
	if f.down.Load() {
		return &daypass.Error{Code: daypass.ServiceUnavailable, Err: errors.New("down")}
	}
	return nil
}

func (f *flaky) UpdateEntry(ctx context.Context, id string, change func(*state.EntryRecord) (*state.EntryRecord, error)) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.Driver.UpdateEntry(ctx, id, change)
}

func (f *flaky) InsertRevocation(ctx context.Context, r state.RevocationRecord) (int64, error) {
	if err := f.fail(); err != nil {
		return 0, err
	}
	return f.Driver.InsertRevocation(ctx, r)
}

func (f *flaky) Revocations(ctx context.Context, after int64, max int) ([]state.RevocationRecord, error) {
	if err := f.fail(); err != nil {
		return nil, err
	}
	return f.Driver.Revocations(ctx, after, max)
}

func (f *flaky) AddPasses(ctx context.Context, seen []state.PassRecord) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.Driver.AddPasses(ctx, seen)
}

func flakies(t testing.TB, n int) (list []*flaky, drivers []state.Driver) {
	for _, d := range sqlite(t, t.TempDir(), n) {
		f := &flaky{Driver: d}
		list, drivers = append(list, f), append(drivers, f)
	}
	return list, drivers
}

// inShard returns the id of a pass of a shard.
func inShard(number, n int) string {
	for i := 0; ; i++ {
		if id := fmt.Sprintf("pass%022d", i); shards.Place(id, n) == number {
			return id
		}
	}
}

func touch(d state.Driver, id string) error {
	return d.UpdateEntry(context.Background(), id, func(*state.EntryRecord) (*state.EntryRecord, error) {
		return &state.EntryRecord{ID: id, Pass: id}, nil
	})
}

// A shard that fails takes down its own passes only, is soon left alone, and is
// found again.
func TestShardDown(t *testing.T) {
	f, drivers := flakies(t, 3)
	d := open(t, drivers...)
	f[1].down.Store(true)
	for i, want := range []daypass.Code{"", daypass.ServiceUnavailable, ""} {
		if err := touch(d, inShard(i, 3)); daypass.CodeOf(err) != want {
			t.Errorf("a pass in shard %d: %v, want %q", i, err, want)
		}
	}
	before := f[1].calls.Load()
	for range 100 {
		if err := touch(d, inShard(1, 3)); daypass.CodeOf(err) != daypass.ServiceUnavailable {
			t.Fatal(err)
		}
	}
	if n := f[1].calls.Load() - before; n > 20 {
		t.Errorf("the shard was asked %d times of 100", n)
	}
	f[1].down.Store(false)
	deadline := time.Now().Add(20 * time.Second)
	for err := touch(d, inShard(1, 3)); err != nil; err = touch(d, inShard(1, 3)) {
		if time.Now().After(deadline) {
			t.Fatalf("the shard is not found again: %v", err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A refusal of the change itself says nothing about the shard, whatever its
// code.
func TestOwnRefusal(t *testing.T) {
	d := open(t, sqlite(t, t.TempDir(), 3)...)
	id := inShard(1, 3)
	busy := &daypass.Error{Code: daypass.ServiceUnavailable, Message: "held"}
	for range 3 {
		err := d.UpdateEntry(t.Context(), id, func(*state.EntryRecord) (*state.EntryRecord, error) { return nil, busy })
		if err != busy {
			t.Fatalf("%v, want the change's own error", err)
		}
	}
	if err := touch(d, id); err != nil {
		t.Error(err)
	}
}

// A revocation counts as made when every shard has it, and is then found
// whichever shard answers.
func TestRevocations(t *testing.T) {
	f, drivers := flakies(t, 3)
	d := open(t, drivers...)
	if _, err := d.InsertRevocation(t.Context(), state.RevocationRecord{ID: "r1", Pass: "p"}); err != nil {
		t.Fatal(err)
	}
	if _, err := f[2].Driver.InsertRevocation(t.Context(), state.RevocationRecord{ID: "older", Pass: "q"}); err != nil {
		t.Fatal(err)
	}
	var seen int64
	read := func(want ...string) {
		t.Helper()
		list, err := d.Revocations(t.Context(), seen, 10)
		var ids []string
		for _, r := range list {
			ids, seen = append(ids, r.ID), r.Version
		}
		if err != nil || !slices.Equal(ids, want) {
			t.Errorf("revocations %q, %v; want %q", ids, err, want)
		}
	}
	read("r1")
	read()
	f[0].down.Store(true)
	f[1].down.Store(true)
	read("r1", "older") // from the third, from its beginning
	read()
	if _, err := d.InsertRevocation(t.Context(), state.RevocationRecord{ID: "r2", Pass: "p"}); daypass.CodeOf(err) != daypass.ServiceUnavailable {
		t.Errorf("a revocation that two of three shards do not have: %v", err)
	}
	read("r2") // though not acknowledged, where it got to
	f[2].down.Store(true)
	if _, err := d.Revocations(t.Context(), seen, 10); daypass.CodeOf(err) != daypass.ServiceUnavailable {
		t.Errorf("no shard answers: %v", err)
	}
	f[0].down.Store(false)
	read("r1") // from the first, from its beginning
}

// What one shard could not write does not count twice in the others.
func TestUnwritten(t *testing.T) {
	f, drivers := flakies(t, 3)
	d := open(t, drivers...)
	f[1].down.Store(true)
	var seen []state.PassRecord
	for i := range 3 {
		seen = append(seen, state.PassRecord{ID: inShard(i, 3), Uses: 1})
	}
	var some *state.UnwrittenError
	if err := d.AddPasses(t.Context(), seen); !errors.As(err, &some) || len(some.Passes) != 1 || some.Passes[0].ID != seen[1].ID {
		t.Errorf("%v: %+v", err, some)
	}
	for i, want := range []int64{1, 0, 1} {
		p, err := f[i].Driver.Pass(t.Context(), seen[i].ID)
		if err != nil || (p != nil) != (want == 1) {
			t.Errorf("%s: %+v, %v", seen[i].ID, p, err)
		}
	}
}
