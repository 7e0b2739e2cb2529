package server

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/policy"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
)

// A Finder finds access keys whether or not they are still good, to explain
// what they signed. *state.State is one.
type Finder interface {
	// FindKey returns the key of an id, and the parent of a temporary one.
	FindKey(ctx context.Context, id, token string) (daypass.AccessKey, *daypass.AccessKey, error)
}

// maxInstants bounds how often the policies are asked for one URL.
const maxInstants = 256

// looks is how often policies are asked where conditions do not tell when they
// change.
const looks = 64

// Try tells what would become of a request with a pre-signed URL, and what
// policies say of it until an instant. Nothing is counted, drawn or recorded.
func (s *Server) Try(ctx context.Context, raw string, who daypass.Visitor, keys Finder, until time.Time) (*daypass.Trial, error) {
	in, err := sign.Inspect(raw)
	if err != nil {
		return nil, signError(err)
	}
	at := in.SignedAt
	if at.IsZero() {
		at = in.ExpiresAt.Add(-time.Second)
	}
	lenient := sign.NewVerifier(anyKey{keys}, sign.Options{Region: s.cfg.Region, HeadWithGet: s.cfg.HeadWithGet, Until: true, MaxLifetime: forEver})
	var t *daypass.Trial
	for _, method := range methodsOf(in) {
		r, err := newTrial(ctx, raw, in.Path, method, who)
		if err != nil {
			return nil, err
		}
		next := s.tryMethod(r, lenient, at, until, who)
		if t == nil || next.Signature == nil {
			t = next
		}
		if t.Signature == nil {
			break
		}
	}
	for _, name := range in.SignedHeaders {
		if name != "host" && t.Signature != nil && !in.Query.Has(name) {
			t.Unproven = append(t.Unproven, name)
		}
	}
	return t, nil
}

// forEver is longer than any pass lives.
const forEver = 100 * 365 * 24 * time.Hour

// methodsOf are the methods that a URL may have been signed for, the likeliest
// first.
func methodsOf(in *sign.Inspection) []string {
	if in.Query.Has("uploadId") || in.Query.Has("partNumber") {
		return []string{http.MethodPut, http.MethodPost, http.MethodGet, http.MethodDelete}
	}
	return []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPost, http.MethodHead}
}

// anyKey shows access keys to package sign whether or not they are good.
type anyKey struct{ keys Finder }

// SigningKey implements sign.Keys.
func (k anyKey) SigningKey(ctx context.Context, id, token string) (sign.Key, bool, error) {
	key, _, err := k.keys.FindKey(ctx, id, token)
	switch {
	case key.Secret == "" && daypass.CodeOf(err) == daypass.NoSuchAccessKey:
		return sign.Key{}, false, nil
	case key.Secret == "" && err != nil:
		return sign.Key{}, false, err
	}
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		c.key = key
	}
	out := sign.Key{ID: key.ID, Secret: string(key.Secret)}
	if key.Session != nil {
		out.Token = string(key.Session.Token)
	}
	return out, true, nil
}

// newTrial is the request of somebody who opens a URL.
func newTrial(ctx context.Context, raw, path, method string, who daypass.Visitor) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, raw, http.NoBody)
	if err != nil {
		return nil, &daypass.Error{Op: "server.try", Code: s3.InvalidURI, Err: errors.New("the URL cannot be read")}
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, &daypass.Error{Op: "server.try", Code: s3.InvalidURI, Err: errors.New("the URL cannot be read")}
	}
	r.RequestURI, r.ProtoMajor, r.ProtoMinor = path+"?"+u.RawQuery, 1, 1
	if _, err := netip.ParseAddr(who.Source); err == nil {
		r.RemoteAddr = net.JoinHostPort(who.Source, "0")
	}
	for name, value := range map[string]string{"Referer": who.Referer, "User-Agent": who.UserAgent} {
		if value != "" {
			r.Header.Set(name, value)
		}
	}
	if u.Scheme == "https" {
		r.TLS = &tls.ConnectionState{Version: tls.VersionTLS13}
	}
	return r, nil
}

func (s *Server) tryMethod(r *http.Request, lenient *sign.Verifier, at, until time.Time, who daypass.Visitor) *daypass.Trial {
	trial := &daypass.Trial{Method: r.Method, Size: -1}
	t, err := s.resolve(r)
	if err != nil {
		trial.Signature = err
		return trial
	}
	trial.Action, trial.Object = t.action.Name, t.ref
	s.lookUp(r, t)
	trial.BucketOwner = t.bucket.Owner
	c := &call{target: t, r: r, now: at}
	req, err := s.signRequest(r, t, nil)
	if err == nil {
		c.result, err = lenient.VerifyRequest(c.remembering(r.Context()), &req, at)
		err = signError(err)
	}
	if err == nil {
		err = bindsPrefix(c.result, t.place)
	}
	if err != nil {
		trial.Signature = s.withMistake(r.Context(), err, &req, lenient, t, at)
		return trial
	}
	c.setGrant()
	if c.head, err = newHeaders(r.Header, t.query, c.result); err != nil {
		trial.Refusal = err
	} else if err := s.limitedBy(c, t.query); err != nil {
		trial.Refusal = err
	}
	trial.Grant = c.grant
	if trial.Refusal == nil {
		var denied bool
		if denied, trial.Refusal = s.tryNow(r); denied && who == (daypass.Visitor{}) {
			trial.Depends = s.dependsOn(c)
		}
	}
	if trial.Refusal == nil {
		trial.Refusal = s.tryObject(c)
	}
	if now := s.cfg.Clock(); c.grant.SignedAt.IsZero() && now.Before(at) {
		at = now // the signature does not tell its time
	}
	s.tryPolicies(c, trial, at, until)
	if errors.Is(trial.Refusal, state.ErrChanged) {
		trial.Size = -1 // it is not this object that was drawn from
	}
	return trial
}

// tryObject is what the server says of the object that a URL is for: what is
// read must be there and be the one that the pass was first used for, what must
// not be overwritten must not be there. A tree has no one object.
func (s *Server) tryObject(c *call) error {
	reads := c.action.Name == daypass.GetObject || c.action.Name == daypass.HeadObject
	makes := c.action.Name == daypass.PutObject && c.limits != nil && c.limits.NoOverwrite
	if !reads && !makes || c.ref.Key == "" || c.limits != nil && c.limits.Prefix != "" {
		return nil
	}
	obj, err := s.store.Object(c.r.Context(), c.ref)
	switch {
	case makes && err == nil:
		e := limits.Refused(limits.Overwrite, "a new key", c.ref.Key)
		e.Err = errors.New("there is such an object already")
		return e
	case err == nil:
	case s3.Status(daypass.CodeOf(err)) >= 500:
		return err
	case makes:
		return nil
	default:
		return &daypass.Error{Op: "server.try", Code: daypass.CodeOf(err), Err: errors.New("there is no such object")}
	}
	if err := c.checkETag(obj.ETag); err != nil || !c.counted() {
		return err
	}
	// What is used up is told apart.
	_, err = s.cfg.Ledger.Exhausted(c.r.Context(), c.budget(obj))
	return err
}

// dependsOn returns the condition keys about whoever opens a URL that policies
// ask for.
func (s *Server) dependsOn(c *call) (keys []string) {
	for _, key := range []string{"aws:SourceIp", "aws:Referer", "aws:UserAgent"} {
		if slices.ContainsFunc(s.policiesOf(c), func(p *policy.Policy) bool { return len(p.Values(key)) > 0 }) {
			keys = append(keys, key)
		}
	}
	return keys
}

// withMistake adds to the refusal of a signature which known mistake explains
// it.
func (s *Server) withMistake(ctx context.Context, err error, req *sign.Request, v *sign.Verifier, t *target, at time.Time) error {
	var refusal *daypass.Error
	if !errors.As(err, &refusal) || refusal.Code != s3.SignatureDoesNotMatch || refusal.Err != nil {
		return err
	}
	suspects := s.names.suspects(t.place)
	m, ok := v.Diagnose(ctx, req, suspects[:min(len(suspects), maxSuspects)], at)
	if !ok {
		return err
	}
	explained := *refusal
	explained.Err = errors.New(m.Words)
	return &explained
}

// tryNow is what the server says to a request now, of what concerns the URL
// rather than who opens it. Denied says that it is policies that refuse it.
func (s *Server) tryNow(r *http.Request) (denied bool, err error) {
	t, err := s.resolve(r)
	if err != nil {
		return false, err
	}
	s.lookUp(r, t)
	c, err := s.authenticate(r, t)
	if err != nil {
		return false, err
	}
	if err := s.checkRevoked(c); err != nil {
		return false, err
	}
	if c.limits != nil && c.now.Before(c.limits.NotBefore) {
		return false, &daypass.Error{Op: "limits", Code: daypass.AccessDenied, Message: "This pass is not valid yet.",
			Err: errors.New("it begins at " + c.limits.NotBefore.UTC().Format(time.RFC3339))}
	}
	if err := s.findBucket(c); err != nil {
		return false, err
	}
	err = s.authorizeCall(c)
	return daypass.CodeOf(err) == daypass.AccessDenied, err
}

// tryPolicies asks the policies at each instant at which their answer may
// change.
func (s *Server) tryPolicies(c *call, trial *daypass.Trial, from, until time.Time) {
	if s.findBucket(c) != nil {
		return
	}
	instants := s.instants(c, trial, from, until)
	for _, at := range instants {
		c.now, c.deciding = at, nil
		err := s.findBucket(c)
		if err == nil {
			err = s.authorizeCall(c)
		}
		n := len(trial.Policies)
		if n > 0 && trial.Policies[n-1].Allowed == (err == nil) {
			continue
		}
		change := daypass.PolicyChange{At: at, Allowed: err == nil}
		if err != nil {
			change.Why = reasonOf(err)
		}
		trial.Policies = append(trial.Policies, change)
	}
	if len(trial.Policies) > 0 && trial.Policies[0].Allowed && c.ref.Key != "" && c.action.Name == daypass.GetObject {
		if obj, err := s.store.Object(c.r.Context(), c.ref); err == nil {
			trial.Size = obj.Size
		}
	}
}

// The condition keys of which the time decides.
const (
	ageKey  = "s3:signatureAge"
	timeKey = "aws:CurrentTime"
	unixKey = "aws:EpochTime"
)

// instants returns the times at which a policy may change its mind, in order:
// conditions are true or false on either side of their values, and at them.
// Ages are compared in milliseconds, times in seconds.
func (s *Server) instants(c *call, trial *daypass.Trial, from, until time.Time) []time.Time {
	list := []time.Time{from}
	add := func(t time.Time, step time.Duration) {
		for _, t := range []time.Time{t, t.Add(step)} {
			switch {
			case !t.After(from) || !t.Before(until):
			case len(list) < maxInstants:
				list = append(list, t)
			default:
				trial.Inexact = true
			}
		}
	}
	for _, p := range s.policiesOf(c) {
		for _, v := range p.Values(ageKey) {
			if ms, err := strconv.ParseFloat(v, 64); err == nil && ms < float64(forEver.Milliseconds()) {
				add(c.grant.SignedAt.Add(time.Duration(ms)*time.Millisecond), time.Millisecond)
			} else if err != nil {
				trial.Inexact = true
			}
		}
		for _, v := range append(p.Values(timeKey), p.Values(unixKey)...) {
			if t, ok := policy.ParseDate(v); ok {
				add(t, time.Second)
			} else {
				trial.Inexact = true
			}
		}
	}
	if trial.Inexact && until.After(from) {
		for i := range looks {
			add(from.Add(until.Sub(from)/looks*time.Duration(i+1)), 0)
		}
	}
	slices.SortFunc(list, time.Time.Compare)
	return slices.CompactFunc(list, time.Time.Equal)
}

// policiesOf returns the policies that have a say about a call.
func (s *Server) policiesOf(c *call) (list []*policy.Policy) {
	d, err := s.newDecision(c)
	if err == nil {
		list = append(list, d.identity...)
		list = append(list, d.session)
	}
	if c.rules != nil {
		list = append(list, c.rules.policy)
	}
	return slices.DeleteFunc(list, func(p *policy.Policy) bool { return p == nil })
}
