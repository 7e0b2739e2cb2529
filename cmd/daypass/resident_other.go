//go:build !linux

package main

import "runtime/debug"

// forgetStart gives back the memory that only the start of a server needed.
func forgetStart() { debug.FreeOSMemory() }
