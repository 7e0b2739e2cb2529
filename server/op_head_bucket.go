package server

import "net/http"

// headBucket tells whether a bucket exists and where (S3 API reference,
// HeadBucket).
func (s *Server) headBucket(w *response, c *call) error {
	b, err := s.store.Bucket(c.r.Context(), c.ref.Bucket)
	if err != nil {
		return err
	}
	h := w.Header()
	h["X-Amz-Bucket-Region"] = []string{s.regionOf(b)}
	h["X-Amz-Access-Point-Alias"] = []string{"false"}
	h["Content-Type"] = []string{"application/xml"}
	w.WriteHeader(http.StatusOK)
	return nil
}
