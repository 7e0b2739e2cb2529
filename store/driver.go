package store

import (
	"context"
	"io"
	"time"

	"github.com/daypass/daypass"
)

// A Driver keeps buckets and objects. Its methods may be called concurrently.
// What it acknowledges is durable; what it refuses leaves no trace. Errors
// are *daypass.Error with the codes that each method names; any other error
// is a failure of the driver.
//
// A driver that cannot enforce something that it is asked for must refuse it
// (NotImplemented), never ignore it.
type Driver interface {
	// CreateBucket adds a bucket. BucketAlreadyExists.
	CreateBucket(ctx context.Context, b Bucket) error
	// Bucket returns a bucket. NoSuchBucket.
	Bucket(ctx context.Context, name string) (Bucket, error)
	// DeleteBucket removes a bucket without objects, versions and delete
	// markers; uploads under way end with it. NoSuchBucket, BucketNotEmpty.
	// No object that is acknowledged may be lost to it, however they race.
	DeleteBucket(ctx context.Context, name string) error
	// ListBuckets returns at most max buckets in order of name, whose names
	// begin with prefix and come after the given one.
	ListBuckets(ctx context.Context, prefix, after string, max int) ([]Bucket, error)

	// PutObject stores req.Body to its end under the given key, replacing
	// what was there, if req.Conditions hold at the moment of the commit. It
	// reads Body until io.EOF, then takes size, ETag and checksums from it;
	// on any error of Body nothing is stored. What Body returns is what is
	// kept; where it is encrypted it is longer than its size says. NoSuchBucket,
	// PreconditionFailed, NoSuchKey (If-Match without an object),
	// InsufficientStorage.
	PutObject(ctx context.Context, req *PutRequest) (*Object, error)
	// Object returns what is known of an object, or of the version that ref
	// names. NoSuchBucket, NoSuchKey, NoSuchVersion, MethodNotAllowed (ref
	// names a delete marker). Where a delete marker is the reason for
	// NoSuchKey or MethodNotAllowed, it is returned with the error.
	Object(ctx context.Context, ref daypass.ObjectRef) (*Object, error)
	// OpenObject returns an object and its body as they were at one instant;
	// the body stays readable until closed, even if the object is replaced
	// or deleted meanwhile. Parts of the object are filled in. The errors,
	// and what comes with them, are those of Object.
	OpenObject(ctx context.Context, ref daypass.ObjectRef) (*Object, Body, error)
	// DeleteObject removes an object if the conditions hold; removing what
	// is not there succeeds. Where the bucket keeps versions, it adds a
	// delete marker instead, unless ref names a version: that is removed for
	// ever, and the conditions look at it, and so does its lock at the moment
	// of the commit (Lock.CheckRemoval), and opts.Seen is compared with it
	// (CheckSeen). NoSuchBucket, PreconditionFailed,
	// NoSuchKey (If-Match without an object, which S3 answers in the same
	// way), AccessDenied (the version is locked).
	DeleteObject(ctx context.Context, ref daypass.ObjectRef, opts DeleteOptions) (Deleted, error)
	// ListObjects returns one page of a listing, in order of key bytes.
	// NoSuchBucket. Drivers with an ordered index use List.
	ListObjects(ctx context.Context, req ListRequest) (*ListPage, error)

	// Close releases the driver once all calls have returned.
	Close() error
}

// An Enclosing is a driver around another one. It implements all optional
// interfaces, and can do what the driver inside can.
type Enclosing interface {
	Driver
	// Inside returns that driver.
	Inside() Driver
}

// Can reports whether a driver can do what an optional interface is for.
func Can[T any](d Driver) bool {
	_, ok := capability[T](d)
	return ok
}

// capability returns the driver as one of the optional interfaces.
func capability[T any](d Driver) (T, bool) {
	found, ok := d.(T)
	if !ok {
		return found, false
	}
	if e, encloses := d.(Enclosing); encloses {
		_, ok = capability[T](e.Inside())
		return found, ok
	}
	return found, supports[T](d) == nil
}

// supports returns nil, or why a driver cannot do what an optional interface is
// for. NotImplemented.
func supports[T any](d Driver) error {
	if e, encloses := d.(Enclosing); encloses {
		return supports[T](e.Inside())
	}
	l, limited := d.(Limited)
	if !limited {
		return nil
	}
	switch any((*T)(nil)).(type) {
	case *Versioner:
		return l.Supports(FeatureVersions)
	case *Locker:
		return l.Supports(FeatureObjectLock)
	}
	return nil
}

// A Bucket is a container of objects.
type Bucket struct {
	Name string
	// ID is unique for every creation of a bucket, so that settings of a
	// deleted bucket never apply to a later one of the same name.
	ID string
	// Owner is the owner of the access key that created it.
	Owner string
	// Region is the region that the creator asked for.
	Region  string
	Created time.Time
	// Versioning is whether the bucket keeps versions.
	Versioning Versioning
	// ObjectLock is whether and how the bucket locks versions.
	ObjectLock ObjectLock
}

// A PutRequest is one object to be stored.
type PutRequest struct {
	Bucket, Key string
	Metadata    Metadata
	// Owner is the owner of the access key that writes.
	Owner string
	Tags  []Tag
	// ACL is opaque to the store; nil is none.
	ACL []byte
	// Lock is what the writer asks for; the bucket may have a default.
	Lock Lock
	// Body is the content. Size, ETag and checksums are taken from it after
	// it has returned io.EOF.
	Body *Upload
	// Conditions must hold for what is stored at the moment of the commit.
	Conditions WriteConditions
	// Time becomes the modification time of the object.
	Time time.Time
	// Sealing is what the caller asks for; Store makes Encryption of it and
	// encrypts Body before it calls the driver, which keeps Encryption.
	Sealing    Sealing
	Encryption *Encryption
}

// DeleteOptions say under which circumstances an object is removed.
type DeleteOptions struct {
	// Conditions must hold for what is removed at the moment of the commit.
	Conditions WriteConditions
	// Time is the present, by which retentions are judged.
	Time time.Time
	// BypassGovernance removes versions although a retention of mode
	// Governance holds. The caller has made sure that this is permitted.
	BypassGovernance bool
	// Seen is the version that is to be removed, or that a delete marker is
	// to take the place of, as the caller has seen it: if it is another now,
	// nothing is removed (CheckSeen). Nil asks for no more than the rest.
	Seen *Object
}

// An Object is what is known of one stored object.
type Object struct {
	Bucket, Key string
	// VersionID is empty where the bucket has never had versioning.
	VersionID string
	// Size is in bytes.
	Size int64
	// ETag is without quotes: the MD5 of the content in hexadecimal, or, under
	// SSEC, something of the same form.
	ETag string
	// ModTime is when the object was stored; headers show it to the second.
	ModTime time.Time
	// Owner is the owner of the access key that wrote the object.
	Owner    string
	Metadata Metadata
	// Checksums are those that were verified or computed while storing.
	Checksums []Checksum
	Tags      []Tag
	// ACL is opaque to the store; nil is none.
	ACL []byte
	// Lock is what keeps this version from being removed.
	Lock Lock
	// PartCount is the number of parts that a multipart upload was made of;
	// zero for an object that was uploaded whole.
	PartCount int
	// Parts are those parts, in order, with number, size and checksums. There
	// may be thousands, so only OpenObject fills them in.
	Parts []Part
	// UploadID is the multipart upload that made the object, if one did, or
	// what an UploadNamer calls it.
	UploadID string
	// Encryption is how the body is encrypted; nil is not at all.
	Encryption *Encryption
	// IsLatest says that this is the current version of its key.
	IsLatest bool
	// DeleteMarker says that this is no object but the mark of a deletion;
	// Size, ETag and what else describes content are empty.
	DeleteMarker bool
}

// Metadata is what the writer says about an object; it is kept and returned
// exactly as given.
type Metadata struct {
	ContentType        string
	CacheControl       string
	ContentDisposition string
	ContentEncoding    string
	ContentLanguage    string
	Expires            string
	// WebsiteRedirect is the value of x-amz-website-redirect-location.
	WebsiteRedirect string
	// StorageClass is empty for STANDARD.
	StorageClass string
	// User holds x-amz-meta-* by lower-case name without that prefix.
	User map[string]string
}

// A Checksum is one checksum of an object's content.
type Checksum struct {
	Algorithm ChecksumAlgorithm
	// Value is the checksum's bytes, in network order, in base64; a composite
	// one ends with "-" and the number of parts.
	Value string
	// Type is empty for a checksum over the whole content, Composite for one
	// over the checksums of parts.
	Type ChecksumType
}

// A Body is the open content of an object; that of a driver is as it was stored,
// encrypted where Object.Encryption says so.
type Body interface {
	// Range returns a reader over n bytes from offset off, which lie within
	// the object. It is an *io.LimitedReader over an *os.File where the
	// driver has one, or an io.WriterTo that copies from one such reader after
	// the other, so that copying it to a TCP connection need not pass the
	// bytes through user space. At most one Range is read at a time.
	Range(off, n int64) (io.Reader, error)
	io.Closer
}

// A ListRequest asks for one page of a bucket's keys.
type ListRequest struct {
	Bucket string
	// Prefix restricts the listing to keys that begin with it.
	Prefix string
	// Delimiter rolls all keys that contain it after the prefix up into one
	// common prefix, which ends with the delimiter's first occurrence.
	Delimiter string
	// After is the key after which the listing starts.
	After string
	// SkipAfter also leaves out the common prefix that After lies in or is,
	// as when a listing that ended with it goes on.
	SkipAfter bool
	// Max is the largest number of keys and common prefixes to return; zero
	// returns an empty page.
	Max int
}

// A ListPage is one page of a listing. Objects and CommonPrefixes are each in
// order of key bytes.
type ListPage struct {
	Objects        []*Object
	CommonPrefixes []string
	// Truncated says that there is more; then Next is the last key or common
	// prefix of this page: After (with SkipAfter) of the next.
	Truncated bool
	Next      string
}
