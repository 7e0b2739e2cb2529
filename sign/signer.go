package sign

import (
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"strings"
	"time"
)

// A Signer signs requests in the Authorization header. It is safe for
// concurrent use.
type Signer struct {
	key  Key
	opts SignerOptions
	keys keyCache
}

// SignerOptions say for whom and how a Signer signs.
type SignerOptions struct {
	// Region of the credential scope; required but for V2.
	Region string
	// Service of the credential scope; empty is "s3".
	Service string
	// Version is the signature version; empty is V4.
	Version Version
	// RegionSet is the value of X-Amz-Region-Set for V4A; empty is Region.
	RegionSet string
	// HostBucket is the bucket that the host names in virtual-host style;
	// Version 2 signs it as part of the path.
	HostBucket string
}

// NewSigner returns a Signer.
func NewSigner(key Key, opts SignerOptions) *Signer {
	if opts.Service == "" {
		opts.Service = ServiceS3
	}
	if opts.Version == "" {
		opts.Version = V4
	}
	if opts.RegionSet == "" {
		opts.RegionSet = opts.Region
	}
	return &Signer{key: key, opts: opts}
}

// Sign adds the headers of a signature to r: Authorization, the date, the
// session token and, for S3, x-amz-content-sha256. payload is the body's
// SHA-256 in lower-case hexadecimal, UnsignedPayload, or one of the values of
// StreamingPayload; Version 2 does not sign it. All headers that r has are
// signed but those that proxies change on the way.
//
// The Seed is for NewChunkWriter where payload is a streaming one.
func (s *Signer) Sign(r *http.Request, payload string, now time.Time) (*Seed, error) {
	if s.opts.Version == V2 {
		return nil, s.signV2(r, now)
	}
	algorithm := algorithmV4
	if s.opts.Version == V4A {
		algorithm = algorithmV4A
	}
	return s.signV4(r, algorithm, payload, now.UTC())
}

// StreamingPayload returns the payload value for a chunked body: with or
// without signed chunks, with or without trailer. Unsigned chunks always have
// a trailer.
func (s *Signer) StreamingPayload(signed, trailer bool) string {
	if !signed {
		return streamingUnsignedTrailer
	}
	algorithm, suffix := algorithmV4, streamingPayload
	if s.opts.Version == V4A {
		algorithm = algorithmV4A
	}
	if trailer {
		suffix = streamingTrailer
	}
	return streamingPrefix + algorithm + suffix
}

func (s *Signer) signV4(r *http.Request, algorithm, payload string, now time.Time) (*Seed, error) {
	s.setHeaders(r, algorithm, payload, now)
	path, rawQuery := RawTarget(r)
	q, err := ParseQuery(rawQuery)
	if err != nil {
		return nil, err
	}
	v := v4Request{algorithm: algorithm, date: now, dateText: now.Format(longLayout), payload: payload, signed: signedNames(signable(r.Header))}
	day := now.Format(shortLayout)
	v.cred.scope = credentialScope(day, s.opts.Region, s.opts.Service, algorithm)
	c := check{Request: &Request{Method: r.Method, Path: path, Query: q, Header: r.Header, ContentLength: r.ContentLength}}
	sc := getScratch()
	defer sc.release()
	if err := c.canonicalV4(sc, &v, r.Method, Host{Name: requestHost(r)}); err != nil {
		return nil, err
	}
	seed := &Seed{kind: payloadKind(payload)}
	var sig []byte
	if algorithm == algorithmV4A {
		seed.private = s.keys.ecdsaKey(s.key)
		if sig, err = signECDSA(seed.private, sc.sts); err != nil {
			return nil, err
		}
	} else {
		seed.chunks.key = s.keys.get(s.key, day, s.opts.Region, s.opts.Service)
		sig = seed.chunks.key.sum(nil, sc.sts)
	}
	seed.chunks.algorithm, seed.chunks.date, seed.chunks.scope = algorithm, now, v.cred.scope
	seed.chunks.previous = hex.EncodeToString(sig)
	r.Header.Set("Authorization", algorithm+" Credential="+s.key.ID+"/"+v.cred.scope+
		", SignedHeaders="+v.signed+", Signature="+seed.chunks.previous)
	return seed, nil
}

func (s *Signer) setHeaders(r *http.Request, algorithm, payload string, now time.Time) {
	r.Header.Set("X-Amz-Date", now.Format(longLayout))
	r.Header.Del("Authorization")
	if algorithm == algorithmV4A {
		r.Header.Set("X-Amz-Region-Set", s.opts.RegionSet)
	}
	if s.key.Token != "" {
		r.Header.Set("X-Amz-Security-Token", s.key.Token)
	}
	if s.opts.Service == ServiceS3 {
		r.Header.Set("X-Amz-Content-Sha256", payload)
	}
}

func payloadKind(payload string) PayloadKind {
	switch {
	case payload == streamingUnsignedTrailer:
		return PayloadUnsignedTrailer
	case strings.HasPrefix(payload, streamingPrefix) && strings.HasSuffix(payload, streamingTrailer):
		return PayloadChunkedTrailer
	case strings.HasPrefix(payload, streamingPrefix):
		return PayloadChunked
	}
	return PayloadUnsigned
}

// unsignable names the headers that proxies and clients change on the way.
var unsignable = map[string]bool{
	"Authorization": true, "Connection": true, "Expect": true, "Transfer-Encoding": true,
	"User-Agent": true, "X-Amzn-Trace-Id": true, "Accept-Encoding": true, "X-Forwarded-For": true,
}

func signable(h http.Header) http.Header {
	out := make(http.Header, len(h))
	for name, v := range h {
		if !unsignable[name] {
			out[name] = v
		}
	}
	return out
}

// requestHost is the Host header that net/http will send.
func requestHost(r *http.Request) string {
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	return host
}

func (s *Signer) signV2(r *http.Request, now time.Time) error {
	path, rawQuery := RawTarget(r)
	q, err := ParseQuery(rawQuery)
	if err != nil {
		return err
	}
	r.Header.Set("Date", now.UTC().Format(http.TimeFormat))
	if s.key.Token != "" {
		r.Header.Set("X-Amz-Security-Token", s.key.Token)
	}
	in := v2Input{method: r.Method, date: r.Header.Get("Date"), header: r.Header, query: q, resource: path}
	if s.opts.HostBucket != "" {
		in.resource = "/" + s.opts.HostBucket + path
	}
	if name := in.ambiguous(); name != "" {
		return newError(CodeInvalidArgument, "the value of "+name+" cannot be signed with Signature Version 2")
	}
	sig := base64.StdEncoding.EncodeToString(in.sign(s.key.Secret))
	r.Header.Set("Authorization", "AWS "+s.key.ID+":"+sig)
	return nil
}
