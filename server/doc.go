// Package server is the S3 endpoint: an http.Handler over a store.Store.
//
// A request goes one way, each step a function that takes the value before it
// and returns the next:
//
//	resolve       which action on which resource            target
//	authenticate  who signed, when, until when              call
//	authorize     whether the signer may                    (an error, or none)
//	act           the action, one file op_*.go each         response
//	record        what happened, refusals included          log
//
// What is verified is what is acted on: the path is never cleaned, one parse
// of the query serves all steps, and a name under which a signature may have
// been made counts only if under it the request means the same resource.
// That is also why the handler must not be reached through http.ServeMux,
// which redirects paths that hold "//" or "..".
package server
