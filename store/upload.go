package store

import (
	"crypto/md5"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strconv"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/internal/md5lanes"
	"github.com/daypass/daypass/store/sealed"
)

// MaxUploadSize is the size of the largest body of one upload, in bytes. (S3
// API reference, PutObject.)
const MaxUploadSize = 5 << 30

// An Upload is a body on its way into a store. It is an io.Reader that
// hashes what passes and, at the end, checks it against what the client
// promised: a Read that would return io.EOF returns a *daypass.Error
// (IncompleteBody, BadDigest, XAmzContentSHA256Mismatch) instead when a
// promise is broken, so a driver that stores nothing on a failed Read never
// stores a wrong body. For larger bodies WriteTo costs less.
type Upload struct {
	body io.Reader
	opts UploadOptions
	want []byte // the digest that ChecksumValue stands for, or nil

	size int64
	md5  hash.Hash // nil after ForeignETag
	// lanes is md5 while WriteTo sees to it; nil otherwise.
	lanes *md5lanes.Hash
	// intake is that of the store; nil until a store has the upload.
	intake *intake
	// checksum computes opts.Checksum. It is also payload when both are
	// SHA-256, so that the body is hashed once.
	checksum hash.Hash
	payload  hash.Hash // computes the signed payload hash; nil when not asked for
	// chosen says that the client chose the algorithm.
	chosen bool
	// also computes a second checksum, of algorithm alsoAlgorithm; nil when
	// there is none.
	also          hash.Hash
	alsoAlgorithm ChecksumAlgorithm

	// sealer encrypts what Read returns; nil where nothing is encrypted. tag
	// makes the ETag where that is no MD5; nil otherwise.
	sealer io.Reader
	tag    *Key

	err       error // sticky; io.EOF once the body has ended well
	lost      error // why WriteTo could not pass on what it had read; sticky
	etag      string
	checksums []Checksum
	sums      [2][sha256.Size]byte // memory for digests, none of which is longer
}

// UploadOptions are what the client promised about a body.
type UploadOptions struct {
	// Size is the exact number of bytes; negative when unknown.
	Size int64
	// MaxSize refuses larger bodies (EntityTooLarge). Zero is S3's limit for
	// one upload, 5 GiB.
	MaxSize int64
	// MD5 is the decoded Content-MD5, or nil. BadDigest.
	MD5 []byte
	// ContentSHA256 is the decoded signed payload hash, or nil.
	// XAmzContentSHA256Mismatch.
	ContentSHA256 []byte
	// Checksum names the algorithm to compute and keep; empty is CRC64NVME.
	Checksum ChecksumAlgorithm
	// ChecksumValue is the expected value in base64; empty when only the
	// body's trailer will tell (Trailer), or when none was promised.
	ChecksumValue string
	// Trailer, when not nil, is called after the last byte and returns the
	// expected checksum in base64 that followed the body; empty when none
	// did.
	Trailer func() (string, error)
}

// NewUpload wraps a body. EntityTooLarge, InvalidDigest (Content-MD5 of a
// wrong length), InvalidRequest (unknown algorithm, malformed checksum).
func NewUpload(body io.Reader, opts UploadOptions) (*Upload, error) {
	if opts.MaxSize == 0 {
		opts.MaxSize = MaxUploadSize
	}
	chosen := opts.Checksum != "" || opts.ChecksumValue != "" || opts.Trailer != nil
	if opts.Checksum == "" {
		opts.Checksum = CRC64NVME
	}
	want, err := opts.validate()
	if err != nil {
		return nil, err
	}
	u := &Upload{
		body: body, opts: opts, want: want, chosen: chosen,
		md5: md5.New(), checksum: opts.Checksum.New(),
	}
	switch {
	case opts.ContentSHA256 == nil:
	case opts.Checksum == SHA256:
		u.payload = u.checksum
	default:
		u.payload = SHA256.New()
	}
	return u, nil
}

// validate checks the promises themselves and returns the digest that
// ChecksumValue stands for.
func (o *UploadOptions) validate() (want []byte, err error) {
	switch {
	case o.Size > o.MaxSize:
		return nil, entityTooLarge(o.Size, o.MaxSize)
	case o.MD5 != nil && len(o.MD5) != md5.Size:
		return nil, &daypass.Error{Code: daypass.InvalidDigest}
	case o.ContentSHA256 != nil && len(o.ContentSHA256) != SHA256.Size():
		return nil, fmt.Errorf("store: a payload hash of %d bytes", len(o.ContentSHA256))
	case !o.Checksum.Known():
		return nil, &daypass.Error{
			Code:    daypass.InvalidRequest,
			Message: "Checksum algorithm provided is unsupported.",
		}
	case o.ChecksumValue == "":
		return nil, nil
	}
	return ParseChecksumValue(o.Checksum, o.ChecksumValue)
}

// sumFor makes the upload compute, as a part of m, the checksum that the whole
// needs. It must be called before the first Read. InvalidRequest when the
// client has chosen another algorithm for the part than for the whole.
func (u *Upload) sumFor(m *MultipartUpload) error {
	a, _ := m.Sum()
	switch {
	case u.opts.Checksum == a:
	case !u.chosen:
		u.opts.Checksum, u.checksum = a, a.New()
	case m.Checksum != "":
		return checksumTypeMismatch(a, u.opts.Checksum)
	default:
		u.also, u.alsoAlgorithm = a.New(), a
	}
	return nil
}

// ForeignETag says that whoever keeps the body gives it an ETag, so that no MD5
// is computed where the client promised none; then ETag returns "". It must be
// called before the first Read.
func (u *Upload) ForeignETag() {
	if u.opts.MD5 == nil && u.sealer == nil {
		u.md5 = nil
	}
}

// Promised returns the checksum that the client has declared before the body,
// which is that of every body that ends well; none where it did not.
func (u *Upload) Promised() []Checksum {
	if u.want == nil {
		return nil
	}
	return []Checksum{newChecksum(u.opts.Checksum, u.want)}
}

// Read implements io.Reader.
func (u *Upload) Read(p []byte) (int, error) {
	switch {
	case u.lost != nil:
		return 0, u.lost
	case u.sealer != nil:
		return u.sealer.Read(p)
	}
	return u.read(p)
}

// read returns the content itself.
func (u *Upload) read(p []byte) (int, error) {
	if u.err != nil {
		return 0, u.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := u.body.Read(p)
	if err := u.take(p[:n]); err != nil {
		u.err = err
		return 0, err
	}
	switch {
	case err == io.EOF:
		u.err = u.finish()
	case err != nil:
		u.err = bodyError(err)
	}
	return n, u.err
}

// take counts and hashes a piece of the body.
func (u *Upload) take(p []byte) error {
	u.size += int64(len(p))
	if u.size > u.opts.MaxSize {
		return entityTooLarge(max(u.size, u.opts.Size), u.opts.MaxSize)
	}
	if u.opts.Size >= 0 && u.size > u.opts.Size {
		return &daypass.Error{
			Code:    daypass.IncompleteBody,
			Message: "The request body is longer than its declared size.",
		}
	}
	if u.md5 != nil && u.lanes == nil {
		u.md5.Write(p)
	}
	u.checksum.Write(p)
	if u.payload != nil && u.payload != u.checksum {
		u.payload.Write(p)
	}
	if u.also != nil {
		u.also.Write(p)
	}
	return nil
}

// finish checks every promise at the end of the body and returns io.EOF when
// all are kept.
func (u *Upload) finish() error {
	if u.opts.Size >= 0 && u.size < u.opts.Size {
		return incompleteBody(nil)
	}
	digest := u.checksum.Sum(u.sums[0][:0])
	if err := u.checkPayload(); err != nil {
		return err
	}
	if u.md5 != nil {
		sum := u.md5.Sum(u.sums[1][:0])
		if err := u.checkMD5(sum); err != nil {
			return err
		}
		u.setETag(sum)
	}
	if err := u.checkChecksum(digest); err != nil {
		return err
	}
	u.checksums = []Checksum{newChecksum(u.opts.Checksum, digest)}
	if u.also != nil {
		u.checksums = append(u.checksums, newChecksum(u.alsoAlgorithm, u.also.Sum(nil)))
	}
	return io.EOF
}

func newChecksum(a ChecksumAlgorithm, digest []byte) Checksum {
	return Checksum{Algorithm: a, Value: base64.StdEncoding.EncodeToString(digest)}
}

func (u *Upload) checkPayload() error {
	if u.payload == nil {
		return nil
	}
	got := u.payload.Sum(nil)
	if equalDigests(got, u.opts.ContentSHA256) {
		return nil
	}
	return &daypass.Error{Code: daypass.XAmzContentSHA256Mismatch, Details: []daypass.Detail{
		{Name: "ClientComputedContentSHA256", Value: hex.EncodeToString(u.opts.ContentSHA256)},
		{Name: "S3ComputedContentSHA256", Value: hex.EncodeToString(got)},
	}}
}

// checkMD5 answers a mismatch as S3 does: the expected digest in hexadecimal,
// the calculated one in base64.
func (u *Upload) checkMD5(got []byte) error {
	if u.opts.MD5 == nil || equalDigests(got, u.opts.MD5) {
		return nil
	}
	return &daypass.Error{Code: daypass.BadDigest, Details: []daypass.Detail{
		{Name: "ExpectedDigest", Value: hex.EncodeToString(u.opts.MD5)},
		{Name: "CalculatedDigest", Value: base64.StdEncoding.EncodeToString(got)},
	}}
}

func (u *Upload) checkChecksum(got []byte) error {
	expected := [][]byte{u.want}
	if u.opts.Trailer != nil {
		digest, err := u.trailer()
		if err != nil {
			return err
		}
		expected = append(expected, digest)
	}
	for _, want := range expected {
		if want != nil && !equalDigests(got, want) {
			return wrongChecksum(u.opts.Checksum)
		}
	}
	return nil
}

func wrongChecksum(a ChecksumAlgorithm) error {
	return &daypass.Error{
		Code:    daypass.BadDigest,
		Message: "The " + string(a) + " you specified did not match the calculated checksum.",
	}
}

// trailer returns the digest that followed the body, nil when none did.
func (u *Upload) trailer() ([]byte, error) {
	value, err := u.opts.Trailer()
	if err != nil {
		return nil, bodyError(err)
	}
	if value == "" {
		return nil, nil
	}
	digest, err := ParseChecksumValue(u.opts.Checksum, value)
	if err != nil {
		return nil, &daypass.Error{
			Code:    daypass.InvalidRequest,
			Message: "Value for " + u.opts.Checksum.Header() + " trailing header is invalid.",
			Err:     err,
		}
	}
	return digest, nil
}

// SizeHint returns how many bytes Read will return, or -1 when that is unknown.
func (u *Upload) SizeHint() int64 {
	if u.sealer != nil {
		return sealed.SealedSize(max(u.opts.Size, -1))
	}
	return max(u.opts.Size, -1)
}

// Size returns the size of the content in bytes; where it is encrypted, Read
// has returned more. Valid after io.EOF.
func (u *Upload) Size() int64 { return u.size }

// ETag returns the MD5 of the content in hexadecimal, or, where it is encrypted
// with a customer's key, something of the same form. Valid after io.EOF.
func (u *Upload) ETag() string { return u.etag }

// Checksums returns the computed checksums, first that of the client's choice. Valid after io.EOF.
func (u *Upload) Checksums() []Checksum { return u.checksums }

func equalDigests(a, b []byte) bool { return subtle.ConstantTimeCompare(a, b) == 1 }

// bodyError turns the ways in which a connection ends early into answers for
// the client and leaves every other error as it is.
func bodyError(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return incompleteBody(err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return &daypass.Error{Code: daypass.RequestTimeout, Err: err}
	}
	return err
}

func incompleteBody(cause error) error {
	return &daypass.Error{
		Code:    daypass.IncompleteBody,
		Message: "The request body terminated unexpectedly",
		Err:     cause,
	}
}

func entityTooLarge(size, limit int64) error {
	return &daypass.Error{Code: daypass.EntityTooLarge, Details: []daypass.Detail{
		{Name: "ProposedSize", Value: strconv.FormatInt(size, 10)},
		{Name: "MaxSizeAllowed", Value: strconv.FormatInt(limit, 10)},
	}}
}
