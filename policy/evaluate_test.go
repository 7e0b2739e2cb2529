package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/daypass/daypass/policy"
)

const (
	account = "111122223333"
	userARN = "arn:aws:iam::" + account + ":user/alice"
	roleARN = "arn:aws:iam::" + account + ":role/reader"
	sessARN = "arn:aws:sts::" + account + ":assumed-role/reader/alice"
)

var (
	root      = policy.Principal{ARN: "arn:aws:iam::" + account + ":root", Account: account, Canonical: "79a5", UserID: account, Root: true}
	session   = policy.Principal{ARN: sessARN, Issuer: roleARN, Account: account, UserID: "AROAREADER:alice"}
	tokenUser = policy.Principal{ARN: userARN, Issuer: userARN, Account: account, UserName: "alice"}
	rootToken = policy.Principal{ARN: root.ARN, Issuer: root.ARN, Account: account, Root: true}
	service   = policy.Principal{Service: "logging.s3.amazonaws.com"}
	anonymous = policy.Principal{Anonymous: true}
)

// statements are the policies of the table below: "allow" and "deny" say it of
// all of S3, with a principal where there is one; "none" concerns other things.
func document(effect, principal string) string {
	if principal != "" {
		return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":%q,"Principal":%s,"Action":"s3:*","Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]}}`, effect, principal)
	}
	return fmt.Sprintf(`{"Version":"2012-10-17","Statement":{"Effect":%q,"Action":"s3:*","Resource":"*"}}`, effect)
}

const nothing = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:*","Resource":"*"}}`

func identityPolicy(t testing.TB, word string, kind policy.Kind) *policy.Policy {
	switch word {
	case "":
		return nil
	case "none":
		return parse(t, nothing, kind)
	}
	return parse(t, document(word, ""), kind)
}

// The combinations of IAM User Guide, "Policy evaluation logic" (with its table
// of resource-based policies and implicit denies) and "Cross-account policy
// evaluation logic".
func TestEvaluate(t *testing.T) {
	aws := func(arn string) string { return fmt.Sprintf(`{"AWS":%q}`, arn) }
	const everyone = `"*"`
	const yes, no, never = policy.Allowed, policy.ImplicitDeny, policy.ExplicitDeny
	for _, tt := range []struct {
		name                        string
		who                         policy.Principal
		other                       bool // another account's bucket
		identity, boundary, session string
		effect, principal           string // of the bucket policy
		want                        policy.Decision
	}{
		{name: "no policy", who: alice, want: no},
		{name: "root needs none", who: root, want: yes},
		{name: "identity", who: alice, identity: "Allow", want: yes},
		{name: "identity says nothing", who: alice, identity: "none", want: no},
		{name: "identity denies", who: alice, identity: "Deny", effect: "Allow", principal: aws(userARN), want: never},
		{name: "bucket denies", who: alice, identity: "Allow", effect: "Deny", principal: aws(userARN), want: never},
		{name: "bucket denies the account", who: alice, identity: "Allow", effect: "Deny", principal: aws(account), want: never},
		{name: "bucket denies root", who: root, effect: "Deny", principal: everyone, want: never},
		{name: "boundary denies", who: alice, identity: "Allow", boundary: "Deny", want: never},
		{name: "session denies", who: session, identity: "Allow", session: "Deny", want: never},
		{name: "bucket denies another", who: alice, identity: "Allow", effect: "Deny", principal: aws(userARN + "2"), want: yes},

		// Same account: the bucket policy alone.
		{name: "names the user", who: alice, effect: "Allow", principal: aws(userARN), want: yes},
		{name: "names everyone", who: alice, effect: "Allow", principal: everyone, want: yes},
		{name: "names another user", who: alice, effect: "Allow", principal: aws(userARN + "2"), want: no},
		{name: "names the account", who: alice, effect: "Allow", principal: aws(account), want: no},
		{name: "names the account's root", who: alice, identity: "Allow", effect: "Allow", principal: aws(root.ARN), want: yes},
		{name: "names the canonical user", who: alice, effect: "Allow", principal: `{"CanonicalUser":"79a5"}`, want: no},
		{name: "user beyond the boundary", who: alice, boundary: "none", effect: "Allow", principal: aws(userARN), want: yes},
		{name: "identity beyond the boundary", who: alice, identity: "Allow", boundary: "none", want: no},
		{name: "identity within the boundary", who: alice, identity: "Allow", boundary: "Allow", want: yes},

		// Sessions.
		{name: "session without policy", who: session, identity: "Allow", want: yes},
		{name: "session within its policy", who: session, identity: "Allow", session: "Allow", want: yes},
		{name: "session beyond its policy", who: session, identity: "Allow", session: "none", want: no},
		{name: "session policy grants nothing", who: session, session: "Allow", want: no},
		{name: "names the role", who: session, effect: "Allow", principal: aws(roleARN), want: yes},
		{name: "names the role, beyond the session policy", who: session, session: "none", effect: "Allow", principal: aws(roleARN), want: no},
		{name: "names the role, beyond the boundary", who: session, boundary: "none", effect: "Allow", principal: aws(roleARN), want: no},
		{name: "names the session", who: session, session: "none", boundary: "none", effect: "Allow", principal: aws(sessARN), want: yes},
		{name: "everyone, beyond the session policy", who: session, session: "none", effect: "Allow", principal: everyone, want: yes},
		{name: "denies the role", who: session, identity: "Allow", effect: "Deny", principal: aws(roleARN), want: never},
		{name: "token of a user, named", who: tokenUser, session: "none", effect: "Allow", principal: aws(userARN), want: no},
		{name: "token of a user, named and in its policy", who: tokenUser, session: "Allow", effect: "Allow", principal: aws(userARN), want: yes},
		{name: "token of root", who: rootToken, session: "none", want: no},
		{name: "token of root within its policy", who: rootToken, session: "Allow", want: yes},

		// Across accounts: both.
		{name: "identity only", who: alice, other: true, identity: "Allow", want: no},
		{name: "bucket only", who: alice, other: true, effect: "Allow", principal: aws(userARN), want: no},
		{name: "everyone only", who: alice, other: true, effect: "Allow", principal: everyone, want: no},
		{name: "both", who: alice, other: true, identity: "Allow", effect: "Allow", principal: aws(userARN), want: yes},
		{name: "both, by account", who: alice, other: true, identity: "Allow", effect: "Allow", principal: aws(account), want: yes},
		{name: "both, by canonical id", who: alice, other: true, identity: "Allow", effect: "Allow", principal: `{"CanonicalUser":"79a5"}`, want: yes},
		{name: "both, beyond the boundary", who: alice, other: true, identity: "Allow", boundary: "none", effect: "Allow", principal: aws(userARN), want: no},
		{name: "both, beyond the session policy", who: session, other: true, identity: "Allow", session: "none", effect: "Allow", principal: aws(sessARN), want: no},
		{name: "root of another account", who: root, other: true, want: no},
		{name: "root of another account, named", who: root, other: true, effect: "Allow", principal: aws(account), want: yes},

		// Nobody, and services.
		{name: "anonymous", who: anonymous, want: no},
		{name: "anonymous, public", who: anonymous, other: true, effect: "Allow", principal: `{"AWS":"*"}`, want: yes},
		{name: "anonymous, not public", who: anonymous, effect: "Allow", principal: aws(account), want: no},
		{name: "anonymous, denied", who: anonymous, effect: "Deny", principal: everyone, want: never},
		{name: "service", who: service, effect: "Allow", principal: `{"Service":"logging.s3.amazonaws.com"}`, want: yes},
		{name: "other service", who: service, effect: "Allow", principal: `{"Service":"ses.amazonaws.com"}`, want: no},
		{name: "federated", who: alice, effect: "Allow", principal: `{"Federated":"graph.facebook.com"}`, want: no},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := &policy.Set{SameAccount: !tt.other, Boundary: identityPolicy(t, tt.boundary, policy.Boundary), Session: identityPolicy(t, tt.session, policy.Session)}
			if p := identityPolicy(t, tt.identity, policy.Identity); p != nil {
				s.Identity = []*policy.Policy{parse(t, nothing, policy.Identity), p}
			}
			if tt.effect != "" {
				s.Resource = parse(t, document(tt.effect, tt.principal), policy.Bucket)
			}
			r := &policy.Request{Principal: tt.who, Action: "s3:GetObject", Resource: policy.ObjectARN("b", "k")}
			if v := policy.Evaluate(r, s); v.Decision != tt.want || v.Reason() == "" || (v.Message(r) == "") != (tt.want == yes) {
				t.Errorf("want %v; %s", tt.want, policy.Explain(r, s))
			}
		})
	}
}

// IAM User Guide, "Example identity-based and resource-based policy
// evaluation".
func TestCarlos(t *testing.T) {
	identity := parse(t, `{"Version":"2012-10-17","Statement":[
		{"Sid":"AllowS3ListRead","Effect":"Allow","Action":["s3:GetBucketLocation","s3:GetAccountPublicAccessBlock","s3:ListAccessPoints","s3:ListAllMyBuckets"],"Resource":"arn:aws:s3:::*"},
		{"Sid":"AllowS3Self","Effect":"Allow","Action":"s3:*","Resource":["arn:aws:s3:::carlossalazar/*","arn:aws:s3:::carlossalazar"]},
		{"Sid":"DenyS3Logs","Effect":"Deny","Action":"s3:*","Resource":"arn:aws:s3:::*log*"}]}`, policy.Identity)
	bucket := parse(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:user/carlossalazar"},
		"Action":"s3:*","Resource":["arn:aws:s3:::carlossalazar/*","arn:aws:s3:::carlossalazar"]}]}`, policy.Bucket)
	carlos := policy.Principal{ARN: "arn:aws:iam::123456789012:user/carlossalazar", Account: "123456789012", UserName: "carlossalazar"}
	for _, tt := range []struct {
		action, resource string
		want             string
	}{
		{"s3:PutObject", "arn:aws:s3:::carlossalazar-logs/file", "explicitDeny statement 3 (DenyS3Logs) of the identity-based policy"},
		{"s3:PutObject", "arn:aws:s3:::carlossalazar/file", "allowed statement 1 of the resource-based policy"},
		{"s3:ListAllMyBuckets", "arn:aws:s3:::*", "allowed statement 1 (AllowS3ListRead) of the identity-based policy"},
		{"S3:LISTALLMYBUCKETS", "arn:aws:s3:::*", "allowed statement 1 (AllowS3ListRead) of the identity-based policy"},
		{"s3:PutObject", "arn:aws:s3:::other/file", "implicitDeny no statement"},
	} {
		r := &policy.Request{Principal: carlos, Action: tt.action, Resource: tt.resource}
		v := policy.Evaluate(r, &policy.Set{Identity: []*policy.Policy{identity}, Resource: bucket, SameAccount: true})
		if got := v.Decision.String() + " " + v.Statement.String(); got != tt.want {
			t.Errorf("%s %s: %s, want %s", tt.action, tt.resource, got, tt.want)
		}
	}
}

func TestNegatedElements(t *testing.T) {
	statement := func(s string) *policy.Policy {
		return parse(t, `{"Version":"2012-10-17","Statement":{`+s+`}}`, policy.Identity)
	}
	const yes, no, never = policy.Allowed, policy.ImplicitDeny, policy.ExplicitDeny
	for _, tt := range []struct {
		statement, action, resource string
		want                        policy.Decision
	}{
		{`"Effect":"Allow","NotAction":["s3:Delete*","iam:*"],"Resource":"*"`, "s3:GetObject", "arn:aws:s3:::b/k", yes},
		{`"Effect":"Allow","NotAction":["s3:Delete*","iam:*"],"Resource":"*"`, "s3:DeleteObject", "arn:aws:s3:::b/k", no},
		{`"Effect":"Deny","NotAction":"s3:Get*","Resource":"*"`, "s3:PutObject", "arn:aws:s3:::b/k", never},
		{`"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::b/secret/*"`, "s3:GetObject", "arn:aws:s3:::b/k", yes},
		{`"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::b/secret/*"`, "s3:GetObject", "arn:aws:s3:::b/secret/k", no},
		{`"Effect":"Deny","Action":"*","NotResource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]`, "s3:GetObject", "arn:aws:s3:::c/k", never},
		{`"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::b/${aws:username}/*"`, "s3:GetObject", "arn:aws:s3:::b/bob/k", yes},
		// A variable without a value: neither effect widens what is allowed.
		{`"Effect":"Allow","Action":"*","NotResource":"arn:aws:s3:::b/${aws:PrincipalTag/x}/*"`, "s3:GetObject", "arn:aws:s3:::b/bob/k", no},
		{`"Effect":"Deny","Action":"*","NotResource":"arn:aws:s3:::b/${aws:PrincipalTag/x}/*"`, "s3:GetObject", "arn:aws:s3:::b/bob/k", never},
		{`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/${aws:PrincipalTag/x}*"`, "s3:GetObject", "arn:aws:s3:::b/bob/k", no},
		{`"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/${aws:PrincipalTag/x, 'bob'}/*"`, "s3:GetObject", "arn:aws:s3:::b/bob/k", yes},
		{`"Effect":"Allow","Action":"s3:getobject","Resource":"arn:aws:s3:::b/K"`, "s3:GetObject", "arn:aws:s3:::b/k", no},
	} {
		r := &policy.Request{Principal: alice, Action: tt.action, Resource: tt.resource}
		s := &policy.Set{Identity: []*policy.Policy{statement(tt.statement)}, SameAccount: true}
		if got := policy.Evaluate(r, s).Decision; got != tt.want {
			t.Errorf("%s, %s %s: %v", tt.statement, tt.action, tt.resource, got)
		}
	}
}

// IAM User Guide, "Policy elements: NotPrincipal": everyone but Bob.
func TestNotPrincipal(t *testing.T) {
	p := parse(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Deny",
		"NotPrincipal":{"AWS":["`+userARN+`","arn:aws:iam::`+account+`:root"]},
		"Action":"s3:*","Resource":["arn:aws:s3:::b","arn:aws:s3:::b/*"]}]}`, policy.Bucket)
	other := alice
	other.ARN += "2"
	for _, tt := range []struct {
		who  policy.Principal
		want policy.Decision
	}{
		{alice, policy.Allowed}, {tokenUser, policy.Allowed}, {root, policy.Allowed},
		{other, policy.ExplicitDeny}, {session, policy.ExplicitDeny}, {anonymous, policy.ExplicitDeny},
	} {
		r := &policy.Request{Principal: tt.who, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"}
		s := &policy.Set{Identity: []*policy.Policy{parse(t, document("Allow", ""), policy.Identity)}, Resource: p, SameAccount: true}
		if got := policy.Evaluate(r, s).Decision; got != tt.want {
			t.Errorf("%s: %v, want %v", tt.who.ARN, got, tt.want)
		}
	}
}

// The root of the owning account cannot lock itself out of the bucket policy,
// unless it confirmed that.
func TestRootKeepsThePolicy(t *testing.T) {
	p := parse(t, document("Deny", `"*"`), policy.Bucket)
	for _, tt := range []struct {
		who       policy.Principal
		action    string
		same, let bool
		want      policy.Decision
	}{
		{root, "s3:GetBucketPolicy", true, false, policy.Allowed},
		{root, "s3:PutBucketPolicy", true, false, policy.Allowed},
		{root, "s3:DeleteBucketPolicy", true, false, policy.Allowed},
		{root, "s3:ListBucket", true, false, policy.ExplicitDeny},
		{root, "s3:PutBucketPolicy", true, true, policy.ExplicitDeny},
		{root, "s3:PutBucketPolicy", false, false, policy.ExplicitDeny},
		{alice, "s3:PutBucketPolicy", true, false, policy.ExplicitDeny},
	} {
		r := &policy.Request{Principal: tt.who, Action: tt.action, Resource: policy.BucketARN("b")}
		v := policy.Evaluate(r, &policy.Set{Resource: p, SameAccount: tt.same, BindRoot: tt.let})
		if v.Decision != tt.want {
			t.Errorf("%+v: %v", tt, v.Decision)
		}
	}
}

func TestTrust(t *testing.T) {
	trust := func(principal string) *policy.Policy {
		return parse(t, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":`+principal+`,"Action":"sts:AssumeRole","Condition":{"StringEquals":{"sts:ExternalId":"42"}}}}`, policy.Trust)
	}
	allow := parse(t, `{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"`+roleARN+`"}}`, policy.Identity)
	for _, tt := range []struct {
		who       policy.Principal
		principal string
		identity  []*policy.Policy
		same      bool
		external  string
		want      policy.Decision
	}{
		{alice, `{"AWS":"` + userARN + `"}`, nil, true, "42", policy.Allowed},
		{alice, `{"AWS":"` + userARN + `"}`, nil, true, "43", policy.ImplicitDeny},
		{alice, `{"AWS":"` + account + `"}`, nil, true, "42", policy.ImplicitDeny},
		{alice, `{"AWS":"` + account + `"}`, []*policy.Policy{allow}, true, "42", policy.Allowed},
		// An identity-based policy alone never suffices, nor does root.
		{alice, `{"AWS":"444455556666"}`, []*policy.Policy{allow}, true, "42", policy.ImplicitDeny},
		{root, `{"AWS":"444455556666"}`, nil, true, "42", policy.ImplicitDeny},
		{root, `{"AWS":"` + account + `"}`, nil, true, "42", policy.Allowed},
		{alice, `{"AWS":"` + account + `"}`, nil, false, "42", policy.ImplicitDeny},
		{alice, `{"AWS":"` + account + `"}`, []*policy.Policy{allow}, false, "42", policy.Allowed},
	} {
		r := &policy.Request{Principal: tt.who, Action: "sts:AssumeRole", Resource: roleARN,
			Context: context(map[string][]string{"sts:externalid": {tt.external}})}
		s := &policy.Set{Identity: tt.identity, Resource: trust(tt.principal), SameAccount: tt.same}
		if v := policy.Evaluate(r, s); v.Decision != tt.want {
			t.Errorf("%s by %s: want %v; %s", tt.principal, tt.who.ARN, tt.want, policy.Explain(r, s))
		}
	}
}

func TestMessage(t *testing.T) {
	r := &policy.Request{Principal: alice, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"}
	deny := &policy.Set{Resource: parse(t, document("Deny", `"*"`), policy.Bucket)}
	for _, tt := range []struct {
		set  *policy.Set
		want string
	}{
		{&policy.Set{SameAccount: true}, `User: ` + userARN + ` is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::b/k" because no identity-based policy allows the s3:GetObject action`},
		{&policy.Set{}, `User: ` + userARN + ` is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::b/k" because no resource-based policy allows the s3:GetObject action`},
		{deny, `User: ` + userARN + ` is not authorized to perform: s3:GetObject on resource: "arn:aws:s3:::b/k" with an explicit deny in a resource-based policy`},
	} {
		if got := policy.Evaluate(r, tt.set).Message(r); got != tt.want {
			t.Errorf("got %s\nwant %s", got, tt.want)
		}
	}
}

func TestPrincipalKeys(t *testing.T) {
	for _, tt := range []struct {
		who                                   policy.Principal
		arn, kind, userid, username, accountI string
	}{
		{alice, userARN, "User", "AIDAALICE", "alice", account},
		{root, root.ARN, "Account", account, "", account},
		{session, roleARN, "AssumedRole", "AROAREADER:alice", "", account},
		{anonymous, "", "Anonymous", "anonymous", "", "anonymous"},
		{policy.Principal{ARN: "arn:aws:sts::1:federated-user/x", Account: "1"}, "arn:aws:sts::1:federated-user/x", "FederatedUser", "", "", "1"},
	} {
		for key, want := range map[string]string{
			"aws:PrincipalArn": tt.arn, "aws:PrincipalType": tt.kind, "aws:userid": tt.userid,
			"aws:username": tt.username, "aws:PrincipalAccount": tt.accountI, "aws:PrincipalIsAWSService": "false",
		} {
			condition := fmt.Sprintf(`{"StringEquals":{%q:%q}}`, key, want)
			if want == "" {
				condition = fmt.Sprintf(`{"Null":{%q:"true"}}`, key)
			}
			p := parse(t, bucketPolicy(`"Allow"`, `"*"`, `"s3:GetObject"`, `"arn:aws:s3:::b/*"`, condition), policy.Bucket)
			r := &policy.Request{Principal: tt.who, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k"}
			if s := (&policy.Set{Resource: p, SameAccount: true}); policy.Evaluate(r, s).Decision != policy.Allowed {
				t.Errorf("%s", policy.Explain(r, s))
			}
		}
	}
}

// Only the keys that decide are asked for, each by its name in lower case.
func TestKeysAreAskedLazily(t *testing.T) {
	p := parse(t, `{"Version":"2012-10-17","Statement":[
		{"Effect":"Allow","Action":"s3:PutObject","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}},
		{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"StringEquals":{"s3:ExistingObjectTag/Team":"${S3:RequestObjectTag/Team}"}}}]}`, policy.Identity)
	var asked []string
	r := &policy.Request{Principal: alice, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k",
		Context: func(key string) ([]string, bool) { asked = append(asked, key); return []string{"blue"}, true }}
	v := policy.Evaluate(r, &policy.Set{Identity: []*policy.Policy{p}, SameAccount: true})
	if got := strings.Join(asked, " "); v.Decision != policy.Allowed || got != "s3:existingobjecttag/Team s3:requestobjecttag/Team" {
		t.Errorf("%v, asked %s", v.Decision, got)
	}
}
