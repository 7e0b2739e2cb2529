package sign

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// A Policy is a POST policy document: what a browser form may upload (S3 API
// reference, "Creating a POST Policy").
type Policy struct {
	// Expires is when the policy ends.
	Expires    time.Time
	Conditions []Condition
}

// A Condition is one condition of a POST policy.
type Condition struct {
	// Op is "eq", "starts-with" or "content-length-range".
	Op string
	// Field is the name of the form field, as the policy spells it without
	// "$"; empty for content-length-range.
	Field string
	// Value is what the field must equal or begin with.
	Value string
	// Min and Max bound the size of the file in bytes, both included.
	Min, Max int64

	raw string // as a refusal shows it
	bad bool   // well-formed JSON that can never hold
}

// Eq is the condition that a field has exactly a value.
func Eq(field, value string) Condition { return Condition{Op: "eq", Field: field, Value: value} }

// StartsWith is the condition that a field begins with a value; "" is any.
func StartsWith(field, value string) Condition {
	return Condition{Op: "starts-with", Field: field, Value: value}
}

// ContentLengthRange is the condition that the file has from min to max bytes.
func ContentLengthRange(min, max int64) Condition {
	return Condition{Op: "content-length-range", Min: min, Max: max}
}

// MarshalJSON writes the condition as a list.
func (c Condition) MarshalJSON() ([]byte, error) {
	if c.Op == "content-length-range" {
		return json.Marshal([]any{c.Op, c.Min, c.Max})
	}
	return json.Marshal([]string{c.Op, "$" + c.Field, c.Value})
}

// MarshalJSON writes the policy document.
func (p Policy) MarshalJSON() ([]byte, error) {
	conditions := p.Conditions
	if conditions == nil {
		conditions = []Condition{}
	}
	return json.Marshal(struct {
		Expiration string      `json:"expiration"`
		Conditions []Condition `json:"conditions"`
	}{p.Expires.UTC().Format("2006-01-02T15:04:05.000Z"), conditions})
}

func policyError(what string) error {
	return newError(CodeInvalidPolicyDocument, "Invalid Policy: "+what)
}

// maxConditions bounds a policy; the form that carries it has at most 20 KB.
const maxConditions = 1000

// ParsePolicy parses a policy document (InvalidPolicyDocument).
func ParsePolicy(document []byte) (*Policy, error) {
	// A map, since names in a policy are sensitive to case.
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(document, &doc); err != nil {
		return nil, policyError("Invalid JSON.")
	}
	p := &Policy{}
	if err := p.parseExpires(doc["expiration"]); err != nil {
		return nil, err
	}
	if err := p.parseConditions(doc["conditions"]); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *Policy) parseExpires(raw json.RawMessage) error {
	if raw == nil {
		return policyError("Policy missing expiration.")
	}
	var text string
	var ok bool
	if json.Unmarshal(raw, &text) == nil {
		p.Expires, ok = parseExpiration(text)
	}
	if !ok {
		return policyError("Invalid 'expiration' value: '" + strings.Trim(string(raw), `"`) + "'")
	}
	return nil
}

func (p *Policy) parseConditions(raw json.RawMessage) error {
	if raw == nil {
		return policyError("Policy missing conditions.")
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil || list == nil || len(list) > maxConditions {
		return policyError("Invalid JSON.")
	}
	for _, raw := range list {
		c, err := parseCondition(raw)
		if err != nil {
			return err
		}
		p.Conditions = append(p.Conditions, c)
	}
	return nil
}

// parseExpiration parses ISO 8601 in UTC, or with an offset. Times that cannot be
// written so, since their year is not one of 0 to 9999 in UTC, are none.
func parseExpiration(s string) (time.Time, bool) {
	for _, layout := range []string{"2006-01-02T15:04:05.999999999Z", "2006-01-02T15:04:05Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil && t.UTC().Year() >= 0 && t.UTC().Year() <= 9999 {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

func parseCondition(raw json.RawMessage) (Condition, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) > 0 && raw[0] == '{' {
		return parseSimple(raw)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return Condition{}, policyError("Invalid Condition: " + string(raw))
	}
	if len(list) != 3 {
		return Condition{}, policyError("Invalid Condition: wrong number of arguments.")
	}
	return parseList(list)
}

func parseSimple(raw []byte) (Condition, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(raw, &object); err != nil {
		return Condition{}, policyError("Invalid JSON.")
	}
	if len(object) != 1 {
		return Condition{}, policyError("Invalid Simple-Condition: Simple-Conditions must have exactly one property specified.")
	}
	var c Condition
	for name, v := range object {
		value, ok := scalar(v)
		if !ok {
			return c, policyError("Invalid Simple-Condition: value must be a string.")
		}
		c = Condition{Op: "eq", Field: name, Value: value}
		c.raw = list("eq", "$"+name, value)
	}
	return c, nil
}

func parseList(parts []json.RawMessage) (Condition, error) {
	var s [3]string
	for i, part := range parts {
		var ok bool
		if s[i], ok = scalar(part); !ok {
			return Condition{}, policyError("Invalid Condition: arguments must be strings.")
		}
	}
	c := Condition{Op: strings.ToLower(s[0]), raw: list(s[0], s[1], s[2])}
	switch c.Op {
	case "eq", "starts-with":
		c.Field, c.Value = strings.TrimPrefix(s[1], "$"), s[2]
		c.bad = !strings.HasPrefix(s[1], "$")
	case "content-length-range":
		var err1, err2 error
		c.Min, err1 = strconv.ParseInt(s[1], 10, 64)
		c.Max, err2 = strconv.ParseInt(s[2], 10, 64)
		c.bad = err1 != nil || err2 != nil
	default:
		return c, policyError("Invalid Condition: unknown operation '" + s[0] + "'.")
	}
	return c, nil
}

// scalar returns a string, or a number as it is written.
func scalar(raw json.RawMessage) (string, bool) {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s, true
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String(), true
	}
	return "", false
}

// list writes a condition as S3's refusals show it.
func list(parts ...string) string {
	for i, p := range parts {
		b, _ := json.Marshal(p)
		parts[i] = string(b)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// A Form is the fields of a browser form that stand before its file, in
// order. Names are compared without regard to case.
type Form []Param

// Lookup returns the value of a field, and whether there is one.
func (f Form) Lookup(name string) (string, bool) { return Query(f).LookupFold(name) }

// Get returns the value of a field, "" where there is none.
func (f Form) Get(name string) string {
	v, _ := f.Lookup(name)
	return v
}

// Check refuses a form that a policy does not permit (AccessDenied). bucket
// is the bucket that is posted to: it counts as a field. The size of the file
// is checked by CheckSize.
func (p *Policy) Check(form Form, bucket string) error {
	covered := make(map[string]bool)
	for _, c := range p.Conditions {
		covered[strings.ToLower(c.Field)] = true
		if c.bad || c.Op != "content-length-range" && !c.holds(form, bucket) {
			return newError(CodeAccessDenied, "Invalid according to Policy: Policy Condition failed: "+c.text())
		}
	}
	for _, field := range form {
		// Only in ASCII is there one way to fold case.
		if name := strings.ToLower(field.Name); !isASCII(field.Name) || !covered[name] && !exempt(name) {
			return newError(CodeAccessDenied, "Invalid according to Policy: Extra input fields: "+field.Name)
		}
	}
	return nil
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] > 0x7f {
			return false
		}
	}
	return true
}

// Refusals are logged, so secrets are not in them.
func (c *Condition) text() string {
	if name := strings.ToLower(c.Field); strings.HasSuffix(name, "-customer-key") || strings.HasSuffix(name, "-security-token") {
		return list(c.Op, "$"+c.Field, "REDACTED")
	}
	if c.raw != "" {
		return c.raw
	}
	return list(c.Op, "$"+c.Field, c.Value)
}

// exempt names the fields that need no condition ("POST Object", policy).
func exempt(lower string) bool {
	switch lower {
	case "file", "policy", "signature", "awsaccesskeyid", "x-amz-signature":
		return true
	}
	return strings.HasPrefix(lower, "x-ignore-")
}

func (c *Condition) holds(form Form, bucket string) bool {
	value, ok := form.Lookup(c.Field)
	if strings.EqualFold(c.Field, "bucket") {
		value, ok = bucket, !ok || value == bucket
	}
	if !ok {
		return false
	}
	if c.Op == "eq" {
		return value == c.Value
	}
	if !strings.EqualFold(c.Field, "content-type") {
		return strings.HasPrefix(value, c.Value)
	}
	// A list of types is permitted only where every one of them is.
	for part := range strings.SplitSeq(value, ",") {
		if !strings.HasPrefix(strings.TrimSpace(part), c.Value) {
			return false
		}
	}
	return true
}

// CheckSize refuses a file of a size in bytes that the policy does not permit
// (EntityTooSmall, EntityTooLarge).
func (p *Policy) CheckSize(size int64) error {
	for _, c := range p.Conditions {
		if c.Op != "content-length-range" {
			continue
		}
		proposed := Detail{"ProposedSize", strconv.FormatInt(size, 10)}
		if size > c.Max {
			return newError(CodeEntityTooLarge, "Your proposed upload exceeds the maximum allowed size",
				proposed, Detail{"MaxSizeAllowed", strconv.FormatInt(c.Max, 10)})
		}
		if size < c.Min {
			return newError(CodeEntityTooSmall, "Your proposed upload is smaller than the minimum allowed size",
				proposed, Detail{"MinSizeAllowed", strconv.FormatInt(c.Min, 10)})
		}
	}
	return nil
}

// MaxSize returns the largest file in bytes that the policy permits, or -1
// where it does not say, so that an upload can be cut off while it streams.
func (p *Policy) MaxSize() int64 {
	size := int64(-1)
	for _, c := range p.Conditions {
		if c.Op == "content-length-range" && (size < 0 || c.Max < size) {
			size = c.Max
		}
	}
	return size
}

// Requires reports whether the policy has the condition that a field, by its
// exact name, is exactly a value.
func (p *Policy) Requires(field, value string) bool {
	for _, c := range p.Conditions {
		if c.Op == "eq" && !c.bad && c.Field == field && c.Value == value {
			return true
		}
	}
	return false
}
