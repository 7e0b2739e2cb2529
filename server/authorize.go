package server

import (
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
)

// authorize decides whether the signer may do what the call asks for: any
// access key may do everything, and who has none, nothing.
func authorize(c *call) error {
	switch {
	case !c.grant.Anonymous():
		return nil
	case c.action.Name == s3.PostObject:
		// A form is signed within; whoever reads the form decides.
		return nil
	case c.overridesHeaders():
		return invalidRequest("Request specific response headers cannot be used for anonymous GET requests.")
	}
	return &daypass.Error{Code: daypass.AccessDenied}
}

// overridesHeaders reports whether the request asks for response headers of
// its own, which S3 grants to signed requests only (S3 API reference,
// GetObject).
func (c *call) overridesHeaders() bool {
	if c.action.Name != daypass.GetObject && c.action.Name != daypass.HeadObject {
		return false
	}
	for _, o := range s3.Overrides() {
		if c.query.Has(o.Param) {
			return true
		}
	}
	return false
}
