package server

import (
	"net/http"
	"strconv"

	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// maxKeys is how many entries a page has at most.
const maxKeys = 1000

// listObjects answers with a page of keys (S3 API reference, ListObjects).
func (s *Server) listObjects(w *response, c *call) error {
	result, err := c.listing()
	if err != nil {
		return err
	}
	result.Marker = c.query.Get("marker")
	req := store.ListRequest{After: result.Marker, SkipAfter: true}
	page, err := s.list(c, req, result, true)
	if err != nil {
		return err
	}
	if page.Truncated && result.Delimiter != "" {
		result.NextMarker = page.Next
	}
	return w.xml(http.StatusOK, result.AppendV1(nil))
}

// listObjectsV2 answers with a page of keys (S3 API reference, ListObjectsV2).
func (s *Server) listObjectsV2(w *response, c *call) error {
	result, err := c.listing()
	if err != nil {
		return err
	}
	result.StartAfter = c.query.Get("start-after")
	req := store.ListRequest{After: result.StartAfter}
	if token, given := c.query.Lookup("continuation-token"); given {
		last, ok := parseToken(objectTokens, token)
		if !ok {
			return badToken(token)
		}
		// The token is where the page before ended, beyond start-after.
		req.After, req.SkipAfter, result.ContinuationToken = last, true, token
	}
	page, err := s.list(c, req, result, c.query.Get("fetch-owner") == "true")
	if err != nil {
		return err
	}
	if page.Truncated {
		result.NextToken = newToken(objectTokens, page.Next)
	}
	return w.xml(http.StatusOK, result.AppendV2(nil))
}

// objectTokens is the kind of continuation token that ListObjectsV2 has.
const objectTokens = "objects"

// listing reads what both versions have in common.
func (c *call) listing() (*s3.ListObjectsResult, error) {
	r := &s3.ListObjectsResult{Bucket: c.ref.Bucket, Prefix: c.query.Get("prefix"), Delimiter: c.query.Get("delimiter")}
	var err error
	if r.EncodeURL, err = c.encodesURL(); err != nil {
		return nil, err
	}
	r.MaxKeys, err = c.maxParam("max-keys", "maxKeys")
	return r, err
}

// encodesURL reads encoding-type.
func (c *call) encodesURL() (bool, error) {
	switch encoding := c.query.Get("encoding-type"); encoding {
	case "":
		return false, nil
	case "url":
		return true, nil
	default:
		return false, invalidArgument("Invalid Encoding Method specified in Request", "encoding-type", encoding)
	}
}

// maxParam reads the parameter that says how many entries a page has at most.
// S3 has another name for a negative one.
func (c *call) maxParam(param, negative string) (int, error) {
	return maxValue(c.query.Get(param), param, negative)
}

// maxValue reads the size of a page; more than S3 gives is as good as that.
func maxValue(v, name, negative string) (int, error) {
	if v == "" {
		return maxKeys, nil
	}
	n, err := strconv.ParseInt(v, 10, 32)
	switch {
	case err != nil:
		return 0, invalidArgument("Provided "+name+" not an integer or within integer range", name, v)
	case n < 0:
		return 0, invalidArgument("Argument "+negative+" must be an integer between 0 and 2147483647", negative, v)
	}
	return min(int(n), maxKeys), nil
}

// list fetches a page and puts it into result.
func (s *Server) list(c *call, req store.ListRequest, result *s3.ListObjectsResult, owners bool) (*store.ListPage, error) {
	req.Bucket, req.Prefix, req.Delimiter, req.Max = result.Bucket, result.Prefix, result.Delimiter, result.MaxKeys
	page, err := s.store.ListObjects(c.r.Context(), req)
	if err != nil {
		return nil, err
	}
	result.Truncated, result.CommonPrefixes = page.Truncated, page.CommonPrefixes
	result.Objects = make([]s3.Object, len(page.Objects))
	for i, o := range page.Objects {
		result.Objects[i] = listed(o)
		if owners {
			result.Objects[i].Owner = s.ownerOf(c, o)
		}
	}
	return page, nil
}

func listed(o *store.Object) s3.Object {
	out := s3.Object{Key: o.Key, Modified: o.ModTime, ETag: o.ETag, Size: o.Size, StorageClass: o.Metadata.StorageClass}
	if len(o.Checksums) > 0 {
		out.Checksum, out.ChecksumType = string(o.Checksums[0].Algorithm), checksumType(o.Checksums[0])
	}
	return out
}
