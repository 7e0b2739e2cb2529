package admin

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
)

// A route is an endpoint of the API.
type route struct {
	method, path string
	// action is the permission that it needs, without "daypass:"; empty where
	// whoever was admitted may call.
	action string
	// account tells whether a key without a policy, which is its account, has
	// that permission.
	account bool
	// params are the query parameters that it takes.
	params []string
	// in is the type of the body that it takes, nil for none.
	in any
	// status is that of success, and out the type of the answer, nil for none.
	status int
	out    any
	act    func(context.Context, *call) (any, error)
	// event is what events call it, and names what its path's id is of.
	event daypass.Action
	names string
	// reads says that it changes nothing, whatever its method.
	reads bool
}

// The parameters of lists, and of the list of passes.
var (
	pageParams = []string{"after", "max"}
	passParams = []string{"name", "key", "owner", "bucket", "prefix", "after", "max"}
)

// routes is the table of the API.
func (h *handler) routes() []route {
	const base = "/api/v1"
	const ok, made, done = http.StatusOK, http.StatusCreated, http.StatusNoContent
	return []route{
		{"GET", base + "/openapi.json", "", true, nil, nil, ok, json.RawMessage{}, h.description, daypass.GetAPIDescription, "", false},
		{"GET", base + "/server", "GetServer", false, nil, nil, ok, client.Server{}, h.server, daypass.GetServer, "", false},

		{"GET", base + "/keys", "ListKeys", false, pageParams, nil, ok, client.KeyPage{}, h.listKeys, daypass.ListAccessKeys, "", false},
		{"POST", base + "/keys", "CreateKey", false, nil, client.NewKey{}, made, client.CreatedKey{}, h.createKey, daypass.CreateAccessKey, "", false},
		{"GET", base + "/keys/{id}", "GetKey", false, nil, nil, ok, client.Key{}, h.key, daypass.GetAccessKey, "key", false},
		{"POST", base + "/keys/{id}/disable", "DisableKey", false, nil, nil, done, nil, h.disableKey, daypass.DisableAccessKey, "key", false},
		{"POST", base + "/keys/{id}/enable", "EnableKey", false, nil, nil, done, nil, h.enableKey, daypass.EnableAccessKey, "key", false},
		{"PUT", base + "/keys/{id}/policy", "SetKeyPolicy", false, nil, client.KeyPolicy{}, done, nil, h.setKeyPolicy, daypass.PutAccessKeyPolicy, "key", false},
		{"DELETE", base + "/keys/{id}/policy", "ClearKeyPolicy", false, nil, nil, done, nil, h.clearKeyPolicy, daypass.DeleteAccessKeyPolicy, "key", false},
		{"DELETE", base + "/keys/{id}", "DeleteKey", false, nil, nil, done, nil, h.deleteKey, daypass.DeleteAccessKey, "key", false},

		{"GET", base + "/passes", "ListPasses", true, passParams, nil, ok, client.PassPage{}, h.listPasses, daypass.ListPasses, "", false},
		{"POST", base + "/passes/explain", "ExplainPass", true, nil, client.ExplainRequest{}, ok, client.Explanation{}, h.explain, daypass.ExplainPass, "", true},
		{"GET", base + "/passes/{id}", "GetPass", true, nil, nil, ok, client.Pass{}, h.pass, daypass.GetPass, "pass", false},
		{"POST", base + "/passes/{id}/restore", "RestorePass", true, nil, nil, ok, client.RestoredPass{}, h.restorePass, daypass.RestorePass, "pass", false},
		{"GET", base + "/revocations", "ListRevocations", true, pageParams, nil, ok, client.RevocationPage{}, h.listRevocations, daypass.ListRevocations, "", false},
		{"POST", base + "/revocations", "RevokePass", true, nil, client.NewRevocation{}, made, client.Revocation{}, h.revoke, daypass.RevokePasses, "", false},
		{"DELETE", base + "/revocations/{id}", "LiftRevocation", true, nil, nil, done, nil, h.lift, daypass.LiftRevocation, "revocation", false},

		{"GET", base + "/encryption", "GetEncryption", false, nil, nil, ok, client.Encryption{}, h.encryption, daypass.GetEncryption, "", false},
		{"POST", base + "/encryption/rotate", "RotateEncryption", false, nil, nil, ok, client.Encryption{}, h.rotateEncryption, daypass.RotateEncryption, "", false},

		{"POST", base + "/presign", "Presign", false, nil, client.PresignRequest{}, ok, client.PresignResponse{}, h.presign, daypass.Presign, "", false},
	}
}
