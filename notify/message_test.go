package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit/spool"
	"github.com/daypass/daypass/lifecycle"
	"github.com/daypass/daypass/s3"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// start is when the tests begin: when bubbles of synctest do.
var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// created is an upload to a bucket with versions.
func created() daypass.Event {
	return daypass.Event{
		Time: start.Add(250 * time.Millisecond), RequestID: "C3D13FE58DE4C810", HostID: "FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S/JRWeUWerMUE5JgHvANOjpD",
		Action: daypass.PutObject, Operation: "REST.PUT.OBJECT", Object: daypass.ObjectRef{Bucket: "photos", Key: "in/ä b+c&d/ü.jpg"}, BucketOwner: "alice",
		Grant:     daypass.Grant{AccessKeyID: "AKIDEXAMPLE", Owner: "alice", Scheme: daypass.SchemeHeader, SignatureVersion: "SigV4"},
		Principal: "arn:aws:iam::111122223333:user/alice", PrincipalID: "AIDAEXAMPLE", Source: "192.0.2.3", Method: "PUT", URI: "/photos/x",
		Status: 200, ObjectSize: 0, ETag: "d41d8cd98f00b204e9800998ecf8427e", ResultVersionID: "096fKKXTRTtl3on89fVO.nfljtsv6qko", Sequencer: "0055AED6DCD90281",
	}
}

// passUse is a download with a pass.
func passUse(id string) daypass.Event {
	return daypass.Event{
		Time: start.Add(time.Second), RequestID: "3E57427F3EXAMPLE", Action: daypass.GetObject, Object: daypass.ObjectRef{Bucket: "photos", Key: "puppy.jpg"}, BucketOwner: "alice",
		Grant: daypass.Grant{AccessKeyID: "AKIDEXAMPLE", Owner: "alice", Scheme: daypass.SchemeQuery, SignatureVersion: "SigV4", PassID: id, Name: "for Joe",
			SignedAt: start, ExpiresAt: start.Add(time.Hour)},
		Limits: "x-daypass-name=for%20Joe&x-daypass-uses=1", Source: "192.0.2.9", UserAgent: "curl/8", Method: "GET", URI: "/photos/puppy.jpg", Status: 200, Sent: 10,
	}
}

// refused is a request with a pass that has no use left.
func refused(id string) daypass.Event {
	e := passUse(id)
	e.Status, e.Code, e.Message, e.Reason = 403, daypass.AccessDenied, "The limit x-daypass-uses does not allow this request.", "no use is left"
	return e
}

func revoked() daypass.Event {
	return daypass.Event{Time: start, RequestID: "REVOKE", Action: daypass.RevokePasses, Subject: "pass MFRGG and before 2026-01-01T00:00:00Z", Method: "POST", Status: 201,
		Grant: daypass.Grant{AccessKeyID: "AKIDADMIN", Owner: "alice", Scheme: daypass.SchemeHeader}, Source: "192.0.2.1"}
}

func configured() daypass.Event {
	return daypass.Event{Time: start, RequestID: "CONFIGURED", HostID: "host", Action: "PutBucketNotificationConfiguration", Object: daypass.ObjectRef{Bucket: "photos"}, BucketOwner: "alice",
		Method: "PUT", Status: 200, Sequencer: "0055AED6DCD90280"}
}

// fixedBuckets are buckets of alice with notifications.
type fixedBuckets map[string]s3.Notifications

func (b fixedBuckets) Notifications(_ context.Context, bucket, owner string) (s3.Notifications, error) {
	if owner != "alice" {
		return nil, nil
	}
	return b[bucket], nil
}

// TestMessages compares every kind of message with those that were approved.
func TestMessages(t *testing.T) {
	change := func(e daypass.Event, f func(*daypass.Event)) daypass.Event { f(&e); return e }
	anonymous := func(e *daypass.Event) {
		e.Grant, e.PrincipalID, e.ResultVersionID, e.ObjectSize, e.Object.Key = daypass.Grant{}, "", "", 1<<40, "\xff\"<>\n"
	}
	events := []daypass.Event{
		created(), change(created(), anonymous),
		change(created(), func(e *daypass.Event) { e.Action = s3.PostObject }),
		change(created(), func(e *daypass.Event) { e.Action = daypass.CopyObject }),
		change(created(), func(e *daypass.Event) { e.Action = daypass.CompleteMultipartUpload }),
		change(created(), func(e *daypass.Event) { e.Action, e.ETag = daypass.DeleteObject, "" }),
		change(created(), func(e *daypass.Event) { e.Action, e.ETag, e.DeleteMarker = daypass.DeleteObject, "", true }),
		change(created(), func(e *daypass.Event) { e.Action = daypass.PutObjectTagging }),
		change(created(), func(e *daypass.Event) { e.Action = daypass.DeleteObjectTagging }),
		change(created(), func(e *daypass.Event) { e.Action = "PutObjectAcl" }),
		change(created(), func(e *daypass.Event) { // a log object, in two seconds
			e.Grant, e.Principal, e.PrincipalID, e.Total = daypass.Grant{Scheme: daypass.SchemeService}, "svc:logging.s3.amazonaws.com", "", 2*time.Second
		}),
		change(created(), func(e *daypass.Event) { // a lifecycle rule
			e.Action, e.Operation, e.Grant, e.Principal, e.PrincipalID, e.ETag, e.Total = lifecycle.ActionExpired, "S3.EXPIRE.OBJECT", daypass.Grant{Scheme: daypass.SchemeService}, "AmazonS3", "", "", -1
		}),
		change(created(), func(e *daypass.Event) {
			e.Action, e.Grant, e.Principal, e.PrincipalID, e.DeleteMarker, e.Total = lifecycle.ActionMarked, daypass.Grant{Scheme: daypass.SchemeService}, "AmazonS3", "", true, -1
		}),
		configured(), passUse("PASS"), refused("PASS"), revoked(),
		change(created(), func(e *daypass.Event) { e.Sequencer = "" }), // nothing was stored
		change(created(), func(e *daypass.Event) { e.Action = daypass.UploadPart }),
	}
	for range refusalsTold - 1 {
		events = append(events, refused("PASS"))
	}
	p := planner{endpoint: &Endpoint{Name: "hook", Kinds: Kinds(), OpenTo: []string{"photos"}}, region: "eu-west-1", marks: newMarks(),
		buckets: fixedBuckets{"photos": {{ID: "made", Kind: s3.QueueDestination, ARN: "arn:aws:sqs:eu-west-1:111122223333:hook", Events: []string{s3.EventCreatedPut}},
			{ID: "other", Kind: s3.TopicDestination, ARN: "arn:aws:sns:eu-west-1:111122223333:other", Events: []string{"s3:ObjectRemoved:*"}},
			{ID: "elsewhere", Kind: s3.TopicDestination, ARN: "arn:aws:sns:eu-west-2:111122223333:hook", Events: []string{"s3:ObjectRemoved:*"}}}}}
	b := batchOf(t, events...)
	out, err := p.plan(t.Context(), b, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.Release() // the messages have everything
	var got bytes.Buffer
	ids := map[string]bool{}
	for _, m := range out.messages {
		if ids[m.ID] {
			t.Errorf("the id %s is used twice", m.ID)
		}
		ids[m.ID] = true
		fmt.Fprintf(&got, "# %q\n", m.About)
		if err := json.Indent(&got, m.Body, "", "  "); err != nil {
			t.Fatal(err)
		}
		got.WriteString("\n")
	}
	const path = "testdata/messages.txt"
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if diff := cmp.Diff(string(want), got.String()); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// batchOf returns events as a spool gives them out.
func batchOf(t testing.TB, events ...daypass.Event) *spool.Batch {
	t.Helper()
	s, err := spool.Open(spool.Options{Dir: t.TempDir(), Consumers: []string{"c"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for i := range events {
		s.Append(&events[i])
	}
	if err := s.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	b, err := s.Consumer("c").Next(t.Context(), spool.Limit{})
	if err != nil || b.Len() != len(events) {
		t.Fatal(b, err)
	}
	return b
}
