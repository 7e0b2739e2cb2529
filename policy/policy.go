package policy

import "github.com/daypass/daypass"

// MalformedPolicy is the code of every error that Parse returns: S3's for a
// bucket policy. IAM and STS call the same MalformedPolicyDocument.
const MalformedPolicy daypass.Code = "MalformedPolicy"

// MaxSize is the largest document in bytes, white space between the JSON
// tokens not counted (Amazon S3 User Guide, "Adding a bucket policy": 20 KB).
const MaxSize = 20 << 10

// maxRaw bounds a document with its white space.
const maxRaw = 4 * MaxSize

// A Kind is what a policy is attached to, which decides which elements it
// must and must not have.
type Kind uint8

// The kinds.
const (
	// Identity policies belong to a user, group or role and name no principal.
	Identity Kind = iota
	// Bucket policies belong to a bucket and name principals and resources in
	// that bucket.
	Bucket
	// Session policies come with temporary credentials.
	Session
	// Trust policies say who may assume a role. They name principals and no
	// resource: it is the role.
	Trust
	// Boundary policies bound what identity-based policies can allow; the
	// document is like an Identity policy.
	Boundary
)

// String returns the name of a kind as AWS's denials spell it.
func (k Kind) String() string {
	return [...]string{"identity-based policy", "resource-based policy", "session policy", "role trust policy", "permissions boundary"}[k]
}

// resourceBased reports whether policies of the kind name principals.
func (k Kind) resourceBased() bool { return k == Bucket || k == Trust }

// An Effect is what a statement does where it applies.
type Effect bool

// The effects.
const (
	Deny  Effect = false
	Allow Effect = true
)

// String returns the effect as policies spell it.
func (e Effect) String() string {
	if e == Allow {
		return "Allow"
	}
	return "Deny"
}

// A Policy is a compiled document. It does not change and may be used by many
// goroutines at once.
type Policy struct {
	kind       Kind
	id         string
	variables  bool // of version 2012-10-17
	statements []statement
}

// Kind returns what Parse was told.
func (p *Policy) Kind() Kind { return p.kind }

// ID returns the element Id, which may be empty.
func (p *Policy) ID() string { return p.id }

type statement struct {
	sid    string
	effect Effect

	principals   *principals // nil in kinds that have none
	notPrincipal bool
	actions      []actionPattern
	notAction    bool
	resources    []arnPattern // none in a trust policy
	notResource  bool
	conditions   []condition
}

// A mismatch says why a statement does not apply.
type mismatch struct {
	part      part
	condition *condition // where part is conditionPart
}

type part uint8

const (
	noPart part = iota
	principalPart
	actionPart
	resourcePart
	variablePart // NotResource with a variable that has no value
	conditionPart
)

// apply returns how closely the statement's principal names the caller, and
// why the statement does not apply to the request, if it does not. In kinds
// without principals the caller counts as named.
func (s *statement) apply(c *call) (grade, mismatch) {
	g := s.names(c)
	switch {
	case g == notNamed:
		return g, mismatch{part: principalPart}
	case s.hasAction(c) == s.notAction:
		return g, mismatch{part: actionPart}
	}
	if p := s.resourceMismatch(c); p != noPart {
		return g, mismatch{part: p}
	}
	for i := range s.conditions {
		if !s.conditions[i].holds(c) {
			return g, mismatch{conditionPart, &s.conditions[i]}
		}
	}
	return g, mismatch{}
}

func (s *statement) names(c *call) grade {
	switch {
	case s.principals == nil:
		return directly
	case !s.notPrincipal:
		return s.principals.grade(&c.request.Principal)
	case s.principals.excepts(&c.request.Principal):
		return notNamed
	}
	return directly
}

func (s *statement) hasAction(c *call) bool {
	for i := range s.actions {
		if s.actions[i].glob.match(c.action) {
			return true
		}
	}
	return false
}

func (s *statement) resourceMismatch(c *call) part {
	if len(s.resources) == 0 {
		return noPart
	}
	named := false
	for i := range s.resources {
		r := &s.resources[i]
		if s.notResource && s.effect == Allow && !r.resolvable(c) {
			// What the exception was meant to be cannot be known: to allow
			// all else would be to guess.
			return variablePart
		}
		if r.match(c, c.request.Resource) {
			named = true
			break
		}
	}
	if named == s.notResource {
		return resourcePart
	}
	return noPart
}

// CheckBucket returns a MalformedPolicy error if a resource of a bucket policy
// cannot lie in the bucket that the policy is for, as PutBucketPolicy does.
func (p *Policy) CheckBucket(bucket string) error {
	for i := range p.statements {
		for _, r := range p.statements[i].resources {
			if !r.covers(bucket, syntax{wildcards: true, variables: p.variables}) {
				s := source{kind: p.kind, statement: i + 1}
				return s.refuse("Policy has invalid resource")
			}
		}
	}
	return nil
}
