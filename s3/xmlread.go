package s3

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"

	"github.com/daypass/daypass"
)

// Bounds of XML bodies, in bytes. A DeleteObjects request names at most 1,000
// keys of 1,024 bytes (S3 API reference, DeleteObjects).
const (
	MaxDeleteBody  = 2 << 20
	MaxBucketBody  = 64 << 10
	maxDeletedKeys = 1000
)

// A DeleteRequest is the body of DeleteObjects.
type DeleteRequest struct {
	Quiet   bool          `xml:"Quiet"`
	Objects deleteObjects `xml:"Object"`
}

// deleteObjects collects objects, and refuses to collect more than there may
// be.
type deleteObjects []DeleteObject

// UnmarshalXML implements xml.Unmarshaler for one more object.
func (o *deleteObjects) UnmarshalXML(d *xml.Decoder, start xml.StartElement) error {
	if len(*o) >= maxDeletedKeys {
		return &daypass.Error{Code: daypass.MalformedXML}
	}
	var one DeleteObject
	err := d.DecodeElement(&one, &start)
	*o = append(*o, one)
	return err
}

// A DeleteObject is one object to delete.
type DeleteObject struct {
	Key       string `xml:"Key"`
	VersionID string `xml:"VersionId"`
	// ETag is a condition, with or without quotes.
	ETag string `xml:"ETag"`
	// LastModified and Size are conditions that directory buckets know.
	LastModified string `xml:"LastModifiedTime"`
	Size         string `xml:"Size"`
}

// ParseDelete parses the body of DeleteObjects: 1 to 1,000 objects, each with
// a key. MalformedXML.
func ParseDelete(body []byte) (*DeleteRequest, error) {
	var r DeleteRequest
	if err := unmarshal(body, "Delete", &r); err != nil {
		return nil, err
	}
	if len(r.Objects) == 0 {
		return nil, &daypass.Error{Code: daypass.MalformedXML}
	}
	for i := range r.Objects {
		if r.Objects[i].Key == "" {
			return nil, &daypass.Error{Code: daypass.MalformedXML}
		}
	}
	return &r, nil
}

// A BucketConfiguration is the body of CreateBucket.
type BucketConfiguration struct {
	// LocationConstraint is the region; empty where none is given.
	LocationConstraint string `xml:"LocationConstraint"`
	// Location and Bucket ask for a directory bucket, Tags for tags.
	Location *struct{} `xml:"Location"`
	Bucket   *struct{} `xml:"Bucket"`
	Tags     *struct{} `xml:"Tags"`
}

// ParseBucketConfiguration parses the body of CreateBucket, which may be
// empty. Unknown elements count for nothing. MalformedXML.
func ParseBucketConfiguration(body []byte) (*BucketConfiguration, error) {
	var c BucketConfiguration
	if len(bytes.TrimSpace(body)) == 0 {
		return &c, nil
	}
	if err := unmarshal(body, "CreateBucketConfiguration", &c); err != nil {
		return nil, err
	}
	c.LocationConstraint = strings.TrimSpace(c.LocationConstraint)
	return &c, nil
}

// unmarshal parses one document whose outermost element has the given name,
// in any namespace, and which nothing follows.
func unmarshal(body []byte, root string, v any) error {
	d := xml.NewDecoder(bytes.NewReader(body))
	d.CharsetReader = func(charset string, in io.Reader) (io.Reader, error) {
		return nil, &daypass.Error{Code: daypass.MalformedXML, Message: "The encoding " + charset + " is not supported."}
	}
	start, err := firstElement(d)
	if err == nil && start.Name.Local == root {
		if err = d.DecodeElement(v, &start); err == nil && onlySpace(d) {
			return nil
		}
	}
	return &daypass.Error{Code: daypass.MalformedXML, Err: err}
}

func firstElement(d *xml.Decoder) (xml.StartElement, error) {
	for {
		t, err := d.Token()
		if err != nil {
			return xml.StartElement{}, err
		}
		if start, ok := t.(xml.StartElement); ok {
			return start, nil
		}
	}
}

// onlySpace reports whether nothing but space and comments is left.
func onlySpace(d *xml.Decoder) bool {
	for {
		t, err := d.Token()
		if err != nil {
			return err == io.EOF
		}
		switch t := t.(type) {
		case xml.StartElement, xml.EndElement:
			return false
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				return false
			}
		}
	}
}
