package e2e

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

func TestMinioGo(t *testing.T) {
	t.Parallel()
	s := serve(t)
	const bucket = "e2e-minio-go"
	var passes []pass
	modes := map[string]minio.Options{
		"v2 path":           {Creds: credentials.NewStaticV2(accessKey, secretKey, ""), BucketLookup: minio.BucketLookupPath},
		"v2 virtual":        {Creds: credentials.NewStaticV2(accessKey, secretKey, ""), BucketLookup: minio.BucketLookupDNS},
		"v4 path":           {Creds: credentials.NewStaticV4(accessKey, secretKey, ""), BucketLookup: minio.BucketLookupPath},
		"v4 path, trailers": {Creds: credentials.NewStaticV4(accessKey, secretKey, ""), BucketLookup: minio.BucketLookupPath, TrailingHeaders: true},
		"v4 virtual":        {Creds: credentials.NewStaticV4(accessKey, secretKey, ""), BucketLookup: minio.BucketLookupDNS, Region: region},
	}
	for mode, options := range modes {
		options.Transport = s.httpClient().Transport
		options.MaxRetries = 1
		client, err := minio.New(strings.TrimPrefix(s.localhost(), "http://"), &options)
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := client.BucketExists(t.Context(), bucket); err != nil {
			t.Fatal(err)
		} else if !ok {
			if err := client.MakeBucket(t.Context(), bucket, minio.MakeBucketOptions{}); err != nil {
				t.Fatal(err)
			}
		}
		t.Run(mode, func(t *testing.T) { minioHeaderAuth(t, client) })
		passes = append(passes, minioPasses(t, client, bucket, mode)...)
	}
	newUser(s, bucket).check(t, time.Now(), passes)
}

func minioHeaderAuth(t *testing.T, client *minio.Client) {
	ctx, bucket := t.Context(), "scratch"
	if err := client.MakeBucket(ctx, bucket, minio.MakeBucketOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, key := range oddKeys {
		for _, size := range []int{5, 300 << 10} {
			body := pattern(size)
			put, err := client.PutObject(ctx, bucket, key, bytes.NewReader(body), int64(size), minio.PutObjectOptions{
				DisableMultipart: true, ContentType: "text/x-e2e", UserMetadata: map[string]string{"Color": "green"}})
			if err != nil {
				t.Fatalf("PutObject %q: %v", key, err)
			}
			stat, err := client.StatObject(ctx, bucket, key, minio.StatObjectOptions{})
			if err != nil || stat.ETag != put.ETag || stat.Size != int64(size) || stat.UserMetadata["Color"] != "green" || stat.ContentType != "text/x-e2e" {
				t.Fatalf("StatObject %q: %+v, %v", key, stat, err)
			}
			got, err := client.GetObject(ctx, bucket, key, minio.GetObjectOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(got); err != nil || !bytes.Equal(b, body) {
				t.Fatalf("GetObject %q: %d bytes, %v", key, len(b), err)
			}
		}
	}
	var listed []string
	for o := range client.ListObjects(ctx, bucket, minio.ListObjectsOptions{Recursive: true, MaxKeys: 2}) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
		listed = append(listed, o.Key)
	}
	if want := slices.Sorted(slices.Values(oddKeys)); !slices.Equal(listed, want) {
		t.Errorf("listed %q, want %q", listed, want)
	}
	for _, key := range oddKeys {
		if err := client.RemoveObject(ctx, bucket, key, minio.RemoveObjectOptions{}); err != nil {
			t.Errorf("RemoveObject %q: %v", key, err)
		}
	}
	if _, err := client.StatObject(ctx, bucket, oddKeys[0], minio.StatObjectOptions{}); minio.ToErrorResponse(err).Code != "NoSuchKey" {
		t.Errorf("StatObject of what is gone: %v", err)
	}
	if err := client.RemoveBucket(ctx, bucket); err != nil {
		t.Fatal(err)
	}
}

func minioPasses(t *testing.T, client *minio.Client, bucket, mode string) []pass {
	var passes []pass
	add := func(p pass, expires time.Duration, query url.Values, header http.Header) {
		t.Helper()
		u, err := client.PresignHeader(t.Context(), methods[p.Action], bucket, p.Key, expires, query, header)
		if err != nil {
			t.Fatalf("%s %s %s: %v", mode, p.Action, p.Key, err)
		}
		p.Name, p.URL = strings.TrimSpace(mode+" "+p.Name), u.String()
		passes = append(passes, p)
	}
	for _, key := range oddKeys {
		for _, action := range []string{"get", "put", "head", "delete"} {
			add(pass{Action: action, Key: key}, time.Minute, nil, nil)
		}
	}
	add(pass{Name: "expired", Action: "get", Key: seedKey, Refuse: "expired"}, time.Second, nil, nil)
	add(pass{Name: "response headers", Action: "get", Key: seedKey, Want: map[string]string{"Content-Disposition": "attachment; filename=\"a b.txt\""}},
		time.Minute, url.Values{"response-content-disposition": {"attachment; filename=\"a b.txt\""}}, nil)
	if strings.HasPrefix(mode, "v4") {
		add(pass{Name: "type", Action: "put", Key: "typed " + mode, Send: map[string]string{"Content-Type": "image/png"},
			Want: map[string]string{"Content-Type": "image/png"}}, time.Minute, nil, http.Header{"Content-Type": {"image/png"}})
		add(pass{Name: "other type", Action: "put", Key: "other " + mode, Send: map[string]string{"Content-Type": "text/html"},
			Refuse: "SignatureDoesNotMatch"}, time.Minute, nil, http.Header{"Content-Type": {"image/png"}})
	}
	return passes
}

// TestMinioGoObjects does what its users do beyond putting and getting.
func TestMinioGoObjects(t *testing.T) {
	t.Parallel()
	s := serve(t)
	for mode, creds := range map[string]*credentials.Credentials{
		"v2": credentials.NewStaticV2(accessKey, secretKey, ""), "v4": credentials.NewStaticV4(accessKey, secretKey, "")} {
		client, err := minio.New(strings.TrimPrefix(s.localhost(), "http://"), &minio.Options{Creds: creds, Transport: s.httpClient().Transport, MaxRetries: 1})
		if err != nil {
			t.Fatal(err)
		}
		u := newUser(s, "e2e-minio-objects-"+mode)
		if err := client.MakeBucket(t.Context(), u.bucket, minio.MakeBucketOptions{}); err != nil {
			t.Fatal(err)
		}
		t.Run(mode+"/multipart", func(t *testing.T) { minioMultipart(t, client, u.bucket) })
		t.Run(mode+"/form", func(t *testing.T) { minioForm(t, client, u) })
		t.Run(mode+"/versions", func(t *testing.T) { minioVersions(t, client, u.bucket) })
	}
}

func minioRead(t *testing.T, client *minio.Client, bucket, key, version string) []byte {
	t.Helper()
	got, err := client.GetObject(t.Context(), bucket, key, minio.GetObjectOptions{VersionID: version})
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	b, err := io.ReadAll(got)
	if err != nil {
		t.Fatalf("GetObject %q: %v", key, err)
	}
	return b
}

func minioMultipart(t *testing.T, client *minio.Client, bucket string) {
	ctx, key, body := t.Context(), "a b/ü+&.bin", pattern(20<<20)
	const part = 6 << 20
	put, err := client.PutObject(ctx, bucket, key, bytes.NewReader(body), int64(len(body)), minio.PutObjectOptions{
		PartSize: part, ContentType: "text/x-e2e", UserMetadata: map[string]string{"Color": "green"}, UserTags: map[string]string{"kind": "a b+/="}})
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Trim(partsETag(slices.Collect(slices.Chunk(body, part))...), `"`); put.ETag != want {
		t.Errorf("the ETag is %s, want %s", put.ETag, want)
	}
	stat, err := client.StatObject(ctx, bucket, key, minio.StatObjectOptions{})
	if err != nil || stat.Size != int64(len(body)) || stat.UserMetadata["Color"] != "green" || stat.ContentType != "text/x-e2e" || stat.UserTagCount != 1 {
		t.Errorf("StatObject: %+v, %v", stat, err)
	}
	if !bytes.Equal(minioRead(t, client, bucket, key, ""), body) {
		t.Error("the object came back changed")
	}
	// A stream of unknown length, with a small file behind a large one.
	if _, err := client.PutObject(ctx, bucket, "stream", io.LimitReader(zeros{}, 7<<20), -1, minio.PutObjectOptions{PartSize: 5 << 20}); err != nil {
		t.Errorf("PutObject of a stream: %v", err)
	}
	if _, err := client.PutObject(ctx, bucket, "small", strings.NewReader("small"), 5, minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	src := func(key string) minio.CopySrcOptions { return minio.CopySrcOptions{Bucket: bucket, Object: key} }
	tail := src(key)
	tail.MatchRange, tail.Start, tail.End = true, 1<<20, 9<<20
	_, err = client.ComposeObject(ctx, minio.CopyDestOptions{Bucket: bucket, Object: "composed", UserMetadata: map[string]string{"Sky": "blue"}, ReplaceMetadata: true},
		src(key), tail, src("small"))
	if err != nil {
		t.Fatalf("ComposeObject: %v", err)
	}
	if want := slices.Concat(body, body[1<<20:9<<20+1], []byte("small")); !bytes.Equal(minioRead(t, client, bucket, "composed", ""), want) {
		t.Error("the composed object differs")
	}
	if stat, err := client.StatObject(ctx, bucket, "composed", minio.StatObjectOptions{}); err != nil || stat.UserMetadata["Sky"] != "blue" {
		t.Errorf("StatObject of the composed object: %+v, %v", stat, err)
	}
	if _, err := client.CopyObject(ctx, minio.CopyDestOptions{Bucket: bucket, Object: "copy", UserTags: map[string]string{"new": "1"}, ReplaceTags: true}, src(key)); err != nil {
		t.Fatalf("CopyObject: %v", err)
	}
	tags, err := client.GetObjectTagging(ctx, bucket, "copy", minio.GetObjectTaggingOptions{})
	if err != nil || len(tags.ToMap()) != 1 || tags.ToMap()["new"] != "1" {
		t.Errorf("GetObjectTagging: %v, %v", tags, err)
	}
	for u := range client.ListIncompleteUploads(ctx, bucket, "", true) {
		t.Errorf("an upload is left: %+v", u)
	}
}

func minioForm(t *testing.T, client *minio.Client, u *user) {
	policy := minio.NewPostPolicy()
	const key = "form ü+.txt"
	for _, err := range []error{policy.SetBucket(u.bucket), policy.SetKey(key), policy.SetExpires(time.Now().Add(time.Minute)),
		policy.SetContentType("text/x-form"), policy.SetContentLengthRange(2, 10), policy.SetUserMetadata("color", "green"), policy.SetSuccessStatusAction("201")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	target, fields, err := client.PresignedPostPolicy(t.Context(), policy)
	if err != nil {
		t.Fatal(err)
	}
	if a := u.post(t, target.String(), fields, "x", "hello"); a.StatusCode != 201 || !strings.Contains(a.body, "<PostResponse>") {
		t.Errorf("status %d\n%s", a.StatusCode, a.body)
	}
	stat, err := client.StatObject(t.Context(), u.bucket, key, minio.StatObjectOptions{})
	if err != nil || stat.Size != 5 || stat.ContentType != "text/x-form" || stat.UserMetadata["Color"] != "green" {
		t.Errorf("StatObject: %+v, %v", stat, err)
	}
	u.post(t, target.String(), fields, "x", "h").refusal(t, 400, "EntityTooSmall")
	u.post(t, target.String(), fields, "x", "more than ten").refusal(t, 400, "EntityTooLarge")
	fields["Content-Type"] = "text/html"
	u.post(t, target.String(), fields, "x", "hello").refusal(t, 403, "AccessDenied")
}

func minioVersions(t *testing.T, client *minio.Client, bucket string) {
	ctx := t.Context()
	if err := client.EnableVersioning(ctx, bucket); err != nil {
		t.Fatal(err)
	}
	if v, err := client.GetBucketVersioning(ctx, bucket); err != nil || !v.Enabled() {
		t.Fatalf("GetBucketVersioning: %+v, %v", v, err)
	}
	var versions []string
	for _, body := range []string{"one", "two"} {
		put, err := client.PutObject(ctx, bucket, "v/1", strings.NewReader(body), 3, minio.PutObjectOptions{})
		if err != nil || put.VersionID == "" {
			t.Fatalf("PutObject: %+v, %v", put, err)
		}
		versions = append(versions, put.VersionID)
	}
	if err := client.RemoveObject(ctx, bucket, "v/1", minio.RemoveObjectOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := client.StatObject(ctx, bucket, "v/1", minio.StatObjectOptions{}); minio.ToErrorResponse(err).StatusCode != 404 {
		t.Errorf("StatObject of what is deleted: %v", err)
	}
	if got := minioRead(t, client, bucket, "v/1", versions[0]); string(got) != "one" {
		t.Errorf("version one reads %q", got)
	}
	if got := minioRead(t, client, bucket, "v/1", versions[1]); string(got) != "two" {
		t.Errorf("version two reads %q", got)
	}
	all := client.ListObjects(ctx, bucket, minio.ListObjectsOptions{WithVersions: true, Recursive: true})
	count, markers := 0, 0
	remove := make(chan minio.ObjectInfo)
	go func() {
		defer close(remove)
		for o := range all {
			if o.Err != nil {
				t.Error(o.Err)
				return
			}
			count++
			if o.IsDeleteMarker {
				markers++
			}
			remove <- o
		}
	}()
	for e := range client.RemoveObjects(ctx, bucket, remove, minio.RemoveObjectsOptions{}) {
		t.Errorf("RemoveObjects: %+v", e)
	}
	if count < 3 || markers != 1 {
		t.Errorf("%d versions with %d markers", count, markers)
	}
	for o := range client.ListObjects(ctx, bucket, minio.ListObjectsOptions{WithVersions: true, Recursive: true}) {
		t.Errorf("left: %+v", o)
	}
	if err := client.RemoveBucket(ctx, bucket); err != nil {
		t.Error(err)
	}
}
