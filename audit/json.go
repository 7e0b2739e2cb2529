package audit

import (
	"encoding/base64"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/daypass/daypass"
)

// AppendJSON appends an event as one JSON object on one line, without a line
// end, for programs. Empty members are left out. A text that is not UTF-8,
// which an object key need not be, has U+FFFD for what is not, and a second
// member with "Base64" added to its name that holds the bytes. Characters that
// could deceive a terminal are escaped.
func AppendJSON(dst []byte, e *daypass.Event) []byte {
	dst = append(dst, '{')
	open := len(dst)
	for i, t := range timesOf(e) {
		if !t.IsZero() {
			dst = append(appendMember(dst, open, timeFields[i].name), '"')
			dst = append(t.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000000Z"), '"')
		}
	}
	for i, text := range textsOf(e) {
		f, s := &textFields[i], *text
		if s == "" {
			continue
		}
		dst = AppendJSONString(appendMember(dst, open, f.name), s)
		if !utf8.ValidString(s) {
			dst = append(appendMember(dst, open, f.name+"Base64"), '"')
			dst = append(base64.StdEncoding.AppendEncode(dst, []byte(s)), '"')
		}
	}
	for i, v := range numbersOf(e) {
		f := &numberFields[i]
		switch {
		case v == 0:
		case f.flag:
			dst = append(appendMember(dst, open, f.name), "true"...)
		default:
			dst = strconv.AppendInt(appendMember(dst, open, f.name), v, 10)
		}
	}
	return append(dst, '}')
}

// appendMember appends a comma, where the object that opened there has members
// already, and a name.
func appendMember(dst []byte, open int, name string) []byte {
	if len(dst) > open {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, name...)
	return append(dst, '"', ':')
}

// AppendJSONString appends a JSON string (RFC 8259, section 7) that is
// printable ASCII: everything else is escaped, what is not UTF-8 as U+FFFD.
func AppendJSONString(dst []byte, s string) []byte {
	return append(AppendJSONText(append(dst, '"'), s), '"')
}

// IsPlain reports whether a text is printable ASCII without a quotation mark or a
// backslash, so that it stands for itself in JSON and in Go.
func IsPlain(s string) bool { return plainRun(s) == len(s) }

// AppendJSONText appends what stands between the quotation marks of a JSON
// string.
func AppendJSONText(dst []byte, s string) []byte {
	for i := 0; i < len(s); {
		if n := plainRun(s[i:]); n > 0 {
			dst = append(dst, s[i:i+n]...)
			i += n
			continue
		}
		if c := s[i]; c < utf8.RuneSelf {
			dst = appendJSONByte(dst, c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		if r > 0xffff {
			r -= 0x10000
			dst = appendJSONUnit(dst, 0xd800+r>>10)
			r = 0xdc00 + r&0x3ff
		}
		dst = appendJSONUnit(dst, r)
	}
	return dst
}

// plainRun returns how many bytes at the beginning of s need no escape.
func plainRun(s string) int {
	i := 0
	for i+8 <= len(s) && plainEight(s[i:i+8]) {
		i += 8
	}
	for i < len(s) && quotedByte[s[i]] {
		i++
	}
	return i
}

// plainEight reports whether eight bytes need no escape, all at once.
func plainEight(s string) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	_ = s[7]
	x := uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
	quote, backslash, del := x^'"'*ones, x^'\\'*ones, x^0x7f*ones
	// The high bit of a byte that is zero, or less than a space, is set by a
	// subtraction; a borrow can only set too many.
	bad := (x-' '*ones)&^x | (quote-ones)&^quote | (backslash-ones)&^backslash | (del-ones)&^del | x
	return bad&highs == 0
}

func appendJSONByte(dst []byte, c byte) []byte {
	if c == '"' || c == '\\' {
		return append(dst, '\\', c)
	}
	return appendJSONUnit(dst, rune(c))
}

func appendJSONUnit(dst []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', digits[r>>12&15], digits[r>>8&15], digits[r>>4&15], digits[r&15])
}

// AppendTime appends an instant as CloudTrail and its digests write it, to the
// second.
func AppendTime(dst []byte, t time.Time) []byte {
	t = t.UTC()
	year, month, day := t.Date()
	dst = append(appendTwo(appendTwo(dst, year/100), year%100), '-')
	dst = append(appendTwo(dst, int(month)), '-')
	dst = append(appendTwo(dst, day), 'T')
	return append(appendClock(dst, t), 'Z')
}

// appendClock appends the time of day, to the second.
func appendClock(dst []byte, t time.Time) []byte {
	hour, minute, second := t.Clock()
	dst = append(appendTwo(dst, hour), ':')
	dst = append(appendTwo(dst, minute), ':')
	return appendTwo(dst, second)
}

// appendTwo appends two digits.
func appendTwo(dst []byte, n int) []byte { return append(dst, byte('0'+n/10%10), byte('0'+n%10)) }
