package sign

import "strings"

// A Param is one decoded name and value of a query. "?x" and "?x=" are the
// same parameter with an empty value.
type Param struct {
	Name, Value string
	// canonical is "name=value" in canonical encoding where the query had it
	// so already and the name is without escapes: it need not be encoded again.
	canonical string
}

// A Query is a parsed query string, in its own order, repetitions included.
type Query []Param

// maxParams bounds the parameters of one query; S3 needs some twenty.
const maxParams = 1000

// ParseQuery parses a raw query. It is the one parser whose result routes,
// verifies and limits a request, so that these can never disagree: "&" alone
// separates, ";" is an ordinary character, "+" is a space. A malformed escape
// is refused (InvalidURI).
func ParseQuery(raw string) (Query, error) {
	if raw == "" {
		return nil, nil
	}
	return parseInto(make(Query, 0, min(strings.Count(raw, "&")+1, maxParams)), raw, nil)
}

// ParseQuery is the function ParseQuery for callers that have memory for the
// parameters: it appends them to dst, and knows those that many URLs have in
// common, so that they need not be decoded.
func (v *Verifier) ParseQuery(dst Query, raw string) (Query, error) {
	return parseInto(dst, raw, &v.cache.seen)
}

// parseInto appends the pairs of a raw query.
func parseInto(q Query, raw string, seen *credentials) (Query, error) {
	var b strings.Builder
	for raw != "" {
		pair := raw
		if i := strings.IndexByte(raw, '&'); i >= 0 {
			pair, raw = raw[:i], raw[i+1:]
		} else {
			raw = ""
		}
		if pair == "" {
			continue
		}
		if len(q) == maxParams {
			return nil, errBadURI
		}
		if len(q) == cap(q) {
			q = append(q, Param{})[:len(q)]
		}
		q = q[:len(q)+1]
		if !q[len(q)-1].parse(pair, &b, seen) {
			return nil, errBadURI
		}
	}
	return q, nil
}

// Classes of bytes in a raw name or value.
const (
	classPercent = 1 << iota
	classPlus
	classEqual
	classOdd // canonical encoding would write it otherwise
)

var queryClass = func() (t [256]uint8) {
	for c := range t {
		if !unreserved[c] {
			t[c] = classOdd
		}
	}
	t['%'], t['+'], t['='] = classPercent, classPlus|classOdd, classEqual
	return t
}()

// classify returns the classes of all bytes of s. It is the one loop over
// every byte of a request line, so it takes eight at a time.
func classify(s string, t *[256]uint8) (class uint8) {
	for len(s) >= 8 {
		class |= t[s[0]] | t[s[1]] | t[s[2]] | t[s[3]] | t[s[4]] | t[s[5]] | t[s[6]] | t[s[7]]
		s = s[8:]
	}
	for i := 0; i < len(s); i++ {
		class |= t[s[i]]
	}
	return class
}

// pathClass is queryClass for paths, where "/" stands for itself.
var pathClass = func() (t [256]uint8) {
	t = queryClass
	t['/'] = 0
	return t
}()

// parse sets p to one pair. Decoded text shares the buffers of b, which never
// move once a parameter refers to them. Every field is written once: writing
// pointers is what costs here.
func (p *Param) parse(pair string, b *strings.Builder, seen *credentials) bool {
	if s := seen.lookup(pair); s != nil {
		*p = s.param
		return true
	}
	name, value, canonical := pair, "", ""
	if eq := strings.IndexByte(pair, '='); eq >= 0 {
		name, value = pair[:eq], pair[eq+1:]
		canonical = pair
	}
	class := classify(pair, &queryClass)
	if class&classOdd != 0 || strings.IndexByte(value, '=') >= 0 {
		canonical = ""
	}
	if class&(classPercent|classPlus) != 0 {
		if b.Cap()-b.Len() < len(pair) {
			b.Reset()
			b.Grow(len(pair))
		}
		decoded, _, ok1 := unescapeInto(b, name)
		text, same, ok2 := unescapeInto(b, value)
		if !ok1 || !ok2 {
			return false
		}
		if !same || len(decoded) != len(name) {
			canonical = ""
		}
		name, value = decoded, text
	}
	p.Name, p.Value, p.canonical = name, value, canonical
	return true
}

// unescapeInto decodes s, "+" as a space, and returns the part of b that it
// became. canonical tells whether every escape is the canonical one.
func unescapeInto(b *strings.Builder, s string) (decoded string, canonical, ok bool) {
	start := b.Len()
	canonical = true
	for {
		i := escapeIndex(s)
		if i < 0 {
			break
		}
		b.WriteString(s[:i])
		if s[i] == '+' {
			b.WriteByte(' ')
			s = s[i+1:]
			continue
		}
		if i+2 >= len(s) || hexValue[s[i+1]]|hexValue[s[i+2]] > 15 {
			return "", false, false
		}
		c := hexValue[s[i+1]]<<4 | hexValue[s[i+2]]
		canonical = canonical && !unreserved[c] && s[i+1] < 'a' && s[i+2] < 'a'
		b.WriteByte(c)
		s = s[i+3:]
	}
	if b.Len() == start {
		return s, true, true
	}
	b.WriteString(s)
	return b.String()[start:], canonical, true
}

// escapeIndex returns the index of the first "%" or "+", or -1.
func escapeIndex(s string) int {
	i := strings.IndexByte(s, '%')
	if i < 0 {
		return strings.IndexByte(s, '+')
	}
	if plus := strings.IndexByte(s[:i], '+'); plus >= 0 {
		return plus
	}
	return i
}

// Get returns the value of the first parameter of that exact name.
func (q Query) Get(name string) string {
	v, _ := q.Lookup(name)
	return v
}

// Lookup returns the value of the first parameter of that exact name, and
// whether there is one.
func (q Query) Lookup(name string) (string, bool) {
	for i := range q {
		if q[i].Name == name {
			return q[i].Value, true
		}
	}
	return "", false
}

// Has reports whether there is a parameter of that exact name.
func (q Query) Has(name string) bool {
	_, ok := q.Lookup(name)
	return ok
}

// LookupFold is Lookup without regard to case, for names that are headers
// carried in the query.
func (q Query) LookupFold(name string) (string, bool) {
	for i := range q {
		if len(q[i].Name) == len(name) && strings.EqualFold(q[i].Name, name) {
			return q[i].Value, true
		}
	}
	return "", false
}

// Encode returns the query in canonical form: canonical encoding, in order of
// encoded name and then value, every name with "=".
func (q Query) Encode() string {
	s := getScratch()
	defer s.release()
	return string(s.appendQuery(nil, q, -1))
}
