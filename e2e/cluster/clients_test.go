package cluster

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// clients runs real clients through the proxy, so that every request of one
// may reach another node.
func (r *rig) clients(t *testing.T) {
	t.Run("GoSDK", r.goSDK)
	t.Run("Boto3", func(t *testing.T) {
		r.script(t, need(t, "python", "/usr/bin/python3"), "../clients/boto3_client.py", "cluster-boto3")
	})
	t.Run("AWSCommandLine", r.commandLine)
	t.Run("Curl", r.curl)
	t.Run("Redirect", r.redirect)
}

// goSDK writes, reads, lists and removes objects, whole and in parts.
func (r *rig) goSDK(t *testing.T) {
	r.makeBucket(t, "cluster-go")
	client, bucket, ctx := r.s3(), aws.String("cluster-go"), t.Context()
	large := bytes.Repeat([]byte("cluster "), 6<<20/8)
	for i, body := range [][]byte{nil, []byte("small"), large} {
		key := aws.String("größe " + strconv.Itoa(i))
		put, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key, Body: bytes.NewReader(body), Metadata: map[string]string{"color": "green"}})
		if err != nil {
			t.Fatal(err)
		}
		// Round robin: each node is asked.
		for range r.nodes {
			got, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key})
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(got.Body)
			if err != nil || !bytes.Equal(text, body) || *got.ETag != *put.ETag || got.Metadata["color"] != "green" {
				t.Errorf("%s: %d bytes, ETag %s, metadata %v, %v", *key, len(text), *got.ETag, got.Metadata, err)
			}
		}
	}
	got, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("größe 2"), Range: aws.String("bytes=8-14")})
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(got.Body); err != nil || string(text) != "cluster" {
		t.Errorf("a range is %q, %v", text, err)
	}
	_, err = client.PutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("größe 1"), Body: strings.NewReader("other"), IfNoneMatch: aws.String("*")})
	if kind := kindOf(err); kind != "412 PreconditionFailed" {
		t.Errorf("overwriting on the condition that there is nothing: %s", kind)
	}
	listed, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: bucket})
	if err != nil || len(listed.Contents) != 3 {
		t.Errorf("listed are %v, %v", listed, err)
	}
	r.goSDKParts(t, client, bucket)
}

// goSDKParts uploads in parts, each perhaps through another node.
func (r *rig) goSDKParts(t *testing.T, client *s3.Client, bucket *string) {
	ctx, key, body := t.Context(), aws.String("in parts"), content("in parts")
	upload, err := client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	body = append(bytes.Repeat([]byte("p"), 2*partSize), body...)
	var parts []types.CompletedPart
	for i := 0; i*partSize < len(body); i++ {
		number := aws.Int32(int32(i + 1))
		part, err := client.UploadPart(ctx, &s3.UploadPartInput{Bucket: bucket, Key: key, UploadId: upload.UploadId, PartNumber: number,
			Body: bytes.NewReader(body[i*partSize : min((i+1)*partSize, len(body))])})
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, types.CompletedPart{ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32, PartNumber: number})
	}
	if _, err := client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: bucket, Key: key, UploadId: upload.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}}); err != nil {
		t.Fatal(err)
	}
	a, err := fetch(ctx, r.http, r.presign("GET", *bucket, *key))
	if kind := a.kind(err); kind != "" || !bytes.Equal(a.body, body) {
		t.Errorf("what was uploaded in parts: %s, %d bytes of %d", kind, len(a.body), len(body))
	}
}

// script runs a client of the end-to-end tests, which tells of each of its
// steps in a line of JSON.
func (r *rig) script(t *testing.T, python, file, bucket string) {
	told, err := json.Marshal(map[string]any{"endpoint": strings.Replace(r.proxy, "127.0.0.1", "localhost", 1), "region": region,
		"accessKeyId": accessKey, "secretAccessKey": secretKey, "bucket": bucket, "keys": []string{"plain.txt", "a+b c/ü/日本.txt"}})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, file)
	cmd.Env = cleanEnv("DAYPASS_E2E="+string(told), "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull,
		"AWS_EC2_METADATA_DISABLED=true", "PYTHONDONTWRITEBYTECODE=1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, &stderr)
	}
	count := 0
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var line struct{ Step, Error string }
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("%v in %q", err, lines.Text())
		}
		if line.Step == "" {
			continue // a URL that it made
		}
		count++
		if line.Error != "" {
			t.Errorf("%s: %s", line.Step, line.Error)
		}
	}
	if count < 6 {
		t.Errorf("%d steps prove nothing\n%s", count, &stderr)
	}
}

// run runs a program and returns what it prints. Where it fails, so does the
// test.
func (r *rig) command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Env = cleanEnv("AWS_ACCESS_KEY_ID="+accessKey, "AWS_SECRET_ACCESS_KEY="+secretKey, "AWS_DEFAULT_REGION="+region,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE="+os.DevNull, "AWS_SHARED_CREDENTIALS_FILE="+os.DevNull, "AWS_MAX_ATTEMPTS=1", "LC_ALL=C.UTF-8")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %q: %v\n%s%s", name, args, err, &stdout, &stderr)
	}
	return stdout.String()
}

// commandLine copies a large file up and down with AWS's own tool.
func (r *rig) commandLine(t *testing.T) {
	aws, dir := need(t, "awscli", "/usr/bin/aws"), t.TempDir()
	cli := func(args ...string) string {
		t.Helper()
		return r.command(t, dir, aws, append([]string{"--endpoint-url", r.proxy, "s3"}, args...)...)
	}
	body := bytes.Repeat([]byte("0123456789abcdef"), 20<<20/16)
	if err := os.WriteFile(filepath.Join(dir, "up"), body, 0o600); err != nil {
		t.Fatal(err)
	}
	cli("mb", "s3://cluster-cli")
	cli("cp", "up", "s3://cluster-cli/dir/large", "--only-show-errors") // in parts of 8 MiB
	cli("cp", "s3://cluster-cli/dir/large", "down", "--only-show-errors")
	if got, err := os.ReadFile(filepath.Join(dir, "down")); err != nil || !bytes.Equal(got, body) {
		t.Errorf("%d bytes came back as %d others, %v", len(body), len(got), err)
	}
	if out := cli("ls", "--recursive", "s3://cluster-cli"); !strings.Contains(out, "20971520 dir/large") {
		t.Errorf("ls prints %s", out)
	}
	signed := strings.TrimSpace(cli("presign", "s3://cluster-cli/dir/large"))
	if a, err := fetch(t.Context(), r.http, signed); a.kind(err) != "" || !bytes.Equal(a.body, body) {
		t.Errorf("its URL answers %q, %d bytes", a.kind(err), len(a.body))
	}
	cli("rm", "--recursive", "--only-show-errors", "s3://cluster-cli")
	cli("rb", "s3://cluster-cli")
}

// curl opens URLs with limits as their holders do.
func (r *rig) curl(t *testing.T) {
	path, dir := need(t, "curl", "curl"), t.TempDir()
	r.makeBucket(t, "cluster-curl")
	status := func(args ...string) string {
		t.Helper()
		return r.command(t, dir, path, append([]string{"-sS", "--max-time", "30", "-o", "out", "-w", "%{http_code}"}, args...)...)
	}
	want := func(what, got, want string) {
		t.Helper()
		if got != want {
			text, _ := os.ReadFile(filepath.Join(dir, "out"))
			t.Errorf("%s: %s, want %s: %.300s", what, got, want, text)
		}
	}
	for name, size := range map[string]int{"small": 1000, "large": 3 << 20} {
		if err := os.WriteFile(filepath.Join(dir, name), bytes.Repeat([]byte("x"), size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	upload := r.presign("PUT", "cluster-curl", "in", "size", "1-2000000", "uses", "1")
	want("an upload that is too large", status("-T", "large", upload), "400")
	want("an upload of unknown length that is too large", status("-T", "large", "-H", "Transfer-Encoding: chunked", upload), "411")
	want("nothing is stored", status(r.presign("GET", "cluster-curl", "in")), "404")
	want("an upload", status("-T", "small", upload), "200")
	want("a second upload with one use", status("-T", "small", upload), "403")
	want("an upload over it", status("-T", "small", r.presign("PUT", "cluster-curl", "in", "overwrite", "no")), "403")
	want("a large upload", status("-T", "large", r.presign("PUT", "cluster-curl", "large")), "200")

	once := r.presign("GET", "cluster-curl", "large", "uses", "1")
	want("the first half", status("-r", "0-1572863", once), "206")
	want("the second half", status("-r", "1572864-", once), "206")
	for range r.nodes {
		want("a third half", status("-r", "0-1572863", once), "403")
	}
	want("another address", status(r.presign("GET", "cluster-curl", "in", "ip", "192.0.2.0/24")), "403")
	want("a pass that begins tomorrow", status(r.presign("GET", "cluster-curl", "in", "not-before", time.Now().Add(24*time.Hour).UTC().Format("20060102T150405Z"))), "403")
	want("what has not changed", status("-H", `If-None-Match: "`+etagOf(t, r, "cluster-curl", "in")+`"`, r.presign("GET", "cluster-curl", "in")), "304")
}

func etagOf(t *testing.T, r *rig, bucket, key string) string {
	t.Helper()
	head, err := r.s3().HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Trim(*head.ETag, `"`)
}

// redirect has a fourth node send holders of passes to Ceph, but for those
// whose limits end there.
func (r *rig) redirect(t *testing.T) {
	path, dir := need(t, "curl", "curl"), t.TempDir()
	n := newNode(t, r.room, "redirecting", r.storeURL(), r.pg, "--public-url", r.proxy, "--redirect", "get")
	n.start(t)
	defer n.stop(t)
	r.makeBucket(t, "cluster-redirect")
	body := content("redirected")
	if _, err := r.s3().PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("cluster-redirect"), Key: aws.String("k"), Body: bytes.NewReader(body)}); err != nil {
		t.Fatal(err)
	}
	plain, once := r.presign("GET", "cluster-redirect", "k"), r.presign("GET", "cluster-redirect", "k", "uses", "1")
	a, err := fetch(t.Context(), n.client, plain)
	if err != nil || a.StatusCode != http.StatusTemporaryRedirect || !strings.Contains(a.Header.Get("Cache-Control"), "no-store") {
		t.Fatalf("a plain pass: %v, %s", err, a.kind(err))
	}
	to := a.Header.Get("Location")
	if !r.ceph.serves(to) || strings.Contains(to, upstreamSecret) {
		t.Errorf("it leads to %q, which is no gateway", to)
	}
	out := r.command(t, dir, path, "-sS", "-L", "--fail", "--max-time", "30", "--connect-to", strings.TrimPrefix(r.proxy, "http://")+":"+n.addr, plain)
	if out != string(body) {
		t.Errorf("curl -L gets %d bytes of %d", len(out), len(body))
	}
	out = r.command(t, dir, path, "-sS", "-L", "--fail", "--max-time", "30", "-r", "1-3", "--connect-to", strings.TrimPrefix(r.proxy, "http://")+":"+n.addr, plain)
	if out != string(body[1:4]) {
		t.Errorf("curl -L -r 1-3 gets %q", out)
	}
	if a, err := fetch(t.Context(), n.client, once); a.kind(err) != "" || !bytes.Equal(a.body, body) {
		t.Errorf("a one-time pass is not streamed: %s", a.kind(err))
	}
	if a, err := fetch(t.Context(), n.client, once); a.kind(err) != "403 AccessDenied" {
		t.Errorf("a one-time pass, again: %s", a.kind(err))
	}
	// The gateway refuses any change of what it was signed for.
	other, err := fetch(t.Context(), http.DefaultClient, strings.Replace(to, "/k?", "/other?", 1))
	if kind := other.kind(err); !strings.HasPrefix(kind, "403") {
		t.Errorf("the gateway answers %q to another key", kind)
	}
}

// serves tells whether a URL is one of a gateway.
func (c *ceph) serves(url string) bool {
	for _, base := range c.endpoints() {
		if strings.HasPrefix(url, base+"/") {
			return true
		}
	}
	return false
}
