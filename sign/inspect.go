package sign

import (
	"net/url"
	"strconv"
	"strings"
	"time"
)

// An Inspection is what a pre-signed URL says of itself. Nothing of it is
// verified: that takes the key.
type Inspection struct {
	Version Version
	// KeyID is the access key that claims to have signed.
	KeyID string
	// Day, Region and Service are the credential scope; empty for Version 2,
	// and Region is a list of patterns for Version 4A.
	Day, Region, Service string
	// SignedAt is the time of signing; zero for Version 2.
	SignedAt time.Time
	// ExpiresAt is when the URL ends.
	ExpiresAt time.Time
	// SignedHeaders are the names of the headers that the signature covers.
	SignedHeaders []string
	// HasToken says that a session token comes with the URL.
	HasToken bool
	// PassID identifies the URL as a pass; empty where the signature is not
	// well-formed.
	PassID string
	// Host, Path (escaped) and Query are those of the URL.
	Host, Path string
	Query      Query

	scheme    string
	signature string
}

// Inspect reads a pre-signed URL without checking it. It fails where the URL
// lacks what its signature version requires (*Error).
func Inspect(rawURL string) (*Inspection, error) {
	u, err := url.Parse(rawURL)
	if err != nil || u.Host == "" {
		return nil, errBadURI
	}
	_, rest, _ := strings.Cut(rawURL, "://")
	rest, _, _ = strings.Cut(rest, "#")
	path := "/"
	if i := strings.IndexAny(rest, "/?"); i >= 0 && rest[i] == '/' {
		path, _, _ = strings.Cut(rest[i:], "?")
	}
	q, err := ParseQuery(u.RawQuery)
	if err != nil {
		return nil, err
	}
	in := &Inspection{Host: u.Host, Path: path, Query: q, scheme: u.Scheme}
	c := check{Request: &Request{Query: q}}
	if err := c.auth.find(q); err != nil {
		return nil, err
	}
	switch {
	case c.auth.seen&v4Triggers != 0:
		return in, in.readV4(&c)
	case c.auth.seen&v2Triggers != 0:
		return in, in.readV2(&c)
	}
	return nil, newError(CodeAccessDenied, "The URL is not signed: it has neither X-Amz-Signature nor Signature.")
}

func (in *Inspection) readV4(c *check) error {
	if c.auth.seen&v4Triggers != v4Triggers {
		return queryError(missingV4)
	}
	algorithm := c.param(atAlgorithm)
	in.Version = V4
	if algorithm == algorithmV4A {
		in.Version = V4A
	} else if algorithm != algorithmV4 {
		return queryError(`X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"`)
	}
	cred, ok := parseCredential(c.param(atCredential), algorithm == algorithmV4)
	if !ok {
		return queryError("Error parsing the X-Amz-Credential parameter; " + malformedCredential)
	}
	in.KeyID, in.Day, in.Region, in.Service = cred.id, cred.day, cred.region, cred.service
	if in.Version == V4A {
		in.Region = c.param(atRegionSet)
	}
	if in.SignedAt, ok = parseLong(c.param(atDate)); !ok {
		return queryError("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
	}
	seconds, err := parseExpires(c.param(atExpires))
	if err != nil {
		return err
	}
	in.ExpiresAt = in.SignedAt.Add(time.Duration(seconds) * time.Second)
	in.SignedHeaders = strings.Split(c.param(atSignedHeaders), ";")
	in.HasToken = c.param(atToken) != ""
	in.signature = c.param(atSignature)
	in.setPassID()
	return nil
}

func (in *Inspection) readV2(c *check) error {
	in.Version, in.KeyID, in.signature = V2, c.param(atV2Key), c.param(atV2Signature)
	seconds, err := strconv.ParseInt(c.param(atV2Expires), 10, 64)
	if err != nil || seconds < 0 || seconds > maxUnix || in.KeyID == "" || in.signature == "" {
		return newError(CodeAccessDenied,
			"Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters")
	}
	in.ExpiresAt = time.Unix(seconds, 0).UTC()
	_, in.HasToken = in.Query.LookupFold(paramToken)
	in.setPassID()
	return nil
}

func (in *Inspection) setPassID() {
	if sig := appendSignature(nil, in.Version, in.signature); sig != nil {
		in.PassID = passID(QueryAuth, in.KeyID, sig)
	}
}

// CanonicalRequest returns what a server would make of the URL when it is
// opened with a method and no headers of its own but Host ("Signature
// Calculations", task 1). It is empty for Version 2.
func (in *Inspection) CanonicalRequest(method string) string {
	if in.Version == V2 {
		return ""
	}
	c := check{Request: &Request{Path: in.Path, Query: in.Query, ContentLength: -1}}
	if c.auth.find(in.Query) != nil {
		return ""
	}
	r := v4Request{signed: strings.Join(in.SignedHeaders, ";"), payload: c.param(atSHA256)}
	if r.payload == "" {
		r.payload = UnsignedPayload
	}
	s := getScratch()
	defer s.release()
	if c.canonicalV4(s, &r, method, Host{Name: in.Host}) != nil {
		return ""
	}
	return string(s.canon)
}

// IsAuthParameter reports whether a parameter belongs to signing itself
// (X-Amz-Signature, Expires …) rather than to what is signed.
func IsAuthParameter(name string) bool { return isAuthParam(name) }
