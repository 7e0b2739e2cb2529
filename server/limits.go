package server

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
)

// A Ledger is what limits that count, and revocations, need of shared state.
// *state.State is one.
type Ledger interface {
	NewToken() (state.Token, error)
	Draw(ctx context.Context, b state.Budget, t state.Token, total, fits int64) error
	Settle(ctx context.Context, b state.Budget, t state.Token, sent int64, whole bool) error
	Exhausted(ctx context.Context, b state.Budget) (bool, error)
	Reserve(ctx context.Context, c state.Count, t state.Token) error
	Release(ctx context.Context, c state.Count, t state.Token, used bool) error
	Bind(ctx context.Context, pass string, addr netip.Addr, ends time.Time) (netip.Addr, error)
	Bound(ctx context.Context, pass string) (netip.Addr, error)
	TryPIN(ctx context.Context, p state.PINTry) error
	AcceptPIN(ctx context.Context, p state.PINTry) error
}

// Revocations tells which passes are revoked. It must not keep what it is
// given.
type Revocations interface {
	Revoked(p *state.Subject) (id string, revoked bool)
	// Fresh returns an error where a revocation could be missing.
	Fresh() error
}

// A PassRecorder notes what was seen of passes. It must neither block nor keep
// what it is given.
type PassRecorder interface {
	Seen(p *state.Sighting)
}

// limitedBy makes the limits that a query carries those of a call, once its
// signature is known to be good.
func (s *Server) limitedBy(c *call, q sign.Query) (err error) {
	if err := c.noLimitHeaders(); err != nil {
		return err
	}
	first := firstLimit(q)
	if first == "" {
		return nil
	}
	if c.limits, err = limits.Parse(q); err != nil {
		return err
	}
	c.grant.Name = c.limits.Name
	pass := limits.Pass{Action: c.signedAction(), Scheme: c.grant.Scheme, Version: c.grant.SignatureVersion}
	if err := c.limits.Check(pass); err != nil {
		return err
	}
	if c.grant.PassID == "" {
		return limits.Invalid(first, "", "needs a pre-signed URL or a signed form: nothing else binds it")
	}
	if name, needs := c.limits.NeedsState(); needs && s.cfg.Ledger == nil {
		return limits.Invalid(name, "", "cannot be enforced by this server, which keeps no state")
	}
	return c.checkPrefix()
}

// firstLimit returns the name of the first limit in a query.
func firstLimit(q sign.Query) string {
	for i := range q {
		if sign.IsLimit(q[i].Name) {
			return q[i].Name
		}
	}
	return ""
}

// signedAction is what the pass was signed for: with Config.HeadWithGet a HEAD
// may come with a URL for GET.
func (c *call) signedAction() daypass.Action {
	if c.action.Name == daypass.HeadObject && c.result.Method == http.MethodGet {
		return daypass.GetObject
	}
	return c.action.Name
}

// pinHeader carries the PIN of a program.
const pinHeader = "X-Daypass-Pin-Value"

// noLimitHeaders refuses limits that were put into headers, where they would
// not be enforced.
func (c *call) noLimitHeaders() error {
	for name := range c.r.Header {
		if sign.IsLimit(name) && name != pinHeader {
			return limits.Invalid(strings.ToLower(name), "", "is a parameter of the URL, not a header")
		}
	}
	return nil
}

// admit refuses a pass that is revoked, and a request outside what the limits
// of its pass say of time, address, transport and origin.
func (s *Server) admit(c *call) error {
	if err := s.checkRevoked(c); err != nil || c.limits == nil {
		return err
	}
	return c.limits.Admit(limits.Use{
		Now: c.now, Addr: s.clientAddress(c.r), TLS: s.encrypted(c.r), Origin: limits.RequestOrigin(c.r.Header),
	})
}

func (s *Server) checkRevoked(c *call) error {
	if s.cfg.Revocations == nil || c.grant.PassID == "" {
		return nil
	}
	if err := s.cfg.Revocations.Fresh(); err != nil {
		return err
	}
	id, revoked := s.revokedBy(c)
	if !revoked {
		return nil
	}
	return &daypass.Error{Op: "server.revoked", Code: daypass.AccessDenied, Message: "This pass has been revoked.",
		Details: []daypass.Detail{{Name: "Revocation", Value: id}}}
}

// revokedBy looks for a revocation of a call's pass. What a prefix pass is
// used for may be revoked although the prefix is not.
func (s *Server) revokedBy(c *call) (id string, revoked bool) {
	p, _ := s.subjects.Get().(*state.Subject)
	if p == nil {
		p = new(state.Subject)
	}
	*p = state.Subject{
		Pass: c.grant.PassID, Name: c.grant.Name, Owner: c.grant.Owner, Key: c.grant.AccessKeyID,
		Bucket: c.ref.Bucket, Object: c.signedKey(), Signed: c.grant.SignedAt,
	}
	id, revoked = s.cfg.Revocations.Revoked(p)
	if used := c.usedKey(); !revoked && used != p.Object {
		p.Object = used
		id, revoked = s.cfg.Revocations.Revoked(p)
	}
	*p = state.Subject{}
	s.subjects.Put(p)
	return id, revoked
}

// signedKey is the key, or the prefix, that the pass was signed for.
func (c *call) signedKey() string {
	if c.limits != nil && c.limits.Prefix != "" {
		return c.limits.Prefix
	}
	return c.ref.Key
}

// usedKey is the key that the request is about, or the prefix that it lists
// below that of its pass.
func (c *call) usedKey() string {
	if c.place.level == s3.BucketLevel && c.limits != nil && c.limits.Prefix != "" {
		return c.query.Get("prefix")
	}
	return c.ref.Key
}

// confirm checks what only a request that is allowed in every other way may
// ask of the ledger: the PIN of the pass.
func (s *Server) confirm(c *call) error {
	if c.limits == nil {
		return nil
	}
	return s.checkPIN(c)
}

// checkBound refuses another address than the one that the pass is bound to.
// It binds nothing yet: operations whose own checks may still refuse the
// request call bind after those.
func (s *Server) checkBound(c *call) error {
	if c.limits == nil || !c.limits.Bind {
		return nil
	}
	addr := s.clientAddress(c.r)
	if !addr.IsValid() {
		return limits.Refused(limits.Bind, "the first client's address", "an unknown address")
	}
	owner, err := s.cfg.Ledger.Bound(c.r.Context(), c.grant.PassID)
	if err != nil {
		return err
	}
	switch c.r.Method {
	case http.MethodGet, http.MethodPut, http.MethodPost:
		if !owner.IsValid() {
			c.binder = s.cfg.Ledger
		}
	}
	return refuseAddress(owner, addr)
}

func refuseAddress(owner, addr netip.Addr) error {
	if !owner.IsValid() || owner == addr {
		return nil
	}
	return limits.Refused(limits.Bind, "the first client's address", addr.String())
}

// bind binds the pass to the client's address, once, or refuses the request
// where another one was quicker. It comes after every other check, so that a
// request that is refused binds nothing.
func (s *Server) bind(c *call) error {
	ledger := c.binder
	if c.binder = nil; ledger == nil {
		return nil
	}
	addr := s.clientAddress(c.r)
	owner, err := ledger.Bind(c.r.Context(), c.grant.PassID, addr, c.grant.ExpiresAt)
	if err != nil {
		return err
	}
	return refuseAddress(owner, addr)
}

// bindsLate reports whether an action's operation calls bind itself, once it
// knows that nothing else refuses the request.
func bindsLate(a daypass.Action) bool {
	switch a {
	case daypass.GetObject, daypass.PutObject, daypass.UploadPart, s3.PostObject:
		return true
	}
	return false
}

// checkETag refuses an object that is not the one that the pass is for.
func (c *call) checkETag(etag string) error {
	if c.limits == nil || c.limits.ETag == "" || c.limits.ETag == etag {
		return nil
	}
	// What the object is now is not for the holder of this pass to know.
	e := limits.Refused(limits.ETag, c.limits.ETag, "a changed object")
	e.Code, e.Message = daypass.PreconditionFailed, "The object is no longer the one that this pass is for."
	return e
}
