package client

import (
	"context"
	"iter"
	"net/http"
	"net/url"
)

// A PassFilter selects passes; empty fields select all.
type PassFilter struct {
	// Name is the label of passes.
	Name string
	// AccessKeyID is the access key that signed, Owner its owner.
	AccessKeyID, Owner string
	// Bucket, and Prefix, the beginning of the key, are what passes are for.
	Bucket, Prefix string
}

func (f PassFilter) query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"name": f.Name, "key": f.AccessKeyID, "owner": f.Owner, "bucket": f.Bucket, "prefix": f.Prefix} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// Passes returns at most max passes that were seen, in order of id, starting
// after the given id. A max of 0 leaves the number to the server; 1000 is the
// most. What was seen shows within a few seconds.
func (c *Client) Passes(ctx context.Context, f PassFilter, after string, max int) (PassPage, error) {
	var p PassPage
	err := c.call(ctx, "Passes", http.MethodGet, pagePath("passes", f.query(), after, max), nil, &p)
	return p, err
}

// AllPasses returns all passes that were seen, in order of id. An error ends
// them.
func (c *Client) AllPasses(ctx context.Context, f PassFilter) iter.Seq2[Pass, error] {
	return all(func(after string) ([]Pass, string, error) {
		p, err := c.Passes(ctx, f, after, 0)
		return p.Passes, p.Next, err
	})
}

// Pass returns what was seen of one pass. Errors: NoSuchPass.
func (c *Client) Pass(ctx context.Context, id string) (Pass, error) {
	var p Pass
	err := c.call(ctx, "Pass", http.MethodGet, passPath(id), nil, &p)
	return p, err
}

// Explain tells what becomes of a pass: whether it would be refused now, why it
// was refused in the past, and when it really ends. Errors: InvalidRequest for
// what is no pre-signed URL, and NoSuchPass for an id of which nothing is known
// or a URL that a key of another account signed.
func (c *Client) Explain(ctx context.Context, r ExplainRequest) (Explanation, error) {
	var e Explanation
	err := c.call(ctx, "Explain", http.MethodPost, "passes/explain", r.Reveal(), &e)
	return e, err
}

// RestorePass makes a pass usable as if it were new: revocations of this one
// pass are lifted, its uses, binding and PIN tries forgotten. Revocations that
// match it for another reason stay: the answer tells. Errors: NoSuchPass.
func (c *Client) RestorePass(ctx context.Context, id string) (RestoredPass, error) {
	var p RestoredPass
	err := c.call(ctx, "RestorePass", http.MethodPost, passPath(id)+"/restore", nil, &p)
	return p, err
}

// Revoke refuses the passes that match n, at once on the server that is asked
// and within a second on the others. Errors: InvalidRequest, InvalidArgument,
// and NoSuchAccessKey for a key that there is not.
func (c *Client) Revoke(ctx context.Context, n NewRevocation) (Revocation, error) {
	var r Revocation
	err := c.call(ctx, "Revoke", http.MethodPost, "revocations", n.Reveal(), &r)
	return r, err
}

// Revocations returns at most max revocations in force, in order of id,
// starting after the given id. A max of 0 leaves the number to the server;
// 1000 is the most.
func (c *Client) Revocations(ctx context.Context, after string, max int) (RevocationPage, error) {
	var p RevocationPage
	err := c.call(ctx, "Revocations", http.MethodGet, pagePath("revocations", url.Values{}, after, max), nil, &p)
	return p, err
}

// AllRevocations returns all revocations in force, in order of id. An error
// ends them.
func (c *Client) AllRevocations(ctx context.Context) iter.Seq2[Revocation, error] {
	return all(func(after string) ([]Revocation, string, error) {
		p, err := c.Revocations(ctx, after, 0)
		return p.Revocations, p.Next, err
	})
}

// LiftRevocation lifts a revocation. Errors: NoSuchRevocation.
func (c *Client) LiftRevocation(ctx context.Context, id string) error {
	return c.call(ctx, "LiftRevocation", http.MethodDelete, "revocations/"+url.PathEscape(id), nil, nil)
}

func passPath(id string) string { return "passes/" + url.PathEscape(id) }
