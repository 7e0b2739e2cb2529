package admin

import (
	"context"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
	"github.com/daypass/daypass/state"
)

func (h *handler) listKeys(ctx context.Context, c *call) (any, error) {
	after, max, err := pageOf(c)
	if err != nil {
		return nil, err
	}
	owner := c.owner()
	keys, more, err := filtered(after, max, lister[daypass.AccessKey]{
		list: func(after string, max int) ([]daypass.AccessKey, bool, error) {
			return h.Keys.ListKeys(ctx, after, max)
		},
		id:   func(k daypass.AccessKey) string { return k.ID },
		keep: func(k daypass.AccessKey) bool { return owner == "" || k.Owner == owner },
	})
	if err != nil {
		return nil, err
	}
	page := client.KeyPage{Keys: []client.Key{}}
	for _, k := range keys {
		page.Keys = append(page.Keys, wireKey(k))
	}
	if more {
		page.Next = keys[len(keys)-1].ID
	}
	return page, nil
}

func (h *handler) createKey(ctx context.Context, c *call) (any, error) {
	var n client.NewKey
	if err := decode(c.body, &n); err != nil {
		return nil, err
	}
	if owner := c.owner(); owner != "" {
		if n.Owner != "" && n.Owner != owner {
			return nil, refuse("An access key makes keys of its own account only, which is %s.", owner)
		}
		n.Owner = owner
	}
	if n.Policy != "" {
		if err := h.CheckPolicy(n.Policy); err != nil {
			return nil, err
		}
	}
	k, err := h.Keys.CreateKey(ctx, state.NewKey{
		Name: n.Name, Owner: n.Owner, Expires: n.Expires,
		ID: n.AccessKeyID, Secret: n.SecretAccessKey, Policy: n.Policy,
	})
	if err != nil {
		return nil, err
	}
	c.subject, c.made = "key "+k.ID, k.ID
	created := client.CreatedKey{Key: wireKey(k), SecretAccessKey: k.Secret}
	return created.Reveal(), nil
}

// ownKey returns the key that a request names in its path, if the caller may
// know of it.
func (h *handler) ownKey(ctx context.Context, c *call) (daypass.AccessKey, error) {
	return h.keyOf(ctx, c.PathValue("id"), c.owner())
}

// keyOf returns a key of an owner, of anyone where that is empty.
func (h *handler) keyOf(ctx context.Context, id, owner string) (daypass.AccessKey, error) {
	k, err := h.Keys.AccessKey(ctx, id)
	if err == nil && owner != "" && k.Owner != owner {
		return daypass.AccessKey{}, &daypass.Error{Op: "admin", Code: daypass.NoSuchAccessKey}
	}
	return k, err
}

func (h *handler) key(ctx context.Context, c *call) (any, error) {
	k, err := h.ownKey(ctx, c)
	if err != nil {
		return nil, err
	}
	return wireKey(k), nil
}

// changeKey does something to the key that a request names.
func (h *handler) changeKey(ctx context.Context, c *call, do func(id string) error) (any, error) {
	if c.owner() != "" {
		if _, err := h.ownKey(ctx, c); err != nil {
			return nil, err
		}
	}
	return nil, do(c.PathValue("id"))
}

func (h *handler) disableKey(ctx context.Context, c *call) (any, error) {
	return h.changeKey(ctx, c, func(id string) error { return h.Keys.SetKeyDisabled(ctx, id, true, c.caller) })
}

func (h *handler) enableKey(ctx context.Context, c *call) (any, error) {
	return h.changeKey(ctx, c, func(id string) error { return h.Keys.SetKeyDisabled(ctx, id, false, c.caller) })
}

func (h *handler) setKeyPolicy(ctx context.Context, c *call) (any, error) {
	var p client.KeyPolicy
	if err := decode(c.body, &p); err != nil {
		return nil, err
	}
	// An empty document would lift the policy rather than set it.
	if err := h.CheckPolicy(p.Policy); err != nil {
		return nil, err
	}
	return h.changeKey(ctx, c, func(id string) error { return h.Keys.SetKeyPolicy(ctx, id, p.Policy) })
}

func (h *handler) clearKeyPolicy(ctx context.Context, c *call) (any, error) {
	return h.changeKey(ctx, c, func(id string) error { return h.Keys.SetKeyPolicy(ctx, id, "") })
}

func (h *handler) deleteKey(ctx context.Context, c *call) (any, error) {
	return h.changeKey(ctx, c, func(id string) error { return h.Keys.DeleteKey(ctx, id) })
}

// wireKey returns k without its secret.
func wireKey(k daypass.AccessKey) client.Key {
	return client.Key{
		AccessKeyID: k.ID, Name: k.Name, Owner: k.Owner,
		Created: k.Created, Expires: k.Expires, Disabled: k.Disabled, Root: k.Root, Policy: k.Policy,
	}
}
