package s3

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares a body with testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

var when = time.Date(2026, 2, 6, 0, 0, 38, 250e6, time.FixedZone("", 3600))

func TestListBucketsBody(t *testing.T) {
	full := ListBucketsResult{Owner: "alice", Prefix: "p", ContinuationToken: "token",
		Buckets: []Bucket{{"photos", when, "eu-west-1"}, {"plain", when, ""}}}
	golden(t, "list_buckets.xml", full.Append(nil))
	golden(t, "list_buckets_empty.xml", (&ListBucketsResult{Owner: "alice"}).Append(nil))
}

func TestListObjectsBody(t *testing.T) {
	r := ListObjectsResult{
		Bucket: "photos", Prefix: "a b/", Delimiter: "/", MaxKeys: 2, Truncated: true,
		Marker: "a b/0", NextMarker: "a b/é/", ContinuationToken: "this", NextToken: "next", StartAfter: "a b/~",
		Objects: []Object{
			{Key: "a b/<&>\"'\r\n.txt", Modified: when, ETag: "d41d8cd98f00b204e9800998ecf8427e", Checksum: "CRC64NVME", ChecksumType: FullObject, Owner: "alice"},
			{Key: "a b/\x01\xEF\xBF\xBE+*~(é)", Modified: when, ETag: "0", Size: 5 << 30, StorageClass: "STANDARD_IA"},
		},
		CommonPrefixes: []string{"a b/é/"},
	}
	golden(t, "list_v1.xml", r.AppendV1(nil))
	golden(t, "list_v2.xml", r.AppendV2(nil))
	r.EncodeURL = true
	golden(t, "list_v1_url.xml", r.AppendV1(nil))
	golden(t, "list_v2_url.xml", r.AppendV2(nil))
	empty := ListObjectsResult{Bucket: "photos", MaxKeys: 1000}
	golden(t, "list_v1_empty.xml", empty.AppendV1(nil))
	golden(t, "list_v2_empty.xml", empty.AppendV2(nil))
}

func TestLocationBody(t *testing.T) {
	golden(t, "location_first.xml", AppendLocation(nil, "us-east-1"))
	golden(t, "location.xml", AppendLocation(nil, "eu-west-1"))
}

func TestDeleteBody(t *testing.T) {
	r := DeleteResult{Entries: []DeletedObject{
		{Key: "a&b"}, {Key: "v", VersionID: "null"},
		{Key: "c", VersionID: "x", Code: "AccessDenied", Message: "Access Denied"},
	}}
	golden(t, "delete.xml", r.Append(nil))
	r.Quiet = true
	golden(t, "delete_quiet.xml", r.Append(nil))
}

func TestErrorBody(t *testing.T) {
	e := &daypass.Error{Op: "inner", Code: daypass.InvalidArgument, Message: `a "b" <c> 'd'` + "\x00\x01\xFF\uFFFF\r",
		Details: []daypass.Detail{{Name: "ArgumentName", Value: "x"}, {Name: "ArgumentValue", Value: ""}}}
	golden(t, "error.xml", AppendError(nil, ErrorOf(e), "ID", "HOST"))
	golden(t, "error_plain.xml", AppendError(nil, ErrorOf(&daypass.Error{Code: daypass.AccessDenied}), "ID", "HOST"))
}
