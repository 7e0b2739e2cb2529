package e2e

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// TestBoto3Lifecycle sets lifecycle rules and sees what they do.
func TestBoto3Lifecycle(t *testing.T) {
	t.Parallel()
	steps(t, serve(t, "--lifecycle-interval", "1s"), settings{Bucket: "e2e-boto3-lifecycle"}, need(t, "python", "/usr/bin/python3"), "clients/boto3_lifecycle.py")
}

// TestGoSDKLifecycle kills the server while lifecycle rules are carried out: the
// next start goes on with them.
func TestGoSDKLifecycle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const objects, writers = 2000, 8
	s := launch(t, dir, "--lifecycle-interval", "1s", "--lifecycle-delete-rate", "200")
	client, bucket, ctx := s.s3(), aws.String("e2e-go-lifecycle"), t.Context()
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := w; i < objects; i += writers {
				for _, prefix := range []string{"gone", "kept"}[:1+i%2] {
					_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String(fmt.Sprintf("%s/%04d", prefix, i)), Body: strings.NewReader("x")})
					if err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	past := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	_, err := client.PutBucketLifecycleConfiguration(ctx, &s3.PutBucketLifecycleConfigurationInput{Bucket: bucket,
		LifecycleConfiguration: &types.BucketLifecycleConfiguration{Rules: []types.LifecycleRule{{ID: aws.String("past"), Status: types.ExpirationStatusEnabled,
			Filter: &types.LifecycleRuleFilter{Prefix: aws.String("gone/")}, Expiration: &types.LifecycleExpiration{Date: &past}}}}})
	if err != nil {
		t.Fatal(err)
	}
	s.waitRemoved(t, 300)
	s.kill()

	s = launch(t, dir, "--lifecycle-interval", "1s", "--lifecycle-delete-rate", "100000", "--access-log", filepath.Join(dir, "access.log"))
	client = s.s3()
	left := count(t, client, bucket, "gone/")
	if left == 0 || left > objects-300 {
		t.Fatalf("%d objects are left after the server was killed", left)
	}
	s.waitRemoved(t, 1)
	s.waitMetric(t, "daypass_lifecycle_passes_total", 1)
	if n := count(t, client, bucket, "gone/"); n != 0 {
		t.Errorf("%d objects are left", n)
	}
	if n := count(t, client, bucket, "kept/"); n != objects/2 {
		t.Errorf("%d of %d other objects are left", n, objects/2)
	}
	s.stop(t)
	log, err := os.ReadFile(filepath.Join(dir, "access.log"))
	// What the first server had not yet written down when it was killed is lost.
	if lines := strings.Count(string(log), " - AmazonS3 "); err != nil || lines < left || lines > objects {
		t.Errorf("%d lines tell of the removal of %d objects, %d of them by the second server, %v", lines, objects, left, err)
	}
}

// TestLifecycleDocs runs the commands of the page about lifecycle rules as they
// stand there.
func TestLifecycleDocs(t *testing.T) {
	t.Parallel()
	s, dir := serve(t), t.TempDir()
	if _, err := s.s3().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("uploads")}); err != nil {
		t.Fatal(err)
	}
	cli := need(t, "awscli", "/usr/bin/aws", "aws")
	script := fmt.Sprintf("set -eu\naws() { %s --endpoint-url \"$AWS_ENDPOINT_URL\" \"$@\"; }\ndaypass() { %s \"$@\"; }\n", cli, program)
	n := 0
	for _, b := range pageBlocks(t, "../docs/lifecycle.md") {
		if b.lang == "sh" {
			script += b.text
			n++
		}
	}
	if n < 2 {
		t.Fatalf("%d examples", n)
	}
	runText(t, s, script, dir, []string{"AWS_PAGER=", "AWS_MAX_ATTEMPTS=1", "HOME=" + dir}, "/bin/sh", "-s")
	out, err := s.s3().GetBucketLifecycleConfiguration(t.Context(), &s3.GetBucketLifecycleConfigurationInput{Bucket: aws.String("uploads")})
	if err != nil || len(out.Rules) != 3 || out.TransitionDefaultMinimumObjectSize != types.TransitionDefaultMinimumObjectSizeAllStorageClasses128k {
		t.Errorf("%+v, %v", out, err)
	}
}

// count counts the objects below a prefix.
func count(t *testing.T, client *s3.Client, bucket *string, prefix string) (n int) {
	t.Helper()
	pages := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n += len(page.Contents)
	}
	return n
}

func (s *server) waitRemoved(t *testing.T, n int) {
	t.Helper()
	s.waitMetric(t, `daypass_lifecycle_removed_total{what="current"}`, n)
}

// waitMetric waits until a metric has at least a value.
func (s *server) waitMetric(t *testing.T, name string, least int) {
	t.Helper()
	var last []byte
	line := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`)
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		resp, err := http.Get(s.ops + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		last = text
		if err != nil {
			t.Fatal(err)
		}
		if m := line.FindSubmatch(text); m != nil {
			if v, err := strconv.ParseFloat(string(m[1]), 64); err == nil && int(v) >= least {
				return
			}
		}
	}
	t.Fatalf("%s does not come to %d:\n%s", name, least, last)
}
