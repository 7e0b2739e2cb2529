package limits

import "github.com/daypass/daypass"

// A Pass is what a set of limits is signed for.
type Pass struct {
	// Action is the signed action, which may differ from the one that is
	// asked for: a URL for GetObject may serve HeadObject.
	Action daypass.Action
	Scheme daypass.Scheme
	// Version is the signature version, such as "SigV4".
	Version string
}

// Check refuses limits that cannot be enforced for a pass, and those that
// exclude each other, in the same words when the pass is made and when it is
// used. InvalidArgument.
func (s *Set) Check(p Pass) error {
	if s == nil {
		return nil
	}
	for i := range table {
		r := &table[i]
		if !r.has(s) {
			continue
		}
		if why := p.cannot(); why != "" {
			return Invalid(r.name, r.encode(s), why)
		}
		if r.in != nil && !r.in(p.Action) {
			return Invalid(r.name, r.encode(s), "cannot be enforced for "+string(p.Action)+", only for "+r.where)
		}
	}
	return s.checkTogether()
}

// cannot says why a pass cannot have any limit, or nothing.
func (p Pass) cannot() string {
	switch {
	case p.Scheme != daypass.SchemeQuery && p.Scheme != daypass.SchemeForm:
		return "is part of pre-signed URLs and signed forms only"
	case p.Version == "SigV2":
		return "needs Signature Version 4: Signature Version 2 does not protect it"
	case p.Version != "SigV4" && p.Version != "SigV4A":
		return "needs Signature Version 4"
	}
	return ""
}

// checkTogether refuses limits that exclude or need each other.
func (s *Set) checkTogether() error {
	switch {
	case s.Zip && s.Prefix == "":
		return Invalid(As, "zip", "needs the limit "+Prefix)
	case s.Cookie && s.Prefix == "":
		return Invalid(Cookie, "1", "needs the limit "+Prefix)
	case s.Zip && s.Cookie:
		return Invalid(Cookie, "1", "cannot go with "+As)
	case s.ETag != "" && s.Prefix != "":
		return Invalid(ETag, s.ETag, "cannot go with "+Prefix+": an ETag is that of one object")
	case !s.NotBefore.IsZero() && !s.Until.IsZero() && !s.NotBefore.Before(s.Until):
		return Invalid(NotBefore, formatTime(s.NotBefore), "must be before "+Until)
	}
	return nil
}
