package s3

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// A writer appends XML in the form of S3: no white space between elements,
// the declaration on a line of its own, empty elements as a pair of tags.
type writer struct {
	b []byte
	// replace makes characters that XML 1.0 cannot carry U+FFFD, so that
	// every parser reads the body. S3 does not do so in listings, where the
	// key would be lost: it writes a character reference, which many parsers
	// refuse and which encoding-type=url avoids.
	replace bool
}

const namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

func (w *writer) declare() {
	w.b = append(w.b, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"...)
}

// root opens the outermost element, with S3's namespace.
func (w *writer) root(name string) {
	w.declare()
	w.b = append(w.b, '<')
	w.b = append(w.b, name...)
	w.b = append(w.b, ` xmlns="`+namespace+`">`...)
}

func (w *writer) open(name string) {
	w.b = append(w.b, '<')
	w.b = append(append(w.b, name...), '>')
}

func (w *writer) close(name string) {
	w.b = append(w.b, '<', '/')
	w.b = append(append(w.b, name...), '>')
}

func (w *writer) text(name, value string) {
	w.open(name)
	w.escape(value)
	w.close(name)
}

// optional is text, but nothing where the value is empty.
func (w *writer) optional(name, value string) {
	if value != "" {
		w.text(name, value)
	}
}

func (w *writer) int(name string, n int64) {
	w.open(name)
	w.b = strconv.AppendInt(w.b, n, 10)
	w.close(name)
}

func (w *writer) bool(name string, v bool) {
	w.open(name)
	w.b = strconv.AppendBool(w.b, v)
	w.close(name)
}

// TimeLayout is how XML bodies write times, in UTC.
const TimeLayout = "2006-01-02T15:04:05.000Z"

func (w *writer) time(name string, t time.Time) {
	w.open(name)
	w.b = t.UTC().AppendFormat(w.b, TimeLayout)
	w.close(name)
}

// escape appends character data. The quotation mark is escaped, as S3 does in
// ETags; a carriage return would else become a line feed.
func (w *writer) escape(s string) {
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			i += w.rune(s[i:])
			continue
		}
		i++
		switch c {
		case '&':
			w.b = append(w.b, "&amp;"...)
		case '<':
			w.b = append(w.b, "&lt;"...)
		case '>':
			w.b = append(w.b, "&gt;"...)
		case '"':
			w.b = append(w.b, "&quot;"...)
		case '\r':
			w.b = append(w.b, "&#13;"...)
		default:
			w.ascii(c)
		}
	}
}

func (w *writer) ascii(c byte) {
	switch {
	case c >= ' ' || c == '\t' || c == '\n':
		w.b = append(w.b, c)
	case w.replace || c == 0:
		w.b = utf8.AppendRune(w.b, utf8.RuneError)
	default:
		w.b = append(w.b, "&#x"...)
		w.b = strconv.AppendUint(w.b, uint64(c), 16)
		w.b = append(w.b, ';')
	}
}

// rune appends the first character of s, which is not ASCII, and returns its
// length. Bytes that are not UTF-8, and the two code points that XML leaves
// out, become U+FFFD.
func (w *writer) rune(s string) int {
	r, n := utf8.DecodeRuneInString(s)
	if r == 0xFFFE || r == 0xFFFF {
		r = utf8.RuneError
	}
	w.b = utf8.AppendRune(w.b, r)
	return n
}
