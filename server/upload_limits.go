package server

import (
	"io"
	"strconv"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// limitUpload narrows what is promised about a body to what the limits of the
// call's pass allow, and returns the body with the checks that need its bytes.
// The body is the one that will be stored, without framing.
func (c *call) limitUpload(body io.Reader, opts *store.UploadOptions) (io.Reader, error) {
	if c.limits == nil {
		return body, nil
	}
	if err := c.limitSize(opts); err != nil {
		return nil, err
	}
	if size := c.limits.Size; size != nil {
		body = &sizedBody{body: body, bounds: *size, declared: opts.Size}
	}
	if len(c.limits.Types) > 0 {
		declared := c.head.get("Content-Type")
		if err := c.checkDeclaredType(declared); err != nil {
			return nil, err
		}
		body = &typedBody{body: body, declared: declared}
	}
	return body, nil
}

// limitSize refuses a body whose declared size is not allowed.
func (c *call) limitSize(opts *store.UploadOptions) error {
	if c.limits.Size == nil || opts.Size < 0 {
		return nil
	}
	return checkSize(*c.limits.Size, opts.Size)
}

// checkSize refuses a size in bytes outside the bounds.
func checkSize(bounds limits.SizeRange, size int64) error {
	proposed := strconv.FormatInt(size, 10)
	refused := func(code daypass.Code, message, name string, bound int64) error {
		e := limits.Refused(limits.Size, strconv.FormatInt(bounds.Min, 10)+"-"+strconv.FormatInt(bounds.Max, 10), proposed)
		e.Code, e.Message = code, message
		e.Details = append([]daypass.Detail{{Name: "ProposedSize", Value: proposed},
			{Name: name, Value: strconv.FormatInt(bound, 10)}}, e.Details...)
		return e
	}
	switch {
	case size > bounds.Max:
		return refused(daypass.EntityTooLarge, "Your proposed upload exceeds the maximum allowed size", "MaxSizeAllowed", bounds.Max)
	case size < bounds.Min:
		return refused(s3.EntityTooSmall, "Your proposed upload is smaller than the minimum allowed size", "MinSizeAllowed", bounds.Min)
	}
	return nil
}

// A sizedBody ends with an error where the body is not of an allowed size.
type sizedBody struct {
	body     io.Reader
	bounds   limits.SizeRange
	declared int64 // negative: unknown
	size     int64
}

// Read implements io.Reader.
func (b *sizedBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	b.size += int64(n)
	switch {
	case b.size > b.bounds.Max:
		return 0, checkSize(b.bounds, max(b.size, b.declared))
	case err == io.EOF:
		if refused := checkSize(b.bounds, b.size); refused != nil {
			return 0, refused
		}
	}
	return n, err
}

// checkDeclaredType refuses a media type that the pass is not for, and content
// that is encoded, whose first bytes would tell nothing.
func (c *call) checkDeclaredType(declared string) error {
	allowed := strings.Join(c.limits.Types, ",")
	if encoding := withoutFraming(c.head.get("Content-Encoding")); encoding != "" && !strings.EqualFold(encoding, "identity") {
		return limits.Refused(limits.Type, allowed+", not encoded", "Content-Encoding: "+encoding)
	}
	if !c.limits.AllowsType(declared) {
		return limits.Refused(limits.Type, allowed, declared)
	}
	return nil
}

// headSize is how much of a body is looked at to tell its type, in bytes.
const headSize = 512

// A typedBody refuses content whose first bytes contradict its declared type.
type typedBody struct {
	body     io.Reader
	declared string
	head     []byte // what was read ahead
	checked  bool
	err      error // of reading ahead
}

// Read implements io.Reader.
func (b *typedBody) Read(p []byte) (int, error) {
	if !b.checked {
		b.checked = true
		if err := b.look(); err != nil {
			b.err = err
		}
	}
	if len(b.head) > 0 {
		n := copy(p, b.head)
		b.head = b.head[n:]
		return n, nil
	}
	if b.err != nil {
		return 0, b.err
	}
	return b.body.Read(p)
}

// look reads the first bytes and judges them.
func (b *typedBody) look() error {
	b.head = make([]byte, headSize)
	n, err := io.ReadFull(b.body, b.head)
	b.head = b.head[:n]
	if err == io.ErrUnexpectedEOF { // of ReadFull itself: the body has ended
		err = io.EOF
	}
	detected, contradicts := limits.Contradicts(b.declared, b.head)
	if !contradicts {
		return err
	}
	b.head = nil
	return limits.Refused(limits.Type, b.declared, detected)
}

// limitConditions adds the condition that the key is new. Who demands that an
// object is there wants to replace it.
func (c *call) limitConditions(cond *store.WriteConditions) error {
	if c.limits == nil || !c.limits.NoOverwrite {
		return nil
	}
	if cond.IfMatch != "" {
		return limits.Refused(limits.Overwrite, "a new key", "If-Match: "+cond.IfMatch)
	}
	cond.IfNoneMatch = "*"
	return nil
}

// refuseOverwrite words the refusal of a write to a key that exists already.
func (c *call) refuseOverwrite(err error) error {
	if c.limits == nil || !c.limits.NoOverwrite || daypass.CodeOf(err) != daypass.PreconditionFailed {
		return err
	}
	e := limits.Refused(limits.Overwrite, "a new key", c.ref.Key)
	e.Err = err
	return e
}
