package admin

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
	"github.com/daypass/daypass/state"
)

// maxBody is how many bytes a request's body may have.
const maxBody = 1 << 20

// A KeyStore keeps access keys. Its errors are *daypass.Error, as those of
// *state.State are.
type KeyStore interface {
	AccessKey(ctx context.Context, id string) (daypass.AccessKey, error)
	ListKeys(ctx context.Context, after string, max int) (keys []daypass.AccessKey, more bool, err error)
	CreateKey(ctx context.Context, n state.NewKey) (daypass.AccessKey, error)
	SetKeyDisabled(ctx context.Context, id string, disabled bool, by string) error
	SetKeyPolicy(ctx context.Context, id, policy string) error
	DeleteKey(ctx context.Context, id string) error
	// FindKey returns a key whether or not it is still good, and the parent of
	// a temporary one, which its token holds.
	FindKey(ctx context.Context, id, token string) (daypass.AccessKey, *daypass.AccessKey, error)
}

// A PassStore keeps what was seen of passes and what was revoked. Its errors
// are *daypass.Error, as those of *state.State are.
type PassStore interface {
	Pass(ctx context.Context, id string) (state.PassRecord, error)
	ListPasses(ctx context.Context, f state.PassFilter, after string, max int) (list []state.PassRecord, more bool, err error)
	RestorePass(ctx context.Context, pass string) (lifted int, err error)
	Revoked(p *state.Subject) (id string, revoked bool)
	Revoke(ctx context.Context, r state.Revocation) (state.Revocation, error)
	Lift(ctx context.Context, ids ...string) (int, error)
	Revocations(after string, max int) (list []state.Revocation, more bool)
	RevocationsOf(pass string) []state.Revocation
	RevocationsOn(p *state.Subject) []state.Revocation
	Spending(ctx context.Context, pass string) (state.Spending, error)
}

// Try tells what a server would make of a URL that somebody opens, and what
// policies say of it until an instant. Its errors are *daypass.Error.
type Try func(ctx context.Context, url string, who daypass.Visitor, until time.Time) (*daypass.Trial, error)

// Past calls show with past events that a question is about. It is bounded in
// time and effort, and tells how far back it came: from is the time of the
// oldest event that it looked at, and whole says that this is all that was asked
// for and is still there.
type Past func(ctx context.Context, q PastQuestion, show func(*daypass.Event)) (from time.Time, whole bool, err error)

// A PastQuestion is about requests with a pass, about those with the same path
// and query, signature aside, and about a subject.
type PastQuestion struct {
	Pass, Target, Subject string
	Since                 time.Time
}

// Presign makes a pre-signed URL with the access key of an id, or with the
// server's own where signer is empty. It checks the request; its errors are
// *daypass.Error.
type Presign func(ctx context.Context, signer string, r client.PresignRequest) (client.PresignResponse, error)

// CheckPolicy tells what is wrong with the policy document of an access key.
// Its errors are *daypass.Error.
type CheckPolicy func(document string) error

// Authenticate finds out who signed a request. Where the body's hash is
// signed, it replaces the request's body by one that fails at its end when
// the hash does not match. Its errors are *daypass.Error.
type Authenticate func(*http.Request) (*daypass.Grant, error)

// A Config holds what the API works with.
type Config struct {
	// Keys, Passes, Presign and CheckPolicy are required.
	Keys        KeyStore
	Passes      PassStore
	Presign     Presign
	CheckPolicy CheckPolicy
	// Rotator may be nil: then there is no encryption to ask about.
	Rotator Rotator
	// Server is what GET /api/v1/server answers.
	Server client.Server
	// Authenticate is required unless TrustLocal.
	Authenticate Authenticate
	// TrustLocal lets whoever can connect do everything, without a
	// signature. It is for a unix socket that only the operator can reach,
	// excludes Authenticate, and refuses connections of any other kind.
	TrustLocal bool
	// MaxLifetime is the longest that a pass may live; zero when there is no
	// such bound. It lets revocations end that could not otherwise.
	MaxLifetime time.Duration
	// MaxSignatureAge is how old a signature may be; zero when there is no such
	// bound.
	MaxSignatureAge time.Duration
	// Try and Past let the API explain passes; without either, explanations
	// lack what it knows.
	Try  Try
	Past Past
	// Clock is the time; nil is time.Now.
	Clock func() time.Time
	// Events takes an event of each request; nil is nobody.
	Events EventSink
	// Log takes what was changed, by whom, and internal errors; nil discards.
	Log *slog.Logger
	// Rand is the source of request ids; nil is crypto/rand.Reader.
	Rand io.Reader
}

// New returns the admin API. It fails for a Config that lacks something, so
// that no API is open to everybody by omission.
func New(c Config) (http.Handler, error) {
	switch {
	case c.Keys == nil || c.Passes == nil || c.Presign == nil || c.CheckPolicy == nil:
		return nil, errors.New("admin.New: Keys, Passes, Presign and CheckPolicy are required")
	case c.Authenticate == nil && !c.TrustLocal:
		return nil, errors.New("admin.New: neither Authenticate nor TrustLocal is given")
	case c.Authenticate != nil && c.TrustLocal:
		return nil, errors.New("admin.New: Authenticate and TrustLocal exclude each other")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	h := &handler{Config: c, explaining: make(chan struct{}, 1)}
	return h.mux(), nil
}

type handler struct {
	Config
	// explaining is held by the one who reads past events: more of that at once
	// would slow down the requests that the server is for.
	explaining chan struct{}
}

// An answer is what the client gets; without a body it is empty.
type answer struct {
	status int
	body   any
}

// A call is a request that was admitted.
type call struct {
	*http.Request
	// caller is the access key id that signed, or "local".
	caller string
	// key is the access key that signed; nil for a local caller.
	key   *daypass.AccessKey
	body  []byte
	grant daypass.Grant
	// subject is what the request is about, and object the object or bucket of
	// it, for logs and events.
	subject string
	object  daypass.ObjectRef
	// made is the id of what was made, for the log.
	made string
}

// owner is the account whose keys and passes the caller sees; empty where the
// caller sees all: the root key and local callers.
func (c *call) owner() string {
	if c.key == nil || c.key.Root {
		return ""
	}
	return c.key.Owner
}

// mux returns the API. Every path leads to serve, unknown ones too, so that
// nothing is told to whoever was not admitted.
func (h *handler) mux() http.Handler {
	mux := http.NewServeMux()
	paths := map[string][]route{"/": nil}
	for _, r := range h.routes() {
		paths[r.path] = append(paths[r.path], r)
	}
	for path, routes := range paths {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { h.serve(w, r, routes) })
	}
	return mux
}

// serve answers a request to a path that has the given routes.
func (h *handler) serve(w http.ResponseWriter, r *http.Request, routes []route) {
	x := &exchange{began: h.Clock(), id: h.requestID(), action: actionOf(r, routes)}
	out := &counted{ResponseWriter: w}
	w.Header().Set("X-Amz-Request-Id", x.id)
	a, err := h.handle(out, r, routes, x)
	if err != nil {
		a = h.refuse(r, x, err)
	}
	respond(out, a)
	x.status, x.sent = a.status, out.sent
	h.emit(r, x)
}

// handle takes a request through its steps.
func (h *handler) handle(w http.ResponseWriter, r *http.Request, routes []route, x *exchange) (answer, error) {
	c, err := h.admit(r)
	if err != nil {
		return answer{}, err
	}
	x.call = c
	rt, err := choose(w, r, routes)
	if err != nil {
		return answer{}, err
	}
	c.subject = subjectOfPath(r, &rt)
	if err := h.authorize(c, &rt); err != nil {
		return answer{}, err
	}
	if err := checkParams(r, rt.params); err != nil {
		return answer{}, err
	}
	if c.body, err = read(w, r, rt); err != nil {
		return answer{}, err
	}
	out, err := rt.act(r.Context(), c)
	if err == nil && r.Method != http.MethodGet && !rt.reads {
		attrs := []any{"caller", c.caller, "method", r.Method, "path", r.URL.Path, "subject", c.subject, "request_id", x.id}
		if c.made != "" {
			attrs = append(attrs, "made", c.made)
		}
		h.Log.Info("admin request", attrs...)
	}
	return answer{rt.status, out}, err
}

// requestID returns an id for logs. It need not be secret, so that a failing
// source of randomness does not matter.
func (h *handler) requestID() string {
	var b [8]byte
	io.ReadFull(h.Rand, b[:])
	return hex.EncodeToString(b[:])
}
