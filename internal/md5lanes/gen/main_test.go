package main

import (
	"bytes"
	"os"
	"testing"
)

// TestGenerated checks that the kernels are those that this program writes.
func TestGenerated(t *testing.T) {
	kept, err := os.ReadFile("../kernel_amd64.s")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(kept, generate()) {
		t.Error("kernel_amd64.s is not what gen writes: run go generate ./internal/md5lanes")
	}
}
