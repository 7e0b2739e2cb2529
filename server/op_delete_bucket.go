package server

import "net/http"

// deleteBucket removes an empty bucket (S3 API reference, DeleteBucket).
func (s *Server) deleteBucket(w *response, c *call) error {
	if err := s.store.DeleteBucket(c.r.Context(), c.ref.Bucket); err != nil {
		return err
	}
	return w.empty(http.StatusNoContent)
}
