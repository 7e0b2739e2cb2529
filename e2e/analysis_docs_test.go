package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// The examples in docs/analysis.md are run as they stand there, one after the
// other in one directory, over the events of a server that was used.

const analysisPage = "../docs/analysis.md"

// A want is what an example must print: rows of DuckDB, with the members that
// are named, or lines.
type want struct {
	heading string
	rows    []map[string]any
	lines   []string
}

// analysisWants has a row for each example that prints, in the page's order.
var analysisWants = []want{
	{heading: "Why was it refused?", lines: []string{
		`^\S+\t403\tSignatureDoesNotMatch\t127\.0\.0\.1\t\S.*$`, `^\S+\t403\tAccessDenied\t127\.0\.0\.1\t.*x-daypass-uses.*$`,
		`^\S+\t404\tNoSuchKey\t127\.0\.0\.1\t.*$`, `^\S+\t404\tNoSuchKey\t127\.0\.0\.1\t.*$`}},
	{heading: "Why was it refused?", lines: []string{`^2\tNoSuchKey$`, `^1\tSignatureDoesNotMatch$`, `^1\tAccessDenied$`}},
	{heading: "Who used which pass, how often, for how many bytes?", rows: []map[string]any{
		{"pass": "for Joe", "bucket": "photos", "key": "puppy.jpg", "used": "2", "bytes": "86", "addresses": "1"},
		{"pass": "once only", "bucket": "photos", "key": "day 1/notes.txt", "used": "1", "refused": "1"},
		{"bucket": "photos", "key": "gone.txt", "used": "0", "refused": "2"}}},
	{heading: "Access logs in DuckDB"},
	{heading: "Access logs in DuckDB", rows: []map[string]any{
		{"name": "for Joe", "key": "puppy.jpg", "times": "2", "bytes": "86"}, {"name": "once only", "key": "day 1/notes.txt", "times": "1", "bytes": "5"}}},
	{heading: "Access logs in DuckDB", rows: []map[string]any{
		{"error_code": "NoSuchKey", "status": 404.0, "times": "2"}, {"error_code": "SignatureDoesNotMatch", "status": 403.0, "times": "1", "addresses": "1"},
		{"error_code": "AccessDenied", "status": 403.0, "times": "1"}}},
	{heading: "Access logs in DuckDB", rows: []map[string]any{{"operation": "REST.GET.OBJECT", "times": "7"}, {"operation": "REST.PUT.OBJECT", "times": "2"}}},
	{heading: "The trail in DuckDB", rows: []map[string]any{
		{"event": "GetObject", "error": nil, "times": "2", "bytes": "86", "address": "127.0.0.1"}, {"event": "GetObject", "error": nil, "times": "1", "bytes": "5"},
		{"event": "GetObject", "error": "AccessDenied", "times": "1"}, {"event": "GetObject", "error": "NoSuchKey", "times": "2"}}},
	{heading: "A page with charts"},
}

// usedServer leaves the events of a server in a directory, and returns its data
// directory.
func usedServer(t *testing.T, dir string) string {
	t.Helper()
	s := serve(t, "--access-log", filepath.Join(dir, "access.log"), "--trail", filepath.Join(dir, "trail"))
	u := newUser(s, "photos")
	if _, err := u.owner.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &u.bucket}); err != nil {
		t.Fatal(err)
	}
	u.fill(t, map[string]string{"puppy.jpg": fox, "day 1/notes.txt": "notes"})
	joe := u.mint(t, "get", "s3://photos/puppy.jpg", "--name", "for Joe")
	once := u.mint(t, "get", "s3://photos/day 1/notes.txt", "--name", "once only", "--uses", "1")
	gone := u.mint(t, "get", "s3://photos/gone.txt")
	u.do(t, "GET", joe, "", nil).success(t, 200, fox)
	u.do(t, "GET", joe, "", nil).success(t, 200, fox)
	u.do(t, "GET", strings.Replace(joe, "puppy", "kitty", 1), "", nil).refusal(t, 403, "SignatureDoesNotMatch")
	u.do(t, "GET", once, "", nil).success(t, 200, "notes")
	u.do(t, "GET", once, "", nil).refusal(t, 403, "AccessDenied")
	u.do(t, "GET", gone, "", nil).refusal(t, 404, "NoSuchKey")
	u.do(t, "GET", gone, "", nil).refusal(t, 404, "NoSuchKey")
	s.stop(t)
	return s.dir
}

// TestAnalysisDocs runs the page.
func TestAnalysisDocs(t *testing.T) {
	t.Parallel()
	need(t, "goaccess", "goaccess")
	need(t, "jq", "jq")
	dir, bin := t.TempDir(), t.TempDir()
	data := usedServer(t, dir)
	if err := os.Symlink(program, filepath.Join(bin, "daypass")); err != nil {
		t.Fatal(err)
	}
	db := duckdb(t, dir)
	if err := os.WriteFile(filepath.Join(bin, "duckdb"), fmt.Appendf(nil, "#!/bin/sh\nexec '%s' '%s' \"$@\"\n", db.path, db.args[0]), 0o700); err != nil {
		t.Fatal(err)
	}
	blocks, headings := shellBlocks(t, analysisPage)
	if len(blocks) != len(analysisWants) {
		t.Fatalf("%d examples, of which %d are known", len(blocks), len(analysisWants))
	}
	for i, text := range blocks {
		t.Run(headings[i], func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", text)
			cmd.Dir, cmd.Env = dir, programEnv("DAYPASS_DATA="+data, "PATH="+bin+":"+os.Getenv("PATH"), "TZ=UTC")
			var stderr strings.Builder
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s\n%s%s", err, text, out, &stderr)
			}
			if analysisWants[i].heading != headings[i] {
				t.Fatalf("this example stands below %q, want %q", headings[i], analysisWants[i].heading)
			}
			analysisWants[i].check(t, string(out))
		})
	}
	// Every line is one for GoAccess.
	report := read(t, filepath.Join(dir, "report.html"))
	if !regexp.MustCompile(`"total_requests": (\d+),"valid_requests": \d+,"failed_requests": 0,`).MatchString(report) || !strings.Contains(report, "puppy.jpg") {
		t.Errorf("the report tells of other requests: %s", regexp.MustCompile(`"general".{300}`).FindString(report))
	}
}

// shellBlocks returns the blocks of shell of a page, and the headings that they
// stand under.
func shellBlocks(t *testing.T, page string) (blocks, headings []string) {
	t.Helper()
	heading, block, inside := "", "", false
	for line := range strings.Lines(read(t, page)) {
		switch {
		case inside && line == "```\n":
			blocks, headings, inside = append(blocks, block), append(headings, heading), false
		case inside:
			block += line
		case line == "```sh\n":
			block, inside = "", true
		case strings.HasPrefix(line, "## "):
			heading = strings.TrimSpace(line[3:])
		}
	}
	return blocks, headings
}

// check compares what an example printed.
func (w want) check(t *testing.T, out string) {
	t.Helper()
	if w.lines != nil {
		lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
		ok := len(lines) == len(w.lines)
		for i := 0; ok && i < len(lines); i++ {
			ok = regexp.MustCompile(w.lines[i]).MatchString(lines[i])
		}
		if !ok {
			t.Errorf("printed %q, want %q", lines, w.lines)
		}
	}
	var rows []map[string]any
	for line := range strings.Lines(out) {
		var row map[string]any
		if w.rows != nil && json.Unmarshal([]byte(line), &row) == nil {
			rows = append(rows, row)
		}
	}
	for _, want := range w.rows {
		if !slices.ContainsFunc(rows, func(row map[string]any) bool {
			for name, v := range want {
				if got, there := row[name]; !there || got != v {
					return false
				}
			}
			return true
		}) {
			t.Errorf("no row has %v:\n%s", want, out)
		}
	}
}
