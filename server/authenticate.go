package server

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
)

// A call is an authenticated request.
type call struct {
	*target
	r     *http.Request
	grant daypass.Grant
	// result is what the signature proved.
	result *sign.Result
	// head are the headers, wherever the request carries them.
	head headers
	// now is the time at which the signature was checked.
	now time.Time
}

// authenticate finds out who signed a request. A request without a signature
// is authenticated as anonymous.
func (s *Server) authenticate(r *http.Request, t *target) (*call, error) {
	c := &call{target: t, r: r, now: s.cfg.Clock()}
	var few [8]sign.Host
	req := sign.Request{
		Method: r.Method, Path: t.path, Query: t.query, Header: r.Header, ContentLength: r.ContentLength,
		Hosts:      s.names.candidates(few[:0], &t.view, t.decoded, t.place),
		HostBucket: t.place.hostBucket,
	}
	var err error
	if c.result, err = s.verify(r.Context(), &req, c); err != nil {
		return nil, signError(err)
	}
	if err := bindsPrefix(c.result, t.place); err != nil {
		return nil, err
	}
	if err := c.refuseLimits(); err != nil {
		return nil, err
	}
	if c.head, err = newHeaders(r.Header, t.query, c.result); err != nil {
		return nil, err
	}
	c.grant, err = s.grant(r.Context(), c.result)
	return c, err
}

// verify checks the signature. For Version 2, boto3 signs the path of a bucket
// with a final slash that it does not send; S3 takes both for the same.
func (s *Server) verify(ctx context.Context, req *sign.Request, c *call) (*sign.Result, error) {
	result, err := s.verifier.VerifyRequest(ctx, req, c.now)
	bare := c.place.level == s3.BucketLevel && c.place.hostBucket == "" && !strings.HasSuffix(req.Path, "/")
	if err == nil || !bare || !c.usesV2() {
		return result, err
	}
	slashed := *req
	slashed.Path += "/"
	if result, again := s.verifier.VerifyRequest(ctx, &slashed, c.now); again == nil {
		return result, nil
	}
	return nil, err
}

// usesV2 reports whether a request says that it is signed with Version 2.
func (t *target) usesV2() bool {
	return strings.HasPrefix(t.header.Get("Authorization"), "AWS ") || t.query.Has("AWSAccessKeyId")
}

// grant tells who signed.
func (s *Server) grant(ctx context.Context, result *sign.Result) (daypass.Grant, error) {
	if result.Scheme == sign.Anonymous {
		return daypass.Grant{Scheme: daypass.SchemeAnonymous}, nil
	}
	key, err := s.cfg.Keys.AccessKey(ctx, result.KeyID)
	if err != nil {
		// The key was there a moment ago.
		return daypass.Grant{}, unknownKey(result.KeyID, err)
	}
	return daypass.Grant{
		AccessKeyID:      result.KeyID,
		Owner:            key.Owner,
		Scheme:           daypass.Scheme(result.Scheme),
		SignatureVersion: string(result.Version),
		SignedAt:         result.SignedAt,
		ExpiresAt:        result.ExpiresAt,
		PassID:           result.PassID(),
	}, nil
}

func unknownKey(id string, cause error) error {
	if daypass.CodeOf(cause) != daypass.NoSuchAccessKey {
		return cause
	}
	return &daypass.Error{Code: daypass.InvalidAccessKeyID, Err: cause,
		Details: []daypass.Detail{{Name: "AWSAccessKeyId", Value: id}}}
}

// refuseLimits refuses every limit, since none can be enforced yet: a limit
// that is not enforced must not be ignored.
func (c *call) refuseLimits() error {
	for _, p := range c.query {
		if sign.IsLimit(p.Name) {
			return limitRefused(p.Name)
		}
	}
	for name := range c.r.Header {
		if sign.IsLimit(name) {
			return limitRefused(strings.ToLower(name))
		}
	}
	return nil
}

func limitRefused(name string) error {
	return &daypass.Error{Code: daypass.NotImplemented,
		Message: "The limit " + name + " cannot be enforced by this server, so the request is refused.",
		Details: []daypass.Detail{{Name: "ArgumentName", Value: name}}}
}

// signingKeys shows access keys to package sign.
type signingKeys struct{ keys Keys }

// SigningKey implements sign.Keys.
func (k signingKeys) SigningKey(ctx context.Context, id, _ string) (sign.Key, bool, error) {
	key, err := k.keys.AccessKey(ctx, id)
	switch {
	case daypass.CodeOf(err) == daypass.NoSuchAccessKey:
		return sign.Key{}, false, nil
	case err != nil:
		return sign.Key{}, false, err
	case key.Disabled:
		return sign.Key{}, false, nil
	}
	return sign.Key{ID: key.ID, Secret: string(key.Secret), Expires: key.Expires}, true, nil
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
	}
	return out
}

// mismatch refuses a request whose signature covers something else than it
// asks for, in the words that S3 has for it.
func mismatch(reason string) error {
	return &daypass.Error{Code: s3.SignatureDoesNotMatch, Err: errors.New(reason)}
}
