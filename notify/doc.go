// Package notify tells others by webhooks what happened: what became of objects,
// as S3's event messages, and what became of passes. Messages are made of the
// events in a spool, signed as Standard Webhooks has it, and sent until they
// were taken.
//
// # What is promised
//
// An event that the spool has on disk is told at least once, each time with the
// same webhook-id, whatever crashes in between. Each endpoint reads the spool by
// itself, so that one that is away holds up no other. Messages on one object or
// pass come in order, unless one was refused and had to be sent again. A message
// that was refused again and again over more than three days is dropped, with a
// warning.
//
// # Where messages never go
//
// To an address that is not public, unless the operator lists it. That is
// decided about the address that is dialled, at each dial, so that neither names
// that change their address nor redirects, which are not followed, lead
// anywhere else.
package notify
