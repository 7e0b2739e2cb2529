package storetest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
	"github.com/google/go-cmp/cmp"
)

func versionRef(key, id string) daypass.ObjectRef {
	return daypass.ObjectRef{Bucket: bucketName, Key: key, VersionID: id}
}

func (s *suite) setVersioning(v store.Versioning) {
	s.Helper()
	s.must(s.store.SetVersioning(s.ctx, bucketName, v))
}

// removeVersion deletes a version for ever.
func (s *suite) removeVersion(key, id string) store.Deleted {
	s.Helper()
	d, err := s.store.DeleteObject(s.ctx, versionRef(key, id), store.DeleteOptions{})
	s.must(err)
	if d.VersionID != id {
		s.Errorf("DeleteObject of version %q says %q", id, d.VersionID)
	}
	return d
}

// wantVersion fails the test unless a version has the given content.
func (s *suite) wantVersion(key, id, want string, latest bool) {
	s.Helper()
	obj, data, err := s.getRef(versionRef(key, id))
	s.must(err)
	if string(data) != want || obj.VersionID != id || obj.IsLatest != latest && !s.has(NotLatest) {
		s.Errorf("version %q: %q, id %q, latest %v; want %q, %v", id, data, obj.VersionID, obj.IsLatest, want, latest)
	}
}

// wantMarker fails the test unless the lookup of ref is refused with a code
// because of a delete marker.
func (s *suite) wantMarker(ref daypass.ObjectRef, id string, code daypass.Code) {
	s.Helper()
	obj, err := s.store.Object(s.ctx, ref)
	s.wantCode("Object of "+ref.String(), err, code)
	if obj == nil || !obj.DeleteMarker || obj.VersionID != id {
		s.Errorf("Object of %s returns %+v, want the delete marker %q", ref, obj, id)
	}
	obj, _, err = s.store.OpenObject(s.ctx, ref)
	s.wantCode("OpenObject of "+ref.String(), err, code)
	if obj == nil || !obj.DeleteMarker || obj.VersionID != id {
		s.Errorf("OpenObject of %s returns %+v, want the delete marker %q", ref, obj, id)
	}
}

// versionsOf lists all versions of the bucket: key, what it is ("=" an object,
// "-" a delete marker, upper case for the latest) and content by size.
func (s *suite) versionsOf(req store.VersionsRequest) (lines []string) {
	s.Helper()
	req.Bucket = bucketName
	if req.Max == 0 {
		req.Max = 1000
	}
	page, err := s.store.ListVersions(s.ctx, req)
	s.must(err)
	return showVersions(page)
}

// showVersions writes a page as one word per entry: the key, a mark for a
// version ("=", "*" for the latest), a delete marker ("-", "!" for the latest)
// and the version's size.
func showVersions(p *store.VersionsPage) (words []string) {
	for _, v := range p.Versions {
		mark := "="
		switch {
		case v.DeleteMarker && v.IsLatest:
			mark = "!"
		case v.DeleteMarker:
			mark = "-"
		case v.IsLatest:
			mark = "*"
		}
		words = append(words, fmt.Sprint(v.Key, mark, v.Size))
	}
	for _, cp := range p.CommonPrefixes {
		words = append(words, "["+cp+"]")
	}
	if p.Truncated {
		words = append(words, "..."+p.NextKey)
	}
	return words
}

var versionIDPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{32}$`)

// isVersionID reports whether id can be that of a version. Those of others are of
// any length that S3 allows.
func (s *suite) isVersionID(id string) bool {
	if s.has(ForeignVersionIDs) {
		return id != "" && id != store.NullVersion && len(id) <= 1024
	}
	return versionIDPattern.MatchString(id)
}

func testVersions(s *suite) {
	s.createBucket(bucketName)
	if o := s.mustPut("key", []byte("null 1")); o.VersionID != "" {
		s.Errorf("version %q before versioning", o.VersionID)
	}
	s.setVersioning(store.VersioningEnabled)
	if b, err := s.store.Bucket(s.ctx, bucketName); err != nil || b.Versioning != store.VersioningEnabled {
		s.Errorf("versioning %q, %v", b.Versioning, err)
	}
	s.wantVersion("key", store.NullVersion, "null 1", true)
	first, second := s.mustPut("key", []byte("first")), s.mustPut("key", []byte("second"))
	if !s.isVersionID(first.VersionID) || first.VersionID == second.VersionID {
		s.Errorf("versions %q and %q", first.VersionID, second.VersionID)
	}
	s.wantVersion("key", store.NullVersion, "null 1", false)
	s.wantVersion("key", first.VersionID, "first", false)
	s.wantVersion("key", second.VersionID, "second", true)

	marker := s.remove("key")
	if !marker.DeleteMarker || !s.isVersionID(marker.VersionID) {
		s.Errorf("DeleteObject: %+v", marker)
	}
	s.wantMissing("key")
	s.wantMarker(ref("key"), marker.VersionID, daypass.NoSuchKey)
	s.wantMarker(versionRef("key", marker.VersionID), marker.VersionID, daypass.MethodNotAllowed)
	s.wantVersion("key", second.VersionID, "second", false)
	if d := s.removeVersion("key", marker.VersionID); !d.DeleteMarker {
		s.Errorf("DeleteObject of a delete marker: %+v", d)
	}
	s.wantVersion("key", second.VersionID, "second", true)
	s.wantBody("key", []byte("second"))
	if d := s.removeVersion("key", second.VersionID); d.DeleteMarker {
		s.Errorf("DeleteObject of a version: %+v", d)
	}
	s.wantBody("key", []byte("first"))
	s.removeVersion("key", second.VersionID) // which is not there any longer
	_, err := s.store.Object(s.ctx, versionRef("key", second.VersionID))
	s.wantCode("Object of a removed version", err, daypass.NoSuchVersion)
	s.suspended(first)
}

// suspended goes on with "first" over "null 1".
func (s *suite) suspended(first *store.Object) {
	s.setVersioning(store.VersioningSuspended)
	if o := s.mustPut("key", []byte("null 2")); o.VersionID != store.NullVersion {
		s.Errorf("version %q while suspended", o.VersionID)
	}
	s.wantVersion("key", store.NullVersion, "null 2", true)
	s.wantVersion("key", first.VersionID, "first", false)
	for range 2 {
		if d := s.remove("key"); d != (store.Deleted{VersionID: store.NullVersion, DeleteMarker: true}) {
			s.Errorf("DeleteObject while suspended: %+v", d)
		}
		s.wantMarker(ref("key"), store.NullVersion, daypass.NoSuchKey)
		s.wantMarker(versionRef("key", store.NullVersion), store.NullVersion, daypass.MethodNotAllowed)
	}
	if diff := cmp.Diff([]string{"key!0", "key=5"}, s.versionsOf(store.VersionsRequest{})); diff != "" {
		s.Errorf("versions (-want +got):\n%s", diff)
	}
	s.removeVersion("key", store.NullVersion)
	s.wantVersion("key", first.VersionID, "first", true)
	s.removeVersion("key", first.VersionID)
	s.wantMissing("key")
	if got := s.versionsOf(store.VersionsRequest{}); len(got) > 0 {
		s.Errorf("left: %q", got)
	}
	s.must(s.store.DeleteBucket(s.ctx, bucketName))
}

// testVersionConditions checks that conditions look at the current version,
// and those of the deletion of a version at that.
func testVersionConditions(s *suite) {
	s.createBucket(bucketName)
	s.setVersioning(store.VersioningEnabled)
	old := s.mustPut("key", []byte("old"))
	s.mustPut("key", []byte("new"))
	try := func(what string, cond store.WriteConditions, want daypass.Code) {
		s.Helper()
		if s.has(NoVersionedConditions) || s.has(PlainConditions) && !plainConditions(cond) {
			want = daypass.NotImplemented
		}
		_, err := s.put("key", []byte("new"), cond)
		s.wantCode(what, err, want)
	}
	try("ETag of an old version", store.WriteConditions{IfMatch: old.ETag}, daypass.PreconditionFailed)
	try("ETag of the current version", store.WriteConditions{IfMatch: etag("new")}, "")
	try("none, existing", store.WriteConditions{IfNoneMatch: "*"}, daypass.PreconditionFailed)
	_, err := s.store.DeleteObject(s.ctx, ref("key"), store.DeleteOptions{Conditions: store.WriteConditions{IfMatch: old.ETag}})
	s.wantCode("delete with the ETag of an old version", err, s.deleteCode(daypass.PreconditionFailed))
	_, err = s.store.DeleteObject(s.ctx, versionRef("key", old.VersionID), store.DeleteOptions{Conditions: store.WriteConditions{IfMatch: etag("new")}})
	s.wantCode("delete of a version with another ETag", err, daypass.PreconditionFailed)
	s.wantVersion("key", old.VersionID, "old", false)
	s.remove("key")
	try("any, deleted", store.WriteConditions{IfMatch: "*"}, daypass.NoSuchKey)
	try("none, deleted", store.WriteConditions{IfNoneMatch: "*"}, "")
	_, err = s.store.DeleteObject(s.ctx, versionRef("key", old.VersionID), store.DeleteOptions{Conditions: store.WriteConditions{IfMatch: old.ETag}})
	s.wantCode("delete of a version with its ETag", err, "")
}

// deleteCode is the outcome of a deletion on a condition in a bucket that keeps
// versions, but of no version itself.
func (s *suite) deleteCode(code daypass.Code) daypass.Code {
	if s.has(NoDeleteConditions) || s.has(NoVersionedConditions) {
		return daypass.NotImplemented
	}
	return code
}

func testVersionsOfBucket(s *suite) {
	s.wantCode("SetVersioning without a bucket",
		s.store.SetVersioning(s.ctx, bucketName, store.VersioningEnabled), daypass.NoSuchBucket)
	_, err := s.store.ListVersions(s.ctx, store.VersionsRequest{Bucket: bucketName, Max: 1})
	s.wantCode("ListVersions without a bucket", err, daypass.NoSuchBucket)
	s.createBucket(bucketName)
	s.wantCode("SetVersioning to off",
		s.store.SetVersioning(s.ctx, bucketName, store.VersioningOff), daypass.InvalidArgument)
	s.setVersioning(store.VersioningEnabled)
	marker := s.remove("key")
	s.wantCode("DeleteBucket with a delete marker", s.store.DeleteBucket(s.ctx, bucketName), daypass.BucketNotEmpty)
	obj := s.mustPut("key", []byte("x"))
	again := s.remove("key")
	s.removeVersion("key", marker.VersionID)
	s.removeVersion("key", again.VersionID)
	s.remove("key")
	s.wantCode("DeleteBucket with an old version", s.store.DeleteBucket(s.ctx, bucketName), daypass.BucketNotEmpty)
	s.removeVersion("key", obj.VersionID)
	page, err := s.store.ListVersions(s.ctx, store.VersionsRequest{Bucket: bucketName, Max: 10})
	s.must(err)
	s.removeVersion("key", page.Versions[0].VersionID)
	s.must(s.store.DeleteBucket(s.ctx, bucketName))

	s.createBucket(bucketName)
	if b, err := s.store.Bucket(s.ctx, bucketName); err != nil || b.Versioning != store.VersioningOff {
		s.Errorf("a new bucket has versioning %q, %v", b.Versioning, err)
	}
}

func testListVersions(s *suite) {
	s.createBucket(bucketName)
	s.mustPut("a", []byte("1"))
	off := s.versionsOf(store.VersionsRequest{})
	if diff := cmp.Diff([]string{"a*1"}, off); diff != "" {
		s.Errorf("without versioning (-want +got):\n%s", diff)
	}
	s.setVersioning(store.VersioningEnabled)
	s.mustPut("a", []byte("22"))
	s.mustPut("b/1", []byte("333"))
	s.remove("b/1")
	s.mustPut("b/2", []byte("4444"))
	s.remove("c") // which was never there
	after := s.keyAfter("a")
	s.mustPut(after, []byte("55555"))
	tests := []struct {
		req  store.VersionsRequest
		want string
	}{
		{store.VersionsRequest{}, "a*2 a=1 a\x00*5 b/1!0 b/1=3 b/2*4 c!0"},
		{store.VersionsRequest{Delimiter: "/"}, "a*2 a=1 a\x00*5 c!0 [b/]"},
		{store.VersionsRequest{Prefix: "b/"}, "b/1!0 b/1=3 b/2*4"},
		{store.VersionsRequest{Max: 2}, "a*2 a=1 ...a"},
		{store.VersionsRequest{Max: 4, Delimiter: "/"}, "a*2 a=1 a\x00*5 [b/] ...b/"},
		{store.VersionsRequest{KeyMarker: "a"}, "a\x00*5 b/1!0 b/1=3 b/2*4 c!0"},
		{store.VersionsRequest{KeyMarker: "b/", Delimiter: "/"}, "c!0"},
		{store.VersionsRequest{KeyMarker: "b/1", Delimiter: "/"}, "c!0"},
		{store.VersionsRequest{KeyMarker: "a", VersionMarker: store.NullVersion}, "a\x00*5 b/1!0 b/1=3 b/2*4 c!0"},
		{store.VersionsRequest{KeyMarker: "zzz", Prefix: "b/"}, ""},
		{store.VersionsRequest{KeyMarker: "A", Prefix: "b/2"}, "b/2*4"},
	}
	for _, tt := range tests {
		tt.want = strings.ReplaceAll(tt.want, "a\x00", after)
		if got := strings.Join(s.versionsOf(tt.req), " "); got != tt.want {
			s.Errorf("%+v\n got %q\nwant %q", tt.req, got, tt.want)
		}
	}
	_, err := s.store.ListVersions(s.ctx, store.VersionsRequest{Bucket: bucketName, VersionMarker: "null", Max: 1})
	s.wantCode("a version marker alone", err, daypass.InvalidArgument)
	s.removedMarker()
}

// keyAfter returns a key that comes soon after another one.
func (s *suite) keyAfter(key string) string {
	if s.has(NoZeroInKeys) {
		return key + "\x01"
	}
	return key + "\x00"
}

// removedMarker removes the version at which a page has ended.
func (s *suite) removedMarker() {
	req := store.VersionsRequest{Bucket: bucketName, Prefix: "d", Max: 1}
	for _, data := range []string{"1", "22", "333"} {
		s.mustPut("d", []byte(data))
	}
	for _, want := range []string{"d*3 d=2", "d*2 d=1"} {
		page, err := s.store.ListVersions(s.ctx, req)
		s.must(err)
		words := showVersions(page)
		s.removeVersion("d", page.NextVersion)
		next := req
		next.KeyMarker, next.VersionMarker = page.NextKey, page.NextVersion
		page, err = s.store.ListVersions(s.ctx, next)
		s.must(err)
		if got := strings.Join(append(words[:1:1], strings.Replace(showVersions(page)[0], "*", "=", 1)), " "); got != want {
			s.Errorf("pages around a removed version: %s, want %s", got, want)
		}
	}
}

// acknowledged returns, in order, the ids of versions that must be there.
func (s *suite) acknowledged(ids []string) []string {
	slices.Sort(ids)
	if s.has(OneMarker) {
		// Several deletions may have found the same marker, or none any longer.
		ids = slices.DeleteFunc(slices.Compact(ids), func(id string) bool { return id == "" })
	}
	return ids
}

// testVersionsRace overwrites and deletes one key at once: nothing that was
// acknowledged is missing, and every version is read whole.
func testVersionsRace(s *suite) {
	s.createBucket(bucketName)
	s.setVersioning(store.VersioningEnabled)
	const workers, rounds = 8, 12
	ids := make([][]string, workers)
	sizes := []int{10, 3_000, 200_000}
	body := func(w, i int) []byte { return pattern(w*rounds+i, sizes[i%len(sizes)]) }
	together(workers, func(w int) {
		for i := range rounds {
			if w%4 == 3 {
				d, err := s.store.DeleteObject(s.ctx, ref("key"), store.DeleteOptions{})
				if err != nil {
					s.Error(err)
				}
				ids[w] = append(ids[w], d.VersionID)
				continue
			}
			obj, err := s.put("key", body(w, i), store.WriteConditions{})
			if err != nil {
				s.Error(err)
				return
			}
			ids[w] = append(ids[w], obj.VersionID)
			if i%3 == 2 {
				// Removing the newest makes another version current.
				s.removeVersion("key", obj.VersionID)
				ids[w] = ids[w][:len(ids[w])-1]
			}
			if _, err := s.store.Object(s.ctx, versionRef("key", ids[w][0])); err != nil {
				s.Errorf("a version that was put cannot be found: %v", err)
			}
		}
	})
	page, err := s.store.ListVersions(s.ctx, store.VersionsRequest{Bucket: bucketName, Max: 1000})
	s.must(err)
	var got []string
	for _, v := range page.Versions {
		got = append(got, v.VersionID)
	}
	want := slices.Concat(ids...)
	slices.Sort(got)
	want = s.acknowledged(want)
	if diff := cmp.Diff(want, got); diff != "" {
		s.Errorf("versions (-acknowledged +listed):\n%s", diff)
	}
	for w := range workers {
		for n, i := 0, 0; i < rounds && w%4 != 3; i++ {
			if i%3 == 2 {
				continue
			}
			_, data, err := s.getRef(versionRef("key", ids[w][n]))
			s.must(err)
			if string(data) != string(body(w, i)) {
				s.Errorf("version %s holds other bytes", ids[w][n])
			}
			n++
		}
	}
}

func testUpdates(s *suite) {
	s.createBucket(bucketName)
	_, err := s.store.UpdateObject(s.ctx, ref("key"), store.Update{})
	s.wantCode("UpdateObject of a missing key", err, daypass.NoSuchKey)
	before := s.mustPut("key", []byte("x"))
	tags, acl := []store.Tag{{Key: "a", Value: "1"}, {Key: "ü", Value: ""}}, []byte{0, 1, 255}
	after, err := s.store.UpdateObject(s.ctx, ref("key"), store.Update{Tags: &tags})
	s.must(err)
	want := *before
	s.sameTime(&want, after)
	want.Tags = tags
	if diff := cmp.Diff(&want, after); diff != "" {
		s.Errorf("tags (-want +got):\n%s", diff)
	}
	_, err = s.store.UpdateObject(s.ctx, ref("key"), store.Update{ACL: &acl})
	if s.has(NoStoredACLs) {
		s.wantCode("UpdateObject of an ACL", err, daypass.NotImplemented)
	} else {
		s.must(err)
		want.ACL = acl
	}
	got, err := s.store.Object(s.ctx, ref("key"))
	s.must(err)
	if diff := cmp.Diff(&want, got); diff != "" {
		s.Errorf("ACL (-want +got):\n%s", diff)
	}
	var noTags []store.Tag
	var noACL []byte
	update := store.Update{Tags: &noTags, ACL: &noACL}
	if s.has(NoStoredACLs) {
		update.ACL = nil
	}
	_, err = s.store.UpdateObject(s.ctx, ref("key"), update)
	s.must(err)
	got, err = s.store.Object(s.ctx, ref("key"))
	s.must(err)
	s.sameTime(before, got)
	if diff := cmp.Diff(before, got); diff != "" {
		s.Errorf("neither (-want +got):\n%s", diff)
	}
	s.wantBody("key", []byte("x"))
	s.mustPut("key", []byte("y")) // which starts anew
}
