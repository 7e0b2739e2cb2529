package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/store"
)

// Keys finds access keys.
type Keys interface {
	// AccessKey returns the key of an id, with its secret; disabled and
	// expired keys too. NoSuchAccessKey. It is called concurrently and on
	// every signed request, so it should be cheap.
	AccessKey(ctx context.Context, id string) (daypass.AccessKey, error)
}

// SessionKeys is a Keys that has temporary keys too, by which STS works.
type SessionKeys interface {
	Keys
	// SessionKey returns the temporary key of an id (state.IsSession) and a
	// token. NoSuchAccessKey, with state.ErrToken as its cause for a token
	// that is not the key's.
	SessionKey(ctx context.Context, id, token string) (daypass.AccessKey, error)
	// CreateSession makes a temporary key.
	CreateSession(n state.NewSession) (daypass.AccessKey, error)
}

// Config is what a Server needs and may be told. Store, Keys and Region are
// required; the zero value of every other field is a sound default.
type Config struct {
	Store *store.Store
	Keys  Keys
	// Region is the region that signatures must be scoped to, such as
	// "us-east-1".
	Region string

	// Ledger keeps what counted limits need; Revocations tells which passes
	// are revoked, and Passes notes their use. A state.State is all of them.
	// Without a Ledger, limits that count are refused.
	Ledger      Ledger
	Revocations Revocations
	Passes      PassRecorder
	// PINKey is the secret of 32 bytes under which browsers get a cookie once
	// they have given the PIN of a pass, the same on all nodes. Nil is one
	// that ends with the Server.
	PINKey []byte

	// MaxLifetime is how long after its signing a pass may end. It lets
	// x-daypass-until go beyond seven days, and bounds every other way of
	// signing too. Zero is S3's own: seven days for pre-signed URLs of
	// Versions 4 and 4A, nothing for others.
	MaxLifetime time.Duration

	// Settings keeps the settings of buckets. Nil keeps none: what would
	// change one is refused.
	Settings Settings
	// DefaultOwnership is the object ownership that new buckets get; buckets
	// that are there keep theirs. Empty is BucketOwnerEnforced, and the only
	// one without Settings.
	DefaultOwnership s3.Ownership
	// Encrypt encrypts new objects (SSE-S3) where neither the request nor the
	// bucket says how. The store must have wrapping keys.
	Encrypt bool
	// MaxSignatureAge is how old a signature may be, whatever it allows
	// itself. Zero leaves that to the signature.
	MaxSignatureAge time.Duration

	// Domains are host names, without port, before which a bucket may stand
	// (virtual-host style): with "s3.example.com" the host
	// "photos.s3.example.com" names the bucket photos.
	Domains []string
	// BaseURLs are the public URLs of this server, such as
	// "https://files.example.com/s3". A signature made for one of them is
	// accepted under any host. The path of a base URL may be taken off by a
	// proxy or passed on.
	BaseURLs []string
	// HostAliases are further names, "host" or "host:port", for which
	// signatures may have been made.
	HostAliases []string
	// TrustedProxies are the peers whose X-Forwarded-For, -Proto, -Host, -Port
	// and -Prefix and Forwarded headers count; from anyone else they mean
	// nothing. A proxy should write one of X-Forwarded-For and Forwarded and
	// remove the other: where they name different clients, the address is
	// unknown, and whatever depends on it is refused.
	TrustedProxies []netip.Prefix

	// DenyV2 refuses Signature Version 2.
	DenyV2 bool
	// HeadWithGet accepts a URL signed for GET for HEAD too, which S3 does
	// not.
	HeadWithGet bool
	// IgnoreForeignAuthorization ignores an Authorization header of another
	// scheme, such as Bearer, on a pre-signed URL, which S3 refuses.
	IgnoreForeignAuthorization bool

	// Redirect says which requests are answered with a URL of the engine that
	// keeps the objects, where the store has one and nothing of the request
	// would be lost.
	Redirect Redirect

	// MinBodyRate is how many bytes per second a client must send or take on
	// average while a body is under way; it may fall behind by BodyGrace.
	// Zero does not ask for any.
	MinBodyRate int64
	// BodyGrace is for how long a body may stand still. Zero is 30 s.
	BodyGrace time.Duration
	// MaxRequestDuration is how long after its start a request may still
	// send its body. Zero is without end.
	MaxRequestDuration time.Duration

	// CORSOrigins are the origins whose scripts may use the endpoint: "*",
	// or origins such as "https://app.example.com", in which one "*" stands
	// for any text. A bucket with CORS rules of its own goes by those. None
	// is S3's default: browsers keep scripts out.
	CORSOrigins []string

	// Events gets one event for each request, refused ones included, once it
	// has been answered. Nil makes none.
	Events EventSink

	// Tracer follows requests. Nil is nobody.
	Tracer Tracer

	// Destinations are where the notifications of buckets may go. Nil is
	// nowhere.
	Destinations Destinations

	// Clock is the time that signatures are checked against and that objects
	// are stored with. Nil is time.Now.
	Clock func() time.Time
	// Rand is where request ids come from. Nil is crypto/rand.Reader.
	Rand io.Reader
	// Logger receives one record for each request. Nil discards them.
	Logger *slog.Logger
	// LogLevel is the level of those records; answers of status 500 and
	// above are logged as errors.
	LogLevel slog.Level
}

// defaultGrace is for how long a body may stand still.
const defaultGrace = 30 * time.Second

func (c Config) withDefaults() Config {
	if c.BodyGrace <= 0 {
		c.BodyGrace = defaultGrace
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.DefaultOwnership == "" {
		c.DefaultOwnership = s3.BucketOwnerEnforced
	}
	return c
}

// A Server is the S3 endpoint. It is safe for concurrent use.
type Server struct {
	cfg      Config
	store    *store.Store
	names    names
	verifier *sign.Verifier
	sts      *sign.Verifier
	cors     corsRules
	compiled compiled
	accounts accounts
	noRules  *bucketRules // those of a bucket without settings
	rates    rates
	pinKey   []byte
	// diagnoses bounds what explaining refused signatures costs.
	diagnoses gate
	ids       idSource
	// exchanges, subjects, sightings and events are reused: every request needs
	// one.
	exchanges, subjects, sightings, events sync.Pool
	known                                  persons
	sequence                               atomic.Int64 // the last sequencer
}

var _ http.Handler = (*Server)(nil)

// New returns a Server. It fails on a configuration that makes no sense.
func New(cfg Config) (*Server, error) {
	if cfg.Store == nil || cfg.Keys == nil || cfg.Region == "" {
		return nil, errors.New("server: Store, Keys and Region are required")
	}
	cfg = cfg.withDefaults()
	names, err := newNames(cfg.Domains, cfg.BaseURLs, cfg.HostAliases)
	if err != nil {
		return nil, err
	}
	cors, err := newCORSRules(cfg.CORSOrigins)
	if err != nil {
		return nil, err
	}
	if _, ok := s3.ParseOwnership(string(cfg.DefaultOwnership)); !ok {
		return nil, fmt.Errorf("server: the object ownership %q is unknown", cfg.DefaultOwnership)
	}
	if cfg.Settings == nil && cfg.DefaultOwnership != s3.BucketOwnerEnforced {
		return nil, errors.New("server: an object ownership other than BucketOwnerEnforced needs Settings")
	}
	s := &Server{cfg: cfg, store: cfg.Store, names: names, cors: cors, ids: idSource{rand: cfg.Rand}}
	s.verifier = sign.NewVerifier(signingKeys{cfg.Keys}, sign.Options{
		Region: cfg.Region, DenyV2: cfg.DenyV2, HeadWithGet: cfg.HeadWithGet,
		IgnoreForeignAuthorization: cfg.IgnoreForeignAuthorization,
		Until:                      true, MaxLifetime: cfg.MaxLifetime,
	})
	s.sts = sign.NewVerifier(signingKeys{cfg.Keys}, sign.Options{Region: cfg.Region, Service: stsService, DenyV2: true})
	if s.pinKey, err = cfg.newPINKey(); err != nil {
		return nil, err
	}
	s.noRules, err = compileRules(nil)
	return s, err
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := s.begin(w, r)
	defer s.end(x)
	if r.ProtoMajor == 1 && r.ContentLength == 0 && r.Header.Get("Expect") != "" {
		// No 100 Continue is sent for a body that does not exist, and clients
		// such as botocore then lose count of the answers on the connection.
		w.Header().Set("Connection", "close")
	}
	if err := s.serve(x); err != nil {
		x.err = err
		if !s.askPIN(x) {
			x.refuse()
		}
	}
}

// An exchange is one request and its answer, as record sees them.
type exchange struct {
	w      response
	r      *http.Request
	start  time.Time // of the process's clock, for durations
	target *target   // nil until resolved
	call   *call     // nil until authenticated
	err    error     // why the request was refused or failed
	told   told      // what the client was told of err, where that is something else
	// asks is what the request asks for where that is no action of S3.
	asks *s3.Action
	in   intake
	// arrived is start by Config.Clock, where there are events.
	arrived time.Time
	span    RequestSpan // nil where nobody follows requests
	memory  memory
}

// A memory is where what is found out about a request is put, so that it need
// not be allocated for each.
type memory struct {
	target  target
	call    call
	result  sign.Result
	request sign.Request
	hosts   [4]sign.Host
	query   [16]sign.Param
}

func (s *Server) serve(x *exchange) (err error) {
	if x.r.Method == http.MethodOptions {
		x.asks = &askPreflight
		return s.preflight(&x.w, x.r)
	}
	if s.isSTS(x.r) {
		x.asks = &askSTS
		return s.serveSTS(x)
	}
	if s.isPINForm(x.r) {
		x.asks = &askPINEntry
		return s.answerPIN(x)
	}
	x.target, err = s.resolveIn(&x.memory, x.r)
	x.w.private = x.target != nil && firstLimit(x.target.query) != ""
	if x.target != nil {
		x.target.ids, x.target.pace = x.logIDs(), &x.w.pace
	}
	if err != nil {
		return err
	}
	s.lookUp(x.r, x.target)
	s.allowOrigin(x)
	if err = s.enter(x); err != nil {
		return err
	}
	if x.call.limits != nil && x.call.limits.Rate > 0 {
		x.w.rate = s.rates.take(x.call.grant.PassID, x.call.limits.Rate)
	}
	return s.hide(&x.w, x.call, s.act(&x.w, x.call))
}

// act carries out an authorized call.
func (s *Server) act(w *response, c *call) error {
	op := operationOf(c.action.Name)
	if op == nil {
		return notImplemented(daypass.Detail{Name: "Action", Value: string(c.action.Name)})
	}
	if err := c.check(); err != nil {
		return err
	}
	if err := s.checkOwner(c); err != nil {
		return err
	}
	if err := c.checkIgnoredBody(w); err != nil {
		return err
	}
	if err := s.checkBound(c); err != nil {
		return err
	}
	if !bindsLate(c.action.Name) {
		if err := s.bind(c); err != nil {
			return err
		}
	}
	if c.counted() {
		return s.count(c, func() error { return op(s, w, c) })
	}
	return op(s, w, c)
}

// notImplemented refuses what a request asks for and this server cannot do.
func notImplemented(details ...daypass.Detail) error {
	return &daypass.Error{Code: daypass.NotImplemented, Details: details}
}

func invalidArgument(message, name, value string) error {
	return &daypass.Error{Code: daypass.InvalidArgument, Message: message, Details: []daypass.Detail{
		{Name: "ArgumentName", Value: name}, {Name: "ArgumentValue", Value: value},
	}}
}

func invalidRequest(message string) error {
	return &daypass.Error{Code: daypass.InvalidRequest, Message: message}
}
