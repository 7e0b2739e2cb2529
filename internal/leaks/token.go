package leaks

import (
	"bytes"
	"unicode/utf8"
)

// A token is a text around an anchor that may be a URL, escaped or not.
type token struct {
	text   []byte
	anchor int // where the anchor begins in text
	// from tells for each byte where it came from; where it is nil, nothing
	// was unescaped and text came from base.
	from []int32
	base int
}

func (t *token) origin(i int) int {
	if t.from == nil {
		return t.base + i
	}
	return int(t.from[i])
}

// A byteSet is a set of bytes.
type byteSet [256]bool

func newSet(low, high bool, chars string) (set byteSet) {
	for c := range set {
		set[c] = low && c <= ' ' || high && c >= 0x7f
	}
	for i := range len(chars) {
		set[chars[i]] = true
	}
	return set
}

var (
	// hard are the bytes that are in no URL.
	hard = newSet(true, false, "\"<>`\x7f")
	// outer are those that are not in a URL that is percent-encoded, as the
	// value of a parameter of another.
	outer = newSet(true, false, "\"<>`\x7f&=?#;")
	// afterwards are those that end a URL behind its signature: signers write
	// none of them in a query, and texts put them around URLs.
	afterwards = newSet(true, true, "\"<>`'()[]{}|\\^,")
)

// narrow cuts the token to what is around the anchor without any byte of stop.
func (t *token) narrow(stop *byteSet) {
	low, high := t.anchor, t.anchor
	for low > 0 && !stop[t.text[low-1]] {
		low--
	}
	for high < len(t.text) && !stop[t.text[high]] {
		high++
	}
	t.text = t.text[low:high]
	t.anchor -= low
	if t.from == nil {
		t.base += low
	} else {
		t.from = t.from[low:high]
	}
}

// A decoder appends what the beginning of text stands for, and returns how
// much of text that was: at least one byte.
type decoder func(dst, text []byte) ([]byte, int)

// decode replaces the text by what it stands for, and reports whether that is
// another one.
func (t *token) decode(next decoder) bool {
	out := make([]byte, 0, len(t.text))
	from := make([]int32, 0, len(t.text))
	at := -1
	for i := 0; i < len(t.text); {
		if at < 0 && i >= t.anchor {
			at = len(out)
		}
		var n int
		out, n = next(out, t.text[i:])
		for len(from) < len(out) {
			from = append(from, int32(t.origin(i)))
		}
		i += n
	}
	if at < 0 || bytes.Equal(out, t.text) {
		return false
	}
	t.text, t.from, t.anchor = out, from, at
	return true
}

// maxLayers is how often a URL may be escaped, one way upon the other.
const maxLayers = 6

// unwrap unescapes the token until the anchor is that of a plain URL.
func (t *token) unwrap() bool {
	for range maxLayers {
		t.narrow(&hard)
		rest, ok := bytes.CutPrefix(t.text[t.anchor:], []byte(anchor))
		switch {
		case !ok:
			return false
		case bytes.ContainsAny(t.text, `\;`) && t.decode(unescape):
		case isEncodedEqual(rest):
			t.narrow(&outer)
			if !t.decode(unpercent) {
				return false
			}
		default:
			return len(rest) > 0 && rest[0] == '='
		}
	}
	return false
}

// isEncodedEqual reports whether text begins with an "=" that is
// percent-encoded, any number of times.
func isEncodedEqual(text []byte) bool {
	return len(text) > 2 && text[0] == '%' && (text[1] == '3' && text[2]|0x20 == 'd' || text[1] == '2' && text[2] == '5')
}

// unescape decodes escapes that begin with a backslash, as in JSON, programs
// and shells, and references to characters as in HTML and XML.
func unescape(dst, text []byte) ([]byte, int) {
	switch text[0] {
	case '\\':
		return unbackslash(dst, text)
	case '&':
		if c, n := reference(text); n > 0 {
			return utf8.AppendRune(dst, c), n
		}
	}
	return append(dst, text[0]), 1
}

func unbackslash(dst, text []byte) ([]byte, int) {
	if len(text) < 2 {
		return append(dst, '\\'), 1
	}
	switch c := text[1]; {
	case c == 'u':
		if v, ok := hexNumber(text[2:], 4); ok {
			return utf8.AppendRune(dst, v), 6
		}
	case c == 'x':
		if v, ok := hexNumber(text[2:], 2); ok {
			return append(dst, byte(v)), 4
		}
	case c == 'n', c == 'r', c == 't':
		return append(dst, '\n'), 2
	case c > ' ' && c < 0x7f && !isAlphanumeric(c):
		return append(dst, c), 2
	}
	return append(dst, '\\'), 1
}

func isAlphanumeric(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// names are the references by name that XML defines.
var names = [...]struct {
	name string
	char rune
}{{"&amp;", '&'}, {"&quot;", '"'}, {"&lt;", '<'}, {"&gt;", '>'}, {"&apos;", '\''}}

// reference decodes a reference to a character, with its semicolon: without
// one, parameters such as "&region=" would be taken for one.
func reference(text []byte) (char rune, n int) {
	for _, r := range names {
		if bytes.HasPrefix(text, []byte(r.name)) {
			return r.char, len(r.name)
		}
	}
	if len(text) < 4 || text[1] != '#' {
		return 0, 0
	}
	end := bytes.IndexByte(text[:min(len(text), 10)], ';')
	if end < 0 {
		return 0, 0
	}
	digits, base := text[2:end], rune(10)
	if digits = bytes.TrimLeft(digits, "xX"); len(digits) < end-2 {
		base = 16
	}
	for _, c := range digits {
		v := unhex(c)
		if v < 0 || v >= base {
			return 0, 0
		}
		char = char*base + v
	}
	return char, end + 1
}

// unpercent decodes percent-encoding, once.
func unpercent(dst, text []byte) ([]byte, int) {
	if text[0] == '%' {
		if v, ok := hexNumber(text[1:], 2); ok {
			return append(dst, byte(v)), 3
		}
	}
	return append(dst, text[0]), 1
}

// unquote decodes quoted-printable (RFC 2045, section 6.7).
func unquote(dst, text []byte) ([]byte, int) {
	if text[0] == '=' {
		for _, soft := range []string{"=\n", "=\r\n"} {
			if bytes.HasPrefix(text, []byte(soft)) {
				return dst, len(soft)
			}
		}
		if v, ok := hexNumber(text[1:], 2); ok {
			return append(dst, byte(v)), 3
		}
	}
	return append(dst, text[0]), 1
}

// hexNumber reads a number of that many hexadecimal digits.
func hexNumber(text []byte, digits int) (v rune, ok bool) {
	if len(text) < digits {
		return 0, false
	}
	for _, c := range text[:digits] {
		d := unhex(c)
		if d < 0 {
			return 0, false
		}
		v = v<<4 | d
	}
	return v, true
}

func unhex(c byte) rune {
	switch {
	case '0' <= c && c <= '9':
		return rune(c - '0')
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return rune(c|0x20-'a') + 10
	}
	return -1
}
