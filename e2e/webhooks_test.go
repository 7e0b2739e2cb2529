package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

const hookSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// A notice is a message of a webhook, as its receiver reads it.
type notice struct {
	id     string
	status int // of our answer
	body   string
	// What it says, by its kind: an S3 event, a test, or what became of a pass.
	events.S3Event
	Event string         `json:"Event"`
	Type  string         `json:"type"`
	Data  map[string]any `json:"data"`
}

// what names a message: the event and its object or pass.
func (n *notice) what() string {
	if len(n.Records) == 1 {
		r := &n.Records[0]
		return r.EventName + " " + r.S3.Bucket.Name + "/" + r.S3.Object.URLDecodedKey
	}
	if n.Event != "" {
		return n.Event
	}
	return n.Type
}

// A hook is the receiver of a webhook. It checks signatures with the library of
// Standard Webhooks.
type hook struct {
	*httptest.Server
	t       *testing.T
	mu      sync.Mutex
	list    []notice
	answer  func(n *notice) int
	changed chan struct{}
}

func newHook(t *testing.T) *hook {
	h := &hook{t: t, answer: func(*notice) int { return 200 }, changed: make(chan struct{}, 1)}
	verifier, err := webhooks.NewWebhook(hookSecret)
	if err != nil {
		t.Fatal(err)
	}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = verifier.Verify(body, r.Header)
		}
		n := notice{id: r.Header.Get("Webhook-Id"), body: string(body)}
		if err == nil {
			err = json.Unmarshal(body, &n)
		}
		if err != nil || r.Method != "POST" || r.URL.Path != "/in" {
			t.Errorf("%s %s: %v: %s", r.Method, r.URL, err, body)
		}
		h.mu.Lock()
		n.status = h.answer(&n)
		h.list = append(h.list, n)
		h.mu.Unlock()
		w.WriteHeader(n.status)
		select {
		case h.changed <- struct{}{}:
		default:
		}
	}))
	t.Cleanup(h.Close)
	return h
}

// flags configure a webhook that sends here.
func (h *hook) flags(settings string) []string {
	secret := filepath.Join(h.t.TempDir(), "secret")
	write(h.t, secret, hookSecret+"\n")
	return []string{"--webhook", "name=hook,url=" + h.URL + "/in,secret-file=" + secret + "," + settings, "--webhook-allow", "127.0.0.0/8"}
}

// taken are the messages that were answered with 200, each once: after a crash
// some come again, under the same id.
func (h *hook) taken() (list []notice) {
	h.mu.Lock()
	defer h.mu.Unlock()
	ids := map[string]string{}
	for _, n := range h.list {
		if body, again := ids[n.id]; again && body != n.body {
			h.t.Errorf("two messages have the id %s", n.id)
		} else if n.status == 200 && !again {
			ids[n.id] = n.body
			list = append(list, n)
		}
	}
	return list
}

// wait waits until something is true of the messages that were taken.
func (h *hook) wait(what string, ok func([]notice) bool) {
	h.t.Helper()
	for limit := time.After(30 * time.Second); ; {
		if ok(h.taken()) {
			return
		}
		select {
		case <-h.changed:
		case <-limit:
			var got []string
			for _, n := range h.taken() {
				got = append(got, n.what())
			}
			h.t.Fatalf("%s: after 30 s there are %q", what, got)
		}
	}
}

// names waits until there are so many messages, and returns what they are about
// in alphabetical order.
func (h *hook) names(n int) (names []string) {
	h.t.Helper()
	h.wait(fmt.Sprint(n, " messages"), func(list []notice) bool { return len(list) >= n })
	for _, n := range h.taken() {
		names = append(names, n.what())
	}
	slices.Sort(names)
	return names
}

// TestBucketNotifications configures notifications with AWS's SDK and command
// line, and reads them with AWS's library.
func TestBucketNotifications(t *testing.T) {
	t.Parallel()
	h := newHook(t)
	s := serve(t, h.flags("open-to=notes")...)
	ctx, client, bucket := t.Context(), s.s3(), aws.String("notes")
	for _, name := range []string{"notes", "closed"} {
		if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &name}); err != nil {
			t.Fatal(err)
		}
	}
	arn := "arn:aws:sqs:us-east-1:000000000000:hook"
	config := &types.NotificationConfiguration{
		QueueConfigurations: []types.QueueConfiguration{{QueueArn: &arn, Events: []types.Event{"s3:ObjectCreated:*", "s3:ObjectRemoved:*"},
			Filter: &types.NotificationConfigurationFilter{Key: &types.S3KeyFilter{FilterRules: []types.FilterRule{{Name: "prefix", Value: aws.String("in/")}}}}}},
		TopicConfigurations: []types.TopicConfiguration{{Id: aws.String("tags"), TopicArn: aws.String("arn:aws:sns:us-east-1:000000000000:hook"), Events: []types.Event{"s3:ObjectTagging:*"}}},
		LambdaFunctionConfigurations: []types.LambdaFunctionConfiguration{{Id: aws.String("other"), LambdaFunctionArn: aws.String("arn:aws:lambda:us-east-1:000000000000:function:hook"),
			Events: []types.Event{"s3:ObjectCreated:*"}, Filter: &types.NotificationConfigurationFilter{Key: &types.S3KeyFilter{FilterRules: []types.FilterRule{{Name: "prefix", Value: aws.String("other/")}}}}}},
	}
	for name, to := range map[string]string{"closed": arn, "notes": arn + "x"} {
		_, err := client.PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{Bucket: &name, NotificationConfiguration: &types.NotificationConfiguration{
			QueueConfigurations: []types.QueueConfiguration{{QueueArn: &to, Events: []types.Event{"s3:ObjectCreated:*"}}}}})
		if api := smithy.APIError(nil); !errors.As(err, &api) || api.ErrorCode() != "InvalidArgument" || api.ErrorMessage() != "Unable to validate the following destination configurations" {
			t.Errorf("%s: %v", to, err)
		}
	}
	if _, err := client.PutBucketNotificationConfiguration(ctx, &s3.PutBucketNotificationConfigurationInput{Bucket: bucket, NotificationConfiguration: config}); err != nil {
		t.Fatal(err)
	}
	got, err := client.GetBucketNotificationConfiguration(ctx, &s3.GetBucketNotificationConfigurationInput{Bucket: bucket})
	if err != nil || len(got.QueueConfigurations) != 1 || *got.QueueConfigurations[0].QueueArn != arn || *got.QueueConfigurations[0].Id == "" || len(got.TopicConfigurations) != 1 || len(got.LambdaFunctionConfigurations) != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	cli := awsCLI(t, s, t.TempDir())
	if out := cli.run(t, "s3api", "get-bucket-notification-configuration", "--bucket", "notes"); !strings.Contains(out, `"QueueArn": "`+arn+`"`) || !strings.Contains(out, `"Name": "Prefix"`) {
		t.Error(out)
	}
	if got := h.names(1); got[0] != "s3:TestEvent" {
		t.Fatal(got)
	}
	put := func(key, body string) *s3.PutObjectOutput {
		out, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: strings.NewReader(body)})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	stored := put("in/a b+ü.txt", "hello")
	put("elsewhere", "x")
	put("other/1", "x")
	_, err1 := client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: bucket, Key: aws.String("in/copy"), CopySource: aws.String("notes/elsewhere")})
	_, err2 := client.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: bucket, Key: aws.String("elsewhere"), Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}})
	_, err3 := client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: bucket, Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: aws.String("in/copy")}, {Key: aws.String("elsewhere")}}}})
	_, err4 := client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{Bucket: bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: "Enabled"}})
	_, err5 := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String("in/a b+ü.txt")})
	w := &writer{killer: &killer{t: t, bucket: "notes"}}
	if err := errors.Join(err1, err2, err3, err4, err5, w.uploadParts(client, "in/parts", pattern(killPart+1))); err != nil {
		t.Fatal(err)
	}
	want := []string{"ObjectCreated:CompleteMultipartUpload notes/in/parts", "ObjectCreated:Copy notes/in/copy", "ObjectCreated:Put notes/in/a b+ü.txt", "ObjectCreated:Put notes/other/1",
		"ObjectRemoved:Delete notes/in/copy", "ObjectRemoved:DeleteMarkerCreated notes/in/a b+ü.txt", "ObjectTagging:Put notes/elsewhere", "s3:TestEvent"}
	if diff := cmp.Diff(want, h.names(len(want))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, n := range h.taken() {
		if !strings.HasPrefix(n.what(), "ObjectCreated:Put notes/in/") {
			continue
		}
		r := n.Records[0]
		if `"`+r.S3.Object.ETag+`"` != *stored.ETag || r.S3.Object.Size != 5 || r.S3.Object.Key != "in/a+b%2B%C3%BC.txt" || len(r.S3.Object.Sequencer) != 16 ||
			r.AWSRegion != region || r.EventSource != "aws:s3" || r.EventVersion != "2.1" || r.RequestParameters.SourceIPAddress != "127.0.0.1" ||
			r.S3.Bucket.Arn != "arn:aws:s3:::notes" || r.S3.ConfigurationID != *got.QueueConfigurations[0].Id || r.ResponseElements["x-amz-request-id"] == "" || time.Since(r.EventTime) > time.Hour {
			t.Errorf("%s", n.body)
		}
	}
	h.counts(s, "delivered", len(want))
}

// counts waits until the metric has a value.
func (h *hook) counts(s *server, outcome string, n int) {
	h.t.Helper()
	line := fmt.Sprintf("daypass_webhook_deliveries_total{outcome=%q,webhook=\"hook\"} %d\n", outcome, n)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		res, err := http.Get(s.ops + "/metrics")
		if err != nil {
			h.t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err == nil && bytes.Contains(body, []byte(line)) {
			return
		}
		if time.Now().After(deadline) {
			h.t.Fatalf("the metrics lack %s%v %v", line, regexp.MustCompile(`daypass_webhook.*`).FindAllString(string(body), -1), err)
		}
	}
}

// TestPassWebhooks uses, uses up and revokes passes: each of the four messages
// comes once, also over restarts.
func TestPassWebhooks(t *testing.T) {
	t.Parallel()
	h := newHook(t)
	flags := h.flags("events=pass-first-use pass-exhausted pass-refused pass-revoked")
	dir := t.TempDir()
	s := launch(t, dir, flags...)
	u := newUser(s, "hooked")
	u.fill(t, map[string]string{"a": "content"})
	once := u.mint(t, "get", "s3://hooked/a", "--name", "for Ann", "--uses", "1")
	often := u.mint(t, "get", "s3://hooked/a")
	cli := daypass(t)
	u.do(t, "GET", once, "", nil).success(t, 200, "content")
	u.do(t, "GET", often, "", nil).success(t, 200, "content")
	// The last use is told of before anybody is refused, that of an upload too.
	u.do(t, "PUT", u.mint(t, "put", "s3://hooked/b", "--uses", "1"), "body", nil).success(t, 200, "")
	h.wait("exhausted", func(list []notice) bool { return len(list) >= 5 })
	for range 4 {
		u.do(t, "GET", once, "", nil).refusal(t, 403, "AccessDenied")
	}
	spooledRefusals(t, dir, 4)
	s.kill()
	s = launch(t, dir, flags...)
	u.server = s
	u.http = s.httpClient()
	u.do(t, "GET", often, "", nil).success(t, 200, "content")
	for range 12 {
		u.do(t, "GET", once, "", nil).refusal(t, 403, "AccessDenied")
	}
	cli.run(t, "pass", "revoke", often, "--data", dir)
	want := []string{"pass.exhausted", "pass.exhausted", "pass.first_use", "pass.first_use", "pass.first_use", "pass.refused", "pass.revoked"}
	if diff := cmp.Diff(want, h.names(len(want))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	list := h.taken()
	ids := map[any]string{}
	for _, n := range list {
		d := n.Data
		switch n.Type {
		case "pass.first_use":
			ids[d["pass"]] = n.Type
		case "pass.exhausted":
			if d["bucket"] != "hooked" || d["source"] != "127.0.0.1" || ids[d["pass"]] == "" || d["status"] != 200.0 {
				t.Error(n.body)
			}
		case "pass.refused":
			if d["name"] != "for Ann" || d["key"] != "a" || ids[d["pass"]] == "" || d["code"] != "AccessDenied" || d["refusals"] != 10.0 {
				t.Error(n.body)
			}
		case "pass.revoked":
			if ids[d["pass"]] == "" {
				t.Error(n.body)
			}
		}
		if strings.Contains(n.body, "Signature=") {
			t.Error(n.body)
		}
	}
	s.stop(t)
}

// TestWebhookKill kills the server again and again while the receiver refuses
// every message once: in the end every object whose event was on the disk was
// told of, each under one id. A message that is refused twice would wait for
// minutes.
func TestWebhookKill(t *testing.T) {
	t.Parallel()
	h := newHook(t)
	flags := h.flags("events=object-created")
	dir := t.TempDir()
	refused := map[string]bool{}
	h.answer = func(n *notice) int {
		if !refused[n.id] {
			refused[n.id] = true
			return 503
		}
		return 200
	}
	var keys []string
	for round := range 5 {
		s := launch(t, dir, flags...)
		client := s.s3()
		if round == 0 {
			if _, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("hooked")}); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 20 {
			key := fmt.Sprintf("round %d/%d", round, i)
			if _, err := client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("hooked"), Key: &key, Body: strings.NewReader("x")}); err != nil {
				t.Fatalf("%v\n%s", err, s.log)
			}
			keys = append(keys, key)
		}
		spooled(t, dir, len(keys))
		s.kill()
	}
	h.mu.Lock()
	h.answer = func(*notice) int { return 200 }
	h.mu.Unlock()
	s := launch(t, dir, flags...)
	h.wait("all objects", func(list []notice) bool {
		got := map[string]bool{}
		for _, n := range list {
			got[n.what()] = true
		}
		return len(got) == len(keys)
	})
	ids := map[string]string{}
	h.mu.Lock()
	attempts := len(h.list)
	for _, n := range h.list {
		if ids[n.what()] != "" && ids[n.what()] != n.id {
			t.Errorf("%s came as %s and %s", n.what(), ids[n.what()], n.id)
		}
		ids[n.what()] = n.id
	}
	h.mu.Unlock()
	t.Logf("measured: %d objects, %d attempts", len(keys), attempts)
	s.stop(t)
}

// spooled waits until so many uploads are in the spool.
func spooled(t *testing.T, dir string, puts int) {
	t.Helper()
	spooledEvents(t, dir, `"action":"PutObject"`, puts)
}

// spooledRefusals waits until so many refusals are in the spool.
func spooledRefusals(t *testing.T, dir string, n int) {
	t.Helper()
	spooledEvents(t, dir, `"status":403`, n)
}

func spooledEvents(t *testing.T, dir, what string, n int) {
	t.Helper()
	cli := daypass(t)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		out := cli.run(t, "logs", "--data", dir, "--json")
		if strings.Count(out, what) >= n {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after 30 s the log lacks events: %s", out)
		}
	}
}

// TestWebhookAddresses sends nothing to an address that is not listed.
func TestWebhookAddresses(t *testing.T) {
	t.Parallel()
	h := newHook(t)
	flags := h.flags("events=object-created")[:2]
	s := serve(t, flags...)
	client := s.s3()
	_, err := client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("hooked")})
	if err == nil {
		_, err = client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("hooked"), Key: aws.String("a"), Body: strings.NewReader("x")})
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := s.log.wait(regexp.MustCompile("a webhook message has failed"), s.exited, 30*time.Second)
	if err != nil || !strings.Contains(line, "--webhook-allow") || strings.Contains(line, "/in") {
		t.Errorf("%s %v", line, err)
	}
	if len(h.list) > 0 {
		t.Errorf("%d messages came", len(h.list))
	}
}
