package e2e

import (
	"bytes"
	"crypto/md5"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// TestBoto3Encryption encrypts objects, over TLS.
func TestBoto3Encryption(t *testing.T) {
	t.Parallel()
	certificate, key, _ := selfSigned(t)
	s := serve(t, "--tls-cert", certificate, "--tls-key", key)
	steps(t, s, settings{Bucket: "e2e-boto3-encryption", Endpoint: strings.Replace(s.url, "http:", "https:", 1), CABundle: certificate},
		need(t, "python", "/usr/bin/python3"), "clients/boto3_encryption.py")
}

// TestJavaScriptSDKv3Encryption encrypts objects, over TLS.
func TestJavaScriptSDKv3Encryption(t *testing.T) {
	t.Parallel()
	certificate, key, _ := selfSigned(t)
	s := serve(t, "--tls-cert", certificate, "--tls-key", key)
	steps(t, s, settings{Bucket: "e2e-js-v3-encryption", Endpoint: strings.Replace(s.url, "http:", "https:", 1), CABundle: certificate},
		need(t, "node", "node"), "clients/aws-sdk-v3-encryption.mjs")
}

// secured returns a client of a server that speaks TLS.
func (s *server) secured(roots *x509.CertPool) *s3.Client {
	return s.s3(func(o *s3.Options) {
		o.BaseEndpoint = aws.String(strings.Replace(s.url, "http:", "https:", 1))
		o.HTTPClient = &http.Client{Timeout: time.Minute, Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}}
	})
}

// random returns bytes that nobody can guess or compress.
func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}

// TestGoSDKEncryption compares ranges of encrypted objects with the plain bytes,
// and looks for these, and for the key, in the data directory.
func TestGoSDKEncryption(t *testing.T) {
	t.Parallel()
	certificate, key, roots := selfSigned(t)
	s := serve(t, "--tls-cert", certificate, "--tls-key", key, "--encrypt")
	client, bucket, ctx := s.secured(roots), aws.String("e2e-go-encryption"), t.Context()
	if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	content, customer := random(12<<20), random(32)
	sum := md5.Sum(customer)
	own := struct{ algorithm, key, md5 *string }{aws.String("AES256"), aws.String(base64.StdEncoding.EncodeToString(customer)),
		aws.String(base64.StdEncoding.EncodeToString(sum[:]))}
	if _, err := manager(client, 5<<20).UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: bucket, Key: aws.String("s3"), Body: bytes.NewReader(content)}); err != nil {
		t.Fatal(err)
	}
	if _, err := manager(client, 5<<20).UploadObject(ctx, &transfermanager.UploadObjectInput{Bucket: bucket, Key: aws.String("own"), Body: bytes.NewReader(content),
		SSECustomerAlgorithm: own.algorithm, SSECustomerKey: own.key, SSECustomerKeyMD5: own.md5}); err != nil {
		t.Fatal(err)
	}
	for _, span := range [][2]int{{0, 12<<20 - 1}, {0, 0}, {65530, 65545}, {5<<20 - 1, 5 << 20}, {5<<20 + 1, 11 << 20}, {12<<20 - 1, 12<<20 - 1}} {
		in := s3.GetObjectInput{Bucket: bucket, Key: aws.String("s3"), Range: aws.String(fmt.Sprintf("bytes=%d-%d", span[0], span[1]))}
		for _, name := range []string{"s3", "own"} {
			if in.Key = &name; name == "own" {
				in.SSECustomerAlgorithm, in.SSECustomerKey, in.SSECustomerKeyMD5 = own.algorithm, own.key, own.md5
			}
			got, err := client.GetObject(ctx, &in)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(got.Body)
			if err != nil || !bytes.Equal(body, content[span[0]:span[1]+1]) || name == "s3" && got.ServerSideEncryption != types.ServerSideEncryptionAes256 {
				t.Errorf("%s, bytes %v: %d bytes under %q, %v", name, span, len(body), got.ServerSideEncryption, err)
			}
		}
	}
	if _, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("small"), Body: bytes.NewReader(content[:2000])}); err != nil {
		t.Fatal(err)
	}
	_, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("own")})
	wantError(t, err, 400, "InvalidRequest")
	s.stop(t)
	s.searchFor(t, map[string][]byte{"the content": content[:16], "the middle of the content": content[6<<20 : 6<<20+16], "the key": customer, "the key in base64": []byte(*own.key)})
}

// searchFor looks for secrets in every file of the data directory. The master
// key may be in its own file only.
func (s *server) searchFor(t *testing.T, secrets map[string][]byte) {
	t.Helper()
	master, err := os.ReadFile(filepath.Join(s.dir, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	secrets["the master key"] = bytes.TrimSpace(master)
	files := 0
	err = filepath.WalkDir(s.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || d.Name() == "master.key" {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		for name, secret := range secrets {
			if bytes.Contains(text, secret) {
				t.Errorf("%s is in %s", name, path)
			}
		}
		return err
	})
	if err != nil || files < 5 {
		t.Errorf("%d files, %v", files, err)
	}
	if log := s.log.String(); strings.Contains(log, string(secrets["the key in base64"])) {
		t.Error("the log holds a key")
	}
}

// TestEncryptionDocs runs the commands of the page about encryption as they
// stand there.
func TestEncryptionDocs(t *testing.T) {
	t.Parallel()
	certificate, key, _ := selfSigned(t)
	s, dir := serve(t, "--tls-cert", certificate, "--tls-key", key), t.TempDir()
	s.url = strings.Replace(s.url, "http:", "https:", 1)
	cli := need(t, "awscli", "/usr/bin/aws", "aws")
	script := fmt.Sprintf("set -eu\naws() { %s --endpoint-url %s \"$@\"; }\ndaypass() { %s \"$@\"; }\n", cli, s.url, program)
	count := 0
	for _, b := range pageBlocks(t, "../docs/encryption.md") {
		if b.lang == "sh" || b.lang == "sh tls" {
			script += b.text
			count++
		}
	}
	if count != 3 {
		t.Fatalf("%d examples", count)
	}
	script += "cmp report.txt copy.txt\n"
	out := runText(t, s, script, dir, []string{"AWS_PAGER=", "AWS_MAX_ATTEMPTS=1", "HOME=" + dir, "AWS_CA_BUNDLE=" + certificate, "DAYPASS_DATA=" + s.dir}, "/bin/sh", "-s")
	if !strings.Contains(out, "AES256") || !strings.Contains(out, "generation 2 since") {
		t.Error(out)
	}
}

// TestSSECWithoutTLS refuses a key that travels for everybody to see.
func TestSSECWithoutTLS(t *testing.T) {
	t.Parallel()
	s := serve(t)
	u := newUser(s, "e2e-ssec-http")
	if _, err := u.owner.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &u.bucket}); err != nil {
		t.Fatal(err)
	}
	customer := random(32)
	sum := md5.Sum(customer)
	_, err := u.owner.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &u.bucket, Key: aws.String("key"), Body: strings.NewReader("x"),
		SSECustomerAlgorithm: aws.String("AES256"), SSECustomerKey: aws.String(base64.StdEncoding.EncodeToString(customer)),
		SSECustomerKeyMD5: aws.String(base64.StdEncoding.EncodeToString(sum[:]))})
	wantError(t, err, 400, "InvalidRequest")
	if !strings.Contains(err.Error(), "must be made over a secure connection.") {
		t.Error(err)
	}
}

// TestRotateEncryption kills the server while the keys of its objects are
// wrapped anew; it goes on when it starts again.
func TestRotateEncryption(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := launch(t, dir, "--encrypt")
	t.Cleanup(func() { s.stop(t) })
	u := newUser(s, "e2e-rotation")
	ctx := t.Context()
	if _, err := u.owner.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: &u.bucket}); err != nil {
		t.Fatal(err)
	}
	const objects = 400
	for i := range objects {
		if _, err := u.owner.PutObject(ctx, &s3.PutObjectInput{Bucket: &u.bucket, Key: aws.String(fmt.Sprint("key ", i)), Body: strings.NewReader(fmt.Sprint("content ", i))}); err != nil {
			t.Fatal(err)
		}
	}
	rotation := func(flags ...string) (e struct {
		Generation, Rewrapped int
		Running, Stopped      bool
	}) {
		t.Helper()
		cmd := exec.CommandContext(ctx, program, append([]string{"keys", "rotate-encryption", "--data", dir, "--json"}, flags...)...)
		cmd.Env = programEnv()
		out, err := cmd.Output()
		if err == nil {
			err = json.Unmarshal(out, &e)
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return e
	}
	if e := rotation("--no-wait"); e.Generation != 2 {
		t.Errorf("the rotation began as %+v", e)
	}
	s.kill()
	s = launch(t, dir, "--encrypt")
	for rotation("--status").Running {
		time.Sleep(20 * time.Millisecond)
	}
	if e := rotation("--status"); e.Stopped || e.Generation != 2 {
		t.Errorf("the rotation ended as %+v", e)
	}
	if e := rotation(); e.Running || e.Generation != 3 || e.Rewrapped != objects {
		t.Errorf("another rotation ended as %+v", e)
	}
	u = newUser(s, u.bucket)
	for i := range objects {
		got, err := u.owner.GetObject(ctx, &s3.GetObjectInput{Bucket: &u.bucket, Key: aws.String(fmt.Sprint("key ", i))})
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(got.Body)
		if err != nil || string(body) != fmt.Sprint("content ", i) || got.ServerSideEncryption != types.ServerSideEncryptionAes256 {
			t.Errorf("object %d holds %q under %q, %v", i, body, got.ServerSideEncryption, err)
		}
	}
}
