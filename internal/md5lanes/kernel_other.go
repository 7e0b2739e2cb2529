//go:build !amd64

package md5lanes

// kernels returns what the processor can do: streams are hashed one by one.
func kernels() []kernel { return nil }
