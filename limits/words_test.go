package limits_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass/limits"
)

func TestWords(t *testing.T) {
	prefixes := func(texts ...string) (list []netip.Prefix) {
		for _, text := range texts {
			list = append(list, netip.MustParsePrefix(text))
		}
		return list
	}
	for _, test := range []struct {
		set  limits.Set
		want string
	}{
		{limits.Set{Name: "a\"b"}, `Its name is "a\"b".`},
		{limits.Set{Uses: 1}, "Can be used once."},
		{limits.Set{Uses: 3}, "Can be used 3 times."},
		{limits.Set{NotBefore: time.Date(2030, 1, 1, 1, 0, 0, 0, time.FixedZone("", 3600))}, "Not before 2030-01-01 00:00:00 UTC."},
		{limits.Set{Until: time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)}, "Ends at 2030-01-01 00:00:00 UTC."},
		{limits.Set{IP: prefixes("203.0.113.0/24")}, "Only from 203.0.113.0/24."},
		{limits.Set{IP: prefixes("203.0.113.7/32", "10.0.0.0/8", "::1/128")}, "Only from 203.0.113.7, 10.0.0.0/8 or ::1."},
		{limits.Set{Bind: true}, "Only from the first address that uses it."},
		{limits.Set{Size: &limits.SizeRange{Max: 10 << 20}}, "Uploads of at most 10 MiB."},
		{limits.Set{Size: &limits.SizeRange{Min: 1, Max: 1025}}, "Uploads of 1 byte to 1025 bytes."},
		{limits.Set{Size: &limits.SizeRange{Min: 5 << 40, Max: 5 << 40}}, "Uploads must have exactly 5 TiB."},
		{limits.Set{Size: &limits.SizeRange{}}, "Uploads must have exactly 0 bytes."},
		{limits.Set{Types: []string{"image/*", "application/pdf"}}, "Uploads only of type image/* or application/pdf."},
		{limits.Set{NoOverwrite: true}, "Uploads cannot replace an object."},
		{limits.Set{Rate: 1 << 20}, "At most 1 MiB per second, all connections together."},
		{limits.Set{Prefix: "a/b/"}, `For everything below "a/b/".`},
		{limits.Set{ETag: "abc"}, "Only while the object's ETag is abc."},
		{limits.Set{PIN: new(limits.PINTag)}, "Asks for a PIN."},
		{limits.Set{Origins: []string{"https://a.example"}}, "In browsers only from pages of https://a.example."},
		{limits.Set{TLS: true}, "Only over HTTPS."},
		{limits.Set{Prefix: "a/", Zip: true, Uses: 2}, "For everything below \"a/\".\nGives the whole tree as a ZIP archive.\nEach object can be downloaded 2 times."},
		{limits.Set{Prefix: "a/", Cookie: true, Uses: 1}, "For everything below \"a/\".\nSets a cookie, so that relative links work.\nEach object can be downloaded once."},
		{limits.Set{}, ""},
	} {
		if diff := cmp.Diff(test.want, strings.Join(test.set.Words(), "\n")); diff != "" {
			t.Error(diff)
		}
	}
}
