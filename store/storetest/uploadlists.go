package storetest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/daypass/daypass/store"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func showUploads(p *store.UploadsPage) string {
	var words []string
	for _, u := range p.Uploads {
		words = append(words, u.Key)
	}
	for _, cp := range p.CommonPrefixes {
		words = append(words, "["+cp+"]")
	}
	if p.Truncated {
		words = append(words, "..."+p.NextKey)
	}
	return strings.Join(words, " ")
}

func testListUploads(s *suite) {
	s.createBucket(bucketName)
	s.createBucket("another-bucket")
	var ids []string
	for _, key := range []string{"b/2", "a", "b/1", "a", "é", "b/1"} {
		ids = append(ids, s.begin(key).ID)
	}
	tests := []struct {
		req  store.UploadsRequest
		want string
	}{
		{store.UploadsRequest{Max: 100}, "a a b/1 b/1 b/2 é"},
		{store.UploadsRequest{Max: 1}, "a ...a"},
		{store.UploadsRequest{Max: 6}, "a a b/1 b/1 b/2 é"},
		{store.UploadsRequest{Max: 0}, ""},
		{store.UploadsRequest{Max: 100, Delimiter: "/"}, "a a é [b/]"},
		{store.UploadsRequest{Max: 3, Delimiter: "/"}, "a a [b/] ...b/"},
		{store.UploadsRequest{Max: 100, Prefix: "b/"}, "b/1 b/1 b/2"},
		{store.UploadsRequest{Max: 100, KeyMarker: "a"}, "b/1 b/1 b/2 é"},
		{store.UploadsRequest{Max: 100, KeyMarker: "a", UploadIDMarker: ids[1]}, "a b/1 b/1 b/2 é"},
		{store.UploadsRequest{Max: 100, KeyMarker: "a", UploadIDMarker: ids[3]}, "b/1 b/1 b/2 é"},
		{store.UploadsRequest{Max: 100, UploadIDMarker: ids[3]}, "a a b/1 b/1 b/2 é"},
		{store.UploadsRequest{Max: 100, KeyMarker: "b/", Delimiter: "/"}, "é"},
	}
	for _, tt := range tests {
		tt.req.Bucket = bucketName
		page, err := s.store.ListUploads(s.ctx, tt.req)
		s.must(err)
		if got := showUploads(page); got != tt.want {
			s.Errorf("%+v\n got %q\nwant %q", tt.req, got, tt.want)
		}
	}
	page, err := s.store.ListUploads(s.ctx, store.UploadsRequest{Bucket: bucketName, Prefix: "a", Max: 10})
	s.must(err)
	want, err := s.store.MultipartUpload(s.ctx, bucketName, "a", ids[1])
	s.must(err)
	if diff := cmp.Diff(want, page.Uploads[0]); diff != "" {
		s.Errorf("the older upload (-want +listed):\n%s", diff)
	}
}

func testListUploadsModel(s *suite) {
	var round int
	rapid.Check(s.T, func(t *rapid.T) {
		round++
		bucket := fmt.Sprintf("bucket-%d", round)
		s.createBucket(bucket)
		type begun struct{ key, id string }
		var all []begun
		for _, key := range rapid.SliceOfN(s.word(1, 3), 0, 12).Draw(t, "keys") {
			u, err := s.store.CreateUpload(s.ctx, &store.MultipartUpload{Bucket: bucket, Key: key})
			s.must(err)
			all = append(all, begun{key, u.ID})
		}
		slices.SortStableFunc(all, func(a, b begun) int { return strings.Compare(a.key, b.key) })
		req := store.UploadsRequest{
			Bucket: bucket, Prefix: s.word(0, 2).Draw(t, "prefix"), Delimiter: s.word(0, 1).Draw(t, "delimiter"),
			Max: rapid.IntRange(1, 5).Draw(t, "max"),
		}
		var want, got []string
		for _, b := range all {
			rest, ok := strings.CutPrefix(b.key, req.Prefix)
			i := strings.Index(rest, req.Delimiter)
			switch {
			case !ok:
			case req.Delimiter == "" || i < 0:
				want = append(want, b.key+" "+b.id)
			default:
				cp := "[" + b.key[:len(req.Prefix)+i+len(req.Delimiter)]
				if len(want) == 0 || want[len(want)-1] != cp {
					want = append(want, cp)
				}
			}
		}
		for more := true; more; {
			page, err := s.store.ListUploads(s.ctx, req)
			s.must(err)
			for _, u := range page.Uploads {
				got = append(got, u.Key+" "+u.ID)
			}
			for _, cp := range page.CommonPrefixes {
				got = append(got, "["+cp)
			}
			more = page.Truncated
			req.KeyMarker, req.UploadIDMarker = page.NextKey, page.NextUploadID
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("uploads %v, all pages of %+v (-want +got):\n%s", all, req, diff)
		}
	})
}

func testUploadsOfBucket(s *suite) {
	s.createBucket(bucketName)
	u := s.begin("key")
	s.mustPutPart(u, 1, pattern(1, 100_000))
	s.mustPutPart(u, 2, pattern(1, 100))
	s.must(s.store.DeleteBucket(s.ctx, bucketName))
	s.createBucket(bucketName)
	_, err := s.store.MultipartUpload(s.ctx, bucketName, "key", u.ID)
	s.wantCode("an upload of a deleted bucket", err, store.NoSuchUpload)
	page, err := s.store.ListUploads(s.ctx, store.UploadsRequest{Bucket: bucketName, Max: 10})
	s.must(err)
	if len(page.Uploads) > 0 {
		s.Errorf("uploads in a new bucket: %+v", page.Uploads)
	}
}
