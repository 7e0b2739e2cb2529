package server

import (
	"net/http"
	"strings"

	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// copyObject makes an object of another (S3 API reference, CopyObject).
func (s *Server) copyObject(w *response, c *call) error {
	req, err := s.copyRequest(c)
	if err != nil {
		return err
	}
	var obj *store.Object
	err = s.copied(c, func(src *source) (err error) {
		if err = req.take(s, c, src); err == nil {
			obj, err = s.store.CopyObject(c.r.Context(), &req.CopyRequest)
		}
		return err
	})
	if err != nil {
		return err
	}
	s.wrote(w, obj)
	c.setEncryption(w.Header(), obj.Encryption)
	c.setExpiration(w.Header(), obj)
	setNewVersion(w.Header(), obj)
	setSourceVersion(w.Header(), req.Source.VersionID)
	sums, kind := shownChecksums(obj.Checksums)
	result := s3.CopyResult{Modified: obj.ModTime, ETag: obj.ETag, Checksums: sums, ChecksumType: kind}
	return w.xml(http.StatusOK, result.AppendObject(nil))
}

// setSourceVersion names the version that was copied, where there are any.
func setSourceVersion(h http.Header, id string) {
	if id != "" {
		h["X-Amz-Copy-Source-Version-Id"] = []string{id}
	}
}

// A copyRequest is a CopyRequest in the making.
type copyRequest struct {
	store.CopyRequest
	said description
	// replaceMetadata and replaceTags say that the request, not the source,
	// describes the copy.
	replaceMetadata, replaceTags bool
	// encrypts says that the request says how the copy is encrypted.
	encrypts bool
}

// copyRequest returns what the request says about the copy.
func (s *Server) copyRequest(c *call) (r *copyRequest, err error) {
	r = &copyRequest{CopyRequest: store.CopyRequest{
		Bucket: c.ref.Bucket, Key: c.ref.Key, Owner: s.objectOwner(c), Time: c.now,
	}}
	if r.replaceMetadata, err = c.directive("X-Amz-Metadata-Directive", "Unknown metadata directive."); err != nil {
		return nil, err
	}
	if r.replaceTags, err = c.directive("X-Amz-Tagging-Directive", "Unknown tagging directive."); err != nil {
		return nil, err
	}
	if r.Checksum, err = c.checksumAlgorithm(); err != nil {
		return nil, err
	}
	if r.said, err = s.describe(c); err != nil {
		return nil, err
	}
	if r.Conditions, err = c.putConditions(); err != nil {
		return nil, err
	}
	if r.SourceKey, err = s.customerKey(c, customerSource); err != nil {
		return nil, err
	}
	r.encrypts = c.head.has(sseHeader) || c.customerSaid()
	r.Sealing, err = s.sealing(c)
	return r, err
}

// directive reads a header that is COPY or REPLACE.
func (c *call) directive(header, message string) (replace bool, err error) {
	switch v := c.head.get(header); v {
	case "", "COPY":
		return false, nil
	case "REPLACE":
		return true, nil
	default:
		return false, invalidArgument(message, strings.ToLower(header), v)
	}
}

// take completes the request from its source.
func (r *copyRequest) take(s *Server, c *call, src *source) error {
	if err := src.whole(); err != nil {
		return err
	}
	if r.changesNothing(c, src) {
		return invalidRequest("This copy request is illegal because it is trying to copy an object to itself without " +
			"changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	r.Source, r.SourceETag = src.ref, src.obj.ETag
	r.Metadata, r.Tags, r.ACL = r.said.metadata, r.said.tags, r.said.acl
	r.Lock = r.said.lock // that of the source stays behind
	if !r.replaceMetadata {
		// Where a website redirects to, and what storage costs, do not go
		// with the metadata.
		r.Metadata = src.obj.Metadata
		r.Metadata.WebsiteRedirect = r.said.metadata.WebsiteRedirect
		r.Metadata.StorageClass = r.said.metadata.StorageClass
	}
	if r.replaceTags {
		return nil
	}
	r.Tags = src.obj.Tags
	return s.authorizeCopiedTags(c, src.ref, r.Tags)
}

// changesNothing reports whether an object would be copied onto itself as it
// is. An older version may be, which makes it the current one.
func (r *copyRequest) changesNothing(c *call, src *source) bool {
	return !src.named && !r.encrypts && src.ref.Bucket == r.Bucket && src.ref.Key == r.Key && !r.replaceMetadata &&
		c.head.get("X-Amz-Storage-Class") == "" && r.said.metadata.WebsiteRedirect == ""
}
