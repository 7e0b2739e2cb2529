package server

import (
	"net/http"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// getBucketVersioning tells whether a bucket keeps versions (S3 API reference,
// GetBucketVersioning).
func (s *Server) getBucketVersioning(w *response, c *call) error {
	b, err := s.store.Bucket(c.r.Context(), c.ref.Bucket)
	if err != nil {
		return err
	}
	return w.xml(http.StatusOK, s3.AppendVersioning(nil, string(b.Versioning)))
}

// putBucketVersioning makes a bucket keep versions, or no longer keep new ones
// (S3 API reference, PutBucketVersioning).
func (s *Server) putBucketVersioning(w *response, c *call) error {
	body, err := c.document(w, s3.MaxBucketBody)
	if err != nil {
		return err
	}
	config, err := s3.ParseVersioning(body)
	if err != nil {
		return err
	}
	if config.MFADelete == s3.Enabled {
		return notImplemented(daypass.Detail{Name: "Element", Value: "MfaDelete"})
	}
	if err := s.store.SetVersioning(c.r.Context(), c.ref.Bucket, store.Versioning(config.Status)); err != nil {
		return err
	}
	return w.empty(http.StatusOK)
}
