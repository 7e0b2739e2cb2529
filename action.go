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

// The actions of STS.
const (
	AssumeRole        Action = "AssumeRole"
	GetSessionToken   Action = "GetSessionToken"
	GetCallerIdentity Action = "GetCallerIdentity"
)

// The actions of the admin API, as events name them. Those on access keys have
// the names that IAM has for them.
const (
	GetServer             Action = "GetServer"
	GetAPIDescription     Action = "GetAPIDescription"
	ListAccessKeys        Action = "ListAccessKeys"
	CreateAccessKey       Action = "CreateAccessKey"
	GetAccessKey          Action = "GetAccessKey"
	DisableAccessKey      Action = "DisableAccessKey"
	EnableAccessKey       Action = "EnableAccessKey"
	PutAccessKeyPolicy    Action = "PutAccessKeyPolicy"
	DeleteAccessKeyPolicy Action = "DeleteAccessKeyPolicy"
	DeleteAccessKey       Action = "DeleteAccessKey"
	ListPasses            Action = "ListPasses"
	GetPass               Action = "GetPass"
	ExplainPass           Action = "ExplainPass"
	RestorePass           Action = "RestorePass"
	ListRevocations       Action = "ListRevocations"
	RevokePasses          Action = "RevokePasses"
	LiftRevocation        Action = "LiftRevocation"
	Presign               Action = "Presign"
	GetEncryption         Action = "GetEncryption"
	RotateEncryption      Action = "RotateEncryption"
	// UnknownAdminAction is a request to a path that the admin API lacks.
	UnknownAdminAction Action = "UnknownAdminAction"
)

// A Service is what an action belongs to.
type Service string

// The services.
const (
	ServiceS3      Service = "s3"
	ServiceSTS     Service = "sts"
	ServiceDaypass Service = "daypass" // the admin API
)

// Service returns the service that an action belongs to; S3 for what is not
// known.
func (a Action) Service() Service {
	switch a {
	case AssumeRole, GetSessionToken, GetCallerIdentity:
		return ServiceSTS
	case GetServer, GetAPIDescription, ListAccessKeys, CreateAccessKey, GetAccessKey, DisableAccessKey, EnableAccessKey,
		PutAccessKeyPolicy, DeleteAccessKeyPolicy, DeleteAccessKey, ListPasses, GetPass, ExplainPass, RestorePass,
		ListRevocations, RevokePasses, LiftRevocation, Presign, GetEncryption, RotateEncryption, UnknownAdminAction:
		return ServiceDaypass
	}
	return ServiceS3
}

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
