package server

import (
	"net/http"
	"strings"

	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// putObject stores the body of the request (S3 API reference, PutObject).
func (s *Server) putObject(w *response, c *call) error {
	req, err := s.putRequest(c)
	if err != nil {
		return err
	}
	if err := c.requireLockDigest(req.Lock, "Put Object"); err != nil {
		return err
	}
	if req.Body, err = c.upload(w, store.MaxUploadSize); err != nil {
		return err
	}
	if done, err := s.redirectPut(w, c, req); done || err != nil {
		return err
	}
	if err := s.bind(c); err != nil {
		return err
	}
	obj, err := s.store.PutObject(c.r.Context(), req)
	if err != nil {
		return c.refuseOverwrite(err)
	}
	s.wrote(w, obj)
	c.setWritten(w, obj)
	return w.empty(http.StatusOK)
}

// putRequest returns the object that the request describes, without its body.
func (s *Server) putRequest(c *call) (*store.PutRequest, error) {
	d, err := s.describe(c)
	if err != nil {
		return nil, err
	}
	cond, err := c.putConditions()
	if err == nil {
		err = c.limitConditions(&cond)
	}
	if err != nil {
		return nil, err
	}
	sealing, err := s.sealing(c)
	return &store.PutRequest{
		Bucket: c.ref.Bucket, Key: c.ref.Key, Metadata: d.metadata, Owner: s.objectOwner(c),
		Tags: d.tags, ACL: d.acl, Lock: d.lock, Conditions: cond, Time: c.now, Sealing: sealing,
	}, err
}

// setWritten tells what was stored.
func (c *call) setWritten(w *response, obj *store.Object) {
	h := w.Header()
	w.setETag(obj.ETag)
	setChecksums(h, obj.Checksums)
	c.setEncryption(h, obj.Encryption)
	c.setExpiration(h, obj)
	setNewVersion(h, obj)
}

// setNewVersion names the version that was written. S3 says nothing of null
// versions here.
func setNewVersion(h http.Header, obj *store.Object) {
	if obj.VersionID != store.NullVersion {
		setVersion(h, obj.VersionID)
	}
}

// setVersion names a version, where there are any.
func setVersion(h http.Header, id string) {
	if id != "" {
		h["X-Amz-Version-Id"] = []string{id}
	}
}

// A description is what a request says about the object that it makes.
type description struct {
	metadata store.Metadata
	tags     []store.Tag
	acl      []byte
	lock     store.Lock
}

func (s *Server) describe(c *call) (d description, err error) {
	if d.metadata, err = c.metadata(); err != nil {
		return d, err
	}
	if d.tags, err = c.requestTags(); err != nil {
		return d, err
	}
	if d.lock, err = c.requestLock(); err != nil {
		return d, err
	}
	d.acl, err = s.requestACL(c, c.bucket)
	return d, err
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
