package limits_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
)

var comparePrefixes = cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })

// FuzzParse checks that whatever is parsed is written back as parameters that
// parse to the same, and that nothing with a limit in it is taken for none.
func FuzzParse(f *testing.F) {
	for _, v := range values {
		for _, text := range slices.Concat(v.good[:1], v.bad[:1]) {
			f.Add(sign.Query{{Name: v.limit, Value: text}}.Encode())
		}
	}
	f.Add("x-daypass-uses=1&X-DAYPASS-uses=2&x-daypass-uses=1")
	f.Add("x-daypass-ip=::ffff:1.2.3.4/97,10.0.0.0/8&x-daypass-until=20300101T000000Z")
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := sign.ParseQuery(raw)
		if err != nil {
			return
		}
		s, err := limits.Parse(q)
		limited := slices.ContainsFunc(q, func(p sign.Param) bool { return sign.IsLimit(p.Name) })
		if err != nil || s == nil {
			if limited && err == nil || !limited && err != nil || s != nil {
				t.Fatalf("%q: %v, %v", raw, s, err)
			}
			return
		}
		s.Words()
		s.Check(getPass)
		s.Admit(limits.Use{})
		out, err := s.Query()
		if err != nil {
			t.Fatalf("%q was parsed but cannot be written: %v", raw, err)
		}
		back, err := limits.Parse(out)
		if diff := cmp.Diff(s, back, comparePrefixes); diff != "" || err != nil {
			t.Fatalf("%q: %v\n%s", raw, err, diff)
		}
	})
}

func FuzzParsePIN(f *testing.F) {
	for _, v := range values {
		if v.limit == limits.PIN {
			for _, text := range slices.Concat(v.good, v.bad) {
				f.Add(text)
			}
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		tag, ok := limits.ParsePIN(text)
		if ok != (tag != nil) {
			t.Fatal(tag, ok)
		}
		if ok && tag.String() != text {
			t.Fatalf("%q is another spelling of %q", text, tag)
		}
	})
}

// FuzzContradicts checks that no bytes make it panic, and that content that
// calls itself nothing contradicts nothing.
func FuzzContradicts(f *testing.F) {
	for _, d := range []string{"image/png", "text/html; charset=x", "image/svg+xml", "application/xml", "x/y", "", "*/*", "text/csv"} {
		f.Add(d, []byte("<!-- "))
		f.Add(d, []byte("%PDF-<?xml"))
		f.Add(d, []byte("\xef\xbb\xbf"))
	}
	f.Fuzz(func(t *testing.T, declared string, head []byte) {
		limits.Contradicts(declared, head)
		if _, bad := limits.Contradicts("application/octet-stream", head); bad {
			t.Fatalf("%q contradicts nothing", head)
		}
	})
}

// genSet draws sets whose values are in canonical form.
func genSet(t *rapid.T) *limits.Set {
	s := &limits.Set{
		Name:        rapid.StringMatching(`[ -~é€😀]{0,128}`).Draw(t, "name"),
		Uses:        rapid.Int64Range(0, limits.MaxUses).Draw(t, "uses"),
		Bind:        rapid.Bool().Draw(t, "bind"),
		Types:       list(t, "types", limits.MaxTypes, `[a-z]{1,9}/[a-z0-9.+-]{1,9}|[a-z]{1,9}/\*|\*/\*`),
		NoOverwrite: rapid.Bool().Draw(t, "overwrite"),
		Rate:        rapid.Int64Range(0, limits.MaxRate).Draw(t, "rate"),
		Prefix:      rapid.StringMatching(`(([a-zé ]{1,5}/){1,5})?`).Draw(t, "prefix"),
		ETag:        rapid.StringMatching(`[a-f0-9]{0,32}(-[0-9])?`).Draw(t, "etag"),
		Origins:     list(t, "origins", limits.MaxOrigins, `https?://[a-z]{1,9}\.example(:[1-9][0-9]{3})?`),
		TLS:         rapid.Bool().Draw(t, "tls"),
		Zip:         rapid.Bool().Draw(t, "zip"),
		Cookie:      rapid.Bool().Draw(t, "cookie"),
		IP:          rapid.SliceOfN(rapid.Custom(genRange), 0, limits.MaxIPs).Draw(t, "ip"),
	}
	if len(s.IP) == 0 {
		s.IP = nil
	}
	for _, at := range []*time.Time{&s.NotBefore, &s.Until} {
		if rapid.Bool().Draw(t, "timed") {
			*at = time.Unix(rapid.Int64Range(0, 253402300799).Draw(t, "time"), 0).UTC()
		}
	}
	if rapid.Bool().Draw(t, "sized") {
		low := rapid.Int64Range(0, limits.MaxSize).Draw(t, "min")
		s.Size = &limits.SizeRange{Min: low, Max: rapid.Int64Range(low, limits.MaxSize).Draw(t, "max")}
	}
	if rapid.Bool().Draw(t, "locked") {
		s.PIN = new(limits.PINTag)
		copy(s.PIN.Salt[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "salt"))
		copy(s.PIN.Tag[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "tag"))
	}
	return s
}

func list(t *rapid.T, label string, most int, pattern string) []string {
	l := rapid.SliceOfN(rapid.StringMatching(pattern), 0, most).Draw(t, label)
	if len(l) == 0 {
		return nil
	}
	return l
}

func genRange(t *rapid.T) netip.Prefix {
	raw := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "address")
	if rapid.Bool().Draw(t, "IPv4") {
		raw = raw[:4]
	} else {
		raw[0] = 0x20
	}
	addr, _ := netip.AddrFromSlice(raw)
	p, _ := addr.Prefix(rapid.IntRange(0, addr.BitLen()).Draw(t, "bits"))
	return p
}

// TestRoundTrip checks that Parse(Query()) is the identity, through the text
// of a URL and whatever its order, and that it is so only once per set.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := genSet(t)
		q, err := s.Query()
		if err != nil {
			t.Fatal(err)
		}
		again, err := sign.ParseQuery(q.Encode())
		if err != nil {
			t.Fatal(err)
		}
		back, err := limits.Parse(rapid.Permutation(again).Draw(t, "order"))
		if err != nil {
			t.Fatal(err)
		}
		if len(q) == 0 {
			if back != nil {
				t.Fatal("no limits became some")
			}
			return
		}
		if diff := cmp.Diff(s, back, comparePrefixes); diff != "" {
			t.Fatal(diff)
		}
		if len(s.Words()) != len(q) {
			t.Fatalf("%d sentences for %d limits", len(s.Words()), len(q))
		}
		for _, p := range q {
			if _, err := limits.Parse(append(slices.Clone(q), p)); err == nil {
				t.Fatal("repeated:", p.Name)
			}
		}
	})
}
