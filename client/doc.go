// Package client is the typed client of the Daypass admin API, for the
// command line, the console and third parties. Its types are the JSON of the
// API: package admin, the other end, uses the same ones.
//
// The API is versioned in its paths (/api/v1/…). Later versions of a path may
// add fields to answers; requests with fields that the server does not know
// are refused.
package client
