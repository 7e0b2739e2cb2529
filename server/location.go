package server

import "net/http"

// location returns the URL of a path as the client of a call sees it.
func (s *Server) location(c *call, path string) string {
	return s.scheme(c.r) + "://" + c.view.host + c.view.prefix + path
}

// scheme returns the scheme that the client used, as far as that can be
// believed.
func (s *Server) scheme(r *http.Request) string {
	if s.encrypted(r) {
		return "https"
	}
	return "http"
}
