package sign

import "strings"

// A Param is one decoded name and value of a query. "?x" and "?x=" are the
// same parameter with an empty value.
type Param struct {
	Name, Value string
	// canonical is "name=value" in canonical encoding where the query had it
	// so already, which saves encoding it again.
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
	return parseInto(make(Query, 0, min(strings.Count(raw, "&")+1, maxParams)), raw)
}

// Classes of bytes in a raw name or value.
const (
	classEscaped = 1 << iota // "%" or "+": decoding changes it
	classOdd                 // canonical encoding would write it otherwise
)

var queryClass = func() (t [256]uint8) {
	for c := range t {
		if !unreserved[c] {
			t[c] = classOdd
		}
	}
	t['%'], t['+'] = classEscaped, classEscaped|classOdd
	return t
}()

func classify(s string) (class uint8) {
	for i := 0; i < len(s); i++ {
		class |= queryClass[s[i]]
	}
	return class
}

// parseInto parses in one pass over the pairs.
func parseInto(q Query, raw string) (Query, error) {
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
		p, ok := parsePair(pair, &b)
		if !ok {
			return nil, errBadURI
		}
		q = append(q, p)
	}
	return q, nil
}

// parsePair decodes one pair. Decoded text shares the buffers of b, which
// never move once a parameter refers to them.
func parsePair(pair string, b *strings.Builder) (p Param, ok bool) {
	name, value := pair, ""
	eq := strings.IndexByte(pair, '=')
	if eq >= 0 {
		name, value = pair[:eq], pair[eq+1:]
	}
	class := classify(name) | classify(value)
	canonical := eq >= 0 && class&classOdd == 0
	if class&classEscaped != 0 {
		if b.Cap()-b.Len() < len(pair) {
			b.Reset()
			b.Grow(len(pair))
		}
		var same1, same2, ok1, ok2 bool
		name, same1, ok1 = unescapeInto(b, name)
		value, same2, ok2 = unescapeInto(b, value)
		if !ok1 || !ok2 {
			return p, false
		}
		canonical = canonical && same1 && same2
	}
	if !canonical {
		pair = ""
	}
	return Param{Name: name, Value: value, canonical: pair}, true
}

// unescapeInto decodes s, "+" as a space, and returns the part of b that it
// became. canonical tells whether every escape is the canonical one.
func unescapeInto(b *strings.Builder, s string) (decoded string, canonical, ok bool) {
	start := b.Len()
	canonical = true
	from := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '+':
			b.WriteString(s[from:i])
			b.WriteByte(' ')
			from = i + 1
		case '%':
			if i+2 >= len(s) || hexValue[s[i+1]] > 15 || hexValue[s[i+2]] > 15 {
				return "", false, false
			}
			c := hexValue[s[i+1]]<<4 | hexValue[s[i+2]]
			canonical = canonical && !unreserved[c] && s[i+1] < 'a' && s[i+2] < 'a'
			b.WriteString(s[from:i])
			b.WriteByte(c)
			i += 2
			from = i + 1
		}
	}
	if from == 0 {
		return s, true, true
	}
	b.WriteString(s[from:])
	return b.String()[start:], canonical, true
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
