package limits

import (
	"strconv"
	"strings"
	"time"
)

// Words says what each limit means, one or two plain sentences each, for
// people: what they may do first, then when and from where.
func (s *Set) Words() []string {
	if s == nil {
		return nil
	}
	var words []string
	for _, name := range wordOrder {
		if r := &table[lookup(name)]; r.has(s) {
			words = append(words, r.words(s))
		}
	}
	return words
}

// wordOrder is the order in which people read limits.
var wordOrder = [...]string{Name, Prefix, As, Cookie, Uses, NotBefore, Until, IP, Bind, PIN, TLS, Origin, Size, Type, Overwrite, ETag, Rate}

func nameWords(s *Set) string { return "Its name is " + strconv.Quote(s.Name) + "." }

func usesWords(s *Set) string {
	times := "once"
	if s.Uses != 1 {
		times = strconv.FormatInt(s.Uses, 10) + " times"
	}
	if s.Prefix != "" {
		return "Each object can be downloaded " + times + "."
	}
	return "Can be used " + times + "."
}

func notBeforeWords(s *Set) string { return "Not before " + timeText(s.NotBefore) + "." }

func untilWords(s *Set) string { return "Ends at " + timeText(s.Until) + "." }

func timeText(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") + " UTC" }

func ipWords(s *Set) string {
	return "Only from " + enumerate(strings.Split(encodeIP(s), ","), "or") + "."
}

func bindWords(*Set) string { return "Only from the first address that uses it." }

func sizeWords(s *Set) string {
	low, high := byteText(s.Size.Min), byteText(s.Size.Max)
	switch {
	case s.Size.Min == s.Size.Max:
		return "Uploads must have exactly " + low + "."
	case s.Size.Min == 0:
		return "Uploads of at most " + high + "."
	}
	return "Uploads of " + low + " to " + high + "."
}

// byteText writes a number of bytes in the largest binary unit that divides
// it.
func byteText(n int64) string {
	if n == 1 {
		return "1 byte"
	}
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for n >= 1024 && n%1024 == 0 && i < len(units)-1 {
		n, i = n/1024, i+1
	}
	return strconv.FormatInt(n, 10) + " " + units[i]
}

func typeWords(s *Set) string {
	return "Uploads only of type " + enumerate(strings.Split(encodeTypes(s), ","), "or") + "."
}

func overwriteWords(*Set) string { return "Uploads cannot replace an object." }

func rateWords(s *Set) string {
	return "At most " + byteText(s.Rate) + " per second, all connections together."
}

func prefixWords(s *Set) string { return "For everything below " + strconv.Quote(s.Prefix) + "." }

func etagWords(s *Set) string { return "Only while the object's ETag is " + bareETag(s.ETag) + "." }

func pinWords(*Set) string { return "Asks for a PIN." }

func originWords(s *Set) string {
	return "In browsers only from pages of " + enumerate(strings.Split(encodeOrigins(s), ","), "or") + "."
}

func tlsWords(*Set) string { return "Only over HTTPS." }

func zipWords(*Set) string { return "Gives the whole tree as a ZIP archive." }

func cookieWords(*Set) string { return "Sets a cookie, so that relative links work." }

// enumerate writes "a", "a or b", "a, b or c".
func enumerate(list []string, last string) string {
	if len(list) == 1 {
		return list[0]
	}
	n := len(list) - 1
	return strings.Join(list[:n], ", ") + " " + last + " " + list[n]
}
