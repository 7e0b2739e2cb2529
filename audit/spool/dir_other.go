//go:build !unix

package spool

// lockDir does nothing where there is no flock(2).
func lockDir(string) (unlock func() error, err error) { return func() error { return nil }, nil }
