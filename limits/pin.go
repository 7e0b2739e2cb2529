package limits

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"io"
	"strings"

	"github.com/daypass/daypass"
)

// Bounds of a PIN in characters.
const (
	MinPIN = 4
	MaxPIN = 64
)

// A PINTag tells a PIN from others to whoever has the secret of the access
// key, and to nobody else: the holder of a URL cannot guess the PIN offline.
type PINTag struct {
	Salt [16]byte
	Tag  [32]byte
}

// NewPIN returns the tag of a PIN, keyed with the secret of the access key
// that will sign. A PIN is 4 to 64 characters of UTF-8 without control
// characters and is taken byte by byte: nothing is normalised.
// InvalidArgument for any other; an error of rand is returned as it is.
func NewPIN(rand io.Reader, secret daypass.Secret, pin string) (*PINTag, error) {
	if !isLabel(pin, MinPIN, MaxPIN) {
		// Without the value: it is a secret.
		return nil, Invalid(PIN, "", "must come from a PIN of 4 to 64 characters of UTF-8 without control characters")
	}
	t := new(PINTag)
	if _, err := io.ReadFull(rand, t.Salt[:]); err != nil {
		return nil, err
	}
	copy(t.Tag[:], t.compute(secret, pin))
	return t, nil
}

// Matches reports, in constant time, whether the PIN is the one of the tag.
func (t *PINTag) Matches(secret daypass.Secret, pin string) bool {
	// A PIN that none can be is no secret, and not worth hashing at length.
	return isLabel(pin, MinPIN, MaxPIN) && hmac.Equal(t.Tag[:], t.compute(secret, pin))
}

// compute returns the tag of a PIN. The key is derived, so that no signature
// is ever a tag; salt and PIN have their lengths, so that no two pairs are the
// same text.
func (t *PINTag) compute(secret daypass.Secret, pin string) []byte {
	key := sum(sum([]byte(secret), "daypass"), "daypass_pin")
	text := binary.BigEndian.AppendUint32(nil, uint32(len(t.Salt)))
	text = append(text, t.Salt[:]...)
	text = binary.BigEndian.AppendUint32(text, uint32(len(pin)))
	return sum(key, string(append(text, pin...)))
}

func sum(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// ParsePIN is the reverse of String: SALT.TAG in base64url without padding. It
// accepts one spelling of each tag.
func ParsePIN(text string) (*PINTag, bool) {
	t := new(PINTag)
	salt, tag, ok := strings.Cut(text, ".")
	if !ok || !decode(t.Salt[:], salt) || !decode(t.Tag[:], tag) {
		return nil, false
	}
	return t, true
}

// decode fills dst from base64url of just its length. The length of the text
// is checked because decoding skips line breaks.
func decode(dst []byte, text string) bool {
	enc := base64.RawURLEncoding.Strict()
	if len(text) != enc.EncodedLen(len(dst)) {
		return false
	}
	n, err := enc.Decode(dst, []byte(text))
	return err == nil && n == len(dst)
}

// String returns the tag as SALT.TAG.
func (t *PINTag) String() string {
	enc := base64.RawURLEncoding
	return enc.EncodeToString(t.Salt[:]) + "." + enc.EncodeToString(t.Tag[:])
}
