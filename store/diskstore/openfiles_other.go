//go:build !unix

package diskstore

// openFiles returns how many files the index may keep open.
func openFiles() int { return minOpenFiles }
