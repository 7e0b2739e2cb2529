package s3

import (
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/daypass/daypass"
	"github.com/google/go-cmp/cmp"
)

type carries map[string]bool

func (c carries) Carries(name string) bool { return c[name] }

func TestFind(t *testing.T) {
	none, copied := carries{}, carries{"X-Amz-Copy-Source": true}
	for _, c := range []struct {
		method string
		level  Level
		sub    string
		with   carries
		want   daypass.Action
	}{
		{"GET", ServiceLevel, "", none, "ListBuckets"},
		{"PUT", ServiceLevel, "", none, ""},
		{"GET", BucketLevel, "", none, "ListObjects"},
		{"GET", BucketLevel, "list-type", none, "ListObjectsV2"},
		{"GET", BucketLevel, "analytics", none, "ListBucketAnalyticsConfigurations"},
		{"GET", BucketLevel, "analytics", carries{"id": true}, "GetBucketAnalyticsConfiguration"},
		{"PUT", BucketLevel, "acl", none, "PutBucketAcl"},
		{"POST", BucketLevel, "", none, "PostObject"},
		{"PUT", ObjectLevel, "", none, "PutObject"},
		{"PUT", ObjectLevel, "", copied, "CopyObject"},
		{"PUT", ObjectLevel, "", carries{"X-Amz-Copy-Source": true, "partNumber": true}, "UploadPart"},
		{"PUT", ObjectLevel, "acl", copied, "PutObjectAcl"},
		{"PUT", ObjectLevel, "uploadId", none, "UploadPart"},
		{"PUT", ObjectLevel, "uploadId", copied, "UploadPartCopy"},
		{"PUT", ObjectLevel, "uploads", none, ""},
		{"PUT", ObjectLevel, "versions", none, ""},
		{"POST", ObjectLevel, "", none, ""},
		{"PATCH", ObjectLevel, "", none, ""},
		{"get", ObjectLevel, "", none, ""},
	} {
		a, ok := Find(c.method, c.level, c.sub, c.with)
		if ok != (c.want != "") || ok && a.Name != c.want {
			t.Errorf("Find(%s, %s, %q, %v) = %v, %v, want %q", c.method, c.level, c.sub, c.with, a, ok, c.want)
		}
	}
}

// TestActionTable checks what no row may lack, and that no row hides another.
func TestActionTable(t *testing.T) {
	seen := map[string]daypass.Action{}
	for _, a := range Actions() {
		if a.Name == "" || a.Method == "" || !strings.HasPrefix(a.Permission, "s3") {
			t.Errorf("incomplete row: %+v", a)
		}
		key := fmt.Sprint(a.Method, a.Level, a.Sub, a.With)
		if other, taken := seen[key]; taken {
			t.Errorf("%s and %s look the same", a.Name, other)
		}
		seen[key] = a.Name
		if a.With != "" {
			if _, hides := seen[fmt.Sprint(a.Method, a.Level, a.Sub, "")]; hides {
				t.Errorf("%s comes after the row that takes its requests", a.Name)
			}
		}
	}
}

func TestSubResource(t *testing.T) {
	for _, c := range []struct{ name, value, want string }{
		{"acl", "", "acl"}, {"ACL", "", ""}, {"list-type", "2", "list-type"}, {"list-type", "1", ""},
		{"prefix", "acl", ""}, {"x-id", "PutObject", ""}, {"object-lock", "", "object-lock"},
	} {
		if got := SubResource(c.name, c.value); got != c.want {
			t.Errorf("SubResource(%q, %q) = %q, want %q", c.name, c.value, got, c.want)
		}
	}
}

func TestErrorOf(t *testing.T) {
	secret := errors.New("disk /dev/sda1 is on fire")
	for _, c := range []struct {
		err  error
		want daypass.Error
	}{
		{secret, daypass.Error{Code: "InternalError", Message: "We encountered an internal error. Please try again."}},
		{&daypass.Error{Code: "InternalError", Message: "leak", Err: secret}, daypass.Error{Code: "InternalError", Message: "We encountered an internal error. Please try again."}},
		{&daypass.Error{Code: daypass.NoSuchAccessKey, Message: "leak"}, daypass.Error{Code: "InternalError", Message: "We encountered an internal error. Please try again."}},
		{&daypass.Error{Op: "op", Code: daypass.NoSuchKey, Err: secret}, daypass.Error{Code: "NoSuchKey", Message: "The specified key does not exist."}},
		{fmt.Errorf("wrapped: %w", &daypass.Error{Code: daypass.InvalidArgument, Message: "own"}), daypass.Error{Code: "InvalidArgument", Message: "own"}},
	} {
		if diff := cmp.Diff(c.want, *ErrorOf(c.err)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.err, diff)
		}
	}
}

func TestErrorTable(t *testing.T) {
	for code, row := range errorTable {
		if row.status < 300 || row.status > 599 || row.message == "" {
			t.Errorf("%s: %+v", code, row)
		}
	}
	if Status("Unheard") != 500 || Message("Unheard") != Message(daypass.InternalError) {
		t.Error("an unknown code is not an internal error")
	}
}

func TestParseDelete(t *testing.T) {
	object := "<Object><Key>k</Key></Object>"
	for _, c := range []struct {
		name, body string
		want       *DeleteRequest
	}{
		{"plain", `<Delete xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Quiet>true</Quiet><Object><Key> a&amp;b </Key><VersionId>null</VersionId><ETag>"e"</ETag></Object></Delete>`,
			&DeleteRequest{Quiet: true, Objects: []DeleteObject{{Key: " a&b ", VersionID: "null", ETag: `"e"`}}}},
		{"unknown elements", "<?xml version=\"1.0\"?>\n<!-- c --><Delete><New/><Object><Other>x</Other><Key>k</Key></Object></Delete>\n", &DeleteRequest{Objects: []DeleteObject{{Key: "k"}}}},
		{"most", "<Delete>" + strings.Repeat(object, 1000) + "</Delete>", nil},
		{"too many", "<Delete>" + strings.Repeat(object, 1001) + "</Delete>", nil},
		{"none", "<Delete></Delete>", nil},
		{"no key", "<Delete><Object></Object></Delete>", nil},
		{"other root", "<Remove>" + object + "</Remove>", nil},
		{"second root", "<Delete>" + object + "</Delete><Delete/>", nil},
		{"text behind", "<Delete>" + object + "</Delete>x", nil},
		{"cut off", "<Delete>" + object, nil},
		{"not XML", "delete everything", nil},
		{"empty", "", nil},
		{"entity", `<!DOCTYPE d [<!ENTITY e "x">]><Delete><Object><Key>&e;</Key></Object></Delete>`, nil},
	} {
		got, err := ParseDelete([]byte(c.body))
		switch {
		case c.name == "most":
			if err != nil || len(got.Objects) != 1000 {
				t.Errorf("1,000 keys are refused: %v", err)
			}
		case c.want == nil:
			if daypass.CodeOf(err) != daypass.MalformedXML {
				t.Errorf("%s: error %v, want MalformedXML", c.name, err)
			}
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		default:
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", c.name, diff)
			}
		}
	}
}

func TestParseBucketConfiguration(t *testing.T) {
	const root = `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">`
	for _, c := range []struct {
		body, region string
		ok           bool
	}{
		{"", "", true}, {" \n", "", true},
		{root + "<LocationConstraint> eu-west-1\n</LocationConstraint></CreateBucketConfiguration>", "eu-west-1", true},
		{root + "<Unknown>x</Unknown></CreateBucketConfiguration>", "", true},
		{"<LocationConstraint>eu-west-1</LocationConstraint>", "", false},
		{"<CreateBucketConfiguration>", "", false},
	} {
		got, err := ParseBucketConfiguration([]byte(c.body))
		if (err == nil) != c.ok || c.ok && got.LocationConstraint != c.region {
			t.Errorf("%q: %+v, %v", c.body, got, err)
		}
	}
	got, err := ParseBucketConfiguration([]byte(root + "<Tags><Tag/></Tags><Bucket/><Location/></CreateBucketConfiguration>"))
	if err != nil || got.Tags == nil || got.Bucket == nil || got.Location == nil {
		t.Errorf("what asks for more is not seen: %+v, %v", got, err)
	}
}

func FuzzParseDelete(f *testing.F) {
	f.Add([]byte("<Delete><Object><Key>k</Key></Object></Delete>"))
	f.Add([]byte("<Delete"))
	f.Fuzz(func(t *testing.T, body []byte) {
		r, err := ParseDelete(body)
		if err == nil && (len(r.Objects) == 0 || len(r.Objects) > 1000) {
			t.Errorf("%d objects", len(r.Objects))
		}
	})
}

// FuzzErrorBody checks that whatever a client sent, the error that echoes it
// is XML that a strict parser reads, and says the same.
func FuzzErrorBody(f *testing.F) {
	f.Add("a<b>&\"'\x00\xff\r\n")
	f.Add("]]>\uFFFE\u0085")
	f.Fuzz(func(t *testing.T, value string) {
		e := &daypass.Error{Code: "InvalidArgument", Message: "m", Details: []daypass.Detail{{Name: "ArgumentValue", Value: value}}}
		var got struct{ ArgumentValue string }
		if err := xml.Unmarshal(AppendError(nil, e, "i", "h"), &got); err != nil {
			t.Fatal(err)
		}
		if strings.ToValidUTF8(value, "") == value && ValidHeaderValue(value) && !strings.ContainsAny(value, "\uFFFE\uFFFF") && got.ArgumentValue != value {
			t.Errorf("%q became %q", value, got.ArgumentValue)
		}
	})
}

func TestEncodeURL(t *testing.T) {
	for in, want := range map[string]string{
		"plain/key-_.*": "plain/key-_.*", "a b+c": "a%20b%2Bc", "~(é)": "%7E%28%C3%A9%29", "": "", "\x00": "%00", "%": "%25",
	} {
		if got := EncodeURL(in); got != want {
			t.Errorf("EncodeURL(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestParseTime(t *testing.T) {
	for _, s := range []string{
		"Fri, 06 Feb 2026 00:00:38 GMT", "Fri, 06 Feb 2026 00:00:38 UTC", "Fri, 06 Feb 2026 01:00:38 +0100",
		"Friday, 06-Feb-26 00:00:38 GMT", "Fri Feb  6 00:00:38 2026", "Fri, 6 Feb 2026 00:00:38 GMT",
		"2026-02-06T00:00:38Z", "20260206T000038Z", " Fri, 06 Feb 2026 00:00:38 GMT ",
	} {
		got, ok := ParseTime(s)
		if !ok || got.Unix() != 1770336038 {
			t.Errorf("ParseTime(%q) = %v, %v", s, got, ok)
		}
	}
	for _, s := range []string{"", "yesterday", "0", "2026-02-06"} {
		if got, ok := ParseTime(s); ok {
			t.Errorf("ParseTime(%q) = %v", s, got)
		}
	}
}

func TestLatin1(t *testing.T) {
	for _, c := range []struct {
		in, want string
		ok       bool
	}{
		{"attachment", "attachment", true}, {"", "", true}, {"é", "\xE9", true}, {"a\tb", "a\tb", true},
		{"日本", "", false}, {"a\r\nSet-Cookie: x", "", false}, {"a\nb", "", false}, {"\x7f", "", false},
		{"\u0085", "", false}, {"\xff", "", false}, {"\x00", "", false},
	} {
		got, ok := Latin1(c.in)
		if got != c.want || ok != c.ok {
			t.Errorf("Latin1(%q) = %q, %v, want %q, %v", c.in, got, ok, c.want, c.ok)
		}
	}
}

func TestHeaderNames(t *testing.T) {
	for name, want := range map[string]bool{"a": true, "A-b_c.1": true, "": false, "a b": false, "a:b": false, "é": false, "a\r": false} {
		if got := ValidHeaderName(name); got != want {
			t.Errorf("ValidHeaderName(%q) = %v", name, got)
		}
	}
}

func TestETags(t *testing.T) {
	for in, want := range map[string]string{`"e"`: "e", "e": "e", ` "e" `: "e", `"`: `"`, "": "", `W/"e"`: `W/"e"`} {
		if got := UnquoteETag(in); got != want {
			t.Errorf("UnquoteETag(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestNamedValues(t *testing.T) {
	for name, want := range map[string][2]bool{"STANDARD": {true, true}, "GLACIER": {true, false}, "standard": {false, false}} {
		if known, online := StorageClass(name); [2]bool{known, online} != want {
			t.Errorf("StorageClass(%q) = %v, %v", name, known, online)
		}
	}
}

func BenchmarkListBody(b *testing.B) {
	r := ListObjectsResult{Bucket: "photos", MaxKeys: 1000}
	for i := range 1000 {
		r.Objects = append(r.Objects, Object{Key: fmt.Sprintf("2026/02/%04d.jpg", i), Modified: when, ETag: "d41d8cd98f00b204e9800998ecf8427e"})
	}
	b.ReportAllocs()
	for b.Loop() {
		r.AppendV2(nil)
	}
}
