package storetest

import (
	"crypto/md5"
	"fmt"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

func etag(data string) string { return fmt.Sprintf("%x", md5.Sum([]byte(data))) }

// putHeard stores an object on a condition. Across a network the refusal of a
// body may not be heard, where the upstream hangs up with it; whoever is told so
// tries again.
func (s *suite) putHeard(key string, data []byte, cond store.WriteConditions) error {
	_, err := s.put(key, data, cond)
	for tries := 0; tries < 5 && s.has(StoreTimes) && daypass.CodeOf(err) == daypass.ServiceUnavailable; tries++ {
		_, err = s.put(key, data, cond)
	}
	return err
}

func testWriteConditions(s *suite) {
	s.createBucket(bucketName)
	tests := []struct {
		name   string
		exists bool
		cond   store.WriteConditions
		code   daypass.Code
	}{
		{"none of any, missing", false, store.WriteConditions{IfNoneMatch: "*"}, ""},
		{"none of any, existing", true, store.WriteConditions{IfNoneMatch: "*"}, daypass.PreconditionFailed},
		{"none of its ETag", true, store.WriteConditions{IfNoneMatch: etag("old")}, daypass.PreconditionFailed},
		{"none of another ETag", true, store.WriteConditions{IfNoneMatch: etag("other")}, ""},
		{"none of an ETag, missing", false, store.WriteConditions{IfNoneMatch: etag("old")}, ""},
		{"its ETag", true, store.WriteConditions{IfMatch: etag("old")}, ""},
		{"another ETag", true, store.WriteConditions{IfMatch: etag("other")}, daypass.PreconditionFailed},
		{"an ETag, missing", false, store.WriteConditions{IfMatch: etag("old")}, daypass.NoSuchKey},
		{"any, existing", true, store.WriteConditions{IfMatch: "*"}, ""},
		{"any, missing", false, store.WriteConditions{IfMatch: "*"}, daypass.NoSuchKey},
	}
	for _, size := range []int{3, 2 << 20} {
		for _, tt := range tests {
			s.remove("key")
			if tt.exists {
				s.mustPut("key", []byte("old"))
			}
			data := pattern(size, size)
			err := s.putHeard("key", data, tt.cond)
			want := tt.code
			if s.has(PlainConditions) && !plainConditions(tt.cond) {
				want = daypass.NotImplemented
			}
			s.wantCode(fmt.Sprintf("%s, %d bytes", tt.name, size), err, want)
			switch {
			case want == "":
				s.wantBody("key", data)
			case tt.exists:
				s.wantBody("key", []byte("old"))
			default:
				s.wantMissing("key")
			}
		}
	}
}

// plainConditions reports whether S3 knows such conditions of a write.
func plainConditions(c store.WriteConditions) bool {
	return (c.IfNoneMatch == "" || c.IfNoneMatch == "*") && c.IfMatch != "*"
}

func testDeleteConditions(s *suite) {
	s.createBucket(bucketName)
	remove := func(cond store.WriteConditions) error {
		_, err := s.store.DeleteObject(s.ctx, ref("key"), store.DeleteOptions{Conditions: cond})
		return err
	}
	if s.has(NoDeleteConditions) {
		s.mustPut("key", []byte("old"))
		s.wantCode("If-Match", remove(store.WriteConditions{IfMatch: etag("old")}), daypass.NotImplemented)
		s.wantBody("key", []byte("old"))
		return
	}
	s.wantCode("If-Match of a missing key", remove(store.WriteConditions{IfMatch: "*"}), daypass.NoSuchKey)
	s.mustPut("key", []byte("old"))
	s.wantCode("another ETag", remove(store.WriteConditions{IfMatch: etag("other")}), daypass.PreconditionFailed)
	s.wantBody("key", []byte("old"))
	s.wantCode("its ETag", remove(store.WriteConditions{IfMatch: etag("old")}), "")
	s.wantMissing("key")
}
