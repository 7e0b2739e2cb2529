package trail

import (
	"encoding/json"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
)

// TestServices checks the records of what is not of S3's objects: who it is
// from, which service it went to, and of which category it is.
func TestServices(t *testing.T) {
	type identity struct{ Type, ARN, AccessKeyID string }
	type record struct {
		EventSource, EventName, SourceIPAddress, EventCategory string
		ReadOnly, ManagementEvent                              bool
		RequestParameters                                      map[string]string
		UserIdentity                                           identity
	}
	header := daypass.Grant{AccessKeyID: "DPAKROOT", Owner: "111122223333", Scheme: daypass.SchemeHeader}
	const root = "arn:aws:iam::111122223333:root"
	signed := identity{"Root", root, "DPAKROOT"}
	for name, c := range map[string]struct {
		event daypass.Event
		want  record
	}{
		"STS": {
			daypass.Event{Action: daypass.AssumeRole, Grant: header, Principal: root, Source: "192.0.2.3", URI: "/"},
			record{"sts.amazonaws.com", "AssumeRole", "192.0.2.3", "Management", true, true, map[string]string{}, signed},
		},
		"admin": {
			daypass.Event{Action: daypass.RevokePasses, Subject: "name party", Grant: header, Principal: root, Source: "192.0.2.3", URI: "/api/v1/revocations"},
			record{"daypass", "RevokePasses", "192.0.2.3", "Management", false, true, map[string]string{"subject": "name party"}, signed},
		},
		"admin, on an object": {
			daypass.Event{Action: daypass.Presign, Subject: "GET s3://b/k", Object: daypass.ObjectRef{Bucket: "b", Key: "k"}, Grant: header, Principal: root, Source: "192.0.2.3"},
			record{"daypass", "Presign", "192.0.2.3", "Management", false, true, map[string]string{"subject": "GET s3://b/k", "bucketName": "b", "key": "k"}, signed},
		},
		"admin, through the socket": {
			daypass.Event{Action: daypass.ExplainPass, Subject: "pass P", Grant: daypass.Grant{AccessKeyID: "local", Scheme: daypass.SchemeLocal}},
			record{"daypass", "ExplainPass", "local", "Management", true, true, map[string]string{"subject": "pass P"}, identity{"Root", root, ""}},
		},
		"admin, refused": {
			daypass.Event{Action: daypass.DeleteAccessKey, Grant: daypass.Grant{Scheme: daypass.SchemeAnonymous}, Status: 403, Code: daypass.AccessDenied, Source: "192.0.2.3"},
			record{"daypass", "DeleteAccessKey", "192.0.2.3", "Management", false, true, map[string]string{}, identity{Type: "AWSAccount"}},
		},
		"pre-flight of a bucket": {
			daypass.Event{Action: "PreflightRequest", Object: daypass.ObjectRef{Bucket: "b"}, Source: "192.0.2.3"},
			record{"s3.amazonaws.com", "PreflightRequest", "192.0.2.3", "Data", true, false, map[string]string{"bucketName": "b"}, identity{Type: "AWSAccount"}},
		},
		"PIN": {
			daypass.Event{Action: "EnterPIN", Object: daypass.ObjectRef{Bucket: "b"}, Source: "192.0.2.3"},
			record{"s3.amazonaws.com", "EnterPIN", "192.0.2.3", "Data", false, false, map[string]string{"bucketName": "b"}, identity{Type: "AWSAccount"}},
		},
		"a log that is delivered": {
			daypass.Event{Action: daypass.PutObject, Object: daypass.ObjectRef{Bucket: "b", Key: "k"}, Grant: daypass.Grant{Scheme: daypass.SchemeService}, Principal: "svc:logging.s3.amazonaws.com"},
			record{"s3.amazonaws.com", "PutObject", "logging.s3.amazonaws.com", "Data", false, false, map[string]string{"bucketName": "b", "key": "k"}, identity{Type: "AWSService"}},
		},
		"settings of a bucket": {
			daypass.Event{Action: "PutBucketCors", Object: daypass.ObjectRef{Bucket: "b"}, Source: "192.0.2.3"},
			record{"s3.amazonaws.com", "PutBucketCors", "192.0.2.3", "Management", false, true, map[string]string{"bucketName": "b"}, identity{Type: "AWSAccount"}},
		},
	} {
		text := (&recorder{Config: &Config{Account: "111122223333", Region: "us-east-1"}}).appendRecord(nil, &c.event)
		var got record
		if err := json.Unmarshal(text, &got); err != nil {
			t.Fatalf("%s: %v: %s", name, err, text)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestWriterRemembers checks what the state of a writer finds that the storage
// alone cannot tell, and that it finds nothing where the writer went on since.
func TestWriterRemembers(t *testing.T) {
	w := newWorld(t, &memory{files: map[string]stored{}}, "a")
	w.hours(3, 2)
	earlier := slices.Clone(w.src.state)
	w.hours(2, 2)
	with := func(states ...[]byte) *Report {
		return w.verify(func(o *VerifyOptions) { o.States = states })
	}
	for name, state := range map[string][]byte{"now": w.src.state, "earlier": earlier} {
		if r := with(state); len(r.Findings) > 0 {
			t.Errorf("%s: %q", name, r.Findings)
		}
	}
	places, err := PlacesOf(w.src.state)
	if err != nil || len(places) != 1 {
		t.Fatal(places, err)
	}
	if r := w.verify(func(o *VerifyOptions) { o.States, o.Region = [][]byte{w.src.state}, "elsewhere-1" }); len(r.Findings) > 0 {
		t.Errorf("another region: %q", r.Findings)
	}
	clear(w.storage.files)
	if r := with(w.src.state); len(r.Findings) == 0 || r.Findings[0].Kind != Incomplete {
		t.Errorf("nothing is left, and that was found: %q", r.Findings)
	}
	if _, err := PlacesOf([]byte("{")); err == nil {
		t.Error("a damaged state has places")
	}
}
