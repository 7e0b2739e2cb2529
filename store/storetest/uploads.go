package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// failing yields data and then an error.
func failing(data []byte, err error) io.Reader {
	return io.MultiReader(bytes.NewReader(data), errReader{err})
}

type errReader struct{ err error }

func (r errReader) Read([]byte) (int, error) { return 0, r.err }

var errBroken = errors.New("the line is broken")

// A brokenUpload is a body that must not be stored.
type brokenUpload struct {
	name string
	body func(data []byte) io.Reader
	opts func(data []byte) store.UploadOptions
	code daypass.Code
}

func whole(data []byte) io.Reader { return bytes.NewReader(data) }

func anySize([]byte) store.UploadOptions { return store.UploadOptions{Size: -1} }

var brokenUploads = []brokenUpload{
	{"short", whole, func(d []byte) store.UploadOptions {
		return store.UploadOptions{Size: int64(len(d)) + 1}
	}, daypass.IncompleteBody},
	{"long", whole, func(d []byte) store.UploadOptions {
		return store.UploadOptions{Size: int64(len(d)) - 1}
	}, daypass.IncompleteBody},
	{"cut off", func(d []byte) io.Reader { return failing(d, io.ErrUnexpectedEOF) }, anySize, daypass.IncompleteBody},
	{"broken", func(d []byte) io.Reader { return failing(d, errBroken) }, anySize, daypass.InternalError},
	{"refused", func(d []byte) io.Reader {
		return failing(d, &daypass.Error{Code: daypass.SlowDown})
	}, anySize, daypass.SlowDown},
	{"too large", whole, func(d []byte) store.UploadOptions {
		return store.UploadOptions{Size: -1, MaxSize: int64(len(d)) - 1}
	}, daypass.EntityTooLarge},
	{"wrong MD5", whole, func([]byte) store.UploadOptions {
		return store.UploadOptions{Size: -1, MD5: make([]byte, 16)}
	}, daypass.BadDigest},
	{"wrong payload hash", whole, func([]byte) store.UploadOptions {
		return store.UploadOptions{Size: -1, ContentSHA256: make([]byte, 32)}
	}, daypass.XAmzContentSHA256Mismatch},
	{"wrong trailer", whole, func([]byte) store.UploadOptions {
		trailer := func() (string, error) { return "AAAAAA==", nil }
		return store.UploadOptions{Size: -1, Checksum: store.CRC32, Trailer: trailer}
	}, daypass.BadDigest},
}

func testBrokenUploads(s *suite) {
	s.createBucket(bucketName)
	old := []byte("what was there")
	s.mustPut("old", old)
	for i, tt := range brokenUploads {
		for _, size := range []int{10, 3 << 20} {
			data := pattern(i, size)
			for _, key := range []string{"new", "old"} {
				body, err := store.NewUpload(tt.body(data), tt.opts(data))
				s.must(err)
				_, err = s.store.PutObject(s.ctx, &store.PutRequest{Bucket: bucketName, Key: key, Body: body})
				s.wantCode(fmt.Sprintf("%s body of %d bytes", tt.name, size), err, tt.code)
			}
			s.wantMissing("new")
			s.wantBody("old", old)
		}
	}
	s.cancelledUpload()
	s.remove("old")
	s.must(s.store.DeleteBucket(s.ctx, bucketName))
}

// cancelledUpload checks an upload whose client has gone.
func (s *suite) cancelledUpload() {
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	gone := io.MultiReader(bytes.NewReader(pattern(1, 1<<20)), cancelReader{cancel}, bytes.NewReader(pattern(1, 1<<20)))
	body, err := store.NewUpload(gone, store.UploadOptions{Size: 2 << 20})
	s.must(err)
	_, err = s.store.PutObject(ctx, &store.PutRequest{Bucket: bucketName, Key: "new", Body: body})
	if !errors.Is(err, context.Canceled) {
		s.Errorf("cancelled upload: %v", err)
	}
	s.wantMissing("new")
}

type cancelReader struct{ cancel func() }

func (r cancelReader) Read([]byte) (int, error) { r.cancel(); return 0, io.EOF }

func testChecksums(s *suite) {
	s.createBucket(bucketName)
	data := pattern(1, 100_000)
	sum := sha256.Sum256(data)
	for _, a := range []store.ChecksumAlgorithm{"", store.CRC32, store.CRC32C, store.CRC64NVME, store.SHA1, store.SHA256} {
		body, err := store.NewUpload(bytes.NewReader(data), store.UploadOptions{Size: -1, Checksum: a, ContentSHA256: sum[:]})
		s.must(err)
		_, err = s.store.PutObject(s.ctx, &store.PutRequest{Bucket: bucketName, Key: "key", Body: body})
		s.must(err)
		obj, err := s.store.Object(s.ctx, ref("key"))
		s.must(err)
		if a == "" {
			a = store.CRC64NVME
		}
		h := a.New()
		h.Write(data)
		want := store.Checksum{Algorithm: a, Value: base64.StdEncoding.EncodeToString(h.Sum(nil))}
		if len(obj.Checksums) != 1 || obj.Checksums[0] != want {
			s.Errorf("checksums %v, want %v", obj.Checksums, want)
		}
	}
}
