package s3

import (
	"time"

	"github.com/daypass/daypass"
)

// A VersioningConfiguration is the body of PutBucketVersioning.
type VersioningConfiguration struct {
	// Status is "Enabled" or "Suspended".
	Status string `xml:"Status"`
	// MFADelete is "Enabled", "Disabled" or empty.
	MFADelete string `xml:"MfaDelete"`
}

// The values of both.
const (
	Enabled   = "Enabled"
	Disabled  = "Disabled"
	Suspended = "Suspended"
)

// ParseVersioning parses the body of PutBucketVersioning. MalformedXML,
// IllegalVersioningConfigurationException (no Status).
func ParseVersioning(body []byte) (VersioningConfiguration, error) {
	var c VersioningConfiguration
	if err := unmarshal(body, "VersioningConfiguration", &c); err != nil {
		return c, err
	}
	switch c.Status {
	case Enabled, Suspended:
	case "":
		return c, &daypass.Error{Code: IllegalVersioning}
	default:
		return c, &daypass.Error{Code: daypass.MalformedXML}
	}
	switch c.MFADelete {
	case Enabled, Disabled, "":
		return c, nil
	}
	return c, &daypass.Error{Code: daypass.MalformedXML}
}

// AppendVersioning appends the XML body of GetBucketVersioning; status is empty
// for a bucket that has never had versions.
func AppendVersioning(dst []byte, status string) []byte {
	w := writer{b: dst}
	w.root("VersioningConfiguration")
	w.optional("Status", status)
	w.close("VersioningConfiguration")
	return w.b
}

// A Version is one version of an object, or a delete marker.
type Version struct {
	Key, VersionID string
	IsLatest       bool
	Modified       time.Time
	Owner          string
	// DeleteMarker says that the rest is empty.
	DeleteMarker bool
	// ETag is without quotes.
	ETag                            string
	ChecksumAlgorithm, ChecksumType string
	Size                            int64
	// StorageClass is empty for STANDARD.
	StorageClass string
}

// A ListVersionsResult is the answer to ListObjectVersions.
type ListVersionsResult struct {
	Bucket, Prefix, Delimiter        string
	KeyMarker, VersionIDMarker       string
	NextKeyMarker, NextVersionMarker string
	MaxKeys                          int
	EncodeURL, Truncated             bool
	Versions                         []Version
	CommonPrefixes                   []string
}

// Append appends the XML body.
func (r *ListVersionsResult) Append(dst []byte) []byte {
	w := writer{b: dst}
	w.root("ListVersionsResult")
	w.text("Name", r.Bucket)
	w.text("Prefix", encodeIf(r.EncodeURL, r.Prefix))
	w.text("KeyMarker", encodeIf(r.EncodeURL, r.KeyMarker))
	w.text("VersionIdMarker", r.VersionIDMarker)
	w.optional("NextKeyMarker", encodeIf(r.EncodeURL, r.NextKeyMarker))
	w.optional("NextVersionIdMarker", r.NextVersionMarker)
	w.int("MaxKeys", int64(r.MaxKeys))
	w.optional("Delimiter", encodeIf(r.EncodeURL, r.Delimiter))
	w.encodingType(r.EncodeURL)
	w.bool("IsTruncated", r.Truncated)
	for i := range r.Versions {
		w.version(&r.Versions[i], r.EncodeURL)
	}
	w.commonPrefixes(r.CommonPrefixes, r.EncodeURL)
	w.close("ListVersionsResult")
	return w.b
}

func (w *writer) version(v *Version, encode bool) {
	name := "Version"
	if v.DeleteMarker {
		name = "DeleteMarker"
	}
	w.open(name)
	w.text("Key", encodeIf(encode, v.Key))
	w.text("VersionId", v.VersionID)
	w.bool("IsLatest", v.IsLatest)
	w.time("LastModified", v.Modified)
	if !v.DeleteMarker {
		w.text("ETag", QuoteETag(v.ETag))
		w.optional("ChecksumAlgorithm", v.ChecksumAlgorithm)
		w.optional("ChecksumType", v.ChecksumType)
		w.int("Size", v.Size)
		w.storageClass(v.StorageClass)
	}
	w.account("Owner", v.Owner)
	w.close(name)
}
