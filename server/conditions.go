package server

import (
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// readConditions returns the preconditions of a GET or HEAD. A date that
// cannot be read counts for nothing (RFC 9110, section 13.1.3).
func (c *call) readConditions() store.ReadConditions {
	return store.ReadConditions{
		IfMatch:           c.head.get("If-Match"),
		IfNoneMatch:       c.head.get("If-None-Match"),
		IfModifiedSince:   c.dateHeader("If-Modified-Since"),
		IfUnmodifiedSince: c.dateHeader("If-Unmodified-Since"),
	}
}

func (c *call) dateHeader(name string) time.Time {
	v := c.head.get(name)
	if v == "" {
		return time.Time{}
	}
	t, _ := s3.ParseTime(v)
	return t
}

// putConditions returns the preconditions of a PUT. S3 takes "*" in
// If-None-Match and an ETag in If-Match, not both (S3 User Guide,
// "Conditional writes"); everything else it refuses rather than ignores.
func (c *call) putConditions() (store.WriteConditions, error) {
	match, none := c.head.get("If-Match"), c.head.get("If-None-Match")
	cond := store.WriteConditions{IfMatch: s3.UnquoteETag(match), IfNoneMatch: none}
	switch {
	case match != "" && none != "":
		return cond, conditionRefused("If-Match,If-None-Match", "Multiple conditional request headers present in the request")
	case none != "" && none != "*":
		return cond, valueRefused("If-None-Match")
	case match != "" && (cond.IfMatch == "" || cond.IfMatch == "*"):
		return cond, valueRefused("If-Match")
	}
	return cond, c.refuseDateConditions()
}

// deleteConditions returns the preconditions of a DELETE: If-Match with an
// ETag, or with "*" for an object that must exist (S3 User Guide, "How to
// perform conditional deletes").
func (c *call) deleteConditions() (store.WriteConditions, error) {
	match := c.head.get("If-Match")
	cond := store.WriteConditions{IfMatch: s3.UnquoteETag(match)}
	switch {
	case c.head.get("If-None-Match") != "":
		return cond, valueRefused("If-None-Match")
	case match != "" && cond.IfMatch == "":
		return cond, valueRefused("If-Match")
	}
	return cond, c.refuseDateConditions()
}

func (c *call) refuseDateConditions() error {
	for _, name := range []string{"If-Modified-Since", "If-Unmodified-Since"} {
		if c.head.get(name) != "" {
			return valueRefused(name)
		}
	}
	return nil
}

func valueRefused(header string) error {
	return conditionRefused(header, "We don't accept the provided value of "+header+" header for this API")
}

func conditionRefused(headers, why string) error {
	return notImplemented(daypass.Detail{Name: "Header", Value: headers}, daypass.Detail{Name: "additionalMessage", Value: why})
}
