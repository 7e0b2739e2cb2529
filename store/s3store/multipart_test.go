package s3store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

const testBucket = "a-bucket"

// openStore opens a store over a driver with one bucket.
func openStore(t *testing.T, c Config) (*Driver, *store.Store) {
	t.Helper()
	d := new(probed).open(t, c)
	s := store.New(d)
	if _, err := s.CreateBucket(t.Context(), store.Bucket{Name: testBucket, Owner: "owner"}, d.now()); err != nil {
		t.Fatal(err)
	}
	return d, s
}

// begin begins an upload of the key "key".
func begin(t *testing.T, s *store.Store) *store.MultipartUpload {
	t.Helper()
	u, err := s.CreateUpload(t.Context(), &store.MultipartUpload{Bucket: testBucket, Key: "key", Owner: "writer"})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func putPart(t *testing.T, s *store.Store, u *store.MultipartUpload, number int, body io.Reader, o store.UploadOptions) (*store.Part, error) {
	t.Helper()
	up, err := store.NewUpload(body, o)
	if err != nil {
		t.Fatal(err)
	}
	return s.PutPart(t.Context(), &store.PartRequest{Bucket: u.Bucket, Key: u.Key, UploadID: u.ID, Number: number, Body: up})
}

// completeRequest names parts.
func completeRequest(u *store.MultipartUpload, parts ...*store.Part) *store.CompleteRequest {
	req := &store.CompleteRequest{Bucket: u.Bucket, Key: u.Key, UploadID: u.ID, Size: -1}
	for _, p := range parts {
		req.Parts = append(req.Parts, store.CompletedPart{Number: p.Number, ETag: p.ETag})
	}
	return req
}

// A generator is a long body that is not in memory. It says how large the heap
// was at most while it was read.
type generator struct {
	left, until int64
	state       uint32
	sum         hash.Hash
	peak        *uint64
}

// sampled is how many bytes go by between two looks at the heap.
const sampled = 8 << 20

func (g *generator) Read(p []byte) (int, error) {
	if g.left == 0 {
		return 0, io.EOF
	}
	if g.until -= int64(len(p)); g.until < 0 {
		g.until = sampled
		*g.peak = max(*g.peak, heap())
	}
	p = p[:min(int64(len(p)), g.left)]
	for i := range p {
		g.state = g.state*1664525 + 1013904223
		p[i] = byte(g.state >> 24)
	}
	g.left -= int64(len(p))
	g.sum.Write(p)
	return len(p), nil
}

// heap returns the size of what is reachable, in bytes.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestLargeUploadInBoundedMemory uploads 60 MiB in parts and copies them: the
// heap, in which there is also an upstream here, stays small.
func TestLargeUploadInBoundedMemory(t *testing.T) {
	const parts, partSize, mostHeap = 3, 20 << 20, 24 << 20
	d, s := openStore(t, newUpstream(t))
	u := begin(t, s)
	before := heap()
	var peak uint64
	sum := sha256.New()
	var done []*store.Part
	for i := range parts {
		body := &generator{left: partSize, state: uint32(i), sum: sum, peak: &peak}
		p, err := putPart(t, s, u, i+1, body, store.UploadOptions{Size: partSize})
		if err != nil {
			t.Fatal(err)
		}
		done = append(done, p)
	}
	obj, err := s.CompleteUpload(t.Context(), completeRequest(u, done...))
	if err != nil {
		t.Fatal(err)
	}
	if obj.Size != parts*partSize {
		t.Errorf("size %d", obj.Size)
	}
	copied, err := s.CopyObject(t.Context(), &store.CopyRequest{
		Source: daypass.ObjectRef{Bucket: testBucket, Key: "key"}, Bucket: testBucket, Key: "copy",
	})
	if err != nil {
		t.Fatal(err)
	}
	peak = max(peak, heap())
	if copied.Size != obj.Size {
		t.Errorf("the copy has %d bytes", copied.Size)
	}
	if got := contentSum(t, s, "copy", &peak); !bytes.Equal(got, sum.Sum(nil)) {
		t.Error("the copy has another content")
	}
	t.Logf("heap before %d KiB, at most %d KiB", before>>10, peak>>10)
	if peak > before+mostHeap {
		t.Errorf("the heap grew from %d to %d KiB", before>>10, peak>>10)
	}
	wantNoControls(t, d)
}

// contentSum reads an object.
func contentSum(t *testing.T, s *store.Store, key string, peak *uint64) []byte {
	t.Helper()
	obj, body, err := s.OpenObject(t.Context(), daypass.ObjectRef{Bucket: testBucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	r, err := body.Range(0, obj.Size)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	for {
		_, err := io.CopyN(h, r, sampled)
		*peak = max(*peak, heap())
		if errors.Is(err, io.EOF) {
			return h.Sum(nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// wantNoControls checks that nothing is left of uploads that have ended.
func wantNoControls(t *testing.T, d *Driver) {
	t.Helper()
	names, _, err := d.listControl(t.Context(), "uploads/", "", listMax)
	if err != nil || len(names) > 0 {
		t.Errorf("control objects are left: %q, %v", names, err)
	}
}

// TestBrokenPartsLeaveNothing checks that a part that does not keep its promises
// is not there, however it was sent.
func TestBrokenPartsLeaveNothing(t *testing.T) {
	_, s := openStore(t, newUpstream(t))
	u := begin(t, s)
	for _, size := range []int{1, 100, wholeSize, wholeSize + 1, 3 << 20} {
		content := bytes.Repeat([]byte("x"), size)
		for name, o := range map[string]store.UploadOptions{
			"checksum":    {Size: int64(size), ChecksumValue: "AAAAAA==", Checksum: store.CRC32},
			"trailer":     {Size: int64(size), Checksum: store.CRC32, Trailer: func() (string, error) { return "AAAAAA==", nil }},
			"Content-MD5": {Size: int64(size), MD5: make([]byte, 16)},
			"payload":     {Size: int64(size), ContentSHA256: make([]byte, 32)},
			"length":      {Size: int64(size) + 1},
			"unknown":     {Size: -1, MD5: make([]byte, 16)},
		} {
			_, err := putPart(t, s, u, 1, bytes.NewReader(content), o)
			if code := daypass.CodeOf(err); code != daypass.BadDigest && code != daypass.IncompleteBody && code != daypass.XAmzContentSHA256Mismatch {
				t.Errorf("%d bytes, %s: %v", size, name, err)
			}
			parts, err := s.Parts(t.Context(), testBucket, "key", u.ID, 0, 10)
			if err != nil || len(parts) > 0 {
				t.Fatalf("%d bytes, %s: parts %+v, %v", size, name, parts, err)
			}
		}
	}
	_, err := putPart(t, s, u, 1, bytes.NewReader(make([]byte, partSize+1)), store.UploadOptions{Size: -1})
	if daypass.CodeOf(err) != daypass.MissingContentLength {
		t.Errorf("a long part of an unknown size: %v", err)
	}
}

// lossy puts a proxy before an upstream that loses the answers to requests which
// lose chooses.
func lossy(t *testing.T, c Config, lose func(*http.Request) bool) Config {
	t.Helper()
	target, err := url.Parse(c.Endpoints[0])
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target); r.Out.Host = r.In.Host },
		ModifyResponse: func(r *http.Response) error {
			if lose(r.Request) {
				panic(http.ErrAbortHandler)
			}
			return nil
		},
	}
	front := httptest.NewServer(proxy)
	t.Cleanup(front.Close)
	c.Endpoints = []string{front.URL}
	return c
}

// TestLostCompletion loses the answer to a completion: the object tells that it
// was made, once, and the client may ask again.
func TestLostCompletion(t *testing.T) {
	var lose atomic.Bool
	d, s := openStore(t, lossy(t, newUpstream(t), func(r *http.Request) bool {
		return r.Method == http.MethodPost && r.URL.Query().Has("uploadId") && lose.Load()
	}))
	for _, before := range []string{"", "an object that was there before"} {
		if before != "" {
			body, err := store.NewUpload(strings.NewReader(before), store.UploadOptions{Size: int64(len(before))})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.PutObject(t.Context(), &store.PutRequest{Bucket: testBucket, Key: "key", Body: body}); err != nil {
				t.Fatal(err)
			}
		}
		u := begin(t, s)
		p, err := putPart(t, s, u, 1, strings.NewReader("new"), store.UploadOptions{Size: 3})
		if err != nil {
			t.Fatal(err)
		}
		lose.Store(true)
		first, err := s.CompleteUpload(t.Context(), completeRequest(u, p))
		lose.Store(false)
		if err != nil {
			t.Fatal(err)
		}
		again, err := s.CompleteUpload(t.Context(), completeRequest(u, p))
		if err != nil || again.ETag != first.ETag || again.UploadID != d.UploadName(u.ID) {
			t.Errorf("the second completion: %+v, %v", again, err)
		}
		if _, err := s.MultipartUpload(t.Context(), testBucket, "key", u.ID); daypass.CodeOf(err) != store.NoSuchUpload {
			t.Errorf("the upload is still there: %v", err)
		}
	}
	wantNoControls(t, d)
}

// TestUploadIDs checks that the upload that a client names is looked for nowhere
// else.
func TestUploadIDs(t *testing.T) {
	d, s := openStore(t, newUpstream(t))
	u := begin(t, s)
	nonce, upstream, ok := splitUploadID(u.ID)
	if !ok || d.UploadName(u.ID) != nonce {
		t.Fatalf("the upload's ID is %q", u.ID)
	}
	for _, id := range []string{
		upstream, "." + upstream, nonce + ".", nonce, strings.ToUpper(nonce) + "x." + upstream,
		strings.Repeat("0", len(nonce)) + "." + upstream, nonce + "." + upstream + "/../" + upstream,
		nonce + "." + strings.Repeat("x", maxUpstreamID+1), nonce + ".../../buckets/" + testBucket,
	} {
		if _, err := s.MultipartUpload(t.Context(), testBucket, "key", id); daypass.CodeOf(err) != store.NoSuchUpload {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestSumsNames(t *testing.T) {
	sums := []store.Checksum{{Algorithm: store.CRC32, Value: "a/+b=="}, {Algorithm: store.CRC64NVME, Value: "//////////8="}}
	name := sumsName("uploads/b/x", 7, "00ff", sums)
	k, got, ok := parseSums(strings.TrimPrefix(name, "uploads/b/x/"))
	if !ok || k != (partKey{7, "00ff"}) || fmt.Sprint(got) != fmt.Sprint(sums) {
		t.Errorf("%q is parsed as %v, %v, %v", name, k, got, ok)
	}
	for _, bad := range []string{"", "1", "x-y-z=", "1-2"} {
		if _, _, ok := parseSums(bad); ok {
			t.Errorf("%q is parsed", bad)
		}
	}
}

// TestCopyInParts copies an object as one that is too large for one request.
func TestCopyInParts(t *testing.T) {
	d, s := openStore(t, newUpstream(t))
	const size = 12<<20 + 5
	var peak uint64
	sum := sha256.New()
	body, err := store.NewUpload(&generator{left: size, sum: sum, peak: &peak}, store.UploadOptions{Size: size})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutObject(t.Context(), &store.PutRequest{Bucket: testBucket, Key: "source", Body: body}); err != nil {
		t.Fatal(err)
	}
	ref := daypass.ObjectRef{Bucket: testBucket, Key: "source"}
	copyFrom := func(etag string) (*store.Object, error) {
		src, err := d.seeSource(t.Context(), ref, "")
		if err != nil {
			t.Fatal(err)
		}
		if etag != "" {
			src.obj.ETag = etag
		}
		h, err := d.hold(t.Context(), testBucket)
		if err != nil {
			t.Fatal(err)
		}
		at, err := d.place(testBucket, "copy")
		if err != nil {
			t.Fatal(err)
		}
		return d.copyInParts(t.Context(), h, at, src, &store.CopyRequest{
			Source: ref, Bucket: testBucket, Key: "copy", Owner: "copier", Tags: []store.Tag{{Key: "a", Value: "b"}},
		}, 5<<20)
	}
	if _, err := copyFrom(strings.Repeat("0", 32)); daypass.CodeOf(err) != daypass.PreconditionFailed {
		t.Errorf("copy of an object that was replaced: %v", err)
	}
	out := 0
	if err := d.eachUpload(context.Background(), testBucket, "", func(*upstreamUpload) error { out++; return nil }); err != nil || out > 0 {
		t.Errorf("%d uploads are left, %v", out, err)
	}
	obj, err := copyFrom("")
	if err != nil {
		t.Fatal(err)
	}
	if obj.Size != size || obj.PartCount != 3 || obj.Owner != "copier" || len(obj.Tags) != 1 {
		t.Errorf("the copy is %+v", obj)
	}
	if got := contentSum(t, s, "copy", &peak); !bytes.Equal(got, sum.Sum(nil)) {
		t.Error("the copy has another content")
	}
}
