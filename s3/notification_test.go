package s3

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
)

// queueTo is a configuration with a filter; an empty text is no rule.
func queueTo(id, prefix, suffix string, events ...string) string {
	rules := ""
	if prefix != "" {
		rules += "<FilterRule><Name>prefix</Name><Value>" + prefix + "</Value></FilterRule>"
	}
	if suffix != "" {
		rules += "<FilterRule><Name>Suffix</Name><Value>" + suffix + "</Value></FilterRule>"
	}
	return "<QueueConfiguration><Id>" + id + "</Id><Queue>arn:aws:sqs:us-east-1:111122223333:q</Queue><Event>" +
		strings.Join(events, "</Event><Event>") + "</Event><Filter><S3Key>" + rules + "</S3Key></Filter></QueueConfiguration>"
}

func notificationBody(parts ...string) []byte {
	return []byte(`<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">` + strings.Join(parts, "") + "</NotificationConfiguration>")
}

func TestNotificationBody(t *testing.T) {
	body := notificationBody(
		queueTo("queue", "in/a+b/%C3%BC", ".jpg", "s3:ObjectCreated:*", "s3:ObjectCreated:*"),
		"<TopicConfiguration><Topic>arn:aws:sns:us-east-1:111122223333:t</Topic><Event> s3:ObjectRemoved:Delete </Event><Event>s3:ObjectTagging:*</Event></TopicConfiguration>",
		"<CloudFunctionConfiguration><Id>function</Id><CloudFunction>arn:aws:lambda:us-east-1:111122223333:function:f</CloudFunction><Event>s3:ObjectAcl:Put</Event></CloudFunctionConfiguration>")
	list, err := ParseNotifications(body)
	want := Notifications{
		{Kind: TopicDestination, ARN: "arn:aws:sns:us-east-1:111122223333:t", Events: []string{EventRemovedDelete, "s3:ObjectTagging:*"}},
		{ID: "queue", Kind: QueueDestination, ARN: "arn:aws:sqs:us-east-1:111122223333:q", Events: []string{"s3:ObjectCreated:*"}, Prefix: "in/a+b/%C3%BC", Suffix: ".jpg"},
		{ID: "function", Kind: FunctionDestination, ARN: "arn:aws:lambda:us-east-1:111122223333:function:f", Events: []string{EventACLPut}},
	}
	if diff := cmp.Diff(want, list); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	golden(t, "notification.xml", list.Append(nil))
	golden(t, "notification_none.xml", Notifications(nil).Append(nil))
	again, err := ParseNotifications(list.Append(nil))
	if diff := cmp.Diff(list, again); err != nil || diff != "" {
		t.Errorf("%v (-first +again):\n%s", err, diff)
	}
	for i, name := range []string{"t", "q", "f"} {
		if got, region, err := list[i].DestinationName(); got != name || region != "us-east-1" || err != nil {
			t.Errorf("%s: %s %s %v", list[i].ARN, got, region, err)
		}
	}
	if list, err := ParseNotifications(notificationBody()); err != nil || len(list) > 0 {
		t.Errorf("%v, %v", list, err)
	}
}

func TestNotificationRefusals(t *testing.T) {
	rule := func(name, value string) string {
		return "<QueueConfiguration><Queue>q</Queue><Event>s3:ObjectCreated:*</Event><Filter><S3Key><FilterRule><Name>prefix</Name><Value>a</Value></FilterRule>" +
			"<FilterRule><Name>" + name + "</Name>" + value + "</FilterRule></S3Key></Filter></QueueConfiguration>"
	}
	var many []string
	for i := range 101 {
		many = append(many, queueTo(fmt.Sprint(i), fmt.Sprintf("%03d/", i), "", "s3:ObjectCreated:*"))
	}
	for what, c := range map[string]struct {
		body string
		code daypass.Code
	}{
		"other element":  {"<LambdaFunctionConfiguration/>", daypass.MalformedXML},
		"no event":       {"<QueueConfiguration><Queue>q</Queue></QueueConfiguration>", daypass.MalformedXML},
		"no destination": {"<QueueConfiguration><Event>s3:ObjectCreated:*</Event></QueueConfiguration>", daypass.MalformedXML},
		"a topic there":  {"<QueueConfiguration><Queue>q</Queue><Topic>t</Topic><Event>s3:ObjectCreated:*</Event></QueueConfiguration>", daypass.MalformedXML},
		"EventBridge":    {"<EventBridgeConfiguration/>", daypass.NotImplemented},
		"unknown event":  {queueTo("a", "", "", "s3:ObjectEaten:*"), daypass.InvalidArgument},
		"half an event":  {queueTo("a", "", "", "s3:ObjectCreated:P*"), daypass.InvalidArgument},
		"restored":       {queueTo("a", "", "", "s3:ObjectRestore:*"), daypass.NotImplemented},
		"expired":        {queueTo("a", "", "", "s3:ObjectCreated:*", "s3:LifecycleTransition"), daypass.NotImplemented},
		"filter name":    {rule("infix", "<Value>b</Value>"), daypass.InvalidArgument},
		"two prefixes":   {rule("Prefix", "<Value>b</Value>"), daypass.InvalidArgument},
		"no value":       {rule("suffix", ""), daypass.MalformedXML},
		"long value":     {rule("suffix", "<Value>"+strings.Repeat("b", 1025)+"</Value>"), daypass.InvalidArgument},
		"long id":        {queueTo(strings.Repeat("i", 256), "", "", "s3:ObjectCreated:*"), daypass.InvalidArgument},
		"same id":        {queueTo("a", "a", "", "s3:ObjectCreated:*") + queueTo("a", "b", "", "s3:ObjectCreated:*"), daypass.InvalidArgument},
		"101":            {strings.Join(many, ""), daypass.InvalidArgument},
	} {
		if list, err := ParseNotifications(notificationBody(c.body)); daypass.CodeOf(err) != c.code {
			t.Errorf("%s: %v, %v", what, list, err)
		}
	}
	for _, body := range []string{"", "{}", "<Notification/>"} {
		if _, err := ParseNotifications([]byte(body)); daypass.CodeOf(err) != daypass.MalformedXML {
			t.Errorf("%q: %v", body, err)
		}
	}
	if _, err := ParseNotifications(notificationBody(many[:100]...)); err != nil {
		t.Error(err)
	}
	for _, arn := range []string{"q", "arn:aws:sqs:us-east-1:111122223333", "arn:aws:sns:us-east-1:111122223333:q", "arn:aws:sqs:us-east-1:account:q",
		"arn::sqs:us-east-1:111122223333:q", "arn:aws:sqs:us-east-1:111122223333:", "arn:aws:sqs:us-east-1:111122223333:a:b"} {
		if name, _, err := (&Notification{Kind: QueueDestination, ARN: arn}).DestinationName(); daypass.CodeOf(err) != daypass.InvalidArgument {
			t.Errorf("%s: %s, %v", arn, name, err)
		}
	}
	if name, _, err := (&Notification{Kind: FunctionDestination, ARN: "arn:aws:lambda:r:1:f"}).DestinationName(); err == nil {
		t.Error(name)
	}
}

// TestNotificationOverlap goes through the rules of S3: two configurations for
// one type of event must differ by prefixes or suffixes that no key can have
// both of.
func TestNotificationOverlap(t *testing.T) {
	const all, put, removed = "s3:ObjectCreated:*", "s3:ObjectCreated:Put", "s3:ObjectRemoved:*"
	for _, c := range []struct {
		what     string
		a, b     string
		overlaps bool
	}{
		{"same", queueTo("1", "", "", all), queueTo("2", "", "", all), true},
		{"all and one", queueTo("1", "", "", all), queueTo("2", "", "", put), true},
		{"one and all", queueTo("1", "", "", put), queueTo("2", "", "", all), true},
		{"another event", queueTo("1", "", "", all), queueTo("2", "", "", removed), false},
		{"another one", queueTo("1", "", "", put), queueTo("2", "", "", "s3:ObjectCreated:Copy"), false},
		{"several events", queueTo("1", "", "", removed, put), queueTo("2", "", "", "s3:ObjectTagging:Put", all), true},
		{"other prefixes", queueTo("1", "images/", "", all), queueTo("2", "logs/", "", all), false},
		{"a prefix in a prefix", queueTo("1", "images", "", all), queueTo("2", "images/jpg", "", all), true},
		{"a prefix and none", queueTo("1", "images", "", all), queueTo("2", "", "", all), true},
		{"other suffixes", queueTo("1", "", ".jpg", all), queueTo("2", "", ".png", all), false},
		{"a suffix in a suffix", queueTo("1", "", "jpg", all), queueTo("2", "", ".jpg", all), true},
		{"same prefix, other suffixes", queueTo("1", "images/", ".jpg", all), queueTo("2", "images/", ".png", all), false},
		{"other prefixes, same suffix", queueTo("1", "a", ".jpg", all), queueTo("2", "b", ".jpg", all), false},
		{"a prefix and a suffix", queueTo("1", "images/", "", all), queueTo("2", "", ".jpg", all), true},
		{"overlapping prefixes and suffixes", queueTo("1", "images/", ".jpg", all), queueTo("2", "images/b/", "2.jpg", all), true},
		{"the same, spelled otherwise", queueTo("1", "a+b", "", all), queueTo("2", "a%20b/", "", all), true},
	} {
		_, err := ParseNotifications(notificationBody(c.a, c.b))
		if (daypass.CodeOf(err) == daypass.InvalidArgument) != c.overlaps || (err != nil) != c.overlaps {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

func TestNotificationMatches(t *testing.T) {
	for _, c := range []struct {
		prefix, suffix, event, key string
		want                       bool
	}{
		{"", "", EventCreatedPut, "any", true},
		{"", "", EventRemovedMarker, "any", false},
		{"in/", ".jpg", EventCreatedCopy, "in/a.jpg", true},
		{"in/", ".jpg", EventCreatedCopy, "in/a.png", false},
		{"in/", ".jpg", EventCreatedCopy, "out/in/a.jpg", false},
		{"a+b", "", EventCreatedPost, "a b/c", true},
		{"a+b", "", EventCreatedPost, "a+b/c", false},
		{"a%2Bb", "%C3%BC", EventCreatedPost, "a+b/ü", true},
		{"100%", "", EventCreatedPost, "100% sure", true},
		{"", "", "s3:ObjectCreated", "any", false},
	} {
		n := Notification{Events: []string{EventTaggingPut, "s3:ObjectCreated:*"}, Prefix: c.prefix, Suffix: c.suffix}
		if n.Matches(c.event, c.key) != c.want {
			t.Errorf("%+v", c)
		}
	}
}

func FuzzParseNotifications(f *testing.F) {
	f.Add(notificationBody(queueTo("a", "p", "s", "s3:ObjectCreated:*")))
	f.Add([]byte("<NotificationConfiguration><EventBridgeConfiguration/></NotificationConfiguration>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		list, err := ParseNotifications(body)
		if err != nil {
			return
		}
		again, err := ParseNotifications(list.Append(nil))
		if err != nil {
			t.Fatalf("%q: %v", list.Append(nil), err)
		}
		if len(again) != len(list) {
			t.Errorf("%d became %d", len(list), len(again))
		}
	})
}
