package server

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/policy"
)

// Who a key is. A key without a policy is its account: the root user in AWS's
// words. A key with one is a user of that account, by the key's name or else
// its id. A temporary key is whom its parent is, or the session of a role.

// userARN returns the ARN of the user or root that a lasting key is.
func userARN(k *daypass.AccessKey) string {
	arn := "arn:aws:iam::" + daypass.AccountID(k.Owner) + ":"
	if isAccount(k) {
		return arn + "root"
	}
	return arn + "user/" + userName(k)
}

// isAccount reports whether a lasting key acts as its account.
func isAccount(k *daypass.AccessKey) bool { return k.Root || k.Policy == "" }

// userName returns the name of a key's user: the key's, where AWS would allow
// it as one (IAM API reference, CreateUser), else the key's id. Two keys of one
// name are one user to bucket policies, each with a policy of its own.
func userName(k *daypass.AccessKey) string {
	if isUserName(k.Name) {
		return k.Name
	}
	return k.ID
}

func isUserName(name string) bool {
	const most = 64
	return name != "" && len(name) <= most && isNameText(name)
}

// isNameText reports whether s has only the characters that IAM and STS take
// in names.
func isNameText(s string) bool {
	for i := range len(s) {
		c := s[i]
		alnum := '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !alnum && strings.IndexByte("_+=,.@-", c) < 0 {
			return false
		}
	}
	return true
}

// uniqueID returns an id in the form of IAM's unique ids: AIDA… for users,
// AROA… for roles.
func uniqueID(prefix, arn string) string {
	sum := sha256.Sum256([]byte(arn))
	return prefix + base32.StdEncoding.EncodeToString(sum[:])[:17]
}

// sessionARN returns the ARN of a session of a role.
func sessionARN(role, session string) string {
	parts := strings.SplitN(role, ":", 6)
	name := parts[len(parts)-1]
	return "arn:aws:sts::" + parts[4] + ":assumed-role/" + name[strings.LastIndexByte(name, '/')+1:] + "/" + session
}

// principal returns the caller as policies see it.
func (s *Server) principal(c *call) (policy.Principal, error) {
	k := &c.key
	if c.grant.Anonymous() {
		return policy.Principal{Anonymous: true}, nil
	}
	p := policy.Principal{Account: daypass.AccountID(k.Owner), Canonical: daypass.CanonicalID(k.Owner)}
	if k.Session != nil && k.Session.Role != "" {
		role := k.Session.Role
		p.ARN, p.Issuer = sessionARN(role, k.Session.Name), role
		p.UserID = uniqueID("AROA", role) + ":" + k.Session.Name
		return p, nil
	}
	user := k
	if k.Session != nil {
		parent, err := s.cfg.Keys.AccessKey(c.r.Context(), k.Session.Parent)
		if err != nil {
			return p, err
		}
		user = &parent
	}
	p.ARN = userARN(user)
	if k.Session != nil {
		p.Issuer = p.ARN
	}
	if isAccount(user) {
		p.Root, p.UserID = true, p.Account
	} else {
		p.UserName, p.UserID = userName(user), uniqueID("AIDA", p.ARN)
	}
	return p, nil
}
