package store

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/daypass/daypass"
)

// hello is a body whose checksums are known from elsewhere.
const hello = "hello world"

var helloSums = map[ChecksumAlgorithm]string{
	CRC32:     "DUoRhQ==",
	CRC32C:    "yZRlqg==",
	CRC64NVME: "jSnVw/bqjr4=",
	SHA1:      "Kq5sNclPz7QV2+lfQIuc6R7oRu0=",
	SHA256:    "uU0nuZNNPgilLlLX2n2r+sSE7+N6U4DukIj3rOLvzek=",
}

func TestUpload(t *testing.T) {
	md5sum, sha := md5.Sum([]byte(hello)), sha256.Sum256([]byte(hello))
	for a, want := range helloSums {
		for _, readers := range []func(io.Reader) io.Reader{
			func(r io.Reader) io.Reader { return r }, iotest.OneByteReader, iotest.DataErrReader,
		} {
			u, err := NewUpload(readers(strings.NewReader(hello)), UploadOptions{
				Size: int64(len(hello)), MD5: md5sum[:], ContentSHA256: sha[:], Checksum: a, ChecksumValue: want,
				Trailer: func() (string, error) { return want, nil },
			})
			if err != nil {
				t.Fatal(err)
			}
			data, err := io.ReadAll(u)
			if err != nil || string(data) != hello {
				t.Errorf("%s: read %q, %v", a, data, err)
			}
			got := fmt.Sprintf("%d %d %s %v", u.Size(), u.SizeHint(), u.ETag(), u.Checksums())
			if want := fmt.Sprintf("11 11 5eb63bbbe01eeed093cb22bb8f5acdc3 [{%s %s }]", a, want); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		}
	}
}

// TestUploadRefused checks what a client is told. An upload that is refused
// once stays refused.
func TestUploadRefused(t *testing.T) {
	zero16, zero32 := make([]byte, 16), make([]byte, 32)
	sha := sha256.Sum256([]byte(hello))
	trailer := func(v string, err error) func() (string, error) {
		return func() (string, error) { return v, err }
	}
	tests := []struct {
		name string
		body io.Reader
		opts UploadOptions
		want string
	}{
		{"short", nil, UploadOptions{Size: 12}, "IncompleteBody: The request body terminated unexpectedly"},
		{"long", nil, UploadOptions{Size: 10}, "IncompleteBody: The request body is longer than its declared size."},
		{"cut off", iotest.ErrReader(io.ErrUnexpectedEOF), UploadOptions{Size: -1},
			"IncompleteBody: The request body terminated unexpectedly: unexpected EOF"},
		{"slow", iotest.ErrReader(os.ErrDeadlineExceeded), UploadOptions{Size: -1}, "RequestTimeout: i/o timeout"},
		{"refused below", iotest.ErrReader(&daypass.Error{Code: daypass.SlowDown}), UploadOptions{Size: -1}, "SlowDown"},
		{"large", nil, UploadOptions{Size: -1, MaxSize: 10}, "EntityTooLarge [{ProposedSize 11} {MaxSizeAllowed 10}]"},
		{"MD5", nil, UploadOptions{Size: -1, MD5: zero16},
			"BadDigest [{ExpectedDigest 00000000000000000000000000000000} {CalculatedDigest XrY7u+Ae7tCTyyK7j1rNww==}]"},
		{"payload", nil, UploadOptions{Size: -1, ContentSHA256: zero32, Checksum: SHA256}, "XAmzContentSHA256Mismatch [" +
			"{ClientComputedContentSHA256 " + strings.Repeat("0", 64) + "} " + fmt.Sprintf("{S3ComputedContentSHA256 %x}]", sha)},
		{"checksum", nil, UploadOptions{Size: -1, Checksum: CRC32, ChecksumValue: "AAAAAA=="},
			"BadDigest: The CRC32 you specified did not match the calculated checksum."},
		{"default checksum", nil, UploadOptions{Size: -1, ChecksumValue: "AAAAAAAAAAA="},
			"BadDigest: The CRC64NVME you specified did not match the calculated checksum."},
		{"trailer", nil, UploadOptions{Size: -1, Checksum: SHA1, Trailer: trailer("AAAAAAAAAAAAAAAAAAAAAAAAAAA=", nil)},
			"BadDigest: The SHA1 you specified did not match the calculated checksum."},
		{"malformed trailer", nil, UploadOptions{Size: -1, Checksum: SHA1, Trailer: trailer("AAAA", nil)},
			"InvalidRequest: Value for x-amz-checksum-sha1 trailing header is invalid.: InvalidRequest: " +
				"Value for x-amz-checksum-sha1 header is invalid."},
		{"broken trailer", nil, UploadOptions{Size: -1, Trailer: trailer("", io.ErrUnexpectedEOF)},
			"IncompleteBody: The request body terminated unexpectedly: unexpected EOF"},
	}
	for _, tt := range tests {
		if tt.body == nil {
			tt.body = strings.NewReader(hello)
		}
		u, err := NewUpload(tt.body, tt.opts)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		_, err = io.ReadAll(u)
		if got := explain(err); got != tt.want {
			t.Errorf("%s:\n got %s\nwant %s", tt.name, got, tt.want)
		}
		if n, again := u.Read(make([]byte, 1)); n != 0 || again != err {
			t.Errorf("%s: a second Read returns %d, %v", tt.name, n, again)
		}
	}
}

// explain returns an error with its details.
func explain(err error) string {
	var e *daypass.Error
	if errors.As(err, &e) && len(e.Details) > 0 {
		return fmt.Sprint(e, " ", e.Details)
	}
	return fmt.Sprint(err)
}

func TestNewUploadRefused(t *testing.T) {
	tests := []struct {
		opts UploadOptions
		want daypass.Code
	}{
		{UploadOptions{Size: MaxUploadSize}, ""},
		{UploadOptions{Size: MaxUploadSize + 1}, daypass.EntityTooLarge},
		{UploadOptions{Size: 11, MaxSize: 10}, daypass.EntityTooLarge},
		{UploadOptions{MD5: make([]byte, 15)}, daypass.InvalidDigest},
		{UploadOptions{Checksum: "MD4"}, daypass.InvalidRequest},
		{UploadOptions{Checksum: CRC32, ChecksumValue: "AAAAA==="}, daypass.InvalidRequest},
		{UploadOptions{Checksum: CRC32, ChecksumValue: "AAAAAAA="}, daypass.InvalidRequest},
		{UploadOptions{Checksum: CRC32, ChecksumValue: "AAAAAB=="}, daypass.InvalidRequest},
		{UploadOptions{ContentSHA256: make([]byte, 5)}, daypass.InternalError},
	}
	for _, tt := range tests {
		if _, err := NewUpload(strings.NewReader(""), tt.opts); daypass.CodeOf(err) != tt.want {
			t.Errorf("%+v: %v, want %q", tt.opts, err, tt.want)
		}
	}
}

func TestWrap(t *testing.T) {
	cause := errors.New("cause")
	inner := &daypass.Error{Code: daypass.NoSuchKey, Details: []daypass.Detail{{Name: "Key", Value: "k"}}}
	tests := []struct {
		err  error
		want string
		code daypass.Code
	}{
		{nil, "<nil>", ""},
		{cause, "op: InternalError: cause", daypass.InternalError},
		{context.Canceled, "op: InternalError: context canceled", daypass.InternalError},
		{inner, "op: NoSuchKey", daypass.NoSuchKey},
		{fmt.Errorf("outer: %w", inner), "op: NoSuchKey: outer: NoSuchKey", daypass.NoSuchKey},
	}
	for _, tt := range tests {
		err := wrap("op", tt.err)
		if fmt.Sprint(err) != tt.want || daypass.CodeOf(err) != tt.code || !errors.Is(err, tt.err) && err != nil && tt.err != error(inner) {
			t.Errorf("wrap(%v) = %v, want %s", tt.err, err, tt.want)
		}
	}
	if inner.Op != "" {
		t.Error("wrap changed its argument")
	}
	var e *daypass.Error
	if !errors.As(wrap("op", fmt.Errorf("outer: %w", inner)), &e) || len(e.Details) != 1 {
		t.Errorf("the details are lost: %v", e)
	}
}

func TestBucketID(t *testing.T) {
	s := New(nil, WithRand(bytes.NewReader(nil)))
	if _, err := s.CreateBucket(t.Context(), Bucket{Name: "abc"}, time.Time{}); err == nil {
		t.Error("a bucket without randomness was created")
	}
}

func TestChecksumValues(t *testing.T) {
	for a, value := range helloSums {
		digest, err := ParseChecksumValue(a, value)
		h := a.New()
		h.Write([]byte(hello))
		if err != nil || !bytes.Equal(digest, h.Sum(nil)) || len(digest) != a.Size() {
			t.Errorf("%s: %x, %v; computed %s", a, digest, err, base64.StdEncoding.EncodeToString(h.Sum(nil)))
		}
	}
}

// BenchmarkUpload measures hashing alone: MD5 and the default checksum.
func BenchmarkUpload(b *testing.B) {
	for _, size := range []int{1 << 10, 1 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			data := make([]byte, size)
			buf := make([]byte, 64<<10)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				u, err := NewUpload(bytes.NewReader(data), UploadOptions{Size: int64(size)})
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = u.Read(buf)
				}
			}
		})
	}
}
