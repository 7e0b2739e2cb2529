package audit

import "strings"

// redacted stands where a secret was.
const redacted = "REDACTED"

// secretNames are the ends of the names whose values are secret, in lower case
// and with "-" for "_". Ends, since a name may have anything before it, such as
// "X-Amz-" or the rest of an escaped "&". The list is short, since keys of
// objects are redacted too.
var secretNames = [...]string{
	"signature",                       // X-Amz-Signature, Signature, chunk-signature
	"security-token", "securitytoken", // X-Amz-Security-Token
	"session-token", "sessiontoken", // AWS_SESSION_TOKEN
	"access-token",                         // of other services, in a Referer
	"pin-value",                            // x-daypass-pin-value
	"customer-key",                         // SSE-C
	"secret-access-key", "secretaccesskey", // credentials
	authorization,
}

const authorization = "authorization"

// secretHeaders are headers that are secret as a whole.
var secretHeaders = [...]string{
	authorization, "proxy-authorization", "cookie", "set-cookie",
}

// Redact replaces the values of secret parameters in a request target, a URL
// or any text that may hold one: signatures, session tokens, PINs, keys. Names
// are recognized in any case, percent-encoded any number of times, with the
// escapes of JSON (\u003d), and inside of other parameters; the value is replaced as a whole. What looks like such a
// parameter is taken for one: rather too much is lost than too little. It takes
// linear time, and returns s itself when there is nothing to replace. Redacting
// twice changes nothing.
func Redact(s string) string {
	if len(s) < shortestSecret {
		return s
	}
	return redactWith(s, skipHarmless)
}

// shortestSecret is the length of the shortest text that holds a secret.
const shortestSecret = len("signature=x")

// redactWith redacts with a function that skips what holds no secret.
func redactWith(s string, skip func(string, int) int) string {
	first := secretAt{skip: skip}
	if !first.find(s, 0) {
		return s
	}
	return string(appendRedacted(make([]byte, 0, len(s)), s, first))
}

// A secretAt is where the value of a secret is in a text.
type secretAt struct {
	start, end int
	skip       func(string, int) int
}

// find finds the next one, from where no name is cut in two.
func (a *secretAt) find(s string, from int) (ok bool) {
	a.start, a.end, ok = nextSecret(s, a.skip(s, from))
	return ok
}

// secretIn returns the first secret of a text.
func secretIn(s string) (first secretAt, ok bool) {
	if len(s) < shortestSecret {
		return first, false
	}
	first.skip = skipHarmless
	ok = first.find(s, 0)
	return first, ok
}

// appendRedacted appends a text without its secrets, of which the first is known.
func appendRedacted(dst []byte, s string, at secretAt) []byte {
	from := 0
	for ok := true; ok; ok = at.find(s, from) {
		dst = append(append(dst, s[from:at.start]...), redacted...)
		from = at.end
	}
	return append(dst, s[from:]...)
}

// skipHarmless returns from where on nextSecret has to look, which is never
// inside of a name: everything before has an equals sign or a colon only
// directly behind a name that is not secret, and no escape but that of a slash,
// of which each credential has some, and no backslash, which may begin one.
func skipHarmless(s string, from int) int {
	last := -1 // the sign behind a harmless name
	for at := from; at < len(s); at++ {
		c := s[at]
		if !mayMatter[c] {
			continue
		}
		switch {
		case c == '\\':
			return nameStart(s, from, at)
		case c == '%':
			if at+2 >= len(s) || s[at+1] != '2' || s[at+2]|0x20 != 'f' {
				return nameStart(s, from, at)
			}
		case at == last+1 && at > from:
			last = at // no name at all, as in ARNs
		case at == from || !harmlessEnd[s[at-1]] && mayBeSecret(s[from:at]):
			return nameStart(s, from, at)
		default:
			last = at
		}
	}
	return len(s)
}

// mayMatter holds the bytes that skipHarmless looks at.
var mayMatter = [256]bool{'=': true, ':': true, '%': true, '\\': true}

// nameStart returns where the name, if any, begins that ends before i or, with
// what is neither name nor separator between, before that.
func nameStart(s string, from, i int) int {
	for i > from && !isNameByte[s[i-1]] {
		i--
	}
	for i > from && isNameByte[s[i-1]] {
		i--
	}
	return i
}

// harmlessEnd holds the name bytes that no secret name ends with.
var harmlessEnd = func() (is [256]bool) {
	is = isNameByte
	for _, name := range secretNames {
		c := name[len(name)-1]
		is[c], is[c-'a'+'A'] = false, false
	}
	return is
}()

// mayBeSecret reports whether a text ends with a secret name, or not with a
// name at all.
func mayBeSecret(before string) bool {
	if !isNameByte[before[len(before)-1]] {
		return true
	}
	t := token{plain: before[max(0, len(before)-tokenBytes):]}
	return t.secret() != ""
}

// RedactHeader returns what may be recorded of a header: nothing of
// credentials and cookies, and the redacted value of others.
func RedactHeader(name, value string) string {
	for _, h := range secretHeaders {
		if strings.EqualFold(name, h) {
			return redacted
		}
	}
	t := token{plain: name}
	if name != "" && t.secret() != "" {
		return redacted
	}
	return Redact(value)
}

// nextSecret finds the next value to replace at or after from, which must not
// be inside of a name.
func nextSecret(s string, from int) (start, end int, ok bool) {
	var t token
	secret := "" // the name before this place, where it is a secret's
	for i := from; i < len(s); {
		if run := nameRun(s[i:]); run > 0 {
			secret = ""
			t.add(s[i : i+run])
			i += run
			continue
		}
		c, n, depth := decodeAt(s, i)
		i += n
		if isNameByte[c] {
			secret = ""
			t.addByte(c)
			continue
		}
		if !t.empty() {
			secret = t.secret()
			t.reset()
		}
		switch {
		case secret == "" || c == '&' || c == '?' || c == '/' || c == '\n' || c == '\r':
			secret = ""
		case c == '=' || c == ':':
			start, end = valueAt(s, i, depth, secret == authorization)
			if v := s[start:end]; v != "" && v != redacted {
				return start, end, true
			}
			i, secret = end, ""
		}
	}
	return 0, 0, false
}

// nameRun returns how many bytes at the beginning of s are those of a name.
func nameRun(s string) int {
	for i := range len(s) {
		if !isNameByte[s[i]] {
			return i
		}
	}
	return len(s)
}

// valueAt returns where the value is that begins at i, after an equals sign or
// colon that was percent-encoded depth times. What ends a value is encoded no
// more often than that; the rest is the value's own. A header's value extends
// to the end of the line.
func valueAt(s string, i, depth int, line bool) (start, end int) {
	for i < len(s) {
		c, n, _ := decodeAt(s, i)
		if c != ' ' && c != '\t' && c != '"' && c != '\'' {
			break
		}
		i += n
	}
	start = i
	for i < len(s) {
		if ofValue[s[i]] {
			i++
			continue
		}
		c, n, d := decodeAt(s, i)
		stop := c == '&' || c <= ' '
		if line {
			stop = c == '\n' || c == '\r'
		}
		if stop && d <= depth {
			break
		}
		i += n
	}
	return start, i
}

// ofValue holds the bytes that stand for themselves in values, and end none.
var ofValue = func() (is [256]bool) {
	for c := int(' ') + 1; c < len(is); c++ {
		is[c] = c != '&' && c != '%' && c != '\\'
	}
	return is
}()

// decodeAt decodes one byte of s at i, however often it is percent-encoded, and
// with an escape of JSON in place of a byte of ASCII or Latin-1. It returns the
// length of its encoding and how often it is encoded.
func decodeAt(s string, i int) (c byte, n, depth int) {
	c, n, depth = decodePercent(s, i)
	const escape = "u003d"
	rest := s[i+n:]
	if c != '\\' || len(rest) < len(escape) || rest[:3] != escape[:3] {
		return c, n, depth
	}
	hi, lo := unhex(rest[3]), unhex(rest[4])
	if hi < 0 || lo < 0 {
		return c, n, depth
	}
	return byte(hi<<4 | lo), n + len(escape), depth + 1
}

func decodePercent(s string, i int) (c byte, n, depth int) {
	if s[i] != '%' {
		return s[i], 1, 0
	}
	j := i + 1
	for j+1 < len(s) {
		hi, lo := unhex(s[j]), unhex(s[j+1])
		if hi < 0 || lo < 0 {
			break
		}
		depth++
		j += 2
		if c := byte(hi<<4 | lo); c != '%' {
			return c, j - i, depth
		}
	}
	return '%', j - i, depth
}

func unhex(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

var isNameByte = func() (is [256]bool) {
	for c := range is {
		is[c] = 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
	}
	return is
}()

// A token is a name: a piece of the text where it is written plainly, else its
// last bytes, decoded.
type token struct {
	plain string
	last  [tokenBytes]byte // a ring
	n     int              // bytes that went into last
}

// tokenBytes is a power of two, longer than any of secretNames.
const tokenBytes = 32

func (t *token) empty() bool { return t.plain == "" && t.n == 0 }

func (t *token) reset() { t.plain, t.n = "", 0 }

func (t *token) add(run string) {
	if t.empty() {
		t.plain = run
		return
	}
	for i := range len(run) {
		t.addByte(run[i])
	}
}

func (t *token) addByte(c byte) {
	if plain := t.plain; plain != "" {
		t.plain = ""
		for i := range len(plain) {
			t.addByte(plain[i])
		}
	}
	t.last[t.n%tokenBytes] = c
	t.n++
}

// secret returns which of secretNames the name ends with, "" for none.
func (t *token) secret() string {
	last := foldName(t.fromEnd(1))
	for _, name := range secretNames {
		if name[len(name)-1] == last && t.endsWith(name) {
			return name
		}
	}
	return ""
}

func (t *token) endsWith(name string) bool {
	if t.plain == "" && t.n < len(name) || t.plain != "" && len(t.plain) < len(name) {
		return false
	}
	for i := 1; i <= len(name); i++ {
		if foldName(t.fromEnd(i)) != name[len(name)-i] {
			return false
		}
	}
	return true
}

// fromEnd returns the ith byte from the end.
func (t *token) fromEnd(i int) byte {
	if t.plain != "" {
		return t.plain[len(t.plain)-i]
	}
	return t.last[(t.n-i)%tokenBytes]
}

func foldName(c byte) byte {
	switch {
	case 'A' <= c && c <= 'Z':
		return c + 'a' - 'A'
	case c == '_':
		return '-'
	}
	return c
}
