package storetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
	"github.com/google/go-cmp/cmp"
)

// copySizes are stored in different ways.
var copySizes = []int{0, 100, 2 << 20}

// copyTo copies one key to another.
func (s *suite) copyTo(from, to string) (*store.Object, error) {
	return s.store.CopyObject(s.ctx, &store.CopyRequest{
		Source: ref(from), Bucket: bucketName, Key: to, Owner: "copier", Time: now,
	})
}

func (s *suite) mustCopy(from, to string) *store.Object {
	s.Helper()
	obj, err := s.copyTo(from, to)
	s.must(err)
	return obj
}

func testCopy(s *suite) {
	s.createBucket(bucketName)
	for _, size := range copySizes {
		data := pattern(size, size)
		src := s.mustPut("source", data)
		req := &store.CopyRequest{
			Source: ref("source"), SourceETag: src.ETag, Bucket: bucketName, Key: "copy", Owner: "copier", Time: now,
			Metadata: store.Metadata{ContentType: "text/x", User: map[string]string{"a": "b"}},
			Tags:     []store.Tag{{Key: "t", Value: "v"}}, ACL: []byte("acl"),
		}
		made, err := s.store.CopyObject(s.ctx, req)
		s.must(err)
		want := &store.Object{
			Bucket: bucketName, Key: "copy", Owner: "copier", ModTime: now, Metadata: req.Metadata, Tags: req.Tags,
			ACL: req.ACL, Size: src.Size, ETag: src.ETag, Checksums: src.Checksums, IsLatest: true,
		}
		s.sameTime(want, made)
		if diff := cmp.Diff(want, made); diff != "" {
			s.Errorf("CopyObject (-want +got):\n%s", diff)
		}
		s.wantBody("copy", data)
		s.mustCopy("copy", "copy") // onto itself
		s.mustCopy("copy", "again")
		s.remove("source")
		s.wantBody("copy", data)
		s.mustPut("copy", []byte("other"))
		s.wantBody("again", data)
		s.remove("again")
		s.wantMissing("again")
		s.wantBody("copy", []byte("other"))
	}
	s.copyErrors()
}

func (s *suite) copyErrors() {
	_, err := s.copyTo("missing", "to")
	s.wantCode("copy of a missing key", err, daypass.NoSuchKey)
	_, err = s.store.CopyObject(s.ctx, &store.CopyRequest{
		Source: daypass.ObjectRef{Bucket: "no-such-bucket", Key: "x"}, Bucket: bucketName, Key: "to"})
	s.wantCode("copy from a missing bucket", err, daypass.NoSuchBucket)
	s.mustPut("source", []byte("x"))
	_, err = s.store.CopyObject(s.ctx, &store.CopyRequest{Source: ref("source"), Bucket: "no-such-bucket", Key: "x"})
	s.wantCode("copy to a missing bucket", err, daypass.NoSuchBucket)
	_, err = s.store.CopyObject(s.ctx, &store.CopyRequest{
		Source: ref("source"), SourceETag: etag("y"), Bucket: bucketName, Key: "to"})
	s.wantCode("copy of a changed object", err, daypass.PreconditionFailed)
	_, err = s.store.CopyObject(s.ctx, &store.CopyRequest{
		Source: ref("source"), Bucket: bucketName, Key: "source", Conditions: store.WriteConditions{IfNoneMatch: "*"}})
	s.wantCode("copy over an existing object", err, daypass.PreconditionFailed)
	s.wantMissing("to")
	other := s.createBucket("other-bucket")
	_, err = s.store.CopyObject(s.ctx, &store.CopyRequest{Source: ref("source"), Bucket: other.Name, Key: "x"})
	s.wantCode("copy to another bucket", err, "")
	s.remove("source")
	_, data, err := s.getRef(daypass.ObjectRef{Bucket: other.Name, Key: "x"})
	s.must(err)
	if string(data) != "x" {
		s.Errorf("the copy in another bucket holds %q", data)
	}
}

func testCopyChecksums(s *suite) {
	s.createBucket(bucketName)
	data := pattern(1, 100_000)
	src := s.mustPut("source", data)
	for _, a := range []store.ChecksumAlgorithm{"", store.CRC64NVME, store.SHA256, store.CRC32} {
		obj, err := s.store.CopyObject(s.ctx, &store.CopyRequest{
			Source: ref("source"), Bucket: bucketName, Key: "copy", Checksum: a,
		})
		s.must(err)
		want := src.Checksums[0]
		if a != "" {
			want = sumOf(a, data)
		}
		if len(obj.Checksums) != 1 || obj.Checksums[0] != want || obj.ETag != src.ETag {
			s.Errorf("asked for %q: %+v, want %+v", a, obj.Checksums, want)
		}
		s.wantBody("copy", data)
	}
}

func testCopyVersions(s *suite) {
	s.createBucket(bucketName)
	s.setVersioning(store.VersioningEnabled)
	old := s.mustPut("key", []byte("old"))
	s.mustPut("key", []byte("new"))
	restore := &store.CopyRequest{Source: versionRef("key", old.VersionID), Bucket: bucketName, Key: "key"}
	made, err := s.store.CopyObject(s.ctx, restore)
	s.must(err)
	if made.VersionID == old.VersionID || !s.isVersionID(made.VersionID) {
		s.Errorf("the copy of version %q is version %q", old.VersionID, made.VersionID)
	}
	s.removeVersion("key", old.VersionID)
	s.wantBody("key", []byte("old"))
	marker := s.remove("key")
	_, err = s.copyTo("key", "copy")
	s.wantCode("copy of a deleted key", err, daypass.NoSuchKey)
	_, err = s.store.CopyObject(s.ctx, &store.CopyRequest{
		Source: versionRef("key", marker.VersionID), Bucket: bucketName, Key: "copy"})
	s.wantCode("copy of a delete marker", err, daypass.InvalidRequest)
	_, err = s.store.CopyObject(s.ctx, restore)
	s.wantCode("copy of a removed version", err, daypass.NoSuchVersion)
}

// testCopyRace copies a few keys over each other while others overwrite and
// delete them: every read yields one body, whole.
func testCopyRace(s *suite) {
	s.createBucket(bucketName)
	sizes := []int{100, 5_000, 300_000}
	bodies := make(map[string][]byte) // by ETag
	for i := range 30 {
		data := pattern(i, sizes[i%len(sizes)])
		bodies[etag(string(data))] = data
	}
	const keys = 3
	together(8, func(worker int) {
		rng := rand.New(rand.NewPCG(uint64(worker), 0))
		for range s.rounds(40) {
			from, to := fmt.Sprint(rng.IntN(keys)), fmt.Sprint(rng.IntN(keys))
			var err error
			switch n := rng.IntN(30); {
			case n%5 < 2:
				_, err = s.put(to, pattern(n, sizes[n%len(sizes)]), store.WriteConditions{})
			case n%5 == 2:
				_, err = s.store.DeleteObject(s.ctx, ref(to), store.DeleteOptions{})
			default:
				_, err = s.copyTo(from, to)
			}
			if err != nil && daypass.CodeOf(err) != daypass.NoSuchKey {
				s.Error(err)
			}
			obj, data, err := s.get(to)
			switch {
			case daypass.CodeOf(err) == daypass.NoSuchKey:
			case s.has(BodyEnds) && daypass.CodeOf(err) == daypass.PreconditionFailed:
			case err != nil:
				s.Errorf("reading while it is copied: %v", err)
			case !bytes.Equal(data, bodies[obj.ETag]):
				s.Errorf("a read yields %d bytes that nobody wrote under ETag %s", len(data), obj.ETag)
			}
		}
	})
}

// testSharedContentRace lets everybody copy and remove keys of his own, all of
// which share the content of one object: it must outlive all but the last.
func testSharedContentRace(s *suite) {
	s.createBucket(bucketName)
	const workers = 16
	for _, size := range []int{100, 200_000} {
		data := pattern(size, size)
		s.mustPut("source", data)
		for w := range workers {
			s.mustCopy("source", fmt.Sprint(w, "/a"))
		}
		s.remove("source")
		together(workers, func(w int) {
			a, b := fmt.Sprint(w, "/a"), fmt.Sprint(w, "/b")
			for range 2 * s.rounds(10) { // an even number ends with the first key
				if _, err := s.copyTo(a, b); err != nil {
					s.Error(err)
				}
				if _, err := s.store.DeleteObject(s.ctx, ref(a), store.DeleteOptions{}); err != nil {
					s.Error(err)
				}
				a, b = b, a
			}
		})
		for w := range workers {
			key := fmt.Sprint(w, "/a")
			s.wantBody(key, data)
			s.remove(key)
		}
	}
}
