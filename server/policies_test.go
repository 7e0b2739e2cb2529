package server

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/daypass/daypass/lifecycle"
	"github.com/daypass/daypass/policy"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
)

// TestCompiledOnce checks that no request compiles what an earlier one has.
func TestCompiledOnce(t *testing.T) {
	r := newRealm(t)
	r.policy(statement("Allow", "*", "s3:GetObject", allARN))
	s, err := New(func() Config { c := testConfig(r.store); c.Settings = r.state; return c }())
	if err != nil {
		t.Fatal(err)
	}
	b, err := r.store.Bucket(t.Context(), "photos")
	if err != nil {
		t.Fatal(err)
	}
	first, err := s.rulesOf(t.Context(), &b)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.rulesOf(t.Context(), &b); again != first || err != nil {
		t.Errorf("rules are compiled again, %v", err)
	}
	r.policy(statement("Deny", "*", "s3:GetObject", allARN))
	if changed, err := s.rulesOf(t.Context(), &b); changed == first || err != nil {
		t.Errorf("a change is not seen, %v", err)
	}
	text := document(statement("Allow", "", "s3:GetObject", "*"))
	one, err1 := s.compilePolicy(text, policy.Identity)
	two, err2 := s.compilePolicy(text, policy.Identity)
	if one != two || err1 != nil || err2 != nil {
		t.Errorf("policies are compiled again, %v, %v", err1, err2)
	}
}

// TestBrokenSettings checks that settings that cannot be read allow nothing.
func TestBrokenSettings(t *testing.T) {
	for _, name := range []string{settingPolicy, settingACL, settingOwnership, settingPublicBlock, settingCORS, settingEncryption, lifecycle.Setting} {
		r := newRealm(t)
		b, err := r.store.Bucket(t.Context(), "photos")
		if err != nil {
			t.Fatal(err)
		}
		if err := r.state.SetBucketSetting(t.Context(), b.ID, name, []byte("nonsense")); err != nil {
			t.Fatal(err)
		}
		r.want(r.as(r.alice, "GET", "/photos/key", ""), 500, "InternalError")
	}
}

// BenchmarkGetAsUser is BenchmarkGetPresigned for a user with a policy on a
// bucket with a policy.
func BenchmarkGetAsUser(b *testing.B) {
	e := newRealm(b)
	user := e.user("user", statement("Allow", "", "s3:GetObject", allARN))
	e.policy(statement("Deny", "*", "s3:*", allARN, `{"NumericGreaterThan":{"s3:signatureAge":"900000"}}`))
	s, err := New(func() Config { c := testConfig(e.store); c.Keys, c.Settings = e.state, e.state; return c }())
	if err != nil {
		b.Fatal(err)
	}
	q := e.presignFor("http://"+e.addr, user, sign.URLRequest{Method: "GET", Bucket: "photos", Key: "key"})
	r := httptest.NewRequest("GET", q.target, nil)
	r.Host = q.host
	b.ReportAllocs()
	for b.Loop() {
		w := &nowhere{header: make(http.Header, 16)}
		s.ServeHTTP(w, r)
		if w.header.Get("Last-Modified") == "" {
			b.Fatal("no object")
		}
	}
}

var (
	_ SessionKeys = (*state.State)(nil)
	_ Settings    = (*state.State)(nil)
	_ KeyLister   = (*state.State)(nil)
)
