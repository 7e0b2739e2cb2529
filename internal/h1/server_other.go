//go:build !linux

package h1

import "net/http"

// A Server is one of net/http: what this package does beyond that is written
// for Linux.
type Server struct{ *http.Server }

// New returns a Server.
func New(s *http.Server) *Server { return &Server{s} }
