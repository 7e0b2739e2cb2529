package s3

import (
	"time"
)

// A Bucket is one entry of ListBucketsResult.
type Bucket struct {
	Name    string
	Created time.Time
	// Region is shown where it is not empty: S3 does so for requests with
	// any parameter.
	Region string
}

// A ListBucketsResult is the answer to ListBuckets.
type ListBucketsResult struct {
	Owner   string
	Buckets []Bucket
	// ContinuationToken is the token for the next page; empty on the last.
	ContinuationToken string
	Prefix            string
}

// Append appends the XML body.
func (r *ListBucketsResult) Append(dst []byte) []byte {
	w := writer{b: dst}
	w.root("ListAllMyBucketsResult")
	w.owner(r.Owner)
	w.open("Buckets")
	for i := range r.Buckets {
		b := &r.Buckets[i]
		w.open("Bucket")
		w.text("Name", b.Name)
		w.time("CreationDate", b.Created)
		w.optional("BucketRegion", b.Region)
		w.close("Bucket")
	}
	w.close("Buckets")
	w.optional("ContinuationToken", r.ContinuationToken)
	w.optional("Prefix", r.Prefix)
	w.close("ListAllMyBucketsResult")
	return w.b
}

func (w *writer) owner(id string) {
	w.open("Owner")
	w.text("ID", id)
	w.text("DisplayName", id)
	w.close("Owner")
}

// An Object is one entry of a listing.
type Object struct {
	Key      string
	Modified time.Time
	// ETag is without quotes.
	ETag string
	// Checksum is the algorithm of the object's checksum, such as CRC32; it
	// may be empty.
	Checksum string
	Size     int64
	// Owner is shown where it is not empty.
	Owner string
	// StorageClass is empty for STANDARD.
	StorageClass string
}

// A ListObjectsResult is the answer to ListObjects and ListObjectsV2.
type ListObjectsResult struct {
	Bucket, Prefix, Delimiter string
	MaxKeys                   int
	// EncodeURL asks for keys, prefixes, markers and the delimiter in the
	// encoding of encoding-type=url.
	EncodeURL bool
	Truncated bool
	// Marker and NextMarker belong to ListObjects.
	Marker, NextMarker string
	// ContinuationToken, NextToken and StartAfter belong to ListObjectsV2.
	ContinuationToken, NextToken, StartAfter string

	Objects        []Object
	CommonPrefixes []string
}

// AppendV1 appends the XML body of ListObjects.
func (r *ListObjectsResult) AppendV1(dst []byte) []byte {
	w := writer{b: dst}
	w.root("ListBucketResult")
	w.text("Name", r.Bucket)
	w.text("Prefix", r.encode(r.Prefix))
	w.text("Marker", r.encode(r.Marker))
	w.optional("NextMarker", r.encode(r.NextMarker))
	w.int("MaxKeys", int64(r.MaxKeys))
	r.appendEntries(&w)
	return w.b
}

// AppendV2 appends the XML body of ListObjectsV2.
func (r *ListObjectsResult) AppendV2(dst []byte) []byte {
	w := writer{b: dst}
	w.root("ListBucketResult")
	w.text("Name", r.Bucket)
	w.text("Prefix", r.encode(r.Prefix))
	w.optional("ContinuationToken", r.ContinuationToken)
	w.optional("NextContinuationToken", r.NextToken)
	w.optional("StartAfter", r.encode(r.StartAfter))
	w.int("KeyCount", int64(len(r.Objects)+len(r.CommonPrefixes)))
	w.int("MaxKeys", int64(r.MaxKeys))
	r.appendEntries(&w)
	return w.b
}

// appendEntries appends what both versions end with.
func (r *ListObjectsResult) appendEntries(w *writer) {
	w.optional("Delimiter", r.encode(r.Delimiter))
	if r.EncodeURL {
		w.text("EncodingType", "url")
	}
	w.bool("IsTruncated", r.Truncated)
	for i := range r.Objects {
		r.appendObject(w, &r.Objects[i])
	}
	for _, p := range r.CommonPrefixes {
		w.open("CommonPrefixes")
		w.text("Prefix", r.encode(p))
		w.close("CommonPrefixes")
	}
	w.close("ListBucketResult")
}

func (r *ListObjectsResult) appendObject(w *writer, o *Object) {
	w.open("Contents")
	w.text("Key", r.encode(o.Key))
	w.time("LastModified", o.Modified)
	w.text("ETag", QuoteETag(o.ETag))
	if o.Checksum != "" {
		w.text("ChecksumAlgorithm", o.Checksum)
		w.text("ChecksumType", FullObject)
	}
	w.int("Size", o.Size)
	if o.Owner != "" {
		w.owner(o.Owner)
	}
	if o.StorageClass == "" {
		w.text("StorageClass", Standard)
	} else {
		w.text("StorageClass", o.StorageClass)
	}
	w.close("Contents")
}

func (r *ListObjectsResult) encode(s string) string {
	if !r.EncodeURL {
		return s
	}
	return EncodeURL(s)
}

// EncodeURL encodes a key as encoding-type=url asks for: as HTML forms do,
// space as "+", but "/" is kept.
func EncodeURL(s string) string {
	const hex = "0123456789ABCDEF"
	plain := 0
	for plain < len(s) && urlPlain(s[plain]) {
		plain++
	}
	if plain == len(s) {
		return s
	}
	b := append(make([]byte, 0, len(s)+16), s[:plain]...)
	for i := plain; i < len(s); i++ {
		switch c := s[i]; {
		case urlPlain(c):
			b = append(b, c)
		case c == ' ':
			b = append(b, '+')
		default:
			b = append(b, '%', hex[c>>4], hex[c&15])
		}
	}
	return string(b)
}

func urlPlain(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	return c == '-' || c == '_' || c == '.' || c == '*' || c == '/'
}

// AppendLocation appends the XML body of GetBucketLocation. The first region
// is shown as an empty element, for historical reasons.
func AppendLocation(dst []byte, region string) []byte {
	w := writer{b: dst}
	w.root("LocationConstraint")
	if region != FirstRegion {
		w.escape(region)
	}
	w.close("LocationConstraint")
	return w.b
}

// FirstRegion is the region that an empty LocationConstraint stands for.
const FirstRegion = "us-east-1"

// A DeleteResult is the answer to DeleteObjects.
type DeleteResult struct {
	// Quiet leaves out what was deleted.
	Quiet   bool
	Entries []DeletedObject
}

// A DeletedObject is the outcome for one object: deleted where Code is empty.
type DeletedObject struct {
	Key, VersionID string
	Code, Message  string
}

// Append appends the XML body.
func (r *DeleteResult) Append(dst []byte) []byte {
	w := writer{b: dst}
	w.root("DeleteResult")
	for i := range r.Entries {
		e := &r.Entries[i]
		switch {
		case e.Code != "":
			w.open("Error")
			w.text("Key", e.Key)
			w.optional("VersionId", e.VersionID)
			w.text("Code", e.Code)
			w.text("Message", e.Message)
			w.close("Error")
		case !r.Quiet:
			w.open("Deleted")
			w.text("Key", e.Key)
			w.optional("VersionId", e.VersionID)
			w.close("Deleted")
		}
	}
	w.close("DeleteResult")
	return w.b
}
