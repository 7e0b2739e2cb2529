package s3store

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/server"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/store"
)

// openProbed opens a driver as a node does.
func openProbed(t *testing.T, c Config) *Driver {
	t.Helper()
	d, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

// TestProbe: Daypass can do what S3 can, and nothing is left of finding out.
func TestProbe(t *testing.T) {
	d := openProbed(t, newUpstream(t))
	want := d.can
	for _, field := range []*bool{
		&want.PutIfNoneMatch, &want.PutIfMatch, &want.DeleteIfMatch, &want.CompleteIfNoneMatch, &want.Checksums, &want.Versioning,
		&want.ObjectLock, &want.VersionedConditions, &want.MarkersTold, &want.TaggingCount, &want.GetObjectAttributes, &want.SignedHeadersOnly,
	} {
		*field = true
	}
	if diff := cmp.Diff(want, d.can); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	left, _, err := d.listControl(t.Context(), "probe/", "", 10)
	if err != nil || len(left) != 0 {
		t.Errorf("left of probing: %v, %v", left, err)
	}
	buckets, err := d.client.ListBuckets(t.Context(), &s3.ListBucketsInput{})
	if err != nil || len(buckets.Buckets) != 1 || *buckets.Buckets[0].Name != DefaultControl {
		t.Errorf("buckets: %v, %v", buckets.Buckets, err)
	}
	if n := d.Endpoints()[0].Failures; n != 0 {
		t.Errorf("probing counts as %d failures of the endpoint", n)
	}
}

// TestOpenSaysWhatToDo opens drivers that cannot work.
func TestOpenSaysWhatToDo(t *testing.T) {
	good := newUpstream(t)
	for what, tt := range map[string]struct {
		change func(*Config)
		words  string
	}{
		"no bucket":      {func(c *Config) { c.Bucket = "missing" }, "create it"},
		"unknown key":    {func(c *Config) { c.Credentials = credentials.NewStaticCredentialsProvider("AKIDOTHER", "x", "") }, "AWS_ACCESS_KEY_ID"},
		"wrong secret":   {func(c *Config) { c.Credentials = credentials.NewStaticCredentialsProvider(upstreamKey.ID, "x", "") }, "AWS_ACCESS_KEY_ID"},
		"nobody listens": {func(c *Config) { c.Endpoints = []string{"http://127.0.0.1:1"} }, "endpoint="},
	} {
		c := good
		tt.change(&c)
		_, err := Open(t.Context(), c)
		if err == nil || !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%s: error %v, want %q", what, err, tt.words)
		}
		if err != nil && strings.Contains(err.Error(), string(upstreamKey.Secret)) {
			t.Errorf("%s: the error shows the secret", what)
		}
	}
}

func TestClock(t *testing.T) {
	now := time.Date(2026, 2, 6, 12, 0, 0, 500e6, time.UTC)
	for _, tt := range []struct {
		ahead, took   time.Duration
		agrees, known bool
	}{
		{0, 0, true, true},
		{time.Second, 0, true, true},
		{-time.Second, 0, true, true},
		{2 * time.Second, 0, false, true},
		{-2 * time.Second, 0, false, true},
		{time.Hour, 0, false, true},
		{0, 2 * time.Second, false, false}, // says too little
	} {
		var c clock
		c.observe(now.Add(tt.ahead).Format(http.TimeFormat), now.Add(-tt.took), now)
		if agrees, known := c.agrees(now); agrees != tt.agrees || known != tt.known {
			t.Errorf("%v ahead after %v: agrees %v, known %v", tt.ahead, tt.took, agrees, known)
		}
	}
	var c clock
	c.observe("yesterday", now, now)
	if _, known := c.agrees(now); known {
		t.Error("a Date that is none counts")
	}
	c.observe(now.Format(http.TimeFormat), now, now)
	if _, known := c.agrees(now.Add(clockFresh + 1)); known {
		t.Error("an old comparison counts")
	}
}

// A front is a node that redirects to an upstream Daypass.
type front struct {
	*Driver
	store *store.Store
	url   string
	log   bytes.Buffer
}

// frontKey signs passes. It does not exist upstream.
var frontKey = daypass.AccessKey{ID: "AKIDFRONT", Secret: "a secret of the node", Owner: "front"}

type frontKeys struct{}

func (frontKeys) AccessKey(_ context.Context, id string) (daypass.AccessKey, error) {
	if id != frontKey.ID {
		return daypass.AccessKey{}, &daypass.Error{Code: daypass.NoSuchAccessKey}
	}
	return frontKey, nil
}

func newFront(t *testing.T, change ...func(*Config)) *front {
	t.Helper()
	c := newUpstream(t)
	for _, f := range change {
		f(&c)
	}
	f := &front{Driver: openProbed(t, c)}
	f.store = store.New(f.Driver)
	h, err := server.New(server.Config{
		Store: f.store, Keys: frontKeys{}, Region: defaultRegion, Redirect: server.RedirectAll,
		Logger: slog.New(slog.NewTextHandler(&f.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	node := httptest.NewServer(h)
	t.Cleanup(node.Close)
	f.url = node.URL
	if _, err := f.store.CreateBucket(t.Context(), store.Bucket{Name: "photos", Owner: frontKey.Owner}, time.Now()); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *front) put(t *testing.T, key, text string) {
	t.Helper()
	u, err := store.NewUpload(strings.NewReader(text), store.UploadOptions{Size: int64(len(text))})
	if err == nil {
		_, err = f.store.PutObject(t.Context(), &store.PutRequest{Bucket: "photos", Key: key, Body: u, Owner: frontKey.Owner, Time: time.Now()})
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (f *front) pass(t *testing.T, method, key string, q ...sign.Param) string {
	t.Helper()
	p, err := sign.NewPresigner(sign.Key{ID: frontKey.ID, Secret: string(frontKey.Secret)}, f.url, defaultRegion)
	if err != nil {
		t.Fatal(err)
	}
	u, err := p.Presign(sign.URLRequest{Method: method, Bucket: "photos", Key: key, Lifetime: time.Minute, Time: time.Now(), Query: q})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// ask sends a request without following redirects.
func ask(t *testing.T, method, url, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, string(text)
}

// TestRedirectFollowed follows redirects to the upstream, and tries to get more
// out of their URLs than they are for.
func TestRedirectFollowed(t *testing.T) {
	f := newFront(t)
	f.put(t, "a b", "content")
	f.put(t, "other", "other")
	answer, _ := ask(t, "GET", f.pass(t, "GET", "a b", sign.Param{Name: limits.Name, Value: "n"},
		sign.Param{Name: "response-content-type", Value: "text/x"}), "", "Range", "bytes=1-3")
	to := answer.Header.Get("Location")
	if answer.StatusCode != 307 || !strings.HasPrefix(to, f.config.Endpoints[0]+"/photos/a%20b?") {
		t.Fatalf("status %d, Location %q", answer.StatusCode, to)
	}
	got, text := ask(t, "GET", to, "", "Range", "bytes=1-3")
	if got.StatusCode != 206 || text != "ont" || got.Header.Get("Content-Type") != "text/x" || got.Header.Get("Cache-Control") != "private, no-store" {
		t.Errorf("the upstream answers %d %q %v", got.StatusCode, text, got.Header)
	}
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	if life := u.Query().Get("X-Amz-Expires"); life != "10" || u.Query().Get("X-Amz-SignedHeaders") != "host;range" {
		t.Errorf("the URL lives %s s and signs %s", life, u.Query().Get("X-Amz-SignedHeaders"))
	}
	for what, try := range map[string]struct{ method, url, ranges string }{
		"another range":  {"GET", to, "bytes=0-6"},
		"no range":       {"GET", to, ""},
		"another key":    {"GET", strings.Replace(to, "a%20b", "other", 1), "bytes=1-3"},
		"a sub-resource": {"GET", to + "&acl=", "bytes=1-3"},
		"another type":   {"GET", strings.Replace(to, "text%2Fx", "text%2Fy", 1), "bytes=1-3"},
		"writing":        {"PUT", to, "bytes=1-3"},
		"deleting":       {"DELETE", to, "bytes=1-3"},
	} {
		var headers []string
		if try.ranges != "" {
			headers = []string{"Range", try.ranges}
		}
		if r, _ := ask(t, try.method, try.url, "", headers...); r.StatusCode != 403 {
			t.Errorf("%s: the upstream answers %d", what, r.StatusCode)
		}
	}
}

// TestRedirectPutFollowed follows the redirect of an upload, whose URL takes one
// body and nothing else.
func TestRedirectPutFollowed(t *testing.T) {
	f := newFront(t)
	to, ok, err := f.RedirectURL(t.Context(), store.RedirectRequest{
		Ref: daypass.ObjectRef{Bucket: "photos", Key: "new"}, Write: true, ContentLength: 4, ContentType: "text/x", Life: time.Hour,
	})
	if !ok || err != nil {
		t.Fatalf("no URL: %v", err)
	}
	f.put(t, "secret", "secret")
	for what, headers := range map[string][]string{
		"a copy":         {"X-Amz-Copy-Source", "/photos/secret"},
		"forged owner":   {"X-Amz-Meta-Daypass", "x"},
		"another type":   {"Content-Type", "text/html"},
		"another length": {"Content-Length", "5"},
	} {
		headers = append([]string{"Content-Type", "text/x"}, headers...)
		body := "text"
		if what == "another length" {
			body = "texts"
		}
		if r, _ := ask(t, "PUT", to, body, headers...); r.StatusCode != 403 {
			t.Errorf("%s: the upstream answers %d", what, r.StatusCode)
		}
	}
	if r, text := ask(t, "PUT", to, "text", "Content-Type", "text/x"); r.StatusCode != 200 {
		t.Fatalf("the upstream answers %d %s", r.StatusCode, text)
	}
	if obj, err := f.store.Object(t.Context(), daypass.ObjectRef{Bucket: "photos", Key: "new"}); err != nil || obj.Size != 4 {
		t.Errorf("%+v, %v", obj, err)
	}
}

// TestNoRedirect lists when a node serves objects itself.
func TestNoRedirect(t *testing.T) {
	ref := daypass.ObjectRef{Bucket: "photos", Key: "k"}
	read := store.RedirectRequest{Ref: ref, Life: time.Minute}
	write := store.RedirectRequest{Ref: ref, Life: time.Minute, Write: true}
	over := read
	over.TLS = true
	short := read
	short.Life = time.Second - 1
	dated := read
	dated.Response.Expires = "never"
	later := func() time.Time { return time.Now().Add(3 * time.Second) }
	for _, tt := range []struct {
		what   string
		change func(*Driver)
		req    store.RedirectRequest
		want   bool
	}{
		{"a read", func(*Driver) {}, read, true},
		{"a write", func(*Driver) {}, write, true},
		{"an upstream that takes headers that are not signed", func(d *Driver) { d.can.SignedHeadersOnly = false }, write, false},
		{"a read there", func(d *Driver) { d.can.SignedHeadersOnly = false }, read, true},
		{"a write into one bucket for all", func(d *Driver) { d.names.bucket = "one" }, write, false},
		{"an endpoint without TLS", func(*Driver) {}, over, false},
		{"one for clients with TLS", func(d *Driver) { d.config.RedirectEndpoint = "https://out" }, over, true},
		{"too short a life", func(*Driver) {}, short, false},
		{"a date that is none", func(*Driver) {}, dated, false},
		{"an open breaker", func(d *Driver) {
			for range tripAfter {
				d.endpoints.all[0].breaker.fail()
			}
		}, read, false},
		{"clocks that differ", func(d *Driver) {
			d.now, d.client.Options().HTTPClient.(*sender).now = later, later
			d.endpoints.all[0].clock.seen = time.Time{}
		}, read, false},
		{"a clock that is not known yet", func(d *Driver) { d.endpoints.all[0].clock.seen = time.Time{} }, read, true},
	} {
		d := openProbed(t, newUpstream(t))
		tt.change(d)
		to, ok, err := d.RedirectURL(t.Context(), tt.req)
		if err != nil || ok != tt.want || (to != "") != tt.want {
			t.Errorf("%s: %q, %v, %v", tt.what, to, ok, err)
		}
	}
}
