package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit/spool"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/store"
	"github.com/daypass/daypass/store/s3store"
)

// drainClients is how many clients are connected while a node drains.
const drainClients = 24

// startNode starts a node with a bucket, on a data directory of its own. Its rest
// before the listeners close lasts until drained is closed.
func startNode(t *testing.T, drained <-chan struct{}) *node {
	t.Helper()
	a := system()
	a.out, a.err = io.Discard, io.Discard
	a.env = func(name string) string {
		return map[string]string{"DAYPASS_ROOT_ACCESS_KEY": "DRAINROOTKEY00000001", "DAYPASS_ROOT_SECRET_KEY": strings.Repeat("s", 40)}[name]
	}
	config := nodeConfig{data: t.TempDir(), listen: "127.0.0.1:0", opsListen: "127.0.0.1:0", drain: time.Minute, drainDelay: time.Hour}
	config.server.Region = "us-east-1"
	config.lifecycle.interval = time.Hour
	config.events = eventConfig{maxAge: time.Hour, maxBytes: 1 << 30, logInterval: time.Hour}
	n, err := a.openNode(t.Context(), config, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	n.rest = func(ctx context.Context, _ time.Duration) error {
		select {
		case <-drained:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := errors.Join(a.ensureRoot(t.Context(), n), n.listen(t.Context())); err != nil {
		t.Fatal(err)
	}
	if _, err := n.store.CreateBucket(t.Context(), store.Bucket{Name: "bucket", Owner: "root"}, time.Now()); err != nil {
		t.Fatal(err)
	}
	return n
}

// ask returns the status and the text of a path of the operations listener.
func (n *node) ask(t *testing.T, path string) (int, string) {
	t.Helper()
	resp, err := http.Get(n.ops + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// A drainClient uploads over one connection at a time. What it sends cannot be
// sent again, so every request that a connection takes must be answered.
type drainClient struct {
	client *http.Client
	url    string
	at     atomic.Pointer[string] // the address that the last answer came from
	done   atomic.Int64
}

func newDrainClient(url string, to *atomic.Pointer[string]) *drainClient {
	return &drainClient{url: url, client: &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, *to.Load())
		}}}}
}

func (c *drainClient) put(ctx context.Context) error {
	address := ""
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { address = i.Conn.RemoteAddr().String() }})
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, c.url, io.NopCloser(strings.NewReader("content")))
	if err != nil {
		return err
	}
	r.ContentLength = int64(len("content"))
	resp, err := c.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if text, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return errors.Join(err, errors.New(resp.Status+": "+string(text)))
	}
	c.at.Store(&address)
	c.done.Add(1)
	return nil
}

// TestDrain stops a node under load, as a rolling restart does, behind a balancer
// that asks /readyz: no request fails, and all connections move.
func TestDrain(t *testing.T) {
	drained := make(chan struct{})
	one, two := startNode(t, drained), startNode(t, drained)
	defer two.close()
	address := func(n *node) *string { a := strings.TrimPrefix(n.base, "http://"); return &a }
	var to atomic.Pointer[string]
	to.Store(address(one))

	key, err := one.state.RootKey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p, err := sign.NewPresigner(sign.Key{ID: key.ID, Secret: string(key.Secret)}, one.base, "us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	url, err := p.Presign(sign.URLRequest{Method: http.MethodPut, Bucket: "bucket", Key: "object", Time: time.Now(), Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	clients := make([]*drainClient, drainClients)
	for i := range clients {
		clients[i] = newDrainClient(url, &to)
		running.Go(func() {
			for ctx.Err() == nil {
				if err := clients[i].put(ctx); err != nil && ctx.Err() == nil {
					t.Errorf("an upload failed: %v", err)
					return
				}
			}
		})
	}
	every := func(what string, ok func(*drainClient) bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
			missing := 0
			for _, c := range clients {
				if !ok(c) {
					missing++
				}
			}
			if missing == 0 || t.Failed() {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: %d clients do not", what, missing)
			}
		}
	}
	every("get answers", func(c *drainClient) bool { return c.done.Load() >= 5 })
	if status, text := one.ask(t, "/readyz"); status != http.StatusOK || text != "ok\n" {
		t.Errorf("/readyz: %d %q", status, text)
	}

	// SIGTERM.
	terminated := make(chan error, 1)
	serving, terminate := context.WithCancel(t.Context())
	go func() { terminated <- one.run(serving) }()
	terminate()
	for deadline := time.Now().Add(time.Minute); ; {
		if status, text := one.ask(t, "/readyz"); status == http.StatusServiceUnavailable {
			if !strings.HasPrefix(text, "not ready\ndraining") {
				t.Errorf("/readyz says %q", text)
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("/readyz is still 200")
		}
	}
	if status, _ := one.ask(t, "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz: %d", status)
	}
	// A balancer takes its time to see it: new connections are still taken.
	for _, c := range clients {
		c.done.Store(0)
	}
	every("are still served", func(c *drainClient) bool { return c.done.Load() >= 3 && *c.at.Load() == *address(one) })
	to.Store(address(two))
	every("move", func(c *drainClient) bool { return *c.at.Load() == *address(two) })
	close(drained)
	if err := <-terminated; err != nil {
		t.Errorf("the node ended with %v", err)
	}
	for _, c := range clients {
		c.done.Store(0)
	}
	every("go on", func(c *drainClient) bool { return c.done.Load() > 5 })
	stop()
	running.Wait()
}

// TestDrainHTTP2 checks that a connection of HTTP/2 moves too.
func TestDrainHTTP2(t *testing.T) {
	n := &node{}
	connections := make(map[string]bool)
	var mu sync.Mutex
	s := httptest.NewUnstartedServer(n.leaving(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		connections[r.RemoteAddr] = true
		io.WriteString(w, r.Proto)
	})))
	s.EnableHTTP2 = true
	s.StartTLS()
	defer s.Close()
	c := s.Client()
	c.Transport.(*http.Transport).TLSClientConfig.MinVersion = tls.VersionTLS12
	get := func(want int) {
		t.Helper()
		resp, err := c.Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if text, err := io.ReadAll(resp.Body); err != nil || string(text) != "HTTP/2.0" {
			t.Errorf("%q, %v", text, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if len(connections) != want {
			t.Errorf("%d connections, not %d", len(connections), want)
		}
	}
	get(1)
	get(1)
	n.draining.Store(true)
	get(1) // the last one
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		resp, err := c.Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		mu.Lock()
		moved := len(connections) > 1
		mu.Unlock()
		if moved {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the connection stays")
		}
	}
}

// A lostState is a driver that cannot be reached any more.
type lostState struct {
	state.Driver
	lost atomic.Bool
}

func (d *lostState) Changes(ctx context.Context) (int64, error) {
	if d.lost.Load() {
		return 0, errors.New("out of reach")
	}
	return d.Driver.Changes(ctx)
}

func (d *lostState) AddPasses(ctx context.Context, records []state.PassRecord) error {
	if d.lost.Load() {
		return errors.New("out of reach")
	}
	return d.Driver.AddPasses(ctx, records)
}

func (d *lostState) Revocations(ctx context.Context, after int64, max int) ([]state.RevocationRecord, error) {
	if d.lost.Load() {
		return nil, errors.New("out of reach")
	}
	return d.Driver.Revocations(ctx, after, max)
}

// TestReadiness checks what /readyz says of what a node depends on.
func TestReadiness(t *testing.T) {
	n := bareNode(t, backendConfig{})
	var ahead atomic.Int64
	n.app.now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	d := &lostState{Driver: openSQLite(t)}
	n.config.grace = time.Minute
	var err error
	if n.state, err = n.stateOver(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	defer n.state.Close()
	u := &fakeUpstream{endpoints: []s3store.EndpointStatus{{URL: "http://one"}, {URL: "http://two"}}}
	check := func(status int, lines ...string) {
		t.Helper()
		w := httptest.NewRecorder()
		n.readyz(w, nil)
		got := strings.Split(strings.TrimSpace(w.Body.String()), "\n")
		ok := w.Code == status && len(got) == len(lines)+1
		for i := range lines {
			ok = ok && strings.HasPrefix(got[i+1], lines[i])
		}
		if !ok {
			t.Errorf("%d %q, not %d %q", w.Code, got, status, lines)
		}
	}
	check(http.StatusServiceUnavailable, "starting")
	n.ready.Store(true)
	check(http.StatusOK)
	n.upstream = u
	check(http.StatusOK)
	u.endpoints[0].Open = true
	check(http.StatusOK, "store: http://one does not answer")
	u.endpoints[1].Open = true
	check(http.StatusServiceUnavailable, "store: no endpoint")
	for deadline := time.Now().Add(time.Minute); u.tried.Load() == 0 || n.trying.Load(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("nobody tries whether the upstream answers again")
		}
	}
	u.endpoints[0].Open, u.endpoints[1].Open = false, false
	d.lost.Store(true)
	ahead.Store(int64(30 * time.Second))
	check(http.StatusOK, "state: out of reach, last seen 3")
	ahead.Store(int64(2 * time.Minute))
	check(http.StatusServiceUnavailable, "state: out of reach for longer than --state-grace")
	d.lost.Store(false)
	for deadline := time.Now().Add(time.Minute); len(n.unready()) > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("state is not found again")
		}
	}
	check(http.StatusOK)
	n.draining.Store(true)
	check(http.StatusServiceUnavailable, "draining")
}

// TestEndWithoutState: a node that ends does not wait for what cannot be written.
func TestEndWithoutState(t *testing.T) {
	for sink, waits := range map[string]bool{bucketLogsSink: false, "webhook-w": false, accessLogSink: true, trailSink: true} {
		n := bareNode(t, backendConfig{})
		var ahead atomic.Int64
		n.app.now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		d := &lostState{Driver: openSQLite(t)}
		var err error
		if n.state, err = n.stateOver(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		if n.spool, err = spool.Open(spool.Options{Dir: t.TempDir(), Consumers: []string{sink}}); err != nil {
			t.Fatal(err)
		}
		n.sinks = &sinks{names: []string{sink}}
		n.spool.Append(&daypass.Event{Time: time.Now(), Action: daypass.GetObject})
		if err := n.spool.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if !n.behind() {
			t.Errorf("%s: with state, nobody waits for it", sink)
		}
		d.lost.Store(true)
		ahead.Store(int64(30 * time.Second))
		if n.behind() != waits {
			t.Errorf("%s: without state, it is waited for: %v", sink, !waits)
		}
		n.state.Seen(&state.Sighting{ID: "PASS", Uses: 1, Last: time.Now(), Ends: time.Now().Add(time.Hour)})
		if err := errors.Join(n.closeState(), n.spool.Close()); err != nil {
			t.Errorf("the end: %v", err)
		}
	}
}
