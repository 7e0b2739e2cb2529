package sqlstate_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"modernc.org/sqlite"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/state/ledgertest"
	"github.com/daypass/daypass/state/sqlstate"
	"github.com/daypass/daypass/state/statetest"
)

func open(t testing.TB, path string) *sqlstate.Driver {
	t.Helper()
	d, err := sqlstate.OpenSQLite(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// openRaw opens the file without the driver's own settings.
func openRaw(t testing.TB, path string) *sql.DB {
	t.Helper()
	c, err := sqlite.NewConnector("file:" + path + "?_busy_timeout=5000")
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	t.Cleanup(func() { db.Close() })
	return db
}

func record(id string) state.KeyRecord {
	return state.KeyRecord{ID: id, SealedSecret: []byte("sealed"), Owner: "o", Created: time.Unix(1, 0).UTC()}
}

func TestSQLiteConformance(t *testing.T) {
	statetest.Run(t, func(t *testing.T) state.Driver {
		return open(t, filepath.Join(t.TempDir(), "state.db"))
	})
}

func TestSQLiteLedger(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T) state.Driver {
		return open(t, filepath.Join(t.TempDir(), "state.db"))
	})
}

// Several processes may share the file.
func TestSQLiteSharedConformance(t *testing.T) {
	statetest.RunShared(t, func(t *testing.T) []state.Driver {
		path := filepath.Join(t.TempDir(), "state.db")
		return []state.Driver{open(t, path), open(t, path), open(t, path)}
	})
}

func TestSQLiteReopen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "with space?&%41#.db")
	d := open(t, path)
	if err := d.InsertKey(t.Context(), record("kept")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.InitSetting(t.Context(), "kept", []byte("value")); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = open(t, path)
	got, err := d.Key(t.Context(), "kept")
	if diff := cmp.Diff(record("kept"), got); err != nil || diff != "" {
		t.Errorf("Key: %v (-want +got):\n%s", err, diff)
	}
	if v, err := d.Setting(t.Context(), "kept"); string(v) != "value" || err != nil {
		t.Errorf("Setting: %q, %v", v, err)
	}
}

// What was acknowledged is in the files at once, as a crash would leave them.
func TestSQLiteCrash(t *testing.T) {
	dir, copied := t.TempDir(), t.TempDir()
	d := open(t, filepath.Join(dir, "state.db"))
	if err := d.InsertKey(t.Context(), record("kept")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"state.db", "state.db-wal"} {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(copied, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := open(t, filepath.Join(copied, "state.db")).Key(t.Context(), "kept"); err != nil {
		t.Error(err)
	}
}

// Several processes may share the file: several drivers stand for them.
func TestSQLiteShared(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	const drivers, each = 4, 25
	var wg sync.WaitGroup
	for i := range drivers {
		d := open(t, path)
		wg.Go(func() {
			for j := range each {
				if err := d.InsertKey(context.Background(), record(fmt.Sprintf("key-%d-%d", i, j))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	keys, err := open(t, path).ListKeys(t.Context(), "", 1000)
	if err != nil || len(keys) != drivers*each {
		t.Errorf("%d keys, %v; want %d", len(keys), err, drivers*each)
	}
}

// Processes that start together after an upgrade wait for each other, and one
// of them brings the schema up to date.
func TestSQLiteOpenTogether(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	old := openRaw(t, path)
	if _, err := old.Exec(`PRAGMA journal_mode = WAL; CREATE TABLE schema_version (version BIGINT NOT NULL PRIMARY KEY)`); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			d, err := sqlstate.OpenSQLite(context.Background(), path)
			if err != nil {
				t.Error(err)
				return
			}
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestSQLiteFileModes(t *testing.T) {
	dir := t.TempDir()
	d := open(t, filepath.Join(dir, "state.db"))
	if err := d.InsertKey(t.Context(), record("any")); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 3 {
		t.Errorf("%d files, want the database, -wal and -shm", len(entries))
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o600 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
	}
}

func TestSQLiteNewerSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state.db")
	if err := open(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := openRaw(t, path).Exec(`INSERT INTO schema_version (version) VALUES (1000)`); err != nil {
		t.Fatal(err)
	}
	_, err := sqlstate.OpenSQLite(t.Context(), path)
	if err == nil || !strings.Contains(err.Error(), "schema version 1000") {
		t.Errorf("OpenSQLite: %v, want a complaint about schema version 1000", err)
	}
}

func TestSQLiteOpenErrors(t *testing.T) {
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, []byte(strings.Repeat("not a database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{garbage, dir, filepath.Join(dir, "no", "such", "directory.db")} {
		d, err := sqlstate.OpenSQLite(t.Context(), path)
		if err == nil {
			d.Close()
			t.Errorf("OpenSQLite(%s) succeeded", path)
		} else if !strings.Contains(err.Error(), path) {
			t.Errorf("%v: does not name %s", err, path)
		}
	}
}

// The settings that durability rests on are those of the connections in use.
func TestSQLiteSettings(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "state.db"))
	want := map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1",
		"busy_timeout": "5000", "fullfsync": "1",
	}
	for pragma, want := range want {
		for _, writing := range []bool{false, true} {
			got, err := sqlstate.Query(t.Context(), d, writing, "PRAGMA "+pragma)
			if err != nil || got != want {
				t.Errorf("writing %t: %s = %q, %v; want %q", writing, pragma, got, err, want)
			}
		}
	}
	if _, err := sqlstate.Query(t.Context(), d, false, `DELETE FROM access_keys RETURNING id`); err == nil || errors.Is(err, sql.ErrNoRows) {
		t.Errorf("a reader can write: %v", err)
	}
}

func TestSQLiteFull(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "state.db"))
	if _, err := sqlstate.Query(t.Context(), d, true, `PRAGMA max_page_count = 1`); err != nil {
		t.Fatal(err)
	}
	big := record("big")
	big.SealedSecret = make([]byte, 1<<20)
	err := d.InsertKey(t.Context(), big)
	if daypass.CodeOf(err) != daypass.InsufficientStorage {
		t.Errorf("InsertKey on a full disk: %v", err)
	}
	if _, err := d.Key(t.Context(), "big"); daypass.CodeOf(err) != daypass.NoSuchAccessKey {
		t.Errorf("Key after that: %v", err)
	}
}

func BenchmarkSQLiteKey(b *testing.B) {
	d := open(b, filepath.Join(b.TempDir(), "state.db"))
	if err := d.InsertKey(b.Context(), record("any")); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Key(b.Context(), "any"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSQLiteInsertKey(b *testing.B) {
	d := open(b, filepath.Join(b.TempDir(), "state.db"))
	i := 0
	for b.Loop() {
		i++
		if err := d.InsertKey(b.Context(), record(fmt.Sprint("key-", i))); err != nil {
			b.Fatal(err)
		}
	}
}
