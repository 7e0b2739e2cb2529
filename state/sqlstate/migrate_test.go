package sqlstate_test

import (
	"path/filepath"
	"testing"

	"github.com/daypass/daypass/state/sqlstate"
)

func TestMigrateResumes(t *testing.T) {
	db := openRaw(t, filepath.Join(t.TempDir(), "m.db"))
	steps := []string{
		`CREATE TABLE t (a BIGINT); INSERT INTO t VALUES (1);`,
		`INSERT INTO t VALUES (2);`,
	}
	for _, n := range []int{0, 1, 1, 2, 2} {
		if err := sqlstate.Migrate(t.Context(), db, steps[:n]); err != nil {
			t.Fatalf("to version %d: %v", n, err)
		}
	}
	var sum int
	if err := db.QueryRow(`SELECT SUM(a) FROM t`).Scan(&sum); err != nil || sum != 3 {
		t.Errorf("sum %d, %v; each step must run once", sum, err)
	}
}

// A step that fails leaves everything as it was.
func TestMigrateFails(t *testing.T) {
	db := openRaw(t, filepath.Join(t.TempDir(), "m.db"))
	good := `CREATE TABLE t (a BIGINT)`
	if err := sqlstate.Migrate(t.Context(), db, []string{good, `CREATE TABLE u (a BIGINT); nonsense`}); err == nil {
		t.Fatal("a broken step succeeded")
	}
	if err := sqlstate.Migrate(t.Context(), db, []string{good, `CREATE TABLE u (a BIGINT)`}); err != nil {
		t.Errorf("after the step was repaired: %v", err)
	}
}
