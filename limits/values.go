package limits

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The functions parse… set one limit from its text. They return what the text
// must be instead, "" when it is well formed.

func parseName(s *Set, text string) string {
	if !isLabel(text, 1, MaxName) {
		return "1 to 128 characters of UTF-8 without control characters"
	}
	s.Name = text
	return ""
}

// isLabel reports whether text is UTF-8 without control characters, of a
// length in characters.
func isLabel(text string, shortest, longest int) bool {
	if len(text) > longest*utf8.UTFMax || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return false
	}
	n := utf8.RuneCountInString(text)
	return n >= shortest && n <= longest
}

func parseUses(s *Set, text string) string {
	n, ok := parseDecimal(text, 1, MaxUses)
	if !ok {
		return "a whole number from 1 to 1000000000"
	}
	s.Uses = n
	return ""
}

func parseRate(s *Set, text string) string {
	n, ok := parseDecimal(text, 1, MaxRate)
	if !ok {
		return "a whole number of bytes per second from 1 to 1099511627776"
	}
	s.Rate = n
	return ""
}

func parseSize(s *Set, text string) string {
	low, high, ok := strings.Cut(text, "-")
	least, ok1 := parseDecimal(low, 0, MaxSize)
	most, ok2 := parseDecimal(high, 0, MaxSize)
	if !ok || !ok1 || !ok2 || least > most {
		return "MIN-MAX in bytes, such as 0-10485760, at most 5497558138880"
	}
	s.Size = &SizeRange{Min: least, Max: most}
	return ""
}

// parseDecimal accepts one spelling of each number: digits alone, without
// leading zeros.
func parseDecimal(text string, least, most int64) (int64, bool) {
	if text == "" || len(text) > 1 && text[0] == '0' || strings.ContainsFunc(text, notDigit) {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return n, err == nil && n >= least && n <= most
}

func notDigit(r rune) bool { return r < '0' || r > '9' }

func decimal(n int64) string { return strconv.FormatInt(n, 10) }

const timeWords = "a time such as 20301231T235959Z"

func parseNotBefore(s *Set, text string) string {
	t, ok := parseTime(text)
	if !ok {
		return timeWords
	}
	s.NotBefore = t
	return ""
}

func parseUntil(s *Set, text string) string {
	t, ok := parseTime(text)
	if !ok {
		return timeWords
	}
	s.Until = t
	return ""
}

// parseTime refuses times before 1970, so that no limit is the zero Time,
// which is none.
func parseTime(text string) (time.Time, bool) {
	if len(text) != len(longLayout) {
		return time.Time{}, false
	}
	t, err := time.Parse(longLayout, text)
	return t, err == nil && t.Unix() >= 0 && t.Format(longLayout) == text
}

func formatTime(t time.Time) string { return t.UTC().Format(longLayout) }

func parseBind(s *Set, text string) string { return flag(&s.Bind, text, "ip") }

func parseOverwrite(s *Set, text string) string { return flag(&s.NoOverwrite, text, "no") }

func parseTLS(s *Set, text string) string { return flag(&s.TLS, text, "required") }

func parseAs(s *Set, text string) string { return flag(&s.Zip, text, "zip") }

func parseCookie(s *Set, text string) string { return flag(&s.Cookie, text, "1") }

// flag sets what has one value.
func flag(set *bool, text, value string) string {
	if text != value {
		return `"` + value + `"`
	}
	*set = true
	return ""
}

func parsePrefix(s *Set, text string) string {
	if text == "" || len(text) > MaxPrefix || !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\\") || !isTreePath(text) {
		return `a key prefix of at most 1024 bytes of UTF-8 that ends in "/" and has no empty, "." or ".." segment, NUL or backslash`
	}
	s.Prefix = text
	return ""
}

// isTreePath reports whether a prefix ends in "/" and has no segment that a
// client or an archive could read as another place.
func isTreePath(prefix string) bool {
	path, ok := strings.CutSuffix(prefix, "/")
	for segment := range strings.SplitSeq(path, "/") {
		ok = ok && segment != "" && segment != "." && segment != ".."
	}
	return ok
}

func parseETag(s *Set, text string) string {
	tag := bareETag(text)
	if tag == "" || len(tag) > MaxETag || strings.HasPrefix(tag, "W/") || strings.ContainsFunc(tag, notETag) {
		return `an ETag of 1 to 128 printable ASCII characters, not a weak one (W/"…")`
	}
	s.ETag = tag
	return ""
}

// bareETag returns an ETag without its quotes.
func bareETag(text string) string {
	if len(text) >= 2 && text[0] == '"' && text[len(text)-1] == '"' {
		return text[1 : len(text)-1]
	}
	return text
}

// notETag is all but the printable characters of RFC 9110, section 8.8.3.
func notETag(r rune) bool { return r <= ' ' || r > '~' || r == '"' }

func parsePIN(s *Set, text string) string {
	tag, ok := ParsePIN(text)
	if !ok {
		return "SALT.TAG, 16 and 32 bytes in base64url without padding"
	}
	s.PIN = tag
	return ""
}

func parseIP(s *Set, text string) string {
	why := "1 to 64 addresses or CIDR ranges, separated by commas, such as 203.0.113.0/24"
	if strings.Count(text, ",") >= MaxIPs {
		return why
	}
	var ranges []netip.Prefix
	for one := range strings.SplitSeq(text, ",") {
		p, ok := parseRange(one)
		if !ok {
			return why
		}
		ranges = append(ranges, p)
	}
	s.IP = ranges
	return ""
}

func parseRange(text string) (netip.Prefix, bool) {
	if strings.Contains(text, "/") {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return p, false
		}
		return canonicalRange(p)
	}
	addr, err := netip.ParseAddr(text)
	if err != nil || addr.Zone() != "" {
		return netip.Prefix{}, false
	}
	addr = addr.Unmap()
	return netip.PrefixFrom(addr, addr.BitLen()), true
}

// canonicalRange masks the host's bits and writes ranges of IPv4-mapped
// addresses as IPv4: addresses are compared unmapped. A range that holds all
// mapped addresses and others is refused, since it would mean neither.
func canonicalRange(p netip.Prefix) (netip.Prefix, bool) {
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return p, false
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), p.IsValid()
}

func encodeIP(s *Set) string {
	texts := make([]string, len(s.IP))
	for i, p := range s.IP {
		if c, ok := canonicalRange(p); ok {
			p = c
		}
		texts[i] = formatRange(p)
	}
	return strings.Join(texts, ",")
}

// formatRange writes a single address without its length.
func formatRange(p netip.Prefix) string {
	if p.IsValid() && p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// join writes a list. An element with a comma in it would be read as two, so
// it is written as what no parser accepts.
func join(list []string, canonical func(string) string) string {
	texts := make([]string, len(list))
	for i, text := range list {
		texts[i] = strings.ReplaceAll(canonical(text), ",", ",,")
	}
	return strings.Join(texts, ",")
}
