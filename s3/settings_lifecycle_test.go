package s3

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/google/go-cmp/cmp"
)

func ptr[T any](v T) *T { return &v }

// everyRule has every element of a lifecycle configuration.
func everyRule() []LifecycleRule {
	midnight := time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC)
	return []LifecycleRule{
		{ID: "all & more", Status: Enabled, Filter: &LifecycleFilter{}, Expiration: &LifecycleExpiration{Days: ptr[int64](30)}},
		{ID: "prefix", Status: Disabled, Filter: &LifecycleFilter{Prefix: ptr("a b/")}, Expiration: &LifecycleExpiration{Date: &midnight}},
		{ID: "tag", Status: Enabled, Filter: &LifecycleFilter{Tag: &Tag{"k", "v"}}, Expiration: &LifecycleExpiration{Days: ptr[int64](1)}},
		{ID: "greater", Status: Enabled, Filter: &LifecycleFilter{ObjectSizeGreaterThan: ptr[int64](0)}, Expiration: &LifecycleExpiration{Days: ptr[int64](1)}},
		{ID: "less", Status: Enabled, Filter: &LifecycleFilter{ObjectSizeLessThan: ptr[int64](1024)}, Expiration: &LifecycleExpiration{Days: ptr[int64](1)}},
		{ID: "and", Status: Enabled, Filter: &LifecycleFilter{And: &LifecycleAnd{Prefix: ptr("x/"), Tags: []Tag{{"a", "1"}, {"b", ""}},
			ObjectSizeGreaterThan: ptr[int64](5), ObjectSizeLessThan: ptr[int64](9)}},
			NoncurrentVersionExpiration: &NoncurrentExpiration{NoncurrentDays: ptr[int64](7), NewerNoncurrentVersions: ptr[int64](3)}},
		{ID: "markers", Status: Enabled, Filter: &LifecycleFilter{Prefix: ptr("")}, Expiration: &LifecycleExpiration{ExpiredObjectDeleteMarker: ptr(true)},
			AbortIncompleteMultipartUpload: &AbortIncomplete{DaysAfterInitiation: ptr[int64](2)}},
	}
}

func TestLifecycleBody(t *testing.T) {
	for name, rules := range map[string][]LifecycleRule{
		"lifecycle.xml": everyRule(),
		"lifecycle_old.xml": {{ID: "old", Status: Enabled, Prefix: ptr("logs/"), Expiration: &LifecycleExpiration{Days: ptr[int64](365)},
			NoncurrentVersionExpiration: &NoncurrentExpiration{NoncurrentDays: ptr[int64](1)}}},
	} {
		body := AppendLifecycle(nil, rules)
		golden(t, name, body)
		again, err := ParseLifecycle(body)
		if diff := cmp.Diff(rules, again); err != nil || diff != "" {
			t.Errorf("%s: %v %s", name, err, diff)
		}
	}
}

// TestParseLifecycle reads what clients send in other forms than S3's.
func TestParseLifecycle(t *testing.T) {
	body := `<?xml version="1.0"?><LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">
  <Rule>
    <Status> Enabled </Status>
    <Filter/>
    <Expiration><Date>2030-01-02T01:00:00+01:00</Date></Expiration>
  </Rule>
  <Rule><Filter><Prefix> a </Prefix></Filter><Status>Enabled</Status><Expiration><Date>2030-01-02</Date></Expiration></Rule>
</LifecycleConfiguration>`
	rules, err := ParseLifecycle([]byte(body))
	if err != nil || len(rules) != 2 || rules[0].Filter == nil || rules[0].ID != "" || *rules[1].Filter.Prefix != " a " {
		t.Fatalf("%+v, %v", rules, err)
	}
	for i := range rules {
		if want := time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC); !rules[i].Expiration.Date.Equal(want) {
			t.Errorf("the date is %v", rules[i].Expiration.Date)
		}
	}
	n := 0
	rules[1].ID = "mine"
	if err := NameLifecycle(rules, func() (string, error) { n++; return fmt.Sprint("made", n), nil }); err != nil || rules[0].ID != "made1" || rules[1].ID != "mine" {
		t.Errorf("%q, %q, %v", rules[0].ID, rules[1].ID, err)
	}
}

// TestLifecycleRefused checks the errors, in S3's words where they are known.
func TestLifecycleRefused(t *testing.T) {
	const days = "<Expiration><Days>1</Days></Expiration>"
	wrap := func(rules ...string) string {
		return "<LifecycleConfiguration>" + strings.Join(rules, "") + "</LifecycleConfiguration>"
	}
	rule := func(parts ...string) string {
		return wrap("<Rule><Filter/><Status>Enabled</Status>" + strings.Join(parts, "") + "</Rule>")
	}
	filter := func(f string, action string) string {
		return wrap("<Rule><Filter>" + f + "</Filter><Status>Enabled</Status>" + action + "</Rule>")
	}
	old := func(prefix, more string) string {
		return "<Rule><Prefix>" + prefix + "</Prefix><Status>Enabled</Status>" + more + "</Rule>"
	}
	const tag = "<Tag><Key>k</Key><Value>v</Value></Tag>"
	const abort = "<AbortIncompleteMultipartUpload><DaysAfterInitiation>1</DaysAfterInitiation></AbortIncompleteMultipartUpload>"
	const marker = "<Expiration><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"
	noncurrent := func(s string) string { return "<NoncurrentVersionExpiration>" + s + "</NoncurrentVersionExpiration>" }
	invalid, argument, malformed := daypass.InvalidRequest, daypass.InvalidArgument, daypass.MalformedXML
	for _, c := range []struct {
		body    string
		code    daypass.Code
		message string
	}{
		{"", malformed, ""},
		{"<x/>", malformed, ""},
		{"<LifecycleConfiguration><Rule>", malformed, ""},
		{wrap(), invalid, "At least one lifecycle rule must be specified."},
		{wrap(strings.Repeat("<Rule><Filter/><Status>Enabled</Status>"+days+"</Rule>", 1001)), invalid, "The number of lifecycle rules must not exceed the allowed limit of 1000 rules."},
		{rule(days, "<ID>"+strings.Repeat("é", 256)+"</ID>"), argument, "ID length should not exceed allowed limit of 255"},
		{wrap(strings.Repeat("<Rule><ID>a</ID><Filter/><Status>Enabled</Status>"+days+"</Rule>", 2)), argument, "Rule ID must be unique. Found same ID for more than one rule"},
		{strings.Replace(rule(days), "Enabled", "enabled", 1), malformed, ""},
		{strings.Replace(rule(days), "<Status>Enabled</Status>", "", 1), malformed, ""},
		{strings.Replace(rule(days), "<Filter/>", "", 1), malformed, ""},
		{rule(days, "<Nonsense/>"), malformed, ""},
		{rule(days, days), malformed, ""},
		{rule(days, "text"), malformed, ""},
		{rule("<Expiration><Days>1</Days><Days>2</Days></Expiration>"), malformed, ""},
		{rule(), invalid, "At least one action needs to be specified in a rule"},
		{rule("<Expiration/>"), malformed, ""},
		{rule("<Expiration><Days>1</Days><ExpiredObjectDeleteMarker>true</ExpiredObjectDeleteMarker></Expiration>"), malformed, ""},
		{rule("<Expiration><Days>1</Days><Date>2030-01-01T00:00:00Z</Date></Expiration>"), malformed, ""},
		{rule("<Expiration><Days>0</Days></Expiration>"), argument, "'Days' for Expiration action must be a positive integer"},
		{rule("<Expiration><Days>x</Days></Expiration>"), malformed, ""},
		{rule("<Expiration><Days><b/></Days></Expiration>"), malformed, ""},
		{rule("<Expiration><Days>2147483648</Days></Expiration>"), malformed, ""},
		{rule("<Expiration><Date>2030-01-01T00:00:01Z</Date></Expiration>"), argument, "'Date' must be at midnight GMT"},
		{rule("<Expiration><Date>2030-01-01T00:00:00+01:00</Date></Expiration>"), argument, "'Date' must be at midnight GMT"},
		{rule("<Expiration><Date>tomorrow</Date></Expiration>"), malformed, ""},
		{rule("<Expiration><ExpiredObjectDeleteMarker>maybe</ExpiredObjectDeleteMarker></Expiration>"), malformed, ""},
		{rule(noncurrent("")), malformed, ""},
		{rule(noncurrent("<NewerNoncurrentVersions>1</NewerNoncurrentVersions>")), malformed, ""},
		{rule(noncurrent("<NoncurrentDays>0</NoncurrentDays>")), argument, "'NoncurrentDays' for NoncurrentVersionExpiration action must be a positive integer"},
		{rule(noncurrent("<NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>0</NewerNoncurrentVersions>")), argument,
			"'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be a positive integer"},
		{rule(noncurrent("<NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>101</NewerNoncurrentVersions>")), argument,
			"'NewerNoncurrentVersions' for NoncurrentVersionExpiration action must be an integer between 1 and 100"},
		{rule("<AbortIncompleteMultipartUpload/>"), malformed, ""},
		{rule(strings.Replace(abort, ">1<", ">0<", 1)), argument, "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer"},
		{filter(tag, abort), invalid, "AbortIncompleteMultipartUpload cannot be specified with Tags."},
		{filter("<ObjectSizeGreaterThan>1</ObjectSizeGreaterThan>", abort), invalid, "AbortIncompleteMultipartUpload cannot be specified with Object Size."},
		{filter(tag, marker), invalid, "ExpiredObjectDeleteMarker cannot be specified with Tags."},
		{filter("<ObjectSizeLessThan>1</ObjectSizeLessThan>", marker), invalid, "ExpiredObjectDeleteMarker cannot be specified with Object Size."},
		{filter("<Prefix>a</Prefix>"+tag, days), malformed, ""},
		{filter("<And/>", days), malformed, ""},
		{filter("<And>"+tag+tag+"</And>", days), invalid, "Duplicate Tag Keys are not allowed."},
		{filter("<Tag><Key>k</Key></Tag>", days), malformed, ""},
		{filter("<Tag><Key></Key><Value/></Tag>", days), malformed, ""},
		{filter("<Tag><Key>"+strings.Repeat("k", 129)+"</Key><Value/></Tag>", days), InvalidTag, "The TagKey you have provided is invalid"},
		{filter("<Tag><Key>k</Key><Value>"+strings.Repeat("k", 257)+"</Value></Tag>", days), InvalidTag, "The TagValue you have provided is invalid"},
		{filter("<ObjectSizeGreaterThan>-1</ObjectSizeGreaterThan>", days), invalid, "'ObjectSizeGreaterThan' should be between 0 and 1099511627776000."},
		{filter("<ObjectSizeLessThan>0</ObjectSizeLessThan>", days), invalid, "'ObjectSizeLessThan' should be between 1 and 1099511627776000."},
		{filter("<And><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan><ObjectSizeLessThan>5</ObjectSizeLessThan></And>", days), invalid,
			"'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'."},
		{filter("<Prefix>"+strings.Repeat("p", 1025)+"</Prefix>", days), argument, "The maximum size of a prefix is 1024."},
		{wrap("<Rule><Prefix/><Filter/><Status>Enabled</Status>" + days + "</Rule>"), invalid,
			"Base level prefix cannot be used in Lifecycle V2, prefixes are only supported in the Filter."},
		{wrap(old("", days), "<Rule><Filter/><Status>Enabled</Status>"+days+"</Rule>"), invalid, "Filter element can only be used in Lifecycle V2."},
		{wrap(old("", noncurrent("<NoncurrentDays>1</NoncurrentDays><NewerNoncurrentVersions>1</NewerNoncurrentVersions>"))), invalid,
			"NewerNoncurrentVersions element can only be used in Lifecycle V2."},
		{wrap(old("logs/", days), old("logs/a", days)), invalid, "Found overlapping prefixes 'logs/' and 'logs/a' for same action type 'Expiration'"},
		{rule("<Transition><Days>30</Days><StorageClass>GLACIER</StorageClass></Transition>"), daypass.NotImplemented, ""},
		{rule(days, "<NoncurrentVersionTransition><NoncurrentDays>30</NoncurrentDays></NoncurrentVersionTransition>"), daypass.NotImplemented, ""},
		{wrap(strings.Repeat("<a>", 20) + strings.Repeat("</a>", 20)), malformed, ""},
		{wrap(strings.Repeat("<a/>", 40000)), malformed, ""},
	} {
		_, err := ParseLifecycle([]byte(c.body))
		var e *daypass.Error
		if !errors.As(err, &e) || e.Code != c.code || c.message != "" && e.Message != c.message {
			t.Errorf("%.300s: %v, want %s %s", c.body, err, c.code, c.message)
		}
	}
	for _, good := range []string{rule(days), wrap(old("logs/", days), old("logs/a", abort)), wrap(old("a", days), old("b", days)),
		filter("<And>"+tag+"</And>", days), rule(strings.Replace(days, "1", "2147483647", 1))} {
		if _, err := ParseLifecycle([]byte(good)); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	if _, err := ParseTransitionMinimum("none"); daypass.CodeOf(err) != invalid {
		t.Error(err)
	}
}

func TestUnsetBodies(t *testing.T) {
	golden(t, "no_configurations.xml", AppendNoConfigurations(nil, "ListInventoryConfigurationsResult"))
	golden(t, "accelerate.xml", AppendAccelerate(nil, ""))
	golden(t, "accelerate_suspended.xml", AppendAccelerate(nil, Suspended))
	golden(t, "request_payment.xml", AppendRequestPayment(nil))
	for body, want := range map[string]string{
		"<AccelerateConfiguration><Status>Enabled</Status></AccelerateConfiguration>":   Enabled,
		"<AccelerateConfiguration><Status>Suspended</Status></AccelerateConfiguration>": Suspended,
		"<AccelerateConfiguration><Status>On</Status></AccelerateConfiguration>":        "",
		"<AccelerateConfiguration/>": "",
		"<AccelerateConfiguration><Status>Enabled</Status><Status>Suspended</Status></AccelerateConfiguration>": "",
	} {
		if got, err := ParseAccelerate([]byte(body)); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", body, got, err)
		}
	}
	if got, err := ParseRequestPayment([]byte("<RequestPaymentConfiguration><Payer>Requester</Payer></RequestPaymentConfiguration>")); got != "Requester" || err != nil {
		t.Error(got, err)
	}
}

func FuzzLifecycle(f *testing.F) {
	f.Add(AppendLifecycle(nil, everyRule()))
	f.Fuzz(func(t *testing.T, body []byte) {
		rules, err := ParseLifecycle(body)
		if err != nil {
			return
		}
		again, err := ParseLifecycle(AppendLifecycle(nil, rules))
		if err != nil {
			t.Fatalf("what was accepted is refused: %v", err)
		}
		if diff := cmp.Diff(rules, again); diff != "" {
			t.Error(diff)
		}
	})
}
