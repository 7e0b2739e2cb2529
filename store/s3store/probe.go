package s3store

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/daypass/daypass/store"
)

// Capabilities are what the upstream was seen to do, by requests at start. What
// could not be found out counts as what it cannot do.
type Capabilities struct {
	// PutIfNoneMatch and PutIfMatch: PutObject honours If-None-Match: * and
	// If-Match.
	PutIfNoneMatch, PutIfMatch bool
	// DeleteIfMatch: DeleteObject honours If-Match.
	DeleteIfMatch bool
	// CompleteIfNoneMatch and CompleteIfMatch: so does CompleteMultipartUpload.
	CompleteIfNoneMatch, CompleteIfMatch bool
	// CopyIfNoneMatch: CopyObject honours If-None-Match: * for what it writes.
	CopyIfNoneMatch bool
	// CopyIfMatch is the header by which CopyObject makes sure that the source
	// has an ETag still; "" for none.
	CopyIfMatch string
	// CopyTags: CopyObject gives a copy the tags that it is asked for.
	CopyTags bool
	// PartCopyIfMatch: UploadPartCopy honours x-amz-copy-source-if-match.
	PartCopyIfMatch bool
	// UploadTags and UploadLock: an object that was uploaded in parts has the
	// tags, and the lock, that its upload was begun with.
	UploadTags, UploadLock bool
	// PartSums: ListParts has the CRC-64/NVME of parts whose upload was begun
	// without an algorithm.
	PartSums bool
	// UploadKeys: keys that are listed with their uploads are URL-encoded when
	// that is asked for, whether the answer says so or not.
	UploadKeys bool
	// Checksums: x-amz-checksum-* are verified, kept and returned.
	Checksums bool
	// Versioning and ObjectLock: buckets can have them, and a legal hold keeps
	// a version.
	Versioning, ObjectLock bool
	// VersionedConditions: where versions are kept, PutObject's conditions look
	// at the current one.
	VersionedConditions bool
	// MarkersTold: where the current version is a delete marker, GetObject and
	// HeadObject say so (x-amz-delete-marker).
	MarkersTold bool
	// TaggingCount: GetObject tells how many tags an object has.
	TaggingCount bool
	// GetObjectAttributes is implemented.
	GetObjectAttributes bool
	// ZeroInKeys: a key may have a zero byte.
	ZeroInKeys bool
	// SignedHeadersOnly: a request with a pre-signed URL is refused when it has
	// an x-amz-* header that is not signed. Without that, a pre-signed PutObject
	// can be made a copy of any object that the node can read.
	SignedHeadersOnly bool
}

// words says for people what an upstream can do and what not. What was not asked,
// since buckets that share one upstream bucket have no versions, is in neither.
func (c *Capabilities) words(versions bool) (can, cannot []string) {
	for _, ability := range []struct {
		name         string
		has, unasked bool
	}{
		{name: "conditional PutObject", has: c.PutIfNoneMatch && c.PutIfMatch},
		{name: "conditional DeleteObject", has: c.DeleteIfMatch},
		{name: "conditional CompleteMultipartUpload", has: c.CompleteIfNoneMatch && c.CompleteIfMatch},
		{name: "conditional CopyObject", has: c.CopyIfNoneMatch && c.CopyIfMatch != ""},
		{name: "conditional UploadPartCopy", has: c.PartCopyIfMatch},
		{name: "checksums", has: c.Checksums},
		{name: "checksums of parts", has: c.PartSums},
		{name: "tags of copies", has: c.CopyTags},
		{name: "tags of multipart uploads", has: c.UploadTags},
		{name: "GetObjectAttributes", has: c.GetObjectAttributes},
		{name: "tagging counts", has: c.TaggingCount},
		{name: "encoded keys of uploads", has: c.UploadKeys},
		{name: "keys with a zero byte", has: c.ZeroInKeys},
		{name: "pre-signed URLs that refuse unsigned headers", has: c.SignedHeadersOnly},
		{name: "versioning", has: c.Versioning, unasked: !versions},
		{name: "conditions in versioned buckets", has: c.VersionedConditions, unasked: !versions},
		{name: "telling of delete markers", has: c.MarkersTold, unasked: !versions},
		{name: "object lock", has: c.ObjectLock, unasked: !versions},
		{name: "object lock of multipart uploads", has: c.UploadLock, unasked: !versions},
	} {
		switch {
		case ability.unasked:
		case ability.has:
			can = append(can, ability.name)
		default:
			cannot = append(cannot, ability.name)
		}
	}
	return can, cannot
}

// A prober finds out what an upstream can do, with requests on a key of its own.
type prober struct {
	d       *Driver
	ctx     context.Context
	at      place  // the scratch object
	etag    string // of the scratch object
	can     Capabilities
	scratch string // a bucket of its own, "" for none
}

// probe finds out what the upstream can do by requests on a scratch object in
// the place of the control objects and, where buckets are mapped one to one, on
// a scratch bucket, which it removes again. Its errors say what to change.
func (d *Driver) probe(ctx context.Context) (Capabilities, error) {
	var random [8]byte
	if _, err := rand.Read(random[:]); err != nil {
		return Capabilities{}, err
	}
	name := hex.EncodeToString(random[:])
	p := &prober{d: d, ctx: ctx, at: d.names.control("probe/" + name)}
	defer p.remove(p.at)
	if err := p.put(); err != nil {
		return Capabilities{}, explain(err)
	}
	steps := []func() error{p.puts, p.checksums, p.attributes, p.completions, p.copies, p.sources, p.copiedTags, p.uploads, p.zero, p.presigned, p.deletion}
	if d.names.bucket == "" {
		steps = append(steps, func() error { return p.versions(scratchBucket(d.names.controlBucket) + name) })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return Capabilities{}, explain(err)
		}
	}
	can, cannot := p.can.words(d.names.bucket == "")
	(&prober{d: d, ctx: ctx}).sweep()
	d.log.Info("upstream probed", "can", strings.Join(can, ", "), "cannot", strings.Join(cannot, ", "))
	return p.can, nil
}

// scratchBucket returns how the names of buckets begin that exist only while a
// node is starting.
func scratchBucket(control string) string {
	const longest = 40 // of 63, with room for a random end
	return control[:min(len(control), longest)] + "-probe-"
}

// explain says what to do about an error of the first requests.
func explain(err error) error {
	const open = "s3store: the upstream does not serve this node: "
	switch code := codeOf(err); code {
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken":
		return fmt.Errorf(open+"it refuses the credentials (%s): check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY or the profile: %w", code, err)
	case "AccessDenied":
		return fmt.Errorf(open+"the access key may not read, write and delete there: give it these permissions: %w", err)
	case "NoSuchBucket":
		return fmt.Errorf(open+"the bucket of the store URL does not exist: create it: %w", err)
	case "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException":
		return fmt.Errorf(open+"the bucket is in another region: set region= of the store URL: %w", err)
	case "RequestTimeTooSkewed":
		return fmt.Errorf(open+"the clocks differ: set both by NTP: %w", err)
	}
	var untrusted *tls.CertificateVerificationError
	var refused *net.OpError
	switch {
	case errors.As(err, &untrusted):
		return fmt.Errorf(open+"its certificate is not one to trust: name the file with those that sign it with ca= of the store URL, "+
			"and the host in endpoint= as the certificate does: %w", err)
	case errors.As(err, &refused) && refused.Op == tlsRefused:
		return fmt.Errorf(open+"it refuses the TLS connection: name a certificate that it accepts with cert= and key= of the store URL: %w", err)
	case failed(err), missed(err):
		return fmt.Errorf(open+"it does not answer: check endpoint= of the store URL, and the upstream: %w", err)
	}
	return fmt.Errorf(open+"%w", err)
}

// tlsRefused is what crypto/tls calls an alert of the other end.
const tlsRefused = "remote error"

// answered sorts the outcome of a probing request: done without an error, refused
// by the upstream, or not answered, which is returned: what is not known must not
// be taken for what the upstream cannot do.
func answered(err error) (done bool, status int, fatal error) {
	if err == nil {
		return true, 0, nil
	}
	switch status = statusOf(err); status {
	case 0, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return false, status, err
	}
	return false, status, nil
}

// put makes the scratch object what it was at first.
func (p *prober) put(changes ...func(*s3.PutObjectInput)) error {
	in := &s3.PutObjectInput{Bucket: &p.at.bucket, Key: &p.at.key, Body: bytes.NewReader([]byte("probe"))}
	for _, change := range changes {
		change(in)
	}
	out, err := p.d.client.PutObject(p.ctx, in)
	if err == nil {
		p.etag = unquote(out.ETag)
	}
	return err
}

// remove removes an object, or a version of it, as well as that goes.
func (p *prober) remove(at place) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), p.d.config.Timeout)
	defer cancel()
	if _, err := p.d.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &at.bucket, Key: &at.key}); err != nil {
		p.d.log.Warn("a scratch object of the start was left in the upstream", "bucket", at.bucket, "key", at.key, "error", err)
	}
}

// otherETag is that of no object.
const otherETag = "00000000000000000000000000000000"

// conditions reports whether put honours If-None-Match: * and If-Match where
// there is an object.
func (p *prober) conditions(put func(...func(*s3.PutObjectInput)) error) (none, match bool, err error) {
	_, status, err := answered(put(func(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String("*") }))
	if err != nil {
		return false, false, err
	}
	none = status == http.StatusPreconditionFailed
	_, status, err = answered(put(func(in *s3.PutObjectInput) { in.IfMatch = aws.String(otherETag) }))
	if err != nil || status != http.StatusPreconditionFailed {
		return none, false, err
	}
	match, _, err = answered(put(func(in *s3.PutObjectInput) { in.IfMatch = &p.etag }))
	return none, match, err
}

func (p *prober) puts() (err error) {
	p.can.PutIfNoneMatch, p.can.PutIfMatch, err = p.conditions(p.put)
	if err != nil || !p.can.PutIfNoneMatch {
		return err
	}
	// A creation must go through as well.
	p.remove(p.at)
	created, _, err := answered(p.put(func(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String("*") }))
	p.can.PutIfNoneMatch = created
	if err != nil || created {
		return err
	}
	return p.put()
}

func (p *prober) checksums() error {
	const wrong, right = "AAAAAA==", "115vKg==" // CRC-32 of "probe"
	refused := func() (bool, error) {
		done, _, err := answered(p.put(func(in *s3.PutObjectInput) { in.ChecksumCRC32 = aws.String(wrong) }))
		return !done, err
	}
	verifies, err := refused()
	if err != nil {
		return err
	}
	tagged, _, err := answered(p.put(func(in *s3.PutObjectInput) {
		in.ChecksumCRC32, in.Tagging = aws.String(right), aws.String("probe=1")
	}))
	if err != nil {
		return err
	}
	if !tagged {
		return p.put()
	}
	out, err := p.d.client.GetObject(p.ctx, &s3.GetObjectInput{
		Bucket: &p.at.bucket, Key: &p.at.key, ChecksumMode: types.ChecksumModeEnabled,
	})
	if err != nil {
		return err
	}
	defer out.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(out.Body, 64)); err != nil {
		return err
	}
	p.can.Checksums = verifies && aws.ToString(out.ChecksumCRC32) == right
	p.can.TaggingCount = aws.ToInt32(out.TagCount) == 1
	return nil
}

func (p *prober) attributes() error {
	out, err := p.d.client.GetObjectAttributes(p.ctx, &s3.GetObjectAttributesInput{
		Bucket: &p.at.bucket, Key: &p.at.key,
		ObjectAttributes: []types.ObjectAttributes{types.ObjectAttributesObjectSize},
	})
	// An upstream that does not know the sub-resource may answer with the object,
	// which cannot be parsed.
	p.can.GetObjectAttributes = err == nil && aws.ToInt64(out.ObjectSize) == int64(len("probe"))
	if statusOf(err) == 0 && failed(err) {
		return err
	}
	return nil
}

func (p *prober) completions() (err error) {
	p.can.CompleteIfNoneMatch, err = p.completion(func(in *s3.CompleteMultipartUploadInput) { in.IfNoneMatch = aws.String("*") })
	if err != nil {
		return err
	}
	p.can.CompleteIfMatch, err = p.completion(func(in *s3.CompleteMultipartUploadInput) { in.IfMatch = aws.String(otherETag) })
	return err
}

// completion reports whether a multipart upload over the scratch object is
// refused with a condition that does not hold.
func (p *prober) completion(condition func(*s3.CompleteMultipartUploadInput)) (bool, error) {
	upload, err := p.d.client.CreateMultipartUpload(p.ctx, &s3.CreateMultipartUploadInput{Bucket: &p.at.bucket, Key: &p.at.key})
	if err != nil {
		return false, err
	}
	part, err := p.d.client.UploadPart(p.ctx, &s3.UploadPartInput{
		Bucket: &p.at.bucket, Key: &p.at.key, UploadId: upload.UploadId, PartNumber: aws.Int32(1), Body: bytes.NewReader([]byte("probe")),
	})
	status, done := 0, false
	if err == nil {
		in := &s3.CompleteMultipartUploadInput{
			Bucket: &p.at.bucket, Key: &p.at.key, UploadId: upload.UploadId,
			MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{{ETag: part.ETag, PartNumber: aws.Int32(1)}}},
		}
		condition(in)
		_, err = p.d.client.CompleteMultipartUpload(p.ctx, in)
		done, status, err = answered(err)
	}
	if !done {
		_, abortErr := p.d.client.AbortMultipartUpload(context.WithoutCancel(p.ctx), &s3.AbortMultipartUploadInput{
			Bucket: &p.at.bucket, Key: &p.at.key, UploadId: upload.UploadId,
		})
		if abortErr != nil {
			p.d.log.Warn("a scratch upload of the start was left in the upstream", "bucket", p.at.bucket, "key", p.at.key, "error", abortErr)
		}
	}
	return status == http.StatusPreconditionFailed, err
}

func (p *prober) copies() error {
	_, err := p.d.client.CopyObject(p.ctx, &s3.CopyObjectInput{
		Bucket: &p.at.bucket, Key: &p.at.key, CopySource: aws.String(copySource(p.at)),
		MetadataDirective: types.MetadataDirectiveReplace, IfNoneMatch: aws.String("*"),
	})
	_, status, err := answered(err)
	p.can.CopyIfNoneMatch = status == http.StatusPreconditionFailed
	return err
}

func (p *prober) zero() error {
	at := place{p.at.bucket, p.at.key + "\x00"}
	_, err := p.d.client.PutObject(p.ctx, &s3.PutObjectInput{Bucket: &at.bucket, Key: &at.key, Body: bytes.NewReader(nil)})
	done, _, err := answered(err)
	if !done {
		return err
	}
	defer p.remove(at)
	list, err := p.d.client.ListObjectsV2(p.ctx, &s3.ListObjectsV2Input{
		Bucket: &at.bucket, Prefix: &p.at.key, EncodingType: types.EncodingTypeUrl,
	})
	if err != nil {
		return err
	}
	for i := range list.Contents {
		key, err := decodeKey(list.Contents[i].Key)
		p.can.ZeroInKeys = p.can.ZeroInKeys || (err == nil && key == at.key)
	}
	return nil
}

// presigned finds out whether the holder of a pre-signed URL may add headers
// that change what it is for.
func (p *prober) presigned() error {
	request, err := p.d.presignPut(p.ctx, &s3.PutObjectInput{Bucket: &p.at.bucket, Key: &p.at.key}, store.MaxRedirectLife)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(p.ctx, request.Method, request.URL, nil)
	if err != nil {
		return err
	}
	r.Header = request.SignedHeader.Clone()
	r.Header.Set("X-Amz-Copy-Source", copySource(p.at))
	r.Header.Set("X-Amz-Metadata-Directive", "REPLACE")
	response, err := p.d.client.Options().HTTPClient.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	p.can.SignedHeadersOnly = response.StatusCode == http.StatusForbidden
	if err != nil || !p.can.SignedHeadersOnly {
		return err
	}
	// A refusal counts only for its reason.
	p.can.SignedHeadersOnly = strings.Contains(string(body), "AccessDenied") || strings.Contains(string(body), "SignatureDoesNotMatch")
	return nil
}

func (p *prober) deletion() error {
	_, err := p.d.client.DeleteObject(p.ctx, &s3.DeleteObjectInput{Bucket: &p.at.bucket, Key: &p.at.key, IfMatch: aws.String(otherETag)})
	_, status, err := answered(err)
	p.can.DeleteIfMatch = status == http.StatusPreconditionFailed
	return err
}

// copySource names an object in x-amz-copy-source.
func copySource(at place) string { return (&url.URL{Path: at.bucket + "/" + at.key}).EscapedPath() }
