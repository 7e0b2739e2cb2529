//go:build !unix

package bucketlog

// syncDir does nothing where directories cannot be synced.
func syncDir(string) error { return nil }
