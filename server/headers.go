package server

import (
	"net/http"
	"net/textproto"
	"strings"

	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
)

// headers are the headers of a request, including those that a pre-signed URL
// carries as parameters: x-amz-* (S3 API reference, "Authenticating Requests:
// Using Query Parameters"), the conditions, and for Signature Version 2 those
// that the aws-sdk for JavaScript puts there.
type headers struct {
	sent   http.Header
	query  sign.Query // nil unless the query carries the signature, and headers
	result *sign.Result
}

// newHeaders returns the headers of a verified request. It refuses parameters
// that could be read in two ways, of which the signature may cover only one.
func newHeaders(sent http.Header, q sign.Query, result *sign.Result) (headers, error) {
	h := headers{sent: sent, result: result}
	if result.Scheme != sign.QueryAuth {
		return h, nil
	}
	if carriesHeaders(q, result.Version) {
		h.query = q
	}
	for i := range q {
		p := &q[i]
		if !isAmz(p.Name) && !isCondition(p.Name) || strings.EqualFold(p.Name, "x-amz-content-sha256") {
			continue // the payload hash is package sign's business
		}
		if _, again := q[i+1:].LookupFold(p.Name); again {
			return h, invalidArgument("The query parameter "+p.Name+" must not be repeated.", p.Name, p.Value)
		}
		if v := sentFold(sent, p.Name); len(v) > 0 && strings.TrimSpace(joined(v)) != strings.TrimSpace(p.Value) {
			return h, mismatch("header and query parameter " + p.Name + " differ")
		}
	}
	return h, nil
}

// carriesHeaders reports whether a query has parameters that may count as
// headers. Most have none but those of their signature.
func carriesHeaders(q sign.Query, v sign.Version) bool {
	for i := range q {
		switch name := q[i].Name; {
		case isSignature(name):
		case isAmz(name), isCondition(name), v == sign.V2 && hoistedByV2[textproto.CanonicalMIMEHeaderKey(name)]:
			return true
		}
	}
	return false
}

// isSignature reports whether a parameter is one that every URL of Signature
// Version 4 has and nobody takes for a header.
func isSignature(name string) bool {
	switch name {
	case "X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders", "X-Amz-Signature":
		return true
	}
	return false
}

// get returns a header, given in canonical form, or "". Several lines of one
// name are one value, as the signature has them (RFC 9110, section 5.3).
func (h *headers) get(name string) string {
	if v := h.sent[name]; len(v) > 0 {
		return joined(v)
	}
	if h.query == nil || !h.hoists(name) {
		return ""
	}
	v, _ := h.query.LookupFold(name)
	return v
}

// values returns all lines of a header, given in canonical form.
func (h *headers) values(name string) []string {
	if v := h.sent[name]; len(v) > 0 {
		return v
	}
	if v := h.get(name); v != "" {
		return []string{v}
	}
	return nil
}

// sentFold returns the lines of a header whose name may be spelled in any
// case. Headers are few, so this is cheaper than making the canonical form.
func sentFold(h http.Header, name string) []string {
	for n, v := range h {
		if len(n) == len(name) && strings.EqualFold(n, name) {
			return v
		}
	}
	return nil
}

// hoists reports whether a parameter of that name counts as a header.
func (h *headers) hoists(name string) bool {
	switch {
	case isPromise(name):
		// The aws-sdk v3 for JavaScript puts the checksum of an empty body
		// into every URL that it signs. Such text is signed as a parameter
		// and is not a promise about the body, unless SignedHeaders says so.
		return h.result.Signed(name)
	case isAmz(name), isCondition(name):
		return true
	}
	return h.result.Version == sign.V2 && hoistedByV2[textproto.CanonicalMIMEHeaderKey(name)]
}

var hoistedByV2 = map[string]bool{
	"Content-Type": true, "Content-Md5": true, "Cache-Control": true,
	"Content-Encoding": true, "Content-Disposition": true, "Content-Language": true,
}

// eachAmz calls f for every x-amz-* header, with its name in lower case, until
// f returns an error. What isSignature knows is none.
func (h *headers) eachAmz(f func(name, value string) error) error {
	for name, v := range h.sent {
		if isAmz(name) {
			if err := f(strings.ToLower(name), joined(v)); err != nil {
				return err
			}
		}
	}
	for i := range h.query {
		p := &h.query[i]
		if !isAmz(p.Name) || isSignature(p.Name) || len(sentFold(h.sent, p.Name)) > 0 || !h.hoists(p.Name) {
			continue
		}
		if err := f(strings.ToLower(p.Name), p.Value); err != nil {
			return err
		}
	}
	return nil
}

// joined returns the lines of one header as one value (RFC 9110, section 5.3).
func joined(values []string) string {
	if len(values) == 1 {
		return values[0]
	}
	return strings.Join(values, ",")
}

func hasFoldPrefix(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// isAmz reports whether a header or parameter is one of S3's own. Most are
// spelled in one way, which is quick to see.
func isAmz(name string) bool {
	return len(name) > 6 && (name[0]|0x20) == 'x' && (name[:6] == "X-Amz-" || hasFoldPrefix(name, "x-amz-"))
}

// isPromise reports whether a header says something of the body's checksum.
func isPromise(name string) bool {
	if strings.EqualFold(name, "x-amz-sdk-checksum-algorithm") {
		return true
	}
	return hasFoldPrefix(name, checksumPrefix) && !aboutChecksums[strings.ToLower(name[len(checksumPrefix):])]
}

const checksumPrefix = "x-amz-checksum-"

// aboutChecksums are the headers with that prefix that are no checksums
// themselves.
var aboutChecksums = map[string]bool{"algorithm": true, "mode": true, "type": true}

func isCondition(name string) bool {
	return hasFoldPrefix(name, "if-") && conditions[textproto.CanonicalMIMEHeaderKey(name)]
}

var conditions = map[string]bool{
	"If-Match": true, "If-None-Match": true, "If-Modified-Since": true, "If-Unmodified-Since": true,
}

// userMetadata collects x-amz-meta-*, by lower-case name without that prefix.
func (h *headers) userMetadata() (map[string]string, error) {
	var user map[string]string
	size := 0
	err := h.eachAmz(func(name, value string) error {
		name, ok := strings.CutPrefix(name, s3.MetadataPrefix)
		if !ok {
			return nil
		}
		if !s3.ValidHeaderName(name) || !s3.ValidHeaderValue(value) {
			return invalidArgument("User metadata must be able to stand in a header.", s3.MetadataPrefix+name, value)
		}
		if user == nil {
			user = make(map[string]string)
		}
		user[name] = value
		size += len(name) + len(value)
		return nil
	})
	if err == nil && size > s3.MaxMetadata {
		err = metadataTooLarge(size)
	}
	return user, err
}
