package policy_test

import (
	"fmt"
	"testing"

	"github.com/daypass/daypass/policy"
)

func parse(t testing.TB, document string, kind policy.Kind) *policy.Policy {
	t.Helper()
	p, err := policy.Parse([]byte(document), kind)
	if err != nil {
		t.Fatalf("%s: %v", document, err)
	}
	return p
}

// context answers from a map; a key that is not in it is absent.
func context(m map[string][]string) func(string) ([]string, bool) {
	return func(key string) ([]string, bool) {
		v, ok := m[key]
		return v, ok
	}
}

var alice = policy.Principal{
	ARN: "arn:aws:iam::111122223333:user/alice", Account: "111122223333", Canonical: "79a5", UserName: "alice", UserID: "AIDAALICE",
}

func TestConditionOperators(t *testing.T) {
	request := map[string][]string{
		"s3:prefix":                  {"home/alice/"},
		"s3:max-keys":                {"10"},
		"s3:signatureage":            {"900001"},
		"s3:tlsversion":              {"1.3"},
		"s3:x-amz-acl":               {""},
		"s3:requestobjecttag/Team":   {"blue*"},
		"s3:requestobjecttagkeys":    {"Team", "Cost"},
		"s3:existingobjecttag/Draft": {},
		"aws:sourceip":               {"::ffff:10.1.2.3"},
		"aws:vpcsourceip":            {"2001:db8:1234:5678::9%eth0"},
		"aws:securetransport":        {"true"},
		"aws:currenttime":            {"2026-02-06T12:00:00Z"},
		"aws:epochtime":              {"1770379200"},
		"aws:referer":                {"http://www.Example.com/a?b*"},
		"aws:sourcearn":              {"arn:aws:someservice:us-east-2:999999999999:store/abc:111122223333:finance/document.txt"},
		"aws:tagkeys":                {""},
		"x:binary":                   {"BinaryValueInBase64"},
		"x:number":                   {"many"},
	}
	for _, tt := range []struct {
		condition string
		want      bool
	}{
		// Strings.
		{`"StringEquals":{"s3:prefix":"home/alice/"}`, true},
		{`"StringEquals":{"S3:Prefix":["x","home/${aws:username}/"]}`, true},
		{`"StringEquals":{"s3:prefix":"HOME/alice/"}`, false},
		{`"StringEquals":{"s3:prefix":"home/*"}`, false},
		{`"StringNotEquals":{"s3:prefix":["a","home/alice/"]}`, false}, // NOR
		{`"StringNotEquals":{"s3:prefix":["a","b"]}`, true},
		{`"StringEqualsIgnoreCase":{"aws:referer":"http://www.example.com/A?b*"}`, true},
		{`"StringEqualsIgnoreCase":{"s3:prefix":"HOME/${aws:username}/"}`, true},
		{`"StringNotEqualsIgnoreCase":{"s3:prefix":"HOME/ALICE/"}`, false},
		{`"StringLike":{"s3:prefix":["","home/","home/${aws:username}/*"]}`, true},
		{`"StringLike":{"s3:prefix":"home/al?ce?"}`, true},
		{`"StringLike":{"s3:prefix":"home/al?ce"}`, false},
		{`"StringNotLike":{"s3:prefix":"home/*"}`, false},
		{`"StringEquals":{"s3:x-amz-acl":""}`, true},
		// Variables.
		{`"StringEquals":{"aws:Referer":"http://www.Example.com/a${?}b${*}"}`, true},
		{`"StringLike":{"aws:Referer":"*.com/a${?}b${*}"}`, true},
		{`"StringLike":{"aws:Referer":"*.com/aXb${*}"}`, false},
		{`"StringEquals":{"s3:prefix":"home/${aws:FederatedProvider, 'alice'}/"}`, true},
		{`"StringEquals":{"s3:prefix":"home/${aws:FederatedProvider}/"}`, false},
		{`"StringNotEquals":{"s3:prefix":"${aws:FederatedProvider}"}`, true},
		{`"StringEquals":{"aws:username":"${aws:userid}"}`, false},
		{`"StringEquals":{"aws:userid":"AIDA${s3:RequestObjectTag/None, 'ALICE'}"}`, true},
		{`"StringLike":{"s3:RequestObjectTag/Team":"${s3:RequestObjectTag/Team}"}`, true},
		{`"StringLike":{"s3:prefix":"${s3:RequestObjectTag/Team}"}`, false},
		{`"StringEquals":{"s3:prefix":"${s3:RequestObjectTagKeys, 'home/alice/'}"}`, true}, // several values are none
		{`"StringEquals":{"s3:prefix":"${aws:x, 'ho}me'}"}`, false},
		// Numbers.
		{`"NumericEquals":{"s3:max-keys":10}`, true},
		{`"NumericEquals":{"s3:max-keys":"1e1"}`, true},
		{`"NumericNotEquals":{"s3:max-keys":["9","10"]}`, false},
		{`"NumericLessThan":{"s3:TlsVersion":1.2}`, false},
		{`"NumericLessThan":{"s3:TlsVersion":[1.2,1.4]}`, true},
		{`"NumericLessThanEquals":{"s3:max-keys":"10"}`, true},
		{`"NumericGreaterThan":{"s3:signatureAge":"900000"}`, true},
		{`"NumericGreaterThan":{"s3:signatureAge":"900001"}`, false},
		{`"NumericGreaterThanEquals":{"s3:signatureAge":900001}`, true},
		{`"NumericEquals":{"x:number":1}`, false},
		{`"NumericNotEquals":{"x:number":1}`, true},
		// Dates.
		{`"DateEquals":{"aws:CurrentTime":"2026-02-06T13:00+01:00"}`, true},
		{`"DateNotEquals":{"aws:CurrentTime":"2026-02-06T12:00:00.000Z"}`, false},
		{`"DateEquals":{"aws:EpochTime":"2026-02-06T12:00:00Z"}`, true},
		{`"DateEquals":{"aws:CurrentTime":1770379200}`, true},
		{`"DateLessThan":{"aws:CurrentTime":"2026-02-07"}`, true},
		{`"DateLessThan":{"aws:CurrentTime":"2026"}`, false},
		{`"DateLessThanEquals":{"aws:CurrentTime":"2026-02-06T12:00:00Z"}`, true},
		{`"DateGreaterThan":{"aws:CurrentTime":"2026-02"}`, true},
		{`"DateGreaterThanEquals":{"aws:EpochTime":"1770379201"}`, false},
		{`"NumericGreaterThan":{"aws:EpochTime":"1770379199"}`, true},
		// Booleans, bytes.
		{`"Bool":{"aws:SecureTransport":true}`, true},
		{`"Bool":{"aws:SecureTransport":"False"}`, false},
		{`"Bool":{"aws:SecureTransport":"${aws:SecureTransport}"}`, true},
		{`"BinaryEquals":{"x:binary":"QmluYXJ5VmFsdWVJbkJhc2U2NA=="}`, true},
		{`"BinaryEquals":{"x:binary":"QmluYXJ5"}`, false},
		// Addresses.
		{`"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}`, true},
		{`"IpAddress":{"aws:SourceIp":"10.1.2.3"}`, true},
		{`"IpAddress":{"aws:SourceIp":"::ffff:10.0.0.0/104"}`, true},
		{`"IpAddress":{"aws:SourceIp":["192.168.1.1/24","2001:db8::/32"]}`, false},
		{`"IpAddress":{"aws:SourceIp":"0.0.0.0/0"}`, true},
		{`"IpAddress":{"aws:SourceIp":"::/0"}`, false},
		{`"NotIpAddress":{"aws:SourceIp":["10.1.2.3/32","10.1.2.4/32"]}`, false},
		{`"NotIpAddress":{"aws:SourceIp":"10.1.2.4/32"}`, true},
		{`"IpAddress":{"aws:VpcSourceIp":"2001:DB8:1234:5678::/64"}`, true},
		{`"IpAddress":{"aws:Referer":"0.0.0.0/0"}`, false},
		// ARNs: segment by segment (the documentation's example).
		{`"StringLike":{"aws:SourceArn":"arn:aws:someservice:*:111122223333:finance/*"}`, true},
		{`"ArnLike":{"aws:SourceArn":"arn:aws:someservice:*:111122223333:finance/*"}`, false},
		{`"ArnNotLike":{"aws:SourceArn":"arn:aws:someservice:*:111122223333:finance/*"}`, true},
		{`"ArnEquals":{"aws:SourceArn":"arn:aws:someservice:*:99999999999?:store/*"}`, true},
		{`"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::${aws:PrincipalAccount}:user/${aws:username}"}`, true},
		{`"ArnNotEquals":{"aws:PrincipalArn":"arn:aws:iam::*:user/alice"}`, false},
		{`"ArnLike":{"aws:Referer":"*"}`, false},
		// Missing keys.
		{`"StringEquals":{"s3:delimiter":"/"}`, false},
		{`"StringNotEquals":{"s3:delimiter":"/"}`, true},
		{`"StringNotLike":{"s3:delimiter":"*"}`, true},
		{`"NotIpAddress":{"aws:Ec2InstanceSourcePrivateIPv4":"10.0.0.0/8"}`, true},
		{`"NumericLessThan":{"s3:object-lock-remaining-retention-days":10}`, false},
		{`"Bool":{"aws:MultiFactorAuthPresent":"false"}`, false},
		{`"BoolIfExists":{"aws:MultiFactorAuthPresent":"false"}`, true},
		{`"StringEqualsIfExists":{"s3:delimiter":"/"}`, true},
		{`"StringNotEqualsIfExists":{"s3:delimiter":"/"}`, true},
		{`"StringEqualsIfExists":{"s3:prefix":"x"}`, false},
		{`"Null":{"s3:delimiter":"true"}`, true},
		{`"Null":{"s3:delimiter":false}`, false},
		{`"Null":{"s3:prefix":"true"}`, false},
		{`"Null":{"s3:x-amz-acl":"false"}`, true},
		{`"Null":{"s3:ExistingObjectTag/Draft":"true"}`, true}, // no values
		// Tags' keys are sensitive to case.
		{`"StringLike":{"s3:RequestObjectTag/Team":"blue*"}`, true},
		{`"StringLike":{"s3:RequestObjectTag/team":"blue*"}`, false},
		// Sets.
		{`"ForAllValues:StringEquals":{"s3:RequestObjectTagKeys":["Team","Cost","More"]}`, true},
		{`"ForAllValues:StringEquals":{"s3:RequestObjectTagKeys":["Team"]}`, false},
		{`"ForAnyValue:StringEquals":{"s3:RequestObjectTagKeys":["Team"]}`, true},
		{`"ForAnyValue:StringEquals":{"s3:RequestObjectTagKeys":["More"]}`, false},
		{`"ForAnyValue:StringNotEquals":{"s3:RequestObjectTagKeys":["Team"]}`, true},
		{`"ForAllValues:StringNotEquals":{"s3:RequestObjectTagKeys":["Team"]}`, false},
		{`"ForAllValues:StringNotLike":{"s3:RequestObjectTagKeys":["A*","B*"]}`, true},
		{`"ForAllValues:StringEquals":{"aws:CalledVia":["x"]}`, true},
		{`"ForAnyValue:StringEquals":{"aws:CalledVia":["x"]}`, false},
		{`"ForAnyValue:StringNotEquals":{"aws:CalledVia":["x"]}`, false},
		{`"ForAnyValue:StringEqualsIfExists":{"aws:CalledVia":["x"]}`, true},
		{`"ForAllValues:StringEquals":{"aws:TagKeys":["x"]}`, true}, // only empty values
		{`"ForAnyValue:StringLike":{"aws:TagKeys":["*"]}`, false},
		{`"StringEquals":{"s3:RequestObjectTagKeys":"Cost"}`, true},
		{`"StringNotEquals":{"s3:RequestObjectTagKeys":"Cost"}`, false},
		// Operators and keys are all needed.
		{`"StringEquals":{"s3:prefix":"home/alice/","s3:max-keys":"10"},"Bool":{"aws:SecureTransport":"true"}`, true},
		{`"StringEquals":{"s3:prefix":"home/alice/","s3:max-keys":"11"}`, false},
		{`"StringEquals":{"s3:prefix":"home/alice/"},"Bool":{"aws:SecureTransport":"false"}`, false},
	} {
		document := `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"*","Resource":"*","Condition":{` + tt.condition + `}}}`
		r := &policy.Request{Principal: alice, Action: "s3:ListBucket", Resource: "arn:aws:s3:::b", Context: context(request)}
		s := &policy.Set{Identity: []*policy.Policy{parse(t, document, policy.Identity)}, SameAccount: true}
		if got := policy.Evaluate(r, s).Decision == policy.Allowed; got != tt.want {
			t.Errorf("%s: %t", tt.condition, got)
		}
	}
}

// The keys that matter to Daypass can all be used in a bucket policy, on an
// action that has them.
func TestBucketPolicyKeys(t *testing.T) {
	for key, action := range map[string]string{
		"s3:signatureAge": "GetObject", "s3:authType": "GetObject", "s3:signatureversion": "GetObject",
		"s3:x-amz-content-sha256": "PutObject", "s3:prefix": "ListBucket", "s3:delimiter": "ListBucket",
		"s3:max-keys": "ListBucketVersions", "s3:x-amz-acl": "PutObject", "s3:RequestObjectTag/k": "PutObject",
		"s3:ExistingObjectTag/k": "GetObject", "s3:VersionId": "GetObjectVersion", "s3:TlsVersion": "GetObject",
		"s3:if-none-match": "PutObject", "s3:if-match": "PutObject", "s3:x-amz-copy-source": "PutObject",
		"s3:x-amz-metadata-directive": "PutObject", "s3:x-amz-grant-full-control": "PutObject",
		"aws:SecureTransport": "GetObject", "aws:CurrentTime": "GetObject", "aws:EpochTime": "GetObject",
		"aws:Referer": "GetObject", "aws:UserAgent": "GetObject", "aws:username": "GetObject",
		"aws:userid": "GetObject", "aws:PrincipalArn": "GetObject", "aws:PrincipalTag/k": "GetObject",
		"aws:PrincipalAccount": "GetObject", "aws:PrincipalType": "GetObject",
	} {
		document := bucketPolicy(`"Allow"`, `"*"`, `"s3:`+action+`"`, `["arn:aws:s3:::b","arn:aws:s3:::b/*"]`, fmt.Sprintf(`{"StringLike":{%q:"*"}}`, key))
		who := alice
		r := &policy.Request{Principal: who, Action: "s3:" + action, Resource: "arn:aws:s3:::b/k",
			Context: func(string) ([]string, bool) { return []string{"x"}, true }}
		s := &policy.Set{Resource: parse(t, document, policy.Bucket), SameAccount: true}
		if v := policy.Evaluate(r, s); v.Decision != policy.Allowed {
			t.Errorf("%s: %s", key, policy.Explain(r, s))
		}
	}
}

func TestOldVersionHasNoVariables(t *testing.T) {
	for version, want := range map[string]policy.Decision{
		`"Version":"2012-10-17",`: policy.Allowed,
		`"Version":"2008-10-17",`: policy.ImplicitDeny,
		``:                        policy.ImplicitDeny,
	} {
		document := `{` + version + `"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username}","Condition":{"StringEquals":{"aws:username":"${aws:username}"}}}}`
		r := &policy.Request{Principal: alice, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/alice"}
		s := &policy.Set{Identity: []*policy.Policy{parse(t, document, policy.Identity)}, SameAccount: true}
		if got := policy.Evaluate(r, s).Decision; got != want {
			t.Errorf("%s %v", version, got)
		}
	}
	literal := `{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/${aws:username}"}}`
	r := &policy.Request{Principal: alice, Action: "s3:GetObject", Resource: "arn:aws:s3:::b/${aws:username}"}
	if v := policy.Evaluate(r, &policy.Set{Identity: []*policy.Policy{parse(t, literal, policy.Identity)}, SameAccount: true}); v.Decision != policy.Allowed {
		t.Error("a variable in an old document is not literal text")
	}
}
