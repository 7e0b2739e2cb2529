package sign

import (
	"strings"
	"sync/atomic"
)

// A credential is a parsed X-Amz-Credential.
type credential struct {
	id, day, region, service, end string
	scope                         string // all but the id
}

// parseCredential splits AKID/day/region/service/aws4_request, which for
// Version 4A lacks the region. The id may itself contain slashes.
func parseCredential(s string, regional bool) (c credential, ok bool) {
	rest := s
	var parts [4]string
	n := 4
	if !regional {
		n = 3
	}
	for i := n - 1; i >= 0; i-- {
		slash := strings.LastIndexByte(rest, '/')
		if slash < 0 {
			return c, false
		}
		parts[i], rest = rest[slash+1:], rest[:slash]
	}
	if rest == "" {
		return c, false
	}
	c = credential{id: rest, day: parts[0], end: parts[n-1], service: parts[n-2], scope: s[len(rest)+1:]}
	if regional {
		c.region = parts[1]
	}
	return c, true
}

// All URLs that one key signs in a day carry the same credential, so the good
// ones that were seen are kept, decoded and parsed. There is a fixed number of
// places; which one a credential has depends on its key.
type credentials [64]atomic.Pointer[seenCredential]

type seenCredential struct {
	param Param // with its canonical text
	cred  credential
}

const credentialStart = paramCredential + "="

// place returns where the credential belongs whose text, encoded or not,
// begins with an access key id.
func (s *credentials) place(text string) *atomic.Pointer[seenCredential] {
	h := uint(0)
	for i := 0; i < len(text) && i < 20 && unreserved[text[i]]; i++ {
		h = h*31 + uint(text[i])
	}
	return &s[h%uint(len(s))]
}

// lookup returns the parameter that a raw pair stands for, if it is a
// credential that was seen.
func (s *credentials) lookup(pair string) *seenCredential {
	if s == nil || !strings.HasPrefix(pair, credentialStart) {
		return nil
	}
	if seen := s.place(pair[len(credentialStart):]).Load(); seen != nil && seen.param.canonical == pair {
		return seen
	}
	return nil
}

// remember keeps a credential that passed every check.
func (s *credentials) remember(p *Param) {
	if p.canonical == "" || p.Name != paramCredential {
		return
	}
	pair := strings.Clone(p.canonical)
	var b strings.Builder
	seen := new(seenCredential)
	if !seen.param.parse(pair, &b, nil) {
		return
	}
	var ok bool
	if seen.cred, ok = parseCredential(seen.param.Value, true); ok {
		s.place(seen.param.Value).Store(seen)
	}
}
