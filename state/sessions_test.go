package state_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/state/sqlstate"
)

func TestSessions(t *testing.T) {
	s := open(t)
	now := s.clock.now()
	parent, err := s.CreateKey(t.Context(), state.NewKey{Name: "app", Policy: "{}"})
	if err != nil {
		t.Fatal(err)
	}
	k, err := s.CreateSession(state.NewSession{Parent: parent, Name: "job", Role: "arn:x", Policy: "narrow", Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if !state.IsSession(k.ID) || state.IsSession(parent.ID) || len(k.Secret) != 40 || k.Expires.Unix() != now.Add(time.Hour).Unix() {
		t.Errorf("%q %v", k.ID, k.Expires)
	}
	got, err := s.SessionKey(t.Context(), k.ID, string(k.Session.Token))
	if err != nil {
		t.Fatal(err)
	}
	if got.Secret != k.Secret || got.Policy != "{}" || got.Session.Policy != "narrow" || got.Session.Parent != parent.ID || got.Owner != parent.Owner {
		t.Errorf("opened as %+v", got)
	}
	token := string(k.Session.Token)
	for name, c := range map[string][2]string{
		"another id":    {"DPASAAAAAAAAAAAAAAAA", token},
		"no token":      {k.ID, ""},
		"changed token": {k.ID, "B" + token[1:]},
		"respelled":     {k.ID, token[:4] + "\n" + token[4:]},
		"cut":           {k.ID, token[:len(token)-4]},
	} {
		if _, err := s.SessionKey(t.Context(), c[0], c[1]); daypass.CodeOf(err) != daypass.NoSuchAccessKey {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := s.CreateSession(state.NewSession{Parent: got, Lifetime: time.Hour}); daypass.CodeOf(err) != daypass.InvalidArgument {
		t.Errorf("a session of a session: %v", err)
	}
	if _, err := s.CreateSession(state.NewSession{Parent: parent}); daypass.CodeOf(err) != daypass.InvalidArgument {
		t.Errorf("a session without a life: %v", err)
	}
}

// TestSessionEndsWithParent checks that disabling or deleting a key ends its
// sessions, and that its policy is read at the time of use.
func TestSessionEndsWithParent(t *testing.T) {
	s := open(t)
	parent, err := s.CreateKey(t.Context(), state.NewKey{})
	if err != nil {
		t.Fatal(err)
	}
	k, err := s.CreateSession(state.NewSession{Parent: parent, Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	reopen := func() (daypass.AccessKey, error) { return s.SessionKey(t.Context(), k.ID, string(k.Session.Token)) }
	if err := s.SetKeyPolicy(t.Context(), parent.ID, "later"); err != nil {
		t.Fatal(err)
	}
	if got, err := reopen(); err != nil || got.Policy != "later" {
		t.Errorf("policy %q %v", got.Policy, err)
	}
	if err := s.SetKeyDisabled(t.Context(), parent.ID, true, "admin"); err != nil {
		t.Fatal(err)
	}
	if _, err := reopen(); daypass.CodeOf(err) != daypass.NoSuchAccessKey {
		t.Errorf("parent disabled: %v", err)
	}
	if err := s.DeleteKey(t.Context(), parent.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := reopen(); daypass.CodeOf(err) != daypass.NoSuchAccessKey {
		t.Errorf("parent deleted: %v", err)
	}
}

// TestSessionsOfOtherNodes checks that a token opens under its own master key
// only.
func TestSessionsOfOtherNodes(t *testing.T) {
	s := open(t)
	parent, err := s.CreateKey(t.Context(), state.NewKey{})
	if err != nil {
		t.Fatal(err)
	}
	k, err := s.CreateSession(state.NewSession{Parent: parent, Lifetime: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(k.Session.Token), parent.ID) {
		t.Error("the token is not sealed")
	}
	d, err := sqlstate.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "other.db"))
	if err != nil {
		t.Fatal(err)
	}
	other, err := state.Open(t.Context(), d, state.MasterKey{9}, state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	if _, err := other.SessionKey(t.Context(), k.ID, string(k.Session.Token)); daypass.CodeOf(err) != daypass.NoSuchAccessKey {
		t.Errorf("under another master key: %v", err)
	}
}

func TestBucketSettingsAreCached(t *testing.T) {
	s := open(t)
	get := func() string {
		t.Helper()
		v, err := s.BucketSettings(t.Context(), "b")
		if err != nil {
			t.Fatal(err)
		}
		return string(v["policy"])
	}
	if get() != "" {
		t.Error("a setting that was never set")
	}
	if err := s.SetBucketSetting(t.Context(), "b", "policy", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if get() != "x" {
		t.Error("a change does not show at once")
	}
	if err := s.DeleteBucketSettings(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if get() != "" {
		t.Error("a removal does not show at once")
	}
}
