package server

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// uploadPart stores the body of the request as a part (S3 API reference,
// UploadPart).
func (s *Server) uploadPart(w *response, c *call) error {
	number, err := c.partNumber()
	if err != nil {
		return err
	}
	if err := s.requirePartChecksum(c); err != nil {
		return err
	}
	key, err := s.customerKey(c, customerTarget)
	if err != nil {
		return err
	}
	body, err := c.upload(w, store.MaxPartSize)
	if err != nil {
		return err
	}
	if err := s.bind(c); err != nil {
		return err
	}
	part, err := s.store.PutPart(c.r.Context(), &store.PartRequest{
		Bucket: c.ref.Bucket, Key: c.ref.Key, UploadID: c.uploadID(), Number: number, Body: body, Time: c.now,
		CustomerKey: key,
	})
	if err != nil {
		return c.uploadError(err)
	}
	w.size = part.Size
	h := w.Header()
	h["ETag"] = []string{s3.QuoteETag(part.ETag)}
	c.setEncryption(h, part.Encryption)
	for _, sum := range part.Checksums[:min(1, len(part.Checksums))] {
		setChecksum(h, sum)
	}
	return w.empty(http.StatusOK)
}

// partNumber reads the number of the part that a request uploads.
func (c *call) partNumber() (int, error) {
	v := c.query.Get("partNumber")
	n, err := strconv.Atoi(v)
	switch {
	case err != nil || n < 1 || n > s3.MaxObjectPart:
		return 0, badPartNumber(v)
	case c.uploadID() == "":
		// A part whose upload is missing must not become the object.
		return 0, invalidArgument("This operation requires an upload id.", "uploadId", "")
	}
	return n, nil
}

func badPartNumber(v string) error {
	return invalidArgument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", v)
}

// requirePartChecksum refuses a part without a checksum where the object's is
// made of those that clients give, or where the object will be locked.
func (s *Server) requirePartChecksum(c *call) error {
	sum, err := c.checksum()
	if err != nil || sum.algorithm != "" {
		return err
	}
	u, err := s.store.MultipartUpload(c.r.Context(), c.ref.Bucket, c.ref.Key, c.uploadID())
	if err != nil {
		return c.uploadError(err)
	}
	if a, kind := u.Sum(); kind == store.Composite {
		return invalidRequest("Checksum Type mismatch occurred, expected checksum Type: " +
			strings.ToLower(string(a)) + ", actual checksum Type: null")
	}
	return c.requireLockDigest(u.Lock, "Put Part")
}

// uploadPartCopy makes a part of an object or of a range of it (S3 API
// reference, UploadPartCopy).
func (s *Server) uploadPartCopy(w *response, c *call) error {
	number, err := c.partNumber()
	if err != nil {
		return err
	}
	req := &store.PartCopyRequest{
		Bucket: c.ref.Bucket, Key: c.ref.Key, UploadID: c.uploadID(), Number: number, Time: c.now,
	}
	if req.CustomerKey, err = s.customerKey(c, customerTarget); err != nil {
		return err
	}
	if req.SourceKey, err = s.customerKey(c, customerSource); err != nil {
		return err
	}
	var part *store.Part
	err = s.copied(c, func(src *source) (err error) {
		if req.Offset, req.Size, err = src.span(c); err == nil {
			req.Source, req.SourceETag = src.ref, src.obj.ETag
			part, err = s.store.CopyPart(c.r.Context(), req)
		}
		return err
	})
	if err != nil {
		return c.uploadError(err)
	}
	w.size = part.Size
	c.setEncryption(w.Header(), part.Encryption)
	setSourceVersion(w.Header(), req.Source.VersionID)
	shown := shownPart(part)
	result := s3.CopyResult{Modified: part.ModTime, ETag: part.ETag, Checksums: shown.Checksums}
	return w.xml(http.StatusOK, result.AppendPart(nil))
}
