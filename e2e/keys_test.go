package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// keysThatHurt are keys that some server or SDK once got wrong.
var keysThatHurt = []string{
	"a+b", "a b", "a%20b", "a%2Bb", "a%2Fb", "a%252Fb", "a=b", "(a)", "[a]", "{a}", "a&b", "a;b", "a?b", "a#b", "é", "e\u0301", "日本", "🙂",
	"a//b", "/a", "//a", "a/", "/", "./a", "a/../b", "..", ".", "~a", "a:b", "a@b", "a,b", "a'b", `a"b`, `a\b`, "*", "!", "$", "^", "`", "|",
	"<a>", "a\tb", "a\nb", "\x7f", " a ", "a.html?X-Amz-Expires=1", strings.Repeat("é", 512),
}

// TestKeysThatHurt leads an object of each such key from upload to deletion,
// with URLs of both signature versions in both styles.
func TestKeysThatHurt(t *testing.T) {
	t.Parallel()
	s := serve(t)
	u := newUser(s, "e2e-keys")
	u.keys = keysThatHurt
	if _, err := u.owner.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &u.bucket}); err != nil {
		t.Fatal(err)
	}
	var passes []pass
	for mode, lookup := range map[string]minio.BucketLookupType{"path": minio.BucketLookupPath, "virtual": minio.BucketLookupDNS} {
		for version, creds := range map[string]*credentials.Credentials{
			"v2": credentials.NewStaticV2(accessKey, secretKey, ""), "v4": credentials.NewStaticV4(accessKey, secretKey, "")} {
			client, err := minio.New(strings.TrimPrefix(s.localhost(), "http://"), &minio.Options{Creds: creds, BucketLookup: lookup, Region: region})
			if err != nil {
				t.Fatal(err)
			}
			for _, key := range u.keys {
				for _, action := range []string{"get", "put", "head", "delete"} {
					signed, err := client.Presign(t.Context(), methods[action], u.bucket, key, time.Minute, nil)
					if err != nil {
						t.Fatalf("%q: %v", key, err)
					}
					passes = append(passes, pass{Name: version + " " + mode, Action: action, Key: key, URL: signed.String()})
				}
			}
		}
	}
	u.check(t, time.Now(), passes)
	for _, key := range u.keys {
		headerLife(t, u, key)
	}
}

// headerLife does the same with signed headers.
func headerLife(t *testing.T, u *user, key string) {
	ctx := t.Context()
	if _, err := u.owner.PutObject(ctx, &s3.PutObjectInput{Bucket: &u.bucket, Key: &key, Body: strings.NewReader("hello")}); err != nil {
		t.Errorf("PutObject %q: %v", key, err)
		return
	}
	if head, err := u.owner.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &u.bucket, Key: &key}); err != nil || *head.ContentLength != 5 {
		t.Errorf("HeadObject %q: %v", key, err)
	}
	list, err := u.owner.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &u.bucket, Prefix: &key, MaxKeys: aws.Int32(1)})
	if err != nil || len(list.Contents) != 1 || *list.Contents[0].Key != key {
		t.Errorf("ListObjectsV2 %q: %+v, %v", key, list, err)
	}
	if _, err := u.owner.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &u.bucket, Key: &key}); err != nil {
		t.Errorf("DeleteObject %q: %v", key, err)
	}
	_, err = u.owner.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &u.bucket, Key: &key})
	wantError(t, err, 404, "")
}
