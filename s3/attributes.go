package s3

import (
	"strings"

	"github.com/daypass/daypass"
)

// Attributes are the attributes of an object that GetObjectAttributes may be
// asked for.
type Attributes struct {
	ETag, Checksum, ObjectParts, StorageClass, ObjectSize bool
}

// ParseAttributes parses the lines of x-amz-object-attributes. InvalidArgument,
// InvalidRequest (none).
func ParseAttributes(lines []string) (Attributes, error) {
	var a Attributes
	asked := false
	for name := range strings.SplitSeq(strings.Join(lines, ","), ",") {
		switch name = strings.TrimSpace(name); name {
		case "":
			continue
		case "ETag":
			a.ETag = true
		case "Checksum":
			a.Checksum = true
		case "ObjectParts":
			a.ObjectParts = true
		case "StorageClass":
			a.StorageClass = true
		case "ObjectSize":
			a.ObjectSize = true
		default:
			return a, &daypass.Error{Code: daypass.InvalidArgument, Message: "Invalid attribute name specified.",
				Details: []daypass.Detail{{Name: "ArgumentName", Value: "x-amz-object-attributes"}}}
		}
		asked = true
	}
	if !asked {
		return a, &daypass.Error{Code: daypass.InvalidRequest, Message: "The x-amz-object-attributes header " +
			"specifying the attributes to be retrieved is either missing or empty"}
	}
	return a, nil
}

// An AttributesResult is the answer to GetObjectAttributes.
type AttributesResult struct {
	Wanted Attributes
	// ETag is without quotes, also in the answer.
	ETag         string
	Checksums    []Checksum
	ChecksumType string
	// Parts is nil for an object that was uploaded whole.
	Parts *ObjectParts
	// StorageClass is empty for STANDARD.
	StorageClass string
	Size         int64
}

// ObjectParts are the parts of an object.
type ObjectParts struct {
	// Count is how many there are in all.
	Count                        int
	Marker, NextMarker, MaxParts int
	Truncated                    bool
	// Parts is this page of those that have a checksum.
	Parts []Part
}

// Append appends the XML body.
func (r *AttributesResult) Append(dst []byte) []byte {
	w := writer{b: dst}
	w.root("GetObjectAttributesResponse")
	if r.Wanted.ETag {
		w.text("ETag", r.ETag)
	}
	if r.Wanted.Checksum && len(r.Checksums) > 0 {
		w.open("Checksum")
		w.checksums(r.Checksums)
		w.optional("ChecksumType", r.ChecksumType)
		w.close("Checksum")
	}
	if r.Wanted.ObjectParts && r.Parts != nil {
		w.objectParts(r.Parts)
	}
	if r.Wanted.StorageClass {
		w.storageClass(r.StorageClass)
	}
	if r.Wanted.ObjectSize {
		w.int("ObjectSize", r.Size)
	}
	w.close("GetObjectAttributesResponse")
	return w.b
}

func (w *writer) objectParts(p *ObjectParts) {
	w.open("ObjectParts")
	if len(p.Parts) > 0 {
		w.bool("IsTruncated", p.Truncated)
		w.int("MaxParts", int64(p.MaxParts))
		w.int("NextPartNumberMarker", int64(p.NextMarker))
		w.int("PartNumberMarker", int64(p.Marker))
		for i := range p.Parts {
			part := &p.Parts[i]
			w.open("Part")
			w.checksums(part.Checksums)
			w.int("PartNumber", int64(part.Number))
			w.int("Size", part.Size)
			w.close("Part")
		}
	}
	w.int("PartsCount", int64(p.Count))
	w.close("ObjectParts")
}
