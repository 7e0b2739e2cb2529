package policy

import "strings"

// A condition is one operator applied to one key.
type condition struct {
	operator string // as written
	rawKey   string // as written
	key      string // as keyName makes it
	values   []string
	tests    []test
	set      setOperator
	// negated operators hold where no value matches (NOR); they hold for a
	// missing key too.
	negated  bool
	ifExists bool
	null     bool
}

// A test reports whether a value of the request matches one of the policy's.
type test func(c *call, asked string) bool

// A setOperator says how the several values of a key are judged together (IAM
// User Guide, "Set operators for multivalued context keys").
type setOperator uint8

const (
	singleValue setOperator = iota
	forAllValues
	forAnyValue
)

// An operator is one row of the table of condition operators.
type operator struct {
	// compile makes a test of a value. It is nil for Null.
	compile func(value string, variables bool) (test, error)
	negated bool
}

// operators is the table of IAM User Guide, "Policy elements: Condition
// operators". Names are sensitive to case.
var operators = map[string]operator{
	"StringEquals":              {compile: stringTest},
	"StringNotEquals":           {compile: stringTest, negated: true},
	"StringEqualsIgnoreCase":    {compile: foldTest},
	"StringNotEqualsIgnoreCase": {compile: foldTest, negated: true},
	"StringLike":                {compile: likeTest},
	"StringNotLike":             {compile: likeTest, negated: true},

	"NumericEquals":            {compile: numericTest(equal)},
	"NumericNotEquals":         {compile: numericTest(equal), negated: true},
	"NumericLessThan":          {compile: numericTest(less)},
	"NumericLessThanEquals":    {compile: numericTest(atMost)},
	"NumericGreaterThan":       {compile: numericTest(greater)},
	"NumericGreaterThanEquals": {compile: numericTest(atLeast)},

	"DateEquals":            {compile: dateTest(equal)},
	"DateNotEquals":         {compile: dateTest(equal), negated: true},
	"DateLessThan":          {compile: dateTest(less)},
	"DateLessThanEquals":    {compile: dateTest(atMost)},
	"DateGreaterThan":       {compile: dateTest(greater)},
	"DateGreaterThanEquals": {compile: dateTest(atLeast)},

	"Bool":         {compile: boolTest},
	"BinaryEquals": {compile: binaryTest},
	"IpAddress":    {compile: addressTest},
	"NotIpAddress": {compile: addressTest, negated: true},

	"ArnEquals":    {compile: arnTest},
	"ArnLike":      {compile: arnTest},
	"ArnNotEquals": {compile: arnTest, negated: true},
	"ArnNotLike":   {compile: arnTest, negated: true},

	"Null": {},
}

// parseOperator takes an operator's name apart:
// [ForAllValues:|ForAnyValue:]Name[IfExists].
func parseOperator(name string) (condition, operator, bool) {
	c := condition{operator: name}
	if rest, ok := strings.CutPrefix(name, "ForAllValues:"); ok {
		c.set, name = forAllValues, rest
	} else if rest, ok := strings.CutPrefix(name, "ForAnyValue:"); ok {
		c.set, name = forAnyValue, rest
	}
	name, c.ifExists = strings.CutSuffix(name, "IfExists")
	op, ok := operators[name]
	c.negated, c.null = op.negated, op.compile == nil
	if c.null && (c.ifExists || c.set != singleValue) {
		return c, op, false // the question is already whether it exists
	}
	return c, op, ok
}

// compileConditions reads the element Condition.
func compileConditions(s *source, n node) ([]condition, error) {
	if n.kind != objectNode {
		return nil, s.syntax("Condition is not an object")
	}
	var out []condition
	for _, m := range n.members {
		prototype, op, ok := parseOperator(m.name)
		if !ok {
			return nil, s.refuse("Invalid Condition type : " + shorten(m.name))
		}
		if m.value.kind != objectNode {
			return nil, s.syntax("the value of %s is not an object", m.name)
		}
		for _, entry := range m.value.members {
			c, err := compileCondition(s, prototype, op, entry)
			if err != nil {
				return nil, err
			}
			out = append(out, c)
		}
	}
	return out, nil
}

func compileCondition(s *source, c condition, op operator, entry member) (condition, error) {
	c.rawKey, c.key = entry.name, keyName(entry.name)
	values, ok := entry.value.scalars()
	if !ok || len(values) == 0 {
		return c, s.syntax("the values of %s are not strings, numbers or booleans", entry.name)
	}
	c.values = values
	if message := checkKey(s.kind, c.key, values); message != "" {
		return c, s.refuse(message)
	}
	compile := op.compile
	if c.null {
		compile = boolTest
	}
	for _, v := range values {
		t, err := compile(v, s.variables)
		if err != nil {
			return c, s.value(c.operator, v, err)
		}
		c.tests = append(c.tests, t)
	}
	return c, nil
}

// holds reports whether the request meets the condition.
func (c *condition) holds(ask *call) bool {
	asked, ok := ask.lookup(c.key)
	exists := ok && len(asked) > 0
	switch {
	case c.null:
		return c.matches(ask, boolText(!exists))
	case !exists && c.ifExists:
		return true
	case c.set != singleValue:
		return c.holdsForSet(ask, asked)
	case !exists:
		return c.negated
	}
	// A key of one value. Should it have more, a negated operator must hold
	// for all of them and another for one.
	for _, v := range asked {
		if c.matches(ask, v) {
			return !c.negated
		}
	}
	return c.negated
}

// holdsForSet judges each value of the request by itself. No values, or none
// but empty ones, hold for ForAllValues and not for ForAnyValue.
func (c *condition) holdsForSet(ask *call, asked []string) bool {
	for _, v := range asked {
		if v == "" && allEmpty(asked) {
			break
		}
		holds := c.matches(ask, v) != c.negated
		if holds != (c.set == forAllValues) {
			return holds
		}
	}
	return c.set == forAllValues
}

func allEmpty(values []string) bool {
	for _, v := range values {
		if v != "" {
			return false
		}
	}
	return true
}

// matches reports whether any value of the policy matches.
func (c *condition) matches(ask *call, asked string) bool {
	for _, t := range c.tests {
		if t(ask, asked) {
			return true
		}
	}
	return false
}

func boolText(b bool) string {
	if b {
		return "true"
	}
	return "false"
}
