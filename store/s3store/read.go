package s3store

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// describeHead returns what the answer to a HEAD says.
func describeHead(out *s3.HeadObjectOutput) *described {
	return &described{
		ETag: out.ETag, VersionID: out.VersionId, Size: sizeOf(out.ContentLength), Modified: out.LastModified,
		TagCount: out.TagCount, StorageClass: string(out.StorageClass),
		Sums: upstreamSums{
			out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumCRC64NVME, out.ChecksumSHA1, out.ChecksumSHA256, string(out.ChecksumType),
		},
		Retention: string(out.ObjectLockMode), RetainUntil: out.ObjectLockRetainUntilDate, LegalHold: string(out.ObjectLockLegalHoldStatus),
		sent: sent{
			ContentType: out.ContentType, CacheControl: out.CacheControl, ContentDisposition: out.ContentDisposition,
			ContentEncoding: out.ContentEncoding, ContentLanguage: out.ContentLanguage,
			WebsiteRedirectLocation: out.WebsiteRedirectLocation, Metadata: out.Metadata,
		},
		expires: out.ExpiresString,
	}
}

// describeGet returns what the answer to a GET says. The size of the object is
// in Content-Range, where that is there.
func describeGet(out *s3.GetObjectOutput) *described {
	return &described{
		ETag: out.ETag, VersionID: out.VersionId, Size: sizeOf(out.ContentLength), Modified: out.LastModified,
		TagCount: out.TagCount, StorageClass: string(out.StorageClass),
		Sums: upstreamSums{
			out.ChecksumCRC32, out.ChecksumCRC32C, out.ChecksumCRC64NVME, out.ChecksumSHA1, out.ChecksumSHA256, string(out.ChecksumType),
		},
		Retention: string(out.ObjectLockMode), RetainUntil: out.ObjectLockRetainUntilDate, LegalHold: string(out.ObjectLockLegalHoldStatus),
		sent: sent{
			ContentType: out.ContentType, CacheControl: out.CacheControl, ContentDisposition: out.ContentDisposition,
			ContentEncoding: out.ContentEncoding, ContentLanguage: out.ContentLanguage,
			WebsiteRedirectLocation: out.WebsiteRedirectLocation, Metadata: out.Metadata,
		},
		expires: out.ExpiresString,
	}
}

// sizeOf returns the size that an answer tells, -1 for none.
func sizeOf(length *int64) int64 {
	if length == nil {
		return -1
	}
	return *length
}

// What an answer lacks that is not one of S3, but of something before it.
var (
	errNoETag = errors.New("s3store: the upstream tells no ETag: what answers is not S3, or a proxy takes it away")
	errNoSize = errors.New("s3store: the upstream tells no size: a proxy before it compresses or splits bodies")
)

// check refuses an answer without which an object would be told from others, or
// its end from a break, by nothing.
func (s *described) check() error {
	switch {
	case s.Size < 0:
		return errNoSize
	case unquote(s.ETag) == "":
		return errNoETag
	}
	return nil
}

// object returns what is known of an object from what the upstream says of it.
// Tags are read where there are any.
func (d *Driver) object(ctx context.Context, h hold, ref daypass.ObjectRef, s *described) (*store.Object, error) {
	if err := s.check(); err != nil {
		return nil, d.fail("read an object", err)
	}
	meta, e := decodeMeta(s)
	obj := &store.Object{
		Bucket: ref.Bucket, Key: ref.Key, VersionID: d.versionID(h, ref, s.VersionID), Size: s.Size, ETag: unquote(s.ETag),
		ModTime: modTime(s.Modified), Owner: e.Owner, Metadata: meta, Checksums: e.sums(), ACL: e.ACL, UploadID: e.Upload,
		IsLatest: ref.VersionID == "", PartCount: partCount(unquote(s.ETag)),
	}
	if len(obj.Checksums) == 0 {
		obj.Checksums = s.Sums.list()
	}
	if s.Retention != "" && s.RetainUntil != nil {
		obj.Lock.Retention = store.Retention{Mode: store.RetentionMode(s.Retention), Until: s.RetainUntil.UTC()}
	}
	obj.Lock.LegalHold = store.LegalHold(s.LegalHold)
	if d.can.TaggingCount && aws.ToInt32(s.TagCount) == 0 {
		return obj, nil
	}
	var err error
	obj.Tags, err = d.readTags(ctx, ref, aws.ToString(s.VersionID))
	return obj, err
}

// versionID returns the id of the version that was found.
func (d *Driver) versionID(h hold, ref daypass.ObjectRef, told *string) string {
	switch {
	case h.versioning == store.VersioningOff:
		return ""
	case aws.ToString(told) != "":
		return *told
	case ref.VersionID != "":
		return ref.VersionID
	}
	return store.NullVersion
}

func modTime(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC().Truncate(time.Second)
}

// partCount returns the number of parts that the ETag of a multipart object ends
// with.
func partCount(etag string) int {
	_, digits, ok := strings.Cut(etag, "-")
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n < 0 || n > store.MaxParts {
		return 0
	}
	return n
}

// unquote returns an ETag without quotes.
func unquote(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }

// upstreamVersion returns the version to ask the upstream for, nil for the
// current one. NoSuchVersion.
func (d *Driver) upstreamVersion(ref daypass.ObjectRef) (*string, error) {
	if d.names.bucket == "" || ref.VersionID == "" {
		return str(ref.VersionID), nil
	}
	if ref.VersionID == store.NullVersion {
		return nil, nil
	}
	return nil, noSuchVersion(ref)
}

func noSuchVersion(ref daypass.ObjectRef) error {
	return &daypass.Error{Code: daypass.NoSuchVersion, Details: []daypass.Detail{
		{Name: "Key", Value: ref.Key}, {Name: "VersionId", Value: ref.VersionID},
	}}
}

// found is a place where an object was looked for.
type found struct {
	hold
	place
	version *string
}

// find returns where in the upstream an object is to be looked for. NoSuchBucket,
// NoSuchVersion, KeyTooLongError, NotImplemented.
func (d *Driver) find(ctx context.Context, ref daypass.ObjectRef) (f found, err error) {
	if f.hold, err = d.hold(ctx, ref.Bucket); err != nil {
		return f, err
	}
	if f.place, err = d.place(ref.Bucket, ref.Key); err != nil {
		return f, err
	}
	f.version, err = d.upstreamVersion(ref)
	return f, err
}

// Object implements store.Driver.
func (d *Driver) Object(ctx context.Context, ref daypass.ObjectRef) (*store.Object, error) {
	f, err := d.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	return d.head(ctx, f, ref)
}

func (d *Driver) head(ctx context.Context, f found, ref daypass.ObjectRef) (*store.Object, error) {
	out, err := d.client.HeadObject(ctx, &s3.HeadObjectInput{
		Bucket: &f.bucket, Key: &f.key, VersionId: f.version, ChecksumMode: d.checksumMode(),
	})
	if err != nil {
		return d.notFound(ctx, f, ref, "look for an object", err)
	}
	if f.doubtful(out.ETag) {
		return d.checkListed(ctx, f, ref)
	}
	return d.object(ctx, f.hold, ref, describeHead(out))
}

// doubtful reports whether an answer may be one for nothing: where there are
// versions, Ceph has such without an ETag for a key whose last version is gone.
func (f *found) doubtful(etag *string) bool {
	return f.versioning != store.VersioningOff && unquote(etag) == ""
}

// checkListed returns the error of a look-up whose answer is doubtful, with the
// delete marker that is the reason for it, if one is.
func (d *Driver) checkListed(ctx context.Context, f found, ref daypass.ObjectRef) (*store.Object, error) {
	switch v, err := d.listed(ctx, f, ref); {
	case err != nil:
		return nil, err
	case v != nil && !v.DeleteMarker:
		return nil, d.fail("read an object", errNoETag)
	case v != nil && ref.VersionID != "":
		return v, &daypass.Error{Code: daypass.MethodNotAllowed, Err: errNoETag}
	case v == nil && ref.VersionID != "":
		return nil, noSuchVersion(ref)
	default:
		return v, &daypass.Error{Code: daypass.NoSuchKey, Err: errNoETag}
	}
}

func (d *Driver) checksumMode() types.ChecksumMode {
	if d.can.Checksums {
		return types.ChecksumModeEnabled
	}
	return ""
}

// notFound returns the error of a look-up, with the delete marker that is the
// reason for it, if one is. Upstreams tell of markers in different ways, or not
// at all, so that a listing is asked.
func (d *Driver) notFound(ctx context.Context, f found, ref daypass.ObjectRef, op string, cause error) (*store.Object, error) {
	// A malformed id of a version is one that no version has.
	malformed := d.malformedVersion(ctx, f, cause)
	if !isMissing(cause) && statusOf(cause) != http.StatusMethodNotAllowed && !malformed {
		return nil, d.fail(op, cause)
	}
	if f.versioning != store.VersioningOff && !malformed {
		marker, err := d.marker(ctx, f, ref)
		if err != nil {
			return nil, err
		}
		if marker != nil && ref.VersionID != "" {
			return marker, &daypass.Error{Code: daypass.MethodNotAllowed, Err: cause}
		}
		if marker != nil {
			return marker, &daypass.Error{Code: daypass.NoSuchKey, Err: cause}
		}
	}
	failed := d.fail(op, cause)
	switch code := daypass.CodeOf(failed); {
	case ref.VersionID != "" && code != daypass.NoSuchBucket:
		return nil, noSuchVersion(ref)
	case code != daypass.NoSuchBucket:
		return nil, &daypass.Error{Code: daypass.NoSuchKey, Err: cause}
	}
	return nil, failed
}

// malformedVersion reports whether the upstream refuses the id of a version. It
// may refuse the node with the same status, as once its token has expired; the
// answer to a HEAD does not say which, that to a GET does.
func (d *Driver) malformedVersion(ctx context.Context, f found, cause error) bool {
	if statusOf(cause) != http.StatusBadRequest || f.version == nil {
		return false
	}
	code := codeOf(cause)
	if code == "BadRequest" { // which the SDK makes of the status
		out, err := d.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &f.bucket, Key: &f.key, VersionId: f.version, Range: aws.String("bytes=0-0")})
		if err == nil {
			out.Body.Close()
			return false
		}
		code = codeOf(err)
	}
	return code == "InvalidArgument" || code == "NoSuchVersion"
}

// marker returns the delete marker that ref stands for, nil where there is none.
func (d *Driver) marker(ctx context.Context, f found, ref daypass.ObjectRef) (*store.Object, error) {
	v, err := d.listed(ctx, f, ref)
	if v != nil && !v.DeleteMarker {
		return nil, nil
	}
	return v, err
}

// listed returns the version or delete marker that ref stands for as a listing
// shows it, nil where there is none.
func (d *Driver) listed(ctx context.Context, f found, ref daypass.ObjectRef) (*store.Object, error) {
	req := store.VersionsRequest{Bucket: ref.Bucket, Prefix: ref.Key, Max: listMax}
	if ref.VersionID == "" {
		req.Max = 1
	}
	for {
		page, err := d.listVersions(ctx, f.hold, req)
		if err != nil {
			return nil, err
		}
		for _, v := range page.Versions {
			switch {
			case v.Key != ref.Key:
				return nil, nil
			case v.VersionID == ref.VersionID, ref.VersionID == "" && v.IsLatest:
				return v, nil
			}
		}
		if !page.Truncated {
			return nil, nil
		}
		req.KeyMarker, req.VersionMarker = page.NextKey, page.NextVersion
	}
}
