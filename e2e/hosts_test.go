package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/minio/minio-go/v7"
	miniokeys "github.com/minio/minio-go/v7/pkg/credentials"
)

// TestHosts opens URLs at another name than they were signed for, as happens
// behind proxies.
func TestHosts(t *testing.T) {
	t.Parallel()
	s := serve(t, "--public-url", "https://files.example.com/storage", "--host-alias", "minio:9000")
	behind := serve(t, "--trusted-proxy", "127.0.0.1/32")
	users := map[*server]*user{}
	for _, s := range []*server{s, behind} {
		u := newUser(s, "hosts")
		users[s] = u
		if _, err := u.owner.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &u.bucket}); err != nil {
			t.Fatal(err)
		}
		_, err := u.owner.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &u.bucket, Key: aws.String("a b"), Body: strings.NewReader("there")})
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name   string
		at     *server
		signed string // base URL that the signature is made for
		host   string // in the request, where it is not the listener's
		path   string
		header http.Header
		refuse string
	}{
		{"rewritten by a proxy", s, "https://files.example.com/storage", "", "/hosts/a%20b", nil, ""},
		{"prefix taken off", s, "https://files.example.com/storage", "files.example.com", "/hosts/a%20b", nil, ""},
		{"prefix kept", s, "https://files.example.com/storage", "files.example.com", "/storage/hosts/a%20b", nil, ""},
		{"default port signed", s, "https://files.example.com:443/storage", "", "/hosts/a%20b", nil, ""},
		{"default port sent", s, "https://files.example.com/storage", "files.example.com:443", "/hosts/a%20b", nil, ""},
		{"capitals", s, "https://files.example.com/storage", "FILES.Example.COM", "/hosts/a%20b", nil, ""},
		{"alias", s, "http://minio:9000", "", "/hosts/a%20b", nil, ""},
		{"alias, other port", s, "http://minio:9001", "", "/hosts/a%20b", nil, "SignatureDoesNotMatch"},
		{"alias, other key", s, "http://minio:9000", "", "/hosts/a%20c", nil, "SignatureDoesNotMatch"},
		{"stranger", s, "https://evil.example", "", "/hosts/a%20b", nil, "SignatureDoesNotMatch"},
		{"claimed by a stranger", s, "https://evil.example", "", "/hosts/a%20b", http.Header{"X-Forwarded-Host": {"evil.example"}}, "SignatureDoesNotMatch"},
		{"claimed by the proxy", behind, "https://any.example", "", "/hosts/a%20b", http.Header{"X-Forwarded-Host": {"any.example"}, "X-Forwarded-Proto": {"https"}}, ""},
		{"forwarded by the proxy", behind, "https://any.example", "", "/hosts/a%20b", http.Header{"Forwarded": {"host=any.example;proto=https"}}, ""},
		{"prefix by the proxy", behind, "https://any.example/store", "", "/hosts/a%20b",
			http.Header{"X-Forwarded-Host": {"any.example"}, "X-Forwarded-Prefix": {"/store"}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, err := http.NewRequest("GET", c.signed+"/hosts/a%20b?X-Amz-Expires=60", nil)
			if err != nil {
				t.Fatal(err)
			}
			signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
			signed, _, err := signer.PresignHTTP(t.Context(), aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}, req, "UNSIGNED-PAYLOAD", "s3", region, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			_, query, _ := strings.Cut(signed, "?")
			a := users[c.at].do(t, "GET", c.at.url+c.path+"?"+query, "", func(r *http.Request) {
				r.Host = c.host
				for name := range c.header {
					r.Header.Set(name, c.header.Get(name))
				}
			})
			if c.refuse != "" {
				a.refusal(t, 403, c.refuse)
			} else {
				a.success(t, 200, "there")
			}
		})
	}
}

// TestOptions checks what options of serve change about signatures.
func TestOptions(t *testing.T) {
	t.Parallel()
	s := serve(t, "--sigv2", "deny", "--head-with-get", "--ignore-foreign-authorization")
	u := newUser(s, "options")
	if _, err := u.owner.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &u.bucket}); err != nil {
		t.Fatal(err)
	}
	signer := s3.NewPresignClient(u.owner)
	get, err := signer.PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: &u.bucket, Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	put, err := signer.PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: &u.bucket, Key: aws.String("k")})
	if err != nil {
		t.Fatal(err)
	}
	u.do(t, "PUT", put.URL, "there", nil).success(t, 200, "")
	if a := u.do(t, "HEAD", get.URL, "", nil); a.StatusCode != 200 || a.ContentLength != 5 {
		t.Errorf("HEAD with a GET URL: %d, %d bytes", a.StatusCode, a.ContentLength)
	}
	u.do(t, "HEAD", put.URL, "", nil).refusal(t, 403, "")
	u.do(t, "GET", get.URL, "", func(r *http.Request) { r.Header.Set("Authorization", "Bearer token") }).success(t, 200, "there")
	u.do(t, "GET", get.URL, "", func(r *http.Request) { r.Header.Set("Authorization", "AWS "+accessKey+":c2lnbmF0dXJl") }).
		refusal(t, 400, "InvalidArgument")

	client, err := minio.New(strings.TrimPrefix(s.localhost(), "http://"), &minio.Options{Creds: miniokeys.NewStaticV2(accessKey, secretKey, ""), Region: region})
	if err != nil {
		t.Fatal(err)
	}
	old, err := client.Presign(t.Context(), "GET", u.bucket, "k", time.Minute, nil)
	if err != nil {
		t.Fatal(err)
	}
	u.do(t, "GET", old.String(), "", nil).refusal(t, 400, "InvalidRequest")
}

// TestLimitsAreNeverIgnored signs what this version cannot enforce.
func TestLimitsAreNeverIgnored(t *testing.T) {
	t.Parallel()
	s := serve(t)
	u := newUser(s, "limits")
	if _, err := u.owner.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &u.bucket}); err != nil {
		t.Fatal(err)
	}
	_, err := u.owner.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &u.bucket, Key: aws.String("k"), Body: strings.NewReader("there")})
	if err != nil {
		t.Fatal(err)
	}
	key, err := credentials.NewStaticCredentialsProvider(accessKey, secretKey, "").Retrieve(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range []string{"x-daypass-no-such=1", "x-daypass-uses=0", "x-daypass-uses=many", "x-daypass-ip=here", "X-Daypass-Uses=1"} {
		req, err := http.NewRequest("GET", s.url+"/limits/k?X-Amz-Expires=60&"+limit, nil)
		if err != nil {
			t.Fatal(err)
		}
		signed, _, err := v4.NewSigner().PresignHTTP(t.Context(), key, req, "UNSIGNED-PAYLOAD", "s3", region, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		a := u.do(t, "GET", signed, "", nil)
		if a.StatusCode < 400 || strings.Contains(a.body, "SignatureDoesNotMatch") || !strings.Contains(a.body, "<Error>") {
			t.Errorf("%s: %d %s", limit, a.StatusCode, a.body)
		}
	}
}
