package store

import (
	"cmp"
	"context"

	"github.com/daypass/daypass"
)

// Versioning is whether a bucket keeps what is overwritten or deleted (S3
// User Guide, "Retaining multiple versions of objects").
type Versioning string

// The states of versioning. A bucket that has left VersioningOff never
// returns to it.
const (
	VersioningOff       Versioning = ""
	VersioningEnabled   Versioning = "Enabled"
	VersioningSuspended Versioning = "Suspended"
)

// NullVersion is the id of the version that is written while versioning is
// off or suspended. A key has at most one.
const NullVersion = "null"

// A Versioner is a driver that keeps versions.
type Versioner interface {
	// SetVersioning changes the versioning of a bucket. NoSuchBucket,
	// InvalidBucketState (object lock needs versions).
	SetVersioning(ctx context.Context, bucket string, v Versioning) error
	// ListVersions returns one page of all versions and delete markers, in
	// order of key bytes, the newest of a key first. NoSuchBucket.
	ListVersions(ctx context.Context, req VersionsRequest) (*VersionsPage, error)
}

// A VersionsRequest asks for one page of a bucket's versions.
type VersionsRequest struct {
	Bucket, Prefix, Delimiter string
	// KeyMarker is the key after which the listing starts; with VersionMarker,
	// it starts after that version of the key. A KeyMarker that is or lies in
	// a common prefix leaves that prefix out.
	KeyMarker, VersionMarker string
	// Max is the largest number of versions and common prefixes to return.
	Max int
}

// A VersionsPage is one page of a listing of versions.
type VersionsPage struct {
	// Versions are versions and delete markers. Object.IsLatest is set.
	Versions       []*Object
	CommonPrefixes []string
	// Truncated says that there is more; then NextKey and NextVersion are the
	// markers of the next page.
	Truncated            bool
	NextKey, NextVersion string
}

// Deleted is what came of a deletion.
type Deleted struct {
	// VersionID is the version that was removed, or the delete marker that
	// was added; empty where the bucket has never had versioning.
	VersionID string
	// DeleteMarker says that a delete marker was added or removed.
	DeleteMarker bool
}

// A Tag is one tag of an object.
type Tag struct{ Key, Value string }

// An Update changes what is kept beside an object's content.
type Update struct {
	// Tags and ACL replace those of the object where they are not nil.
	Tags *[]Tag
	ACL  *[]byte
}

// An Updater is a driver that changes tags and ACLs of stored objects.
type Updater interface {
	// UpdateObject changes an object, or the version that ref names, and
	// returns it. NoSuchBucket, NoSuchKey, NoSuchVersion, MethodNotAllowed
	// (a delete marker).
	UpdateObject(ctx context.Context, ref daypass.ObjectRef, u Update) (*Object, error)
}

// SetVersioning makes a bucket keep versions, or no longer keep new ones.
// NoSuchBucket, InvalidArgument (another state), InvalidBucketState (object
// lock needs versions), NotImplemented.
func (s *Store) SetVersioning(ctx context.Context, bucket string, v Versioning) error {
	const op = "store.SetVersioning"
	if err := existingBucketName(bucket); err != nil {
		return wrap(op, err)
	}
	if v != VersioningEnabled && v != VersioningSuspended {
		return wrap(op, invalidArgument("The versioning state is unknown.", "Status", string(v)))
	}
	d, err := optional[Versioner](s)
	if err != nil {
		return wrap(op, err)
	}
	return wrap(op, d.SetVersioning(ctx, bucket, v))
}

// ListVersions returns one page of versions and delete markers. In a bucket
// that has never had versioning every object is its own null version.
// NoSuchBucket, InvalidArgument, NotImplemented.
func (s *Store) ListVersions(ctx context.Context, req VersionsRequest) (*VersionsPage, error) {
	const op = "store.ListVersions"
	if err := existingBucketName(req.Bucket); err != nil {
		return nil, wrap(op, err)
	}
	if req.VersionMarker != "" && req.KeyMarker == "" {
		return nil, wrap(op, invalidArgument("A version-id marker cannot be specified without a key marker.",
			"version-id-marker", req.VersionMarker))
	}
	if err := validMax(req.Max); err != nil {
		return nil, wrap(op, err)
	}
	d, err := optional[Versioner](s)
	if err != nil {
		return nil, wrap(op, err)
	}
	page, err := d.ListVersions(ctx, req)
	return page, wrap(op, err)
}

// UpdateObject changes tags and ACL of an object, or of the version that ref
// names. KeyTooLongError, InvalidURI, NoSuchBucket, NoSuchKey, NoSuchVersion,
// MethodNotAllowed (a delete marker), NotImplemented.
func (s *Store) UpdateObject(ctx context.Context, ref daypass.ObjectRef, u Update) (*Object, error) {
	const op = "store.UpdateObject"
	if err := validRef(ref.Bucket, ref.Key); err != nil {
		return nil, wrap(op, err)
	}
	d, err := optional[Updater](s)
	if err != nil {
		return nil, wrap(op, err)
	}
	obj, err := d.UpdateObject(ctx, ref, u)
	return obj, wrap(op, err)
}

// A VersionCursor walks all versions of all keys of one bucket, in order of
// key bytes and the newest of a key first, as they were at one instant.
type VersionCursor interface {
	// SeekGE moves to the newest version of the first key at or after key
	// and reports whether there is one.
	SeekGE(key string) bool
	// SeekAfter moves to what comes after a version of a key, which need not
	// exist any longer.
	SeekAfter(key, version string) bool
	// Next moves to the next version and reports whether there is one.
	Next() bool
	// Key returns the key of the current position.
	Key() string
	// Version returns the version of the current position.
	Version() (*Object, error)
	// Err returns the error that ended the walk, if one did.
	Err() error
}

// ListVersions makes one page of a listing of versions. Like List, it seeks
// past each common prefix.
func ListVersions(c VersionCursor, req VersionsRequest) (*VersionsPage, error) {
	page := &VersionsPage{}
	if req.Max <= 0 {
		return page, nil
	}
	l := lister{cursor: c, grouping: grouping{req.Prefix, req.Delimiter}, max: req.Max}
	err := l.run(l.seekMarker(c, req.KeyMarker, req.VersionMarker), func() (string, error) {
		v, err := c.Version()
		if err != nil {
			return "", err
		}
		page.Versions = append(page.Versions, v)
		return cmp.Or(v.VersionID, NullVersion), nil
	})
	if err != nil {
		return nil, err
	}
	page.CommonPrefixes, page.Truncated = l.prefixes, l.truncated
	page.NextKey, page.NextVersion = l.next()
	return page, nil
}
