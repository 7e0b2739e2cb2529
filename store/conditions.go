package store

import (
	"strings"
	"time"

	"github.com/daypass/daypass"
)

// WriteConditions must hold at the moment of a write. Empty fields are not
// checked. (S3 User Guide, "Conditional writes" and "Conditional deletes".)
type WriteConditions struct {
	// IfMatch is the ETag, without quotes, that the existing object must
	// have; "*" asks only that one exists.
	IfMatch string
	// IfNoneMatch "*" asks that no object exists. An ETag asks that the
	// existing object, if any, has another one.
	IfNoneMatch string
}

// Empty reports whether there is nothing to check.
func (c WriteConditions) Empty() bool { return c == WriteConditions{} }

// Check reports whether the conditions hold for cur, the current object, which
// is nil when there is none. Drivers call it under the lock that their commit
// takes. PreconditionFailed, NoSuchKey (If-Match without an object).
func (c WriteConditions) Check(cur *Object) error {
	if c.IfMatch != "" {
		if cur == nil {
			return &daypass.Error{Code: daypass.NoSuchKey}
		}
		if c.IfMatch != "*" && c.IfMatch != cur.ETag {
			return preconditionFailed("If-Match")
		}
	}
	if c.IfNoneMatch != "" && cur != nil {
		if c.IfNoneMatch == "*" || c.IfNoneMatch == cur.ETag {
			return preconditionFailed("If-None-Match")
		}
	}
	return nil
}

// ReadConditions are the preconditions of a GET or HEAD. Empty fields are not
// checked.
type ReadConditions struct {
	// IfMatch and IfNoneMatch are the headers as they came: "*" or a list of
	// ETags, each with or without quotes.
	IfMatch, IfNoneMatch string
	// IfModifiedSince and IfUnmodifiedSince have a resolution of one second.
	IfModifiedSince, IfUnmodifiedSince time.Time
}

// Check reports whether obj may be sent: nil, PreconditionFailed or
// NotModified. The order is that of RFC 9110, section 13.2.2: where there is
// an ETag condition, the date condition of the same kind does not count.
func (c ReadConditions) Check(obj *Object) error {
	modified := obj.ModTime.Truncate(time.Second)
	switch {
	case c.IfMatch != "":
		if !matchesETag(c.IfMatch, obj.ETag, strong) {
			return preconditionFailed("If-Match")
		}
	case !c.IfUnmodifiedSince.IsZero():
		if modified.After(c.IfUnmodifiedSince) {
			return preconditionFailed("If-Unmodified-Since")
		}
	}
	switch {
	case c.IfNoneMatch != "":
		if matchesETag(c.IfNoneMatch, obj.ETag, weak) {
			return &daypass.Error{Code: daypass.NotModified}
		}
	case !c.IfModifiedSince.IsZero():
		if !modified.After(c.IfModifiedSince) {
			return &daypass.Error{Code: daypass.NotModified}
		}
	}
	return nil
}

func preconditionFailed(header string) error {
	return &daypass.Error{
		Code:    daypass.PreconditionFailed,
		Details: []daypass.Detail{{Name: "Condition", Value: header}},
	}
}

// How ETags are compared (RFC 9110, section 8.8.3.2): a strong comparison
// never matches a tag that is marked as weak.
const (
	strong = false
	weak   = true
)

// matchesETag reports whether a list of ETags names etag. Quotes may be
// missing, as S3 allows.
func matchesETag(list, etag string, acceptWeak bool) bool {
	if strings.TrimSpace(list) == "*" {
		return true
	}
	for tag := range strings.SplitSeq(list, ",") {
		tag = strings.TrimSpace(tag)
		opaque, isWeak := strings.CutPrefix(tag, "W/")
		if isWeak && !acceptWeak {
			continue
		}
		if strings.Trim(opaque, `"`) == etag {
			return true
		}
	}
	return false
}
