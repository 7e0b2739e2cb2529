package state

import (
	"context"
	"encoding/json"
	"time"

	"github.com/daypass/daypass"
)

const (
	// MaxListLinks is how many links ListLinks returns at most.
	MaxListLinks = 1000
	// maxLinkPass bounds the description of what a link mints, in bytes.
	maxLinkPass = 64 << 10
	// linkIDSize is the length of a link's id: 119 random bits, since whoever
	// knows the id has what it gives.
	linkIDSize = 20
)

// A Link is a short, stored alias for a pass that is minted when it is opened.
type Link = LinkRecord

// A NewLink is a link to be made.
type NewLink struct {
	// Key is the access key that mints, Owner its owner.
	Key, Owner string
	// Pass is the description of what is minted, in JSON, at most 64 KiB.
	Pass []byte
	// Expires is when the link ends; zero when it does not.
	Expires time.Time
}

func (n *NewLink) check(now time.Time) error {
	if !validKeyID(n.Key) {
		return invalid("Key", "a link needs the id of an access key")
	}
	if err := checkLabels("", n.Owner); err != nil {
		return err
	}
	if len(n.Pass) > maxLinkPass || !json.Valid(n.Pass) {
		return invalid("Pass", "a link needs a description in JSON of at most %d bytes", maxLinkPass)
	}
	if !n.Expires.IsZero() && !n.Expires.After(now) {
		return invalid("Expires", "the link would have expired already")
	}
	return nil
}

// CreateLink makes a link with a random id. InvalidArgument.
func (s *State) CreateLink(ctx context.Context, n NewLink) (Link, error) {
	const op = "state.CreateLink"
	now := stamp(s.now())
	if err := n.check(now); err != nil {
		return Link{}, failed(op, err)
	}
	id, err := randomSecret(s.rand)
	if err != nil {
		return Link{}, failed(op, err)
	}
	l := Link{ID: string(id[:linkIDSize]), Key: n.Key, Owner: n.Owner, Pass: n.Pass, Created: now, Expires: stamp(n.Expires)}
	if err := s.driver.InsertLink(ctx, l); err != nil {
		return Link{}, failed(op, err)
	}
	return l, nil
}

// Link returns a link. NoSuchLink, also when it has ended.
func (s *State) Link(ctx context.Context, id string) (Link, error) {
	const op = "state.Link"
	l, err := s.driver.Link(ctx, id)
	if err != nil {
		return Link{}, failed(op, err)
	}
	if !l.Expires.IsZero() && !s.now().Before(l.Expires) {
		return Link{}, &daypass.Error{Op: op, Code: daypass.NoSuchLink}
	}
	return l, nil
}

// ListLinks returns at most max links of an owner, of all where it is empty,
// in order of id, whose ids come after the given one, and whether there are
// more; ended ones may be among them for a while. A max outside 1 to
// MaxListLinks is MaxListLinks.
func (s *State) ListLinks(ctx context.Context, owner, after string, max int) (list []Link, more bool, err error) {
	if max < 1 || max > MaxListLinks {
		max = MaxListLinks
	}
	list, err = s.driver.ListLinks(ctx, owner, after, max+1)
	if err != nil {
		return nil, false, failed("state.ListLinks", err)
	}
	if more = len(list) > max; more {
		list = list[:max]
	}
	return list, more, nil
}

// DeleteLink removes a link. NoSuchLink.
func (s *State) DeleteLink(ctx context.Context, id string) error {
	if err := s.driver.DeleteLink(ctx, id); err != nil {
		return failed("state.DeleteLink", err)
	}
	return nil
}
