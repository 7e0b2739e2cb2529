package server

import "net/http"

// deleteObject removes an object; removing what is not there succeeds (S3 API
// reference, DeleteObject).
func (s *Server) deleteObject(w *response, c *call) error {
	cond, err := c.deleteConditions()
	if err != nil {
		return err
	}
	if err := s.store.DeleteObject(c.r.Context(), c.ref, cond); err != nil {
		return err
	}
	return w.empty(http.StatusNoContent)
}
