package server

import (
	"cmp"
	"net/http"

	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// listObjectVersions answers with a page of versions and delete markers (S3
// API reference, ListObjectVersions).
func (s *Server) listObjectVersions(w *response, c *call) error {
	r := s3.ListVersionsResult{
		Bucket: c.ref.Bucket, Prefix: c.query.Get("prefix"), Delimiter: c.query.Get("delimiter"),
		KeyMarker: c.query.Get("key-marker"), VersionIDMarker: c.query.Get("version-id-marker"),
	}
	var err error
	if r.EncodeURL, err = c.encodesURL(); err != nil {
		return err
	}
	if r.MaxKeys, err = c.maxParam("max-keys", "maxKeys"); err != nil {
		return err
	}
	page, err := s.store.ListVersions(c.r.Context(), store.VersionsRequest{
		Bucket: r.Bucket, Prefix: r.Prefix, Delimiter: r.Delimiter,
		KeyMarker: r.KeyMarker, VersionMarker: r.VersionIDMarker, Max: r.MaxKeys,
	})
	if err != nil {
		return err
	}
	r.Truncated, r.CommonPrefixes = page.Truncated, page.CommonPrefixes
	r.NextKeyMarker, r.NextVersionMarker = page.NextKey, page.NextVersion
	for _, v := range page.Versions {
		r.Versions = append(r.Versions, shownVersion(v, s.ownerOf(c, v)))
	}
	return w.xml(http.StatusOK, r.Append(nil))
}

// shownVersion returns a version as the listing shows it.
func shownVersion(o *store.Object, owner string) s3.Version {
	v := s3.Version{
		Key: o.Key, VersionID: cmp.Or(o.VersionID, store.NullVersion), IsLatest: o.IsLatest, Modified: o.ModTime,
		Owner: owner, DeleteMarker: o.DeleteMarker,
		ETag: o.ETag, Size: o.Size, StorageClass: o.Metadata.StorageClass,
	}
	if len(o.Checksums) > 0 {
		v.ChecksumAlgorithm, v.ChecksumType = string(o.Checksums[0].Algorithm), checksumType(o.Checksums[0])
	}
	return v
}
