package s3store

import (
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// scratchLife is how long after its making a scratch object or bucket belongs to
// nobody: a start takes seconds.
const scratchLife = time.Hour

// sweep removes what nodes have left that died while they were probing.
func (p *prober) sweep() {
	err := errors.Join(p.sweepObjects(), p.sweepUploads())
	if p.d.names.bucket == "" {
		err = errors.Join(err, p.sweepBuckets())
	}
	if err != nil {
		p.d.log.Warn("what an earlier start has left in the upstream was not removed", "error", err)
	}
}

// abandoned reports whether what was made then is nobody's any more.
func (p *prober) abandoned(made *time.Time) bool {
	return made != nil && p.d.now().Sub(*made) > scratchLife
}

// sweepObjects removes scratch objects, of the first page.
func (p *prober) sweepObjects() error {
	base := p.d.names.control("probe/")
	out, err := p.d.client.ListObjectsV2(p.ctx, &s3.ListObjectsV2Input{
		Bucket: &base.bucket, Prefix: &base.key, EncodingType: types.EncodingTypeUrl,
	}, readable(nil))
	if err != nil {
		return err
	}
	for i := range out.Contents {
		key, err := decodeKey(out.Contents[i].Key)
		if err != nil {
			return err
		}
		if p.abandoned(out.Contents[i].LastModified) {
			p.remove(place{base.bucket, key})
		}
	}
	return nil
}

// sweepUploads aborts scratch uploads.
func (p *prober) sweepUploads() error {
	base := p.d.names.control("probe/")
	out, err := p.d.client.ListMultipartUploads(p.ctx, &s3.ListMultipartUploadsInput{Bucket: &base.bucket, Prefix: &base.key}, readable(nil))
	if err != nil {
		return err
	}
	for i := range out.Uploads {
		u := &out.Uploads[i]
		// Keys of probes need no encoding.
		if !p.abandoned(u.Initiated) || !strings.HasPrefix(aws.ToString(u.Key), base.key) {
			continue
		}
		_, err := p.d.client.AbortMultipartUpload(p.ctx, &s3.AbortMultipartUploadInput{Bucket: &base.bucket, Key: u.Key, UploadId: u.UploadId})
		if err != nil && !isMissing(err) {
			return err
		}
	}
	return nil
}

// sweepBuckets removes scratch buckets.
func (p *prober) sweepBuckets() error {
	out, err := p.d.client.ListBuckets(p.ctx, &s3.ListBucketsInput{})
	if err != nil {
		return err
	}
	for _, b := range out.Buckets {
		if name := aws.ToString(b.Name); strings.HasPrefix(name, scratchBucket(p.d.names.controlBucket)) && p.abandoned(b.CreationDate) {
			left := &prober{d: p.d, ctx: p.ctx, scratch: name}
			left.unhold()
			left.removeScratch()
		}
	}
	return nil
}

// unhold takes the legal holds off that the versions of a scratch bucket may
// have; without object lock there are none, and the upstream says so.
func (p *prober) unhold() {
	out, err := p.d.client.ListObjectVersions(p.ctx, &s3.ListObjectVersionsInput{Bucket: &p.scratch})
	if err != nil {
		return // removeScratch says the same
	}
	for _, v := range out.Versions {
		_, _ = p.d.client.PutObjectLegalHold(p.ctx, &s3.PutObjectLegalHoldInput{
			Bucket: &p.scratch, Key: v.Key, VersionId: v.VersionId,
			LegalHold: &types.ObjectLockLegalHold{Status: types.ObjectLockLegalHoldStatusOff},
		})
	}
}
