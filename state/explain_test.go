package state_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
)

// TestSpending checks what the ledger tells of downloads, of uploads, and of
// what is under way.
func TestSpending(t *testing.T) {
	f := open(t)
	ctx := t.Context()
	token := func() state.Token {
		tok, err := f.NewToken()
		if err != nil {
			t.Fatal(err)
		}
		return tok
	}
	want := func(pass string, want state.Spending) {
		t.Helper()
		got, err := f.Spending(ctx, pass)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", pass, err, diff)
		}
	}
	want("unknown", state.Spending{})
	b := state.Budget{Pass: "P", Uses: 3, Size: 100, ETag: "e"}
	done, under := token(), token()
	for _, tok := range []state.Token{done, under} {
		if err := f.Draw(ctx, b, tok, 100, 100); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Settle(ctx, b, done, 100, true); err != nil {
		t.Fatal(err)
	}
	want("P", state.Spending{Budgets: 1, Drawn: 200, Under: 100, Outstanding: 1})
	c := state.Count{Pass: "U", Uses: 3}
	used, held := token(), token()
	for _, tok := range []state.Token{used, held} {
		if err := f.Reserve(ctx, c, tok); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Release(ctx, c, used, true); err != nil {
		t.Fatal(err)
	}
	want("U", state.Spending{Used: 1, Outstanding: 1})
}

// TestRevocationsOn checks that all that match are found, and only those.
func TestRevocationsOn(t *testing.T) {
	f := open(t)
	p := &state.Subject{Pass: "P", Name: "n", Owner: "o", Key: "k", Bucket: "b", Object: "in/a", Signed: f.clock.now()}
	later := f.clock.now().Add(time.Hour)
	for _, r := range []state.Revocation{
		{Pass: "P", Creator: "pass"}, {Name: "n", Owner: "o", Creator: "name"}, {Key: "k", Creator: "key"},
		{Bucket: "b", Prefix: "in/", Creator: "prefix"}, {Before: later, Creator: "before"}, {Owner: "o", Creator: "owner"},
		{Pass: "Q", Creator: "-"}, {Name: "n", Owner: "p", Creator: "-"}, {Bucket: "b", Prefix: "out/", Creator: "-"},
		{Before: f.clock.now(), Creator: "-"}, {Key: "k", Name: "m", Owner: "o", Creator: "-"},
	} {
		if _, err := f.Revoke(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		f.clock.advance(time.Millisecond)
	}
	var got []string
	for _, r := range f.RevocationsOn(p) {
		got = append(got, r.Creator)
	}
	if diff := cmp.Diff([]string{"pass", "name", "key", "prefix", "before", "owner"}, got); diff != "" {
		t.Error(diff)
	}
}

// TestFindKey checks that keys are found that are good no more, and who made a
// session.
func TestFindKey(t *testing.T) {
	f := open(t)
	parent := f.create(t, state.NewKey{Expires: f.clock.now().Add(time.Hour), Policy: "p"})
	session, err := f.CreateSession(state.NewSession{Parent: parent, Lifetime: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	find := func(token daypass.Secret) (daypass.AccessKey, *daypass.AccessKey, daypass.Code) {
		k, p, err := f.FindKey(t.Context(), session.ID, string(token))
		return k, p, daypass.CodeOf(err)
	}
	if err := f.SetKeyDisabled(t.Context(), parent.ID, true, "admin"); err != nil {
		t.Fatal(err)
	}
	f.clock.advance(2 * time.Hour)
	k, p, code := find(session.Session.Token)
	if code != "" || k.Secret != session.Secret || k.Policy != "p" || p == nil || !p.Disabled || p.DisabledBy != "admin" {
		t.Errorf("%+v, %+v, %s", k, p, code)
	}
	if k, _, code = find("AAAA"); code != daypass.NoSuchAccessKey || k.ID != "" {
		t.Errorf("another token: %+v, %s", k, code)
	}
	if lasting, p, err := f.FindKey(t.Context(), parent.ID, ""); err != nil || lasting.ID != parent.ID || p != nil {
		t.Errorf("%+v, %+v, %v", lasting, p, err)
	}
	if err := f.DeleteKey(t.Context(), parent.ID); err != nil {
		t.Fatal(err)
	}
	if k, p, code = find(session.Session.Token); code != daypass.NoSuchAccessKey || k.ID != session.ID || p != nil {
		t.Errorf("without its parent: %+v, %+v, %s", k, p, code)
	}
}
