package explain

import (
	"errors"
	"slices"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/sign"
)

// readLimits says what Daypass would make of the limits of a URL.
func (r *Report) readLimits(in *sign.Inspection) {
	set, err := limits.Parse(in.Query)
	if err == nil && set != nil {
		r.Limits, r.NotBefore = set.Words(), set.NotBefore
		if !set.Until.IsZero() {
			r.EndsAt = set.Until
		}
		// A URL that does not tell its action can be checked for the rest.
		if r.Action != "" {
			err = set.Check(limits.Pass{Action: r.Action, Scheme: daypass.SchemeQuery, Version: r.SignatureVersion})
		}
	}
	var e *daypass.Error
	if errors.As(err, &e) {
		r.LimitError = e.Message
	}
}

// hasLimits reports whether a URL carries anything that is meant to limit it.
func hasLimits(q sign.Query) bool {
	return slices.ContainsFunc(q, func(p sign.Param) bool { return sign.IsLimit(p.Name) })
}

// signedFor returns path and query as the signature of a URL for a prefix
// covers them: the prefix in the place of a key below it, and a listing
// without what the holder may choose. Other URLs are signed as they stand.
func signedFor(in *sign.Inspection, key string) (path string, q sign.Query) {
	prefix, ok := in.Query.Lookup(limits.Prefix)
	if !ok {
		return in.Path, in.Query
	}
	if in.Query.Get("list-type") == "2" {
		return in.Path, slices.DeleteFunc(slices.Clone(in.Query), func(p sign.Param) bool { return isPaging(p.Name) })
	}
	decoded, err := sign.UnescapePath(in.Path)
	if err != nil || !strings.HasPrefix(key, prefix) {
		return in.Path, in.Query
	}
	return sign.EscapePath(strings.TrimSuffix(decoded, key) + prefix), in.Query
}

// isPaging names the parameters of a listing below a prefix that its holder
// may choose.
func isPaging(name string) bool {
	switch name {
	case "continuation-token", "start-after", "max-keys", "delimiter", "encoding-type", "prefix":
		return true
	}
	return false
}
