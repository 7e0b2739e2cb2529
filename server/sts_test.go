package server

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/sign"
)

// sts sends a request to STS that a key signs, with parameters in pairs.
func (r *realm) sts(k sign.Key, action string, params ...string) *reply {
	r.t.Helper()
	return r.send(r.stsRequest(k, action, params...))
}

func (r *realm) stsRequest(k sign.Key, action string, params ...string) request {
	r.t.Helper()
	form := url.Values{"Action": {action}, "Version": {stsVersion}}
	for i := 0; i+1 < len(params); i += 2 {
		form.Set(params[i], params[i+1])
	}
	q := request{method: "POST", host: r.addr, target: "/", body: form.Encode(),
		header: http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}}}
	if k.ID != "" {
		r.signFor(&q, k, stsService)
	}
	return q
}

// signFor signs a request and its body for a service.
func (r *realm) signFor(q *request, k sign.Key, service string) {
	r.t.Helper()
	sum := sha256.Sum256([]byte(q.body))
	req := &http.Request{Method: q.method, URL: &url.URL{}, RequestURI: q.target, Host: q.host, Header: q.header}
	if _, err := sign.NewSigner(k, sign.SignerOptions{Region: testRegion, Service: service}).Sign(req, hex.EncodeToString(sum[:]), r.now); err != nil {
		r.t.Fatal(err)
	}
}

// session makes a temporary key.
func (r *realm) session(k sign.Key, action string, params ...string) sign.Key {
	r.t.Helper()
	a := r.sts(k, action, params...)
	if a.status != 200 {
		r.t.Fatalf("%s: status %d\n%s", action, a.status, a.body)
	}
	return sign.Key{ID: a.element("AccessKeyId"), Secret: a.element("SecretAccessKey"), Token: a.element("SessionToken")}
}

func role(name string, more ...string) []string {
	return append([]string{"RoleArn", arnOf("alice", "role/"+name), "RoleSessionName", "job-1"}, more...)
}

var secretPattern = regexp.MustCompile(`<(AccessKeyId|SecretAccessKey|SessionToken|RequestId)>[^<]+<`)

func TestSTSAnswers(t *testing.T) {
	r := newRealm(t)
	user := r.user("user", statement("Allow", "", "*", "*"))
	narrow := document(statement("Allow", "", "s3:GetObject", allARN))
	session := r.session(r.alice, "AssumeRole", role("reader")...)
	for _, c := range []struct {
		name string
		a    *reply
	}{
		{"assume_role", r.sts(user, "AssumeRole", role("path/reader", "Policy", narrow, "DurationSeconds", "900")...)},
		{"session_token", r.sts(user, "GetSessionToken")},
		{"identity_user", r.sts(user, "GetCallerIdentity")},
		{"identity_account", r.sts(r.alice, "GetCallerIdentity")},
		{"identity_session", r.sts(session, "GetCallerIdentity")},
		{"anonymous", r.sts(nobody, "GetCallerIdentity")},
		{"no_action", r.sts(user, "Nonsense")},
	} {
		if a := c.a; strings.Contains(c.a.header.Get("Content-Type"), "text/xml") && c.a.header.Get("X-Amzn-Requestid") != "" {
			a.body = secretPattern.ReplaceAllString(a.body, "<$1>…<")
			golden(t, "sts/"+c.name+".txt", a)
		} else {
			t.Errorf("%s: headers %v\n%s", c.name, a.header, a.body)
		}
	}
	q := r.presignSTS(user, "Action", "GetCallerIdentity", "Version", stsVersion)
	if a := r.send(q); a.status != 200 || !strings.HasSuffix(a.element("Arn"), ":user/user") {
		t.Errorf("pre-signed: status %d\n%s", a.status, a.body)
	}
	if strings.Contains(r.log.String(), session.Secret) || strings.Contains(r.log.String(), session.Token) {
		t.Error("a secret was logged")
	}
}

func (r *realm) presignSTS(k sign.Key, params ...string) request {
	r.t.Helper()
	return r.presignFor("http://"+r.addr, k, sign.URLRequest{Method: "GET", Query: pairs(params), Time: r.now}, sign.PresignOptions{Service: stsService})
}

func TestSTSRefused(t *testing.T) {
	r := newRealm(t)
	user := r.user("user", statement("Allow", "", "s3:*", "*"))
	session := r.session(user, "GetSessionToken")
	for _, c := range []struct {
		who    sign.Key
		action string
		params []string
		status int
		code   string
	}{
		{r.alice, "AssumeRole", nil, 400, "ValidationError"},
		{r.alice, "AssumeRole", []string{"RoleArn", arnOf("alice", "role/r")}, 400, "ValidationError"},
		{r.alice, "AssumeRole", role("r", "RoleSessionName", "a b"), 400, "ValidationError"},
		{r.alice, "AssumeRole", role("r", "RoleSessionName", "a"), 400, "ValidationError"},
		{r.alice, "AssumeRole", role("r", "RoleSessionName", strings.Repeat("a", 65)), 400, "ValidationError"},
		{r.alice, "AssumeRole", role("r", "RoleArn", "nonsense"), 400, "ValidationError"},
		{r.alice, "AssumeRole", role("r", "RoleArn", arnOf("alice", "user/someone")), 400, "ValidationError"},
		{r.alice, "AssumeRole", role("r", "RoleArn", arnOf("bob", "role/someone")), 403, "AccessDenied"},
		{r.alice, "AssumeRole", role("r", "DurationSeconds", "899"), 400, "ValidationError"},
		{r.alice, "AssumeRole", role("r", "DurationSeconds", "43201"), 400, "ValidationError"},
		{r.alice, "AssumeRole", role("r", "DurationSeconds", "long"), 400, "MalformedInput"},
		{r.alice, "AssumeRole", role("r", "Policy", "nonsense"), 400, "MalformedPolicyDocument"},
		{r.alice, "AssumeRole", role("r", "Policy", document(statement("Allow", "*", "s3:GetObject", "*"))), 400, "MalformedPolicyDocument"},
		{r.alice, "AssumeRole", role("r", "Policy", "{"+strings.Repeat(" ", 2048)+"}"), 400, "ValidationError"},
		{r.alice, "AssumeRole", role("r", "PolicyArns.member.1.arn", "arn:aws:iam::aws:policy/ReadOnlyAccess"), 400, "ValidationError"},
		{r.alice, "AssumeRole", role("r", "Tags.member.1.Key", "a"), 400, "ValidationError"},
		{user, "AssumeRole", role("r"), 403, "AccessDenied"}, // its policy does not say so
		{session, "AssumeRole", role("r"), 403, "AccessDenied"},
		{session, "GetSessionToken", nil, 403, "AccessDenied"},
		{r.alice, "GetSessionToken", []string{"DurationSeconds", "129601"}, 400, "ValidationError"},
		{r.alice, "GetFederationToken", nil, 400, "InvalidAction"},
		{r.alice, "GetCallerIdentity", []string{"Version", "2010-01-01"}, 400, "InvalidAction"},
		{r.alice, "", nil, 400, "MissingAction"},
		{sign.Key{ID: "AKIDNONE", Secret: "s"}, "GetCallerIdentity", nil, 403, "InvalidClientTokenId"},
		{sign.Key{ID: r.alice.ID, Secret: "wrong"}, "GetCallerIdentity", nil, 403, "SignatureDoesNotMatch"},
		{sign.Key{ID: session.ID, Secret: session.Secret, Token: "bad"}, "GetCallerIdentity", nil, 403, "InvalidClientTokenId"},
	} {
		if a := r.sts(c.who, c.action, c.params...); a.status != c.status || a.code() != c.code {
			t.Errorf("%s %v: status %d, want %d %s\n%s", c.action, c.params, a.status, c.status, c.code, a.body)
		}
	}
	q := r.stsRequest(r.alice, "AssumeRole", role("r", "Policy", document(statement("Deny", "", "*", "*")))...)
	q.body = strings.Replace(q.body, "Deny", "Noop", 1)
	r.want(r.send(q), 403, "SignatureDoesNotMatch")
	q = r.stsRequest(nobody, "GetCallerIdentity")
	r.signFor(&q, r.alice, "s3")
	if a := r.send(q); a.status/100 != 4 {
		t.Errorf("signed for S3: status %d", a.status)
	}
	r.want(newRealm(t, func(c *Config) { c.Keys = testKeys() }).sts(testKey, "GetSessionToken"), 501, "NotImplemented")
}

func TestSessionLifetimes(t *testing.T) {
	r := newRealm(t)
	user := r.user("user", statement("Allow", "", "*", "*"))
	for _, c := range []struct {
		who    sign.Key
		action string
		params []string
		want   time.Duration
	}{
		{user, "AssumeRole", role("r"), time.Hour},
		{user, "AssumeRole", role("r", "DurationSeconds", "43200"), 12 * time.Hour},
		{user, "GetSessionToken", nil, 12 * time.Hour},
		{user, "GetSessionToken", []string{"DurationSeconds", "129600"}, 36 * time.Hour},
		{r.alice, "GetSessionToken", nil, time.Hour},
		{r.alice, "GetSessionToken", []string{"DurationSeconds", "7200"}, time.Hour},
	} {
		a := r.sts(c.who, c.action, c.params...)
		if want := testTime.Add(c.want).Format(time.RFC3339); a.element("Expiration") != want {
			t.Errorf("%s %v: ends %s, want %s\n%s", c.action, c.params, a.element("Expiration"), want, a.body)
		}
	}
}

// TestSessions checks what temporary keys may do, and when they end.
func TestSessions(t *testing.T) {
	r := newRealm(t)
	user := r.user("user", statement("Allow", "", "s3:GetObject s3:PutObject", "*"), statement("Allow", "", "sts:AssumeRole", arnOf("alice", "role/job*")))
	narrow := document(statement("Allow", "", "s3:GetObject s3:DeleteObject", "*"))
	plain := r.session(user, "GetSessionToken")
	narrowed := r.session(user, "GetSessionToken", "Policy", narrow)
	assumed := r.session(user, "AssumeRole", role("job", "Policy", narrow)...)
	account := r.session(r.alice, "AssumeRole", role("any", "Policy", narrow)...)
	rooted := r.session(r.root, "GetSessionToken")
	r.put("gone", "x")
	r.attempts(t, "sessions",
		attempt{who: plain, method: "GET", target: "/photos/key", allowed: true},
		attempt{who: plain, method: "PUT", target: "/photos/new", allowed: true},
		attempt{who: plain, method: "DELETE", target: "/photos/key"},
		attempt{who: narrowed, method: "GET", target: "/photos/key", allowed: true},
		attempt{who: narrowed, method: "PUT", target: "/photos/new"},
		attempt{who: narrowed, method: "DELETE", target: "/photos/key"},
		attempt{who: assumed, method: "GET", target: "/photos/key", allowed: true},
		attempt{who: assumed, method: "PUT", target: "/photos/new"},
		attempt{who: account, method: "GET", target: "/photos/key", allowed: true},
		attempt{who: account, method: "DELETE", target: "/photos/gone", allowed: true},
		attempt{who: account, method: "PUT", target: "/photos/new"},
		attempt{who: rooted, method: "PUT", target: "/photos/new", allowed: true},
	)
	// A bucket policy that names the user is narrowed by the session too, one
	// that names the session itself is not.
	r.policy(statement("Allow", arnOf("alice", "user/user"), "s3:PutObject s3:DeleteObject", allARN+"x"))
	r.attempts(t, "the user is named", attempt{who: narrowed, method: "PUT", target: "/photos/ax"},
		attempt{who: plain, method: "DELETE", target: "/photos/ax", allowed: true})
	r.policy(statement("Allow", strings.Replace(arnOf("alice", "assumed-role/job/job-1"), ":iam:", ":sts:", 1), "s3:PutObject", allARN))
	r.attempts(t, "the session is named", attempt{who: assumed, method: "PUT", target: "/photos/ax", allowed: true},
		attempt{who: narrowed, method: "PUT", target: "/photos/ax"})

	// Pre-signed, as an application would hand it out.
	q := r.presignFor("http://"+r.addr, assumed, sign.URLRequest{Method: "GET", Bucket: "photos", Key: "key", Lifetime: 7 * 24 * time.Hour})
	r.want(r.send(q), 200, "")
	bad := func(k sign.Key) *reply { return r.as(k, "GET", "/photos/key", "") }
	r.want(bad(sign.Key{ID: plain.ID, Secret: plain.Secret}), 403, "InvalidAccessKeyId")
	r.want(bad(sign.Key{ID: plain.ID, Secret: plain.Secret, Token: narrowed.Token}), 400, "InvalidToken")
	r.want(bad(sign.Key{ID: plain.ID, Secret: plain.Secret, Token: "x"}), 400, "InvalidToken")
	r.want(bad(sign.Key{ID: user.ID, Secret: user.Secret, Token: plain.Token}), 400, "InvalidToken")

	// What the parent loses, the session loses.
	if err := r.state.SetKeyPolicy(t.Context(), user.ID, document(statement("Allow", "", "s3:PutObject", "*"))); err != nil {
		t.Fatal(err)
	}
	r.policy()
	r.want(r.send(q), 403, "AccessDenied")
	if err := r.state.SetKeyDisabled(t.Context(), user.ID, true, "admin"); err != nil {
		t.Fatal(err)
	}
	r.want(bad(plain), 403, "InvalidAccessKeyId")
	r.now = testTime.Add(time.Hour)
	r.want(bad(account), 400, "ExpiredToken")
	r.want(r.sts(account, "GetCallerIdentity"), 403, "ExpiredToken")
}

func TestSessionARN(t *testing.T) {
	for role, want := range map[string]string{
		arnOf("alice", "role/a"):     "assumed-role/a/s",
		arnOf("alice", "role/p/q/a"): "assumed-role/a/s",
	} {
		if got := sessionARN(role, "s"); got != "arn:aws:sts::"+daypass.AccountID("alice")+":"+want {
			t.Errorf("%s: %s", role, got)
		}
	}
}

// TestTokenOfNobody checks that no token that can be sent stands for that of a
// session which is not known: the secret of such a key is empty, so that anybody
// could sign with it.
func TestTokenOfNobody(t *testing.T) {
	r := newRealm(t)
	for _, token := range []string{"x", "\x00", "\x00\x00", "x\x00"} {
		key := sign.Key{ID: "DPASAAAAAAAAAAAAAAAA", Secret: "unknown", Token: token}
		q := r.presignFor("http://"+r.addr, key, sign.URLRequest{Method: "GET", Bucket: "photos", Key: "key"})
		target, _, _ := strings.Cut(q.target, "&X-Amz-Signature=")
		path, query, _ := strings.Cut(target, "?")
		sum := sha256.Sum256([]byte("GET\n" + path + "\n" + query + "\nhost:" + q.host + "\n\nhost\nUNSIGNED-PAYLOAD"))
		day := testTime.Format("20060102")
		derived := []byte("AWS4")
		for _, part := range []string{day, testRegion, "s3", "aws4_request",
			"AWS4-HMAC-SHA256\n" + testTime.Format("20060102T150405Z") + "\n" + day + "/" + testRegion + "/s3/aws4_request\n" + hex.EncodeToString(sum[:])} {
			mac := hmac.New(sha256.New, derived)
			mac.Write([]byte(part))
			derived = mac.Sum(nil)
		}
		q.target = target + "&X-Amz-Signature=" + hex.EncodeToString(derived)
		r.want(r.send(q), 400, "InvalidToken")
	}
}
