package s3store

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/daypass/daypass"
)

// maxControl is the size in bytes of the largest control object that is read.
const maxControl = 1 << 20

// conditionalConflict is how AWS S3 calls a conditional write that another one
// came in the way of (Amazon S3 API, "Error responses"); it has done nothing.
const conditionalConflict = "ConditionalRequestConflict"

// readControl returns a control object and its ETag. NoSuchKey.
func (d *Driver) readControl(ctx context.Context, name string) (value []byte, etag string, err error) {
	const op = "read a control object"
	at := d.names.control(name)
	out, err := d.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &at.bucket, Key: &at.key})
	if err != nil {
		return nil, "", d.fail(op, err)
	}
	defer out.Body.Close()
	value, err = io.ReadAll(io.LimitReader(out.Body, maxControl+1))
	if err != nil {
		return nil, "", d.fail(op, err)
	}
	if len(value) > maxControl {
		return nil, "", fmt.Errorf("s3store: the control object %s is larger than %d bytes", name, maxControl)
	}
	return value, unquote(out.ETag), nil
}

// writeControl replaces the control object that has the given ETag, or makes it
// where that is "", and returns its new ETag. PreconditionFailed: it has another
// one by now. Each value that is written to a name must be another one, so that
// a write whose answer was lost is told from somebody else's.
func (d *Driver) writeControl(ctx context.Context, name string, value []byte, etag string) (string, error) {
	at := d.names.control(name)
	in := &s3.PutObjectInput{
		Bucket: &at.bucket, Key: &at.key, Body: bytes.NewReader(value),
		ContentLength: aws.Int64(int64(len(value))), ContentType: aws.String("application/json"),
	}
	if etag == "" {
		in.IfNoneMatch = aws.String("*")
	} else {
		in.IfMatch = &etag
	}
	out, err := d.client.PutObject(ctx, in)
	if err == nil {
		return unquote(out.ETag), nil
	}
	failed := d.fail("write a control object", err)
	code := daypass.CodeOf(failed)
	if etag != "" && code == daypass.NoSuchKey || codeOf(err) == conditionalConflict {
		return "", &daypass.Error{Code: daypass.PreconditionFailed, Err: failed}
	}
	if ctx.Err() != nil {
		return "", failed
	}
	// An answer may have been lost on the way, and what was written be there.
	have, now, read := d.readControl(ctx, name)
	switch {
	case read == nil && bytes.Equal(have, value):
		return now, nil
	case read == nil && now != etag && isLostRace(err):
		return "", &daypass.Error{Code: daypass.PreconditionFailed, Err: failed}
	}
	return "", failed
}

// deleteControl removes a control object.
func (d *Driver) deleteControl(ctx context.Context, name string) error {
	at := d.names.control(name)
	_, err := d.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &at.bucket, Key: &at.key})
	if err != nil {
		return d.fail("delete a control object", err)
	}
	return nil
}

// listControl returns at most max names of control objects, in order, that begin
// with prefix and come after a name, and whether there are more.
func (d *Driver) listControl(ctx context.Context, prefix, after string, max int) (names []string, more bool, err error) {
	base := d.names.control("")
	in := &s3.ListObjectsV2Input{
		Bucket: &base.bucket, Prefix: aws.String(base.key + prefix), MaxKeys: aws.Int32(int32(min(max, listMax))),
		EncodingType: types.EncodingTypeUrl,
	}
	if after != "" {
		in.StartAfter = aws.String(base.key + after)
	}
	out, err := d.client.ListObjectsV2(ctx, in, readable(nil))
	if err != nil {
		return nil, false, d.fail("list control objects", err)
	}
	for i := range out.Contents {
		name, err := decodeKey(out.Contents[i].Key)
		if err != nil {
			return nil, false, err
		}
		names = append(names, strings.TrimPrefix(name, base.key))
	}
	return names, aws.ToBool(out.IsTruncated), nil
}

// InitControl makes a control object unless there is one, and returns what is
// there. name is a path without leading "/"; "buckets/" and "uploads/" are the
// driver's own.
func (d *Driver) InitControl(ctx context.Context, name string, value []byte) (have []byte, err error) {
	for range recordTries {
		have, _, err = d.readControl(ctx, name)
		if daypass.CodeOf(err) != daypass.NoSuchKey {
			return have, err
		}
		_, err = d.writeControl(ctx, name, value, "")
		if daypass.CodeOf(err) != daypass.PreconditionFailed {
			return value, err
		}
	}
	return nil, err
}
