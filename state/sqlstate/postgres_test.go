package sqlstate_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/state/ledgertest"
	"github.com/daypass/daypass/state/sqlstate"
	"github.com/daypass/daypass/state/statetest"
)

// icu makes a database whose text compares by language.
const icu = `LOCALE_PROVIDER icu ICU_LOCALE 'en-US'`

func TestPostgresConformance(t *testing.T) {
	statetest.Run(t, func(t *testing.T) state.Driver {
		return openPostgres(t, newDatabase(t, icu))
	})
}

func TestPostgresLedger(t *testing.T) {
	dsn := newDatabase(t)
	ledgertest.Run(t, func(t *testing.T) state.Driver { return openPostgres(t, dsn) })
}

// Several nodes share a database: several drivers stand for them.
func TestPostgresShared(t *testing.T) {
	statetest.RunShared(t, func(t *testing.T) []state.Driver {
		dsn := newDatabase(t)
		return []state.Driver{openPostgres(t, dsn), openPostgres(t, dsn), openPostgres(t, dsn)}
	})
}

// Nodes that start together wait for each other, and one of them makes the
// schema.
func TestPostgresOpenTogether(t *testing.T) {
	dsn := newDatabase(t)
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			d, err := sqlstate.OpenPostgres(context.Background(), dsn)
			if err != nil {
				t.Error(err)
				return
			}
			defer d.Close()
			if err := d.InsertKey(context.Background(), record(fmt.Sprint("key", i))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	keys, err := openPostgres(t, dsn).ListKeys(t.Context(), "", 100)
	if err != nil || len(keys) != 12 {
		t.Errorf("%d keys, %v; want 12", len(keys), err)
	}
}

// A user who may not create tables can use those that there are.
func TestPostgresPlainUser(t *testing.T) {
	dsn := newDatabase(t)
	openPostgres(t, dsn).Close()
	s := postgresServer(t)
	database := dsn[strings.LastIndex(dsn, "/")+1 : strings.Index(dsn, "?")]
	role := "plain_" + database
	for _, statement := range []string{
		"CREATE ROLE " + role + " LOGIN PASSWORD 'plain'",
		"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO " + role,
	} {
		if err := s.exec(database, statement); err != nil {
			t.Fatal(err)
		}
	}
	d := openPostgres(t, strings.Replace(dsn, "postgres:"+s.password, role+":plain", 1))
	if err := incrementing(t, d, "e")(); err != nil {
		t.Error(err)
	}
}

func TestPostgresNewerSchema(t *testing.T) {
	dsn := newDatabase(t)
	openPostgres(t, dsn).Close()
	s := postgresServer(t)
	database := dsn[strings.LastIndex(dsn, "/")+1 : strings.Index(dsn, "?")]
	if err := s.exec(database, `INSERT INTO schema_version (version) VALUES (1000)`); err != nil {
		t.Fatal(err)
	}
	_, err := sqlstate.OpenPostgres(t.Context(), dsn)
	if err == nil || !strings.Contains(err.Error(), "schema version 1000") {
		t.Errorf("OpenPostgres: %v, want a complaint about schema version 1000", err)
	}
}

func TestPostgresRefused(t *testing.T) {
	latin := newDatabase(t, `ENCODING 'LATIN1'`)
	if _, err := sqlstate.OpenPostgres(t.Context(), latin); err == nil || !strings.Contains(err.Error(), "UTF8") {
		t.Errorf("a database in Latin 1: %v", err)
	}
	forgetful := newDatabase(t) + "&synchronous_commit=off"
	if _, err := sqlstate.OpenPostgres(t.Context(), forgetful); err == nil || !strings.Contains(err.Error(), "synchronous_commit") {
		t.Errorf("a database that forgets: %v", err)
	}
}

// A server that goes away and comes back is an outage with clear errors, and
// nothing that was acknowledged is lost.
func TestPostgresRestart(t *testing.T) {
	postgresServer(t) // skips
	s, err := startServer()
	if err != nil {
		t.Fatal(err)
	}
	defer s.remove()
	defer func() { s.kill() }()
	d := openPostgres(t, s.url("postgres"))
	if err := incrementing(t, d, "e")(); err != nil {
		t.Fatal(err)
	}
	s.kill()
	for _, err := range []error{incrementing(t, d, "e")(), func() error { _, err := d.Entry(t.Context(), "e"); return err }()} {
		if daypass.CodeOf(err) != daypass.ServiceUnavailable || strings.Contains(err.Error(), s.password) {
			t.Errorf("without a server: %v", err)
		}
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	wantCount(t, d, "e", 1)
	if err := incrementing(t, d, "e")(); err != nil {
		t.Errorf("after the server has come back: %v", err)
	}
	wantCount(t, d, "e", 2)
}

// Connections that are cut in between are made again unnoticed.
func TestPostgresCut(t *testing.T) {
	dsn := newDatabase(t)
	d := openPostgres(t, dsn)
	for i := range 3 {
		if err := incrementing(t, d, "e")(); err != nil {
			t.Fatal(err)
		}
		cut := `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'daypass'`
		if err := postgresServer(t).exec("postgres", cut); err != nil {
			t.Fatal(err)
		}
		if err := incrementing(t, d, "e")(); err != nil {
			t.Errorf("cut %d: %v", i, err)
		}
	}
	wantCount(t, d, "e", 6)
}

func TestPostgresPasswordHidden(t *testing.T) {
	const password = "hu%2Fnter2-secret"
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := closed.Addr().String()
	closed.Close()
	dsns := []string{
		"postgres://u:" + password + "@" + address + "/db",
		"postgres://u:" + password + "@" + address + "/db?sslmode=nonsense",
		"postgres://u:" + password + "@[::1/db",
		"postgres://u:" + password + "@host:port/db",
		"postgres://u:" + password + "%zz@host/db",
		"postgres://u@host:1/db?sslmode=nonsense&password=" + password,
		"user=u password=" + password + " host=host port=nonsense",
		"user=u password='" + password + " host=host",
		"host=127.0.0.1 port=1 user=u password=" + password,
		password,
	}
	if s := shared.server; s != nil { // a wrong password
		dsns = append(dsns, strings.Replace(s.url("postgres"), s.password, password, 1))
	}
	for _, dsn := range dsns {
		d, err := sqlstate.OpenPostgres(t.Context(), dsn)
		if err == nil {
			d.Close()
			t.Errorf("opened %q", dsn)
			continue
		}
		for _, form := range []string{"%v", "%+v", "%#v"} {
			text := fmt.Sprintf(form, err)
			if strings.Contains(text, "hunter") || strings.Contains(text, "nter2") {
				t.Errorf("%q: the error %s shows the password", dsn, text)
			}
		}
	}
}

func TestClassify(t *testing.T) {
	pg := func(code string) error { return fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: code}) }
	for _, c := range []struct {
		err  error
		want any
	}{
		{pg("40001"), sqlstate.Conflict},
		{pg("40P01"), sqlstate.Conflict},
		{pg("25P03"), sqlstate.Conflict},
		{pg("53100"), sqlstate.DiskFull},
		{pg("57P01"), sqlstate.Unreachable},
		{pg("25006"), sqlstate.Unreachable},
		{pg("53300"), sqlstate.Broken},
		{pg("22003"), sqlstate.Poisoned},
		{pg("23505"), sqlstate.Poisoned},
		{pg(""), sqlstate.Poisoned},
		{&pgconn.ConnectError{}, sqlstate.Unreachable},
		{&net.OpError{}, sqlstate.Unreachable},
		{context.DeadlineExceeded, sqlstate.Unreachable},
		{io.ErrUnexpectedEOF, sqlstate.Unreachable},
		{driver.ErrBadConn, sqlstate.Unreachable},
		{errors.New("any"), sqlstate.Poisoned},
	} {
		if got := sqlstate.ClassifyPostgres(c.err); any(got) != c.want {
			t.Errorf("%#v is %v, want %v", c.err, got, c.want)
		}
	}
	if got := sqlstate.ClassifySQLite(&sqlite.Error{}); got != sqlstate.Poisoned {
		t.Errorf("any error of SQLite is %v", got)
	}
}

// A reader that hangs behind a lock gives up.
func TestPostgresCanceledReading(t *testing.T) {
	d := openPostgres(t, newDatabase(t))
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := sqlstate.Query(ctx, d, false, `SELECT pg_sleep(20)`); err == nil || time.Since(start) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(start), err)
	}
	if err := incrementing(t, d, "e")(); err != nil {
		t.Error(err)
	}
}

func BenchmarkPostgresUpdateEntry(b *testing.B) {
	for _, passes := range []int{0, 10_000, 1} {
		name := fmt.Sprintf("passes=%d", passes)
		if passes == 0 {
			name = "passes=new"
		}
		b.Run(name, func(b *testing.B) {
			d := openPostgres(b, newDatabase(b))
			syncs := syncsPerSecond(b, b.TempDir())
			benchUpdates(b, d, passes)
			b.ReportMetric(syncs, "fsyncs/s")
		})
	}
}
