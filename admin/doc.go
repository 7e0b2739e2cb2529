// Package admin is the admin API: an http.Handler for the paths below
// /api/v1/, in JSON. Its types are those of package client, the other end, and
// openapi.json describes it; a test keeps table, types and description
// together.
//
// A request passes these steps: admit (who is calling), choose (the route),
// authorize (may they: the route's permission, daypass:ListPasses and so on,
// in the caller's policy), read (the whole body, so that whoever checks its
// signed hash has seen the end), act (one function per endpoint), answer.
//
// The root key may do everything. Any other key sees and changes only what is
// of its own account: keys of its owner, passes that such keys signed, and
// revocations that they made. A key without a policy is its account and may
// see and revoke its passes; everything else takes a policy that allows it.
// Over a unix socket whose file permissions already decide who may call,
// Config.TrustLocal takes the root key's place.
package admin
