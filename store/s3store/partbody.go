package s3store

import (
	"bytes"
	"context"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// sendPart uploads a part with a checksum of algorithm a, or any where that is "",
// and returns its ETag. A small one, or one of an unknown
// size, is read before it is sent; any other streams. MissingContentLength: it
// is larger than that.
func (d *Driver) sendPart(ctx context.Context, in *s3.UploadPartInput, a store.ChecksumAlgorithm, body *store.Upload) (etag string, err error) {
	body.ForeignETag()
	size := body.SizeHint()
	if size > wholeSize {
		return d.streamPart(ctx, in, a, body, size)
	}
	pool := d.buffers.of(size)
	if size < 0 {
		pool = d.parts
	}
	buffer := pool.get()
	defer pool.put(buffer)
	data, err := readWhole(body, *buffer)
	if err != nil {
		return "", err
	}
	in.Body, in.ContentLength = bytes.NewReader(data), aws.Int64(int64(len(data)))
	return d.putPart(ctx, in, a, body.Checksums())
}

// readWhole reads a body to its end, which has passed all checks then.
// MissingContentLength: it is longer than the buffer.
func readWhole(body io.Reader, buffer []byte) ([]byte, error) {
	n, err := io.ReadFull(body, buffer)
	switch err {
	case io.EOF, io.ErrUnexpectedEOF:
		return buffer[:n], nil
	case nil:
	default:
		return nil, err
	}
	var more [1]byte
	switch _, err := io.ReadFull(body, more[:]); err {
	case io.EOF:
		return buffer, nil
	case nil:
		return nil, &daypass.Error{Code: daypass.MissingContentLength}
	default:
		return nil, err
	}
}

// streamPart uploads a part as it comes in. Its last byte is sent only once the
// body has passed all checks, so that the upstream has no part otherwise.
func (d *Driver) streamPart(
	ctx context.Context, in *s3.UploadPartInput, a store.ChecksumAlgorithm, body *store.Upload, size int64,
) (string, error) {
	held := &heldBody{ctx: ctx, body: body, left: size}
	in.Body, in.ContentLength = held, aws.Int64(size)
	etag, err := d.putPart(ctx, in, a, body.Promised())
	if failed := held.end(); failed != nil {
		return "", failed // and not what the transport makes of it
	}
	return etag, err
}

// putPart sends a part, with the checksum of algorithm a that the upstream is to
// keep, where it is known; "" is any.
func (d *Driver) putPart(ctx context.Context, in *s3.UploadPartInput, a store.ChecksumAlgorithm, sums []store.Checksum) (string, error) {
	for _, sum := range sums {
		// Where the upload was begun without an algorithm, any is taken.
		if d.can.Checksums && (a == "" || sum.Algorithm == a) {
			u := sumFields(sum)
			in.ChecksumCRC32, in.ChecksumCRC32C, in.ChecksumCRC64NVME, in.ChecksumSHA1, in.ChecksumSHA256 = u.CRC32, u.CRC32C, u.CRC64NVME, u.SHA1, u.SHA256
			break
		}
	}
	out, err := d.client.UploadPart(ctx, in, unsigned)
	if err != nil {
		return "", d.fail("upload a part", err)
	}
	if unquote(out.ETag) == "" {
		return "", d.fail("upload a part", errNoETag)
	}
	return unquote(out.ETag), nil
}
