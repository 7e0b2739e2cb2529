package server

import (
	"net/http"
	"strings"
	"testing"

	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
)

// newTree returns a server with objects below p/ and beside it, each of which
// contains its own key.
func newTree(t *testing.T, change ...func(*Config)) *passEnv {
	e := newPassEnv(t, change...)
	e.bucket("other")
	for _, key := range []string{"p", "p/a.txt", "p/a b", "p/sub/b.txt", "p-private/secret", "p/../secret", "p/./a.txt", "secret", "q/c", "P/a.txt", "/p/a.txt"} {
		e.put(key, key)
	}
	return e
}

// tree is a pass for all objects below p/.
func (e *passEnv) tree(method string, more ...string) request {
	return e.query(method, "p/", append([]string{limits.Prefix, "p/"}, more...)...)
}

// list is a pass for listing what is below p/.
func (e *passEnv) list(more ...string) request {
	return e.presign(sign.URLRequest{Method: "GET", Bucket: "photos",
		Query: pairs(append([]string{"list-type", "2", limits.Prefix, "p/"}, more...))})
}

// at changes the path of a request below its bucket, as it stands.
func (q request) at(raw string) request {
	_, query, _ := strings.Cut(q.target, "?")
	q.target = "/photos/" + raw + "?" + query
	return q
}

// TestPrefixEncodings asks for keys below the prefix, beside it and above it,
// however the path is written.
func TestPrefixEncodings(t *testing.T) {
	e := newTree(t)
	q, head := e.tree("GET"), e.tree("HEAD")
	for raw, key := range map[string]string{
		"p/a.txt": "p/a.txt", "p/sub/b.txt": "p/sub/b.txt", "p%2Fa.txt": "p/a.txt", "p%2fsub%2Fb.txt": "p/sub/b.txt",
		"%70/a.txt": "p/a.txt", "p/%61%2Etxt": "p/a.txt", "p/a%20b": "p/a b", "p/a+b": "",
	} {
		if key == "" {
			e.want(e.send(q.at(raw)), 404, "NoSuchKey")
			continue
		}
		e.granted(e.send(q.at(raw)), 200, key)
		e.granted(e.send(head.at(raw)), 200, "")
	}
	for _, raw := range []string{
		"p-private/secret", "secret", "p", "q/c", "P/a.txt", "%50/a.txt", "/p/a.txt", "%2Fp/a.txt", "//p/a.txt",
		"p/../secret", "p/..%2Fsecret", "p%2F..%2Fsecret", "p/%2e%2e/secret", "p/%2E%2E%2Fsecret", "p/.%2e/secret", "p/%2e./secret",
		"p/./a.txt", "p/%2e/a.txt", "p/.", "p/..", "p/a.txt/.", "p/a.txt/..", "p/sub/./b.txt", "p/sub/../a.txt", "p/sub/../../secret", "p//../secret",
		"./p/a.txt", "../photos/p/a.txt", "x/../p/a.txt", "..%2Fphotos%2Fp%2Fa.txt", "p%5C..%5Csecret", "p/%5Ca.txt", "p/..%5Csecret", "p/sub%5C..%5C..%5Csecret",
		"p/a%00.txt", "p/%00", "p/a.txt%00/../secret", "p%00/a.txt", "p-private", "p.", "p%2e/a.txt",
	} {
		e.refused(e.send(q.at(raw)), 403, "AccessDenied", limits.Prefix)
		if r := e.send(head.at(raw)); r.status != 403 {
			t.Errorf("HEAD %s: status %d", raw, r.status)
		}
	}
	for raw, status := range map[string]int{
		"p/%252e%252e/secret": 404, "p/%252E%252E%252Fsecret": 404, "p%252Fa.txt": 403, "p/...": 404, "p/..a": 404, "p/a..": 404, "p/": 404, "p//a.txt": 404,
		"p/%zz": 400, "p/%2": 400, "p/%c0%ae%c0%ae/secret": 400, "p/%ff": 400, "p/\\..\\secret": 403,
		"": 403, "p/a.txt;x=y": 404, "p/a.txt%3Fversions": 404, "p/a.txt%23": 404,
	} {
		if r := e.send(q.at(raw)); r.status != status {
			t.Errorf("%s: status %d, want %d\n%s", raw, r.status, status, r.body)
		}
	}
}

// TestPrefixNeverSignsItsOwnPath has the signature cover the request's own
// path, another bucket or another level.
func TestPrefixNeverSignsItsOwnPath(t *testing.T) {
	e := newTree(t)
	own := e.query("GET", "p/a.txt", limits.Prefix, "p/")
	e.want(e.send(own), 403, "SignatureDoesNotMatch")
	wider := e.query("GET", "p/sub/", limits.Prefix, "p/")
	e.want(e.send(wider), 403, "SignatureDoesNotMatch")
	e.want(e.send(wider.at("p/a.txt")), 403, "SignatureDoesNotMatch")
	// A pass for one object, with a prefix put beside it.
	plain := e.query("GET", "p/")
	e.want(e.send(plain.at("p/a.txt")), 403, "SignatureDoesNotMatch")
	e.want(e.send(plain.at("p/a.txt").change("?", "?x-daypass-prefix=p%2F&")), 403, "SignatureDoesNotMatch")
	e.invalid(e.send(plain.at("p/a.txt").change("?", "?X-Daypass-Prefix=p%2F&").without("X-Amz-Signature").without("X-Amz-Algorithm").
		without("X-Amz-Credential").without("X-Amz-Date").without("X-Amz-Expires").without("X-Amz-SignedHeaders")), "lower case")
	q := e.tree("GET")
	e.want(e.send(q.at("p/a.txt").change("/photos/", "/other/")), 403, "SignatureDoesNotMatch")
	e.want(e.send(q.at("p-private/secret").change("x-daypass-prefix=p%2F", "x-daypass-prefix=p-private%2F")), 403, "SignatureDoesNotMatch")
	for _, value := range []string{"p", "/p/", "/", "./", "p//", "p/../", "p\\/", "p/\x00/"} {
		e.invalid(e.send(e.query("GET", value, limits.Prefix, value)), limits.Prefix+" must be")
	}
}

// TestPrefixPermitsOneOfTwo uses the URL of a listing for objects, and the
// other way round.
func TestPrefixPermitsOneOfTwo(t *testing.T) {
	e := newTree(t)
	objects, list := e.tree("GET"), e.list()
	e.granted(e.send(objects.at("p/a.txt")), 200, "p/a.txt")
	if r := e.send(list); r.status != 200 || !strings.Contains(r.body, "<Key>p/a.txt</Key>") || strings.Contains(r.body, "private") {
		t.Errorf("status %d\n%s", r.status, r.body)
	}
	for what, q := range map[string]request{
		"object with listing":               list.at("p/a.txt"),
		"prefix with listing":               list.at("p/"),
		"object with listing, no list-type": list.at("p/a.txt").without("list-type"),
		"listing with objects":              objects.change("/photos/p/?", "/photos?list-type=2&"),
		"plain listing with objects":        objects.change("/photos/p/?", "/photos?"),
		"bucket with slash":                 list.change("/photos?", "/photos/?"),
		"listing of versions":               list.without("list-type").change("?", "?versions&"),
		"version 1":                         list.without("list-type"),
		"list-type 1":                       list.change("list-type=2", "list-type=1"),
		"service":                           list.change("/photos?", "/?"),
	} {
		if r := e.send(q); r.status != 403 || r.code() != "SignatureDoesNotMatch" {
			t.Errorf("%s: status %d\n%s", what, r.status, r.body)
		}
	}
	e.invalid(e.send(e.presign(sign.URLRequest{Method: "GET", Bucket: "photos", Query: pairs([]string{limits.Prefix, "p/"})})), "cannot be enforced for ListObjects,")
	e.invalid(e.send(e.presign(sign.URLRequest{Method: "GET", Bucket: "photos", Query: pairs([]string{"versions", "", limits.Prefix, "p/"})})), "cannot be enforced for ListObjectVersions")
}

// TestPrefixReadsOnly tries other actions than reading, sub-resources and
// versions, signed and not.
func TestPrefixReadsOnly(t *testing.T) {
	e := newTree(t)
	for _, method := range []string{"PUT", "DELETE"} {
		e.invalid(e.send(e.tree(method).at("p/a.txt")), "cannot be enforced for "+map[string]string{"PUT": "PutObject", "DELETE": "DeleteObject"}[method])
	}
	for _, sub := range []string{"tagging", "acl", "attributes", "torrent", "uploadId", "retention", "legal-hold"} {
		e.invalid(e.send(e.tree("GET", sub, "").at("p/a.txt")), "cannot be enforced for ")
		e.want(e.send(e.tree("GET").at("p/a.txt").change("?", "?"+sub+"&")), 403, "SignatureDoesNotMatch")
	}
	e.refused(e.send(e.tree("GET", "versionId", "null").at("p/a.txt")), 403, "AccessDenied", limits.Prefix)
	e.want(e.send(e.tree("GET").at("p/a.txt").change("?", "?versionId=null&")), 403, "SignatureDoesNotMatch")
	e.want(e.send(e.tree("GET").at("p/a.txt").change("?", "?response-content-type=text/html&")), 403, "SignatureDoesNotMatch")
	e.granted(e.send(e.tree("GET").at("p/a.txt").with("Range", "bytes=0-0")), 206, "p")
	head := e.tree("GET").at("p/a.txt")
	head.method = "HEAD"
	if r := e.send(head); r.status != 403 {
		t.Errorf("HEAD with a GET: status %d", r.status)
	}
	with := newTree(t, func(c *Config) { c.HeadWithGet = true })
	head = with.tree("GET").at("p/a.txt")
	head.method = "HEAD"
	with.granted(with.send(head), 200, "")
}

// TestPrefixListing pages through a listing, and tries to get out of it.
func TestPrefixListing(t *testing.T) {
	e := newTree(t)
	q := e.list()
	keys := func(r *reply) string {
		var found []string
		for rest := r.body; ; {
			_, after, ok := strings.Cut(rest, "<Key>")
			if !ok {
				return strings.Join(found, " ")
			}
			key, after, _ := strings.Cut(after, "</Key>")
			found, rest = append(found, key), after
		}
	}
	for params, want := range map[string]string{
		"":                                 "p/../secret p/./a.txt p/a b p/a.txt p/sub/b.txt",
		"prefix=p%2F&":                     "p/../secret p/./a.txt p/a b p/a.txt p/sub/b.txt",
		"prefix=p/sub/&":                   "p/sub/b.txt",
		"prefix=p/a&":                      "p/a b p/a.txt",
		"prefix=p/none&":                   "",
		"delimiter=/&":                     "p/a b p/a.txt",
		"max-keys=1&start-after=p/a&":      "p/a b",
		"start-after=a&":                   "p/../secret p/./a.txt p/a b p/a.txt p/sub/b.txt",
		"start-after=zzz&":                 "",
		"max-keys=0&":                      "",
		"encoding-type=url&prefix=p/sub/&": "p/sub/b.txt",
	} {
		r := e.send(q.change("?", "?"+params))
		if e.private(r); r.status != 200 || keys(r) != want {
			t.Errorf("%s: status %d, %q", params, r.status, keys(r))
		}
	}
	e.paged(q, keys)
	for _, prefix := range []string{"", "p", "p-", "p-private/", "q/", "/p/", "P/", "./p/", "../"} {
		e.refused(e.send(q.change("?", "?prefix="+prefix+"&")), 403, "AccessDenied", limits.Prefix)
		e.refused(e.send(q.change("?", "?p%72efix="+prefix+"&")), 403, "AccessDenied", limits.Prefix)
	}
	for _, param := range []string{"continuation-token", "start-after", "max-keys", "delimiter", "encoding-type", "prefix"} {
		e.want(e.send(q.change("?", "?"+param+"=p%2F&"+param+"=p%2F&")), 400, "InvalidArgument")
		e.want(e.send(q.change("?", "?"+param+"=p%2F&"+strings.ReplaceAll(param, "-", "%2D")+"=&")), 400, "InvalidArgument")
		e.want(e.send(q.change("?", "?"+strings.ToUpper(param)+"=p%2F&")), 403, "SignatureDoesNotMatch")
		e.want(e.send(q.change("?", "?"+http.CanonicalHeaderKey(param)+"=p%2F&")), 403, "SignatureDoesNotMatch")
	}
	for _, params := range []string{"fetch-owner=true&", "marker=a&", "list-type=2&", "x=&", "versions&", "allow-unordered=true&"} {
		if r := e.send(q.change("?", "?"+params)); r.status != 403 && r.code() != "InvalidArgument" {
			t.Errorf("%s: status %d\n%s", params, r.status, r.body)
		}
	}
	// What a listing leaves out of the signature is left out always.
	e.want(e.send(e.list("prefix", "p/")), 403, "SignatureDoesNotMatch")
	// Elsewhere nothing is.
	plain := e.presign(sign.URLRequest{Method: "GET", Bucket: "photos", Query: pairs([]string{"list-type", "2"})})
	e.want(e.send(plain.change("?", "?prefix=p%2F&")), 403, "SignatureDoesNotMatch")
	e.want(e.send(e.tree("GET").at("p/a.txt").change("?", "?prefix=p%2F&")), 403, "SignatureDoesNotMatch")
}

// paged follows continuation tokens, and uses one of a listing of everything.
func (e *passEnv) paged(q request, keys func(*reply) string) {
	e.t.Helper()
	var all []string
	token := ""
	for range 10 {
		r := e.send(q.change("?", "?max-keys=2&"+token))
		all = append(all, keys(r))
		if r.element("IsTruncated") != "true" {
			break
		}
		token = "continuation-token=" + sign.EscapeQuery(r.element("NextContinuationToken")) + "&"
	}
	if got := strings.Join(all, " "); got != "p/../secret p/./a.txt p/a b p/a.txt p/sub/b.txt" {
		e.t.Errorf("pages %q", got)
	}
	for _, n := range []string{"1", "4", "9"} {
		foreign := e.send(e.signed(request{method: "GET", target: "/photos?list-type=2&max-keys=" + n})).element("NextContinuationToken")
		r := e.send(q.change("?", "?continuation-token="+sign.EscapeQuery(foreign)+"&"))
		if found := keys(r); r.status != 200 || strings.Contains(found, "private") || strings.Contains(found, "q/") {
			e.t.Errorf("status %d, %q", r.status, found)
		}
	}
	for _, token := range []string{"x", "", "../"} {
		if r := e.send(q.change("?", "?continuation-token="+token+"&")); r.status != 400 {
			e.t.Errorf("token %q: status %d", token, r.status)
		}
	}
}

// TestPrefixHosts uses prefix passes where the host names the bucket and where
// the path begins with the path of a base URL.
func TestPrefixHosts(t *testing.T) {
	e := newTree(t, func(c *Config) { c.BaseURLs = []string{"https://files.example.com/s3/x"} })
	u := sign.URLRequest{Method: "GET", Bucket: "photos", Key: "p/", Query: pairs([]string{limits.Prefix, "p/"})}
	virtual := e.presignFor("http://localhost:9000", testKey, u, sign.PresignOptions{VirtualHost: true})
	e.granted(e.send(virtual.change("/p/?", "/p/a.txt?")), 200, "p/a.txt")
	for _, raw := range []string{"/p-private/secret?", "/p/../secret?", "/secret?", "//p/a.txt?"} {
		e.refused(e.send(virtual.change("/p/?", raw)), 403, "AccessDenied", limits.Prefix)
	}
	based := e.presignFor("https://files.example.com/s3/x", testKey, u)
	e.granted(e.send(based.change("/p/?", "/p/a.txt?")), 200, "p/a.txt")
	e.refused(e.send(based.change("/p/?", "/q/c?")), 403, "AccessDenied", limits.Prefix)
	// A proxy took the path off, and another name is used.
	stripped := based.change("/s3/x", "")
	stripped.host = e.addr
	e.granted(e.send(stripped.change("/p/?", "/p/sub/b.txt?")), 200, "p/sub/b.txt")
	e.refused(e.send(stripped.change("/p/?", "/p/..%2Fsecret?")), 403, "AccessDenied", limits.Prefix)
	list := e.presignFor("https://files.example.com/s3/x", testKey, sign.URLRequest{Method: "GET", Bucket: "photos",
		Query: pairs([]string{"list-type", "2", limits.Prefix, "p/"})})
	if r := e.send(list.change("?", "?delimiter=/&")); r.status != 200 || r.element("Prefix") != "p/" {
		t.Errorf("status %d\n%s", r.status, r.body)
	}
}

// TestPrefixWidensNoPermission checks that a pass for a tree permits no more of
// it than its signer has.
func TestPrefixWidensNoPermission(t *testing.T) {
	e := newTree(t, func(c *Config) {
		keys := testKeys()
		k := keys["AKIDBOB"]
		k.Owner, k.Policy = "alice", `{"Version":"2012-10-17","Statement":[
			{"Effect":"Allow","Action":"s3:GetObject","Resource":"arn:aws:s3:::photos/p/a*"},
			{"Effect":"Allow","Action":"s3:ListBucket","Resource":"*","Condition":{"StringEquals":{"s3:prefix":"p/"}}}]}`
		keys["AKIDBOB"] = k
		c.Keys = keys
	})
	bob := sign.Key{ID: "AKIDBOB", Secret: "s"}
	q := e.presignFor("http://"+e.addr, bob, sign.URLRequest{Method: "GET", Bucket: "photos", Key: "p/", Query: pairs([]string{limits.Prefix, "p/"})})
	e.granted(e.send(q.at("p/a.txt")), 200, "p/a.txt")
	e.want(e.send(q.at("p/sub/b.txt")), 403, "AccessDenied")
	list := e.presignFor("http://"+e.addr, bob, sign.URLRequest{Method: "GET", Bucket: "photos", Query: pairs([]string{"list-type", "2", limits.Prefix, "p/"})})
	e.want(e.send(list), 200, "")
	e.want(e.send(list.change("?", "?prefix=p/sub/&")), 403, "AccessDenied")
}
