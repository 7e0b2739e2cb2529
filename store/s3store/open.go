package s3store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// A remoteBody is the content of an object in the upstream. Each Range is a
// request that asks for the object by its ETag and, where there are versions, by
// its version: once the object was replaced, only what is being read goes on.
type remoteBody struct {
	driver *Driver
	// ctx is that of the request that opened the body, which reads it.
	ctx     context.Context //nolint:containedctx
	at      place
	version *string
	etag    *string
	size    int64
	// origin is where open comes from.
	origin *origin

	// open is the answer that is being read; nil where there is none.
	open io.ReadCloser
	// off and n are what open holds, before anything was read of it; n is
	// negative once it was.
	off, n int64
	// turn counts the answers that were dropped.
	turn int
}

// OpenObject implements store.Driver.
func (d *Driver) OpenObject(ctx context.Context, ref daypass.ObjectRef) (*store.Object, store.Body, error) {
	return d.OpenObjectRange(ctx, ref, store.RangeHint{Parts: true})
}

// openHead opens an object without asking for content yet.
func (d *Driver) openHead(ctx context.Context, f found, ref daypass.ObjectRef, parts bool) (*store.Object, store.Body, error) {
	obj, err := d.head(ctx, f, ref)
	if err != nil {
		return obj, nil, err
	}
	if parts && obj.PartCount > 0 {
		if obj.Parts, err = d.objectParts(ctx, f.place, obj); err != nil {
			return nil, nil, err
		}
	}
	return obj, d.body(ctx, f, obj, new(origin)), nil
}

func (d *Driver) body(ctx context.Context, f found, obj *store.Object, from *origin) *remoteBody {
	b := &remoteBody{
		driver: d, ctx: ctx, at: f.place, version: f.version, etag: aws.String(obj.ETag), size: obj.Size, origin: from, n: -1,
	}
	if d.names.bucket == "" && obj.VersionID != "" && obj.VersionID != store.NullVersion {
		b.version = aws.String(obj.VersionID)
	}
	return b
}

// OpenObjectRange implements store.RangeOpener: one GET answers with what is
// known of the object and with its content. The upstream looks at the conditions
// too; where it sends nothing on their account, or for the range, the caller is
// told of the object as it is, and decides.
func (d *Driver) OpenObjectRange(ctx context.Context, ref daypass.ObjectRef, hint store.RangeHint) (*store.Object, store.Body, error) {
	f, err := d.find(ctx, ref)
	if err != nil {
		return nil, nil, err
	}
	if hint.Lazy {
		return d.openHead(ctx, f, ref, hint.Parts)
	}
	in := &s3.GetObjectInput{
		Bucket: &f.bucket, Key: &f.key, VersionId: f.version, ChecksumMode: d.checksumMode(),
		IfMatch: str(hint.Conditions.IfMatch), IfNoneMatch: str(hint.Conditions.IfNoneMatch),
	}
	if t := hint.Conditions.IfModifiedSince; !t.IsZero() {
		in.IfModifiedSince = &t
	}
	if t := hint.Conditions.IfUnmodifiedSince; !t.IsZero() {
		in.IfUnmodifiedSince = &t
	}
	if plainRange(hint.Range) {
		in.Range = &hint.Range
	}
	from := new(origin)
	out, err := d.client.GetObject(withOrigin(ctx, from), in)
	if err != nil {
		switch statusOf(err) {
		case http.StatusNotModified, http.StatusPreconditionFailed, http.StatusRequestedRangeNotSatisfiable:
			return d.openHead(ctx, f, ref, hint.Parts)
		}
		if isLostRace(err) { // which Ceph has for a condition on what is doubtful too
			return d.openHead(ctx, f, ref, hint.Parts)
		}
		obj, err := d.notFound(ctx, f, ref, "read an object", err)
		return obj, nil, err
	}
	if f.doubtful(out.ETag) {
		out.Body.Close()
		obj, err := d.checkListed(ctx, f, ref)
		return obj, nil, err
	}
	obj, body, err := d.opened(ctx, f, ref, out, from)
	if err == nil && hint.Parts && obj.PartCount > 0 {
		obj.Parts, err = d.objectParts(ctx, f.place, obj)
	}
	if err != nil {
		out.Body.Close()
		return nil, nil, err
	}
	return obj, body, nil
}

// opened returns the object that an answer is of, and the rest of the answer.
func (d *Driver) opened(
	ctx context.Context, f found, ref daypass.ObjectRef, out *s3.GetObjectOutput, from *origin,
) (*store.Object, store.Body, error) {
	s := describeGet(out)
	off, n := int64(0), s.Size
	if out.ContentRange != nil {
		var err error
		if off, n, s.Size, err = parseContentRange(*out.ContentRange); err != nil {
			return nil, nil, err
		}
	}
	obj, err := d.object(ctx, f.hold, ref, s)
	if err != nil {
		return nil, nil, err
	}
	b := d.body(ctx, f, obj, from)
	b.open, b.off, b.n = out.Body, off, n
	return obj, b, nil
}

// plainRange reports whether a Range header is one that every upstream
// understands in the same way.
func plainRange(header string) bool {
	spec, ok := strings.CutPrefix(header, "bytes=")
	first, last, found := strings.Cut(spec, "-")
	return ok && found && len(spec) <= 40 && first+last != "" && strings.Trim(first+last, "0123456789") == ""
}

// parseContentRange reads "bytes FIRST-LAST/SIZE".
func parseContentRange(header string) (off, n, size int64, err error) {
	var last int64
	if _, err := fmt.Sscanf(header, "bytes %d-%d/%d", &off, &last, &size); err != nil || off < 0 || last < off || last >= size {
		return 0, 0, 0, fmt.Errorf("s3store: the upstream answers with the range %q", header)
	}
	return off, last - off + 1, size, nil
}

// Range implements store.Body.
func (b *remoteBody) Range(off, n int64) (io.Reader, error) {
	if off < 0 || n < 0 || n > b.size || off > b.size-n {
		return nil, fmt.Errorf("s3store: a range of %d bytes from %d of %d", n, off, b.size)
	}
	if n == 0 {
		return bytes.NewReader(nil), nil
	}
	if b.n < n || b.off != off {
		if err := b.ask(off, n); err != nil {
			return nil, err
		}
	}
	b.n = -1
	return &remoteReader{b: b, body: b.open, turn: b.turn, off: off, left: n}, nil
}

// ask requests a range.
func (b *remoteBody) ask(off, n int64) error {
	b.drop()
	in := &s3.GetObjectInput{
		Bucket: &b.at.bucket, Key: &b.at.key, VersionId: b.version, IfMatch: b.etag,
		Range: aws.String("bytes=" + strconv.FormatInt(off, 10) + "-" + strconv.FormatInt(off+n-1, 10)),
	}
	out, err := b.driver.client.GetObject(withOrigin(b.ctx, b.origin), in)
	if err != nil {
		return b.driver.fail("read an object", err)
	}
	b.open = out.Body
	gotOff, gotN, size := int64(0), sizeOf(out.ContentLength), b.size
	if out.ContentRange != nil {
		gotOff, gotN, size, err = parseContentRange(*out.ContentRange)
	}
	switch {
	case err != nil:
	case unquote(out.ETag) != *b.etag, size != b.size:
		// It did not look at If-Match.
		err = &daypass.Error{Code: daypass.PreconditionFailed, Err: errors.New("s3store: the upstream answers with another object than it was asked for")}
	case gotOff != off || gotN < n:
		err = errors.New("s3store: the upstream answers with another range than it was asked for")
	}
	if err != nil {
		b.drop()
	}
	return err
}

// drop ends the answer that is being read.
func (b *remoteBody) drop() {
	if b.open != nil {
		b.open.Close()
	}
	b.open, b.n = nil, -1
	b.turn++
}

// Close implements io.Closer.
func (b *remoteBody) Close() error {
	b.drop()
	return nil
}

// maxResumes is how often the rest of a range is asked for again because the
// answer broke off.
const maxResumes = 3

var errBrokeOff = errors.New("the answer of the upstream broke off")

// A remoteReader reads one range. Where the upstream breaks off, it goes on with
// what is left of the same object, from another endpoint if there is one.
type remoteReader struct {
	b    *remoteBody
	body io.Reader
	turn int
	// off is where the next byte lies in the object, and left is how many
	// there are.
	off, left int64
	resumes   int
}

// Read implements io.Reader. Its errors have the codes of those of the upstream.
func (r *remoteReader) Read(p []byte) (int, error) {
	for {
		if r.left == 0 {
			return 0, io.EOF
		}
		n, err := r.body.Read(p[:min(int64(len(p)), r.left)])
		r.off, r.left = r.off+int64(n), r.left-int64(n)
		switch {
		case r.left == 0 && (err == nil || err == io.EOF):
			return n, io.EOF
		case err == nil:
			return n, nil
		case err == io.EOF:
			err = io.ErrUnexpectedEOF
		}
		if !r.resume(err) {
			return n, r.b.driver.fail("read an object", fmt.Errorf("%w: %w", errBrokeOff, err))
		}
		if n > 0 {
			return n, nil
		}
	}
}

// resume asks for what is left after an answer broke off with cause, and reports
// whether the upstream gives it: of the same object, which it must still have.
func (r *remoteReader) resume(cause error) bool {
	b := r.b
	// Whoever has closed the body, or reads another range, wants no more of it.
	if r.left == 0 || b.turn != r.turn || b.ctx.Err() != nil || r.resumes == maxResumes {
		return false
	}
	r.resumes++
	b.origin.broken = b.origin.end
	err := b.ask(r.off, r.left)
	b.origin.broken = nil
	log := b.driver.log
	if err != nil {
		log.WarnContext(b.ctx, "an answer of the upstream broke off, and it does not give the rest", "cause", cause, "error", err)
		return false
	}
	log.InfoContext(b.ctx, "an answer of the upstream broke off; it gives the rest", "cause", cause)
	r.body, r.turn = b.open, b.turn
	return true
}
