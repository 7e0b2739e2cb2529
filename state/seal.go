package state

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"fmt"
	"io"
)

// The purposes that sub-keys are derived for.
const (
	purposeAccessKey     = "access key secret"
	purposeSessionToken  = "session token"
	purposeSessionSecret = "session secret"
	purposeCallerKeys    = "keys of callers"
)

// sealVersion is the first byte of what seal returns. Another scheme takes
// another number, so that both can be read.
const sealVersion = 1

// errSealed is all that open says: whoever altered the text learns nothing.
var errSealed = errors.New("sealed text is damaged, or belongs elsewhere")

// A sealer encrypts for one purpose: version byte, 12-byte random nonce,
// AES-256-GCM ciphertext and tag. A random nonce is safe for 2^32 messages
// under one key, more than there will be secrets.
type sealer struct {
	purpose string
	aead    cipher.AEAD
}

func newSealer(master MasterKey, purpose string) (*sealer, error) {
	key, err := master.derive(purpose)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	return &sealer{purpose, aead}, err
}

// seal encrypts text so that it opens only under the same id.
func (s *sealer) seal(rand io.Reader, id, text string) ([]byte, error) {
	out := make([]byte, 1+s.aead.NonceSize(), 1+s.aead.NonceSize()+len(text)+s.aead.Overhead())
	out[0] = sealVersion
	nonce := out[1:]
	if _, err := io.ReadFull(rand, nonce); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return s.aead.Seal(out, nonce, []byte(text), s.bind(id)), nil
}

// open decrypts what seal returned for the same id.
func (s *sealer) open(id string, sealed []byte) (string, error) {
	head := 1 + s.aead.NonceSize()
	if len(sealed) < head {
		return "", errSealed
	}
	if v := sealed[0]; v != sealVersion {
		return "", fmt.Errorf("sealed text has version %d; this program knows version %d", v, sealVersion)
	}
	text, err := s.aead.Open(nil, sealed[1:head], sealed[head:], s.bind(id))
	if err != nil {
		return "", errSealed
	}
	return string(text), nil
}

// bind returns the data that a ciphertext is tied to.
func (s *sealer) bind(id string) []byte {
	return append([]byte{sealVersion}, s.purpose+"\x00"+id...)
}
