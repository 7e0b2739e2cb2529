package sign

import "strings"

// A Code is S3's name for the way in which a signature is refused.
type Code string

// The codes of this package's errors.
const (
	CodeAccessDenied          Code = "AccessDenied"
	CodeAuthHeaderMalformed   Code = "AuthorizationHeaderMalformed"
	CodeAuthQueryParameters   Code = "AuthorizationQueryParametersError"
	CodeExpiredToken          Code = "ExpiredToken"
	CodeIncompleteBody        Code = "IncompleteBody"
	CodeInvalidAccessKeyID    Code = "InvalidAccessKeyId"
	CodeInvalidArgument       Code = "InvalidArgument"
	CodeInvalidChunkSize      Code = "InvalidChunkSizeError"
	CodeInvalidPolicyDocument Code = "InvalidPolicyDocument"
	CodeInvalidRequest        Code = "InvalidRequest"
	CodeInvalidToken          Code = "InvalidToken"
	CodeInvalidURI            Code = "InvalidURI"
	CodeMalformedTrailer      Code = "MalformedTrailerError"
	CodeMissingSecurityHeader Code = "MissingSecurityHeader"
	CodeNotImplemented        Code = "NotImplemented"
	CodeRequestTimeTooSkewed  Code = "RequestTimeTooSkewed"
	CodeSignatureDoesNotMatch Code = "SignatureDoesNotMatch"
	CodeEntityTooLarge        Code = "EntityTooLarge"
	CodeEntityTooSmall        Code = "EntityTooSmall"
)

// Status returns the HTTP status with which S3 answers the code.
func (c Code) Status() int {
	switch c {
	case CodeAccessDenied, CodeInvalidAccessKeyID, CodeInvalidChunkSize, CodeRequestTimeTooSkewed, CodeSignatureDoesNotMatch:
		return 403
	case CodeNotImplemented:
		return 501
	}
	return 400
}

// A Detail is one extra element of S3's error body.
type Detail struct{ Name, Value string }

// An Error is a refusal, in S3's words.
type Error struct {
	Code    Code
	Message string
	// Details are the extra elements of S3's error body, in its order. They
	// echo what the client sent (its signature, for one), so they are meant
	// for that client and for nobody's log.
	Details []Detail
	// Reason tells an operator more than the client may know; it holds no
	// secret and no signature. It may be empty.
	Reason string
	// Err is the cause where a key source failed, else nil. Such an error is
	// not a refusal: Code is empty.
	Err error
}

// Error returns code, message and reason.
func (e *Error) Error() string {
	parts := make([]string, 0, 4)
	for _, p := range []string{string(e.Code), e.Message, e.Reason} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return "sign: " + strings.Join(parts, ": ")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

func newError(code Code, message string, details ...Detail) *Error {
	return &Error{Code: code, Message: message, Details: details}
}
