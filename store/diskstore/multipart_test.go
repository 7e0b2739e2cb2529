package diskstore

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"io"
	"os"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/daypass/daypass/store"
)

func createTestUpload(t testing.TB, d *Driver, key string) *store.MultipartUpload {
	t.Helper()
	u, err := d.CreateUpload(t.Context(), &store.MultipartUpload{Bucket: testBucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// uploadParts stores data in parts that end at the given borders, and returns
// what completes the upload.
func uploadParts(t testing.TB, d *Driver, key string, data []byte, borders ...int) *store.CompleteRequest {
	t.Helper()
	u := createTestUpload(t, d, key)
	req := &store.CompleteRequest{Bucket: testBucket, Key: key, UploadID: u.ID, ETag: "an ETag"}
	from := 0
	for i, to := range append(borders, len(data)) {
		body, err := store.NewUpload(bytes.NewReader(data[from:to]), store.UploadOptions{Size: -1})
		if err != nil {
			t.Fatal(err)
		}
		p, err := d.PutPart(t.Context(), &store.PartRequest{
			Bucket: testBucket, Key: key, UploadID: u.ID, Number: i + 1, Body: body,
		})
		if err != nil {
			t.Fatal(err)
		}
		req.Parts = append(req.Parts, store.CompletedPart{Number: p.Number, ETag: p.ETag})
		from = to
	}
	return req
}

func putParts(t testing.TB, d *Driver, key string, data []byte, borders ...int) {
	t.Helper()
	if _, err := d.CompleteUpload(t.Context(), uploadParts(t, d, key, data, borders...)); err != nil {
		t.Fatal(err)
	}
}

// TestNoBytesCopied completes an upload and copies the object: nothing new is
// written but records.
func TestNoBytesCopied(t *testing.T) {
	d := openTest(t, Options{Dir: t.TempDir(), InlineSize: 1 << 10})
	createTestBucket(t, d)
	data := content(1, 100_000)
	req := uploadParts(t, d, "key", data, 500, 40_000)
	files, small := blobFiles(t, d), indexKeys(t, d, spaceBody)
	if _, err := d.CompleteUpload(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{"copy", "copy", "key"} {
		_, err := d.CopyObject(t.Context(), &store.CopyRequest{Source: testRef("key"), Bucket: testBucket, Key: to})
		if err != nil {
			t.Fatal(err)
		}
	}
	compareIDs(t, "files", files, blobFiles(t, d))
	compareIDs(t, "small bodies", small, indexKeys(t, d, spaceBody))
	checkConsistency(t, d)
	for _, key := range []string{"key", "copy"} {
		if got, _, err := read(d, key); !bytes.Equal(got, data) {
			t.Errorf("%s: %d bytes, %v", key, len(got), err)
		}
		if err := remove(d, key); err != nil {
			t.Fatal(err)
		}
		checkConsistency(t, d)
	}
	if left := blobFiles(t, d); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestOpenPartsStay deletes an object in parts while it is open, and while the
// store is closed with the deletion half done.
func TestOpenPartsStay(t *testing.T) {
	opts := Options{Dir: t.TempDir(), InlineSize: 1 << 10}
	d, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	createTestBucket(t, d)
	data := content(1, 100_000)
	putParts(t, d, "key", data, 500, 40_000)
	open := func() store.Body {
		_, body, err := d.OpenObject(t.Context(), testRef("key"))
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	first, second := open(), open()
	if err := remove(d, "key"); err != nil {
		t.Fatal(err)
	}
	first.Close()
	first.Close() // which must not count twice
	time.Sleep(20 * time.Millisecond)
	r, err := second.Range(100, 90_000)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); !bytes.Equal(got, data[100:90_100]) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	second.Close()
	checkConsistency(t, d)

	putParts(t, d, "key", data, 50_000)
	third := open()
	if err := remove(d, "key"); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	_ = third // never closed, as in a crash
	d = openTest(t, opts)
	checkConsistency(t, d)
	if left := blobFiles(t, d); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestSendfileParts checks that each part can be sent without a copy in user
// space, and that files are opened one at a time.
func TestSendfileParts(t *testing.T) {
	d := openTest(t, Options{Dir: t.TempDir(), InlineSize: 1 << 10})
	createTestBucket(t, d)
	data := content(1, 400_000)
	putParts(t, d, "key", data, 120_000, 240_000)
	_, body, err := d.OpenObject(t.Context(), testRef("key"))
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if body.(*partsBody).file != nil {
		t.Error("a file is open before it is needed")
	}
	r, err := body.Range(10, 320_000)
	if err != nil {
		t.Fatal(err)
	}
	sink := &fileSink{t: t}
	if n, err := io.Copy(sink, r); n != 320_000 || err != nil || sink.files != 3 {
		t.Errorf("%d bytes in %d files, %v", n, sink.files, err)
	}
	if !bytes.Equal(sink.got.Bytes(), data[10:320_010]) {
		t.Error("other bytes")
	}
}

// A fileSink is a writer that, like a TCP connection, reads from files itself.
type fileSink struct {
	t     *testing.T
	got   bytes.Buffer
	files int
}

func (s *fileSink) Write(p []byte) (int, error) { return s.got.Write(p) }

func (s *fileSink) ReadFrom(r io.Reader) (int64, error) {
	l, ok := r.(*io.LimitedReader)
	if !ok {
		s.t.Fatalf("reads from a %T", r)
	}
	if _, ok := l.R.(*os.File); !ok {
		s.t.Fatalf("reads from a limited %T", l.R)
	}
	s.files++
	return s.got.ReadFrom(r)
}

// repeatPart gives an upload n parts that all are the same blob of the given
// size, as UploadPartCopy does, but in one commit.
func repeatPart(t testing.TB, d *Driver, u *store.MultipartUpload, n int, s segment) *store.CompleteRequest {
	t.Helper()
	req := &store.CompleteRequest{Bucket: testBucket, Key: u.Key, UploadID: u.ID, Size: int64(n) * s.size}
	order, _ := parseUploadID(u.ID)
	sum := md5.Sum(nil)
	e := d.newEdit()
	defer e.close()
	for i := range n {
		rec := partRecord{segments: []segment{s}, Part: store.Part{
			Number: i + 1, Size: s.size, ETag: hex.EncodeToString(sum[:]), Checksums: []store.Checksum{
				{Algorithm: store.CRC64NVME, Value: base64.StdEncoding.EncodeToString(make([]byte, 8))},
			},
		}}
		if err := e.setPart(order.order, &rec); err != nil {
			t.Fatal(err)
		}
		e.refer(+1, s)
		req.Parts = append(req.Parts, store.CompletedPart{Number: rec.Number, ETag: rec.ETag})
	}
	if err := e.commit(); err != nil {
		t.Fatal(err)
	}
	return req
}

// sparsePart stores an object whose blob is then stretched to a size.
func sparsePart(t testing.TB, d *Driver, key string, data []byte, size int64) segment {
	t.Helper()
	if err := put(d, key, data); err != nil {
		t.Fatal(err)
	}
	f, err := d.lookup(testRef(key))
	if err != nil {
		t.Fatal(err)
	}
	s := f.rec.segments[0]
	if err := os.Truncate(d.blobs.path(s.blob), size); err != nil {
		t.Fatal(err)
	}
	s.size = size
	return s
}

// A work is what a store has done.
type work struct {
	commits uint64
	bytes   uint64 // of commits
	opens   int64  // of blob files
	read    int64  // bytes of these
	allocs  uint64 // by the whole process
}

// countedFiles count how blob files are opened and read.
type countedFiles struct {
	files
	opens, read *atomic.Int64
}

func (f countedFiles) open(name string) (blobFile, error) {
	f.opens.Add(1)
	file, err := f.files.open(name)
	return countedFile{file, f.read}, err
}

type countedFile struct {
	blobFile
	read *atomic.Int64
}

func (f countedFile) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.blobFile.ReadAt(p, off)
	f.read.Add(int64(n))
	return n, err
}

// workOf returns what a store does for a call.
func workOf(t *testing.T, d *Driver, what string, call func()) work {
	t.Helper()
	f := d.opts.files.(countedFiles)
	now := func() work {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return work{d.counts.commits.Load(), d.counts.committed.Load(), f.opens.Load(), f.read.Load(), m.Mallocs}
	}
	before := now()
	call()
	after := now()
	did := work{after.commits - before.commits, after.bytes - before.bytes, after.opens - before.opens,
		after.read - before.read, after.allocs - before.allocs}
	t.Logf("%s: %+v", what, did)
	return did
}

// TestTebibyte completes an object of 1 TiB, made of one part 10,000 times,
// and reads it here and there. It counts what that takes: of the body only what
// is asked for is read, and only what must look at each part does.
func TestTebibyte(t *testing.T) {
	files := countedFiles{osFiles{}, new(atomic.Int64), new(atomic.Int64)}
	d := openTest(t, Options{Dir: t.TempDir(), InlineSize: 1 << 10, fs: vfs.Default, files: files})
	createTestBucket(t, d)
	s := store.New(d)
	data := content(1, 5_000)
	const size = 1<<40/store.MaxParts + 1
	part := sparsePart(t, d, "part", data, size)
	req := repeatPart(t, d, createTestUpload(t, d, "key"), store.MaxParts, part)

	did := workOf(t, d, "CompleteUpload", func() {
		if _, err := s.CompleteUpload(t.Context(), req); err != nil {
			t.Fatal(err)
		}
	})
	// The collector may have begun to forget the records of the parts.
	if did.commits > 2 || did.bytes > 400*store.MaxParts || did.opens > 0 || did.allocs > 100*store.MaxParts {
		t.Errorf("CompleteUpload: %+v", did)
	}
	settleGarbage(t, d)
	did = workOf(t, d, "Object", func() {
		obj, err := s.Object(t.Context(), testRef("key"))
		if err != nil || obj.Size != size*store.MaxParts || obj.PartCount != store.MaxParts || obj.Parts != nil {
			t.Fatal(obj, err)
		}
	})
	if did.commits > 0 || did.opens > 0 || did.allocs > store.MaxParts/10 {
		t.Errorf("Object: %+v", did)
	}
	if err := remove(d, "part"); err != nil {
		t.Fatal(err)
	}
	ranges := []int64{0, 1, 5000, store.MaxParts - 1}
	readRanges := func() {
		obj, body, err := s.OpenObject(t.Context(), testRef("key"))
		if err != nil || len(obj.Parts) != store.MaxParts {
			t.Fatal(err)
		}
		defer body.Close()
		for _, n := range ranges {
			r, err := body.Range(n*size+100, 2_000)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); !bytes.Equal(got, data[100:2_100]) {
				t.Errorf("part %d: %d bytes, %v", n, len(got), err)
			}
		}
	}
	wanted := int64(len(ranges)) * 2_000
	did = workOf(t, d, "reading anywhere", readRanges)
	if did.commits > 0 || did.opens > 1 || did.read != wanted || did.allocs > 20*store.MaxParts {
		t.Errorf("reading anywhere: %+v", did)
	}
	did = workOf(t, d, "reading again", readRanges)
	if did.commits > 0 || did.opens > 0 || did.read != wanted || did.allocs > store.MaxParts/10 {
		t.Errorf("reading again: %+v", did)
	}
	removeCopies(t, d)
}

// removeCopies copies an object while it is open and removes both.
func removeCopies(t *testing.T, d *Driver) {
	t.Helper()
	_, body, err := d.OpenObject(t.Context(), testRef("key"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.CopyObject(t.Context(), &store.CopyRequest{Source: testRef("key"), Bucket: testBucket, Key: "copy"})
	if err != nil {
		t.Fatal(err)
	}
	body.Close()
	for _, key := range []string{"key", "copy"} {
		if err := remove(d, key); err != nil {
			t.Fatal(err)
		}
		checkConsistency(t, d)
	}
	if left := blobFiles(t, d); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestManySegments copies a part from an object with more blobs than a part
// shares.
func TestManySegments(t *testing.T) {
	d := openTest(t, Options{Dir: t.TempDir()})
	createTestBucket(t, d)
	s := store.New(d)
	data := content(1, 100*(maxSharedSegments+5))
	var borders []int
	for at := 100; at < len(data); at += 100 {
		borders = append(borders, at)
	}
	putParts(t, d, "source", data, borders...)
	for _, n := range []int{100 * maxSharedSegments, 100*maxSharedSegments + 1} {
		u := createTestUpload(t, d, "key")
		before := len(indexKeys(t, d, spaceBody))
		p, err := s.CopyPart(t.Context(), &store.PartCopyRequest{
			Bucket: testBucket, Key: "key", UploadID: u.ID, Number: 1, Source: testRef("source"), Size: int64(n),
		})
		if err != nil {
			t.Fatal(err)
		}
		if made := len(indexKeys(t, d, spaceBody)) - before; made != n-100*maxSharedSegments {
			t.Errorf("%d bytes: %d new blobs", n, made)
		}
		req := &store.CompleteRequest{Bucket: testBucket, Key: "key", UploadID: u.ID, Size: -1,
			Parts: []store.CompletedPart{{Number: 1, ETag: p.ETag}}}
		if _, err := s.CompleteUpload(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		if got, _, err := read(d, "key"); !bytes.Equal(got, data[:n]) {
			t.Errorf("%d bytes: %d, %v", n, len(got), err)
		}
	}
	checkConsistency(t, d)
}

func TestPins(t *testing.T) {
	var p pins
	for range 2 {
		if !p.pin(1) || p.end(1) {
			t.Error("a pinned manifest can be taken apart")
		}
	}
	if first, last := p.unpin(1), p.unpin(1); first || !last {
		t.Error("not the last one to unpin takes it apart")
	}
	if !p.end(1) || p.pin(1) || !p.pin(2) {
		t.Error("a manifest that is being taken apart can be pinned")
	}
	p.ended(1)
	if !p.pin(1) || p.unpin(1) {
		t.Error("what has once been taken apart is still waiting for it")
	}
}
