package sqlstate_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/state/sqlstate"
)

// newServer returns a server that the test has to itself.
func newServer(t *testing.T) *server {
	t.Helper()
	postgresServer(t) // skips
	s, err := startServer()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.kill(); s.remove() })
	return s
}

// newStandby returns a server that follows another one, under the name
// "standby".
func newStandby(t *testing.T, primary *server) *server {
	t.Helper()
	s, err := newServerDir(primary.bin, primary.password)
	if err != nil {
		t.Fatal(err)
	}
	from := fmt.Sprintf("host=127.0.0.1 port=%d user=postgres password=%s application_name=standby", primary.port, primary.password)
	cmd, err := s.command("pg_basebackup", "-D", s.data(), "-R", "-X", "stream", "-c", "fast", "--no-sync", "-d", from)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.kill(); s.remove() })
	return s
}

func (s *server) must(t *testing.T, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		if err := s.exec("postgres", statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
}

// hosts returns a connection string that names several servers.
func hosts(servers ...*server) string {
	var list []string
	for _, s := range servers {
		list = append(list, fmt.Sprintf("127.0.0.1:%d", s.port))
	}
	return fmt.Sprintf("postgres://postgres:%s@%s/postgres?sslmode=disable", servers[0].password, strings.Join(list, ","))
}

// Several hosts need synchronous replication, or a failover would forget.
func TestPostgresHostsRefused(t *testing.T) {
	s := newServer(t)
	dsn := hosts(s, &server{password: s.password, port: 1})
	refuse := func(dsn, why string) {
		t.Helper()
		d, err := sqlstate.OpenPostgres(t.Context(), dsn)
		if err == nil {
			d.Close()
		}
		if err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%v, want a complaint about %s", err, why)
		}
	}
	refuse(dsn, "set synchronous_standby_names")
	openPostgres(t, dsn+"&daypass.asynchronous=1").Close()
	openPostgres(t, s.url("postgres")).Close()
	s.must(t, `ALTER SYSTEM SET synchronous_standby_names = 'standby'`, `SELECT pg_reload_conf()`)
	refuse(dsn+"&synchronous_commit=local", "synchronous_commit is local")
	refuse(dsn+"&synchronous_commit=remote_write", "synchronous_commit is remote_write")
}

// A commit that was not waited for is not acknowledged: the server itself calls
// it done, with a warning, when the wait for the standby is cut short.
func TestPostgresCommitWarning(t *testing.T) {
	s := newServer(t)
	d := openPostgres(t, s.url("postgres"))
	if err := incrementing(t, d, "e")(); err != nil {
		t.Fatal(err)
	}
	s.must(t, `ALTER SYSTEM SET synchronous_standby_names = 'nobody'`, `SELECT pg_reload_conf()`)
	var err error
	await(t, "a commit in doubt", func() bool { // the server takes note of its settings in its own time
		err = s.withoutStandby(t, incrementing(t, d, "e"))
		return err != nil
	})
	if daypass.CodeOf(err) != daypass.ServiceUnavailable || !strings.Contains(err.Error(), "standby") {
		t.Errorf("%v, want a complaint about the standby", err)
	}
}

// A standby takes over under load, from a primary that is gone and from one that
// refuses to write: what was granted stays granted, once.
func TestPostgresFailover(t *testing.T) {
	for _, gone := range []bool{true, false} {
		t.Run(fmt.Sprintf("gone=%v", gone), func(t *testing.T) { testFailover(t, gone) })
	}
}

func testFailover(t *testing.T, gone bool) {
	primary := newServer(t)
	standby := newStandby(t, primary)
	primary.must(t, `ALTER SYSTEM SET synchronous_standby_names = 'standby'`, `SELECT pg_reload_conf()`)
	var nodes []*state.State
	for range 2 {
		s, err := state.Open(t.Context(), openPostgres(t, hosts(primary, standby)), state.MasterKey{1}, state.Options{})
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, s)
	}
	const uses = 100_000
	pass := state.Count{Pass: "mfrggzdfmztwq2lknnwg23tpoa", Uses: uses}
	stop := make(chan struct{})
	var granted, refused, after atomic.Int64
	var promoted atomic.Bool
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if !use(t, nodes[i%len(nodes)], pass) {
					refused.Add(1)
					time.Sleep(10 * time.Millisecond)
					continue
				}
				granted.Add(1)
				if promoted.Load() {
					after.Add(1)
				}
			}
		})
	}
	await(t, "uses before", func() bool { return granted.Load() > 200 })
	began := time.Now()
	if gone {
		primary.kill()
	} else {
		primary.must(t, `ALTER SYSTEM SET default_transaction_read_only = on`, `SELECT pg_reload_conf()`)
	}
	standby.must(t, `SELECT pg_promote()`)
	took := time.Since(began)
	promoted.Store(true)
	await(t, "uses after", func() bool { return after.Load() > 200 })
	t.Logf("promoted after %v; %d uses granted, %d refused; 200 further ones %v after the promotion", took, granted.Load(), refused.Load(), time.Since(began)-took)
	close(stop)
	wg.Wait()
	for _, s := range nodes {
		await(t, "settled", func() bool { return s.Healthy() == nil })
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	s, err := state.Open(t.Context(), openPostgres(t, hosts(primary, standby)+"&daypass.asynchronous=1"), state.MasterKey{1}, state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	spent, err := s.Spending(t.Context(), pass.Pass)
	if err != nil || spent.Used != granted.Load() || spent.Outstanding != 0 {
		t.Errorf("%d uses were granted; state has %d, %d outstanding, %v", granted.Load(), spent.Used, spent.Outstanding, err)
	}
}

// use uses a pass once and reports whether it was granted.
func use(t *testing.T, s *state.State, pass state.Count) bool {
	token, err := s.NewToken()
	if err != nil {
		t.Error(err)
	}
	if err := s.Reserve(context.Background(), pass, token); err != nil {
		if code := daypass.CodeOf(err); code != daypass.ServiceUnavailable && code != daypass.InternalError {
			t.Error(err)
		}
		return false
	}
	s.Release(context.Background(), pass, token, true) // written later where it fails
	return true
}

// await waits until something holds.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within a minute", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
