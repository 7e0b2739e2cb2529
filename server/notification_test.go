package server

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
)

// destinations are those of an operator, by name and bucket.
type destinations []string

func (d destinations) OpenTo(name, bucket string) bool { return slices.Contains(d, name+" "+bucket) }

func notifyTo(arn, events string) string {
	return "<NotificationConfiguration><QueueConfiguration><Queue>" + arn + "</Queue><Event>" + events + "</Event></QueueConfiguration></NotificationConfiguration>"
}

func TestNotification(t *testing.T) {
	log := &eventLog{}
	r := newRealm(t, log.sink, func(c *Config) { c.Destinations = destinations{"hook photos", "other docs"} })
	const queue = "arn:aws:sqs:us-east-1:111122223333:"
	if a := r.as(r.alice, "GET", "/photos?notification", ""); a.status != 200 || !strings.Contains(a.body, "<NotificationConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"></NotificationConfiguration>") {
		t.Errorf("none: %d %s", a.status, a.body)
	}
	for _, c := range []struct {
		what, body string
		code       daypass.Code
		message    string
	}{
		{"unknown", notifyTo(queue+"none", "s3:ObjectCreated:*"), "InvalidArgument", "Unable to validate the following destination configurations"},
		{"open to another bucket", notifyTo(queue+"other", "s3:ObjectCreated:*"), "InvalidArgument", "Unable to validate the following destination configurations"},
		{"other region", notifyTo("arn:aws:sqs:eu-west-1:111122223333:hook", "s3:ObjectCreated:*"), "InvalidArgument", "region is not valid"},
		{"no ARN", notifyTo("hook", "s3:ObjectCreated:*"), "InvalidArgument", "The ARN is not well formed"},
		{"event", notifyTo(queue+"hook", "s3:Replication:*"), "NotImplemented", "s3:Replication:*"},
		{"no XML", "x", "MalformedXML", ""},
	} {
		a := r.as(r.alice, "PUT", "/photos?notification", c.body)
		if a.code() != string(c.code) || !strings.Contains(a.body, c.message) {
			t.Errorf("%s: %d %s", c.what, a.status, a.body)
		}
	}
	if a := r.as(r.alice, "PUT", "/photos?notification", notifyTo(queue+"none", "s3:ObjectCreated:*")); !strings.Contains(a.body, "<ArgumentName1>"+queue+"none</ArgumentName1>") {
		t.Error(a.body)
	}
	put := func(k sign.Key, body string, headers ...string) (int, daypass.Event) {
		log.take()
		w := r.direct(r.signedBy(k, "PUT", "/photos?notification", body, headers...))
		return w.Code, log.one(t)
	}
	if status, e := put(r.bob, notifyTo(queue+"hook", "s3:ObjectCreated:*")); status != 403 || e.Sequencer != "" {
		t.Errorf("another account: %d %+v", status, e)
	}
	if status, e := put(r.alice, notifyTo(queue+"hook", "s3:ObjectCreated:*")); status != 200 || len(e.Sequencer) != 16 {
		t.Errorf("%d %+v", status, e)
	}
	if a := r.as(r.alice, "GET", "/photos?notification", ""); !strings.Contains(a.body, "<Queue>"+queue+"hook</Queue>") || strings.Contains(a.body, "<Id></Id>") || !strings.Contains(a.body, "<Id>") {
		t.Error(a.body)
	}
	if status, e := put(r.alice, notifyTo(queue+"none", "s3:ObjectRemoved:*"), "X-Amz-Skip-Destination-Validation", "true"); status != 200 || e.Sequencer != "" {
		t.Errorf("not validated: %d %+v", status, e)
	}
	if a := r.as(r.alice, "PUT", "/photos?notification", "<NotificationConfiguration/>"); a.status != 200 {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := r.as(r.alice, "GET", "/photos?notification", ""); strings.Contains(a.body, "Queue") {
		t.Error(a.body)
	}
}

// TestNotificationsOf reads what a bucket has, for whom it is.
func TestNotificationsOf(t *testing.T) {
	r := newRealm(t, func(c *Config) { c.Destinations = destinations{"hook photos"} })
	r.must("PUT", "/photos?notification", notifyTo("arn:aws:sqs:us-east-1:111122223333:hook", "s3:ObjectCreated:*"))
	for question, want := range map[string]int{"photos alice": 1, "photos bob": 0, "none alice": 0} {
		bucket, owner, _ := strings.Cut(question, " ")
		if list, err := NotificationsOf(t.Context(), r.store, r.state, bucket, owner); err != nil || len(list) != want {
			t.Errorf("%s: %v, %v", question, list, err)
		}
	}
	b, err := r.store.Bucket(t.Context(), "photos")
	if err == nil {
		err = r.state.SetBucketSetting(t.Context(), b.ID, settingNotification, []byte(notifyTo("arn:aws:sqs:us-east-1:111122223333:hook", "s3:Later:*")))
	}
	if _, unreadable := NotificationsOf(t.Context(), r.store, r.state, "photos", "alice"); err != nil || !errors.Is(unreadable, ErrUnreadable) {
		t.Errorf("%v, %v", err, unreadable)
	}
	if _, err := NotificationsOf(t.Context(), r.store, awaySettings{}, "photos", "alice"); err == nil || errors.Is(err, ErrUnreadable) {
		t.Errorf("settings that are away: %v", err)
	}
}

// direct calls the handler without a network, so that its event is there when
// it returns.
func (r *realm) direct(q request) *httptest.ResponseRecorder {
	req := httptest.NewRequest(q.method, q.target, strings.NewReader(q.body))
	req.Host, req.Header = q.host, q.header.Clone()
	w := httptest.NewRecorder()
	r.http.Config.Handler.ServeHTTP(w, req)
	return w
}

// TestChangesAreTold has every way of changing an object, and what its event
// says of the result.
func TestChangesAreTold(t *testing.T) {
	log := &eventLog{}
	r := newRealm(t, log.sink)
	// told is what an event says: action, ETag, whether there is a version and
	// whether a marker was made.
	type told struct {
		Action, ETag      string
		Versioned, Marker bool
	}
	const sum = "827ccb0eea8a706c4c34a16891f84e7b" // of 12345
	last := ""
	do := func(method, target, body string, headers []string, want ...told) *httptest.ResponseRecorder {
		t.Helper()
		log.take()
		w := r.direct(r.signedBy(r.alice, method, target, body, headers...))
		if w.Code >= 400 {
			t.Fatalf("%s %s: %d %s", method, target, w.Code, w.Body)
		}
		var got []told
		for _, e := range log.take() {
			if e.Sequencer == "" {
				continue
			}
			if e.Sequencer <= last || len(e.Sequencer) != 16 {
				t.Errorf("%q after %q", e.Sequencer, last)
			}
			last = e.Sequencer
			got = append(got, told{string(e.Action), e.ETag, e.ResultVersionID != "", e.DeleteMarker})
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", method, target, diff)
		}
		return w
	}
	do("PUT", "/photos/new", "12345", nil, told{"PutObject", sum, false, false})
	do("DELETE", "/photos/new", "", nil, told{"DeleteObject", "", false, false})
	do("PUT", "/photos?versioning", "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>", nil)
	version := do("PUT", "/photos/new", "12345", nil, told{"PutObject", sum, true, false}).Header().Get("X-Amz-Version-Id")
	do("GET", "/photos/new", "", nil)
	do("HEAD", "/photos/new", "", nil)
	do("PUT", "/photos/copy", "", []string{"X-Amz-Copy-Source", "/photos/new"}, told{"CopyObject", sum, true, false})
	do("PUT", "/photos/new?tagging", "<Tagging><TagSet></TagSet></Tagging>", nil, told{"PutObjectTagging", sum, true, false})
	do("DELETE", "/photos/new?tagging", "", nil, told{"DeleteObjectTagging", sum, true, false})
	marker := do("DELETE", "/photos/new", "", nil, told{"DeleteObject", "", true, true}).Header().Get("X-Amz-Version-Id")
	do("DELETE", "/photos/new?versionId="+marker, "", nil, told{"DeleteObject", "", true, false})
	do("DELETE", "/photos/new?versionId="+version, "", nil, told{"DeleteObject", "", true, false})
	batch := `<Delete><Object><Key>copy</Key></Object><Object><Key>a b</Key><VersionId>nonsense</VersionId></Object></Delete>`
	do("POST", "/photos?delete", batch, []string{"Content-Md5", md5Of(batch)}, told{"DeleteObject", "", true, true})
	r.own("photos", s3.ObjectWriter)
	do("PUT", "/photos/key?acl", "", []string{"X-Amz-Acl", "private"}, told{"PutObjectAcl", "9a0364b9e99bb480dd25e1f0284c8555", true, false})
	if w := r.direct(r.signedBy(r.alice, "PUT", "/photos/none?tagging", "<Tagging><TagSet></TagSet></Tagging>")); w.Code != 404 {
		t.Errorf("%d", w.Code)
	}
	for _, e := range log.take() {
		if e.Sequencer != "" {
			t.Errorf("nothing was changed: %+v", e)
		}
	}
}

// askedLedger notes what it is asked about.
type askedLedger struct {
	budget state.Budget
	count  state.Count
}

func (l *askedLedger) DownloadsSpent(_ context.Context, b state.Budget) (bool, error) {
	l.budget = b
	return true, nil
}

func (l *askedLedger) WritesSpent(_ context.Context, c state.Count) (bool, error) {
	l.count = c
	return true, nil
}

// TestPassSpent asks for the budget that a request drew on.
func TestPassSpent(t *testing.T) {
	download := daypass.Event{Action: daypass.GetObject, Object: daypass.ObjectRef{Key: "p/a"}, Grant: daypass.Grant{PassID: "P", ExpiresAt: testTime},
		Limits: "x-daypass-uses=3", ETag: "e", ResultVersionID: "null", ObjectSize: 7}
	with := func(f func(*daypass.Event)) *daypass.Event { e := download; f(&e); return &e }
	budget := state.Budget{Pass: "P", Uses: 3, Size: 7, ETag: "e", Ends: testTime}
	below := budget
	below.Object, below.Version = "p/a", "v1"
	for _, c := range []struct {
		what  string
		e     *daypass.Event
		spent bool
		want  askedLedger
	}{
		{"download", &download, true, askedLedger{budget: budget}},
		{"prefix", with(func(e *daypass.Event) { e.Limits, e.ResultVersionID = "x-daypass-prefix=p%2F&x-daypass-uses=3", "v1" }), true, askedLedger{budget: below}},
		{"upload", with(func(e *daypass.Event) { e.Action = daypass.PutObject }), true, askedLedger{count: state.Count{Pass: "P", Uses: 3, Ends: testTime}}},
		{"archive", with(func(e *daypass.Event) { e.ETag = "" }), false, askedLedger{}},
		{"no uses", with(func(e *daypass.Event) { e.Limits = "x-daypass-name=a" }), false, askedLedger{}},
		{"cut", with(func(e *daypass.Event) { e.Limits = "x-daypass-name=%a..." }), false, askedLedger{}},
		{"no pass", with(func(e *daypass.Event) { e.Grant.PassID = "" }), false, askedLedger{}},
	} {
		var l askedLedger
		if spent, err := PassSpent(t.Context(), &l, c.e); spent != c.spent || err != nil || l != c.want {
			t.Errorf("%s: %v, %v, asked %+v", c.what, spent, err, l)
		}
	}
}
