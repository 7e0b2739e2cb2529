package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/server"
	"github.com/daypass/daypass/state"
)

// serveFlags are the flags of serve, as text.
type serveFlags struct {
	data, listen, opsListen string
	region                  string
	domains                 []string
	publicURLs              []string
	hostAliases             []string
	proxies                 []string
	corsOrigins             []string
	sigv2                   string
	ownership               string
	maxSignatureAge         lifetimeFlag
	maxLifetime             lifetimeFlag
	stateGrace              time.Duration
	headWithGet             bool
	ignoreForeign           bool
	encrypt                 bool
	passStatistics          string
	tlsCert, tlsKey         string
	httpServer              string
	minRate                 string
	maxDuration, drain      time.Duration
	drainDelay              time.Duration
	logLevel, logFormat     string
	otlpEndpoint            string
	trustTraceparent        bool
	events                  eventFlags
	lifecycle               lifecycleFlags
	backend                 backendFlags
}

func (a *app) serveCommand() *cobra.Command {
	f := serveFlags{listen: "127.0.0.1:9000", logLevel: "info"}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve an S3 endpoint from a data directory",
		Long: "Serve an S3-compatible endpoint from a data directory.\n\n" +
			"The first start makes a root access key and prints it once; DAYPASS_ROOT_ACCESS_KEY\n" +
			"and DAYPASS_ROOT_SECRET_KEY choose it instead. Secrets are encrypted under a master\n" +
			"key: the file master.key in the data directory, or DAYPASS_MASTER_KEY.\n\n" +
			"Every flag can be set by DAYPASS_… in the environment or in the configuration file.",
		Example:     "  daypass serve --data /var/lib/daypass --listen 0.0.0.0:9000 --public-url https://files.example.com",
		Args:        cobra.NoArgs,
		Annotations: map[string]string{usesConfigFile: "yes"},
		RunE:        func(cmd *cobra.Command, _ []string) error { return a.serve(cmd.Context(), &f) },
	}
	a.addServeFlags(cmd.Flags(), &f)
	return cmd
}

func (a *app) addServeFlags(fs *pflag.FlagSet, f *serveFlags) {
	a.addDataFlag(fs, &f.data)
	fs.StringVar(&f.listen, "listen", f.listen, "address of the S3 endpoint (share: port 9000, or any that is free)")
	fs.StringVar(&f.opsListen, "ops-listen", "127.0.0.1:9002", "address of the operations listener (health, metrics, admin API); empty: none")
	fs.StringVar(&f.region, "region", "us-east-1", "region that signatures are scoped to")
	fs.StringArrayVar(&f.domains, "domain", []string{"localhost"}, "domain for virtual-host style, bucket.DOMAIN (may repeat)")
	fs.StringArrayVar(&f.publicURLs, "public-url", nil, "base URL under which clients reach the endpoint; URLs are made for the first (may repeat)")
	fs.StringArrayVar(&f.hostAliases, "host-alias", nil, "further host, with port, for which URLs may be signed (may repeat)")
	fs.StringArrayVar(&f.proxies, "trusted-proxy", nil, "address or range of proxies whose X-Forwarded-* and Forwarded headers count (may repeat)")
	fs.StringArrayVar(&f.corsOrigins, "cors-origin", nil, "browser origin that may use the endpoint, or * for any (may repeat)")
	fs.StringVar(&f.sigv2, "sigv2", "allow", "Signature Version 2: allow or deny")
	fs.StringVar(&f.ownership, "default-object-ownership", string(s3.BucketOwnerEnforced), "object ownership of new buckets: BucketOwnerEnforced (no ACLs), BucketOwnerPreferred or ObjectWriter")
	fs.Var(&f.maxSignatureAge, "max-signature-age", "refuse signatures older than this, whatever expiry they carry; 0: no bound")
	fs.Var(&f.maxLifetime, "max-lifetime", "how long after signing a URL or form may end: lets x-daypass-until go beyond 7d, and bounds all others; 0: as S3 does")
	fs.DurationVar(&f.stateGrace, "state-grace", state.DefaultGrace, "how long revocations may be out of date before pre-signed requests are refused; 0: not at all")
	fs.StringVar(&f.passStatistics, "pass-statistics", "all", "which passes are noted in state when they are used, for pass list: all, limited (those with limits or a name) or off")
	fs.BoolVar(&f.encrypt, "encrypt", false, "encrypt new objects (SSE-S3) in buckets that do not say how; it costs the speed of sendfile")
	fs.BoolVar(&f.headWithGet, "head-with-get", false, "accept a URL signed for GET for HEAD too, which S3 does not")
	fs.BoolVar(&f.ignoreForeign, "ignore-foreign-authorization", false, "ignore an Authorization header of another scheme beside a pre-signed URL, which S3 refuses")
	fs.StringVar(&f.tlsCert, "tls-cert", "", "certificate chain (PEM); with it the endpoint speaks TLS and HTTP/2")
	fs.StringVar(&f.tlsKey, "tls-key", "", "private key of the certificate (PEM)")
	fs.StringVar(&f.httpServer, "http-server", "daypass", "what serves plain HTTP/1.1 requests: daypass, which is faster and leaves all others to go, or go (net/http)")
	fs.StringVar(&f.minRate, "min-body-rate", "1KiB", "bytes per second below which a body is cut off; 0: no bound")
	fs.DurationVar(&f.maxDuration, "max-request-duration", 24*time.Hour, "time after which a request is cut off; 0: no bound")
	fs.DurationVar(&f.drain, "drain", 15*time.Second, "how long requests may go on once the listeners are closed after SIGTERM")
	fs.DurationVar(&f.drainDelay, "drain-delay", 0, "how long after SIGTERM requests are still taken, while /readyz says 503, for load balancers that ask it")
	fs.StringVar(&f.logLevel, "log-level", f.logLevel, "debug, info, warn or error")
	fs.StringVar(&f.logFormat, "log-format", "text", "text or json")
	fs.StringVar(&f.otlpEndpoint, "otlp-endpoint", "", "base URL of a collector that traces are sent to over OTLP/HTTP, such as http://localhost:4318 (OTEL_… variables set the rest)")
	fs.BoolVar(&f.trustTraceparent, "trust-traceparent", false, "let the traceparent header of any client decide what is traced, not only that of trusted proxies")
	addBackendFlags(fs, &f.backend)
	addEventFlags(fs, &f.events)
	addLifecycleFlags(fs, &f.lifecycle)
}

// addDataFlag adds --data, whose default is the user's data directory.
func (a *app) addDataFlag(fs *pflag.FlagSet, data *string) {
	fs.StringVar(data, "data", a.defaultData(), "data directory")
}

func (a *app) defaultData() string {
	if dir := a.env("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "daypass")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "daypass-data"
	}
	return filepath.Join(home, ".local", "share", "daypass")
}

func (a *app) serve(ctx context.Context, f *serveFlags) error {
	config, err := f.node()
	if err != nil {
		return err
	}
	log, err := a.logger(f.logLevel, f.logFormat)
	if err != nil {
		return err
	}
	if config.tracing, err = a.tracingConfig(f); err != nil {
		return err
	}
	spendMemory(a.env)
	n, err := a.startNode(ctx, config, log)
	switch {
	case err != nil && ctx.Err() != nil:
		// Whoever sends SIGTERM need not wait until the node is ready.
		fmt.Fprintln(a.err, "daypass: stopped before it was ready")
		log.Debug("the start was given up", "err", err)
		return nil
	case err != nil:
		return err
	}
	saveMemory(a.env)
	forgetUnused()
	if config.backend.apart() {
		fmt.Fprintf(a.err, "daypass: node %s: objects in %s, state in %s\n", n.identity.name, n.storePlace(), n.statePlace())
	}
	ops := ""
	if n.ops != "" {
		ops = ", operations on " + n.ops
	}
	fmt.Fprintf(a.err, "daypass: ready: S3 on %s%s, data in %s\n", n.base, ops, config.data)
	return n.run(ctx)
}

// startNode opens a node and makes its root key.
func (a *app) startNode(ctx context.Context, c nodeConfig, log *slog.Logger) (*node, error) {
	n, err := a.openNode(ctx, c, log)
	if err != nil {
		return nil, err
	}
	if err = a.ensureRoot(ctx, n); err == nil {
		err = n.listen(ctx)
	}
	if err != nil {
		n.close()
		return nil, err
	}
	return n, nil
}

// node turns flags into the configuration of a node.
func (f *serveFlags) node() (nodeConfig, error) {
	if f.sigv2 != "allow" && f.sigv2 != "deny" {
		return nodeConfig{}, usagef("--sigv2 is allow or deny, not %q", f.sigv2)
	}
	if f.httpServer != "daypass" && f.httpServer != "go" {
		return nodeConfig{}, usagef("--http-server is daypass or go, not %q", f.httpServer)
	}
	ownership, ok := s3.ParseOwnership(f.ownership)
	if !ok {
		return nodeConfig{}, usagef("--default-object-ownership is BucketOwnerEnforced, BucketOwnerPreferred or ObjectWriter, not %q", f.ownership)
	}
	if f.maxLifetime < 0 || f.stateGrace < 0 {
		return nodeConfig{}, usagef("--max-lifetime and --state-grace must not be negative")
	}
	if f.maxSignatureAge < 0 || f.drain < 0 || f.drainDelay < 0 {
		return nodeConfig{}, usagef("--max-signature-age, --drain and --drain-delay must not be negative")
	}
	if _, err := passStatistics(f.passStatistics, nil); err != nil {
		return nodeConfig{}, err
	}
	if (f.tlsCert == "") != (f.tlsKey == "") {
		return nodeConfig{}, usagef("--tls-cert and --tls-key go together")
	}
	if err := checkBaseURLs(f.publicURLs); err != nil {
		return nodeConfig{}, err
	}
	proxies, err := parseProxies(f.proxies)
	if err != nil {
		return nodeConfig{}, err
	}
	rate, err := parseRate(f.minRate)
	if err != nil {
		return nodeConfig{}, err
	}
	events, err := f.events.config()
	if err != nil {
		return nodeConfig{}, err
	}
	if err := f.lifecycle.check(); err != nil {
		return nodeConfig{}, err
	}
	backend, err := f.backend.config(f.encrypt)
	if err != nil {
		return nodeConfig{}, err
	}
	return nodeConfig{
		backend: backend, drainDelay: f.drainDelay, netHTTP: f.httpServer == "go", passStatistics: f.passStatistics,
		data: f.data, listen: f.listen, opsListen: f.opsListen, tlsCert: f.tlsCert, tlsKey: f.tlsKey,
		publicURLs: f.publicURLs, events: events, lifecycle: f.lifecycle, drain: f.drain, grace: noGrace(f.stateGrace),
		signingKey: func(ctx context.Context, s *state.State) (daypass.AccessKey, error) { return s.RootKey(ctx) },
		server: server.Config{
			Region: f.region, Domains: f.domains, BaseURLs: f.publicURLs, HostAliases: f.hostAliases, TrustedProxies: proxies,
			DenyV2: f.sigv2 == "deny", HeadWithGet: f.headWithGet, IgnoreForeignAuthorization: f.ignoreForeign,
			DefaultOwnership: ownership, Encrypt: f.encrypt, MaxSignatureAge: time.Duration(f.maxSignatureAge), MaxLifetime: time.Duration(f.maxLifetime),
			CORSOrigins: f.corsOrigins, MinBodyRate: rate, MaxRequestDuration: f.maxDuration,
		},
	}, nil
}

// noGrace returns a grace as package state has it, where zero is the default.
func noGrace(grace time.Duration) time.Duration {
	if grace == 0 {
		return -1
	}
	return grace
}

// logger makes the log of a server process.
func (a *app) logger(level, format string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, usagef("--log-level is debug, info, warn or error, not %q", level)
	}
	opts := &slog.HandlerOptions{Level: l}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(a.err, opts)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(a.err, opts)), nil
	}
	return nil, usagef("--log-format is text or json, not %q", format)
}

// ensureRoot makes the root key at the first start and prints it, once.
func (a *app) ensureRoot(ctx context.Context, n *node) error {
	id, secret := a.env("DAYPASS_ROOT_ACCESS_KEY"), a.env("DAYPASS_ROOT_SECRET_KEY")
	if (id == "") != (secret == "") {
		return usagef("DAYPASS_ROOT_ACCESS_KEY and DAYPASS_ROOT_SECRET_KEY go together")
	}
	key, created, err := n.state.EnsureRoot(ctx, id, daypass.Secret(secret))
	if err != nil || !created || id != "" {
		return err
	}
	fmt.Fprintf(a.err, "daypass: made the root access key; its secret is shown this once:\n"+
		"  AWS_ACCESS_KEY_ID=%s\n  AWS_SECRET_ACCESS_KEY=%s\n", key.ID, string(key.Secret))
	return nil
}
