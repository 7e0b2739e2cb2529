package e2e

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// partsETag is the ETag of an object that was uploaded in parts.
func partsETag(parts ...[]byte) string {
	all := md5.New()
	for _, p := range parts {
		sum := md5.Sum(p)
		all.Write(sum[:])
	}
	return fmt.Sprintf("%q", fmt.Sprintf("%s-%d", hex.EncodeToString(all.Sum(nil)), len(parts)))
}

// manager returns the SDK's transfer manager with small parts.
func manager(client *s3.Client, part int64) *transfermanager.Client {
	return transfermanager.New(client, func(o *transfermanager.Options) {
		o.PartSizeBytes, o.MultipartUploadThreshold, o.Concurrency = part, part, 4
	})
}

func TestGoSDKMultipart(t *testing.T) {
	t.Parallel()
	s := serve(t)
	u := newUser(s, "e2e-go-multipart")
	if _, err := u.owner.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &u.bucket}); err != nil {
		t.Fatal(err)
	}
	t.Run("transfer manager", func(t *testing.T) { goTransfer(t, u) })
	t.Run("pre-signed parts", func(t *testing.T) { goPresignedParts(t, u) })
	t.Run("form", func(t *testing.T) { goForm(t, u) })
	t.Run("versions", func(t *testing.T) { goVersions(t, u) })
}

func goTransfer(t *testing.T, u *user) {
	ctx, key, body := t.Context(), aws.String("large ü+.bin"), pattern(40<<20)
	const part = 8 << 20
	transfers := manager(u.owner, part)
	if _, err := transfers.UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: &u.bucket, Key: key, Body: bytes.NewReader(body)}); err != nil {
		t.Fatal(err)
	}
	head, err := u.owner.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &u.bucket, Key: key, PartNumber: aws.Int32(2)})
	if err != nil || *head.PartsCount != 5 || *head.ContentLength != part || *head.ETag != partsETag(slices.Collect(slices.Chunk(body, part))...) {
		t.Errorf("HeadObject of part 2: %+v, %v", head, err)
	}
	file := filepath.Join(t.TempDir(), "large.bin")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := transfers.DownloadObject(ctx, &transfermanager.DownloadObjectInput{Bucket: &u.bucket, Key: key, WriterAt: f}); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || !bytes.Equal(got, body) {
		t.Errorf("%d bytes came back as %d others, %v", len(body), len(got), err)
	}
	// What was uploaded in parts is read in ranges like any other.
	for range 20 {
		first := rand.IntN(len(body))
		last := min(len(body)-1, first+rand.IntN(2*part))
		get, err := u.owner.GetObject(ctx, &s3.GetObjectInput{Bucket: &u.bucket, Key: key, Range: aws.String(fmt.Sprintf("bytes=%d-%d", first, last))})
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(get.Body)
		get.Body.Close()
		if err != nil || !bytes.Equal(got, body[first:last+1]) {
			t.Fatalf("bytes %d to %d came back as %d others, %v", first, last, len(got), err)
		}
	}
}

// goPresignedParts uploads with one URL for each part, as whoever has no
// credentials does.
func goPresignedParts(t *testing.T, u *user) {
	ctx, key, signer := t.Context(), aws.String("by url"), s3.NewPresignClient(u.owner)
	begun, err := u.owner.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &u.bucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	var parts []types.CompletedPart
	bodies := [][]byte{pattern(5 << 20), []byte("end")}
	for i, body := range bodies {
		number := aws.Int32(int32(i + 1))
		signed, err := signer.PresignUploadPart(ctx, &s3.UploadPartInput{Bucket: &u.bucket, Key: key, UploadId: begun.UploadId, PartNumber: number})
		if err != nil {
			t.Fatal(err)
		}
		a := u.do(t, "PUT", signed.URL, string(body), nil)
		a.success(t, 200, "")
		u.do(t, "PUT", signed.URL+"&partNumber=9", "x", nil).refusal(t, 403, "SignatureDoesNotMatch")
		u.do(t, "PUT", strings.Replace(signed.URL, "uploadId=", "uploadId=x", 1), "x", nil).refusal(t, 403, "SignatureDoesNotMatch")
		u.do(t, "GET", signed.URL, "", nil).refusal(t, 403, "SignatureDoesNotMatch")
		parts = append(parts, types.CompletedPart{ETag: aws.String(a.Header.Get("Etag")), PartNumber: number})
	}
	done, err := u.owner.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &u.bucket, Key: key, UploadId: begun.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}})
	if err != nil || *done.ETag != partsETag(bodies...) {
		t.Fatalf("CompleteMultipartUpload: %+v, %v", done, err)
	}
	get, err := signer.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &u.bucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	u.do(t, "GET", get.URL, "", nil).success(t, 200, string(bytes.Join(bodies, nil)))
}

func versioning(status types.BucketVersioningStatus) *types.VersioningConfiguration {
	return &types.VersioningConfiguration{Status: status}
}

// post sends a form as a browser does, with the file last.
func (u *user) post(t *testing.T, target string, fields map[string]string, name, body string) answer {
	t.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	for name, value := range fields {
		w.WriteField(name, value)
	}
	file, err := w.CreateFormFile("file", name)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(file, body)
	w.Close()
	return u.do(t, "POST", target, form.String(), func(r *http.Request) { r.Header.Set("Content-Type", w.FormDataContentType()) })
}

func goForm(t *testing.T, u *user) {
	signed, err := s3.NewPresignClient(u.owner).PresignPostObject(t.Context(), &s3.PutObjectInput{Bucket: &u.bucket, Key: aws.String("form.txt")},
		func(o *s3.PresignPostOptions) {
			o.Expires = time.Minute
			o.Conditions = []any{[]any{"content-length-range", 1, 10}}
		})
	if err != nil {
		t.Fatal(err)
	}
	u.post(t, signed.URL, signed.Values, "form.txt", "hello").success(t, 204, "")
	get, err := u.owner.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &u.bucket, Key: aws.String("form.txt")})
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(get.Body); err != nil || string(body) != "hello" {
		t.Errorf("the form stored %q, %v", body, err)
	}
	u.post(t, signed.URL, signed.Values, "form.txt", "more than ten").refusal(t, 400, "EntityTooLarge")
	signed.Values["key"] = "other.txt"
	u.post(t, signed.URL, signed.Values, "form.txt", "hello").refusal(t, 403, "AccessDenied")
}

func goVersions(t *testing.T, u *user) {
	ctx, key := t.Context(), aws.String("versioned")
	_, err := u.owner.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: &u.bucket, VersioningConfiguration: versioning("Enabled")})
	if err != nil {
		t.Fatal(err)
	}
	var versions []*string
	for _, body := range []string{"one", "two"} {
		put, err := u.owner.PutObject(ctx, &s3.PutObjectInput{Bucket: &u.bucket, Key: key, Body: strings.NewReader(body)})
		if err != nil {
			t.Fatal(err)
		}
		versions = append(versions, put.VersionId)
	}
	marker, err := u.owner.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &u.bucket, Key: key})
	if err != nil || !aws.ToBool(marker.DeleteMarker) {
		t.Fatalf("DeleteObject: %+v, %v", marker, err)
	}
	_, err = u.owner.GetObject(ctx, &s3.GetObjectInput{Bucket: &u.bucket, Key: key})
	wantError(t, err, 404, "NoSuchKey")
	// A URL of one version serves that one for ever.
	signed, err := s3.NewPresignClient(u.owner).PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &u.bucket, Key: key, VersionId: versions[0]})
	if err != nil {
		t.Fatal(err)
	}
	u.do(t, "GET", signed.URL, "", nil).success(t, 200, "one")
	u.do(t, "GET", strings.Replace(signed.URL, *versions[0], *versions[1], 1), "", nil).refusal(t, 403, "SignatureDoesNotMatch")
	list, err := u.owner.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: &u.bucket, Prefix: key})
	if err != nil || len(list.Versions) != 2 || *list.Versions[0].VersionId != *versions[1] || len(list.DeleteMarkers) != 1 || !*list.DeleteMarkers[0].IsLatest {
		t.Errorf("ListObjectVersions: %+v, %v", list, err)
	}
	if _, err := u.owner.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &u.bucket, Key: key, VersionId: marker.VersionId}); err != nil {
		t.Error(err)
	}
	head, err := u.owner.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &u.bucket, Key: key})
	if err != nil || *head.VersionId != *versions[1] {
		t.Errorf("the restored object: %+v, %v", head, err)
	}
}

// TestMultipartMemory uploads 200 MiB in parts. The server must neither hold
// them nor write them twice.
func TestMultipartMemory(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory is read from Linux's /proc")
	}
	const size, part = 200 << 20, 8 << 20
	s := serve(t)
	u := newUser(s, "e2e-200-mib")
	if _, err := u.owner.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &u.bucket}); err != nil {
		t.Fatal(err)
	}
	transfers := manager(u.owner, part)
	upload := func(key string, size int64) {
		_, err := transfers.UploadObject(t.Context(), &transfermanager.UploadObjectInput{Bucket: &u.bucket, Key: &key, Body: io.LimitReader(zeros{}, size)})
		if err != nil {
			t.Errorf("upload of %s: %v", key, err)
		}
	}
	upload("warm", 4*part) // fills the pools that later transfers share
	before, began := s.memory(t, "RssAnon"), time.Now()
	peak := s.watch(t, func() { upload("large", size) })
	t.Logf("measured: 200 MiB in parts up in %.1f s: from %.1f to at most %.1f MiB anonymous", time.Since(began).Seconds(), mib(before), mib(peak))
	if peak > before+streamBudget {
		t.Errorf("an upload in parts takes %.1f MiB more", mib(peak-before))
	}
	if use := diskUse(t, s.dir); use > size+4*part+(16<<20) {
		t.Errorf("the data directory holds %.1f MiB", mib(int(use)))
	}
	signed, err := s3.NewPresignClient(u.owner).PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: &u.bucket, Key: aws.String("large")})
	if err != nil {
		t.Fatal(err)
	}
	peak = s.watch(t, func() {
		res, err := u.http.Get(signed.URL)
		if err != nil {
			t.Error(err)
			return
		}
		defer res.Body.Close()
		if n, err := io.Copy(io.Discard, res.Body); err != nil || n != size {
			t.Errorf("GET returns %d of %d bytes, %v", n, size, err)
		}
	})
	if peak > before+streamBudget {
		t.Errorf("a download of many parts takes %.1f MiB more", mib(peak-before))
	}
	// A copy shares what it is a copy of.
	began = time.Now()
	copied, err := u.owner.CopyObject(t.Context(), &s3.CopyObjectInput{Bucket: &u.bucket, Key: aws.String("copy"), CopySource: aws.String(u.bucket + "/large")})
	if err != nil || copied.CopyObjectResult.ETag == nil {
		t.Fatalf("CopyObject: %+v, %v", copied, err)
	}
	t.Logf("measured: copy of 200 MiB in %.1f ms", float64(time.Since(began).Microseconds())/1000)
	if use := diskUse(t, s.dir); use > size+4*part+(16<<20) {
		t.Errorf("after a copy the data directory holds %.1f MiB", mib(int(use)))
	}
	// It outlives that, and with the last of them the space is free.
	remove := func(key string) {
		t.Helper()
		if _, err := u.owner.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &u.bucket, Key: &key}); err != nil {
			t.Error(err)
		}
	}
	remove("large")
	signed, err = s3.NewPresignClient(u.owner).PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: &u.bucket, Key: aws.String("copy")})
	if err != nil {
		t.Fatal(err)
	}
	u.do(t, "GET", signed.URL, "", func(r *http.Request) { r.Header.Set("Range", "bytes=209715195-") }).success(t, 206, "\x00\x00\x00\x00\x00")
	remove("copy")
	remove("warm")
	abandoned, err := u.owner.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: &u.bucket, Key: aws.String("abandoned")})
	if err != nil {
		t.Fatal(err)
	}
	for number := range int32(4) {
		_, err := u.owner.UploadPart(t.Context(), &s3.UploadPartInput{Bucket: &u.bucket, Key: aws.String("abandoned"), UploadId: abandoned.UploadId,
			PartNumber: aws.Int32(1 + number/2), Body: bytes.NewReader(pattern(part))})
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := u.owner.AbortMultipartUpload(t.Context(), &s3.AbortMultipartUploadInput{Bucket: &u.bucket, Key: aws.String("abandoned"), UploadId: abandoned.UploadId}); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for diskUse(t, s.dir) > part {
		if time.Now().After(deadline) {
			t.Fatalf("when all is deleted the data directory still holds %.1f MiB", mib(int(diskUse(t, s.dir))))
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// completion is the body that completes an upload of the parts with these
// ETags.
func completion(t *testing.T, etags ...string) string {
	t.Helper()
	type part struct {
		PartNumber int
		ETag       string
	}
	var body struct {
		XMLName xml.Name `xml:"CompleteMultipartUpload"`
		Part    []part
	}
	for i, etag := range etags {
		body.Part = append(body.Part, part{i + 1, etag})
	}
	text, err := xml.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
