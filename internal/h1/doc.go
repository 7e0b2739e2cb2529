// Package h1 serves plain HTTP/1.1 requests at a fraction of what net/http
// takes for them, and leaves everything else to net/http.
//
// A connection is served by one goroutine. Its requests are read into a buffer
// that is given back while the connection is idle. A request is plain when its
// head (RFC 9112, sections 2 to 6) has nothing in it that servers have been
// found to disagree about: origin-form, one Host, lines that end in CRLF, names
// that are tokens, no transfer coding, at most one Content-Length of digits.
// Everything that is not plain, or not certain to be, is no business of this
// package: the connection, with whatever it has sent and nobody has answered,
// goes to an http.Server and stays there. So this package refuses nothing by
// itself, and the hardening of net/http stays that of the whole.
//
// What handlers see and what clients get is what net/http would make of the
// same bytes, except for the order of header lines and the boundaries of
// chunks. The tests hold one against the other.
package h1
