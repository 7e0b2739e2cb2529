package storetest

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
	"github.com/google/go-cmp/cmp"
)

func testPutGetDelete(s *suite) {
	s.createBucket(bucketName)
	s.wantMissing("key")
	for i, content := range []string{"first", "", "third, which is longer"} {
		put := s.mustPut("key", []byte(content))
		got, data, err := s.get("key")
		s.must(err)
		if string(data) != content {
			s.Errorf("round %d: body %q, want %q", i, data, content)
		}
		want := &store.Object{
			Bucket: bucketName, Key: "key", Owner: "writer", ModTime: now,
			Size: int64(len(content)), ETag: fmt.Sprintf("%x", md5.Sum([]byte(content))),
			Checksums: put.Checksums, IsLatest: true,
		}
		s.sameTime(want, got)
		if diff := cmp.Diff(want, got); diff != "" {
			s.Errorf("round %d: OpenObject (-want +got):\n%s", i, diff)
		}
		head, err := s.store.Object(s.ctx, ref("key"))
		s.must(err)
		if diff := cmp.Diff(want, head); diff != "" {
			s.Errorf("round %d: Object (-want +got):\n%s", i, diff)
		}
		s.sameTime(want, put)
		if diff := cmp.Diff(want, put); diff != "" {
			s.Errorf("round %d: PutObject (-want +got):\n%s", i, diff)
		}
	}
	for range 2 {
		s.remove("key")
		s.wantMissing("key")
	}
}

func testNullVersion(s *suite) {
	s.createBucket(bucketName)
	s.mustPut("key", []byte("x"))
	r := ref("key")
	r.VersionID = "null"
	_, err := s.store.Object(s.ctx, r)
	s.wantCode("Object of version null", err, "")
	r.VersionID = "3sL4kqtJlcpXroDTDmJ-rmSpXd3dIbrHY"
	_, err = s.store.Object(s.ctx, r)
	s.wantCode("Object of another version", err, daypass.NoSuchVersion)
	_, _, err = s.store.OpenObject(s.ctx, r)
	s.wantCode("OpenObject of another version", err, daypass.NoSuchVersion)
	done, err := s.store.DeleteObject(s.ctx, r, store.DeleteOptions{})
	s.must(err)
	if want := (store.Deleted{VersionID: r.VersionID}); done != want {
		s.Errorf("DeleteObject of another version: %+v, want %+v", done, want)
	}
	s.wantBody("key", []byte("x"))
}

// oddKeys are keys that a store which cleans, splits or escapes them confuses.
func oddKeys() []string {
	keys := []string{
		"a", "a+b", "a b", "a%20b", "a//b", "/a", "a/", "/", "//", "./a", "../a", "..", ".",
		"a/../b", "a\\b", "A", "é", "e\u0301", "日本", "🙂", "a?b=c", "a#b", "a&b<c>\"'", "a*", "~", "-rf",
		"con", "nul", "a\nb", "a\rb", "\x00", "a\x00", "a\x00b", "\x01\x1f\x7f", "\u0085", "\uFFFD", "\U0010FFFF",
		strings.Repeat("k", 1024), strings.Repeat("é", 512), strings.Repeat("/", 1024),
	}
	return keys
}

// keys returns those keys that can be kept, and checks that the others are
// refused.
func (s *suite) keys(keys []string) (kept []string) {
	s.Helper()
	for _, key := range keys {
		switch {
		case s.has(NoZeroInKeys) && strings.Contains(key, "\x00"):
			_, err := s.put(key, nil, store.WriteConditions{})
			s.wantCode(fmt.Sprintf("PutObject of %q", key), err, daypass.NotImplemented)
			continue
		case s.has(ShortKeys) && len(key) == store.MaxKeyLength:
			_, err := s.put(key, nil, store.WriteConditions{})
			s.wantCode("PutObject of a long key", err, daypass.KeyTooLongError)
			key = key[:len(key)-shorter]
		}
		kept = append(kept, key)
	}
	return kept
}

// shorter is by how many bytes the longest key may be shorter with ShortKeys.
const shorter = 100

func testKeys(s *suite) {
	s.createBucket(bucketName)
	keys := s.keys(oddKeys())
	for i, key := range keys {
		s.mustPut(key, pattern(i, 10+i))
	}
	for i, key := range keys {
		s.wantBody(key, pattern(i, 10+i))
	}
	page, err := s.store.ListObjects(s.ctx, store.ListRequest{Bucket: bucketName, Max: 1000})
	s.must(err)
	if len(page.Objects) != len(keys) {
		s.Errorf("%d keys are listed, want %d", len(page.Objects), len(keys))
	}
	for i, key := range keys {
		s.remove(key)
		s.wantMissing(key)
		if i+1 < len(keys) {
			s.wantBody(keys[i+1], pattern(i+1, 11+i))
		}
	}
}

func testBadKeys(s *suite) {
	s.createBucket(bucketName)
	tests := []struct {
		key  string
		code daypass.Code
	}{
		{strings.Repeat("k", 1025), daypass.KeyTooLongError},
		{strings.Repeat("é", 513), daypass.KeyTooLongError},
		{"a\xffb", "InvalidURI"},
		{"\xc0\xaf", "InvalidURI"},
		{"", "InvalidURI"},
	}
	for _, tt := range tests {
		_, err := s.put(tt.key, []byte("x"), store.WriteConditions{})
		s.wantCode("PutObject", err, tt.code)
		_, err = s.store.Object(s.ctx, ref(tt.key))
		s.wantCode("Object", err, tt.code)
	}
}

func testMetadata(s *suite) {
	s.createBucket(bucketName)
	meta := store.Metadata{
		ContentType: "text/html; charset=utf-8", CacheControl: "max-age=60", ContentDisposition: `attachment; filename="é"`,
		ContentEncoding: "gzip", ContentLanguage: "de, en", Expires: "not even a date", WebsiteRedirect: "/elsewhere",
		StorageClass: "GLACIER_IR",
		User:         map[string]string{"a": "1", "empty": "", "ünï": "välue", "long": strings.Repeat("x", 2000)},
	}
	if s.has(LessMetadata) {
		meta.User["long"] = strings.Repeat("x", 1000)
	}
	put := func() error {
		body, err := store.NewUpload(strings.NewReader("x"), store.UploadOptions{Size: -1})
		s.must(err)
		_, err = s.store.PutObject(s.ctx, &store.PutRequest{Bucket: bucketName, Key: "key", Metadata: meta, Body: body, Time: now})
		return err
	}
	if s.has(OneStorageClass) {
		s.wantCode("another storage class", put(), "InvalidStorageClass")
		meta.StorageClass = ""
	}
	s.must(put())
	got, _, err := s.get("key")
	s.must(err)
	if diff := cmp.Diff(meta, got.Metadata); diff != "" {
		s.Errorf("metadata (-put +got):\n%s", diff)
	}
	page, err := s.store.ListObjects(s.ctx, store.ListRequest{Bucket: bucketName, Max: 10})
	s.must(err)
	if len(page.Objects) != 1 || page.Objects[0].ETag != got.ETag || page.Objects[0].Size != 1 {
		s.Errorf("listed as %+v", page.Objects)
	}
}

// sizes surround every size at which a driver may change how it stores.
func sizes() []int {
	var sizes []int
	for _, n := range []int{0, 1, 4 << 10, 16 << 10, 32 << 10, 64 << 10, 128 << 10, 256 << 10, 512 << 10, 1 << 20} {
		sizes = append(sizes, max(n-1, 0), n, n+1)
	}
	return append(sizes, 5<<20+123)
}

func testSizes(s *suite) {
	s.createBucket(bucketName)
	for i, n := range sizes() {
		data := pattern(i, n)
		for _, hint := range []int64{int64(n), -1} {
			body, err := store.NewUpload(bytes.NewReader(data), store.UploadOptions{Size: hint})
			s.must(err)
			key := fmt.Sprintf("%d/%d", n, hint)
			_, err = s.store.PutObject(s.ctx, &store.PutRequest{Bucket: bucketName, Key: key, Body: body})
			s.must(err)
			s.wantBody(key, data)
		}
	}
}

func testRanges(s *suite) {
	s.createBucket(bucketName)
	for _, size := range []int{100, 2 << 20} {
		data := pattern(size, size)
		s.mustPut("key", data)
		obj, body, err := s.store.OpenObject(s.ctx, ref("key"))
		s.must(err)
		for _, r := range [][2]int64{{0, 1}, {5, 10}, {0, obj.Size}, {obj.Size - 1, 1}, {7, 0}, {obj.Size, 0}, {3, 50}} {
			got, err := readRange(body, r[0], r[1])
			s.must(err)
			if !bytes.Equal(got, data[r[0]:r[0]+r[1]]) {
				s.Errorf("size %d: Range(%d, %d) yields other bytes", size, r[0], r[1])
			}
		}
		for _, r := range [][2]int64{{-1, 1}, {0, obj.Size + 1}, {obj.Size, 1}, {1, -1}, {1, 1<<63 - 1}} {
			if _, err := body.Range(r[0], r[1]); err == nil {
				s.Errorf("size %d: Range(%d, %d) succeeds", size, r[0], r[1])
			}
		}
		s.must(body.Close())
	}
}

func testOpenBody(s *suite) {
	if s.has(BodyEnds) {
		s.openBodyEnds()
		return
	}
	s.createBucket(bucketName)
	for _, size := range []int{100, 3 << 20} {
		for _, how := range []string{"overwritten", "deleted"} {
			data := pattern(size, size)
			s.mustPut("key", data)
			_, body, err := s.store.OpenObject(s.ctx, ref("key"))
			s.must(err)
			if how == "overwritten" {
				s.mustPut("key", []byte("new"))
			} else {
				s.remove("key")
			}
			for range 2 { // the second time after some more work in the background
				got, err := readRange(body, 0, int64(size))
				s.must(err)
				if !bytes.Equal(got, data) {
					s.Errorf("size %d: the open body changed when its object was %s", size, how)
				}
				s.mustPut("other", pattern(1, size))
			}
			s.must(body.Close())
		}
	}
}

// openBodyEnds checks that an open body never yields the content of the object
// that has taken the place of its own.
func (s *suite) openBodyEnds() {
	s.createBucket(bucketName)
	for _, size := range []int{100, 3 << 20} {
		for _, how := range []string{"overwritten", "deleted"} {
			data := pattern(size, size)
			s.mustPut("key", data)
			_, body, err := s.store.OpenObject(s.ctx, ref("key"))
			s.must(err)
			if how == "overwritten" {
				s.mustPut("key", pattern(size+1, size))
			} else {
				s.remove("key")
			}
			got, err := readRange(body, 0, int64(size))
			if err == nil && !bytes.Equal(got, data) {
				s.Errorf("size %d: the open body changed when its object was %s", size, how)
			}
			s.must(body.Close())
		}
	}
}
