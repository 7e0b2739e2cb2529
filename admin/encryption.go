package admin

import (
	"context"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
)

// A Rotator wraps the keys of encrypted objects under a new key. Its errors are
// *daypass.Error.
type Rotator interface {
	// Encryption returns which wrapping key counts and how far a rotation is.
	Encryption(ctx context.Context) (client.Encryption, error)
	// RotateEncryption begins a rotation, and returns what is under way if one
	// is.
	RotateEncryption(ctx context.Context) (client.Encryption, error)
}

func (h *handler) encryption(ctx context.Context, _ *call) (any, error) {
	if h.Rotator == nil {
		return nil, errNoRotator()
	}
	e, err := h.Rotator.Encryption(ctx)
	if err != nil {
		return nil, err
	}
	return e, nil
}

func (h *handler) rotateEncryption(ctx context.Context, _ *call) (any, error) {
	if h.Rotator == nil {
		return nil, errNoRotator()
	}
	e, err := h.Rotator.RotateEncryption(ctx)
	if err != nil {
		return nil, err
	}
	return e, nil
}

func errNoRotator() error {
	return &daypass.Error{Op: "admin", Code: daypass.NotImplemented, Message: "this server has no wrapping keys"}
}
