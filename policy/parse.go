package policy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/daypass/daypass"
)

// maxQuestionMarks bounds the one wildcard whose matching takes more than a
// search for text: every request that the policy decides about pays for it.
const maxQuestionMarks = 100

// Parse reads and compiles a policy document. It is strict: what AWS would
// refuse, and anything that could not be enforced, is a *daypass.Error with
// code MalformedPolicy, S3's or IAM's message where that is known, and the
// place as its cause.
//
// The grammar is that of the IAM User Guide, "Grammar of the IAM JSON policy
// language". A document without Version is of 2008-10-17, as with IAM. Action,
// key and resource rules are those of S3 for bucket policies and those of IAM
// for the others. Whether a bucket policy's resources lie in its bucket is for
// CheckBucket to say, and whether its principals exist is for the caller.
func Parse(document []byte, kind Kind) (*Policy, error) {
	s := &source{kind: kind}
	if err := s.checkJSON(document); err != nil {
		return nil, err
	}
	if bytes.Count(document, []byte("?")) > maxQuestionMarks {
		return nil, s.refuse(fmt.Sprintf("Policy has more than %d wildcards ?", maxQuestionMarks))
	}
	root, err := parseJSON(document)
	if err != nil {
		return nil, s.syntax("%v", err)
	}
	p := &Policy{kind: kind}
	var statements *node
	for i, m := range root.members {
		switch m.name {
		case "Version":
			err = s.version(m.value)
		case "Id":
			p.id, err = s.text(m)
		case "Statement":
			statements = &root.members[i].value
		default:
			err = s.refuse("Unknown field " + shorten(m.name))
		}
		if err != nil {
			return nil, err
		}
	}
	if statements == nil {
		return nil, s.refuse("Missing required field Statement")
	}
	p.variables = s.variables
	p.statements, err = s.compile(*statements)
	if err != nil {
		return nil, err
	}
	return p, nil
}

// A source is what is known of a document while it is being compiled.
type source struct {
	kind Kind
	// variables says that the document's version has policy variables.
	variables bool
	// statement counts from 1; 0 is outside any.
	statement int
}

// refuse returns an error with a message for the client.
func (s *source) refuse(message string) error { return s.fail(message, nil) }

// syntax returns the error for what is not in the grammar.
func (s *source) syntax(format string, args ...any) error {
	return s.fail("Invalid policy syntax.", fmt.Errorf(format, args...))
}

// value returns the error for a condition's value.
func (s *source) value(operator, value string, err error) error {
	if err == errAddress {
		return s.fail("Invalid IP address in Conditions", err)
	}
	return s.syntax("%s %q: %w", operator, shorten(value), err)
}

func (s *source) fail(message string, cause error) error {
	if s.statement > 0 {
		if cause == nil {
			cause = fmt.Errorf("in statement %d", s.statement)
		} else {
			cause = fmt.Errorf("in statement %d: %w", s.statement, cause)
		}
	}
	return &daypass.Error{Op: "policy.Parse", Code: MalformedPolicy, Message: message, Err: cause}
}

// checkJSON checks what S3 checks before it looks at a document.
func (s *source) checkJSON(document []byte) error {
	switch {
	case len(document) == 0 || document[0] != '{':
		return s.refuse("Policies must be valid JSON and the first byte must be '{'")
	case len(document) > maxRaw:
		return s.tooLarge()
	case !utf8.Valid(document):
		return s.refuse("This policy contains invalid Json")
	}
	var compact bytes.Buffer
	if json.Compact(&compact, document) != nil {
		return s.refuse("This policy contains invalid Json")
	}
	if compact.Len() > MaxSize {
		return s.tooLarge()
	}
	return nil
}

func (s *source) tooLarge() error {
	return s.refuse(fmt.Sprintf("Normalized policy document exceeds the maximum allowed size of %d bytes", MaxSize))
}

func (s *source) version(n node) error {
	switch {
	case n.kind == stringNode && n.text == "2012-10-17":
		s.variables = true
	case n.kind != stringNode || n.text != "2008-10-17":
		return s.refuse("The policy must contain a valid version string")
	}
	return nil
}

// text returns a member that must be a string.
func (s *source) text(m member) (string, error) {
	if m.value.kind != stringNode {
		return "", s.syntax("%s is not a string", m.name)
	}
	return m.value.text, nil
}

func (s *source) compile(n node) ([]statement, error) {
	if n.kind != objectNode && n.kind != arrayNode {
		return nil, s.syntax("Statement is neither an object nor a list")
	}
	if len(n.list()) == 0 {
		return nil, s.refuse("Could not parse the policy: Statement is empty!")
	}
	var out []statement
	sids := make(map[string]bool)
	for i, item := range n.list() {
		s.statement = i + 1
		st, err := s.compileStatement(item)
		if err != nil {
			return nil, err
		}
		if err := s.checkSid(st.sid, sids); err != nil {
			return nil, err
		}
		out = append(out, st)
	}
	return out, nil
}

// checkSid checks what IAM wants of a Sid; S3 takes any, and more than once.
func (s *source) checkSid(sid string, seen map[string]bool) error {
	switch {
	case s.kind == Bucket || sid == "":
		return nil
	case !only(sid, isAlphanumeric):
		return s.refuse("Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*")
	case seen[sid]:
		return s.refuse("Statement IDs (SID) in a single policy must be unique.")
	}
	seen[sid] = true
	return nil
}

func (s *source) compileStatement(n node) (statement, error) {
	var st statement
	if n.kind != objectNode {
		return st, s.syntax("a statement is not an object")
	}
	fields := make(map[string]bool)
	for _, m := range n.members {
		element, ok := elements[m.name]
		if !ok {
			return st, s.refuse("Unknown field " + shorten(m.name))
		}
		if fields[element.field] {
			return st, s.syntax("%s and Not%[1]s exclude each other", element.field)
		}
		fields[element.field] = true
		if err := element.compile(s, &st, m); err != nil {
			return st, err
		}
	}
	if err := s.checkFields(fields); err != nil {
		return st, err
	}
	return st, s.checkStatement(&st)
}

// An element is one row of the table of a statement's elements.
type element struct {
	field   string // which Not… shares with the element that it negates
	compile func(*source, *statement, member) error
}

// elements is the table (IAM User Guide, "IAM JSON policy element reference").
var elements = map[string]element{
	"Sid":          {"Sid", compileSid},
	"Effect":       {"Effect", compileEffect},
	"Principal":    {"Principal", compilePrincipal},
	"NotPrincipal": {"Principal", compilePrincipal},
	"Action":       {"Action", compileActions},
	"NotAction":    {"Action", compileActions},
	"Resource":     {"Resource", compileResources},
	"NotResource":  {"Resource", compileResources},
	"Condition":    {"Condition", compileConditionElement},
}

func compileSid(s *source, st *statement, m member) (err error) {
	st.sid, err = s.text(m)
	return err
}

func compileEffect(s *source, st *statement, m member) error {
	effect, err := s.text(m)
	switch {
	case err != nil:
		return err
	case effect != "Allow" && effect != "Deny":
		return s.refuse("Invalid effect: " + shorten(effect))
	}
	st.effect = effect == "Allow"
	return nil
}

func compilePrincipal(s *source, st *statement, m member) error {
	if !s.kind.resourceBased() {
		return s.refuse("Policy document should not specify a principal.")
	}
	p, message := compilePrincipals(m.value)
	if message != "" {
		return s.refuse(message)
	}
	st.principals, st.notPrincipal = p, m.name == "NotPrincipal"
	return nil
}

func compileActions(s *source, st *statement, m member) error {
	names, ok := m.value.strings()
	switch {
	case !ok:
		return s.syntax("%s is neither a string nor a list of strings", m.name)
	case len(names) == 0:
		return s.refuse("Policy has invalid action")
	}
	for _, name := range names {
		if message := checkAction(s.kind, name); message != "" {
			return s.refuse(message)
		}
		st.actions = append(st.actions, compileAction(name))
	}
	st.notAction = m.name == "NotAction"
	return nil
}

func compileResources(s *source, st *statement, m member) error {
	if s.kind == Trust {
		return s.refuse("Has prohibited field " + m.name)
	}
	names, ok := m.value.strings()
	switch {
	case !ok:
		return s.syntax("%s is neither a string nor a list of strings", m.name)
	case len(names) == 0:
		return s.refuse("Policy has invalid resource")
	}
	for _, name := range names {
		p, message := compileResource(s.kind, name, syntax{wildcards: true, variables: s.variables})
		if message != "" {
			return s.refuse(message)
		}
		st.resources = append(st.resources, p)
	}
	st.notResource = m.name == "NotResource"
	return nil
}

func compileConditionElement(s *source, st *statement, m member) (err error) {
	st.conditions, err = compileConditions(s, m.value)
	return err
}

// checkFields checks that a statement has what its kind requires.
func (s *source) checkFields(fields map[string]bool) error {
	for _, name := range []string{"Effect", "Principal", "Action", "Resource"} {
		switch {
		case fields[name],
			name == "Principal" && !s.kind.resourceBased(),
			name == "Resource" && s.kind == Trust:
		default:
			return s.refuse("Missing required field " + name)
		}
	}
	return nil
}

// checkStatement checks what the elements of a statement have to do with each
// other.
func (s *source) checkStatement(st *statement) error {
	if st.notPrincipal && st.effect == Allow {
		return s.refuse("Allow with NotPrincipal is not allowed.")
	}
	if s.kind != Bucket || st.notAction {
		return nil
	}
	on := st.about(syntax{wildcards: true, variables: s.variables})
	for _, p := range st.actions {
		actions := s3Matching(p)
		if !actions.meets(on, allActions) {
			return s.refuse("Action does not apply to any resource(s) in statement")
		}
		for i := range st.conditions {
			if with, _ := bucketKey(st.conditions[i].key); !actions.meets(on, with) {
				return s.refuse("Conditions do not apply to combination of actions and resources in statement")
			}
		}
	}
	return nil
}

// about returns the actions that can be about a bucket policy's resources.
func (st *statement) about(x syntax) actionSet {
	if st.notResource {
		return ofAll()
	}
	var on actionSet
	for i := range st.resources {
		on.add(st.resources[i].actions(x))
	}
	return on
}
