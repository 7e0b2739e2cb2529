package s3

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
)

func TestLoggingBody(t *testing.T) {
	golden(t, "logging_off.xml", AppendLogging(nil, nil))
	golden(t, "logging.xml", AppendLogging(nil, &Logging{TargetBucket: "logs"}))
	golden(t, "logging_simple.xml", AppendLogging(nil, &Logging{TargetBucket: "logs", TargetPrefix: "a&b/", Format: SimplePrefix,
		Grants: ACL{{ID: id1, Permission: Read}, {Group: AllUsers, Permission: FullControl}}}))
	golden(t, "logging_partitioned.xml", AppendLogging(nil, &Logging{TargetBucket: "logs", TargetPrefix: "p/", Format: PartitionedPrefix, DateSource: DeliveryTime}))
}

func TestParseLogging(t *testing.T) {
	status := func(inner string) string {
		return `<BucketLoggingStatus xmlns="http://doc.s3.amazonaws.com/2006-03-01">` + inner + `</BucketLoggingStatus>`
	}
	enabled := func(inner string) string { return status("<LoggingEnabled>" + inner + "</LoggingEnabled>") }
	target := func(inner string) string {
		return enabled("<TargetBucket>logs</TargetBucket><TargetPrefix>p</TargetPrefix>" + inner)
	}
	grant := func(grantee, permission string) string {
		return `<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" ` + grantee + `</Grantee><Permission>` + permission + `</Permission></Grant>`
	}
	format := func(inner string) string {
		return target("<TargetObjectKeyFormat>" + inner + "</TargetObjectKeyFormat>")
	}
	group := `xsi:type="Group"><URI>` + LogDelivery + `</URI>`
	for body, want := range map[string]*Logging{
		status(""): nil,
		`<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<BucketLoggingStatus/>`: nil,
		enabled("<TargetPrefix/><TargetBucket> logs </TargetBucket>"):              {TargetBucket: "logs"},
		target(""):                     {TargetBucket: "logs", TargetPrefix: "p"},
		format("<SimplePrefix/>"):      {TargetBucket: "logs", TargetPrefix: "p", Format: SimplePrefix},
		format("<PartitionedPrefix/>"): {TargetBucket: "logs", TargetPrefix: "p", Format: PartitionedPrefix},
		format("<PartitionedPrefix><PartitionDateSource>EventTime</PartitionDateSource></PartitionedPrefix>"):    {TargetBucket: "logs", TargetPrefix: "p", Format: PartitionedPrefix, DateSource: EventTime},
		format("<PartitionedPrefix><PartitionDateSource>DeliveryTime</PartitionDateSource></PartitionedPrefix>"): {TargetBucket: "logs", TargetPrefix: "p", Format: PartitionedPrefix, DateSource: DeliveryTime},
		target("<TargetGrants>" + grant(group, "READ_ACP") + "</TargetGrants>"):                                  {TargetBucket: "logs", TargetPrefix: "p", Grants: ACL{{Group: LogDelivery, Permission: ReadACP}}},
		target("<TargetGrants/>"): {TargetBucket: "logs", TargetPrefix: "p"},
	} {
		got, err := ParseLogging([]byte(body))
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%s: %v %s", body, err, diff)
		}
		if got != nil && got.ByEventTime() != (want.Format == PartitionedPrefix && want.DateSource != DeliveryTime) {
			t.Errorf("%s: by event time %v", body, got.ByEventTime())
		}
	}
	for body, code := range map[string]daypass.Code{
		"":                  daypass.MalformedXML,
		"<LoggingEnabled/>": daypass.MalformedXML,
		enabled(""):         daypass.MalformedXML,
		enabled("<TargetBucket>logs</TargetBucket>"): daypass.MalformedXML,
		enabled("<TargetBucket/><TargetPrefix/>"):    daypass.MalformedXML,
		format(""): daypass.MalformedXML,
		format("<SimplePrefix/><PartitionedPrefix/>"):                                                                                               daypass.MalformedXML,
		format("<PartitionedPrefix><PartitionDateSource>Noon</PartitionDateSource></PartitionedPrefix>"):                                            daypass.MalformedXML,
		target("<TargetGrants>" + grant(group, "READ ACP") + "</TargetGrants>"):                                                                     daypass.MalformedXML,
		target("<TargetGrants><Grant><Permission>READ</Permission></Grant></TargetGrants>"):                                                         daypass.MalformedXML,
		target("<TargetGrants>" + strings.Repeat(grant(group, "READ"), 101) + "</TargetGrants>"):                                                    daypass.MalformedXML,
		target("<TargetGrants>" + grant(`xsi:type="CanonicalUser"><ID>me</ID>`, "READ") + "</TargetGrants>"):                                        daypass.InvalidArgument,
		target("<TargetGrants>" + grant(`xsi:type="AmazonCustomerByEmail"><EmailAddress>a@example.com</EmailAddress>`, "READ") + "</TargetGrants>"): UnresolvableGrant,
	} {
		if l, err := ParseLogging([]byte(body)); daypass.CodeOf(err) != code {
			t.Errorf("%.200s: %v, %v, want %s", body, l, err, code)
		}
	}
}

func FuzzParseLogging(f *testing.F) {
	f.Add(AppendLogging(nil, nil))
	f.Add(AppendLogging(nil, &Logging{TargetBucket: "logs", TargetPrefix: "p", Grants: ACL{{ID: id1, Permission: Read}}, Format: PartitionedPrefix, DateSource: EventTime}))
	f.Fuzz(func(t *testing.T, body []byte) {
		l, err := ParseLogging(body)
		if err != nil || l != nil && strings.Contains(l.TargetBucket+l.TargetPrefix, "\ufffd") {
			return
		}
		again, err := ParseLogging(AppendLogging(nil, l))
		if diff := cmp.Diff(l, again); diff != "" || err != nil {
			t.Errorf("%v %s", err, diff)
		}
	})
}
