package server

import (
	"net/http"

	"github.com/daypass/daypass/s3"
)

// getBucketLocation tells the region of a bucket (S3 API reference,
// GetBucketLocation).
func (s *Server) getBucketLocation(w *response, c *call) error {
	b, err := s.store.Bucket(c.r.Context(), c.ref.Bucket)
	if err != nil {
		return err
	}
	return w.xml(http.StatusOK, s3.AppendLocation(nil, s.regionOf(b)))
}
