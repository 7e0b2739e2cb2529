//go:build !linux

package server

import "net"

// setUnsent does nothing where the system has no such option.
func setUnsent(*net.TCPConn, int) {}
