package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/encoding/httpbinding"
)

func TestGoSDK(t *testing.T) {
	t.Parallel()
	s := serve(t)
	u := newUser(s, "e2e-go-sdk")
	if _, err := u.owner.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &u.bucket}); err != nil {
		t.Fatal(err)
	}
	var passes []pass
	for mode, pathStyle := range map[string]bool{"v4 path": true, "v4 virtual": false} {
		client := s.s3(func(o *s3.Options) { o.UsePathStyle = pathStyle })
		t.Run(mode, func(t *testing.T) { goSDKHeaderAuth(t, s, client, "scratch-"+strings.Fields(mode)[1]) })
		passes = append(passes, goSDKPasses(t, client, u.bucket, mode)...)
	}
	u.check(t, time.Now(), passes)
}

// wantError checks an error of the SDK by status and, where it has one, code.
func wantError(t *testing.T, err error, status int, code string) {
	t.Helper()
	var res interface{ HTTPStatusCode() int }
	var api smithy.APIError
	if !errors.As(err, &res) || res.HTTPStatusCode() != status || code != "" && (!errors.As(err, &api) || api.ErrorCode() != code) {
		t.Errorf("got %v, want status %d and code %q", err, status, code)
	}
}

func goSDKHeaderAuth(t *testing.T, s *server, client *s3.Client, name string) {
	ctx, bucket := t.Context(), &name
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	_, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket})
	must("CreateBucket", err)
	_, err = client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: bucket})
	must("HeadBucket", err)
	buckets, err := client.ListBuckets(ctx, &s3.ListBucketsInput{})
	must("ListBuckets", err)
	if !slices.ContainsFunc(buckets.Buckets, func(b types.Bucket) bool { return *b.Name == name }) {
		t.Error("ListBuckets lacks the new bucket")
	}
	for _, key := range oddKeys {
		put, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: strings.NewReader("hello"),
			ContentType: aws.String("text/x-e2e"), Metadata: map[string]string{"color": "green"}, ChecksumAlgorithm: types.ChecksumAlgorithmCrc64nvme})
		must("PutObject "+key, err)
		head, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: &key})
		must("HeadObject "+key, err)
		if *head.ContentLength != 5 || *head.ETag != *put.ETag || head.Metadata["color"] != "green" || *head.ContentType != "text/x-e2e" {
			t.Errorf("HeadObject %q: %+v", key, head)
		}
		get, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled})
		must("GetObject "+key, err)
		body, err := io.ReadAll(get.Body)
		if err != nil || string(body) != "hello" || get.ChecksumCRC64NVME == nil || *get.ChecksumCRC64NVME != *put.ChecksumCRC64NVME {
			t.Errorf("GetObject %q: %q, %v, checksum %v", key, body, err, get.ChecksumCRC64NVME)
		}
	}
	var listed []string
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: bucket, MaxKeys: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		must("ListObjectsV2", err)
		for _, o := range page.Contents {
			listed = append(listed, *o.Key)
		}
	}
	if want := slices.Sorted(slices.Values(oddKeys)); !slices.Equal(listed, want) {
		t.Errorf("listed %q, want %q", listed, want)
	}
	_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &oddKeys[0], Body: strings.NewReader("again"), IfNoneMatch: aws.String("*")})
	wantError(t, err, 412, "PreconditionFailed")
	_, err = client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket})
	wantError(t, err, 409, "BucketNotEmpty")
	_, err = client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: &oddKeys[0]})
	must("DeleteObject", err)
	var objects []types.ObjectIdentifier
	for _, key := range oddKeys {
		objects = append(objects, types.ObjectIdentifier{Key: &key})
	}
	deleted, err := client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Objects: objects}})
	must("DeleteObjects", err)
	if len(deleted.Deleted) != len(oddKeys) || len(deleted.Errors) != 0 {
		t.Errorf("DeleteObjects: %+v", deleted)
	}
	_, err = client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: &oddKeys[0]})
	wantError(t, err, 404, "NoSuchKey")
	_, err = client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket})
	must("DeleteBucket", err)
	_, err = client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: bucket})
	wantError(t, err, 404, "")
	_, err = s.s3(withKey(accessKey, "wrong")).ListBuckets(ctx, &s3.ListBucketsInput{})
	wantError(t, err, 403, "SignatureDoesNotMatch")
	_, err = s.s3(withKey("E2EUNKNOWN", secretKey)).ListBuckets(ctx, &s3.ListBucketsInput{})
	wantError(t, err, 403, "InvalidAccessKeyId")
}

func withKey(id, secret string) func(*s3.Options) {
	return func(o *s3.Options) { o.Credentials = credentials.NewStaticCredentialsProvider(id, secret, "") }
}

func goSDKPasses(t *testing.T, client *s3.Client, bucket, mode string) []pass {
	var passes []pass
	add := func(p pass, req *v4.PresignedHTTPRequest, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s %s: %v", p.Name, p.Action, err)
		}
		p.URL, p.Name = req.URL, strings.TrimSpace(mode+" "+p.Name)
		for name, values := range req.SignedHeader {
			if name != "Host" && name != "Content-Length" {
				if p.Send == nil {
					p.Send = map[string]string{}
				}
				p.Send[name] = values[0]
			}
		}
		passes = append(passes, p)
	}
	ctx, signer := t.Context(), s3.NewPresignClient(client)
	lasts := s3.WithPresignExpires
	for _, key := range oddKeys {
		get, err := signer.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &bucket, Key: &key})
		add(pass{Action: "get", Key: key}, get, err)
		put, err := signer.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: &key})
		add(pass{Action: "put", Key: key}, put, err)
		head, err := signer.PresignHeadObject(ctx, &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
		add(pass{Action: "head", Key: key}, head, err)
		del, err := signer.PresignDeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &bucket, Key: &key})
		add(pass{Action: "delete", Key: key}, del, err)
	}
	seed := &s3.GetObjectInput{Bucket: &bucket, Key: aws.String(seedKey)}
	get, err := signer.PresignGetObject(ctx, seed, lasts(time.Second))
	add(pass{Name: "expired", Action: "get", Key: seedKey, Refuse: "expired"}, get, err)
	get, err = signer.PresignGetObject(ctx, seed, lasts(7*24*time.Hour))
	add(pass{Name: "a week", Action: "get", Key: seedKey}, get, err)
	get, err = s3.NewPresignClient(client, s3.WithPresignClientFromClientOptions(withKey(accessKey, "wrong"))).PresignGetObject(ctx, seed)
	add(pass{Name: "wrong secret", Action: "get", Key: seedKey, Refuse: "SignatureDoesNotMatch"}, get, err)
	put, err := signer.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("typed " + mode),
		ContentType: aws.String("image/png"), Metadata: map[string]string{"color": "green"}})
	add(pass{Name: "type and metadata", Action: "put", Key: "typed " + mode,
		Want: map[string]string{"Content-Type": "image/png", "X-Amz-Meta-Color": "green"}}, put, err)
	put, err = signer.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: &bucket, Key: aws.String(seedKey), IfNoneMatch: aws.String("*")})
	add(pass{Name: "overwrite", Action: "put", Key: seedKey, Refuse: "PreconditionFailed"}, put, err)
	return append(passes, goSDKListing(t, client.Options(), bucket, mode))
}

// goSDKListing signs a listing, for which the SDK's presign client has no
// method.
func goSDKListing(t *testing.T, o s3.Options, bucket, mode string) pass {
	query := url.Values{"list-type": {"2"}, "prefix": {"list/"}}
	return pass{Name: mode, Action: "list", URL: presign(t, o, "GET", bucket, query)}
}

// presign signs any request with the SDK's signer, for a path with escapes.
func presign(t *testing.T, o s3.Options, method, path string, query url.Values) string {
	t.Helper()
	key, err := o.Credentials.Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !query.Has("X-Amz-Expires") {
		query.Set("X-Amz-Expires", "60")
	}
	req, err := http.NewRequest(method, *o.BaseEndpoint+"/"+path+"?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	signer := v4.NewSigner(func(s *v4.SignerOptions) { s.DisableURIPathEscaping = true })
	signed, _, err := signer.PresignHTTP(t.Context(), key, req, "UNSIGNED-PAYLOAD", "s3", region, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// presign signs a request for an object, or for the bucket where key is
// empty.
func (u *user) presign(t *testing.T, method, key string, query url.Values) string {
	t.Helper()
	path := u.bucket
	if key != "" {
		path += "/" + httpbinding.EscapePath(key, false)
	}
	return presign(t, u.owner.Options(), method, path, query)
}

// TestStreamedUploads sends bodies of every framing that S3 knows.
func TestStreamedUploads(t *testing.T) {
	t.Parallel()
	s := serve(t)
	client, bucket := s.s3(), aws.String("streams")
	ctx := t.Context()
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 1, 8 << 10, 64<<10 - 1, 64 << 10, 64<<10 + 1, 1 << 20, 9<<20 + 1} {
		for _, algorithm := range types.ChecksumAlgorithm("").Values() {
			if !slices.Contains([]types.ChecksumAlgorithm{"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"}, algorithm) {
				continue // newer than what S3's five are here
			}
			t.Run(fmt.Sprintf("%s %d", algorithm, size), func(t *testing.T) {
				roundTrip(t, client, bucket, string(algorithm)+strconv.Itoa(size), algorithm, pattern(size))
			})
		}
	}
}

func roundTrip(t *testing.T, client *s3.Client, bucket *string, key string, algorithm types.ChecksumAlgorithm, body []byte) {
	_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: bytes.NewReader(body), ChecksumAlgorithm: algorithm})
	if err != nil {
		t.Fatal(err)
	}
	get, err := client.GetObject(context.WithoutCancel(t.Context()), &s3.GetObjectInput{Bucket: bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled})
	if err != nil {
		t.Fatal(err)
	}
	defer get.Body.Close()
	got, err := io.ReadAll(get.Body) // the SDK checks the checksum at its end
	if err != nil || !bytes.Equal(got, body) {
		t.Errorf("%d bytes came back as %d others, %v", len(body), len(got), err)
	}
}

// pattern returns bytes that repeat at no power of two.
func pattern(size int) []byte {
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(i % 251)
	}
	return b
}
