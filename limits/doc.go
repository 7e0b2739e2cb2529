// Package limits is what a pass can be limited by beyond what S3 knows: how
// often it may be used, from where, with what, until when.
//
// Limits are query parameters of a pre-signed URL, or conditions and fields of
// a signed form, whose names begin with x-daypass-. S3 ignores such
// parameters, and Signature Version 4 signs them, so any SDK can add a limit
// and nobody can take one away:
//
//	set := limits.Set{Uses: 1, Until: time.Now().AddDate(0, 0, 30)}
//	query, err := set.Query()
//	url, err := presigner.Presign(sign.URLRequest{Method: "GET", Query: query, …})
//
// A server reads them back with Parse, refuses with Check what it could not
// enforce, and asks Admit about each request. What needs more than the
// request, such as counting uses or streaming a body, is enforced where that
// happens; this package says what is allowed and how a refusal reads.
//
// A limit is never ignored: an unknown, repeated, malformed or misspelled one
// is refused, and so is one that the signed action cannot be limited by. Every
// limit is one row of the table in table.go.
//
// The package keeps no state and has no clock.
package limits
