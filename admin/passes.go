package admin

import (
	"context"
	"strings"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
)

func (h *handler) listPasses(ctx context.Context, c *call) (any, error) {
	after, max, err := pageOf(c)
	if err != nil {
		return nil, err
	}
	q := c.URL.Query()
	f := state.PassFilter{Owner: q.Get("owner"), Name: q.Get("name"), Key: q.Get("key"), Bucket: q.Get("bucket"), Prefix: q.Get("prefix")}
	if f.Prefix != "" && f.Bucket == "" {
		return nil, invalid("prefix needs a bucket")
	}
	page := client.PassPage{Passes: []client.Pass{}}
	if owner := c.owner(); owner != "" {
		if f.Owner != "" && f.Owner != owner {
			return page, nil
		}
		f.Owner = owner
	}
	list, more, err := h.Passes.ListPasses(ctx, f, after, max)
	if err != nil {
		return nil, err
	}
	for i := range list {
		page.Passes = append(page.Passes, h.wirePass(&list[i]))
	}
	if more && len(list) > 0 {
		page.Next = list[len(list)-1].ID
	}
	return page, nil
}

func (h *handler) pass(ctx context.Context, c *call) (any, error) {
	id, err := passID(c.PathValue("id"))
	if err != nil {
		return nil, err
	}
	p, err := h.ownPass(ctx, c, id)
	if daypass.CodeOf(err) == daypass.NoSuchPass {
		// It may be revoked before anybody has used it.
		for _, r := range h.revocationsOf(id, c.owner()) {
			return client.Pass{PassID: id, Revoked: true, RevokedBy: r.ID}, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return h.wirePass(&p), nil
}

// ownPass returns what was seen of a pass, if the caller may know of it.
func (h *handler) ownPass(ctx context.Context, c *call, id string) (state.PassRecord, error) {
	p, err := h.Passes.Pass(ctx, id)
	if err == nil && c.owner() != "" && p.Owner != c.owner() {
		return state.PassRecord{}, &daypass.Error{Op: "admin", Code: daypass.NoSuchPass}
	}
	return p, err
}

// restorePass makes a pass as good as new.
func (h *handler) restorePass(ctx context.Context, c *call) (any, error) {
	id, err := passID(c.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if c.owner() != "" {
		return h.restoreOwn(ctx, c, id)
	}
	lifted, err := h.Passes.RestorePass(ctx, id)
	if err != nil {
		return nil, err
	}
	p, err := h.Passes.Pass(ctx, id)
	if err != nil && daypass.CodeOf(err) != daypass.NoSuchPass {
		return nil, err
	}
	return h.restored(id, lifted, &p), nil
}

// restoreOwn restores a pass for a key that sees its own account only. The
// ledger of a pass is reset only where the pass is known to be of that
// account: who merely has a URL must not get its uses back.
func (h *handler) restoreOwn(ctx context.Context, c *call, id string) (any, error) {
	p, err := h.ownPass(ctx, c, id)
	seen := err == nil
	if err != nil && daypass.CodeOf(err) != daypass.NoSuchPass {
		return nil, err
	}
	owner := c.owner()
	if seen {
		owner = "" // whoever revoked it
	}
	var ids []string
	for _, r := range h.revocationsOf(id, owner) {
		if !h.mayLift(ctx, c, &r) {
			return nil, refuse("The pass was revoked from outside the account %s (revocation %s); the root key can restore it.", c.owner(), r.ID)
		}
		ids = append(ids, r.ID)
	}
	var lifted int
	switch {
	case seen:
		lifted, err = h.Passes.RestorePass(ctx, id)
	case len(ids) > 0:
		lifted, err = h.Passes.Lift(ctx, ids...)
	}
	if err != nil {
		return nil, err
	}
	return h.restored(id, lifted, &p), nil
}

func (h *handler) restored(id string, lifted int, p *state.PassRecord) client.RestoredPass {
	out := client.RestoredPass{PassID: id, Lifted: lifted}
	if p.ID != "" {
		out.RevokedBy, out.Revoked = h.Passes.Revoked(subject(p))
	}
	return out
}

// passID checks the form of a pass id: 26 letters and digits of base32.
func passID(id string) (string, error) {
	if len(id) != 26 || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567") != "" {
		return "", invalid("a pass id is 26 letters from A to Z and digits from 2 to 7")
	}
	return id, nil
}

// subject is a pass as revocations see it.
func subject(p *state.PassRecord) *state.Subject {
	return &state.Subject{Pass: p.ID, Name: p.Name, Owner: p.Owner, Key: p.Key, Bucket: p.Bucket, Object: p.Object, Signed: p.Signed}
}

func (h *handler) wirePass(p *state.PassRecord) client.Pass {
	out := client.Pass{
		PassID: p.ID, Name: p.Name, AccessKeyID: p.Key, Owner: p.Owner,
		Action: p.Action, Bucket: p.Bucket, Key: p.Object, Limits: wireLimits(p.Limits),
		Signed: p.Signed, Ends: writable(p.Ends), FirstSeen: p.First, LastSeen: p.Last,
		Uses: p.Uses, Refused: p.Refused, BytesReceived: p.Received, BytesSent: p.Sent,
	}
	out.RevokedBy, out.Revoked = h.Passes.Revoked(subject(p))
	return out
}

// writable returns a time that JSON can hold, in whose place no later one than the
// last second of the year 9999 is.
func writable(t time.Time) time.Time {
	if last := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC); t.After(last) {
		return last
	}
	return t
}

// wireLimits returns the limits that a record keeps as a canonical query.
func wireLimits(canonical string) map[string]string {
	q, err := sign.ParseQuery(canonical)
	if err != nil || len(q) == 0 {
		return nil
	}
	out := make(map[string]string, len(q))
	for _, p := range q {
		out[p.Name] = p.Value
	}
	return out
}
