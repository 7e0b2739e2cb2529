package server

import (
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/sign"
)

// What a request says of its signature, whether or not that is good, is for
// events alone: nothing is decided by it, and it names neither a key nor a pass.

// claim returns how a request that was refused before its signature was found
// to be good says that it is signed.
func (x *exchange) claim() daypass.Grant {
	var query sign.Query
	if x.target != nil {
		query = x.target.query
	} else {
		query, _ = sign.ParseQuery(x.r.URL.RawQuery) // none, where it is malformed
	}
	if g, ok := claimOf(query.Lookup, daypass.SchemeQuery); ok {
		return g
	}
	if v := claimedVersion(x.r.Header.Get("Authorization")); v != "" {
		return daypass.Grant{Scheme: daypass.SchemeHeader, SignatureVersion: v}
	}
	return daypass.Grant{Scheme: daypass.SchemeAnonymous}
}

// claimOf returns what the parameters of a URL or the fields of a form say of
// their signature, and whether they say that there is one.
func claimOf(lookup func(name string) (string, bool), scheme daypass.Scheme) (g daypass.Grant, ok bool) {
	g.Scheme = scheme
	if algorithm, ok := lookup("X-Amz-Algorithm"); ok {
		g.SignatureVersion = claimedVersion(algorithm)
		return g, true
	}
	if _, ok := lookup("AWSAccessKeyId"); ok {
		g.SignatureVersion = string(sign.V2)
		return g, true
	}
	return g, false
}

// claimedVersion returns the version of a signature whose algorithm, or whose
// Authorization header, begins so; "" for none.
func claimedVersion(algorithm string) string {
	switch {
	case strings.HasPrefix(algorithm, "AWS4-ECDSA-P256-SHA256"):
		return string(sign.V4A)
	case strings.HasPrefix(algorithm, "AWS4-HMAC-SHA256"):
		return string(sign.V4)
	case strings.HasPrefix(algorithm, "AWS "):
		return string(sign.V2)
	}
	return ""
}
