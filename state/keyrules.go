package state

import (
	"encoding/base32"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/daypass/daypass"
)

// Limits of what an access key may look like. Generated keys look like AWS's;
// given ones may come from any S3 system.
const (
	minKeyID   = 3 // as short as MinIO allows
	maxKeyID   = 128
	minSecret  = 8
	maxSecret  = 256
	maxOwner   = 128
	maxKeyName = 128 // characters
)

// validKeyID reports whether id can be an access key id: printable ASCII, and
// nothing that separates the parts of a Credential (SigV4, "Authorization
// header") or of a list. Other punctuation occurs in the field.
func validKeyID(id string) bool {
	return len(id) >= minKeyID && len(id) <= maxKeyID && isGraphic(id) && !strings.ContainsAny(id, "/,=")
}

// isGraphic reports whether s has only printable ASCII without space.
func isGraphic(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// checkPair checks an access key that was made elsewhere. The message never
// repeats the secret.
func checkPair(id string, secret daypass.Secret) error {
	if !validKeyID(id) {
		return invalid("AccessKeyId", "an access key id is %d to %d printable ASCII characters without space, '/', ',' and '='", minKeyID, maxKeyID)
	}
	s := string(secret)
	if len(s) < minSecret || len(s) > maxSecret || !isText(s) || strings.TrimSpace(s) != s {
		return invalid("SecretAccessKey", "a secret access key is %d to %d bytes of text, without control characters or space around it", minSecret, maxSecret)
	}
	return nil
}

// checkLabels checks what people call a key and its owner.
func checkLabels(name, owner string) error {
	if !isText(name) || utf8.RuneCountInString(name) > maxKeyName {
		return invalid("Name", "a name is at most %d characters without control characters", maxKeyName)
	}
	if owner == "" || len(owner) > maxOwner || !isGraphic(owner) {
		return invalid("Owner", "an owner is 1 to %d printable ASCII characters without space", maxOwner)
	}
	return nil
}

// isText reports whether s is UTF-8 without control characters.
func isText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, unicode.IsControl)
}

func invalid(argument, format string, args ...any) error {
	return &daypass.Error{
		Code:    daypass.InvalidArgument,
		Message: fmt.Sprintf(format, args...),
		Details: []daypass.Detail{{Name: "ArgumentName", Value: argument}},
	}
}

// keyPrefix begins the ids of lasting keys that are made here.
const keyPrefix = "DPAK"

// randomKeyID returns "DPAK" and 16 characters: 80 random bits. It matches
// what AWS promises of ids, \w{16,128} (IAM API reference, "AccessKey").
func randomKeyID(rand io.Reader) (string, error) {
	var b [10]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return "", err
	}
	return keyPrefix + base32.StdEncoding.EncodeToString(b[:]), nil
}

// randomSecret returns 40 letters and digits: 238 random bits. The '/' and
// '+' of AWS's secrets are left out: they break in URLs and shells.
func randomSecret(rand io.Reader) (daypass.Secret, error) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	const fair = 256 / len(alphabet) * len(alphabet) // bytes above favour some letters
	out := make([]byte, 0, 40)
	var b [64]byte
	for {
		if _, err := io.ReadFull(rand, b[:]); err != nil {
			return "", err
		}
		for _, v := range b {
			if int(v) < fair {
				out = append(out, alphabet[int(v)%len(alphabet)])
			}
			if len(out) == cap(out) {
				return daypass.Secret(out), nil
			}
		}
	}
}
