package server

import (
	"strings"
	"testing"
)

// TestSettings sets, shows and removes each setting.
func TestSettings(t *testing.T) {
	r := newRealm(t)
	for _, c := range []struct {
		sub, body string
		missing   string // code before it is set; empty: there is a default
		deleted   string // code after it was deleted
	}{
		{"policy", document(statement("Allow", "*", "s3:GetObject", allARN)), "NoSuchBucketPolicy", "NoSuchBucketPolicy"},
		{"cors", `<CORSConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><CORSRule><ID>one</ID><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedHeader>x-*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds></CORSRule></CORSConfiguration>`,
			"NoSuchCORSConfiguration", "NoSuchCORSConfiguration"},
		{"encryption", `<ServerSideEncryptionConfiguration><Rule><ApplyServerSideEncryptionByDefault><SSEAlgorithm>AES256</SSEAlgorithm></ApplyServerSideEncryptionByDefault><BucketKeyEnabled>true</BucketKeyEnabled></Rule></ServerSideEncryptionConfiguration>`,
			"ServerSideEncryptionConfigurationNotFoundError", "ServerSideEncryptionConfigurationNotFoundError"},
		{"tagging", `<Tagging><TagSet><Tag><Key>team</Key><Value>red</Value></Tag></TagSet></Tagging>`, "NoSuchTagSet", "NoSuchTagSet"},
		{"publicAccessBlock", `<PublicAccessBlockConfiguration><BlockPublicAcls>TRUE</BlockPublicAcls><RestrictPublicBuckets>true</RestrictPublicBuckets></PublicAccessBlockConfiguration>`,
			"NoSuchPublicAccessBlockConfiguration", "NoSuchPublicAccessBlockConfiguration"},
		{"ownershipControls", `<OwnershipControls><Rule><ObjectOwnership>BucketOwnerPreferred</ObjectOwnership></Rule></OwnershipControls>`,
			"", "OwnershipControlsNotFoundError"},
	} {
		target := "/photos?" + c.sub
		if got := r.as(r.alice, "GET", target, ""); got.code() != c.missing {
			t.Errorf("%s before: status %d\n%s", c.sub, got.status, got.body)
		}
		if put := r.as(r.alice, "PUT", target, c.body, "Content-MD5", md5Of(c.body)); put.status/100 != 2 {
			t.Errorf("PUT %s: status %d\n%s", c.sub, put.status, put.body)
		}
		golden(t, "settings/"+c.sub+".txt", r.as(r.alice, "GET", target, ""))
		r.want(r.as(r.alice, "DELETE", target, ""), 204, "")
		r.want(r.as(r.alice, "DELETE", target, ""), 204, "")
		if got := r.as(r.alice, "GET", target, ""); got.code() != c.deleted {
			t.Errorf("%s after: status %d\n%s", c.sub, got.status, got.body)
		}
		r.want(r.as(r.bob, "GET", target, ""), 403, "AccessDenied")
		r.want(r.as(r.alice, "GET", "/nowhere?"+c.sub, ""), 404, "NoSuchBucket")
	}
}

func TestSettingsRefused(t *testing.T) {
	r := newRealm(t)
	tag := func(key, value string) string {
		return "<Tag><Key>" + key + "</Key><Value>" + value + "</Value></Tag>"
	}
	tags := func(tags ...string) string {
		return "<Tagging><TagSet>" + strings.Join(tags, "") + "</TagSet></Tagging>"
	}
	cors := func(rule string) string {
		return "<CORSConfiguration><CORSRule>" + rule + "</CORSRule></CORSConfiguration>"
	}
	for _, c := range []struct{ sub, body, code string }{
		{"policy", "", "MalformedPolicy"},
		{"policy", "nonsense", "MalformedPolicy"},
		{"policy", "{}", "MalformedPolicy"},
		{"policy", document(statement("Allow", "*", "s3:GetObject", "arn:aws:s3:::other/*")), "MalformedPolicy"},
		{"policy", document(statement("Allow", "*", "s3:ListBucket", allARN)), "MalformedPolicy"},
		{"policy", document(statement("Allow", "", "s3:GetObject", allARN)), "MalformedPolicy"},
		{"policy", "{" + strings.Repeat(" ", 200<<10) + "}", "MaxMessageLengthExceeded"},
		{"cors", "<CORSConfiguration/>", "MalformedXML"},
		{"cors", cors("<AllowedOrigin>*</AllowedOrigin>"), "MalformedXML"},
		{"cors", cors("<AllowedMethod>GET</AllowedMethod>"), "MalformedXML"},
		{"cors", cors("<AllowedOrigin>*</AllowedOrigin><AllowedMethod>PATCH</AllowedMethod>"), "InvalidRequest"},
		{"cors", cors("<AllowedOrigin>*.*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>"), "InvalidRequest"},
		{"cors", cors("<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod><AllowedHeader>**</AllowedHeader>"), "InvalidRequest"},
		{"cors", cors("<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod><ExposeHeader>*</ExposeHeader>"), "InvalidRequest"},
		{"cors", cors("<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod><ExposeHeader>a&#10;b</ExposeHeader>"), "InvalidRequest"},
		{"cors", cors("<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod><MaxAgeSeconds>x</MaxAgeSeconds>"), "MalformedXML"},
		{"cors", strings.Replace(cors("<AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod>"), "</CORSC", strings.Repeat("<CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule>", 100)+"</CORSC", 1), "MalformedXML"},
		{"tagging", "<Tagging/>", "MalformedXML"},
		{"tagging", tags(tag("", "a")), "InvalidTag"},
		{"tagging", tags(tag("a", "b"), tag("a", "c")), "InvalidTag"},
		{"tagging", tags(tag("aws:a", "b")), "InvalidTag"},
		{"tagging", tags(tag(strings.Repeat("k", 129), "b")), "InvalidTag"},
		{"tagging", tags(tag("a", strings.Repeat("v", 257))), "InvalidTag"},
		{"publicAccessBlock", "<PublicAccessBlockConfiguration><BlockPublicAcls>maybe</BlockPublicAcls></PublicAccessBlockConfiguration>", "MalformedXML"},
		{"publicAccessBlock", "<x/>", "MalformedXML"},
		{"ownershipControls", "<OwnershipControls/>", "MalformedXML"},
		{"ownershipControls", "<OwnershipControls><Rule><ObjectOwnership>Me</ObjectOwnership></Rule></OwnershipControls>", "MalformedXML"},
	} {
		got := r.as(r.alice, "PUT", "/photos?"+c.sub, c.body, "Content-MD5", md5Of(c.body))
		if got.status != 400 || got.code() != c.code {
			t.Errorf("%s %.150s: status %d, want 400 %s\n%s", c.sub, c.body, got.status, c.code, got.body)
		}
	}
	// Without a place to keep settings nothing is changed and nothing claimed.
	bare := newEnv(t)
	bare.want(bare.do("PUT", "/photos?policy", document(statement("Allow", "*", "s3:GetObject", allARN))), 501, "NotImplemented")
}

func TestPolicyStatus(t *testing.T) {
	r := newRealm(t)
	r.want(r.as(r.alice, "GET", "/photos?policyStatus", ""), 404, "NoSuchBucketPolicy")
	r.policy(statement("Allow", "*", "s3:GetObject", allARN))
	golden(t, "settings/policyStatus.txt", r.as(r.alice, "GET", "/photos?policyStatus", ""))
	r.policy(statement("Allow", "123456789012", "s3:GetObject", allARN))
	if got := r.must("GET", "/photos?policyStatus", ""); got.element("IsPublic") != "false" {
		t.Error(got.body)
	}
}

// TestEnforcingNeedsNoGrants checks that lists are not turned off while one of
// them gives something away.
func TestEnforcingNeedsNoGrants(t *testing.T) {
	r := newRealm(t, writerOwns)
	enforce := "<OwnershipControls><Rule><ObjectOwnership>BucketOwnerEnforced</ObjectOwnership></Rule></OwnershipControls>"
	r.must("PUT", "/photos?acl", "", "x-amz-acl", "public-read")
	r.want(r.as(r.alice, "PUT", "/photos?ownershipControls", enforce), 400, "InvalidBucketAclWithObjectOwnership")
	r.must("PUT", "/photos?acl", "", "x-amz-acl", "private")
	r.must("PUT", "/photos?ownershipControls", enforce)
}
