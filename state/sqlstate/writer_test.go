package sqlstate_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/state/sqlstate"
)

// onEngines runs a test on every engine that there is.
func onEngines(t *testing.T, test func(t *testing.T, d *sqlstate.Driver)) {
	t.Run("SQLite", func(t *testing.T) { test(t, open(t, filepath.Join(t.TempDir(), "state.db"))) })
	t.Run("Postgres", func(t *testing.T) { test(t, openPostgres(t, newDatabase(t))) })
}

// hold keeps the writer busy until release is called.
func hold(t *testing.T, d *sqlstate.Driver) (release func()) {
	t.Helper()
	busy, free := make(chan struct{}), make(chan struct{})
	begun := sync.OnceFunc(func() { close(busy) })
	go sqlstate.Do(context.Background(), d, func(func(string, ...any) error) error {
		begun() // again, where the server has ended a transaction that took too long
		<-free
		return nil
	})
	<-busy
	return sync.OnceFunc(func() { close(free) })
}

// queue runs calls while the writer is busy, so that they end up in one
// batch, and returns their errors.
func queue(t *testing.T, d *sqlstate.Driver, calls ...func() error) []error {
	t.Helper()
	release := hold(t, d)
	errs := make([]error, len(calls))
	var wg sync.WaitGroup
	for i, call := range calls {
		wg.Go(func() { errs[i] = call() })
	}
	time.Sleep(200 * time.Millisecond) // until all are queued
	release()
	wg.Wait()
	return errs
}

// incrementing returns a call that counts in an entry.
func incrementing(t *testing.T, d *sqlstate.Driver, id string) func() error {
	return func() error { return d.UpdateEntry(t.Context(), id, increment(id)) }
}

func wantCount(t *testing.T, d *sqlstate.Driver, id string, want uint64) {
	t.Helper()
	e, err := d.Entry(t.Context(), id)
	var got uint64
	if e != nil {
		got = binary.BigEndian.Uint64(e.Data)
	}
	if err != nil || got != want {
		t.Errorf("%s is %d, %v; want %d", id, got, err, want)
	}
}

// What is queued is committed at once, and changes of one entry build on one
// another.
func TestBatch(t *testing.T) {
	onEngines(t, func(t *testing.T, d *sqlstate.Driver) {
		var calls []func() error
		for i := range 300 {
			calls = append(calls, incrementing(t, d, fmt.Sprint("e", i%100)))
		}
		before := sqlstate.Commits(d)
		if err := errors.Join(queue(t, d, calls...)...); err != nil {
			t.Fatal(err)
		}
		if n := sqlstate.Commits(d) - before; n > 3 {
			t.Errorf("%d transactions for 300 updates that were queued together", n)
		}
		for i := range 100 {
			wantCount(t, d, fmt.Sprint("e", i), 3)
		}
	})
}

// A change is given the same whether the one before it is in its batch or not.
func TestBatchLooksCommitted(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "state.db"))
	at := time.Date(2026, 2, 3, 4, 5, 6, 789_012_345, time.FixedZone("", 3600))
	want := &state.EntryRecord{ID: "e", Data: []byte{}, Expires: at.Truncate(time.Microsecond).UTC()}
	look := func() error {
		return d.UpdateEntry(t.Context(), "e", func(old *state.EntryRecord) (*state.EntryRecord, error) {
			if diff := cmp.Diff(want, old); old != nil && diff != "" || old != nil && old.Expires.Location() != time.UTC {
				t.Errorf("the next change was given (-want +got):\n%s", diff)
			}
			return &state.EntryRecord{ID: "e", Expires: at}, nil
		})
	}
	if err := errors.Join(queue(t, d, look, look, look)...); err != nil {
		t.Error(err)
	}
	wantEntryTime(t, d, want.Expires)
}

func wantEntryTime(t *testing.T, d *sqlstate.Driver, want time.Time) {
	t.Helper()
	e, err := d.Entry(t.Context(), "e")
	if err != nil || e == nil || !e.Expires.Equal(want) {
		t.Errorf("Entry: %+v, %v; want it to expire at %v", e, err, want)
	}
}

// More than fits into a batch is no trouble.
func TestBatchBound(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "state.db"))
	var calls []func() error
	for range 2*sqlstate.MaxBatch + 1 {
		calls = append(calls, incrementing(t, d, "e"))
	}
	if err := errors.Join(queue(t, d, calls...)...); err != nil {
		t.Fatal(err)
	}
	wantCount(t, d, "e", 2*sqlstate.MaxBatch+1)
}

// A request that breaks its transaction breaks no other one.
func TestPoisoned(t *testing.T) {
	onEngines(t, func(t *testing.T, d *sqlstate.Driver) {
		var calls []func() error
		for i := range 40 {
			calls = append(calls, incrementing(t, d, fmt.Sprint("e", i)))
		}
		for _, i := range []int{3, 4, 25} {
			calls[i] = func() error {
				return sqlstate.Do(t.Context(), d, func(exec func(string, ...any) error) error {
					return exec(`INSERT INTO settings (name, value) VALUES ('poison', NULL)`)
				})
			}
		}
		for i, err := range queue(t, d, calls...) {
			poison := i == 3 || i == 4 || i == 25
			if poison != (err != nil) {
				t.Errorf("call %d: %v", i, err)
			}
			if !poison {
				wantCount(t, d, fmt.Sprint("e", i), 1)
			}
		}
	})
}

// A transaction that is in conflict is run again from the start, and what it
// did the first time leaves no trace.
func TestConflict(t *testing.T) {
	onEngines(t, func(t *testing.T, d *sqlstate.Driver) {
		runs := 0
		conflicting := func() error {
			return sqlstate.Do(t.Context(), d, func(exec func(string, ...any) error) error {
				runs++
				if err := exec(`INSERT INTO settings (name, value) VALUES ($1, $2)`, fmt.Sprint("run", runs), []byte("x")); err != nil {
					return err
				}
				if runs < 3 {
					return sqlstate.ErrRace
				}
				return nil
			})
		}
		errs := queue(t, d, incrementing(t, d, "e"), conflicting, incrementing(t, d, "e"))
		if err := errors.Join(errs...); err != nil || runs != 3 {
			t.Errorf("%d runs, %v; want 3", runs, err)
		}
		wantCount(t, d, "e", 2)
		for name, want := range map[string]string{"run1": "", "run2": "", "run3": "x"} {
			if v, err := d.Setting(t.Context(), name); string(v) != want || err != nil {
				t.Errorf("%s: %q, %v; want %q", name, v, err, want)
			}
		}
	})
}

// A request whose context ends in the queue is not run.
func TestCanceledInQueue(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "state.db"))
	release := hold(t, d)
	defer release()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := d.UpdateEntry(ctx, "e", func(*state.EntryRecord) (*state.EntryRecord, error) {
		t.Error("change was called")
		return nil, nil
	})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("UpdateEntry: %v", err)
	}
	release()
	wantCount(t, d, "e", 0)
	if err := incrementing(t, d, "e")(); err != nil {
		t.Error(err)
	}
}

// A change that panics does so in its caller, and harms nobody else.
func TestPanic(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "state.db"))
	panicking := func() (err error) {
		defer func() { err = fmt.Errorf("recovered: %v", recover()) }()
		return d.UpdateEntry(t.Context(), "e", func(*state.EntryRecord) (*state.EntryRecord, error) { panic("oops") })
	}
	errs := queue(t, d, incrementing(t, d, "e"), panicking, incrementing(t, d, "e"))
	if errs[0] != nil || errs[2] != nil || errs[1] == nil || errs[1].Error() != "recovered: oops" {
		t.Errorf("errors %v", errs)
	}
	wantCount(t, d, "e", 2)
}

// Close waits for those who came before it, and refuses those who come after.
func TestCloseDrains(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	d := open(t, path)
	release := hold(t, d)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := incrementing(t, d, "e")(); err != nil {
				t.Error(err)
			}
		})
	}
	time.Sleep(100 * time.Millisecond)
	closed := make(chan error)
	go func() { closed <- d.Close() }()
	select {
	case err := <-closed:
		t.Errorf("Close did not wait: %v", err)
	case <-time.After(50 * time.Millisecond):
	}
	release()
	if err := <-closed; err != nil {
		t.Errorf("Close: %v", err)
	}
	wg.Wait()
	if err := d.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
	if err := incrementing(t, d, "e")(); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("UpdateEntry after Close: %v", err)
	}
	wantCount(t, open(t, path), "e", 20)
}

func TestNoLeak(t *testing.T) {
	onEngines(t, func(t *testing.T, d *sqlstate.Driver) { d.Close() }) // start what stays
	before := runtime.NumGoroutine()
	onEngines(t, func(t *testing.T, d *sqlstate.Driver) {
		if err := errors.Join(queue(t, d, incrementing(t, d, "a"), incrementing(t, d, "b"))...); err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	for range 100 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	stacks := make([]byte, 1<<16)
	t.Errorf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
}

// Statements are few, whatever the sizes of batches.
func TestStatements(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "state.db"))
	for n := 1; n <= 200; n += 7 {
		for range 2 { // insert, then change
			var calls []func() error
			for i := range n {
				calls = append(calls, incrementing(t, d, fmt.Sprint(n, "-", i)))
			}
			var wg sync.WaitGroup
			for _, call := range calls {
				wg.Go(func() {
					if err := call(); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
		}
	}
	if n := sqlstate.Statements(d); n > 3*7 {
		t.Errorf("%d statements are prepared", n)
	}
}

// A writer that has nothing to do gives its connection up, and gets one again
// for the next change.
func TestIdle(t *testing.T) {
	onEngines(t, func(t *testing.T, d *sqlstate.Driver) {
		sqlstate.Shorten(d, 30*time.Millisecond)
		for range 3 {
			if err := incrementing(t, d, "e")(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(100 * time.Millisecond)
		}
		if err := d.Close(); err != nil { // the writer may be looked at after that
			t.Error(err)
		}
		if n := sqlstate.Connections(d); n < 3 {
			t.Errorf("connected %d times", n)
		}
	})
}

func TestInsertRevocationAgain(t *testing.T) {
	onEngines(t, func(t *testing.T, d *sqlstate.Driver) {
		r := state.RevocationRecord{ID: "r", Name: "first", Created: time.Unix(1, 0).UTC()}
		first, err := d.InsertRevocation(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		r.Name = "second"
		if again, err := d.InsertRevocation(t.Context(), r); again != first || err != nil {
			t.Errorf("inserted again: version %d, %v; want %d", again, err, first)
		}
		list, err := d.Revocations(t.Context(), 0, 10)
		if err != nil || len(list) != 1 || list[0].Name != "first" {
			t.Errorf("%+v, %v", list, err)
		}
	})
}

func TestAfterAll(t *testing.T) {
	got := map[string]string{}
	want := map[string]string{"": "", "a": "b", "az": "a{", "\U0010ffff": "", "a\U0010ffff": "b", "\u007f": "\u0080", "\ud7ff": "\ue000", "é": "ê"}
	for s := range want {
		got[s] = sqlstate.AfterAll(s)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestUpdateEntryKeepsCode(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "state.db"))
	own := &daypass.Error{Code: daypass.AccessDenied}
	err := d.UpdateEntry(t.Context(), "e", func(*state.EntryRecord) (*state.EntryRecord, error) { return nil, own })
	if err != error(own) {
		t.Errorf("UpdateEntry: %v, want the change's own error", err)
	}
}
