package state

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/daypass/daypass"
)

// Temporary keys are not stored: the secret is derived from the id, and what
// the key may do is sealed into its token, so any node that has the master
// key can check one, and a million of them cost nothing.

// ErrToken is the cause of NoSuchAccessKey where a session token is not that
// of the key.
var ErrToken = errors.New("the session token is not the key's")

// sessionPrefix begins the ids of temporary keys.
const sessionPrefix = "DPAS"

// A NewSession is a temporary key to be made.
type NewSession struct {
	// Parent is the lasting key that asks for it.
	Parent daypass.AccessKey
	// Name, Role and Policy are those of daypass.Session.
	Name, Role, Policy string
	// Lifetime is how long it lives.
	Lifetime time.Duration
}

// A sessionToken is what is sealed into a token.
type sessionToken struct {
	Parent  string `json:"p"`
	Owner   string `json:"o"`
	Name    string `json:"n,omitempty"`
	Role    string `json:"r,omitempty"`
	Policy  string `json:"y,omitempty"`
	Expires int64  `json:"e"` // seconds since 1970
}

// CreateSession makes a temporary key.
func (s *State) CreateSession(n NewSession) (daypass.AccessKey, error) {
	const op = "state.CreateSession"
	if n.Lifetime <= 0 {
		return daypass.AccessKey{}, failed(op, invalid("Lifetime", "a session must live for some time"))
	}
	if n.Parent.Session != nil {
		return daypass.AccessKey{}, failed(op, invalid("Parent", "a temporary key cannot make another"))
	}
	id, err := randomKeyID(s.rand)
	if err != nil {
		return daypass.AccessKey{}, failed(op, err)
	}
	id = sessionPrefix + strings.TrimPrefix(id, keyPrefix)
	t := sessionToken{Parent: n.Parent.ID, Owner: n.Parent.Owner, Name: n.Name, Role: n.Role, Policy: n.Policy,
		Expires: s.now().Add(n.Lifetime).Unix()}
	text, err := json.Marshal(t)
	if err != nil {
		return daypass.AccessKey{}, failed(op, err)
	}
	sealed, err := s.tokens.seal(s.rand, id, string(text))
	if err != nil {
		return daypass.AccessKey{}, failed(op, err)
	}
	return s.sessionKey(id, base64.StdEncoding.EncodeToString(sealed), t), nil
}

// IsSession reports whether an access key id is that of a temporary key.
func IsSession(id string) bool { return strings.HasPrefix(id, sessionPrefix) }

// SessionKey returns the temporary key with an id and a token. Its parent must
// still be there and enabled. An expired key is returned with its end: what
// that means is the caller's decision. Errors: NoSuchAccessKey, with
// ErrToken as its cause for a token that is not the key's.
func (s *State) SessionKey(ctx context.Context, id, token string) (daypass.AccessKey, error) {
	const op = "state.SessionKey"
	t, err := s.openToken(id, token)
	if err != nil {
		return daypass.AccessKey{}, &daypass.Error{Op: op, Code: daypass.NoSuchAccessKey, Err: errors.Join(ErrToken, err)}
	}
	parent, err := s.AccessKey(ctx, t.Parent)
	if err != nil {
		return daypass.AccessKey{}, failed(op, err)
	}
	if parent.Disabled || parent.Owner != t.Owner || !parent.Expires.IsZero() && !s.now().Before(parent.Expires) {
		return daypass.AccessKey{}, &daypass.Error{Op: op, Code: daypass.NoSuchAccessKey,
			Err: errors.New("the key that the session was made with has ended")}
	}
	k := s.sessionKey(id, token, t)
	k.Policy, k.Root = parent.Policy, parent.Root
	return k, nil
}

// FindKey returns the key of an id, with the token where it is a temporary one,
// whether or not it is good: disabled and ended ones too, for explanations. The
// parent is that of a temporary key, nil for a lasting one. Errors:
// NoSuchAccessKey, with ErrToken as its cause for a token that is not the key's;
// where the parent is gone the key is returned with the error.
func (s *State) FindKey(ctx context.Context, id, token string) (k daypass.AccessKey, parent *daypass.AccessKey, err error) {
	const op = "state.FindKey"
	if !IsSession(id) {
		k, err = s.AccessKey(ctx, id)
		return k, nil, err
	}
	t, err := s.openToken(id, token)
	if err != nil {
		return k, nil, &daypass.Error{Op: op, Code: daypass.NoSuchAccessKey, Err: errors.Join(ErrToken, err)}
	}
	k = s.sessionKey(id, token, t)
	p, err := s.AccessKey(ctx, t.Parent)
	if err != nil {
		return k, nil, failed(op, err)
	}
	k.Policy, k.Root = p.Policy, p.Root
	return k, &p, nil
}

// openToken opens a token in its one spelling.
func (s *State) openToken(id, token string) (t sessionToken, err error) {
	sealed, err := base64.StdEncoding.Strict().DecodeString(token)
	if err != nil || strings.ContainsAny(token, "\r\n") {
		return t, errSealed
	}
	text, err := s.tokens.open(id, sealed)
	if err != nil {
		return t, err
	}
	return t, json.Unmarshal([]byte(text), &t)
}

func (s *State) sessionKey(id, token string, t sessionToken) daypass.AccessKey {
	m := hmac.New(sha256.New, s.sessionSecrets)
	m.Write([]byte(id))
	return daypass.AccessKey{
		ID: id, Owner: t.Owner, Name: t.Name, Expires: time.Unix(t.Expires, 0).UTC(),
		Secret: daypass.Secret(base64.RawURLEncoding.EncodeToString(m.Sum(nil))[:40]),
		Session: &daypass.Session{Token: daypass.Secret(token), Parent: t.Parent, Name: t.Name,
			Role: t.Role, Policy: t.Policy},
	}
}
