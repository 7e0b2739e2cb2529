package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// A tool runs one command-line client.
type tool struct {
	path string
	args []string // before the others
	env  []string
	dir  string
	// stdin is what the tool reads, if it does.
	stdin string
}

// try runs the tool and returns what it printed.
func (c tool) try(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), c.path, append(c.args[:len(c.args):len(c.args)], args...)...)
	cmd.Env, cmd.Dir, cmd.Stdin = programEnv(c.env...), c.dir, strings.NewReader(c.stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// run is try for what must succeed.
func (c tool) run(t *testing.T, args ...string) string {
	t.Helper()
	stdout, stderr, err := c.try(t, args...)
	if err != nil {
		t.Fatalf("%s %q: %v\n%s%s", filepath.Base(c.path), args, err, stdout, stderr)
	}
	return stdout
}

func write(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// awsCLI is the AWS command line, told of a server by its environment.
func awsCLI(t *testing.T, s *server, dir string) tool {
	return tool{path: need(t, "awscli", "/usr/bin/aws", "aws"), args: []string{"--endpoint-url", s.url, "--cli-read-timeout", "20"}, dir: dir, env: []string{
		"AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey, "AWS_DEFAULT_REGION=" + region,
		"AWS_CONFIG_FILE=" + os.DevNull, "AWS_SHARED_CREDENTIALS_FILE=" + os.DevNull, "AWS_EC2_METADATA_DISABLED=true",
		"AWS_PAGER=", "AWS_MAX_ATTEMPTS=1", "LC_ALL=C.UTF-8"}}
}

func TestAWSCommandLine(t *testing.T) {
	t.Parallel()
	s, dir := serve(t), t.TempDir()
	cli := awsCLI(t, s, dir)
	u := newUser(s, "e2e-aws-cli")
	const key = "a+b c/ü 日本 🙂 x%20y.txt"

	cli.run(t, "s3", "mb", "s3://e2e-aws-cli")
	write(t, filepath.Join(dir, "in.txt"), "hello from aws s3 cp\n")
	cli.run(t, "s3", "cp", "in.txt", "s3://e2e-aws-cli/"+key)
	if out := cli.run(t, "s3", "ls", "s3://e2e-aws-cli/", "--recursive"); !strings.Contains(out, " "+key+"\n") {
		t.Errorf("aws s3 ls prints %q", out)
	}
	cli.run(t, "s3", "cp", "s3://e2e-aws-cli/"+key, "out.txt")
	if got := read(t, filepath.Join(dir, "out.txt")); got != "hello from aws s3 cp\n" {
		t.Errorf("came back as %q", got)
	}
	var head struct {
		ContentLength int
		Metadata      map[string]string
	}
	cli.run(t, "s3api", "put-object", "--bucket", u.bucket, "--key", "typed.txt", "--body", "in.txt", "--metadata", "color=green", "--checksum-algorithm", "SHA256")
	if err := json.Unmarshal([]byte(cli.run(t, "s3api", "head-object", "--bucket", u.bucket, "--key", "typed.txt")), &head); err != nil || head.ContentLength != 21 || head.Metadata["color"] != "green" {
		t.Errorf("head-object: %+v, %v", head, err)
	}
	var list struct{ Contents []struct{ Key string } }
	if err := json.Unmarshal([]byte(cli.run(t, "s3api", "list-objects-v2", "--bucket", u.bucket)), &list); err != nil || len(list.Contents) != 2 || list.Contents[0].Key != key {
		t.Errorf("list-objects-v2: %+v, %v", list, err)
	}
	cli.run(t, "s3", "rm", "s3://e2e-aws-cli/typed.txt")
	if _, stderr, err := cli.try(t, "s3api", "get-object", "--bucket", u.bucket, "--key", "typed.txt", "gone.txt"); err == nil || !strings.Contains(stderr, "NoSuchKey") {
		t.Errorf("get-object of what is gone: %v, %s", err, stderr)
	}

	presign := func(p pass, more ...string) pass {
		p.URL = strings.TrimSpace(cli.run(t, append([]string{"s3", "presign", "s3://e2e-aws-cli/" + p.Key}, more...)...))
		if strings.Contains(p.URL, "AWSAccessKeyId=") {
			p.Name = "v2 " + p.Name
		} else {
			p.Name = "v4 " + p.Name
		}
		p.Action = "get"
		return p
	}
	passes := []pass{
		presign(pass{Name: "presign", Key: seedKey}),
		presign(pass{Name: "listed", Key: listedKey}, "--expires-in", "60"),
		presign(pass{Name: "expired", Key: seedKey, Refuse: "expired"}, "--expires-in", "1"),
	}
	minted := time.Now()
	cli.env = append(cli.env, "AWS_SECRET_ACCESS_KEY=wrong")
	passes = append(passes, presign(pass{Name: "wrong secret", Key: seedKey, Refuse: "SignatureDoesNotMatch"}))
	u.check(t, minted, passes)
	u.misuse(t, passes[0])
}

func TestCurl(t *testing.T) {
	t.Parallel()
	s, dir := serve(t), t.TempDir()
	curl := tool{path: need(t, "curl", "curl"), dir: dir, args: []string{"--silent", "--show-error", "--path-as-is", "--max-time", "30"}}
	signed := func(secret string, args ...string) []string {
		return append([]string{"--aws-sigv4", "aws:amz:" + region + ":s3", "--user", accessKey + ":" + secret, "--fail-with-body"}, args...)
	}
	u := newUser(s, "e2e-curl")
	base := s.url + "/" + u.bucket
	// The empty body's hash is what S3 wants to see signed, and older curls
	// do not send it by themselves.
	unsigned := []string{"-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD"}
	do := func(args ...string) string { return curl.run(t, signed(secretKey, append(args, unsigned...)...)...) }

	do("-X", "PUT", base)
	write(t, filepath.Join(dir, "in.txt"), "hello from curl\n")
	do("-T", "in.txt", "-H", "Content-Type: text/x-e2e", base+"/dir/in%20%C3%BC.txt")
	if got := do(base + "/dir/in%20%C3%BC.txt"); got != "hello from curl\n" {
		t.Errorf("came back as %q", got)
	}
	if got := do("-I", base+"/dir/in%20%C3%BC.txt"); !strings.Contains(strings.ToLower(got), "content-type: text/x-e2e") {
		t.Errorf("HEAD prints %s", got)
	}
	if got := do(base + "?list-type=2&prefix=dir%2F"); !strings.Contains(got, "<Key>dir/in ü.txt</Key>") {
		t.Errorf("the listing is %s", got)
	}
	do("-X", "DELETE", base+"/dir/in%20%C3%BC.txt")
	if out, _, err := curl.try(t, signed(secretKey, append(unsigned, base+"/dir/in%20%C3%BC.txt")...)...); err == nil || !strings.Contains(out, "<Code>NoSuchKey</Code>") {
		t.Errorf("GET of what is gone: %v %s", err, out)
	}
	if out, _, err := curl.try(t, signed("wrong", append(unsigned, base)...)...); err == nil || !strings.Contains(out, "<Code>SignatureDoesNotMatch</Code>") {
		t.Errorf("with a wrong secret: %v %s", err, out)
	}

	signer := s3.NewPresignClient(s.s3())
	put, err := signer.PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: &u.bucket, Key: aws.String("./a/../b//c")})
	if err != nil {
		t.Fatal(err)
	}
	get, err := signer.PresignGetObject(t.Context(), &s3.GetObjectInput{Bucket: &u.bucket, Key: aws.String("./a/../b//c")})
	if err != nil {
		t.Fatal(err)
	}
	curl.run(t, "--fail-with-body", "-T", "in.txt", put.URL)
	curl.run(t, "--fail-with-body", "-H", "Expect: 100-continue", "-T", "in.txt", put.URL)
	if got := curl.run(t, "--fail-with-body", get.URL); got != "hello from curl\n" {
		t.Errorf("came back as %q", got)
	}
	if got := curl.run(t, "--fail-with-body", "-r", "6-9", get.URL); got != "from" {
		t.Errorf("the range came back as %q", got)
	}
	// The answer to a refused upload comes without the body being asked for.
	out := curl.run(t, "-H", "Expect: 100-continue", "-T", "in.txt", "-w", " %{size_upload}", get.URL)
	if !strings.Contains(out, "<Code>SignatureDoesNotMatch</Code>") || !strings.HasSuffix(out, " 0") {
		t.Errorf("PUT with a GET URL: %s", out)
	}
}
