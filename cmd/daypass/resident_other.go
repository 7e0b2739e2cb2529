//go:build !linux

package main

import "runtime/debug"

// forgetUnused gives back the memory that only the start of a server or the last
// requests needed.
func forgetUnused() { debug.FreeOSMemory() }
