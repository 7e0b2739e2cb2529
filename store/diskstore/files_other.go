//go:build !linux

package diskstore

import "errors"

func createUnnamed(string) (newFile, error) { return nil, errors.ErrUnsupported }

func setDirect(newFile, bool) bool { return false }

func refusesDirect(error) bool { return false }
