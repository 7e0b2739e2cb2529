package server

import (
	"context"
	"sync"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
)

// A KeyLister is a Keys that can list its keys, which lets answers show the
// names of accounts of which only the canonical user id is known.
type KeyLister interface {
	// ListKeys returns at most max keys in order of id, starting after the
	// given one; more tells whether there are further ones.
	ListKeys(ctx context.Context, after string, max int) (keys []daypass.AccessKey, more bool, err error)
}

// accounts knows owners by canonical user id. It reads the keys again when it
// is asked for an unknown id, but not more often than every accountsMaxAge.
type accounts struct {
	mu     sync.Mutex
	owners map[string]string
	loaded time.Time
}

const (
	accountsMaxAge = 10 * time.Second
	accountsPage   = 1000
)

// name returns the owner with a canonical user id, "" where it is not known.
func (a *accounts) name(ctx context.Context, keys Keys, id string, now time.Time) string {
	lister, ok := keys.(KeyLister)
	if !ok {
		return ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if owner, ok := a.owners[id]; ok || a.owners != nil && now.Sub(a.loaded) < accountsMaxAge {
		return owner
	}
	a.owners, a.loaded = make(map[string]string), now
	for after, more := "", true; more; {
		var page []daypass.AccessKey
		var err error
		if page, more, err = lister.ListKeys(ctx, after, accountsPage); err != nil {
			return "" // a name is for people; no decision depends on it
		}
		for _, k := range page {
			after = k.ID
			a.owners[daypass.CanonicalID(k.Owner)] = k.Owner
		}
	}
	return a.owners[id]
}

// showACL appends the XML of a list.
func (s *Server) showACL(c *call, owner string, acl s3.ACL) []byte {
	return s3.AppendACL(nil, daypass.CanonicalID(owner), acl, func(id string) string {
		if id == daypass.CanonicalID(owner) {
			return owner
		}
		return s.accounts.name(c.r.Context(), s.cfg.Keys, id, c.now)
	})
}
