package main

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
)

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "10485760": 10485760, "10B": 10, "10MiB": 10 << 20, "10MB": 10e6, "1kB": 1000, "1KB": 1000, "1KiB": 1024,
		"2G": 2e9, "5TiB": 5 << 40, "1k": 1000,
	} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%q is %d, %v; want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "-1", "1.5MiB", "MiB", "1MM", "1iB", "1 MiB", "1mib", "9223372036854775807KiB", "10000000T", "+1x", "0x10"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}

func TestParseMoment(t *testing.T) {
	now := time.Date(2026, 2, 6, 12, 0, 0, 500, time.UTC)
	for text, want := range map[string]string{
		"now": "2026-02-06T12:00:00Z", "36h": "2026-02-08T00:00:00Z", "30d": "2026-03-08T12:00:00Z", "-1h": "2026-02-06T11:00:00Z",
		"2026-02-07T01:00:00+01:00": "2026-02-07T00:00:00Z", "20260207T000000Z": "2026-02-07T00:00:00Z",
	} {
		if got, err := parseMoment("--until", text, now); err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%q is %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"tomorrow", "2026-02-07", "20260207", "1y"} {
		if got, err := parseMoment("--until", text, now); err == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
}

// A limit of the API is encoded or refused, whichever it is: none is lost.
func TestEncodeLimits(t *testing.T) {
	size := int64(7)
	at := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		limits client.Limits
		want   string
	}{
		{client.Limits{Name: "n"}, "x-daypass-name=n"},
		{client.Limits{Uses: 1}, "x-daypass-uses=1&x-nonce=ONZXG43T"},
		{client.Limits{Uses: -1}, ""},
		{client.Limits{NotBefore: at}, "x-daypass-not-before=20270101T000000Z"},
		{client.Limits{Until: at}, "x-daypass-until=20270101T000000Z"},
		{client.Limits{IP: []string{"10.0.0.1", "::1"}}, "x-daypass-ip=10.0.0.1%2C%3A%3A1"},
		{client.Limits{IP: []string{""}}, ""},
		{client.Limits{Bind: "ip"}, "x-daypass-bind=ip&x-nonce=ONZXG43T"},
		{client.Limits{Bind: "host"}, ""},
		{client.Limits{MinSize: &size}, "x-daypass-size=7-5497558138880"},
		{client.Limits{MaxSize: &size}, "x-daypass-size=0-7"},
		{client.Limits{Type: []string{"image/*"}}, "x-daypass-type=image%2F%2A"},
		{client.Limits{NoOverwrite: true}, "x-daypass-overwrite=no"},
		{client.Limits{Rate: 9}, "x-daypass-rate=9"},
		{client.Limits{Rate: -9}, ""},
		{client.Limits{Prefix: "p/"}, "x-daypass-prefix=p%2F"},
		{client.Limits{Prefix: "p"}, ""},
		{client.Limits{ETag: "abc"}, "x-daypass-etag=abc"},
		{client.Limits{PIN: "123"}, ""},
		{client.Limits{Origin: []string{"https://a.example"}}, "x-daypass-origin=https%3A%2F%2Fa.example"},
		{client.Limits{TLS: true}, "x-daypass-tls=required"},
		{client.Limits{Zip: true}, "x-daypass-as=zip"},
		{client.Limits{Cookie: true}, "x-daypass-cookie=1"},
	} {
		q, err := encodeLimits(&c.limits, strings.NewReader(strings.Repeat("s", 64)), "secret")
		if (err != nil) != (c.want == "") || q.Encode() != c.want || err != nil && daypass.CodeOf(err) != daypass.InvalidArgument {
			t.Errorf("%+v: %q, %v", c.limits, q.Encode(), err)
		}
	}
	q, err := encodeLimits(&client.Limits{PIN: "2468"}, strings.NewReader(strings.Repeat("s", 64)), "secret")
	if err != nil || !strings.HasPrefix(q.Encode(), "x-daypass-pin=c3Nzc3Nzc3Nzc3Nzc3Nzcw.") {
		t.Errorf("%q, %v", q.Encode(), err)
	}
}

// A revocation of everything is asked about at a terminal.
func TestConfirmBroad(t *testing.T) {
	for _, c := range []struct {
		flags    revokeFlags
		args     []string
		terminal bool
		answer   string
		ok       bool
	}{
		{revokeFlags{before: "now"}, nil, true, "y\n", true},
		{revokeFlags{before: "now"}, nil, true, "\n", false},
		{revokeFlags{before: "now"}, nil, true, "", false},
		{revokeFlags{owner: "team"}, nil, true, "no\n", false},
		{revokeFlags{before: "now", yes: true}, nil, true, "", true},
		{revokeFlags{before: "now"}, nil, false, "", true},
		{revokeFlags{before: "now", name: "party"}, nil, true, "", true},
		{revokeFlags{}, []string{"id"}, true, "", true},
	} {
		a := &app{in: strings.NewReader(c.answer), err: io.Discard, inTerm: c.terminal}
		if err := a.confirmBroad(&c.flags, c.args); (err == nil) != c.ok {
			t.Errorf("%+v answered %q: %v", c.flags, c.answer, err)
		}
	}
}
