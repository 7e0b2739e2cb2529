package sealed

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// KeySize is the size of every key, in bytes.
const KeySize = 32

// A Key is a secret. Printing it by any verb of fmt, by log/slog or by
// encoding/json shows a placeholder.
type Key [KeySize]byte

const redacted = "REDACTED"

// Format writes a placeholder.
func (Key) Format(f fmt.State, _ rune) { io.WriteString(f, redacted) }

// LogValue returns a placeholder.
func (Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns a placeholder.
func (Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// NewKey returns a random key.
func NewKey(rand io.Reader) (k Key, err error) {
	_, err = io.ReadFull(rand, k[:])
	return k, err
}

// Derive returns the key for one purpose (HKDF-SHA-256, RFC 5869). Keys of
// different purposes or salts tell nothing about each other.
func (k Key) Derive(purpose string, salt []byte) (Key, error) {
	raw, err := hkdf.Key(sha256.New, k[:], salt, "daypass sealed 1 "+purpose, KeySize)
	if err != nil {
		return Key{}, err
	}
	return Key(raw), nil
}

// Tag returns the first n bytes of a keyed hash of data (HMAC-SHA-256, RFC
// 2104), which tells nothing about the data to those who lack the key; n is
// at most 32.
func (k Key) Tag(data []byte, n int) []byte {
	h := hmac.New(sha256.New, k[:])
	h.Write(data)
	return h.Sum(nil)[:n]
}

// aead returns AES-256-GCM under the key.
func (k Key) aead() (cipher.AEAD, error) {
	block, err := aes.NewCipher(k[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// ErrWrapped is all that Unwrap says of a key that does not open: it was
// wrapped under another key, belongs elsewhere, or was altered.
var ErrWrapped = errors.New("the wrapped key is damaged, belongs elsewhere, or was wrapped under another key")

// A wrapped key is a version, a salt, and the key encrypted under what the
// wrapping key and the salt make. Since every wrap has a salt, and so a key, of
// its own, the nonce is constant, and one wrapping key is safe for any number
// of wraps.
const (
	wrapVersion = 1
	wrapSalt    = 32
	// WrappedSize is the size of a wrapped key in bytes.
	WrappedSize = 1 + wrapSalt + KeySize + Overhead
)

// Wrap encrypts key under a wrapping key, so that it opens only with the same
// binding: the name of what it belongs to.
func Wrap(rand io.Reader, wrapping Key, binding string, key Key) ([]byte, error) {
	out := make([]byte, 1+wrapSalt, WrappedSize)
	out[0] = wrapVersion
	if _, err := io.ReadFull(rand, out[1:]); err != nil {
		return nil, err
	}
	aead, err := wrapper(wrapping, out[1:])
	if err != nil {
		return nil, err
	}
	return aead.Seal(out, make([]byte, aead.NonceSize()), key[:], []byte(binding)), nil
}

// Unwrap returns the key that Wrap was given. It takes the same time for every
// wrong wrapping key. ErrWrapped.
func Unwrap(wrapping Key, binding string, wrapped []byte) (Key, error) {
	if len(wrapped) != WrappedSize || wrapped[0] != wrapVersion {
		return Key{}, ErrWrapped
	}
	aead, err := wrapper(wrapping, wrapped[1:1+wrapSalt])
	if err != nil {
		return Key{}, err
	}
	key, err := aead.Open(nil, make([]byte, aead.NonceSize()), wrapped[1+wrapSalt:], []byte(binding))
	if err != nil {
		return Key{}, ErrWrapped
	}
	return Key(key), nil
}

func wrapper(wrapping Key, salt []byte) (cipher.AEAD, error) {
	k, err := wrapping.Derive("wrap", salt)
	if err != nil {
		return nil, err
	}
	return k.aead()
}
