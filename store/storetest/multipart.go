package storetest

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
	"github.com/google/go-cmp/cmp"
)

// sumOf computes a checksum.
func sumOf(a store.ChecksumAlgorithm, data []byte) store.Checksum {
	h := a.New()
	h.Write(data)
	return store.Checksum{Algorithm: a, Value: base64.StdEncoding.EncodeToString(h.Sum(nil))}
}

// begin begins an upload of a key.
func (s *suite) begin(key string) *store.MultipartUpload {
	s.Helper()
	u, err := s.store.CreateUpload(s.ctx, &store.MultipartUpload{Bucket: bucketName, Key: key, Owner: "writer", Initiated: now})
	s.must(err)
	return u
}

func (s *suite) putPart(u *store.MultipartUpload, number int, data []byte) (*store.Part, error) {
	body, err := store.NewUpload(bytes.NewReader(data), store.UploadOptions{Size: int64(len(data))})
	if err != nil {
		return nil, err
	}
	return s.store.PutPart(s.ctx, &store.PartRequest{
		Bucket: u.Bucket, Key: u.Key, UploadID: u.ID, Number: number, Body: body, Time: now,
	})
}

func (s *suite) mustPutPart(u *store.MultipartUpload, number int, data []byte) *store.Part {
	s.Helper()
	p, err := s.putPart(u, number, data)
	s.must(err)
	return p
}

// name names parts as a client does.
func name(parts ...*store.Part) (named []store.CompletedPart) {
	for _, p := range parts {
		named = append(named, store.CompletedPart{Number: p.Number, ETag: p.ETag})
	}
	return named
}

func completion(u *store.MultipartUpload, parts ...*store.Part) *store.CompleteRequest {
	return &store.CompleteRequest{
		Bucket: u.Bucket, Key: u.Key, UploadID: u.ID, Parts: name(parts...), Size: -1, Time: now,
	}
}

// completeSmall completes an upload whose parts are smaller than the rules
// allow, so it goes to the driver directly.
func (s *suite) completeSmall(u *store.MultipartUpload, parts ...*store.Part) (*store.Object, error) {
	req := completion(u, parts...)
	req.ETag = multipartETag(req.Parts)
	return s.driver.(store.Multiparter).CompleteUpload(s.ctx, req)
}

func multipartETag(parts []store.CompletedPart) string {
	h := md5.New()
	for _, p := range parts {
		var sum []byte
		fmt.Sscanf(p.ETag, "%x", &sum)
		h.Write(sum)
	}
	return fmt.Sprintf("%x-%d", h.Sum(nil), len(parts))
}

// partSize returns a size for a part that is not the last: n where the driver
// takes any.
func (s *suite) partSize(n int) int {
	if s.has(LargeParts) {
		return max(n, store.MinPartSize)
	}
	return n
}

// uploadName returns what the object of an upload knows of it.
func (s *suite) uploadName(u *store.MultipartUpload) string {
	if store.Can[store.UploadNamer](s.driver) {
		return s.driver.(store.UploadNamer).UploadName(u.ID)
	}
	return u.ID
}

// putParts stores an object in parts of the given sizes, or larger ones where the
// driver takes no others, and returns its content.
func (s *suite) putParts(key string, sizes ...int) (data []byte) {
	s.Helper()
	u := s.begin(key)
	var parts []*store.Part
	for i, n := range sizes {
		if i < len(sizes)-1 {
			n = s.partSize(n)
		}
		part := pattern(100*len(sizes)+i, n)
		data = append(data, part...)
		parts = append(parts, s.mustPutPart(u, 2*i+1, part))
	}
	_, err := s.completeSmall(u, parts...)
	s.must(err)
	return data
}

func testMultipart(s *suite) {
	s.createBucket(bucketName)
	meta := store.Metadata{ContentType: "text/x", User: map[string]string{"a": "b"}}
	begin := &store.MultipartUpload{
		Bucket: bucketName, Key: "key", Metadata: meta, Owner: "writer", Initiated: now,
		Tags: []store.Tag{{Key: "t", Value: "v"}}, ACL: []byte("acl"),
	}
	u, err := s.store.CreateUpload(s.ctx, begin)
	if s.has(NoUploadTags) {
		s.wantCode("CreateUpload with tags", err, daypass.NotImplemented)
		begin.Tags = nil
		u, err = s.store.CreateUpload(s.ctx, begin)
	}
	s.must(err)
	got, err := s.store.MultipartUpload(s.ctx, bucketName, "key", u.ID)
	s.must(err)
	if diff := cmp.Diff(u, got); diff != "" || u.ID == "" {
		s.Errorf("MultipartUpload (-created +got):\n%s", diff)
	}
	data := [][]byte{pattern(1, 5<<20), pattern(2, 5<<20+1), pattern(3, 10)}
	third := s.mustPutPart(u, 10000, data[2])
	first := s.mustPutPart(u, 1, data[0])
	second := s.mustPutPart(u, 7, data[1])
	s.pageOfParts(u)
	whole := slices.Concat(data...)
	s.wantMissing("key")
	req := completion(u, first, second, third)
	obj, err := s.store.CompleteUpload(s.ctx, req)
	s.must(err)
	want := &store.Object{
		Bucket: bucketName, Key: "key", Owner: "writer", ModTime: now, Metadata: meta, Tags: u.Tags, ACL: u.ACL,
		Size: int64(len(whole)), ETag: multipartETag(req.Parts), PartCount: 3, UploadID: s.uploadName(u), IsLatest: true,
		Checksums: []store.Checksum{sumOf(store.CRC64NVME, whole)},
	}
	s.sameTime(want, obj)
	if diff := cmp.Diff(want, obj); diff != "" {
		s.Errorf("CompleteUpload (-want +got):\n%s", diff)
	}
	if s.has(PartsForgotten) {
		want.Checksums = nil
	}
	head, err := s.store.Object(s.ctx, ref("key"))
	s.must(err)
	if diff := cmp.Diff(want, head); diff != "" {
		s.Errorf("Object (-want +got):\n%s", diff)
	}
	for _, p := range []*store.Part{first, second, third} {
		if s.has(PartsForgotten) {
			break
		}
		want.Parts = append(want.Parts, store.Part{Number: p.Number, Size: p.Size, Checksums: p.Checksums})
	}
	open, body, err := s.get("key")
	s.must(err)
	if diff := cmp.Diff(want, open); diff != "" || !bytes.Equal(body, whole) {
		s.Errorf("OpenObject (-want +got):\n%s", diff)
	}
	s.completedTwice(req, head)
}

// pageOfParts puts a part that nobody names later, where that may be, and looks
// at a page of parts in the middle.
func (s *suite) pageOfParts(u *store.MultipartUpload) {
	want := []int{5, 7}
	if s.has(AllParts) {
		want = []int{7, 10000}
	} else {
		s.mustPutPart(u, 5, pattern(4, 100))
	}
	parts, err := s.store.Parts(s.ctx, bucketName, "key", u.ID, 1, 2)
	s.must(err)
	if len(parts) != 2 || parts[0].Number != want[0] || parts[1].Number != want[1] {
		s.Errorf("Parts after 1: %+v", parts)
	}
}

// completedTwice checks that a completion whose answer was lost can be
// repeated until the object is replaced.
func (s *suite) completedTwice(req *store.CompleteRequest, want *store.Object) {
	again, err := s.store.CompleteUpload(s.ctx, req)
	s.must(err)
	if diff := cmp.Diff(want, again); diff != "" {
		s.Errorf("the second CompleteUpload (-first +second):\n%s", diff)
	}
	fewer := *req
	fewer.Parts = req.Parts[:2]
	_, err = s.store.CompleteUpload(s.ctx, &fewer)
	s.wantCode("completed again with other parts", err, store.NoSuchUpload)
	s.mustCopy(req.Key, req.Key)
	_, err = s.store.CompleteUpload(s.ctx, req)
	s.wantCode("completed again after a copy", err, store.NoSuchUpload)
}

func testMultipartRules(s *suite) {
	s.createBucket(bucketName)
	u := s.begin("key")
	for _, number := range []int{-1, 0, 10001} {
		_, err := s.putPart(u, number, nil)
		s.wantCode(fmt.Sprintf("part %d", number), err, daypass.InvalidArgument)
	}
	large := s.mustPutPart(u, 1, pattern(1, 5<<20))
	small := s.mustPutPart(u, 2, pattern(2, 5<<20-1))
	last := s.mustPutPart(u, 3, pattern(3, 10))
	tests := []struct {
		name string
		req  *store.CompleteRequest
		edit func(*store.CompleteRequest)
		code daypass.Code
	}{
		{"no parts", completion(u), nil, daypass.InvalidRequest},
		{"wrong order", completion(u, last, large), nil, store.InvalidPartOrder},
		{"a part twice", completion(u, large, large), nil, store.InvalidPartOrder},
		{"part number 0", completion(u, &store.Part{ETag: last.ETag}), nil, daypass.InvalidArgument},
		{"small part", completion(u, large, small, last), nil, store.EntityTooSmall},
		{"unknown part", completion(u, large, &store.Part{Number: 4, ETag: last.ETag}), nil, store.InvalidPart},
		{"wrong ETag", completion(u, large, &store.Part{Number: 3, ETag: large.ETag}), nil, store.InvalidPart},
		{"malformed ETag", completion(u, &store.Part{Number: 1, ETag: "x"}), nil, store.InvalidPart},
		{"wrong size", completion(u, large, last), func(r *store.CompleteRequest) { r.Size = 10 }, daypass.InvalidRequest},
		{"wrong checksum of a part", completion(u, large, last), func(r *store.CompleteRequest) {
			r.Parts[0].Checksums = last.Checksums
		}, store.InvalidPart},
		{"another checksum of a part", completion(u, large, last), func(r *store.CompleteRequest) {
			r.Parts[0].Checksums = []store.Checksum{{Algorithm: store.SHA1, Value: "x"}}
		}, store.InvalidPart},
		{"wrong upload", completion(u, large, last), func(r *store.CompleteRequest) { r.UploadID = "x" }, store.NoSuchUpload},
		{"wrong key", completion(u, large, last), func(r *store.CompleteRequest) { r.Key = "other" }, store.NoSuchUpload},
		{"right", completion(u, large, last), func(r *store.CompleteRequest) {
			r.Size, r.Parts[1].Checksums = 5<<20+10, last.Checksums
		}, ""},
	}
	for _, tt := range tests {
		if tt.edit != nil {
			tt.edit(tt.req)
		}
		_, err := s.store.CompleteUpload(s.ctx, tt.req)
		if s.has(AllParts) && tt.code == "" {
			s.wantCode("without all parts", err, daypass.NotImplemented)
			u = s.begin("key")
			req := completion(u, s.mustPutPart(u, 1, pattern(1, 5<<20)), s.mustPutPart(u, 3, pattern(3, 10)))
			req.Size, req.Parts[1].Checksums = tt.req.Size, tt.req.Parts[1].Checksums
			_, err = s.store.CompleteUpload(s.ctx, req)
		}
		s.wantCode(tt.name, err, tt.code)
	}
	s.wantBody("key", append(pattern(1, 5<<20), pattern(3, 10)...))
	single := s.begin("single")
	_, err := s.store.CompleteUpload(s.ctx, completion(single, s.mustPutPart(single, 9, nil)))
	s.wantCode("one empty part", err, "")
	s.wantBody("single", nil)
}

// A checksumCase is an upload with checksums.
type checksumCase struct {
	algorithm store.ChecksumAlgorithm
	kind      store.ChecksumType
	body      store.ChecksumAlgorithm // of the parts, as the client sends them
	code      daypass.Code            // of the creation, or else of the parts
}

var checksumCases = []checksumCase{
	{"", "", "", ""},
	{"", "", store.CRC32, ""}, // as SDKs do that add checksums by themselves
	{store.CRC32, "", store.CRC32, ""},
	{store.CRC32, store.Composite, "", ""},
	{store.CRC32, store.FullObject, store.CRC32, ""},
	{store.CRC32C, store.FullObject, store.CRC32C, ""},
	{store.CRC32C, store.Composite, store.CRC32C, ""},
	{store.CRC64NVME, store.FullObject, store.CRC64NVME, ""},
	{store.CRC64NVME, "", "", ""},
	{store.SHA1, "", store.SHA1, ""},
	{store.SHA256, store.Composite, store.SHA256, ""},
	{store.SHA256, store.FullObject, "", daypass.InvalidRequest},
	{store.CRC64NVME, store.Composite, "", daypass.InvalidRequest},
	{"", store.FullObject, "", daypass.InvalidRequest},
	{"MD6", "", "", daypass.InvalidRequest},
	{store.CRC32, "HALF", "", daypass.InvalidRequest},
	{store.CRC32, "", store.SHA1, daypass.InvalidRequest},
}

func testMultipartChecksums(s *suite) {
	s.createBucket(bucketName)
	data := [][]byte{pattern(1, 5<<20), pattern(2, 1000)}
	for _, tt := range checksumCases {
		what := fmt.Sprintf("%+v", tt)
		u, err := s.store.CreateUpload(s.ctx, &store.MultipartUpload{
			Bucket: bucketName, Key: "key", Checksum: tt.algorithm, ChecksumType: tt.kind,
		})
		var parts []*store.Part
		for i := 0; i < len(data) && err == nil; i++ {
			var body *store.Upload
			body, err = store.NewUpload(bytes.NewReader(data[i]), store.UploadOptions{Size: -1, Checksum: tt.body})
			s.must(err)
			var p *store.Part
			p, err = s.store.PutPart(s.ctx, &store.PartRequest{
				Bucket: bucketName, Key: "key", UploadID: u.ID, Number: i + 1, Body: body,
			})
			parts = append(parts, p)
		}
		s.wantCode(what, err, tt.code)
		if err == nil {
			s.completeSums(what, u, parts, data)
		}
	}
}

// completeSums completes an upload with every right and wrong expectation.
func (s *suite) completeSums(what string, u *store.MultipartUpload, parts []*store.Part, data [][]byte) {
	a, kind := u.Sum()
	want := sumOf(a, slices.Concat(data...))
	if kind == store.Composite {
		var sums []byte
		for _, d := range data {
			sum, err := base64.StdEncoding.DecodeString(sumOf(a, d).Value)
			s.must(err)
			sums = append(sums, sum...)
		}
		want = sumOf(a, sums)
		want.Value, want.Type = fmt.Sprintf("%s-%d", want.Value, len(data)), store.Composite
	}
	req := completion(u, parts...)
	if kind == store.Composite {
		_, err := s.store.CompleteUpload(s.ctx, req)
		s.wantCode(what+" without the parts' checksums", err, daypass.InvalidRequest)
	}
	for i, p := range parts {
		req.Parts[i].Checksums = p.Checksums
	}
	plain, _, _ := strings.Cut(want.Value, "-")
	for _, tt := range []struct {
		expected store.Checksum
		code     daypass.Code
	}{
		{sumOf(a, []byte("something else")), daypass.BadDigest},
		{store.Checksum{Algorithm: a, Value: plain + "-3"}, daypass.BadDigest},
		{store.Checksum{Algorithm: a, Value: "?"}, daypass.InvalidRequest},
		{store.Checksum{Algorithm: "SHA512", Value: plain}, daypass.InvalidRequest},
		{store.Checksum{Algorithm: a, Value: want.Value, Type: "OTHER"}, daypass.InvalidRequest},
		{store.Checksum{Algorithm: a, Value: want.Value, Type: kind}, ""},
	} {
		req.Expected = tt.expected
		obj, err := s.store.CompleteUpload(s.ctx, req)
		s.wantCode(fmt.Sprintf("%s, expecting %+v", what, tt.expected), err, tt.code)
		if err == nil && (len(obj.Checksums) != 1 || obj.Checksums[0] != want) {
			s.Errorf("%s: checksums %+v, want %+v", what, obj.Checksums, want)
		}
	}
	got, err := s.store.Object(s.ctx, ref("key"))
	s.must(err)
	if s.has(PartsForgotten) && len(got.Checksums) == 0 {
		return
	}
	if len(got.Checksums) != 1 || got.Checksums[0] != want {
		s.Errorf("%s: stored checksums %+v, want %+v", what, got.Checksums, want)
	}
}

func testMultipartMissing(s *suite) {
	_, err := s.store.CreateUpload(s.ctx, &store.MultipartUpload{Bucket: bucketName, Key: "key"})
	s.wantCode("CreateUpload without a bucket", err, daypass.NoSuchBucket)
	_, err = s.store.ListUploads(s.ctx, store.UploadsRequest{Bucket: bucketName, Max: 1})
	s.wantCode("ListUploads without a bucket", err, daypass.NoSuchBucket)
	s.createBucket(bucketName)
	u := s.begin("key")
	p := s.mustPutPart(u, 1, []byte("x"))
	s.must(s.store.AbortUpload(s.ctx, bucketName, "key", u.ID))
	other := s.begin("other")
	for _, id := range []string{u.ID, other.ID, "", "x", strings.Repeat("0", len(u.ID))} {
		gone := &store.MultipartUpload{Bucket: bucketName, Key: "key", ID: id}
		_, err := s.store.MultipartUpload(s.ctx, bucketName, "key", id)
		s.wantCode("MultipartUpload", err, store.NoSuchUpload)
		_, err = s.putPart(gone, 1, []byte("x"))
		s.wantCode("PutPart", err, store.NoSuchUpload)
		_, err = s.store.Parts(s.ctx, bucketName, "key", id, 0, 10)
		s.wantCode("Parts", err, store.NoSuchUpload)
		_, err = s.store.CompleteUpload(s.ctx, completion(gone, p))
		s.wantCode("CompleteUpload", err, store.NoSuchUpload)
		s.wantCode("AbortUpload", s.store.AbortUpload(s.ctx, bucketName, "key", id), store.NoSuchUpload)
	}
	s.wantMissing("key")
	keys := s.keys(oddKeys())
	for i, key := range keys {
		u := s.begin(key)
		_, err := s.completeSmall(u, s.mustPutPart(u, 1, pattern(i, 10+i)))
		s.must(err)
	}
	for i, key := range keys {
		s.wantBody(key, pattern(i, 10+i))
	}
}

// testMultipartRanges reads ranges around every border between parts.
func testMultipartRanges(s *suite) {
	s.createBucket(bucketName)
	data := s.putParts("key", 1, 100, 70_000, 0, 300_000, 7, 65_536, 65_537)
	_, body, err := s.store.OpenObject(s.ctx, ref("key"))
	s.must(err)
	defer body.Close()
	size := len(data)
	borders, longest := []int{0, 1, 101, 70_101, 370_101, 370_108, 435_644, size}, size
	if s.has(LargeParts) {
		borders, longest = []int{0, 5 << 20, 10 << 20, 35 << 20, size}, 1<<20
	}
	var points []int
	for _, border := range borders {
		for d := -2; d <= 2; d++ {
			if p := border + d; p >= 0 && p <= size {
				points = append(points, p)
			}
		}
	}
	for _, from := range points {
		for _, to := range points {
			if from > to || to-from > longest {
				continue
			}
			r, err := body.Range(int64(from), int64(to-from))
			s.must(err)
			compareReader(s, fmt.Sprintf("Range(%d, %d)", from, to-from), r, data[from:to])
		}
	}
	for _, r := range [][2]int64{{-1, 1}, {0, int64(size) + 1}, {int64(size), 1}, {1, -1}} {
		if _, err := body.Range(r[0], r[1]); err == nil {
			s.Errorf("Range(%d, %d) succeeds", r[0], r[1])
		}
	}
	if s.has(BodyEnds) {
		return
	}
	s.remove("key")
	s.mustPut("other", pattern(9, 300_000))
	r, err := body.Range(0, int64(size))
	s.must(err)
	compareReader(s, "after the object was deleted", r, data)
}

// compareReader reads in odd pieces, and then what is left at once.
func compareReader(s *suite, what string, r io.Reader, want []byte) {
	s.Helper()
	var got bytes.Buffer
	_, err := io.CopyN(&got, onlyReader{r}, int64(min(len(want), 33)))
	s.must(err)
	_, err = io.Copy(&got, r)
	s.must(err)
	if !bytes.Equal(got.Bytes(), want) {
		s.Errorf("%s yields other bytes (%d, want %d)", what, got.Len(), len(want))
	}
}

type onlyReader struct{ io.Reader }

func testMultipartVersions(s *suite) {
	s.createBucket(bucketName)
	s.setVersioning(store.VersioningEnabled)
	var ids []string
	var bodies [][]byte
	for i := range 3 {
		bodies = append(bodies, s.putParts("key", 100+i, 100_000+i))
		obj, err := s.store.Object(s.ctx, ref("key"))
		s.must(err)
		ids = append(ids, obj.VersionID)
	}
	marker := s.remove("key")
	for i, id := range ids {
		s.wantVersion("key", id, string(bodies[i]), false)
	}
	s.removeVersion("key", ids[2])
	s.removeVersion("key", marker.VersionID)
	s.wantVersion("key", ids[1], string(bodies[1]), true)
	s.wantVersion("key", ids[0], string(bodies[0]), false)
}

func testMultipartConditions(s *suite) {
	s.createBucket(bucketName)
	s.mustPut("key", []byte("old"))
	u := s.begin("key")
	req := completion(u, s.mustPutPart(u, 1, []byte("new")))
	for _, tt := range []struct {
		cond store.WriteConditions
		code daypass.Code
	}{
		{store.WriteConditions{IfNoneMatch: "*"}, daypass.PreconditionFailed},
		{store.WriteConditions{IfMatch: etag("other")}, daypass.PreconditionFailed},
		{store.WriteConditions{IfMatch: etag("old")}, ""},
	} {
		req.Conditions = tt.cond
		_, err := s.store.CompleteUpload(s.ctx, req)
		if s.has(NoCompleteConditions) {
			tt.code = daypass.NotImplemented
			s.wantBody("key", []byte("old"))
		}
		s.wantCode(fmt.Sprintf("%+v", tt.cond), err, tt.code)
	}
	if s.has(NoCompleteConditions) {
		req.Conditions = store.WriteConditions{}
		_, err := s.store.CompleteUpload(s.ctx, req)
		s.must(err)
	}
	s.wantBody("key", []byte("new"))
}

func testReplacedParts(s *suite) {
	s.createBucket(bucketName)
	u := s.begin("key")
	var old, last *store.Part
	for i, size := range []int{100, 200_000, 0, 300_000, 50} {
		old, last = last, s.mustPutPart(u, 3, pattern(i, size))
	}
	parts, err := s.store.Parts(s.ctx, bucketName, "key", u.ID, 0, 10)
	s.must(err)
	if len(parts) != 1 || parts[0].ETag != last.ETag || parts[0].Size != 50 {
		s.Errorf("parts %+v", parts)
	}
	_, err = s.store.CompleteUpload(s.ctx, completion(u, old))
	s.wantCode("completed with a replaced part", err, store.InvalidPart)
	_, err = s.completeSmall(u, old)
	s.wantCode("a replaced part reaches the driver", err, store.InvalidPart)
	_, err = s.store.CompleteUpload(s.ctx, completion(u, last))
	s.must(err)
	s.wantBody("key", pattern(4, 50))
}

// copyPart makes a part from a range of a key.
func (s *suite) copyPart(u *store.MultipartUpload, number int, key string, off, n int) (*store.Part, error) {
	return s.store.CopyPart(s.ctx, &store.PartCopyRequest{
		Bucket: bucketName, Key: u.Key, UploadID: u.ID, Number: number, Source: ref(key),
		Offset: int64(off), Size: int64(n), Time: now,
	})
}

func testCopyPart(s *suite) {
	s.createBucket(bucketName)
	small, large := pattern(1, 1000), pattern(2, 300_000)
	s.mustPut("small", small)
	s.mustPut("large", large)
	joined := s.putParts("joined", 500, 100_000, 3, 200_000)
	u := s.begin("key")
	uploads := []*store.MultipartUpload{u}
	var parts []*store.Part
	var want []byte
	for i, c := range []struct {
		key     string
		data    []byte
		off, to int
	}{
		{"small", small, 0, 1000}, {"small", small, 10, 20}, {"large", large, 0, 300_000}, {"large", large, 299_999, 300_000},
		{"joined", joined, 0, len(joined)}, {"joined", joined, 499, 501}, {"joined", joined, 100_499, 100_505},
		{"joined", joined, 50_000, 60_000}, {"joined", joined, 5, 5},
	} {
		data := c.data[c.off:c.to]
		if s.has(LargeParts) && i > 0 {
			// Each part is an object of its own.
			uploads = append(uploads, s.begin(fmt.Sprint("key", i)))
		}
		p, err := s.copyPart(uploads[len(uploads)-1], i+1, c.key, c.off, len(data))
		s.must(err)
		if p.ETag != etag(string(data)) || p.Size != int64(len(data)) || p.Checksums[0] != sumOf(store.CRC64NVME, data) {
			s.Errorf("%s from %d: %+v", c.key, c.off, p)
		}
		parts, want = append(parts, p), append(want, data...)
	}
	s.copyPartErrors(u)
	for _, key := range []string{"small", "large", "joined"} {
		s.remove(key)
	}
	if s.has(LargeParts) {
		want = s.completeEach(uploads, parts, want)
	} else {
		_, err := s.completeSmall(u, parts...)
		s.must(err)
	}
	s.wantBody("key", want)
	all, err := s.copyPart(s.begin("all"), 1, "key", 0, -1)
	s.must(err)
	if all.Size != int64(len(want)) || all.ETag != etag(string(want)) {
		s.Errorf("all of it: %+v", all)
	}
}

// completeEach makes an object of each part and returns the content of the first.
func (s *suite) completeEach(uploads []*store.MultipartUpload, parts []*store.Part, data []byte) []byte {
	for i, u := range uploads {
		_, err := s.completeSmall(u, parts[i])
		s.must(err)
		n := parts[i].Size
		s.wantBody(u.Key, data[:n])
		if i < len(uploads)-1 {
			data = data[n:]
		}
	}
	_, first, err := s.get(uploads[0].Key)
	s.must(err)
	return first
}

func (s *suite) copyPartErrors(u *store.MultipartUpload) {
	for _, r := range [][2]int{{-1, 1}, {0, 1001}, {1001, 0}, {1000, 1}} {
		_, err := s.copyPart(u, 1, "small", r[0], r[1])
		s.wantCode(fmt.Sprintf("range %v", r), err, daypass.InvalidArgument)
	}
	_, err := s.copyPart(u, 1, "missing", 0, 1)
	s.wantCode("missing source", err, daypass.NoSuchKey)
	_, err = s.copyPart(u, 10001, "small", 0, 1)
	s.wantCode("part 10001", err, daypass.InvalidArgument)
	_, err = s.copyPart(&store.MultipartUpload{Bucket: bucketName, Key: "key", ID: "x"}, 1, "small", 0, 1)
	s.wantCode("missing upload", err, store.NoSuchUpload)
	_, err = s.store.CopyPart(s.ctx, &store.PartCopyRequest{
		Bucket: bucketName, Key: u.Key, UploadID: u.ID, Number: 1, Source: ref("small"), SourceETag: etag("x"), Size: 1})
	s.wantCode("changed source", err, daypass.PreconditionFailed)
}

func testCopyOfMultipart(s *suite) {
	s.createBucket(bucketName)
	data := s.putParts("source", 100, 200_000, 300)
	src, err := s.store.Object(s.ctx, ref("source"))
	s.must(err)
	made := s.mustCopy("source", "copy")
	if made.Size != src.Size || made.UploadID != "" {
		s.Errorf("the copy is %+v", made)
	}
	s.mustCopy("copy", "copy")
	s.mustCopy("copy", "third")
	_, body, err := s.store.OpenObject(s.ctx, ref("source"))
	s.must(err)
	defer body.Close()
	for _, key := range []string{"source", "third"} {
		s.remove(key)
		s.wantBody("copy", data)
	}
	s.remove("copy")
	if s.has(BodyEnds) {
		return
	}
	got, err := readRange(body, 0, int64(len(data)))
	s.must(err)
	if !bytes.Equal(got, data) {
		s.Error("the open body changed when its object was deleted")
	}
}
