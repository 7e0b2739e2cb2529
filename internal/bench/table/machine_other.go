//go:build !linux

package main

import (
	"errors"
	"os"
	"os/exec"
)

// cores are where the client and the servers run.
type cores struct{}

// String is never called: pinClient fails.
func (cores) String() string { return "" }

// pinClient fails: processor time is read from Linux's /proc.
func pinClient() (cores, error) { return cores{}, errors.New("this measures on Linux only") }

func (cores) start(cmd *exec.Cmd) error { return cmd.Start() }

func datasync(f *os.File) error { return f.Sync() }
