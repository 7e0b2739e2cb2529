package storetest

import (
	"slices"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
	"github.com/google/go-cmp/cmp"
)

func testBuckets(s *suite) {
	made := s.createBucket(bucketName)
	if made.ID == "" || !made.Created.Equal(now) {
		s.Errorf("CreateBucket: ID %q, Created %v", made.ID, made.Created)
	}
	got, err := s.store.Bucket(s.ctx, bucketName)
	s.must(err)
	if diff := cmp.Diff(made, got); diff != "" {
		s.Errorf("Bucket (-made +got):\n%s", diff)
	}
	_, err = s.store.CreateBucket(s.ctx, store.Bucket{Name: bucketName}, now)
	s.wantCode("CreateBucket of an existing name", err, daypass.BucketAlreadyExists)

	s.mustPut("key", []byte("x"))
	s.wantCode("DeleteBucket with an object", s.store.DeleteBucket(s.ctx, bucketName), daypass.BucketNotEmpty)
	s.wantBody("key", []byte("x"))
	s.remove("key")
	s.must(s.store.DeleteBucket(s.ctx, bucketName))
	_, err = s.store.Bucket(s.ctx, bucketName)
	s.wantCode("Bucket after DeleteBucket", err, daypass.NoSuchBucket)

	again := s.createBucket(bucketName)
	if again.ID == made.ID {
		s.Error("a bucket that was created anew has the ID of the old one")
	}
	s.wantMissing("key")
}

func testListBuckets(s *suite) {
	names := []string{"a.b", "aaa", "aab", "aab-c", "bbb", "zzz"}
	for _, name := range slices.Backward(names) {
		s.createBucket(name)
	}
	tests := []struct {
		prefix, after string
		max           int
		want          string
	}{
		{"", "", 10, "a.b aaa aab aab-c bbb zzz"},
		{"", "", 2, "a.b aaa"},
		{"", "", 0, ""},
		{"", "aab", 2, "aab-c bbb"},
		{"", "aabx", 2, "bbb zzz"},
		{"", "zzz", 2, ""},
		{"aa", "", 10, "aaa aab aab-c"},
		{"aa", "aaa", 1, "aab"},
		{"aa", "a.b", 1, "aaa"},
		{"aa", "b", 1, ""},
		{"c", "", 10, ""},
	}
	for _, tt := range tests {
		bs, err := s.store.ListBuckets(s.ctx, tt.prefix, tt.after, tt.max)
		s.must(err)
		var got []string
		for _, b := range bs {
			got = append(got, b.Name)
		}
		if g := strings.Join(got, " "); g != tt.want {
			s.Errorf("ListBuckets(%q, %q, %d) = %q, want %q", tt.prefix, tt.after, tt.max, g, tt.want)
		}
	}
}

func testBucketNames(s *suite) {
	for _, name := range []string{"", "ab", "Abc", "a_b", "a..b", "../..", "-ab", "192.168.0.1", strings.Repeat("a", 64)} {
		_, err := s.store.CreateBucket(s.ctx, store.Bucket{Name: name}, now)
		s.wantCode("CreateBucket of "+name, err, daypass.InvalidBucketName)
		_, err = s.store.Bucket(s.ctx, name)
		s.wantCode("Bucket "+name, err, daypass.NoSuchBucket)
	}
}

func testMissingBucket(s *suite) {
	_, err := s.store.Bucket(s.ctx, bucketName)
	s.wantCode("Bucket", err, daypass.NoSuchBucket)
	s.wantCode("DeleteBucket", s.store.DeleteBucket(s.ctx, bucketName), daypass.NoSuchBucket)
	_, err = s.put("key", []byte("x"), store.WriteConditions{})
	s.wantCode("PutObject", err, daypass.NoSuchBucket)
	_, err = s.store.Object(s.ctx, ref("key"))
	s.wantCode("Object", err, daypass.NoSuchBucket)
	_, _, err = s.store.OpenObject(s.ctx, ref("key"))
	s.wantCode("OpenObject", err, daypass.NoSuchBucket)
	_, err = s.store.DeleteObject(s.ctx, ref("key"), store.DeleteOptions{})
	s.wantCode("DeleteObject", err, daypass.NoSuchBucket)
	_, err = s.store.ListObjects(s.ctx, store.ListRequest{Bucket: bucketName, Max: 1})
	s.wantCode("ListObjects", err, daypass.NoSuchBucket)
}
