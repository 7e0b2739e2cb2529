package server

import (
	"strings"
	"time"

	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
)

// limitForm makes the limits in a form's policy those of the call. In a form
// only what the policy says is signed, so each limit must be an exact-match
// condition, with a field of the same value beside it that shows it to whoever
// fills the form in.
func (s *Server) limitForm(w *response, c *call, f *form, policy *sign.Policy) error {
	for _, field := range f.fields {
		w.private = w.private || sign.IsLimit(field.Name)
		if sign.IsLimit(field.Name) && (policy == nil || !policy.Requires(field.Name, field.Value)) {
			return limits.Invalid(strings.ToLower(field.Name), field.Value, "must be an exact-match condition of the form's policy")
		}
	}
	if policy == nil {
		return nil
	}
	var q sign.Query
	for _, condition := range policy.Conditions {
		if !sign.IsLimit(condition.Field) {
			continue
		}
		w.private = true
		if value, ok := f.lookupExact(condition.Field); condition.Op != "eq" || !ok || value != condition.Value {
			return limits.Invalid(strings.ToLower(condition.Field), condition.Value, "must be an exact-match condition and a field of the form, both with the same value")
		}
		q = append(q, sign.Param{Name: condition.Field, Value: condition.Value})
	}
	if err := s.limitedBy(c, q); err != nil || c.limits == nil {
		return err
	}
	if c.limits.Rate > 0 && w.rate == nil {
		w.rate = s.rates.take(c.grant.PassID, c.limits.Rate)
	}
	return s.endForm(c)
}

// endForm ends a form at its x-daypass-until, which is bounded as that of a URL
// is. The form's policy may end it earlier.
func (s *Server) endForm(c *call) error {
	until := c.limits.Until
	if until.IsZero() {
		return nil
	}
	most := s.cfg.MaxLifetime
	if most <= 0 {
		most = sign.MaxLifetime
	}
	if latest := c.grant.SignedAt.Add(most); until.After(latest) {
		return limits.Invalid(limits.Until, until.UTC().Format(time.RFC3339),
			"goes beyond what this server allows: a form signed then may end at "+latest.UTC().Format(time.RFC3339))
	}
	if until.Before(c.grant.ExpiresAt) {
		c.grant.ExpiresAt = until
	}
	return nil
}

// lookupExact returns the one field of that exact name.
func (f *form) lookupExact(name string) (value string, ok bool) {
	for _, field := range f.fields {
		if !strings.EqualFold(field.Name, name) {
			continue
		}
		if ok || field.Name != name {
			return "", false
		}
		value, ok = field.Value, true
	}
	return value, ok
}

// pinField carries the PIN in a form, which no policy can know.
const pinField = "x-daypass-pin-value"

// takePIN takes the PIN out of the fields: it is the holder's, and stands
// outside the signature.
func (f *form) takePIN(c *call) {
	kept := f.fields[:0]
	for _, field := range f.fields {
		if field.Name == pinField && c.pin == "" {
			c.pin = field.Value
			continue
		}
		kept = append(kept, field)
	}
	f.fields = kept
}
