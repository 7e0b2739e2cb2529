package storetest

import (
	"strings"
	"sync"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// seen returns the versions of a key as a listing shows them, the newest first.
func (s *suite) seen(key string) []*store.Object {
	s.Helper()
	page, err := s.store.ListVersions(s.ctx, store.VersionsRequest{Bucket: bucketName, Prefix: key, Max: 1000})
	s.must(err)
	return page.Versions
}

// removeSeen removes what was seen, for ever where it has a version id and that
// is asked for.
func (s *suite) removeSeen(o *store.Object, version bool) (store.Deleted, error) {
	r := ref(o.Key)
	if version {
		r.VersionID = o.VersionID
	}
	return s.store.DeleteObject(s.ctx, r, store.DeleteOptions{Seen: o, Time: now})
}

// wantSeen fails the test unless removing what was seen has the given outcome.
func (s *suite) wantSeen(what string, o *store.Object, version bool, want daypass.Code) {
	s.Helper()
	_, err := s.removeSeen(o, version)
	s.wantCode(what, err, want)
}

// refusesSeen reports whether the driver refuses to remove exactly what was seen,
// and checks that it does.
func (s *suite) refusesSeen() bool {
	if !s.has(NoConditionalRemoval) {
		return false
	}
	s.createBucket(bucketName)
	s.mustPut("key", []byte("one"))
	s.wantSeen("what was seen", s.seen("key")[0], false, daypass.NotImplemented)
	s.wantBody("key", []byte("one"))
	s.wantCode("Supports", s.store.Supports(store.FeatureConditionalRemoval), daypass.NotImplemented)
	return true
}

// testSeen checks that what has changed since it was seen stays, where there are
// no versions.
func testSeen(s *suite) {
	if s.refusesSeen() {
		return
	}
	s.createBucket(bucketName)
	s.mustPut("key", []byte("one"))
	old := s.seen("key")[0]
	putAt := func(at time.Time, data string, tags ...store.Tag) {
		s.Helper()
		req := s.request("key", data)
		req.Time, req.Tags = at, tags
		_, err := s.store.PutObject(s.ctx, req)
		s.must(err)
	}
	putAt(now.Add(time.Second), "one")
	s.wantSeen("the same content, stored again", old, false, daypass.PreconditionFailed)
	putAt(now, "two")
	s.wantSeen("other content", old, false, daypass.PreconditionFailed)
	putAt(now, "one", store.Tag{Key: "a", Value: "b"})
	s.wantSeen("other tags", old, false, daypass.PreconditionFailed)
	s.wantBody("key", []byte("one"))
	s.wantSeen("what was seen", s.seen("key")[0], false, "")
	s.wantMissing("key")
	s.wantSeen("what is gone", old, false, daypass.PreconditionFailed)
}

// testSeenVersions does so where there are versions.
func testSeenVersions(s *suite) {
	if s.refusesSeen() {
		return
	}
	s.createBucket(bucketName)
	s.mustPut("key", []byte("null"))
	bare := s.seen("key")[0]
	s.setVersioning(store.VersioningEnabled)
	s.wantSeen("an object from before there were versions", bare, false, daypass.PreconditionFailed)
	s.mustPut("key", []byte("two"))
	s.mustPut("key", []byte("three"))
	all := s.seen("key")
	s.wantSeen("the current version that is another now", &store.Object{Key: "key", VersionID: all[1].VersionID, ETag: all[1].ETag,
		Size: all[1].Size, ModTime: all[1].ModTime, IsLatest: true}, false, daypass.PreconditionFailed)
	// Once the newest is gone, the one before it is current.
	s.wantSeen("the newest version", all[0], true, "")
	s.wantSeen("a version that has become current", all[1], true, daypass.PreconditionFailed)
	s.wantSeen("an old version", all[2], true, "")
	s.wantBody("key", []byte("two"))

	// A delete marker takes the place of what was seen, and nothing else's.
	current := s.seen("key")[0]
	deleted, err := s.removeSeen(current, false)
	s.must(err)
	if !deleted.DeleteMarker || deleted.VersionID == "" {
		s.Errorf("removing the current version: %+v", deleted)
	}
	s.wantSeen("what a delete marker stands over", current, false, daypass.PreconditionFailed)
	all = s.seen("key")
	if len(all) != 2 || !all[0].DeleteMarker || all[1].VersionID != current.VersionID {
		s.Fatalf("versions: %d", len(all))
	}
	s.wantSeen("the version below the marker", all[1], true, "")
	marker := s.seen("key")[0]
	s.mustPut("key", []byte("four"))
	s.wantSeen("a marker that an object has followed", marker, true, daypass.PreconditionFailed)
}

// testSeenNull checks that a null version is told from the one that has taken
// its place.
func testSeenNull(s *suite) {
	if s.refusesSeen() {
		return
	}
	s.createBucket(bucketName)
	s.setVersioning(store.VersioningEnabled)
	s.setVersioning(store.VersioningSuspended)
	s.mustPut("key", []byte("one"))
	s.remove("key")
	marker := s.seen("key")
	if len(marker) != 1 || !marker[0].DeleteMarker || marker[0].VersionID != store.NullVersion {
		s.Fatalf("%d versions after a deletion", len(marker))
	}
	s.mustPut("key", []byte("two"))
	s.wantSeen("a null marker where a null version is", marker[0], true, daypass.PreconditionFailed)
	s.wantBody("key", []byte("two"))
	object := s.seen("key")[0]
	s.remove("key")
	s.wantSeen("a null version where a null marker is", object, true, daypass.PreconditionFailed)
	s.wantSeen("the marker", s.seen("key")[0], true, "")
	if left := s.seen("key"); len(left) != 0 {
		s.Errorf("%d versions are left", len(left))
	}
}

// testSeenRace checks that no write is lost to removals of what was there
// before it.
func testSeenRace(s *suite) {
	if s.refusesSeen() {
		return
	}
	s.createBucket(bucketName)
	const rounds = 50
	for i := range rounds {
		s.mustPut("key", []byte{0, byte(i)})
		old := s.seen("key")[0]
		var racing sync.WaitGroup
		racing.Go(func() {
			if _, err := s.removeSeen(old, false); err != nil && daypass.CodeOf(err) != daypass.PreconditionFailed {
				s.Error(err)
			}
		})
		s.mustPut("key", []byte{1, byte(i)})
		racing.Wait()
		s.wantBody("key", []byte{1, byte(i)})
	}
}

// request returns what stores data under a key.
func (s *suite) request(key, data string) *store.PutRequest {
	s.Helper()
	body, err := store.NewUpload(strings.NewReader(data), store.UploadOptions{Size: int64(len(data))})
	s.must(err)
	return &store.PutRequest{Bucket: bucketName, Key: key, Body: body, Time: now}
}
