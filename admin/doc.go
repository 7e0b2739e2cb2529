// Package admin is the admin API: an http.Handler for the paths below
// /api/v1/, in JSON. Its types are those of package client, the other end.
//
// A request passes these steps: admit (who is calling, and may they), read
// (the whole body, so that whoever checks its signed hash has seen the end),
// act (one function per endpoint), answer. Only the root key may call; over a
// unix socket whose file permissions already decide that, Config.TrustLocal
// takes its place.
package admin
