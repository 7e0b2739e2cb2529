// Package explain tells what a pre-signed URL says, whether its signature is
// right, and where two sides that disagree about it first differ.
package explain

import (
	"context"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
)

// Options are what is known beside the URL.
type Options struct {
	// Now is the time that validity is told against.
	Now time.Time
	// Method is the method that the URL is opened with; empty when unknown.
	Method string
	// Domains are host names before which a bucket may stand, beside those
	// of Amazon S3.
	Domains []string
	// Secret is the signer's secret, and Token its session token; with a
	// secret the signature is checked.
	Secret, Token string
	// Refused is the answer of the server that refused the URL.
	Refused *Refusal
}

// A Refusal is what an error body tells of how the server saw the request.
type Refusal struct {
	Code, Message    string
	CanonicalRequest string
	ServerTime       time.Time // zero when not told
	HeadersNotSigned string
	Region           string
}

// A Report is what there is to say about a URL.
type Report struct {
	SignatureVersion string         `json:"signatureVersion"`
	Action           daypass.Action `json:"action,omitempty"`
	// Method is the one that was given, or that the secret proved.
	Method    string `json:"method,omitempty"`
	Endpoint  string `json:"endpoint"`
	Bucket    string `json:"bucket,omitempty"`
	Key       string `json:"key,omitempty"`
	VersionID string `json:"versionId,omitempty"`
	Signer    string `json:"signer"`
	Region    string `json:"region,omitempty"`
	Service   string `json:"service,omitempty"`
	// SignedAt is zero where the URL does not tell (Version 2).
	SignedAt time.Time `json:"signedAt,omitzero"`
	// ExpiresAt is the end by S3's rules; with the limit x-daypass-until,
	// Daypass goes by EndsAt instead, which otherwise is the same.
	ExpiresAt     time.Time `json:"expiresAt"`
	EndsAt        time.Time `json:"endsAt"`
	Expired       bool      `json:"expired"`
	SignedHeaders []string  `json:"signedHeaders,omitempty"`
	// Parameters are those that are not part of signing.
	Parameters []Parameter `json:"parameters,omitempty"`
	PassID     string      `json:"passId,omitempty"`
	// Limits are what Daypass limits the URL by, in plain words.
	Limits []string `json:"limits,omitempty"`
	// NotBefore is when the URL begins to be good, zero where it is at once.
	NotBefore time.Time `json:"notBefore,omitzero"`
	// LimitError is why Daypass would refuse the URL for its limits.
	LimitError string `json:"limitError,omitempty"`
	Permits    string `json:"permits"`
	// Checked says that the signature was checked against the secret, and
	// Matches whether it is right.
	Checked  bool     `json:"checked"`
	Matches  bool     `json:"matches"`
	Warnings []string `json:"warnings,omitempty"`
	// Mistake is what alone keeps the signature from matching the secret, where
	// that was found out.
	Mistake string `json:"mistake,omitempty"`
	// Difference is where signer and server first differ.
	Difference *Difference `json:"difference,omitempty"`
	// Ours and Theirs are the canonical requests that were compared.
	Ours   string `json:"canonicalRequest,omitempty"`
	Theirs string `json:"serverCanonicalRequest,omitempty"`
}

// A Parameter is one parameter of the URL.
type Parameter struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// methods are tried against a secret, the likeliest first.
var methods = [...]string{"GET", "PUT", "HEAD", "DELETE", "POST"}

// URL explains a pre-signed URL. It fails where the URL is not one.
func URL(raw string, o Options) (*Report, error) {
	in, err := sign.Inspect(raw)
	if err != nil {
		return nil, err
	}
	r := &Report{
		SignatureVersion: string(in.Version), Signer: in.KeyID, Region: in.Region, Service: in.Service,
		SignedAt: in.SignedAt, ExpiresAt: in.ExpiresAt, EndsAt: in.ExpiresAt,
		SignedHeaders: in.SignedHeaders, PassID: in.PassID, Method: o.Method,
	}
	r.locate(raw, in, o.Domains)
	r.readParameters(in)
	if o.Secret != "" {
		r.check(in, o)
	}
	r.findAction(in)
	r.readLimits(in)
	r.Expired = !o.Now.Before(r.EndsAt)
	r.compare(in, o)
	r.warn(in, o)
	return r, nil
}

// locate finds bucket and key: in the host for the styles that it knows, else
// in the path.
func (r *Report) locate(raw string, in *sign.Inspection, domains []string) {
	u, err := url.Parse(raw)
	if err != nil {
		return
	}
	path, err := sign.UnescapePath(in.Path)
	if err != nil {
		path = in.Path
	}
	path = strings.TrimPrefix(path, "/")
	r.Endpoint = u.Scheme + "://" + u.Host
	if bucket := hostBucket(u.Hostname(), domains); bucket != "" {
		r.Bucket, r.Key = bucket, path
		r.Endpoint = u.Scheme + "://" + strings.TrimPrefix(u.Host, bucket+".")
		return
	}
	r.Bucket, r.Key, _ = strings.Cut(path, "/")
}

// hostBucket returns the bucket that a host names in virtual-host style.
func hostBucket(host string, domains []string) string {
	host = strings.ToLower(host)
	for _, d := range append(domains, "localhost") {
		if bucket, ok := strings.CutSuffix(host, "."+strings.ToLower(d)); ok {
			return bucket
		}
	}
	if !strings.HasSuffix(host, ".amazonaws.com") && !strings.HasSuffix(host, ".amazonaws.com.cn") {
		return ""
	}
	// bucket.s3.region.amazonaws.com, bucket.s3-region…, bucket.s3.dualstack….
	for _, mark := range []string{".s3.", ".s3-"} {
		if i := strings.LastIndex(host, mark); i > 0 {
			return host[:i]
		}
	}
	return ""
}

func (r *Report) readParameters(in *sign.Inspection) {
	for _, p := range in.Query {
		if sign.IsAuthParameter(p.Name) {
			continue
		}
		if p.Name == "versionId" {
			r.VersionID = p.Value
		}
		r.Parameters = append(r.Parameters, Parameter{p.Name, p.Value})
	}
}

// check tries the secret: with the method that was given, else with each. A URL
// that covers headers that are not in it cannot be checked.
func (r *Report) check(in *sign.Inspection, o Options) {
	r.Checked = true
	tries := methods[:]
	if o.Method != "" {
		tries = []string{o.Method}
	}
	for _, method := range tries {
		v, req, at := r.request(in, o, method)
		if _, err := v.VerifyRequest(context.Background(), req, at); err == nil {
			r.Matches, r.Method = true, method
			return
		}
	}
	// What the URL does not hold has no value to check it with.
	r.Checked = !slices.ContainsFunc(r.SignedHeaders, func(h string) bool { return h != "host" && !in.Query.Has(h) })
	for _, method := range tries {
		v, req, at := r.request(in, o, method)
		if m, ok := v.Diagnose(context.Background(), req, nil, at); ok {
			r.Mistake = m.Words
			return
		}
	}
}

// request is what the signature is checked for, as of the time of signing;
// whether the URL is still valid is told apart.
func (r *Report) request(in *sign.Inspection, o Options, method string) (*sign.Verifier, *sign.Request, time.Time) {
	key := sign.Key{ID: in.KeyID, Secret: o.Secret, Token: o.Token}
	if o.Token == "" {
		key.Token = token(in.Query)
	}
	keys := sign.KeysFunc(func(_ context.Context, id, _ string) (sign.Key, bool, error) { return key, id == key.ID, nil })
	region := in.Region
	if in.Version == sign.V4A {
		region, _, _ = strings.Cut(in.Region, ",")
	}
	v := sign.NewVerifier(keys, sign.Options{Region: region, Service: in.Service})
	at := in.SignedAt
	if at.IsZero() {
		at = in.ExpiresAt.Add(-time.Second)
	}
	path, query := signedFor(in, r.Key)
	req := &sign.Request{Method: method, Path: path, Query: query, ContentLength: -1,
		Hosts: []sign.Host{{Name: in.Host}}}
	if r.Endpoint != "" && !strings.HasSuffix(r.Endpoint, "://"+in.Host) {
		req.HostBucket = r.Bucket
	}
	return v, req, at
}

func token(q sign.Query) string {
	v, _ := q.LookupFold("X-Amz-Security-Token")
	return v
}

// findAction names the action by S3's table, once the method is known.
func (r *Report) findAction(in *sign.Inspection) {
	if r.Method == "" {
		r.Method = impliedMethod(in.Query)
	}
	if r.Method == "" {
		r.Permits = "one method on " + r.resource() + "; the URL does not tell which (the secret would)"
		return
	}
	level, sub := s3.ServiceLevel, ""
	switch {
	case r.Key != "":
		level = s3.ObjectLevel
	case r.Bucket != "":
		level = s3.BucketLevel
	}
	for _, p := range in.Query {
		if s := s3.SubResource(p.Name, p.Value); s != "" {
			sub = s
		}
	}
	if action, ok := s3.Find(r.Method, level, sub, carried{in.Query}); ok {
		r.Action = action.Name
	}
	r.Permits = r.Method + " on " + r.resource()
}

// impliedMethod is the method that the parameters leave no doubt about.
func impliedMethod(q sign.Query) string {
	for name, method := range map[string]string{"list-type": "GET", "response-content-disposition": "GET", "response-content-type": "GET"} {
		if q.Has(name) {
			return method
		}
	}
	switch q.Get("x-id") { // written by the AWS SDK for JavaScript and Go
	case "GetObject", "ListObjects", "ListObjectsV2":
		return "GET"
	case "PutObject", "UploadPart":
		return "PUT"
	case "DeleteObject":
		return "DELETE"
	}
	return ""
}

func (r *Report) resource() string {
	if r.Bucket == "" {
		return "the list of buckets"
	}
	ref := daypass.ObjectRef{Bucket: r.Bucket, Key: r.Key, VersionID: r.VersionID}
	return ref.String()
}

// carried looks things up for s3.Find.
type carried struct{ query sign.Query }

func (c carried) Carries(name string) bool {
	_, ok := c.query.LookupFold(name)
	return ok
}

// isLoopback reports whether a host is this machine.
func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && ip.IsLoopback()
}
