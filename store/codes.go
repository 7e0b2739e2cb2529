package store

import (
	"fmt"

	"github.com/daypass/daypass"
)

// The codes of multipart uploads (S3 API reference, "Error responses").
const (
	EntityTooSmall   daypass.Code = "EntityTooSmall"
	InvalidPart      daypass.Code = "InvalidPart"
	InvalidPartOrder daypass.Code = "InvalidPartOrder"
	NoSuchUpload     daypass.Code = "NoSuchUpload"
)

// InvalidBucketState refuses what the versioning or the object lock of a bucket
// rules out.
const InvalidBucketState daypass.Code = "InvalidBucketState"

const invalidURI daypass.Code = "InvalidURI"

func invalidRequest(format string, args ...any) error {
	return &daypass.Error{Code: daypass.InvalidRequest, Message: fmt.Sprintf(format, args...)}
}

// invalidArgument refuses one argument of a request, by its name on the wire.
func invalidArgument(message, name, value string) error {
	return &daypass.Error{Code: daypass.InvalidArgument, Message: message, Details: []daypass.Detail{
		{Name: "ArgumentName", Value: name}, {Name: "ArgumentValue", Value: value},
	}}
}

// optional returns the driver as one of the optional interfaces.
// NotImplemented.
func optional[T any](s *Store) (T, error) {
	d, ok := capability[T](s.driver)
	if !ok {
		if err := supports[T](s.driver); err != nil {
			return d, err
		}
		return d, &daypass.Error{
			Code: daypass.NotImplemented,
			Err:  fmt.Errorf("the driver %T is no %T", s.driver, new(T)),
		}
	}
	return d, nil
}
