package limits_test

import (
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/limits"
)

func TestAdmit(t *testing.T) {
	noon := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	ranges := []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	addr := netip.MustParseAddr
	times := limits.Set{NotBefore: noon, Until: noon.Add(time.Hour)}
	ip := limits.Set{IP: ranges}
	origin := limits.Set{Origins: []string{"https://a.example", "http://b.example:8080"}}
	for _, test := range []struct {
		name  string
		set   limits.Set
		use   limits.Use
		limit string // "" where the request is admitted
		asked string
	}{
		{"at not-before", times, limits.Use{Now: noon}, "", ""},
		{"just before", times, limits.Use{Now: noon.Add(-1)}, limits.NotBefore, "2030-01-01T11:59:59Z"},
		{"just before until", times, limits.Use{Now: noon.Add(time.Hour - 1)}, "", ""},
		{"at until", times, limits.Use{Now: noon.Add(time.Hour)}, limits.Until, "2030-01-01T13:00:00Z"},
		{"elsewhere on earth", times, limits.Use{Now: noon.In(time.FixedZone("", -3600))}, "", ""},
		{"first of range", ip, limits.Use{Addr: addr("203.0.113.0")}, "", ""},
		{"last of range", ip, limits.Use{Addr: addr("203.0.113.255")}, "", ""},
		{"IPv4-mapped", ip, limits.Use{Addr: addr("::ffff:203.0.113.9")}, "", ""},
		{"IPv6", ip, limits.Use{Addr: addr("2001:db8::1")}, "", ""},
		{"IPv6 with a zone", ip, limits.Use{Addr: addr("2001:db8::1%eth0")}, "", ""},
		{"outside", ip, limits.Use{Addr: addr("203.0.114.0")}, limits.IP, "203.0.114.0"},
		{"outside, mapped", ip, limits.Use{Addr: addr("::ffff:203.0.114.0")}, limits.IP, "203.0.114.0"},
		{"IPv4-compatible", ip, limits.Use{Addr: addr("::203.0.113.9")}, limits.IP, "::cb00:7109"},
		{"6to4", ip, limits.Use{Addr: addr("2002:cb00:7109::")}, limits.IP, "2002:cb00:7109::"},
		{"unknown address", ip, limits.Use{}, limits.IP, "an unknown address"},
		{"all IPv4, asked by IPv6", limits.Set{IP: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}, limits.Use{Addr: addr("::1")}, limits.IP, "::1"},
		{"all IPv6, asked by mapped IPv4", limits.Set{IP: []netip.Prefix{netip.MustParsePrefix("::/0")}}, limits.Use{Addr: addr("::ffff:1.2.3.4")}, limits.IP, "1.2.3.4"},
		{"TLS", limits.Set{TLS: true}, limits.Use{TLS: true}, "", ""},
		{"plain", limits.Set{TLS: true}, limits.Use{}, limits.TLS, "plain HTTP"},
		{"origin", origin, limits.Use{Origin: "https://a.example"}, "", ""},
		{"origin, default port", origin, limits.Use{Origin: "https://a.example:443"}, "", ""},
		{"origin, port", origin, limits.Use{Origin: "http://b.example:8080"}, "", ""},
		{"another scheme", origin, limits.Use{Origin: "http://a.example"}, limits.Origin, "http://a.example"},
		{"another port", origin, limits.Use{Origin: "http://b.example"}, limits.Origin, "http://b.example"},
		{"longer host", origin, limits.Use{Origin: "https://a.example.evil.example"}, limits.Origin, "https://a.example.evil.example"},
		{"subdomain", origin, limits.Use{Origin: "https://x.a.example"}, limits.Origin, "https://x.a.example"},
		{"userinfo", origin, limits.Use{Origin: "https://a.example@evil.example"}, limits.Origin, "https://a.example@evil.example"},
		{"null", origin, limits.Use{Origin: "null"}, limits.Origin, "null"},
		{"list", origin, limits.Use{Origin: "https://a.example,http://b.example:8080"}, limits.Origin, "https://a.example,http://b.example:8080"},
		{"no origin", origin, limits.Use{}, limits.Origin, "no origin"},
		{"nothing limited", limits.Set{Uses: 1}, limits.Use{}, "", ""},
	} {
		err := test.set.Admit(test.use)
		if test.limit == "" {
			if err != nil {
				t.Errorf("%s: %v", test.name, err)
			}
			continue
		}
		e, ok := err.(*daypass.Error)
		if !ok || e.Code != daypass.AccessDenied || len(e.Details) != 3 {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		q, _ := test.set.Query()
		if want := (daypass.Detail{Name: "Limit", Value: test.limit}); e.Details[0] != want {
			t.Errorf("%s: %v, want %v", test.name, e.Details[0], want)
		}
		if test.limit != limits.NotBefore && test.limit != limits.Until && e.Details[1].Value != q.Get(test.limit) {
			t.Errorf("%s: %v, want %s", test.name, e.Details[1], q.Get(test.limit))
		}
		if want := (daypass.Detail{Name: "Asked", Value: test.asked}); e.Details[2] != want {
			t.Errorf("%s: %v, want %v", test.name, e.Details[2], want)
		}
	}
}

// TestAdmitWords pins what clients see.
func TestAdmitWords(t *testing.T) {
	noon := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	details := func(limit, allowed, asked string) []daypass.Detail {
		return []daypass.Detail{{Name: "Limit", Value: limit}, {Name: "Allowed", Value: allowed}, {Name: "Asked", Value: asked}}
	}
	for _, test := range []struct {
		set     limits.Set
		message string
		details []daypass.Detail
	}{
		{limits.Set{Until: noon}, "Request has expired", details(limits.Until, "2030-01-01T12:00:00Z", "2030-01-01T12:00:00Z")},
		{limits.Set{NotBefore: noon.Add(time.Hour)}, "Request is not valid yet", details(limits.NotBefore, "2030-01-01T13:00:00Z", "2030-01-01T12:00:00Z")},
		{limits.Set{TLS: true}, "The limit x-daypass-tls does not allow this request.", details(limits.TLS, "required", "plain HTTP")},
	} {
		e, ok := test.set.Admit(limits.Use{Now: noon}).(*daypass.Error)
		if !ok || e.Message != test.message {
			t.Errorf("got %v, want %s", e, test.message)
			continue
		}
		if diff := cmp.Diff(test.details, e.Details); diff != "" {
			t.Error(diff)
		}
	}
}

func TestRequestOrigin(t *testing.T) {
	for _, test := range []struct {
		header http.Header
		want   string
	}{
		{http.Header{"Origin": {"https://a.example"}}, "https://a.example"},
		{http.Header{"Origin": {"https://a.example"}, "Referer": {"https://b.example/x"}}, "https://a.example"},
		{http.Header{"Referer": {"https://B.example:443/path?q=https://a.example#f"}}, "https://b.example"},
		{http.Header{"Referer": {"https://b.example?x"}}, "https://b.example"},
		{http.Header{"Referer": {"https://b.example"}}, "https://b.example"},
		{http.Header{"Origin": {"null"}, "Referer": {"https://b.example/x"}}, ""},
		{http.Header{"Origin": {""}, "Referer": {"https://b.example/x"}}, ""},
		{http.Header{"Origin": {"https://a.example", "https://b.example"}}, ""},
		{http.Header{"Referer": {"https://a.example/", "https://b.example/"}}, ""},
		{http.Header{"Referer": {"https://a.example@evil.example/"}}, ""},
		{http.Header{"Referer": {`https://a.example\.evil.example/`}}, ""},
		{http.Header{"Referer": {"about:blank"}}, ""},
		{http.Header{"Referer": {"a.example"}}, ""},
		{http.Header{}, ""},
		{nil, ""},
	} {
		if got := limits.RequestOrigin(test.header); got != test.want {
			t.Errorf("%v: got %q, want %q", test.header, got, test.want)
		}
	}
}
