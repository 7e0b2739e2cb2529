package admin_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
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

const signerID = "DPAKSIGNER"

// A world is what explanations are asked about.
type world struct {
	t     *testing.T
	cfg   admin.Config
	trial daypass.Trial
	past  []daypass.Event
	asked admin.PastQuestion
	who   daypass.Visitor
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, cfg: config(io.Discard)}
	w.keys().keys = append(w.keys().keys, daypass.AccessKey{ID: signerID, Secret: secret, Owner: "daypass", Created: day})
	w.trial = daypass.Trial{Method: "GET", Action: daypass.GetObject, Object: daypass.ObjectRef{Bucket: "b", Key: "k"}, Size: 100,
		Policies: []daypass.PolicyChange{{At: day, Allowed: true}}}
	w.cfg.Try = func(_ context.Context, _ string, who daypass.Visitor, _ time.Time) (*daypass.Trial, error) {
		w.who = who
		return &w.trial, nil
	}
	w.cfg.Past = func(_ context.Context, q admin.PastQuestion, show func(*daypass.Event)) (time.Time, bool, error) {
		w.asked = q
		for i := range w.past {
			show(&w.past[i])
		}
		return day.Add(-time.Hour), true, nil
	}
	return w
}

func (w *world) keys() *keyStore    { return w.cfg.Keys.(*keyStore) }
func (w *world) passes() *passStore { return w.cfg.Passes.(*passStore) }
func (w *world) key(id string) *daypass.AccessKey {
	k, err := w.keys().find(id)
	if err != nil {
		w.t.Fatal(err)
	}
	return k
}

// url is a URL that a key signed an hour ago, for two hours.
func (w *world) url(id string, limits ...sign.Param) string {
	w.t.Helper()
	p, err := sign.NewPresigner(sign.Key{ID: id, Secret: secret}, "https://s3.example.com", "us-east-1")
	if err != nil {
		w.t.Fatal(err)
	}
	u, err := p.Presign(sign.URLRequest{Method: "GET", Bucket: "b", Key: "k", Time: day.Add(-time.Hour), Lifetime: 2 * time.Hour, Query: limits})
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

// ask asks, as the root key unless who is given.
func (w *world) ask(r client.ExplainRequest, who ...string) (client.Explanation, *httptest.ResponseRecorder) {
	w.t.Helper()
	body, err := json.Marshal(r.Reveal())
	if err != nil {
		w.t.Fatal(err)
	}
	a := do(handler(w.t, w.cfg), http.MethodPost, "/api/v1/passes/explain", string(body), who...)
	var e client.Explanation
	if a.Code == http.StatusOK {
		if err := json.Unmarshal(a.Body.Bytes(), &e); err != nil {
			w.t.Fatal(err)
		}
	}
	return e, a
}

func (w *world) explain(u string) client.Explanation {
	w.t.Helper()
	e, a := w.ask(client.ExplainRequest{URL: daypass.Secret(u)})
	if a.Code != http.StatusOK {
		w.t.Fatalf("%d %s", a.Code, a.Body)
	}
	return e
}

// see makes a pass one that was seen.
func (w *world) see(u string) (pass string) {
	w.t.Helper()
	in, err := sign.Inspect(u)
	if err != nil {
		w.t.Fatal(err)
	}
	w.passes().passes = append(w.passes().passes, state.PassRecord{ID: in.PassID, Key: signerID, Owner: "daypass", Action: "GetObject",
		Bucket: "b", Object: "k", Signed: in.SignedAt, Ends: in.ExpiresAt, First: day, Last: day, Uses: 1})
	return in.PassID
}

// TestExplainID checks that an id alone proves nothing to be good.
func TestExplainID(t *testing.T) {
	w := newWorld(t)
	w.passes().revocations = nil
	ask := client.ExplainRequest{PassID: w.see(w.url(signerID))}
	if e, _ := w.ask(ask); e.Verdict != client.VerdictUnknown || e.Seen == nil || len(e.Ends) != 1 {
		t.Errorf("%q %q, %+v", e.Verdict, e.Reason, e.Ends)
	}
	w.keys().keys = w.keys().keys[:2]
	if e, _ := w.ask(ask); e.Verdict != client.VerdictRefused || w.asked.Subject != "key "+signerID {
		t.Errorf("without its key: %q %q, asked for %q", e.Verdict, e.Reason, w.asked.Subject)
	}
}

// TestExplainEnds checks which end wins, and what the verdict is then.
func TestExplainEnds(t *testing.T) {
	own := day.Add(time.Hour).Truncate(time.Second)
	until := sign.Param{Name: "x-daypass-until", Value: day.Add(2 * time.Hour).UTC().Format("20060102T150405Z")}
	signed := day.Add(-time.Hour).Truncate(time.Second)
	for name, c := range map[string]struct {
		change  func(*world)
		limits  []sign.Param
		kind    string
		at      time.Time
		verdict string
	}{
		"its own":       {func(*world) {}, nil, "expiry", own, client.VerdictGood},
		"until":         {func(*world) {}, []sign.Param{until}, "until", day.Add(2 * time.Hour).Truncate(time.Second), client.VerdictGood},
		"expired":       {func(w *world) { w.cfg.Clock = func() time.Time { return own } }, nil, "expiry", own, client.VerdictRefused},
		"key":           {func(w *world) { w.key(signerID).Expires = day.Add(time.Minute) }, nil, "key", day.Add(time.Minute), client.VerdictGood},
		"key has ended": {func(w *world) { w.key(signerID).Expires = day.Add(-time.Minute) }, nil, "key", day.Add(-time.Minute), client.VerdictRefused},
		"disabled": {func(w *world) {
			k := w.key(signerID)
			k.Disabled, k.DisabledAt, k.DisabledBy = true, day.Add(-time.Minute), "local"
		}, nil, "keyDisabled", day.Add(-time.Minute), client.VerdictRefused},
		"disabled, nobody knows when": {func(w *world) { w.key(signerID).Disabled = true }, nil, "keyDisabled", time.Time{}, client.VerdictRefused},
		"policy": {func(w *world) {
			w.trial.Policies = append(w.trial.Policies, daypass.PolicyChange{At: day.Add(time.Minute), Why: "denied by it"})
		}, nil, "policy", day.Add(time.Minute), client.VerdictGood},
		"a policy stopped, and allows it again": {func(w *world) {
			w.trial.Policies = []daypass.PolicyChange{{At: day.Add(-time.Hour), Allowed: true}, {At: day.Add(-2 * time.Minute)},
				{At: day.Add(-time.Minute), Allowed: true}, {At: day.Add(time.Minute)}}
		}, nil, "policy", day.Add(time.Minute), client.VerdictGood},
		"a policy stopped, and will allow it again": {func(w *world) {
			w.trial.Policies = []daypass.PolicyChange{{At: day.Add(-time.Hour), Allowed: true}, {At: day.Add(-time.Minute)}, {At: day.Add(time.Minute), Allowed: true}}
		}, nil, "expiry", own, client.VerdictEarly},
		"a policy stopped": {func(w *world) {
			w.trial.Policies = append(w.trial.Policies, daypass.PolicyChange{At: day.Add(-time.Minute)})
		}, nil, "policy", day.Add(-time.Minute), client.VerdictRefused},
		"deleted, nobody knows when": {func(w *world) { w.keys().keys = w.keys().keys[:2] }, nil, "keyDeleted", time.Time{}, client.VerdictRefused},
		"signed ahead":               {func(w *world) { w.cfg.Clock = func() time.Time { return day.Add(-2 * time.Hour) } }, nil, "expiry", own, client.VerdictEarly},
		"lifetime":                   {func(w *world) { w.cfg.MaxLifetime = 90 * time.Minute }, nil, "maxLifetime", signed.Add(90 * time.Minute), client.VerdictGood},
		"age":                        {func(w *world) { w.cfg.MaxSignatureAge = 30 * time.Minute }, nil, "maxSignatureAge", signed.Add(30 * time.Minute), client.VerdictRefused},
		"revoked": {func(w *world) {
			w.passes().revocations = []state.Revocation{{ID: "R", Key: signerID, Created: day.Add(-time.Second), Creator: "local"}}
		}, nil, "revocation", day.Add(-time.Second), client.VerdictRefused},
		"revoked below its prefix": {func(w *world) {
			w.trial.Object.Key = "in/a"
			w.passes().revocations = []state.Revocation{{ID: "R", Bucket: "b", Prefix: "in/a", Created: day.Add(-time.Second), Creator: "local"}}
		}, []sign.Param{{Name: "x-daypass-prefix", Value: "in/"}}, "revocation", day.Add(-time.Second), client.VerdictRefused},
		"deleted": {func(w *world) {
			w.keys().keys = w.keys().keys[:2]
			w.trial.Signature = &daypass.Error{Code: daypass.InvalidAccessKeyID}
			w.past = []daypass.Event{{Time: day.Add(-time.Minute), Action: daypass.DeleteAccessKey, Subject: "key " + signerID, Grant: daypass.Grant{AccessKeyID: "local"}}}
		}, nil, "keyDeleted", day.Add(-time.Minute), client.VerdictRefused},
	} {
		w := newWorld(t)
		w.passes().revocations = nil
		c.change(w)
		e := w.explain(w.url(signerID, c.limits...))
		var wins []client.PassEnd
		for _, end := range e.Ends {
			if end.Wins {
				wins = append(wins, end)
			}
		}
		if len(wins) != 1 || wins[0].Kind != c.kind || !wins[0].At.Equal(c.at) || !e.EndsAt.Equal(c.at) || e.Verdict != c.verdict {
			t.Errorf("%s: %q %q, %+v, want %s at %v", name, e.Verdict, e.Reason, e.Ends, c.kind, c.at)
		}
	}
}

// TestExplainSession checks that the end of a session token counts, with that
// of the key that it was made with.
func TestExplainSession(t *testing.T) {
	s := openState(t)
	parent, err := s.CreateKey(t.Context(), state.NewKey{Expires: time.Now().Add(30 * time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	k, err := s.CreateSession(state.NewSession{Parent: parent, Lifetime: 20 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	p, err := sign.NewPresigner(sign.Key{ID: k.ID, Secret: string(k.Secret), Token: string(k.Session.Token)}, "https://s3.example.com", "us-east-1")
	if err != nil {
		t.Fatal(err)
	}
	u, err := p.Presign(sign.URLRequest{Method: "GET", Bucket: "b", Key: "k", Time: time.Now(), Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(io.Discard)
	cfg.Keys, cfg.Passes, cfg.Clock, cfg.Authenticate, cfg.TrustLocal = s, s, time.Now, nil, true
	c, err := client.New(client.Config{Endpoint: "unix:" + serveUnix(t, handler(t, cfg))})
	if err != nil {
		t.Fatal(err)
	}
	e, err := c.Explain(t.Context(), client.ExplainRequest{URL: daypass.Secret(u)})
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, end := range e.Ends {
		kinds = append(kinds, end.Kind)
	}
	if diff := cmp.Diff([]string{"sessionToken", "key", "expiry"}, kinds); diff != "" || !e.EndsAt.Equal(k.Expires) {
		t.Errorf("ends at %v, want %v\n%s", e.EndsAt, k.Expires, diff)
	}
	if e.Signer.Parent != parent.ID || e.Signer.State != client.KeyEnabled {
		t.Errorf("%+v", e.Signer)
	}
	if err := s.SetKeyDisabled(t.Context(), parent.ID, true, "local"); err != nil {
		t.Fatal(err)
	}
	if e, err = c.Explain(t.Context(), client.ExplainRequest{URL: daypass.Secret(u)}); err != nil || e.Verdict != client.VerdictRefused || e.Signer.State != client.KeyDisabled {
		t.Errorf("%+v, %v", e, err)
	}
	if err := s.DeleteKey(t.Context(), parent.ID); err != nil {
		t.Fatal(err)
	}
	e, err = c.Explain(t.Context(), client.ExplainRequest{URL: daypass.Secret(u)})
	if err != nil || e.Signer.Parent != parent.ID || e.Verdict != client.VerdictRefused || e.Reason != "the access key that the session was made with was deleted" || !e.EndsAt.IsZero() {
		t.Errorf("without the parent: %+v, %v", e, err)
	}
}

// TestExplainVerdicts checks refusals that are no ends.
func TestExplainVerdicts(t *testing.T) {
	uses := sign.Param{Name: "x-daypass-uses", Value: "2"}
	later := sign.Param{Name: "x-daypass-not-before", Value: day.Add(time.Minute).UTC().Format("20060102T150405Z")}
	for name, c := range map[string]struct {
		change  func(*world)
		limits  []sign.Param
		verdict string
		reason  string
	}{
		"wrong": {func(w *world) {
			w.trial = daypass.Trial{Signature: &daypass.Error{Code: "SignatureDoesNotMatch", Message: "no match", Err: errors.New("the port differs")}}
		}, nil, client.VerdictRefused, "the signature is not good: no match: the port differs"},
		"refused": {func(w *world) { w.trial.Refusal = &daypass.Error{Code: daypass.NoSuchBucket} }, nil, client.VerdictRefused, "NoSuchBucket"},
		"unproven": {func(w *world) {
			w.trial.Signature, w.trial.Unproven = &daypass.Error{Code: "SignatureDoesNotMatch"}, []string{"content-type"}
		}, nil, client.VerdictUnknown, "the signature cannot be checked: it covers content-type"},
		"unproven, of a pass that was seen": {func(w *world) {
			w.trial.Signature, w.trial.Unproven = &daypass.Error{Code: "SignatureDoesNotMatch"}, []string{"content-type"}
			w.see(w.url(signerID))
		}, nil, client.VerdictUnknown, "the signature cannot be checked: it covers content-type"},
		"policies ask who opens it": {func(w *world) {
			w.trial.Refusal, w.trial.Depends = &daypass.Error{Code: daypass.AccessDenied, Message: "denied"}, []string{"aws:SourceIp"}
		}, nil, client.VerdictUnknown, "policies ask for aws:SourceIp of whoever opens it, which is not known: denied"},
		"early":       {func(*world) {}, []sign.Param{later}, client.VerdictEarly, "it begins at 2026-03-04T05:07:07Z"},
		"unknown key": {func(w *world) { w.keys().keys = w.keys().keys[:2] }, nil, client.VerdictRefused, "the server has no access key " + signerID},
		"some uses":   {func(*world) {}, []sign.Param{uses}, client.VerdictGood, ""},
	} {
		w := newWorld(t)
		w.passes().revocations = nil
		c.change(w)
		e, _ := w.ask(client.ExplainRequest{URL: daypass.Secret(w.url(signerID, c.limits...))})
		if e.Verdict != c.verdict || !strings.HasPrefix(e.Reason, c.reason) {
			t.Errorf("%s: %q %q", name, e.Verdict, e.Reason)
		}
	}
}

// TestExplainPast checks how refusals are counted, and which events are of
// another URL.
func TestExplainPast(t *testing.T) {
	w := newWorld(t)
	u := w.url(rootID)
	in, err := sign.Inspect(u)
	if err != nil {
		t.Fatal(err)
	}
	mismatch := func(minutes int) daypass.Event {
		return daypass.Event{Time: day.Add(time.Duration(-minutes) * time.Minute), Action: daypass.GetObject, Status: 403, Code: "SignatureDoesNotMatch", Message: "The request signature we calculated",
			Reason: "sign: SignatureDoesNotMatch: The request signature we calculated: content-type is signed but the client sent none"}
	}
	granted := daypass.Event{Time: day, Action: daypass.GetObject, Status: 200, Grant: daypass.Grant{PassID: in.PassID}, Source: "192.0.2.9", UserAgent: "curl"}
	other := mismatch(1)
	other.Grant.PassID = passB
	revoked := daypass.Event{Time: day, Action: daypass.GetObject, Status: 403, Code: daypass.AccessDenied, Message: "This pass has been revoked.",
		Reason: "server.revoked: AccessDenied: This pass has been revoked.", Grant: daypass.Grant{PassID: in.PassID}}
	w.past = []daypass.Event{mismatch(5), mismatch(3), mismatch(9), granted, other, revoked}
	e := w.explain(u)
	want := []client.PassRefusals{
		{Code: daypass.AccessDenied, Reason: "This pass has been revoked.", Help: "refused once with AccessDenied: it was opened after it was revoked", Count: 1, First: day, Last: day},
		{Code: "SignatureDoesNotMatch", Reason: "content-type is signed but the client sent none",
			Help: "refused 3 times with SignatureDoesNotMatch: content-type is signed but the client sent none", Count: 3,
			First: day.Add(-9 * time.Minute), Last: day.Add(-3 * time.Minute)},
	}
	if diff := cmp.Diff(want, e.Refusals); diff != "" {
		t.Error(diff)
	}
	_, query, _ := strings.Cut(u, "?")
	if w.asked.Pass != in.PassID || w.asked.Target != "/b/k?"+query || !w.asked.Since.Equal(day.Add(-7*24*time.Hour)) {
		t.Errorf("asked for %+v", w.asked)
	}
	if w.who != (daypass.Visitor{Source: "192.0.2.9", UserAgent: "curl"}) {
		t.Errorf("tried as %+v", w.who)
	}
	for n := range 50 {
		x := revoked
		x.Reason = "reason " + strings.Repeat("x", n)
		w.past = append(w.past, x)
	}
	if e = w.explain(u); len(e.Refusals) != 20 || len(e.Notes) != 1 {
		t.Errorf("%d reasons, notes %q", len(e.Refusals), e.Notes)
	}
}

// TestExplainOfOthers checks that a key without a policy learns of its own
// account's passes only, whatever it writes into a URL.
func TestExplainOfOthers(t *testing.T) {
	w := newWorld(t)
	w.keys().keys = append(w.keys().keys, daypass.AccessKey{ID: otherID, Secret: secret, Owner: "team"})
	in, err := sign.Inspect(w.url(rootID))
	if err != nil {
		t.Fatal(err)
	}
	w.passes().passes = append(w.passes().passes, state.PassRecord{ID: in.PassID, Key: rootID, Owner: "daypass", Name: "secret party", First: day, Last: day, Uses: 3})
	w.past = []daypass.Event{{Time: day, Action: daypass.GetObject, Code: daypass.AccessDenied, Reason: "AccessDenied: of the other", Grant: daypass.Grant{PassID: in.PassID}}}
	// The signature of the root key's URL under the name of the caller's key.
	forged := strings.Replace(w.url(rootID), "X-Amz-Credential="+rootID, "X-Amz-Credential="+otherID, 1)
	w.trial.Signature = &daypass.Error{Code: "SignatureDoesNotMatch"}
	e, a := w.ask(client.ExplainRequest{URL: daypass.Secret(forged)}, "header "+otherID)
	if a.Code != 200 || e.Seen != nil || len(e.Refusals) != 0 || e.Uses != nil || strings.Contains(a.Body.String(), "secret party") {
		t.Errorf("forged: %d %s", a.Code, a.Body)
	}
	for name, r := range map[string]client.ExplainRequest{
		"URL": {URL: daypass.Secret(w.url(rootID))}, "unseen URL": {URL: daypass.Secret(w.url(signerID))}, "id": {PassID: in.PassID}, "unknown id": {PassID: passNone},
	} {
		if _, a := w.ask(r, "header "+otherID); a.Code != 404 {
			t.Errorf("%s: %d %s", name, a.Code, a.Body)
		}
	}
	w.trial.Signature = nil
	if e, a = w.ask(client.ExplainRequest{URL: daypass.Secret(w.url(otherID))}, "header "+otherID); a.Code != 200 || e.Verdict != client.VerdictGood {
		t.Errorf("its own: %d %s", a.Code, a.Body)
	}
	if e, a = w.ask(client.ExplainRequest{PassID: passA}, "header "+otherID); a.Code != 200 || e.Seen == nil || len(e.Revocations) == 0 {
		t.Errorf("its own, by id: %d %s", a.Code, a.Body)
	}
	if _, a = w.ask(client.ExplainRequest{PassID: passA}, "header forged"); a.Code != 403 {
		t.Errorf("nobody: %d", a.Code)
	}
}

// TestExplainForeignBucket checks that nobody learns what the policies of
// another account's bucket say.
func TestExplainForeignBucket(t *testing.T) {
	const inner = "denied by statement 1"
	refusal := &daypass.Error{Op: "server.authorize", Code: daypass.AccessDenied, Message: "Access Denied", Err: errors.New(inner)}
	w := newWorld(t)
	w.keys().keys = append(w.keys().keys, daypass.AccessKey{ID: otherID, Secret: secret, Owner: "team"})
	ask := func(owner string, refused bool) (client.Explanation, string) {
		w.trial.BucketOwner, w.trial.Refusal = owner, nil
		w.trial.Policies = []daypass.PolicyChange{{At: day, Allowed: true}, {At: day.Add(time.Minute), Why: inner}}
		if refused {
			w.trial.Refusal = refusal
		}
		w.past = []daypass.Event{{Time: day, Method: "GET", Action: daypass.GetObject, BucketOwner: owner, Code: daypass.AccessDenied, Message: "Access Denied", Reason: "server.authorize: AccessDenied: Access Denied: " + inner}}
		e, a := w.ask(client.ExplainRequest{URL: daypass.Secret(w.url(otherID))}, "header "+otherID)
		return e, a.Body.String()
	}
	for _, refused := range []bool{false, true} {
		e, text := ask("team", refused)
		if !strings.Contains(text, inner) || len(e.Refusals) != 1 {
			t.Errorf("its own bucket: %s", text)
		}
		e, text = ask("daypass", refused)
		want := client.VerdictGood
		if refused {
			want = client.VerdictRefused
		}
		if strings.Contains(text, inner) || strings.Contains(text, endPolicyKind) || len(e.Refusals) != 1 || e.Verdict != want {
			t.Errorf("of another account: %s", text)
		}
	}
}

// endPolicyKind is an end by policies, in JSON.
const endPolicyKind = `"policy"`

// TestExplainRefuses checks what is no question.
func TestExplainRefuses(t *testing.T) {
	w := newWorld(t)
	for name, r := range map[string]client.ExplainRequest{
		"nothing": {}, "both": {URL: daypass.Secret(w.url(rootID)), PassID: passA}, "no pass": {URL: "https://h/b/k"},
		"no id": {PassID: "x"}, "long ago": {PassID: passA, Since: day.AddDate(-2, 0, 0)},
	} {
		if _, a := w.ask(r); a.Code != 400 {
			t.Errorf("%s: %d %s", name, a.Code, a.Body)
		}
	}
	if text, err := json.Marshal(client.ExplainRequest{URL: "https://h/?X-Amz-Signature=abc"}); err != nil || strings.Contains(string(text), "abc") {
		t.Errorf("the URL is shown: %s, %v", text, err)
	}
}

// FuzzExplain sends anything: no request makes the API fail.
func FuzzExplain(f *testing.F) {
	f.Add([]byte(`{"url":"https://h/b/k?AWSAccessKeyId=a&Expires=1&Signature=AAAAAAAAAAAAAAAAAAAAAAAAAAA%3D"}`))
	f.Add([]byte(`{"passId":"` + passA + `","since":"2026-01-01T00:00:00Z"}`))
	h, err := admin.New(config(io.Discard))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if w := do(h, "POST", "/api/v1/passes/explain", string(body)); w.Code >= 500 {
			t.Errorf("%q: %d %s", body, w.Code, w.Body)
		}
	})
}
