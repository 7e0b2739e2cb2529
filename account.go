package daypass

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"
)

// An account is known by the owner of its access keys. AWS's clients and
// policies know accounts by two other names, which are derived from the owner
// here and nowhere else, so that they are the same on every node and for ever.

// AccountID returns the 12-digit number by which policies name an owner's
// account. An owner that is such a number already is its own; else the number
// is taken from the SHA-256 of the name. It identifies accounts to people and
// policies; whether two accounts are the same is decided by their owners.
func AccountID(owner string) string {
	if len(owner) == 12 && strings.Trim(owner, "0123456789") == "" {
		return owner
	}
	sum := sha256.Sum256([]byte("daypass account id\x00" + owner))
	return fmt.Sprintf("%012d", binary.BigEndian.Uint64(sum[:8])%1e12)
}

// CanonicalID returns the canonical user id by which access control lists name
// an owner's account: 64 hexadecimal digits. An owner that has this form is
// its own.
func CanonicalID(owner string) string {
	if IsCanonicalID(owner) {
		return owner
	}
	sum := sha256.Sum256([]byte("daypass canonical user id\x00" + owner))
	return hex.EncodeToString(sum[:])
}

// IsCanonicalID reports whether s has the form of a canonical user id.
func IsCanonicalID(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// NamesAccount reports whether a name that a client gave for an account means
// that of owner: the owner itself, its account id, or its canonical user id.
func NamesAccount(owner, name string) bool {
	return name != "" && (name == owner || name == AccountID(owner) || name == CanonicalID(owner))
}
