package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/google/go-cmp/cmp"
)

// logPolicy lets the log delivery service write to the bucket logs.
const logPolicy = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"logging.s3.amazonaws.com"},"Action":"s3:PutObject",
	"Resource":"arn:aws:s3:::logs/*","Condition":{"ArnLike":{"aws:SourceArn":["arn:aws:s3:::photos","arn:aws:s3:::films"]}}}]}`

// A logReader reads the log objects of a bucket.
type logReader struct {
	t      *testing.T
	client *s3.Client
}

func newLogged(t *testing.T, client *s3.Client, buckets ...string) *logReader {
	t.Helper()
	for _, name := range append(buckets, "logs") {
		if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := client.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: aws.String("logs"), Policy: aws.String(logPolicy)}); err != nil {
		t.Fatal(err)
	}
	return &logReader{t, client}
}

func (l *logReader) enable(bucket, prefix string, format *types.TargetObjectKeyFormat) {
	l.t.Helper()
	_, err := l.client.PutBucketLogging(l.t.Context(), &s3.PutBucketLoggingInput{Bucket: &bucket, BucketLoggingStatus: &types.BucketLoggingStatus{
		LoggingEnabled: &types.LoggingEnabled{TargetBucket: aws.String("logs"), TargetPrefix: &prefix, TargetObjectKeyFormat: format}}})
	if err != nil {
		l.t.Fatal(err)
	}
}

// objects returns the log objects under a prefix by their keys.
func (l *logReader) objects(prefix string) map[string]string {
	l.t.Helper()
	objects := map[string]string{}
	pages := s3.NewListObjectsV2Paginator(l.client, &s3.ListObjectsV2Input{Bucket: aws.String("logs"), Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(l.t.Context())
		if err != nil {
			l.t.Fatal(err)
		}
		for _, o := range page.Contents {
			res, err := l.client.GetObject(l.t.Context(), &s3.GetObjectInput{Bucket: aws.String("logs"), Key: o.Key})
			if err != nil {
				l.t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			if err != nil || aws.ToString(res.ContentType) != "text/plain" {
				l.t.Fatalf("%s: %v, content type %v", *o.Key, err, res.ContentType)
			}
			objects[*o.Key] = string(body)
		}
	}
	return objects
}

// requests returns how often the line of each request is there.
func (l *logReader) requests(prefix string) map[string]int {
	l.t.Helper()
	seen := map[string]int{}
	for key, body := range l.objects(prefix) {
		for i, line := range grokLines(l.t, body) {
			if line == nil {
				l.t.Fatalf("%s: line %d is none of an access log:\n%s", key, i, body)
			}
			if line["operation"] != "REST.PUT.BUCKET" { // it came before the bucket
				seen[line["request_id"]]++
			}
		}
	}
	return seen
}

func requestID(t *testing.T, m middleware.Metadata) string {
	t.Helper()
	id, ok := awsmiddleware.GetRequestIDMetadata(m)
	if !ok {
		t.Fatal("an answer without a request id")
	}
	return id
}

// TestBucketLogging sets logging up with AWS's SDK and finds every request in
// the delivered objects, as somebody else's parser reads them.
func TestBucketLogging(t *testing.T) {
	t.Parallel()
	s := serve(t, "--log-delivery-interval", "1s")
	client := s.s3()
	l := newLogged(t, client, "photos", "films")
	l.enable("photos", "simple/", nil)
	byEvent := &types.TargetObjectKeyFormat{PartitionedPrefix: &types.PartitionedPrefix{PartitionDateSource: types.PartitionDateSourceEventTime}}
	l.enable("films", "days/", byEvent)
	got, err := client.GetBucketLogging(t.Context(), &s3.GetBucketLoggingInput{Bucket: aws.String("films")})
	if err != nil || got.LoggingEnabled == nil || aws.ToString(got.LoggingEnabled.TargetPrefix) != "days/" ||
		got.LoggingEnabled.TargetObjectKeyFormat.PartitionedPrefix.PartitionDateSource != types.PartitionDateSourceEventTime {
		t.Fatalf("%+v, %v", got, err)
	}
	_, err = client.PutBucketLogging(t.Context(), &s3.PutBucketLoggingInput{Bucket: aws.String("films"), BucketLoggingStatus: &types.BucketLoggingStatus{
		LoggingEnabled: &types.LoggingEnabled{TargetBucket: aws.String("nowhere"), TargetPrefix: aws.String("")}}})
	wantError(t, err, 400, "InvalidTargetBucketForLogging")

	want := map[string][]string{}
	for _, bucket := range []string{"photos", "films"} {
		put, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("a key.txt"), Body: strings.NewReader("hello")})
		if err != nil {
			t.Fatal(err)
		}
		head, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: aws.String("a key.txt")})
		if err != nil {
			t.Fatal(err)
		}
		want[bucket] = []string{requestID(t, put.ResultMetadata), requestID(t, head.ResultMetadata)}
	}
	for bucket, prefix := range map[string]string{"photos": "simple/", "films": "days/"} {
		l.wait(prefix, want[bucket])
	}
	account := ""
	for key := range l.objects("days/") {
		parts := strings.Split(key, "/")
		day := time.Now().UTC().Format("2006/01/02")
		if len(parts) != 8 || parts[2] != region || parts[3] != "films" {
			t.Fatalf("key %q", key)
		}
		account = parts[1]
		name := fmt.Sprintf("days/%s/%s/films/%s/%s-00-00-00-", account, region, strings.Join(parts[4:7], "/"), strings.Join(parts[4:7], "-"))
		if !strings.HasPrefix(key, name) || len(key) != len(name)+16 {
			t.Errorf("key %q on %s", key, day)
		}
	}
	for key := range l.objects("simple/") {
		stamp := strings.TrimPrefix(key, "simple/")
		if at, err := time.Parse("2006-01-02-15-04-05", stamp[:len(stamp)-17]); err != nil || time.Since(at) > time.Hour || stamp[len(stamp)-17] != '-' {
			t.Errorf("key %q: %v", key, err)
		}
	}

	// A policy that lets logs in no more has them dropped, and the operator
	// told.
	if _, err := client.DeleteBucketPolicy(t.Context(), &s3.DeleteBucketPolicyInput{Bucket: aws.String("logs")}); err != nil {
		t.Fatal(err)
	}
	lost, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("photos"), Key: aws.String("a key.txt")})
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, "a warning", func() bool { return strings.Contains(s.log.String(), "an access log cannot be delivered") })
	if _, err := client.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: aws.String("logs"), Policy: aws.String(logPolicy)}); err != nil {
		t.Fatal(err)
	}
	back, err := client.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: aws.String("photos"), Key: aws.String("a key.txt")})
	if err != nil {
		t.Fatal(err)
	}
	l.wait("simple/", []string{requestID(t, back.ResultMetadata)})
	if n := l.requests("simple/")[requestID(t, lost.ResultMetadata)]; n != 0 {
		t.Errorf("a log that was refused is there %d times", n)
	}
	metrics := get(t, s.ops+"/metrics")
	if !strings.Contains(metrics, `daypass_sink_failures_total{sink="bucket-logs"} `) || strings.Contains(metrics, `daypass_sink_failures_total{sink="bucket-logs"} 0`) {
		t.Error("no failure of the sink is counted")
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// wait waits until the lines of requests are there, each once.
func (l *logReader) wait(prefix string, ids []string) {
	l.t.Helper()
	waitFor(l.t, fmt.Sprintf("lines of %q under %s", ids, prefix), func() bool {
		seen := l.requests(prefix)
		for _, id := range ids {
			if seen[id] != 1 {
				return false
			}
		}
		return true
	})
}

// waitFor waits for a condition.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("there is never ", what)
		}
	}
}

// TestBucketLogsKill kills the server under load again and again. Every request
// that was spooled is in one delivered object, once.
func TestBucketLogsKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const rounds = 10
	acknowledged := 0
	for round := range rounds {
		s := launch(t, dir, "--log-delivery-interval", "1s", "--log-level", "error")
		client := s.s3(func(o *s3.Options) { o.RetryMaxAttempts = 1 })
		if round == 0 {
			newLogged(t, client, "photos").enable("photos", "p/", nil)
		}
		var all sync.WaitGroup
		var mu sync.Mutex
		for w := range 4 {
			all.Go(func() {
				for i := 0; ; i++ {
					_, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("photos"), Key: aws.String(fmt.Sprint(w, "/", i)), Body: strings.NewReader("hello")})
					if err != nil {
						return
					}
					mu.Lock()
					acknowledged++
					mu.Unlock()
				}
			})
		}
		// Deliveries are under way at any time.
		time.Sleep(900*time.Millisecond + time.Duration(rand.IntN(600))*time.Millisecond)
		s.kill()
		all.Wait()
	}
	s := launch(t, dir, "--log-delivery-interval", "1s")
	spooled := spooledRequests(t, dir, "photos")
	l := &logReader{t, s.s3()}
	waitFor(t, "the last delivery", func() bool { return len(l.requests("p/")) >= len(spooled) })
	s.stop(t)
	again := launch(t, dir)
	l = &logReader{t, again.s3()}
	got := l.requests("p/")
	again.stop(t)
	if diff := cmp.Diff(spooled, got); diff != "" {
		t.Errorf("(-spooled +delivered):\n%s", diff)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "events", "bucket-logs", "*"))
	t.Logf("measured: killed %d times, %d requests acknowledged, %d spooled, each delivered once", rounds, acknowledged, len(spooled))
	if len(left) > 0 || len(spooled) < 100 || len(spooled) < acknowledged/4 {
		t.Errorf("left in the queue: %q", left)
	}
}

// spooledRequests returns the requests on a bucket that are on the disk since it
// was made.
func spooledRequests(t *testing.T, dir, bucket string) map[string]int {
	t.Helper()
	out := daypass(t).run(t, "logs", "--data", dir, "--bucket", bucket, "--json")
	ids := map[string]int{}
	for line := range strings.Lines(out) {
		var e struct {
			RequestID string `json:"requestId"`
			Action    string `json:"action"`
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		if e.Action != "CreateBucket" {
			ids[e.RequestID]++
		}
	}
	return ids
}

// TestBucketLogsAtEnd ends the server long before a delivery is due: it delivers
// what it has, and does not go on with the log of that, although a bucket is its
// own target.
func TestBucketLogsAtEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := launch(t, dir)
	client := s.s3()
	l := newLogged(t, client)
	policy := strings.Replace(logPolicy, "photos", "logs", 1)
	if _, err := client.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: aws.String("logs"), Policy: &policy}); err != nil {
		t.Fatal(err)
	}
	l.enable("logs", "own/", &types.TargetObjectKeyFormat{SimplePrefix: &types.SimplePrefix{}})
	put, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("logs"), Key: aws.String("key"), Body: strings.NewReader("hello")})
	if err != nil {
		t.Fatal(err)
	}
	s.stop(t)
	s = launch(t, dir)
	l = &logReader{t, s.s3()}
	objects := l.objects("own/")
	if len(objects) != 1 || l.requests("own/")[requestID(t, put.ResultMetadata)] != 1 {
		t.Errorf("%d log objects: %v", len(objects), objects)
	}
	// The delivery itself is in the log of the next.
	s.stop(t)
	s = launch(t, dir)
	defer s.stop(t)
	l = &logReader{t, s.s3()}
	own := 0
	for _, body := range l.objects("own/") {
		for _, line := range grokLines(t, body) {
			if line["requester"] == "svc:logging.s3.amazonaws.com" {
				own++
			}
		}
	}
	if own != 1 {
		t.Errorf("%d lines about deliveries, want 1", own)
	}
}

// TestAccessLogsPage does what docs/access-logs.md shows, with AWS's command
// line and ours.
func TestAccessLogsPage(t *testing.T) {
	t.Parallel()
	page := read(t, filepath.Join("..", "docs", "access-logs.md"))
	policy := regexp.MustCompile("(?s)```json\n(.*?)```").FindStringSubmatch(page)
	status := regexp.MustCompile(`(?s)put-bucket-logging --bucket photos --bucket-logging-status \\\n\s*'(.*?)'`).FindStringSubmatch(page)
	set := regexp.MustCompile(`daypass bucket logging set (\S+) (\S+)`).FindStringSubmatch(page)
	if policy == nil || status == nil || set == nil {
		t.Fatalf("the page has no policy, no status or no command: %q %q %q", policy, status, set)
	}
	s := serve(t, "--log-delivery-interval", "1s")
	l := newLogged(t, s.s3(), "photos")
	cli := awsCLI(t, s, t.TempDir())
	cli.run(t, "s3api", "put-bucket-policy", "--bucket", "logs", "--policy", policy[1])
	cli.run(t, "s3api", "put-bucket-logging", "--bucket", "photos", "--bucket-logging-status", status[1])
	var got struct {
		LoggingEnabled struct{ TargetBucket, TargetPrefix string }
	}
	if err := json.Unmarshal([]byte(cli.run(t, "s3api", "get-bucket-logging", "--bucket", "photos")), &got); err != nil ||
		got.LoggingEnabled.TargetBucket != "logs" || got.LoggingEnabled.TargetPrefix != "photos/" {
		t.Errorf("%+v, %v", got, err)
	}
	ours := daypass(t)
	shown := ours.run(t, "bucket", "logging", "get", set[1], "--data", s.dir)
	ours.run(t, "bucket", "logging", "set", set[1], set[2], "--data", s.dir)
	if again := ours.run(t, "bucket", "logging", "get", set[1], "--data", s.dir); again != shown {
		t.Errorf("ours %q, AWS's %q", again, shown)
	}
	head, err := l.client.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: aws.String("photos")})
	if err != nil {
		t.Fatal(err)
	}
	l.wait("photos/", []string{requestID(t, head.ResultMetadata)})
	ours.run(t, "bucket", "logging", "delete", set[1], "--data", s.dir)
	if out := ours.run(t, "bucket", "logging", "get", set[1], "--data", s.dir); strings.Contains(out, "LoggingEnabled") {
		t.Error(out)
	}
}
