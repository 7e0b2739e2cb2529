package admin

import (
	"context"
	"slices"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
	"github.com/daypass/daypass/state"
)

// afterEnd is how long the revocation of a pass outlives it: clocks lag.
const afterEnd = 24 * time.Hour

func (h *handler) listRevocations(_ context.Context, c *call) (any, error) {
	after, max, err := pageOf(c)
	if err != nil {
		return nil, err
	}
	list, more, err := filtered(after, max, h.revocations(func(r state.Revocation) bool { return sees(c.owner(), &r) }))
	if err != nil {
		return nil, err
	}
	page := client.RevocationPage{Revocations: []client.Revocation{}}
	for i := range list {
		page.Revocations = append(page.Revocations, wireRevocation(&list[i]))
	}
	if more {
		page.Next = list[len(list)-1].ID
	}
	return page, nil
}

// revocations is the list of those in force.
func (h *handler) revocations(keep func(state.Revocation) bool) lister[state.Revocation] {
	return lister[state.Revocation]{
		list: func(after string, max int) ([]state.Revocation, bool, error) {
			page, more := h.Passes.Revocations(after, max)
			return page, more, nil
		},
		id:   func(r state.Revocation) string { return r.ID },
		keep: keep,
	}
}

// sees reports whether an owner may know of a revocation: one that concerns
// passes of that owner only. The empty owner sees all.
func sees(owner string, r *state.Revocation) bool { return owner == "" || r.Owner == owner }

// revocationsOf returns the revocations of one pass that an owner sees.
func (h *handler) revocationsOf(pass, owner string) []state.Revocation {
	return slices.DeleteFunc(h.Passes.RevocationsOf(pass), func(r state.Revocation) bool { return !sees(owner, &r) })
}

// mayLift reports whether a caller may lift a revocation: within an account,
// only what a key of it has made, so that what the operator revoked stays so.
func (h *handler) mayLift(ctx context.Context, c *call, r *state.Revocation) bool {
	owner := c.owner()
	if owner == "" {
		return true
	}
	k, err := h.Keys.AccessKey(ctx, r.Creator)
	return err == nil && !k.Root && k.Owner == owner && r.Owner == owner
}

func (h *handler) lift(ctx context.Context, c *call) (any, error) {
	none := &daypass.Error{Op: "admin", Code: noSuchRevocation}
	id := c.PathValue("id")
	if id == "" {
		return nil, none
	}
	if c.owner() != "" {
		r, ok := h.revocation(id)
		if !ok || !sees(c.owner(), &r) {
			return nil, none
		}
		if !h.mayLift(ctx, c, &r) {
			return nil, refuse("The revocation was made from outside the account %s; the root key can lift it.", c.owner())
		}
	}
	n, err := h.Passes.Lift(ctx, id)
	if err == nil && n == 0 {
		return nil, none
	}
	return nil, err
}

// revocation returns the revocation of an id.
func (h *handler) revocation(id string) (state.Revocation, bool) {
	// The ids that share all but the last character come first behind that
	// common part.
	list, _, _ := filtered(id[:len(id)-1], 1, h.revocations(func(r state.Revocation) bool { return r.ID >= id }))
	if len(list) == 0 || list[0].ID != id {
		return state.Revocation{}, false
	}
	return list[0], true
}

func (h *handler) revoke(ctx context.Context, c *call) (any, error) {
	var n client.NewRevocation
	if err := decode(c.body, &n); err != nil {
		return nil, err
	}
	c.subject, c.object.Bucket = revocationSubject(&n, n.PassID), n.Bucket
	r, err := h.newRevocation(ctx, c, &n)
	if err != nil {
		return nil, err
	}
	c.subject = revocationSubject(&n, r.Pass)
	made, err := h.Passes.Revoke(ctx, r)
	if err != nil {
		return nil, err
	}
	c.made = made.ID
	return wireRevocation(&made), nil
}

// newRevocation checks what is to be revoked. A key that is not the root key
// revokes passes of its own account, whatever else it names.
func (h *handler) newRevocation(ctx context.Context, c *call, n *client.NewRevocation) (state.Revocation, error) {
	r := state.Revocation{
		Pass: n.PassID, Name: n.Name, Owner: n.Owner, Key: n.AccessKeyID,
		Bucket: n.Bucket, Prefix: n.Prefix, Before: n.Before, Creator: c.caller,
	}
	if *n == (client.NewRevocation{}) {
		return r, invalid("say what to revoke: url, passId, name, owner, accessKeyId, bucket or before")
	}
	if r.Prefix != "" && r.Bucket == "" {
		return r, invalid("prefix needs a bucket")
	}
	if owner := c.owner(); owner != "" {
		if r.Owner != "" && r.Owner != owner {
			return r, refuse("An access key revokes passes of its own account only, which is %s.", owner)
		}
		r.Owner = owner
	}
	if r.Name != "" && r.Owner == "" {
		r.Owner = state.DefaultOwner // names belong to an account; this is the root key's
	}
	if err := h.checkRevokedKey(ctx, c, r.Key); err != nil {
		return r, err
	}
	end, err := h.namePass(ctx, n, &r)
	if err != nil {
		return r, err
	}
	r.Expires = h.revocationEnd(end)
	return r, nil
}

// checkRevokedKey refuses an access key that does not exist, since a slip of
// the pen would revoke nothing. Temporary keys are not stored.
func (h *handler) checkRevokedKey(ctx context.Context, c *call, id string) error {
	if id == "" || state.IsSession(id) {
		return nil
	}
	_, err := h.keyOf(ctx, id, c.owner())
	return err
}

// namePass sets the pass that a revocation names, by its id or its URL, and
// returns when that pass ends; zero where that is not known for sure.
func (h *handler) namePass(ctx context.Context, n *client.NewRevocation, r *state.Revocation) (time.Time, error) {
	if n.URL != "" {
		if n.PassID != "" {
			return time.Time{}, invalid("url and passId exclude each other")
		}
		u, err := h.inspect(ctx, string(n.URL))
		if err != nil {
			return time.Time{}, err
		}
		r.Pass = u.pass
		if !u.ends.IsZero() {
			return u.ends, nil
		}
	}
	if r.Pass == "" {
		return time.Time{}, nil
	}
	if _, err := passID(r.Pass); err != nil {
		return time.Time{}, err
	}
	p, err := h.Passes.Pass(ctx, r.Pass)
	if err != nil && daypass.CodeOf(err) != daypass.NoSuchPass {
		return time.Time{}, err
	}
	return p.Ends, nil
}

// revocationEnd returns when a revocation may be forgotten: a day after the
// end of what it stops. Where that is not known, the bound on lifetimes tells;
// where there is none either, never.
func (h *handler) revocationEnd(end time.Time) time.Time {
	now := h.Clock()
	switch {
	case end.IsZero() && h.MaxLifetime <= 0:
		return time.Time{}
	case end.IsZero():
		end = now.Add(h.MaxLifetime)
	case end.Before(now):
		end = now
	}
	return end.Add(afterEnd).UTC()
}

func wireRevocation(r *state.Revocation) client.Revocation {
	return client.Revocation{
		ID: r.ID, PassID: r.Pass, Name: r.Name, Owner: r.Owner, AccessKeyID: r.Key, Bucket: r.Bucket, Prefix: r.Prefix,
		Before: r.Before, Created: r.Created, CreatedBy: r.Creator, Expires: r.Expires,
	}
}
