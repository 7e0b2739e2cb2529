package store

import (
	"slices"

	"github.com/daypass/daypass"
)

// CheckSeen reports whether cur, which is about to be removed and nil where there
// is nothing, is still the version that the caller has seen: the same one, with
// the same tags, and still the newest of its key or still not. Drivers call it
// under the lock that their commit takes. PreconditionFailed.
func (o DeleteOptions) CheckSeen(cur *Object) error {
	s := o.Seen
	if s == nil || cur != nil && cur.VersionID == s.VersionID && cur.ETag == s.ETag && cur.Size == s.Size &&
		cur.ModTime.Equal(s.ModTime) && cur.DeleteMarker == s.DeleteMarker && cur.IsLatest == s.IsLatest && slices.Equal(cur.Tags, s.Tags) {
		return nil
	}
	return &daypass.Error{Code: daypass.PreconditionFailed, Details: []daypass.Detail{{Name: "Condition", Value: "unchanged"}}}
}
