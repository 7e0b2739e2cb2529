package limits

import (
	"strings"

	"github.com/daypass/daypass/sign"
)

// Parse returns the limits that a query or form carries, nil where there are
// none. Parameters that are no limits are not looked at. InvalidArgument for
// an unknown, malformed, misspelled or repeated limit.
func Parse(q sign.Query) (*Set, error) {
	var s *Set
	var seen [len(table)]bool
	for i := range q {
		if !sign.IsLimit(q[i].Name) {
			continue
		}
		n, err := find(q[i].Name, q[i].Value)
		if err != nil {
			return nil, err
		}
		if seen[n] {
			return nil, Invalid(q[i].Name, q[i].Value, "is repeated")
		}
		seen[n] = true
		if s == nil {
			s = new(Set)
		}
		if why := table[n].parse(s, q[i].Value); why != "" {
			return nil, Invalid(q[i].Name, q[i].Value, "must be "+why)
		}
	}
	return s, nil
}

// find returns the index of a limit, or says why it is none.
func find(name, value string) (int, error) {
	if n := lookup(name); n >= 0 {
		return n, nil
	}
	if lower := strings.ToLower(name); lower != name && lookup(lower) >= 0 {
		return -1, Invalid(name, value, "must be written in lower case: "+lower)
	}
	return -1, Invalid(name, value, "is unknown to this server")
}

// Query returns the limits as parameters, in order of name and each in its
// canonical form. InvalidArgument for a value that Parse would refuse.
func (s *Set) Query() (sign.Query, error) {
	if s == nil {
		return nil, nil
	}
	var q sign.Query
	for i := range table {
		r := &table[i]
		if !r.has(s) {
			continue
		}
		text := r.encode(s)
		// Parsing it is the one check of values, so that nothing can be
		// minted that would not be honoured.
		if why := r.parse(new(Set), text); why != "" {
			return nil, Invalid(r.name, text, "must be "+why)
		}
		q = append(q, sign.Param{Name: r.name, Value: text})
	}
	return q, nil
}
