package s3store

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// The headers that say which ETag the source of a copy must have: that of S3, and
// the one that Ceph RGW 16 reads, which ignores the first.
const (
	sourceIfMatch    = "X-Amz-Copy-Source-If-Match"
	rgwSourceIfMatch = "X-Amz-Copy-If-Match"
)

// withHeader adds a header to a request, which is signed with it.
func withHeader(name, value string) func(*s3.Options) {
	return s3.WithAPIOptions(smithyhttp.SetHeaderValue(name, value))
}

// sources finds out how a copy is made of what was seen and of nothing else.
func (p *prober) sources() error {
	for _, header := range []string{sourceIfMatch, rgwSourceIfMatch} {
		_, err := p.d.client.CopyObject(p.ctx, &s3.CopyObjectInput{
			Bucket: &p.at.bucket, Key: &p.at.key, CopySource: aws.String(copySource(p.at)),
			MetadataDirective: types.MetadataDirectiveReplace,
		}, withHeader(header, otherETag))
		_, status, err := answered(err)
		if err != nil {
			return err
		}
		if status == http.StatusPreconditionFailed {
			p.can.CopyIfMatch = header
			return nil
		}
	}
	return nil
}

// copiedTags finds out whether a copy has the tags that it is asked for.
func (p *prober) copiedTags() error {
	_, err := p.d.client.CopyObject(p.ctx, &s3.CopyObjectInput{
		Bucket: &p.at.bucket, Key: &p.at.key, CopySource: aws.String(copySource(p.at)), Tagging: aws.String("copied=1"),
		MetadataDirective: types.MetadataDirectiveReplace, TaggingDirective: types.TaggingDirectiveReplace,
	})
	if done, _, err := answered(err); !done {
		return err
	}
	p.can.CopyTags, err = p.tagged("copied")
	return err
}

// tagged reports whether the scratch object has one tag, of that name.
func (p *prober) tagged(name string) (bool, error) {
	out, err := p.d.client.GetObjectTagging(p.ctx, &s3.GetObjectTaggingInput{Bucket: &p.at.bucket, Key: &p.at.key})
	if done, _, err := answered(err); !done {
		return false, err
	}
	return len(out.TagSet) == 1 && aws.ToString(out.TagSet[0].Key) == name, nil
}

// uploads finds out what an object that was uploaded in parts keeps.
func (p *prober) uploads() error {
	in := &s3.CreateMultipartUploadInput{Bucket: &p.at.bucket, Key: &p.at.key, Tagging: aws.String("uploaded=1")}
	if err := p.uploadKeys(); err != nil {
		return err
	}
	done, err := p.upload(in, func(id string) error {
		_, err := p.d.client.UploadPartCopy(p.ctx, &s3.UploadPartCopyInput{
			Bucket: &p.at.bucket, Key: &p.at.key, UploadId: &id, PartNumber: aws.Int32(1),
			CopySource: aws.String(copySource(p.at)), CopySourceIfMatch: aws.String(otherETag),
		})
		_, status, err := answered(err)
		p.can.PartCopyIfMatch = status == http.StatusPreconditionFailed
		return err
	}, func(id string) error {
		out, err := p.d.client.ListParts(p.ctx, &s3.ListPartsInput{Bucket: &p.at.bucket, Key: &p.at.key, UploadId: &id})
		if err == nil && len(out.Parts) == 1 {
			p.can.PartSums = aws.ToString(out.Parts[0].ChecksumCRC64NVME) != ""
		}
		_, _, err = answered(err)
		return err
	})
	if err != nil || !done {
		return err
	}
	p.can.UploadTags, err = p.tagged("uploaded")
	return err
}

func nothing(string) error { return nil }

// uploadKeys finds out how keys are listed with their uploads.
func (p *prober) uploadKeys() error {
	const odd = "é%"
	key := p.at.key + odd
	begun, err := p.d.client.CreateMultipartUpload(p.ctx, &s3.CreateMultipartUploadInput{Bucket: &p.at.bucket, Key: &key})
	if done, _, err := answered(err); !done {
		return err
	}
	defer p.abort(&p.at.bucket, &key, begun.UploadId)
	out, err := p.d.client.ListMultipartUploads(p.ctx, &s3.ListMultipartUploadsInput{
		Bucket: &p.at.bucket, Prefix: &p.at.key, EncodingType: types.EncodingTypeUrl,
	})
	if done, _, err := answered(err); !done {
		return err
	}
	for i := range out.Uploads {
		listed := out.Uploads[i].Key
		decoded, err := decodeKey(listed)
		p.can.UploadKeys = p.can.UploadKeys || (err == nil && decoded == key && aws.ToString(listed) != key)
	}
	return nil
}

// abort ends a scratch upload as well as that goes.
func (p *prober) abort(bucket, key, id *string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), p.d.config.Timeout)
	defer cancel()
	in := &s3.AbortMultipartUploadInput{Bucket: bucket, Key: key, UploadId: id}
	if _, err := p.d.client.AbortMultipartUpload(ctx, in); err != nil {
		p.d.log.Warn("a scratch upload of the start was left in the upstream", "bucket", *bucket, "key", *key, "error", err)
	}
}

// uploadLock finds out whether a version that was uploaded in parts has the
// legal hold that its upload was begun with.
func (p *prober) uploadLock() error {
	key := aws.String(scratchKey + "-parts")
	in := &s3.CreateMultipartUploadInput{Bucket: &p.scratch, Key: key, ObjectLockLegalHoldStatus: types.ObjectLockLegalHoldStatusOn}
	done, err := p.upload(in, nothing, nothing)
	if err != nil || !done {
		return err
	}
	head, err := p.d.client.HeadObject(p.ctx, &s3.HeadObjectInput{Bucket: &p.scratch, Key: key})
	if err != nil {
		return err
	}
	p.can.UploadLock = head.ObjectLockLegalHoldStatus == types.ObjectLockLegalHoldStatusOn
	if !p.can.UploadLock {
		return nil
	}
	_, err = p.d.client.PutObjectLegalHold(p.ctx, &s3.PutObjectLegalHoldInput{
		Bucket: &p.scratch, Key: key, VersionId: head.VersionId,
		LegalHold: &types.ObjectLockLegalHold{Status: types.ObjectLockLegalHoldStatusOff},
	})
	return err
}

// upload makes an object by an upload of one part, and reports whether the
// upstream did that. before and after are called before and after the part.
func (p *prober) upload(in *s3.CreateMultipartUploadInput, before, after func(id string) error) (bool, error) {
	begun, err := p.d.client.CreateMultipartUpload(p.ctx, in)
	if done, _, err := answered(err); !done {
		return false, err
	}
	done, err := p.finish(in, aws.ToString(begun.UploadId), before, after)
	if !done {
		p.abort(in.Bucket, in.Key, begun.UploadId)
	}
	return done, err
}

func (p *prober) finish(in *s3.CreateMultipartUploadInput, id string, before, after func(id string) error) (bool, error) {
	if err := before(id); err != nil {
		return false, err
	}
	const content = "probe"
	digest := md5.Sum([]byte(content)) // which a part with a lock must have
	part, err := p.d.client.UploadPart(p.ctx, &s3.UploadPartInput{
		Bucket: in.Bucket, Key: in.Key, UploadId: &id, PartNumber: aws.Int32(1), Body: strings.NewReader(content),
		ContentMD5: aws.String(base64.StdEncoding.EncodeToString(digest[:])),
	})
	if done, _, err := answered(err); !done {
		return false, err
	}
	if err := after(id); err != nil {
		return false, err
	}
	_, err = p.d.client.CompleteMultipartUpload(p.ctx, &s3.CompleteMultipartUploadInput{
		Bucket: in.Bucket, Key: in.Key, UploadId: &id,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{ETag: part.ETag, PartNumber: aws.Int32(1)}}},
	})
	done, _, err := answered(err)
	return done, err
}
