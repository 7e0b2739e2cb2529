package daypass

import (
	"errors"
	"strings"
)

// A Code classifies an error by S3's name for it. Package s3 maps each code
// to its HTTP status and standard message; a code that is not in that table
// is answered as InternalError.
type Code string

// The codes that more than one package uses. Names and meanings are those of
// the S3 API reference, "Error responses".
const (
	AccessDenied              Code = "AccessDenied"
	BadDigest                 Code = "BadDigest"
	BucketAlreadyExists       Code = "BucketAlreadyExists"
	BucketAlreadyOwnedByYou   Code = "BucketAlreadyOwnedByYou"
	BucketNotEmpty            Code = "BucketNotEmpty"
	EntityTooLarge            Code = "EntityTooLarge"
	IncompleteBody            Code = "IncompleteBody"
	InternalError             Code = "InternalError"
	InvalidAccessKeyID        Code = "InvalidAccessKeyId"
	InvalidArgument           Code = "InvalidArgument"
	InvalidBucketName         Code = "InvalidBucketName"
	InvalidDigest             Code = "InvalidDigest"
	InvalidRange              Code = "InvalidRange"
	InvalidRequest            Code = "InvalidRequest"
	KeyTooLongError           Code = "KeyTooLongError"
	MalformedXML              Code = "MalformedXML"
	MethodNotAllowed          Code = "MethodNotAllowed"
	MissingContentLength      Code = "MissingContentLength"
	NoSuchBucket              Code = "NoSuchBucket"
	NoSuchKey                 Code = "NoSuchKey"
	NoSuchVersion             Code = "NoSuchVersion"
	NotImplemented            Code = "NotImplemented"
	NotModified               Code = "NotModified"
	PreconditionFailed        Code = "PreconditionFailed"
	RequestTimeout            Code = "RequestTimeout"
	ServiceUnavailable        Code = "ServiceUnavailable"
	SlowDown                  Code = "SlowDown"
	XAmzContentSHA256Mismatch Code = "XAmzContentSHA256Mismatch"
	NoSuchAccessKey           Code = "NoSuchAccessKey"        // admin API only
	AccessKeyAlreadyExists    Code = "AccessKeyAlreadyExists" // admin API only
	NoSuchPass                Code = "NoSuchPass"             // admin API only
	NoSuchLink                Code = "NoSuchLink"             // admin API only
	LinkAlreadyExists         Code = "LinkAlreadyExists"      // admin API only
	InsufficientStorage       Code = "InsufficientStorage"
)

// A Detail is one extra element of an error answer, such as
// <ArgumentName>max-keys</ArgumentName>.
type Detail struct {
	Name, Value string
}

// An Error is a refusal or failure with two faces: Code, Message and Details
// are what the client is told; Op and Err are the exact reason, for logs and
// explanations, and are never sent.
type Error struct {
	// Op is the operation that failed, such as "store.PutObject".
	Op string
	// Code classifies the error. Empty is InternalError.
	Code Code
	// Message is shown to the client; empty means the code's standard one.
	Message string
	// Details are extra elements of the answer, in order.
	Details []Detail
	// Err is the cause, if any.
	Err error
}

// Error returns operation, code, message and cause, for logs.
func (e *Error) Error() string {
	var parts []string
	for _, p := range []string{e.Op, string(e.Code), e.Message} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether target is an *Error with the same code, so that
// errors.Is(err, &daypass.Error{Code: daypass.NoSuchKey}) works.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && t.Op == "" && t.Message == "" && t.Err == nil
}

// CodeOf returns the code of the first *Error in err's chain, InternalError
// for any other error, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) && e.Code != "" {
		return e.Code
	}
	return InternalError
}
