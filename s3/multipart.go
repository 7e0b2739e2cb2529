package s3

import (
	"encoding/xml"
	"strconv"
	"strings"
	"time"

	"github.com/daypass/daypass"
)

// MaxCompleteBody bounds the body of CompleteMultipartUpload, in bytes: 10,000
// parts, generously indented.
const MaxCompleteBody = 8 << 20

// A CompletePart is one part as CompleteMultipartUpload names it.
type CompletePart struct {
	Number int
	// ETag is without quotes.
	ETag      string
	Checksums []Checksum
}

// ParseComplete parses the body of CompleteMultipartUpload: 1 to 10,000 parts,
// each with a number and an ETag. Numbers are checked only for being such.
// MalformedXML, InvalidRequest (no part at all).
func ParseComplete(body []byte) ([]CompletePart, error) {
	var r struct {
		Parts completeParts `xml:"Part"`
	}
	if err := unmarshal(body, "CompleteMultipartUpload", &r); err != nil {
		return nil, err
	}
	if len(r.Parts) == 0 {
		return nil, &daypass.Error{Code: daypass.InvalidRequest, Message: "You must specify at least one part"}
	}
	return r.Parts, nil
}

// completeParts collects parts, and refuses to collect more than there may be.
type completeParts []CompletePart

// UnmarshalXML implements xml.Unmarshaler for one more part.
func (p *completeParts) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	var part struct {
		Number *string `xml:"PartNumber"`
		ETag   *string `xml:"ETag"`
		ChecksumFields
	}
	if len(*p) >= MaxObjectPart {
		return &daypass.Error{Code: daypass.MalformedXML}
	}
	if err := d.DecodeElement(&part, &start); err != nil {
		return err
	}
	if part.Number == nil || part.ETag == nil {
		return &daypass.Error{Code: daypass.MalformedXML}
	}
	n, err := strconv.Atoi(strings.TrimSpace(*part.Number))
	if err != nil {
		return &daypass.Error{Code: daypass.MalformedXML, Err: err}
	}
	*p = append(*p, CompletePart{Number: n, ETag: UnquoteETag(*part.ETag), Checksums: part.List()})
	return nil
}

// AppendInitiated appends the XML body of CreateMultipartUpload.
func AppendInitiated(dst []byte, bucket, key, uploadID string) []byte {
	w := writer{b: dst}
	w.root("InitiateMultipartUploadResult")
	w.text("Bucket", bucket)
	w.text("Key", key)
	w.text("UploadId", uploadID)
	w.close("InitiateMultipartUploadResult")
	return w.b
}

// A CompleteResult is the answer to CompleteMultipartUpload.
type CompleteResult struct {
	// Location is the URL of the object.
	Location, Bucket, Key string
	// ETag is without quotes.
	ETag         string
	Checksums    []Checksum
	ChecksumType string
}

// Append appends the XML body.
func (r *CompleteResult) Append(dst []byte) []byte {
	w := writer{b: dst}
	w.root("CompleteMultipartUploadResult")
	w.text("Location", r.Location)
	w.text("Bucket", r.Bucket)
	w.text("Key", r.Key)
	w.text("ETag", QuoteETag(r.ETag))
	w.checksums(r.Checksums)
	w.optional("ChecksumType", r.ChecksumType)
	w.close("CompleteMultipartUploadResult")
	return w.b
}

// A Part is one part of an upload or of an object.
type Part struct {
	Number   int
	Modified time.Time
	// ETag is without quotes.
	ETag      string
	Size      int64
	Checksums []Checksum
}

// An Upload is a multipart upload under way, as listings show it.
type Upload struct {
	Key, UploadID string
	// Owner is also shown as the initiator.
	Owner string
	// StorageClass is empty for STANDARD.
	StorageClass                    string
	Initiated                       time.Time
	ChecksumAlgorithm, ChecksumType string
}

// A ListPartsResult is the answer to ListParts.
type ListPartsResult struct {
	Bucket string
	Upload Upload
	// EncodeURL asks for the key in the encoding of encoding-type=url.
	EncodeURL        bool
	Marker, MaxParts int
	// NextMarker is the number of the last part of this page.
	NextMarker int
	Truncated  bool
	Parts      []Part
}

// Append appends the XML body.
func (r *ListPartsResult) Append(dst []byte) []byte {
	w := writer{b: dst}
	w.root("ListPartsResult")
	w.text("Bucket", r.Bucket)
	w.text("Key", encodeIf(r.EncodeURL, r.Upload.Key))
	w.text("UploadId", r.Upload.UploadID)
	w.account("Initiator", r.Upload.Owner)
	w.account("Owner", r.Upload.Owner)
	w.storageClass(r.Upload.StorageClass)
	w.int("PartNumberMarker", int64(r.Marker))
	w.int("NextPartNumberMarker", int64(r.NextMarker))
	w.int("MaxParts", int64(r.MaxParts))
	w.encodingType(r.EncodeURL)
	w.bool("IsTruncated", r.Truncated)
	w.optional("ChecksumAlgorithm", r.Upload.ChecksumAlgorithm)
	w.optional("ChecksumType", r.Upload.ChecksumType)
	for i := range r.Parts {
		w.part(&r.Parts[i])
	}
	w.close("ListPartsResult")
	return w.b
}

func (w *writer) part(p *Part) {
	w.open("Part")
	w.int("PartNumber", int64(p.Number))
	w.time("LastModified", p.Modified)
	w.text("ETag", QuoteETag(p.ETag))
	w.int("Size", p.Size)
	w.checksums(p.Checksums)
	w.close("Part")
}

// A ListUploadsResult is the answer to ListMultipartUploads.
type ListUploadsResult struct {
	Bucket, Prefix, Delimiter   string
	KeyMarker, UploadIDMarker   string
	NextKeyMarker, NextUploadID string
	MaxUploads                  int
	EncodeURL, Truncated        bool
	Uploads                     []Upload
	CommonPrefixes              []string
}

// Append appends the XML body.
func (r *ListUploadsResult) Append(dst []byte) []byte {
	w := writer{b: dst}
	w.root("ListMultipartUploadsResult")
	w.text("Bucket", r.Bucket)
	w.text("KeyMarker", encodeIf(r.EncodeURL, r.KeyMarker))
	w.text("UploadIdMarker", r.UploadIDMarker)
	w.text("NextKeyMarker", encodeIf(r.EncodeURL, r.NextKeyMarker))
	w.text("NextUploadIdMarker", r.NextUploadID)
	w.optional("Delimiter", encodeIf(r.EncodeURL, r.Delimiter))
	w.text("Prefix", encodeIf(r.EncodeURL, r.Prefix))
	w.int("MaxUploads", int64(r.MaxUploads))
	w.encodingType(r.EncodeURL)
	w.bool("IsTruncated", r.Truncated)
	for i := range r.Uploads {
		w.upload(&r.Uploads[i], r.EncodeURL)
	}
	w.commonPrefixes(r.CommonPrefixes, r.EncodeURL)
	w.close("ListMultipartUploadsResult")
	return w.b
}

func (w *writer) upload(u *Upload, encode bool) {
	w.open("Upload")
	w.text("Key", encodeIf(encode, u.Key))
	w.text("UploadId", u.UploadID)
	w.account("Initiator", u.Owner)
	w.account("Owner", u.Owner)
	w.storageClass(u.StorageClass)
	w.time("Initiated", u.Initiated)
	w.optional("ChecksumAlgorithm", u.ChecksumAlgorithm)
	w.optional("ChecksumType", u.ChecksumType)
	w.close("Upload")
}
