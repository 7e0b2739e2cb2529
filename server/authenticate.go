package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/store"
)

// A call is an authenticated request.
type call struct {
	*target
	r     *http.Request
	grant daypass.Grant
	// claim is what a form whose signature is not good says of it.
	claim daypass.Grant
	// key is the access key that signed, without meaning when anonymous; keys
	// is where it was found.
	key  daypass.AccessKey
	keys signingKeys
	// result is what the signature proved.
	result *sign.Result
	// limits are those of the pass, nil where there are none.
	limits *limits.Set
	// binder is where the pass is yet to be bound to the client's address.
	binder Ledger
	// pin is the PIN that came with a form. asking says that the call only
	// finds out which PIN a pass has.
	pin    string
	asking bool
	// head are the headers, wherever the request carries them.
	head headers
	// now is the time at which the signature was checked.
	now time.Time
	// free says that no policy could have refused the caller anything in this
	// bucket.
	free bool
	// momentary says that a policy has looked at what is so for this request
	// only, or for the moment.
	momentary bool
	// deciding is the caller and the request as policies see them, nil until
	// one is asked.
	deciding *decision
	// copied are the tags that a copy takes over from its source.
	copied []store.Tag
	// limitsText is what limitText returns, once it was asked for.
	limitsText string
	// parts are what the call does to further objects, as far as events tell
	// of them.
	parts []part
}

// authenticate finds out who signed a request. A request without a signature
// is authenticated as anonymous. Where the signature is good and something
// else is not, the call is returned with the error.
func (s *Server) authenticate(r *http.Request, t *target) (*call, error) {
	m := t.memory
	c := &m.call
	*c = call{target: t, r: r, now: s.cfg.Clock(), keys: signingKeys{s.cfg.Keys}}
	req := &m.request
	var err error
	if *req, err = s.signRequest(r, t, m.hosts[:0]); err != nil {
		return nil, err
	}
	req.Keys = c
	if c.result, err = s.verify(r.Context(), &m.result, req, c); err != nil {
		return nil, signError(err)
	}
	if err := bindsPrefix(c.result, t.place); err != nil {
		return nil, err
	}
	c.setGrant()
	if c.head, err = newHeaders(r.Header, t.query, c.result); err != nil {
		return c, err
	}
	if err := s.checkAge(c); err != nil {
		return c, err
	}
	if err := s.limitedBy(c, t.query); err != nil {
		return c, err
	}
	return c, c.checkOptions()
}

// signRequest is what a signature of a request covers; hosts is where to put
// those under which it may have been made.
func (s *Server) signRequest(r *http.Request, t *target, hosts []sign.Host) (sign.Request, error) {
	path, query, err := t.signedFor()
	if err != nil {
		return sign.Request{}, err
	}
	return sign.Request{
		Method: r.Method, Path: path, Query: query, Header: r.Header, ContentLength: r.ContentLength,
		Hosts:      s.names.candidates(hosts, &t.view, t.decoded, t.place),
		HostBucket: t.place.hostBucket,
	}, nil
}

// authenticateForm finds out who signed the form that a call carries, and puts
// that into the call; authorize is next. The policy is nil for a form without
// signature.
func (s *Server) authenticateForm(c *call, form sign.Form) (*sign.Policy, error) {
	result, policy, err := s.verifier.VerifyForm(c.remembering(c.r.Context()), form, c.now)
	if err != nil {
		if claim, ok := claimOf(form.Lookup, daypass.SchemeForm); ok {
			c.claim = claim
		}
		return nil, signError(err)
	}
	// How the body is framed was said by the request, not by the form.
	result.Payload = c.result.Payload
	c.result = result
	c.setGrant()
	return policy, s.checkAge(c)
}

// verify checks the signature. For Version 2, boto3 signs the path of a bucket
// with a final slash that it does not send; S3 takes both for the same.
func (s *Server) verify(ctx context.Context, result *sign.Result, req *sign.Request, c *call) (*sign.Result, error) {
	err := s.verifier.VerifyTo(ctx, result, req, c.now)
	if err == nil {
		return result, nil
	}
	bare := c.place.level == s3.BucketLevel && c.place.hostBucket == "" && !strings.HasSuffix(req.Path, "/")
	if !bare || !c.usesV2() {
		return nil, err
	}
	slashed := *req
	slashed.Path += "/"
	if again := s.verifier.VerifyTo(ctx, result, &slashed, c.now); again == nil {
		return result, nil
	}
	return nil, err
}

// usesV2 reports whether a request says that it is signed with Version 2.
func (t *target) usesV2() bool {
	return strings.HasPrefix(t.header.Get("Authorization"), "AWS ") || t.query.Has("AWSAccessKeyId")
}

// setGrant tells who signed.
func (c *call) setGrant() {
	c.deciding = nil
	if c.result.Scheme == sign.Anonymous {
		c.key, c.grant = daypass.AccessKey{}, daypass.Grant{Scheme: daypass.SchemeAnonymous}
		return
	}
	c.grant = daypass.Grant{
		AccessKeyID:      c.result.KeyID,
		Owner:            c.key.Owner,
		Scheme:           daypass.Scheme(c.result.Scheme),
		SignatureVersion: string(c.result.Version),
		SignedAt:         c.result.SignedAt,
		ExpiresAt:        c.result.ExpiresAt,
		PassID:           c.result.PassID(),
	}
}

// checkAge refuses a signature that is older than the operator allows, and one
// of which nobody knows how old it is.
func (s *Server) checkAge(c *call) error {
	most := s.cfg.MaxSignatureAge
	if most <= 0 || c.grant.Anonymous() {
		return nil
	}
	switch age := c.now.Sub(c.grant.SignedAt); {
	case c.grant.SignedAt.IsZero():
		return &daypass.Error{Code: daypass.AccessDenied, Message: "Request has expired: this server takes signatures that tell their time only",
			Err: errors.New("the signature does not tell its time, so its age is unknown")}
	case age > most:
		return &daypass.Error{Code: daypass.AccessDenied, Message: "Request has expired",
			Err: fmt.Errorf("the signature is %v old, the server takes %v", age, most),
			Details: []daypass.Detail{
				{Name: "MaxSignatureAgeSeconds", Value: strconv.FormatInt(int64(most/time.Second), 10)},
				{Name: "Expires", Value: c.grant.SignedAt.Add(most).UTC().Format(time.RFC3339)},
				{Name: "ServerTime", Value: c.now.UTC().Format(time.RFC3339)},
			}}
	}
	return nil
}

// signingKeys shows access keys to package sign.
type signingKeys struct{ keys Keys }

// callKey is the context key of the call for which a key is looked up.
type callKey struct{}

// remembering makes signingKeys put the access key into the call. The call may
// believe it once the signature has been verified.
func (c *call) remembering(ctx context.Context) context.Context {
	return context.WithValue(ctx, callKey{}, c)
}

// SigningKey implements sign.Keys.
func (k signingKeys) SigningKey(ctx context.Context, id, token string) (sign.Key, bool, error) {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		c = new(call)
	}
	return k.signing(ctx, id, token, &c.key)
}

// SigningKey implements sign.Keys.
func (c *call) SigningKey(ctx context.Context, id, token string) (sign.Key, bool, error) {
	return c.keys.signing(ctx, id, token, &c.key)
}

// signing returns the key of an id as package sign wants it, and puts it into
// found.
func (k signingKeys) signing(ctx context.Context, id, token string, found *daypass.AccessKey) (sign.Key, bool, error) {
	key, err := k.find(ctx, id, token)
	switch {
	case errors.Is(err, state.ErrToken):
		// A key with another token than the request's: InvalidToken.
		return sign.Key{ID: id, Token: token + "\x00"}, true, nil
	case daypass.CodeOf(err) == daypass.NoSuchAccessKey:
		return sign.Key{}, false, nil
	case err != nil:
		return sign.Key{}, false, err
	case key.Disabled:
		return sign.Key{}, false, nil
	}
	*found = key
	out := sign.Key{ID: key.ID, Secret: string(key.Secret), Expires: key.Expires}
	if key.Session != nil {
		out.Token = string(key.Session.Token)
	}
	return out, true, nil
}

// find returns a lasting key, or a temporary one, which its token holds.
func (k signingKeys) find(ctx context.Context, id, token string) (daypass.AccessKey, error) {
	if !state.IsSession(id) {
		return k.keys.AccessKey(ctx, id)
	}
	sessions, ok := k.keys.(SessionKeys)
	if !ok || token == "" {
		return daypass.AccessKey{}, &daypass.Error{Op: "server", Code: daypass.NoSuchAccessKey,
			Err: errors.New("a temporary key without its token")}
	}
	return sessions.SessionKey(ctx, id, token)
}

// signError makes an error of package sign one of the vocabulary; others stay
// as they are.
func signError(err error) error {
	var e *sign.Error
	if !errors.As(err, &e) {
		return err
	}
	out := &daypass.Error{Op: "sign", Code: daypass.Code(e.Code), Message: e.Message, Err: e.Err}
	if e.Reason != "" {
		out.Err = errors.Join(errors.New(e.Reason), e.Err)
	}
	for _, d := range e.Details {
		out.Details = append(out.Details, daypass.Detail(d))
	}
	if e.Code == "" {
		out.Code = daypass.InternalError
		// State that is out of reach is no fault of the node.
		if daypass.CodeOf(e.Err) == daypass.ServiceUnavailable {
			out.Code = daypass.ServiceUnavailable
		}
	}
	return out
}

// mismatch refuses a request whose signature covers something else than it
// asks for, in the words that S3 has for it.
func mismatch(reason string) error {
	return &daypass.Error{Code: s3.SignatureDoesNotMatch, Err: errors.New(reason)}
}
