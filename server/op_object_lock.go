package server

import (
	"net/http"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// The actions on locks that more than the table of operations names.
const (
	putObjectRetention daypass.Action = "PutObjectRetention"
	putObjectLegalHold daypass.Action = "PutObjectLegalHold"
)

// getObjectLockConfiguration answers with the object lock of a bucket (S3 API
// reference, GetObjectLockConfiguration).
func (s *Server) getObjectLockConfiguration(w *response, c *call) error {
	b, err := s.store.Bucket(c.r.Context(), c.ref.Bucket)
	if err != nil {
		return err
	}
	if !b.ObjectLock.Enabled {
		return &daypass.Error{Code: s3.ObjectLockNotFound, Details: []daypass.Detail{{Name: "BucketName", Value: b.Name}}}
	}
	def := b.ObjectLock.Default
	shown := s3.DefaultRetention{Mode: s3.RetentionMode(def.Mode), Days: def.Days, Years: def.Years}
	return w.xml(http.StatusOK, s3.AppendObjectLock(nil, shown))
}

// putObjectLockConfiguration enables the object lock of a bucket and sets its
// default retention (S3 API reference, PutObjectLockConfiguration).
func (s *Server) putObjectLockConfiguration(w *response, c *call) error {
	body, err := c.lockDocument(w)
	if err != nil {
		return err
	}
	def, err := s3.ParseObjectLock(body)
	if err != nil {
		return err
	}
	err = s.store.SetObjectLock(c.r.Context(), c.ref.Bucket, store.DefaultRetention{
		Mode: store.RetentionMode(def.Mode), Days: def.Days, Years: def.Years,
	})
	if err != nil {
		return err
	}
	return w.empty(http.StatusOK)
}

// lockDocument returns the body of a request, which must have a digest.
func (c *call) lockDocument(w *response) ([]byte, error) {
	if err := c.requireDigest(); err != nil {
		return nil, err
	}
	return c.document(w, s3.MaxLockBody)
}

// getObjectRetention answers with the retention of a version (S3 API reference,
// GetObjectRetention).
func (s *Server) getObjectRetention(w *response, c *call) error {
	obj, err := s.lockedObject(w, c)
	if err != nil {
		return err
	}
	r := obj.Lock.Retention
	if r.Mode == "" {
		return noObjectLock(c)
	}
	return w.xml(http.StatusOK, s3.AppendRetention(nil, s3.Retention{Mode: s3.RetentionMode(r.Mode), Until: r.Until}))
}

// getObjectLegalHold tells whether a version has a legal hold (S3 API
// reference, GetObjectLegalHold).
func (s *Server) getObjectLegalHold(w *response, c *call) error {
	obj, err := s.lockedObject(w, c)
	if err != nil {
		return err
	}
	if obj.Lock.LegalHold == "" {
		return noObjectLock(c)
	}
	return w.xml(http.StatusOK, s3.AppendLegalHold(nil, string(obj.Lock.LegalHold)))
}

// lockedObject returns the object of a call, in a bucket that has object lock.
func (s *Server) lockedObject(w *response, c *call) (*store.Object, error) {
	if err := c.bucket.ObjectLock.CheckEnabled(); err != nil {
		return nil, err
	}
	obj, err := s.store.Object(c.r.Context(), c.ref)
	if err != nil {
		return nil, c.noObject(w.Header(), obj, err)
	}
	return obj, nil
}

func noObjectLock(c *call) error {
	return &daypass.Error{Code: s3.NoSuchObjectLock, Details: []daypass.Detail{{Name: "Key", Value: c.ref.Key}}}
}

// putObjectRetention sets the retention of a version, or takes it away (S3 API
// reference, PutObjectRetention). authorize has asked whether governance may be
// bypassed.
func (s *Server) putObjectRetention(w *response, c *call) error {
	body, err := c.lockDocument(w)
	if err != nil {
		return err
	}
	asked, err := s3.ParseRetention(body)
	if err != nil {
		return err
	}
	if err := c.bucket.ObjectLock.CheckEnabled(); err != nil {
		return err
	}
	if asked.Mode != "" && !asked.Until.After(c.now) {
		return invalidArgument(pastRetention, "RetainUntilDate", asked.Until.Format(s3.TimeLayout))
	}
	r := store.Retention{Mode: store.RetentionMode(asked.Mode), Until: asked.Until}
	return s.updateLock(w, c, store.LockUpdate{Retention: &r, BypassGovernance: c.asksForBypass()})
}

// putObjectLegalHold puts a legal hold on a version or takes it off (S3 API
// reference, PutObjectLegalHold).
func (s *Server) putObjectLegalHold(w *response, c *call) error {
	body, err := c.lockDocument(w)
	if err != nil {
		return err
	}
	status, err := s3.ParseLegalHold(body)
	if err != nil {
		return err
	}
	if err := c.bucket.ObjectLock.CheckEnabled(); err != nil {
		return err
	}
	hold := store.LegalHold(status)
	return s.updateLock(w, c, store.LockUpdate{LegalHold: &hold})
}

func (s *Server) updateLock(w *response, c *call, u store.LockUpdate) error {
	u.Time = c.now
	obj, err := s.store.UpdateLock(c.r.Context(), c.ref, u)
	if err != nil {
		return c.noObject(w.Header(), obj, err)
	}
	return w.empty(http.StatusOK)
}
