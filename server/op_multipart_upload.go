package server

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// createMultipartUpload begins an upload in parts (S3 API reference,
// CreateMultipartUpload).
func (s *Server) createMultipartUpload(w *response, c *call) error {
	d, err := s.describe(c)
	if err != nil {
		return err
	}
	u := &store.MultipartUpload{
		Bucket: c.ref.Bucket, Key: c.ref.Key, Metadata: d.metadata, Owner: s.objectOwner(c),
		Tags: d.tags, ACL: d.acl, Lock: d.lock, Initiated: c.now,
		ChecksumType: store.ChecksumType(strings.ToUpper(c.head.get("X-Amz-Checksum-Type"))),
	}
	if u.Checksum, err = c.checksumAlgorithm(); err != nil {
		return err
	}
	if u.Sealing, err = s.sealing(c); err != nil {
		return err
	}
	if u, err = s.store.CreateUpload(c.r.Context(), u); err != nil {
		return err
	}
	if h := w.Header(); u.Checksum != "" {
		algorithm, kind := u.Sum()
		h["X-Amz-Checksum-Algorithm"] = []string{string(algorithm)}
		h["X-Amz-Checksum-Type"] = []string{string(kind)}
	}
	c.setEncryption(w.Header(), u.Encryption)
	c.setAbort(w.Header(), u)
	return w.xml(http.StatusOK, s3.AppendInitiated(nil, u.Bucket, u.Key, u.ID))
}

// abortMultipartUpload ends an upload and removes its parts (S3 API reference,
// AbortMultipartUpload).
func (s *Server) abortMultipartUpload(w *response, c *call) error {
	err := s.store.AbortUpload(c.r.Context(), c.ref.Bucket, c.ref.Key, c.uploadID())
	if err != nil {
		return c.uploadError(err)
	}
	return w.empty(http.StatusNoContent)
}

// completeMultipartUpload makes an object of the parts (S3 API reference,
// CompleteMultipartUpload). No content is copied, so the answer need not be
// begun before the work is done, as S3 does to keep connections open.
func (s *Server) completeMultipartUpload(w *response, c *call) error {
	req, err := s.completion(c)
	if err != nil {
		return err
	}
	body, err := c.plainDocument(w, s3.MaxCompleteBody)
	if err != nil {
		return err
	}
	parts, err := s3.ParseComplete(body)
	if err != nil {
		return err
	}
	for _, p := range parts {
		req.Parts = append(req.Parts, completedPart(p))
	}
	obj, err := s.store.CompleteUpload(c.r.Context(), req)
	if err != nil {
		return c.uploadError(err)
	}
	s.wrote(w, obj)
	c.setEncryption(w.Header(), obj.Encryption)
	c.setExpiration(w.Header(), obj)
	setNewVersion(w.Header(), obj)
	result := s3.CompleteResult{Location: s.location(c, c.path), Bucket: obj.Bucket, Key: obj.Key, ETag: obj.ETag}
	result.Checksums, result.ChecksumType = shownChecksums(obj.Checksums)
	return w.xml(http.StatusOK, result.Append(nil))
}

// completion returns what the headers say of a completion.
func (s *Server) completion(c *call) (*store.CompleteRequest, error) {
	cond, err := c.putConditions()
	if err != nil {
		return nil, err
	}
	req := &store.CompleteRequest{
		Bucket: c.ref.Bucket, Key: c.ref.Key, UploadID: c.uploadID(), Conditions: cond, Time: c.now, Size: -1,
	}
	if req.CustomerKey, err = s.customerKey(c, customerTarget); err != nil {
		return nil, err
	}
	if v := c.head.get("X-Amz-Mp-Object-Size"); v != "" {
		if req.Size, err = strconv.ParseInt(v, 10, 64); err != nil || req.Size < 0 {
			return nil, invalidRequest("Value for x-amz-mp-object-size header is invalid.")
		}
	}
	// These headers are about the object, not about the body of this request.
	sum, err := c.checksum()
	if err != nil {
		return nil, err
	}
	req.Expected.Type = store.ChecksumType(strings.ToUpper(c.head.get("X-Amz-Checksum-Type")))
	if !sum.trailer {
		req.Expected.Algorithm, req.Expected.Value = sum.algorithm, sum.value
	}
	return req, nil
}

func completedPart(p s3.CompletePart) store.CompletedPart {
	out := store.CompletedPart{Number: p.Number, ETag: p.ETag}
	for _, sum := range p.Checksums {
		out.Checksums = append(out.Checksums, store.Checksum{
			Algorithm: store.ChecksumAlgorithm(sum.Algorithm), Value: sum.Value,
		})
	}
	return out
}

func (c *call) uploadID() string { return c.query.Get("uploadId") }

// uploadError adds the upload's id to the answer that it is not there, or that
// its parts are named in the wrong order.
func (c *call) uploadError(err error) error {
	switch code := daypass.CodeOf(err); code {
	case s3.NoSuchUpload, s3.InvalidPartOrder:
		return &daypass.Error{Code: code, Err: err, Details: []daypass.Detail{{Name: "UploadId", Value: c.uploadID()}}}
	}
	return err
}
