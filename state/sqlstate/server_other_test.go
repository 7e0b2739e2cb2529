//go:build !linux

package sqlstate_test

import "errors"

// errNoPostgres says why there is no PostgreSQL to test with.
var errNoPostgres = errors.New("PostgreSQL is started on Linux only")

type server struct{}

func startServer() (*server, error)         { return nil, errNoPostgres }
func (s *server) start() error              { return errNoPostgres }
func (s *server) kill()                     {}
func (s *server) remove()                   {}
func (s *server) url(string) string         { return "" }
func (s *server) exec(string, string) error { return errNoPostgres }
