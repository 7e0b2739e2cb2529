package server

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
)

// corsRules are the origins whose scripts may use the endpoint.
type corsRules []string

func newCORSRules(origins []string) (corsRules, error) {
	for _, o := range origins {
		if o == "" || strings.Count(o, "*") > 1 || !s3.ValidHeaderValue(o) || o != "*" && !strings.Contains(o, "://") {
			return nil, fmt.Errorf("server: CORS origin %q is neither * nor an origin such as https://app.example.com", o)
		}
	}
	return origins, nil
}

// A corsGrant is what an answer to an allowed origin says.
type corsGrant struct {
	origin string
	// rule is the rule of the bucket that allows it; nil where the server's
	// configuration does.
	rule *s3.CORSRule
}

// configured reports whether answers depend on the origin at all.
func (c corsRules) configured() bool { return len(c) > 0 }

// allow returns the grant for an origin, nil where there is none.
func (c corsRules) allow(origin string) *corsGrant {
	if origin == "" {
		return nil
	}
	for _, rule := range c {
		if rule == "*" {
			return &corsGrant{origin: "*"}
		}
		head, tail, star := strings.Cut(rule, "*")
		if origin == rule || star && len(origin) >= len(head)+len(tail) &&
			strings.HasPrefix(origin, head) && strings.HasSuffix(origin, tail) {
			return &corsGrant{origin: origin}
		}
	}
	return nil
}

// allowOrigin says who may read the answer. As on S3, credentials go with a
// named origin only.
func (g *corsGrant) allowOrigin(h http.Header) {
	h.Set("Access-Control-Allow-Origin", g.origin)
	if g.origin != "*" {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
}

// expose lets scripts read the headers that they need: those of S3, such as
// the ETag of an uploaded part, and those that the object has.
func (g *corsGrant) expose(h http.Header) {
	g.allowOrigin(h)
	if g.rule != nil {
		g.applyRule(h)
		return
	}
	names := append(make([]string, 0, 16), "ETag", "Accept-Ranges", "Content-Disposition", "Content-Encoding",
		"Content-Length", "Content-Range", "Date", "Location", "Server")
	for name := range h {
		if isAmz(name) {
			names = append(names, strings.ToLower(name))
		}
	}
	h.Set("Access-Control-Expose-Headers", strings.Join(names, ", "))
}

// applyRule says what a bucket's rule says beside the origin.
func (g *corsGrant) applyRule(h http.Header) {
	h.Set("Access-Control-Allow-Methods", strings.Join(g.rule.AllowedMethods, ", "))
	if len(g.rule.ExposeHeaders) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(g.rule.ExposeHeaders, ", "))
	}
	if g.rule.MaxAge != nil {
		h.Set("Access-Control-Max-Age", strconv.Itoa(*g.rule.MaxAge))
	}
}

// varyOrigin tells caches that the answer depends on the origin.
func varyOrigin(h http.Header) {
	h.Set("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method")
}

// bucketCORS returns the rules of a bucket, nil where it has none, and whether
// there is such a bucket.
func (s *Server) bucketCORS(ctx context.Context, bucket string) (rules s3.CORSRules, exists bool) {
	if bucket == "" {
		return nil, false
	}
	b, err := s.store.Bucket(ctx, bucket)
	if err != nil {
		return nil, false
	}
	r, err := s.rulesOf(ctx, &b)
	if err != nil {
		return nil, true
	}
	return r.cors, true
}

// allowOrigin finds out by the rules of the bucket, where it has some, whether
// a script may read the answer: errors included, so it comes before anything
// else is checked.
func (s *Server) allowOrigin(x *exchange) {
	if x.target.rules == nil || x.target.rules.cors == nil {
		return
	}
	rules := x.target.rules.cors
	varyOrigin(x.w.Header())
	x.w.cors = nil
	origin := x.r.Header.Get("Origin")
	if origin == "" {
		return
	}
	if m, ok := rules.Match(origin, x.r.Method, nil); ok {
		x.w.cors = corsGrantOf(m, origin)
	}
}

func corsGrantOf(m s3.CORSMatch, origin string) *corsGrant {
	if m.Wildcard {
		origin = "*"
	}
	return &corsGrant{origin: origin, rule: m.Rule}
}

// allowedMethods are the methods of the S3 API.
const allowedMethods = "GET, PUT, POST, DELETE, HEAD"

// preflight answers a browser's question whether a script may send a request
// (S3 User Guide, "Using cross-origin resource sharing"). It is not signed.
func (s *Server) preflight(w *response, r *http.Request) error {
	origin, method := r.Header.Get("Origin"), r.Header.Get("Access-Control-Request-Method")
	switch {
	case origin == "":
		return &daypass.Error{Code: s3.BadRequest, Message: "Insufficient information. Origin request header needed."}
	case method == "":
		return &daypass.Error{Code: s3.BadRequest, Message: "Invalid Access-Control-Request-Method: null"}
	}
	p := s.preflightPlace(r)
	rules, exists := s.bucketCORS(r.Context(), p.bucket)
	switch {
	case rules != nil:
		return s.bucketPreflight(w, r, rules, p)
	case !s.cors.configured() && p.bucket != "" && !exists:
		return corsForbidden(p, method, "CORSResponse: Bucket not found")
	case !s.cors.configured():
		return corsForbidden(p, method, "CORSResponse: CORS is not enabled for this bucket.")
	case w.cors == nil || !listsMethod(method):
		return corsForbidden(p, method, "")
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", allowedMethods)
	if asked := r.Header.Values("Access-Control-Request-Headers"); len(asked) > 0 {
		h.Set("Access-Control-Allow-Headers", joined(asked))
	}
	h.Set("Access-Control-Max-Age", "3000")
	return w.empty(http.StatusOK)
}

// bucketPreflight answers by the rules of a bucket.
func (s *Server) bucketPreflight(w *response, r *http.Request, rules s3.CORSRules, p place) error {
	origin, method := r.Header.Get("Origin"), r.Header.Get("Access-Control-Request-Method")
	varyOrigin(w.Header())
	w.cors = nil
	if !listsMethod(method) {
		return &daypass.Error{Code: s3.BadRequest, Message: "Invalid Access-Control-Request-Method: " + method}
	}
	asked := requestedHeaders(r.Header)
	m, ok := rules.Match(origin, method, asked)
	if !ok {
		return corsForbidden(p, method, "")
	}
	w.cors = corsGrantOf(m, origin)
	if len(asked) > 0 {
		w.Header().Set("Access-Control-Allow-Headers", strings.Join(asked, ", "))
	}
	return w.empty(http.StatusOK)
}

// requestedHeaders are the headers that a script wants to send, in lower case.
func requestedHeaders(h http.Header) (names []string) {
	for name := range strings.SplitSeq(joined(h.Values("Access-Control-Request-Headers")), ",") {
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
			names = append(names, name)
		}
	}
	return names
}

func listsMethod(method string) bool {
	for m := range strings.SplitSeq(allowedMethods, ", ") {
		if m == method {
			return true
		}
	}
	return false
}

// preflightPlace returns what a preflight is about.
func (s *Server) preflightPlace(r *http.Request) place {
	if p, ok := s.placeOf(r); ok {
		return p
	}
	return place{level: s3.BucketLevel}
}

func corsForbidden(p place, method, message string) error {
	return &daypass.Error{Code: s3.AccessForbidden, Message: message, Details: []daypass.Detail{
		{Name: "Method", Value: method}, {Name: "ResourceType", Value: p.level.String()},
	}}
}

// getBucketCORS answers with the CORS rules of a bucket (S3 API reference,
// GetBucketCors).
func (s *Server) getBucketCORS(w *response, c *call) error {
	return c.show(w, settingCORS, s3.NoSuchCORSConfiguration)
}

// putBucketCORS sets the CORS rules of a bucket (S3 API reference,
// PutBucketCors).
func (s *Server) putBucketCORS(w *response, c *call) error {
	body, err := c.document(w, s3.MaxCORSBody)
	if err != nil {
		return err
	}
	rules, err := s3.ParseCORS(body)
	if err != nil {
		return err
	}
	if err := s.set(c, settingCORS, rules.Append(nil)); err != nil {
		return err
	}
	return w.empty(http.StatusOK)
}
