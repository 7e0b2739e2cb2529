package s3store

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// What an upstream, or something before it, may answer that is not S3, and what
// must not be lost then.

// answer is an answer of the upstream as a test changes it.
func answer(next http.Handler, r *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	next.ServeHTTP(rec, r)
	for name, values := range rec.Header() { // some write ETag
		delete(rec.Header(), name)
		rec.Header()[http.CanonicalHeaderKey(name)] = values
	}
	return rec
}

// give sends what was recorded, without some headers.
func give(w http.ResponseWriter, rec *httptest.ResponseRecorder, without ...string) {
	for name, values := range rec.Header() {
		w.Header()[name] = values
	}
	for _, name := range without {
		w.Header().Del(name)
	}
	w.WriteHeader(rec.Code)
	w.(http.Flusher).Flush() // in chunks, where there is no Content-Length
	_, _ = w.Write(rec.Body.Bytes())
}

func s3Error(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, "<Error><Code>"+code+"</Code></Error>")
}

// readAll reads an object in two ranges.
func readAll(t *testing.T, s *store.Store, hint store.RangeHint, cut int64) (string, error) {
	t.Helper()
	obj, body, err := s.OpenRange(t.Context(), daypass.ObjectRef{Bucket: "bucket", Key: "key"}, nil, hint)
	if err != nil {
		return "", err
	}
	defer body.Close()
	var text strings.Builder
	cut = min(cut, obj.Size)
	for _, r := range [][2]int64{{0, cut}, {cut, obj.Size - cut}} {
		part, err := body.Range(r[0], r[1])
		if err != nil {
			return text.String(), err
		}
		if _, err := io.Copy(&text, part); err != nil {
			return text.String(), err
		}
	}
	return text.String(), nil
}

// TestStrangeContent reads an object whose content the upstream does not give as
// S3 does: that must be an error and never another content.
func TestStrangeContent(t *testing.T) {
	f, _, s := openFrontend(t, time.Hour, false)
	const content = "0123456789"
	if err := putBody(t, s, "key", strings.NewReader(content), 10, store.WriteConditions{}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		change func(w http.ResponseWriter, r *http.Request, next http.Handler)
	}{
		{"no size", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			give(w, answer(next, r), "Content-Length", "Content-Range")
		}},
		{"no ETag", func(w http.ResponseWriter, r *http.Request, next http.Handler) { give(w, answer(next, r), "Etag") }},
		{"another object in a later range", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Header.Get("If-Match") == "" {
				next.ServeHTTP(w, r)
				return
			}
			rec := answer(next, r) // headers are signed: the answer changes, not the question
			rec.Header().Set("Etag", `"00000000000000000000000000000000"`)
			copy(rec.Body.Bytes(), "another object")
			give(w, rec)
		}},
		{"the whole for a range", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			rec := answer(next, r)
			if r.Method == http.MethodGet {
				rec.Code, rec.Body = http.StatusOK, bytes.NewBufferString(content)
				rec.Header().Set("Content-Length", "10")
			}
			give(w, rec, "Content-Range")
		}},
		{"another range", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			rec := answer(next, r)
			if r.Method == http.MethodGet {
				rec.Code, rec.Body = http.StatusPartialContent, bytes.NewBufferString(content[1:7])
				rec.Header().Set("Content-Range", "bytes 1-6/10")
				rec.Header().Set("Content-Length", "6")
			}
			give(w, rec)
		}},
		{"a short body", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			rec := answer(next, r)
			rec.Body.Truncate(rec.Body.Len() / 2)
			give(w, rec)
		}},
		{"a short body that ends well", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			rec := answer(next, r)
			rec.Header().Set("Content-Range", "bytes 0-9/10")
			rec.Body.Truncate(rec.Body.Len() / 2)
			if r.Method == http.MethodGet {
				rec.Header().Set("Content-Length", strconv.Itoa(rec.Body.Len()))
			}
			give(w, rec)
		}},
		{"more than was asked for", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			rec := answer(next, r)
			if r.Method == http.MethodGet {
				rec.Body.WriteString("more")
				rec.Header().Set("Content-Length", strconv.Itoa(rec.Body.Len()))
			}
			give(w, rec)
		}},
		{"a range of a larger object", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			rec := answer(next, r)
			if got := rec.Header().Get("Content-Range"); got != "" {
				rec.Header().Set("Content-Range", strings.TrimSuffix(got, "/10")+"/20")
			}
			give(w, rec)
		}},
	} {
		for _, hint := range []store.RangeHint{{}, {Lazy: true}, {Range: "bytes=0-3"}} {
			f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				if r.URL.Path != "/bucket/key" {
					next.ServeHTTP(w, r)
					return
				}
				tt.change(w, r, next)
			})
			got, err := readAll(t, s, hint, 4)
			if err == nil && got != content {
				t.Errorf("%s, %+v: %q without an error", tt.name, hint, got)
			}
		}
	}
}

// TestNoETag stores an object where the upstream does not say as what.
func TestNoETag(t *testing.T) {
	f, _, s := openFrontend(t, time.Hour, false)
	f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) { w.WriteHeader(http.StatusOK) })
	if err := putBody(t, s, "key", strings.NewReader("0"), 1, store.WriteConditions{}); err == nil {
		t.Error("an answer without an ETag is success")
	}
}

// TestBrokenOffCompletion completes uploads where the answer to that, which begins
// with 200 long before the upstream is done, ends early.
func TestBrokenOffCompletion(t *testing.T) {
	for _, text := range []string{"", "   \n  ", "<?xml version=\"1.0\"?><CompleteMultipartUploadResult><ETag>\"0-1\"</ETag>"} {
		f, _, s := openFrontend(t, time.Hour, false)
		u := beginInFrontend(t, s)
		p, err := putPart(t, s, u, 1, strings.NewReader("part"), store.UploadOptions{Size: 4})
		if err != nil {
			t.Fatal(err)
		}
		f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			if r.Method == http.MethodPost && r.URL.Query().Has("uploadId") {
				_, _ = io.WriteString(w, text)
				return
			}
			next.ServeHTTP(w, r)
		})
		if _, err := s.CompleteUpload(t.Context(), completeRequest(u, p)); err == nil {
			t.Errorf("a completion that is answered with %q is acknowledged", text)
		}
		if err := putBody(t, s, "unknown", strings.NewReader(strings.Repeat("0", wholeSize+1)), -1, store.WriteConditions{}); err == nil {
			t.Errorf("a body of an unknown size, completed with %q, is acknowledged", text)
		}
	}
}

// TestEmptyPartCopy copies a part where the upstream does not say what it made.
func TestEmptyPartCopy(t *testing.T) {
	f, d, s := openFrontend(t, time.Hour, false)
	if err := putBody(t, s, "source", strings.NewReader("0123456789"), 10, store.WriteConditions{}); err != nil {
		t.Fatal(err)
	}
	u := beginInFrontend(t, s)
	f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPut && r.URL.Query().Has("partNumber") {
			return
		}
		next.ServeHTTP(w, r)
	})
	source := daypass.ObjectRef{Bucket: "bucket", Key: "source"}
	req := &store.PartCopyRequest{Bucket: u.Bucket, Key: u.Key, UploadID: u.ID, Number: 1, Source: source, Size: 10}
	if _, err := d.CopyPart(t.Context(), req, func() (store.PartSums, error) { return store.PartSums{}, nil }); err == nil {
		t.Error("a part that was not made is acknowledged")
	}
	src, err := d.seeSource(t.Context(), source, "")
	if err != nil {
		t.Fatal(err)
	}
	h, err := d.hold(t.Context(), "bucket")
	if err != nil {
		t.Fatal(err)
	}
	copying := &store.CopyRequest{Bucket: "bucket", Key: "copy", Source: source}
	if _, err := d.copyInParts(t.Context(), h, place{"bucket", "copy"}, src, copying, 5); err == nil {
		t.Error("a copy that was not made is acknowledged")
	}
}

// TestRefusedForAnotherReason asks for versions when the upstream refuses the
// node, as with 400 once its token has expired: that says nothing of a version.
func TestRefusedForAnotherReason(t *testing.T) {
	f, d, s := openFrontend(t, time.Hour, false)
	if err := s.SetVersioning(t.Context(), "bucket", store.VersioningEnabled); err != nil {
		t.Fatal(err)
	}
	if err := putBody(t, s, "key", strings.NewReader("0"), 1, store.WriteConditions{}); err != nil {
		t.Fatal(err)
	}
	obj, err := s.Object(t.Context(), daypass.ObjectRef{Bucket: "bucket", Key: "key"})
	if err != nil {
		t.Fatal(err)
	}
	ref := daypass.ObjectRef{Bucket: "bucket", Key: "key", VersionID: obj.VersionID}
	f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.URL.Path == "/bucket/key" {
			s3Error(w, http.StatusBadRequest, "ExpiredToken")
			return
		}
		next.ServeHTTP(w, r)
	})
	if _, err := d.DeleteObject(t.Context(), ref, store.DeleteOptions{}); err == nil {
		t.Error("a version is said to be removed that is there")
	}
	if _, err := d.Object(t.Context(), ref); err == nil || daypass.CodeOf(err) == daypass.NoSuchVersion {
		t.Errorf("a version that is there: %v", err)
	}
	if _, _, err := d.OpenObject(t.Context(), ref); err == nil || daypass.CodeOf(err) == daypass.NoSuchVersion {
		t.Errorf("the content of a version that is there: %v", err)
	}
	f.set(nil)
	ref.VersionID = "no version has this"
	if _, err := d.Object(t.Context(), ref); daypass.CodeOf(err) != daypass.NoSuchVersion {
		t.Errorf("a malformed version: %v", err)
	}
	if _, err := d.DeleteObject(t.Context(), ref, store.DeleteOptions{}); err != nil {
		t.Errorf("removing a malformed version: %v", err)
	}
}

// TestErrorBodies is refused with bodies of all kinds.
func TestErrorBodies(t *testing.T) {
	f, _, s := openFrontend(t, time.Hour, false)
	put := func() error { return putBody(t, s, "key", strings.NewReader("0"), 1, store.WriteConditions{}) }
	var sent atomic.Int32
	f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.URL.Path != "/bucket/key" {
			next.ServeHTTP(w, r)
			return
		}
		w.WriteHeader(http.StatusConflict)
		for block := make([]byte, 1<<20); sent.Load() < 64; sent.Add(1) {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	})
	if err := put(); daypass.CodeOf(err) != "OperationAborted" {
		t.Errorf("an endless body: %v", err)
	}
	if n := sent.Load(); n >= 64 {
		t.Errorf("an endless body is read to its end: %d MiB", n)
	}
	f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.URL.Path != "/bucket/key" {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Length", "100")
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, "<Error><Co")
	})
	if err := put(); daypass.CodeOf(err) != "OperationAborted" {
		t.Errorf("a body that breaks off: %v", err)
	}
}

// TestHoldOfMarkedBucket begins a write when the bucket is being deleted: it must
// be looked at again before the write is acknowledged.
func TestHoldOfMarkedBucket(t *testing.T) {
	_, d, _ := openFrontend(t, time.Hour, true)
	ctx := t.Context()
	r, err := d.readRecord(ctx, "bucket")
	if err != nil {
		t.Fatal(err)
	}
	if r, err = d.enter(ctx, r, phaseDeleting); err != nil {
		t.Fatal(err)
	}
	h, err := d.hold(ctx, "bucket")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.enter(ctx, r, phaseDeleted); err != nil {
		t.Fatal(err)
	}
	if err := d.settle(ctx, h); daypass.CodeOf(err) != daypass.NoSuchBucket {
		t.Errorf("a write that was begun while its bucket was deleted: %v", err)
	}
}

// TestHoldOfStoppedNode ends a write on a node that stood still, with its machine,
// for longer than a hold lasts: only the clock on the wall tells.
func TestHoldOfStoppedNode(t *testing.T) {
	_, d, _ := openFrontend(t, time.Hour, true)
	ctx := t.Context()
	h, err := d.hold(ctx, "bucket")
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.readRecord(ctx, "bucket")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.enter(ctx, r, phaseDeleted); err != nil {
		t.Fatal(err)
	}
	if err := d.settle(ctx, h); err != nil {
		t.Fatalf("within the hold: %v", err)
	}
	for _, jump := range []time.Duration{2 * time.Hour, -2 * time.Hour} {
		d.now = func() time.Time { return time.Now().Round(0).Add(jump) }
		if err := d.settle(ctx, h); daypass.CodeOf(err) != daypass.NoSuchBucket {
			t.Errorf("after the clock went by %v: %v", jump, err)
		}
	}
}

// TestClientGoneFromDeletedBucket gives a write up just when the upstream has
// stored it, and the bucket is gone: the next bucket of that name must not have
// the object.
func TestClientGoneFromDeletedBucket(t *testing.T) {
	f, d, s := openFrontend(t, time.Millisecond, true)
	ctx, cancel := context.WithCancel(t.Context())
	at := place{d.names.bucket, d.names.keyPrefix("bucket") + "key"}
	f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method != http.MethodPut || !strings.HasSuffix(r.URL.Path, at.key) {
			next.ServeHTTP(w, r)
			return
		}
		rec := answer(next, r)
		f.set(nil)
		marked, err := d.readRecord(context.Background(), "bucket")
		if err == nil {
			_, err = d.enter(context.Background(), marked, phaseDeleted)
		}
		if err != nil {
			t.Error(err)
		}
		cancel()
		give(w, rec)
	})
	u, err := store.NewUpload(strings.NewReader("0"), store.UploadOptions{Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.PutObject(ctx, &store.PutRequest{Bucket: "bucket", Key: "key", Body: u}); err == nil {
		t.Error("a write that was given up is acknowledged")
	}
	if _, err := d.client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &at.bucket, Key: &at.key}); !isMissing(err) {
		t.Errorf("the object stays: %v", err)
	}
}

// TestForeignBucket makes a bucket whose name somebody else has upstream.
func TestForeignBucket(t *testing.T) {
	f, _, s := openFrontend(t, time.Hour, false)
	f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasPrefix(r.URL.Path, "/foreign") {
			s3Error(w, http.StatusForbidden, "AccessDenied")
			return
		}
		next.ServeHTTP(w, r)
	})
	_, err := s.CreateBucket(t.Context(), store.Bucket{Name: "foreign"}, time.Now())
	if daypass.CodeOf(err) != daypass.BucketAlreadyExists {
		t.Errorf("%v", err)
	}
}

// TestConflictingRecords writes a record when AWS S3 answers that another write
// of it is under way.
func TestConflictingRecords(t *testing.T) {
	f, d, s := openFrontend(t, time.Hour, true)
	conflicts := 2
	f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if conflicts > 0 && r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/buckets/") {
			conflicts--
			s3Error(w, http.StatusConflict, "ConditionalRequestConflict")
			return
		}
		next.ServeHTTP(w, r)
	})
	if _, err := s.CreateBucket(t.Context(), store.Bucket{Name: "second"}, time.Now()); err != nil {
		t.Errorf("%v", err)
	}
	conflicts = 1
	if have, err := d.InitControl(t.Context(), "name", []byte("value")); err != nil || string(have) != "value" {
		t.Errorf("%q, %v", have, err)
	}
}

// TestNoProgress lists where the upstream begins every page anew.
func TestNoProgress(t *testing.T) {
	f, _, s := openFrontend(t, time.Hour, false)
	for _, key := range []string{"a", "b"} {
		if err := putBody(t, s, key, strings.NewReader("0"), 1, store.WriteConditions{}); err != nil {
			t.Fatal(err)
		}
	}
	asked := 0
	f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if asked++; asked > 20 {
			s3Error(w, http.StatusForbidden, "AccessDenied")
			return
		}
		if q := r.URL.Query(); r.Method == http.MethodGet && q.Get("list-type") == "2" {
			w.Header().Set("Content-Type", "application/xml")
			_, _ = io.WriteString(w, "<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>a</Key></Contents></ListBucketResult>")
			return
		}
		next.ServeHTTP(w, r)
	})
	if page, err := s.ListObjects(t.Context(), store.ListRequest{Bucket: "bucket", Max: 10}); err == nil || asked > 20 {
		t.Errorf("%+v, %v after %d requests", page, err, asked)
	}
}

// TestLeftScratch removes what a node has left that died while it was starting,
// and leaves what another one may be at work on.
func TestLeftScratch(t *testing.T) {
	c := newUpstream(t)
	d := openTest(t, c)
	ctx := t.Context()
	scratch, key := scratchBucket(d.names.controlBucket)+"left", d.names.control("probe/left")
	if _, err := d.client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &scratch, ObjectLockEnabledForBucket: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	for _, in := range []*s3.PutObjectInput{
		{Bucket: &scratch, Key: aws.String(scratchKey)}, {Bucket: &key.bucket, Key: &key.key},
	} {
		in.Body = bytes.NewReader([]byte("probe"))
		if _, err := d.client.PutObject(ctx, in); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := d.client.PutObjectLegalHold(ctx, &s3.PutObjectLegalHoldInput{
		Bucket: &scratch, Key: aws.String(scratchKey), LegalHold: &types.ObjectLockLegalHold{Status: types.ObjectLockLegalHoldStatusOn},
	}); err != nil {
		t.Fatal(err)
	}
	left := func() (bool, bool) {
		_, bucket := d.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &scratch})
		_, object := d.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &key.bucket, Key: &key.key})
		return !isMissing(bucket), !isMissing(object)
	}
	if _, err := d.probe(ctx); err != nil {
		t.Fatal(err)
	}
	if bucket, object := left(); !bucket || !object {
		t.Errorf("what another node may be at work on: bucket %v, object %v", bucket, object)
	}
	d.now = func() time.Time { return time.Now().Add(2 * scratchLife) }
	if _, err := d.probe(ctx); err != nil {
		t.Fatal(err)
	}
	if bucket, object := left(); bucket || object {
		t.Errorf("what was left long ago: bucket %v, object %v", bucket, object)
	}
}

// TestAbandonedCompletion aborts an upload long after a node has died that had
// completed it: Ceph takes the object's parts away when it is told to abort.
func TestAbandonedCompletion(t *testing.T) {
	f, d, s := openFrontend(t, time.Hour, false)
	d.can.CompleteIfNoneMatch = false // as Ceph
	u := beginInFrontend(t, s)
	p, err := putPart(t, s, u, 1, strings.NewReader("part"), store.UploadOptions{Size: 4})
	if err != nil {
		t.Fatal(err)
	}
	open, err := d.openUpload(t.Context(), u.Bucket, u.Key, u.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.claimEnd(t.Context(), open, endComplete); err != nil {
		t.Fatal(err)
	}
	in := &s3.CompleteMultipartUploadInput{Bucket: &open.at.bucket, Key: &open.at.key, UploadId: &open.upstream}
	in.MultipartUpload = d.namedParts(open, completeRequest(u, p))
	if _, err := d.client.CompleteMultipartUpload(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodDelete && r.URL.Query().Has("uploadId") {
			t.Error("a completed upload is aborted upstream")
		}
		next.ServeHTTP(w, r)
	})
	d.now = func() time.Time { return time.Now().Add(24 * time.Hour) }
	if err := s.AbortUpload(t.Context(), u.Bucket, u.Key, u.ID); daypass.CodeOf(err) != store.NoSuchUpload {
		t.Errorf("%v", err)
	}
	wantNoControls(t, d)
}

func beginInFrontend(t *testing.T, s *store.Store) *store.MultipartUpload {
	t.Helper()
	if _, err := s.CreateBucket(t.Context(), store.Bucket{Name: testBucket}, time.Now()); err != nil {
		t.Fatal(err)
	}
	return begin(t, s)
}

// TestSlowDeletion stops a deletion until another node has given it up: the bucket
// keeps its uploads.
func TestSlowDeletion(t *testing.T) {
	f, d, s := openFrontend(t, time.Millisecond, true)
	u := beginInFrontend(t, s)
	revived := false
	f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(w, r)
		if revived || r.URL.Query().Get("prefix") != d.names.keyPrefix(testBucket) {
			return
		}
		if marked, err := d.readRecord(context.Background(), testBucket); err != nil {
			t.Error(err)
		} else if marked.Phase == phaseDeleting {
			revived = true
			if _, err := d.enter(context.Background(), marked, phaseLive); err != nil {
				t.Error(err)
			}
		}
	})
	if err := s.DeleteBucket(t.Context(), testBucket); daypass.CodeOf(err) != "OperationAborted" || !revived {
		t.Errorf("%v, revived %v", err, revived)
	}
	if _, err := s.MultipartUpload(t.Context(), testBucket, "key", u.ID); err != nil {
		t.Errorf("the upload: %v", err)
	}
}

// TestUnheardRefusal stores a long body on a condition that does not hold, where
// the upstream hangs up before it has read it.
func TestUnheardRefusal(t *testing.T) {
	f, _, s := openFrontend(t, time.Hour, false)
	if err := putBody(t, s, "key", strings.NewReader("0"), 1, store.WriteConditions{}); err != nil {
		t.Fatal(err)
	}
	f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method == http.MethodPut {
			_, _ = io.CopyN(io.Discard, r.Body, wholeSize)
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(w, r)
	})
	const size = 64 << 20 // more than buffers on the way take
	put := func(key string, cond store.WriteConditions) daypass.Code {
		return daypass.CodeOf(putBody(t, s, key, io.LimitReader(zeros{}, size), size, cond))
	}
	if code := put("key", store.WriteConditions{IfNoneMatch: "*"}); code != daypass.PreconditionFailed {
		t.Errorf("over an object: %s", code)
	}
	if code := put("new", store.WriteConditions{IfMatch: "0"}); code != daypass.NoSuchKey {
		t.Errorf("without an object: %s", code)
	}
	for _, cond := range []store.WriteConditions{{}, {IfNoneMatch: "*"}} {
		if code := put("new", cond); code != daypass.ServiceUnavailable {
			t.Errorf("%+v: %s", cond, code)
		}
	}
}

// TestPlainETags writes on a condition: Ceph 16 compares ETags with their quotes.
func TestPlainETags(t *testing.T) {
	f, _, s := openFrontend(t, time.Hour, false)
	if err := putBody(t, s, "key", strings.NewReader("0"), 1, store.WriteConditions{}); err != nil {
		t.Fatal(err)
	}
	obj, err := s.Object(t.Context(), daypass.ObjectRef{Bucket: "bucket", Key: "key"})
	if err != nil {
		t.Fatal(err)
	}
	var got string
	f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		got = r.Header.Get("If-Match")
		next.ServeHTTP(w, r)
	})
	_, body, err := s.OpenRange(t.Context(), daypass.ObjectRef{Bucket: "bucket", Key: "key"}, nil, store.RangeHint{Lazy: true})
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	if _, err := body.Range(0, 1); err != nil || got != obj.ETag {
		t.Errorf("If-Match of a range: %s, %v", got, err)
	}
	if err := putBody(t, s, "key", strings.NewReader("1"), 1, store.WriteConditions{IfMatch: obj.ETag}); err != nil || got != obj.ETag || strings.Contains(got, "\"") {
		t.Errorf("If-Match: %s, %v", got, err)
	}
}

// TestBrokenBodyLeavesNoParts breaks a body of an unknown size off in its second
// part.
func TestBrokenBodyLeavesNoParts(t *testing.T) {
	f, d, s := openFrontend(t, time.Hour, false)
	broken := io.MultiReader(io.LimitReader(zeros{}, partSize+1), &brokenBody{io.ErrUnexpectedEOF})
	if err := putBody(t, s, "key", broken, -1, store.WriteConditions{}); daypass.CodeOf(err) != daypass.IncompleteBody {
		t.Errorf("%v", err)
	}
	f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.URL.Query().Get("partNumber") == "2" {
			s3Error(w, http.StatusForbidden, "AccessDenied")
			return
		}
		next.ServeHTTP(w, r)
	})
	if err := putBody(t, s, "key", io.LimitReader(zeros{}, partSize+1), -1, store.WriteConditions{}); err == nil {
		t.Error("an object without its second part is acknowledged")
	}
	out, err := d.client.ListMultipartUploads(t.Context(), &s3.ListMultipartUploadsInput{Bucket: aws.String("bucket")})
	if err != nil || len(out.Uploads) > 0 {
		t.Errorf("%d uploads are left, %v", len(out.Uploads), err)
	}
}

// TestReservedMetadata keeps the name x-amz-meta-daypass from clients.
func TestReservedMetadata(t *testing.T) {
	_, _, s := openFrontend(t, time.Hour, false)
	user := map[string]string{"daypass": "{}"}
	u, err := store.NewUpload(strings.NewReader("0"), store.UploadOptions{Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.PutObject(t.Context(), &store.PutRequest{Bucket: "bucket", Key: "key", Body: u, Metadata: store.Metadata{User: user}})
	if daypass.CodeOf(err) != daypass.InvalidArgument {
		t.Errorf("PutObject: %v", err)
	}
	_, err = s.CreateUpload(t.Context(), &store.MultipartUpload{Bucket: "bucket", Key: "key", Metadata: store.Metadata{User: user}})
	if daypass.CodeOf(err) != daypass.InvalidArgument {
		t.Errorf("CreateUpload: %v", err)
	}
	if err := putBody(t, s, "key", strings.NewReader("0"), 1, store.WriteConditions{}); err != nil {
		t.Fatal(err)
	}
	ref := daypass.ObjectRef{Bucket: "bucket", Key: "key"}
	_, err = s.CopyObject(t.Context(), &store.CopyRequest{Source: ref, Bucket: "bucket", Key: "copy", Metadata: store.Metadata{User: user}})
	if daypass.CodeOf(err) != daypass.InvalidArgument {
		t.Errorf("CopyObject: %v", err)
	}
	obj, err := s.Object(t.Context(), ref)
	if err != nil || len(obj.Metadata.User) > 0 {
		t.Errorf("a client sees %v, %v", obj.Metadata.User, err)
	}
}

// TestControlIsNoBucket asks for what the driver keeps for itself as for a bucket.
func TestControlIsNoBucket(t *testing.T) {
	_, d, s := openFrontend(t, time.Hour, false)
	ctx := t.Context()
	if err := putBody(t, s, "key", strings.NewReader("0"), 1, store.WriteConditions{}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{DefaultControl, scratchBucket(DefaultControl) + "0123456789abcdef"} {
		if _, err := s.CreateBucket(ctx, store.Bucket{Name: name}, time.Now()); daypass.CodeOf(err) != daypass.InvalidBucketName {
			t.Errorf("making %s: %v", name, err)
		}
		ref := daypass.ObjectRef{Bucket: name, Key: "buckets/bucket"}
		if _, err := s.Object(ctx, ref); daypass.CodeOf(err) != daypass.NoSuchBucket {
			t.Errorf("an object of %s: %v", name, err)
		}
		if _, err := s.CopyObject(ctx, &store.CopyRequest{Source: ref, Bucket: "bucket", Key: "copy"}); daypass.CodeOf(err) != daypass.NoSuchBucket {
			t.Errorf("a copy from %s: %v", name, err)
		}
		if _, err := s.ListObjects(ctx, store.ListRequest{Bucket: name, Max: 1}); daypass.CodeOf(err) != daypass.NoSuchBucket {
			t.Errorf("listing %s: %v", name, err)
		}
		if err := s.DeleteBucket(ctx, name); daypass.CodeOf(err) != daypass.NoSuchBucket {
			t.Errorf("removing %s: %v", name, err)
		}
	}
	buckets, err := d.ListBuckets(ctx, "", "", 100)
	if err != nil || len(buckets) != 1 {
		t.Errorf("buckets %+v, %v", buckets, err)
	}
	// Keys that would climb out of their bucket, were they paths.
	_, one, s := openFrontend(t, time.Hour, true)
	before, _, err := one.readControl(ctx, "buckets/bucket")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"../" + controlDirectory + "buckets/bucket", "x/../../" + controlDirectory + "buckets/bucket", "./..//" + controlDirectory} {
		if err := putBody(t, s, key, strings.NewReader("0"), 1, store.WriteConditions{}); err != nil {
			continue // an upstream that has no such keys
		}
		if _, err := s.Object(ctx, daypass.ObjectRef{Bucket: "bucket", Key: key}); err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
	after, _, err := one.readControl(ctx, "buckets/bucket")
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the record of the bucket is %s, %v", after, err)
	}
}

// TestHeldBodyOfNobody keeps the last byte of a body whose client has gone.
func TestHeldBodyOfNobody(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b := &heldBody{ctx: ctx, body: strings.NewReader("abc"), left: 3}
	if got, err := io.ReadAll(b); string(got) != "ab" || err != context.Canceled || b.end() != context.Canceled || b.sent() {
		t.Errorf("%q, %v, at the end %v", got, err, b.end())
	}
}
