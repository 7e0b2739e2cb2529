package s3store

import (
	"context"
	"errors"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// CreateUpload implements store.Multiparter. NotImplemented: the upstream would
// not give the object its tags or its lock.
func (d *Driver) CreateUpload(ctx context.Context, u *store.MultipartUpload) (*store.MultipartUpload, error) {
	h, err := d.hold(ctx, u.Bucket)
	if err != nil {
		return nil, err
	}
	at, err := d.place(u.Bucket, u.Key)
	if err != nil {
		return nil, err
	}
	if err := d.checkUpload(h, u); err != nil {
		return nil, err
	}
	nonce, err := newNonce()
	if err != nil {
		return nil, err
	}
	upstream, err := d.createUpstreamUpload(ctx, at, u, nonce)
	if err != nil {
		return nil, err
	}
	rec := &uploadRecord{
		Nonce: nonce, Bucket: h.ID, Key: u.Key, Owner: u.Owner, Metadata: u.Metadata, Tags: u.Tags, ACL: u.ACL,
		Lock: u.Lock, Initiated: u.Initiated, Checksum: u.Checksum, ChecksumType: u.ChecksumType,
	}
	err = d.writeUpload(ctx, u.Bucket, upstream, rec)
	if err == nil {
		err = d.settle(ctx, h)
	}
	if err != nil {
		return nil, d.undoUpload(ctx, u.Bucket, at, upstream, rec, err)
	}
	return rec.upload(u.Bucket, nonce+"."+upstream), nil
}

// checkUpload refuses an upload whose object would not be what is asked for.
func (d *Driver) checkUpload(h hold, u *store.MultipartUpload) error {
	if u.Encryption != nil {
		return d.Supports(store.FeatureEncryption)
	}
	if err := h.lock.CheckLock(u.Lock); err != nil {
		return err
	}
	if err := checkUntil(u.Lock); err != nil {
		return err
	}
	switch {
	case len(u.Tags) > 0 && !d.can.UploadTags:
		return notImplemented("The upstream does not keep the tags of a multipart upload: set them once it is complete.")
	case h.lock.Enabled && (!u.Lock.Empty() || h.lock.Default.Mode != "") && !d.can.UploadLock:
		return notImplemented("The upstream does not lock what is uploaded in parts: upload it whole.")
	}
	return nil
}

// createUpstreamUpload begins an upload in the upstream and returns its ID there.
func (d *Driver) createUpstreamUpload(ctx context.Context, at place, u *store.MultipartUpload, nonce string) (string, error) {
	said, err := encodeMeta(&u.Metadata, extra{Owner: u.Owner, ACL: u.ACL, Upload: nonce})
	if err != nil {
		return "", err
	}
	in := &s3.CreateMultipartUploadInput{Bucket: &at.bucket, Key: &at.key, Tagging: encodeTags(u.Tags)}
	said.upload(in)
	if d.can.Checksums && (u.Checksum != "" || !d.can.PartSums) {
		a, kind := u.Sum()
		in.ChecksumAlgorithm, in.ChecksumType = types.ChecksumAlgorithm(a), types.ChecksumType(kind)
	}
	if r := u.Lock.Retention; r.Mode != "" {
		in.ObjectLockMode, in.ObjectLockRetainUntilDate = types.ObjectLockMode(r.Mode), aws.Time(r.Until)
	}
	in.ObjectLockLegalHoldStatus = types.ObjectLockLegalHoldStatus(u.Lock.LegalHold)
	out, err := d.client.CreateMultipartUpload(ctx, in, readable(nil))
	if err != nil {
		if !u.Lock.Empty() {
			return "", d.lockError(err)
		}
		return "", d.fail("create an upload", err)
	}
	return aws.ToString(out.UploadId), nil
}

// undoUpload removes an upload that was not acknowledged and returns why.
func (d *Driver) undoUpload(ctx context.Context, bucket string, at place, upstream string, rec *uploadRecord, why error) error {
	d.forgetUpload(ctx, bucket, upstream, rec)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	return errors.Join(why, d.abortUpstream(ctx, at, upstream))
}

// MultipartUpload implements store.Multiparter.
func (d *Driver) MultipartUpload(ctx context.Context, bucket, key, id string) (*store.MultipartUpload, error) {
	u, err := d.openUpload(ctx, bucket, key, id)
	if err != nil {
		return nil, err
	}
	return u.upload(bucket, id), nil
}

// ended answers an error about an upload: where the upstream has none any more,
// what is left of it here is removed. RGW calls such an upload a missing key.
func (d *Driver) ended(ctx context.Context, u *openUpload, err error) error {
	switch daypass.CodeOf(err) {
	case store.NoSuchUpload, daypass.NoSuchKey:
	default:
		return err
	}
	d.forgetUpload(ctx, u.hold.name, u.upstream, u.uploadRecord)
	return noSuchUpload(u.id)
}

// PutPart implements store.Multiparter. MissingContentLength: a part of an
// unknown size is larger than what is kept in memory.
func (d *Driver) PutPart(ctx context.Context, req *store.PartRequest) (*store.Part, error) {
	u, err := d.openUpload(ctx, req.Bucket, req.Key, req.UploadID)
	if err != nil {
		return nil, err
	}
	in := &s3.UploadPartInput{Bucket: &u.at.bucket, Key: &u.at.key, UploadId: &u.upstream, PartNumber: aws.Int32(int32(req.Number))}
	etag, err := d.sendPart(ctx, in, d.upstreamSum(u), req.Body)
	if err != nil {
		return nil, d.ended(ctx, u, err)
	}
	p := &store.Part{Number: req.Number, Size: req.Body.Size(), ETag: etag, ModTime: req.Time, Checksums: req.Body.Checksums()}
	if err := d.writeSums(ctx, u, p); err != nil {
		return nil, err
	}
	return p, d.settle(ctx, u.hold)
}

// upstreamSum returns the algorithm that the upstream wants the checksums of an
// upload's parts to be of, "" where it takes any.
func (d *Driver) upstreamSum(u *openUpload) store.ChecksumAlgorithm {
	if u.Checksum == "" && d.can.PartSums {
		return ""
	}
	a, _ := (&store.MultipartUpload{Checksum: u.Checksum, ChecksumType: u.ChecksumType}).Sum()
	return a
}

// Parts implements store.Multiparter.
func (d *Driver) Parts(ctx context.Context, bucket, key, id string, after, max int) ([]store.Part, error) {
	u, err := d.openUpload(ctx, bucket, key, id)
	if err != nil {
		return nil, err
	}
	parts, err := d.listParts(ctx, u, after, max)
	if err != nil {
		return nil, err
	}
	return parts, d.readSums(ctx, u, parts)
}

// listParts returns what the upstream says of parts. An upstream may take more
// part numbers than S3 does; nobody here has used those.
func (d *Driver) listParts(ctx context.Context, u *openUpload, after, max int) (parts []store.Part, err error) {
	in := &s3.ListPartsInput{Bucket: &u.at.bucket, Key: &u.at.key, UploadId: &u.upstream}
	for {
		in.PartNumberMarker = aws.String(strconv.Itoa(after))
		// A listing of nothing still tells whether there is such an upload.
		in.MaxParts = aws.Int32(int32(min(listMax, max-len(parts)+1)))
		out, err := d.client.ListParts(ctx, in, readable(nil))
		if err != nil {
			return nil, d.ended(ctx, u, d.fail("list parts", err))
		}
		for i := range out.Parts {
			listed := &out.Parts[i]
			after = int(aws.ToInt32(listed.PartNumber))
			if len(parts) >= max || after > store.MaxParts {
				return parts, nil
			}
			parts = append(parts, store.Part{
				Number: after, Size: aws.ToInt64(listed.Size), ETag: unquote(listed.ETag), ModTime: aws.ToTime(listed.LastModified),
				Checksums: listedSums(listed.ChecksumCRC32, listed.ChecksumCRC32C, listed.ChecksumCRC64NVME, listed.ChecksumSHA1, listed.ChecksumSHA256),
			})
		}
		if !aws.ToBool(out.IsTruncated) || len(out.Parts) == 0 || len(parts) >= max {
			return parts, nil
		}
	}
}

// listedSums returns the checksums that an answer has, in the order of its
// arguments.
func listedSums(crc32, crc32c, crc64nvme, sha1, sha256 *string) (sums []store.Checksum) {
	for _, sum := range []struct {
		algorithm store.ChecksumAlgorithm
		value     *string
	}{{store.CRC32, crc32}, {store.CRC32C, crc32c}, {store.CRC64NVME, crc64nvme}, {store.SHA1, sha1}, {store.SHA256, sha256}} {
		if v := aws.ToString(sum.value); v != "" {
			sums = append(sums, store.Checksum{Algorithm: sum.algorithm, Value: v})
		}
	}
	return sums
}

// objectParts returns the parts that an object was made of, nil where the
// upstream does not tell.
func (d *Driver) objectParts(ctx context.Context, at place, obj *store.Object) (parts []store.Part, err error) {
	if !d.can.GetObjectAttributes {
		return nil, nil
	}
	in := &s3.GetObjectAttributesInput{
		Bucket: &at.bucket, Key: &at.key, MaxParts: aws.Int32(listMax),
		ObjectAttributes: []types.ObjectAttributes{types.ObjectAttributesEtag, types.ObjectAttributesObjectParts},
	}
	if d.names.bucket == "" {
		in.VersionId = str(obj.VersionID)
	}
	for {
		out, err := d.client.GetObjectAttributes(ctx, in)
		if err != nil {
			return nil, d.fail("look for the parts of an object", err)
		}
		// Where the object was replaced meanwhile, its parts are those of another.
		if unquote(out.ETag) != obj.ETag || out.ObjectParts == nil {
			return nil, nil
		}
		for i := range out.ObjectParts.Parts {
			p := &out.ObjectParts.Parts[i]
			parts = append(parts, store.Part{
				Number: int(aws.ToInt32(p.PartNumber)), Size: aws.ToInt64(p.Size),
				Checksums: listedSums(p.ChecksumCRC32, p.ChecksumCRC32C, p.ChecksumCRC64NVME, p.ChecksumSHA1, p.ChecksumSHA256),
			})
		}
		if !aws.ToBool(out.ObjectParts.IsTruncated) || len(out.ObjectParts.Parts) == 0 || len(parts) >= store.MaxParts {
			return parts, nil
		}
		in.PartNumberMarker = out.ObjectParts.NextPartNumberMarker
	}
}

// AbortUpload implements store.Multiparter.
func (d *Driver) AbortUpload(ctx context.Context, bucket, key, id string) error {
	u, err := d.openUpload(ctx, bucket, key, id)
	if err != nil {
		return err
	}
	if err := d.claimEnd(ctx, u, endAbort); err != nil {
		return err
	}
	if err := d.abortUpstream(ctx, u.at, u.upstream); err != nil {
		return d.ended(ctx, u, err)
	}
	d.forgetUpload(ctx, bucket, u.upstream, u.uploadRecord)
	return nil
}
