package server

import (
	"context"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/store"
	"github.com/google/go-cmp/cmp"
)

func TestBuckets(t *testing.T) {
	e := newEnv(t)
	for _, c := range []struct {
		method, target string
		status         int
		code           string
	}{
		{"HEAD", "/new-bucket", 404, ""},
		{"PUT", "/new-bucket", 200, ""},
		{"PUT", "/new-bucket/", 200, ""}, // again, by its owner
		{"HEAD", "/new-bucket", 200, ""},
		{"GET", "/new-bucket?location", 200, ""},
		{"PUT", "/new-bucket/key", 200, ""},
		{"DELETE", "/new-bucket", 409, "BucketNotEmpty"},
		{"DELETE", "/new-bucket/key", 204, ""},
		{"DELETE", "/new-bucket", 204, ""},
		{"DELETE", "/new-bucket", 404, "NoSuchBucket"},
		{"GET", "/new-bucket?location", 404, "NoSuchBucket"},
		{"PUT", "/Bad_Name", 400, "InvalidBucketName"},
		{"GET", "/Bad_Name", 404, "NoSuchBucket"},
		{"PUT", "/ab", 400, "InvalidBucketName"},
	} {
		r := e.do(c.method, c.target, "")
		if r.status != c.status || r.code() != c.code {
			t.Errorf("%s %s: status %d, want %d %s\n%s", c.method, c.target, r.status, c.status, c.code, r.body)
		}
		switch {
		case c.method == "PUT" && c.status == 200 && strings.HasSuffix(c.target, "bucket") && r.header.Get("Location") != "/new-bucket":
			t.Errorf("Location %q", r.header.Get("Location"))
		case c.method == "HEAD" && c.status == 200 && r.header.Get("X-Amz-Bucket-Region") != testRegion:
			t.Errorf("headers %v", r.header)
		}
	}
}

func TestBucketOwners(t *testing.T) {
	e := newEnv(t)
	bob := sign.Key{ID: "AKIDBOB", Secret: "s"}
	q := e.presignFor("http://"+e.addr, bob, sign.URLRequest{Method: "PUT", Bucket: "photos"})
	e.want(e.send(q), 409, "BucketAlreadyExists")
	q = e.presignFor("http://"+e.addr, bob, sign.URLRequest{Method: "GET"})
	if r := e.send(q); r.status != 200 || strings.Contains(r.body, "photos") {
		t.Errorf("bob is shown the buckets of alice: %s", r.body)
	}
	e.want(e.do("GET", "/photos", "", "x-amz-expected-bucket-owner", "alice"), 200, "")
	e.want(e.do("GET", "/photos", "", "x-amz-expected-bucket-owner", "bob"), 403, "AccessDenied")
	e.want(e.do("GET", "/nowhere", "", "x-amz-expected-bucket-owner", "bob"), 404, "NoSuchBucket")
}

func TestLocations(t *testing.T) {
	body := func(region string) string {
		return `<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>` + region + `</LocationConstraint></CreateBucketConfiguration>`
	}
	for _, c := range []struct {
		region, body string
		status       int
		code         string
	}{
		{"us-east-1", "", 200, ""},
		{"us-east-1", body(""), 200, ""},
		{"us-east-1", body("us-east-1"), 400, "InvalidLocationConstraint"},
		{"us-east-1", body("eu-west-1"), 400, "IllegalLocationConstraintException"},
		{"eu-west-1", body("eu-west-1"), 200, ""},
		{"eu-west-1", body("EU"), 200, ""},
		{"eu-west-1", "", 400, "IllegalLocationConstraintException"},
		{"eu-west-1", body("us-east-1"), 400, "InvalidLocationConstraint"},
		{"eu-west-1", body("eu-central-1"), 400, "IllegalLocationConstraintException"},
		{"us-east-1", "<nonsense", 400, "MalformedXML"},
		{"us-east-1", strings.Repeat(" ", 65<<10), 400, "MaxMessageLengthExceeded"},
		{"us-east-1", strings.Replace(body(""), "<Loc", "<Tags/><Loc", 1), 501, "NotImplemented"},
	} {
		e := newEnv(t, func(cfg *Config) { cfg.Region = c.region })
		q := e.signed(request{method: "PUT", target: "/new-bucket", body: c.body}, sign.SignerOptions{Region: c.region})
		r := e.send(q)
		if r.status != c.status || r.code() != c.code {
			t.Errorf("%s %.150s: status %d, want %d %s\n%s", c.region, c.body, r.status, c.status, c.code, r.body)
		}
		if c.status == 200 {
			again := e.send(q)
			if want := map[bool]int{true: 200, false: 409}[c.region == "us-east-1"]; again.status != want {
				t.Errorf("%s: created again: status %d, want %d", c.region, again.status, want)
			}
		}
	}
}

func TestCreateBucketRefused(t *testing.T) {
	e := newEnv(t)
	for _, c := range []struct{ name, value, code string }{
		{"x-amz-bucket-object-lock-enabled", "yes", "InvalidArgument"},
		{"x-amz-object-ownership", "ObjectWriter", "NotImplemented"},
		{"x-amz-acl", "public-read", "InvalidBucketAclWithObjectOwnership"},
		{"x-amz-grant-read", "id=" + daypass.CanonicalID("bob"), "InvalidBucketAclWithObjectOwnership"},
	} {
		if r := e.do("PUT", "/new-bucket", "", c.name, c.value); r.code() != c.code {
			t.Errorf("%s: status %d\n%s", c.name, r.status, r.body)
		}
	}
	e.want(e.do("HEAD", "/new-bucket", ""), 404, "")
	e.want(e.do("PUT", "/new-bucket", "", "x-amz-object-ownership", "BucketOwnerEnforced", "x-amz-bucket-object-lock-enabled", "False", "x-amz-acl", "private"), 200, "")
}

type bucketList struct {
	Buckets struct {
		Bucket []struct{ Name, BucketRegion string }
	}
	ContinuationToken string
	Owner             struct{ ID string }
}

func (e *env) listBuckets(params ...string) (*bucketList, []string) {
	e.t.Helper()
	r := e.send(e.presign(sign.URLRequest{Method: "GET", Query: pairs(params)}))
	if r.status != 200 {
		e.t.Fatalf("status %d\n%s", r.status, r.body)
	}
	var l bucketList
	if err := xml.Unmarshal([]byte(r.body), &l); err != nil {
		e.t.Fatal(err)
	}
	var names []string
	for _, b := range l.Buckets.Bucket {
		names = append(names, b.Name)
	}
	return &l, names
}

func TestListBuckets(t *testing.T) {
	e := newEnv(t)
	want := []string{"photos"}
	for i := range 5 {
		name := fmt.Sprintf("bucket-%d", i)
		e.bucket(name)
		want = append(want, name)
	}
	slices.Sort(want)
	all, names := e.listBuckets()
	if diff := cmp.Diff(want, names); diff != "" || all.Owner.ID != daypass.CanonicalID("alice") || all.Buckets.Bucket[0].BucketRegion != "" {
		t.Errorf("%s%+v", diff, all)
	}
	var paged, token []string
	for range 10 {
		page, names := e.listBuckets(append([]string{"max-buckets", "2"}, token...)...)
		if paged = append(paged, names...); page.Buckets.Bucket[0].BucketRegion != testRegion {
			t.Error("a refined list shows no region")
		}
		if page.ContinuationToken == "" {
			break
		}
		token = []string{"continuation-token", page.ContinuationToken}
	}
	if diff := cmp.Diff(want, paged); diff != "" {
		t.Error(diff)
	}
	if _, names := e.listBuckets("prefix", "p"); !slices.Equal(names, []string{"photos"}) {
		t.Errorf("prefix: %v", names)
	}
	if _, names := e.listBuckets("bucket-region", "eu-west-1"); len(names) != 0 {
		t.Errorf("another region: %v", names)
	}
	for _, params := range [][]string{{"max-buckets", "0"}, {"max-buckets", "x"}, {"max-buckets", "10001"}, {"continuation-token", "x"}} {
		e.want(e.send(e.presign(sign.URLRequest{Method: "GET", Query: pairs(params)})), 400, "InvalidArgument")
	}
}

func TestDeleteObjects(t *testing.T) {
	e := newEnv(t)
	etag := e.put("a&b", "x").ETag
	for _, k := range []string{"c", "d", "e", "null"} {
		e.put(k, "x")
	}
	body := `<Delete><Object><Key>a&amp;b</Key><ETag>"` + etag + `"</ETag></Object><Object><Key>c</Key><ETag>0</ETag></Object>` +
		`<Object><Key>d</Key><VersionId>3sL4kqtJlcpXroDTDmJ.rmSpXd3dIbrH</VersionId></Object><Object><Key>none</Key></Object>` +
		`<Object><Key>e</Key><Size>1</Size></Object><Object><Key>null</Key><VersionId>null</VersionId></Object></Delete>`
	r := e.do("POST", "/photos?delete", body, "Content-MD5", md5Of(body))
	golden(t, "delete_objects.txt", r)
	for key, want := range map[string]bool{"a&b": false, "c": true, "d": true, "e": true, "null": false} {
		if e.exists(key) != want {
			t.Errorf("%s exists: %v", key, !want)
		}
	}
	quiet := `<Delete><Quiet>true</Quiet><Object><Key>c</Key></Object></Delete>`
	r = e.do("POST", "/photos?delete=", quiet, "x-amz-checksum-crc32", sumOf("CRC32", quiet))
	if r.status != 200 || strings.Contains(r.body, "<Deleted>") || e.exists("c") {
		t.Errorf("status %d\n%s", r.status, r.body)
	}
	e.want(e.do("POST", "/photos?delete", quiet), 400, "InvalidRequest")
	e.want(e.do("POST", "/photos?delete", quiet, "Content-MD5", md5Of("x")), 400, "BadDigest")
	e.want(e.do("POST", "/nowhere?delete", quiet, "Content-MD5", md5Of(quiet)), 404, "NoSuchBucket")
	e.want(e.do("POST", "/photos?delete", "<x/>", "Content-MD5", md5Of("<x/>")), 400, "MalformedXML")
	huge := strings.Repeat(" ", 3<<20)
	e.want(e.do("POST", "/photos?delete", huge, "Content-MD5", md5Of(huge)), 400, "MaxMessageLengthExceeded")
}

func TestDeleteManyObjects(t *testing.T) {
	e := newEnv(t)
	var b strings.Builder
	b.WriteString("<Delete>")
	for i := range 200 {
		key := fmt.Sprintf("key-%03d", i)
		e.put(key, "x")
		b.WriteString("<Object><Key>" + key + "</Key></Object>")
	}
	b.WriteString("</Delete>")
	r := e.do("POST", "/photos?delete", b.String(), "Content-MD5", md5Of(b.String()))
	if n := strings.Count(r.body, "<Deleted>"); n != 200 {
		t.Errorf("%d were deleted", n)
	}
	if strings.Index(r.body, "key-000") > strings.Index(r.body, "key-199") {
		t.Error("the outcomes are not in the order of the request")
	}
	if l := e.list(); len(l.Contents) != 0 {
		t.Errorf("%d are left", len(l.Contents))
	}
}

// panickyDriver panics while it deletes.
type panickyDriver struct{ store.Driver }

func (panickyDriver) Bucket(context.Context, string) (store.Bucket, error) {
	return store.Bucket{Name: "photos", Owner: "alice"}, nil
}

func (panickyDriver) DeleteObject(context.Context, daypass.ObjectRef, store.DeleteOptions) (store.Deleted, error) {
	panic("secret cause")
}

func TestDeleteObjectsPanic(t *testing.T) {
	e := newEnv(t, func(c *Config) { c.Store = store.New(panickyDriver{}) })
	body := "<Delete><Object><Key>a</Key></Object></Delete>"
	r := e.do("POST", "/photos?delete", body, "Content-MD5", md5Of(body))
	if r.status != 200 || r.code() != "InternalError" || strings.Contains(r.body, "secret") {
		t.Errorf("status %d\n%s", r.status, r.body)
	}
}
