package store

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/daypass/daypass"
)

// partsDriver has one upload with the given parts.
type partsDriver struct {
	Driver
	Multiparter
	upload MultipartUpload
	parts  []Part
	got    *CompleteRequest
}

func (d *partsDriver) MultipartUpload(_ context.Context, bucket, key, id string) (*MultipartUpload, error) {
	u := d.upload
	u.Bucket, u.Key, u.ID = bucket, key, id
	return &u, nil
}

func (d *partsDriver) Parts(_ context.Context, _, _, _ string, after, max int) (page []Part, err error) {
	for _, p := range d.parts {
		if p.Number > after && len(page) < max {
			page = append(page, p)
		}
	}
	return page, nil
}

func (d *partsDriver) CompleteUpload(_ context.Context, req *CompleteRequest) (*Object, error) {
	d.got = req
	return &Object{}, nil
}

func (d *partsDriver) Close() error { return nil }

const zeroMD5 = "00000000000000000000000000000000"

func partOf(number int, size int64) Part {
	sum := base64.StdEncoding.EncodeToString(make([]byte, 8))
	return Part{Number: number, Size: size, ETag: zeroMD5, Checksums: []Checksum{{Algorithm: CRC64NVME, Value: sum}}}
}

// TestCompleteRefused checks what a client is told.
func TestCompleteRefused(t *testing.T) {
	const notFound = "InvalidPart: One or more of the specified parts could not be found.  The part may not have been " +
		"uploaded, or the specified entity tag may not match the part's entity tag. "
	named := func(numbers ...int) (parts []CompletedPart) {
		for _, n := range numbers {
			parts = append(parts, CompletedPart{Number: n, ETag: zeroMD5})
		}
		return parts
	}
	tests := []struct {
		parts []Part
		req   CompleteRequest
		want  string
	}{
		{nil, CompleteRequest{Parts: named(0)}, "InvalidArgument: Part number must be an integer between 1 and 10000, " +
			"inclusive [{ArgumentName partNumber} {ArgumentValue 0}]"},
		{nil, CompleteRequest{Parts: named(2, 1)}, "InvalidPartOrder"},
		{nil, CompleteRequest{Parts: named(7)}, notFound + "[{UploadId id} {PartNumber 7} {ETag " + zeroMD5 + "}]"},
		{[]Part{partOf(1, 5), partOf(2, 5)}, CompleteRequest{Parts: named(1, 2)},
			"EntityTooSmall: Your proposed upload is smaller than the minimum allowed size " +
				"[{ProposedSize 5} {MinSizeAllowed 5242880} {PartNumber 1} {ETag " + zeroMD5 + "}]"},
		{[]Part{partOf(1, MaxObjectSize), partOf(2, 1)}, CompleteRequest{Parts: named(1, 2)},
			"EntityTooLarge [{ProposedSize 53687091200001} {MaxSizeAllowed 53687091200000}]"},
		{[]Part{partOf(1, 5)}, CompleteRequest{Parts: named(1), Size: 6}, "InvalidRequest: " +
			"The provided 'x-amz-mp-object-size' header value 6 does not match what was computed: 5"},
		{[]Part{partOf(1, 5)}, CompleteRequest{Parts: named(1), Expected: Checksum{Algorithm: SHA1, Value: "x"}},
			"InvalidRequest: Checksum Type mismatch occurred, expected checksum Type: crc64nvme, actual checksum Type: sha1"},
		{[]Part{partOf(1, 5)}, CompleteRequest{Parts: named(1), Expected: Checksum{Type: Composite}}, "InvalidRequest: " +
			"The upload was created using the FULL_OBJECT checksum mode. The complete request must use the same checksum mode."},
		{[]Part{partOf(1, 5)}, CompleteRequest{Parts: named(1), Expected: Checksum{Algorithm: CRC64NVME, Value: "AAAAAAAAAAE="}},
			"BadDigest: The CRC64NVME you specified did not match the calculated checksum."},
	}
	for _, tt := range tests {
		req := tt.req
		req.Bucket, req.Key, req.UploadID = "bucket", "key", "id"
		if req.Size == 0 {
			req.Size = -1
		}
		_, err := New(&partsDriver{parts: tt.parts}).CompleteUpload(context.Background(), &req)
		if got := strings.TrimPrefix(explain(err), "store.CompleteUpload: "); got != tt.want {
			t.Errorf("\n got %s\nwant %s", got, tt.want)
		}
	}
}

// TestCompleteManyParts completes more parts than a driver is asked for at
// once, some of which are left out.
func TestCompleteManyParts(t *testing.T) {
	d := &partsDriver{}
	req := &CompleteRequest{Bucket: "bucket", Key: "key", UploadID: "id", Size: -1}
	for n := 1; n <= 3*partsPage; n++ {
		d.parts = append(d.parts, partOf(n, MinPartSize))
		if n%3 == 0 {
			req.Parts = append(req.Parts, CompletedPart{Number: n, ETag: zeroMD5})
		}
	}
	if _, err := New(d).CompleteUpload(context.Background(), req); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("-%d", partsPage); !strings.HasSuffix(d.got.ETag, want) || d.got.Time.IsZero() {
		t.Errorf("ETag %s at %v, want %s", d.got.ETag, d.got.Time, want)
	}
}

// TestPartChecksum checks which checksums a part gets.
func TestPartChecksum(t *testing.T) {
	tests := []struct {
		upload    ChecksumAlgorithm
		body      UploadOptions
		algorithm []ChecksumAlgorithm
		want      string
	}{
		{"", UploadOptions{}, []ChecksumAlgorithm{CRC64NVME}, ""},
		{"", UploadOptions{Checksum: SHA256}, []ChecksumAlgorithm{SHA256, CRC64NVME}, ""},
		{SHA1, UploadOptions{}, []ChecksumAlgorithm{SHA1}, ""},
		{SHA256, UploadOptions{Checksum: SHA256}, []ChecksumAlgorithm{SHA256}, ""},
		{SHA256, UploadOptions{Checksum: CRC32}, nil, "InvalidRequest: " +
			"Checksum Type mismatch occurred, expected checksum Type: sha256, actual checksum Type: crc32"},
	}
	for _, tt := range tests {
		tt.body.Size = -1
		u, err := NewUpload(strings.NewReader(hello), tt.body)
		if err != nil {
			t.Fatal(err)
		}
		if err := u.sumFor(&MultipartUpload{Checksum: tt.upload}); err != nil {
			if err.Error() != tt.want {
				t.Errorf("%+v: %v", tt, err)
			}
			continue
		}
		if data, err := io.ReadAll(u); string(data) != hello {
			t.Errorf("%+v: read %q, %v", tt, data, err)
		}
		var got []ChecksumAlgorithm
		for _, c := range u.Checksums() {
			got = append(got, c.Algorithm)
			if c.Value != helloSums[c.Algorithm] {
				t.Errorf("%+v: %+v", tt, c)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(tt.algorithm) {
			t.Errorf("upload with %q, part with %q: %v, want %v", tt.upload, tt.body.Checksum, got, tt.algorithm)
		}
	}
}

// TestPartWithoutChecksum covers a driver that has lost one.
func TestPartWithoutChecksum(t *testing.T) {
	d := &partsDriver{parts: []Part{{Number: 1, Size: 5, ETag: zeroMD5}}}
	req := &CompleteRequest{Bucket: "bucket", Key: "key", UploadID: "id", Size: -1,
		Parts: []CompletedPart{{Number: 1, ETag: zeroMD5}}}
	_, err := New(d).CompleteUpload(context.Background(), req)
	if daypass.CodeOf(err) != daypass.InternalError {
		t.Errorf("a part without a checksum: %v", err)
	}
}
