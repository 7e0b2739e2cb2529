package server

import (
	"net/http"

	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// listParts answers with a page of an upload's parts (S3 API reference,
// ListParts).
func (s *Server) listParts(w *response, c *call) error {
	r := s3.ListPartsResult{Bucket: c.ref.Bucket}
	var err error
	if r.EncodeURL, err = c.encodesURL(); err != nil {
		return err
	}
	if r.MaxParts, err = c.maxParam("max-parts", "max-parts"); err != nil {
		return err
	}
	if r.Marker, err = partMarker(c.query.Get("part-number-marker")); err != nil {
		return err
	}
	if err := s.partsPage(w, c, &r); err != nil {
		return c.uploadError(err)
	}
	return w.xml(http.StatusOK, r.Append(nil))
}

// partsPage fills in the upload and its parts.
func (s *Server) partsPage(w *response, c *call, r *s3.ListPartsResult) error {
	ctx, id := c.r.Context(), c.uploadID()
	u, err := s.store.MultipartUpload(ctx, c.ref.Bucket, c.ref.Key, id)
	if err != nil {
		return err
	}
	parts, err := s.store.Parts(ctx, c.ref.Bucket, c.ref.Key, id, r.Marker, r.MaxParts+1)
	if err != nil {
		return err
	}
	c.setAbort(w.Header(), u)
	r.Upload = shownUpload(u)
	r.Truncated = len(parts) > r.MaxParts && r.MaxParts > 0
	for i := range parts[:min(len(parts), r.MaxParts)] {
		r.Parts = append(r.Parts, shownPart(&parts[i]))
		r.NextMarker = parts[i].Number
	}
	return nil
}

// shownUpload returns an upload as listings show it.
func shownUpload(u *store.MultipartUpload) s3.Upload {
	out := s3.Upload{Key: u.Key, UploadID: u.ID, Owner: u.Owner, StorageClass: u.Metadata.StorageClass, Initiated: u.Initiated}
	if u.Checksum != "" {
		algorithm, kind := u.Sum()
		out.ChecksumAlgorithm, out.ChecksumType = string(algorithm), string(kind)
	}
	return out
}

// listMultipartUploads answers with a page of the uploads under way (S3 API
// reference, ListMultipartUploads).
func (s *Server) listMultipartUploads(w *response, c *call) error {
	r := s3.ListUploadsResult{
		Bucket: c.ref.Bucket, Prefix: c.query.Get("prefix"), Delimiter: c.query.Get("delimiter"),
		KeyMarker: c.query.Get("key-marker"), UploadIDMarker: c.query.Get("upload-id-marker"),
	}
	var err error
	if r.EncodeURL, err = c.encodesURL(); err != nil {
		return err
	}
	if r.MaxUploads, err = c.maxParam("max-uploads", "max-uploads"); err != nil {
		return err
	}
	page, err := s.store.ListUploads(c.r.Context(), store.UploadsRequest{
		Bucket: r.Bucket, Prefix: r.Prefix, Delimiter: r.Delimiter,
		KeyMarker: r.KeyMarker, UploadIDMarker: r.UploadIDMarker, Max: r.MaxUploads,
	})
	if err != nil {
		return err
	}
	r.Truncated, r.CommonPrefixes = page.Truncated, page.CommonPrefixes
	r.NextKeyMarker, r.NextUploadID = page.NextKey, page.NextUploadID
	for _, u := range page.Uploads {
		r.Uploads = append(r.Uploads, shownUpload(u))
	}
	return w.xml(http.StatusOK, r.Append(nil))
}
