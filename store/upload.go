package store

import (
	"errors"
	"io"
)

// An Upload is a body on its way into a store. It is an io.Reader that
// hashes what passes and, at the end, checks it against what the client
// promised: a Read that would return io.EOF returns a *daypass.Error
// (IncompleteBody, BadDigest, XAmzContentSHA256Mismatch) instead when a
// promise is broken, so a driver that stores nothing on a failed Read never
// stores a wrong body.
type Upload struct {
	// unexported: source, counters, hashes, expectations
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
	// expected checksum in base64 that followed the body.
	Trailer func() (string, error)
}

// NewUpload wraps a body.
func NewUpload(body io.Reader, opts UploadOptions) (*Upload, error) {
	return nil, errors.New("not written yet")
}

// Read implements io.Reader.
func (u *Upload) Read(p []byte) (int, error) { return 0, errors.New("not written yet") }

// SizeHint returns the promised size in bytes, or -1 when unknown.
func (u *Upload) SizeHint() int64 { return 0 }

// Size returns the number of bytes that were read. Valid after io.EOF.
func (u *Upload) Size() int64 { return 0 }

// ETag returns the MD5 of the body in hexadecimal. Valid after io.EOF.
func (u *Upload) ETag() string { return "" }

// Checksums returns the computed checksums. Valid after io.EOF.
func (u *Upload) Checksums() []Checksum { return nil }
