package audit

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/daypass/daypass"
)

// What AWS documents for reading access logs with Athena is a table of 26
// string and number columns over an expression (S3 user guide, "Using Amazon S3
// access logs to identify requests"). Here the expression is made of the
// columns: most are anything without a space, the Request-URI and the user agent
// are quoted or "-", and the last ones are optional. The referer is anything
// without a space: a line with a space in it is not read at all.
var athenaColumns = []struct{ name, pattern string }{
	{"bucketowner", `[^ ]*`}, {"bucket_name", `[^ ]*`}, {"requestdatetime", `.*?`}, {"remoteip", `[^ ]*`}, {"requester", `[^ ]*`},
	{"requestid", `[^ ]*`}, {"operation", `[^ ]*`}, {"key", `[^ ]*`}, {"request_uri", `"[^"]*"|-`}, {"httpstatus", `-|[0-9]*`},
	{"errorcode", `[^ ]*`}, {"bytessent", `[^ ]*`}, {"objectsize", `[^ ]*`}, {"totaltime", `[^ ]*`}, {"turnaroundtime", `[^ ]*`},
	{"referrer", `[^ ]*`}, {"useragent", `"[^"]*"|-`}, {"versionid", `[^ ]*`}, {"hostid", `[^ ]*`}, {"sigv", `[^ ]*`},
	{"ciphersuite", `[^ ]*`}, {"authtype", `[^ ]*`}, {"endpoint", `[^ ]*`}, {"tlsversion", `[^ ]*`}, {"accesspointarn", `[^ ]*`},
	{"aclrequired", `[^ ]*`},
}

// athenaLine is the expression. A serializer of Hive reads a line only as a
// whole.
func athenaLine() *regexp.Regexp {
	var b strings.Builder
	for i, c := range athenaColumns {
		switch c.name {
		case "bucketowner":
			b.WriteString("^")
		case "hostid": // what the first format did not have
			b.WriteString("(?: ")
		default:
			b.WriteString(" ")
		}
		pattern := "(" + c.pattern + ")"
		if c.name == "requestdatetime" {
			pattern = `\[` + pattern + `\]`
		}
		b.WriteString(pattern)
		if i == len(athenaColumns)-1 {
			b.WriteString(")?.*$")
		}
	}
	return regexp.MustCompile(b.String())
}

// athenaNumbers are the columns that are bigint, where "-" is NULL.
var athenaNumbers = []string{"bytessent", "objectsize"}

// readByAthena returns the columns of a line, nil where Athena would return
// nothing but NULL.
func readByAthena(line string) map[string]string {
	m := athenaLine().FindStringSubmatch(strings.TrimSuffix(line, "\n"))
	if m == nil {
		return nil
	}
	row := make(map[string]string)
	for i, c := range athenaColumns {
		row[c.name] = m[i+1]
	}
	return row
}

// TestAthena reads the golden lines as Athena does.
func TestAthena(t *testing.T) {
	text, err := os.ReadFile("testdata/access.log")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		row := readByAthena(line)
		if row == nil {
			t.Errorf("Athena does not read %s", line)
			continue
		}
		r, err := ParseAccessLog(line)
		if err != nil {
			t.Fatal(err)
		}
		if bare(row["requestid"]) != r.RequestID || bare(row["operation"]) != r.Operation || bare(row["errorcode"]) != r.ErrorCode ||
			bare(row["useragent"]) != r.UserAgent || bare(row["referrer"]) != r.Referer || bare(row["tlsversion"]) != r.TLSVersion ||
			bare(row["authtype"]) != r.AuthenticationType || (row["aclrequired"] == "Yes") != r.ACLRequired {
			t.Errorf("Athena reads %q of %s", row, line)
		}
		for _, name := range athenaNumbers {
			if !regexp.MustCompile(`^(-|\d+)$`).MatchString(row[name]) {
				t.Errorf("%s is %q in %s", name, row[name], line)
			}
		}
	}
}

func bare(field string) string {
	if field = strings.Trim(field, `"`); field == "-" {
		return ""
	}
	return field
}

// TestAthenaReadsEveryReferer checks that no client hides its requests from
// Athena, as it can from S3's logs with a space in its referer.
func TestAthenaReadsEveryReferer(t *testing.T) {
	for _, referer := range []string{"a b", `" "`, " ", "https://app.example/a b?c d", "x\" \"y", "\t \n"} {
		e := changed(func(e *daypass.Event) { e.Referer, e.UserAgent = referer, referer })
		row := readByAthena(string(AppendAccessLog(nil, e)))
		if row == nil || row["versionid"] != "-" || row["tlsversion"] != e.TLSVersion {
			t.Errorf("with the referer %q Athena reads %q", referer, row)
		}
	}
}
