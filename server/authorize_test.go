package server

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/state/sqlstate"
)

// A realm is a server whose keys and settings are in a state: alice and bob
// are accounts, root is the deployment's, and photos is alice's bucket.
type realm struct {
	*env
	state            *state.State
	alice, bob, root sign.Key
	now              time.Time
}

var nobody sign.Key

func newRealm(t testing.TB, change ...func(*Config)) *realm {
	t.Helper()
	driver, err := sqlstate.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "state.db"))
	if err != nil {
		t.Fatal(err)
	}
	r := &realm{now: testTime}
	clock := func() time.Time { return r.now }
	if r.state, err = state.Open(t.Context(), driver, state.MasterKey{1}, state.Options{Clock: clock}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.state.Close() })
	var ownership s3.Ownership
	change = append([]func(*Config){func(c *Config) { c.Keys, c.Settings, c.Clock = r.state, r.state, clock }}, change...)
	r.env = newEnv(t, append(change, func(c *Config) { ownership = c.DefaultOwnership })...)
	if ownership != "" {
		r.own("photos", ownership)
	}
	r.alice, r.bob = r.key("alice", "", ""), r.key("bob", "", "")
	root, _, err := r.state.EnsureRoot(t.Context(), "", "")
	if err != nil {
		t.Fatal(err)
	}
	r.root = sign.Key{ID: root.ID, Secret: string(root.Secret)}
	r.put("key", "content")
	return r
}

// own sets the ownership of a bucket.
func (r *realm) own(bucket string, o s3.Ownership) {
	r.t.Helper()
	b, err := r.store.Bucket(r.t.Context(), bucket)
	if err == nil {
		err = r.state.SetBucketSetting(r.t.Context(), b.ID, settingOwnership, []byte(o))
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// key makes an access key.
func (r *realm) key(owner, name, policy string) sign.Key {
	r.t.Helper()
	k, err := r.state.CreateKey(r.t.Context(), state.NewKey{Owner: owner, Name: name, Policy: policy})
	if err != nil {
		r.t.Fatal(err)
	}
	return sign.Key{ID: k.ID, Secret: string(k.Secret)}
}

// user makes a key of alice whose policy has the given statements.
func (r *realm) user(name string, statements ...string) sign.Key {
	r.t.Helper()
	return r.key("alice", name, document(statements...))
}

func document(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

// as sends a request that a key signs in its header; nobody's is anonymous.
func (r *realm) as(k sign.Key, method, target, body string, headers ...string) *reply {
	r.t.Helper()
	return r.send(r.signedBy(k, method, target, body, headers...))
}

func (r *realm) signedBy(k sign.Key, method, target, body string, headers ...string) request {
	r.t.Helper()
	q := request{method: method, host: r.addr, target: target, body: body, header: http.Header{}}
	for i := 0; i+1 < len(headers); i += 2 {
		q.header.Set(headers[i], headers[i+1])
	}
	if k.ID == "" {
		return q
	}
	req := &http.Request{Method: method, URL: &url.URL{}, RequestURI: target, Host: q.host, Header: q.header}
	if _, err := sign.NewSigner(k, sign.SignerOptions{Region: testRegion}).Sign(req, sign.UnsignedPayload, r.now); err != nil {
		r.t.Fatal(err)
	}
	return q
}

// url sends a request that a key pre-signs.
func (r *realm) url(k sign.Key, method, key string, params ...string) *reply {
	r.t.Helper()
	return r.send(r.presignFor("http://"+r.addr, k, sign.URLRequest{Method: method, Bucket: "photos", Key: key, Query: pairs(params), Time: r.now}))
}

// must sends a request as alice that must succeed.
func (r *realm) must(method, target, body string, headers ...string) *reply {
	r.t.Helper()
	a := r.as(r.alice, method, target, body, headers...)
	if a.status/100 != 2 {
		r.t.Fatalf("%s %s: status %d\n%s", method, target, a.status, a.body)
	}
	return a
}

// policy sets the bucket policy of photos.
func (r *realm) policy(statements ...string) {
	r.t.Helper()
	if len(statements) == 0 {
		r.must("DELETE", "/photos?policy", "")
		return
	}
	r.must("PUT", "/photos?policy", document(statements...))
}

func arnOf(owner, rest string) string {
	return "arn:aws:iam::" + daypass.AccountID(owner) + ":" + rest
}

// statement is one of a policy; an empty principal is none.
func statement(effect, principal, actions, resources string, condition ...string) string {
	who := ""
	switch {
	case principal == "*":
		who = `"Principal":"*",`
	case principal != "":
		who = `"Principal":{"AWS":"` + principal + `"},`
	}
	s := `{"Effect":"` + effect + `",` + who + `"Action":` + list(actions) + `,"Resource":` + list(resources)
	if len(condition) > 0 {
		s += `,"Condition":` + condition[0]
	}
	return s + "}"
}

func list(names string) string { return `["` + strings.ReplaceAll(names, " ", `","`) + `"]` }

const (
	bucketARN = "arn:aws:s3:::photos"
	allARN    = "arn:aws:s3:::photos/*"
)

// An attempt is a request and whether it must be allowed.
type attempt struct {
	who            sign.Key
	method, target string
	allowed        bool
	headers        []string
}

func (r *realm) attempts(t *testing.T, name string, as ...attempt) {
	t.Helper()
	for _, a := range as {
		got := r.as(a.who, a.method, a.target, "body", a.headers...)
		if denied := got.status == 403; denied == a.allowed || !denied && got.status >= 400 {
			t.Errorf("%s: %s %s %v by %q: status %d, want allowed %v\n%s", name, a.method, a.target, a.headers, a.who.ID, got.status, a.allowed, got.body)
		}
	}
}

func TestIdentityPolicies(t *testing.T) {
	r := newRealm(t)
	reader := r.user("reader", statement("Allow", "", "s3:GetObject", allARN))
	writer := r.user("writer", statement("Allow", "", "s3:*", allARN), statement("Deny", "", "s3:DeleteObject", "*"))
	home := r.user("home", statement("Allow", "", "s3:*Object", allARN[:len(allARN)-1]+"${aws:username}/*"))
	lister := r.user("lister", statement("Allow", "", "s3:ListBucket", bucketARN, `{"StringLike":{"s3:prefix":"a/*"}}`))
	admin := r.user("admin", statement("Allow", "", "*", "*"))
	foreign := r.key("bob", "foreign", document(statement("Allow", "", "*", "*")))
	r.attempts(t, "identity",
		attempt{who: r.alice, method: "GET", target: "/photos/key", allowed: true},
		attempt{who: r.root, method: "GET", target: "/photos/key", allowed: true},
		attempt{who: r.bob, method: "GET", target: "/photos/key"},
		attempt{who: nobody, method: "GET", target: "/photos/key"},
		attempt{who: reader, method: "GET", target: "/photos/key", allowed: true},
		attempt{who: reader, method: "HEAD", target: "/photos/key", allowed: true},
		attempt{who: reader, method: "PUT", target: "/photos/key"},
		attempt{who: reader, method: "GET", target: "/photos"},
		attempt{who: reader, method: "GET", target: "/photos/key?acl"},
		attempt{who: reader, method: "GET", target: "/"},
		attempt{who: reader, method: "PUT", target: "/new-bucket"},
		attempt{who: writer, method: "PUT", target: "/photos/written", allowed: true},
		attempt{who: writer, method: "DELETE", target: "/photos/written"},
		attempt{who: home, method: "PUT", target: "/photos/home/a", allowed: true},
		attempt{who: home, method: "PUT", target: "/photos/homes/a"},
		attempt{who: lister, method: "GET", target: "/photos?list-type=2&prefix=a/b", allowed: true},
		attempt{who: lister, method: "GET", target: "/photos?list-type=2&prefix=b/"},
		attempt{who: lister, method: "GET", target: "/photos?list-type=2"},
		attempt{who: admin, method: "DELETE", target: "/photos/written", allowed: true},
		attempt{who: admin, method: "GET", target: "/", allowed: true},

		attempt{who: foreign, method: "GET", target: "/photos/key"},
		attempt{who: foreign, method: "PUT", target: "/photos?policy"},
	)
	got := r.as(reader, "PUT", "/photos/key", "x")
	if want := "User: " + arnOf("alice", "user/reader") + ` is not authorized to perform: s3:PutObject on resource: &quot;arn:aws:s3:::photos/key&quot; because no identity-based policy allows the s3:PutObject action`; got.element("Message") != want {
		t.Errorf("message %q, want %q", got.element("Message"), want)
	}
	if m := r.as(r.bob, "PUT", "/photos/key", "x").element("Message"); m != "Access Denied" {
		t.Errorf("another account is told %q", m)
	}
}

func TestBucketPolicies(t *testing.T) {
	r := newRealm(t)
	plain := r.user("plain", statement("Deny", "", "s3:DeleteBucket", "*"))
	bobs := r.key("bob", "carl", document(statement("Allow", "", "s3:GetObject", "*")))
	bobless := r.key("bob", "dora", document(statement("Allow", "", "s3:PutObject", "*")))
	get := func(who sign.Key, allowed bool) attempt {
		return attempt{who: who, method: "GET", target: "/photos/key", allowed: allowed}
	}
	for _, c := range []struct {
		name       string
		statements []string
		attempts   []attempt
	}{
		{"none", nil, []attempt{get(plain, false), get(r.bob, false), get(nobody, false)}},
		{"everyone", []string{statement("Allow", "*", "s3:GetObject", allARN)},
			[]attempt{get(plain, true), get(r.bob, true), get(nobody, true), get(bobs, true), get(bobless, false),
				{who: nobody, method: "PUT", target: "/photos/key"}, {who: nobody, method: "GET", target: "/photos"}}},
		{"own user", []string{statement("Allow", arnOf("alice", "user/plain"), "s3:GetObject", allARN)},
			[]attempt{get(plain, true), get(r.bob, false), get(nobody, false)}},
		{"own account", []string{statement("Allow", arnOf("alice", "root"), "s3:GetObject", allARN)},
			[]attempt{get(plain, false), get(r.alice, true)}},
		{"another account", []string{statement("Allow", daypass.AccountID("bob"), "s3:GetObject", allARN)},
			[]attempt{get(plain, false), get(r.bob, true), get(bobs, true), get(bobless, false), get(nobody, false)}},
		{"another account's user", []string{statement("Allow", arnOf("bob", "user/carl"), "s3:GetObject", allARN)},
			[]attempt{get(r.bob, false), get(bobs, true), get(bobless, false)}},
		{"deny", []string{statement("Deny", "*", "s3:GetObject", allARN)},
			[]attempt{get(r.alice, false), get(plain, false), get(r.root, false),
				{who: r.alice, method: "PUT", target: "/photos/other", allowed: true}}},
		{"deny everything", []string{statement("Deny", "*", "s3:*", bucketARN+" "+allARN)},
			[]attempt{get(r.alice, false), {who: plain, method: "GET", target: "/photos?policy"},
				{who: r.alice, method: "GET", target: "/photos?policy", allowed: true},
				{who: r.root, method: "GET", target: "/photos?policy", allowed: true}}},
	} {
		r.policy(c.statements...)
		r.attempts(t, c.name, c.attempts...)
	}
	r.policy(statement("Deny", "*", "s3:*", bucketARN+" "+allARN))
	body := document(statement("Deny", "*", "s3:*", bucketARN+" "+allARN))
	r.must("PUT", "/photos?policy", body, "x-amz-confirm-remove-self-bucket-access", "true")
	r.want(r.as(r.alice, "DELETE", "/photos?policy", ""), 403, "AccessDenied")
}

// TestPolicyIsAsked checks that permissions are those of the moment of use.
func TestPolicyIsAsked(t *testing.T) {
	r := newRealm(t)
	user := r.user("user", statement("Allow", "", "s3:GetObject", "*"))
	q := r.presignFor("http://"+r.addr, user, sign.URLRequest{Method: "GET", Bucket: "photos", Key: "key"})
	r.want(r.send(q), 200, "")
	if err := r.state.SetKeyPolicy(t.Context(), user.ID, document(statement("Deny", "", "s3:GetObject", "*"))); err != nil {
		t.Fatal(err)
	}
	r.want(r.send(q), 403, "AccessDenied")
	if err := r.state.SetKeyPolicy(t.Context(), user.ID, ""); err != nil {
		t.Fatal(err)
	}
	r.want(r.send(q), 200, "")
	if err := r.state.SetKeyPolicy(t.Context(), user.ID, "nonsense"); err != nil {
		t.Fatal(err)
	}
	r.want(r.send(q), 500, "InternalError")
}

func TestHiddenMissing(t *testing.T) {
	r := newRealm(t)
	reader := r.user("reader", statement("Allow", "", "s3:GetObject s3:PutObject", "*"))
	lister := r.user("lister", statement("Allow", "", "s3:GetObject s3:ListBucket", "*"))
	r.want(r.as(reader, "GET", "/photos/none", ""), 403, "AccessDenied")
	r.want(r.as(reader, "HEAD", "/photos/none", ""), 403, "")
	r.want(r.as(reader, "PUT", "/photos/copy", "", "x-amz-copy-source", "photos/none"), 403, "AccessDenied")
	r.want(r.as(lister, "GET", "/photos/none", ""), 404, "NoSuchKey")
	r.want(r.as(r.alice, "GET", "/photos/none", ""), 404, "NoSuchKey")
	r.want(r.as(nobody, "GET", "/nowhere/none", ""), 404, "NoSuchBucket")
	r.want(r.as(reader, "PUT", "/photos/copy", "", "x-amz-copy-source", "photos/key"), 200, "")
	writer := r.user("writer", statement("Allow", "", "s3:PutObject", "*"))
	r.want(r.as(writer, "PUT", "/photos/copy", "", "x-amz-copy-source", "photos/key"), 403, "AccessDenied")
}

func TestDeleteObjectsPermission(t *testing.T) {
	r := newRealm(t)
	user := r.user("user", statement("Allow", "", "s3:DeleteObject", allARN[:len(allARN)-1]+"mine/*"))
	r.put("mine/a", "x")
	body := `<Delete><Object><Key>mine/a</Key></Object><Object><Key>key</Key></Object></Delete>`
	got := r.as(user, "POST", "/photos?delete", body, "Content-MD5", md5Of(body))
	if got.status != 200 || r.exists("mine/a") || !r.exists("key") || got.code() != "AccessDenied" {
		t.Errorf("status %d\n%s", got.status, got.body)
	}
	got = r.as(nobody, "POST", "/photos?delete", body, "Content-MD5", md5Of(body))
	if !r.exists("key") || got.code() != "AccessDenied" {
		t.Errorf("anonymous: status %d\n%s", got.status, got.body)
	}
}

func TestExtraPermissions(t *testing.T) {
	r := newRealm(t)
	writer := r.user("writer", statement("Allow", "", "s3:PutObject", "*"))
	r.attempts(t, "extra",
		attempt{who: writer, method: "PUT", target: "/photos/a", allowed: true},
		attempt{who: writer, method: "PUT", target: "/photos/a", headers: []string{"x-amz-tagging", "a=b"}},
		attempt{who: writer, method: "PUT", target: "/photos/a", headers: []string{"x-amz-acl", "private"}},
	)
	// Another account that may write may say who reads what it wrote, unless
	// that is denied; tags it may not set.
	r.policy(statement("Allow", daypass.AccountID("bob"), "s3:PutObject", allARN))
	r.attempts(t, "cross-account",
		attempt{who: r.bob, method: "PUT", target: "/photos/a", headers: []string{"x-amz-acl", "bucket-owner-full-control"}, allowed: true},
		attempt{who: r.bob, method: "PUT", target: "/photos/a", headers: []string{"x-amz-tagging", "a=b"}},
	)
	r.policy(statement("Allow", daypass.AccountID("bob"), "s3:PutObject", allARN), statement("Deny", "*", "s3:PutObjectAcl", allARN))
	r.attempts(t, "cross-account, denied",
		attempt{who: r.bob, method: "PUT", target: "/photos/a", headers: []string{"x-amz-acl", "bucket-owner-full-control"}},
	)
}

func TestMaxSignatureAge(t *testing.T) {
	r := newRealm(t, func(c *Config) { c.MaxSignatureAge = time.Minute })
	signed := func(age time.Duration, opts ...sign.PresignOptions) request {
		return r.presignFor("http://"+r.addr, r.alice, sign.URLRequest{Method: "GET", Bucket: "photos", Key: "key", Time: testTime.Add(-age), Lifetime: time.Hour}, opts...)
	}
	r.want(r.send(signed(time.Minute)), 200, "")
	late := r.send(signed(time.Minute + time.Second))
	r.want(late, 403, "AccessDenied")
	if late.element("Message") != "Request has expired" || late.element("MaxSignatureAgeSeconds") != "60" {
		t.Error(late.body)
	}
	r.want(r.send(signed(0, sign.PresignOptions{Version: sign.V2})), 403, "AccessDenied")
	q := r.signedBy(r.alice, "GET", "/photos/key", "")
	r.now = testTime.Add(2 * time.Minute)
	r.want(r.send(q), 403, "AccessDenied")
	if !strings.Contains(r.log.String(), "the server takes 1m0s") {
		t.Error("the reason is not logged")
	}
}

// TestConditionKeys checks each condition key by a policy that allows a
// request only where the key has the right value.
func TestConditionKeys(t *testing.T) {
	r := newRealm(t)
	tagged := []string{"x-amz-tagging", "team=red&a=b"}
	r.must("PUT", "/photos/tagged", "content", tagged...)
	at := func(d time.Duration) func(k sign.Key) *reply {
		return func(k sign.Key) *reply {
			return r.send(r.presignFor("http://"+r.addr, k, sign.URLRequest{Method: "GET", Bucket: "photos", Key: "key", Time: r.now.Add(-d), Lifetime: time.Hour}))
		}
	}
	head := func(method, target string, headers ...string) func(sign.Key) *reply {
		return func(k sign.Key) *reply { return r.as(k, method, target, "body", headers...) }
	}
	query := func(k sign.Key) *reply { return r.url(k, "GET", "key") }
	v2 := func(k sign.Key) *reply {
		return r.send(r.presignFor("http://"+r.addr, k, sign.URLRequest{Method: "GET", Bucket: "photos", Key: "key"}, sign.PresignOptions{Version: sign.V2}))
	}
	ends := r.now.Add(time.Hour).Format(time.RFC3339)
	for _, c := range []struct {
		condition string
		yes, no   func(sign.Key) *reply
	}{
		{`"NumericLessThan":{"s3:signatureAge":"600000"}`, at(10*time.Minute - time.Second), at(10 * time.Minute)},
		{`"StringEquals":{"s3:authType":"REST-QUERY-STRING"}`, query, head("GET", "/photos/key")},
		{`"StringEquals":{"s3:authType":"REST-HEADER"}`, head("GET", "/photos/key"), query},
		{`"StringEquals":{"s3:signatureversion":"AWS4-HMAC-SHA256"}`, query, v2},
		{`"StringEquals":{"s3:signatureversion":"AWS"}`, v2, query},
		{`"StringEquals":{"s3:x-amz-content-sha256":"UNSIGNED-PAYLOAD"}`, query, v2},
		{`"StringEquals":{"s3:prefix":"a/"}`, head("GET", "/photos?prefix=a/"), head("GET", "/photos?prefix=b/")},
		{`"StringEquals":{"s3:delimiter":"/"}`, head("GET", "/photos?delimiter=/"), head("GET", "/photos")},
		{`"NumericLessThanEquals":{"s3:max-keys":"10"}`, head("GET", "/photos?max-keys=10"), head("GET", "/photos?max-keys=11")},
		{`"StringEquals":{"s3:x-amz-acl":"bucket-owner-full-control"}`, head("PUT", "/photos/new", "x-amz-acl", "bucket-owner-full-control"), head("PUT", "/photos/new")},
		{`"StringEquals":{"s3:x-amz-storage-class":"STANDARD_IA"}`, head("PUT", "/photos/new", "x-amz-storage-class", "STANDARD_IA"), head("PUT", "/photos/new")},
		{`"StringEquals":{"s3:RequestObjectTag/team":"red"}`, head("PUT", "/photos/new", tagged...), head("PUT", "/photos/new", "x-amz-tagging", "team=blue")},
		{`"ForAllValues:StringEquals":{"s3:RequestObjectTagKeys":["team","a"]},"Null":{"s3:RequestObjectTagKeys":"false"}`, head("PUT", "/photos/new", tagged...), head("PUT", "/photos/new", "x-amz-tagging", "team=red&c=d")},
		{`"StringEquals":{"s3:ExistingObjectTag/team":"red"}`, head("GET", "/photos/tagged"), head("GET", "/photos/key")},
		{`"StringEquals":{"s3:VersionId":"null"}`, head("GET", "/photos/key?versionId=null"), head("GET", "/photos/key")},
		{`"StringEquals":{"s3:if-none-match":"*"}`, head("PUT", "/photos/fresh", "If-None-Match", "*"), head("PUT", "/photos/new")},
		{`"Null":{"s3:if-match":"true"}`, head("GET", "/photos/key"), head("GET", "/photos/key", "If-Match", `"x"`)},
		{`"StringLike":{"s3:x-amz-copy-source":"photos/k*"},"Null":{"s3:x-amz-acl":"true"}`, head("PUT", "/photos/new", "x-amz-copy-source", "/photos/key"), head("PUT", "/photos/new", "x-amz-copy-source", "photos/tagged")},
		{`"StringEquals":{"s3:x-amz-metadata-directive":"REPLACE"}`, head("PUT", "/photos/new", "x-amz-copy-source", "/photos/key", "x-amz-metadata-directive", "REPLACE"), head("PUT", "/photos/new", "x-amz-copy-source", "/photos/key")},
		{`"IpAddress":{"aws:SourceIp":"127.0.0.0/8"}`, query, nil},
		{`"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}`, nil, query},
		{`"Bool":{"aws:SecureTransport":"false"}`, query, nil},
		{`"Bool":{"aws:SecureTransport":"true"}`, nil, query},
		{`"NumericGreaterThanEquals":{"s3:TlsVersion":"1.2"}`, nil, query},
		{`"DateLessThan":{"aws:CurrentTime":"` + ends + `"}`, query, nil},
		{`"DateGreaterThan":{"aws:CurrentTime":"` + ends + `"}`, nil, query},
		{fmt.Sprintf(`"NumericEquals":{"aws:EpochTime":"%d"}`, r.now.Unix()), query, nil},
		{`"StringLike":{"aws:Referer":"https://example.com/*"}`, head("GET", "/photos/key", "Referer", "https://example.com/page"), query},
		{`"StringLike":{"aws:UserAgent":"curl/*"}`, head("GET", "/photos/key", "User-Agent", "curl/8"), query},
		{`"StringEquals":{"aws:username":"user"}`, query, nil},
		{`"StringEquals":{"aws:username":"other"}`, nil, query},
		{`"StringLike":{"aws:userid":"AIDA*"}`, query, nil},
		{`"ArnEquals":{"aws:PrincipalArn":"` + arnOf("alice", "user/user") + `"}`, query, nil},
		{`"StringEquals":{"aws:PrincipalAccount":"` + daypass.AccountID("bob") + `"}`, nil, query},
		{`"StringEquals":{"aws:PrincipalType":"User"}`, query, nil},
		{`"StringEquals":{"aws:RequestedRegion":"us-east-1","s3:ResourceAccount":"` + daypass.AccountID("alice") + `"}`, query, nil},
	} {
		user := r.user("user", statement("Allow", "", "s3:*", "*", "{"+c.condition+"}"),
			// What a request needs besides is not what is tested.
			statement("Allow", "", "s3:PutObjectAcl s3:PutObjectTagging", "*"),
			statement("Allow", "", "s3:GetObject", allARN, `{"Null":{"s3:x-amz-copy-source":"false"}}`))
		if c.yes != nil {
			if a := c.yes(user); a.status == 403 || a.status >= 400 && a.status != 412 {
				t.Errorf("%s: status %d\n%s", c.condition, a.status, a.body)
			}
		}
		if c.no != nil {
			if a := c.no(user); a.status != 403 {
				t.Errorf("%s holds: status %d", c.condition, a.status)
			}
		}
	}
}

func TestPutObjectTaggingCondition(t *testing.T) {
	r := newRealm(t)
	user := r.user("user", statement("Allow", "", "s3:PutObjectTagging", "*", `{"StringEquals":{"s3:RequestObjectTag/team":"red"}}`))
	tags := func(team string) string {
		return "<Tagging><TagSet><Tag><Key>team</Key><Value>" + team + "</Value></Tag></TagSet></Tagging>"
	}
	r.want(r.as(user, "PUT", "/photos/key?tagging", tags("red"), "Content-MD5", md5Of(tags("red"))), 200, "")
	r.want(r.as(user, "PUT", "/photos/key?tagging", tags("blue"), "Content-MD5", md5Of(tags("blue"))), 403, "AccessDenied")
}

func TestSourceAddress(t *testing.T) {
	s, err := New(func() Config {
		c := testConfig(newStore(t))
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		return c
	}())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ peer, forwarded, want string }{
		{"192.0.2.1:99", "", "192.0.2.1"},
		{"192.0.2.1:99", "203.0.113.9", "192.0.2.1"},
		{"10.0.0.1:99", "203.0.113.9", "203.0.113.9"},
		{"10.0.0.1:99", "198.51.100.1, 203.0.113.9", "203.0.113.9"},
		{"10.0.0.1:99", "203.0.113.9, 10.0.0.7", "203.0.113.9"},
		{"10.0.0.1:99", "203.0.113.9:4711", "203.0.113.9"},
		{"10.0.0.1:99", "[2001:db8::1]:4711", "2001:db8::1"},
		{"10.0.0.1:99", "2001:db8::1", "2001:db8::1"},
		{"10.0.0.1:99", "unknown", "invalid IP"},
		{"10.0.0.1:99", "", "10.0.0.1"},
		{"[::ffff:192.0.2.1]:99", "", "192.0.2.1"},
		{"@", "", "invalid IP"},
	} {
		h := http.Header{}
		if c.forwarded != "" {
			h.Set("X-Forwarded-For", c.forwarded)
		}
		if got := s.clientAddress(&http.Request{RemoteAddr: c.peer, Header: h}).String(); got != c.want {
			t.Errorf("%s for %q: %s, want %s", c.peer, c.forwarded, got, c.want)
		}
	}
}

func TestPublicAccessBlock(t *testing.T) {
	r := newRealm(t, func(c *Config) { c.DefaultOwnership = s3.ObjectWriter })
	public := document(statement("Allow", "*", "s3:GetObject", allARN))
	block := func(name string) {
		t.Helper()
		r.must("PUT", "/photos?publicAccessBlock", "<PublicAccessBlockConfiguration><"+name+">true</"+name+"></PublicAccessBlockConfiguration>")
	}
	r.must("PUT", "/photos/shown", "x", "x-amz-acl", "public-read")
	r.must("PUT", "/photos?policy", document(statement("Allow", "*", "s3:GetObject", allARN+"key"),
		statement("Allow", daypass.AccountID("bob"), "s3:GetObject", allARN)))
	r.must("PUT", "/photos?policy", public)
	r.must("PUT", "/photos?acl", "", "x-amz-acl", "public-read")
	r.want(r.as(nobody, "GET", "/photos/key", ""), 200, "")
	r.want(r.as(nobody, "GET", "/photos", ""), 200, "")

	block("RestrictPublicBuckets")
	r.want(r.as(nobody, "GET", "/photos/key", ""), 403, "AccessDenied")
	r.want(r.as(r.bob, "GET", "/photos/key", ""), 403, "AccessDenied")
	r.want(r.as(r.alice, "GET", "/photos/key", ""), 200, "")
	r.want(r.as(nobody, "GET", "/photos/shown", ""), 200, "") // by its list
	r.want(r.as(nobody, "GET", "/photos", ""), 200, "")

	block("IgnorePublicAcls")
	r.want(r.as(nobody, "GET", "/photos", ""), 403, "AccessDenied")
	r.want(r.as(nobody, "GET", "/photos/shown", ""), 200, "") // by the policy
	r.must("DELETE", "/photos?policy", "")
	r.want(r.as(nobody, "GET", "/photos/shown", ""), 403, "AccessDenied")

	block("BlockPublicPolicy")
	r.want(r.as(r.alice, "PUT", "/photos?policy", public), 403, "AccessDenied")
	r.must("PUT", "/photos?policy", document(statement("Allow", daypass.AccountID("bob"), "s3:GetObject", allARN)))
	block("BlockPublicAcls")
	for _, target := range []string{"/photos?acl", "/photos/key?acl", "/photos/new"} {
		r.want(r.as(r.alice, "PUT", target, "", "x-amz-acl", "public-read"), 403, "AccessDenied")
		r.want(r.as(r.alice, "PUT", target, "", "x-amz-acl", "private"), 200, "")
	}
	r.must("DELETE", "/photos?publicAccessBlock", "")
	r.want(r.as(r.alice, "GET", "/photos?publicAccessBlock", ""), 404, "NoSuchPublicAccessBlockConfiguration")
	r.must("PUT", "/photos?acl", "", "x-amz-acl", "public-read")
}

func signURL(method, key string) sign.URLRequest {
	return sign.URLRequest{Method: method, Bucket: "photos", Key: key}
}
