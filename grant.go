package daypass

import "time"

// A Scheme is the way in which a request carries its signature.
type Scheme string

// The schemes.
const (
	SchemeAnonymous Scheme = "anonymous" // no signature at all
	SchemeHeader    Scheme = "header"    // Authorization header
	SchemeQuery     Scheme = "query"     // pre-signed URL
	SchemeForm      Scheme = "form"      // POST policy
	SchemeCookie    Scheme = "cookie"    // pre-signed URL for a prefix, sent as a cookie
	SchemeService   Scheme = "service"   // no signature: this server itself, which delivers logs
	SchemeLocal     Scheme = "local"     // no signature: the admin API's socket, which only the operator reaches
)

// A Grant is what authentication found out about a request. It says who
// signed, not what the signer may do: that is authorization's business.
type Grant struct {
	// AccessKeyID is the access key that signed; empty when anonymous.
	AccessKeyID string
	// Owner is the owner of that key, the identity that policies and
	// listings see.
	Owner string
	// Scheme is how the signature was carried.
	Scheme Scheme
	// SignatureVersion is "SigV4", "SigV4A" or "SigV2"; empty when anonymous.
	SignatureVersion string
	// SignedAt is the time of signing; zero where the scheme has none
	// (a Signature Version 2 URL).
	SignedAt time.Time
	// ExpiresAt is the instant from which the signature is refused; zero
	// for header authentication, which is bounded by clock skew instead.
	ExpiresAt time.Time
	// PassID identifies the pass, that is one pre-signed URL or signed
	// form, however it is spelled; empty for other schemes.
	PassID string
	// Name is the label that the pass carries, if any.
	Name string
}

// Anonymous reports whether the request carried no signature.
func (g *Grant) Anonymous() bool { return g.Scheme == SchemeAnonymous }
