package sign

import "strings"

// A Param is one decoded name and value of a query. "?x" and "?x=" are the
// same parameter with an empty value.
type Param struct{ Name, Value string }

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
	n := strings.Count(raw, "&") + 1
	if n > maxParams {
		return nil, errBadURI
	}
	q := make(Query, 0, n)
	if strings.IndexByte(raw, '%') < 0 && strings.IndexByte(raw, '+') < 0 {
		return q.splitPlain(raw), nil
	}
	return q.splitEscaped(raw)
}

func (q Query) splitPlain(raw string) Query {
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		q = append(q, Param{name, value})
	}
	return q
}

// splitEscaped decodes all of raw into one string, whose parts the
// parameters share.
func (q Query) splitEscaped(raw string) (Query, error) {
	type span struct{ name, value, end int }
	var few [24]span
	spans := few[:0]
	buf := make([]byte, 0, len(raw))
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		sp := span{name: len(buf)}
		var ok1, ok2 bool
		buf, ok1 = appendUnescaped(buf, name, true)
		sp.value = len(buf)
		buf, ok2 = appendUnescaped(buf, value, true)
		if !ok1 || !ok2 {
			return nil, errBadURI
		}
		sp.end = len(buf)
		spans = append(spans, sp)
	}
	all := string(buf)
	for _, sp := range spans {
		q = append(q, Param{all[sp.name:sp.value], all[sp.value:sp.end]})
	}
	return q, nil
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
	return string(s.appendQuery(nil, q, false))
}
