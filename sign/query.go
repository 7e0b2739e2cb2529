package sign

import "strings"

// A Param is one decoded name and value of a query. "?x" and "?x=" are the
// same parameter with an empty value.
type Param struct {
	Name, Value string
	// canonical is "name=value" in canonical encoding, with the length of the
	// name, where the query had it so already: it need not be encoded again.
	canonical string
	name      int
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

// parseInto appends the pairs of a raw query.
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

// Classes of bytes in a raw name or value.
const (
	classPercent = 1 << iota
	classPlus
	classOdd // canonical encoding would write it otherwise
)

var queryClass = func() (t [256]uint8) {
	for c := range t {
		if !unreserved[c] {
			t[c] = classOdd
		}
	}
	t['%'], t['+'] = classPercent, classPlus|classOdd
	return t
}()

// classify returns the classes of all bytes of s. It is the one loop over
// every byte of a query, so it takes eight at a time.
func classify(s string) (class uint8) {
	t := &queryClass
	for len(s) >= 8 {
		class |= t[s[0]] | t[s[1]] | t[s[2]] | t[s[3]] | t[s[4]] | t[s[5]] | t[s[6]] | t[s[7]]
		s = s[8:]
	}
	for i := 0; i < len(s); i++ {
		class |= t[s[i]]
	}
	return class
}

// parsePair decodes one pair. Decoded text shares the buffers of b, which
// never move once a parameter refers to them.
func parsePair(pair string, b *strings.Builder) (Param, bool) {
	eq := strings.IndexByte(pair, '=')
	p := Param{Name: pair}
	if eq >= 0 {
		p.Name, p.Value = pair[:eq], pair[eq+1:]
	}
	class := classify(p.Name) | classify(p.Value)
	canonical := eq >= 0 && class&classOdd == 0
	if class&(classPercent|classPlus) != 0 {
		if b.Cap()-b.Len() < len(pair) {
			b.Reset()
			b.Grow(len(pair))
		}
		var same1, same2, ok1, ok2 bool
		p.Name, same1, ok1 = unescapeInto(b, p.Name)
		p.Value, same2, ok2 = unescapeInto(b, p.Value)
		if !ok1 || !ok2 {
			return p, false
		}
		canonical = canonical && same1 && same2
	}
	if canonical {
		p.canonical, p.name = pair, eq
	}
	return p, true
}

// unescapeInto decodes s, "+" as a space, and returns the part of b that it
// became. canonical tells whether every escape is the canonical one.
func unescapeInto(b *strings.Builder, s string) (decoded string, canonical, ok bool) {
	start, from := b.Len(), 0
	canonical = true
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '+':
			b.WriteString(s[from:i])
			b.WriteByte(' ')
			from = i + 1
		case '%':
			if i+2 >= len(s) || hexValue[s[i+1]]|hexValue[s[i+2]] > 15 {
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
