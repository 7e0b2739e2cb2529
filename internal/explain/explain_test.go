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

// TestMistake changes a URL as the field does, and expects the secret to tell
// the one change that was made.
func TestMistake(t *testing.T) {
	u := presign(t, "https://files.example.com", sign.PresignOptions{}, sign.URLRequest{Method: "PUT", Bucket: "b", Key: "x y"})
	typed := presign(t, "https://files.example.com", sign.PresignOptions{}, sign.URLRequest{Method: "PUT", Bucket: "b", Key: "k",
		Header: http.Header{"Content-Type": {"text/plain"}}})
	for name, c := range map[string]struct{ url, method, want string }{
		"tracker":  {u + "&fbclid=1", "", `without "fbclid"`},
		"method":   {u, "GET", "the method PUT"},
		"port":     {strings.Replace(u, ".com/", ".com:8443/", 1), "", `the host "files.example.com"`},
		"encoding": {strings.Replace(u, "%20", "%2520", 1), "PUT", "encoded twice when it was sent"},
		"type":     {typed, "PUT", `"content-type: text/plain"`},
		"lifetime": {strings.Replace(u, "Expires=3600", "Expires=3601", 1), "", ""},
	} {
		r, err := URL(c.url, Options{Now: now, Method: c.method, Secret: key.Secret})
		if err != nil {
			t.Fatal(err)
		}
		if r.Matches || !strings.Contains(r.Mistake, c.want) || c.want == "" && r.Mistake != "" ||
			!strings.Contains(strings.Join(r.Warnings, "\n"), r.Mistake) {
			t.Errorf("%s: mistake %q, warnings %q", name, r.Mistake, r.Warnings)
		}
	}
}

// TestUnprovenHeader checks that the value of a header, which only who signed
// knows, is not taken for another secret.
func TestUnprovenHeader(t *testing.T) {
	u := presign(t, "https://h", sign.PresignOptions{}, sign.URLRequest{Method: "PUT", Bucket: "b", Key: "k", Header: http.Header{"Content-Type": {"a/b"}}})
	r, err := URL(u, Options{Now: now, Secret: key.Secret})
	if err != nil || r.Checked || r.Matches || strings.Contains(strings.Join(r.Warnings, "\n"), "another secret") {
		t.Errorf("%+v, %v", r, err)
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
		"limit":     {presign(t, "https://h", sign.PresignOptions{}, sign.URLRequest{Method: "GET", Bucket: "b", Key: "k", Query: sign.Query{{Name: "x-daypass-uses", Value: "1"}}}), "plain S3 ignores the limits", Options{}},
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

func limited(q ...sign.Param) sign.URLRequest {
	return sign.URLRequest{Method: "GET", Bucket: "b", Key: "tree/", Query: q}
}

// TestLimits checks that limits are told in words, and that what a server
// would refuse is told in its words.
func TestLimits(t *testing.T) {
	p := func(name, value string) sign.Param { return sign.Param{Name: name, Value: value} }
	v4, v2 := sign.PresignOptions{}, sign.PresignOptions{Version: sign.V2}
	for name, c := range map[string]struct {
		url     string
		words   string
		refused string
		warning string
		expired bool
	}{
		"uses":       {url: presign(t, "https://h", v4, limited(p("x-daypass-uses", "1"))), words: "Can be used once."},
		"until":      {url: presign(t, "https://h", v4, limited(p("x-daypass-until", "20260301T000000Z"))), words: "Ends at 2026-03-01 00:00:00 UTC.", warning: "until 2026-02-06T01:00:00Z"},
		"until past": {url: presign(t, "https://h", v4, limited(p("x-daypass-until", "20260205T000000Z"))), words: "Ends at", expired: true},
		"not before": {url: presign(t, "https://h", v4, limited(p("x-daypass-not-before", "20260206T003000Z"))), words: "Not before", warning: "not good yet"},
		"unknown":    {url: presign(t, "https://h", v4, limited(p("x-daypass-foo", "1"))), refused: "The limit x-daypass-foo is unknown"},
		"case":       {url: presign(t, "https://h", v4, limited(p("X-Daypass-Uses", "1"))), refused: "must be written in lower case"},
		"repeated":   {url: presign(t, "https://h", v4, limited(p("x-daypass-uses", "1"), p("x-daypass-uses", "2"))), refused: "is repeated"},
		"malformed":  {url: presign(t, "https://h", v4, limited(p("x-daypass-uses", "01"))), refused: "The limit x-daypass-uses must be"},
		"unfit":      {url: presign(t, "https://h", v4, limited(p("x-daypass-size", "1-2"))), refused: "cannot be enforced for GetObject"},
		"Version 2":  {url: presign(t, "https://h", v2, limited()) + "&x-daypass-uses=1", refused: "Signature Version 2"},
		"prefix":     {url: presign(t, "https://h", v4, limited(p("x-daypass-prefix", "tree/"))), words: "everything below"},
		"below":      {url: strings.Replace(presign(t, "https://h", v4, limited(p("x-daypass-prefix", "tree/"))), "tree/?", "tree/a%20b?", 1), words: "everything below"},
		"listing":    {url: presign(t, "https://h", v4, sign.URLRequest{Method: "GET", Bucket: "b", Query: sign.Query{p("list-type", "2"), p("x-daypass-prefix", "tree/")}}) + "&max-keys=2&prefix=tree%2Fa", words: "everything below"},
	} {
		r, err := URL(c.url, Options{Now: now, Secret: key.Secret, Method: "GET"})
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(strings.Join(r.Limits, "\n"), c.words) || c.words == "" && c.refused == "" {
			t.Errorf("%s: limits %q", name, r.Limits)
		}
		if !strings.Contains(r.LimitError, c.refused) || c.refused == "" && r.LimitError != "" {
			t.Errorf("%s: refused with %q", name, r.LimitError)
		}
		if !strings.Contains(strings.Join(r.Warnings, "\n"), c.warning) {
			t.Errorf("%s: warnings %q", name, r.Warnings)
		}
		// Version 2 does not sign limits, so the verifier refuses them.
		if r.Expired != c.expired || r.Matches != (name != "Version 2") {
			t.Errorf("%s: expired %v, matches %v", name, r.Expired, r.Matches)
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
