package daypass

// An Action is what a request asks for, by its name in the S3 API reference.
// It is also the name that logs, policies and metrics use.
type Action string

// The actions on buckets.
const (
	ListBuckets       Action = "ListBuckets"
	CreateBucket      Action = "CreateBucket"
	HeadBucket        Action = "HeadBucket"
	DeleteBucket      Action = "DeleteBucket"
	GetBucketLocation Action = "GetBucketLocation"
	ListObjects       Action = "ListObjects"
	ListObjectsV2     Action = "ListObjectsV2"
)

// The actions on objects.
const (
	GetObject     Action = "GetObject"
	HeadObject    Action = "HeadObject"
	PutObject     Action = "PutObject"
	DeleteObject  Action = "DeleteObject"
	DeleteObjects Action = "DeleteObjects"

	CopyObject          Action = "CopyObject"
	GetObjectAttributes Action = "GetObjectAttributes"
	GetObjectTagging    Action = "GetObjectTagging"
	PutObjectTagging    Action = "PutObjectTagging"
	DeleteObjectTagging Action = "DeleteObjectTagging"
)

// The actions on multipart uploads.
const (
	CreateMultipartUpload   Action = "CreateMultipartUpload"
	UploadPart              Action = "UploadPart"
	UploadPartCopy          Action = "UploadPartCopy"
	CompleteMultipartUpload Action = "CompleteMultipartUpload"
	AbortMultipartUpload    Action = "AbortMultipartUpload"
	ListParts               Action = "ListParts"
	ListMultipartUploads    Action = "ListMultipartUploads"
)

// The actions on versions.
const (
	PutBucketVersioning Action = "PutBucketVersioning"
	GetBucketVersioning Action = "GetBucketVersioning"
	ListObjectVersions  Action = "ListObjectVersions"
)

// An ObjectRef names one object, or a bucket where Key is empty.
type ObjectRef struct {
	Bucket string
	// Key is the decoded object key: any bytes, never cleaned.
	Key string
	// VersionID is empty for the current version and "null" for the one
	// that was written while versioning was off.
	VersionID string
}

// String returns the reference as an s3:// URL, for messages.
func (r ObjectRef) String() string {
	s := "s3://" + r.Bucket
	if r.Key != "" {
		s += "/" + r.Key
	}
	if r.VersionID != "" {
		s += "?versionId=" + r.VersionID
	}
	return s
}
