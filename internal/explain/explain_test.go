package explain

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass/sign"
)

var (
	key = sign.Key{ID: "AKIAIOSFODNN7EXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}
	now = time.Date(2026, 2, 6, 0, 0, 0, 0, time.UTC)
)

func presign(t testing.TB, endpoint string, opts sign.PresignOptions, r sign.URLRequest) string {
	t.Helper()
	p, err := sign.NewPresigner(key, endpoint, "us-east-1", opts)
	if err != nil {
		t.Fatal(err)
	}
	r.Time = now
	if r.Lifetime == 0 {
		r.Lifetime = time.Hour
	}
	u, err := p.Presign(r)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestFindsMethodAndAction checks that the secret proves what a URL permits,
// for every version and both styles.
func TestFindsMethodAndAction(t *testing.T) {
	for _, c := range []struct {
		method, key string
		query       sign.Query
		action      string
	}{
		{"GET", "a/b c", nil, "GetObject"},
		{"PUT", "a", nil, "PutObject"},
		{"HEAD", "a", nil, "HeadObject"},
		{"DELETE", "a", nil, "DeleteObject"},
		{"PUT", "a", sign.Query{{Name: "partNumber", Value: "1"}, {Name: "uploadId", Value: "x"}}, "UploadPart"},
		{"GET", "", sign.Query{{Name: "list-type", Value: "2"}}, "ListObjectsV2"},
		{"HEAD", "", nil, "HeadBucket"},
	} {
		for _, version := range []sign.Version{sign.V4, sign.V4A, sign.V2} {
			for _, endpoint := range []string{"https://s3.eu-west-1.amazonaws.com", "https://s3.test"} {
				for _, vhost := range []bool{false, true} {
					u := presign(t, endpoint, sign.PresignOptions{Version: version, VirtualHost: vhost},
						sign.URLRequest{Method: c.method, Bucket: "my.bucket", Key: c.key, Query: c.query})
					r, err := URL(u, Options{Now: now, Secret: key.Secret, Domains: []string{"s3.test"}})
					if err != nil {
						t.Fatal(err)
					}
					if !r.Matches || r.Method != c.method || string(r.Action) != c.action || r.Bucket != "my.bucket" || r.Key != c.key || r.Endpoint != endpoint {
						t.Errorf("%s %s: %+v", version, u, r)
					}
				}
			}
		}
	}
}

func TestWrongSecret(t *testing.T) {
	u := presign(t, "https://h", sign.PresignOptions{}, sign.URLRequest{Method: "GET", Bucket: "b", Key: "k"})
	r, err := URL(u, Options{Now: now, Secret: "other"})
	if err != nil || !r.Checked || r.Matches || len(r.Warnings) == 0 {
		t.Errorf("%+v %v", r, err)
	}
}

// TestDifferences changes a canonical request as the field does, and expects
// the usual cause to be named.
func TestDifferences(t *testing.T) {
	u := presign(t, "https://files.example.com", sign.PresignOptions{}, sign.URLRequest{Method: "PUT", Bucket: "b", Key: "x//y z",
		Header: http.Header{"Content-Type": {"text/plain"}}})
	in, err := sign.Inspect(u)
	if err != nil {
		t.Fatal(err)
	}
	canonical := in.CanonicalRequest("PUT")
	for name, c := range map[string]struct{ old, new, part, cause string }{
		"method":       {"PUT\n", "POST\n", "method", "another method"},
		"host":         {"host:files.example.com", "host:minio:9000", "header", "opened at another"},
		"port":         {"host:files.example.com", "host:files.example.com:8443", "header", "port differs"},
		"prefix":       {"/b/x", "/s3/b/x", "path", "path prefix"},
		"slashes":      {"x//y", "x/y", "path", "merged the slashes"},
		"encoding":     {"y%20z", "y%2520z", "path", "percent-encoded twice"},
		"added":        {"X-Amz-SignedHeaders=", "X-Amz-New=1&X-Amz-SignedHeaders=", "query", "added after signing"},
		"removed":      {"X-Amz-Expires=3600&", "", "query", "removed on the way"},
		"changed":      {"X-Amz-Expires=3600&", "X-Amz-Expires=7200&", "query", "was changed"},
		"header value": {"content-type:", "content-type:text/html", "header", "exactly the value"},
		"payload":      {"UNSIGNED-PAYLOAD", sign.EmptySHA256, "payload", "hash"},
	} {
		seen := strings.Replace(canonical, c.old, c.new, 1)
		if seen == canonical {
			t.Fatalf("%s: nothing changed in %q", name, canonical)
		}
		r, err := URL(u, Options{Now: now, Method: "PUT", Refused: &Refusal{CanonicalRequest: seen}})
		if err != nil {
			t.Fatal(err)
		}
		if r.Difference == nil || r.Difference.Part != c.part || !strings.Contains(r.Difference.Cause, c.cause) {
			t.Errorf("%s: %+v", name, r.Difference)
		}
	}
	r, err := URL(u, Options{Now: now, Method: "PUT", Refused: &Refusal{CanonicalRequest: canonical}})
	if err != nil || r.Difference != nil {
		t.Errorf("no difference: %+v %v", r.Difference, err)
	}
}

func TestWarnings(t *testing.T) {
	for name, c := range map[string]struct {
		url, warning string
		o            Options
	}{
		"loopback":  {presign(t, "http://127.0.0.1:9000", sign.PresignOptions{}, sign.URLRequest{Method: "GET", Bucket: "b", Key: "k"}), "this machine", Options{}},
		"http":      {presign(t, "http://h", sign.PresignOptions{}, sign.URLRequest{Method: "GET", Bucket: "b", Key: "k"}), "plain HTTP", Options{}},
		"V2":        {presign(t, "https://h", sign.PresignOptions{Version: sign.V2}, sign.URLRequest{Method: "GET", Bucket: "b", Key: "k"}), "Version 2", Options{}},
		"header":    {presign(t, "https://h", sign.PresignOptions{}, sign.URLRequest{Method: "PUT", Bucket: "b", Key: "k", Header: http.Header{"Content-Type": {"a/b"}}}), "content-type is signed", Options{}},
		"limit":     {presign(t, "https://h", sign.PresignOptions{}, sign.URLRequest{Method: "GET", Bucket: "b", Key: "k", Query: sign.Query{{Name: "x-daypass-uses", Value: "1"}}}), "limit of Daypass", Options{}},
		"future":    {presign(t, "https://h", sign.PresignOptions{}, sign.URLRequest{Method: "GET", Bucket: "b", Key: "k"}), "in the future", Options{Now: now.Add(-time.Hour)}},
		"region":    {presign(t, "https://h", sign.PresignOptions{}, sign.URLRequest{Method: "GET", Bucket: "b", Key: "k"}), "is in eu-west-1", Options{Refused: &Refusal{Code: "AuthorizationQueryParametersError", Region: "eu-west-1"}}},
		"key":       {presign(t, "https://h", sign.PresignOptions{}, sign.URLRequest{Method: "GET", Bucket: "b", Key: "k"}), "does not know the access key", Options{Refused: &Refusal{Code: "InvalidAccessKeyId"}}},
		"clock":     {presign(t, "https://h", sign.PresignOptions{}, sign.URLRequest{Method: "GET", Bucket: "b", Key: "k"}), "server's clock", Options{Refused: &Refusal{ServerTime: now.Add(time.Hour)}}},
		"temporary": {strings.Replace(presign(t, "https://h", sign.PresignOptions{}, sign.URLRequest{Method: "GET", Bucket: "b", Key: "k"}), "AKIA", "ASIA", 1), "Security-Token is missing", Options{}},
	} {
		if c.o.Now.IsZero() {
			c.o.Now = now
		}
		r, err := URL(c.url, c.o)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(strings.Join(r.Warnings, "\n"), c.warning) {
			t.Errorf("%s: %q", name, r.Warnings)
		}
	}
}

// FuzzURL explains hostile URLs and refusals without a panic.
func FuzzURL(f *testing.F) {
	f.Add(presign(f, "https://b.s3.amazonaws.com", sign.PresignOptions{}, sign.URLRequest{Method: "GET", Bucket: "b", Key: "k"}), "GET\n/\n\nhost:h\n\nhost\nX")
	f.Add("https://h/?AWSAccessKeyId=a&Expires=1&Signature=AAAA", "")
	f.Fuzz(func(t *testing.T, u, canonical string) {
		r, err := URL(u, Options{Now: now, Secret: "s", Refused: &Refusal{CanonicalRequest: canonical}})
		if err == nil && r.Matches {
			t.Errorf("%q matches a secret that did not sign it", u)
		}
	})
}
