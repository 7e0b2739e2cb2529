package s3

import (
	"time"

	"github.com/daypass/daypass"
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
	w.account("Owner", r.Owner)
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

// account appends an element that names the account of an owner of access keys.
func (w *writer) account(name, owner string) {
	w.open(name)
	w.text("ID", daypass.CanonicalID(owner))
	w.text("DisplayName", owner)
	w.close(name)
}

// storageClass appends a storage class; empty is STANDARD.
func (w *writer) storageClass(name string) {
	if name == "" {
		name = Standard
	}
	w.text("StorageClass", name)
}

// encodingType says how keys are encoded, where they are.
func (w *writer) encodingType(encode bool) {
	if encode {
		w.text("EncodingType", "url")
	}
}

func (w *writer) commonPrefixes(prefixes []string, encode bool) {
	for _, p := range prefixes {
		w.open("CommonPrefixes")
		w.text("Prefix", encodeIf(encode, p))
		w.close("CommonPrefixes")
	}
}

// An Object is one entry of a listing.
type Object struct {
	Key      string
	Modified time.Time
	// ETag is without quotes.
	ETag string
	// Checksum is the algorithm of the object's checksum, such as CRC32; it
	// may be empty.
	Checksum, ChecksumType string
	Size                   int64
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
	w.encodingType(r.EncodeURL)
	w.bool("IsTruncated", r.Truncated)
	for i := range r.Objects {
		r.appendObject(w, &r.Objects[i])
	}
	w.commonPrefixes(r.CommonPrefixes, r.EncodeURL)
	w.close("ListBucketResult")
}

func (r *ListObjectsResult) appendObject(w *writer, o *Object) {
	w.open("Contents")
	w.text("Key", r.encode(o.Key))
	w.time("LastModified", o.Modified)
	w.text("ETag", QuoteETag(o.ETag))
	if o.Checksum != "" {
		w.text("ChecksumAlgorithm", o.Checksum)
		w.text("ChecksumType", o.ChecksumType)
	}
	w.int("Size", o.Size)
	if o.Owner != "" {
		w.account("Owner", o.Owner)
	}
	w.storageClass(o.StorageClass)
	w.close("Contents")
}

func (r *ListObjectsResult) encode(s string) string { return encodeIf(r.EncodeURL, s) }

func encodeIf(encode bool, s string) string {
	if !encode {
		return s
	}
	return EncodeURL(s)
}

// EncodeURL encodes a key as encoding-type=url asks for: percent-encoded, but
// "/" is kept (S3 API reference, ListObjectsV2, EncodingType). A space is %20,
// which every decoder reads, whether or not it takes "+" for one.
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
		if c := s[i]; urlPlain(c) {
			b = append(b, c)
		} else {
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
	// VersionID is the version that the request named.
	Key, VersionID string
	// Marker is the delete marker that was added or removed, if one was.
	Marker        string
	Code, Message string
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
			if e.Marker != "" {
				w.bool("DeleteMarker", true)
				w.text("DeleteMarkerVersionId", e.Marker)
			}
			w.close("Deleted")
		}
	}
	w.close("DeleteResult")
	return w.b
}
