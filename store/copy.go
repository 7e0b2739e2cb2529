package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/daypass/daypass"
)

// A CopyRequest makes an object from the content of another.
type CopyRequest struct {
	// Source is what is copied; its version may be given.
	Source daypass.ObjectRef
	// SourceETag is the ETag, without quotes, that the caller has seen and
	// decided upon; if the source has another by now, the copy fails with
	// PreconditionFailed. Empty is any.
	SourceETag string

	// The rest describes the copy, as in a PutRequest.
	Bucket, Key string
	Metadata    Metadata
	Owner       string
	Tags        []Tag
	ACL         []byte
	Lock        Lock
	Conditions  WriteConditions
	Time        time.Time
	// Checksum asks for a checksum of another algorithm than the source has;
	// empty keeps the source's.
	Checksum ChecksumAlgorithm
	// SourceKey is the customer's key of a source under SSEC, nil for others.
	SourceKey *Key
	// Sealing is how the copy is to be encrypted.
	Sealing Sealing
	// Encrypt returns the Encryption of the copy from that of the source, each
	// nil where there is none, or NotImplemented when the bytes of the source
	// cannot be those of the copy. Store fills it in.
	Encrypt func(src *Encryption) (*Encryption, error)
}

// A Copier is a driver that copies without moving bytes. Store.CopyObject
// reads and writes the content where a driver is none, or where a checksum
// must be computed.
type Copier interface {
	// CopyObject makes a copy in constant time; SourceETag is checked at the
	// moment of the commit, unless it is empty. The copy keeps the source's
	// ETag, checksums and parts, and gets the Encryption that req.Encrypt
	// returns for the source at that moment. NoSuchBucket, NoSuchKey,
	// NoSuchVersion, MethodNotAllowed (the source is a delete marker),
	// PreconditionFailed and the errors of req.Encrypt.
	CopyObject(ctx context.Context, req *CopyRequest) (*Object, error)
	// CopyPart makes a part of a multipart upload from a range of an object,
	// sharing its content where the driver can. sums returns the MD5 and
	// checksum of the range, which may mean to read it: a driver that learns
	// them in another way need not call it. NoSuchUpload, PreconditionFailed,
	// the source errors of CopyObject, the errors of sums, NotImplemented (this
	// range cannot be shared, or the source is encrypted, so the caller writes
	// it).
	CopyPart(ctx context.Context, req *PartCopyRequest, sums func() (PartSums, error)) (*Part, error)
}

// A PartCopyRequest makes a part from a range of an object.
type PartCopyRequest struct {
	Bucket, Key, UploadID string
	Number                int
	Source                daypass.ObjectRef
	SourceETag            string
	// Offset and Size are the range of the source in bytes; a negative Size
	// is all that follows Offset.
	Offset, Size int64
	Time         time.Time
	// SourceKey is the customer's key of a source under SSEC, CustomerKey that
	// of such an upload; nil for others.
	SourceKey, CustomerKey *Key
}

// PartSums are the sums of a part's content.
type PartSums struct {
	ETag      string
	Checksums []Checksum
}

// CopyObject makes an object from the content of another. Source errors:
// NoSuchBucket, NoSuchKey, NoSuchVersion, InvalidRequest (the version is a
// delete marker), PreconditionFailed (SourceETag); and those of PutObject.
func (s *Store) CopyObject(ctx context.Context, req *CopyRequest) (*Object, error) {
	const op = "store.CopyObject"
	if err := validRef(req.Source.Bucket, req.Source.Key); err != nil {
		return nil, wrap(op, err)
	}
	if err := validRef(req.Bucket, req.Key); err != nil {
		return nil, wrap(op, err)
	}
	if err := s.checkLock(req.Lock); err != nil {
		return nil, wrap(op, err)
	}
	timed := *req
	timed.Time = orNow(req.Time)
	generation, err := s.copyGeneration(ctx, req.Sealing)
	if err != nil {
		return nil, wrap(op, err)
	}
	timed.Encrypt = func(src *Encryption) (*Encryption, error) { return s.shareSealed(&timed, src, generation) }
	obj, err := s.copyObject(ctx, &timed)
	return obj, wrap(op, sourceError(err))
}

func (s *Store) copyObject(ctx context.Context, req *CopyRequest) (*Object, error) {
	d, ok := capability[Copier](s.driver)
	if !ok {
		return s.streamObject(ctx, req)
	}
	if req.Checksum != "" {
		src, err := s.driver.Object(ctx, req.Source)
		if err != nil {
			return nil, err
		}
		if sum, ok := checksumOf(src.Checksums, req.Checksum); !ok || sum.Type == Composite {
			return s.streamObject(ctx, req)
		}
		pinned := *req
		pinned.SourceETag = cmp.Or(req.SourceETag, src.ETag)
		req = &pinned
	}
	obj, err := d.CopyObject(ctx, req)
	if daypass.CodeOf(err) == daypass.NotImplemented {
		return s.streamObject(ctx, req)
	}
	return obj, err
}

// copyGeneration returns the generation of the wrapping key that a copy gets.
func (s *Store) copyGeneration(ctx context.Context, want Sealing) (uint32, error) {
	if want.SSE != SSES3 {
		return 0, nil
	}
	if s.wrapping == nil {
		return 0, errNoWrapping()
	}
	return s.wrapping.Current(ctx)
}

// shareSealed returns the Encryption of a copy that has the bytes of its
// source. That can be where neither is encrypted, and where both are under keys
// of the deployment; what comes under another customer's key, or from under
// one, is encrypted anew, so that whoever has the one key cannot read what is
// under the other. NotImplemented.
func (s *Store) shareSealed(req *CopyRequest, src *Encryption, generation uint32) (*Encryption, error) {
	switch {
	case src == nil && req.Sealing.SSE == NoSSE && req.SourceKey == nil:
		return nil, nil
	case src != nil && src.SSE == SSES3 && req.Sealing.SSE == SSES3 && req.SourceKey == nil:
		return s.rewrap(req.Source.Bucket, req.Source.Key, src, req.Bucket, req.Key, generation)
	}
	return nil, &daypass.Error{Code: daypass.NotImplemented, Err: errors.New("the copy is encrypted in another way than its source")}
}

// streamObject copies by reading and writing.
func (s *Store) streamObject(ctx context.Context, req *CopyRequest) (*Object, error) {
	src, body, err := s.openSource(ctx, req.Source, req.SourceETag, req.SourceKey, RangeHint{})
	if err != nil {
		return nil, err
	}
	defer body.Close()
	algorithm := req.Checksum
	if algorithm == "" && len(src.Checksums) > 0 {
		algorithm = src.Checksums[0].Algorithm
	}
	content, err := s.rangeUpload(body, 0, src.Size, algorithm)
	if err != nil {
		return nil, err
	}
	return s.putObject(ctx, &PutRequest{
		Bucket: req.Bucket, Key: req.Key, Metadata: req.Metadata, Owner: req.Owner, Tags: req.Tags, ACL: req.ACL,
		Lock: req.Lock, Body: content, Conditions: req.Conditions, Time: req.Time,
		Sealing: req.Sealing,
	})
}

// openSource opens what is to be copied, if it has the ETag that is asked for.
func (s *Store) openSource(ctx context.Context, ref daypass.ObjectRef, etag string, customer *Key, hint RangeHint) (*Object, Body, error) {
	src, body, err := s.openHinted(ctx, ref, hint)
	if err != nil {
		return nil, nil, err
	}
	if body, err = s.unseal(src, body, customer); err != nil {
		return nil, nil, err
	}
	if err := CheckSource(src, etag); err != nil {
		body.Close()
		return nil, nil, err
	}
	return src, body, nil
}

// openHinted opens an object, with a hint where the driver takes one.
func (s *Store) openHinted(ctx context.Context, ref daypass.ObjectRef, hint RangeHint) (*Object, Body, error) {
	if d, ok := capability[RangeOpener](s.driver); ok {
		return d.OpenObjectRange(ctx, ref, hint)
	}
	return s.driver.OpenObject(ctx, ref)
}

// CheckSource reports whether the source of a copy has the ETag that the caller
// has decided upon, if any. PreconditionFailed.
func CheckSource(src *Object, etag string) error {
	if etag == "" || src.ETag == etag {
		return nil
	}
	return preconditionFailed("x-amz-copy-source-If-Match")
}

// rangeUpload makes an upload of a range of a body. It shares the store's
// intake: copies count like any upload in what memory they may take.
func (s *Store) rangeUpload(body Body, off, n int64, a ChecksumAlgorithm) (*Upload, error) {
	r, err := body.Range(off, n)
	if err != nil {
		return nil, err
	}
	u, err := NewUpload(r, UploadOptions{Size: n, MaxSize: MaxObjectSize, Checksum: a})
	if err != nil {
		return nil, err
	}
	u.intake = s.intake
	return u, nil
}

// CopyPart makes a part from a range of an object. NoSuchUpload,
// InvalidArgument (part number, range), NoSuchBucket, NotImplemented and the
// source errors of CopyObject.
func (s *Store) CopyPart(ctx context.Context, req *PartCopyRequest) (*Part, error) {
	const op = "store.CopyPart"
	if err := validRef(req.Source.Bucket, req.Source.Key); err != nil {
		return nil, wrap(op, err)
	}
	d, upload, err := s.upload(ctx, req.Bucket, req.Key, req.UploadID, req.Number)
	if err != nil {
		return nil, wrap(op, err)
	}
	for try := 1; ; try++ {
		p, err := s.copyPart(ctx, d, upload, req)
		// The body of a source that is replaced while it is read may end.
		if daypass.CodeOf(err) == daypass.PreconditionFailed && req.SourceETag == "" && try < copyTries {
			continue
		}
		return p.of(upload), wrap(op, err)
	}
}

// copyTries bounds how often a copy begins anew because its source is replaced
// all the time.
const copyTries = 16

// copyPart makes a part of the source as it is now. PreconditionFailed: it was
// replaced meanwhile.
func (s *Store) copyPart(ctx context.Context, d Multiparter, upload *MultipartUpload, req *PartCopyRequest) (*Part, error) {
	src, body, err := s.openSource(ctx, req.Source, req.SourceETag, req.SourceKey, RangeHint{Lazy: true})
	if err != nil {
		return nil, sourceError(err)
	}
	defer body.Close()
	if _, err := s.uploadKey(upload, req.CustomerKey); err != nil {
		return nil, err
	}
	c := partCopy{store: s, req: *req, upload: upload, src: src, body: body}
	if copier, ok := capability[Copier](s.driver); ok && src.Encryption == nil && upload.Encryption == nil {
		c.copier = copier
	}
	if err := c.prepare(); err != nil {
		return nil, err
	}
	return c.run(ctx, d)
}

// sourceError answers the attempt to copy a delete marker as S3 does.
func sourceError(err error) error {
	if daypass.CodeOf(err) != daypass.MethodNotAllowed {
		return err
	}
	return invalidRequest("The source of a copy request may not specifically refer to a delete marker by version id.")
}

// A partCopy is a part in the making whose source is open.
type partCopy struct {
	store  *Store
	req    PartCopyRequest
	upload *MultipartUpload
	src    *Object
	body   Body
	copier Copier // nil where the driver is none
}

// prepare fills in what the request leaves open, so that exactly what is open
// now is copied.
func (c *partCopy) prepare() error {
	r, src := &c.req, c.src
	if r.Size < 0 {
		r.Size = max(src.Size-r.Offset, 0)
	}
	if r.Offset < 0 || r.Offset > src.Size || r.Size > src.Size-r.Offset {
		return invalidArgument(fmt.Sprintf("Range specified is not valid for source object of size: %d", src.Size),
			"x-amz-copy-source-range", fmt.Sprintf("bytes=%d-%d", r.Offset, r.Offset+r.Size-1))
	}
	if r.Size > MaxPartSize {
		return invalidRequest("The specified copy source is larger than the maximum allowable size for a copy source: %d",
			int64(MaxPartSize))
	}
	r.SourceETag, r.Source.VersionID = src.ETag, src.VersionID
	r.Time = orNow(r.Time)
	return nil
}

// run shares the content where the driver can, and reads and writes it where
// not, or where the source has just been replaced.
func (c *partCopy) run(ctx context.Context, d Multiparter) (*Part, error) {
	if c.copier != nil {
		p, err := c.copier.CopyPart(ctx, &c.req, c.sums)
		switch daypass.CodeOf(err) {
		case daypass.NotImplemented, daypass.PreconditionFailed, daypass.NoSuchKey, daypass.NoSuchVersion:
		default:
			return p, err
		}
	}
	content, err := c.content()
	if err != nil {
		return nil, err
	}
	r := &c.req
	put := &PartRequest{
		Bucket: r.Bucket, Key: r.Key, UploadID: r.UploadID, Number: r.Number, Body: content, Time: r.Time,
		CustomerKey: r.CustomerKey,
	}
	if err := c.store.sealPart(put, c.upload); err != nil {
		return nil, err
	}
	return d.PutPart(ctx, put)
}

// sums returns those of the range: the source's, where they are the same, or
// else computed.
func (c *partCopy) sums() (PartSums, error) {
	a, _ := c.upload.Sum()
	sum, ok := checksumOf(c.src.Checksums, a)
	if ok && c.src.PartCount == 0 && c.req.Size == c.src.Size {
		return PartSums{ETag: c.src.ETag, Checksums: []Checksum{sum}}, nil
	}
	content, err := c.content()
	if err != nil {
		return PartSums{}, err
	}
	if _, err := io.Copy(io.Discard, content); err != nil {
		return PartSums{}, err
	}
	return PartSums{ETag: content.ETag(), Checksums: content.Checksums()}, nil
}

func (c *partCopy) content() (*Upload, error) {
	a, _ := c.upload.Sum()
	return c.store.rangeUpload(c.body, c.req.Offset, c.req.Size, a)
}
