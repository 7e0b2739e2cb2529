package sign

import (
	"encoding/base64"
	"net/http"
	"net/netip"
	"net/url"
	"sort"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// MaxLifetime is the longest lifetime of a Signature Version 4 URL: seven
// days (S3 User Guide, "Sharing objects with presigned URLs").
const MaxLifetime = 7 * 24 * time.Hour

// A Version is one of AWS's signature versions.
type Version string

// The versions, named as in S3's server access logs.
const (
	V4  Version = "SigV4"
	V4A Version = "SigV4A"
	V2  Version = "SigV2"
)

// A Presigner makes pre-signed URLs with one access key for one endpoint. It
// is safe for concurrent use and derives its signing key once a day.
type Presigner struct {
	key    Key
	scheme string
	host   string
	prefix string // escaped path prefix without trailing slash
	region string
	opts   PresignOptions
	keys   keyCache
	today  atomic.Pointer[daily]
}

// daily is what stays the same for a day: the credential scope, and the
// parameters up to the date in canonical encoding.
type daily struct{ day, scope, head string }

// PresignOptions choose what few users need to choose.
type PresignOptions struct {
	// Version is the signature version; empty is V4. V2 cannot be limited and
	// is refused by most regions of S3: it is there for old servers.
	Version Version
	// VirtualHost puts the bucket into the host name rather than the path.
	VirtualHost bool
	// Service is the service in the credential scope; empty is "s3".
	Service string
	// RegionSet is the value of X-Amz-Region-Set for V4A: regions or
	// patterns such as "eu-*", comma-separated. Empty is the region.
	RegionSet string
}

// NewPresigner returns a Presigner for an endpoint such as
// "https://files.example.com" or "http://127.0.0.1:9000/prefix". Default
// ports are left out of what is signed, as browsers leave them out of Host.
func NewPresigner(key Key, endpoint, region string, opts ...PresignOptions) (*Presigner, error) {
	if key.ID == "" || key.Secret == "" {
		return nil, newError(CodeInvalidArgument, "an access key id and secret are needed to sign")
	}
	p := &Presigner{key: key, region: region}
	if len(opts) > 0 {
		p.opts = opts[0]
	}
	if p.opts.Service == "" {
		p.opts.Service = ServiceS3
	}
	if p.opts.Version == "" {
		p.opts.Version = V4
	}
	if p.opts.RegionSet == "" {
		p.opts.RegionSet = region
	}
	return p, p.setEndpoint(endpoint)
}

func (p *Presigner) setEndpoint(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" ||
		u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return newError(CodeInvalidArgument, "endpoint "+strconv.Quote(endpoint)+
			" must be http:// or https://, a host, and at most a path")
	}
	p.scheme = u.Scheme
	p.host = trimDefaultPort(strings.ToLower(u.Host), u.Scheme)
	p.prefix = EscapePath(strings.TrimRight(u.Path, "/"))
	if p.opts.VirtualHost && isAddress(u.Hostname()) {
		return newError(CodeInvalidArgument, "endpoint "+strconv.Quote(endpoint)+
			" is an address: a bucket cannot be part of its host name")
	}
	return nil
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

func trimDefaultPort(host, scheme string) string {
	if scheme == "https" {
		return strings.TrimSuffix(host, ":443")
	}
	return strings.TrimSuffix(host, ":80")
}

// A URLRequest says what a pre-signed URL is to permit.
type URLRequest struct {
	// Method is the HTTP method that the holder will use.
	Method string
	// Bucket and Key name the object; both may be empty (ListBuckets), as may
	// Key (actions on the bucket). Key is the decoded key, any bytes.
	Bucket, Key string
	// Lifetime is how long the URL is valid, in whole seconds; at most
	// MaxLifetime with V4 and V4A.
	Lifetime time.Duration
	// Time is the time of signing.
	Time time.Time
	// Query holds further parameters, which the URL will carry and which are
	// signed: response-content-disposition, versionId, partNumber, x-….
	Query Query
	// Header holds headers that are signed and that the holder must therefore
	// send exactly: Content-Type, x-amz-meta-…, If-None-Match ….
	Header http.Header
	// PayloadSHA256 is the body's SHA-256 in lower-case hexadecimal where
	// only that body may be sent; empty leaves the body open.
	PayloadSHA256 string
}

// URL makes a URL that permits one method on one object until lifetime has
// passed since now. It is Presign without the rarer choices.
func (p *Presigner) URL(now time.Time, method, bucket, key string, lifetime time.Duration) (string, error) {
	return p.Presign(URLRequest{Method: method, Bucket: bucket, Key: key, Lifetime: lifetime, Time: now})
}

// Presign makes a pre-signed URL. It fails only on a request that no server
// would honour (InvalidArgument).
func (p *Presigner) Presign(r URLRequest) (string, error) {
	if err := p.check(&r); err != nil {
		return "", err
	}
	switch p.opts.Version {
	case V2:
		return p.presignV2(&r)
	case V4A:
		return p.presignV4(&r, algorithmV4A)
	default:
		return p.presignV4(&r, algorithmV4)
	}
}

func (p *Presigner) check(r *URLRequest) error {
	switch {
	case r.Method == "":
		return newError(CodeInvalidArgument, "a method is needed, such as GET")
	case r.Bucket == "" && r.Key != "":
		return newError(CodeInvalidArgument, "a key needs a bucket")
	case strings.ContainsAny(r.Bucket, "/?#"):
		return newError(CodeInvalidArgument, "bucket "+strconv.Quote(r.Bucket)+" is not a bucket name")
	case r.Lifetime < time.Second:
		return newError(CodeInvalidArgument, "the lifetime must be at least a second")
	case r.Lifetime > MaxLifetime && p.opts.Version != V2:
		return newError(CodeInvalidArgument, "the lifetime must be at most seven days (604800 seconds)")
	case p.opts.Version == V2 && r.PayloadSHA256 != "":
		return newError(CodeInvalidArgument, "Signature Version 2 cannot sign a payload hash")
	}
	return p.checkQuery(r)
}

// checkQuery refuses parameters that would be ambiguous beside those that
// signing adds, or that no server would enforce.
func (p *Presigner) checkQuery(r *URLRequest) error {
	for _, q := range r.Query {
		if isAuthParam(q.Name) {
			return newError(CodeInvalidArgument, "parameter "+q.Name+" is set by signing")
		}
		if p.opts.Version == V2 && IsLimit(q.Name) {
			return newError(CodeInvalidArgument, "Signature Version 2 does not sign "+q.Name+", so it could be removed")
		}
	}
	return nil
}

// IsLimit reports whether a parameter, header or form field belongs to
// Daypass's limits, in whatever case it is spelled.
func IsLimit(name string) bool {
	return len(name) >= len(limitPrefix) && strings.EqualFold(name[:len(limitPrefix)], limitPrefix)
}

const limitPrefix = "x-daypass-"

// target returns host and escaped path of a request.
func (p *Presigner) appendTarget(dst []byte, r *URLRequest) []byte {
	dst = append(dst, p.prefix...)
	if r.Bucket != "" && !p.opts.VirtualHost {
		dst = append(dst, '/')
		dst = appendEscaped(dst, r.Bucket, &pathByte)
	}
	if r.Key != "" || r.Bucket == "" || p.opts.VirtualHost {
		dst = append(dst, '/')
	}
	return appendEscaped(dst, r.Key, &pathByte)
}

func (p *Presigner) appendHost(dst []byte, r *URLRequest) []byte {
	if r.Bucket != "" && p.opts.VirtualHost {
		dst = append(append(dst, r.Bucket...), '.')
	}
	return append(dst, p.host...)
}

func (p *Presigner) presignV4(r *URLRequest, algorithm string) (string, error) {
	s := getScratch()
	defer s.release()
	t := r.Time.UTC()
	var date [16]byte
	appendLong(date[:0], t)
	d := p.daily(date[:8], algorithm)
	signed := signedNames(r.Header)

	// The URL is written in canonical order into the canonical request
	// itself, so target and query are encoded once.
	c := append(append(s.canon[:0], r.Method...), '\n')
	pathAt := len(c)
	c = p.appendTarget(c, r)
	queryAt := len(c)
	c = append(c, '\n')
	c = p.appendQuery(s, c, r, d, date[:], signed)
	queryEnd := len(c)
	c = append(c, '\n')
	src := headerSource{header: r.Header, length: -1}
	c = p.appendCanonHeaders(c, r, &src, signed)
	c = append(c, p.payload(r)...)
	s.canon = c

	s.sts = appendStringToSign(s.sts[:0], algorithm, date[:], d.scope, c)
	sig, err := p.signature(s, algorithm, d.day)
	if err != nil {
		return "", err
	}
	out := s.enc[:0]
	out = append(append(out, p.scheme...), "://"...)
	out = p.appendHost(out, r)
	out = append(append(out, c[pathAt:queryAt]...), '?')
	out = append(out, c[queryAt+1:queryEnd]...)
	out = append(append(out, "&"+paramSignature+"="...), sig...)
	s.enc = out
	return string(out), nil
}

// appendQuery appends the canonical query. The parameters of signing are in
// order as they stand; others are mostly none.
func (p *Presigner) appendQuery(s *scratch, dst []byte, r *URLRequest, d *daily, date []byte, signed string) []byte {
	start := len(dst)
	dst = append(append(dst, d.head...), date...)
	dst = strconv.AppendInt(append(dst, "&"+paramExpires+"="...), int64(r.Lifetime/time.Second), 10)
	if p.opts.Version == V4A {
		dst = appendParam(dst, paramRegionSet, p.opts.RegionSet)
	}
	if p.key.Token != "" {
		dst = appendParam(dst, paramToken, p.key.Token)
	}
	dst = appendParam(dst, paramSignedHeaders, signed)
	if r.PayloadSHA256 == "" && len(r.Query) == 0 {
		return dst
	}
	q, err := ParseQuery(string(dst[start:]))
	if err != nil {
		// It was encoded just now.
		panic("sign: " + err.Error())
	}
	if r.PayloadSHA256 != "" {
		q = append(q, Param{Name: paramSHA256, Value: r.PayloadSHA256})
	}
	return s.appendSorted(dst[:start], append(q, r.Query...), -1)
}

func appendParam(dst []byte, name, value string) []byte {
	dst = append(append(append(dst, '&'), name...), '=')
	return appendEscaped(dst, value, &unreserved)
}

// appendCanonHeaders appends headers, blank line and the list of names.
func (p *Presigner) appendCanonHeaders(c []byte, r *URLRequest, src *headerSource, signed string) []byte {
	if signed == "host" {
		c = append(c, "host:"...)
		c = append(p.appendHost(c, r), '\n')
	} else {
		src.host = string(p.appendHost(nil, r))
		c = src.appendHeaders(c, signed)
	}
	return append(append(append(c, '\n'), signed...), '\n')
}

func (p *Presigner) payload(r *URLRequest) string {
	switch {
	case r.PayloadSHA256 != "":
		return r.PayloadSHA256
	case p.opts.Service == ServiceS3:
		return UnsignedPayload
	}
	return EmptySHA256
}

func (p *Presigner) daily(day []byte, algorithm string) *daily {
	if d := p.today.Load(); d != nil && d.day == string(day) {
		return d
	}
	d := &daily{day: string(day)}
	d.scope = credentialScope(d.day, p.region, p.opts.Service, algorithm)
	d.head = paramAlgorithm + "=" + algorithm + "&" + paramCredential + "=" +
		EscapeQuery(p.key.ID+"/"+d.scope) + "&" + paramDate + "="
	p.today.Store(d)
	return d
}

func credentialScope(day, region, service, algorithm string) string {
	if algorithm == algorithmV4A {
		return day + "/" + service + "/" + terminator
	}
	return day + "/" + region + "/" + service + "/" + terminator
}

// signature returns the signature in hexadecimal, within s.sum or its own memory.
func (p *Presigner) signature(s *scratch, algorithm, day string) ([]byte, error) {
	if algorithm == algorithmV4A {
		der, err := signECDSA(p.keys.ecdsaKey(p.key), s.sts)
		return appendHex(nil, der), err
	}
	mac := p.keys.get(p.key, day, p.region, p.opts.Service).sum(s.canon[len(s.canon):], s.sts)
	return appendHex(s.sum[:0], mac), nil
}

// signedNames returns the SignedHeaders list for host and the given headers.
func signedNames(h http.Header) string {
	if len(h) == 0 {
		return "host"
	}
	names := make([]string, 0, len(h)+1)
	names = append(names, "host")
	for name := range h {
		if !strings.EqualFold(name, "host") {
			names = append(names, strings.ToLower(name))
		}
	}
	sort.Strings(names)
	return strings.Join(names, ";")
}

// presignV2 makes a Signature Version 2 URL.
func (p *Presigner) presignV2(r *URLRequest) (string, error) {
	expires := strconv.FormatInt(r.Time.Add(r.Lifetime).Unix(), 10)
	in := v2Input{method: r.Method, date: expires, header: r.Header, query: r.Query, fromQuery: true}
	path := string(p.appendTarget(nil, r))
	in.resource = path
	if r.Bucket != "" && p.opts.VirtualHost {
		in.resource = "/" + r.Bucket + path
	}
	if p.key.Token != "" {
		in.query = append(in.query[:len(in.query):len(in.query)], Param{Name: "x-amz-security-token", Value: p.key.Token})
	}
	if name := in.ambiguous(); name != "" {
		return "", newError(CodeInvalidArgument, "the value of "+name+" cannot be signed with Signature Version 2")
	}
	sig := base64.StdEncoding.EncodeToString(in.sign(p.key.Secret))
	q := append(Query{{Name: paramV2Key, Value: p.key.ID}, {Name: paramV2Expires, Value: expires}, {Name: paramV2Signature, Value: sig}}, in.query...)
	return p.scheme + "://" + string(p.appendHost(nil, r)) + path + "?" + q.Encode(), nil
}
