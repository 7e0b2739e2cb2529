package audit

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// changed returns an example with a change.
func changed(change func(*daypass.Event)) *daypass.Event {
	e := example()
	change(e)
	return e
}

func TestAccessLogGolden(t *testing.T) {
	events := []*daypass.Event{
		example(),
		refusal(),
		changed(func(e *daypass.Event) { // a user's upload, signed in headers
			e.Operation, e.Method, e.Grant.Scheme = "REST.PUT.OBJECT", "PUT", daypass.SchemeHeader
			e.Principal, e.Sent, e.ObjectSize = "arn:aws:iam::111122223333:user/alice", 0, 4406583
		}),
		changed(func(e *daypass.Event) { // a signed form, by a session
			e.Operation, e.Method, e.Grant.Scheme, e.Status = "REST.POST.OBJECT", "POST", daypass.SchemeForm, 204
			e.Principal, e.Grant.Owner = "arn:aws:sts::111122223333:assumed-role/uploader/web", "alice"
		}),
		changed(func(e *daypass.Event) { // of a batch
			e.Operation, e.Object.Key = "BATCH.DELETE.OBJECT", "a b/100%.txt"
		}),
		changed(func(e *daypass.Event) { e.Object.Key, e.BucketOwner = "-", "" }),
		{Time: when, ObjectSize: -1},
	}
	var out []byte
	for _, e := range events {
		out = append(out, line(e)...)
	}
	golden(t, "access.log", out)
}

// s3Line is the pattern of a line that S3's documentation gives for Athena,
// with the fields added since.
var s3Line = regexp.MustCompile(`^([^ ]*) ([^ ]*) \[(.*?)\] ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ("[^"]*"|-) (-|[0-9]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ("[^"]*"|-) ("[^"]*"|-) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*) ([^ ]*)\n$`)

// wanted returns what a line of an event must say.
func wanted(e *daypass.Event) AccessRecord {
	Clean(e)
	field := func(s string) string { return encoded(s, " \"\\") }
	quoted := func(s string) string { return encoded(s, "\"\\") }
	r := AccessRecord{
		Bucket: field(e.Object.Bucket), Time: e.Time.Truncate(time.Second).UTC(), RemoteIP: field(e.Source),
		RequestID: field(e.RequestID), Operation: field(e.Operation), Key: e.Object.Key,
		Status: max(0, e.Status), ErrorCode: field(string(e.Code)), BytesSent: max(0, e.Sent), ObjectSize: max(-1, e.ObjectSize),
		TotalTime: e.Total.Truncate(time.Millisecond), TurnAroundTime: e.TurnAround.Truncate(time.Millisecond),
		Referer: field(e.Referer), UserAgent: quoted(e.UserAgent), VersionID: field(e.Object.VersionID), HostID: field(e.HostID),
		SignatureVersion: field(e.Grant.SignatureVersion), CipherSuite: field(e.Cipher), AuthenticationType: authenticationType(e.Grant.Scheme),
		HostHeader: field(e.Host), TLSVersion: field(e.TLSVersion), ACLRequired: e.ACLRequired,
	}
	if e.Total < 0 {
		r.TotalTime = -1
	}
	if e.TurnAround <= 0 {
		r.TurnAroundTime = -1
	}
	for _, s := range []*string{&r.Bucket, &r.RemoteIP, &r.RequestID, &r.Operation, &r.ErrorCode, &r.Referer, &r.UserAgent,
		&r.VersionID, &r.HostID, &r.SignatureVersion, &r.CipherSuite, &r.HostHeader, &r.TLSVersion} {
		if *s == "-" {
			*s = "" // cannot be told from nothing
		}
	}
	return r
}

// encoded percent-encodes what is not printable and what is in set.
func encoded(s, set string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || strings.IndexByte(set, c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// TestAccessLogRoundTrip writes events with anything in every field: each is
// one line of 27 fields for S3's own pattern, and reads back.
func TestAccessLogRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		e.Time = when.Add(time.Duration(rapid.Int64Range(-1e18, 1e18).Draw(t, "time")))
		line := line(e)
		if !s3Line.MatchString(line) {
			t.Fatalf("not a line: %q", line)
		}
		if strings.Contains(line, hexSignature) {
			t.Fatalf("a signature: %q", line)
		}
		got, err := ParseAccessLog(line)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		// These are tested by themselves.
		got.BucketOwner, got.Requester, got.Method, got.URI, got.Protocol = "", "", "", "", ""
		if diff := cmp.Diff(wanted(e), got); diff != "" {
			t.Fatalf("%q: %s", line, diff)
		}
	})
}

// TestAccessLogInjection sends what forges lines and fields elsewhere.
func TestAccessLogInjection(t *testing.T) {
	forged := "\"x\" - host SigV4 - AuthHeader h TLSv1.2 - - -\n" + line(example())
	for _, s := range []string{
		forged, `a" "b`, `\" 200 -`, `\`, "a\r\nb", "a\nb", "\x00", "\x1b[2J", "\u0085\u2028\u202e", "\xff\xfe", "a b", " ", "] [", "-", "%0a", "%22",
		strings.Repeat(`"`, 1<<20),
	} {
		for i := range textFields {
			e := example()
			*textFields[i].at(e) = s
			line := line(e)
			m := s3Line.FindStringSubmatch(line)
			if m == nil || strings.Count(line, "\n") != 1 {
				t.Fatalf("%s %.40q: %.2000q", textFields[i].name, s, line)
			}
			if len(line) > 3*longText+1<<10 {
				t.Errorf("%s: %d bytes", textFields[i].name, len(line))
			}
			r, err := ParseAccessLog(line)
			if err != nil || textFields[i].name != "requestId" && r.RequestID != e.RequestID || r.Status != 200 || !r.ACLRequired == e.ACLRequired {
				t.Errorf("%s %.40q: %v %+v", textFields[i].name, s, err, r)
			}
			for j := range len(line) - 1 {
				if line[j] < ' ' || line[j] > '~' {
					t.Fatalf("%s: %q in %.2000q", textFields[i].name, line[j], line)
				}
			}
		}
	}
}

func TestAccessLogRequester(t *testing.T) {
	id := daypass.CanonicalID("alice")
	for _, tt := range []struct {
		scheme           daypass.Scheme
		owner, principal string
		want             string
	}{
		{daypass.SchemeQuery, "alice", "", id},
		{daypass.SchemeQuery, id, "", id},
		{daypass.SchemeQuery, "alice", "arn:aws:iam::111122223333:root", id},
		{daypass.SchemeHeader, "alice", "arn:aws:iam::111122223333:user/bob", "arn:aws:iam::111122223333:user/bob"},
		{daypass.SchemeAnonymous, "", "", ""},
		{daypass.SchemeAnonymous, "alice", "arn:aws:iam::111122223333:user/bob", ""},
		{"", "", "", ""},
	} {
		e := changed(func(e *daypass.Event) {
			e.Grant.Scheme, e.Grant.Owner, e.Principal, e.BucketOwner = tt.scheme, tt.owner, tt.principal, "alice"
		})
		r, err := ParseAccessLog(line(e))
		if err != nil || r.Requester != tt.want || r.BucketOwner != id {
			t.Errorf("%+v: %v %+v", tt, err, r)
		}
	}
}

func TestParseAccessLog(t *testing.T) {
	b, err := os.ReadFile("testdata/s3.log")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	for line := range strings.Lines(string(b)) {
		r, err := ParseAccessLog(line)
		fmt.Fprintf(&out, "%+v %v\n", r, err)
	}
	golden(t, "s3.log.parsed", out.Bytes())
}

func TestParseAccessLogPass(t *testing.T) {
	e := changed(func(e *daypass.Event) { e.URI = "/b/k?x-daypass-name=for%20Joe&X-Amz-Signature=" + hexSignature })
	r, err := ParseAccessLog(line(e))
	if err != nil || !r.Presigned() || r.PassName() != "for Joe" || r.Method != "GET" || r.Protocol != "HTTP/1.1" ||
		r.URI != "/b/k?x-daypass-name=for%20Joe&X-Amz-Signature=REDACTED" {
		t.Errorf("%v %+v", err, r)
	}
}

func FuzzParseAccessLog(f *testing.F) {
	f.Add(line(example()))
	f.Add(line(refusal()))
	f.Add(`- - [x] "`)
	f.Fuzz(func(t *testing.T, line string) {
		r, err := ParseAccessLog(line)
		if err == nil && r.Time.IsZero() && !strings.Contains(line, "0001") {
			t.Errorf("%q: %+v", line, r)
		}
	})
}

func TestLogPrefixKey(t *testing.T) {
	const unique = "0123456789ABCDEF"
	p := LogPrefix{Prefix: "logs/", AccountID: "111122223333", Region: "us-east-1", Bucket: "my-bucket", EventTime: true}
	if got := p.Key(when, unique); got != "logs/2026-02-06-00-00-38-"+unique {
		t.Error(got)
	}
	p.Partitioned = true
	if got := p.Key(when, unique); got != "logs/111122223333/us-east-1/my-bucket/2026/02/06/2026-02-06-00-00-00-"+unique {
		t.Error(got)
	}
	p.EventTime = false
	if got := p.Key(when, unique); got != "logs/111122223333/us-east-1/my-bucket/2026/02/06/2026-02-06-00-00-38-"+unique {
		t.Error(got)
	}
}

func TestAccessLogAllocatesNothing(t *testing.T) {
	e, buf := example(), make([]byte, 0, 4096)
	if n := testing.AllocsPerRun(100, func() { buf = AppendAccessLog(buf[:0], e) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAppendAccessLog(b *testing.B) {
	e, buf := example(), make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendAccessLog(buf[:0], e)
	}
}

func BenchmarkAppendEvent(b *testing.B) {
	e, buf := example(), make([]byte, 0, 4096)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendEvent(buf[:0], e)
	}
}

func BenchmarkDecodeEvent(b *testing.B) {
	var e daypass.Event
	buf := string(AppendEvent(nil, example()))
	b.ReportAllocs()
	for b.Loop() {
		if err := DecodeEvent(buf, &e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkClean(b *testing.B) {
	e := example()
	b.ReportAllocs()
	for b.Loop() {
		Clean(e)
	}
}

// line is the line of an event as the spool has it.
func line(e *daypass.Event) string {
	clean := *e
	Clean(&clean)
	return string(AppendAccessLog(nil, &clean))
}

func ExampleAppendAccessLog() {
	e := &daypass.Event{
		Time: time.Date(2026, 2, 6, 0, 0, 38, 0, time.UTC), RequestID: "3E57427F3EXAMPLE", Operation: "REST.GET.OBJECT",
		Object: daypass.ObjectRef{Bucket: "photos", Key: "puppy.jpg"}, Grant: daypass.Grant{Scheme: daypass.SchemeQuery, SignatureVersion: "SigV4"},
		Source: "192.0.2.3", Method: "GET", URI: "/photos/puppy.jpg?X-Amz-Signature=fe5f80", Protocol: "HTTP/1.1",
		Status: 200, Sent: 4096, ObjectSize: 4096, Total: 7e6, UserAgent: "curl/8.5.0",
	}
	fmt.Print(line(e))
	// Output:
	// - photos [06/Feb/2026:00:00:38 +0000] 192.0.2.3 - 3E57427F3EXAMPLE REST.GET.OBJECT puppy.jpg "GET /photos/puppy.jpg?X-Amz-Signature=REDACTED HTTP/1.1" 200 - 4096 4096 7 - "-" "curl/8.5.0" - - SigV4 - QueryString - - - - -
}

// BenchmarkAppendClean cleans what a request with a pass stores.
func BenchmarkAppendClean(b *testing.B) {
	e := example()
	e.URI = strings.Replace(e.URI, redacted, hexSignature, 1)
	stored := string(AppendEvent(nil, e))
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendClean(buf[:0], stored)
	}
}
