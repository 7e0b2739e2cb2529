package s3

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/daypass/daypass"
)

// A CORSRule says which scripts may do what with a bucket (S3 User Guide,
// "Elements of a CORS configuration"). As JSON it is what the AWS CLI takes.
type CORSRule struct {
	ID             string   `xml:"ID" json:"ID,omitempty"`
	AllowedOrigins []string `xml:"AllowedOrigin" json:"AllowedOrigins"`
	AllowedMethods []string `xml:"AllowedMethod" json:"AllowedMethods"`
	AllowedHeaders []string `xml:"AllowedHeader" json:"AllowedHeaders,omitempty"`
	ExposeHeaders  []string `xml:"ExposeHeader" json:"ExposeHeaders,omitempty"`
	// MaxAge is for how many seconds browsers may remember the answer; nil
	// where the rule does not say.
	MaxAge *int `xml:"MaxAgeSeconds" json:"MaxAgeSeconds,omitempty"`
}

// CORSRules are the rules of a bucket, of which the first that fits counts.
type CORSRules []CORSRule

// MaxCORSBody bounds the body of PutBucketCors, in bytes; maxCORSRules is how
// many rules it has at most.
const (
	MaxCORSBody  = 64 << 10
	maxCORSRules = 100
)

// ParseCORS parses the body of PutBucketCors. MalformedXML, InvalidRequest.
func ParseCORS(body []byte) (CORSRules, error) {
	var d struct {
		Rules CORSRules `xml:"CORSRule"`
	}
	if err := unmarshal(body, "CORSConfiguration", &d); err != nil {
		return nil, err
	}
	if len(d.Rules) == 0 || len(d.Rules) > maxCORSRules {
		return nil, &daypass.Error{Code: daypass.MalformedXML}
	}
	for i := range d.Rules {
		if err := d.Rules[i].check(); err != nil {
			return nil, err
		}
	}
	return d.Rules, nil
}

func (r *CORSRule) check() error {
	const maxID = 255
	if len(r.AllowedOrigins) == 0 || len(r.AllowedMethods) == 0 || len(r.ID) > maxID || r.MaxAge != nil && *r.MaxAge < 0 {
		return &daypass.Error{Code: daypass.MalformedXML}
	}
	for _, m := range r.AllowedMethods {
		if !strings.Contains(" GET PUT POST DELETE HEAD ", " "+m+" ") {
			return corsRefused("Found unsupported HTTP method in CORS config. Unsupported method is %s", m)
		}
	}
	for _, o := range r.AllowedOrigins {
		if strings.Count(o, "*") > 1 {
			return corsRefused("AllowedOrigin %q can not have more than one wildcard.", o)
		}
	}
	for _, h := range r.AllowedHeaders {
		if strings.Count(h, "*") > 1 {
			return corsRefused("AllowedHeader %q can not have more than one wildcard.", h)
		}
	}
	for _, h := range r.ExposeHeaders {
		if strings.Contains(h, "*") {
			return corsRefused("ExposeHeader %q contains wildcard. We currently do not support wildcard for ExposeHeader.", h)
		}
		if !ValidHeaderName(h) {
			return corsRefused("ExposeHeader %q contains invalid character.", h)
		}
	}
	return nil
}

func corsRefused(format string, args ...any) error {
	return &daypass.Error{Code: daypass.InvalidRequest, Message: fmt.Sprintf(format, args...)}
}

// Append appends the XML body of GetBucketCors.
func (rules CORSRules) Append(dst []byte) []byte {
	w := writer{b: dst}
	w.root("CORSConfiguration")
	for i := range rules {
		r := &rules[i]
		w.open("CORSRule")
		w.optional("ID", r.ID)
		w.texts("AllowedOrigin", r.AllowedOrigins)
		w.texts("AllowedMethod", r.AllowedMethods)
		w.texts("AllowedHeader", r.AllowedHeaders)
		w.texts("ExposeHeader", r.ExposeHeaders)
		if r.MaxAge != nil {
			w.text("MaxAgeSeconds", strconv.Itoa(*r.MaxAge))
		}
		w.close("CORSRule")
	}
	w.close("CORSConfiguration")
	return w.b
}

func (w *writer) texts(name string, values []string) {
	for _, v := range values {
		w.text(name, v)
	}
}

// A CORSMatch is the rule that lets a script's request pass.
type CORSMatch struct {
	Rule *CORSRule
	// Wildcard says that the rule allows any origin by "*" alone.
	Wildcard bool
}

// Match returns the first rule that allows an origin to use a method with the
// given headers, which a browser asks for in a preflight.
func (rules CORSRules) Match(origin, method string, headers []string) (CORSMatch, bool) {
	for i := range rules {
		r := &rules[i]
		pattern, ok := r.allowsOrigin(origin)
		if ok && contains(r.AllowedMethods, method) && r.allowsHeaders(headers) {
			return CORSMatch{Rule: r, Wildcard: pattern == "*"}, true
		}
	}
	return CORSMatch{}, false
}

func (r *CORSRule) allowsOrigin(origin string) (pattern string, ok bool) {
	for _, o := range r.AllowedOrigins {
		if wildcardMatch(o, origin) {
			return o, true
		}
	}
	return "", false
}

// allowsHeaders reports whether every header is allowed, whatever its case.
func (r *CORSRule) allowsHeaders(headers []string) bool {
	for _, h := range headers {
		allowed := false
		for _, pattern := range r.AllowedHeaders {
			if wildcardMatch(strings.ToLower(pattern), strings.ToLower(h)) {
				allowed = true
				break
			}
		}
		if !allowed {
			return false
		}
	}
	return true
}

// wildcardMatch matches text against a pattern, in which the first "*" stands
// for any text.
func wildcardMatch(pattern, text string) bool {
	head, tail, star := strings.Cut(pattern, "*")
	if !star {
		return pattern == text
	}
	return len(text) >= len(head)+len(tail) && strings.HasPrefix(text, head) && strings.HasSuffix(text, tail)
}

func contains(list []string, s string) bool {
	for _, item := range list {
		if item == s {
			return true
		}
	}
	return false
}
