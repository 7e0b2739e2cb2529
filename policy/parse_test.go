package policy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/policy"
)

const (
	bucketHead = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"`
	notJSON    = "This policy contains invalid Json"
	firstByte  = "Policies must be valid JSON and the first byte must be '{'"
	badSyntax  = "Invalid policy syntax."
	badArn     = "Policy has invalid resource"
	badAction  = "Policy has invalid action"
	badWho     = "Invalid principal in policy"
	noMatch    = "Action does not apply to any resource(s) in statement"
	noKey      = "Conditions do not apply to combination of actions and resources in statement"
	badVendor  = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
)

// bucketPolicy returns a bucket policy of one statement; an empty part is left
// out.
func bucketPolicy(effect, principal, action, resource, condition string) string {
	var parts []string
	for _, p := range []struct{ name, value string }{
		{"Effect", effect}, {"Principal", principal}, {"Action", action}, {"Resource", resource}, {"Condition", condition},
	} {
		if p.value != "" {
			parts = append(parts, fmt.Sprintf("%q:%s", p.name, p.value))
		}
	}
	return `{"Version":"2012-10-17","Statement":[{` + strings.Join(parts, ",") + `}]}`
}

func TestParseRefusals(t *testing.T) {
	const allow, all, get, objects = `"Allow"`, `"*"`, `"s3:GetObject"`, `"arn:aws:s3:::b/*"`
	who := func(p string) string { return bucketPolicy(allow, p, get, objects, "") }
	act := func(a string) string { return bucketPolicy(allow, all, a, objects, "") }
	res := func(r string) string { return bucketPolicy(allow, all, get, r, "") }
	cond := func(c string) string { return bucketPolicy(allow, all, get, objects, c) }
	for _, tt := range []struct{ document, want string }{
		{"", firstByte}, {" {}", firstByte}, {"[]", firstByte}, {"\ufeff{}", firstByte},
		{"{", notJSON}, {"{true}", notJSON}, {"{}x", notJSON}, {"{\"Id\":\"\xff\"}", notJSON},
		{"{}", "Missing required field Statement"},
		{`{"Statement":[]}`, "Could not parse the policy: Statement is empty!"},
		{`{"Statement":"x"}`, badSyntax}, {`{"Statement":[1]}`, badSyntax},
		{`{"Statement":[[[[[[[[[[1]]]]]]]]]]}`, badSyntax},
		{`{"Version":"2012-10-16","Statement":[]}`, "The policy must contain a valid version string"},
		{`{"Version":2012,"Statement":[]}`, "The policy must contain a valid version string"},
		{`{"Version":"2012-10-17","Version":"2012-10-17","Statement":[]}`, badSyntax},
		{`{"Id":1,"Statement":[]}`, badSyntax},
		{`{"version":"2012-10-17","Statement":[]}`, "Unknown field version"},
		{bucketHead + `,"Resources":"x"}]}`, "Unknown field Resources"},
		{bucketHead + `,"Effect":"Allow"}]}`, badSyntax},
		{bucketHead + `,"NotAction":"s3:PutObject"}]}`, badSyntax},
		{bucketHead + `,"NotResource":"arn:aws:s3:::b/x"}]}`, badSyntax},
		{bucketHead + `,"Sid":1}]}`, badSyntax},
		{bucketPolicy("", all, get, objects, ""), "Missing required field Effect"},
		{bucketPolicy(allow, "", get, objects, ""), "Missing required field Principal"},
		{bucketPolicy(allow, all, "", objects, ""), "Missing required field Action"},
		{bucketPolicy(allow, all, get, "", ""), "Missing required field Resource"},
		{bucketPolicy(`"allow"`, all, get, objects, ""), "Invalid effect: allow"},
		{bucketPolicy(`null`, all, get, objects, ""), badSyntax},
		{strings.Replace(who(all), "Principal", "NotPrincipal", 1), "Allow with NotPrincipal is not allowed."},

		{who(`""`), badWho}, {who(`[]`), badWho}, {who(`["*"]`), badWho}, {who(`{}`), badWho},
		{who(`"alice"`), badWho}, {who(`{"AWS":""}`), badWho}, {who(`{"AWS":[]}`), badWho},
		{who(`{"AWS":"alice"}`), badWho}, {who(`{"AWS":"arn:aws:iam::111122223333:user/*"}`), badWho},
		{who(`{"AWS":"arn:aws:iam::111122223333:group/g"}`), badWho}, {who(`{"AWS":"arn:aws:s3:::b"}`), badWho},
		{who(`{"AWS":"arn:aws:iam::111122223333:user/"}`), badWho}, {who(`{"AWS":["11112222333"]}`), badWho},
		{who(`{"AWS":"arn:aws:sts::111122223333:assumed-role/r"}`), badWho},
		{who(`{"Service":"*"}`), badWho}, {who(`{"Nobody":"x"}`), badWho}, {who(`{"AWS":1}`), badWho},

		{act(`""`), badAction}, {act(`[]`), badAction}, {act(`"s3"`), badAction}, {act(`"s3:"`), badAction},
		{act(`"GetObject"`), badAction}, {act(`"s4:GetObject"`), badAction}, {act(`"*GetObject"`), badAction},
		{act(`"s3::GetObject"`), badAction}, {act(`"s3:GetObjct"`), badAction}, {act(`"s3:????"`), badAction},
		{act(`"s3:Put-Object"`), badAction}, {act(`"s3:PutObjectLockConfiguration"`), badAction},
		{act(`"s3:*Obj??ect*"`), badAction}, {act(`null`), badSyntax}, {act(`[["s3:GetObject"]]`), badSyntax},

		{res(`""`), badArn}, {res(`[]`), badArn}, {res(`"*"`), badArn}, {res(`"b/*"`), badArn},
		{res(`"arn:aws:s3:::"`), badArn}, {res(`"arn:aws:s3:::/b"`), badArn}, {res(`"arn:aws:iam:::b"`), badArn},
		{res(`"arn:aws:s3:us-east-1::b/*"`), badArn}, {res(`"arn:aws:s3:*"`), badArn}, {res(`1`), badSyntax},
		{res(`"arn:${aws:username}:s3:::b/*"`), badArn},

		{act(`"s3:ListBucket"`), noMatch}, {act(`"s3:GetBucket*"`), noMatch}, {act(`["s3:GetObject","s3:ListBucket"]`), noMatch},
		{act(`"s3:ListAllMyBuckets"`), noMatch}, {res(`"arn:aws:s3:::b"`), noMatch},

		{cond(`{"StringEqual":{"aws:Referer":"x"}}`), "Invalid Condition type : StringEqual"},
		{cond(`{"stringequals":{"aws:Referer":"x"}}`), "Invalid Condition type : stringequals"},
		{cond(`{"NullIfExists":{"aws:Referer":"true"}}`), "Invalid Condition type : NullIfExists"},
		{cond(`{"ForSomeValues:StringEquals":{"aws:Referer":"x"}}`), "Invalid Condition type : ForSomeValues:StringEquals"},
		{cond(`{"StringEquals":{"s3:Nothing":"x"}}`), "Policy has an invalid condition key"},
		{cond(`{"StringEquals":{"aws:Nothing":"x"}}`), "Policy has an invalid condition key"},
		{cond(`{"StringEquals":{"s3:ExistingObjectTag":"x"}}`), "Policy has an invalid condition key"},
		{cond(`{"StringEquals":{"s3:ExistingObjectTag/":"x"}}`), "Policy has an invalid condition key"},
		{cond(`{"StringEquals":{"s3:prefix":"x"}}`), noKey}, {cond(`{"StringEquals":{"s3:x-amz-acl":"x"}}`), noKey},
		{cond(`{"StringEquals":{"s3:VersionId":"x"}}`), noKey},
		{cond(`{"IpAddress":{"aws:SourceIp":"300.1.1.1"}}`), "Invalid IP address in Conditions"},
		{cond(`{"NotIpAddress":{"aws:SourceIp":"10.0.0.0/33"}}`), "Invalid IP address in Conditions"},
		{cond(`{"StringEquals":{"aws:SourceIp":"x"}}`), "Invalid IP address in Conditions"},
		{cond(`{"StringEquals":{"aws:Referer":["",null]}}`), badSyntax},
		{cond(`[]`), badSyntax}, {cond(`{"Bool":1}`), badSyntax}, {cond(`{"Bool":{"aws:SecureTransport":[]}}`), badSyntax},
		{cond(`{"Bool":{"aws:SecureTransport":"yes"}}`), badSyntax}, {cond(`{"Bool":{"aws:SecureTransport":null}}`), badSyntax},
		{cond(`{"NumericEquals":{"s3:signatureAge":"0x10"}}`), badSyntax},
		{cond(`{"DateLessThan":{"aws:CurrentTime":"tomorrow"}}`), badSyntax},
		{cond(`{"BinaryEquals":{"aws:Referer":"%"}}`), badSyntax},
		{cond(`{"ArnLike":{"aws:SourceArn":"x"}}`), badSyntax},
		{cond(`{"StringEquals":{"aws:Referer":"${aws:username, x}"}}`), badSyntax},
		{cond(`{"StringEquals":{"aws:Referer":"a","aws:Referer":"b"}}`), badSyntax},
	} {
		p, err := policy.Parse([]byte(tt.document), policy.Bucket)
		var e *daypass.Error
		if !errors.As(err, &e) || e.Code != policy.MalformedPolicy || e.Message != tt.want || p != nil {
			t.Errorf("%s\n got %v\nwant %s", tt.document, err, tt.want)
		}
	}
}

func TestParseByKind(t *testing.T) {
	statement := func(s string) string { return `{"Version":"2012-10-17","Statement":{"Effect":"Allow",` + s + `}}` }
	identity := statement(`"Action":"ec2:Describe*","Resource":"*"`)
	trust := statement(`"Action":"sts:AssumeRole","Principal":{"AWS":"111122223333"}`)
	bucket := statement(`"Action":"*","Principal":"*","Resource":"arn:aws:s3:::b*"`)
	twice := `{"Statement":[{"Sid":"a","Effect":"Deny","Action":"*","Resource":"*"},{"Sid":"a","Effect":"Deny","Action":"*","Resource":"*"}]}`
	for _, tt := range []struct {
		document string
		kind     policy.Kind
		want     string
	}{
		{identity, policy.Identity, ""}, {identity, policy.Session, ""}, {identity, policy.Boundary, ""},
		{identity, policy.Bucket, badAction}, {identity, policy.Trust, "AssumeRole policy may only specify STS AssumeRole actions."},
		{trust, policy.Trust, ""}, {trust, policy.Bucket, badAction}, {trust, policy.Identity, "Policy document should not specify a principal."},
		{bucket, policy.Bucket, ""}, {bucket, policy.Trust, badVendor},
		{statement(`"Action":"sts:*","Principal":"*","Resource":"*"`), policy.Trust, "Has prohibited field Resource"},
		{statement(`"Action":"s3:*","Resource":"bucket"`), policy.Identity, `Resource bucket must be in ARN format or "*".`},
		{statement(`"Action":"GetObject","Resource":"*"`), policy.Identity, badVendor},
		{statement(`"Action":"*:Get","Resource":"*"`), policy.Identity, badVendor},
		{statement(`"Action":"*","Resource":"*","Condition":{"Bool":{"x":"true"}}`), policy.Identity, badVendor},
		{statement(`"Action":"*","Resource":"*","Condition":{"Bool":{"x:y":true},"NumericEquals":{"a:b":[1,2.5]}}`), policy.Identity, ""},
		{statement(`"Sid":"a b","Action":"*","Resource":"*"`), policy.Session, "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"},
		{twice, policy.Identity, "Statement IDs (SID) in a single policy must be unique."},
		{strings.ReplaceAll(twice, `"a"`, `""`), policy.Identity, ""},
	} {
		_, err := policy.Parse([]byte(tt.document), tt.kind)
		var e *daypass.Error
		errors.As(err, &e)
		if (err != nil) != (tt.want != "") || e != nil && e.Message != tt.want {
			t.Errorf("%s as %v: %v, want %q", tt.document, tt.kind, err, tt.want)
		}
	}
}

// Documents that S3 takes, among them those of public conformance suites.
func TestParseAccepts(t *testing.T) {
	for _, document := range []string{
		bucketPolicy(`"Allow"`, `{"AWS":"*"}`, `"s3:ListBucket"`, `["arn:aws:s3:::b","arn:aws:s3:::b/*"]`, ""),
		bucketPolicy(`"Allow"`, `{"AWS":"*"}`, `"s3:ListBucket"`, `["arn:aws:s3:::*","arn:aws:s3:::*/*"]`, ""),
		bucketPolicy(`"Allow"`, `"*"`, `"*"`, `"arn:aws:s3::*:b"`, `{}`),
		bucketPolicy(`"Allow"`, `"*"`, `["S3:getobject","s3:List*"]`, `["arn:aws:s3:::b","arn:aws:s3:::b/*"]`, `{"StringEquals":{}}`),
		bucketPolicy(`"Deny"`, `"*"`, `"s3:*"`, `"arn:aws:s3:::b"`, `{"StringEquals":{"s3:prefix":["","a"]}}`),
		bucketPolicy(`"Deny"`, `{"AWS":["111122223333","arn:aws:iam::111122223333:root","arn:aws:iam:::user/a"],"CanonicalUser":"79a5","Service":["logging.s3.amazonaws.com"],"Federated":"graph.facebook.com"}`, `"s3:PutObject"`, `"arn:aws:s3:::b/*"`, `{"StringNotEquals":{"s3:x-amz-server-side-encryption":"AES256"},"Null":{"s3:RequestObjectTag/Team":true}}`),
		`{"Id":"x","Statement":[{"Sid":"a b","Effect":"Deny","NotPrincipal":{"AWS":"111122223333"},"NotAction":"s3:GetObject","NotResource":"arn:aws:s3:::b/x"},{"Sid":"a b","Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/${aws:username"}]}`,
	} {
		if _, err := policy.Parse([]byte(document), policy.Bucket); err != nil {
			t.Errorf("%s: %v", document, err)
		}
	}
}

func TestParseSize(t *testing.T) {
	document := bucketPolicy(`"Allow"`, `"*"`, `"s3:GetObject"`, `"arn:aws:s3:::b/KEY"`, "")
	room := policy.MaxSize - len(document) + len("KEY")
	fit := strings.Replace(document, "KEY", strings.Repeat("k", room), 1)
	for _, tt := range []struct {
		document string
		ok       bool
	}{
		{fit, true},
		{strings.Replace(fit, ",", ", \n", 2), true},
		{strings.Replace(fit, "kk", "kkk", 1), false},
		{fit + strings.Repeat(" ", 4*policy.MaxSize), false},
	} {
		_, err := policy.Parse([]byte(tt.document), policy.Bucket)
		if (err == nil) != tt.ok || err != nil && !strings.Contains(err.Error(), "exceeds the maximum allowed size of 20480 bytes") {
			t.Errorf("%d bytes: %v", len(tt.document), err)
		}
	}
}

func TestErrorsTellTheStatement(t *testing.T) {
	_, err := policy.Parse([]byte(bucketHead+`,"Condition":{"Bool":{"aws:SecureTransport":"yes"}}}]}`), policy.Bucket)
	want := `policy.Parse: MalformedPolicy: Invalid policy syntax.: in statement 1: Bool "yes": neither true nor false`
	if err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestCheckBucket(t *testing.T) {
	for resource, want := range map[string]bool{
		"arn:aws:s3:::b":                 true,
		"arn:aws:s3:::b/*":               true,
		"arn:aws:s3:::*":                 true,
		"arn:aws:s3:::*/*":               true,
		"arn:aws:s3:::b*k":               true,
		"arn:aws:s3:::?/x":               true,
		"arn:aws:s3:::${aws:username}/x": true,
		"arn:aws:s3:::bb":                false,
		"arn:aws:s3:::bb*":               false,
		"arn:aws:s3:::c/b":               false,
		"arn:aws:s3:::prefix-b":          false,
	} {
		p, err := policy.Parse([]byte(bucketPolicy(`"Deny"`, `"*"`, `"s3:*"`, `"`+resource+`"`, "")), policy.Bucket)
		if err != nil {
			t.Fatal(err)
		}
		err = p.CheckBucket("b")
		if (err == nil) != want || err != nil && daypass.CodeOf(err) != policy.MalformedPolicy {
			t.Errorf("%s: %v", resource, err)
		}
	}
}

// Parse and Evaluate must neither panic nor take long, whatever the document.
func FuzzParse(f *testing.F) {
	f.Add(bucketHead+`}]}`, "arn:aws:s3:::b/k")
	f.Add(bucketPolicy(`"Deny"`, `{"AWS":["111122223333"]}`, `["s3:Get*"]`, `"arn:aws:s3:::b/${aws:username, 'x}'}*"`,
		`{"ForAnyValue:StringLikeIfExists":{"s3:ExistingObjectTag/a":["?*${*}"]},"DateLessThan":{"aws:CurrentTime":2020},"Null":{"aws:Referer":false},"ArnNotLike":{"aws:PrincipalArn":"arn:*"}}`), "arn:aws:s3:::b/\xff")
	f.Fuzz(func(t *testing.T, document, resource string) {
		if len(resource) > 2048 {
			t.Skip()
		}
		start := time.Now()
		for kind := policy.Identity; kind <= policy.Boundary; kind++ {
			p, err := policy.Parse([]byte(document), kind)
			if err != nil {
				if daypass.CodeOf(err) != policy.MalformedPolicy {
					t.Fatal(err)
				}
				continue
			}
			r := &policy.Request{
				Principal: policy.Principal{ARN: "arn:aws:iam::111122223333:user/a", Account: "111122223333", UserName: "a"},
				Action:    "s3:GetObject", Resource: resource,
				Context: func(key string) ([]string, bool) { return []string{key, resource}, len(key)%2 == 0 },
			}
			s := &policy.Set{Identity: []*policy.Policy{p}, Resource: p, Session: p}
			if got, want := policy.Explain(r, s).Verdict, policy.Evaluate(r, s); got != want {
				t.Fatalf("explained %v, evaluated %v", got, want)
			}
			_ = policy.Public(p)
			_ = p.CheckBucket("b")
		}
		if d := time.Since(start); d > 5*time.Second {
			t.Fatalf("took %v", d)
		}
	})
}
