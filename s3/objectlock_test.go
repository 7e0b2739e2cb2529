package s3

import (
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass"
)

func TestObjectLockBodies(t *testing.T) {
	golden(t, "object_lock.xml", AppendObjectLock(nil, DefaultRetention{Mode: Governance, Days: 30}))
	golden(t, "object_lock_years.xml", AppendObjectLock(nil, DefaultRetention{Mode: Compliance, Years: 7}))
	golden(t, "object_lock_empty.xml", AppendObjectLock(nil, DefaultRetention{}))
	golden(t, "retention.xml", AppendRetention(nil, Retention{Mode: Compliance, Until: when}))
	golden(t, "legal_hold.xml", AppendLegalHold(nil, LegalHoldOn))
}

func TestParseObjectLock(t *testing.T) {
	const enabled = "<ObjectLockEnabled>Enabled</ObjectLockEnabled>"
	rule := func(def string) string {
		return enabled + "<Rule><DefaultRetention>" + def + "</DefaultRetention></Rule>"
	}
	for inner, want := range map[string]struct {
		code      daypass.Code
		message   string
		retention DefaultRetention
	}{
		enabled: {},
		rule("<Mode>GOVERNANCE</Mode><Days>1</Days>"):       {retention: DefaultRetention{Mode: Governance, Days: 1}},
		rule("<Years>100</Years><Mode> COMPLIANCE </Mode>"): {retention: DefaultRetention{Mode: Compliance, Years: 100}},
		rule("<Mode>COMPLIANCE</Mode><Days>36500</Days>"):   {retention: DefaultRetention{Mode: Compliance, Days: 36500}},
		"": {code: "MalformedXML"},
		"<ObjectLockEnabled>Disabled</ObjectLockEnabled>": {code: "MalformedXML"},
		enabled + "<Rule/>":                           {code: "MalformedXML"},
		enabled + "<rule/>":                           {code: "MalformedXML"},
		rule(""):                                      {code: "MalformedXML"},
		rule("<Mode>GOVERNANCE</Mode>"):               {code: "MalformedXML"},
		rule("<Days>1</Days>"):                        {code: "MalformedXML"},
		rule("<Mode>governance</Mode><Days>1</Days>"): {code: "MalformedXML"},
		rule("<Mode>GOVERNANCE</Mode><Days>1</Days><Years>1</Years>"):                          {code: "MalformedXML"},
		rule("<Mode>GOVERNANCE</Mode><Days>one</Days>"):                                        {code: "MalformedXML"},
		rule("<Mode>GOVERNANCE</Mode><Days>99999999999</Days>"):                                {code: "MalformedXML"},
		rule("<Mode>GOVERNANCE</Mode><Days>1</Days>") + "<Rule/>":                              {code: "MalformedXML"},
		rule("<Mode>GOVERNANCE</Mode><Days>0</Days>"):                                          {code: "InvalidArgument", message: "Default retention period must be a positive integer value."},
		rule("<Mode>GOVERNANCE</Mode><Years>-1</Years>"):                                       {code: "InvalidArgument", message: "Default retention period must be a positive integer value."},
		rule("<Mode>GOVERNANCE</Mode><Days>36501</Days>"):                                      {code: "InvalidArgument", message: "Default retention period too large."},
		rule("<Mode>GOVERNANCE</Mode><Years>101</Years>"):                                      {code: "InvalidArgument", message: "Default retention period too large."},
		rule("<Mode>GOVERNANCE</Mode><DefaultEventHold><Days>1</Days></DefaultEventHold>"):     {code: "NotImplemented"},
		rule("<Mode>GOVERNANCE</Mode><Days>1</Days><DefaultEventHold></DefaultEventHold><x/>"): {code: "NotImplemented"},
	} {
		got, err := ParseObjectLock([]byte("<ObjectLockConfiguration>" + inner + "</ObjectLockConfiguration>"))
		if daypass.CodeOf(err) != want.code || err == nil && got != want.retention || err != nil && want.message != "" && ErrorOf(err).Message != want.message {
			t.Errorf("%s: %+v, %v; want %+v", inner, got, err, want)
		}
	}
	for body, want := range map[string]daypass.Code{"": MissingRequestBody, "<Other/>": "MalformedXML", " ": "MalformedXML"} {
		if _, err := ParseObjectLock([]byte(body)); daypass.CodeOf(err) != want {
			t.Errorf("%q: %v, want %s", body, err, want)
		}
	}
}

func TestParseRetainUntil(t *testing.T) {
	for text, want := range map[string]string{
		"2026-03-04T05:06:07Z":           "2026-03-04T05:06:07.000Z",
		"2026-03-04T05:06:07.1239Z":      "2026-03-04T05:06:07.123Z",
		"2026-03-04T07:06:07+02:00":      "2026-03-04T05:06:07.000Z",
		"2026-03-04T05:06:07":            "2026-03-04T05:06:07.000Z",
		"2026-03-04":                     "2026-03-04T00:00:00.000Z",
		"9999-12-31T23:59:59.999Z":       "9999-12-31T23:59:59.999Z",
		"9999-12-31T23:59:59.999-01:00":  "",
		"0001-01-01T00:00:00Z":           "",
		"10000-01-01T00:00:00Z":          "",
		"Wed, 04 Mar 2026 05:06:07 GMT":  "",
		"2026-03-04T05:06:07Z and after": "",
		"":                               "",
	} {
		got, ok := ParseRetainUntil(text)
		if ok != (want != "") || ok && got.Format(TimeLayout) != want {
			t.Errorf("%q: %v, %v; want %q", text, got, ok, want)
		}
	}
}

func FuzzParseObjectLock(f *testing.F) {
	f.Add(AppendObjectLock(nil, DefaultRetention{Mode: Governance, Days: 30}))
	f.Add(AppendRetention(nil, Retention{Mode: Compliance, Until: when}))
	f.Add(AppendLegalHold(nil, LegalHoldOn))
	f.Fuzz(func(t *testing.T, body []byte) {
		if d, err := ParseObjectLock(body); err == nil {
			if again, err := ParseObjectLock(AppendObjectLock(nil, d)); err != nil || again != d {
				t.Errorf("%+v became %+v, %v", d, again, err)
			}
		}
		if r, err := ParseRetention(body); err == nil && r.Mode != "" {
			again, err := ParseRetention(AppendRetention(nil, r))
			if err != nil || again.Mode != r.Mode || !again.Until.Equal(r.Until) || !r.Until.Equal(r.Until.Truncate(time.Millisecond)) {
				t.Errorf("%+v became %+v, %v", r, again, err)
			}
		}
		if s, err := ParseLegalHold(body); err == nil {
			if again, err := ParseLegalHold(AppendLegalHold(nil, s)); err != nil || again != s || strings.TrimSpace(s) == "" {
				t.Errorf("%q became %q, %v", s, again, err)
			}
		}
	})
}
