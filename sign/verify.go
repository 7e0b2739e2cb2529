package sign

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"net/http"
	"sort"
	"strings"
	"time"
)

// MaxSkew is how far the clocks of signer and server may differ ("Signing and
// authenticating REST requests", time stamp requirement). It bounds the
// future of a pre-signed URL, and both sides of header authentication.
const MaxSkew = 15 * time.Minute

// Keys finds access keys.
type Keys interface {
	// SigningKey returns the key of an id; ok is false where there is none
	// or it may not be used. token is the session token that came with the
	// request, for sources whose temporary keys are sealed into it; the
	// caller compares it with the key's own. An error is a failure to find
	// out. It is called concurrently and on every request, so it should be
	// cheap.
	SigningKey(ctx context.Context, id, token string) (key Key, ok bool, err error)
}

// KeysFunc makes a function a key source.
type KeysFunc func(ctx context.Context, id, token string) (Key, bool, error)

// SigningKey calls f.
func (f KeysFunc) SigningKey(ctx context.Context, id, token string) (Key, bool, error) {
	return f(ctx, id, token)
}

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
	// Until lets a signed x-daypass-until decide when a pre-signed URL ends,
	// in the place of X-Amz-Expires, which must still be valid. It is for
	// callers that check limits.
	Until bool
	// MaxLifetime is how long after its signing a URL or form may end; one
	// whose signature does not tell when it was made may not end later than
	// that from now. Zero is S3's own bound: seven days for URLs of Versions
	// 4 and 4A, x-daypass-until included, none for others.
	MaxLifetime time.Duration
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
	// Keys is where the key of this request is looked up. Nil is in those of
	// the Verifier.
	Keys Keys
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
	Anonymous  Scheme = "anonymous"
	HeaderAuth Scheme = "header"
	QueryAuth  Scheme = "query"
	FormAuth   Scheme = "form"
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

	signature string     // as it came, well-formed
	seed      *chunkSeed // nil unless chunks are signed
}

// Signed reports whether a header is among those signed.
func (r *Result) Signed(header string) bool { return listed(r.SignedHeaders, header) }

// PassID identifies what was signed, independent of how it is spelled: the
// first 26 base32 characters of SHA-256 over scheme, access key id and the
// decoded signature, each ended by a zero byte. It is empty for requests that
// are not passes: anonymous ones and header authentication.
func (r *Result) PassID() string {
	if r.Scheme != QueryAuth && r.Scheme != FormAuth {
		return ""
	}
	var buf [80]byte
	return passID(r.Scheme, r.KeyID, appendSignature(buf[:0], r.Version, r.signature))
}

// passID is PassID for a decoded signature.
func passID(scheme Scheme, keyID string, signature []byte) string {
	in := make([]byte, 0, 128)
	in = append(append(in, scheme...), 0)
	in = append(append(in, keyID...), 0)
	in = append(append(in, signature...), 0)
	sum := sha256.Sum256(in)
	var text [32]byte
	base32.StdEncoding.Encode(text[:], sum[:20])
	return string(text[:26])
}

// appendSignature appends a signature, decoded into its one form; nothing where
// it is not well-formed.
func appendSignature(dst []byte, v Version, signature string) []byte {
	switch v {
	case V2:
		b, _ := decodeV2(signature)
		return append(dst, b...)
	case V4A:
		return appendECDSA(dst, signature)
	}
	var buf [sha256.Size]byte
	if n, ok := decodeHex(buf[:], signature); !ok || n != len(buf) {
		return dst
	}
	return append(dst, buf[:]...)
}

// appendECDSA is appendSignature for Version 4A.
func appendECDSA(dst []byte, signature string) []byte {
	var buf [80]byte
	n, ok := decodeHex(buf[:], signature)
	if !ok {
		return dst
	}
	b, _ := normalizeECDSA(buf[:n])
	return append(dst, b...)
}

// Verify checks a request as a server received it and returns what its
// signature proves; an anonymous request has a Result too. The signature is
// tried against the Host header, with and without the default port. A refusal
// is an *Error.
func (v *Verifier) Verify(r *http.Request, now time.Time) (*Result, error) {
	// This is inlined, so that a Result that the caller does not keep is not
	// allocated.
	return v.verifyReceived(new(Result), r, now)
}

func (v *Verifier) verifyReceived(result *Result, r *http.Request, now time.Time) (*Result, error) {
	s := getScratch()
	defer s.forget()
	path, rawQuery := RawTarget(r)
	q, err := parseInto(s.query[:0], rawQuery, &v.cache.seen)
	if err != nil {
		return nil, err
	}
	s.query, s.hosts[0].Name = q, r.Host
	s.req = Request{
		Method: r.Method, Path: path, Query: q, Header: r.Header, ContentLength: r.ContentLength, Hosts: s.hosts[:],
	}
	return v.verifyWith(r.Context(), result, s, &s.req, now)
}

// forget releases s without what would keep a whole request in memory.
func (s *scratch) forget() {
	s.req.Header = nil
	s.release()
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

// spellings returns the other spellings of a host that clients sign as the
// same: in lower case, with and without a default port.
func (h Host) spellings() []Host {
	var out []Host
	lower := strings.ToLower(h.Name)
	if lower != h.Name {
		out = append(out, Host{lower, h.Prefix})
	}
	for _, port := range []string{":443", ":80"} {
		if bare, ok := strings.CutSuffix(lower, port); ok {
			return append(out, Host{bare, h.Prefix})
		}
	}
	if i := strings.LastIndexByte(lower, ':'); i < 0 || strings.HasSuffix(lower, "]") {
		out = append(out, Host{lower + ":443", h.Prefix}, Host{lower + ":80", h.Prefix})
	}
	return out
}

// VerifyRequest is Verify for callers that parse requests themselves.
func (v *Verifier) VerifyRequest(ctx context.Context, req *Request, now time.Time) (*Result, error) {
	return v.verify(ctx, new(Result), req, now)
}

// VerifyTo is VerifyRequest for callers that have memory for the result. Where
// it returns an error, it leaves the result alone.
func (v *Verifier) VerifyTo(ctx context.Context, result *Result, req *Request, now time.Time) error {
	_, err := v.verify(ctx, result, req, now)
	return err
}

func (v *Verifier) verify(ctx context.Context, result *Result, req *Request, now time.Time) (*Result, error) {
	s := getScratch()
	defer s.release()
	return v.verifyWith(ctx, result, s, req, now)
}

func (v *Verifier) verifyWith(ctx context.Context, result *Result, s *scratch, req *Request, now time.Time) (*Result, error) {
	c := check{Verifier: v, Request: req, scratch: s, ctx: ctx, now: now}
	if err := c.run(); err != nil {
		return nil, err
	}
	*result = c.result
	return result, nil
}

func (c *check) run() error {
	if err := c.auth.find(c.Query); err != nil {
		return err
	}
	c.scanHeaders()
	m, err := c.mechanism()
	if err != nil {
		return err
	}
	switch m {
	case mechanismV4Query:
		return c.queryV4()
	case mechanismV2Query:
		return c.queryV2()
	case mechanismHeader:
		return c.header()
	}
	return c.anonymous()
}

// A check is one verification under way.
type check struct {
	*Verifier
	*Request
	scratch *scratch
	ctx     context.Context
	now     time.Time
	auth    authSet
	key     Key
	result  Result

	// What scanHeaders found: the Authorization header, x-amz-content-sha256,
	// and the names of the other x-amz-* headers.
	authorization    string
	hasAuthorization bool
	bodyHash         string
	amz              []string

	// What did not match, for Diagnose; nil where that was not the trouble.
	missedV4 *v4Request
	missedV2 *missV2
}

// anonymous describes a request without signature; its body may be framed or
// carry a hash nevertheless.
func (c *check) anonymous() error {
	if _, err := UnescapePath(c.Path); err != nil {
		return err
	}
	c.result.Scheme, c.result.Method = Anonymous, c.Method
	return c.readPayload(c.bodyHash, "", false)
}

type mechanism int

const (
	mechanismNone mechanism = iota
	mechanismV4Query
	mechanismV2Query
	mechanismHeader
)

// mechanism finds out how a request is signed, and refuses a second
// mechanism beside the first.
func (c *check) mechanism() (mechanism, error) {
	seen := c.auth.seen
	v4, v2 := seen&v4Triggers != 0, seen&v2Triggers != 0
	auth, hasAuth := c.authorization, c.hasAuthorization
	if hasAuth && (v4 || v2) && c.opts.IgnoreForeignAuthorization && !awsScheme(auth) {
		hasAuth = false
	}
	// A header carries its token and region set among the headers.
	also := hasAuth && awsScheme(auth) && seen&(1<<atToken|1<<atRegionSet) != 0
	switch {
	case hasAuth && (v4 || v2) || v4 && v2 || also:
		return 0, twoMechanisms(c.Request, auth, hasAuth)
	case v4:
		return mechanismV4Query, nil
	case v2:
		return mechanismV2Query, nil
	case hasAuth:
		return mechanismHeader, nil
	}
	return mechanismNone, nil
}

// scanHeaders notes, in one pass, what verification asks of the headers.
func (c *check) scanHeaders() {
	c.amz = c.scratch.names[:0]
	for name, values := range c.Header {
		switch {
		case len(values) == 0:
		case name == "Authorization":
			c.authorization, c.hasAuthorization = values[0], true
		case !isAmz(name):
		case name == "X-Amz-Content-Sha256":
			c.bodyHash = values[0]
		case !injected(name):
			c.amz = append(c.amz, name)
		}
	}
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

// Indexes of the authentication parameters in an authSet.
const (
	atAlgorithm = iota
	atCredential
	atDate
	atExpires
	atSignedHeaders
	atSignature
	atToken
	atRegionSet
	atSHA256
	atV2Key
	atV2Expires
	atV2Signature
	authParamCount
)

// v4Triggers are the parameters of which any makes a request a pre-signed
// one, and which it then needs all; a token, hash or region set alone does
// not. v2Triggers are the same for Version 2.
const (
	v4Triggers = 1<<atToken - 1
	v2Triggers = 1<<atV2Key | 1<<atV2Expires | 1<<atV2Signature
)

// An authSet tells where in a query its authentication parameters stand.
type authSet struct {
	seen uint                  // a bit for each that is there
	at   [authParamCount]int16 // index into the query, plus one
}

// find finds the authentication parameters and refuses repeated ones.
func (set *authSet) find(q Query) error {
	for i := range q {
		k := authParam(q[i].Name)
		if k < 0 {
			continue
		}
		if set.seen&(1<<k) != 0 {
			return newError(CodeInvalidArgument, "The query parameter "+q[i].Name+" must not be repeated.",
				Detail{"ArgumentName", q[i].Name}, Detail{"ArgumentValue", q[i].Value})
		}
		set.seen |= 1 << k
		set.at[k] = int16(i + 1)
	}
	return nil
}

// param returns an authentication parameter, or "".
func (c *check) param(k int) string {
	if i := c.auth.at[k]; i > 0 {
		return c.Query[i-1].Value
	}
	return ""
}

// authParam returns the index of an authentication parameter, or -1. S3 takes
// those of Version 4 in any case, those of Version 2 exactly.
func authParam(name string) int {
	if isAmz(name) {
		// The usual spelling first: a switch on strings is quick.
		switch name {
		case paramAlgorithm:
			return atAlgorithm
		case paramCredential:
			return atCredential
		case paramDate:
			return atDate
		case paramExpires:
			return atExpires
		case paramSignedHeaders:
			return atSignedHeaders
		case paramSignature:
			return atSignature
		}
		for k, p := range v4Params {
			// The signature's own name is the one thing that it does not
			// cover, so it has one spelling.
			if k != atSignature && len(name) == len(p) && (name == p || strings.EqualFold(name, p)) {
				return k
			}
		}
		return -1
	}
	switch name {
	case paramV2Key:
		return atV2Key
	case paramV2Expires:
		return atV2Expires
	case paramV2Signature:
		return atV2Signature
	}
	return -1
}

var v4Params = [...]string{
	atAlgorithm: paramAlgorithm, atCredential: paramCredential, atDate: paramDate, atExpires: paramExpires,
	atSignedHeaders: paramSignedHeaders, atSignature: paramSignature,
	atToken: paramToken, atRegionSet: paramRegionSet, atSHA256: paramSHA256,
}

func isAuthParam(name string) bool { return authParam(name) >= 0 }

// try calls match for every method and host under which the signature may
// have been made: the hosts as given first, then their other spellings. It
// records the one that matched.
func (c *check) try(match func(method string, h Host) (bool, error)) (bool, error) {
	if ok, err := c.tryHosts(c.Hosts, match); ok || err != nil {
		return ok, err
	}
	for _, h := range c.Hosts {
		if ok, err := c.tryHosts(h.spellings(), match); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

func (c *check) tryHosts(hosts []Host, match func(string, Host) (bool, error)) (bool, error) {
	for _, h := range hosts {
		for _, method := range []string{c.Method, "GET"} {
			if method != c.Method && !(c.Method == "HEAD" && c.opts.HeadWithGet) {
				continue
			}
			if ok, err := match(method, h); ok || err != nil {
				c.result.Host, c.result.Method = h, method
				return ok, err
			}
		}
	}
	return false, nil
}

// lookupKey finds the key of a request: it must exist and not have ended, and
// a temporary one must come with its token.
func (c *check) lookupKey(id, token string) error {
	keys := c.Keys
	if keys == nil {
		keys = c.keys
	}
	key, ok, err := keys.SigningKey(c.ctx, id, token)
	if err != nil {
		return &Error{Reason: "looking up the access key", Err: err}
	}
	ended := !key.Expires.IsZero() && !c.now.Before(key.Expires)
	if !ok || ended && key.Token == "" {
		e := newError(CodeInvalidAccessKeyID, "The AWS Access Key Id you provided does not exist in our records.",
			Detail{"AWSAccessKeyId", id})
		if ended {
			e.Reason = "the access key ended at " + isoTime(key.Expires)
		}
		return e
	}
	if key.Token != "" || token != "" {
		if !hmac.Equal([]byte(key.Token), []byte(token)) {
			return newError(CodeInvalidToken, "The provided token is malformed or otherwise invalid.", Detail{"Token-0", token})
		}
		if ended {
			return newError(CodeExpiredToken, "The provided token has expired.", Detail{"Token-0", token})
		}
	}
	c.key = key
	c.result.KeyID = id
	return nil
}

// unsigned returns an error that names the x-amz-* headers of the request
// that a SignedHeaders list leaves out. The payload hash needs no signature:
// it is part of what is signed anyway.
func (c *check) unsigned(signed string) error {
	var names []string
	if !listed(signed, "host") {
		names = append(names, "host")
	}
	for _, name := range c.amz {
		if !listed(signed, name) {
			names = append(names, strings.ToLower(name))
		}
	}
	if len(names) == 0 {
		return nil
	}
	sort.Strings(names)
	e := newError(CodeAccessDenied, "There were headers present in the request which were not signed",
		Detail{"HeadersNotSigned", strings.Join(names, ", ")})
	e.Reason = "sent but not signed: " + strings.Join(names, ", ")
	return e
}

// header1 returns the first value of a header, by its canonical name.
func (c *check) header1(name string) string {
	if v := c.Header[name]; len(v) > 0 {
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

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

// decodeHex decodes lower-case hexadecimal into dst.
func decodeHex(dst []byte, s string) (int, bool) {
	if len(s)%2 != 0 || len(s)/2 > len(dst) {
		return 0, false
	}
	for i := 0; i < len(s); i += 2 {
		hi, lo := hexValue[s[i]], hexValue[s[i+1]]
		if hi|lo > 15 || isUpper(s[i]) || isUpper(s[i+1]) {
			return 0, false
		}
		dst[i/2] = hi<<4 | lo
	}
	return len(s) / 2, true
}
