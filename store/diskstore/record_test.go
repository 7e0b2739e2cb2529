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
		segments: []segment{{blob: 7, size: 123000, file: true}, {blob: 8, size: 456}},
	}
}

// versionedObject has the fields that format 2 has added.
func versionedObject() *objectRecord {
	r := fullObject()
	r.object.Checksums = append(r.object.Checksums, store.Checksum{Algorithm: store.SHA256, Value: "eA==-2", Type: store.Composite})
	r.object.Tags = []store.Tag{{Key: "k", Value: "v"}, {Key: "empty"}}
	r.object.ACL = []byte{0, 1}
	r.object.PartCount, r.object.UploadID = 2, "upload"
	r.ticket = ticket{order: 400, nonce: nonce{1, 2, 3}}
	r.segments, r.manifest = nil, 401
	return r
}

// lockedObject has the fields of object lock.
func lockedObject() *objectRecord {
	r := versionedObject()
	r.object.Lock = store.Lock{LegalHold: store.LegalHoldOff, Retention: store.Retention{
		Mode: store.Compliance, Until: time.Date(9999, 12, 31, 23, 59, 59, 999e6, time.UTC),
	}}
	return r
}

// sealedObject has the fields of encryption.
func sealedObject() *objectRecord {
	r := lockedObject()
	r.object.Encryption = &store.Encryption{SSE: store.SSES3, Generation: 300, Wrapped: []byte("wrapped key")}
	return r
}

func sealedPart() *partRecord {
	p := fullPart()
	p.Salt = []byte("salt")
	return p
}

func fullPart() *partRecord {
	return &partRecord{
		Part: store.Part{
			Number: 3, Size: 70_000, ETag: "5eb63bbbe01eeed093cb22bb8f5acdc3", ModTime: time.Unix(1, 5).UTC(),
			Checksums: []store.Checksum{{Algorithm: store.CRC32, Value: "DUoRhQ=="}},
		},
		segments: []segment{{blob: 7, off: 100, size: 60_000, file: true}, {blob: 8, size: 10_000}},
	}
}

func fullUpload() *uploadRecord {
	return &uploadRecord{target: *versionedObject(), checksum: store.CRC32, checksumType: store.FullObject}
}

// TestGolden fails when an encoding changes: data directories out there hold
// the old one.
func TestGolden(t *testing.T) {
	bucket := bucketRecord{id: "00ff", owner: "owner", region: "eu-central-1", number: 300, created: time.Unix(1, 5)}
	lockedBucketRecord := bucketRecord{id: "00ff", number: 1, versioning: store.VersioningEnabled, lock: store.ObjectLock{
		Enabled: true, Default: store.DefaultRetention{Mode: store.Governance, Days: 300}}}
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
		{"versioned object", versionedObject().encode()},
		{"delete marker", (&objectRecord{object: store.Object{DeleteMarker: true}, ticket: ticket{order: 1}}).encode()},
		{"versioned bucket", (&bucketRecord{id: "00ff", number: 1, versioning: store.VersioningSuspended}).encode()},
		{"part", fullPart().encode()},
		{"manifest", (&manifest{parts: []*partRecord{fullPart(), fullPart()}}).encode()},
		{"upload", fullUpload().encode()},
		{"dropped upload", droppedRecord{upload: true}.encode()},
		{"version key", versionKey(300, "a\x00b", 400)},
		{"upload key", uploadKey(300, "a\x00b", 400)},
		{"part key", partKey(400, 10000)},
		{"null key", plainKey(spaceNull, 300, "a\x00b")},
		{"locked object", lockedObject().encode()},
		{"locked bucket", lockedBucketRecord.encode()},
		{"encrypted object", sealedObject().encode()},
		{"encrypted part", sealedPart().encode()},
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
	noACL := &objectRecord{object: store.Object{ACL: []byte{}}}
	for _, r := range []*objectRecord{fullObject(), versionedObject(), lockedObject(), sealedObject(), noACL, {}} {
		got, err := decodeObject(r.encode())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(r, got, cmp.AllowUnexported(objectRecord{}, segment{}, ticket{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

func TestBucketRoundTrip(t *testing.T) {
	for _, def := range []store.DefaultRetention{{}, {Mode: store.Governance, Days: 1}, {Mode: store.Compliance, Years: 100}} {
		want := bucketRecord{id: "00ff", versioning: store.VersioningEnabled, lock: store.ObjectLock{Enabled: true, Default: def}}
		if got, err := decodeBucket(want.encode()); err != nil || got != want {
			t.Errorf("%+v, want %+v, %v", got, want, err)
		}
	}
}

// TestUnknownLocks checks that a lock that cannot be read is not lost.
func TestUnknownLocks(t *testing.T) {
	for _, tag := range []uint64{tagLockMode, tagLegalHold} {
		if r, err := decodeObject(appendNumber(nil, tag, 3)); err == nil {
			t.Errorf("lock %+v", r.object.Lock)
		}
	}
	if r, err := decodeBucket(appendNumber(nil, tagBucketLockMode, 3)); err == nil {
		t.Errorf("object lock %+v", r.lock)
	}
}

// TestUnknownEncryption checks that a body is not taken for what it is not.
func TestUnknownEncryption(t *testing.T) {
	for _, sse := range []uint64{0, 3} {
		data := appendBytes(nil, tagEncryption, appendNumber(nil, tagEncryptionSSE, sse))
		if r, err := decodeObject(data); err == nil {
			t.Errorf("encryption %+v", r.object.Encryption)
		}
	}
}

func TestMultipartRoundTrip(t *testing.T) {
	unexported := cmp.AllowUnexported(partRecord{}, objectRecord{}, segment{}, ticket{}, uploadRecord{})
	p, err := decodePart(sealedPart().encode())
	if diff := cmp.Diff(sealedPart(), p, unexported); diff != "" {
		t.Errorf("part: %v (-want +got):\n%s", err, diff)
	}
	u, err := decodeUpload(fullUpload().encode())
	if diff := cmp.Diff(fullUpload(), u, unexported); diff != "" {
		t.Errorf("upload: %v (-want +got):\n%s", err, diff)
	}
	kept := sealedPart()
	kept.ETag, kept.ModTime = "", time.Time{} // which a manifest leaves out
	m, err := decodeManifest((&manifest{parts: []*partRecord{sealedPart(), sealedPart()}}).encode())
	if diff := cmp.Diff([]*partRecord{kept, kept}, m.parts, unexported); diff != "" {
		t.Errorf("manifest: %v (-want +got):\n%s", err, diff)
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
	if diff := cmp.Diff(fullObject(), got, cmp.AllowUnexported(objectRecord{}, segment{}, ticket{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(fullObject().encode())
	f.Add(lockedObject().encode())
	f.Add(fullUpload().encode())
	f.Add(sealedObject().encode())
	f.Add((&manifest{parts: []*partRecord{fullPart()}}).encode())
	f.Add((&bucketRecord{id: "a", number: 1}).encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = decodeBucket(data)
		_, _ = decodeFile(data)
		_, _ = decodeSequence(data)
		_, _ = decodePart(data)
		_, _ = decodeManifest(data)
		_, _ = decodeUpload(data)
		_, _ = decodeDropped(data)
		r, err := decodeObject(data)
		if err != nil {
			return
		}
		again, err := decodeObject(r.encode())
		if err != nil {
			t.Fatalf("%x: %v", data, err)
		}
		if diff := cmp.Diff(r, again, cmp.AllowUnexported(objectRecord{}, segment{}, ticket{})); diff != "" {
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
