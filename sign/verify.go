package sign

import (
	"context"
	"crypto/hmac"
	"encoding/base32"
	"encoding/hex"
	"net/http"
	"net/textproto"
	"sort"
	"strconv"
	"strings"
	"time"

	"crypto/sha256"
)

// MaxSkew is how far the clocks of signer and server may differ ("Signing and
// authenticating REST requests", time stamp requirement). It bounds the
// future of a pre-signed URL, and both sides of header authentication.
const MaxSkew = 15 * time.Minute

// Keys finds access keys.
type Keys interface {
	// SigningKey returns the key of an id; ok is false where there is none
	// or it may not be used. An error is a failure to find out. It is called
	// concurrently and on every request, so it should be cheap.
	SigningKey(ctx context.Context, id string) (key Key, ok bool, err error)
}

// KeysFunc makes a function a key source.
type KeysFunc func(ctx context.Context, id string) (Key, bool, error)

// SigningKey calls f.
func (f KeysFunc) SigningKey(ctx context.Context, id string) (Key, bool, error) { return f(ctx, id) }

// Options configure a Verifier. The zero value of each field is the behaviour
// of S3.
type Options struct {
	// Region that signatures must be scoped to; required.
	Region string
	// Service that signatures must be scoped to; empty is "s3".
	Service string
	// DenyV2 refuses Signature Version 2, as newer regions of S3 do.
	DenyV2 bool
	// HeadWithGet accepts a URL signed for GET for a HEAD request too, which
	// S3 does not.
	HeadWithGet bool
	// IgnoreForeignAuthorization ignores an Authorization header of another
	// scheme (such as Bearer) on a pre-signed URL, which S3 refuses.
	IgnoreForeignAuthorization bool
}

// A Verifier checks signatures. It is safe for concurrent use.
type Verifier struct {
	keys  Keys
	opts  Options
	cache keyCache
}

// NewVerifier returns a Verifier that finds keys in keys.
func NewVerifier(keys Keys, opts Options) *Verifier {
	if opts.Service == "" {
		opts.Service = ServiceS3
	}
	return &Verifier{keys: keys, opts: opts}
}

// A Request is what a signature covers, as it came over the wire.
type Request struct {
	Method string
	// Path is the escaped path, untouched.
	Path string
	// Query is the result of ParseQuery.
	Query Query
	// Header is the request's; Host and, where the map lacks it,
	// Content-Length are given apart.
	Header        http.Header
	ContentLength int64
	// Hosts are the host of the request and those under which its signature
	// may have been made instead, in the order to try. All must stand for
	// the same resource: that is the caller's to see to.
	Hosts []Host
	// HostBucket is the bucket that the host names in virtual-host style;
	// Signature Version 2 signs it as part of the path.
	HostBucket string
	// BodySHA256 is the body's hash in lower-case hexadecimal for services
	// that sign it without x-amz-content-sha256; S3 does not.
	BodySHA256 string
}

// A Host is one name under which a signature may have been made.
type Host struct {
	// Name is host and port as they stand in a Host header.
	Name string
	// Prefix is an escaped path prefix, without trailing slash, that was
	// signed but that a proxy took off.
	Prefix string
}

// A Scheme is how a request carries its signature.
type Scheme string

// The schemes.
const (
	Anonymous Scheme = "anonymous"
	Header    Scheme = "header"
	QueryAuth Scheme = "query"
	Form      Scheme = "form"
)

// A Result is what a signature proves.
type Result struct {
	Scheme  Scheme
	Version Version // empty when anonymous
	// KeyID is the access key that signed; empty when anonymous.
	KeyID string
	// SignedAt is the time of signing; zero for a Signature Version 2 URL.
	SignedAt time.Time
	// ExpiresAt is when the signature ends; zero for header authentication.
	ExpiresAt time.Time
	// Host is the host under which the signature was found to be made.
	Host Host
	// SignedHeaders is the list of signed header names, separated by ";".
	SignedHeaders string
	// Payload is what the signature says of the body.
	Payload Payload
	// Method is the method that was signed: GET for a HEAD request that
	// Options.HeadWithGet let pass.
	Method string

	signature [80]byte // decoded
	sigLen    int
	seed      chunkSeed
}

// Signed reports whether a header is among those signed.
func (r *Result) Signed(header string) bool { return listed(r.SignedHeaders, header) }

// PassID identifies what was signed, independent of how it is spelled: the
// first 26 base32 characters of SHA-256 over scheme, access key id and the
// decoded signature, each ended by a zero byte. It is empty for requests that
// are not passes: anonymous ones and header authentication.
func (r *Result) PassID() string {
	if r.Scheme != QueryAuth && r.Scheme != Form {
		return ""
	}
	return passID(r.Scheme, r.KeyID, r.signature[:r.sigLen])
}

func passID(scheme Scheme, keyID string, signature []byte) string {
	in := make([]byte, 0, 128)
	in = append(append(in, scheme...), 0)
	in = append(append(in, keyID...), 0)
	in = append(append(in, signature...), 0)
	sum := sha256.Sum256(in)
	return base32.StdEncoding.EncodeToString(sum[:])[:26]
}

// Verify checks a request as a server received it and returns what its
// signature proves; an anonymous request has a Result too. The signature is
// tried against the Host header, with and without the default port. A refusal
// is an *Error.
func (v *Verifier) Verify(r *http.Request, now time.Time) (*Result, error) {
	path, rawQuery := RawTarget(r)
	q, err := ParseQuery(rawQuery)
	if err != nil {
		return nil, err
	}
	var few [4]Host
	req := Request{
		Method: r.Method, Path: path, Query: q, Header: r.Header, ContentLength: r.ContentLength,
		Hosts: AppendHosts(few[:0], r.Host, ""),
	}
	return v.VerifyRequest(r.Context(), &req, now)
}

// RawTarget returns path and query of a request as they came over the wire,
// which r.URL does not always keep.
func RawTarget(r *http.Request) (path, query string) {
	target := r.RequestURI
	if target == "" {
		return r.URL.EscapedPath(), r.URL.RawQuery
	}
	if target[0] != '/' {
		// Absolute form ("GET http://host/path"): what follows the authority.
		if _, rest, ok := strings.Cut(target, "://"); ok {
			i := strings.IndexAny(rest, "/?")
			if i < 0 {
				return "/", ""
			}
			target = rest[i:]
		}
	}
	path, query, _ = strings.Cut(target, "?")
	if path == "" {
		path = "/"
	}
	return path, query
}

// AppendHosts appends a host, and the spellings of it that clients sign as
// the same: with and without a default port, and in lower case.
func AppendHosts(dst []Host, name, prefix string) []Host {
	dst = append(dst, Host{name, prefix})
	lower := strings.ToLower(name)
	if lower != name {
		dst = append(dst, Host{lower, prefix})
	}
	if bare, ok := strings.CutSuffix(lower, ":443"); ok {
		return append(dst, Host{bare, prefix})
	}
	if bare, ok := strings.CutSuffix(lower, ":80"); ok {
		return append(dst, Host{bare, prefix})
	}
	if i := strings.LastIndexByte(lower, ':'); i < 0 || strings.HasSuffix(lower, "]") {
		dst = append(dst, Host{lower + ":443", prefix}, Host{lower + ":80", prefix})
	}
	return dst
}

// VerifyRequest is Verify for callers that parse requests themselves.
func (v *Verifier) VerifyRequest(ctx context.Context, req *Request, now time.Time) (*Result, error) {
	m, err := v.mechanism(req)
	if err != nil {
		return nil, err
	}
	c := check{Verifier: v, Request: req, ctx: ctx, now: now}
	switch m {
	case mechanismV4Query:
		err = c.queryV4()
	case mechanismV2Query:
		err = c.queryV2()
	case mechanismHeader:
		err = c.header()
	default:
		return &Result{Scheme: Anonymous, Method: req.Method}, nil
	}
	if err != nil {
		return nil, err
	}
	return &c.result, nil
}

// A check is one verification under way.
type check struct {
	*Verifier
	*Request
	ctx    context.Context
	now    time.Time
	key    Key
	result Result
}

type mechanism int

const (
	mechanismNone mechanism = iota
	mechanismV4Query
	mechanismV2Query
	mechanismHeader
)

// mechanism finds out how a request is signed, and refuses a second
// mechanism beside the first and every repeated parameter.
func (v *Verifier) mechanism(req *Request) (mechanism, error) {
	v4, v2, err := authParams(req.Query)
	if err != nil {
		return 0, err
	}
	auth, hasAuth := authorization(req.Header)
	if hasAuth && (v4 || v2) && v.opts.IgnoreForeignAuthorization && !awsScheme(auth) {
		hasAuth = false
	}
	switch {
	case hasAuth && (v4 || v2) || v4 && v2:
		return 0, twoMechanisms(req, auth, hasAuth)
	case v4:
		return mechanismV4Query, nil
	case v2:
		return mechanismV2Query, nil
	case hasAuth:
		return mechanismHeader, nil
	}
	return mechanismNone, nil
}

func authorization(h http.Header) (string, bool) {
	v := h["Authorization"]
	if len(v) == 0 {
		return "", false
	}
	return v[0], true
}

func awsScheme(auth string) bool {
	return strings.HasPrefix(auth, "AWS ") || strings.HasPrefix(auth, "AWS4-")
}

func twoMechanisms(req *Request, auth string, hasAuth bool) error {
	name, value := "Authorization", auth
	if !hasAuth {
		name, value = "Signature", req.Query.Get(paramV2Signature)
	}
	return newError(CodeInvalidArgument, "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, "+
		"Signature query string parameter or the Authorization header should be specified",
		Detail{"ArgumentName", name}, Detail{"ArgumentValue", value})
}

// authParams finds out which authentication parameters a query has.
func authParams(q Query) (v4, v2 bool, err error) {
	var seen uint
	for i := range q {
		bit, isV4 := authParam(q[i].Name)
		if bit == 0 {
			continue
		}
		if seen&bit != 0 {
			return false, false, newError(CodeInvalidArgument, "The query parameter "+q[i].Name+" must not be repeated.",
				Detail{"ArgumentName", q[i].Name}, Detail{"ArgumentValue", q[i].Value})
		}
		seen |= bit
		v4, v2 = v4 || isV4 && bit&v4Triggers != 0, v2 || !isV4
	}
	return v4, v2, nil
}

// v4Triggers are the parameters of which any makes a request a pre-signed
// one; a token, hash or region set alone does not.
const v4Triggers = 1<<6 - 1

// authParam returns a bit for each authentication parameter, 0 for others.
// S3 takes those of Version 4 in any case, those of Version 2 exactly.
func authParam(name string) (bit uint, v4 bool) {
	if len(name) > 6 && (name[0] == 'X' || name[0] == 'x') && isAmz(name) {
		for i, p := range v4Params {
			if len(name) == len(p) && strings.EqualFold(name, p) {
				return 1 << i, true
			}
		}
		return 0, false
	}
	switch name {
	case paramV2Key:
		return 1 << 16, false
	case paramV2Expires:
		return 1 << 17, false
	case paramV2Signature:
		return 1 << 18, false
	}
	return 0, false
}

var v4Params = [...]string{
	paramAlgorithm, paramCredential, paramDate, paramExpires, paramSignedHeaders, paramSignature,
	paramToken, paramRegionSet, paramSHA256,
}

func isAuthParam(name string) bool {
	bit, _ := authParam(name)
	return bit != 0
}

// lookupKey finds the key of a request: it must exist and not have ended, and
// a temporary one must come with its token.
func (c *check) lookupKey(id, token string) error {
	key, ok, err := c.keys.SigningKey(c.ctx, id)
	if err != nil {
		return &Error{Reason: "looking up the access key", Err: err}
	}
	ended := !key.Expires.IsZero() && !c.now.Before(key.Expires)
	switch {
	case !ok || ended && key.Token == "":
		e := newError(CodeInvalidAccessKeyID, "The AWS Access Key Id you provided does not exist in our records.",
			Detail{"AWSAccessKeyId", id})
		if ended {
			e.Reason = "the access key ended at " + isoTime(key.Expires)
		}
		return e
	case !hmac.Equal([]byte(key.Token), []byte(token)):
		return newError(CodeInvalidToken, "The provided token is malformed or otherwise invalid.", Detail{"Token-0", token})
	case ended:
		return newError(CodeExpiredToken, "The provided token has expired.", Detail{"Token-0", token})
	}
	c.key = key
	c.result.KeyID = id
	return nil
}

// unsigned returns an error that names the x-amz-* headers of the request
// that a SignedHeaders list leaves out.
func (c *check) unsigned(signed string) error {
	var names []string
	if !listed(signed, "host") {
		names = append(names, "host")
	}
	for name := range c.Header {
		if isAmz(name) && !listed(signed, name) && !tolerated(name) {
			names = append(names, strings.ToLower(name))
		}
	}
	if len(names) == 0 {
		return nil
	}
	sort.Strings(names)
	return newError(CodeAccessDenied, "There were headers present in the request which were not signed",
		Detail{"HeadersNotSigned", strings.Join(names, ", ")})
}

// tolerated names the x-amz-* headers that need no signature: the payload
// hash, which is part of what is signed anyway, and what a CDN adds.
func tolerated(name string) bool {
	return strings.EqualFold(name, "x-amz-content-sha256") || injected(name)
}

// header1 returns the first value of a header.
func (c *check) header1(name string) string {
	if v := c.Header[textproto.CanonicalMIMEHeaderKey(name)]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// spacedHex writes bytes as S3's error bodies do: pairs separated by spaces.
func spacedHex(s string) string {
	if s == "" {
		return ""
	}
	dst := make([]byte, 0, 3*len(s))
	for i := 0; i < len(s); i++ {
		dst = append(dst, lowerHex[s[i]>>4], lowerHex[s[i]&15], ' ')
	}
	return string(dst[:len(dst)-1])
}

func decodeHex(dst []byte, s string) (int, bool) {
	if len(s)%2 != 0 || len(s)/2 > len(dst) || strings.ToLower(s) != s {
		return 0, false
	}
	n, err := hex.Decode(dst, []byte(s))
	return n, err == nil
}

func parseSeconds(s string) (int64, error) {
	return strconv.ParseInt(s, 10, 64)
}
