package s3

import (
	"net/url"
	"strings"
	"time"

	"github.com/daypass/daypass"
)

// A CopyResult is the answer to CopyObject and UploadPartCopy.
type CopyResult struct {
	Modified time.Time
	// ETag is without quotes.
	ETag         string
	Checksums    []Checksum
	ChecksumType string
}

// AppendObject appends the XML body of CopyObject.
func (r *CopyResult) AppendObject(dst []byte) []byte { return r.append(dst, "CopyObjectResult") }

// AppendPart appends the XML body of UploadPartCopy.
func (r *CopyResult) AppendPart(dst []byte) []byte { return r.append(dst, "CopyPartResult") }

func (r *CopyResult) append(dst []byte, root string) []byte {
	w := writer{b: dst}
	w.root(root)
	w.time("LastModified", r.Modified)
	w.text("ETag", QuoteETag(r.ETag))
	w.checksums(r.Checksums)
	w.optional("ChecksumType", r.ChecksumType)
	w.close(root)
	return w.b
}

// ParseCopySource parses x-amz-copy-source: bucket and key, separated by a
// slash and percent-encoded, with an optional slash before and an optional
// versionId after. As in S3, a plus sign stands for a space. Neither the
// bucket's name nor the version's form is checked. InvalidArgument.
func ParseCopySource(header string) (daypass.ObjectRef, error) {
	var ref daypass.ObjectRef
	path, query, _ := strings.Cut(header, "?")
	if query != "" {
		var ok bool
		if ref.VersionID, ok = copyVersion(query); !ok {
			return ref, copySourceError("Unsupported copy source parameter.", header)
		}
	}
	decoded, err := url.QueryUnescape(path)
	if err != nil {
		return ref, copySourceError("Invalid copy source encoding.", header)
	}
	ref.Bucket, ref.Key, _ = strings.Cut(strings.TrimPrefix(decoded, "/"), "/")
	if ref.Bucket == "" || ref.Key == "" {
		return ref, copySourceError("Copy Source must mention the source bucket and key: sourcebucket/sourcekey", header)
	}
	return ref, nil
}

func copyVersion(query string) (id string, ok bool) {
	name, value, _ := strings.Cut(query, "=")
	if name != "versionId" || strings.Contains(value, "&") {
		return "", false
	}
	id, err := url.QueryUnescape(value)
	return id, err == nil
}

func copySourceError(message, header string) error {
	return &daypass.Error{Code: daypass.InvalidArgument, Message: message, Details: []daypass.Detail{
		{Name: "ArgumentName", Value: "x-amz-copy-source"}, {Name: "ArgumentValue", Value: header},
	}}
}
