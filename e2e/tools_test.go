package e2e

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A tree is files by their slash-separated names.
type tree map[string]string

// oddTree has names that sync tools get wrong, and one file that they send in
// parts.
func oddTree() tree {
	return tree{
		"plain.txt": "plain", "empty": "", "a+b c/ü/日本 🙂.txt": "odd", "per%2Fcent%25.txt": "cent", "a=b&c;d#e@(f)[g]{h}!$^.txt": "marks",
		"deep/er/and/deeper.bin": strings.Repeat("deep", 1<<12), "large.bin": string(pattern(17 << 20)),
	}
}

func (files tree) write(t *testing.T, dir string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, path, text)
	}
}

// same compares two trees without printing what is in them.
func (files tree) same(t *testing.T, what string, got tree) {
	t.Helper()
	if names, want := slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(files)); !slices.Equal(names, want) {
		t.Errorf("%s has %q, want %q", what, names, want)
	}
	for name, text := range files {
		if g, ok := got[name]; ok && g != text {
			t.Errorf("%s has another %s, of %d bytes", what, name, len(g))
		}
	}
}

func readTree(t *testing.T, dir string) tree {
	t.Helper()
	files := tree{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		files[filepath.ToSlash(name)] = read(t, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// sizes lists a bucket below a prefix.
func (u *user) sizes(t *testing.T, prefix string) map[string]int64 {
	t.Helper()
	sizes := map[string]int64{}
	pages := s3.NewListObjectsV2Paginator(u.owner, &s3.ListObjectsV2Input{Bucket: &u.bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			sizes[strings.TrimPrefix(*o.Key, prefix)] = *o.Size
		}
	}
	return sizes
}

// stored checks the names and sizes of a tree below a prefix.
func (u *user) stored(t *testing.T, prefix string, files tree) {
	t.Helper()
	want := map[string]int64{}
	for name, text := range files {
		want[name] = int64(len(text))
	}
	if got := u.sizes(t, prefix); !maps.Equal(got, want) {
		t.Errorf("below %q are %v, want %v", prefix, got, want)
	}
}

// inParts checks that a tool uploaded a file in parts.
func (u *user) inParts(t *testing.T, key string, parts int) {
	t.Helper()
	head, err := u.owner.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: &u.bucket, Key: &key})
	if err != nil || !strings.HasSuffix(*head.ETag, fmt.Sprintf("-%d\"", parts)) {
		t.Errorf("%s was not uploaded in %d parts: %+v, %v", key, parts, head, err)
	}
}

// TestAWSCommandLineSync syncs a tree up and down.
func TestAWSCommandLineSync(t *testing.T) {
	t.Parallel()
	s, dir := serve(t), t.TempDir()
	cli := awsCLI(t, s, dir)
	u := newUser(s, "e2e-aws-sync")
	cli.run(t, "s3", "mb", "s3://"+u.bucket)
	files := oddTree()
	files.write(t, filepath.Join(dir, "up"))
	cli.run(t, "s3", "sync", "up", "s3://"+u.bucket+"/tree/")
	u.stored(t, "tree/", files)
	u.inParts(t, "tree/large.bin", 3)
	if out := cli.run(t, "s3", "sync", "up", "s3://"+u.bucket+"/tree/"); out != "" {
		t.Errorf("a second sync does more: %s", out)
	}
	cli.run(t, "s3", "sync", "s3://"+u.bucket+"/tree/", "down")
	files.same(t, "the tree that was synced down", readTree(t, filepath.Join(dir, "down")))

	delete(files, "plain.txt")
	if err := os.Remove(filepath.Join(dir, "up", "plain.txt")); err != nil {
		t.Fatal(err)
	}
	files["changed"] = "new"
	files.write(t, filepath.Join(dir, "up"))
	cli.run(t, "s3", "sync", "--delete", "--no-progress", "up", "s3://"+u.bucket+"/tree/")
	u.stored(t, "tree/", files)

	large := string(pattern(40 << 20))
	write(t, filepath.Join(dir, "40.bin"), large)
	cli.run(t, "s3", "cp", "--no-progress", "40.bin", "s3://"+u.bucket+"/large/40 ü.bin")
	u.inParts(t, "large/40 ü.bin", 5)
	cli.run(t, "s3", "cp", "--no-progress", "s3://"+u.bucket+"/large/40 ü.bin", "40.out")
	if read(t, filepath.Join(dir, "40.out")) != large {
		t.Error("40 MiB came back changed")
	}
	// From key to key a large object is copied in parts.
	cli.run(t, "s3", "mv", "--no-progress", "s3://"+u.bucket+"/large/40 ü.bin", "s3://"+u.bucket+"/large/moved.bin")
	if got := u.sizes(t, "large/"); !maps.Equal(got, map[string]int64{"moved.bin": 40 << 20}) {
		t.Errorf("after the move there are %v", got)
	}
	cli.run(t, "s3", "rm", "--recursive", "s3://"+u.bucket+"/tree/")
	u.stored(t, "tree/", tree{})
	cli.run(t, "s3", "rb", "--force", "s3://"+u.bucket)
}

// TestAWSCommandLineSettings sets and reads what a bucket can have.
func TestAWSCommandLineSettings(t *testing.T) {
	t.Parallel()
	s, dir := serve(t), t.TempDir()
	cli := awsCLI(t, s, dir)
	u := newUser(s, "e2e-aws-settings")
	api := func(operation string, args ...string) string {
		t.Helper()
		return cli.run(t, append([]string{"s3api", operation, "--bucket", u.bucket}, args...)...)
	}
	cli.run(t, "s3", "mb", "s3://"+u.bucket)
	api("put-bucket-versioning", "--versioning-configuration", "Status=Enabled")
	if out := api("get-bucket-versioning"); !strings.Contains(out, `"Enabled"`) {
		t.Errorf("get-bucket-versioning: %s", out)
	}
	write(t, filepath.Join(dir, "one"), "one")
	write(t, filepath.Join(dir, "two"), "two")
	var put struct {
		VersionID string `json:"VersionId"`
	}
	if err := json.Unmarshal([]byte(api("put-object", "--key", "k", "--body", "one")), &put); err != nil || put.VersionID == "" {
		t.Fatalf("put-object: %+v, %v", put, err)
	}
	cli.run(t, "s3", "cp", "two", "s3://"+u.bucket+"/k")
	cli.run(t, "s3", "rm", "s3://"+u.bucket+"/k")
	if _, stderr, err := cli.try(t, "s3api", "get-object", "--bucket", u.bucket, "--key", "k", "out"); err == nil || !strings.Contains(stderr, "NoSuchKey") {
		t.Errorf("get-object of what is deleted: %v, %s", err, stderr)
	}
	api("get-object", "--key", "k", "--version-id", put.VersionID, "out")
	if got := read(t, filepath.Join(dir, "out")); got != "one" {
		t.Errorf("the first version reads %q", got)
	}
	var list struct {
		Versions      []struct{ Key string }
		DeleteMarkers []struct {
			VersionID string `json:"VersionId"`
		}
	}
	if err := json.Unmarshal([]byte(api("list-object-versions")), &list); err != nil || len(list.Versions) != 2 || len(list.DeleteMarkers) != 1 {
		t.Fatalf("list-object-versions: %+v, %v", list, err)
	}
	api("delete-object", "--key", "k", "--version-id", list.DeleteMarkers[0].VersionID)
	cli.run(t, "s3", "cp", "s3://"+u.bucket+"/k", "out")
	if got := read(t, filepath.Join(dir, "out")); got != "two" {
		t.Errorf("what was restored reads %q", got)
	}

	api("put-object-tagging", "--key", "k", "--tagging", "TagSet=[{Key=kind,Value=e2e}]")
	if out := api("get-object-tagging", "--key", "k"); !strings.Contains(out, `"e2e"`) {
		t.Errorf("get-object-tagging: %s", out)
	}
	cors := `{"CORSRules":[{"AllowedOrigins":["https://app.example"],"AllowedMethods":["PUT"],"ExposeHeaders":["ETag"]}]}`
	api("put-bucket-cors", "--cors-configuration", cors)
	if out := api("get-bucket-cors"); !strings.Contains(out, "https://app.example") {
		t.Errorf("get-bucket-cors: %s", out)
	}
	policy := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::%s/*"}]}`, u.bucket)
	api("put-bucket-policy", "--policy", policy)
	u.do(t, "GET", s.localhost()+"/"+u.bucket+"/k", "", nil).success(t, 200, "two")
	api("delete-bucket-policy")
	u.do(t, "GET", s.localhost()+"/"+u.bucket+"/k", "", nil).refusal(t, 403, "AccessDenied")
	if out := api("get-object-attributes", "--key", "k", "--object-attributes", "ETag", "ObjectSize"); !strings.Contains(out, `"ObjectSize": 3`) {
		t.Errorf("get-object-attributes: %s", out)
	}
	if out := cli.run(t, "sts", "get-session-token"); !strings.Contains(out, "SessionToken") {
		t.Errorf("sts get-session-token: %s", out)
	}
	if _, stderr, err := cli.try(t, "s3api", "get-bucket-website", "--bucket", u.bucket); err == nil || !strings.Contains(stderr, "NoSuchWebsiteConfiguration") {
		t.Errorf("get-bucket-website: %v, %s", err, stderr)
	}
}

func TestS3cmd(t *testing.T) {
	t.Parallel()
	path := need(t, "s3cmd", "s3cmd")
	s := serve(t, "--default-object-ownership", "ObjectWriter")
	for mode, line := range map[string]string{"v4": "", "v2": "signature_v2 = True\n"} {
		t.Run(mode, func(t *testing.T) { s3cmdLife(t, s, path, "e2e-s3cmd-"+mode, line) })
	}
}

func s3cmdLife(t *testing.T, s *server, path, bucket, line string) {
	dir := t.TempDir()
	config := write(t, filepath.Join(dir, "s3cfg"), fmt.Sprintf("[default]\naccess_key = %s\nsecret_key = %s\nhost_base = %s\nhost_bucket = %s\n"+
		"bucket_location = %s\nuse_https = False\nmultipart_chunk_size_mb = 5\nmax_retries = 1\n%s", accessKey, secretKey, s.addr(), s.addr(), region, line))
	s3cmd := tool{path: path, args: []string{"--config", config, "--no-progress"}, dir: dir, env: []string{"HOME=" + dir, "LC_ALL=C.UTF-8"}}
	u := newUser(s, bucket)
	at := "s3://" + bucket
	files := oddTree()
	files.write(t, filepath.Join(dir, "up"))

	s3cmd.run(t, "mb", at)
	s3cmd.run(t, "sync", "up/", at+"/tree/")
	u.stored(t, "tree/", files)
	u.inParts(t, "tree/large.bin", 4)
	if out := s3cmd.run(t, "ls", "--recursive", at); !strings.Contains(out, at+"/tree/a+b c/ü/日本 🙂.txt") {
		t.Errorf("s3cmd ls prints %s", out)
	}
	if err := os.Mkdir(filepath.Join(dir, "down"), 0o700); err != nil {
		t.Fatal(err)
	}
	s3cmd.run(t, "sync", at+"/tree/", "down/")
	files.same(t, "the tree that was synced down", readTree(t, filepath.Join(dir, "down")))
	if out := s3cmd.run(t, "sync", "up/", at+"/tree/"); strings.Contains(out, "upload:") {
		t.Errorf("a second sync does more: %s", out)
	}
	s3cmd.run(t, "cp", at+"/tree/plain.txt", at+"/copy ü.txt")
	s3cmd.run(t, "mv", at+"/copy ü.txt", at+"/moved.txt")
	if got := s3cmd.run(t, "get", at+"/moved.txt", "-"); !strings.Contains(got, "plain") {
		t.Errorf("s3cmd get prints %q", got)
	}
	if out := s3cmd.run(t, "info", at+"/tree/large.bin"); !strings.Contains(out, "17825792") {
		t.Errorf("s3cmd info prints %s", out)
	}
	open := s.localhost() + "/" + bucket + "/moved.txt"
	s3cmd.run(t, "setacl", "--acl-public", at+"/moved.txt")
	u.do(t, "GET", open, "", nil).success(t, 200, "plain")
	s3cmd.run(t, "setacl", "--acl-private", at+"/moved.txt")
	u.do(t, "GET", open, "", nil).refusal(t, 403, "AccessDenied")
	u.do(t, "GET", strings.TrimSpace(s3cmd.run(t, "signurl", at+"/moved.txt", "+60")), "", nil).success(t, 200, "plain")
	s3cmd.run(t, "multipart", at)
	s3cmd.run(t, "del", "--recursive", "--force", at+"/tree/")
	u.stored(t, "tree/", tree{})
	s3cmd.run(t, "rb", "--recursive", "--force", at)
}

func TestRclone(t *testing.T) {
	t.Parallel()
	path := need(t, "rclone", "rclone")
	s := serve(t)
	for mode, env := range map[string][]string{"v4": nil, "v2": {"RCLONE_CONFIG_S_V2_AUTH=true"}} {
		t.Run(mode, func(t *testing.T) { rcloneLife(t, s, path, "e2e-rclone-"+mode, env) })
	}
}

func rcloneLife(t *testing.T, s *server, path, bucket string, env []string) {
	dir := t.TempDir()
	rclone := tool{path: path, dir: dir, args: []string{"--config", os.DevNull, "--retries", "1", "--low-level-retries", "1",
		"--s3-upload-cutoff", "5Mi", "--s3-chunk-size", "5Mi", "--s3-copy-cutoff", "8Mi"}, env: append([]string{
		"HOME=" + dir, "RCLONE_CONFIG_S_TYPE=s3", "RCLONE_CONFIG_S_PROVIDER=Other", "RCLONE_CONFIG_S_ENDPOINT=" + s.url,
		"RCLONE_CONFIG_S_REGION=" + region, "RCLONE_CONFIG_S_ACCESS_KEY_ID=" + accessKey, "RCLONE_CONFIG_S_SECRET_ACCESS_KEY=" + secretKey}, env...)}
	u := newUser(s, bucket)
	files := oddTree()
	files.write(t, filepath.Join(dir, "up"))
	at := "s:" + bucket

	rclone.run(t, "mkdir", at)
	rclone.run(t, "sync", "up", at+"/tree")
	u.stored(t, "tree/", files)
	u.inParts(t, "tree/large.bin", 4)
	rclone.run(t, "check", "up", at+"/tree")
	rclone.run(t, "check", "--download", "up", at+"/tree")
	rclone.run(t, "sync", at+"/tree", "down")
	files.same(t, "the tree that was synced down", readTree(t, filepath.Join(dir, "down")))
	// A copy within the server; the large file is copied in parts.
	rclone.run(t, "copy", at+"/tree", at+"/copy")
	u.stored(t, "copy/", files)
	rclone.run(t, "moveto", at+"/copy/plain.txt", at+"/moved ü.txt")
	if got := rclone.run(t, "cat", at+"/moved ü.txt"); got != "plain" {
		t.Errorf("rclone cat prints %q", got)
	}
	if got := rclone.run(t, "cat", "--offset", "5242870", "--count", "20", at+"/tree/large.bin"); got != files["large.bin"][5242870:5242890] {
		t.Errorf("a part of the large file reads %q", got)
	}
	if env == nil { // with V2 rclone makes a link that it has not signed
		link := strings.TrimSpace(rclone.run(t, "link", "--expire", "1m", at+"/moved ü.txt"))
		u.do(t, "GET", link, "", nil).success(t, 200, "plain")
	}
	rclone.run(t, "delete", at+"/copy")
	u.stored(t, "copy/", tree{})
	rcloneVersions(t, u, rclone, at)
	rclone.run(t, "purge", at)
	_, err := u.owner.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: &u.bucket})
	wantError(t, err, 404, "")
}

// rcloneVersions lists and removes old versions.
func rcloneVersions(t *testing.T, u *user, rclone tool, at string) {
	status := func(text types.BucketVersioningStatus) {
		t.Helper()
		_, err := u.owner.PutBucketVersioning(t.Context(), &s3.PutBucketVersioningInput{Bucket: &u.bucket, VersioningConfiguration: versioning(text)})
		if err != nil {
			t.Fatal(err)
		}
	}
	status("Enabled")
	for _, body := range []string{"one", "two"} {
		_, err := u.owner.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &u.bucket, Key: aws.String("versioned/a.txt"), Body: strings.NewReader(body)})
		if err != nil {
			t.Fatal(err)
		}
	}
	if out := strings.Fields(rclone.run(t, "lsf", at+"/versioned")); len(out) != 1 {
		t.Errorf("rclone lists %q", out)
	}
	if out := strings.Fields(rclone.run(t, "lsf", "--s3-versions", at+"/versioned")); len(out) != 2 {
		t.Errorf("with versions rclone lists %q", out)
	}
	rclone.run(t, "backend", "cleanup-hidden", at)
	if out := strings.Fields(rclone.run(t, "lsf", "--s3-versions", at+"/versioned")); len(out) != 1 {
		t.Errorf("after cleanup-hidden rclone lists %q", out)
	}
	rclone.run(t, "delete", at+"/versioned")
	rclone.run(t, "backend", "cleanup-hidden", at)
	status("Suspended")
}
