//go:build !linux

package diskstore

import "errors"

func createUnnamed(string) (newFile, error) { return nil, errors.ErrUnsupported }
