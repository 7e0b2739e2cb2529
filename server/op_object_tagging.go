package server

import (
	"net/http"

	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// getObjectTagging answers with the tags of an object (S3 API reference,
// GetObjectTagging).
func (s *Server) getObjectTagging(w *response, c *call) error {
	obj, err := s.store.Object(c.r.Context(), c.ref)
	if err != nil {
		return c.noObject(w.Header(), obj, err)
	}
	setVersion(w.Header(), obj.VersionID)
	return w.xml(http.StatusOK, s3.AppendTagging(nil, shownTags(obj.Tags)))
}

// putObjectTagging replaces the tags of an object (S3 API reference,
// PutObjectTagging).
func (s *Server) putObjectTagging(w *response, c *call) error {
	body, err := c.document(w, s3.MaxTaggingBody)
	if err != nil {
		return err
	}
	tags, err := s3.ParseTagging(body)
	if err != nil {
		return err
	}
	return s.setTags(w, c, storedTags(tags), http.StatusOK)
}

// deleteObjectTagging removes the tags of an object (S3 API reference,
// DeleteObjectTagging).
func (s *Server) deleteObjectTagging(w *response, c *call) error {
	return s.setTags(w, c, nil, http.StatusNoContent)
}

func (s *Server) setTags(w *response, c *call, tags []store.Tag, status int) error {
	obj, err := s.store.UpdateObject(c.r.Context(), c.ref, store.Update{Tags: &tags})
	if err != nil {
		return c.noObject(w.Header(), obj, err)
	}
	s.changed(w, obj)
	setVersion(w.Header(), obj.VersionID)
	return w.empty(status)
}
