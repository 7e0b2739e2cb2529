package server

import (
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/limits"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
)

// A pass for a prefix is signed for "/bucket/PREFIX", or for the listing of
// its bucket, and used for what is below. Which of the two is decided by the
// request's level alone, so a signature is tried once.

// signedFor returns path and query as the signature of a request covers them.
func (t *target) signedFor() (path string, q sign.Query, err error) {
	prefix, ok := t.query.Lookup(limits.Prefix)
	switch {
	case !ok:
		return t.path, t.query, nil
	case t.place.level == s3.ObjectLevel:
		base := strings.TrimSuffix(t.decoded, t.place.key)
		return sign.EscapePath(base + prefix), t.query, nil
	case t.action.Name != daypass.ListObjectsV2:
		return t.path, t.query, nil
	}
	q, err = withoutPaging(t.query)
	return t.path, q, err
}

// pagingParameters are the holder's to choose in a listing below a prefix.
var pagingParameters = map[string]bool{
	"continuation-token": true, "start-after": true, "max-keys": true,
	"delimiter": true, "encoding-type": true, "prefix": true,
}

// withoutPaging returns a query without the paging parameters, each of which
// may be there once.
func withoutPaging(q sign.Query) (sign.Query, error) {
	signed := make(sign.Query, 0, len(q))
	for i := range q {
		if !pagingParameters[q[i].Name] {
			signed = append(signed, q[i])
			continue
		}
		if q[i+1:].Has(q[i].Name) {
			return nil, invalidArgument("The query parameter "+q[i].Name+" must not be repeated.", q[i].Name, q[i].Value)
		}
	}
	return signed, nil
}

// checkPrefix refuses what is outside the prefix of a pass, and completes a
// listing that names no prefix of its own.
func (c *call) checkPrefix() error {
	prefix := c.limits.Prefix
	if prefix == "" {
		return nil
	}
	if c.place.level == s3.BucketLevel {
		asked, ok := c.query.Lookup("prefix")
		if !ok {
			c.query = append(c.query[:len(c.query):len(c.query)], sign.Param{Name: "prefix", Value: prefix})
			return nil
		}
		return refusePrefix(prefix, asked, strings.HasPrefix(asked, prefix))
	}
	if c.query.Has("versionId") {
		return limits.Refused(limits.Prefix, "the current versions of objects below "+prefix, "versionId="+c.query.Get("versionId"))
	}
	below, ok := strings.CutPrefix(c.ref.Key, prefix)
	return refusePrefix(prefix, c.ref.Key, ok && plainPath(below))
}

func refusePrefix(prefix, asked string, ok bool) error {
	if ok {
		return nil
	}
	return limits.Refused(limits.Prefix, prefix, asked)
}

// plainPath reports whether a path means the same to everyone: clients,
// proxies and file systems resolve dot segments and take a backslash for a
// separator.
func plainPath(path string) bool {
	if strings.ContainsAny(path, "\\\x00") {
		return false
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}
