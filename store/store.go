package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/daypass/daypass"
)

// A Store is a portable object store over a driver. Its errors are
// *daypass.Error that name the operation.
type Store struct {
	driver Driver
	rand   io.Reader
	// wrapping is nil where SSES3 is not possible.
	wrapping WrappingKeys
	intake   *intake
}

// An Option changes how a Store works.
type Option func(*Store)

// WithRand makes the store take bucket ids from r, which must be safe for
// concurrent use. The default is crypto/rand.Reader.
func WithRand(r io.Reader) Option { return func(s *Store) { s.rand = r } }

// New returns a store over a driver. Close closes the driver.
func New(d Driver, opts ...Option) *Store {
	s := &Store{driver: d, rand: rand.Reader, intake: newIntake()}
	for _, opt := range opts {
		opt(s)
	}
	return s
}

// CreateBucket checks the name and adds a bucket; ID and Created are filled
// in, and a bucket with object lock keeps versions. InvalidBucketName,
// BucketAlreadyExists, InvalidArgument (default retention), NotImplemented.
func (s *Store) CreateBucket(ctx context.Context, b Bucket, now time.Time) (Bucket, error) {
	const op = "store.CreateBucket"
	if err := ValidBucketName(b.Name); err != nil {
		return Bucket{}, wrap(op, err)
	}
	if b.ObjectLock.Enabled {
		if _, err := optional[Locker](s); err != nil {
			return Bucket{}, wrap(op, err)
		}
		b.Versioning = VersioningEnabled
	}
	if err := b.ObjectLock.Default.validate(); err != nil {
		return Bucket{}, wrap(op, err)
	}
	var id [16]byte
	if _, err := io.ReadFull(s.rand, id[:]); err != nil {
		return Bucket{}, wrap(op, err)
	}
	b.ID, b.Created = hex.EncodeToString(id[:]), now
	if err := s.driver.CreateBucket(ctx, b); err != nil {
		return Bucket{}, wrap(op, err)
	}
	return b, nil
}

// Bucket returns a bucket. NoSuchBucket.
func (s *Store) Bucket(ctx context.Context, name string) (Bucket, error) {
	const op = "store.Bucket"
	if err := existingBucketName(name); err != nil {
		return Bucket{}, wrap(op, err)
	}
	b, err := s.driver.Bucket(ctx, name)
	return b, wrap(op, err)
}

// DeleteBucket removes a bucket without objects, versions and delete markers;
// uploads under way end with it. NoSuchBucket, BucketNotEmpty.
func (s *Store) DeleteBucket(ctx context.Context, name string) error {
	const op = "store.DeleteBucket"
	if err := existingBucketName(name); err != nil {
		return wrap(op, err)
	}
	return wrap(op, s.driver.DeleteBucket(ctx, name))
}

// ListBuckets returns at most max buckets in order of name, whose names begin
// with prefix and come after the given one.
func (s *Store) ListBuckets(ctx context.Context, prefix, after string, max int) ([]Bucket, error) {
	if max <= 0 {
		return nil, nil
	}
	bs, err := s.driver.ListBuckets(ctx, prefix, after, max)
	return bs, wrap("store.ListBuckets", err)
}

// PutObject stores an object, encrypted as req.Sealing asks for. A zero Time is
// the present. KeyTooLongError, InvalidURI, NotImplemented, NoSuchBucket, PreconditionFailed, NoSuchKey (If-Match without an
// object), InsufficientStorage, for a lock InvalidArgument, InvalidRequest (the
// bucket has no object lock) and NotImplemented, and the errors of req.Body.
func (s *Store) PutObject(ctx context.Context, req *PutRequest) (*Object, error) {
	const op = "store.PutObject"
	if err := validRef(req.Bucket, req.Key); err != nil {
		return nil, wrap(op, err)
	}
	if req.Body == nil {
		return nil, wrap(op, errors.New("a put without a body"))
	}
	if err := s.checkLock(req.Lock); err != nil {
		return nil, wrap(op, err)
	}
	req.Body.intake = s.intake
	timed := *req
	timed.Time = orNow(req.Time)
	obj, err := s.putObject(ctx, &timed)
	return obj, wrap(op, err)
}

// putObject encrypts what is to be encrypted and stores it.
func (s *Store) putObject(ctx context.Context, req *PutRequest) (*Object, error) {
	if err := s.sealPut(ctx, req); err != nil {
		return nil, err
	}
	return s.driver.PutObject(ctx, req)
}

// Object returns what is known of an object, or of the version that ref names.
// KeyTooLongError, InvalidURI, NoSuchBucket, NoSuchKey, NoSuchVersion,
// MethodNotAllowed (ref names a delete marker). Where a delete marker is the
// reason for NoSuchKey or MethodNotAllowed, it is returned with the error.
func (s *Store) Object(ctx context.Context, ref daypass.ObjectRef) (*Object, error) {
	const op = "store.Object"
	if err := validRef(ref.Bucket, ref.Key); err != nil {
		return nil, wrap(op, err)
	}
	obj, err := s.driver.Object(ctx, ref)
	return obj, wrap(op, err)
}

// OpenObject opens an object's body; the caller closes it. The errors, and what
// comes with them, are those of Object; an object under SSEC is InvalidRequest.
func (s *Store) OpenObject(ctx context.Context, ref daypass.ObjectRef) (*Object, Body, error) {
	return s.OpenWithKey(ctx, ref, nil)
}

// OpenWithKey is OpenObject for a request that brings a customer's key, nil for
// none; its errors are also those of CheckKey.
func (s *Store) OpenWithKey(ctx context.Context, ref daypass.ObjectRef, customer *Key) (*Object, Body, error) {
	const op = "store.OpenObject"
	if err := validRef(ref.Bucket, ref.Key); err != nil {
		return nil, nil, wrap(op, err)
	}
	obj, body, err := s.driver.OpenObject(ctx, ref)
	if err != nil {
		return obj, nil, wrap(op, err)
	}
	body, err = s.unseal(obj, body, customer)
	return obj, body, wrap(op, err)
}

// DeleteObject removes an object, or the version that ref names, or adds a
// delete marker. A zero Time is the present. KeyTooLongError, InvalidURI,
// NoSuchBucket, PreconditionFailed, NoSuchKey (If-Match without an object),
// AccessDenied (the version is locked).
func (s *Store) DeleteObject(ctx context.Context, ref daypass.ObjectRef, opts DeleteOptions) (Deleted, error) {
	const op = "store.DeleteObject"
	if err := validRef(ref.Bucket, ref.Key); err != nil {
		return Deleted{}, wrap(op, err)
	}
	opts.Time = orNow(opts.Time)
	deleted, err := s.driver.DeleteObject(ctx, ref, opts)
	return deleted, wrap(op, err)
}

// ListObjects returns one page of keys. NoSuchBucket, InvalidArgument.
func (s *Store) ListObjects(ctx context.Context, req ListRequest) (*ListPage, error) {
	const op = "store.ListObjects"
	if err := existingBucketName(req.Bucket); err != nil {
		return nil, wrap(op, err)
	}
	if err := validMax(req.Max); err != nil {
		return nil, wrap(op, err)
	}
	page, err := s.driver.ListObjects(ctx, req)
	return page, wrap(op, err)
}

func orNow(t time.Time) time.Time {
	if t.IsZero() {
		return time.Now()
	}
	return t
}

// Close closes the driver.
func (s *Store) Close() error { return s.driver.Close() }

// existingBucketName keeps names that no bucket can have away from the
// drivers, one of which may make paths of them.
func existingBucketName(name string) error {
	if err := ValidBucketName(name); err != nil {
		return &daypass.Error{
			Code:    daypass.NoSuchBucket,
			Details: []daypass.Detail{{Name: "BucketName", Value: name}},
			Err:     err,
		}
	}
	return nil
}

func validMax(n int) error {
	if n < 0 {
		return &daypass.Error{Code: daypass.InvalidArgument, Err: fmt.Errorf("a page of %d", n)}
	}
	return nil
}

func validRef(bucket, key string) error {
	if err := existingBucketName(bucket); err != nil {
		return err
	}
	return ValidKey(key)
}

// wrap adds the operation to an error and keeps its code and what the client
// is told.
func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	var e *daypass.Error
	switch {
	case !errors.As(err, &e):
		return &daypass.Error{Op: op, Code: daypass.InternalError, Err: err}
	case err == error(e) && e.Op == "":
		named := *e
		named.Op = op
		return &named
	}
	return &daypass.Error{Op: op, Code: e.Code, Message: e.Message, Details: e.Details, Err: err}
}
