package policy_test

import (
	"testing"

	"github.com/daypass/daypass/policy"
)

// TestAnonymousIsPublic checks that a condition which everybody without a
// signature meets does not make a policy private.
func TestAnonymousIsPublic(t *testing.T) {
	for _, condition := range []string{
		`{"StringEquals":{"aws:userid":"anonymous"}}`,
		`{"StringEqualsIgnoreCase":{"aws:userid":"ANONYMOUS"}}`,
		`{"StringEquals":{"aws:PrincipalAccount":["111122223333","anonymous"]}}`,
	} {
		p := parse(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject",`+
			`"Resource":"arn:aws:s3:::b/*","Condition":`+condition+`}]}`, policy.Bucket)
		if !policy.Public(p) {
			t.Errorf("%s: not public", condition)
		}
	}
}
