// Package storetest is the conformance suite of store drivers: what it checks
// holds on every backend.
package storetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"reflect"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// Run checks a driver. open returns an empty one for a test and closes it in
// the test's cleanup. What a driver does not implement is skipped, and traits are
// what it does otherwise.
func Run(t *testing.T, open func(t *testing.T) store.Driver, traits ...Trait) {
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := open(t)
			for _, missing := range tt.needs {
				if reason := missing(d); reason != "" {
					t.Skip(reason)
				}
			}
			tt.run(&suite{T: t, driver: d, store: store.New(d), ctx: t.Context(), traits: traits})
		})
	}
}

// tests is the table of what is checked.
var tests = []struct {
	name  string
	run   func(*suite)
	needs []func(store.Driver) (missing string)
}{
	{"Buckets", testBuckets, nil},
	{"ListBuckets", testListBuckets, nil},
	{"BucketNamesAreChecked", testBucketNames, nil},
	{"MissingBucket", testMissingBucket, nil},
	{"PutGetDelete", testPutGetDelete, nil},
	{"NullVersion", testNullVersion, nil},
	{"Keys", testKeys, nil},
	{"KeysAreChecked", testBadKeys, nil},
	{"Metadata", testMetadata, nil},
	{"Sizes", testSizes, nil},
	{"Ranges", testRanges, nil},
	{"OpenBodyOutlivesObject", testOpenBody, nil},
	{"BrokenUploadsLeaveNothing", testBrokenUploads, nil},
	{"Checksums", testChecksums, nil},
	{"WriteConditions", testWriteConditions, nil},
	{"DeleteConditions", testDeleteConditions, nil},
	{"DeleteSeen", testSeen, needs{lacks[store.Versioner]}},
	{"DeleteSeenVersions", testSeenVersions, needs{lacks[store.Versioner]}},
	{"DeleteSeenNull", testSeenNull, needs{lacks[store.Versioner]}},
	{"DeleteSeenRace", testSeenRace, needs{lacks[store.Versioner]}},
	{"CreationRace", testCreationRace, nil},
	{"CompareAndSwapRace", testCompareAndSwapRace, nil},
	{"OverwriteRace", testOverwriteRace, nil},
	{"BucketDeletionRace", testBucketDeletionRace, nil},
	{"List", testList, nil},
	{"ListAgainstModel", testListModel, nil},
	{"ListCancelled", testListCancelled, nil},

	{"Versions", testVersions, needs{lacks[store.Versioner]}},
	{"VersionConditions", testVersionConditions, needs{lacks[store.Versioner]}},
	{"VersionsOfBucket", testVersionsOfBucket, needs{lacks[store.Versioner]}},
	{"ListVersions", testListVersions, needs{lacks[store.Versioner]}},
	{"VersionsAgainstModel", testVersionsModel, needs{lacks[store.Versioner], lacks[store.Updater]}},
	{"VersionsRace", testVersionsRace, needs{lacks[store.Versioner]}},
	{"TagsAndACL", testUpdates, needs{lacks[store.Updater]}},

	{"LocksAreRefused", testLocksRefused, nil},
	{"ObjectLockOfBucket", testObjectLock, needs{lacks[store.Locker]}},
	{"LockOfNewVersions", testNewLocks, needs{lacks[store.Locker]}},
	{"LockedVersionsStay", testLockedVersions, needs{lacks[store.Locker]}},
	{"LockChanges", testLockChanges, needs{lacks[store.Locker]}},
	{"LockErrors", testLockErrors, needs{lacks[store.Locker]}},
	{"LockMultipart", testLockMultipart, needs{lacks[store.Locker], lacks[store.Multiparter]}},
	{"LockChangeRace", testLockChangeRace, needs{lacks[store.Locker]}},
	{"LockRemovalRace", testLockRemovalRace, needs{lacks[store.Locker]}},
	{"ObjectLockRace", testObjectLockRace, needs{lacks[store.Locker]}},

	{"Encryption", testEncryption, nil},
	{"EncryptionKeys", testEncryptionKeys, nil},
	{"EncryptedMultipart", testEncryptedMultipart, needs{lacks[store.Multiparter]}},
	{"EncryptedUploadKeys", testEncryptedUploadKeys, needs{lacks[store.Multiparter]}},
	{"EncryptedCopies", testEncryptedCopies, needs{lacks[store.Multiparter]}},
	{"EncryptedCopyOfParts", testEncryptedCopyOfParts, needs{lacks[store.Multiparter]}},
	{"Rewrap", testRewrap, needs{lacks[store.Rewrapper], lacks[store.Versioner], lacks[store.Multiparter]}},
	{"RewrapRace", testRewrapRace, needs{lacks[store.Rewrapper], lacks[store.Versioner]}},

	{"Copy", testCopy, nil},
	{"CopyChecksums", testCopyChecksums, nil},
	{"CopyVersions", testCopyVersions, needs{lacks[store.Versioner]}},
	{"CopyRace", testCopyRace, nil},
	{"SharedContentRace", testSharedContentRace, nil},

	{"Multipart", testMultipart, needs{lacks[store.Multiparter]}},
	{"MultipartRules", testMultipartRules, needs{lacks[store.Multiparter]}},
	{"MultipartChecksums", testMultipartChecksums, needs{lacks[store.Multiparter]}},
	{"MultipartMissing", testMultipartMissing, needs{lacks[store.Multiparter]}},
	{"MultipartRanges", testMultipartRanges, needs{lacks[store.Multiparter]}},
	{"MultipartVersions", testMultipartVersions, needs{lacks[store.Multiparter], lacks[store.Versioner]}},
	{"MultipartConditions", testMultipartConditions, needs{lacks[store.Multiparter]}},
	{"PartsAreReplaced", testReplacedParts, needs{lacks[store.Multiparter]}},
	{"CopyPart", testCopyPart, needs{lacks[store.Multiparter]}},
	{"CopyOfMultipart", testCopyOfMultipart, needs{lacks[store.Multiparter]}},
	{"ListUploads", testListUploads, needs{lacks[store.Multiparter]}},
	{"ListUploadsAgainstModel", testListUploadsModel, needs{lacks[store.Multiparter]}},
	{"MultipartRace", testMultipartRace, needs{lacks[store.Multiparter]}},
	{"PartsRace", testPartsRace, needs{lacks[store.Multiparter]}},
	{"CopyPartRace", testCopyPartRace, needs{lacks[store.Multiparter]}},
	{"UploadsEndWithBucket", testUploadsOfBucket, needs{lacks[store.Multiparter]}},
}

// needs are the optional interfaces that a test needs.
type needs = []func(store.Driver) (missing string)

// lacks says what is missing unless the driver implements an interface.
func lacks[T any](d store.Driver) string {
	if store.Can[T](d) {
		return ""
	}
	return fmt.Sprintf("%T cannot do what %v is for", d, reflect.TypeFor[T]())
}

// bucketName is the bucket of most tests.
const bucketName = "a-bucket"

// now is the time at which tests write.
var now = time.Date(2026, 3, 4, 5, 6, 7, 800_000_000, time.UTC)

// A suite is what one test works with.
type suite struct {
	*testing.T
	store  *store.Store
	driver store.Driver // below store
	traits []Trait
	began  time.Time // see now
	ctx    context.Context
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

// remove deletes an object, or adds a delete marker.
func (s *suite) remove(key string) store.Deleted {
	s.Helper()
	d, err := s.store.DeleteObject(s.ctx, ref(key), store.DeleteOptions{})
	s.must(err)
	return d
}

// get returns an object and its whole body.
func (s *suite) get(key string) (*store.Object, []byte, error) { return s.getRef(ref(key)) }

func (s *suite) getRef(ref daypass.ObjectRef) (*store.Object, []byte, error) {
	obj, body, err := s.store.OpenObject(s.ctx, ref)
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
