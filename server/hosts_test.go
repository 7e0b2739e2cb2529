package server

import (
	"net/http"
	"net/netip"
	"testing"

	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
	"github.com/google/go-cmp/cmp"
)

func TestPlace(t *testing.T) {
	n, err := newNames([]string{"Localhost", "s3.example.com", "example.com"},
		[]string{"https://files.example.com/s3", "https://files.example.com/s3/deep", "https://plain.test:8443", "http://[::1]:9000/v6/"},
		[]string{"alias.localhost", "minio:9000"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host, path  string
		bucket, key string
		level       s3.Level
	}{
		// Path style, and any unknown host.
		{"127.0.0.1:9000", "/", "", "", s3.ServiceLevel},
		{"127.0.0.1:9000", "/b", "b", "", s3.BucketLevel},
		{"127.0.0.1:9000", "/b/", "b", "", s3.BucketLevel},
		{"127.0.0.1:9000", "/b/k/l", "b", "k/l", s3.ObjectLevel},
		{"127.0.0.1:9000", "/b//", "b", "/", s3.ObjectLevel},
		{"127.0.0.1:9000", "//k", "", "k", s3.ObjectLevel},
		{"127.0.0.1:9000", "//", "", "", s3.BucketLevel},
		{"unknown.test", "/b/../c", "b", "../c", s3.ObjectLevel},
		{"", "/b/k", "b", "k", s3.ObjectLevel},
		// A bucket before a domain.
		{"b.localhost", "/", "b", "", s3.BucketLevel},
		{"B.LOCALHOST:9000", "/k", "b", "k", s3.ObjectLevel},
		{"b.localhost.", "//k", "b", "/k", s3.ObjectLevel},
		{"my.bucket.localhost:80", "/k", "my.bucket", "k", s3.ObjectLevel},
		{"localhost:9000", "/b/k", "b", "k", s3.ObjectLevel},
		{".localhost", "/b/k", "b", "k", s3.ObjectLevel},
		{"notlocalhost", "/b/k", "b", "k", s3.ObjectLevel},
		// The longest domain counts; a name of the server is never a bucket.
		{"b.s3.example.com", "/k", "b", "k", s3.ObjectLevel},
		{"b.example.com", "/k", "b", "k", s3.ObjectLevel},
		{"s3.example.com", "/b/k", "s3", "b/k", s3.ObjectLevel},
		{"alias.localhost", "/b/k", "b", "k", s3.ObjectLevel},
		{"minio:9000", "/b/k", "b", "k", s3.ObjectLevel},
		// Path prefixes that a proxy passes on.
		{"files.example.com", "/s3/b/k", "b", "k", s3.ObjectLevel},
		{"files.example.com:443", "/s3/b/k", "b", "k", s3.ObjectLevel},
		{"FILES.example.com", "/s3/deep/b/k", "b", "k", s3.ObjectLevel},
		{"files.example.com", "/s3/", "", "", s3.ServiceLevel},
		{"files.example.com", "/s3", "s3", "", s3.BucketLevel},
		{"files.example.com", "/s3x/k", "s3x", "k", s3.ObjectLevel},
		{"files.example.com", "/b/s3/k", "b", "s3/k", s3.ObjectLevel},
		{"files.example.com:8080", "/s3/b/k", "files", "s3/b/k", s3.ObjectLevel},
		{"b.files.example.com", "/s3/k", "b.files", "s3/k", s3.ObjectLevel},
		{"[::1]:9000", "/v6/b/k", "b", "k", s3.ObjectLevel},
		{"plain.test:8443", "/b/k", "b", "k", s3.ObjectLevel},
	} {
		p := n.place(c.host, c.path, false)
		if p.bucket != c.bucket || p.key != c.key || p.level != c.level {
			t.Errorf("%s%s: %+v, want %q %q %s", c.host, c.path, p, c.bucket, c.key, c.level)
		}
	}
	if p := n.place("files.example.com", "/s3/b", true); p.bucket != "s3" || p.key != "b" {
		t.Errorf("a prefix that a proxy took off is taken off again: %+v", p)
	}
}

func TestNewNamesRefuses(t *testing.T) {
	for _, c := range []struct {
		what                   string
		domains, base, aliases []string
	}{
		{"domain with port", []string{"a:80x"}, nil, nil},
		{"empty domain", []string{""}, nil, nil},
		{"address as domain", []string{"127.0.0.1"}, nil, nil},
		{"dotted domain", []string{".a"}, nil, nil},
		{"no scheme", nil, []string{"files.example.com"}, nil},
		{"query", nil, []string{"https://a/?x"}, nil},
		{"user", nil, []string{"https://u@a"}, nil},
		{"other scheme", nil, []string{"ftp://a"}, nil},
		{"empty alias", nil, nil, []string{""}},
		{"URL as alias", nil, nil, []string{"http://a"}},
	} {
		if _, err := newNames(c.domains, c.base, c.aliases); err == nil {
			t.Errorf("%s is accepted", c.what)
		}
	}
}

// FuzzCandidates checks the rule itself: whatever host and path a request
// has, under every candidate it is the same resource.
func FuzzCandidates(f *testing.F) {
	n, err := newNames([]string{"localhost", "example.com"},
		[]string{"https://files.example.com/s3", "https://example.com", "http://other.test/a/b"}, []string{"alias.example.com", "bucket.localhost"})
	if err != nil {
		f.Fatal(err)
	}
	for _, h := range []string{"localhost:9000", "b.localhost", "bucket.localhost", "files.example.com", "x.files.example.com",
		"example.com", "b.example.com", "alias.example.com", "10.0.0.1", "other.test", "", ".localhost", "[::1]:80", "a..localhost"} {
		for _, p := range []string{"/", "/b", "/b/k", "/s3/b/k", "/s3/s3/k", "/a/b/c/d", "//k", "/files/s3/x"} {
			f.Add(h, p, "")
			f.Add("in", p, h)
		}
	}
	prefixes := map[string]string{"/s3": "/s3", "/a/b": "/a/b"}
	f.Fuzz(func(t *testing.T, host, path, forwarded string) {
		if path == "" || path[0] != '/' {
			return
		}
		v := view{host: host, sent: host}
		v.forward(http.Header{"X-Forwarded-Host": {forwarded}, "Forwarded": {forwarded}})
		place := n.place(v.host, path, false)
		for _, c := range n.candidates(nil, &v, path, place) {
			if got := n.place(c.Name, prefixes[c.Prefix]+path, false); !got.same(place) {
				t.Errorf("%s%s is %+v, but as %+v it is %+v", v.host, path, place, c, got)
			}
		}
	})
}

func TestCandidates(t *testing.T) {
	n, err := newNames([]string{"localhost", "files.example.com"}, []string{"https://files.example.com", "https://proxy.test/s3"}, []string{"minio:9000"})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		host, path string
		want       []sign.Host
	}{
		{"10.0.0.1:9000", "/b/k", []sign.Host{{Name: "10.0.0.1:9000"}, {Name: "files.example.com"},
			{Name: "proxy.test"}, {Name: "proxy.test", Prefix: "/s3"}, {Name: "minio:9000"}}},
		// The label stays, and goes only with domains.
		{"b.localhost", "/k", []sign.Host{{Name: "b.localhost"}, {Name: "b.files.example.com"}}},
		// A prefix passed on means the same under no other name.
		{"proxy.test", "/s3/b/k", []sign.Host{{Name: "proxy.test"}}},
	} {
		v := view{host: c.host, sent: c.host}
		got := n.candidates(nil, &v, c.path, n.place(c.host, c.path, false))
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s%s (-want +got):\n%s", c.host, c.path, diff)
		}
	}
}

func TestForward(t *testing.T) {
	for _, c := range []struct {
		header http.Header
		want   view
	}{
		{http.Header{}, view{host: "in"}},
		{http.Header{"X-Forwarded-Host": {"out:8443, evil"}}, view{host: "out:8443", forwarded: true}},
		{http.Header{"Forwarded": {`for=1.2.3.4;HOST="out";proto=https, host=evil`}}, view{host: "out", forwarded: true}},
		{http.Header{"X-Forwarded-Host": {"out"}, "X-Forwarded-Port": {"8443"}}, view{host: "out", port: "8443", forwarded: true}},
		{http.Header{"X-Forwarded-Host": {"out:1"}, "X-Forwarded-Port": {"8443"}}, view{host: "out:1", forwarded: true}},
		{http.Header{"X-Forwarded-Prefix": {"/a b/%63/"}}, view{host: "in", prefix: "/a%20b/c", forwarded: true, stripped: true}},
		{http.Header{"X-Forwarded-Prefix": {"/"}}, view{host: "in"}},
		{http.Header{"X-Forwarded-Prefix": {"a"}}, view{host: "in"}},
		{http.Header{"X-Forwarded-Prefix": {"/%zz"}}, view{host: "in"}},
		{http.Header{"X-Forwarded-Host": {"a/b"}, "X-Forwarded-Port": {"x"}}, view{host: "in"}},
	} {
		v := view{host: "in"}
		v.forward(c.header)
		if v != c.want {
			t.Errorf("%v: %+v, want %+v", c.header, v, c.want)
		}
	}
}

// TestHosts sends URLs made for one name to another.
func TestHosts(t *testing.T) {
	trusted := func(c *Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")} }
	names := func(c *Config) {
		c.Domains = []string{"localhost", "files.example.com"}
		c.BaseURLs = []string{"https://files.example.com", "https://proxy.test/S3/x", "http://port.test:8080", "https://deep.test/files"}
		c.HostAliases = []string{"minio:9000"}
	}
	e, behind := newEnv(t, names), newEnv(t, names, trusted)
	e.put("a b", "content")
	behind.put("a b", "content")
	v2, virtual := sign.PresignOptions{Version: sign.V2}, sign.PresignOptions{VirtualHost: true}
	for _, c := range []struct {
		what     string
		e        *env
		endpoint string
		opts     sign.PresignOptions
		host     string // that the request names; empty: as signed
		target   func(string) string
		header   http.Header
		status   int
	}{
		{"another host", e, "http://elsewhere.test", sign.PresignOptions{}, "10.0.0.1", nil, nil, 403},
		{"another host as sent", e, "http://elsewhere.test", sign.PresignOptions{}, "", nil, nil, 200},
		{"base URL", e, "https://files.example.com", sign.PresignOptions{}, "10.0.0.1:9000", nil, nil, 200},
		{"base URL, port spelled out", e, "https://files.example.com", sign.PresignOptions{}, "files.example.com:443", nil, nil, 200},
		{"base URL with a port", e, "http://port.test:8080", sign.PresignOptions{}, "10.0.0.1", nil, nil, 200},
		{"base URL without its port", e, "http://port.test", sign.PresignOptions{}, "10.0.0.1", nil, nil, 403},
		{"alias", e, "http://minio:9000", sign.PresignOptions{}, "files.example.com", nil, nil, 200},
		{"capitals", e, "http://files.example.com", sign.PresignOptions{}, "FILES.EXAMPLE.COM", nil, nil, 200},
		{"port 80 sent", e, "http://some.test", sign.PresignOptions{}, "some.test:80", nil, nil, 200},
		{"port 443 sent", e, "https://some.test", sign.PresignOptions{}, "some.test:443", nil, nil, 200},
		{"other port sent", e, "http://some.test", sign.PresignOptions{}, "some.test:9000", nil, nil, 403},
		{"virtual host", e, "https://files.example.com", virtual, "", nil, nil, 200},
		{"virtual host on another domain", e, "https://files.example.com", virtual, "photos.localhost", nil, nil, 200},
		{"virtual host in capitals", e, "https://files.example.com", virtual, "PHOTOS.Files.Example.Com:443", nil, nil, 200},
		{"virtual host moved to another bucket", e, "https://files.example.com", virtual, "other.files.example.com", nil, nil, 403},
		{"virtual host as path", e, "https://files.example.com", virtual, "files.example.com", nil, nil, 403},
		{"prefix taken off", e, "https://proxy.test/S3/x", sign.PresignOptions{}, "10.0.0.1", cut("/S3/x"), nil, 200},
		{"prefix taken off, host kept", e, "https://proxy.test/S3/x", sign.PresignOptions{}, "", cut("/S3/x"), nil, 200},
		{"prefix passed on", e, "https://proxy.test/S3/x", sign.PresignOptions{}, "", nil, nil, 200},
		{"prefix passed on to another host", e, "https://proxy.test/S3/x", sign.PresignOptions{}, "10.0.0.1", nil, nil, 403},
		{"V2, prefix taken off", e, "https://proxy.test/S3/x", v2, "", cut("/S3/x"), nil, 200},
		{"V2, prefix passed on", e, "https://proxy.test/S3/x", v2, "", nil, nil, 200},
		{"V2, prefix like a bucket passed on", e, "https://deep.test/files", v2, "", nil, nil, 403},
		{"V2, prefix like a bucket taken off", e, "https://deep.test/files", v2, "", cut("/files"), nil, 403},
		{"V4, prefix like a bucket", e, "https://deep.test/files", sign.PresignOptions{}, "", nil, nil, 200},

		{"forwarded host from anyone", e, "https://out.test", sign.PresignOptions{}, "in", nil, http.Header{"X-Forwarded-Host": {"out.test"}}, 403},
		{"forwarded host", behind, "https://out.test", sign.PresignOptions{}, "in", nil, http.Header{"X-Forwarded-Host": {"out.test"}}, 200},
		{"Forwarded", behind, "https://out.test", sign.PresignOptions{}, "in", nil, http.Header{"Forwarded": {"for=x;host=out.test"}}, 200},
		{"host forwarded without port", behind, "https://out.test:8443", sign.PresignOptions{}, "in", nil, http.Header{"X-Forwarded-Host": {"out.test"}, "X-Forwarded-Port": {"8443"}}, 200},
		{"signed for the host that the proxy sends", behind, "http://in", sign.PresignOptions{}, "in", nil, http.Header{"X-Forwarded-Host": {"out.test"}}, 200},
		{"virtual host, forwarded", behind, "https://files.example.com", virtual, "in", nil, http.Header{"X-Forwarded-Host": {"photos.files.example.com"}}, 200},
		{"forwarded to another bucket", behind, "https://files.example.com", virtual, "photos.files.example.com", nil, http.Header{"X-Forwarded-Host": {"other.files.example.com"}}, 403},
		{"forwarded prefix", behind, "https://out.test/any/where", sign.PresignOptions{}, "in", cut("/any/where"), http.Header{"X-Forwarded-Host": {"out.test"}, "X-Forwarded-Prefix": {"/any/where/"}}, 200},
		{"forwarded prefix from anyone", e, "https://out.test/any/where", sign.PresignOptions{}, "out.test", cut("/any/where"), http.Header{"X-Forwarded-Prefix": {"/any/where"}}, 403},
		{"signed without the forwarded prefix", behind, "https://out.test", sign.PresignOptions{}, "out.test", nil, http.Header{"X-Forwarded-Prefix": {"/any"}}, 200},
		{"V2, forwarded prefix like a bucket", behind, "https://out.test/files", v2, "out.test", cut("/files"), http.Header{"X-Forwarded-Prefix": {"/files"}}, 403},
	} {
		t.Run(c.what, func(t *testing.T) {
			q := c.e.presignFor(c.endpoint, testKey, sign.URLRequest{Method: "GET", Bucket: "photos", Key: "a b"}, c.opts)
			if c.host != "" {
				q.host = c.host
			}
			if c.target != nil {
				q.target = c.target(q.target)
			}
			q.header = c.header
			r := c.e.send(q)
			if r.status != c.status {
				t.Errorf("status %d, want %d\n%s", r.status, c.status, r.body)
			}
		})
	}
}

func cut(prefix string) func(string) string {
	return func(target string) string { return target[len(prefix):] }
}

// TestPrefixStealsNoBucket tries to use a Version 2 signature, which covers no
// host, for another bucket than the one it was made for.
func TestPrefixStealsNoBucket(t *testing.T) {
	e := newEnv(t, func(c *Config) { c.BaseURLs = []string{"https://base.test/files"} })
	e.bucket("files")
	e.put("k", "private")
	q := e.presignFor("http://any.test", testKey, sign.URLRequest{Method: "GET", Bucket: "files", Key: "photos/k"}, sign.PresignOptions{Version: sign.V2})
	e.want(e.send(q), 404, "NoSuchKey")
	q.host = "base.test"
	e.want(e.send(q), 403, "SignatureDoesNotMatch")
	q.target = q.target[len("/files"):]
	e.want(e.send(q), 403, "SignatureDoesNotMatch")
}
