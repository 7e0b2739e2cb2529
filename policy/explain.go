package policy

import (
	"fmt"
	"strconv"
	"strings"
)

// String names a statement for people.
func (r Ref) String() string {
	if r.Index == 0 {
		return "no statement"
	}
	s := "statement " + strconv.Itoa(r.Index)
	if r.Sid != "" {
		s += " (" + shorten(r.Sid) + ")"
	}
	s += " of the " + r.Kind.String()
	if r.Kind == Identity && r.Policy > 0 {
		s += " " + strconv.Itoa(r.Policy+1)
	}
	return s
}

// Reason says in one line why the decision is what it is.
func (v Verdict) Reason() string {
	switch {
	case v.Decision == ExplicitDeny:
		return "denied by " + v.Statement.String()
	case v.Decision == ImplicitDeny:
		return "not allowed, " + v.because()
	case v.Statement.Index == 0:
		return "allowed as the account's own root"
	}
	return "allowed by " + v.Statement.String()
}

// Message returns what S3 tells a client that is denied, which S3 does only
// within the account that owns the resource (Amazon S3 User Guide,
// "Troubleshoot access denied (403 Forbidden) errors"). It is empty for a
// request that is allowed.
func (v Verdict) Message(r *Request) string {
	if v.Decision == Allowed {
		return ""
	}
	who := r.Principal.ARN
	if r.Principal.Anonymous {
		who = "anonymous"
	}
	return fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %q %s", who, r.Action, r.Resource, v.because())
}

// because words a denial as S3 does.
func (v Verdict) because() string {
	if v.Decision == ExplicitDeny {
		return fmt.Sprintf("with an explicit deny in %s %s", v.Statement.Kind.article(), v.Statement.Kind)
	}
	return fmt.Sprintf("because no %s allows the %s action", v.Missing, shorten(v.action))
}

func (k Kind) article() string {
	if k == Identity {
		return "an"
	}
	return "a"
}

// An Explanation is a verdict with what every statement had to say.
type Explanation struct {
	Verdict  Verdict
	Findings []Finding
}

// A Finding tells of one statement whether it applied, and why not.
type Finding struct {
	Statement Ref
	Effect    Effect
	Applies   bool
	// Why is the first thing that kept the statement from applying. It holds
	// values of the policy and of the request, shortened.
	Why string
}

// Explain decides as Evaluate does and tells what each statement of each
// policy had to do with it. It is for people and takes longer.
func Explain(r *Request, s *Set) Explanation {
	c := newCall(r)
	v := s.count(c)
	e := Explanation{Verdict: v.decide(c, s)}
	e.add(c, s.Resource, Ref{Kind: s.resourceKind()})
	for i, p := range s.Identity {
		e.add(c, p, Ref{Kind: Identity, Policy: i})
	}
	e.add(c, s.Boundary, Ref{Kind: Boundary})
	e.add(c, s.Session, Ref{Kind: Session})
	return e
}

// String returns the reason and one line per statement.
func (e Explanation) String() string {
	var b strings.Builder
	b.WriteString(e.Verdict.Reason() + "\n")
	for _, f := range e.Findings {
		why := "applies"
		if !f.Applies {
			why = "does not apply: " + f.Why
		} else if f.Why != "" {
			why += ", " + f.Why
		}
		fmt.Fprintf(&b, "- %s %s %s\n", f.Effect, f.Statement, why)
	}
	return b.String()
}

func (e *Explanation) add(c *call, p *Policy, at Ref) {
	if p == nil {
		return
	}
	for i := range p.statements {
		s := &p.statements[i]
		at.Sid, at.Index = s.sid, i+1
		g, m := s.apply(c)
		f := Finding{Statement: at, Effect: s.effect, Applies: m.part == noPart}
		switch {
		case !f.Applies:
			f.Why = m.why(c, s)
		case s.effect == Allow && g == byAccount:
			f.Why = "but names the account only, which must allow it by an identity-based policy"
		case s.effect == Allow && g == byIssuer:
			f.Why = "but names the session's issuer, so that boundary and session policy limit it"
		}
		e.Findings = append(e.Findings, f)
	}
}

func (m mismatch) why(c *call, s *statement) string {
	switch m.part {
	case principalPart:
		return fmt.Sprintf("principal %s is %s", c.request.Principal.label(), among(s.notPrincipal, s.principals.raw))
	case actionPart:
		var raw []string
		for _, a := range s.actions {
			raw = append(raw, a.raw)
		}
		return fmt.Sprintf("action %s is %s", shorten(c.request.Action), among(s.notAction, raw))
	case resourcePart:
		var raw []string
		for _, r := range s.resources {
			raw = append(raw, r.raw)
		}
		return fmt.Sprintf("resource %s is %s", shorten(c.request.Resource), among(s.notResource, raw))
	case variablePart:
		return "a variable in NotResource has no value"
	}
	return m.condition.why(c)
}

// why tells what a condition wants and what the request has.
func (m *condition) why(c *call) string {
	asked, ok := c.lookup(m.key)
	has := "the request has none"
	if ok && len(asked) > 0 {
		has = "the request has " + list(asked)
	}
	return fmt.Sprintf("condition %s %s %s: %s", shorten(m.operator), shorten(m.rawKey), list(m.values), has)
}

// among words that a value is not among those listed, or, of a Not… element,
// that it is.
func among(negated bool, raw []string) string {
	if negated {
		return "excepted by " + list(raw)
	}
	return "not " + list(raw)
}

// list quotes the first few values.
func list(values []string) string {
	const most = 4
	var quoted []string
	for i, v := range values {
		if i == most {
			quoted = append(quoted, fmt.Sprintf("%d more", len(values)-most))
			break
		}
		quoted = append(quoted, strconv.Quote(shorten(v)))
	}
	return strings.Join(quoted, ", ")
}

func (p *Principal) label() string {
	switch {
	case p.Anonymous:
		return "anonymous"
	case p.ARN == "" && p.Service != "":
		return shorten(p.Service)
	case p.ARN == "":
		return "of account " + shorten(p.Account)
	}
	return shorten(p.ARN)
}
