package e2e

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// TestBoto3ObjectLock keeps objects with object lock.
func TestBoto3ObjectLock(t *testing.T) {
	t.Parallel()
	steps(t, serve(t), settings{Bucket: "e2e-boto3-lock"}, need(t, "python", "/usr/bin/python3"), "clients/boto3_objectlock.py")
}

func TestJavaScriptSDKv3ObjectLock(t *testing.T) {
	t.Parallel()
	steps(t, serve(t), settings{Bucket: "e2e-js-v3-lock"}, need(t, "node", "node"), "clients/aws-sdk-v3-objectlock.mjs")
}

// TestGoSDKObjectLock keeps objects with object lock, over a crash.
func TestGoSDKObjectLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := launch(t, dir)
	t.Cleanup(func() { s.stop(t) })
	u := newUser(s, "e2e-go-lock")
	ctx, bucket := t.Context(), &u.bucket
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	_, err := u.owner.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket, ObjectLockEnabledForBucket: aws.Bool(true)})
	must("CreateBucket", err)
	config := &types.ObjectLockConfiguration{ObjectLockEnabled: types.ObjectLockEnabledEnabled, Rule: &types.ObjectLockRule{
		DefaultRetention: &types.DefaultRetention{Mode: types.ObjectLockRetentionModeGovernance, Days: aws.Int32(1)}}}
	_, err = u.owner.PutObjectLockConfiguration(ctx, &s3.PutObjectLockConfigurationInput{Bucket: bucket, ObjectLockConfiguration: config})
	must("PutObjectLockConfiguration", err)
	until := time.Now().Add(time.Hour).Truncate(time.Second)
	put := func(key string, in s3.PutObjectInput) *string {
		t.Helper()
		in.Bucket, in.Key, in.Body, in.ChecksumAlgorithm = bucket, &key, strings.NewReader("kept"), types.ChecksumAlgorithmCrc32
		out, err := u.owner.PutObject(ctx, &in)
		must("PutObject", err)
		return out.VersionId
	}
	_, err = u.owner.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("default"), Body: strings.NewReader("kept")})
	wantError(t, err, 400, "InvalidRequest") // as this client is told to send no checksum of its own
	plain := put("default", s3.PutObjectInput{})
	kept := put("kept", s3.PutObjectInput{ObjectLockMode: types.ObjectLockModeCompliance, ObjectLockRetainUntilDate: &until})
	held := put("held", s3.PutObjectInput{ObjectLockLegalHoldStatus: types.ObjectLockLegalHoldStatusOn})

	s.kill()
	s = launch(t, dir)
	u = newUser(s, u.bucket)
	got, err := u.owner.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: bucket})
	must("GetObjectLockConfiguration", err)
	if r := got.ObjectLockConfiguration.Rule; r == nil || *r.DefaultRetention.Days != 1 || r.DefaultRetention.Mode != types.ObjectLockRetentionModeGovernance {
		t.Errorf("GetObjectLockConfiguration: %+v", got.ObjectLockConfiguration)
	}
	remove := func(key string, id *string, bypass bool) error {
		_, err := u.owner.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: &key, VersionId: id, BypassGovernanceRetention: aws.Bool(bypass)})
		return err
	}
	wantError(t, remove("default", plain, false), 403, "AccessDenied")
	wantError(t, remove("kept", kept, true), 403, "AccessDenied")
	wantError(t, remove("held", held, true), 403, "AccessDenied")
	must("DeleteObject", remove("default", plain, true))
	head, err := u.owner.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("kept")})
	must("HeadObject", err)
	if head.ObjectLockMode != types.ObjectLockModeCompliance || !head.ObjectLockRetainUntilDate.Equal(until) {
		t.Errorf("HeadObject: %s until %v, want %v", head.ObjectLockMode, head.ObjectLockRetainUntilDate, until)
	}
	retain := func(d time.Duration) error {
		_, err := u.owner.PutObjectRetention(ctx, &s3.PutObjectRetentionInput{Bucket: bucket, Key: aws.String("kept"), VersionId: kept,
			BypassGovernanceRetention: aws.Bool(true), Retention: &types.ObjectLockRetention{
				Mode: types.ObjectLockRetentionModeCompliance, RetainUntilDate: aws.Time(until.Add(d))}})
		return err
	}
	wantError(t, retain(-time.Minute), 403, "AccessDenied")
	must("PutObjectRetention", retain(time.Minute))
	_, err = u.owner.PutObjectLegalHold(ctx, &s3.PutObjectLegalHoldInput{Bucket: bucket, Key: aws.String("held"),
		LegalHold: &types.ObjectLockLegalHold{Status: types.ObjectLockLegalHoldStatusOff}})
	must("PutObjectLegalHold", err)
	must("DeleteObject", remove("held", held, true))

	// No pass helps, and no limit does.
	for _, query := range []url.Values{{}, {"x-daypass-uses": {"1"}}, {"x-amz-bypass-governance-retention": {"true"}}} {
		query.Set("versionId", *kept)
		u.do(t, "DELETE", u.presign(t, "DELETE", "kept", query), "", nil).refusal(t, 403, "AccessDenied")
	}
	_, err = u.owner.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("kept"), VersionId: kept})
	must("HeadObject", err)
}

// TestAWSCommandLineObjectLock keeps an object by commands.
func TestAWSCommandLineObjectLock(t *testing.T) {
	t.Parallel()
	s, dir := serve(t), t.TempDir()
	cli := awsCLI(t, s, dir)
	at := []string{"--bucket", "e2e-cli-lock", "--key", "a.txt"}
	api := func(action string, more ...string) string {
		t.Helper()
		return cli.run(t, append(append([]string{"s3api", action}, at...), more...)...)
	}
	write(t, filepath.Join(dir, "a.txt"), "kept")
	cli.run(t, "s3api", "create-bucket", "--bucket", "e2e-cli-lock", "--object-lock-enabled-for-bucket")
	cli.run(t, "s3api", "put-object-lock-configuration", "--bucket", "e2e-cli-lock", "--object-lock-configuration",
		"ObjectLockEnabled=Enabled,Rule={DefaultRetention={Mode=GOVERNANCE,Days=30}}")
	if out := cli.run(t, "s3api", "get-object-lock-configuration", "--bucket", "e2e-cli-lock"); !strings.Contains(out, `"Days": 30`) {
		t.Error(out)
	}
	var put struct{ VersionId string }
	if err := json.Unmarshal([]byte(api("put-object", "--body", "a.txt", "--checksum-algorithm", "CRC32")), &put); err != nil || put.VersionId == "" {
		t.Fatalf("put-object: %v", err)
	}
	version := []string{"--version-id", put.VersionId}
	if out := api("get-object-retention", version...); !strings.Contains(out, "GOVERNANCE") {
		t.Error(out)
	}
	refused := func(more ...string) {
		t.Helper()
		_, stderr, err := cli.try(t, append(append([]string{"s3api", "delete-object"}, at...), append(version, more...)...)...)
		if err == nil || !strings.Contains(stderr, "(AccessDenied)") || !strings.Contains(stderr, "Access Denied because object protected by object lock.") {
			t.Errorf("delete-object: %v\n%s", err, stderr)
		}
	}
	refused()
	api("put-object-legal-hold", append(version, "--legal-hold", "Status=ON")...)
	refused("--bypass-governance-retention")
	if out := api("get-object-legal-hold", version...); !strings.Contains(out, "ON") {
		t.Error(out)
	}
	api("put-object-legal-hold", append(version, "--legal-hold", "Status=OFF")...)
	api("put-object-retention", append(version, "--retention", "Mode=GOVERNANCE,RetainUntilDate=2999-01-01T00:00:00Z")...)
	if out := api("head-object"); !strings.Contains(out, "2999-01-01") || !strings.Contains(out, `"OFF"`) {
		t.Error(out)
	}
	refused()
	api("delete-object", append(version, "--bypass-governance-retention")...)
}

// TestObjectLockDocs runs the commands of the page about object lock as they
// stand there.
func TestObjectLockDocs(t *testing.T) {
	t.Parallel()
	s, dir := serve(t), t.TempDir()
	cli := need(t, "awscli", "/usr/bin/aws", "aws")
	script := fmt.Sprintf("set -eu\naws() { %s --endpoint-url \"$AWS_ENDPOINT_URL\" \"$@\"; }\ndaypass() { %s \"$@\"; }\n", cli, program)
	count := 0
	for _, b := range pageBlocks(t, "../docs/object-lock.md") {
		switch b.lang {
		case "sh":
			script += b.text
		case "sh refused":
			script += "if { " + b.text + "} 2>refusal; then echo accepted >&2; exit 1; fi\ngrep -q 'protected by object lock' refusal\n"
		default:
			continue
		}
		count++
	}
	if count < 5 {
		t.Fatalf("%d examples", count)
	}
	runText(t, s, script, dir, []string{"AWS_PAGER=", "AWS_MAX_ATTEMPTS=1", "HOME=" + dir}, "/bin/sh", "-s")
	left, err := s.s3().ListObjectVersions(t.Context(), &s3.ListObjectVersionsInput{Bucket: new("records")})
	if err != nil {
		t.Fatal(err)
	}
	if len(left.Versions) != 1 || *left.Versions[0].Key != "by-url.txt" {
		t.Errorf("left: %+v", left.Versions)
	}
}
