package server

import (
	"fmt"
	"testing"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
)

func writerOwns(c *Config) { c.DefaultOwnership = s3.ObjectWriter }

// TestACLMatrix tries every canned list of bucket and object on the owner,
// another account and everybody: l may list, w may write, r may read.
func TestACLMatrix(t *testing.T) {
	r := newRealm(t, writerOwns)
	for _, c := range []struct{ bucket, object, owner, bob, nobody string }{
		{"private", "private", "lwr", "", ""},
		{"private", "public-read", "lwr", "r", "r"},
		{"private", "public-read-write", "lwr", "r", "r"},
		{"private", "authenticated-read", "lwr", "r", ""},
		{"private", "bucket-owner-read", "lwr", "", ""},
		{"public-read", "private", "lwr", "l", "l"},
		{"public-read", "public-read", "lwr", "lr", "lr"},
		{"public-read-write", "private", "lwr", "lw", "lw"},
		{"public-read-write", "public-read", "lwr", "lwr", "lwr"},
		{"authenticated-read", "authenticated-read", "lwr", "lr", ""},
		{"log-delivery-write", "aws-exec-read", "lwr", "", ""},
	} {
		r.must("PUT", "/photos?acl", "", "x-amz-acl", c.bucket)
		r.must("PUT", "/photos/key", "content", "x-amz-acl", c.object)
		for _, who := range []struct {
			name string
			key  sign.Key
			want string
		}{{"owner", r.alice, c.owner}, {"bob", r.bob, c.bob}, {"nobody", nobody, c.nobody}} {
			got := ""
			for _, try := range []struct{ may, method, target string }{
				{"l", "GET", "/photos?list-type=2"}, {"w", "PUT", "/photos/written"}, {"r", "GET", "/photos/key"},
			} {
				switch a := r.as(who.key, try.method, try.target, "x"); a.status {
				case 200:
					got += try.may
				case 403:
				default:
					t.Errorf("%s %s: status %d\n%s", try.method, try.target, a.status, a.body)
				}
			}
			if got != who.want {
				t.Errorf("bucket %s, object %s: %s may %q, want %q", c.bucket, c.object, who.name, got, who.want)
			}
		}
		// What bob wrote is bob's, and alice's bucket for all that.
		r.must("DELETE", "/photos/written", "")
	}
}

func TestObjectOwnership(t *testing.T) {
	for _, c := range []struct {
		ownership             s3.Ownership
		acl                   string
		aliceReads, bobReads  bool
		owner, refusal, canon string
	}{
		{s3.ObjectWriter, "", false, true, "bob", "", ""},
		{s3.ObjectWriter, "bucket-owner-full-control", true, true, "bob", "", ""},
		{s3.ObjectWriter, "bucket-owner-read", true, true, "bob", "", ""},
		{s3.BucketOwnerPreferred, "", false, true, "bob", "", ""},
		{s3.BucketOwnerPreferred, "bucket-owner-full-control", true, false, "alice", "", ""},
		{s3.BucketOwnerEnforced, "", true, false, "alice", "", ""},
		{s3.BucketOwnerEnforced, "bucket-owner-full-control", true, false, "alice", "", ""},
		{s3.BucketOwnerEnforced, "private", true, false, "alice", "", ""},
		{s3.BucketOwnerEnforced, "public-read", false, false, "", "AccessControlListNotSupported", ""},
		{s3.ObjectWriter, "nonsense", false, false, "", "InvalidArgument", ""},
	} {
		name := fmt.Sprintf("%s %q", c.ownership, c.acl)
		r := newRealm(t, func(cfg *Config) { cfg.DefaultOwnership = c.ownership })
		r.policy(statement("Allow", daypass.AccountID("bob"), "s3:PutObject s3:PutObjectAcl", allARN))
		var headers []string
		if c.acl != "" {
			headers = []string{"x-amz-acl", c.acl}
		}
		put := r.as(r.bob, "PUT", "/photos/bobs", "x", headers...)
		if put.code() != c.refusal {
			t.Errorf("%s: status %d\n%s", name, put.status, put.body)
		}
		if c.refusal != "" {
			continue
		}
		obj, err := r.store.Object(t.Context(), daypass.ObjectRef{Bucket: "photos", Key: "bobs"})
		if err != nil || obj.Owner != c.owner {
			t.Errorf("%s: owned by %v, %v, want %s", name, obj, err, c.owner)
		}
		for who, want := range map[sign.Key]bool{r.alice: c.aliceReads, r.bob: c.bobReads} {
			if got := r.as(who, "GET", "/photos/bobs", "").status == 200; got != want {
				t.Errorf("%s: %v reads: %v", name, who.ID == r.alice.ID, got)
			}
		}
		r.want(r.as(r.alice, "DELETE", "/photos/bobs", ""), 204, "")
	}
}

// TestGrants gives a permission to bob alone, in each of the ways to do so.
func TestGrants(t *testing.T) {
	r := newRealm(t, writerOwns)
	id, alice := daypass.CanonicalID("bob"), daypass.CanonicalID("alice")
	carl := r.key("carl", "", "")
	noUser := r.key("bob", "user", document(statement("Allow", "", "s3:ListAllMyBuckets", "*")))
	document := func(permission string) string {
		return `<AccessControlPolicy xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Owner><ID>` + alice + `</ID></Owner><AccessControlList>` +
			`<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="CanonicalUser"><ID>` + id + `</ID></Grantee><Permission>` +
			permission + `</Permission></Grant></AccessControlList></AccessControlPolicy>`
	}
	for _, c := range []struct{ header, permission, method, target string }{
		{"x-amz-grant-read", "READ", "GET", "/photos/key"},
		{"x-amz-grant-read-acp", "READ_ACP", "GET", "/photos/key?acl"},
		{"x-amz-grant-full-control", "FULL_CONTROL", "GET", "/photos/key"},
		{"x-amz-grant-full-control", "FULL_CONTROL", "GET", "/photos/key?acl"},
		{"x-amz-grant-read", "READ", "GET", "/photos"},
		{"x-amz-grant-read-acp", "READ_ACP", "GET", "/photos?acl"},
		{"x-amz-grant-write", "WRITE", "PUT", "/photos/new"},
	} {
		acl := "/photos/key?acl"
		if c.target == "/photos" || c.target == "/photos?acl" || c.target == "/photos/new" {
			acl = "/photos?acl"
		}
		for _, way := range []string{"header", "body"} {
			if way == "header" {
				r.must("PUT", acl, "", c.header, `id="`+id+`"`)
			} else {
				r.must("PUT", acl, document(c.permission))
			}
			for who, status := range map[sign.Key]int{r.bob: 200, carl: 403, noUser: 403, nobody: 403, r.alice: 200} {
				if a := r.as(who, c.method, c.target, ""); a.status != status {
					t.Errorf("%s %s by %s: status %d, want %d\n%s", c.permission, c.target, way, a.status, status, a.body)
				}
			}
			r.must("PUT", acl, "", "x-amz-acl", "private")
			if a := r.as(r.bob, c.method, c.target, ""); a.status != 403 {
				t.Errorf("%s: status %d after it was taken back", c.target, a.status)
			}
		}
	}
	r.must("PUT", "/photos/key?acl", "", "x-amz-grant-write-acp", "id="+id)
	r.want(r.as(r.bob, "PUT", "/photos/key?acl", "", "x-amz-grant-full-control", "id="+id), 200, "")
	r.want(r.as(r.bob, "GET", "/photos/key", ""), 200, "")
	// An explicit deny is stronger than any list.
	r.policy(statement("Deny", "*", "s3:GetObject", allARN))
	r.want(r.as(r.bob, "GET", "/photos/key", ""), 403, "AccessDenied")
}

func TestPutACLRefused(t *testing.T) {
	r := newRealm(t, writerOwns)
	owner := "<Owner><ID>" + daypass.CanonicalID("alice") + "</ID></Owner>"
	grant := func(grantee, permission string) string {
		return "<AccessControlPolicy>" + owner + `<AccessControlList><Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ` +
			grantee + "</Grantee><Permission>" + permission + "</Permission></Grant></AccessControlList></AccessControlPolicy>"
	}
	for _, target := range []string{"/photos?acl", "/photos/key?acl"} {
		for _, c := range []struct {
			body    string
			headers []string
			status  int
			code    string
		}{
			{"", nil, 400, "MissingSecurityHeader"},
			{"", []string{"x-amz-acl", "nonsense"}, 400, "InvalidArgument"},
			{"", []string{"x-amz-grant-read", "nonsense"}, 400, "InvalidArgument"},
			{"", []string{"x-amz-grant-read", `id="nobody"`}, 400, "InvalidArgument"},
			{"", []string{"x-amz-grant-read", `uri="http://example.com"`}, 400, "InvalidArgument"},
			{"", []string{"x-amz-grant-read", `emailAddress="a@example.com"`}, 400, "UnresolvableGrantByEmailAddress"},
			{"", []string{"x-amz-acl", "private", "x-amz-grant-read", `uri="` + s3.AllUsers + `"`}, 400, "InvalidRequest"},
			{"<x/>", []string{"x-amz-acl", "private"}, 400, "BadRequest"},
			{"<x/>", nil, 400, "MalformedACLError"},
			{"nonsense", nil, 400, "MalformedACLError"},
			{"<AccessControlPolicy><AccessControlList/></AccessControlPolicy>", nil, 400, "MalformedACLError"},
			{"<AccessControlPolicy>" + owner + "</AccessControlPolicy>", nil, 400, "MalformedACLError"},
			{"<AccessControlPolicy><Owner><ID>" + daypass.CanonicalID("bob") + "</ID></Owner><AccessControlList/></AccessControlPolicy>", nil, 403, "AccessDenied"},
			{grant(`xsi:type="CanonicalUser"><ID>nobody</ID>`, "READ"), nil, 400, "InvalidArgument"},
			{grant(`xsi:type="Group"><URI>`+s3.AllUsers+`</URI>`, "NONSENSE"), nil, 400, "MalformedACLError"},
			{grant(`><URI>`+s3.AllUsers+`</URI>`, "READ"), nil, 400, "MalformedACLError"},
			{grant(`xsi:type="AmazonCustomerByEmail"><EmailAddress>a@example.com</EmailAddress>`, "READ"), nil, 400, "UnresolvableGrantByEmailAddress"},
		} {
			a := r.as(r.alice, "PUT", target, c.body, c.headers...)
			if a.status != c.status || a.code() != c.code {
				t.Errorf("%s %.200s %v: status %d, want %d %s\n%s", target, c.body, c.headers, a.status, c.status, c.code, a.body)
			}
		}
	}
	r.want(r.as(r.alice, "PUT", "/photos/none?acl", "", "x-amz-acl", "private"), 404, "NoSuchKey")
	enforced := newRealm(t)
	for _, target := range []string{"/photos?acl", "/photos/key?acl"} {
		enforced.want(enforced.as(enforced.alice, "PUT", target, "", "x-amz-acl", "public-read"), 400, "AccessControlListNotSupported")
		enforced.want(enforced.as(enforced.alice, "PUT", target, "", "x-amz-acl", "private"), 200, "")
		golden(t, "settings/acl_enforced.txt", enforced.as(enforced.alice, "GET", target, ""))
	}
}

func TestGetACL(t *testing.T) {
	r := newRealm(t, writerOwns)
	r.must("PUT", "/photos?acl", "", "x-amz-acl", "public-read-write")
	golden(t, "settings/acl_bucket.txt", r.as(r.alice, "GET", "/photos?acl", ""))
	r.must("PUT", "/photos/key", "x", "x-amz-grant-read", `uri="`+s3.AuthenticatedUsers+`", id="`+daypass.CanonicalID("bob")+`"`, "x-amz-grant-full-control", `id="`+daypass.CanonicalID("alice")+`"`)
	golden(t, "settings/acl_object.txt", r.as(r.alice, "GET", "/photos/key?acl", ""))
}

func TestCreateBucketACL(t *testing.T) {
	r := newRealm(t)
	r.want(r.as(r.alice, "PUT", "/open-bucket", "", "x-amz-acl", "public-read"), 400, "InvalidBucketAclWithObjectOwnership")
	r.want(r.as(r.alice, "PUT", "/open-bucket", "", "x-amz-object-ownership", "Nonsense"), 400, "InvalidArgument")
	r.must("PUT", "/open-bucket", "", "x-amz-acl", "public-read", "x-amz-object-ownership", "ObjectWriter")
	r.want(r.as(nobody, "GET", "/open-bucket", ""), 200, "")
	r.must("DELETE", "/open-bucket", "")
	r.must("PUT", "/open-bucket", "")
	r.want(r.as(nobody, "GET", "/open-bucket", ""), 403, "AccessDenied")
	if o := r.must("GET", "/open-bucket?ownershipControls", "").element("ObjectOwnership"); o != "BucketOwnerEnforced" {
		t.Errorf("ownership %q", o)
	}
	// The default is that of new buckets only.
	old := newRealm(t, writerOwns)
	old.bucket("older-bucket")
	old.must("PUT", "/new-bucket", "")
	for bucket, want := range map[string]string{"older-bucket": "BucketOwnerEnforced", "new-bucket": "ObjectWriter"} {
		if o := old.must("GET", "/"+bucket+"?ownershipControls", "").element("ObjectOwnership"); o != want {
			t.Errorf("%s: ownership %q, want %q", bucket, o, want)
		}
	}
}
