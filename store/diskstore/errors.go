package diskstore

import (
	"errors"
	"io"
	"syscall"

	"github.com/daypass/daypass"
)

// writeError gives a failed write its code.
func writeError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return &daypass.Error{Code: daypass.InsufficientStorage, Err: err}
	}
	return err
}

// closeInto closes c at the end of a function whose error err is.
func closeInto(err *error, c io.Closer) {
	if cerr := c.Close(); *err == nil {
		*err = cerr
	}
}
