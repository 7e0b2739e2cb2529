package policy_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/daypass/daypass/policy"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares with testdata/name.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestExplain(t *testing.T) {
	bucket := parse(t, `{"Version":"2012-10-17","Statement":[
		{"Sid":"links only","Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*","Condition":{"StringNotEquals":{"s3:authType":"REST-QUERY-STRING"}}},
		{"Sid":"fresh only","Effect":"Deny","Principal":"*","Action":"s3:*","Resource":["arn:aws:s3:::photos","arn:aws:s3:::photos/*"],"Condition":{"NumericGreaterThan":{"s3:signatureAge":"600000"}}},
		{"Effect":"Allow","Principal":{"AWS":["444455556666","arn:aws:iam::444455556666:user/bob"],"CanonicalUser":"feed"},"Action":"s3:*","Resource":"arn:aws:s3:::photos/*"},
		{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/*"},
		{"Effect":"Deny","NotPrincipal":{"AWS":["`+roleARN+`","`+sessARN+`"]},"Action":"s3:*","Resource":"arn:aws:s3:::photos/*"},
		{"Effect":"Allow","Principal":{"AWS":"`+roleARN+`"},"Action":"s3:Get*","Resource":"arn:aws:s3:::photos/2026/*"}]}`, policy.Bucket)
	identity := parse(t, `{"Version":"2012-10-17","Statement":[
		{"Sid":"Upload","Effect":"Allow","Action":["s3:PutObject","s3:Abort*","s3:List*","s3:CreateBucket","s3:DeleteBucket","iam:*"],"Resource":"*"},
		{"Effect":"Allow","NotAction":"s3:Get*","Resource":"*"},
		{"Effect":"Allow","Action":"*","NotResource":["arn:aws:s3:::photos/*"]},
		{"Effect":"Allow","Action":"*","NotResource":["arn:aws:s3:::${aws:username}/*"]},
		{"Sid":"Office","Effect":"Allow","Action":"*","Resource":"*","Condition":{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","192.168.0.0/16"]}}},
		{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringLike":{"s3:prefix":"home/*"}}}]}`, policy.Identity)
	limited := parse(t, `{"Version":"2012-10-17","Statement":{"Sid":"Old","Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::photos/2025/*"}}`, policy.Session)
	keys := map[string][]string{"s3:authtype": {"REST-QUERY-STRING"}, "s3:signatureage": {"1500"}, "aws:sourceip": {"203.0.113.7"}}
	request := func(who policy.Principal, age string) *policy.Request {
		m := map[string][]string{}
		for k, v := range keys {
			m[k] = v
		}
		m["s3:signatureage"] = []string{age}
		return &policy.Request{Principal: who, Action: "s3:GetObject", Resource: policy.ObjectARN("photos", "2026/puppy.jpg"), Context: context(m)}
	}
	for _, tt := range []struct {
		name    string
		request *policy.Request
		set     policy.Set
	}{
		{"session_beyond_policy", request(session, "1500"), policy.Set{Identity: []*policy.Policy{identity}, Resource: bucket, Session: limited, SameAccount: true}},
		{"session_allowed", request(session, "1500"), policy.Set{Identity: []*policy.Policy{identity}, Resource: bucket, SameAccount: true}},
		{"too_old", request(session, "700000"), policy.Set{Resource: bucket, SameAccount: true}},
		{"anonymous", request(policy.Principal{Anonymous: true}, "0"), policy.Set{Resource: limitedPublic(t)}},
		{"root", request(root, "0"), policy.Set{SameAccount: true}},
	} {
		got := policy.Explain(tt.request, &tt.set)
		golden(t, "explain_"+tt.name+".txt", got.String())
		if v := policy.Evaluate(tt.request, &tt.set); v != got.Verdict {
			t.Errorf("%s: Evaluate says %v", tt.name, v)
		}
	}
}

func limitedPublic(t *testing.T) *policy.Policy {
	return parse(t, bucketPolicy(`"Allow"`, `"*"`, `"s3:GetObject"`, `"arn:aws:s3:::photos/public/*"`, ""), policy.Bucket)
}

// What a request brings is shortened and quoted.
func TestExplainIsBounded(t *testing.T) {
	p := parse(t, `{"Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringEquals":{"aws:UserAgent":"x"}}}}`, policy.Identity)
	r := &policy.Request{Principal: alice, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/k",
		Context: context(map[string][]string{"aws:useragent": {strings.Repeat("\n", 1<<20)}})}
	got := policy.Explain(r, &policy.Set{Identity: []*policy.Policy{p}}).String()
	if len(got) > 1000 || strings.Count(got, "\n") != 2 {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}
