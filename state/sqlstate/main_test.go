package sqlstate_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/daypass/daypass/state/sqlstate"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(killFile); path != "" {
		updateUntilKilled(path)
	}
	// Property tests of the ledger run in full over memory, in package state.
	if err := flag.Set("rapid.checks", "20"); err != nil {
		panic(err)
	}
	code := m.Run()
	if s := shared.server; s != nil {
		s.kill()
		s.remove()
	}
	os.Exit(code)
}

// shared is the server that the tests share, started by the first one that
// needs it.
var shared struct {
	once      sync.Once
	server    *server
	err       error
	databases atomic.Int64
}

// postgresServer returns the server that the tests share. Tests are skipped
// where PostgreSQL is not installed.
func postgresServer(t testing.TB) *server {
	t.Helper()
	shared.once.Do(func() { shared.server, shared.err = startServer() })
	if errors.Is(shared.err, errNoPostgres) {
		t.Skip("skipped: ", shared.err)
	}
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server
}

// newDatabase returns a connection string for an empty database.
func newDatabase(t testing.TB, options ...string) string {
	t.Helper()
	s := postgresServer(t)
	name := fmt.Sprint("test", shared.databases.Add(1))
	if err := s.exec("postgres", "CREATE DATABASE "+name+" TEMPLATE template0 "+strings.Join(options, " ")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.exec("postgres", "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)"); err != nil {
			t.Log(err)
		}
	})
	return s.url(name)
}

// openPostgres returns a driver, which the test may close itself.
func openPostgres(t testing.TB, dsn string) *sqlstate.Driver {
	t.Helper()
	d, err := sqlstate.OpenPostgres(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}
