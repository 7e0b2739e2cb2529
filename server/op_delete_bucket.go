package server

import "net/http"

// deleteBucket removes an empty bucket (S3 API reference, DeleteBucket).
func (s *Server) deleteBucket(w *response, c *call) error {
	if err := s.store.DeleteBucket(c.r.Context(), c.ref.Bucket); err != nil {
		return err
	}
	if err := s.dropBucket(c.r.Context(), c.bucket); err != nil {
		// The settings left behind are those of no bucket.
		s.logOf(c.ids).Warn("settings of a deleted bucket", "bucket", c.ref.Bucket, "err", err)
	}
	return w.empty(http.StatusNoContent)
}
