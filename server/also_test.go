package server

import "testing"

// TestCopiedTags checks that tags do not go along with a copy for somebody who
// may neither read nor give them.
func TestCopiedTags(t *testing.T) {
	r := newRealm(t)
	r.must("PUT", "/photos/src", "content", "x-amz-tagging", "class=top")
	plain := r.user("plain", statement("Allow", "", "s3:GetObject s3:PutObject s3:ListBucket", "*"))
	tagger := r.user("tagger", statement("Allow", "", "s3:GetObject s3:PutObject s3:ListBucket s3:GetObjectTagging s3:PutObjectTagging", "*"))
	bounded := r.user("bounded", statement("Allow", "", "s3:*", "*"),
		statement("Deny", "", "s3:PutObject", "*", `{"StringEquals":{"s3:RequestObjectTag/class":"top"}}`))
	for _, c := range []struct {
		attempt
		status int
	}{
		{attempt{who: plain, method: "PUT", target: "/photos/dst", headers: []string{"x-amz-copy-source", "/photos/src"}}, 403},
		{attempt{who: plain, method: "PUT", target: "/photos/dst", headers: []string{"x-amz-copy-source", "/photos/src", "x-amz-tagging-directive", "REPLACE"}}, 200},
		{attempt{who: tagger, method: "PUT", target: "/photos/dst", headers: []string{"x-amz-copy-source", "/photos/src"}}, 200},
		{attempt{who: bounded, method: "PUT", target: "/photos/dst", headers: []string{"x-amz-copy-source", "/photos/src"}}, 403},
	} {
		if a := r.as(c.who, c.method, c.target, "", c.headers...); a.status != c.status {
			t.Errorf("%v: status %d, want %d\n%s", c.headers, a.status, c.status, a.body)
		}
	}
}

// TestAttributesNeedGetObject checks the second permission of
// GetObjectAttributes.
func TestAttributesNeedGetObject(t *testing.T) {
	r := newRealm(t)
	r.must("PUT", "/photos/key", "content")
	half := r.user("half", statement("Allow", "", "s3:GetObjectAttributes s3:ListBucket", "*"))
	full := r.user("full", statement("Allow", "", "s3:GetObjectAttributes s3:GetObject s3:ListBucket", "*"))
	if a := r.as(half, "GET", "/photos/key?attributes", "", "x-amz-object-attributes", "ETag"); a.status != 403 {
		t.Errorf("without s3:GetObject: status %d", a.status)
	}
	if a := r.as(full, "GET", "/photos/key?attributes", "", "x-amz-object-attributes", "ETag"); a.status != 200 {
		t.Errorf("with both: status %d\n%s", a.status, a.body)
	}
}

// TestAuthenticatedUsersNeedTheirOwnLeave checks that a key with a policy gets
// no more from a list that is open to every account than the policy permits.
func TestAuthenticatedUsersNeedTheirOwnLeave(t *testing.T) {
	r := newRealm(t, writerOwns)
	r.must("PUT", "/photos/key", "content", "x-amz-acl", "authenticated-read")
	narrow := r.user("narrow", statement("Allow", "", "s3:ListAllMyBuckets", "*"))
	if a := r.as(narrow, "GET", "/photos/key", ""); a.status != 403 {
		t.Errorf("a key that may only list buckets: status %d", a.status)
	}
	if a := r.as(r.bob, "GET", "/photos/key", ""); a.status != 200 {
		t.Errorf("another account: status %d\n%s", a.status, a.body)
	}
}
