package admin_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/admin"
	"github.com/daypass/daypass/client"
	"github.com/daypass/daypass/state"
)

var update = flag.Bool("update", false, "write the golden files")

var day = time.Date(2026, 3, 4, 5, 6, 7, 89_000, time.UTC)

const (
	rootID   = "DPAKROOT"
	plainID  = "plain+key"
	otherID  = "DPAKOTHER"
	policyID = "DPAKPOLICY"
	endedID  = "DPAKENDED"
	brokenID = "broken"
	secret   = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY00"
)

// A keyStore is a KeyStore in memory, in which the key "broken" fails.
type keyStore struct{ keys []daypass.AccessKey }

var _ admin.KeyStore = (*keyStore)(nil)
var _ admin.KeyStore = (*state.State)(nil)

func newKeyStore() *keyStore {
	return &keyStore{[]daypass.AccessKey{
		{ID: rootID, Secret: secret, Owner: "daypass", Name: "root", Created: day, Root: true},
		{ID: plainID, Secret: secret, Owner: "team", Name: "CI <builds>", Created: day, Expires: day.Add(time.Hour), Disabled: true},
	}}
}

func (s *keyStore) find(id string) (*daypass.AccessKey, error) {
	if id == brokenID {
		return nil, errors.New("disk on fire under /var/lib/daypass")
	}
	i := slices.IndexFunc(s.keys, func(k daypass.AccessKey) bool { return k.ID == id })
	if i < 0 {
		return nil, &daypass.Error{Op: "fake", Code: daypass.NoSuchAccessKey}
	}
	return &s.keys[i], nil
}

func (s *keyStore) AccessKey(_ context.Context, id string) (daypass.AccessKey, error) {
	k, err := s.find(id)
	if err != nil {
		return daypass.AccessKey{}, err
	}
	return *k, nil
}

func (s *keyStore) FindKey(ctx context.Context, id, _ string) (daypass.AccessKey, *daypass.AccessKey, error) {
	k, err := s.AccessKey(ctx, id)
	return k, nil, err
}

func (s *keyStore) ListKeys(_ context.Context, after string, max int) (keys []daypass.AccessKey, more bool, err error) {
	for _, k := range s.keys {
		if k.ID > after {
			keys = append(keys, k)
		}
	}
	if len(keys) > max {
		return keys[:max], true, nil
	}
	return keys, false, nil
}

func (s *keyStore) CreateKey(_ context.Context, n state.NewKey) (daypass.AccessKey, error) {
	if _, err := s.find(n.ID); err == nil {
		return daypass.AccessKey{}, &daypass.Error{Op: "fake", Code: daypass.AccessKeyAlreadyExists}
	}
	k := daypass.AccessKey{ID: "DPAKNEW", Secret: secret, Owner: n.Owner, Name: n.Name, Created: day, Expires: n.Expires, Policy: n.Policy}
	if n.ID != "" {
		k.ID, k.Secret = n.ID, n.Secret
	}
	s.keys = append(s.keys, k)
	return k, nil
}

func (s *keyStore) SetKeyDisabled(_ context.Context, id string, disabled bool, by string) error {
	k, err := s.find(id)
	if err == nil {
		k.Disabled = disabled
	}
	return err
}

func (s *keyStore) SetKeyPolicy(_ context.Context, id, policy string) error {
	k, err := s.find(id)
	if err == nil {
		k.Policy = policy
	}
	return err
}

func (s *keyStore) DeleteKey(_ context.Context, id string) error {
	k, err := s.find(id)
	if err != nil {
		return err
	}
	if k.Root {
		return &daypass.Error{Op: "fake", Code: daypass.InvalidRequest, Message: "not the root key"}
	}
	s.keys = slices.DeleteFunc(s.keys, func(k daypass.AccessKey) bool { return k.ID == id })
	return nil
}

// fakePresign answers with its request.
func fakePresign(_ context.Context, signer string, r client.PresignRequest) (client.PresignResponse, error) {
	if r.ExpiresSeconds > 604800 {
		return client.PresignResponse{}, &daypass.Error{Op: "fake", Code: daypass.InvalidArgument, Message: "at most seven days"}
	}
	url := fmt.Sprintf("https://s3.example.com/%s/%s?a=1&X-Amz-Expires=%d", r.Bucket, r.Key, r.ExpiresSeconds)
	if signer != "" {
		url += "&by=" + signer
	}
	return client.PresignResponse{URL: url, Method: r.Method, Headers: r.Headers, Expires: day.Add(time.Duration(r.ExpiresSeconds) * time.Second)}, nil
}

// fakeCheckPolicy takes what looks like an object.
func fakeCheckPolicy(document string) error {
	if !strings.HasPrefix(document, "{") {
		return &daypass.Error{Op: "fake", Code: "MalformedPolicy", Message: "Policies must be valid JSON and the first byte must be '{'"}
	}
	return nil
}

// fakeAuthenticate believes the Authorization header.
func fakeAuthenticate(r *http.Request) (*daypass.Grant, error) {
	scheme, id, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	switch id {
	case "forged":
		return nil, &daypass.Error{Op: "sign", Code: "SignatureDoesNotMatch", Message: "The signature does not match.", Err: errors.New("string to sign differs")}
	case "down":
		return nil, errors.New("no authentication today")
	case "nil":
		return nil, nil
	}
	return &daypass.Grant{AccessKeyID: id, Scheme: daypass.Scheme(scheme)}, nil
}

func config(log io.Writer) admin.Config {
	return admin.Config{
		Keys: newKeyStore(), Passes: newPassStore(), Clock: func() time.Time { return day }, Presign: fakePresign, Authenticate: fakeAuthenticate, CheckPolicy: fakeCheckPolicy,
		Server: client.Server{Version: "1.2.3", Region: "us-east-1", PublicURLs: []string{"https://s3.example.com"}, Started: day, PID: 42},
		Log:    slog.New(slog.NewJSONHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Rand:   iotest.DataErrReader(repeat(0xab)),
	}
}

// repeat is an endless run of one byte.
type repeat byte

func (b repeat) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(b)
	}
	return len(p), nil
}

func handler(t *testing.T, c admin.Config) http.Handler {
	t.Helper()
	h, err := admin.New(c)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// do sends a request as the root key unless authorization says otherwise.
func do(h http.Handler, method, path, body string, authorization ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.Header.Set("Authorization", append(authorization, "header "+rootID)[0])
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// golden compares an answer with testdata/NAME.
func golden(t *testing.T, name string, w *httptest.ResponseRecorder) {
	t.Helper()
	got := fmt.Sprintf("%d\n", w.Code)
	for _, h := range []string{"Allow", "Cache-Control", "Content-Type"} {
		if v := w.Header().Get(h); v != "" {
			got += h + ": " + v + "\n"
		}
	}
	got += "\n" + w.Body.String()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct{ name, method, path, body string }{
		{"server", "GET", "/api/v1/server", ""},
		{"keys", "GET", "/api/v1/keys", ""},
		{"keys_page", "GET", "/api/v1/keys?max=1", ""},
		{"keys_last", "GET", "/api/v1/keys?max=1&after=" + rootID, ""},
		{"keys_none", "GET", "/api/v1/keys?after=zzz", ""},
		{"keys_bad_max", "GET", "/api/v1/keys?max=1001", ""},
		{"keys_bad_param", "GET", "/api/v1/keys?limit=5", ""},
		{"keys_twice", "GET", "/api/v1/keys?max=1&max=2", ""},
		{"keys_bad_query", "GET", "/api/v1/keys?after=%zz", ""},
		{"key", "GET", "/api/v1/keys/plain+key", ""},
		{"key_escaped", "GET", "/api/v1/keys/plain%2Bkey", ""},
		{"key_none", "GET", "/api/v1/keys/none", ""},
		{"key_slash", "GET", "/api/v1/keys/a%2Fb", ""},
		{"key_broken", "GET", "/api/v1/keys/broken", ""},
		{"key_method", "PUT", "/api/v1/keys/none", ""},
		{"create", "POST", "/api/v1/keys", `{"name":"ci","owner":"team","expires":"2027-01-01T00:00:00Z"}`},
		{"create_import", "POST", "/api/v1/keys", `{"accessKeyId":"AKIA","secretAccessKey":"imported-secret"}`},
		{"create_taken", "POST", "/api/v1/keys", `{"accessKeyId":"DPAKROOT","secretAccessKey":"imported-secret"}`},
		{"create_unknown_field", "POST", "/api/v1/keys", `{"nmae":"ci"}`},
		{"create_trailing", "POST", "/api/v1/keys", `{"name":"ci"} {}`},
		{"create_bad_time", "POST", "/api/v1/keys", `{"expires":"tomorrow"}`},
		{"create_empty", "POST", "/api/v1/keys", ``},
		{"create_large", "POST", "/api/v1/keys", `{"name":"` + strings.Repeat("x", 1<<20) + `"}`},
		{"disable", "POST", "/api/v1/keys/plain+key/disable", ""},
		{"disable_body", "POST", "/api/v1/keys/plain+key/disable", "{}"},
		{"disable_none", "POST", "/api/v1/keys/none/disable", ""},
		{"enable", "POST", "/api/v1/keys/plain+key/enable", ""},
		{"create_policy", "POST", "/api/v1/keys", `{"name":"ci","policy":"{\"Statement\":[]}"}`},
		{"create_bad_policy", "POST", "/api/v1/keys", `{"name":"ci","policy":"nonsense"}`},
		{"policy_set", "PUT", "/api/v1/keys/plain+key/policy", `{"policy":"{}"}`},
		{"policy_empty", "PUT", "/api/v1/keys/plain+key/policy", `{"policy":""}`},
		{"policy_none", "PUT", "/api/v1/keys/none/policy", `{"policy":"{}"}`},
		{"policy_clear", "DELETE", "/api/v1/keys/plain+key/policy", ""},
		{"delete", "DELETE", "/api/v1/keys/plain+key", ""},
		{"delete_root", "DELETE", "/api/v1/keys/DPAKROOT", ""},
		{"presign", "POST", "/api/v1/presign", `{"method":"PUT","bucket":"b","key":"a/b c","expiresSeconds":60,"headers":{"content-type":"text/plain"},"query":{"versionId":"null"},"limits":{"uses":1,"until":"2027-01-01T00:00:00Z","pin":"2468"}}`},
		{"presign_refused", "POST", "/api/v1/presign", `{"method":"GET","bucket":"b","key":"k","expiresSeconds":604801}`},
		{"presign_method", "GET", "/api/v1/presign", ""},
		{"passes", "GET", "/api/v1/passes", ""},
		{"passes_page", "GET", "/api/v1/passes?max=1&bucket=b&prefix=in/", ""},
		{"passes_filter", "GET", "/api/v1/passes?name=party&key=" + otherID + "&owner=team", ""},
		{"passes_prefix_alone", "GET", "/api/v1/passes?prefix=in/", ""},
		{"pass", "GET", "/api/v1/passes/" + passA, ""},
		{"pass_none", "GET", "/api/v1/passes/" + passNone, ""},
		{"pass_bad_id", "GET", "/api/v1/passes/abc", ""},
		{"pass_revoked_unseen", "GET", "/api/v1/passes/" + passUnseen, ""},
		{"restore", "POST", "/api/v1/passes/" + passUnseen + "/restore", ""},
		{"restore_bad_id", "POST", "/api/v1/passes/abc/restore", ""},
		{"revocations", "GET", "/api/v1/revocations", ""},
		{"revocations_page", "GET", "/api/v1/revocations?max=1", ""},
		{"revoke_pass", "POST", "/api/v1/revocations", `{"passId":"` + passA + `"}`},
		{"revoke_and", "POST", "/api/v1/revocations", `{"name":"party","owner":"team","accessKeyId":"plain+key","bucket":"b","prefix":"in/","before":"2026-03-04T00:00:00Z"}`},
		{"revoke_name", "POST", "/api/v1/revocations", `{"name":"party"}`},
		{"revoke_nothing", "POST", "/api/v1/revocations", `{}`},
		{"revoke_prefix_alone", "POST", "/api/v1/revocations", `{"prefix":"in/"}`},
		{"revoke_key_none", "POST", "/api/v1/revocations", `{"accessKeyId":"DPAKTYPO"}`},
		{"revoke_session_key", "POST", "/api/v1/revocations", `{"accessKeyId":"DPASAAAAAAAAAAAAAAAA"}`},
		{"revoke_both", "POST", "/api/v1/revocations", `{"passId":"` + passA + `","url":"https://h/b/k?AWSAccessKeyId=a&Expires=1&Signature=AAAAAAAAAAAAAAAAAAAAAAAAAAA%3D"}`},
		{"revoke_no_url", "POST", "/api/v1/revocations", `{"url":"https://h/b/k"}`},
		{"revoke_cut_url", "POST", "/api/v1/revocations", `{"url":"https://h/b/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a%2F20260206%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20260206T000000Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host&X-Amz-Signature=4e2be366"}`},
		{"revoke_bad_id", "POST", "/api/v1/revocations", `{"passId":"../../x"}`},
		{"lift", "DELETE", "/api/v1/revocations/REVB", ""},
		{"lift_none", "DELETE", "/api/v1/revocations/REVX", ""},
		{"no_endpoint", "GET", "/api/v2/keys", ""},
		{"root_path", "GET", "/", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log bytes.Buffer
			w := do(handler(t, config(&log)), c.method, c.path, c.body)
			golden(t, c.name, w)
			for _, s := range []string{secret, "imported-secret"} {
				if strings.Contains(log.String(), s) {
					t.Errorf("a secret was logged:\n%s", &log)
				}
				if !strings.HasPrefix(c.name, "create") && strings.Contains(w.Body.String(), s) {
					t.Error("a secret was answered")
				}
			}
			if strings.Contains(w.Body.String(), "fire") {
				t.Error("the cause of an internal error was answered")
			}
		})
	}
}

func TestAdmission(t *testing.T) {
	for _, c := range []struct {
		authorization string
		status        int
		code          daypass.Code
	}{
		{"header " + rootID, 200, ""},
		{"query " + rootID, 403, daypass.AccessDenied},
		{"form " + rootID, 403, daypass.AccessDenied},
		{"anonymous ", 403, daypass.AccessDenied},
		{"", 403, daypass.AccessDenied},
		{"header nil", 403, daypass.AccessDenied},
		{"header " + plainID, 403, daypass.AccessDenied},
		{"header DPASSESSIONOFROOT", 403, daypass.AccessDenied},
		{"header none", 403, daypass.InvalidAccessKeyID},
		{"header forged", 403, "SignatureDoesNotMatch"},
		{"header down", 500, daypass.InternalError},
		{"header " + brokenID, 500, daypass.InternalError},
	} {
		for _, path := range []string{"/api/v1/server", "/nowhere"} {
			cfg := config(io.Discard)
			cfg.Keys.(*keyStore).keys[1].Disabled = false
			w := do(handler(t, cfg), "GET", path, "", c.authorization)
			if path == "/nowhere" && strings.HasSuffix(c.authorization, rootID) || path == "/nowhere" && strings.HasSuffix(c.authorization, plainID) {
				continue
			}
			if w.Code != c.status || c.code != "" && !strings.Contains(w.Body.String(), `"code":"`+string(c.code)+`"`) {
				t.Errorf("%q on %s: %d %s, want %d %s", c.authorization, path, w.Code, w.Body, c.status, c.code)
			}
		}
	}
}

// A root key that somehow is disabled is no key.
func TestAdmissionOfDisabledRoot(t *testing.T) {
	c := config(io.Discard)
	c.Keys.(*keyStore).keys[0].Disabled = true
	if w := do(handler(t, c), "GET", "/api/v1/server", ""); w.Code != 403 {
		t.Errorf("status %d", w.Code)
	}
}

// Nothing is done before the body's signed hash was seen to match.
func TestBodyThatFailsAtItsEnd(t *testing.T) {
	for name, end := range map[string]error{
		"XAmzContentSHA256Mismatch": &daypass.Error{Op: "sign", Code: daypass.XAmzContentSHA256Mismatch},
		"IncompleteBody":            io.ErrUnexpectedEOF,
	} {
		c := config(io.Discard)
		c.Authenticate = func(r *http.Request) (*daypass.Grant, error) {
			r.Body = io.NopCloser(io.MultiReader(r.Body, iotest.ErrReader(end)))
			return fakeAuthenticate(r)
		}
		for _, path := range []string{"/api/v1/keys", "/api/v1/keys/plain+key/enable"} {
			body := ""
			if path == "/api/v1/keys" {
				body = "{}"
			}
			w := do(handler(t, c), "POST", path, body)
			if w.Code != 400 || !strings.Contains(w.Body.String(), name) {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
		if keys := c.Keys.(*keyStore).keys; len(keys) != 2 || !keys[1].Disabled {
			t.Errorf("something was done: %v", keys)
		}
	}
}

func TestTrustLocal(t *testing.T) {
	c := config(io.Discard)
	c.Authenticate, c.TrustLocal = nil, true
	h := handler(t, c)
	for _, x := range []struct {
		addr net.Addr
		want int
	}{
		{&net.UnixAddr{Net: "unix", Name: "/run/daypass.sock"}, 200},
		{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}, 403},
		{nil, 403},
	} {
		r := httptest.NewRequest("GET", "/api/v1/server", nil)
		if x.addr != nil {
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, x.addr))
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != x.want {
			t.Errorf("through %v: %d %s, want %d", x.addr, w.Code, w.Body, x.want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for what, spoil := range map[string]func(*admin.Config){
		"no authentication": func(c *admin.Config) { c.Authenticate = nil },
		"both":              func(c *admin.Config) { c.TrustLocal = true },
		"no keys":           func(c *admin.Config) { c.Keys = nil },
		"no passes":         func(c *admin.Config) { c.Passes = nil },
		"no presign":        func(c *admin.Config) { c.Presign = nil },
	} {
		c := config(io.Discard)
		spoil(&c)
		if h, err := admin.New(c); err == nil || h != nil {
			t.Errorf("%s: %v, %v", what, h, err)
		}
	}
}

func TestLog(t *testing.T) {
	var log bytes.Buffer
	h := handler(t, config(&log))
	do(h, "GET", "/api/v1/keys", "")
	if log.Len() != 0 {
		t.Errorf("reading was logged: %s", &log)
	}
	for _, c := range []struct{ method, path, body, want string }{
		{"POST", "/api/v1/keys", "{}", `"level":"INFO","msg":"admin request","caller":"DPAKROOT","method":"POST","path":"/api/v1/keys","subject":"key DPAKNEW","request_id":"abababababababab","made":"DPAKNEW"`},
		{"DELETE", "/api/v1/keys/DPAKNEW", "", `"method":"DELETE","path":"/api/v1/keys/DPAKNEW"`},
		{"POST", "/api/v1/presign", `{"method":"GET","bucket":"b","key":"k"}`, `"subject":"GET s3://b/k"`},
		{"GET", "/api/v1/keys/broken", "", `"level":"ERROR","msg":"admin request refused","code":"InternalError","method":"GET","path":"/api/v1/keys/broken","request_id":"abababababababab","error":"disk on fire`},
	} {
		log.Reset()
		do(h, c.method, c.path, c.body)
		if !strings.Contains(log.String(), c.want) {
			t.Errorf("%s %s logged %s, want %s", c.method, c.path, &log, c.want)
		}
	}
	log.Reset()
	do(h, "GET", "/api/v1/keys", "", "header forged")
	if got := log.String(); !strings.Contains(got, `"level":"WARN"`) || !strings.Contains(got, "string to sign differs") {
		t.Errorf("a forged request logged %s", got)
	}
}

func FuzzCreateKey(f *testing.F) {
	f.Add([]byte(`{"name":"ci"}`))
	f.Add([]byte(`{"accessKeyId":"a","secretAccessKey":"b"} x`))
	f.Add([]byte("null"))
	h, err := admin.New(config(io.Discard))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if w := do(h, "POST", "/api/v1/keys", string(body)); w.Code >= 500 {
			t.Errorf("%q: %d %s", body, w.Code, w.Body)
		}
	})
}
