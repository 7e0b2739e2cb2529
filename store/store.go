package store

import (
	"context"
	"errors"
	"time"

	"github.com/daypass/daypass"
)

var errTODO = errors.New("not written yet")

// A Store is a portable object store over a driver.
type Store struct{ driver Driver }

// New returns a store over a driver. Close closes the driver.
func New(d Driver) *Store { return &Store{driver: d} }

// CreateBucket checks name and adds a bucket (ID and Created are filled in).
func (s *Store) CreateBucket(ctx context.Context, b Bucket, now time.Time) (Bucket, error) {
	return Bucket{}, errTODO
}

// Bucket returns a bucket.
func (s *Store) Bucket(ctx context.Context, name string) (Bucket, error) { return Bucket{}, errTODO }

// DeleteBucket removes an empty bucket.
func (s *Store) DeleteBucket(ctx context.Context, name string) error { return errTODO }

// ListBuckets lists buckets in order of name.
func (s *Store) ListBuckets(ctx context.Context, prefix, after string, max int) ([]Bucket, error) {
	return nil, errTODO
}

// PutObject stores an object. KeyTooLongError, PreconditionFailed and the errors of req.Body.
func (s *Store) PutObject(ctx context.Context, req *PutRequest) (*Object, error) {
	return nil, errTODO
}

// Object returns what is known of an object.
func (s *Store) Object(ctx context.Context, ref daypass.ObjectRef) (*Object, error) {
	return nil, errTODO
}

// OpenObject opens an object's body; the caller closes it.
func (s *Store) OpenObject(ctx context.Context, ref daypass.ObjectRef) (*Object, Body, error) {
	return nil, nil, errTODO
}

// DeleteObject removes an object.
func (s *Store) DeleteObject(ctx context.Context, ref daypass.ObjectRef, cond WriteConditions) error {
	return errTODO
}

// ListObjects returns one page of keys.
func (s *Store) ListObjects(ctx context.Context, req ListRequest) (*ListPage, error) {
	return nil, errTODO
}

// Close closes the driver.
func (s *Store) Close() error { return s.driver.Close() }
