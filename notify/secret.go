package notify

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/daypass/daypass"
)

// The headers of a message (Standard Webhooks 1.0.0, "Webhook headers").
const (
	HeaderID        = "Webhook-Id"
	HeaderTimestamp = "Webhook-Timestamp"
	HeaderSignature = "Webhook-Signature"
)

// Lengths of secrets in bytes (Standard Webhooks 1.0.0, "Signature scheme").
const (
	secretPrefix = "whsec_"
	minSecret    = 24
	maxSecret    = 64
)

// signatureScheme stands before signatures by HMAC-SHA256.
const signatureScheme = "v1,"

// Tolerance is how far the time of a message may be from the receiver's clock.
const Tolerance = 5 * time.Minute

// A Secret signs messages.
type Secret struct{ key []byte }

// Format writes a placeholder, whatever the verb, so that no log has a secret.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, "REDACTED") }

// ParseSecret parses a secret: whsec_ and 24 to 64 bytes in base64.
func ParseSecret(text daypass.Secret) (Secret, error) {
	encoded, ok := strings.CutPrefix(string(text), secretPrefix)
	if !ok {
		return Secret{}, errors.New("a webhook secret begins with " + secretPrefix)
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(key) < minSecret || len(key) > maxSecret {
		return Secret{}, fmt.Errorf("a webhook secret is %s and %d to %d bytes in base64", secretPrefix, minSecret, maxSecret)
	}
	return Secret{key}, nil
}

// Sign returns the signature of a message.
func (s Secret) Sign(id string, at time.Time, body []byte) string {
	return signatureScheme + base64.StdEncoding.EncodeToString(s.sum(id, at, body))
}

func (s Secret) sum(id string, at time.Time, body []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	fmt.Fprintf(h, "%s.%d.", id, at.Unix())
	h.Write(body)
	return h.Sum(nil)
}

// signAll returns the signatures by all secrets, so that a receiver may know
// any of them while they are changed.
func signAll(secrets []Secret, id string, at time.Time, body []byte) string {
	list := make([]string, len(secrets))
	for i := range secrets {
		list[i] = secrets[i].Sign(id, at, body)
	}
	return strings.Join(list, " ")
}

// Verify checks a message as its receiver does: that one of its signatures is by
// one of the secrets, and that its time is within Tolerance of now.
func Verify(secrets []Secret, h http.Header, body []byte, now time.Time) error {
	id, stamp, list := h.Get(HeaderID), h.Get(HeaderTimestamp), h.Get(HeaderSignature)
	if id == "" || stamp == "" || list == "" {
		return errors.New("webhook-id, webhook-timestamp or webhook-signature is missing")
	}
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return errors.New("webhook-timestamp is no number of seconds")
	}
	at := time.Unix(seconds, 0)
	if d := now.Sub(at); d > Tolerance || d < -Tolerance {
		return fmt.Errorf("webhook-timestamp is %v away from now; %v are allowed", d.Abs().Truncate(time.Second), Tolerance)
	}
	for signature := range strings.FieldsSeq(list) {
		encoded, ok := strings.CutPrefix(signature, signatureScheme)
		sum, err := base64.StdEncoding.DecodeString(encoded)
		if !ok || err != nil {
			continue
		}
		for _, s := range secrets {
			if hmac.Equal(sum, s.sum(id, at, body)) {
				return nil
			}
		}
	}
	return errors.New("no signature of webhook-signature is by this secret")
}
