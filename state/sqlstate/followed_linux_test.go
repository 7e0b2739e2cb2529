package sqlstate_test

import (
	"context"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/state/sqlstate"
)

// What a failover forgets is not taken for what comes after it: nodes that have
// seen more than state has get all anew, and no number is given out again.
func TestForgotten(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		d, err := sqlstate.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "state.db"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { d.Close() })
		testForgotten(t, d)
	})
	t.Run("postgres", func(t *testing.T) { testForgotten(t, openPostgres(t, newDatabase(t))) })
}

func testForgotten(t *testing.T, d *sqlstate.Driver) {
	ctx := t.Context()
	insert := func(id string) int64 {
		t.Helper()
		version, err := d.InsertRevocation(ctx, state.RevocationRecord{ID: id, Pass: "p"})
		if err != nil {
			t.Fatal(err)
		}
		return version
	}
	read := func(after int64, want ...string) {
		t.Helper()
		list, err := d.Revocations(ctx, after, 10)
		var ids []string
		for _, r := range list {
			ids = append(ids, r.ID)
		}
		if err != nil || !slices.Equal(ids, want) {
			t.Errorf("revocations %q, %v; want %q", ids, err, want)
		}
	}
	insert("r1")
	insert("r2")
	seen := insert("r3")
	if err := d.SetBucketSetting(ctx, "b", "n", []byte("v")); err != nil {
		t.Fatal(err)
	}
	changes, err := d.Changes(ctx)
	if err != nil {
		t.Fatal(err)
	}
	read(seen)
	err = sqlstate.Do(ctx, d, func(exec func(string, ...any) error) error {
		for _, forget := range []string{
			`DELETE FROM revocations WHERE id = 'r3'`,
			`UPDATE counters SET value = (SELECT MAX(version) FROM revocations) WHERE name = 'revocations'`,
			`UPDATE counters SET value = value - 1 WHERE name = 'changes'`,
		} {
			if err := exec(forget); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	read(seen, "r1", "r2")
	time.Sleep(2 * time.Millisecond) // a failover takes longer
	if version := insert("r4"); version <= seen {
		t.Errorf("version %d is given out again, up to %d were seen", version, seen)
	}
	read(seen, "r4")
	if err := d.SetBucketSetting(ctx, "b", "n", []byte("w")); err != nil {
		t.Fatal(err)
	}
	if again, err := d.Changes(ctx); err != nil || again == changes {
		t.Errorf("%d changes, as before the failover, %v", again, err)
	}
}

// Whoever keeps all readers busy does not keep a node from knowing that state is
// there, and what was revoked.
func TestPostgresBusyReaders(t *testing.T) {
	d := openPostgres(t, newDatabase(t))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for range 40 {
		wg.Go(func() { sqlstate.Query(ctx, d, false, `SELECT pg_sleep(120)::text`) })
	}
	await(t, "all readers are busy", func() bool { return sqlstate.FreeReaders(d) == 0 })
	bound, stop := context.WithTimeout(ctx, 4*time.Second)
	defer stop()
	if _, err := d.Changes(bound); err != nil {
		t.Error(err)
	}
	if _, err := d.Revocations(bound, 0, 10); err != nil {
		t.Error(err)
	}
}

// A change that a repeated request finds made is acknowledged only when the
// standby has it: the lock that it takes makes the server wait again.
func TestPostgresRepeatedUnsure(t *testing.T) {
	s := newServer(t)
	d := openPostgres(t, s.url("postgres"))
	once := func(id string) error {
		return d.UpdateEntry(t.Context(), id, func(old *state.EntryRecord) (*state.EntryRecord, error) {
			if old != nil {
				return old, nil
			}
			return &state.EntryRecord{ID: id, Pass: id, Data: []byte("drawn")}, nil
		})
	}
	s.must(t, `ALTER SYSTEM SET synchronous_standby_names = 'nobody'`, `SELECT pg_reload_conf()`)
	id := ""
	await(t, "a commit in doubt", func() bool { // the server takes note of its settings in its own time
		id += "e"
		return s.withoutStandby(t, func() error { return once(id) }) != nil
	})
	if err := s.withoutStandby(t, func() error { return once(id) }); daypass.CodeOf(err) != daypass.ServiceUnavailable {
		t.Errorf("repeated: %v, want a complaint about the standby", err)
	}
	s.must(t, `ALTER SYSTEM RESET synchronous_standby_names`, `SELECT pg_reload_conf()`)
	await(t, "acknowledged", func() bool { return once(id) == nil })
}

// A server that takes no writes any more is not read from either, although
// nobody writes who could notice.
func TestPostgresNoLongerPrimary(t *testing.T) {
	s := newServer(t)
	d := openPostgres(t, s.url("postgres"))
	if _, err := d.Revocations(t.Context(), 0, 10); err != nil {
		t.Fatal(err)
	}
	s.must(t, `ALTER SYSTEM SET default_transaction_read_only = on`, `SELECT pg_reload_conf()`)
	for what, read := range map[string]func() error{
		"Revocations": func() error { _, err := d.Revocations(t.Context(), 0, 10); return err },
		"Changes":     func() error { _, err := d.Changes(t.Context()); return err },
		"Key":         func() error { _, err := d.Key(t.Context(), "k"); return err },
	} {
		await(t, what, func() bool { return daypass.CodeOf(read()) == daypass.ServiceUnavailable })
	}
}

// withoutStandby calls f while all waits for a standby are cut short.
func (s *server) withoutStandby(t *testing.T, f func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- f() }()
	for {
		s.must(t, `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'`)
		select {
		case err := <-done:
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}
