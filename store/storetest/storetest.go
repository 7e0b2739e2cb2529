// Package storetest is the conformance suite of store drivers: what it checks
// holds on every backend.
package storetest

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// Run checks a driver. open returns an empty one for a test and closes it in
// the test's cleanup.
func Run(t *testing.T, open func(t *testing.T) store.Driver) {
	tests := []struct {
		name string
		run  func(*suite)
	}{
		{"Buckets", testBuckets},
		{"ListBuckets", testListBuckets},
		{"BucketNamesAreChecked", testBucketNames},
		{"MissingBucket", testMissingBucket},
		{"PutGetDelete", testPutGetDelete},
		{"Versions", testVersions},
		{"Keys", testKeys},
		{"KeysAreChecked", testBadKeys},
		{"Metadata", testMetadata},
		{"Sizes", testSizes},
		{"Ranges", testRanges},
		{"OpenBodyOutlivesObject", testOpenBody},
		{"BrokenUploadsLeaveNothing", testBrokenUploads},
		{"Checksums", testChecksums},
		{"WriteConditions", testWriteConditions},
		{"DeleteConditions", testDeleteConditions},
		{"CreationRace", testCreationRace},
		{"CompareAndSwapRace", testCompareAndSwapRace},
		{"OverwriteRace", testOverwriteRace},
		{"BucketDeletionRace", testBucketDeletionRace},
		{"List", testList},
		{"ListAgainstModel", testListModel},
		{"ListCancelled", testListCancelled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.run(&suite{T: t, store: store.New(open(t)), ctx: t.Context()})
		})
	}
}

// bucketName is the bucket of most tests.
const bucketName = "a-bucket"

// now is the time at which tests write.
var now = time.Date(2026, 3, 4, 5, 6, 7, 800_000_000, time.UTC)

// A suite is what one test works with.
type suite struct {
	*testing.T
	store *store.Store
	ctx   context.Context
}

// must ends the test on an error.
func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// wantCode fails the test unless err has the given code; "" is no error.
func (s *suite) wantCode(what string, err error, want daypass.Code) {
	s.Helper()
	if got := daypass.CodeOf(err); got != want {
		s.Errorf("%s: code %q, want %q (error: %v)", what, got, want, err)
	}
}

func (s *suite) createBucket(name string) store.Bucket {
	s.Helper()
	b, err := s.store.CreateBucket(s.ctx, store.Bucket{Name: name, Owner: "owner", Region: "eu-central-1"}, now)
	s.must(err)
	return b
}

func ref(key string) daypass.ObjectRef {
	return daypass.ObjectRef{Bucket: bucketName, Key: key}
}

// put stores data and returns the error, if any.
func (s *suite) put(key string, data []byte, cond store.WriteConditions) (*store.Object, error) {
	s.Helper()
	body, err := store.NewUpload(bytes.NewReader(data), store.UploadOptions{Size: int64(len(data))})
	s.must(err)
	return s.store.PutObject(s.ctx, &store.PutRequest{
		Bucket: bucketName, Key: key, Owner: "writer", Body: body, Conditions: cond, Time: now,
	})
}

func (s *suite) mustPut(key string, data []byte) *store.Object {
	s.Helper()
	obj, err := s.put(key, data, store.WriteConditions{})
	s.must(err)
	return obj
}

// get returns an object and its whole body.
func (s *suite) get(key string) (*store.Object, []byte, error) {
	obj, body, err := s.store.OpenObject(s.ctx, ref(key))
	if err != nil {
		return nil, nil, err
	}
	defer body.Close()
	data, err := readRange(body, 0, obj.Size)
	return obj, data, err
}

func readRange(body store.Body, off, n int64) ([]byte, error) {
	r, err := body.Range(off, n)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(r)
}

// wantBody fails the test unless the object has the given content.
func (s *suite) wantBody(key string, want []byte) {
	s.Helper()
	obj, got, err := s.get(key)
	s.must(err)
	if !bytes.Equal(got, want) {
		s.Errorf("%q holds %d bytes, want %d that were put", key, len(got), len(want))
	}
	if obj.Size != int64(len(want)) {
		s.Errorf("%q has size %d, want %d", key, obj.Size, len(want))
	}
}

// wantMissing fails the test unless there is no such object.
func (s *suite) wantMissing(key string) {
	s.Helper()
	_, err := s.store.Object(s.ctx, ref(key))
	s.wantCode("Object of a missing key", err, daypass.NoSuchKey)
	_, _, err = s.store.OpenObject(s.ctx, ref(key))
	s.wantCode("OpenObject of a missing key", err, daypass.NoSuchKey)
	page, err := s.store.ListObjects(s.ctx, store.ListRequest{Bucket: bucketName, Prefix: key, Max: 1})
	s.must(err)
	if len(page.Objects) > 0 && page.Objects[0].Key == key {
		s.Errorf("%q is listed but does not exist", key)
	}
}

// pattern returns n bytes that differ by seed and position.
func pattern(seed, n int) []byte {
	p := make([]byte, n)
	x := uint32(seed)*2654435761 + 1
	for i := range p {
		x = x*1664525 + 1013904223
		p[i] = byte(x >> 24)
	}
	return p
}
