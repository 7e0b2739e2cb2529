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
