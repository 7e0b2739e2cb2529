package sqlstate_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/state/ledgertest"
	"github.com/daypass/daypass/state/shards"
	"github.com/daypass/daypass/state/sqlstate"
	"github.com/daypass/daypass/state/statetest"
)

// openShards returns a driver over several databases.
func openShards(t testing.TB, dsns ...string) *shards.Driver {
	t.Helper()
	var drivers []state.Driver
	for _, dsn := range dsns {
		drivers = append(drivers, openPostgres(t, dsn))
	}
	d, err := shards.Open(t.Context(), drivers, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestPostgresShards(t *testing.T) {
	statetest.Run(t, func(t *testing.T) state.Driver {
		return openShards(t, newSchemas(t)...)
	})
}

// newSchemas returns connection strings for three empty schemas of a database,
// which are made sooner than databases and stand for them.
func newSchemas(t testing.TB) (dsns []string) {
	t.Helper()
	dsn := newDatabase(t)
	database := dsn[strings.LastIndex(dsn, "/")+1 : strings.Index(dsn, "?")]
	for _, schema := range []string{"s1", "s2", "s3"} {
		if err := postgresServer(t).exec(database, "CREATE SCHEMA "+schema); err != nil {
			t.Fatal(err)
		}
		dsns = append(dsns, dsn+"&search_path="+schema)
	}
	return dsns
}

func TestPostgresShardsLedger(t *testing.T) {
	dsns := newSchemas(t)
	ledgertest.Run(t, func(t *testing.T) state.Driver { return openShards(t, dsns...) })
}

func TestPostgresShardsShared(t *testing.T) {
	statetest.RunShared(t, func(t *testing.T) []state.Driver {
		dsns := newSchemas(t)
		return []state.Driver{openShards(t, dsns...), openShards(t, dsns...), openShards(t, dsns...)}
	})
}

// Several nodes over one database, whose connections are cut again and again.
func TestPostgresLinearizable(t *testing.T) {
	dsn := newDatabase(t)
	var nodes []*state.State
	var proxies []*proxy
	for range 3 {
		p, through := newProxy(t, dsn)
		s, err := state.Open(t.Context(), openPostgres(t, through), state.MasterKey{1}, state.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		nodes, proxies = append(nodes, s), append(proxies, p)
	}
	n := 0
	ledgertest.Linearizable(t, nodes, func() {
		if n++; n%4 == 0 {
			proxies[n/4%len(proxies)].cut()
		}
	})
}

// Statements are prepared once on a connection, and again on the next one.
func TestPostgresPrepared(t *testing.T) {
	dsn := newDatabase(t)
	d := openPostgres(t, dsn)
	prepared := func() int {
		t.Helper()
		text, err := sqlstate.Query(t.Context(), d, true, `SELECT count(*)::text FROM pg_prepared_statements WHERE statement LIKE '%entries%' AND statement NOT LIKE '%pg_prepared%'`)
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	work := func() {
		for range 5 {
			if err := incrementing(t, d, "e")(); err != nil {
				t.Error(err)
			}
		}
	}
	work()
	first := prepared()
	work()
	if again := prepared(); first == 0 || again != first {
		t.Errorf("%d statements prepared, then %d", first, again)
	}
	cut := `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'daypass'`
	if err := postgresServer(t).exec("postgres", cut); err != nil {
		t.Fatal(err)
	}
	if n := prepared(); n != 0 {
		t.Errorf("%d statements prepared on a new connection", n)
	}
	work()
	if n := prepared(); n == 0 || n > first {
		t.Errorf("%d statements prepared on the next connection, %d on the first", n, first)
	}
}

// Every change of what nodes cache is counted and told, and nothing else is.
func TestPostgresNotified(t *testing.T) {
	dsn := newDatabase(t)
	a, b := openPostgres(t, dsn), openPostgres(t, dsn)
	told := b.Changed()
	await(t, "listening", func() bool {
		select {
		case <-told: // it listens
			return true
		default:
			return false
		}
	})
	ctx := t.Context()
	changes := func() int64 {
		n, err := b.Changes(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, c := range []struct {
		what    string
		counted bool
		f       func() error
	}{
		{"InsertKey", true, func() error { return a.InsertKey(ctx, record("k")) }},
		{"SetKeyPolicy", true, func() error { return a.SetKeyPolicy(ctx, "k", "{}") }},
		{"SetKeyDisabled", true, func() error { return a.SetKeyDisabled(ctx, "k", true, time.Now(), "by") }},
		{"DeleteKey", true, func() error { return a.DeleteKey(ctx, "k") }},
		{"SetBucketSetting", true, func() error { return a.SetBucketSetting(ctx, "b", "n", []byte("v")) }},
		{"unsetting", true, func() error { return a.SetBucketSetting(ctx, "b", "n", nil) }},
		{"DeleteBucketSettings", true, func() error { return a.DeleteBucketSettings(ctx, "b") }},
		{"ReplaceRoot", true, func() error {
			r := record("root")
			r.Root = true
			return a.ReplaceRoot(ctx, r)
		}},
		{"InsertRevocation", false, func() error {
			_, err := a.InsertRevocation(ctx, state.RevocationRecord{ID: "r", Pass: "p"})
			return err
		}},
		{"LiftRevocations", false, func() error { _, err := a.LiftRevocations(ctx, []string{"r"}, time.Now()); return err }},
	} {
		before := changes()
		if err := c.f(); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		if counted := changes() != before; counted != c.counted {
			t.Errorf("%s is counted: %v", c.what, counted)
		}
		select {
		case <-told:
		case <-time.After(20 * time.Second):
			t.Errorf("%s: nobody was told", c.what)
		}
	}
	before := changes()
	if err := incrementing(t, a, "e")(); err != nil {
		t.Error(err)
	}
	if err := a.DeleteKey(ctx, "none"); daypass.CodeOf(err) != daypass.NoSuchAccessKey {
		t.Error(err)
	}
	if changes() != before {
		t.Error("what changes nothing that nodes cache is counted")
	}
}

// A node that vanishes inside a transaction does not hold up the others for long,
// whose next change needs the row that it has locked.
func TestPostgresVanished(t *testing.T) {
	database := newDatabase(t)
	p, dsn := newProxy(t, database)
	gone, stays := openPostgres(t, dsn), openPostgres(t, database)
	for _, d := range []*sqlstate.Driver{gone, stays} {
		sqlstate.Patient(d)
	}
	if err := incrementing(t, stays, "e")(); err != nil {
		t.Fatal(err)
	}
	if limit, err := sqlstate.Query(t.Context(), gone, true, `SHOW idle_in_transaction_session_timeout`); limit != "2s" || err != nil {
		t.Errorf("a transaction may idle for %q, %v", limit, err)
	}
	inside, vanished := make(chan struct{}), make(chan error, 1)
	go func() {
		held := false
		vanished <- sqlstate.Do(context.Background(), gone, func(exec func(string, ...any) error) error {
			err := exec(`UPDATE entries SET pass = 'e' WHERE id = 'e'`)
			if !held {
				held = true
				p.hold()
				close(inside)
			}
			return errors.Join(err, exec(`UPDATE entries SET pass = 'e' WHERE id = 'e'`))
		})
	}()
	<-inside
	// Nothing else would ever end the wait for the row.
	if err := incrementing(t, stays, "e")(); err != nil {
		t.Error(err)
	}
	p.release()
	if err := <-vanished; err != nil {
		t.Errorf("the transaction of the node that came back: %v", err)
	}
	wantCount(t, stays, "e", 2)
}

// Who waits for a transaction while the server says nothing is told as soon as the
// readings say so, and what was queued behind it at once.
func TestPostgresGivenUp(t *testing.T) {
	p, dsn := newProxy(t, newDatabase(t))
	d := openPostgres(t, dsn)
	sqlstate.Patient(d)
	release := hold(t, d)
	p.hold()
	waiting := make(chan error)
	for i := range 3 {
		go func() { waiting <- incrementing(t, d, fmt.Sprint("e", i))() }()
	}
	reading, stop := context.WithCancel(t.Context())
	defer stop()
	go func() {
		for reading.Err() == nil { // as nodes do all the time
			d.Changes(reading)
		}
	}()
	release()
	for range 3 {
		if err := <-waiting; daypass.CodeOf(err) != daypass.ServiceUnavailable {
			t.Errorf("a change while the server is silent: %v", err)
		}
	}
	p.release()
	await(t, "changes are made again", func() bool { return incrementing(t, d, "e")() == nil })
}

// A proxy stands between a driver and its server.
type proxy struct {
	net.Listener
	target string

	mu   sync.Mutex
	held chan struct{} // closed while nothing is held back
	open []net.Conn
}

// newProxy returns a proxy to the server of a connection string, and the
// connection string through it.
func newProxy(t testing.TB, dsn string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l, target: u.Host, held: make(chan struct{})}
	close(p.held)
	t.Cleanup(p.stop)
	go p.serve()
	u.Host = l.Addr().String()
	return p, u.String()
}

func (p *proxy) serve() {
	for {
		in, err := p.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		p.open = append(p.open, in)
		p.mu.Unlock()
		go p.connect(in)
	}
}

func (p *proxy) connect(in net.Conn) {
	defer in.Close()
	p.wait()
	out, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer out.Close()
	go func() { p.copy(out, in); out.Close() }()
	p.copy(in, out)
}

func (p *proxy) copy(to io.Writer, from io.Reader) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		p.wait()
		if _, failed := to.Write(buffer[:n]); err != nil || failed != nil {
			return
		}
	}
}

func (p *proxy) wait() {
	p.mu.Lock()
	held := p.held
	p.mu.Unlock()
	<-held
}

// hold has the proxy swallow everything until release, as a network does that
// drops packets.
func (p *proxy) hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = make(chan struct{})
}

func (p *proxy) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.held:
	default:
		close(p.held)
	}
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.open {
		c.Close()
	}
	p.open = nil
}

func (p *proxy) stop() {
	p.Close()
	p.release()
	p.cut()
}

// A server that says nothing holds up nobody for long: what is cached is served
// at once, what needs state is refused at once, and when the server answers
// again, so does state.
func TestPostgresSilent(t *testing.T) {
	p, dsn := newProxy(t, newDatabase(t))
	s, err := state.Open(t.Context(), openPostgres(t, dsn), state.MasterKey{1}, state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	k, err := s.CreateKey(t.Context(), state.NewKey{})
	if err != nil {
		t.Fatal(err)
	}
	created := time.Now()
	await(t, "the node has seen its own change", func() bool { return s.LastContact().After(created) })
	serve := func() error { _, err := s.AccessKey(t.Context(), k.ID); return err }
	if err := serve(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		p.hold()
		await(t, "state is lost", func() bool {
			if err := serve(); err != nil {
				t.Fatalf("a cached key while state is silent: %v", err)
			}
			return s.Healthy() != nil
		})
		began := time.Now()
		for range 50 {
			if err := serve(); err != nil {
				t.Fatal(err)
			}
			token, _ := s.NewToken()
			err := s.Reserve(t.Context(), state.Count{Pass: "p", Uses: 1}, token)
			if daypass.CodeOf(err) != daypass.ServiceUnavailable || !errors.Is(err, state.ErrUnreachable) {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("50 requests took %v", took)
		}
		p.release()
		await(t, "state is back", func() bool { return s.Healthy() == nil })
		await(t, "state counts", func() bool {
			token, _ := s.NewToken()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			err := s.Reserve(ctx, state.Count{Pass: "q", Uses: 1000}, token)
			return err == nil
		})
	}
}
