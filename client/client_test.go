package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
)

// serve returns a client of a server that answers every request alike.
func serve(t *testing.T, status int, body string) *client.Client {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(srv.Close)
	return newClient(t, client.Config{Endpoint: srv.URL})
}

func newClient(t *testing.T, cfg client.Config) *client.Client {
	t.Helper()
	c, err := client.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Requests are what the API documents, signed after their body is known.
func TestRequests(t *testing.T) {
	var got string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = fmt.Sprintf("%s %s %s %s", r.Method, r.RequestURI, r.Header.Get("Authorization"), body)
		io.WriteString(w, "{}")
	}))
	defer srv.Close()
	sign := func(r *http.Request) error {
		n := 0
		if r.GetBody != nil {
			b, err := r.GetBody()
			if err != nil {
				return err
			}
			text, _ := io.ReadAll(b)
			n = len(text)
		}
		r.Header.Set("Authorization", fmt.Sprint("signed-", n))
		return nil
	}
	c := newClient(t, client.Config{Endpoint: srv.URL + "/behind/proxy/", Sign: sign})
	ctx := t.Context()
	for _, x := range []struct {
		want string
		call func() error
	}{
		{"GET /behind/proxy/api/v1/server signed-0 ", func() error { _, err := c.Server(ctx); return err }},
		{"GET /behind/proxy/api/v1/keys signed-0 ", func() error { _, err := c.Keys(ctx, "", 0); return err }},
		{"GET /behind/proxy/api/v1/keys?after=a%2Bb&max=7 signed-0 ", func() error { _, err := c.Keys(ctx, "a+b", 7); return err }},
		{"GET /behind/proxy/api/v1/keys/a+b%3F signed-0 ", func() error { _, err := c.Key(ctx, "a+b?"); return err }},
		{"POST /behind/proxy/api/v1/keys/abc/disable signed-0 ", func() error { return c.DisableKey(ctx, "abc") }},
		{"POST /behind/proxy/api/v1/keys/abc/enable signed-0 ", func() error { return c.EnableKey(ctx, "abc") }},
		{"DELETE /behind/proxy/api/v1/keys/abc signed-0 ", func() error { return c.DeleteKey(ctx, "abc") }},
		{`POST /behind/proxy/api/v1/keys signed-2 {}`, func() error { _, err := c.CreateKey(ctx, client.NewKey{}); return err }},
		{`POST /behind/proxy/api/v1/keys signed-96 {"name":"n","expires":"2027-01-01T00:00:00Z","accessKeyId":"abc","secretAccessKey":"the secret"}`, func() error {
			_, err := c.CreateKey(ctx, client.NewKey{Name: "n", Expires: time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC), AccessKeyID: "abc", SecretAccessKey: "the secret"})
			return err
		}},
		{`POST /behind/proxy/api/v1/presign signed-48 {"method":"GET","bucket":"b","expiresSeconds":5}`, func() error {
			_, err := c.Presign(ctx, client.PresignRequest{Method: "GET", Bucket: "b", ExpiresSeconds: 5})
			return err
		}},
		{`POST /behind/proxy/api/v1/presign signed-92 {"method":"GET","bucket":"b","expiresSeconds":5,"limits":{"uses":1,"tls":true,"pin":"2468"}}`, func() error {
			_, err := c.Presign(ctx, client.PresignRequest{Method: "GET", Bucket: "b", ExpiresSeconds: 5, Limits: client.Limits{Uses: 1, PIN: "2468", TLS: true}})
			return err
		}},
		{"GET /behind/proxy/api/v1/passes signed-0 ", func() error { _, err := c.Passes(ctx, client.PassFilter{}, "", 0); return err }},
		{"GET /behind/proxy/api/v1/passes?after=A&bucket=b&key=abc&max=7&name=a%26b&owner=o&prefix=p%2F signed-0 ", func() error {
			_, err := c.Passes(ctx, client.PassFilter{Name: "a&b", AccessKeyID: "abc", Owner: "o", Bucket: "b", Prefix: "p/"}, "A", 7)
			return err
		}},
		{"GET /behind/proxy/api/v1/passes/AB%2F signed-0 ", func() error { _, err := c.Pass(ctx, "AB/"); return err }},
		{"POST /behind/proxy/api/v1/passes/AB/restore signed-0 ", func() error { _, err := c.RestorePass(ctx, "AB"); return err }},
		{"GET /behind/proxy/api/v1/revocations?max=7 signed-0 ", func() error { _, err := c.Revocations(ctx, "", 7); return err }},
		{`POST /behind/proxy/api/v1/revocations signed-60 {"name":"n","url":"https://h/b/k?X-Amz-Signature=ab\u0026c"}`, func() error {
			_, err := c.Revoke(ctx, client.NewRevocation{URL: "https://h/b/k?X-Amz-Signature=ab&c", Name: "n"})
			return err
		}},
		{"DELETE /behind/proxy/api/v1/revocations/rev-a%3F signed-0 ", func() error { return c.LiftRevocation(ctx, "rev-a?") }},
	} {
		if err := x.call(); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(x.want, got); diff != "" {
			t.Errorf("request (-want +got):\n%s", diff)
		}
	}
}

func TestErrors(t *testing.T) {
	ctx := t.Context()
	c := serve(t, 409, `{"code":"AccessKeyAlreadyExists","message":"There is one.","requestId":"ab12"}`)
	_, err := c.CreateKey(ctx, client.NewKey{})
	want := &daypass.Error{
		Op: "client.CreateKey", Code: daypass.AccessKeyAlreadyExists, Message: "There is one.",
		Details: []daypass.Detail{{Name: "RequestId", Value: "ab12"}},
	}
	if diff := cmp.Diff(error(want), err); diff != "" {
		t.Errorf("CreateKey (-want +got):\n%s", diff)
	}
	for body, status := range map[string]int{"<html>": 502, "{}": 500, "": 404, "moved": 301} {
		_, err := serve(t, status, body).Server(ctx)
		if daypass.CodeOf(err) != daypass.InternalError || !strings.Contains(fmt.Sprint(err), fmt.Sprint(status)) {
			t.Errorf("answer %d %q: %v", status, body, err)
		}
	}
	if _, err := serve(t, 200, "<html>").Server(ctx); daypass.CodeOf(err) != daypass.InternalError {
		t.Errorf("a page instead of an answer: %v", err)
	}
}

func TestUnreachable(t *testing.T) {
	srv := httptest.NewServer(nil)
	srv.Close()
	for _, endpoint := range []string{srv.URL, t.TempDir() + "/none.sock"} {
		err := newClient(t, client.Config{Endpoint: endpoint}).DeleteKey(t.Context(), "abc")
		if daypass.CodeOf(err) != daypass.ServiceUnavailable {
			t.Errorf("%s: %v", endpoint, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := serve(t, 200, "{}").Server(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
}

func TestSignFails(t *testing.T) {
	fail := errors.New("no key")
	c := newClient(t, client.Config{Endpoint: "http://127.0.0.1:1", Sign: func(*http.Request) error { return fail }})
	if _, err := c.Server(t.Context()); !errors.Is(err, fail) {
		t.Errorf("Server: %v", err)
	}
}

// A signed request is not repeated to wherever a server says.
func TestNoRedirect(t *testing.T) {
	followed := false
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/trap" {
			followed = true
		}
		http.Redirect(w, r, "/trap", http.StatusTemporaryRedirect)
	}))
	defer srv.Close()
	if _, err := newClient(t, client.Config{Endpoint: srv.URL}).Server(t.Context()); err == nil || followed {
		t.Errorf("followed %v, %v", followed, err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, cfg := range []client.Config{
		{}, {Endpoint: "localhost:9002"}, {Endpoint: "ftp://host"}, {Endpoint: "http://"}, {Endpoint: "relative/path"},
		{Endpoint: "http://user:pw@host"}, {Endpoint: "http://host/?a=b"}, {Endpoint: "unix:"},
		{Endpoint: "/run/a.sock", HTTPClient: http.DefaultClient},
	} {
		if _, err := client.New(cfg); err == nil {
			t.Errorf("New(%q) succeeded", cfg.Endpoint)
		} else if strings.Contains(err.Error(), "pw") {
			t.Errorf("New: %v repeats a password", err)
		}
	}
}

// All pages together are the whole list, and an error ends it.
func TestAllPages(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("after") {
		case "":
			io.WriteString(w, `{"passes":[{"passId":"A"},{"passId":"B"}],"revocations":[{"id":"A"}],"next":"B"}`)
		case "B":
			io.WriteString(w, `{"passes":[{"passId":"C"}],"revocations":[{"id":"C"}],"next":"C"}`)
		default:
			w.WriteHeader(500)
		}
	}))
	defer srv.Close()
	c := newClient(t, client.Config{Endpoint: srv.URL})
	var got []string
	var last error
	for p, err := range c.AllPasses(t.Context(), client.PassFilter{}) {
		got, last = append(got, p.PassID), err
	}
	if diff := cmp.Diff([]string{"A", "B", "C", ""}, got); diff != "" || last == nil {
		t.Errorf("%s, %v", diff, last)
	}
	for r, err := range c.AllRevocations(t.Context()) {
		if r.ID != "A" || err != nil {
			t.Errorf("%v, %v", r, err)
		}
		break
	}
}

// Only Reveal encodes a secret; nothing prints one.
func TestSecretsStayHidden(t *testing.T) {
	const secret = "the secret"
	n := client.NewKey{Name: "n", AccessKeyID: "abc", SecretAccessKey: secret}
	k := client.CreatedKey{Key: client.Key{AccessKeyID: "abc"}, SecretAccessKey: secret}
	p := client.PresignRequest{Method: "GET", Limits: client.Limits{PIN: secret}}
	r := client.NewRevocation{URL: secret}
	var out strings.Builder
	for _, v := range []any{n, &n, k, &k, []client.CreatedKey{k}, p, &p, p.Limits, &p.Limits, r, &r} {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s %v %+v %#v %s\n", text, v, v, v, v)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "v", v)
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "v", v)
	}
	fmt.Fprintf(&out, "%v %+v %+v %+v", n.Reveal(), k.Reveal(), p.Reveal(), r.Reveal())
	if strings.Contains(out.String(), secret) {
		t.Errorf("shown:\n%s", &out)
	}
	for v, want := range map[any]string{
		n.Reveal(): `{"name":"n","accessKeyId":"abc","secretAccessKey":"the secret"}`,
		k.Reveal(): `{"accessKeyId":"abc","name":"","owner":"","created":"0001-01-01T00:00:00Z","disabled":false,"root":false,"secretAccessKey":"the secret"}`,
	} {
		if text, err := json.Marshal(v); err != nil || string(text) != want {
			t.Errorf("revealed %s, %v; want %s", text, err, want)
		}
	}
}
