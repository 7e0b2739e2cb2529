package store

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"
)

// Limits of multipart uploads (S3 User Guide, "Amazon S3 multipart upload
// limits"), sizes in bytes.
const (
	MaxParts    = 10000
	MinPartSize = 5 << 20
	MaxPartSize = 5 << 30
)

// A ChecksumType is how the checksum of a multipart object is made.
type ChecksumType string

// The types, by the names of the S3 API.
const (
	// FullObject is a checksum over the whole content.
	FullObject ChecksumType = "FULL_OBJECT"
	// Composite is a checksum over the checksums of the parts, with "-N".
	Composite ChecksumType = "COMPOSITE"
)

// A Multiparter is a driver that takes objects in parts.
type Multiparter interface {
	// CreateUpload begins an upload; ID is filled in. NoSuchBucket,
	// InvalidRequest (a lock where the bucket has no object lock).
	CreateUpload(ctx context.Context, u *MultipartUpload) (*MultipartUpload, error)
	// MultipartUpload returns an upload that is under way. NoSuchUpload.
	MultipartUpload(ctx context.Context, bucket, key, id string) (*MultipartUpload, error)
	// PutPart stores req.Body as a part, replacing one with that number.
	// It keeps req.Salt with the part. NoSuchUpload and the errors of Body.
	PutPart(ctx context.Context, req *PartRequest) (*Part, error)
	// Parts returns at most max parts in order of number, whose numbers come
	// after the given one. NoSuchUpload.
	Parts(ctx context.Context, bucket, key, id string, after, max int) ([]Part, error)
	// ListUploads returns one page of the uploads under way, in order of key
	// bytes and then of their beginning. NoSuchBucket.
	ListUploads(ctx context.Context, req UploadsRequest) (*UploadsPage, error)
	// CompleteUpload makes an object of the parts, whose order, sizes and
	// sums the caller has checked, without copying bytes. Parts that are not
	// named are removed. A part that is not the one that the caller has seen
	// any more is InvalidPart (InvalidPartError). The object keeps the
	// upload's ID. NoSuchUpload, PreconditionFailed, NoSuchKey.
	CompleteUpload(ctx context.Context, req *CompleteRequest) (*Object, error)
	// AbortUpload removes an upload and its parts. NoSuchUpload.
	AbortUpload(ctx context.Context, bucket, key, id string) error
}

// An UploadNamer is a driver whose objects know less of the upload that made
// them than its ID.
type UploadNamer interface {
	// UploadName returns what Object.UploadID is for the object that an upload
	// makes, empty for an ID that no upload has.
	UploadName(uploadID string) string
}

// A MultipartUpload is an upload in parts.
type MultipartUpload struct {
	Bucket, Key, ID string
	Metadata        Metadata
	Owner           string
	Tags            []Tag
	ACL             []byte
	// Lock is that of the object to be; a default of the bucket is added when
	// the upload is completed.
	Lock      Lock
	Initiated time.Time
	// Checksum is the algorithm that every part has a checksum of; empty
	// where the client chose none: then CRC64NVME of the full object.
	Checksum     ChecksumAlgorithm
	ChecksumType ChecksumType
	// Sealing is what the caller asks for; Store makes Encryption of it, which
	// the driver keeps for the object to be.
	Sealing    Sealing
	Encryption *Encryption
}

// A PartRequest is one part to be stored.
type PartRequest struct {
	Bucket, Key, UploadID string
	// Number is from 1 to MaxParts.
	Number int
	Body   *Upload
	Time   time.Time
	// CustomerKey is the key of an upload under SSEC, nil for others.
	CustomerKey *Key
	// Salt is what the key of an encrypted part is made with; Store fills it
	// in.
	Salt []byte
}

// A Part is one part of an upload or of a completed object.
type Part struct {
	Number int
	// Size is in bytes.
	Size int64
	// ETag is the MD5 of the part in hexadecimal, without quotes, or, under
	// SSEC, something of the same form.
	ETag      string
	ModTime   time.Time
	Checksums []Checksum
	// Salt is opaque to drivers; nil where the part is not encrypted.
	Salt []byte
	// Encryption is that of the upload; only PutPart and CopyPart of Store
	// fill it in.
	Encryption *Encryption
}

// A CompletedPart is a part as the client names it when it completes an
// upload.
type CompletedPart struct {
	Number int
	// ETag is without quotes.
	ETag string
	// Checksums are those that the client names; they must be the part's.
	Checksums []Checksum
}

// A CompleteRequest completes an upload.
type CompleteRequest struct {
	Bucket, Key, UploadID string
	Parts                 []CompletedPart
	Conditions            WriteConditions
	Time                  time.Time
	// Size is the size in bytes that the object must have; negative where the
	// client did not say.
	Size int64
	// Expected is the checksum that the client expects of the object, its
	// Value empty where it did not say.
	Expected Checksum

	// CustomerKey is the key of an upload under SSEC, which a completion need
	// not bring.
	CustomerKey *Key

	// ETag and Checksums are those of the object; Store fills them in before
	// it calls the driver.
	ETag      string
	Checksums []Checksum
}

// An UploadsRequest asks for one page of a bucket's uploads.
type UploadsRequest struct {
	Bucket, Prefix, Delimiter string
	// KeyMarker and UploadIDMarker are where the page before ended.
	KeyMarker, UploadIDMarker string
	Max                       int
}

// An UploadsPage is one page of a listing of uploads.
type UploadsPage struct {
	Uploads        []*MultipartUpload
	CommonPrefixes []string
	// Truncated says that there is more; then NextKey and NextUploadID are
	// the markers of the next page.
	Truncated             bool
	NextKey, NextUploadID string
}

// Sum returns how the checksum of the object is made: the algorithm that every
// part has a checksum of, and the type. Where the client did not choose, it is
// CRC64NVME of the full object; a CRC that it chose without a type is
// composite, like the SHAs. (S3 User Guide, "Checking object integrity".)
func (u *MultipartUpload) Sum() (ChecksumAlgorithm, ChecksumType) {
	switch {
	case u.Checksum == "", u.Checksum == CRC64NVME:
		return CRC64NVME, FullObject
	case u.ChecksumType == "":
		return u.Checksum, Composite
	}
	return u.Checksum, u.ChecksumType
}

// CreateUpload begins an upload; ID is filled in. A zero Initiated is the
// present. KeyTooLongError, InvalidURI, NoSuchBucket, InvalidRequest
// (checksum, or a lock where the bucket has no object lock), InvalidArgument
// (lock), NotImplemented.
func (s *Store) CreateUpload(ctx context.Context, u *MultipartUpload) (*MultipartUpload, error) {
	const op = "store.CreateUpload"
	if err := validRef(u.Bucket, u.Key); err != nil {
		return nil, wrap(op, err)
	}
	if err := validChecksumType(u.Checksum, u.ChecksumType); err != nil {
		return nil, wrap(op, err)
	}
	if err := s.checkLock(u.Lock); err != nil {
		return nil, wrap(op, err)
	}
	d, err := optional[Multiparter](s)
	if err != nil {
		return nil, wrap(op, err)
	}
	timed := *u
	timed.Initiated = orNow(u.Initiated)
	if timed.Encryption, _, err = s.newEncryption(ctx, u.Bucket, u.Key, u.Sealing); err != nil {
		return nil, wrap(op, err)
	}
	timed.Sealing = Sealing{}
	made, err := d.CreateUpload(ctx, &timed)
	return made, wrap(op, err)
}

// validChecksumType refuses the types that an algorithm does not have.
func validChecksumType(a ChecksumAlgorithm, t ChecksumType) error {
	_, combines := crcFields[a]
	switch {
	case a == "" && t != "":
		return invalidRequest("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
	case a != "" && !a.Known():
		return invalidRequest("Checksum algorithm provided is unsupported.")
	case t != "" && t != FullObject && t != Composite:
		return invalidRequest("Value for x-amz-checksum-type header is invalid.")
	case t == FullObject && !combines, t == Composite && a == CRC64NVME:
		return invalidRequest("The %s checksum type cannot be used with the %s checksum algorithm.",
			t, strings.ToLower(string(a)))
	}
	return nil
}

// MultipartUpload returns an upload that is under way. NoSuchUpload,
// NoSuchBucket, NotImplemented.
func (s *Store) MultipartUpload(ctx context.Context, bucket, key, id string) (*MultipartUpload, error) {
	const op = "store.MultipartUpload"
	d, err := s.multiparter(bucket, key)
	if err != nil {
		return nil, wrap(op, err)
	}
	u, err := d.MultipartUpload(ctx, bucket, key, id)
	return u, wrap(op, err)
}

// multiparter returns the driver for a request about one key.
func (s *Store) multiparter(bucket, key string) (Multiparter, error) {
	if err := validRef(bucket, key); err != nil {
		return nil, err
	}
	return optional[Multiparter](s)
}

// PutPart stores a part, replacing one with that number. Where the client
// chose no algorithm for the body, it is that of the upload. A zero Time is
// the present. NoSuchUpload, InvalidArgument (part number), InvalidRequest
// (another checksum or customer's key than the upload's), NoSuchBucket, InsufficientStorage,
// NotImplemented and the errors of Body.
func (s *Store) PutPart(ctx context.Context, req *PartRequest) (*Part, error) {
	const op = "store.PutPart"
	if req.Body == nil {
		return nil, wrap(op, errors.New("a part without a body"))
	}
	d, upload, err := s.upload(ctx, req.Bucket, req.Key, req.UploadID, req.Number)
	if err != nil {
		return nil, wrap(op, err)
	}
	if err := req.Body.sumFor(upload); err != nil {
		return nil, wrap(op, err)
	}
	req.Body.intake = s.intake
	timed := *req
	timed.Time = orNow(req.Time)
	if err := s.sealPart(&timed, upload); err != nil {
		return nil, wrap(op, err)
	}
	p, err := d.PutPart(ctx, &timed)
	return p.of(upload), wrap(op, err)
}

// of returns the part as one of an upload.
func (p *Part) of(u *MultipartUpload) *Part {
	if p != nil {
		p.Encryption = u.Encryption
	}
	return p
}

// upload returns the driver and the upload for a request about one part.
func (s *Store) upload(ctx context.Context, bucket, key, id string, number int) (Multiparter, *MultipartUpload, error) {
	d, err := s.multiparter(bucket, key)
	if err != nil {
		return nil, nil, err
	}
	if err := validPartNumber(number); err != nil {
		return nil, nil, err
	}
	u, err := d.MultipartUpload(ctx, bucket, key, id)
	return d, u, err
}

func validPartNumber(n int) error {
	if n < 1 || n > MaxParts {
		return invalidArgument("Part number must be an integer between 1 and 10000, inclusive",
			"partNumber", strconv.Itoa(n))
	}
	return nil
}

// Parts returns at most max parts in order of number, whose numbers come after
// the given one. NoSuchUpload, NoSuchBucket, NotImplemented.
func (s *Store) Parts(ctx context.Context, bucket, key, id string, after, max int) ([]Part, error) {
	const op = "store.Parts"
	d, err := s.multiparter(bucket, key)
	if err != nil {
		return nil, wrap(op, err)
	}
	parts, err := d.Parts(ctx, bucket, key, id, after, max)
	return parts, wrap(op, err)
}

// AbortUpload removes an upload and its parts. NoSuchUpload, NoSuchBucket,
// NotImplemented.
func (s *Store) AbortUpload(ctx context.Context, bucket, key, id string) error {
	const op = "store.AbortUpload"
	d, err := s.multiparter(bucket, key)
	if err != nil {
		return wrap(op, err)
	}
	return wrap(op, d.AbortUpload(ctx, bucket, key, id))
}

// ListUploads returns one page of the uploads under way. NoSuchBucket,
// InvalidArgument, NotImplemented.
func (s *Store) ListUploads(ctx context.Context, req UploadsRequest) (*UploadsPage, error) {
	const op = "store.ListUploads"
	if err := existingBucketName(req.Bucket); err != nil {
		return nil, wrap(op, err)
	}
	if err := validMax(req.Max); err != nil {
		return nil, wrap(op, err)
	}
	d, err := optional[Multiparter](s)
	if err != nil {
		return nil, wrap(op, err)
	}
	if req.KeyMarker == "" {
		req.UploadIDMarker = "" // which S3 ignores then
	}
	page, err := d.ListUploads(ctx, req)
	return page, wrap(op, err)
}

// An UploadCursor walks the uploads under way of one bucket, in order of key
// bytes and then of their beginning, as they were at one instant.
type UploadCursor interface {
	// SeekGE moves to the first upload of the first key at or after key and
	// reports whether there is one.
	SeekGE(key string) bool
	// SeekAfter moves to what comes after an upload of a key, which need not
	// be under way any longer.
	SeekAfter(key, id string) bool
	// Next moves to the next upload and reports whether there is one.
	Next() bool
	// Key returns the key of the current position.
	Key() string
	// Upload returns the upload of the current position.
	Upload() (*MultipartUpload, error)
	// Err returns the error that ended the walk, if one did.
	Err() error
}

// ListUploads makes one page of a listing of uploads. Like List, it seeks past
// each common prefix.
func ListUploads(c UploadCursor, req UploadsRequest) (*UploadsPage, error) {
	page := &UploadsPage{}
	if req.Max <= 0 {
		return page, nil
	}
	l := lister{cursor: c, grouping: grouping{req.Prefix, req.Delimiter}, max: req.Max}
	err := l.run(l.seekMarker(c, req.KeyMarker, req.UploadIDMarker), func() (string, error) {
		u, err := c.Upload()
		if err != nil {
			return "", err
		}
		page.Uploads = append(page.Uploads, u)
		return u.ID, nil
	})
	if err != nil {
		return nil, err
	}
	page.CommonPrefixes, page.Truncated = l.prefixes, l.truncated
	page.NextKey, page.NextUploadID = l.next()
	return page, nil
}
