package cluster

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func root() aws.Credentials {
	return aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: secretKey}
}

// presign signs a URL of the proxy for an hour. Limits are name, value,
// without x-daypass-.
func (r *rig) presign(method, bucket, key string, limits ...string) string {
	query := url.Values{"X-Amz-Expires": {"3600"}}
	for i := 0; i < len(limits); i += 2 {
		query.Set("x-daypass-"+limits[i], limits[i+1])
	}
	path := (&url.URL{Path: "/" + bucket + "/" + key}).EscapedPath()
	req, err := http.NewRequest(method, r.proxy+path+"?"+query.Encode(), nil)
	if err != nil {
		panic(err) // a bucket and key of ours
	}
	signer := v4.NewSigner(func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true })
	signed, _, err := signer.PresignHTTP(context.Background(), root(), req, "UNSIGNED-PAYLOAD", "s3", region, time.Now())
	if err != nil {
		panic(err)
	}
	return signed
}

// s3 returns a client of the proxy with the root key. It tries once.
func (r *rig) s3() *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint:     aws.String(r.proxy),
		Region:           region,
		Credentials:      credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
		HTTPClient:       r.http,
		UsePathStyle:     true,
		RetryMaxAttempts: 1,
	})
}

// makeBucket makes a bucket. Other nodes may know of it a second later.
func (r *rig) makeBucket(t *testing.T, bucket string) {
	t.Helper()
	if _, err := r.s3().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatalf("make bucket %s: %v", bucket, err)
	}
	for _, n := range r.nodes {
		ok := until(5*time.Second, func() bool {
			res, err := n.client.Head(r.presign("HEAD", bucket, "nothing"))
			return err == nil && res.StatusCode == http.StatusNotFound && res.Body.Close() == nil
		})
		if !ok {
			t.Fatalf("%s does not know bucket %s", n.name, bucket)
		}
	}
}

// revoke revokes a pass through the admin API of a node.
func (n *node) revoke(ctx context.Context, pass string) error {
	body, err := json.Marshal(map[string]string{"url": pass})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, "POST", "http://"+n.ops+"/api/v1/revocations", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	sum := sha256.Sum256(body)
	hash := hex.EncodeToString(sum[:])
	req.Header.Set("X-Amz-Content-Sha256", hash)
	if err := v4.NewSigner().SignHTTP(ctx, root(), req, hash, "daypass", region, time.Now()); err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusCreated {
		return fmt.Errorf("%s: %s", res.Status, text)
	}
	return nil
}
