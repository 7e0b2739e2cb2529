package leaks

import (
	"bytes"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/sign"
)

// find returns the URL around an anchor in text, and where it begins.
func find(text []byte, at int, broken bool) (leak Leak, start int, ok bool) {
	if !broken {
		t := token{text: text, anchor: at}
		if leak, start, ok = t.leak(); ok {
			return leak, start, true
		}
	}
	rest := text[min(at+len(anchor), len(text)):]
	if !broken && !isQuotedEqual(rest) {
		return Leak{}, 0, false
	}
	t := token{text: text, anchor: at}
	if !t.decode(unquote) {
		return Leak{}, 0, false
	}
	return t.leak()
}

// isQuotedEqual reports whether text begins with an "=" as quoted-printable
// has it, or a soft line break that may come before it.
func isQuotedEqual(text []byte) bool {
	return len(text) > 2 && text[0] == '=' &&
		(text[1] == '3' && text[2]|0x20 == 'd' || text[1] == '\n' || text[1] == '\r' && text[2] == '\n')
}

func (t *token) leak() (leak Leak, start int, ok bool) {
	if !t.unwrap() {
		return Leak{}, 0, false
	}
	// Signers escape what ends a URL in most texts. Where the URL makes no
	// sense that short, they may have not.
	ends := []int{t.end(), len(t.text)}
	if ends[0] == ends[1] {
		ends = ends[:1]
	}
	for _, b := range t.beginnings() {
		for _, end := range ends {
			raw := b.prefix + string(bytes.TrimRight(t.text[b.at:end], ".,:;!?*'()[]{}|\\&"))
			if in, ok := inspect(raw); ok {
				return Leak{URL: daypass.Secret(raw), Inspection: in, NoHost: b.noHost}, t.origin(b.at), true
			}
		}
	}
	return Leak{}, 0, false
}

// inspect reads what may be a URL of S3 with a whole signature.
func inspect(raw string) (*sign.Inspection, bool) {
	in, err := sign.Inspect(raw)
	if err != nil || in.PassID == "" {
		return nil, false
	}
	// Other services of AWS have such URLs too.
	return in, in.Version == sign.V2 || strings.HasPrefix(in.Service, "s3")
}

// noHost is the host of a URL of which only path and query are known.
const noHost = "unknown.invalid"

// A beginning is where a URL may begin.
type beginning struct {
	at     int
	prefix string // what the URL lacks
	noHost bool
}

// maxBeginnings is how many schemes are tried: keys and parameters may hold
// some too.
const maxBeginnings = 4

// beginnings returns where the URL may begin: with a scheme, the last one
// first, or else with a host or the path of a request.
func (t *token) beginnings() []beginning {
	before := t.text[:t.anchor]
	query := bytes.LastIndexByte(before, '?')
	if query < 0 {
		return nil
	}
	var list []beginning
	for i := query; len(list) < maxBeginnings; {
		if i = bytes.LastIndex(before[:i], []byte("://")); i < 0 {
			break
		}
		if n := schemeBefore(before[:i]); n > 0 {
			list = append(list, beginning{at: i - n})
		}
	}
	if len(list) > 0 {
		return list
	}
	start := query
	for start > 0 && isPath(before[start-1]) {
		start--
	}
	path := before[start:query]
	switch slash := bytes.IndexByte(path, '/'); {
	case slash < 0:
		return nil
	case bytes.HasPrefix(path, []byte("//")):
		return []beginning{{at: start, prefix: "https:"}}
	case bytes.ContainsAny(path[:slash], ".:"):
		return []beginning{{at: start, prefix: "https://"}}
	default:
		return []beginning{{at: start + slash, prefix: "https://" + noHost, noHost: true}}
	}
}

// schemeBefore returns the length of the scheme that text ends with.
func schemeBefore(text []byte) int {
	for _, scheme := range []string{"https", "http"} {
		if n := len(scheme); len(text) >= n && strings.EqualFold(string(text[len(text)-n:]), scheme) {
			return n
		}
	}
	return 0
}

func isPath(c byte) bool {
	return isAlphanumeric(c) || c >= 0x80 || strings.IndexByte("-._~%/:@+!$*", c) >= 0
}

// signatureDigits is the length of a signature of Version 4.
const signatureDigits = 64

// end finds where the URL ends that the anchor is in.
func (t *token) end() int {
	value := t.anchor + len(anchor) + len("=")
	end := value
	for end < len(t.text) && !afterwards[t.text[end]] && !(t.text[end] == ';' && !t.inHeaders(end)) {
		end++
	}
	digits := value
	for digits < end && unhex(t.text[digits]) >= 0 {
		digits++
	}
	if digits-value < signatureDigits || !bytes.HasSuffix(t.text[:t.anchor], []byte("X-Amz-")) ||
		bytes.Contains(t.text[:end], []byte("-ECDSA-")) {
		return end
	}
	// In binary files, another string may follow without a space.
	if digits < end && t.text[digits] == '&' && digits-value == signatureDigits {
		return end
	}
	return value + signatureDigits
}

// inHeaders reports whether the parameter at i lists signed headers, which
// some signers divide by a bare ";".
func (t *token) inHeaders(i int) bool {
	name := []byte("X-Amz-SignedHeaders=")
	param := t.text[bytes.LastIndexByte(t.text[:i], '&')+1 : i]
	return len(param) >= len(name) && bytes.EqualFold(param[:len(name)], name)
}
