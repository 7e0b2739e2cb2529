package bench

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/daypass/daypass/sign"
)

// A Target is what is put under load: where requests go, and how they look.
type Target struct {
	// Dial is host and port to connect to.
	Dial string
	// TLS is the client's configuration, nil for plain HTTP.
	TLS *tls.Config
	// heads makes the heads of requests.
	heads headMaker
}

// A request is what an operation asks for.
type request struct {
	op   Operation
	key  string
	size int64 // of an upload
	// bucket asks for the bucket rather than an object: to make it.
	bucket bool
}

// A headMaker appends the head of a request without the empty line that ends it:
// the engine may add a Range.
type headMaker interface {
	head(dst []byte, r request, now time.Time) ([]byte, error)
	// ages reports whether heads must be made shortly before they are sent.
	ages() bool
}

// userAgent is how the client names itself.
const userAgent = "daypass-bench"

// appendHead writes what all heads have.
func appendHead(dst []byte, r request, target, host string) []byte {
	dst = append(dst, r.op.method()...)
	dst = append(dst, ' ')
	dst = append(dst, target...)
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, host...)
	dst = append(dst, "\r\nUser-Agent: "+userAgent+"\r\n"...)
	if r.op == Put {
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, r.size, 10)
		dst = append(dst, "\r\n"...)
	}
	return dst
}

// S3Options say how requests to an S3 endpoint are made.
type S3Options struct {
	// Bucket that the keys are in.
	Bucket string
	// List shapes listings.
	List ListOptions
	// SignPayload makes header authentication sign the SHA-256 of bodies.
	SignPayload bool
	// TLS is used for https; nil is the system's roots.
	TLS *tls.Config
}

// ListOptions shape listings (S3 API reference, ListObjectsV2).
type ListOptions struct {
	MaxKeys   int // 0: the server's own 1000
	Delimiter string
}

// query returns the parameters of a listing below a prefix.
func (o ListOptions) query(prefix string) sign.Query {
	q := sign.Query{{Name: "list-type", Value: "2"}, {Name: "prefix", Value: prefix}}
	if o.MaxKeys > 0 {
		q = append(q, sign.Param{Name: "max-keys", Value: strconv.Itoa(o.MaxKeys)})
	}
	if o.Delimiter != "" {
		q = append(q, sign.Param{Name: "delimiter", Value: o.Delimiter})
	}
	return q
}

// urlRequest is what is signed for a request.
func (o *S3Options) urlRequest(r request, now time.Time) sign.URLRequest {
	u := sign.URLRequest{Method: r.op.method(), Bucket: o.Bucket, Key: r.key, Lifetime: sign.MaxLifetime, Time: now}
	switch {
	case r.op == List:
		u.Key, u.Query = "", o.List.query(r.key)
	case r.bucket:
		u.Key = ""
	}
	return u
}

// presigned makes requests with pre-signed URLs.
type presigned struct {
	presigner *sign.Presigner
	options   S3Options
}

// ages implements headMaker: URLs live for days.
func (*presigned) ages() bool { return false }

func (p *presigned) head(dst []byte, r request, now time.Time) ([]byte, error) {
	raw, err := p.presigner.Presign(p.options.urlRequest(r, now))
	if err != nil {
		return nil, err
	}
	host, target, err := splitURL(raw)
	return appendHead(dst, r, target, host), err
}

// splitURL splits an absolute URL into host and what stands in a request line,
// both as they are spelled.
func splitURL(raw string) (host, target string, err error) {
	_, rest, ok := strings.Cut(raw, "://")
	host, target, found := strings.Cut(rest, "/")
	if !ok || !found || host == "" {
		return "", "", fmt.Errorf("%q is not an absolute URL", raw)
	}
	return host, "/" + target, nil
}

// Presigned returns a target whose requests are made with pre-signed URLs.
func Presigned(p *sign.Presigner, o S3Options) (*Target, error) {
	return s3Target(&presigned{p, o}, p, o)
}

// signedHeader makes requests that are signed in the Authorization header. The
// URL of each comes from a presigner, which knows endpoint and addressing.
type signedHeader struct {
	presigned
	signer  *sign.Signer
	content *content
}

// ages implements headMaker: the date in a header counts for minutes.
func (*signedHeader) ages() bool { return true }

func (s *signedHeader) head(dst []byte, r request, now time.Time) ([]byte, error) {
	u := s.options.urlRequest(r, now)
	raw, err := s.presigner.Presign(u)
	if err != nil {
		return nil, err
	}
	target, err := url.Parse(raw)
	if err != nil {
		return nil, err
	}
	target.RawQuery = u.Query.Encode()
	hr := &http.Request{Method: u.Method, URL: target, Host: target.Host, Header: make(http.Header)}
	if _, err := s.signer.Sign(hr, s.payload(r), now); err != nil {
		return nil, err
	}
	dst = appendHead(dst, r, target.RequestURI(), target.Host)
	for name, values := range hr.Header {
		for _, v := range values {
			dst = append(append(append(append(dst, name...), ": "...), v...), "\r\n"...)
		}
	}
	return dst, nil
}

// payload is what the signature says of a body.
func (s *signedHeader) payload(r request) string {
	switch {
	case r.op != Put || r.size == 0:
		return sign.EmptySHA256
	case !s.options.SignPayload:
		return sign.UnsignedPayload
	}
	h := sha256.New()
	for b, at := s.content.of(r.key), int64(0); at < r.size; at += period {
		h.Write(b.window(at, r.size-at))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// SignedHeader returns a target whose requests are signed in the Authorization
// header. p says where the endpoint is, s signs.
func SignedHeader(p *sign.Presigner, s *sign.Signer, o S3Options) (*Target, error) {
	return s3Target(&signedHeader{presigned{p, o}, s, newContent()}, p, o)
}

// s3Target finds out where the endpoint is from a URL that is made for it.
func s3Target(heads headMaker, p *sign.Presigner, o S3Options) (*Target, error) {
	raw, err := p.Presign(sign.URLRequest{Method: "GET", Bucket: o.Bucket, Lifetime: time.Hour, Time: time.Unix(1e9, 0)})
	if err != nil {
		return nil, err
	}
	return newTarget(heads, raw, o.TLS)
}

func newTarget(heads headMaker, raw string, config *tls.Config) (*Target, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, err
	}
	t := &Target{heads: heads, Dial: u.Host}
	port := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	if port == "" || u.Hostname() == "" {
		return nil, fmt.Errorf("%q is not a URL of http or https", raw)
	}
	if u.Port() == "" {
		t.Dial = net.JoinHostPort(u.Hostname(), port)
	}
	if u.Scheme == "https" {
		t.TLS = &tls.Config{}
		if config != nil {
			t.TLS = config.Clone()
		}
		t.TLS.ServerName, t.TLS.NextProtos = u.Hostname(), []string{"http/1.1"}
	}
	return t, nil
}

// plain makes requests without any signature, from a template.
type plain struct{ before, after, host string }

// keyPlace is where a template takes the key.
const keyPlace = "{key}"

// Plain returns a target that asks for keys without a signature: the template
// is a URL with "{key}" in its path, such as http://127.0.0.1:8080/{key}.
// Listings and buckets are not there.
func Plain(template string, config *tls.Config) (*Target, error) {
	if strings.Count(template, keyPlace) != 1 {
		return nil, fmt.Errorf("%q does not have {key} once", template)
	}
	host, target, err := splitURL(template)
	if err != nil || !strings.Contains(target, keyPlace) {
		return nil, fmt.Errorf("%q is not a URL with {key} in its path", template)
	}
	p := &plain{host: host}
	p.before, p.after, _ = strings.Cut(target, keyPlace)
	return newTarget(p, strings.Replace(template, keyPlace, "", 1), config)
}

// errUnsigned is the answer to what needs S3.
var errUnsigned = errors.New("listings and buckets need an S3 endpoint, not a template of URLs")

// ages implements headMaker.
func (*plain) ages() bool { return false }

func (p *plain) head(dst []byte, r request, _ time.Time) ([]byte, error) {
	if r.op == List || r.bucket {
		return nil, errUnsigned
	}
	return appendHead(dst, r, p.before+sign.EscapePath(r.key)+p.after, p.host), nil
}
