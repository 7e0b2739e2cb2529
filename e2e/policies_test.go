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
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// A madeKey is what keys create prints.
type madeKey struct {
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
}

// A keyring makes keys with policies by the command line.
type keyring struct {
	tool
	data string
}

func (k keyring) keys(t *testing.T, args ...string) string {
	t.Helper()
	return k.run(t, append([]string{"keys", "--data", k.data}, args...)...)
}

func (k keyring) create(t *testing.T, name, policy string, more ...string) madeKey {
	t.Helper()
	args := []string{"create", name, "--json"}
	if policy != "" {
		args = append(args, "--policy-file", write(t, filepath.Join(k.dir, name+".json"), policy))
	}
	var made madeKey
	if err := json.Unmarshal([]byte(k.keys(t, append(args, more...)...)), &made); err != nil || made.AccessKeyID == "" {
		t.Fatalf("keys create: %+v, %v", made, err)
	}
	return made
}

// policyOf makes a policy document of statements.
func policyOf(statements ...string) string {
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

// TestKeyPolicies makes URLs with keys that may do little.
func TestKeyPolicies(t *testing.T) {
	t.Parallel()
	s := serve(t)
	ring := keyring{daypass(t), s.dir}
	u := newUser(s, "e2e-policies")
	ctx := t.Context()
	if _, err := u.owner.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &u.bucket}); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"in/a", "out/a"} {
		if _, err := u.owner.PutObject(ctx, &s3.PutObjectInput{Bucket: &u.bucket, Key: &key, Body: strings.NewReader("text")}); err != nil {
			t.Fatal(err)
		}
	}
	mayRead := policyOf(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::e2e-policies/in/*"}`,
		`{"Effect":"Allow","Action":"sts:AssumeRole","Resource":"arn:aws:iam::*:role/any"}`)
	made := ring.create(t, "reader", mayRead)
	reader := s.s3(withKey(made.AccessKeyID, made.SecretAccessKey))
	link := func(method, key string, query url.Values) string {
		t.Helper()
		return presign(t, reader.Options(), method, u.bucket+"/"+key, query)
	}
	open := func(rawURL string) answer { t.Helper(); return u.do(t, "GET", rawURL, "", nil) }

	within := link("GET", "in/a", url.Values{})
	open(within).success(t, 200, "text")
	u.do(t, "HEAD", link("HEAD", "in/a", url.Values{}), "", nil).success(t, 200, "")
	open(link("GET", "out/a", url.Values{})).refusal(t, 403, "AccessDenied")
	open(link("GET", "in/none", url.Values{})).refusal(t, 403, "AccessDenied") // who may not list may not know
	open(link("GET", "", url.Values{"list-type": {"2"}})).refusal(t, 403, "AccessDenied")
	open(link("GET", "in/a", url.Values{"tagging": {""}})).refusal(t, 403, "AccessDenied")
	u.do(t, "PUT", link("PUT", "in/a", url.Values{}), "x", nil).refusal(t, 403, "AccessDenied")
	u.do(t, "DELETE", link("DELETE", "in/a", url.Values{}), "", nil).refusal(t, 403, "AccessDenied")
	u.do(t, "POST", link("POST", "in/b", url.Values{"uploads": {""}}), "", nil).refusal(t, 403, "AccessDenied")
	_, err := reader.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &u.bucket, Key: aws.String("in/b"), CopySource: aws.String(u.bucket + "/in/a")})
	wantError(t, err, 403, "AccessDenied")

	// A session of it can do no more than it can.
	user := callerARN(t, s, made)
	account, ok := strings.CutSuffix(user, ":user/reader")
	if !ok {
		t.Errorf("the key is %s", user)
	}
	session := s.session(t, made, &sts.AssumeRoleInput{RoleArn: aws.String(account + ":role/any"), RoleSessionName: aws.String("e2e"),
		Policy: aws.String(policyOf(`{"Effect":"Allow","Action":"s3:*","Resource":"*"}`))})
	bySession := func(key string) string {
		return presign(t, session, "GET", u.bucket+"/"+key, url.Values{})
	}
	lasting := bySession("in/a")
	open(lasting).success(t, 200, "text")
	open(bySession("out/a")).refusal(t, 403, "AccessDenied")

	// A bucket policy gives what the key's policy lacks, and takes away.
	bucketPolicy := func(statements ...string) {
		t.Helper()
		if _, err := u.owner.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &u.bucket, Policy: aws.String(policyOf(statements...))}); err != nil {
			t.Fatal(err)
		}
	}
	allow := fmt.Sprintf(`{"Effect":"Allow","Principal":{"AWS":%q},"Action":"s3:GetObject","Resource":"arn:aws:s3:::e2e-policies/out/*"}`, user)
	bucketPolicy(allow)
	open(link("GET", "out/a", url.Values{})).success(t, 200, "text")
	old := `{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::e2e-policies/out/*","Condition":{"NumericGreaterThan":{"s3:signatureAge":"4000"}}}`
	bucketPolicy(allow, old)
	young := link("GET", "out/a", url.Values{})
	open(young).success(t, 200, "text")
	time.Sleep(5100 * time.Millisecond) // a signature tells its second only
	open(young).refusal(t, 403, "AccessDenied")
	open(within).success(t, 200, "text")
	linksOnly := `{"Effect":"Deny","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::e2e-policies/in/*","Condition":{"StringNotEquals":{"s3:authType":"REST-QUERY-STRING"}}}`
	bucketPolicy(linksOnly)
	open(within).success(t, 200, "text")
	_, err = reader.GetObject(ctx, &s3.GetObjectInput{Bucket: &u.bucket, Key: aws.String("in/a")})
	wantError(t, err, 403, "AccessDenied")
	if _, err := u.owner.DeleteBucketPolicy(ctx, &s3.DeleteBucketPolicyInput{Bucket: &u.bucket}); err != nil {
		t.Fatal(err)
	}

	// Taking the permission away kills what was signed, giving it back
	// revives it; so does disabling the key.
	ring.setPolicy(t, made.AccessKeyID, policyOf(`{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*"}`))
	open(within).refusal(t, 403, "AccessDenied")
	open(lasting).refusal(t, 403, "AccessDenied")
	ring.setPolicy(t, made.AccessKeyID, mayRead)
	open(within).success(t, 200, "text")
	open(lasting).success(t, 200, "text")
	ring.keys(t, "disable", made.AccessKeyID)
	open(within).refusal(t, 403, "InvalidAccessKeyId")
	if a := open(lasting); a.StatusCode != 403 && a.StatusCode != 400 {
		t.Errorf("the session outlives its parent: %d", a.StatusCode)
	}
	ring.keys(t, "enable", made.AccessKeyID)
	open(lasting).success(t, 200, "text")
	ring.keys(t, "delete", made.AccessKeyID)
	open(within).refusal(t, 403, "InvalidAccessKeyId")

	for name, text := range map[string]string{"broken": "{", "bucket": policyOf(strings.Replace(allow, "out", "in", 1)), "effect": policyOf(`{"Effect":"May","Action":"*","Resource":"*"}`)} {
		file := write(t, filepath.Join(ring.dir, name), text)
		if _, stderr, err := ring.try(t, "keys", "--data", s.dir, "create", "--policy-file", file); err == nil || !strings.HasPrefix(stderr, "daypass: ") {
			t.Errorf("a policy that is %s: %v, %s", name, err, stderr)
		}
	}
}

// TestMintingKey is a key that makes links to upload below one prefix, and is
// good for nothing else.
func TestMintingKey(t *testing.T) {
	t.Parallel()
	s := serve(t)
	ring := keyring{daypass(t), s.dir}
	u := newUser(s, "e2e-minting")
	if _, err := u.owner.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &u.bucket}); err != nil {
		t.Fatal(err)
	}
	made := ring.create(t, "minter", policyOf(`{"Effect":"Allow","Action":["s3:PutObject"],"Resource":"arn:aws:s3:::e2e-minting/${aws:username}/*",`+
		`"Condition":{"StringEquals":{"s3:authType":["REST-QUERY-STRING","POST"]}}}`))
	minter := s.s3(withKey(made.AccessKeyID, made.SecretAccessKey))
	put := func(path string) string { return presign(t, minter.Options(), "PUT", u.bucket+"/"+path, url.Values{}) }
	u.do(t, "PUT", put("minter/a"), "hello", nil).success(t, 200, "")
	u.do(t, "PUT", put("other/a"), "hello", nil).refusal(t, 403, "AccessDenied")
	_, err := minter.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &u.bucket, Key: aws.String("minter/a"), Body: strings.NewReader("x")})
	wantError(t, err, 403, "AccessDenied")
	form := func(key string) (string, map[string]string) {
		signed, err := s3.NewPresignClient(minter).PresignPostObject(t.Context(), &s3.PutObjectInput{Bucket: &u.bucket, Key: &key})
		if err != nil {
			t.Fatal(err)
		}
		return signed.URL, signed.Values
	}
	target, fields := form("minter/form")
	u.post(t, target, fields, "f", "by form").success(t, 204, "")
	fields["x-amz-meta-more"] = "1"
	u.post(t, target, fields, "f", "by form").refusal(t, 403, "AccessDenied")
	target, fields = form("other/form")
	u.post(t, target, fields, "f", "by form").refusal(t, 403, "AccessDenied")
	// Uploads in parts need the same permission.
	begin := presign(t, minter.Options(), "POST", u.bucket+"/minter/parts", url.Values{"uploads": {""}})
	a := u.do(t, "POST", begin, "", nil)
	_, rest, _ := strings.Cut(a.body, "<UploadId>")
	id, _, ok := strings.Cut(rest, "</UploadId>")
	if a.StatusCode != 200 || !ok {
		t.Fatalf("status %d\n%s", a.StatusCode, a.body)
	}
	part := u.do(t, "PUT", presign(t, minter.Options(), "PUT", u.bucket+"/minter/parts", url.Values{"partNumber": {"1"}, "uploadId": {id}}), "a part", nil)
	part.success(t, 200, "")
	end := presign(t, minter.Options(), "POST", u.bucket+"/minter/parts", url.Values{"uploadId": {id}})
	if a := u.do(t, "POST", end, completion(t, part.Header.Get("Etag")), nil); a.StatusCode != 200 || !strings.Contains(a.body, "CompleteMultipartUploadResult") {
		t.Errorf("status %d\n%s", a.StatusCode, a.body)
	}
	u.do(t, "GET", u.presign(t, "GET", "minter/parts", url.Values{}), "", nil).success(t, 200, "a part")
}

// TestMaxSignatureAge caps the age of what anybody signed.
func TestMaxSignatureAge(t *testing.T) {
	t.Parallel()
	s := serve(t, "--max-signature-age", "4s")
	u := newUser(s, "e2e-age")
	if _, err := u.owner.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &u.bucket}); err != nil {
		t.Fatal(err)
	}
	put := u.presign(t, "PUT", "a", url.Values{"X-Amz-Expires": {"3600"}})
	form, err := s3.NewPresignClient(u.owner).PresignPostObject(t.Context(), &s3.PutObjectInput{Bucket: &u.bucket, Key: aws.String("b")})
	if err != nil {
		t.Fatal(err)
	}
	u.do(t, "PUT", put, "young", nil).success(t, 200, "")
	u.post(t, form.URL, form.Values, "f", "young").success(t, 204, "")
	time.Sleep(5100 * time.Millisecond)
	u.do(t, "PUT", put, "old", nil).refusal(t, 403, "AccessDenied")
	u.post(t, form.URL, form.Values, "f", "old").refusal(t, 403, "AccessDenied")
	u.do(t, "GET", u.presign(t, "GET", "a", url.Values{}), "", nil).success(t, 200, "young")
	u.do(t, "GET", u.presign(t, "GET", "b", url.Values{}), "", nil).success(t, 200, "young")
}

// TestOwners keeps two accounts apart until one lets the other in.
func TestOwners(t *testing.T) {
	t.Parallel()
	s := serve(t)
	ring := keyring{daypass(t), s.dir}
	client := func(owner string) *s3.Client {
		made := ring.create(t, owner, "", "--owner", owner)
		return s.s3(withKey(made.AccessKeyID, made.SecretAccessKey))
	}
	alice, bob := client("alice"), client("bob")
	u := newUser(s, "e2e-of-alice")
	u.owner = alice
	ctx := t.Context()
	if _, err := alice.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &u.bucket}); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.PutObject(ctx, &s3.PutObjectInput{Bucket: &u.bucket, Key: aws.String("a"), Body: strings.NewReader("of alice")}); err != nil {
		t.Fatal(err)
	}
	_, err := bob.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &u.bucket})
	wantError(t, err, 409, "BucketAlreadyExists")
	list, err := bob.ListBuckets(ctx, &s3.ListBucketsInput{})
	if err != nil || len(list.Buckets) != 0 {
		t.Errorf("bob sees %+v, %v", list, err)
	}
	read := func() answer {
		return u.do(t, "GET", presign(t, bob.Options(), "GET", u.bucket+"/a", url.Values{}), "", nil)
	}
	read().refusal(t, 403, "AccessDenied")
	_, err = bob.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &u.bucket})
	wantError(t, err, 403, "AccessDenied")
	_, err = bob.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &u.bucket, Policy: aws.String(policyOf())})
	wantError(t, err, 403, "AccessDenied")
	whose, err := sts.New(s.stsOptions(bob.Options().Credentials)).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	allow := fmt.Sprintf(`{"Effect":"Allow","Principal":{"AWS":%q},"Action":"s3:GetObject","Resource":"arn:aws:s3:::%s/*"}`, *whose.Account, u.bucket)
	if _, err := alice.PutBucketPolicy(ctx, &s3.PutBucketPolicyInput{Bucket: &u.bucket, Policy: aws.String(policyOf(allow))}); err != nil {
		t.Fatal(err)
	}
	read().success(t, 200, "of alice")
	_, err = bob.PutObject(ctx, &s3.PutObjectInput{Bucket: &u.bucket, Key: aws.String("b"), Body: strings.NewReader("x")})
	wantError(t, err, 403, "AccessDenied")
}

func (s *server) stsOptions(creds aws.CredentialsProvider) sts.Options {
	return sts.Options{BaseEndpoint: aws.String(s.localhost()), Region: region, Credentials: creds, HTTPClient: s.httpClient()}
}

func callerARN(t *testing.T, s *server, key madeKey) string {
	t.Helper()
	got, err := sts.New(s.stsOptions(credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, ""))).
		GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	return *got.Arn
}

// session returns a client's options with temporary credentials of a key.
func (s *server) session(t *testing.T, key madeKey, input *sts.AssumeRoleInput) s3.Options {
	t.Helper()
	service := sts.New(s.stsOptions(credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, "")))
	made, err := service.AssumeRole(t.Context(), input)
	if err != nil {
		t.Fatal(err)
	}
	c := made.Credentials
	return s.s3(func(o *s3.Options) {
		o.Credentials = credentials.NewStaticCredentialsProvider(*c.AccessKeyId, *c.SecretAccessKey, *c.SessionToken)
	}).Options()
}

// setPolicy replaces what a key may do.
func (k keyring) setPolicy(t *testing.T, id, policy string) {
	t.Helper()
	k.keys(t, "policy", id, "--set", write(t, filepath.Join(k.dir, id+".json"), policy))
}
