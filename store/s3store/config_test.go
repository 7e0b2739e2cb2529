package s3store

import (
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseURL(t *testing.T) {
	for text, want := range map[string]Config{
		"s3://":                  {},
		"s3://bucket":            {Bucket: "bucket"},
		"s3://bucket/":           {Bucket: "bucket"},
		"s3://bucket/a/b%20c":    {Bucket: "bucket", Prefix: "a/b c/"},
		"s3://?region=eu-west-1": {Region: "eu-west-1"},
		"s3://?endpoint=https://one:7480,https://two&control=c&name-prefix=p-": {
			Endpoints: []string{"https://one:7480", "https://two"}, PathStyle: true, Control: "c", NamePrefix: "p-"},
		"s3://?endpoint=https://one&style=virtual": {Endpoints: []string{"https://one"}},
		"s3://?style=path":                         {PathStyle: true},
		"s3://b?ca=/a&cert=/c&key=/k&insecure=1&profile=p&redirect-endpoint=https://out&connections=7": {
			Bucket: "b", CAFile: "/a", CertFile: "/c", KeyFile: "/k", Insecure: true, Profile: "p", RedirectEndpoint: "https://out", Connections: 7},
		"s3://?timeout=5s&connect-timeout=1s&idle-timeout=1m": {Timeout: 5 * time.Second, ConnectTimeout: time.Second, IdleTimeout: time.Minute},
	} {
		got, err := ParseURL(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", text, diff)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	const secret = "wJalrXUtnFEMI"
	for text, words := range map[string]string{
		"https://bucket":                            "s3://",
		"s3:bucket":                                 "two slashes",
		"s3://AKID:" + secret + "@bucket":           "AWS_ACCESS_KEY_ID",
		"s3://AKID:" + secret + "%zz@bucket":        "no URL",
		"s3://?secret-key=" + secret:                "AWS_ACCESS_KEY_ID",
		"s3://?access_key_id=" + secret:             "profile=NAME",
		"s3://?endpoint=https://a:" + secret + "@h": "AWS_ACCESS_KEY_ID",
		"s3://bucket:80":                            "endpoint=",
		"s3://bucket#x":                             "endpoint=",
		"s3:///prefix":                              "needs a bucket",
		"s3://b/a//c":                               "segments",
		"s3://b/../c":                               "segments",
		"s3://b?foo=1":                              `"foo" is unknown`,
		"s3://b?region=":                            "region has no value",
		"s3://b?region=a&region=b":                  "2 times",
		"s3://b?region=%zz":                         "malformed",
		"s3://b?style=dns":                          "path or virtual",
		"s3://b?insecure=yes":                       "write 1",
		"s3://b?connections=0":                      "from 1",
		"s3://b?timeout=5":                          "between 100ms and 1h",
		"s3://b?timeout=2h":                         "between 100ms and 1h",
		"s3://b?name-prefix=p":                      "one to one",
		"s3://b?control=c":                          "one to one",
		"s3://b?cert=c":                             "together",
		"s3://b?endpoint=localhost:9000":            "base URL",
		"s3://b?endpoint=ftp://h":                   "base URL",
		"s3://b?endpoint=https://h,":                "base URL",
		"s3://b?endpoint=https://h?x":               "query",
		"s3://b?redirect-endpoint=h":                "redirect-endpoint",
	} {
		_, err := ParseURL(text)
		if !errors.Is(err, ErrURL) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: error %v, want %q", text, err, words)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error repeats the secret: %v", text, err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("s3://bucket/prefix?endpoint=https://h&timeout=5s")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseURL(text)
		if err != nil && !errors.Is(err, ErrURL) {
			t.Errorf("error %v", err)
		}
		if err == nil && c.check() != nil {
			t.Error("a configuration was returned that is none")
		}
	})
}

// TestDocumentedURL reads the page that users read: it has every parameter, and
// its examples are good.
func TestDocumentedURL(t *testing.T) {
	page, err := os.ReadFile("../../docs/upstream.md")
	if err != nil {
		t.Fatal(err)
	}
	for name := range parameters() {
		if !strings.Contains(string(page), "`"+name+"`") && !strings.Contains(string(page), "`"+name+"=1`") {
			t.Errorf("the page does not have %s", name)
		}
	}
	examples := regexp.MustCompile(`'(s3://[^']*)'`).FindAllStringSubmatch(string(page), -1)
	if len(examples) == 0 {
		t.Error("the page has no example")
	}
	for _, example := range examples {
		if _, err := ParseURL(example[1]); err != nil {
			t.Errorf("%s: %v", example[1], err)
		}
	}
}
