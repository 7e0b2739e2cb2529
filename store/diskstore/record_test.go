package diskstore

import (
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass/store"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func fullObject() *objectRecord {
	return &objectRecord{
		object: store.Object{
			Size: 123456, ETag: "5eb63bbbe01eeed093cb22bb8f5acdc3", Owner: "owner",
			ModTime: time.Date(2026, 3, 4, 5, 6, 7, 891, time.UTC),
			Metadata: store.Metadata{
				ContentType: "text/plain", CacheControl: "no-store", ContentDisposition: "inline", ContentEncoding: "br",
				ContentLanguage: "de", Expires: "0", WebsiteRedirect: "/x", StorageClass: "GLACIER",
				User: map[string]string{"b": "2", "a": "1", "empty": ""},
			},
			Checksums: []store.Checksum{{Algorithm: store.CRC32, Value: "DUoRhQ=="}, {Algorithm: store.SHA1, Value: "x"}},
		},
		parts: []part{{blob: 7, size: 123000, file: true}, {blob: 8, size: 456}},
	}
}

// TestGolden fails when an encoding changes: data directories out there hold
// the old one.
func TestGolden(t *testing.T) {
	bucket := bucketRecord{id: "00ff", owner: "owner", region: "eu-central-1", number: 300, created: time.Unix(1, 5)}
	records := []struct {
		name string
		data []byte
	}{
		{"object", fullObject().encode()},
		{"empty object", (&objectRecord{}).encode()},
		{"bucket", bucket.encode()},
		{"file", fileRecord{size: 70000, crc: 0x0123456789abcdef}.encode()},
		{"sequence", sequenceRecord{limit: 16384, watermark: 3}.encode()},
		{"bucket key", bucketKey("abc")},
		{"object key", objectKey(300, "a/b\x00é")},
		{"blob key", idKey(spaceBody, 0x0102030405060708)},
	}
	var got strings.Builder
	for _, r := range records {
		fmt.Fprintf(&got, "%s\n%s\n", r.name, hex.Dump(r.data))
	}
	name := filepath.Join("testdata", "records.golden")
	if *update {
		if err := os.WriteFile(name, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("the encoding has changed (-want +got):\n%s", diff)
	}
}

func TestObjectRoundTrip(t *testing.T) {
	for _, r := range []*objectRecord{fullObject(), {}} {
		got, err := decodeObject(r.encode())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, got, cmp.AllowUnexported(objectRecord{}, part{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// TestUnknownFields checks that a record of a later version can be read.
func TestUnknownFields(t *testing.T) {
	data := fullObject().encode()
	data = appendNumber(data, 100<<3|varint, 5)
	data = appendFixed(data, 101<<3|fixed64, 5)
	data = appendString(data, 102<<3|bytesTy, "later")
	got, err := decodeObject(data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fullObject(), got, cmp.AllowUnexported(objectRecord{}, part{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(fullObject().encode())
	f.Add((&bucketRecord{id: "a", number: 1}).encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = decodeBucket(data)
		_, _ = decodeFile(data)
		_, _ = decodeSequence(data)
		r, err := decodeObject(data)
		if err != nil {
			return
		}
		again, err := decodeObject(r.encode())
		if err != nil {
			t.Fatalf("%x: %v", data, err)
		}
		if diff := cmp.Diff(r, again, cmp.AllowUnexported(objectRecord{}, part{})); diff != "" {
			t.Errorf("%x changes on its way (-before +after):\n%s", data, diff)
		}
	})
}

func FuzzObjectKey(f *testing.F) {
	f.Add([]byte("o\x00\x00\x00\x00\x00\x00\x00\x01key"), []byte("o\x00\x00\x00\x00\x00\x00\x00\x01"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		bucketA, keyA, err := parseObjectKey(a)
		if err != nil {
			return
		}
		if again := objectKey(bucketA, keyA); !slices.Equal(a, again) {
			t.Errorf("%x becomes %x", a, again)
		}
		bucketB, keyB, err := parseObjectKey(b)
		if err == nil && bucketA == bucketB && strings.Compare(keyA, keyB) != slices.Compare(a, b) {
			t.Errorf("%x and %x sort unlike their keys", a, b)
		}
	})
}
