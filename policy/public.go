package policy

import (
	"net/netip"
	"strings"
)

// Public reports whether a bucket policy is public, which
// GetBucketPolicyStatus answers and Block Public Access goes by: whether any
// statement allows something to callers that are not fixed, neither by
// principal nor by condition (Amazon S3 User Guide, "Blocking public access",
// The meaning of "public"). Denies do not make it less public. A nil policy is
// not public.
func Public(p *Policy) bool {
	if p == nil {
		return false
	}
	for i := range p.statements {
		s := &p.statements[i]
		if s.effect == Allow && s.principals.public() && !s.fixesCaller() {
			return true
		}
	}
	return false
}

// public reports whether anybody can become such a principal. S3 counts
// federated identities as such.
func (p *principals) public() bool {
	return p != nil && (p.everyone || len(p.federated) > 0)
}

// fixesCaller reports whether a condition restricts the statement to fixed
// callers.
func (s *statement) fixesCaller() bool {
	for i := range s.conditions {
		if s.conditions[i].fixesCaller() {
			return true
		}
	}
	return false
}

// fixesCaller reports whether a condition holds for fixed values only. One
// that also holds for a missing key does not restrict anything.
func (c *condition) fixesCaller() bool {
	isFixed, ok := fixingKeys[c.key]
	if !ok || c.negated || c.null || c.ifExists || c.set == forAllValues || !c.comparesText() {
		return false
	}
	for _, v := range c.values {
		// Of nobody, these keys say "anonymous".
		if !isFixed(v) || strings.EqualFold(v, "anonymous") {
			return false
		}
	}
	return true
}

// comparesText reports whether the operator's values say literally what the
// key must be.
func (c *condition) comparesText() bool {
	name := strings.TrimPrefix(c.operator, "ForAnyValue:")
	return strings.HasPrefix(name, "String") || strings.HasPrefix(name, "Arn") || name == "IpAddress"
}

// fixingKeys is the keys that S3 lists, each with what counts as fixed.
var fixingKeys = map[string]func(string) bool{
	"aws:principalaccount":      fixed,
	"aws:principalarn":          fixed,
	"aws:principalorgid":        fixed,
	"aws:principalorgpaths":     fixed,
	"aws:sourceaccount":         fixed,
	"aws:sourcearn":             fixed,
	"aws:sourceip":              narrow,
	"aws:sourceowner":           fixed,
	"aws:sourcevpc":             fixed,
	"aws:sourcevpce":            fixed,
	"aws:userid":                fixed,
	"s3:dataaccesspointaccount": fixed,
	"s3:dataaccesspointarn":     fixedAccount,
	"s3:x-amz-server-side-encryption-aws-kms-key-id": fixed,
}

// narrow reports whether a range is not broader than /8, or /32 for IPv6.
func narrow(cidr string) bool {
	p, err := parseRange(cidr)
	if err != nil {
		return false
	}
	return p.Bits() >= broadest(p.Addr())
}

func broadest(a netip.Addr) int {
	if a.Is4() {
		return 8
	}
	return 32
}

// fixedAccount reports whether an access point's ARN has a fixed account; the
// name behind it may hold wildcards.
func fixedAccount(arn string) bool {
	parts := splitARN(arn, true)
	if len(parts) != arnSegments || parts[4] == "" {
		return false
	}
	return fixed(strings.Join(parts[:arnSegments-1], ":"))
}
