package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash"
	"io"

	"github.com/daypass/daypass"
)

// hashedBody returns a body whose end is an error unless it has the given
// SHA-256, in hexadecimal, that its signature covers.
func hashedBody(body io.ReadCloser, want string) io.ReadCloser {
	return &hashed{ReadCloser: body, sum: sha256.New(), want: want}
}

type hashed struct {
	io.ReadCloser
	sum  hash.Hash
	want string
}

func (h *hashed) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	h.sum.Write(p[:n])
	if err == io.EOF && subtle.ConstantTimeCompare([]byte(hex.EncodeToString(h.sum.Sum(nil))), []byte(h.want)) != 1 {
		err = &daypass.Error{Op: "admin", Code: daypass.XAmzContentSHA256Mismatch,
			Message: "The provided 'x-amz-content-sha256' header does not match what was computed."}
	}
	return n, err
}

// hexSHA256 returns the SHA-256 of all that r gives, in hexadecimal.
func hexSHA256(r io.Reader) (string, error) {
	sum := sha256.New()
	if _, err := io.Copy(sum, r); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}
