package admin

import (
	"errors"
	"log/slog"
	"net/http"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
)

// noSuchEndpoint is the code for a path that is not the API's.
const noSuchEndpoint daypass.Code = "NoSuchEndpoint"

// noSuchRevocation is the code for a revocation that is not in force.
const noSuchRevocation daypass.Code = "NoSuchRevocation"

// malformedPolicy is the code of what CheckPolicy refuses.
const malformedPolicy daypass.Code = "MalformedPolicy"

// A fault is how the API answers a code.
type fault struct {
	code    daypass.Code
	status  int
	message string // where the error has none
}

// faults is the table of errors. A code that is not in it is InternalError.
func faults() []fault {
	return []fault{
		{daypass.AccessDenied, 403, "The admin API takes requests that are signed in the Authorization header, by an access key that may make them."},
		{daypass.AccessKeyAlreadyExists, 409, "There is an access key with this id already."},
		{daypass.BadDigest, 400, "The body does not match its signed digest."},
		{daypass.EntityTooLarge, 413, "The body is too large."},
		{daypass.IncompleteBody, 400, "The body ended early."},
		{daypass.InsufficientStorage, 507, "The server's disk is full."},
		{daypass.InternalError, 500, "An internal error occurred; the server's log tells more."},
		{daypass.InvalidAccessKeyID, 403, "There is no access key with this id."},
		{daypass.InvalidArgument, 400, "An argument is invalid."},
		{daypass.InvalidBucketName, 400, "The bucket name is invalid."},
		{daypass.InvalidRequest, 400, "The request is invalid."},
		{daypass.KeyTooLongError, 400, "The object key is too long."},
		{malformedPolicy, 400, "The policy document is malformed."},
		{daypass.MethodNotAllowed, 405, "The path does not take this method."},
		{daypass.NoSuchAccessKey, 404, "There is no access key with this id."},
		{daypass.NoSuchBucket, 404, "There is no such bucket."},
		{daypass.NoSuchPass, 404, "Nothing was seen of this pass: it was not used yet, or it ended long ago."},
		{noSuchRevocation, 404, "There is no revocation with this id."},
		{noSuchEndpoint, 404, "There is no such path in the admin API."},
		{daypass.NotImplemented, 501, "This is not implemented."},
		{daypass.RequestTimeout, 408, "The body came too slowly."},
		{daypass.ServiceUnavailable, 503, "The server cannot answer now."},
		{daypass.SlowDown, 503, "Too many requests."},
		{daypass.XAmzContentSHA256Mismatch, 400, "The body does not match its signed hash."},
	}
}

// faultOf returns how to answer err.
func faultOf(err error) fault {
	code := daypass.CodeOf(err)
	internal := fault{}
	for _, f := range faults() {
		if f.code == code {
			return f
		}
		if f.code == daypass.InternalError {
			internal = f
		}
	}
	var r *refusal
	if errors.As(err, &r) {
		return fault{code, 403, "The signature is refused."}
	}
	return internal
}

// levelOf returns how loud a refusal is: our failures, those who may not
// call, and callers' mistakes, which are their own business.
func levelOf(status int) slog.Level {
	switch {
	case status >= 500:
		return slog.LevelError
	case status == http.StatusForbidden:
		return slog.LevelWarn
	}
	return slog.LevelDebug
}

// refuse returns how an error is answered, and logs what the client is not
// told.
func (h *handler) refuse(r *http.Request, x *exchange, err error) answer {
	f := faultOf(err)
	if level := levelOf(f.status); level > slog.LevelDebug {
		h.Log.Log(r.Context(), level, "admin request refused", "code", f.code,
			"method", r.Method, "path", r.URL.Path, "request_id", x.id, "error", err)
	}
	body := client.ErrorBody{Code: f.code, Message: f.message, RequestID: x.id}
	var e *daypass.Error
	if errors.As(err, &e) && e.Message != "" && f.code == e.Code {
		body.Message = e.Message
	}
	x.err, x.told = err, &body
	return answer{f.status, body}
}
