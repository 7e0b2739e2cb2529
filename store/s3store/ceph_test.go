package s3store

import (
	"bytes"
	"cmp"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// What Ceph 16 was seen to do, made of the answers of Daypass, so that no test of
// it needs a Ceph.

// forgetOlder changes a list of versions as Ceph does: after a delete marker that
// is the null version, it leaves out what is left of its key, and after any null
// version the key that has a byte 1 behind. Pages end at such markers, which is
// theirs to choose.
func forgetOlder(w http.ResponseWriter, r *http.Request, next http.Handler) {
	q := r.URL.Query()
	if !q.Has("versions") {
		next.ServeHTTP(w, r)
		return
	}
	rec := answer(next, r)
	page := rec.Body.String()
	if q.Get("version-id-marker") == store.NullVersion {
		of := regexp.MustCompile("<(?:Version|DeleteMarker)><Key>" + q.Get("key-marker") + "(?:%01)?</Key>.*?</(?:Version|DeleteMarker)>")
		page = of.ReplaceAllString(page, "")
	}
	ends := regexp.MustCompile("(</Version>|</DeleteMarker>)(<DeleteMarker><Key>.</Key><VersionId>null</VersionId>.*?</DeleteMarker>)(.*)(</ListVersionsResult>)")
	if cut := ends.FindStringSubmatchIndex(page); cut != nil {
		page = strings.Replace(page[:cut[5]]+page[cut[8]:], "<IsTruncated>false", "<IsTruncated>true", 1)
	}
	rec.Body = bytes.NewBufferString(page)
	give(w, rec, "Content-Length")
}

// TestVersionsAfterNullMarker lists versions page by page where pages end at such
// a marker.
func TestVersionsAfterNullMarker(t *testing.T) {
	f, _, s := openFrontend(t, time.Millisecond, false) // versioning changes
	put := func(key string) {
		if err := putBody(t, s, key, strings.NewReader("x"), 1, store.WriteConditions{}); err != nil {
			t.Fatal(err)
		}
	}
	set := func(v store.Versioning) {
		if err := s.SetVersioning(t.Context(), "bucket", v); err != nil {
			t.Fatal(err)
		}
	}
	set(store.VersioningEnabled)
	for _, key := range []string{"a", "a\x01", "b", "b", "c", "d", "d"} {
		put(key)
	}
	set(store.VersioningSuspended)
	for _, key := range []string{"a", "b", "c"} {
		if _, err := s.DeleteObject(t.Context(), daypass.ObjectRef{Bucket: "bucket", Key: key}, store.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	put("e")
	put("e\x01")
	set(store.VersioningEnabled)
	put("b")
	put("e")
	req := store.VersionsRequest{Bucket: "bucket", Max: 100}
	all, err := s.ListVersions(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, v := range all.Versions {
		want = append(want, v.Key+" "+cmp.Or(v.VersionID, store.NullVersion))
	}
	if len(want) != 14 {
		t.Fatalf("versions are %v", want)
	}
	f.set(forgetOlder)
	for req.Max = 1; req.Max <= len(want); req.Max++ {
		var got []string
		for req.KeyMarker, req.VersionMarker = "", ""; ; {
			page, err := s.ListVersions(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range page.Versions {
				got = append(got, v.Key+" "+cmp.Or(v.VersionID, store.NullVersion))
			}
			if len(page.Versions) > req.Max || len(got) > len(want) {
				t.Fatalf("pages of %d: %v", req.Max, got)
			}
			if !page.Truncated {
				break
			}
			req.KeyMarker, req.VersionMarker = page.NextKey, page.NextVersion
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: %v, want %v", req.Max, got, want)
		}
	}
}

// TestCompletionInProgress completes an upload that another node is completing,
// which Ceph tells as if it had failed.
func TestCompletionInProgress(t *testing.T) {
	f, d, s := openFrontend(t, time.Hour, false)
	u := beginInFrontend(t, s)
	p, err := putPart(t, s, u, 1, strings.NewReader("part"), store.UploadOptions{Size: 4})
	if err != nil {
		t.Fatal(err)
	}
	var refused atomic.Int64
	f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.Method != http.MethodPost || !r.URL.Query().Has("uploadId") || refused.Add(1) > tripAfter {
			next.ServeHTTP(w, r)
			return
		}
		text := "<Error><Code>InternalError</Code><Message>This multipart completion is already in progress</Message></Error>"
		w.Header().Set("Content-Length", strconv.Itoa(len(text)))
		w.WriteHeader(http.StatusInternalServerError)
		io.WriteString(w, text)
	})
	if _, err := s.CompleteUpload(t.Context(), completeRequest(u, p)); err != nil {
		t.Errorf("a completion after another one: %v", err)
	}
	if end := d.Endpoints()[0]; end.Failures != 0 || end.Open {
		t.Errorf("the endpoint counts as one that fails: %+v", end)
	}
}

// TestAnswerForNothing looks for keys that have no version any more where the
// upstream answers 200 for them, without an ETag. For those that have one, such an
// answer is an error.
func TestAnswerForNothing(t *testing.T) {
	f, _, s := openFrontend(t, time.Millisecond, false)
	if err := s.SetVersioning(t.Context(), "bucket", store.VersioningEnabled); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"there", "deleted"} {
		if err := putBody(t, s, key, strings.NewReader("x"), 1, store.WriteConditions{}); err != nil {
			t.Fatal(err)
		}
	}
	marker, err := s.DeleteObject(t.Context(), daypass.ObjectRef{Bucket: "bucket", Key: "deleted"}, store.DeleteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	f.set(func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if !strings.HasPrefix(r.URL.Path, "/bucket/") {
			next.ServeHTTP(w, r)
			return
		}
		if r.Header.Get("If-None-Match") != "" {
			s3Error(w, http.StatusInternalServerError, "UnknownError")
			return
		}
		w.Header().Set("Content-Length", "0")
	})
	for _, tt := range []struct {
		key, version string
		want         daypass.Code
		marker       bool
	}{
		{"there", "", daypass.InternalError, false},
		{"never", "", daypass.NoSuchKey, false},
		{"never", store.NullVersion, daypass.NoSuchVersion, false},
		{"deleted", "", daypass.NoSuchKey, true},
		{"deleted", marker.VersionID, daypass.MethodNotAllowed, true},
	} {
		ref := daypass.ObjectRef{Bucket: "bucket", Key: tt.key, VersionID: tt.version}
		obj, err := s.Object(t.Context(), ref)
		if daypass.CodeOf(err) != tt.want || (obj != nil && obj.DeleteMarker) != tt.marker {
			t.Errorf("Object of %+v: %+v, %v", ref, obj, err)
		}
		for _, cond := range []store.ReadConditions{{}, {IfNoneMatch: "\"e\""}} {
			obj, _, err := s.OpenRange(t.Context(), ref, nil, store.RangeHint{Conditions: cond})
			if daypass.CodeOf(err) != tt.want || (obj != nil && obj.DeleteMarker) != tt.marker {
				t.Errorf("OpenRange of %+v: %+v, %v", ref, obj, err)
			}
		}
	}
}
