package server

import (
	"net/http"

	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
)

// sight notes the use or refusal of a pass. Only a request whose signature is
// good is one of that pass.
func (s *Server) sight(x *exchange) {
	c := x.call
	if s.cfg.Passes == nil || c == nil || c.grant.PassID == "" {
		return
	}
	if c.asking && x.err == nil {
		return // a PIN that was right is no use yet
	}
	seen, _ := s.sightings.Get().(*state.Sighting)
	if seen == nil {
		seen = new(state.Sighting)
	}
	*seen = state.Sighting{
		ID: c.grant.PassID, Name: c.grant.Name, Key: c.grant.AccessKeyID, Owner: c.grant.Owner,
		Action: string(c.signedAction()), Bucket: c.ref.Bucket, Object: c.signedKey(), Limits: c.limitText(),
		Signed: c.grant.SignedAt, Ends: c.grant.ExpiresAt, First: c.now, Last: c.now,
	}
	if x.err != nil && x.w.status >= http.StatusBadRequest {
		seen.Refused = 1 // what says why is no download
	} else {
		seen.Uses, seen.Sent, seen.Received = 1, x.w.sent, x.in.bytes.Load()
	}
	s.cfg.Passes.Seen(seen)
	*seen = state.Sighting{}
	s.sightings.Put(seen)
}

// limitText returns the limits in canonical encoding: as they stand in the
// URL, which is cheaper than to write them again.
func (c *call) limitText() string {
	if c.limits == nil || c.limitsText != "" {
		return c.limitsText
	}
	q := make(sign.Query, 0, 8)
	for i := range c.query {
		if sign.IsLimit(c.query[i].Name) {
			q = append(q, c.query[i])
		}
	}
	if len(q) == 0 { // those of a form
		q, _ = c.limits.Query()
	}
	c.limitsText = q.Encode()
	return c.limitsText
}
