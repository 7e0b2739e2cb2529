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
	q := url.Values{}
	if after != "" {
		q.Set("after", after)
	}
	if max != 0 {
		q.Set("max", strconv.Itoa(max))
	}
	path := "keys"
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	var p KeyPage
	err := c.call(ctx, "Keys", http.MethodGet, path, nil, &p)
	return p, err
}

// AllKeys returns all access keys in byte order of id. An error ends them.
func (c *Client) AllKeys(ctx context.Context) iter.Seq2[Key, error] {
	return func(yield func(Key, error) bool) {
		after := ""
		for {
			page, err := c.Keys(ctx, after, 0)
			if err != nil {
				yield(Key{}, err)
				return
			}
			for _, k := range page.Keys {
				if !yield(k, nil) {
					return
				}
			}
			if after = page.Next; after == "" {
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

// Presign returns a pre-signed URL that the server signs with its root key.
func (c *Client) Presign(ctx context.Context, r PresignRequest) (PresignResponse, error) {
	var p PresignResponse
	err := c.call(ctx, "Presign", http.MethodPost, "presign", r, &p)
	return p, err
}

func keyPath(id string) string { return "keys/" + url.PathEscape(id) }
