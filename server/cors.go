package server

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
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
type corsGrant struct{ origin string }

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
	names := append(make([]string, 0, 16), "ETag", "Accept-Ranges", "Content-Disposition", "Content-Encoding",
		"Content-Length", "Content-Range", "Date", "Location", "Server")
	for name := range h {
		if isAmz(name) {
			names = append(names, strings.ToLower(name))
		}
	}
	h.Set("Access-Control-Expose-Headers", strings.Join(names, ", "))
}

// varyOrigin tells caches that the answer depends on the origin.
func varyOrigin(h http.Header) {
	h.Set("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method")
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
	case !s.cors.configured():
		return s.corsForbidden(r, method, "CORSResponse: CORS is not enabled for this bucket.")
	case w.cors == nil || !listsMethod(method):
		return s.corsForbidden(r, method, "")
	}
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", allowedMethods)
	if asked := r.Header.Values("Access-Control-Request-Headers"); len(asked) > 0 {
		h.Set("Access-Control-Allow-Headers", joined(asked))
	}
	h.Set("Access-Control-Max-Age", "3000")
	return w.empty(http.StatusOK)
}

func listsMethod(method string) bool {
	for m := range strings.SplitSeq(allowedMethods, ", ") {
		if m == method {
			return true
		}
	}
	return false
}

func (s *Server) corsForbidden(r *http.Request, method, message string) error {
	path, _ := sign.RawTarget(r)
	level := s3.BucketLevel
	if decoded, err := sign.UnescapePath(path); err == nil && strings.HasPrefix(decoded, "/") {
		v := s.view(r)
		level = s.names.place(v.host, decoded, v.stripped).level
	}
	return &daypass.Error{Code: s3.AccessForbidden, Message: message, Details: []daypass.Detail{
		{Name: "Method", Value: method}, {Name: "ResourceType", Value: level.String()},
	}}
}
