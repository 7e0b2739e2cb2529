package store

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/daypass/daypass"
)

// MaxObjectSize is the size of the largest object, in bytes: 48.8 TiB, as many
// parts as there may be, each as large as it may be (S3 User Guide, "Amazon S3
// objects overview").
const MaxObjectSize = MaxParts * MaxPartSize

// partsPage is how many parts are asked of a driver at once.
const partsPage = 1000

// CompleteUpload makes an object of the parts. Completing once more with the
// same parts returns the object as long as it is its key's current version.
// NoSuchUpload, InvalidArgument (part number), InvalidPartOrder, InvalidPart,
// EntityTooSmall, EntityTooLarge, InvalidRequest, BadDigest,
// PreconditionFailed, NoSuchKey (If-Match without an object), NoSuchBucket,
// NotImplemented.
func (s *Store) CompleteUpload(ctx context.Context, req *CompleteRequest) (*Object, error) {
	const op = "store.CompleteUpload"
	if err := validCompletion(req); err != nil {
		return nil, wrap(op, err)
	}
	d, err := optional[Multiparter](s)
	if err != nil {
		return nil, wrap(op, err)
	}
	obj, err := s.complete(ctx, d, req)
	if daypass.CodeOf(err) == NoSuchUpload {
		if done := s.completed(ctx, req); done != nil {
			return done, nil
		}
	}
	return obj, wrap(op, err)
}

// validCompletion checks what can be seen without the upload.
func validCompletion(req *CompleteRequest) error {
	if err := validRef(req.Bucket, req.Key); err != nil {
		return err
	}
	if len(req.Parts) == 0 {
		return invalidRequest("You must specify at least one part")
	}
	for i, p := range req.Parts {
		if err := validPartNumber(p.Number); err != nil {
			return err
		}
		if i > 0 && p.Number <= req.Parts[i-1].Number {
			return &daypass.Error{Code: InvalidPartOrder}
		}
	}
	return nil
}

// complete checks the parts and lets the driver make an object of them.
func (s *Store) complete(ctx context.Context, d Multiparter, req *CompleteRequest) (*Object, error) {
	upload, err := d.MultipartUpload(ctx, req.Bucket, req.Key, req.UploadID)
	if err != nil {
		return nil, err
	}
	if req.CustomerKey != nil {
		if _, err := s.uploadKey(upload, req.CustomerKey); err != nil {
			return nil, err
		}
	}
	have, err := allParts(ctx, d, upload)
	if err != nil {
		return nil, err
	}
	c := completion{req: req, upload: upload}
	if err := c.choose(have); err != nil {
		return nil, err
	}
	filled := *req
	filled.Time = orNow(req.Time)
	filled.ETag = multipartETag(req.Parts)
	if filled.Checksums, err = c.checksums(); err != nil {
		return nil, err
	}
	return d.CompleteUpload(ctx, &filled)
}

// completed returns the object that an earlier completion has made of the same
// parts, nil when there is none.
func (s *Store) completed(ctx context.Context, req *CompleteRequest) *Object {
	name := req.UploadID
	if n, ok := capability[UploadNamer](s.driver); ok {
		name = n.UploadName(name)
	}
	obj, err := s.driver.Object(ctx, daypass.ObjectRef{Bucket: req.Bucket, Key: req.Key})
	if err != nil || obj.UploadID == "" || obj.UploadID != name || obj.ETag != multipartETag(req.Parts) {
		return nil
	}
	return obj
}

func allParts(ctx context.Context, d Multiparter, u *MultipartUpload) (all []Part, err error) {
	for after := 0; ; after = all[len(all)-1].Number {
		page, err := d.Parts(ctx, u.Bucket, u.Key, u.ID, after, partsPage)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < partsPage {
			return all, nil
		}
	}
}

// multipartETag returns the MD5 of the parts' MD5s, with the number of parts.
func multipartETag(parts []CompletedPart) string {
	h := md5.New()
	for _, p := range parts {
		sum, err := hex.DecodeString(p.ETag)
		if err != nil {
			return "" // which no object has
		}
		h.Write(sum)
	}
	return hex.EncodeToString(h.Sum(nil)) + "-" + strconv.Itoa(len(parts))
}

// A completion is an upload about to become an object.
type completion struct {
	req    *CompleteRequest
	upload *MultipartUpload
	parts  []Part // those that the client names
}

// choose finds the parts that the client names and checks their sizes.
func (c *completion) choose(have []Part) error {
	var total int64
	for i, named := range c.req.Parts {
		at, ok := slices.BinarySearchFunc(have, named.Number, func(p Part, n int) int { return p.Number - n })
		if !ok || have[at].ETag != named.ETag {
			return c.invalidPart(named)
		}
		p := have[at]
		if err := c.checkNamedSums(named, p); err != nil {
			return err
		}
		if p.Size < MinPartSize && i < len(c.req.Parts)-1 {
			return tooSmall(p)
		}
		total += p.Size
		c.parts = append(c.parts, p)
	}
	switch {
	case total > MaxObjectSize:
		return entityTooLarge(total, MaxObjectSize)
	case c.req.Size >= 0 && c.req.Size != total:
		return invalidRequest("The provided 'x-amz-mp-object-size' header value %d "+
			"does not match what was computed: %d", c.req.Size, total)
	}
	return nil
}

// checkNamedSums compares the checksums that the client names of a part with
// the part's. Where the object's is made of them, it must name them.
func (c *completion) checkNamedSums(named CompletedPart, have Part) error {
	for _, sum := range named.Checksums {
		if got, ok := checksumOf(have.Checksums, sum.Algorithm); !ok || got.Value != sum.Value {
			return c.invalidPart(named)
		}
	}
	a, t := c.upload.Sum()
	if _, ok := checksumOf(named.Checksums, a); !ok && t == Composite {
		return invalidRequest("The upload was created using a %s checksum. The complete request must include the "+
			"checksum for each part. It was missing for part %d in the request.", strings.ToLower(string(a)), named.Number)
	}
	return nil
}

func (c *completion) invalidPart(p CompletedPart) error {
	return InvalidPartError(c.upload.ID, p)
}

// InvalidPartError is how drivers and Store refuse a completion whose part is
// not there, or not as named.
func InvalidPartError(uploadID string, p CompletedPart) error {
	return &daypass.Error{
		Code: InvalidPart,
		Message: "One or more of the specified parts could not be found.  The part may not have been uploaded, " +
			"or the specified entity tag may not match the part's entity tag.",
		Details: []daypass.Detail{
			{Name: "UploadId", Value: uploadID},
			{Name: "PartNumber", Value: strconv.Itoa(p.Number)},
			{Name: "ETag", Value: p.ETag},
		},
	}
}

func tooSmall(p Part) error {
	return &daypass.Error{
		Code:    EntityTooSmall,
		Message: "Your proposed upload is smaller than the minimum allowed size",
		Details: []daypass.Detail{
			{Name: "ProposedSize", Value: strconv.FormatInt(p.Size, 10)},
			{Name: "MinSizeAllowed", Value: strconv.Itoa(MinPartSize)},
			{Name: "PartNumber", Value: strconv.Itoa(p.Number)},
			{Name: "ETag", Value: p.ETag},
		},
	}
}

// checksums returns those of the object, once they are what the client
// expects.
func (c *completion) checksums() ([]Checksum, error) {
	sum, err := c.checksum()
	if err != nil {
		return nil, err
	}
	if err := c.checkExpected(sum); err != nil {
		return nil, err
	}
	return []Checksum{sum}, nil
}

// checksum makes the checksum of the object from those of the parts.
func (c *completion) checksum() (Checksum, error) {
	a, t := c.upload.Sum()
	digests := make([][]byte, len(c.parts))
	for i, p := range c.parts {
		sum, _ := checksumOf(p.Checksums, a)
		var err error
		if digests[i], err = ParseChecksumValue(a, sum.Value); err != nil {
			return Checksum{}, fmt.Errorf("the %s checksum of part %d of upload %s is missing", a, p.Number, c.upload.ID)
		}
	}
	if t == Composite {
		return compositeChecksum(a, digests), nil
	}
	combined := newCRCCombiner(a)
	for i, p := range c.parts {
		combined.add(digests[i], p.Size)
	}
	return newChecksum(a, combined.digest()), nil
}

// compositeChecksum returns the checksum of checksums, with their number.
func compositeChecksum(a ChecksumAlgorithm, digests [][]byte) Checksum {
	h := a.New()
	for _, d := range digests {
		h.Write(d)
	}
	sum := newChecksum(a, h.Sum(nil))
	sum.Value += "-" + strconv.Itoa(len(digests))
	sum.Type = Composite
	return sum
}

// checkExpected compares the object's checksum with what the client expects,
// which for a composite one may leave out the number of parts.
func (c *completion) checkExpected(got Checksum) error {
	want := c.req.Expected
	a, t := c.upload.Sum()
	if want.Type != "" && want.Type != t {
		return invalidRequest("The upload was created using the %s checksum mode. "+
			"The complete request must use the same checksum mode.", t)
	}
	if want.Algorithm != "" && want.Algorithm != a {
		return checksumTypeMismatch(a, want.Algorithm)
	}
	if want.Value == "" {
		return nil
	}
	value, count, counted := strings.Cut(want.Value, "-")
	if _, err := ParseChecksumValue(a, value); err != nil {
		return err
	}
	have, haveCount, _ := strings.Cut(got.Value, "-")
	if value != have || counted && count != haveCount {
		return wrongChecksum(a)
	}
	return nil
}

func checksumTypeMismatch(want, got ChecksumAlgorithm) error {
	return invalidRequest("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s",
		strings.ToLower(string(want)), strings.ToLower(string(got)))
}

// checksumOf returns the checksum of one algorithm.
func checksumOf(sums []Checksum, a ChecksumAlgorithm) (Checksum, bool) {
	i := slices.IndexFunc(sums, func(c Checksum) bool { return c.Algorithm == a })
	if i < 0 {
		return Checksum{}, false
	}
	return sums[i], true
}
