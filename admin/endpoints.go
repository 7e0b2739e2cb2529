package admin

import (
	"context"
	"net/http"
	"strconv"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
	"github.com/daypass/daypass/state"
)

const (
	defaultPage = 100
	maxPage     = 1000
)

func (h *handler) server(context.Context, *call) (answer, error) {
	return answer{http.StatusOK, h.Server}, nil
}

func (h *handler) listKeys(ctx context.Context, c *call) (answer, error) {
	q := c.URL.Query()
	max, err := pageSize(q.Get("max"))
	if err != nil {
		return answer{}, err
	}
	keys, more, err := h.Keys.ListKeys(ctx, q.Get("after"), max)
	if err != nil {
		return answer{}, err
	}
	page := client.KeyPage{Keys: []client.Key{}}
	for _, k := range keys {
		page.Keys = append(page.Keys, wireKey(k))
	}
	if more && len(keys) > 0 {
		page.Next = keys[len(keys)-1].ID
	}
	return answer{http.StatusOK, page}, nil
}

func pageSize(text string) (int, error) {
	if text == "" {
		return defaultPage, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPage {
		return 0, invalid("max is a number from 1 to %d", maxPage)
	}
	return n, nil
}

func (h *handler) createKey(ctx context.Context, c *call) (answer, error) {
	var n client.NewKey
	if err := decode(c.body, &n); err != nil {
		return answer{}, err
	}
	if n.Policy != "" {
		if err := h.CheckPolicy(n.Policy); err != nil {
			return answer{}, err
		}
	}
	k, err := h.Keys.CreateKey(ctx, state.NewKey{
		Name: n.Name, Owner: n.Owner, Expires: n.Expires,
		ID: n.AccessKeyID, Secret: n.SecretAccessKey, Policy: n.Policy,
	})
	if err != nil {
		return answer{}, err
	}
	c.subject = k.ID
	created := client.CreatedKey{Key: wireKey(k), SecretAccessKey: k.Secret}
	return answer{http.StatusCreated, created.Reveal()}, nil
}

func (h *handler) key(ctx context.Context, c *call) (answer, error) {
	k, err := h.Keys.AccessKey(ctx, c.PathValue("id"))
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, wireKey(k)}, nil
}

func (h *handler) disableKey(ctx context.Context, c *call) (answer, error) {
	return answer{status: http.StatusNoContent}, h.Keys.SetKeyDisabled(ctx, c.PathValue("id"), true)
}

func (h *handler) enableKey(ctx context.Context, c *call) (answer, error) {
	return answer{status: http.StatusNoContent}, h.Keys.SetKeyDisabled(ctx, c.PathValue("id"), false)
}

func (h *handler) setKeyPolicy(ctx context.Context, c *call) (answer, error) {
	var p client.KeyPolicy
	if err := decode(c.body, &p); err != nil {
		return answer{}, err
	}
	// An empty document would lift the policy rather than set it.
	if err := h.CheckPolicy(p.Policy); err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusNoContent}, h.Keys.SetKeyPolicy(ctx, c.PathValue("id"), p.Policy)
}

func (h *handler) clearKeyPolicy(ctx context.Context, c *call) (answer, error) {
	return answer{status: http.StatusNoContent}, h.Keys.SetKeyPolicy(ctx, c.PathValue("id"), "")
}

func (h *handler) deleteKey(ctx context.Context, c *call) (answer, error) {
	return answer{status: http.StatusNoContent}, h.Keys.DeleteKey(ctx, c.PathValue("id"))
}

func (h *handler) presign(ctx context.Context, c *call) (answer, error) {
	var r client.PresignRequest
	if err := decode(c.body, &r); err != nil {
		return answer{}, err
	}
	c.subject = r.Method + " " + daypass.ObjectRef{Bucket: r.Bucket, Key: r.Key}.String()
	p, err := h.Presign(ctx, r)
	if err != nil {
		return answer{}, err
	}
	return answer{http.StatusOK, p}, nil
}

// wireKey returns k without its secret.
func wireKey(k daypass.AccessKey) client.Key {
	return client.Key{
		AccessKeyID: k.ID, Name: k.Name, Owner: k.Owner,
		Created: k.Created, Expires: k.Expires, Disabled: k.Disabled, Root: k.Root, Policy: k.Policy,
	}
}
