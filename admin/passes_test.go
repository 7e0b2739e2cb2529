package admin_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/admin"
	"github.com/daypass/daypass/client"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
)

const (
	passA      = "AAAAAAAAAAAAAAAAAAAAAAAAAA"
	passB      = "BBBBBBBBBBBBBBBBBBBBBBBBBB"
	passUnseen = "CCCCCCCCCCCCCCCCCCCCCCCCCC"
	passNone   = "DDDDDDDDDDDDDDDDDDDDDDDDDD"
)

// A passStore is a PassStore in memory.
type passStore struct {
	passes      []state.PassRecord
	revocations []state.Revocation
	restored    []string
}

var _ admin.PassStore = (*passStore)(nil)
var _ admin.PassStore = (*state.State)(nil)

func newPassStore() *passStore {
	return &passStore{
		passes: []state.PassRecord{
			{ID: passA, Name: "party", Key: otherID, Owner: "team", Action: "GetObject", Bucket: "b", Object: "in/a b.jpg",
				Limits: "x-daypass-name=party&x-daypass-uses=2", Signed: day.Add(-time.Hour), Ends: day.Add(time.Hour),
				First: day.Add(-time.Minute), Last: day, Uses: 2, Refused: 1, Sent: 4096},
			{ID: passB, Key: rootID, Owner: "daypass", Action: "PutObject", Bucket: "b", Object: "in/c", First: day, Last: day, Uses: 1, Received: 7},
		},
		revocations: []state.Revocation{
			{ID: "REVA", Pass: passUnseen, Owner: "team", Created: day, Creator: otherID, Expires: day.Add(25 * time.Hour)},
			{ID: "REVB", Name: "party", Owner: "team", Created: day, Creator: rootID},
			{ID: "REVC", Key: rootID, Before: day, Created: day, Creator: "local"},
		},
	}
}

func (s *passStore) RevocationsOn(p *state.Subject) (list []state.Revocation) {
	same := func(want, have string) bool { return want == "" || want == have }
	for _, r := range s.revocations {
		if r.Bucket != "" && (r.Bucket != p.Bucket || !strings.HasPrefix(p.Object, r.Prefix)) {
			continue
		}
		if same(r.Pass, p.Pass) && same(r.Name, p.Name) && same(r.Owner, p.Owner) && same(r.Key, p.Key) && (r.Before.IsZero() || p.Signed.Before(r.Before)) {
			list = append(list, r)
		}
	}
	return list
}

func (s *passStore) Spending(_ context.Context, pass string) (state.Spending, error) {
	if pass == passA {
		return state.Spending{Budgets: 1, Drawn: 4096, Outstanding: 1}, nil
	}
	return state.Spending{}, nil
}

func (s *passStore) Pass(_ context.Context, id string) (state.PassRecord, error) {
	for _, p := range s.passes {
		if p.ID == id {
			return p, nil
		}
	}
	return state.PassRecord{}, &daypass.Error{Op: "fake", Code: daypass.NoSuchPass}
}

func (s *passStore) ListPasses(_ context.Context, f state.PassFilter, after string, max int) (list []state.PassRecord, more bool, err error) {
	for _, p := range s.passes {
		same := func(want, have string) bool { return want == "" || want == have }
		if p.ID > after && same(f.Owner, p.Owner) && same(f.Name, p.Name) && same(f.Key, p.Key) && same(f.Bucket, p.Bucket) && strings.HasPrefix(p.Object, f.Prefix) {
			list = append(list, p)
		}
	}
	return list[:min(max, len(list))], len(list) > max, nil
}

func (s *passStore) RestorePass(_ context.Context, pass string) (int, error) {
	s.restored = append(s.restored, pass)
	n := len(s.revocations)
	s.revocations = slices.DeleteFunc(s.revocations, func(r state.Revocation) bool { return r.Pass == pass })
	return n - len(s.revocations), nil
}

func (s *passStore) Revoked(p *state.Subject) (string, bool) {
	for _, r := range s.revocations {
		same := func(want, have string) bool { return want == "" || want == have }
		if same(r.Pass, p.Pass) && same(r.Name, p.Name) && same(r.Owner, p.Owner) && same(r.Key, p.Key) && same(r.Bucket, p.Bucket) &&
			strings.HasPrefix(p.Object, r.Prefix) && (r.Before.IsZero() || p.Signed.Before(r.Before)) {
			return r.ID, true
		}
	}
	return "", false
}

func (s *passStore) Revoke(_ context.Context, r state.Revocation) (state.Revocation, error) {
	r.ID, r.Created = "REVN", day
	s.revocations = append(s.revocations, r)
	return r, nil
}

func (s *passStore) Lift(_ context.Context, ids ...string) (int, error) {
	n := len(s.revocations)
	s.revocations = slices.DeleteFunc(s.revocations, func(r state.Revocation) bool { return slices.Contains(ids, r.ID) })
	return n - len(s.revocations), nil
}

func (s *passStore) Revocations(after string, max int) (list []state.Revocation, more bool) {
	for _, r := range s.revocations {
		if r.ID > after {
			list = append(list, r)
		}
	}
	return list[:min(max, len(list))], len(list) > max
}

func (s *passStore) RevocationsOf(pass string) (list []state.Revocation) {
	for _, r := range s.revocations {
		if r.Pass == pass {
			list = append(list, r)
		}
	}
	return list
}

// accounts adds a key of the account team that has no policy, and one with.
func accounts(c *admin.Config, document string) {
	s := c.Keys.(*keyStore)
	s.keys = append(s.keys,
		daypass.AccessKey{ID: otherID, Secret: secret, Owner: "team", Created: day},
		daypass.AccessKey{ID: policyID, Secret: secret, Owner: "team", Name: "ops", Created: day, Policy: document},
		daypass.AccessKey{ID: endedID, Secret: secret, Owner: "team", Created: day, Expires: day})
}

// TestPermissions tries every endpoint with every kind of key.
func TestPermissions(t *testing.T) {
	endpoints := []struct{ action, method, path, body string }{
		{"", "GET", "/api/v1/openapi.json", ""},
		{"GetServer", "GET", "/api/v1/server", ""},
		{"ListKeys", "GET", "/api/v1/keys", ""},
		{"CreateKey", "POST", "/api/v1/keys", "{}"},
		{"GetKey", "GET", "/api/v1/keys/" + otherID, ""},
		{"DisableKey", "POST", "/api/v1/keys/" + otherID + "/disable", ""},
		{"EnableKey", "POST", "/api/v1/keys/" + otherID + "/enable", ""},
		{"SetKeyPolicy", "PUT", "/api/v1/keys/" + otherID + "/policy", `{"policy":"{}"}`},
		{"ClearKeyPolicy", "DELETE", "/api/v1/keys/" + otherID + "/policy", ""},
		{"DeleteKey", "DELETE", "/api/v1/keys/" + otherID, ""},
		{"Presign", "POST", "/api/v1/presign", `{"method":"GET","bucket":"b"}`},
		{"ListPasses", "GET", "/api/v1/passes", ""},
		{"GetPass", "GET", "/api/v1/passes/" + passA, ""},
		{"RestorePass", "POST", "/api/v1/passes/" + passA + "/restore", ""},
		{"ListRevocations", "GET", "/api/v1/revocations", ""},
		{"RevokePass", "POST", "/api/v1/revocations", `{"passId":"` + passA + `"}`},
		{"LiftRevocation", "DELETE", "/api/v1/revocations/REVA", ""},
	}
	ofAccount := "ListPasses GetPass RestorePass ListRevocations RevokePass LiftRevocation"
	statement := func(effect, action string) string {
		return fmt.Sprintf(`{"Effect":%q,"Action":%q,"Resource":"*"}`, effect, action)
	}
	for _, e := range endpoints {
		permitted := func(key, document string) bool {
			c := config(io.Discard)
			accounts(&c, document)
			w := do(handler(t, c), e.method, e.path, e.body, "header "+key)
			if w.Code != 403 && w.Code/100 != 2 {
				t.Errorf("%s as %s: %d %s", e.action, key, w.Code, w.Body)
			}
			return w.Code != 403
		}
		for _, c := range []struct {
			key      string
			policies []string
			want     bool
		}{
			{rootID, nil, true},
			{otherID, nil, e.action == "" || strings.Contains(ofAccount, e.action)},
			{policyID, []string{statement("Allow", "daypass:"+e.action)}, true},
			{policyID, []string{statement("Allow", "daypass:*")}, true},
			{policyID, []string{statement("Allow", "s3:*")}, e.action == ""},
			{policyID, []string{statement("Allow", "daypass:*"), statement("Deny", "daypass:"+e.action)}, e.action == ""},
			{endedID, nil, false},
		} {
			if e.action == "" && len(c.policies) > 0 {
				c.policies = []string{statement("Allow", "s3:*")}
			}
			document := `{"Version":"2012-10-17","Statement":[` + strings.Join(c.policies, ",") + `]}`
			if got := permitted(c.key, document); got != c.want {
				t.Errorf("%q as %s with %v: permitted %v, want %v", e.action, c.key, c.policies, got, c.want)
			}
		}
	}
}

// A condition of a policy counts, and the reason of a refusal is told.
func TestPermissionConditions(t *testing.T) {
	for address, want := range map[string]int{"192.0.2.1/32": 200, "198.51.100.0/24": 403} {
		c := config(io.Discard)
		accounts(&c, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"daypass:ListPasses","Resource":"*",
			"Condition":{"IpAddress":{"aws:SourceIp":"`+address+`"},"StringEquals":{"aws:username":"ops"},
			"DateLessThan":{"aws:CurrentTime":"2026-03-05T00:00:00Z"},"Bool":{"aws:SecureTransport":"false"}}}]}`)
		w := do(handler(t, c), "GET", "/api/v1/passes", "", "header "+policyID)
		if w.Code != want || want == 403 && !strings.Contains(w.Body.String(), "no identity-based policy allows the daypass:ListPasses action") {
			t.Errorf("from %s: %d %s", address, w.Code, w.Body)
		}
	}
}

// A policy that cannot be read allows nothing.
func TestUnreadablePolicy(t *testing.T) {
	c := config(io.Discard)
	accounts(&c, `{"Statement":`)
	if w := do(handler(t, c), "GET", "/api/v1/passes", "", "header "+policyID); w.Code != 500 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

const allowAll = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`

// TestAccountsAreApart tries to reach from one account what is of another,
// with a key whose policy allows everything.
func TestAccountsAreApart(t *testing.T) {
	for name, x := range map[string]struct {
		method, path, body string
		status             int
		want               string // in the answer
	}{
		"pass of another":       {"GET", "/passes/" + passB, "", 404, "NoSuchPass"},
		"restore of another":    {"POST", "/passes/" + passB + "/restore", "", 404, "NoSuchPass"},
		"restore of the unseen": {"POST", "/passes/" + passUnseen + "/restore", "", 200, `"lifted":1`},
		"list":                  {"GET", "/passes", "", 200, `{"passes":[{"passId":"` + passA},
		"list of another":       {"GET", "/passes?owner=daypass", "", 200, `{"passes":[]}`},
		"revocations":           {"GET", "/revocations?max=2", "", 200, `"id":"REVB"`},
		"lift of all":           {"DELETE", "/revocations/REVC", "", 404, "NoSuchRevocation"},
		"lift of the root's":    {"DELETE", "/revocations/REVB", "", 403, "AccessDenied"},
		"lift of its own":       {"DELETE", "/revocations/REVA", "", 204, ""},
		"revoke by key":         {"POST", "/revocations", `{"accessKeyId":"DPAKROOT"}`, 404, "NoSuchAccessKey"},
		"revoke by its key":     {"POST", "/revocations", `{"accessKeyId":"DPAKOTHER"}`, 201, `"owner":"team"`},
		"revoke by owner":       {"POST", "/revocations", `{"owner":"daypass"}`, 403, "AccessDenied"},
		"revoke by prefix":      {"POST", "/revocations", `{"bucket":"b"}`, 201, `"owner":"team"`},
		"revoke by time":        {"POST", "/revocations", `{"before":"2026-03-04T00:00:00Z"}`, 201, `"owner":"team"`},
		"revoke of another":     {"POST", "/revocations", `{"passId":"` + passB + `"}`, 201, `"owner":"team"`},
		"revoke nothing":        {"POST", "/revocations", `{}`, 400, "InvalidRequest"},
		"keys":                  {"GET", "/keys?max=2", "", 200, `"accessKeyId":"plain+key"`},
		"key":                   {"GET", "/keys/DPAKROOT", "", 404, "NoSuchAccessKey"},
		"disable":               {"POST", "/keys/DPAKALIEN/disable", "", 404, "NoSuchAccessKey"},
		"policy":                {"PUT", "/keys/DPAKALIEN/policy", `{"policy":"{}"}`, 404, "NoSuchAccessKey"},
		"delete":                {"DELETE", "/keys/DPAKALIEN", "", 404, "NoSuchAccessKey"},
		"create for another":    {"POST", "/keys", `{"owner":"daypass"}`, 403, "AccessDenied"},
		"create":                {"POST", "/keys", `{}`, 201, `"owner":"team"`},
		"presign":               {"POST", "/presign", `{"method":"GET","bucket":"b"}`, 200, "&by=" + policyID},
	} {
		c := config(io.Discard)
		accounts(&c, allowAll)
		keys := c.Keys.(*keyStore)
		keys.keys = append(keys.keys, daypass.AccessKey{ID: "DPAKALIEN", Owner: "aliens", Created: day})
		w := do(handler(t, c), x.method, "/api/v1"+x.path, x.body, "header "+policyID)
		body := w.Body.String()
		if w.Code != x.status || !strings.Contains(body, x.want) {
			t.Errorf("%s: %d %s, want %d %s", name, w.Code, body, x.status, x.want)
		}
		for _, secret := range []string{"REVC", "DPAKALIEN", rootID + `"`} {
			// REVB was made by the root key, which its owner may know.
			if x.status == 200 && name != "revocations" && strings.Contains(body, secret) {
				t.Errorf("%s tells of %s: %s", name, secret, body)
			}
		}
		if got := c.Passes.(*passStore).restored; len(got) > 0 {
			t.Errorf("%s: the ledger of %v was reset", name, got)
		}
	}
}

// A pass that was revoked from outside its account is not restored by it.
func TestRestoreOwn(t *testing.T) {
	c := config(io.Discard)
	accounts(&c, allowAll)
	h, passes := handler(t, c), c.Passes.(*passStore)
	path := "/api/v1/passes/" + passA + "/restore"
	if w := do(h, "POST", path, "", "header "+policyID); w.Code != 200 || !strings.Contains(w.Body.String(), `"revokedBy":"REVB"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if diff := cmp.Diff([]string{passA}, passes.restored); diff != "" {
		t.Error(diff)
	}
	passes.restored = nil
	passes.revocations = append(passes.revocations, state.Revocation{ID: "REVD", Pass: passA, Creator: "local"})
	if w := do(h, "POST", path, "", "header "+policyID); w.Code != 403 || len(passes.restored) > 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := do(h, "POST", path, ""); w.Code != 200 || !strings.Contains(w.Body.String(), `"lifted":1`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// presignURL makes a URL with the root key of the tests.
func presignURL(t *testing.T, version sign.Version, lifetime time.Duration, q sign.Query) string {
	t.Helper()
	p, err := sign.NewPresigner(sign.Key{ID: rootID, Secret: secret}, "https://s3.example.com", "us-east-1", sign.PresignOptions{Version: version})
	if err != nil {
		t.Fatal(err)
	}
	u, err := p.Presign(sign.URLRequest{Method: http.MethodPut, Bucket: "b", Key: "a b", Lifetime: lifetime, Time: day, Query: q})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestRevokeURL revokes URLs that nobody has used. The end of the revocation
// is a day after that of the URL, but only where the signature proves that
// end: who passes on a URL with a shorter one must not make the revocation
// end while the real URL lives.
func TestRevokeURL(t *testing.T) {
	const dayLong = 24 * time.Hour
	hour := presignURL(t, sign.V4, time.Hour, nil)
	v2 := presignURL(t, sign.V2, time.Hour, nil)
	until := presignURL(t, sign.V4, time.Hour, sign.Query{{Name: "x-daypass-until", Value: "20260306T000000Z"}})
	for name, c := range map[string]struct {
		url         string
		maxLifetime time.Duration
		now         time.Time
		want        time.Time
	}{
		"V4":                 {hour, 0, day, day.Truncate(time.Second).Add(time.Hour + dayLong)},
		"V4A":                {presignURL(t, sign.V4A, time.Hour, nil), 0, day, day.Truncate(time.Second).Add(time.Hour + dayLong)},
		"V2":                 {v2, 0, day, day.Truncate(time.Second).Add(time.Hour + dayLong)},
		"until":              {until, 0, day, time.Date(2026, 3, 7, 0, 0, 0, 0, time.UTC)},
		"ended":              {hour, 0, day.Add(48 * time.Hour), day.Add(72 * time.Hour)},
		"forged end":         {strings.Replace(hour, "X-Amz-Expires=3600", "X-Amz-Expires=1", 1), 0, day, time.Time{}},
		"forged time":        {strings.Replace(hour, "20260304T", "20250304T", 1), 0, day, time.Time{}},
		"forged until":       {until + "&x-daypass-until=20260304T060000Z", 0, day, time.Time{}},
		"forged V2":          {strings.Replace(v2, "Expires=", "Expires=1&Was=", 1), 0, day, time.Time{}},
		"unknown key":        {strings.Replace(hour, rootID, "DPAKGONE", 1), 0, day, time.Time{}},
		"forged end, capped": {strings.Replace(hour, "X-Amz-Expires=3600", "X-Amz-Expires=1", 1), 30 * dayLong, day, day.Add(31 * dayLong)},
	} {
		cfg := config(io.Discard)
		cfg.MaxLifetime, cfg.Clock = c.maxLifetime, func() time.Time { return c.now }
		body, _ := json.Marshal(map[string]string{"url": c.url})
		w := do(handler(t, cfg), "POST", "/api/v1/revocations", string(body))
		var got client.Revocation
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 201 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
			continue
		}
		in, err := sign.Inspect(c.url)
		if err != nil {
			t.Fatal(err)
		}
		if got.PassID != in.PassID || !got.Expires.Equal(c.want) {
			t.Errorf("%s: %s until %s, want %s until %s", name, got.PassID, got.Expires, in.PassID, c.want)
		}
	}
}

// A URL that is to be revoked reaches no log and no answer.
func TestRevokedURLIsNotRepeated(t *testing.T) {
	var log strings.Builder
	raw := presignURL(t, sign.V4, time.Hour, nil)
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	signature := u.Query().Get("X-Amz-Signature")
	h := handler(t, config(&log))
	for _, text := range []string{raw, strings.Replace(raw, "X-Amz-Date", "X-Amz-Dat", 1), strings.Replace(raw, "X-Amz-Credential", "X", 1)} {
		body, _ := json.Marshal(map[string]string{"url": text})
		w := do(h, "POST", "/api/v1/revocations", string(body))
		if strings.Contains(w.Body.String()+log.String(), signature) {
			t.Errorf("the signature is repeated: %s\n%s", w.Body, &log)
		}
	}
}

// The PIN of a pass that is presigned reaches no log.
func TestPINIsNotLogged(t *testing.T) {
	var log strings.Builder
	w := do(handler(t, config(&log)), "POST", "/api/v1/presign", `{"method":"GET","bucket":"b","expiresSeconds":60,"limits":{"pin":"sesame"}}`)
	if w.Code != 200 || strings.Contains(log.String(), "sesame") {
		t.Errorf("%d, log %s", w.Code, &log)
	}
}

func FuzzRevoke(f *testing.F) {
	f.Add([]byte(`{"url":"https://h/b/k?AWSAccessKeyId=a&Expires=1&Signature=AAAAAAAAAAAAAAAAAAAAAAAAAAA%3D"}`))
	f.Add([]byte(`{"passId":"AAAAAAAAAAAAAAAAAAAAAAAAAA"}`))
	f.Add([]byte(`{"name":"n","owner":"o","bucket":"b","prefix":"p","before":"2026-03-04T00:00:00Z"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		h, err := admin.New(config(io.Discard))
		if err != nil {
			t.Fatal(err)
		}
		w := do(h, "POST", "/api/v1/revocations", string(body))
		var r client.Revocation
		if w.Code >= 500 || w.Code == 201 && json.Unmarshal(w.Body.Bytes(), &r) != nil {
			t.Errorf("%q: %d %s", body, w.Code, w.Body)
		}
		if w.Code == 201 && r.PassID+r.Name+r.Owner+r.AccessKeyID+r.Bucket == "" && r.Before.IsZero() {
			t.Errorf("%q revokes everything: %s", body, w.Body)
		}
	})
}
