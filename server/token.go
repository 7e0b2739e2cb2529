package server

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// A continuation token is where a listing goes on: a check sum and the last
// name of the page before. The sum finds tokens that were damaged or made up;
// it protects nothing, since a client may start a listing anywhere anyway.
const tokenSum = 9

// newToken returns the token for a listing of the given kind, "" for the end.
func newToken(kind, last string) string {
	if last == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(kind + "\x00" + last))
	return base64.URLEncoding.EncodeToString(append(sum[:tokenSum:tokenSum], last...))
}

// parseToken returns the last name of the page before.
func parseToken(kind, token string) (last string, ok bool) {
	b, err := base64.URLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) <= tokenSum {
		return "", false
	}
	last = string(b[tokenSum:])
	sum := sha256.Sum256([]byte(kind + "\x00" + last))
	return last, subtle.ConstantTimeCompare(sum[:tokenSum], b[:tokenSum]) == 1
}

func badToken(token string) error {
	return invalidArgument("The continuation token provided is incorrect", "continuation-token", token)
}
