// Package sign makes and checks every signature that AWS has for S3, in both
// directions: Signature Version 4 in the query (pre-signed URLs) and in the
// Authorization header, its streaming bodies with chunk signatures and
// trailers, Signature Version 4A, Signature Version 2, and POST policies.
//
// A Presigner makes URLs:
//
//	p, err := sign.NewPresigner(key, "https://files.example.com", "us-east-1")
//	url, err := p.URL(time.Now(), "GET", "photos", "puppy.jpg", 15*time.Minute)
//
// A Verifier checks requests:
//
//	v := sign.NewVerifier(keys, sign.Options{Region: "us-east-1"})
//	result, err := v.Verify(request, time.Now())
//
// Package httpsign wraps a Verifier around any http.Handler.
//
// The package depends on the standard library alone, does no I/O of its own
// and has no clock: callers pass the time. Object keys are taken as bytes and
// never cleaned, so "//", "..", "+" and "%2F" sign and verify exactly.
//
// Rules come from the S3 API reference, "Authenticating Requests (AWS
// Signature Version 4)" and "Signing and authenticating REST requests (AWS
// signature version 2)", and from recordings of S3 where those are silent.
package sign
