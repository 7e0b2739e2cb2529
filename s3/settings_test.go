package s3

import (
	"strings"
	"testing"

	"github.com/daypass/daypass"
	"github.com/google/go-cmp/cmp"
)

var id1, id2 = daypass.CanonicalID("one"), daypass.CanonicalID("two")

func TestCanned(t *testing.T) {
	owner := Grant{ID: id1, Permission: FullControl}
	for name, want := range map[string]ACL{
		"private":                   {owner},
		"aws-exec-read":             {owner},
		"public-read":               {owner, {Group: AllUsers, Permission: Read}},
		"public-read-write":         {owner, {Group: AllUsers, Permission: Read}, {Group: AllUsers, Permission: Write}},
		"authenticated-read":        {owner, {Group: AuthenticatedUsers, Permission: Read}},
		"bucket-owner-read":         {owner, {ID: id2, Permission: Read}},
		"bucket-owner-full-control": {owner, {ID: id2, Permission: FullControl}},
		"log-delivery-write":        {owner, {Group: LogDelivery, Permission: Write}, {Group: LogDelivery, Permission: ReadACP}},
	} {
		got, ok := Canned(name, id1, id2)
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if got.Public() != (strings.Contains(name, "public") || name == "authenticated-read") {
			t.Errorf("%s: public %v", name, got.Public())
		}
		again, err := DecodeACL(got.Encode())
		if diff := cmp.Diff(got, again); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
	if _, ok := Canned("nonsense", id1, ""); ok {
		t.Error("nonsense is known")
	}
	if a, _ := Canned("bucket-owner-read", id1, id1); len(a) != 1 {
		t.Errorf("the owner is named twice: %v", a)
	}
}

func TestParseGrantees(t *testing.T) {
	for value, want := range map[string]ACL{
		`id="` + id1 + `"`:                                  {{ID: id1, Permission: Read}},
		`id=` + id1 + ` , URI="` + AllUsers + `"`:           {{ID: id1, Permission: Read}, {Group: AllUsers, Permission: Read}},
		`uri=` + LogDelivery + `,uri=` + AuthenticatedUsers: {{Group: LogDelivery, Permission: Read}, {Group: AuthenticatedUsers, Permission: Read}},
		`emailAddress="a@example.com"`:                      nil,
		`id="`:                                              nil,
		"nonsense":                                          nil,
		"":                                                  nil,
		strings.Repeat(`id=`+id1+`,`, 100) + `id=` + id1: nil,
		`name="x"`: nil,
		`uri="http://acs.amazonaws.com/groups/global/Other"`: nil,
	} {
		got, err := ParseGrantees(value, Read)
		if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (want != nil) {
			t.Errorf("%.80s: %v %s", value, err, diff)
		}
	}
}

func TestWildcardMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"*", "", true}, {"*", "x", true}, {"a*b", "ab", true}, {"a*b", "a", false}, {"a*a", "a", false}, {"a", "A", false}, {"", "", true}, {"http://*", "http://", true},
	} {
		if got := wildcardMatch(c.pattern, c.text); got != c.want {
			t.Errorf("%q %q: %v", c.pattern, c.text, got)
		}
	}
}

func nameless(string) string { return "" }

func FuzzParseACL(f *testing.F) {
	f.Add(AppendACL(nil, id1, ACL{{ID: id2, Permission: Read}, {Group: AllUsers, Permission: Write}}, nameless))
	f.Add([]byte("<AccessControlPolicy/>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		owner, acl, err := ParseACL(body)
		if err != nil {
			return
		}
		again, second, err := ParseACL(AppendACL(nil, owner, acl, nameless))
		if diff := cmp.Diff(acl, second); err != nil || diff != "" || !strings.Contains(owner, "\ufffd") && again != owner {
			t.Errorf("%v %q %q %s", err, owner, again, diff)
		}
	})
}

func FuzzParseCORS(f *testing.F) {
	f.Add([]byte(`<CORSConfiguration><CORSRule><AllowedOrigin>*</AllowedOrigin><AllowedMethod>GET</AllowedMethod></CORSRule></CORSConfiguration>`))
	f.Fuzz(func(t *testing.T, body []byte) {
		rules, err := ParseCORS(body)
		if err != nil {
			return
		}
		again, err := ParseCORS(rules.Append(nil))
		if err != nil || len(again) != len(rules) {
			t.Errorf("%v: %d rules became %d", err, len(rules), len(again))
		}
		rules.Match("https://example.com", "GET", []string{"range"})
	})
}

func FuzzParseSettings(f *testing.F) {
	f.Add([]byte(`<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>`))
	f.Add(PublicAccessBlock{BlockPublicAcls: true}.Append(nil))
	f.Add(AppendOwnershipControls(nil, ObjectWriter))
	f.Fuzz(func(t *testing.T, body []byte) {
		if p, err := ParsePublicAccessBlock(body); err == nil {
			if again, err := ParsePublicAccessBlock(p.Append(nil)); err != nil || again != p {
				t.Errorf("%v became %v, %v", p, again, err)
			}
		}
		if o, err := ParseOwnershipControls(body); err == nil {
			if again, err := ParseOwnershipControls(AppendOwnershipControls(nil, o)); err != nil || again != o {
				t.Errorf("%v became %v, %v", o, again, err)
			}
		}
		if tags, err := ParseBucketTagging(body); err == nil {
			again, err := ParseBucketTagging(AppendBucketTagging(nil, tags))
			if err != nil || len(again) != len(tags) {
				t.Errorf("%v became %v, %v", tags, again, err)
			}
		}
	})
}

func FuzzParseGrantees(f *testing.F) {
	f.Add(`id="` + id1 + `", uri="` + AllUsers + `"`)
	f.Add(`emailAddress=a@example.com`)
	f.Fuzz(func(t *testing.T, value string) {
		acl, err := ParseGrantees(value, WriteACP)
		if err != nil {
			return
		}
		for _, g := range acl {
			if g.check() != nil || (g.ID == "") == (g.Group == "") || g.Permission != WriteACP {
				t.Errorf("%q gives %+v", value, g)
			}
		}
	})
}
