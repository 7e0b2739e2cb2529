package admin_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
)

// An eventList keeps events.
type eventList struct {
	mu   sync.Mutex
	list []daypass.Event
}

// Append implements admin.EventSink.
func (l *eventList) Append(e *daypass.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, *e)
}

// TestEvents checks that each request has one event that tells who asked for
// what and what came of it, and nothing of bodies.
func TestEvents(t *testing.T) {
	for _, c := range []struct {
		method, path, body, authorization string

		action  daypass.Action
		subject string
		bucket  string
		status  int
		code    daypass.Code
	}{
		{"GET", "/api/v1/server", "", "", daypass.GetServer, "", "", 200, ""},
		{"POST", "/api/v1/keys", `{"name":"ci"}`, "", daypass.CreateAccessKey, "key DPAKNEW", "", 201, ""},
		{"POST", "/api/v1/keys", `{"accessKeyId":"AKIA","secretAccessKey":"imported-secret"}`, "", daypass.CreateAccessKey, "key AKIA", "", 201, ""},
		{"POST", "/api/v1/keys/plain+key/disable", "", "", daypass.DisableAccessKey, "key plain+key", "", 204, ""},
		{"DELETE", "/api/v1/keys/none", "", "", daypass.DeleteAccessKey, "key none", "", 404, daypass.NoSuchAccessKey},
		{"POST", "/api/v1/revocations", `{"passId":"` + passA + `"}`, "", daypass.RevokePasses, "pass " + passA, "", 201, ""},
		{"POST", "/api/v1/revocations", `{"name":"party","bucket":"b","prefix":"in/"}`, "", daypass.RevokePasses, "name party and prefix b/in/", "b", 201, ""},
		{"POST", "/api/v1/revocations", `{"owner":"team","accessKeyId":"plain+key"}`, "", daypass.RevokePasses, "owner team and key plain+key", "", 201, ""},
		{"POST", "/api/v1/revocations", `{"before":"2026-03-04T00:00:00Z"}`, "", daypass.RevokePasses, "before 2026-03-04T00:00:00Z", "", 201, ""},
		{"POST", "/api/v1/revocations", `{"accessKeyId":"DPAKTYPO"}`, "", daypass.RevokePasses, "key DPAKTYPO", "", 404, daypass.NoSuchAccessKey},
		{"DELETE", "/api/v1/revocations/REVB", "", "", daypass.LiftRevocation, "revocation REVB", "", 204, ""},
		{"POST", "/api/v1/passes/" + passUnseen + "/restore", "", "", daypass.RestorePass, "pass " + passUnseen, "", 200, ""},
		{"POST", "/api/v1/presign", `{"method":"GET","bucket":"b","key":"k","expiresSeconds":60}`, "", daypass.Presign, "GET s3://b/k", "b", 200, ""},
		{"GET", "/api/v2/keys", "", "", daypass.UnknownAdminAction, "", "", 404, "NoSuchEndpoint"},
		{"GET", "/api/v1/keys/broken", "", "", daypass.GetAccessKey, "key broken", "", 500, daypass.InternalError},
		// Who was not admitted is nobody, whatever the request names.
		{"DELETE", "/api/v1/keys/plain+key", "", "header forged", daypass.DeleteAccessKey, "", "", 403, "SignatureDoesNotMatch"},
	} {
		var events eventList
		cfg := config(io.Discard)
		cfg.Events = &events
		authorization := c.authorization
		if authorization == "" {
			authorization = "header " + rootID
		}
		w := do(handler(t, cfg), c.method, c.path, c.body, authorization)
		if len(events.list) != 1 {
			t.Fatalf("%s %s: %d events", c.method, c.path, len(events.list))
		}
		e := events.list[0]
		got := []any{e.Action, e.Subject, e.Object.Bucket, e.Status, e.Code, e.Operation, e.RequestID, e.Sent, e.Action.Service()}
		want := []any{c.action, c.subject, c.bucket, c.status, c.code, "", w.Header().Get("X-Amz-Request-Id"), int64(w.Body.Len()), daypass.ServiceDaypass}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.method, c.path, diff)
		}
		if (e.Code != "") != (e.Reason != "") {
			t.Errorf("%s %s: code %q, reason %q", c.method, c.path, e.Code, e.Reason)
		}
		signed := e.Grant.AccessKeyID == rootID && e.Grant.Owner == "daypass" && strings.HasSuffix(e.Principal, ":root")
		if c.authorization == "" && !signed || c.authorization != "" && (e.Grant.AccessKeyID != "" || e.Grant.Scheme != daypass.SchemeAnonymous) {
			t.Errorf("%s %s was sent by %+v, %q", c.method, c.path, e.Grant, e.Principal)
		}
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), secret) || strings.Contains(string(text), "imported-secret") {
			t.Errorf("a secret is in the event: %s", text)
		}
	}
}

// TestEventOfSocket checks who is named where nobody signs.
func TestEventOfSocket(t *testing.T) {
	var events eventList
	cfg := config(io.Discard)
	cfg.Events, cfg.Authenticate, cfg.TrustLocal = &events, nil, true
	h := handler(t, cfg)
	for _, addr := range []net.Addr{&net.UnixAddr{Net: "unix"}, &net.TCPAddr{}} {
		r := httptest.NewRequest("GET", "/api/v1/keys", nil)
		r.RemoteAddr = "@"
		h.ServeHTTP(httptest.NewRecorder(), r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, addr)))
	}
	got := []daypass.Grant{events.list[0].Grant, events.list[1].Grant}
	want := []daypass.Grant{{AccessKeyID: "local", Scheme: daypass.SchemeLocal}, {Scheme: daypass.SchemeAnonymous}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if events.list[0].Source != "" || events.list[1].Status != 403 {
		t.Errorf("%+v", events.list)
	}
}
