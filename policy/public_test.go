package policy_test

import (
	"testing"

	"github.com/daypass/daypass/policy"
)

func TestPublic(t *testing.T) {
	const everyone = `"*"`
	for _, tt := range []struct {
		principal, condition string
		want                 bool
	}{
		{everyone, "", true},
		{`{"AWS":"*"}`, "", true},
		{`{"Federated":"graph.facebook.com"}`, "", true},
		{`{"AWS":["111122223333","*"]}`, "", true},
		{`{"AWS":["111122223333"]}`, "", false},
		{`{"AWS":"arn:aws:iam::111122223333:user/a"}`, "", false},
		{`{"CanonicalUser":"79a5"}`, "", false},
		{`{"Service":"cloudtrail.amazonaws.com"}`, "", false},
		{everyone, `{"StringLike":{"aws:SourceVpc":"vpc-*"}}`, true},
		{everyone, `{"StringEquals":{"aws:SourceVpc":"vpc-91237329"}}`, false},
		{everyone, `{"StringLike":{"aws:SourceVpc":"vpc-91237329"}}`, false},
		{everyone, `{"StringEquals":{"aws:SourceVpc":["vpc-91237329","${aws:SourceVpc}"]}}`, true},
		{everyone, `{"StringNotEquals":{"aws:SourceVpc":"vpc-91237329"}}`, true},
		{everyone, `{"StringEqualsIfExists":{"aws:SourceVpc":"vpc-91237329"}}`, true},
		{everyone, `{"ForAllValues:StringEquals":{"aws:SourceVpc":"vpc-91237329"}}`, true},
		{everyone, `{"ForAnyValue:StringEquals":{"aws:SourceVpc":"vpc-91237329"}}`, false},
		{everyone, `{"Null":{"aws:SourceVpc":"false"}}`, true},
		{everyone, `{"StringEquals":{"aws:PrincipalOrgID":"o-1"}}`, false},
		{everyone, `{"StringEquals":{"aws:Referer":"http://example.com/"}}`, true},
		{everyone, `{"Bool":{"aws:SecureTransport":"true"}}`, true},
		{everyone, `{"IpAddress":{"aws:SourceIp":"10.0.0.0/32"}}`, false},
		{everyone, `{"IpAddress":{"aws:SourceIp":["10.0.0.0/8","172.16.0.0/12"]}}`, false},
		{everyone, `{"IpAddress":{"aws:SourceIp":"54.0.0.0/7"}}`, true},
		{everyone, `{"IpAddress":{"aws:SourceIp":["54.1.1.1","0.0.0.0/1"]}}`, true},
		{everyone, `{"IpAddress":{"aws:SourceIp":"2001:db8::/32"}}`, false},
		{everyone, `{"IpAddress":{"aws:SourceIp":"2000::/3"}}`, true},
		{everyone, `{"NotIpAddress":{"aws:SourceIp":"54.1.1.1"}}`, true},
		{everyone, `{"StringLike":{"aws:userid":"AROAEXAMPLE:*"}}`, true},
		{everyone, `{"StringEquals":{"aws:userid":"AIDAEXAMPLE"}}`, false},
		{everyone, `{"ArnLike":{"s3:DataAccessPointArn":"arn:aws:s3:us-west-2:123456789012:accesspoint/*"}}`, false},
		{everyone, `{"ArnLike":{"s3:DataAccessPointArn":"arn:aws:s3:us-west-2:*:accesspoint/a"}}`, true},
		{everyone, `{"Bool":{"aws:SecureTransport":"true"},"ArnEquals":{"aws:PrincipalArn":"arn:aws:iam::1:user/a"}}`, false},
	} {
		for _, effect := range []string{"Allow", "Deny"} {
			p := parse(t, bucketPolicy(`"`+effect+`"`, tt.principal, `"s3:PutObject"`, `"arn:aws:s3:::b/*"`, tt.condition), policy.Bucket)
			if got, want := policy.Public(p), tt.want && effect == "Allow"; got != want {
				t.Errorf("%s %s %s: %t", effect, tt.principal, tt.condition, got)
			}
		}
	}
	if policy.Public(nil) {
		t.Error("no policy is public")
	}
}

// One public statement makes the whole policy public.
func TestPublicAmongOthers(t *testing.T) {
	p := parse(t, `{"Statement":[
		{"Effect":"Allow","Principal":{"Service":"cloudtrail.amazonaws.com"},"Action":"s3:PutObject","Resource":"arn:aws:s3:::b/*"},
		{"Effect":"Allow","Principal":{"AWS":"444455556666"},"Action":"s3:GetObject","Resource":"arn:aws:s3:::b/*"},
		{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::b/public/*"}]}`, policy.Bucket)
	if !policy.Public(p) {
		t.Error("not public")
	}
}
