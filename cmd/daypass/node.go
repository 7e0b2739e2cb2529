package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/admin"
	"github.com/daypass/daypass/audit/spool"
	"github.com/daypass/daypass/client"
	"github.com/daypass/daypass/internal/h1"
	"github.com/daypass/daypass/internal/tracing"
	"github.com/daypass/daypass/lifecycle"
	"github.com/daypass/daypass/notify"
	"github.com/daypass/daypass/policy"
	"github.com/daypass/daypass/server"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/store"
	"github.com/daypass/daypass/store/diskstore"
)

// A nodeConfig is what a server process is made of.
type nodeConfig struct {
	data      string
	listen    string
	opsListen string // empty: no operations listener
	tlsCert   string
	tlsKey    string
	// netHTTP leaves all connections to net/http, also the plain ones.
	netHTTP    bool
	publicURLs []string
	server     server.Config
	events     eventConfig
	tracing    *tracing.Config // nil: no traces
	lifecycle  lifecycleFlags
	drain      time.Duration
	// passStatistics says which passes are noted: all, limited or off; empty: all.
	passStatistics string
	// drainDelay is how long requests are still taken before that.
	drainDelay time.Duration
	backend    backendConfig
	// grace is how long revocations may be out of date; negative: not at all,
	// zero: the default.
	grace time.Duration
	// signingKey returns the key that URLs are made with.
	signingKey func(context.Context, *state.State) (daypass.AccessKey, error)
}

// A node is a running server: its store and state, the S3 endpoint, the
// operations listener and the admin socket in the data directory.
type node struct {
	config   nodeConfig
	app      *app
	log      *slog.Logger
	store    *store.Store
	disk     *diskstore.Driver // nil: objects are kept in an upstream
	upstream upstream          // nil: objects are kept in the data directory
	// upstreamPlace says where those of an upstream are.
	upstreamPlace string
	state         *state.State
	identity      nodeIdentity
	s3            *server.Server // nil until listenS3
	rotation      *rotation
	// lifecycle runs from listen to close.
	lifecycle *lifecycle.Worker
	spool     *spool.Spool
	sinks     *sinks
	metrics   *metrics        // nil where nobody could ask for them
	times     *operationTimes // nil in the same case
	tracing   *tracing.Tracing
	events    fanOut
	// webhooks are where events are sent, none where nobody is told.
	webhooks notify.Endpoints
	release  []func() error // in order of opening
	base     string         // base URL of the S3 endpoint as it listens
	ops      string
	started  time.Time
	ready    atomic.Bool
	draining atomic.Bool
	trying   atomic.Bool // whether the upstream answers again
	// asked says that there was a request since resting looked, and worked that
	// there was one since memory was given back.
	asked  atomic.Bool
	worked bool
	// rest waits, or returns the error of the context.
	rest    func(ctx context.Context, d time.Duration) error
	servers []httpServer
	failed  chan error
}

// openNode opens data directory and listeners. Nothing is served until run.
func (a *app) openNode(ctx context.Context, c nodeConfig, log *slog.Logger) (*node, error) {
	if err := os.MkdirAll(c.data, 0o700); err != nil {
		return nil, err
	}
	n := &node{config: c, app: a, log: log, started: a.now(), failed: make(chan error, 3), rest: rest}
	err := n.identify()
	if err == nil {
		n.startTracing()
		err = n.openStore(ctx)
	}
	if err == nil {
		err = n.openState(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

// listen opens the spool and the listeners, and builds their handlers.
func (n *node) listen(ctx context.Context) error {
	if err := n.openEvents(ctx); err != nil {
		return inUse(err)
	}
	if err := n.listenS3(); err != nil {
		return err
	}
	n.startLifecycle()
	if n.config.opsListen != "" {
		l, err := listenTCP(n.config.opsListen, "--ops-listen")
		if err != nil {
			return err
		}
		n.ops = "http://" + l.Addr().String()
		handler, err := n.operations()
		if err != nil {
			return err
		}
		n.serve(l, &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute})
	}
	if err := n.listenSocket(); err != nil {
		return err
	}
	// Whoever reads that the node is ready must find it so.
	n.ready.Store(true)
	return nil
}

func (n *node) listenS3() error {
	config := n.config.server
	config.Store, config.Keys, config.Settings = n.store, n.serverKeys(), n.state
	config.Destinations, config.Redirect = n.webhooks, n.redirects()
	config.Ledger, config.Revocations = n.state, n.state
	var err error
	if config.Passes, err = passStatistics(n.config.passStatistics, n.state); err != nil {
		return err
	}
	if config.PINKey, err = n.state.DeriveKey("pin cookie"); err != nil {
		return err
	}
	config.Clock, config.Rand, config.Logger = n.app.now, n.app.rand, n.log
	config.LogLevel = slog.LevelDebug // each request is an event already
	if len(n.events) > 0 {
		config.Events = n.events
	}
	n.trace(&config)
	l, err := listenTCP(n.config.listen, "--listen")
	if err != nil {
		return err
	}
	handler, err := server.New(config)
	if err != nil {
		l.Close()
		return err
	}
	n.s3 = handler
	s := &http.Server{Handler: n.leaving(handler), ReadHeaderTimeout: 30 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(n.log.Handler(), slog.LevelDebug), ConnContext: server.ConnContext}
	n.base = "http://" + l.Addr().String()
	if n.config.tlsCert != "" {
		pair, err := tls.LoadX509KeyPair(n.config.tlsCert, n.config.tlsKey)
		if err != nil {
			l.Close()
			return usagef("--tls-cert, --tls-key: %v", err)
		}
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
		n.base = "https://" + l.Addr().String()
	}
	if n.config.netHTTP || s.TLSConfig != nil {
		n.serve(l, s)
		return nil
	}
	n.serve(l, h1.New(s))
	return nil
}

func listenTCP(address, flag string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, hinted(err, "choose another address with "+flag+", such as "+flag+" 127.0.0.1:0 for any free port")
	}
	return l, nil
}

// An httpServer is an *http.Server, or one that serves in its place.
type httpServer interface {
	Serve(net.Listener) error
	Shutdown(context.Context) error
	Close() error
}

// serve serves a listener until close.
func (n *node) serve(l net.Listener, s httpServer) {
	n.servers = append(n.servers, s)
	go func() {
		var err error
		if std, ok := s.(*http.Server); ok && std.TLSConfig != nil {
			err = std.ServeTLS(l, "", "")
		} else {
			err = s.Serve(l)
		}
		if !errors.Is(err, http.ErrServerClosed) {
			n.failed <- err
		}
	}()
}

// operations is the handler of the operations listener.
func (n *node) operations() (http.Handler, error) {
	api, err := n.admin(false)
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, true) })
	mux.HandleFunc("GET /readyz", n.readyz)
	n.metrics.backends = newBackendCollector(n)
	if n.disk != nil {
		n.metrics.disk = newDiskCollector(n.disk)
	}
	mux.Handle("GET /metrics", n.metrics.handler())
	mux.Handle("/api/", api)
	return mux, nil
}

func answer(w http.ResponseWriter, ok bool) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	if !ok {
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, "not ready")
		return
	}
	fmt.Fprintln(w, "ok")
}

// admin is the admin API: signed on the operations listener, open on the
// socket, whose file permissions decide.
func (n *node) admin(local bool) (http.Handler, error) {
	c := admin.Config{Keys: n.adminKeys(), Passes: n.state, Rotator: n.rotation, Presign: n.presign, CheckPolicy: checkPolicy, TrustLocal: local,
		Clock: n.app.now, Log: n.log, Rand: n.app.rand, MaxLifetime: n.config.server.MaxLifetime, Events: n.events,
		Server: client.Server{Version: readVersion().Version, Region: n.config.server.Region,
			PublicURLs: n.urls(), Started: n.started, PID: os.Getpid()}}
	c.Try, c.Past, c.MaxSignatureAge = n.tryURL, n.pastEvents, n.config.server.MaxSignatureAge
	if !local {
		c.Authenticate = n.authenticateAdmin()
	}
	return admin.New(c)
}

// checkPolicy checks the policy of an access key.
func checkPolicy(document string) error {
	_, err := policy.Parse([]byte(document), policy.Identity)
	return err
}

// urls are the base URLs under which the endpoint is reached, the preferred
// one first.
func (n *node) urls() []string {
	return append(append([]string{}, n.config.publicURLs...), reachable(n.base))
}

// reachable puts an address of this machine in the place of "any address".
func reachable(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err != nil || !ip.IsUnspecified() {
		return base
	}
	host, err := lanAddress()
	if err != nil {
		host = "127.0.0.1"
	}
	u.Host = net.JoinHostPort(host, u.Port())
	return u.String()
}

func signError(err error) error {
	var e *sign.Error
	if !errors.As(err, &e) || e.Code == "" {
		return err
	}
	return &daypass.Error{Op: "sign", Code: daypass.Code(e.Code), Message: e.Message, Err: reason(e.Reason)}
}

func reason(text string) error {
	if text == "" {
		return nil
	}
	return errors.New(text)
}

// presign makes a URL for the endpoint's preferred base URL, signed with the
// key of an id, or with the server's own.
func (n *node) presign(ctx context.Context, signer string, r client.PresignRequest) (client.PresignResponse, error) {
	key, err := n.presignKey(ctx, signer)
	if err != nil {
		return client.PresignResponse{}, err
	}
	p, err := sign.NewPresigner(sign.Key{ID: key.ID, Secret: string(key.Secret)}, n.urls()[0], n.config.server.Region)
	if err != nil {
		return client.PresignResponse{}, err
	}
	req := sign.URLRequest{Method: r.Method, Bucket: r.Bucket, Key: r.Key, Time: n.app.now().UTC(),
		Lifetime: time.Duration(r.ExpiresSeconds) * time.Second, Header: make(http.Header)}
	for name, value := range r.Headers {
		req.Header.Set(name, value)
	}
	for name, value := range r.Query {
		req.Query = append(req.Query, sign.Param{Name: name, Value: value})
	}
	if req, err = n.app.limited(req, &r.Limits, string(key.Secret), sign.V4); err != nil {
		return client.PresignResponse{}, err
	}
	end := endOf(&req, &r.Limits)
	if err := n.checkEnd(end, req.Time); err != nil {
		return client.PresignResponse{}, err
	}
	u, err := p.Presign(req)
	if err != nil {
		return client.PresignResponse{}, signError(err)
	}
	return client.PresignResponse{URL: u, Method: r.Method, Headers: r.Headers, Expires: end}, nil
}

// presignKey returns the key of an id, or the server's own for none.
func (n *node) presignKey(ctx context.Context, id string) (daypass.AccessKey, error) {
	if id == "" {
		return n.config.signingKey(ctx, n.state)
	}
	return n.serverKeys().AccessKey(ctx, id)
}

// checkEnd refuses a URL that would live for longer than the server allows.
func (n *node) checkEnd(end, now time.Time) error {
	most, named := n.config.server.MaxLifetime, "--max-lifetime"
	if most <= 0 {
		most, named = sign.MaxLifetime, "the server has no --max-lifetime that allows more"
	}
	if !end.After(now.Add(most)) {
		return nil
	}
	return &daypass.Error{Op: "presign", Code: daypass.InvalidArgument,
		Message: "A URL that is signed now may end at " + showTime(now.Add(most)) + " at the latest (" + named + ")."}
}

// restAfter is how long nothing must have been asked of a server until it gives
// memory back, and up to once more this time.
const restAfter = 5 * time.Second

// resting reports, once after each time of work, that there has been no request
// since it was last asked.
func (n *node) resting() bool {
	asked, worked := n.asked.Swap(false), n.worked
	n.worked = asked
	return worked && !asked
}

// run serves until the context ends or a listener fails, then drains.
func (n *node) run(ctx context.Context) error {
	looks := time.NewTicker(restAfter)
	defer looks.Stop()
	var err error
	for ended := false; !ended; {
		select {
		case <-ctx.Done():
			ended = true
		case err = <-n.failed:
			ended = true
		case <-looks.C:
			if n.resting() {
				runtime.GC() // the next one gives up what pools hold
				forgetUnused()
			}
		}
	}
	if err == nil {
		err = n.drain()
	}
	n.draining.Store(true)
	return errors.Join(err, n.close())
}

// close lets requests end for as long as the drain time, then releases all.
func (n *node) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), n.config.drain)
	defer cancel()
	var errs []error
	for _, s := range n.servers {
		if err := s.Shutdown(ctx); err != nil {
			errs = append(errs, s.Close())
		}
	}
	n.servers = nil
	for i := len(n.release) - 1; i >= 0; i-- {
		errs = append(errs, n.release[i]())
	}
	n.release = nil
	return errors.Join(errs...)
}

// checkBaseURLs checks --public-url.
func checkBaseURLs(texts []string) error {
	for _, text := range texts {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
			return usagef("--public-url %q must be http:// or https://, a host, and at most a path", text)
		}
	}
	return nil
}

// parseProxies checks --trusted-proxy: addresses or CIDR ranges.
func parseProxies(texts []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, text := range texts {
		p, err := netip.ParsePrefix(text)
		if addr, err2 := netip.ParseAddr(text); err != nil && err2 == nil {
			p, err = addr.Prefix(addr.BitLen())
		}
		if err != nil {
			return nil, usagef("--trusted-proxy %q is not an address or a range such as 10.0.0.0/8", text)
		}
		out = append(out, p.Masked())
	}
	return out, nil
}

// parseRate parses bytes per second: a number, or one with KiB or MiB.
func parseRate(text string) (int64, error) {
	for suffix, unit := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "": 1} {
		digits, ok := strings.CutSuffix(text, suffix)
		if n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 40); ok && err == nil && n >= 0 {
			return n * unit, nil
		}
	}
	return 0, usagef("%q is not a rate in bytes per second, such as 1024 or 16KiB", text)
}
