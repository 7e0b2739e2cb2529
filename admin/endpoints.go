package admin

import (
	"context"
	_ "embed" // the description of the API
	"encoding/json"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
)

// openAPI is the description of the API (OpenAPI Specification 3.1).
//
//go:embed openapi.json
var openAPI []byte

func (h *handler) description(context.Context, *call) (any, error) {
	return json.RawMessage(openAPI), nil
}

func (h *handler) server(context.Context, *call) (any, error) { return h.Server, nil }

func (h *handler) presign(ctx context.Context, c *call) (any, error) {
	var r client.PresignRequest
	if err := decode(c.body, &r); err != nil {
		return nil, err
	}
	c.object = daypass.ObjectRef{Bucket: r.Bucket, Key: r.Key}
	c.subject = r.Method + " " + c.object.String()
	// A key that is not the root key must not sign as if it were.
	signer := ""
	if c.owner() != "" {
		signer = c.caller
	}
	p, err := h.Presign(ctx, signer, r)
	if err != nil {
		return nil, err
	}
	return p, nil
}
