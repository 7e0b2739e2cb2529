package policy_test

import (
	"fmt"

	"github.com/daypass/daypass/policy"
)

func ExampleEvaluate() {
	bucket, err := policy.Parse([]byte(`{
		"Version": "2012-10-17",
		"Statement": [{
			"Sid": "links live ten minutes",
			"Effect": "Deny",
			"Principal": "*",
			"Action": "s3:*",
			"Resource": "arn:aws:s3:::photos/*",
			"Condition": {"NumericGreaterThan": {"s3:signatureAge": "600000"}}
		}]
	}`), policy.Bucket)
	if err != nil {
		fmt.Println(err)
		return
	}
	request := &policy.Request{
		Principal: policy.Principal{ARN: "arn:aws:iam::111122223333:root", Account: "111122223333", Root: true},
		Action:    "s3:GetObject",
		Resource:  policy.ObjectARN("photos", "2026/puppy.jpg"),
		Context: func(key string) ([]string, bool) {
			if key == "s3:signatureage" {
				return []string{"900000"}, true
			}
			return nil, false
		},
	}
	verdict := policy.Evaluate(request, &policy.Set{Resource: bucket, SameAccount: true})
	fmt.Println(verdict.Decision)
	fmt.Println(verdict.Reason())
	// Output:
	// explicitDeny
	// denied by statement 1 (links live ten minutes) of the resource-based policy
}

func ExampleParse() {
	_, err := policy.Parse([]byte(`{"Statement":{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"*"}}`), policy.Bucket)
	fmt.Println(err)
	// Output: policy.Parse: MalformedPolicy: Policy has invalid resource: in statement 1
}

func ExampleExplain() {
	identity, err := policy.Parse([]byte(`{"Version":"2012-10-17","Statement":{"Sid":"Home","Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::home/${aws:username}/*"}}`), policy.Identity)
	if err != nil {
		fmt.Println(err)
		return
	}
	request := &policy.Request{
		Principal: policy.Principal{ARN: "arn:aws:iam::111122223333:user/alice", Account: "111122223333", UserName: "alice"},
		Action:    "s3:GetObject",
		Resource:  policy.ObjectARN("home", "bob/diary.txt"),
	}
	fmt.Print(policy.Explain(request, &policy.Set{Identity: []*policy.Policy{identity}, SameAccount: true}))
	// Output:
	// not allowed, because no identity-based policy allows the s3:GetObject action
	// - Allow statement 1 (Home) of the identity-based policy does not apply: resource arn:aws:s3:::home/bob/diary.txt is not "arn:aws:s3:::home/${aws:username}/*"
}
