package e2e

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// TestExplainEnds asks a running server when URLs of the AWS SDK really end:
// with the session token, and by a bucket policy, before their own expiry. Then
// it asks why one was refused.
func TestExplainEnds(t *testing.T) {
	t.Parallel()
	s := serve(t)
	cli := daypass(t)
	ring := keyring{tool: cli, data: s.dir}
	owner := s.s3()
	bucket := "e2e-explain"
	if _, err := owner.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
		t.Fatal(err)
	}
	if _, err := owner.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: aws.String("a"), Body: strings.NewReader("text")}); err != nil {
		t.Fatal(err)
	}
	made := ring.create(t, "reader", policyOf(`{"Effect":"Allow","Action":["s3:*","sts:AssumeRole"],"Resource":"*"}`))
	account := strings.TrimSuffix(callerARN(t, s, made), ":user/reader")
	session := s.session(t, made, &sts.AssumeRoleInput{RoleArn: aws.String(account + ":role/any"), RoleSessionName: aws.String("e2e"), DurationSeconds: aws.Int32(900)})
	signed, err := s3.NewPresignClient(s3.New(session)).PresignGetObject(t.Context(),
		&s3.GetObjectInput{Bucket: &bucket, Key: aws.String("a")}, s3.WithPresignExpires(2*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	explained := func(patterns ...string) {
		t.Helper()
		out := cli.run(t, "explain", signed.URL, "--data", s.dir)
		for _, p := range patterns {
			if !regexp.MustCompile(`(?m)` + p).MatchString(out) {
				t.Errorf("no match for %s in\n%s", p, out)
			}
		}
		if strings.Contains(out, "X-Amz-Signature") || strings.Contains(out, "X-Amz-Security-Token=") {
			t.Errorf("the URL is printed:\n%s", out)
		}
	}
	open := func(method string, want int) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, signed.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := s.httpClient().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		a.Body.Close()
		if a.StatusCode != want {
			t.Errorf("%s: status %d, want %d", method, a.StatusCode, want)
		}
	}
	open("GET", 200)
	open("DELETE", 403)
	open("DELETE", 403)
	explained(`^good: `, `^really ends: .*\(in (15m|14m.*)\) \(the session token ends\), not .* \(its own expiry\)$`,
		`temporary, made with `+made.AccessKeyID+`, which is enabled`, `^refused 2 times with SignatureDoesNotMatch: .*GET`)

	deny := `{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::e2e-explain/*","Condition":{"NumericGreaterThan":{"s3:signatureAge":"300000"}}}`
	if _, err := owner.PutBucketPolicy(t.Context(), &s3.PutBucketPolicyInput{Bucket: &bucket, Policy: aws.String(policyOf(deny))}); err != nil {
		t.Fatal(err)
	}
	explained(`^good: `, `^really ends: .*\(in (5m|4m.*)\) \(a policy stops to allow it: .*\), not .* \(its own expiry\)$`)

	ring.keys(t, "disable", made.AccessKeyID)
	open("GET", 403)
	explained(`^refused: the access key that the session was made with was disabled by local$`, `^1x +InvalidAccessKeyId `)
}
