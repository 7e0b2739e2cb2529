package server

import (
	"errors"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// authorizeSource decides whether the caller of a copy may read its source
// (S3 API reference, CopyObject, "Permissions"). NoSuchBucket, AccessDenied.
func (s *Server) authorizeSource(c *call, source daypass.ObjectRef) error {
	q, err := s.ofSource(c, "s3:GetObject", source)
	if err != nil {
		return err
	}
	if source.VersionID != "" {
		q.permission = "s3:GetObjectVersion"
	}
	q.part = c.part(0)
	if err := s.permit(c, q); err != nil {
		return err
	}
	return s.hideSource(c, source)
}

// authorizeCopiedTags decides whether the caller of a copy may read the
// source's tags and give them to the copy (S3 API reference, CopyObject,
// "Permissions"). What decides on the tags of a request sees them.
func (s *Server) authorizeCopiedTags(c *call, source daypass.ObjectRef, tags []store.Tag) error {
	if len(tags) == 0 {
		return nil
	}
	q, err := s.ofSource(c, "s3:GetObjectTagging", source)
	if err != nil {
		return err
	}
	if source.VersionID != "" {
		q.permission = "s3:GetObjectVersionTagging"
	}
	if err := s.permit(c, q); err != nil || c.free {
		return err
	}
	c.copied = tags
	if err := s.permit(c, question{permission: "s3:PutObject", ref: c.ref}); err != nil {
		return err
	}
	return s.permitAlso(c, "s3:PutObjectTagging")
}

// hideSource does for the source of a copy what hide does for what is read.
func (s *Server) hideSource(c *call, source daypass.ObjectRef) error {
	list, err := s.ofSource(c, "s3:ListBucket", daypass.ObjectRef{Bucket: source.Bucket})
	if err != nil || s.permit(c, list) == nil {
		return err
	}
	_, err = s.store.Object(c.r.Context(), source)
	if code := daypass.CodeOf(err); code != daypass.NoSuchKey && code != daypass.NoSuchVersion {
		return nil // there is something, or the operation says what is wrong
	}
	return &daypass.Error{Op: "server.authorize", Code: daypass.AccessDenied, Err: errors.Join(
		errors.New("there is no such source, which the caller may not know for lack of s3:ListBucket"), err)}
}

// ofSource is a question about the source of a copy, whose bucket may be
// another than the call's.
func (s *Server) ofSource(c *call, permission string, source daypass.ObjectRef) (question, error) {
	q := question{permission: permission, ref: source}
	ctx := c.r.Context()
	b, err := s.store.Bucket(ctx, source.Bucket)
	if err != nil {
		return q, err
	}
	q.bucket = &b
	q.rules, err = s.rulesOf(ctx, &b)
	return q, err
}
