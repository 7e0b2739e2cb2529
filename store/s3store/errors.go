package s3store

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// upstreamCodes are the upstream's codes that mean the same to a client of
// Daypass. All others are failures of this node or its upstream: a client can
// do nothing about, and learns nothing of, the credentials and buckets there.
func upstreamCode(code string) (daypass.Code, bool) {
	switch c := daypass.Code(code); c {
	case daypass.BadDigest, daypass.BucketAlreadyExists, daypass.BucketAlreadyOwnedByYou, daypass.BucketNotEmpty,
		daypass.EntityTooLarge, daypass.InvalidBucketName, daypass.InvalidDigest, daypass.InvalidRange,
		daypass.KeyTooLongError, daypass.MethodNotAllowed, daypass.NoSuchBucket, daypass.NoSuchKey, daypass.NoSuchVersion,
		daypass.NotImplemented, daypass.NotModified, daypass.PreconditionFailed, daypass.SlowDown,
		daypass.ServiceUnavailable, daypass.InvalidRequest,
		store.EntityTooSmall, store.InvalidPart, store.InvalidPartOrder, store.NoSuchUpload, store.InvalidBucketState,
		"InvalidTag", "ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration", "NoSuchTagSet",
		"OperationAborted", "MetadataTooLarge", "InvalidPartNumber":
		return c, true
	}
	switch code {
	case "QuotaExceeded": // Ceph
		return daypass.InsufficientStorage, true
	case conditionalConflict:
		return "OperationAborted", true
	case "RequestTimeout", "Throttling", "ThrottlingException", "TooManyRequestsException", "RequestLimitExceeded":
		return daypass.SlowDown, true
	}
	return "", false
}

// fail returns an error of the client as *daypass.Error: with the upstream's
// code where that means the same to a client of Daypass, ServiceUnavailable
// where the upstream was not reached, missed a deadline or is out of order,
// and InternalError otherwise, as when it refuses the node's own credentials.
// An error of a request's own body keeps its code. The cause is kept for logs;
// what a client is told never names the upstream. nil stays nil.
func (d *Driver) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	op = "s3store." + op
	var own *daypass.Error
	if errors.As(err, &own) {
		return err
	}
	if gaveUp := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded); gaveUp && !missed(err) {
		return &daypass.Error{Op: op, Code: daypass.ServiceUnavailable, Err: fmt.Errorf("the request was given up: %w", err)}
	}
	if code, ok := upstreamCode(codeOf(err)); ok {
		return &daypass.Error{Op: op, Code: code, Err: err}
	}
	return &daypass.Error{Op: op, Code: statusCode(err), Err: err}
}

// missed reports whether a deadline of this package ended a request.
func missed(err error) bool { return errors.Is(err, errNoAnswer) || errors.Is(err, errNoProgress) }

// statusCode returns the code of an error that has none that clients know.
// Answers to HEAD have no body, and so no code but that of their status.
func statusCode(err error) daypass.Code {
	var unavailable *unavailableError
	switch status := statusOf(err); {
	case errors.As(err, &unavailable), missed(err), failed(err), isLostRace(err), errors.Is(err, errBrokeOff):
		return daypass.ServiceUnavailable
	case status == http.StatusNotFound:
		return daypass.NoSuchKey
	case status == http.StatusNotModified:
		return daypass.NotModified
	case status == http.StatusPreconditionFailed:
		return daypass.PreconditionFailed
	case status == http.StatusRequestedRangeNotSatisfiable:
		return daypass.InvalidRange
	case status == http.StatusConflict:
		return "OperationAborted"
	case status == http.StatusMethodNotAllowed:
		return daypass.MethodNotAllowed
	case status == http.StatusTooManyRequests:
		return daypass.SlowDown
	case status == http.StatusNotImplemented:
		return daypass.NotImplemented
	}
	return daypass.InternalError
}

// isMissing reports whether the upstream said that something is not there.
func isMissing(err error) bool { return statusOf(err) == http.StatusNotFound }

// isOwned reports whether the upstream said that a bucket is there already.
func isOwned(err error) bool {
	code := codeOf(err)
	return code == string(daypass.BucketAlreadyOwnedByYou) || code == string(daypass.BucketAlreadyExists)
}
