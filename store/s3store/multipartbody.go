package s3store

import (
	"bytes"
	"context"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// multipart stores a body of an unknown size, of which head was read, part by
// part in one buffer.
func (w *writing) multipart(ctx context.Context, head []byte) (*store.Object, error) {
	d := w.driver
	if err := w.checkParts(); err != nil {
		return nil, err
	}
	switch {
	case len(w.req.Tags) > 0 && !d.can.UploadTags:
		return nil, notImplemented("The upstream does not tag a large body of an unknown size: send its size.")
	case !w.lock.Empty() && !d.can.UploadLock:
		return nil, notImplemented("The upstream does not lock a large body of an unknown size: send its size.")
	}
	m, err := encodeMeta(&w.req.Metadata, w.extra)
	if err != nil {
		return nil, err
	}
	in := &s3.CreateMultipartUploadInput{
		Bucket: &w.bucket, Key: &w.key,
		Tagging: encodeTags(w.req.Tags), ObjectLockLegalHoldStatus: types.ObjectLockLegalHoldStatus(w.req.Lock.LegalHold),
	}
	m.upload(in)
	if r := w.req.Lock.Retention; r.Mode != "" {
		in.ObjectLockMode, in.ObjectLockRetainUntilDate = types.ObjectLockMode(r.Mode), aws.Time(r.Until)
	}
	upload, err := d.client.CreateMultipartUpload(ctx, in, readable(nil))
	if err != nil {
		return nil, d.failWrite("begin an upload", w.req.Metadata.StorageClass, err)
	}
	obj, err := w.sendParts(ctx, upload.UploadId, head)
	if err != nil {
		abort := &s3.AbortMultipartUploadInput{Bucket: &w.bucket, Key: &w.key, UploadId: upload.UploadId}
		if _, err := d.client.AbortMultipartUpload(context.WithoutCancel(ctx), abort); err != nil {
			d.log.Warn("an upload that broke off stays in the upstream", "bucket", w.req.Bucket, "error", err)
		}
		return nil, err
	}
	return obj, nil
}

// checkParts refuses what the upstream would not keep of a multipart upload.
// NotImplemented.
func (w *writing) checkParts() error {
	can := &w.driver.can
	c := w.req.Conditions
	switch {
	case c.IfNoneMatch != "" && !can.CompleteIfNoneMatch, c.IfMatch != "" && !can.CompleteIfMatch:
		return notImplemented("The upstream cannot write a large body of an unknown size on conditions: send its size.")
	case len(w.req.Tags) > 0 && !can.UploadTags:
		return notImplemented("The upstream cannot give tags to a large body of an unknown size: send its size.")
	case !w.lock.Empty() && !can.UploadLock:
		return notImplemented("The upstream cannot lock a large body of an unknown size: send its size.")
	}
	return nil
}

// sendParts stores the parts and makes an object of them.
func (w *writing) sendParts(ctx context.Context, id *string, head []byte) (*store.Object, error) {
	d := w.driver
	buf := d.parts.get()
	defer d.parts.put(buf)
	var parts []types.CompletedPart
	var size int64
	n := copy(*buf, head)
	for ended := false; !ended; n = 0 {
		more, err := io.ReadFull(w.req.Body, (*buf)[n:])
		n += more
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			ended = true
		} else if err != nil {
			return nil, err
		}
		if n == 0 && len(parts) > 0 {
			break
		}
		number := aws.Int32(int32(len(parts) + 1))
		length := int64(n)
		out, err := d.client.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: &w.bucket, Key: &w.key, UploadId: id, PartNumber: number,
			Body: bytes.NewReader((*buf)[:n]), ContentLength: &length,
		}, unsigned)
		if err != nil {
			return nil, d.fail("store a part", err)
		}
		parts = append(parts, types.CompletedPart{PartNumber: number, ETag: out.ETag})
		size += length
	}
	return w.complete(ctx, id, parts, size)
}

func (w *writing) complete(ctx context.Context, id *string, parts []types.CompletedPart, size int64) (*store.Object, error) {
	d := w.driver
	out, err := d.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &w.bucket, Key: &w.key, UploadId: id, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
		IfMatch: str(w.req.Conditions.IfMatch), IfNoneMatch: str(w.req.Conditions.IfNoneMatch),
	}, readable(wholeCompletion))
	if err != nil {
		return w.completed(ctx, err)
	}
	if err := w.checkVersion(ctx, aws.ToString(out.VersionId)); err != nil {
		return nil, err
	}
	if aws.ToString(out.ETag) == "" { // RGW 16 tells none
		cur, write, err := w.current(ctx)
		if err == nil && write == w.extra.Write {
			out.ETag = &cur.ETag
		}
	}
	obj := w.object(unquote(out.ETag), out.VersionId, size, serverTime(out.ResultMetadata))
	obj.Checksums = w.req.Body.Checksums()
	return obj, nil
}

// completed returns the object where a completion has failed only for its answer
// to be lost.
func (w *writing) completed(ctx context.Context, cause error) (*store.Object, error) {
	if !w.req.Conditions.Empty() {
		return w.failed(ctx, cause)
	}
	err := w.driver.fail("complete an upload", cause)
	if daypass.CodeOf(err) != store.NoSuchUpload {
		return nil, err
	}
	if cur, write, found := w.current(ctx); found == nil && write == w.extra.Write {
		return cur, nil
	}
	return nil, err
}
