package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// daypass returns the program as a user in a new home runs it.
func daypass(t *testing.T) tool {
	home := t.TempDir()
	return tool{path: program, dir: home, env: []string{"HOME=" + home, "XDG_DATA_HOME=", "XDG_CONFIG_HOME=", "AWS_EC2_METADATA_DISABLED=true"}}
}

// TestShare is the first thing that anybody does with Daypass.
func TestShare(t *testing.T) {
	t.Parallel()
	curl := tool{path: need(t, "curl", "curl"), args: []string{"--silent", "--show-error", "--fail-with-body", "--max-time", "30"}}
	cli := daypass(t)
	write(t, filepath.Join(cli.dir, "README.md"), "# Daypass\n")
	write(t, filepath.Join(cli.dir, "grüße & more.txt"), "hello\n")

	cmd := exec.Command(cli.path, "share", "README.md")
	cmd.Env, cmd.Dir = programEnv(cli.env...), cli.dir
	stdout, stderr, exited := newOutput(), newOutput(), make(chan struct{})
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		cmd.Wait()
		close(exited)
	}()
	defer cmd.Process.Kill()
	link, err := stdout.wait(regexp.MustCompile(`^http://`), exited, 30*time.Second)
	if err != nil {
		t.Fatalf("daypass share: %v\n%s%s", err, stdout, stderr)
	}
	if strings.TrimSpace(stdout.String()) != link {
		t.Errorf("prints more than the link to standard output: %q", stdout)
	}
	if got := curl.run(t, link); got != "# Daypass\n" {
		t.Errorf("the link opens as %q", got)
	}
	if got := curl.run(t, "-r", "2-8", link); got != "Daypass" {
		t.Errorf("a part of it opens as %q", got)
	}
	if out, _, err := curl.try(t, "-X", "DELETE", link); err == nil || !strings.Contains(out, "<Code>SignatureDoesNotMatch</Code>") {
		t.Errorf("DELETE with the link: %v, %s", err, out)
	}

	// While it runs, another share on the same data directory uses it.
	short := strings.TrimSpace(cli.run(t, "share", "--expires", "2s", "grüße & more.txt"))
	opened := time.Now()
	if got := curl.run(t, short); got != "hello\n" {
		t.Errorf("the second link opens as %q", got)
	}
	var many []struct{ URL string }
	if err := json.Unmarshal([]byte(cli.run(t, "share", "--json", "README.md", "grüße & more.txt")), &many); err != nil || len(many) != 2 {
		t.Errorf("share --json: %+v, %v", many, err)
	} else if got := curl.run(t, many[1].URL); got != "hello\n" {
		t.Errorf("the link of share --json opens as %q", got)
	}
	time.Sleep(time.Until(opened.Add(3 * time.Second)))
	if out, _, err := curl.try(t, short); err == nil || !strings.Contains(out, "<Message>Request has expired</Message>") {
		t.Errorf("an expired link opens: %v, %s", err, out)
	}

	cmd.Process.Signal(os.Interrupt)
	select {
	case <-exited:
	case <-time.After(15 * time.Second):
		t.Fatalf("share still runs 15 s after an interrupt\n%s", stderr)
	}
	if code := cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("share exits with %d after an interrupt\n%s", code, stderr)
	}
	if _, _, err := curl.try(t, link); err == nil {
		t.Error("the link opens after the server has gone")
	}
}

func TestShareFails(t *testing.T) {
	t.Parallel()
	cli := daypass(t)
	for _, args := range [][]string{
		{"share"},
		{"share", "missing.txt"},
		{"share", "."},
		{"share", "--expires", "8d", "/dev/null"},
		{"share", "--no-such-flag"},
	} {
		_, stderr, err := cli.try(t, args...)
		if err == nil || !strings.HasPrefix(stderr, "daypass: ") {
			t.Errorf("%q: %v, %s", args, err, stderr)
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	s, cli := serve(t), daypass(t)
	keys := func(args ...string) string {
		return cli.run(t, append([]string{"keys", "--data", s.dir}, args...)...)
	}
	var made struct {
		AccessKeyID     string `json:"accessKeyId"`
		SecretAccessKey string `json:"secretAccessKey"`
	}
	if err := json.Unmarshal([]byte(keys("create", "backup", "--json")), &made); err != nil || made.AccessKeyID == "" || made.SecretAccessKey == "" {
		t.Fatalf("keys create: %+v, %v", made, err)
	}
	client := s.s3(withKey(made.AccessKeyID, made.SecretAccessKey))
	use := func() error {
		_, err := client.ListBuckets(t.Context(), &s3.ListBucketsInput{})
		return err
	}
	if err := use(); err != nil {
		t.Errorf("the new key: %v", err)
	}
	if out := keys("list"); !strings.Contains(out, made.AccessKeyID) || strings.Contains(out, made.SecretAccessKey) {
		t.Errorf("keys list prints %s", out)
	}
	keys("disable", made.AccessKeyID)
	wantError(t, use(), 403, "InvalidAccessKeyId")
	keys("enable", made.AccessKeyID)
	if err := use(); err != nil {
		t.Errorf("the key enabled again: %v", err)
	}
	keys("delete", made.AccessKeyID)
	wantError(t, use(), 403, "InvalidAccessKeyId")

	// A pair of another system lives on.
	secret := write(t, filepath.Join(cli.dir, "secret.txt"), "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\n")
	keys("create", "--access-key", "AKIAIOSFODNN7EXAMPLE", "--secret-key-file", secret)
	client = s.s3(withKey("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"))
	if err := use(); err != nil {
		t.Errorf("the imported key: %v", err)
	}

	// The admin API answers over the network to the root key alone.
	cli.env = append(cli.env, "DAYPASS_ROOT_ACCESS_KEY="+accessKey, "DAYPASS_ROOT_SECRET_KEY="+secretKey)
	if out := cli.run(t, "keys", "--admin-url", s.ops, "list", "--json"); !strings.Contains(out, "AKIAIOSFODNN7EXAMPLE") {
		t.Errorf("keys list over the network: %s", out)
	}
	cli.env = append(cli.env, "DAYPASS_ROOT_SECRET_KEY=wrong")
	if out, stderr, err := cli.try(t, "keys", "--admin-url", s.ops, "list"); err == nil || !strings.HasPrefix(stderr, "daypass: ") {
		t.Errorf("keys list with a wrong secret: %v, %s%s", err, out, stderr)
	}
}

// TestServe starts, drains and starts again.
func TestServe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := launch(t, dir)
	for _, path := range []string{"/healthz", "/readyz"} {
		res, err := http.Get(s.ops + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != 200 {
			t.Errorf("%s: %s", path, res.Status)
		}
	}
	bucket, key := aws.String("drained"), aws.String("slow")
	if _, err := s.s3().CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	signed, err := s3.NewPresignClient(s.s3()).PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	// An upload that is under way when the server is asked to stop.
	body, feed := io.Pipe()
	req, err := http.NewRequest("PUT", signed.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	req.ContentLength = 10
	answered := make(chan error, 1)
	go func() {
		res, err := s.httpClient().Do(req)
		if err == nil {
			res.Body.Close()
			if res.StatusCode != 200 {
				err = errorString(res.Status)
			}
		}
		answered <- err
	}()
	io.WriteString(feed, "hello")
	time.Sleep(300 * time.Millisecond)
	s.cmd.Process.Signal(syscall.SIGTERM)
	time.Sleep(300 * time.Millisecond)
	io.WriteString(feed, "again")
	feed.Close()
	if err := <-answered; err != nil {
		t.Errorf("the upload under way: %v", err)
	}
	s.stop(t)

	s = launch(t, dir)
	defer s.stop(t)
	get, err := s.s3().GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	defer get.Body.Close()
	if got, err := io.ReadAll(get.Body); err != nil || string(got) != "helloagain" {
		t.Errorf("after the next start it reads %q, %v", got, err)
	}
	noSecret(t, dir)
}

type errorString string

func (e errorString) Error() string { return string(e) }

// noSecret checks that the root key's secret is in no file as it is.
func noSecret(t *testing.T, dir string) {
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(name)
		if bytes.Contains(text, []byte(secretKey)) {
			t.Errorf("%s holds the secret in the clear", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestFirstStart makes a root key, which works, and is shown once.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	cli := daypass(t)
	data := filepath.Join(cli.dir, "data")
	start := func() (string, *exec.Cmd, chan struct{}) {
		cmd := exec.Command(cli.path, "serve", "--data", data, "--listen", "127.0.0.1:0", "--ops-listen", "127.0.0.1:0")
		out, exited := newOutput(), make(chan struct{})
		cmd.Env, cmd.Stdout, cmd.Stderr = programEnv(cli.env...), out, out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		go func() {
			cmd.Wait()
			close(exited)
		}()
		if _, err := out.wait(regexp.MustCompile(`\bready\b`), exited, 30*time.Second); err != nil {
			cmd.Process.Kill()
			t.Fatalf("%v\n%s", err, out)
		}
		return out.String(), cmd, exited
	}
	secret := regexp.MustCompile(`AWS_SECRET_ACCESS_KEY=(\S+)`)
	first, cmd, exited := start()
	id, key := regexp.MustCompile(`AWS_ACCESS_KEY_ID=(\S+)`).FindStringSubmatch(first), secret.FindStringSubmatch(first)
	addr := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(first)
	if id == nil || key == nil || addr == "" {
		t.Fatalf("the first start prints no root key:\n%s", first)
	}
	s := &server{url: "http://" + addr}
	if _, err := s.s3(withKey(id[1], key[1])).ListBuckets(t.Context(), &s3.ListBucketsInput{}); err != nil {
		t.Error(err)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	<-exited
	second, cmd, exited := start()
	cmd.Process.Signal(syscall.SIGTERM)
	<-exited
	if secret.MatchString(second) || strings.Contains(second, key[1]) {
		t.Errorf("the second start prints the secret again:\n%s", second)
	}
}

// TestPresignCommand makes the program a client like any other.
func TestPresignCommand(t *testing.T) {
	t.Parallel()
	s, cli := serve(t), daypass(t)
	cli.env = append(cli.env, "AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey,
		"AWS_REGION="+region, "AWS_ENDPOINT_URL="+s.localhost())
	u := newUser(s, "e2e-presign")
	if _, err := u.owner.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &u.bucket}); err != nil {
		t.Fatal(err)
	}
	var passes []pass
	mint := func(p pass, flags ...string) {
		t.Helper()
		args := append([]string{"presign", p.Action, "s3://" + u.bucket + "/" + p.Key}, flags...)
		p.URL = strings.TrimSpace(cli.run(t, args...))
		passes = append(passes, p)
	}
	modes := map[string][]string{
		"v4 path": {"--path-style"}, "v4 virtual": {"--virtual-host"}, "v4a path": {"--path-style", "--signature", "v4a"},
		"v2 path": {"--path-style", "--signature", "v2"}, "v2 virtual": {"--virtual-host", "--signature", "v2"},
	}
	for mode, flags := range modes {
		for _, key := range oddKeys {
			for _, action := range []string{"get", "put", "head", "delete"} {
				mint(pass{Name: mode, Action: action, Key: key}, flags...)
			}
		}
		mint(pass{Name: mode, Action: "list", Key: "list/"}, flags...)
		mint(pass{Name: mode + " expired", Action: "get", Key: seedKey, Refuse: "expired"}, append(flags, "--expires", "1s")...)
		mint(pass{Name: mode + " file name", Action: "get", Key: seedKey, Want: map[string]string{
			"Content-Disposition": `attachment; filename="r_port 1.pdf"; filename*=UTF-8''r%C3%A9port%201.pdf`}}, append(flags, "--filename", "réport 1.pdf")...)
	}
	mint(pass{Name: "v4 typed", Action: "put", Key: "typed", Send: map[string]string{"Content-Type": "image/png", "X-Amz-Meta-Color": "green"},
		Want: map[string]string{"Content-Type": "image/png", "X-Amz-Meta-Color": "green"}},
		"--content-type", "image/png", "--header", "x-amz-meta-color: green")
	mint(pass{Name: "v4 other type", Action: "put", Key: "other", Send: map[string]string{"Content-Type": "text/html"}, Refuse: "SignatureDoesNotMatch"},
		"--content-type", "image/png")
	mint(pass{Name: "v4 once", Action: "put", Key: seedKey, Send: map[string]string{"If-None-Match": "*"}, Refuse: "PreconditionFailed"},
		"--header", "If-None-Match: *")
	mint(pass{Name: "v4 local", Action: "get", Key: seedKey}, "--data", s.dir)
	minted := time.Now()
	var answer []struct{ URL string }
	out := cli.run(t, "presign", "get", "s3://"+u.bucket+"/"+seedKey, "--expires", "15m", "--json")
	if err := json.Unmarshal([]byte(out), &answer); err != nil || len(answer) != 1 {
		t.Fatalf("presign --json: %v, %s", err, out)
	}
	passes = append(passes, pass{Name: "v4 json", Action: "get", Key: seedKey, URL: answer[0].URL})
	if a, b := cli.run(t, "presign", "get", "s3://b/k", "--align", "24h"), cli.run(t, "presign", "get", "s3://b/k", "--align", "24h"); a != b {
		t.Errorf("--align makes two URLs: %s%s", a, b)
	}
	u.check(t, minted, passes)

	explained := cli.run(t, "explain", answer[0].URL)
	for _, want := range []string{"GetObject", u.bucket, seedKey, accessKey} {
		if !strings.Contains(explained, want) {
			t.Errorf("explain does not tell %s:\n%s", want, explained)
		}
	}
	if strings.Contains(explained, secretKey) {
		t.Errorf("explain prints the secret")
	}
}
