package limits_test

import (
	"encoding/base64"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
)

var (
	salt, tag = strings.Repeat("A", 22), strings.Repeat("A", 43)
	pinText   = salt + "." + tag
	tooMany   = func(one string, n int) string { return strings.Repeat(one+",", n-1) + one }
)

// values has, for each limit, texts that are well formed, with the canonical
// text of each where it differs, and texts that are not.
var values = []struct {
	limit     string
	good      []string
	canonical map[string]string
	bad       []string
}{
	{
		limit: limits.Name,
		good:  []string{"x", "Invoice 7 für Zoë", strings.Repeat("é", 128), "a&b=c+d%", " "},
		bad:   []string{"", strings.Repeat("a", 129), strings.Repeat("é", 129), "a\x00", "a\nb", "a\x7f", "a\u0085b", "\xff", "a\xc0\xaf"},
	},
	{
		limit: limits.Uses,
		good:  []string{"1", "2", "1000000000"},
		bad: []string{"", "0", "-1", "+1", "01", "1.0", "1e3", " 1", "1 ", "0x1", "1_000", "1000000001", "18446744073709551617",
			"٣", "１", strings.Repeat("9", 400)},
	},
	{
		limit: limits.NotBefore,
		good:  []string{"20300101T000000Z", "19700101T000000Z", "20240229T235959Z", "99991231T235959Z"},
		bad:   badTimes,
	},
	{
		limit: limits.Until,
		good:  []string{"20300101T000000Z"},
		bad:   badTimes,
	},
	{
		limit: limits.IP,
		good:  []string{"203.0.113.7", "203.0.113.0/24", "2001:db8::/32", "2001:db8::1,10.0.0.0/8", "0.0.0.0/0", "::/0", tooMany("10.0.0.1", 64)},
		canonical: map[string]string{
			"203.0.113.77/24":              "203.0.113.0/24",
			"203.0.113.7/32":               "203.0.113.7",
			"2001:DB8:0:0::1/128":          "2001:db8::1",
			"::ffff:203.0.113.7":           "203.0.113.7",
			"::ffff:cb00:7107":             "203.0.113.7",
			"::ffff:203.0.113.7/120":       "203.0.113.0/24",
			"::ffff:0:0/96":                "0.0.0.0/0",
			"2001:db8::ffff/64":            "2001:db8::/64",
			"::ffff:10.0.0.1,10.0.0.1/8":   "10.0.0.1,10.0.0.0/8",
			"0:0:0:0:0:ffff:203.0.113.128": "203.0.113.128",
		},
		bad: []string{"", ",", "10.0.0.1,", ",10.0.0.1", "10.0.0.1, 10.0.0.2", "10.0.0", "010.0.0.1", "10.0.0.1/33", "10.0.0.1/-1", "10.0.0.1/08",
			"10.0.0.1/", "fe80::1%eth0", "fe80::%eth0/64", "[::1]", "::1/129", "::ffff:0:0/95", "::ffff:1.2.3.4/0", "localhost", "10.0.0.1:80",
			"10.0.0.0-10.0.0.9", "*", tooMany("10.0.0.1", 65)},
	},
	{limit: limits.Bind, good: []string{"ip"}, bad: []string{"", "IP", "ip ", "1", "true", "cookie"}},
	{limit: limits.Overwrite, good: []string{"no"}, bad: []string{"", "No", "yes", "0", "false"}},
	{limit: limits.TLS, good: []string{"required"}, bad: []string{"", "1", "Required", "no", "optional"}},
	{limit: limits.As, good: []string{"zip"}, bad: []string{"", "ZIP", "tar", "zip "}},
	{limit: limits.Cookie, good: []string{"1"}, bad: []string{"", "0", "true", "01", "2"}},
	{
		limit: limits.Size,
		good:  []string{"0-0", "0-10485760", "1-1", "0-5497558138880", "5497558138880-5497558138880"},
		bad: []string{"", "-", "1", "1-", "-1", "2-1", "0-5497558138881", "00-1", "0-01", "0--1", "0-1-2", "0 - 1", "0-1MiB", "+0-1",
			"0-9223372036854775808", "0–1"},
	},
	{
		limit:     limits.Type,
		good:      []string{"*/*", "image/*", "image/png,image/jpeg", "application/vnd.oasis.opendocument.text", "a/" + strings.Repeat("b", 127), tooMany("a/b", 32)},
		canonical: map[string]string{"Image/PNG": "image/png", "TEXT/*": "text/*"},
		bad: []string{"", "image", "image/", "/png", "*/png", "*", "image/p*", "i*/png", "image/png;q=1", "image/png, image/gif", "image/png,",
			"image/png/x", "image /png", "imagé/png", "image/\x00", "a/" + strings.Repeat("b", 128), tooMany("a/b", 33), "text/(html)", `text/"html"`},
	},
	{limit: limits.Rate, good: []string{"1", "1048576", "1099511627776"}, bad: []string{"", "0", "-1", "01", "1099511627777", "1MiB", "1/s"}},
	{
		limit: limits.Prefix,
		good:  []string{"a/", "a/b/", "år/2026/", "a b/", ".../", ".a/", "a./", "a/..b/", "%2e%2e/", strings.Repeat("a", 1023) + "/"},
		bad: []string{"", "/", "a", "a/b", "/a/", "//", "a//", "a//b/", "./", "../", "a/./", "a/../", "a/..", "..\\/", "a\\b/", "a\x00/",
			"a/\xff/", "a\xc0\xaf../", strings.Repeat("a", 1024) + "/"},
	},
	{
		limit:     limits.ETag,
		good:      []string{"d41d8cd98f00b204e9800998ecf8427e", "9bb58f26192e4ba00f01e2e7b136bbd8-5", "'x'", strings.Repeat("e", 128)},
		canonical: map[string]string{`"abc"`: "abc", `"` + strings.Repeat("e", 128) + `"`: strings.Repeat("e", 128)},
		bad:       []string{"", `""`, `"`, `"abc`, `abc"`, `W/"abc"`, "W/abc", `"W/abc"`, "a b", "a\x7f", "é", `a"b`, `""abc""`, strings.Repeat("e", 129)},
	},
	{
		limit: limits.PIN,
		good:  []string{pinText, strings.Repeat("_", 21) + "w." + strings.Repeat("-", 42) + "8"},
		bad: []string{"", ".", salt, salt + ".", "." + tag, salt + "." + tag + ".", salt + "." + tag + "=", salt + "==." + tag + "=",
			salt[1:] + "B." + tag, salt + "." + tag[1:] + "B", // bits beyond the last byte
			strings.Repeat("+", 21) + "A." + tag, salt + "." + strings.Repeat("/", 42) + "A",
			salt[1:] + "\n." + tag, salt + "\n." + tag, salt + "." + tag[2:] + "\r\n", " " + pinText, pinText + " ", salt + "A." + tag[1:]},
	},
	{
		limit: limits.Origin,
		good:  []string{"https://app.example.com", "http://localhost:3000", "https://a.example,https://b.example:8443", "http://[::1]:8080", "https://203.0.113.7"},
		canonical: map[string]string{
			"https://app.example.com:443": "https://app.example.com",
			"http://app.example.com:80":   "http://app.example.com",
			"https://App.Example.COM":     "https://app.example.com",
			"HTTPS://a.example:444":       "https://a.example:444",
			"http://a.example:443":        "http://a.example:443",
		},
		bad: []string{"", "null", "*", "https://*", "https://*.example.com", "app.example.com", "//a.example", "ftp://a.example", "https://", "https://a.example/",
			"https://a.example/path", "https://a.example?x", "https://a.example#x", "https://u@a.example", "https://u:p@a.example", "https://a.example:",
			"https://a.example:0", "https://a.example:65536", "https://a.example:0443", "https://a.example:x", "https://a.example, https://b.example",
			"https://[::1", "https://::1", "https://[::1%25eth0]", "https://[0:0::1]", "https://bücher.example", "https://a\x00.example", "https://a.example\\x",
			"https://" + strings.Repeat("a", 254), tooMany("https://a.example", 33), "javascript://a.example"},
	},
}

var badTimes = []string{"", "2030-01-01T00:00:00Z", "20300101T000000", "20300101T000000z", "20300101t000000Z", "20300101T000000+0000", "20300230T000000Z",
	"20301301T000000Z", "20300101T240000Z", "20300101T006000Z", "20300101T000060Z", "20300101T000000.5Z", "20300101T00000.5Z", " 20300101T000000Z",
	"00010101T000000Z", "19691231T235959Z", "1893456000", "20300101", "２0300101T000000Z"}

func parseOne(name, value string) (*limits.Set, error) {
	return limits.Parse(sign.Query{{Name: name, Value: value}})
}

func TestValues(t *testing.T) {
	for _, v := range values {
		canonical := map[string]string{}
		for _, text := range v.good {
			canonical[text] = text
		}
		for text, want := range v.canonical {
			canonical[text] = want
		}
		for text, want := range canonical {
			s, err := parseOne(v.limit, text)
			if err != nil {
				t.Errorf("%s=%q: %v", v.limit, text, err)
				continue
			}
			q, err := s.Query()
			if err != nil || len(q) != 1 || q[0].Name != v.limit || q[0].Value != want {
				t.Errorf("%s=%q encodes as %v, %v; want %q", v.limit, text, q, err, want)
			}
		}
		for _, text := range v.bad {
			s, err := parseOne(v.limit, text)
			wantInvalid(t, v.limit, err)
			if s != nil {
				t.Errorf("%s=%q was parsed", v.limit, text)
			}
		}
	}
}

// wantInvalid checks that an error names the limit in all its parts.
func wantInvalid(t *testing.T, limit string, err error) {
	t.Helper()
	e, ok := err.(*daypass.Error)
	if !ok || e.Code != daypass.InvalidArgument || !strings.Contains(e.Message, limit) ||
		len(e.Details) != 2 || e.Details[0] != (daypass.Detail{Name: "ArgumentName", Value: limit}) || e.Details[1].Name != "ArgumentValue" {
		t.Errorf("got %#v, want InvalidArgument that names %s", err, limit)
	}
}

func TestParseNone(t *testing.T) {
	for _, q := range []sign.Query{nil, {}, {{Name: "x-amz-date", Value: "x"}, {Name: "x-daypass", Value: "1"}, {Name: "daypass-uses", Value: "1"}, {Name: "", Value: ""}}} {
		if s, err := limits.Parse(q); s != nil || err != nil {
			t.Errorf("%v: %v, %v", q, s, err)
		}
	}
}

// TestNilSet checks that no limits allow everything.
func TestNilSet(t *testing.T) {
	var s *limits.Set
	q, err := s.Query()
	_, state := s.NeedsState()
	if q != nil || err != nil || s.Check(limits.Pass{}) != nil || s.Admit(limits.Use{}) != nil || s.Words() != nil || !s.AllowsType("text/html") || state {
		t.Error("a nil set limits")
	}
}

// TestParseRefuses tries spellings that another parser could read otherwise.
func TestParseRefuses(t *testing.T) {
	for _, test := range []struct{ raw, limit, words string }{
		{"x-daypass-used=1", "x-daypass-used", "unknown"},
		{"x-daypass-=1", "x-daypass-", "unknown"},
		{"x-daypass-pin-value=1234", "x-daypass-pin-value", "unknown"},
		{"X-DAYPASS-nothing=1", "X-DAYPASS-nothing", "unknown"},
		{"X-Daypass-Uses=1", "X-Daypass-Uses", "lower case: x-daypass-uses"},
		{"x-daypass-USES=1", "x-daypass-USES", "lower case: x-daypass-uses"},
		{"x-daypass-uses=1&X-Daypass-Uses=1", "X-Daypass-Uses", "lower case"},
		{"x-daypass-uses=1&x-daypass-uses=1", "x-daypass-uses", "repeated"},
		{"x-daypass-uses=1&x-daypass-use%73=2", "x-daypass-uses", "repeated"},
		{"x-daypass-tls=required&x-daypass-tls=required", "x-daypass-tls", "repeated"},
		{"x-daypass-uses=1&x-daypass-uses", "x-daypass-uses", "repeated"},
		{"x-daypass-uses", "x-daypass-uses", "must be"},
		{"x-daypass-uses%20=1", "x-daypass-uses ", "unknown"},
		{"x-daypass-uses%00=1", "x-daypass-uses\x00", "unknown"},
		{"x-daypass-uses[]=1", "x-daypass-uses[]", "unknown"},
		{"x-daypass-use%c5%bf=1", "x-daypass-use\u017f", "unknown"}, // ſ folds to s
		{"x-daypass-uses=1;x-daypass-tls=required", "x-daypass-uses", "must be"},
		{"x-daypass-prefix=a%2f..%2f", "x-daypass-prefix", "must be"},
		{"x-daypass-prefix=a%c0%af", "x-daypass-prefix", "must be"},
		{"x-daypass-uses=%2b1", "x-daypass-uses", "must be"},
		{"x-daypass-uses=+1", "x-daypass-uses", "must be"},
	} {
		q, err := sign.ParseQuery(test.raw)
		if err != nil {
			t.Fatal(test.raw, err)
		}
		_, err = limits.Parse(q)
		wantInvalid(t, test.limit, err)
		if err != nil && !strings.Contains(err.Error(), test.words) {
			t.Errorf("%s: %v, want %q in it", test.raw, err, test.words)
		}
	}
}

// TestEcho checks that a refusal repeats bounded, well-formed text.
func TestEcho(t *testing.T) {
	_, err := parseOne(limits.Uses, "a"+strings.Repeat("é", 1<<20)+"\xff")
	for _, d := range err.(*daypass.Error).Details {
		if len(d.Value) > 300 || strings.ToValidUTF8(d.Value, "") != d.Value {
			t.Errorf("%s has %d bytes", d.Name, len(d.Value))
		}
	}
}

func fullSet(t *testing.T) *limits.Set {
	t.Helper()
	tag, ok := limits.ParsePIN(pinText)
	if !ok {
		t.Fatal("the PIN's tag is malformed")
	}
	return &limits.Set{
		Name: "n", Uses: 3, NotBefore: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), Until: time.Date(2030, 2, 1, 12, 30, 0, 0, time.UTC),
		IP: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::1/128")}, Bind: true,
		Size: &limits.SizeRange{Min: 0, Max: 10 << 20}, Types: []string{"image/*", "application/pdf"}, NoOverwrite: true, Rate: 1 << 20,
		Prefix: "a/b/", ETag: "abc", PIN: tag, Origins: []string{"https://app.example.com"}, TLS: true, Zip: true, Cookie: true,
	}
}

// TestQueryAll checks that every field has its parameter, and that the
// parameters are in canonical order already.
func TestQueryAll(t *testing.T) {
	s := fullSet(t)
	q, err := s.Query()
	if err != nil {
		t.Fatal(err)
	}
	if len(q) != len(values) {
		t.Errorf("%d parameters for %d limits", len(q), len(values))
	}
	sorted, err := sign.ParseQuery(q.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(q, sorted, cmpopts.IgnoreUnexported(sign.Param{})); diff != "" {
		t.Error("not in order:", diff)
	}
	back, err := limits.Parse(sorted)
	if diff := cmp.Diff(s, back, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" || err != nil {
		t.Error(diff, err)
	}
}

// TestQueryRefuses checks that nothing is minted that would not be honoured,
// and that no field set to nonsense is left out.
func TestQueryRefuses(t *testing.T) {
	day := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for limit, sets := range map[string][]limits.Set{
		limits.Name:      {{Name: "a\n"}},
		limits.Uses:      {{Uses: -1}, {Uses: limits.MaxUses + 1}},
		limits.NotBefore: {{NotBefore: day.AddDate(-100, 0, 0)}},
		limits.Until:     {{Until: day.AddDate(9000, 0, 0)}, {Until: time.Unix(-1, 0)}},
		limits.IP:        {{IP: []netip.Prefix{{}}}, {IP: []netip.Prefix{netip.MustParsePrefix("::ffff:0:0/90")}}},
		limits.Size:      {{Size: &limits.SizeRange{Min: 2, Max: 1}}, {Size: &limits.SizeRange{Min: -1}}, {Size: &limits.SizeRange{Max: limits.MaxSize + 1}}},
		limits.Type:      {{Types: []string{""}}, {Types: []string{"image"}}, {Types: []string{"image/png,text/html"}}, {Types: []string{"image/png", ""}}},
		limits.Rate:      {{Rate: -1}, {Rate: limits.MaxRate + 1}},
		limits.Prefix:    {{Prefix: "a"}, {Prefix: "/"}},
		limits.ETag:      {{ETag: `""`}, {ETag: `W/"x"`}},
		limits.Origin:    {{Origins: []string{""}}, {Origins: []string{"https://a.example,https://b.example"}}, {Origins: []string{"*"}}},
	} {
		for _, s := range sets {
			q, err := s.Query()
			wantInvalid(t, limit, err)
			if q != nil {
				t.Errorf("%s: %v", limit, q)
			}
		}
	}
}

// TestQueryCanonical checks that a set of Go values is written canonically.
func TestQueryCanonical(t *testing.T) {
	zone := time.FixedZone("", 3600)
	s := limits.Set{ETag: `"abc"`, Types: []string{"Image/*"}, Origins: []string{"https://A.example:443"},
		IP: []netip.Prefix{netip.MustParsePrefix("10.1.2.3/8"), netip.MustParsePrefix("::ffff:10.1.2.3/104")}, Until: time.Date(2030, 1, 1, 1, 0, 0, 999, zone)}
	q, err := s.Query()
	if err != nil {
		t.Fatal(err)
	}
	want := "x-daypass-etag=abc&x-daypass-ip=10.0.0.0%2F8%2C10.0.0.0%2F8&x-daypass-origin=https%3A%2F%2Fa.example&x-daypass-type=image%2F%2A&x-daypass-until=20300101T000000Z"
	if got := q.Encode(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestPINBase64 tries every last character of the salt: one in sixteen is
// canonical.
func TestPINBase64(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	good := 0
	for _, c := range alphabet {
		text := salt[1:] + string(c) + "." + tag
		got, ok := limits.ParsePIN(text)
		if ok {
			good++
		}
		if ok && got.String() != text || !ok && got != nil {
			t.Errorf("%s became %v", text, got)
		}
	}
	if good != 4 {
		t.Errorf("%d spellings, want 4", good)
	}
	if _, err := base64.RawURLEncoding.DecodeString(salt[1:] + "B"); err != nil {
		t.Error("the test tries nothing:", err)
	}
}
