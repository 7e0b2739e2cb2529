package s3store

import (
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// CompleteUpload implements store.Multiparter. NotImplemented: the upstream
// honours no such conditions, or completes an upload with all of its parts only.
func (d *Driver) CompleteUpload(ctx context.Context, req *store.CompleteRequest) (*store.Object, error) {
	u, err := d.openUpload(ctx, req.Bucket, req.Key, req.UploadID)
	if err != nil {
		return nil, err
	}
	if err := d.checkUpload(u.hold, u.upload(req.Bucket, req.UploadID)); err != nil {
		return nil, err // the bucket may have got a default meanwhile
	}
	in := &s3.CompleteMultipartUploadInput{Bucket: &u.at.bucket, Key: &u.at.key, UploadId: &u.upstream}
	if in.IfMatch, in.IfNoneMatch, err = d.completeConditions(req.Conditions); err != nil {
		return nil, err
	}
	in.MultipartUpload = d.namedParts(u, req)
	if err := d.claimEnd(ctx, u, endComplete); err != nil {
		return nil, err
	}
	obj, err := d.complete(ctx, u, req, in)
	if err != nil {
		d.givenUp(ctx, u.hold, u.at, func(e *extra) bool { return e.Upload == u.Nonce })
	}
	d.giveUpEnd(ctx, u, err)
	return obj, err
}

// complete completes an upload that nobody aborts.
func (d *Driver) complete(
	ctx context.Context, u *openUpload, req *store.CompleteRequest, in *s3.CompleteMultipartUploadInput,
) (*store.Object, error) {
	out, err := d.client.CompleteMultipartUpload(ctx, in, readable(wholeCompletion))
	for until := d.now().Add(endWait); isCompleting(err) && d.now().Before(until) && sleep(ctx, endWait/50) == nil; {
		out, err = d.client.CompleteMultipartUpload(ctx, in, readable(wholeCompletion))
	}
	if err != nil {
		return d.afterCompletion(ctx, u, req, d.fail("complete an upload", err))
	}
	obj := d.completed(ctx, u, req, aws.ToString(out.VersionId))
	if err := d.settle(ctx, u.hold); err != nil {
		return nil, d.takeBack(ctx, u.at, req.Bucket, func(e *extra) bool { return e.Upload == u.Nonce }, err)
	}
	d.forgetUpload(ctx, req.Bucket, u.upstream, u.uploadRecord)
	return obj, nil
}

// isCompleting reports whether Ceph refuses a completion since another one of the
// same upload goes on, for which it has no code either.
func isCompleting(err error) bool {
	var e smithy.APIError
	return statusOf(err) == http.StatusInternalServerError && errors.As(err, &e) && strings.Contains(e.ErrorMessage(), "completion is already in progress")
}

// wholeCompletion refuses the answer to a completion that broke off: upstreams
// begin it with 200 before they know how it will end (Amazon S3 API,
// CompleteMultipartUpload). ServiceUnavailable.
func wholeCompletion(page []byte) error {
	var root struct{ XMLName xml.Name }
	err := xml.Unmarshal(page, &root)
	if err == nil && root.XMLName.Local != "CompleteMultipartUploadResult" && root.XMLName.Local != "Error" {
		err = fmt.Errorf("it is <%s>", root.XMLName.Local)
	}
	if err != nil {
		return &daypass.Error{Code: daypass.ServiceUnavailable, Err: fmt.Errorf("s3store: the answer to a completion is not whole: %w", err)}
	}
	return nil
}

// takeBack removes an object that may not be acknowledged since its bucket was
// deleted, unless another one has taken its place, and returns why.
func (d *Driver) takeBack(ctx context.Context, at place, bucket string, ours func(*extra) bool, why error) error {
	if daypass.CodeOf(why) != daypass.NoSuchBucket {
		return why // not known: what was written stays, and was not acknowledged
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	out, err := d.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &at.bucket, Key: &at.key})
	if err != nil {
		return why
	}
	if _, e := decodeMeta(describeHead(out)); !ours(&e) {
		return why
	}
	in := &s3.DeleteObjectInput{Bucket: &at.bucket, Key: &at.key}
	switch version := aws.ToString(out.VersionId); {
	case version != "" && version != store.NullVersion:
		in.VersionId = &version
	case d.can.DeleteIfMatch:
		in.IfMatch = aws.String(unquote(out.ETag))
	}
	if _, err := d.client.DeleteObject(ctx, in); err != nil && statusOf(err) != http.StatusPreconditionFailed {
		d.log.Warn("an object of a deleted bucket stays in the upstream", "bucket", bucket, "error", err)
	}
	return why
}

// givenUp removes what a request has written that its client did not wait for,
// where its bucket was deleted meanwhile: where all buckets lie in one, nothing
// else keeps it from the next bucket of that name.
func (d *Driver) givenUp(ctx context.Context, h hold, at place, ours func(*extra) bool) {
	if ctx.Err() == nil || d.names.bucket == "" {
		return
	}
	if err := d.settle(ctx, h); err != nil {
		_ = d.takeBack(ctx, at, h.name, ours, err) // the client has an error already
	}
}

// completeConditions returns the conditions of a completion as the upstream
// honours them. NotImplemented.
func (d *Driver) completeConditions(c store.WriteConditions) (match, noneMatch *string, err error) {
	switch {
	case c.IfMatch != "" && !d.can.CompleteIfMatch, c.IfNoneMatch != "" && !d.can.CompleteIfNoneMatch:
		err = notImplemented("The upstream completes no upload on a condition.")
	case c.IfNoneMatch != "" && c.IfNoneMatch != "*":
		err = notImplemented("If-None-Match is implemented for \"*\" only.")
	}
	return str(c.IfMatch), str(c.IfNoneMatch), err
}

// namedParts names the parts to the upstream, with the checksums that it needs
// where the object's is made of them.
func (d *Driver) namedParts(u *openUpload, req *store.CompleteRequest) *types.CompletedMultipartUpload {
	named := &types.CompletedMultipartUpload{Parts: make([]types.CompletedPart, len(req.Parts))}
	for i, p := range req.Parts {
		to := &named.Parts[i]
		to.PartNumber, to.ETag = aws.Int32(int32(p.Number)), aws.String(p.ETag)
		if !d.can.Checksums {
			continue
		}
		a := d.upstreamSum(u)
		for _, sum := range p.Checksums {
			if sum.Algorithm == a {
				f := sumFields(sum)
				to.ChecksumCRC32, to.ChecksumCRC32C, to.ChecksumCRC64NVME, to.ChecksumSHA1, to.ChecksumSHA256 = f.CRC32, f.CRC32C, f.CRC64NVME, f.SHA1, f.SHA256
			}
		}
	}
	return named
}

// completed returns the object that an upload was made. What the upstream says
// of it later is asked for here, so that both are the same.
func (d *Driver) completed(ctx context.Context, u *openUpload, req *store.CompleteRequest, version string) *store.Object {
	ref := daypass.ObjectRef{Bucket: req.Bucket, Key: req.Key, VersionID: version}
	obj, err := d.Object(ctx, ref)
	if err == nil && obj.UploadID == u.Nonce {
		obj.Checksums = verifiedSums(obj.Checksums, req.Checksums)
		return obj
	}
	// It was replaced already, or the upstream does not answer any more: the
	// upload is complete all the same.
	return &store.Object{
		Bucket: req.Bucket, Key: req.Key, VersionID: version, ETag: req.ETag, ModTime: req.Time.Truncate(time.Second), Owner: u.Owner,
		Metadata: u.Metadata, Tags: u.Tags, ACL: u.ACL, Checksums: req.Checksums, PartCount: len(req.Parts), UploadID: u.Nonce,
	}
}

// verifiedSums returns the checksums that the upstream keeps, or those that were
// verified.
func verifiedSums(kept, verified []store.Checksum) []store.Checksum {
	if len(kept) > 0 {
		return kept
	}
	return verified
}

// afterCompletion finds out what became of an upload whose completion failed.
// Where no answer came, or an error that says nothing, the object tells whether
// this upload has made it.
func (d *Driver) afterCompletion(ctx context.Context, u *openUpload, req *store.CompleteRequest, failed error) (*store.Object, error) {
	switch daypass.CodeOf(failed) {
	case daypass.ServiceUnavailable, daypass.InternalError, daypass.SlowDown, store.NoSuchUpload, daypass.NoSuchKey:
	case store.InvalidPart:
		return nil, d.invalidPart(ctx, u, req, failed)
	default:
		return nil, failed
	}
	obj, err := d.Object(ctx, daypass.ObjectRef{Bucket: req.Bucket, Key: req.Key})
	if err == nil && obj.UploadID == u.Nonce && obj.ETag == cmp.Or(req.ETag, obj.ETag) {
		obj.Checksums = verifiedSums(obj.Checksums, req.Checksums)
		if err := d.settle(ctx, u.hold); err != nil {
			return nil, d.takeBack(ctx, u.at, req.Bucket, func(e *extra) bool { return e.Upload == u.Nonce }, err)
		}
		d.forgetUpload(ctx, req.Bucket, u.upstream, u.uploadRecord)
		return obj, nil
	}
	if daypass.CodeOf(failed) == daypass.NoSuchKey && !req.Conditions.Empty() {
		// If-Match without an object, or no upload: the parts tell.
		if _, err := d.listParts(ctx, u, 0, 0); err != nil {
			return nil, err
		}
		return nil, failed
	}
	// RGW has a failure of its own for an upload that is none.
	if _, err := d.listParts(ctx, u, 0, 0); daypass.CodeOf(err) == store.NoSuchUpload {
		return nil, err
	}
	return nil, failed
}

// invalidPart says which part is not the one that was named. Where all are, the
// upstream (RGW 16) wants all of the upload's parts to be named.
func (d *Driver) invalidPart(ctx context.Context, u *openUpload, req *store.CompleteRequest, failed error) error {
	var have []store.Part
	for after := 0; ; after = have[len(have)-1].Number {
		page, err := d.listParts(ctx, u, after, listMax)
		if err != nil {
			return err
		}
		have = append(have, page...)
		if len(page) < listMax {
			break
		}
	}
	etags := make(map[int]string, len(have))
	for _, p := range have {
		etags[p.Number] = p.ETag
	}
	for _, p := range req.Parts {
		if etag, ok := etags[p.Number]; !ok || etag != p.ETag {
			return store.InvalidPartError(req.UploadID, p)
		}
	}
	if len(have) > len(req.Parts) {
		return notImplemented(fmt.Sprintf("The upstream completes an upload with all of its parts only: %d were uploaded, %d are named.",
			len(have), len(req.Parts)))
	}
	return failed
}
