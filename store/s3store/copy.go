package s3store

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// copyTries bounds how often a copy begins anew because its source is replaced
// all the time.
const copyTries = 8

// A copySourceOf is the source of a copy as it was seen. The copy is made of it
// and of nothing else: a version never changes, and otherwise the upstream must
// compare the ETag.
type copySourceOf struct {
	found
	obj *store.Object
}

// pinned reports whether the source cannot change: null is the version that a
// bucket without versions, or with suspended ones, overwrites.
func (s *copySourceOf) pinned() bool {
	return s.obj.VersionID != "" && s.obj.VersionID != store.NullVersion
}

// header names the source in x-amz-copy-source.
func (s *copySourceOf) header() string {
	// A plus sign is a space to some.
	name := strings.ReplaceAll(copySource(s.place), "+", "%2B")
	switch {
	case s.pinned():
		return name + "?versionId=" + url.QueryEscape(s.obj.VersionID)
	case s.version != nil:
		return name + "?versionId=" + url.QueryEscape(*s.version)
	}
	return name
}

// seeSource returns the source of a copy as it is now. The errors of Object and
// PreconditionFailed (it has another ETag).
func (d *Driver) seeSource(ctx context.Context, ref daypass.ObjectRef, etag string) (*copySourceOf, error) {
	f, err := d.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	obj, err := d.head(ctx, f, ref)
	if err != nil {
		return nil, err
	}
	return &copySourceOf{f, obj}, store.CheckSource(obj, etag)
}

// CopyObject implements store.Copier. NotImplemented: the upstream cannot make
// such a copy, or not of this source alone.
func (d *Driver) CopyObject(ctx context.Context, req *store.CopyRequest) (*store.Object, error) {
	h, err := d.hold(ctx, req.Bucket)
	if err != nil {
		return nil, err
	}
	at, err := d.place(req.Bucket, req.Key)
	if err != nil {
		return nil, err
	}
	if err := d.checkCopy(h, req); err != nil {
		return nil, err
	}
	for range copyTries {
		var src *copySourceOf
		if src, err = d.seeSource(ctx, req.Source, req.SourceETag); err != nil {
			return nil, err
		}
		var obj *store.Object
		obj, err = d.copySeen(ctx, h, at, src, req)
		if err == nil {
			return obj, nil
		}
		if daypass.CodeOf(err) != daypass.PreconditionFailed || req.SourceETag != "" || !req.Conditions.Empty() {
			return nil, err
		}
	}
	return nil, err
}

// checkCopy refuses what has to be written by the node. Locks are among that:
// not every upstream gives them to copies.
func (d *Driver) checkCopy(h hold, req *store.CopyRequest) error {
	if _, err := req.Encrypt(nil); err != nil {
		return err
	}
	if err := h.lock.CheckLock(req.Lock); err != nil {
		return err
	}
	c := req.Conditions
	switch {
	case len(req.Tags) > 0 && !d.can.CopyTags:
		return notImplemented("The upstream does not give tags to copies.")
	case !req.Lock.Empty(), h.lock.Default.Mode != "":
		return notImplemented("The upstream may not lock copies.")
	case c.IfMatch != "", c.IfNoneMatch != "" && (c.IfNoneMatch != "*" || !d.can.CopyIfNoneMatch):
		return notImplemented("The upstream does not copy on a condition.")
	case c.IfNoneMatch != "" && h.versioning != store.VersioningOff && !d.can.VersionedConditions:
		return notImplemented("The upstream has no conditions where versions are kept.")
	}
	return nil
}

// copySeen copies a source that was seen.
func (d *Driver) copySeen(ctx context.Context, h hold, at place, src *copySourceOf, req *store.CopyRequest) (*store.Object, error) {
	if src.obj.Size > store.MaxUploadSize {
		return d.copyInParts(ctx, h, at, src, req, copyPartSize)
	}
	write, err := newNonce()
	if err != nil {
		return nil, err
	}
	said, err := d.describeCopy(src, req, write, "")
	if err != nil {
		return nil, err
	}
	in := &s3.CopyObjectInput{
		Bucket: &at.bucket, Key: &at.key, CopySource: aws.String(src.header()),
		MetadataDirective: types.MetadataDirectiveReplace, TaggingDirective: types.TaggingDirectiveReplace,
		Tagging: encodeTags(req.Tags), IfNoneMatch: str(req.Conditions.IfNoneMatch),
	}
	said.copy(in)
	var opts []func(*s3.Options)
	switch {
	case d.can.CopyIfMatch != "":
		opts = append(opts, withHeader(d.can.CopyIfMatch, src.obj.ETag))
	case !src.pinned():
		return nil, notImplemented("The upstream cannot make sure that the source of a copy is the one that was seen.")
	}
	out, err := d.client.CopyObject(ctx, in, opts...)
	if err != nil {
		d.givenUp(ctx, h, at, func(e *extra) bool { return e.Write == write })
		return nil, d.fail("copy an object", err)
	}
	obj, err := d.copied(ctx, h, src, req, write, out)
	if err != nil {
		return nil, err
	}
	if err := d.settle(ctx, h); err != nil {
		return nil, d.takeBack(ctx, at, req.Bucket, func(e *extra) bool { return e.Write == write }, err)
	}
	return obj, nil
}

// describeCopy returns the metadata of a copy. The checksums of its source are
// its own.
func (d *Driver) describeCopy(src *copySourceOf, req *store.CopyRequest, write, upload string) (sent, error) {
	e := extra{Owner: req.Owner, ACL: req.ACL, Write: write, Upload: upload}
	if !d.can.Checksums {
		e.setSums(src.obj.Checksums)
	}
	return encodeMeta(&req.Metadata, e)
}

// copied returns the copy as the upstream's answer describes it.
func (d *Driver) copied(
	ctx context.Context, h hold, src *copySourceOf, req *store.CopyRequest, write string, out *s3.CopyObjectOutput,
) (*store.Object, error) {
	ref := daypass.ObjectRef{Bucket: req.Bucket, Key: req.Key}
	result := out.CopyObjectResult
	if result == nil || aws.ToString(result.ETag) == "" || result.LastModified == nil {
		return nil, &daypass.Error{Code: daypass.InternalError, Err: fmt.Errorf("s3store: the answer to CopyObject is empty")}
	}
	obj := &store.Object{
		Bucket: req.Bucket, Key: req.Key, Size: src.obj.Size, ETag: unquote(result.ETag), ModTime: modTime(result.LastModified),
		Owner: req.Owner, Metadata: req.Metadata, Tags: req.Tags, ACL: req.ACL, Checksums: src.obj.Checksums, IsLatest: true,
	}
	obj.PartCount = partCount(obj.ETag)
	if sums := d.copiedSums(result); len(sums) > 0 {
		obj.Checksums = sums
	}
	if h.versioning != store.VersioningOff && aws.ToString(out.VersionId) == "" {
		// RGW 16 does not tell which version it has made.
		version, err := d.findWrite(ctx, h, ref, obj, write)
		if err != nil {
			return nil, err
		}
		obj.VersionID = version
		return obj, nil
	}
	obj.VersionID = d.versionID(h, ref, out.VersionId)
	return obj, nil
}

// copiedSums returns the checksums that the upstream says a copy has.
func (d *Driver) copiedSums(r *types.CopyObjectResult) []store.Checksum {
	if !d.can.Checksums {
		return nil
	}
	sums := upstreamSums{r.ChecksumCRC32, r.ChecksumCRC32C, r.ChecksumCRC64NVME, r.ChecksumSHA1, r.ChecksumSHA256, string(r.ChecksumType)}
	return sums.list()
}

// findWrite returns the id of the version that a request has written.
func (d *Driver) findWrite(ctx context.Context, h hold, ref daypass.ObjectRef, want *store.Object, write string) (string, error) {
	req := store.VersionsRequest{Bucket: ref.Bucket, Prefix: ref.Key, Max: listMax}
	for {
		page, err := d.listVersions(ctx, h, req)
		if err != nil {
			return "", err
		}
		for _, v := range page.Versions {
			if v.Key != ref.Key {
				break
			}
			if v.DeleteMarker || v.ETag != want.ETag || v.ModTime.Before(want.ModTime) {
				continue
			}
			at := ref
			at.VersionID = v.VersionID
			if found, err := d.writeOf(ctx, at); err != nil {
				return "", err
			} else if found == write {
				return v.VersionID, nil
			}
		}
		if !page.Truncated || page.NextKey != ref.Key {
			return "", &daypass.Error{Code: daypass.ServiceUnavailable, Err: fmt.Errorf("s3store: the version that a copy has made is not listed")}
		}
		req.KeyMarker, req.VersionMarker = page.NextKey, page.NextVersion
	}
}

// writeOf returns what extra.Write of a version is, "" where it is gone.
func (d *Driver) writeOf(ctx context.Context, ref daypass.ObjectRef) (string, error) {
	f, err := d.find(ctx, ref)
	if err != nil {
		return "", err
	}
	out, err := d.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &f.bucket, Key: &f.key, VersionId: f.version})
	if isMissing(err) {
		return "", nil
	}
	if err != nil {
		return "", d.fail("look for a copy", err)
	}
	_, e := decodeMeta(describeHead(out))
	return e.Write, nil
}

// copyPartSize is how much of a large object is copied at once, in bytes: enough
// for the largest object in 10,000 parts.
const copyPartSize = 1 << 30

// copyInParts copies an object that is too large for one request. Its ETag is
// that of an upload in parts.
func (d *Driver) copyInParts(
	ctx context.Context, h hold, at place, src *copySourceOf, req *store.CopyRequest, partSize int64,
) (*store.Object, error) {
	if !src.pinned() && !d.can.PartCopyIfMatch {
		return nil, notImplemented("The upstream cannot make sure that the source of a copy is the one that was seen.")
	}
	if len(req.Tags) > 0 && !d.can.UploadTags || !req.Conditions.Empty() {
		return nil, notImplemented("The upstream does not copy a large object with tags or on a condition.")
	}
	write, err := newNonce()
	if err != nil {
		return nil, err
	}
	said, err := d.describeCopy(src, req, write, "")
	if err != nil {
		return nil, err
	}
	in := &s3.CreateMultipartUploadInput{Bucket: &at.bucket, Key: &at.key, Tagging: encodeTags(req.Tags)}
	said.upload(in)
	begun, err := d.client.CreateMultipartUpload(ctx, in, readable(nil))
	if err != nil {
		return nil, d.fail("begin a copy in parts", err)
	}
	id := aws.ToString(begun.UploadId)
	version, err := d.copyParts(ctx, at, id, src, partSize)
	if err != nil {
		// The copy that was not made leaves nothing.
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		if abort := d.abortUpstream(clean, at, id); abort != nil && daypass.CodeOf(abort) != store.NoSuchUpload {
			d.log.Warn("the upload of a copy is left in the upstream", "bucket", req.Bucket, "error", abort)
		}
		return nil, err
	}
	obj, err := d.Object(ctx, daypass.ObjectRef{Bucket: req.Bucket, Key: req.Key, VersionID: version})
	if err != nil {
		return nil, err
	}
	if err := d.settle(ctx, h); err != nil {
		return nil, d.takeBack(ctx, at, req.Bucket, func(e *extra) bool { return e.Write == write }, err)
	}
	return obj, nil
}

// copyParts copies a source part after part, completes the upload and returns
// the version that it has become.
func (d *Driver) copyParts(ctx context.Context, at place, id string, src *copySourceOf, partSize int64) (string, error) {
	named := new(types.CompletedMultipartUpload)
	for off := int64(0); off < src.obj.Size; off += partSize {
		n := min(partSize, src.obj.Size-off)
		number := aws.Int32(int32(len(named.Parts) + 1))
		out, err := d.client.UploadPartCopy(ctx, d.partCopy(at, id, src, number, off, n))
		if err != nil {
			return "", d.fail("copy a part", err)
		}
		if out.CopyPartResult == nil || unquote(out.CopyPartResult.ETag) == "" {
			return "", d.fail("copy a part", errNoETag)
		}
		named.Parts = append(named.Parts, types.CompletedPart{PartNumber: number, ETag: out.CopyPartResult.ETag})
	}
	out, err := d.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &at.bucket, Key: &at.key, UploadId: &id, MultipartUpload: named,
	}, readable(wholeCompletion))
	if err != nil {
		return "", d.fail("complete a copy in parts", err)
	}
	return aws.ToString(out.VersionId), nil
}

// partCopy asks for a part that is a range of a source.
func (d *Driver) partCopy(at place, id string, src *copySourceOf, number *int32, off, n int64) *s3.UploadPartCopyInput {
	in := &s3.UploadPartCopyInput{
		Bucket: &at.bucket, Key: &at.key, UploadId: &id, PartNumber: number,
		CopySource: aws.String(src.header()), CopySourceRange: aws.String(fmt.Sprintf("bytes=%d-%d", off, off+n-1)),
	}
	if d.can.PartCopyIfMatch {
		in.CopySourceIfMatch = aws.String(src.obj.ETag)
	}
	return in
}

// CopyPart implements store.Copier. Where the upstream cannot make sure that the
// source is the one that was seen, the MD5 of what was seen tells whether the
// part is made of it.
func (d *Driver) CopyPart(ctx context.Context, req *store.PartCopyRequest, sums func() (store.PartSums, error)) (*store.Part, error) {
	u, err := d.openUpload(ctx, req.Bucket, req.Key, req.UploadID)
	if err != nil {
		return nil, err
	}
	if req.Size == 0 {
		return nil, notImplemented("No range is empty.")
	}
	f, err := d.find(ctx, req.Source)
	if err != nil {
		return nil, err
	}
	src := &copySourceOf{f, &store.Object{VersionID: req.Source.VersionID, ETag: req.SourceETag, Size: req.Size}}
	var want store.PartSums
	if known := d.can.Checksums && (src.pinned() || d.can.PartCopyIfMatch); !known {
		if want, err = sums(); err != nil {
			return nil, err
		}
	}
	out, err := d.client.UploadPartCopy(ctx, d.partCopy(u.at, u.upstream, src, aws.Int32(int32(req.Number)), req.Offset, req.Size))
	if err != nil {
		return nil, d.partCopyError(ctx, u, d.fail("copy a part", err))
	}
	r := out.CopyPartResult
	if r == nil || unquote(r.ETag) == "" {
		return nil, d.fail("copy a part", errNoETag)
	}
	p := &store.Part{
		Number: req.Number, Size: req.Size, ETag: unquote(r.ETag), ModTime: modTime(r.LastModified), Checksums: want.Checksums,
	}
	switch {
	case want.ETag == "":
		p.Checksums = listedSums(r.ChecksumCRC32, r.ChecksumCRC32C, r.ChecksumCRC64NVME, r.ChecksumSHA1, r.ChecksumSHA256)
	case want.ETag != p.ETag:
		return nil, &daypass.Error{Code: daypass.PreconditionFailed, Err: fmt.Errorf("s3store: the source of a copied part was replaced meanwhile")}
	}
	if err := d.writeSums(ctx, u, p); err != nil {
		return nil, err
	}
	return p, d.settle(ctx, u.hold)
}

// partCopyError tells an upload that has ended from a source that is gone.
func (d *Driver) partCopyError(ctx context.Context, u *openUpload, err error) error {
	switch daypass.CodeOf(err) {
	case store.NoSuchUpload:
		return d.ended(ctx, u, err)
	case daypass.InvalidRange: // which it was a moment ago
		return &daypass.Error{Code: daypass.PreconditionFailed, Err: err}
	}
	return err
}
