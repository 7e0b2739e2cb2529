package policy

// A Decision is the outcome for a request.
type Decision uint8

// The decisions.
const (
	// ImplicitDeny is the outcome where nothing decided. An access control
	// list may still allow; that is for the caller to find out.
	ImplicitDeny Decision = iota
	// ExplicitDeny is final: nothing overrides it.
	ExplicitDeny
	// Allowed requests may go ahead.
	Allowed
)

// String returns the decision as IAM's policy simulator names it.
func (d Decision) String() string {
	return [...]string{"implicitDeny", "explicitDeny", "allowed"}[d]
}

// A Set is the policies that concern a request.
type Set struct {
	// Identity are the policies of the caller: its own and those of its groups
	// or role.
	Identity []*Policy
	// Boundary is the caller's permissions boundary, if any.
	Boundary *Policy
	// Session is the policy that came with the caller's temporary credentials,
	// if any.
	Session *Policy
	// Resource is the policy of what the request is about: a bucket's, or the
	// trust policy of a role to assume. Nil when there is none.
	Resource *Policy
	// SameAccount says that the caller's account owns the resource, or that
	// there is none that anybody owns. Otherwise both accounts must allow.
	SameAccount bool
	// BindRoot says that the bucket policy may lock the account itself out of
	// changing it: it was put with x-amz-confirm-remove-self-bucket-access.
	BindRoot bool
}

// A Ref names one statement of a Set.
type Ref struct {
	Kind Kind
	// Policy is the index in Set.Identity, and 0 for the other kinds.
	Policy int
	// Sid is the statement's; it may be empty.
	Sid string
	// Index is the statement's place in its policy, from 1. In the zero Ref,
	// which names no statement, it is 0.
	Index int
}

// A Verdict is a decision with its ground.
type Verdict struct {
	Decision Decision
	// Statement is the one that decided: the deny, or the allow without which
	// the request would not have been allowed. The zero Ref where there is
	// none: an implicit deny, or the account's own root.
	Statement Ref
	// Missing is, for an implicit deny, the kind of policy that would have had
	// to allow the request and did not.
	Missing Kind
	action  string // for the reason
}

// A vote is what the statements of one policy or several say.
type vote struct {
	denied  Ref
	allowed Ref
	grade   grade // the closest one of the allows
}

func (v *vote) denies() bool { return v.denied.Index > 0 }
func (v *vote) allows() bool { return v.allowed.Index > 0 }

// count adds the statements of a policy, which may be nil, until one denies.
func (v *vote) count(c *call, p *Policy, at Ref) {
	if p == nil {
		return
	}
	for i := range p.statements {
		s := &p.statements[i]
		if s.effect == Allow && v.grade == directly {
			continue // no allow can add anything
		}
		g, m := s.apply(c)
		if m.part != noPart {
			continue
		}
		at.Sid, at.Index = s.sid, i+1
		if s.effect == Deny {
			v.denied = at
			return
		}
		if g > v.grade {
			v.allowed, v.grade = at, g
		}
	}
}

// votes are those of a Set, in the order in which denies are reported.
type votes struct {
	resource, identity, boundary, session vote
}

func (s *Set) count(c *call) (v votes) {
	resource := Ref{Kind: Bucket}
	if s.Resource != nil {
		resource.Kind = s.Resource.kind
	}
	v.resource.count(c, s.Resource, resource)
	if v.resource.denies() && s.rescues(c) {
		v.resource = vote{}
	}
	for i, p := range s.Identity {
		if v.identity.denies() {
			break
		}
		v.identity.count(c, p, Ref{Kind: Identity, Policy: i})
	}
	v.boundary.count(c, s.Boundary, Ref{Kind: Boundary})
	v.session.count(c, s.Session, Ref{Kind: Session})
	return v
}

// rescues reports whether a bucket policy's deny does not count: the root of
// the account that owns a bucket can always read, replace and delete its
// policy (Amazon S3 API Reference, PutBucketPolicy).
func (s *Set) rescues(c *call) bool {
	if !c.request.Principal.Root || !s.SameAccount || s.BindRoot || s.Resource.kind != Bucket {
		return false
	}
	switch c.action {
	case "s3:getbucketpolicy", "s3:putbucketpolicy", "s3:deletebucketpolicy":
		return true
	}
	return false
}

// Evaluate decides a request by the policies that concern it (IAM User Guide,
// "Policy evaluation logic" and "Cross-account policy evaluation logic"):
//
//  1. A deny in any policy is final.
//  2. Within one account, a bucket policy that names the caller itself or
//     everyone suffices, whatever the other policies leave out.
//  3. A bucket policy that names the user or role behind a session, or an
//     identity-based policy, suffices as far as the permissions boundary and
//     the session policy, where there are such, allow it too.
//  4. A bucket policy that names the account leaves it to the account's
//     identity-based policies; the account's root needs none.
//  5. Across accounts, the bucket policy and the caller's own side must both
//     allow.
//  6. Assuming a role always needs its trust policy's allow.
//  7. Anonymous requests are allowed by a bucket policy or not at all.
func Evaluate(r *Request, s *Set) Verdict {
	c := newCall(r)
	v := s.count(c)
	return v.decide(c, s)
}

func (v *votes) decide(c *call, s *Set) Verdict {
	for _, side := range [...]*vote{&v.resource, &v.identity, &v.boundary, &v.session} {
		if side.denies() {
			return Verdict{Decision: ExplicitDeny, Statement: side.denied, action: c.request.Action}
		}
	}
	who := &c.request.Principal
	trust := s.Resource != nil && s.Resource.kind == Trust
	switch {
	case v.resource.grade == directly && (s.SameAccount || who.Anonymous || who.Service != ""):
		return Verdict{Decision: Allowed, Statement: v.resource.allowed}
	case who.Anonymous || who.Service != "":
		return c.missing(Bucket)
	case (trust || !s.SameAccount) && !v.resource.allows():
		return c.missing(s.resourceKind())
	case s.SameAccount && v.resource.grade == byIssuer:
		return v.limit(c, s, v.resource.allowed)
	case v.identity.allows():
		return v.limit(c, s, v.identity.allowed)
	case who.Root && !s.SameAccount:
		return v.limit(c, s, v.resource.allowed)
	case who.Root:
		return v.limit(c, s, Ref{})
	}
	return c.missing(Identity)
}

// limit takes an allow back that the boundary or the session policy leaves
// out.
func (v *votes) limit(c *call, s *Set, allowed Ref) Verdict {
	switch {
	case s.Boundary != nil && !v.boundary.allows():
		return c.missing(Boundary)
	case s.Session != nil && !v.session.allows():
		return c.missing(Session)
	}
	return Verdict{Decision: Allowed, Statement: allowed}
}

func (s *Set) resourceKind() Kind {
	if s.Resource != nil {
		return s.Resource.kind
	}
	return Bucket
}

func (c *call) missing(k Kind) Verdict {
	return Verdict{Decision: ImplicitDeny, Missing: k, action: c.request.Action}
}
