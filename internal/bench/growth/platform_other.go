//go:build !linux

package main

import (
	"errors"
	"os"
)

var errLinuxOnly = errors.New("only Linux can be measured")

func uncache(*os.File) error { return errLinuxOnly }

func pin(...int) error { return errLinuxOnly }
