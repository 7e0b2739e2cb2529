package policy

import "strings"

// A Principal is who makes a request, as authentication found out.
type Principal struct {
	// ARN names the caller: arn:aws:iam::123456789012:user/alice, or the
	// session: arn:aws:sts::123456789012:assumed-role/reader/alice. Empty for
	// anonymous requests.
	ARN string
	// Issuer is, for temporary credentials, the ARN of the user or role that
	// they act for: it may equal ARN. What a bucket policy grants to it is
	// limited by the session policy (IAM User Guide, "Session policies").
	Issuer string
	// Account is the account that the caller belongs to.
	Account string
	// Canonical is the canonical user id of that account.
	Canonical string
	// UserName is aws:username; empty for sessions of a role and for root.
	UserName string
	// UserID is aws:userid, the caller's unique id.
	UserID string
	// Root says that the caller is the account itself: it needs no policy for
	// what the account owns, but an explicit deny or a session policy binds it.
	Root bool
	// Service is the name of an AWS service that calls on its own behalf, such
	// as logging.s3.amazonaws.com; empty otherwise.
	Service string
	// Anonymous requests carry no signature; only a bucket policy can allow
	// them.
	Anonymous bool
}

// A grade says how closely a resource-based policy's principal names the
// caller, which decides what else can limit the grant (IAM User Guide, "Policy
// evaluation logic", table of resource-based policies and implicit denies).
type grade uint8

const (
	// notNamed does not concern the caller.
	notNamed grade = iota
	// byAccount names the caller's account: the account may pass the grant on
	// through identity-based policies, which must therefore allow it too.
	byAccount
	// byIssuer names the role or user behind a session: session policy and
	// boundary still limit it.
	byIssuer
	// directly names the caller, or everyone: nothing but an explicit deny
	// limits it within the account.
	directly
)

// principals is the element Principal or NotPrincipal, compiled.
type principals struct {
	raw      []string // "AWS: …", for explanations
	everyone bool
	accounts []string
	arns     []string
	// canonical user ids stand for their accounts (Amazon S3 User Guide,
	// "Principals for bucket policies").
	canonical []string
	services  []string
	// federated identity providers never call S3 by themselves.
	federated []string
}

func compilePrincipals(n node) (*principals, string) {
	const invalid = "Invalid principal in policy"
	p := new(principals)
	switch {
	case n.kind == stringNode && n.text == "*":
		p.everyone = true
		p.raw = []string{"*"}
		return p, ""
	case n.kind != objectNode || len(n.members) == 0:
		return nil, invalid
	}
	for _, m := range n.members {
		values, ok := m.value.strings()
		if !ok || len(values) == 0 {
			return nil, invalid
		}
		for _, v := range values {
			if !p.add(m.name, v) {
				return nil, invalid
			}
			p.raw = append(p.raw, m.name+": "+v)
		}
	}
	return p, ""
}

// add takes one principal in and reports whether it is well formed. A wildcard
// stands for everyone or not at all (IAM User Guide, "Policy elements:
// Principal").
func (p *principals) add(kind, value string) bool {
	if value == "" || value != "*" && strings.ContainsAny(value, "*?") {
		return false
	}
	switch kind {
	case "AWS":
		return p.addAWS(value)
	case "CanonicalUser":
		p.canonical = append(p.canonical, value)
	case "Service":
		p.services = append(p.services, value)
	case "Federated":
		p.federated = append(p.federated, value)
	default:
		return false
	}
	return value != "*"
}

func (p *principals) addAWS(value string) bool {
	if value == "*" {
		p.everyone = true
		return true
	}
	if isAccountID(value) {
		p.accounts = append(p.accounts, value)
		return true
	}
	parts := splitARN(value, false)
	if len(parts) != arnSegments || parts[0] != "arn" || parts[3] != "" || !only(parts[4], isAccountByte) {
		return false
	}
	service, resource := parts[2], parts[5]
	if service == "iam" && resource == "root" {
		p.accounts = append(p.accounts, parts[4])
		return parts[4] != ""
	}
	kind, name, _ := strings.Cut(resource, "/")
	p.arns = append(p.arns, value)
	switch service + ":" + kind {
	case "iam:user", "iam:role", "sts:federated-user":
		return name != ""
	case "sts:assumed-role":
		role, session, _ := strings.Cut(name, "/")
		return role != "" && session != ""
	}
	return false
}

// isAccountID reports whether s is an account id as AWS gives them out. Other
// engines' accounts can be named within ARNs.
func isAccountID(s string) bool { return len(s) == 12 && only(s, isDigit) }

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

func isAccountByte(b byte) bool {
	return isAlphanumeric(b) || strings.IndexByte("-_.@+=,", b) >= 0
}

// grade returns how closely p names the caller.
func (p *principals) grade(who *Principal) grade {
	switch {
	case p.everyone:
		return directly
	case who.Anonymous:
		return notNamed
	case p.names(who) && who.ARN != who.Issuer || contains(p.services, who.Service):
		return directly
	case contains(p.arns, who.Issuer):
		return byIssuer
	case contains(p.accounts, who.Account), contains(p.canonical, who.Canonical):
		return byAccount
	}
	return notNamed
}

// names reports whether the caller's own ARN is listed.
func (p *principals) names(who *Principal) bool { return contains(p.arns, who.ARN) }

// excepts reports whether a NotPrincipal element leaves the caller out. To
// list the account does not except its users: AWS wants both listed, and with
// a deny the narrower reading is the safe one.
func (p *principals) excepts(who *Principal) bool {
	g := p.grade(who)
	return g == directly || p.names(who) || g == byAccount && who.Root
}

// contains reports whether list holds s; the empty string is in no list.
func contains(list []string, s string) bool {
	if s == "" {
		return false
	}
	for _, item := range list {
		if item == s {
			return true
		}
	}
	return false
}
