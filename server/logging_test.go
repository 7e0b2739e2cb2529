package server

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/audit"
	"github.com/daypass/daypass/audit/bucketlog"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/store"
)

var _ LogSettings = (*state.State)(nil)

// newLoggingRealm has a bucket logs of alice's and one of bob's.
func newLoggingRealm(t *testing.T, change ...func(*Config)) *realm {
	r := newRealm(t, append([]func(*Config){(&eventLog{}).sink}, change...)...)
	r.must("PUT", "/logs", "")
	r.want(r.as(r.bob, "PUT", "/bobs", ""), 200, "")
	return r
}

func loggingTo(target, more string) string {
	return "<BucketLoggingStatus><LoggingEnabled><TargetBucket>" + target + "</TargetBucket><TargetPrefix>p/</TargetPrefix>" + more + "</LoggingEnabled></BucketLoggingStatus>"
}

const loggingOff = "<BucketLoggingStatus/>"

func TestBucketLogging(t *testing.T) {
	r := newLoggingRealm(t)
	golden(t, "settings/logging_off.txt", r.as(r.alice, "GET", "/photos?logging", ""))
	r.must("PUT", "/photos?logging", loggingTo("logs", "<TargetObjectKeyFormat><PartitionedPrefix><PartitionDateSource>EventTime</PartitionDateSource></PartitionedPrefix></TargetObjectKeyFormat>"))
	golden(t, "settings/logging.txt", r.as(r.alice, "GET", "/photos?logging", ""))
	r.must("PUT", "/photos?logging", loggingOff)
	if got := r.must("GET", "/photos?logging", ""); strings.Contains(got.body, "LoggingEnabled") {
		t.Error(got.body)
	}
	r.must("PUT", "/photos?logging", loggingTo("photos", "")) // S3 allows it
	r.must("PUT", "/photos?logging", loggingTo("logs", ""), "x-amz-expected-bucket-owner", daypass.AccountID("alice"))
	r.want(r.as(r.alice, "PUT", "/photos?logging", loggingOff, "x-amz-expected-bucket-owner", "111122223333"), 403, "AccessDenied")
	r.want(r.as(r.alice, "GET", "/photos?logging", "", "x-amz-expected-bucket-owner", "111122223333"), 403, "AccessDenied")
	r.want(r.as(r.alice, "GET", "/none?logging", ""), 404, "NoSuchBucket")
}

// TestLoggingIsTheOwners lets nobody but the owner's account see or change it.
func TestLoggingIsTheOwners(t *testing.T) {
	r := newLoggingRealm(t)
	may := r.user("may", statement("Allow", "", "s3:GetBucketLogging s3:PutBucketLogging", bucketARN))
	mayNot := r.user("maynot", statement("Allow", "", "s3:GetObject", "*"))
	r.policy(statement("Allow", "*", "s3:GetBucketLogging s3:PutBucketLogging", bucketARN))
	for _, k := range []sign.Key{r.bob, nobody} {
		r.want(r.as(k, "PUT", "/photos?logging", loggingTo("logs", "")), 403, "AccessDenied")
		r.want(r.as(k, "GET", "/photos?logging", ""), 403, "AccessDenied")
	}
	r.policy()
	r.want(r.as(mayNot, "GET", "/photos?logging", ""), 403, "AccessDenied")
	r.want(r.as(mayNot, "PUT", "/photos?logging", loggingOff), 403, "AccessDenied")
	for _, k := range []sign.Key{may, r.root} {
		r.want(r.as(k, "PUT", "/photos?logging", loggingTo("logs", "")), 200, "")
		r.want(r.as(k, "GET", "/photos?logging", ""), 200, "")
	}
}

func TestLoggingRefused(t *testing.T) {
	r := newLoggingRealm(t)
	grants := `<TargetGrants><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group"><URI>` + s3.AllUsers + `</URI></Grantee><Permission>READ</Permission></Grant></TargetGrants>`
	foreign, err := r.store.CreateBucket(t.Context(), store.Bucket{Name: "elsewhere", Owner: "alice", Region: "eu-west-1"}, testTime)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		body    string
		status  int
		code    daypass.Code
		message string
	}{
		{loggingTo("none-of-that", ""), 400, s3.InvalidTargetBucket, "The target bucket for logging does not exist"},
		{loggingTo("Not A Name", ""), 400, s3.InvalidTargetBucket, "The target bucket for logging does not exist"},
		{loggingTo("bobs", ""), 400, s3.InvalidTargetBucket, "The owner for the bucket to be logged and the target bucket must be the same."},
		{loggingTo(foreign.Name, ""), 403, s3.CrossLocationLogging, "Cross S3 location logging not allowed. "},
		{loggingTo("logs", grants), 400, s3.AccessControlListNotSupported, "Target grants not allowed for bucket owner enforced buckets"},
		{strings.Replace(loggingTo("logs", ""), "p/", strings.Repeat("p", 1000), 1), 400, daypass.InvalidArgument, ""},
		{"<BucketLoggingStatus><LoggingEnabled/></BucketLoggingStatus>", 400, daypass.MalformedXML, ""},
		{"nonsense", 400, daypass.MalformedXML, ""},
		{"<BucketLoggingStatus>" + strings.Repeat(" ", 70<<10) + "</BucketLoggingStatus>", 400, s3.MaxMessageLengthExceeded, ""},
	} {
		got := r.as(r.alice, "PUT", "/photos?logging", c.body)
		r.want(got, c.status, string(c.code))
		if c.message != "" && got.element("Message") != c.message {
			t.Errorf("%s: message %q", c.body, got.element("Message"))
		}
	}
	golden(t, "refusals/logging_target.txt", r.as(r.alice, "PUT", "/photos?logging", loggingTo("bobs", "")))
	golden(t, "refusals/logging_region.txt", r.as(r.alice, "PUT", "/photos?logging", loggingTo("elsewhere", "")))
	if got := r.must("GET", "/photos?logging", ""); strings.Contains(got.body, "LoggingEnabled") {
		t.Errorf("a refused request changed something: %s", got.body)
	}
	r.own("logs", s3.BucketOwnerPreferred)
	r.must("PUT", "/photos?logging", loggingTo("logs", grants))

	// Where nothing is recorded nothing can be delivered.
	silent := newRealm(t)
	silent.want(silent.as(silent.alice, "PUT", "/photos?logging", loggingTo("photos", "")), 501, "NotImplemented")
	silent.must("PUT", "/photos?logging", loggingOff)
}

func (r *realm) logDelivery(sink EventSink) *LogDelivery {
	return NewLogDelivery(LogDeliveryConfig{Store: r.store, Settings: r.state, Region: testRegion, Events: sink,
		Clock: func() time.Time { return r.now }, Rand: rand.Reader})
}

func TestLogDestination(t *testing.T) {
	r := newLoggingRealm(t)
	d, ctx := r.logDelivery(nil), t.Context()
	destination := func() *bucketlog.Destination {
		t.Helper()
		to, err := d.Destination(ctx, "photos")
		if err != nil {
			t.Fatal(err)
		}
		return to
	}
	if logged, err := d.Logged(ctx); logged || err != nil || destination() != nil {
		t.Errorf("logged %v, %v", logged, err)
	}
	r.must("PUT", "/photos?logging", loggingTo("logs", "<TargetObjectKeyFormat><PartitionedPrefix/></TargetObjectKeyFormat>"))
	if logged, err := d.Logged(ctx); !logged || err != nil {
		t.Errorf("logged %v, %v", logged, err)
	}
	b, err := r.store.Bucket(ctx, "photos")
	if err != nil {
		t.Fatal(err)
	}
	want := &bucketlog.Destination{BucketID: b.ID, Owner: "alice", Created: b.Created, Target: "logs",
		Keys: audit.LogPrefix{Prefix: "p/", Partitioned: true, EventTime: true, AccountID: daypass.AccountID("alice"), Region: testRegion, Bucket: "photos"}}
	if diff := cmp.Diff(want, destination()); diff != "" {
		t.Error(diff)
	}
	if err := r.state.SetBucketSetting(ctx, b.ID, settingLogging, []byte("nonsense")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Destination(ctx, "photos"); !errors.Is(err, bucketlog.ErrRefused) {
		t.Errorf("a setting that cannot be read: %v", err)
	}
	// A bucket that is made again under its name inherits nothing.
	r.must("PUT", "/photos?logging", loggingTo("logs", ""))
	r.must("DELETE", "/photos/key", "")
	r.must("DELETE", "/photos", "")
	if destination() != nil {
		t.Error("a bucket that is no more is logged")
	}
	r.must("PUT", "/photos", "")
	if destination() != nil {
		t.Error("a bucket inherits the logging of another")
	}
	if to, err := d.Destination(ctx, "Not A Name"); to != nil || err != nil {
		t.Errorf("%v, %v", to, err)
	}
}

// TestLogPermission asks the policy and the list of the target.
func TestLogPermission(t *testing.T) {
	ours := `{"StringEquals":{"aws:SourceAccount":"` + daypass.AccountID("alice") + `"},"ArnLike":{"aws:SourceArn":"arn:aws:s3:::photos"}}`
	service := func(effect, resource string, condition ...string) string {
		return strings.Replace(statement(effect, "SERVICE", "s3:PutObject", resource, condition...), `"AWS":"SERVICE"`, `"Service":"logging.s3.amazonaws.com"`, 1)
	}
	const all = "arn:aws:s3:::logs/*"
	for _, c := range []struct {
		name      string
		policy    []string
		ownership s3.Ownership
		acl       []string
		allowed   bool
	}{
		{name: "nothing"},
		{name: "the service", policy: []string{service("Allow", all)}, allowed: true},
		{name: "for this bucket", policy: []string{service("Allow", all, ours)}, allowed: true},
		{name: "for another bucket", policy: []string{service("Allow", all, strings.Replace(ours, "photos", "films", 1))}},
		{name: "for another account", policy: []string{service("Allow", all, `{"StringEquals":{"aws:SourceAccount":"111122223333"}}`)}},
		{name: "under another prefix", policy: []string{service("Allow", "arn:aws:s3:::logs/q/*")}},
		{name: "the account", policy: []string{statement("Allow", arnOf("alice", "root"), "s3:*", all)}},
		{name: "denied", policy: []string{service("Allow", all), service("Deny", "arn:aws:s3:::logs/p/*")}},
		{name: "denied where it is not encrypted", policy: []string{service("Allow", all), statement("Deny", "*", "s3:*", all, `{"Bool":{"aws:SecureTransport":"false"}}`)}, allowed: true},
		{name: "where it is encrypted", policy: []string{service("Allow", all, `{"Bool":{"aws:SecureTransport":"true"}}`)}, allowed: true},
		{name: "denied to all but services", policy: []string{service("Allow", all), statement("Deny", "*", "s3:*", all, `{"Bool":{"aws:PrincipalIsAWSService":"false"}}`)}, allowed: true},
		{name: "list that counts", ownership: s3.ObjectWriter, acl: []string{"x-amz-acl", "log-delivery-write"}, allowed: true},
		{name: "list that counts, denied", ownership: s3.ObjectWriter, acl: []string{"x-amz-acl", "log-delivery-write"}, policy: []string{service("Deny", all)}},
		{name: "half a list", ownership: s3.ObjectWriter, acl: []string{"x-amz-grant-write", `uri="` + s3.LogDelivery + `"`}},
		{name: "list for everybody", ownership: s3.ObjectWriter, acl: []string{"x-amz-acl", "public-read-write"}},
	} {
		r := newLoggingRealm(t)
		if c.ownership != "" {
			r.own("logs", c.ownership)
			r.must("PUT", "/logs?acl", "", c.acl...)
		}
		if c.policy != nil {
			r.must("PUT", "/logs?policy", document(c.policy...))
		}
		log := &eventLog{}
		o := &bucketlog.Object{Source: "photos", Owner: "alice", Target: "logs", Key: "p/2026", Body: []byte("lines\n")}
		err := r.logDelivery(log).Put(t.Context(), o)
		e := log.one(t)
		if c.allowed != (err == nil) || err != nil && (!errors.Is(err, bucketlog.ErrRefused) || daypass.CodeOf(err) != daypass.AccessDenied || e.Status != 403) {
			t.Errorf("%s: %v, status %d", c.name, err, e.Status)
		}
	}
}

// TestLogPut writes objects that belong to the target's owner, once.
func TestLogPut(t *testing.T) {
	r := newLoggingRealm(t)
	r.own("logs", s3.ObjectWriter)
	r.must("PUT", "/logs?acl", "", "x-amz-acl", "log-delivery-write")
	grants := append(defaultACL("alice"), s3.Grant{ID: daypass.CanonicalID("bob"), Permission: s3.Read})
	log := &eventLog{}
	d := r.logDelivery(log)
	o := &bucketlog.Object{Source: "photos", Owner: "alice", Target: "logs", Key: "p/a b", ACL: grants.Encode(), Body: []byte("lines\n")}
	for range 2 {
		if err := d.Put(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		o.Body = []byte("others")
	}
	obj, err := r.store.Object(t.Context(), daypass.ObjectRef{Bucket: "logs", Key: "p/a b"})
	if err != nil || obj.Owner != "alice" || obj.Metadata.ContentType != "text/plain" || obj.Size != 6 || string(obj.ACL) != string(grants.Encode()) {
		t.Errorf("%+v, %v", obj, err)
	}
	if got := r.as(r.bob, "GET", "/logs/p/a%20b", ""); got.status != 200 || got.body != "lines\n" {
		t.Errorf("%d %q", got.status, got.body)
	}
	e := log.one(t) // what is there is not written again
	line := string(audit.AppendAccessLog(nil, &e))
	if rec, err := audit.ParseAccessLog(strings.TrimSpace(line)); err != nil || rec.Requester != "svc:logging.s3.amazonaws.com" || rec.Operation != "REST.PUT.OBJECT" ||
		e.Sequencer != sequencerText(r.now.UnixNano()) || e.ETag != obj.ETag || rec.Bucket != "logs" || rec.Key != "p/a b" || rec.URI != "/logs/p/a%20b" || rec.Status != 200 || rec.ObjectSize != 6 || rec.AuthenticationType != "" || rec.RequestID == "" {
		t.Errorf("%v: %s", err, line)
	}

	// Lists that do not count are not kept.
	r.must("PUT", "/logs?acl", "", "x-amz-acl", "private")
	r.own("logs", s3.BucketOwnerEnforced)
	r.must("PUT", "/logs?policy", document(`{"Effect":"Allow","Principal":{"Service":"logging.s3.amazonaws.com"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::logs/*"}`))
	o.Key = "enforced"
	if err := d.Put(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if obj, err = r.store.Object(t.Context(), daypass.ObjectRef{Bucket: "logs", Key: "enforced"}); err != nil || obj.ACL != nil {
		t.Errorf("%+v, %v", obj, err)
	}

	// What cannot be is refused, what may be later is not.
	for name, o := range map[string]*bucketlog.Object{
		"a bucket that is gone":  {Source: "photos", Owner: "alice", Target: "gone", Key: "k"},
		"a bucket of another":    {Source: "photos", Owner: "alice", Target: "bobs", Key: "k"},
		"a key that is too long": {Source: "photos", Owner: "alice", Target: "logs", Key: strings.Repeat("k", 1025)},
	} {
		if err := d.Put(t.Context(), o); !errors.Is(err, bucketlog.ErrRefused) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The account counts, whatever the target's policy lets in.
	r.want(r.as(r.bob, "PUT", "/bobs?policy", document(`{"Effect":"Allow","Principal":{"Service":"logging.s3.amazonaws.com"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::bobs/*"}`)), 204, "")
	if err := d.Put(t.Context(), &bucketlog.Object{Source: "photos", Owner: "alice", Target: "bobs", Key: "k"}); !errors.Is(err, bucketlog.ErrRefused) {
		t.Errorf("a bucket of another: %v", err)
	}
	if err := d.Put(t.Context(), &bucketlog.Object{Source: "films", Owner: "bob", Target: "bobs", Key: "k"}); err != nil {
		t.Errorf("a bucket of the same account: %v", err)
	}
	d.cfg.Settings = awaySettings{}
	if err := d.Put(t.Context(), o); err == nil || errors.Is(err, bucketlog.ErrRefused) {
		t.Errorf("settings that are away: %v", err)
	}
	if _, err := d.Destination(t.Context(), "photos"); err == nil || errors.Is(err, bucketlog.ErrRefused) {
		t.Errorf("settings that are away: %v", err)
	}
}

type awaySettings struct{ LogSettings }

func (awaySettings) BucketSettings(context.Context, string) (map[string][]byte, error) {
	return nil, io.ErrUnexpectedEOF
}
