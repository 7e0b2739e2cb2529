package client

import (
	"context"
	"net/http"
	"time"
)

// An Encryption says which wrapping key the keys of new objects get, and how far
// those of others have come: GET /api/v1/encryption.
type Encryption struct {
	// Generation counts the wrapping keys; the first is 1.
	Generation int `json:"generation"`
	// Running says that a rotation is under way.
	Running bool `json:"running"`
	// Stopped says that a rotation has failed half-way, as the server's log
	// explains; to rotate goes on with it.
	Stopped bool `json:"stopped"`
	// Seen is how many objects, versions and uploads the rotation has looked
	// at, some more than once; Rewrapped is how many have got the new key.
	Seen      int64     `json:"seen"`
	Rewrapped int64     `json:"rewrapped"`
	Started   time.Time `json:"started,omitzero"`
	Ended     time.Time `json:"ended,omitzero"`
}

// Encryption returns which wrapping key counts and how far a rotation is.
func (c *Client) Encryption(ctx context.Context) (Encryption, error) {
	var e Encryption
	err := c.call(ctx, "Encryption", http.MethodGet, "encryption", nil, &e)
	return e, err
}

// RotateEncryption begins to wrap the keys of all objects under a new key, and
// returns what is under way if a rotation is.
func (c *Client) RotateEncryption(ctx context.Context) (Encryption, error) {
	var e Encryption
	err := c.call(ctx, "RotateEncryption", http.MethodPost, "encryption/rotate", nil, &e)
	return e, err
}
