package admin_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/state/sqlstate"
)

// serveUnix serves h on a unix socket and returns its path.
func serveUnix(t *testing.T, h http.Handler) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "admin.sock")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: h}
	go srv.Serve(l)
	t.Cleanup(func() { srv.Close() })
	return path
}

func openState(t *testing.T) *state.State {
	t.Helper()
	d, err := sqlstate.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := state.Open(t.Context(), d, state.MasterKey{1}, state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// The client, the API and the state work together over a trusted socket.
func TestRoundTrip(t *testing.T) {
	s := openState(t)
	root, _, err := s.EnsureRoot(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(io.Discard)
	cfg.Keys, cfg.Authenticate, cfg.TrustLocal = s, nil, true
	c, err := client.New(client.Config{Endpoint: "unix:" + serveUnix(t, handler(t, cfg))})
	if err != nil {
		t.Fatal(err)
	}

	if got, err := c.Server(t.Context()); err != nil || !cmp.Equal(got, cfg.Server) {
		t.Errorf("Server: %v, %v", got, err)
	}
	made, err := c.CreateKey(t.Context(), client.NewKey{Name: "ci"})
	if err != nil {
		t.Fatal(err)
	}
	stored, err := s.AccessKey(t.Context(), made.AccessKeyID)
	if err != nil || stored.Secret != made.SecretAccessKey || stored.Name != "ci" {
		t.Errorf("stored %v, %v", stored, err)
	}
	const odd = "user:a+b%2F?#.."
	if _, err := c.CreateKey(t.Context(), client.NewKey{AccessKeyID: odd, SecretAccessKey: "imported-secret"}); err != nil {
		t.Fatal(err)
	}
	if err := c.DisableKey(t.Context(), odd); err != nil {
		t.Error(err)
	}
	if k, err := c.Key(t.Context(), odd); err != nil || !k.Disabled || k.AccessKeyID != odd {
		t.Errorf("Key: %v, %v", k, err)
	}
	if err := c.EnableKey(t.Context(), odd); err != nil {
		t.Error(err)
	}
	for _, policy := range []string{`{"Version":"2012-10-17"}`, ""} {
		var err error
		if policy == "" {
			err = c.ClearKeyPolicy(t.Context(), odd)
		} else {
			err = c.SetKeyPolicy(t.Context(), odd, policy)
		}
		if k, err2 := c.Key(t.Context(), odd); err != nil || err2 != nil || k.Policy != policy {
			t.Errorf("policy %q: %v, %v, %v", policy, k, err, err2)
		}
	}
	if err := c.SetKeyPolicy(t.Context(), odd, ""); daypass.CodeOf(err) != "MalformedPolicy" {
		t.Errorf("SetKeyPolicy with nothing: %v", err)
	}
	wantKeys(t, c, made.AccessKeyID, root.ID, odd)
	if err := c.DeleteKey(t.Context(), odd); err != nil {
		t.Error(err)
	}
	wantKeys(t, c, made.AccessKeyID, root.ID)

	_, err = c.Key(t.Context(), odd)
	if !errors.Is(err, &daypass.Error{Code: daypass.NoSuchAccessKey}) {
		t.Errorf("Key after deletion: %v", err)
	}
	if err := c.DeleteKey(t.Context(), root.ID); daypass.CodeOf(err) != daypass.InvalidRequest {
		t.Errorf("DeleteKey of root: %v", err)
	}
	p, err := c.Presign(t.Context(), client.PresignRequest{Method: "GET", Bucket: "b", Key: "k", ExpiresSeconds: 60})
	if err != nil || p.URL != "https://s3.example.com/b/k?a=1&X-Amz-Expires=60" {
		t.Errorf("Presign: %v, %v", p, err)
	}
}

// Passes are seen, revoked and restored through client, API and state.
func TestRoundTripOfPasses(t *testing.T) {
	s := openState(t)
	if _, _, err := s.EnsureRoot(t.Context(), "", ""); err != nil {
		t.Fatal(err)
	}
	cfg := config(io.Discard)
	cfg.Keys, cfg.Passes, cfg.Authenticate, cfg.TrustLocal, cfg.Clock = s, s, nil, true, nil
	c, err := client.New(client.Config{Endpoint: "unix:" + serveUnix(t, handler(t, cfg))})
	if err != nil {
		t.Fatal(err)
	}
	one, err := c.Revoke(t.Context(), client.NewRevocation{PassID: passA})
	if err != nil {
		t.Fatal(err)
	}
	all, err := c.Revoke(t.Context(), client.NewRevocation{Name: "party", Owner: "team", Bucket: "b", Prefix: "in/"})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for r, err := range c.AllRevocations(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.ID)
	}
	if want := []string{one.ID, all.ID}; !cmp.Equal(slices.Sorted(slices.Values(want)), ids) {
		t.Errorf("revocations %v, want %v", ids, want)
	}
	if p, err := c.Pass(t.Context(), passA); err != nil || p.RevokedBy != one.ID {
		t.Errorf("a pass that was revoked: %+v, %v", p, err)
	}
	if r, err := c.RestorePass(t.Context(), passA); err != nil || r.Lifted != 1 || r.Revoked {
		t.Errorf("RestorePass: %+v, %v", r, err)
	}
	if _, err := c.Pass(t.Context(), passA); daypass.CodeOf(err) != daypass.NoSuchPass {
		t.Errorf("a pass that nobody has used: %v", err)
	}
	if err := c.LiftRevocation(t.Context(), all.ID); err != nil {
		t.Error(err)
	}
	if err := c.LiftRevocation(t.Context(), all.ID); daypass.CodeOf(err) != "NoSuchRevocation" {
		t.Errorf("a revocation that was lifted: %v", err)
	}
	if p, err := c.Passes(t.Context(), client.PassFilter{}, "", 0); err != nil || len(p.Passes) != 0 {
		t.Errorf("Passes: %v, %v", p, err)
	}
}

func wantKeys(t *testing.T, c *client.Client, want ...string) {
	t.Helper()
	have := map[string]bool{}
	for k, err := range c.AllKeys(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		have[k.AccessKeyID] = true
	}
	if len(have) != len(want) {
		t.Errorf("keys %v, want %v", have, want)
	}
	for _, id := range want {
		if !have[id] {
			t.Errorf("key %q is missing in %v", id, have)
		}
	}
}

// All pages together are all keys.
func TestPages(t *testing.T) {
	cfg := config(io.Discard)
	srv := httptest.NewServer(handler(t, cfg))
	defer srv.Close()
	c, err := client.New(client.Config{Endpoint: srv.URL + "/", Sign: func(r *http.Request) error {
		r.Header.Set("Authorization", "header "+rootID)
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for after := ""; ; {
		p, err := c.Keys(t.Context(), after, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range p.Keys {
			got = append(got, k.AccessKeyID)
		}
		if after = p.Next; after == "" {
			break
		}
	}
	if diff := cmp.Diff([]string{rootID, plainID}, got); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}
