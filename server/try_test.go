package server

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
)

// try asks a server of its own what it makes of a URL.
func (r *realm) try(k sign.Key, u sign.URLRequest, change func(string) string, who daypass.Visitor, cfg ...func(*Config)) *daypass.Trial {
	r.t.Helper()
	c := testConfig(r.store)
	c.Keys, c.Settings, c.Revocations, c.Clock = r.state, r.state, r.state, func() time.Time { return r.now }
	for _, f := range cfg {
		f(&c)
	}
	s, err := New(c)
	if err != nil {
		r.t.Fatal(err)
	}
	q := r.presignFor("http://"+r.addr, k, u)
	raw := "http://" + q.host + q.target
	if change != nil {
		raw = change(raw)
	}
	trial, err := s.Try(r.t.Context(), raw, who, r.state, testTime.Add(u.Lifetime))
	if err != nil {
		r.t.Fatal(err)
	}
	return trial
}

// photo is a URL for an object that lives for an hour.
func photo(method string) sign.URLRequest {
	return sign.URLRequest{Method: method, Bucket: "photos", Key: "key", Time: testTime, Lifetime: time.Hour}
}

// TestTrySignature checks that the signature is judged apart from the state of
// the key and the time, and that the method is found out.
func TestTrySignature(t *testing.T) {
	r := newRealm(t)
	for _, method := range []string{"GET", "PUT", "DELETE", "HEAD"} {
		trial := r.try(r.root, photo(method), nil, daypass.Visitor{})
		if trial.Signature != nil || trial.Refusal != nil || trial.Method != method || trial.Object.Key != "key" {
			t.Errorf("%s: %+v", method, trial)
		}
	}
	user := r.user("user", statement("Allow", "", "s3:*", "*"))
	session := r.session(user, "GetSessionToken")
	if err := r.state.SetKeyDisabled(t.Context(), user.ID, true, "admin"); err != nil {
		t.Fatal(err)
	}
	for name, k := range map[string]sign.Key{"disabled": user, "session of a disabled key": session} {
		trial := r.try(k, photo("GET"), nil, daypass.Visitor{})
		if trial.Signature != nil || daypass.CodeOf(trial.Refusal) != daypass.InvalidAccessKeyID {
			t.Errorf("%s: %v, %v", name, trial.Signature, trial.Refusal)
		}
	}
	longer := func(u string) string { return strings.Replace(u, "X-Amz-Expires=3600", "X-Amz-Expires=7200", 1) }
	trial := r.try(r.root, photo("GET"), longer, daypass.Visitor{})
	if daypass.CodeOf(trial.Signature) != "SignatureDoesNotMatch" || trial.Policies != nil || trial.Grant.PassID != "" {
		t.Errorf("changed: %+v", trial)
	}
	r.now = testTime.Add(2 * time.Hour)
	if trial = r.try(r.root, photo("GET"), nil, daypass.Visitor{}); trial.Signature != nil || daypass.CodeOf(trial.Refusal) != daypass.AccessDenied {
		t.Errorf("expired: %v, %v", trial.Signature, trial.Refusal)
	}
	typed := photo("PUT")
	typed.Header = map[string][]string{"Content-Type": {"text/plain"}}
	if trial = r.try(r.root, typed, nil, daypass.Visitor{}); trial.Signature == nil || len(trial.Unproven) != 1 || trial.Unproven[0] != "content-type" {
		t.Errorf("signed header: %+v", trial)
	}
}

// TestTryPolicies checks at which instant policies change their mind.
func TestTryPolicies(t *testing.T) {
	minute := func(n int, d time.Duration) time.Time { return testTime.Add(time.Duration(n)*time.Minute + d) }
	age := func(op, ms string) string { return `{"` + op + `":{"s3:signatureAge":"` + ms + `"}}` }
	clock := func(op string, at time.Time) string {
		return `{"` + op + `":{"aws:CurrentTime":"` + at.UTC().Format(time.RFC3339) + `"}}`
	}
	allow := statement("Allow", "", "s3:*", "*")
	deny := func(condition string) string { return statement("Deny", "*", "s3:*", allARN, condition) }
	for name, c := range map[string]struct {
		key, bucket string
		want        []daypass.PolicyChange
	}{
		"no condition":    {allow, "", []daypass.PolicyChange{{At: testTime, Allowed: true}}},
		"older than":      {allow, deny(age("NumericGreaterThan", "600000")), []daypass.PolicyChange{{At: testTime, Allowed: true}, {At: minute(10, time.Millisecond)}}},
		"at least as old": {allow, deny(age("NumericGreaterThanEquals", "600000")), []daypass.PolicyChange{{At: testTime, Allowed: true}, {At: minute(10, 0)}}},
		"the key's own, younger": {statement("Allow", "", "s3:*", "*", age("NumericLessThan", "60000")), "",
			[]daypass.PolicyChange{{At: testTime, Allowed: true}, {At: minute(1, 0)}}},
		"until a time":              {allow, deny(clock("DateGreaterThan", minute(5, 0))), []daypass.PolicyChange{{At: testTime, Allowed: true}, {At: minute(5, time.Second)}}},
		"from a time":               {allow, deny(clock("DateLessThan", minute(5, 0))), []daypass.PolicyChange{{At: testTime}, {At: minute(5, 0), Allowed: true}}},
		"beyond the end of the URL": {allow, deny(age("NumericGreaterThan", "7200000")), []daypass.PolicyChange{{At: testTime, Allowed: true}}},
		"from an address": {allow, statement("Deny", "*", "s3:*", allARN, `{"NotIpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`),
			[]daypass.PolicyChange{{At: testTime, Allowed: true}}},
	} {
		r := newRealm(t)
		user := r.user("user", c.key)
		if c.bucket != "" {
			r.policy(c.bucket, statement("Allow", "*", "s3:GetObject", allARN))
		}
		trial := r.try(user, photo("GET"), nil, daypass.Visitor{Source: "192.0.2.7"})
		if trial.Signature != nil || len(trial.Policies) != len(c.want) {
			t.Errorf("%s: %v, %+v", name, trial.Signature, trial.Policies)
			continue
		}
		for i, got := range trial.Policies {
			if !got.At.Equal(c.want[i].At) || got.Allowed != c.want[i].Allowed || got.Allowed == (got.Why != "") {
				t.Errorf("%s: %+v, want %+v", name, got, c.want[i])
			}
		}
		if trial.Inexact {
			t.Errorf("%s: inexact", name)
		}
	}
}

// TestTryWithoutTime checks that policies are asked from now on where the
// signature does not tell its time.
func TestTryWithoutTime(t *testing.T) {
	r := newRealm(t)
	end := testTime.Add(10 * time.Minute)
	user := r.user("user", statement("Allow", "", "s3:*", "*", `{"DateLessThan":{"aws:CurrentTime":"`+end.Format(time.RFC3339)+`"}}`))
	p, err := sign.NewPresigner(user, "http://"+r.addr, testRegion, sign.PresignOptions{Version: sign.V2})
	if err != nil {
		t.Fatal(err)
	}
	u, err := p.Presign(photo("GET"))
	if err != nil {
		t.Fatal(err)
	}
	trial := r.try(user, photo("GET"), func(string) string { return u }, daypass.Visitor{})
	if n := len(trial.Policies); trial.Signature != nil || n != 2 || !trial.Policies[0].Allowed || !trial.Policies[1].At.Equal(end) {
		t.Errorf("%v, %+v", trial.Signature, trial.Policies)
	}
}

// TestTryVisitor checks that a refusal that may owe to nobody being known who
// opened the URL says so.
func TestTryVisitor(t *testing.T) {
	r := newRealm(t)
	user := r.user("user", statement("Allow", "", "s3:*", "*", `{"IpAddress":{"aws:SourceIp":"192.0.2.0/24"}}`))
	if trial := r.try(user, photo("GET"), nil, daypass.Visitor{}); trial.Refusal == nil || len(trial.Depends) != 1 || trial.Depends[0] != "aws:SourceIp" {
		t.Errorf("nobody known: %v, %q", trial.Refusal, trial.Depends)
	}
	if trial := r.try(user, photo("GET"), nil, daypass.Visitor{Source: "203.0.113.9"}); trial.Refusal == nil || trial.Depends != nil {
		t.Errorf("another: %v, %q", trial.Refusal, trial.Depends)
	}
}

// TestTryInexact checks that more instants than are asked are not passed over.
func TestTryInexact(t *testing.T) {
	r := newRealm(t)
	var ages []string
	for i := range maxInstants {
		ages = append(ages, fmt.Sprintf(`"%d"`, 2*(i+1)))
	}
	user := r.user("user", statement("Allow", "", "s3:*", "*"), statement("Deny", "", "s3:*", "*", `{"NumericEquals":{"s3:signatureAge":[`+strings.Join(ages, ",")+`]}}`))
	if trial := r.try(user, photo("GET"), nil, daypass.Visitor{}); !trial.Inexact {
		t.Errorf("%d changes, exact", len(trial.Policies))
	}
}

// TestTryObject checks that the object decides too: one that is gone, that is
// not the one that was meant or used first, or that must not be there.
func TestTryObject(t *testing.T) {
	r := newRealm(t)
	ledger := func(c *Config) { c.Ledger = r.state }
	limited := func(method, name, value string) sign.URLRequest {
		u := photo(method)
		u.Query = sign.Query{{Name: name, Value: value}}
		return u
	}
	uses := limited("GET", "x-daypass-uses", "2")
	first := r.try(r.root, uses, nil, daypass.Visitor{}, ledger)
	obj, err := r.store.Object(t.Context(), first.Object)
	if err != nil {
		t.Fatal(err)
	}
	token, err := r.state.NewToken()
	if err != nil {
		t.Fatal(err)
	}
	b := state.Budget{Pass: first.Grant.PassID, Uses: 2, Size: obj.Size, ETag: obj.ETag, Ends: first.Grant.ExpiresAt}
	if err := r.state.Draw(t.Context(), b, token, obj.Size, obj.Size); err != nil {
		t.Fatal(err)
	}
	r.put("key", "something else")
	gone := photo("GET")
	gone.Key = "gone"
	for name, c := range map[string]struct {
		u    sign.URLRequest
		want daypass.Code
	}{
		"changed":   {uses, daypass.AccessDenied},
		"ETag":      {limited("GET", "x-daypass-etag", "abc"), daypass.PreconditionFailed},
		"gone":      {gone, daypass.NoSuchKey},
		"overwrite": {limited("PUT", "x-daypass-overwrite", "no"), daypass.AccessDenied},
		"another":   {limited("GET", "x-daypass-uses", "3"), ""},
	} {
		trial := r.try(r.root, c.u, nil, daypass.Visitor{}, ledger)
		if trial.Signature != nil || daypass.CodeOf(trial.Refusal) != c.want && (c.want != "" || trial.Refusal != nil) {
			t.Errorf("%s: %v, %v, want %q", name, trial.Signature, trial.Refusal, c.want)
		}
		if name == "changed" && trial.Size >= 0 {
			t.Errorf("changed: what was drawn is measured by %d bytes", trial.Size)
		}
	}
}

// TestTryOfDocuments tries URLs for requests whose bodies policies ask about,
// which a trial does not have.
func TestTryOfDocuments(t *testing.T) {
	r := newRealm(t)
	user := r.user("user", statement("Allow", "", "s3:*", "*"),
		statement("Deny", "", "s3:PutObjectRetention", "*", `{"StringNotEqualsIfExists":{"s3:object-lock-mode":"GOVERNANCE"}}`),
		statement("Deny", "", "s3:PutObjectTagging", "*", `{"StringEquals":{"s3:RequestObjectTag/color":"blue"}}`))
	for _, sub := range []string{"retention", "tagging"} {
		u := photo("PUT")
		u.Query = sign.Query{{Name: sub}}
		trial := r.try(user, u, nil, daypass.Visitor{})
		if trial.Signature != nil || len(trial.Policies) != 1 || trial.Object.Key != "key" {
			t.Errorf("%s: %+v", sub, trial)
		}
	}
}

// TestTryLeavesNoTrace checks that a trial draws and records nothing.
func TestTryLeavesNoTrace(t *testing.T) {
	r := newRealm(t)
	u := photo("GET")
	u.Query = sign.Query{{Name: "x-daypass-uses", Value: "1"}}
	trial := r.try(r.root, u, nil, daypass.Visitor{}, func(c *Config) { c.Ledger, c.Passes = r.state, r.state })
	if trial.Signature != nil || trial.Refusal != nil || trial.Size != int64(len("content")) || trial.Grant.PassID == "" {
		t.Fatalf("%+v", trial)
	}
	if _, err := r.state.Pass(t.Context(), trial.Grant.PassID); daypass.CodeOf(err) != daypass.NoSuchPass {
		t.Errorf("it was seen: %v", err)
	}
	if sum, err := r.state.Spending(t.Context(), trial.Grant.PassID); err != nil || sum.Drawn != 0 || sum.Budgets != 0 {
		t.Errorf("it has drawn %+v, %v", sum, err)
	}
}
