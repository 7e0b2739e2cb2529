package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
	"strconv"
)

// Server returns what is running.
func (c *Client) Server(ctx context.Context) (Server, error) {
	var s Server
	err := c.call(ctx, "Server", http.MethodGet, "server", nil, &s)
	return s, err
}

// Keys returns at most max access keys in byte order of id, starting after
// the given id. A max of 0 leaves the number to the server; 1000 is the most.
func (c *Client) Keys(ctx context.Context, after string, max int) (KeyPage, error) {
	var p KeyPage
	err := c.call(ctx, "Keys", http.MethodGet, pagePath("keys", url.Values{}, after, max), nil, &p)
	return p, err
}

// AllKeys returns all access keys in byte order of id. An error ends them.
func (c *Client) AllKeys(ctx context.Context) iter.Seq2[Key, error] {
	return all(func(after string) ([]Key, string, error) {
		p, err := c.Keys(ctx, after, 0)
		return p.Keys, p.Next, err
	})
}

// pagePath returns path with the query that asks for a page of a list.
func pagePath(path string, q url.Values, after string, max int) string {
	if after != "" {
		q.Set("after", after)
	}
	if max != 0 {
		q.Set("max", strconv.Itoa(max))
	}
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return path
}

// all returns what is in all pages of a list.
func all[T any](page func(after string) (list []T, next string, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		after := ""
		for {
			list, next, err := page(after)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, v := range list {
				if !yield(v, nil) {
					return
				}
			}
			if after = next; after == "" {
				return
			}
		}
	}
}

// Key returns one access key. Errors: NoSuchAccessKey.
func (c *Client) Key(ctx context.Context, id string) (Key, error) {
	var k Key
	err := c.call(ctx, "Key", http.MethodGet, keyPath(id), nil, &k)
	return k, err
}

// CreateKey makes an access key. Its secret is in this answer and never
// again. Errors: InvalidArgument, AccessKeyAlreadyExists.
func (c *Client) CreateKey(ctx context.Context, n NewKey) (CreatedKey, error) {
	var k CreatedKey
	err := c.call(ctx, "CreateKey", http.MethodPost, "keys", n.Reveal(), &k)
	return k, err
}

// DisableKey disables an access key. Errors: NoSuchAccessKey, and
// InvalidRequest for the root key.
func (c *Client) DisableKey(ctx context.Context, id string) error {
	return c.call(ctx, "DisableKey", http.MethodPost, keyPath(id)+"/disable", nil, nil)
}

// EnableKey enables an access key. Errors: NoSuchAccessKey.
func (c *Client) EnableKey(ctx context.Context, id string) error {
	return c.call(ctx, "EnableKey", http.MethodPost, keyPath(id)+"/enable", nil, nil)
}

// SetKeyPolicy sets the IAM policy document of an access key. Errors:
// NoSuchAccessKey, MalformedPolicy, and InvalidRequest for the root key.
func (c *Client) SetKeyPolicy(ctx context.Context, id, policy string) error {
	return c.call(ctx, "SetKeyPolicy", http.MethodPut, keyPath(id)+"/policy", KeyPolicy{policy}, nil)
}

// ClearKeyPolicy lets an access key act as its account. Errors:
// NoSuchAccessKey, and InvalidRequest for the root key.
func (c *Client) ClearKeyPolicy(ctx context.Context, id string) error {
	return c.call(ctx, "ClearKeyPolicy", http.MethodDelete, keyPath(id)+"/policy", nil, nil)
}

// DeleteKey removes an access key. Errors: NoSuchAccessKey, and
// InvalidRequest for the root key.
func (c *Client) DeleteKey(ctx context.Context, id string) error {
	return c.call(ctx, "DeleteKey", http.MethodDelete, keyPath(id), nil, nil)
}

// Presign returns a pre-signed URL: signed with the key that calls, or with
// the server's own for the root key and over a trusted socket. Errors:
// InvalidArgument, for a limit that cannot be enforced too.
func (c *Client) Presign(ctx context.Context, r PresignRequest) (PresignResponse, error) {
	var p PresignResponse
	err := c.call(ctx, "Presign", http.MethodPost, "presign", r.Reveal(), &p)
	return p, err
}

func keyPath(id string) string { return "keys/" + url.PathEscape(id) }
