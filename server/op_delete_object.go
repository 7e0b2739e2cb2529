package server

import (
	"net/http"

	"github.com/daypass/daypass/store"
)

// deleteObject removes an object; removing what is not there succeeds. Where
// the bucket keeps versions, it adds a delete marker, unless the request names
// a version (S3 API reference, DeleteObject).
func (s *Server) deleteObject(w *response, c *call) error {
	cond, err := c.deleteConditions()
	if err != nil {
		return err
	}
	deleted, err := s.store.DeleteObject(c.r.Context(), c.ref, store.DeleteOptions{
		Conditions: cond, Time: c.now, BypassGovernance: c.asksForBypass(),
	})
	if err != nil {
		return err
	}
	w.written = s.removed(deleted, c.ref.VersionID != "")
	setDeleted(w.Header(), deleted)
	return w.empty(http.StatusNoContent)
}

// setDeleted tells what came of a deletion.
func setDeleted(h http.Header, d store.Deleted) {
	setVersion(h, d.VersionID)
	if d.DeleteMarker {
		h["X-Amz-Delete-Marker"] = []string{"true"}
	}
}
