package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	"github.com/elastic/go-grok"
	"github.com/elastic/go-grok/patterns"
)

// Access logs are read by parsers that others wrote: Elastic's grok pattern for
// S3's logs, and DuckDB with the view of docs/analysis.md.
//
// The grok pattern is stricter than S3's format, which allows "-" for every
// field: it wants an owner and a request line, and so reads neither what was
// asked of buckets that do not exist nor the single deletions of a batch. It ends
// before the fields that S3 added last, access point, ACL and region. DuckDB
// reads every line and field.

// A logLine is the fields of a line by DuckDB's names of them; those that are
// "-" are absent.
type logLine map[string]string

// grokNames are the names that Elastic gives to fields.
var grokNames = map[string]string{
	"aws.s3access.bucket_owner": "bucket_owner", "aws.s3access.bucket": "bucket", "timestamp": "time", "client.address": "remote_ip",
	"client.user.id": "requester", "aws.s3access.request_id": "request_id", "aws.s3access.operation": "operation", "aws.s3access.key": "key",
	"aws.s3access.request_uri": "request_uri", "http.response.status_code": "status", "aws.s3access.error_code": "error_code",
	"aws.s3access.bytes_sent": "bytes_sent", "aws.s3access.object_size": "object_size", "aws.s3access.total_time": "total_ms",
	"aws.s3access.turn_around_time": "turn_around_ms", "http.request.referrer": "referer", "user_agent.original": "user_agent",
	"aws.s3access.version_id": "version_id", "aws.s3access.host_id": "host_id", "aws.s3access.signature_version": "signature_version",
	"tls.cipher": "cipher_suite", "aws.s3access.authentication_type": "authentication_type", "aws.s3access.host_header": "host",
	"aws.s3access.tls_version": "tls_version",
}

// grokLines reads lines with Elastic's pattern; lines that it does not read are
// nil.
func grokLines(t *testing.T, text string) (lines []logLine) {
	t.Helper()
	g, err := grok.NewWithPatterns(patterns.Default, patterns.AWS)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Compile(`^%{S3_ACCESS_LOG}(?: \S+){3}$`, true); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(text) {
		fields, err := g.ParseString(strings.TrimSuffix(line, "\n"))
		if err != nil {
			t.Fatal(err)
		}
		if len(fields) == 0 {
			lines = append(lines, nil)
			continue
		}
		got := logLine{}
		for theirs, ours := range grokNames {
			if v := fields[theirs]; v != "" {
				got[ours] = v
			}
		}
		at, err := time.Parse("02/Jan/2006:15:04:05 -0700", got["time"])
		if err != nil {
			t.Error(err)
		}
		got["time"] = at.UTC().Format(time.RFC3339)
		if got["key"] != "" {
			got["key"] = decodedKey(t, got)
		}
		lines = append(lines, got)
	}
	return lines
}

// decodedKey decodes a key as S3 encodes it: once in batches, else twice.
func decodedKey(t *testing.T, line logLine) string {
	t.Helper()
	key, times := line["key"], 2
	if line["operation"] == "BATCH.DELETE.OBJECT" {
		times = 1
	}
	for range times {
		var err error
		if key, err = url.PathUnescape(key); err != nil {
			t.Errorf("key %q: %v", line["key"], err)
		}
	}
	return key
}

// duckdb runs DuckDB in a directory.
func duckdb(t *testing.T, dir string) tool {
	t.Helper()
	script, err := filepath.Abs("clients/duckdb.mjs")
	if err != nil {
		t.Fatal(err)
	}
	return tool{path: need(t, "node", "node"), args: []string{script}, dir: dir, env: []string{"TZ=UTC"}}
}

// duckLines reads lines with the view of the page.
func duckLines(t *testing.T, text string) (lines []logLine) {
	t.Helper()
	db := duckdb(t, t.TempDir())
	write(t, filepath.Join(db.dir, "access.log"), text)
	db.run(t, "logs.duckdb", "-c", accessView(t))
	out := db.run(t, "logs.duckdb", "-c", "SELECT * REPLACE (strftime(time AT TIME ZONE 'UTC', '%Y-%m-%dT%H:%M:%SZ') AS time) FROM access")
	for row := range strings.Lines(out) {
		var fields map[string]any
		if err := json.Unmarshal([]byte(row), &fields); err != nil {
			t.Fatal(err)
		}
		if len(fields) != 27 {
			t.Fatalf("%d fields: %s", len(fields), row)
		}
		got := logLine{}
		for name, v := range fields {
			if v != nil {
				got[name] = fmt.Sprint(v)
			}
		}
		lines = append(lines, got)
	}
	return lines
}

// accessView is the SQL of docs/analysis.md that makes the view.
func accessView(t *testing.T) string {
	t.Helper()
	_, after, _ := strings.Cut(read(t, analysisPage), "<<'SQL'\n")
	sql, _, found := strings.Cut(after, "SQL\n")
	if !found {
		t.Fatal("the page makes no view")
	}
	return sql
}

// same compares a line with what it is to say.
func (l logLine) same(t *testing.T, parser string, want logLine) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if l[name] != want[name] {
			t.Errorf("%s reads %s of %s as %q, want %q", parser, name, want["request_id"], l[name], want[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l)) {
		if _, there := want[name]; !there {
			t.Errorf("%s reads %s of %s as %q, want nothing", parser, name, want["request_id"], l[name])
		}
	}
}

// but returns a line with changes; "" takes a field away.
func (l logLine) but(fields ...string) logLine {
	changed := maps.Clone(l)
	for i := 0; i < len(fields); i += 2 {
		changed[fields[i]] = fields[i+1]
		if fields[i+1] == "" {
			delete(changed, fields[i])
		}
	}
	return changed
}

// forGrok is what the grok pattern knows of a line.
func (l logLine) forGrok() logLine {
	return l.but("access_point", "", "acl_required", "", "source_region", "")
}

const goldenOwner = "79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be"

// goldenLines are what the lines of audit/testdata/access.log say.
func goldenLines() []logLine {
	const uri = " /my-bucket/photos/puppy.jpg?x-user=johndoe&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260206%2Fus-west-1%2Fs3%2Faws4_request" +
		"&X-Amz-Date=20260206T000000Z&X-Amz-Expires=300&X-Amz-SignedHeaders=host&X-Amz-Signature=REDACTED HTTP/1.1"
	first := logLine{
		"bucket_owner": goldenOwner, "bucket": "my-bucket", "time": "2026-02-06T00:00:38Z", "remote_ip": "192.0.2.3", "requester": goldenOwner,
		"request_id": "3E57427F3EXAMPLE", "operation": "REST.GET.OBJECT", "key": "photos/puppy.jpg", "request_uri": "GET" + uri, "status": "200",
		"bytes_sent": "2662992", "object_size": "2662992", "total_ms": "70", "turn_around_ms": "10", "user_agent": "curl/8.5.0",
		"host_id":           "s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234=",
		"signature_version": "SigV4", "cipher_suite": "TLS_AES_128_GCM_SHA256", "authentication_type": "QueryString",
		"host": "my-bucket.s3.us-west-1.amazonaws.com", "tls_version": "TLSv1.3",
	}
	return []logLine{
		first,
		{
			"bucket_owner": "db55b7a0236d73b4983794555617df106a16ce98173626793549526d89473f15", "bucket": "my-bucket", "time": "2026-02-06T00:00:38Z",
			"remote_ip": "2001:db8::1", "request_id": "891CE47D2EXAMPLE", "operation": "REST.PUT.OBJECT", "key": "it's 100% \"new\" ü.txt",
			"request_uri": "PUT /my-bucket/it's%20100%25%20%22new%22%20%C3%BC.txt?Signature=REDACTED HTTP/2.0", "status": "403", "error_code": "AccessDenied",
			"bytes_sent": "243", "total_ms": "1", "referer": "https://app.example/?next=https%3A%2F%2Fh%2Fk%3FX-Amz-Signature%3DREDACTED",
			"user_agent": "%22x%22%0A%09%5C", "version_id": "3HL4kqtJvjVBH40Nrjfkd", "host_id": "9vKBE6vMhrNiWHZmb2L0", "host": "localhost:9000",
			"acl_required": "Yes",
		},
		first.but("operation", "REST.PUT.OBJECT", "request_uri", "PUT"+uri, "requester", "arn:aws:iam::111122223333:user/alice",
			"authentication_type", "AuthHeader", "bytes_sent", "", "object_size", "4406583"),
		first.but("operation", "REST.POST.OBJECT", "request_uri", "POST"+uri, "requester", "arn:aws:sts::111122223333:assumed-role/uploader/web",
			"authentication_type", "", "status", "204"),
		first.but("operation", "BATCH.DELETE.OBJECT", "key", "a b/100%.txt"),
		first.but("bucket_owner", "", "key", "-"),
		{"bucket": "", "time": "2026-02-06T00:00:38Z", "total_ms": "0"},
	}
}

// TestGoldenAccessLog has others read the golden lines of package audit.
func TestGoldenAccessLog(t *testing.T) {
	t.Parallel()
	text, want := read(t, "../audit/testdata/access.log"), goldenLines()
	delete(want[6], "bucket")
	byGrok, byDuck := grokLines(t, text), duckLines(t, text)
	if len(byGrok) != len(want) || len(byDuck) != len(want) {
		t.Fatalf("%d and %d lines, want %d", len(byGrok), len(byDuck), len(want))
	}
	for i, line := range want {
		byDuck[i].same(t, "duckdb", line)
		if line.strange() {
			if byGrok[i] != nil {
				t.Errorf("grok reads %v, which the comment at the top denies", line)
			}
			continue
		}
		byGrok[i].same(t, "grok", line.forGrok())
	}
}

// strange reports that a line is none for the grok pattern.
func (l logLine) strange() bool { return l["bucket_owner"] == "" || l["request_uri"] == "" }

// A logged is a request that was made, and what its line is to say.
type logged struct {
	id   string
	want logLine
}

// A logUser makes requests and notes what their lines must say.
type logUser struct {
	*user
	common logLine
	made   []logged
}

// signedPart is what the server redacts.
var signedPart = regexp.MustCompile(`(X-Amz-Signature=)[0-9a-f]{64}`)

// did notes a request.
func (u *logUser) did(t *testing.T, a answer, fields ...string) {
	t.Helper()
	id := a.Header.Get("X-Amz-Request-Id")
	if id == "" {
		t.Fatalf("%s %s: no request id", a.Request.Method, a.Request.URL)
	}
	line := u.common.but("request_id", id, "host_id", a.Header.Get("X-Amz-Id-2"), "status", strconv.Itoa(a.StatusCode),
		"request_uri", a.Request.Method+" "+signedPart.ReplaceAllString(a.Request.URL.RequestURI(), "${1}REDACTED")+" HTTP/1.1",
		"host", a.Request.URL.Host)
	if n := len(a.body); n > 0 {
		line["bytes_sent"] = strconv.Itoa(n)
	}
	u.made = append(u.made, logged{id, line.but(fields...)})
}

// sdk notes a request of the SDK, of which less is known.
func (u *logUser) sdk(t *testing.T, m middleware.Metadata, fields ...string) {
	t.Helper()
	id, ok := awsmiddleware.GetRequestIDMetadata(m)
	if !ok {
		t.Fatal("the SDK tells no request id")
	}
	u.made = append(u.made, logged{id, logLine{"request_id": id, "authentication_type": "AuthHeader", "signature_version": "SigV4"}.but(fields...)})
}

// agent is a user agent that forges fields, where quotes are not escaped.
const (
	agent        = "evil\" - - \"agent\" \\\t(ü)"
	agentInLog   = `evil%22 - - %22agent%22 %5C%09(%C3%BC)`
	refererInLog = `https://app.example/?q=%22a%20b`
)

const oddKey = "a+b \"quoted\"/ü\n🙂 100%/-"

// use makes requests of every kind.
func (u *logUser) use(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	forge := func(r *http.Request) {
		r.Header.Set("User-Agent", agent)
		r.Header.Set("Referer", "https://app.example/?q=\"a b")
	}
	object := []string{"operation", "REST.GET.OBJECT", "key", oddKey, "user_agent", agentInLog, "referer", refererInLog}
	with := func(fields ...string) []string { return append(slices.Clone(object), fields...) }
	custom := url.Values{"x-ticket": {"42 & more"}, "x-daypass-name": {"for Joe"}}

	u.did(t, u.do(t, "PUT", u.presign(t, "PUT", oddKey, url.Values{"x-ticket": {"42"}}), fox, forge), with("operation", "REST.PUT.OBJECT", "object_size", "43")...)
	get := u.presign(t, "GET", oddKey, custom)
	whole := u.do(t, "GET", get, "", forge)
	whole.success(t, 200, fox)
	u.did(t, whole, with("object_size", "43")...)
	part := u.do(t, "GET", get, "", func(r *http.Request) { forge(r); r.Header.Set("Range", "bytes=4-8") })
	part.success(t, 206, "quick")
	u.did(t, part, with("object_size", "43")...)
	u.did(t, u.do(t, "HEAD", u.presign(t, "HEAD", oddKey, url.Values{}), "", forge), with("operation", "REST.HEAD.OBJECT", "object_size", "43", "bytes_sent", "")...)

	forged := get[:len(get)-1] + map[bool]string{true: "1", false: "0"}[strings.HasSuffix(get, "0")]
	wrong := u.do(t, "GET", forged, "", forge)
	wrong.refusal(t, 403, "SignatureDoesNotMatch")
	// Nobody has signed it, but it says that it is signed.
	u.did(t, wrong, with("error_code", "SignatureDoesNotMatch", "requester", "", "authentication_type", "QueryString", "signature_version", "SigV4")...)
	anonymous := u.do(t, "GET", u.url+"/"+u.bucket+"/plain.txt", "", forge)
	anonymous.refusal(t, 403, "AccessDenied")
	u.did(t, anonymous, with("key", "plain.txt", "error_code", "AccessDenied", "requester", "", "authentication_type", "", "signature_version", "")...)
	missing := u.do(t, "GET", u.presign(t, "GET", "no such key", url.Values{}), "", forge)
	missing.refusal(t, 404, "NoSuchKey")
	u.did(t, missing, with("key", "no such key", "error_code", "NoSuchKey")...)
	list := u.do(t, "GET", u.presign(t, "GET", "", url.Values{"list-type": {"2"}, "prefix": {"a+b"}}), "", forge)
	list.success(t, 200, list.body)
	u.did(t, list, with("operation", "REST.GET.BUCKET", "key", "")...)
	nowhere := u.do(t, "GET", presign(t, u.owner.Options(), "GET", "no-such-bucket/k", url.Values{}), "", forge)
	nowhere.refusal(t, 404, "NoSuchBucket")
	u.did(t, nowhere, with("bucket", "no-such-bucket", "bucket_owner", "", "key", "k", "error_code", "NoSuchBucket")...)

	copied, err := u.owner.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &u.bucket, Key: aws.String("copy"), CopySource: aws.String(u.bucket + "/" + strings.ReplaceAll(url.PathEscape(oddKey), "+", "%2B"))})
	if err != nil {
		t.Fatal(err)
	}
	u.sdk(t, copied.ResultMetadata, "operation", "REST.COPY.OBJECT", "key", "copy", "status", "200")
	u.sdk(t, copied.ResultMetadata, "operation", "REST.COPY.OBJECT_GET", "key", oddKey, "status", "200", "object_size", "43")
	u.did(t, u.do(t, "DELETE", u.presign(t, "DELETE", "copy", url.Values{}), "", forge), with("operation", "REST.DELETE.OBJECT", "key", "copy", "object_size", "?")...)
	batch, err := u.owner.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: &u.bucket, Delete: &types.Delete{Objects: []types.ObjectIdentifier{{Key: aws.String(oddKey)}}}})
	if err != nil || len(batch.Deleted) != 1 {
		t.Fatal(batch, err)
	}
	u.sdk(t, batch.ResultMetadata, "operation", "REST.POST.MULTI_OBJECT_DELETE", "status", "200")
	u.sdk(t, batch.ResultMetadata, "operation", "BATCH.DELETE.OBJECT", "key", oddKey, "status", "204")
}

// TestAccessLogByOthers reads the access log of a server that was used in
// many ways, and compares every field with what the client knows.
func TestAccessLogByOthers(t *testing.T) {
	t.Parallel()
	path, begin := filepath.Join(t.TempDir(), "access.log"), time.Now().Truncate(time.Second)
	s := serve(t, "--access-log", path)
	u := &logUser{user: newUser(s, "logged")}
	u.fill(t, map[string]string{"plain.txt": "plain"})
	buckets, err := u.owner.ListBuckets(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	u.common = logLine{"bucket_owner": *buckets.Owner.ID, "bucket": u.bucket, "remote_ip": "127.0.0.1", "requester": *buckets.Owner.ID,
		"signature_version": "SigV4", "authentication_type": "QueryString"}
	u.use(t)
	s.stop(t)
	end := time.Now()
	text := read(t, path)
	byGrok, byDuck := grokLines(t, text), duckLines(t, text)
	if len(byGrok) != len(byDuck) || len(byDuck) < len(u.made) {
		t.Fatalf("%d and %d lines of %d requests:\n%s", len(byGrok), len(byDuck), len(u.made), text)
	}
	for _, made := range u.made {
		at := slices.IndexFunc(byDuck, func(l logLine) bool {
			return l["request_id"] == made.id && l["operation"] == made.want["operation"]
		})
		if at < 0 {
			t.Errorf("no line of %v:\n%s", made.want, text)
			continue
		}
		line := byDuck[at]
		line.checkTimes(t, begin, end)
		line.sameAsKnown(t, "duckdb", made.want)
		if line.strange() {
			if byGrok[at] != nil {
				t.Errorf("grok reads %v, which the comment at the top denies", line)
			}
			continue
		}
		byGrok[at].sameAsKnown(t, "grok", made.want)
		byGrok[at].same(t, "grok, compared with duckdb,", line.forGrok())
	}
}

// checkTimes checks the fields that differ from run to run.
func (l logLine) checkTimes(t *testing.T, begin, end time.Time) {
	t.Helper()
	at, err := time.Parse(time.RFC3339, l["time"])
	if err != nil || at.Before(begin) || at.After(end) {
		t.Errorf("%s is at %s, which is not between %v and %v", l["request_id"], l["time"], begin, end)
	}
	if l["request_uri"] == "" { // a part of another request, which has the times
		return
	}
	total, err := strconv.Atoi(l["total_ms"])
	turn, _ := strconv.Atoi("0" + l["turn_around_ms"])
	if err != nil || total < turn || total > int(end.Sub(begin).Milliseconds())+1000 {
		t.Errorf("%s took %q ms, %q to its first byte", l["request_id"], l["total_ms"], l["turn_around_ms"])
	}
}

// sameAsKnown compares what a client knows of its request: all fields where it
// knows the answer, else some. A "?" may be anything.
func (l logLine) sameAsKnown(t *testing.T, parser string, want logLine) {
	t.Helper()
	got := l.but("time", "", "total_ms", "", "turn_around_ms", "")
	if want["host_id"] == "" { // of the SDK
		for name := range got {
			if want[name] == "" {
				delete(got, name)
			}
		}
	}
	want = maps.Clone(want)
	for name, v := range want {
		if v == "?" {
			delete(want, name)
			delete(got, name)
		}
	}
	got.same(t, parser, want)
}
