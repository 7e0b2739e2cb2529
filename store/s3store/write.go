package s3store

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// unsigned keeps the SDK from hashing a body for the signature: it was verified
// on its way in, and TLS protects it on its way out.
func unsigned(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
}

// newID returns 16 random bytes in hexadecimal, as the ids of buckets are.
func newID() (string, error) {
	var id [16]byte
	_, err := rand.Read(id[:])
	return hex.EncodeToString(id[:]), err
}

// newWrite returns what tells a write from all others.
func newWrite() (string, error) {
	var id [9]byte
	_, err := rand.Read(id[:])
	return base64.RawURLEncoding.EncodeToString(id[:]), err
}

// A writing is a PutObject under way.
type writing struct {
	driver *Driver
	req    *store.PutRequest
	found
	lock  store.Lock
	extra extra
	held  *heldBody // of a body that streams
}

// PutObject implements store.Driver. A body of at most 1 MiB is read before
// anything is sent; a longer one streams, and the upstream gets its last byte
// once it was verified; one of an unknown size becomes a multipart upload.
func (d *Driver) PutObject(ctx context.Context, req *store.PutRequest) (*store.Object, error) {
	w, err := d.newWriting(ctx, req)
	if err != nil {
		return nil, err
	}
	req.Body.ForeignETag()
	size := req.Body.SizeHint()
	var obj *store.Object
	switch {
	case size > wholeSize:
		obj, err = w.stream(ctx, size)
	default:
		obj, err = w.buffer(ctx, size)
	}
	if err != nil {
		d.givenUp(ctx, w.hold, w.place, w.ours)
		return nil, err
	}
	if err := d.settle(ctx, w.hold); err != nil {
		return nil, d.takeBack(ctx, w.place, req.Bucket, w.ours, err)
	}
	return obj, nil
}

// newWriting checks what can be checked before the body is read.
func (d *Driver) newWriting(ctx context.Context, req *store.PutRequest) (*writing, error) {
	w := &writing{driver: d, req: req}
	var err error
	if w.found, err = d.find(ctx, daypass.ObjectRef{Bucket: req.Bucket, Key: req.Key}); err != nil {
		return nil, err
	}
	if req.Encryption != nil {
		return nil, d.Supports(store.FeatureEncryption)
	}
	if err := d.checkConditions(w.hold, req.Conditions); err != nil {
		return nil, err
	}
	if w.lock, err = w.record.lock.LockFor(req.Lock, req.Time); err != nil {
		return nil, err
	}
	if err := checkUntil(w.lock); err != nil {
		return nil, err
	}
	w.extra = extra{Owner: req.Owner, ACL: req.ACL}
	w.extra.Write, err = newWrite()
	return w, err
}

// checkConditions refuses the conditions of a write that the upstream would not
// look at. NotImplemented.
func (d *Driver) checkConditions(h hold, c store.WriteConditions) error {
	switch {
	case c.Empty():
		return nil
	case c.IfNoneMatch != "" && c.IfNoneMatch != "*":
		return notImplemented("If-None-Match of a write can only be *.")
	case c.IfMatch == "*":
		return notImplemented("If-Match of a write can only be an ETag.")
	case h.versioning != store.VersioningOff && !d.can.VersionedConditions:
		return notImplemented("The upstream cannot write on conditions into a bucket that keeps versions.")
	}
	return nil
}

// buffer reads a body to its end, if it is short, and then sends it.
func (w *writing) buffer(ctx context.Context, size int64) (*store.Object, error) {
	p := w.driver.buffers.of(size)
	buf := p.get()
	defer p.put(buf)
	n, err := io.ReadFull(w.req.Body, *buf)
	switch {
	case err == nil:
		// A buffer is larger than any body whose size is known.
		return w.multipart(ctx, (*buf)[:n])
	case err != io.EOF && err != io.ErrUnexpectedEOF:
		return nil, err
	}
	w.extra.setSums(w.req.Body.Checksums())
	return w.send(ctx, bytes.NewReader((*buf)[:n]), int64(n), w.req.Body.Checksums())
}

// stream sends a body of a known size while it is read.
func (w *writing) stream(ctx context.Context, size int64) (*store.Object, error) {
	sums := w.req.Body.Promised()
	w.extra.setSums(sums)
	w.held = &heldBody{ctx: ctx, body: w.req.Body, left: size}
	obj, err := w.send(ctx, w.held, size, sums)
	if failed := w.held.end(); failed != nil {
		return nil, failed
	}
	if err != nil {
		return nil, err
	}
	if len(obj.Checksums) == 0 {
		obj.Checksums = w.req.Body.Checksums()
	}
	return obj, nil
}

// send makes the object.
func (w *writing) send(ctx context.Context, body io.Reader, size int64, sums []store.Checksum) (*store.Object, error) {
	d := w.driver
	in, err := w.input(sums)
	if err != nil {
		return nil, err
	}
	in.Body, in.ContentLength = body, &size
	out, err := d.client.PutObject(ctx, in, unsigned)
	if err != nil {
		return w.failed(ctx, err)
	}
	if unquote(out.ETag) == "" {
		return nil, d.fail("store an object", errNoETag)
	}
	if err := w.checkVersion(ctx, aws.ToString(out.VersionId)); err != nil {
		return nil, err
	}
	return w.object(unquote(out.ETag), out.VersionId, size, serverTime(out.ResultMetadata)), nil
}

// input returns the request without the body.
func (w *writing) input(sums []store.Checksum) (*s3.PutObjectInput, error) {
	m, err := encodeMeta(&w.req.Metadata, w.extra)
	if err != nil {
		return nil, err
	}
	in := &s3.PutObjectInput{
		Bucket: &w.bucket, Key: &w.key,
		Tagging: encodeTags(w.req.Tags), IfMatch: str(w.req.Conditions.IfMatch), IfNoneMatch: str(w.req.Conditions.IfNoneMatch),
	}
	m.put(in)
	if r := w.req.Lock.Retention; r.Mode != "" {
		in.ObjectLockMode, in.ObjectLockRetainUntilDate = types.ObjectLockMode(r.Mode), aws.Time(r.Until)
	}
	in.ObjectLockLegalHoldStatus = types.ObjectLockLegalHoldStatus(w.req.Lock.LegalHold)
	if !w.driver.can.Checksums || len(sums) == 0 {
		return in, nil
	}
	u := sumFields(sums[0])
	in.ChecksumCRC32, in.ChecksumCRC32C, in.ChecksumCRC64NVME, in.ChecksumSHA1, in.ChecksumSHA256 = u.CRC32, u.CRC32C, u.CRC64NVME, u.SHA1, u.SHA256
	return in, nil
}

// object returns what was stored.
func (w *writing) object(etag string, version *string, size int64, at time.Time) *store.Object {
	obj := &store.Object{
		Bucket: w.req.Bucket, Key: w.req.Key, Size: size, ETag: etag, ModTime: at, Owner: w.req.Owner,
		Metadata: w.req.Metadata, Checksums: w.extra.sums(), Tags: w.req.Tags, ACL: w.req.ACL, Lock: w.lock,
		IsLatest: true, PartCount: partCount(etag),
	}
	obj.VersionID = w.driver.versionID(w.hold, daypass.ObjectRef{}, version)
	return obj
}

// serverTime returns when the upstream answered, which is the second in which it
// stored the object or the next.
func serverTime(m middleware.Metadata) time.Time {
	t, _ := awsmiddleware.GetServerTime(m)
	return t.UTC().Truncate(time.Second)
}

// failed returns the error of a write. Where the upstream says that a condition
// does not hold, the reason may be this very write, whose first answer was lost.
// An upstream that says so before it has read a long body, and hangs up, may not
// be heard; as it has not got all of it, it cannot have stored it.
func (w *writing) failed(ctx context.Context, cause error) (*store.Object, error) {
	err := w.driver.failWrite("store an object", w.req.Metadata.StorageClass, cause)
	code := daypass.CodeOf(err)
	lost := isLostRace(cause) || statusOf(cause) == 0 && w.held != nil && !w.held.sent()
	if w.req.Conditions.Empty() || (code != daypass.PreconditionFailed && code != daypass.NoSuchKey && !lost) {
		return nil, err
	}
	cur, write, found := w.current(ctx)
	switch {
	case found == nil && write == w.extra.Write:
		return cur, nil
	case lost && (found != nil && daypass.CodeOf(found) != daypass.NoSuchKey || w.req.Conditions.Check(cur) == nil):
		return nil, err
	case daypass.CodeOf(found) == daypass.NoSuchKey && w.req.Conditions.IfMatch != "":
		return nil, &daypass.Error{Code: daypass.NoSuchKey, Err: err}
	case code == daypass.NoSuchKey:
		return nil, err
	}
	return nil, &daypass.Error{Code: daypass.PreconditionFailed, Err: err, Details: []daypass.Detail{{Name: "Condition", Value: w.condition()}}}
}

// isLostRace reports whether the upstream may mean that somebody else wrote while
// it did: Ceph has no code for that, and answers 500.
func isLostRace(err error) bool {
	return statusOf(err) == http.StatusInternalServerError && codeOf(err) == "UnknownError" || isCompleting(err)
}

// failWrite is fail for a request that asks for a storage class: upstreams that
// lack it say so in different ways.
func (d *Driver) failWrite(op, class string, err error) error {
	code := codeOf(err)
	if class == "" || code != "InvalidArgument" && code != "InvalidStorageClass" {
		return d.fail(op, err)
	}
	return &daypass.Error{
		Code: "InvalidStorageClass", Err: err, Details: []daypass.Detail{{Name: "StorageClassRequested", Value: class}},
	}
}

func (w *writing) condition() string {
	if w.req.Conditions.IfMatch != "" {
		return "If-Match"
	}
	return "If-None-Match"
}

// current returns what is at the place of the object now, and by which write.
func (w *writing) current(ctx context.Context) (obj *store.Object, write string, err error) {
	d := w.driver
	out, err := d.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &w.bucket, Key: &w.key})
	if isMissing(err) {
		return nil, "", &daypass.Error{Code: daypass.NoSuchKey, Err: err}
	}
	if err != nil {
		return nil, "", d.fail("look for an object", err)
	}
	s := describeHead(out)
	if err := s.check(); err != nil {
		return nil, "", d.fail("look for an object", err)
	}
	_, e := decodeMeta(s)
	return w.object(unquote(s.ETag), s.VersionID, s.Size, modTime(s.Modified)), e.Write, nil
}

// checkVersion takes back a version that was written on a condition into a bucket
// that did not keep versions a moment ago: the upstream has not looked.
func (w *writing) checkVersion(ctx context.Context, version string) error {
	d := w.driver
	if version == "" || version == store.NullVersion || w.req.Conditions.Empty() || d.can.VersionedConditions {
		return nil
	}
	d.records.forget(w.req.Bucket)
	_, err := d.client.DeleteObject(context.WithoutCancel(ctx), &s3.DeleteObjectInput{Bucket: &w.bucket, Key: &w.key, VersionId: &version})
	if err != nil {
		return d.fail("take back a version", err)
	}
	return d.checkConditions(hold{record: &record{versioning: store.VersioningEnabled}}, w.req.Conditions)
}

// ours reports whether this write has made an object.
func (w *writing) ours(e *extra) bool { return e.Write == w.extra.Write }
