package server

import (
	"net/http"
	"strings"

	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// putObject stores the body of the request (S3 API reference, PutObject).
func (s *Server) putObject(w *response, c *call) error {
	meta, err := c.metadata()
	if err != nil {
		return err
	}
	cond, err := c.putConditions()
	if err != nil {
		return err
	}
	body, err := c.upload(w, store.MaxUploadSize)
	if err != nil {
		return err
	}
	obj, err := s.store.PutObject(c.r.Context(), &store.PutRequest{
		Bucket: c.ref.Bucket, Key: c.ref.Key, Metadata: meta, Owner: c.grant.Owner,
		Body: body, Conditions: cond, Time: c.now,
	})
	if err != nil {
		return err
	}
	h := w.Header()
	h["Etag"] = []string{s3.QuoteETag(obj.ETag)}
	setChecksums(h, obj.Checksums)
	return w.empty(http.StatusOK)
}

// metadata returns what the request says about the object.
func (c *call) metadata() (store.Metadata, error) {
	m := store.Metadata{
		ContentType:        c.head.get("Content-Type"),
		CacheControl:       c.head.get("Cache-Control"),
		ContentDisposition: c.head.get("Content-Disposition"),
		ContentEncoding:    withoutFraming(c.head.get("Content-Encoding")),
		ContentLanguage:    c.head.get("Content-Language"),
		Expires:            c.head.get("Expires"),
		WebsiteRedirect:    c.head.get("X-Amz-Website-Redirect-Location"),
		StorageClass:       c.head.get("X-Amz-Storage-Class"),
	}
	if m.StorageClass == s3.Standard {
		m.StorageClass = ""
	}
	for _, v := range []string{m.ContentType, m.CacheControl, m.ContentDisposition, m.ContentEncoding,
		m.ContentLanguage, m.Expires, m.WebsiteRedirect} {
		if !s3.ValidHeaderValue(v) {
			return m, invalidArgument("The value must be able to stand in a header.", "header", v)
		}
	}
	var err error
	m.User, err = c.head.userMetadata()
	return m, err
}

// withoutFraming takes aws-chunked off a Content-Encoding: it describes the
// request's body, not the object.
func withoutFraming(encoding string) string {
	if !strings.Contains(strings.ToLower(encoding), "aws-chunked") {
		return encoding
	}
	var kept []string
	for e := range strings.SplitSeq(encoding, ",") {
		if e = strings.TrimSpace(e); e != "" && !strings.EqualFold(e, "aws-chunked") {
			kept = append(kept, e)
		}
	}
	return strings.Join(kept, ",")
}
