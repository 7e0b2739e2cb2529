package s3

import "github.com/daypass/daypass"

// A Level is what the path of a request names.
type Level uint8

// The levels.
const (
	ServiceLevel Level = iota // "/"
	BucketLevel
	ObjectLevel
)

// String returns the resource type as error bodies name it.
func (l Level) String() string { return [...]string{"SERVICE", "BUCKET", "OBJECT"}[l] }

// An Action is one row of the table of actions: what a request must look like
// to ask for it, and the permission that it needs.
type Action struct {
	Name   daypass.Action
	Method string
	Level  Level
	// Sub is the sub-resource: a query parameter that must be there.
	Sub string
	// With is a further query parameter, or a header in canonical form, that
	// must be there; rows with one come before those without.
	With string
	// Permission is the IAM action that the request needs (Service
	// Authorization Reference, "Actions defined by Amazon S3").
	Permission string
	// VersionPermission is needed instead where a versionId is given; empty
	// where that makes no difference.
	VersionPermission string
	// Operation is the action's name in S3's access logs; it follows from
	// the others.
	Operation string
}

// A Request tells what Find asks about a request.
type Request interface {
	// Carries reports whether a query parameter or header is there.
	Carries(name string) bool
}

// Find returns the action of a method on a resource with at most one
// sub-resource. Where there is none, the method is not allowed there: a
// request never falls through from an unknown sub-resource to another action.
func Find(method string, level Level, sub string, r Request) (*Action, bool) {
	for _, a := range index[actionKey{method, level, sub}] {
		if a.With == "" || r.Carries(a.With) {
			return a, true
		}
	}
	return nil, false
}

// SubResource returns the sub-resource that a query parameter stands for, or
// "": then the parameter has no say in what the action is. Names are
// sensitive to case, as in S3.
func SubResource(name, value string) string {
	if name == "list-type" && value != "2" || !subResources[name] {
		return ""
	}
	return name
}

// Actions returns the table.
func Actions() []Action { return append([]Action(nil), actions...) }

type actionKey struct {
	method string
	level  Level
	sub    string
}

var index = func() map[actionKey][]*Action {
	m := make(map[actionKey][]*Action, len(actions))
	for i := range actions {
		a := &actions[i]
		k := actionKey{a.Method, a.Level, a.Sub}
		m[k] = append(m[k], a)
	}
	return m
}()

var subResources = func() map[string]bool {
	m := make(map[string]bool)
	for _, a := range actions {
		if a.Sub != "" {
			m[a.Sub] = true
		}
	}
	return m
}()

// PostObject is the upload by a browser's form, which is signed within the
// form rather than in the request.
const PostObject daypass.Action = "PostObject"

const copySource = "X-Amz-Copy-Source"

// actions is every action of the S3 API for general purpose buckets, also
// those that nothing implements yet, so that they are refused by name.
var actions = named([]Action{
	{Name: daypass.ListBuckets, Method: "GET", Level: ServiceLevel, Permission: "s3:ListAllMyBuckets"},

	// Buckets.
	{Name: daypass.ListObjectsV2, Method: "GET", Level: BucketLevel, Sub: "list-type", Permission: "s3:ListBucket"},
	{Name: daypass.ListObjects, Method: "GET", Level: BucketLevel, Permission: "s3:ListBucket"},
	{Name: daypass.HeadBucket, Method: "HEAD", Level: BucketLevel, Permission: "s3:ListBucket"},
	{Name: daypass.CreateBucket, Method: "PUT", Level: BucketLevel, Permission: "s3:CreateBucket"},
	{Name: daypass.DeleteBucket, Method: "DELETE", Level: BucketLevel, Permission: "s3:DeleteBucket"},
	{Name: daypass.DeleteObjects, Method: "POST", Level: BucketLevel, Sub: "delete", Permission: "s3:DeleteObject"},
	{Name: PostObject, Method: "POST", Level: BucketLevel, Permission: "s3:PutObject"},
	{Name: daypass.GetBucketLocation, Method: "GET", Level: BucketLevel, Sub: "location", Permission: "s3:GetBucketLocation"},
	{Name: daypass.ListMultipartUploads, Method: "GET", Level: BucketLevel, Sub: "uploads", Permission: "s3:ListBucketMultipartUploads"},
	{Name: daypass.ListObjectVersions, Method: "GET", Level: BucketLevel, Sub: "versions", Permission: "s3:ListBucketVersions"},
	{Name: "CreateSession", Method: "GET", Level: BucketLevel, Sub: "session", Permission: "s3express:CreateSession"},

	{Name: "GetBucketAbac", Method: "GET", Level: BucketLevel, Sub: "abac", Permission: "s3:GetBucketAbac"},
	{Name: "PutBucketAbac", Method: "PUT", Level: BucketLevel, Sub: "abac", Permission: "s3:PutBucketAbac"},
	{Name: "GetBucketAccelerateConfiguration", Method: "GET", Level: BucketLevel, Sub: "accelerate", Permission: "s3:GetAccelerateConfiguration"},
	{Name: "PutBucketAccelerateConfiguration", Method: "PUT", Level: BucketLevel, Sub: "accelerate", Permission: "s3:PutAccelerateConfiguration"},
	{Name: "GetBucketAcl", Method: "GET", Level: BucketLevel, Sub: "acl", Permission: "s3:GetBucketAcl"},
	{Name: "PutBucketAcl", Method: "PUT", Level: BucketLevel, Sub: "acl", Permission: "s3:PutBucketAcl"},
	{Name: "GetBucketAnalyticsConfiguration", Method: "GET", Level: BucketLevel, Sub: "analytics", With: "id", Permission: "s3:GetAnalyticsConfiguration"},
	{Name: "ListBucketAnalyticsConfigurations", Method: "GET", Level: BucketLevel, Sub: "analytics", Permission: "s3:GetAnalyticsConfiguration"},
	{Name: "PutBucketAnalyticsConfiguration", Method: "PUT", Level: BucketLevel, Sub: "analytics", Permission: "s3:PutAnalyticsConfiguration"},
	{Name: "DeleteBucketAnalyticsConfiguration", Method: "DELETE", Level: BucketLevel, Sub: "analytics", Permission: "s3:PutAnalyticsConfiguration"},
	{Name: "GetBucketCors", Method: "GET", Level: BucketLevel, Sub: "cors", Permission: "s3:GetBucketCORS"},
	{Name: "PutBucketCors", Method: "PUT", Level: BucketLevel, Sub: "cors", Permission: "s3:PutBucketCORS"},
	{Name: "DeleteBucketCors", Method: "DELETE", Level: BucketLevel, Sub: "cors", Permission: "s3:PutBucketCORS"},
	{Name: "GetBucketEncryption", Method: "GET", Level: BucketLevel, Sub: "encryption", Permission: "s3:GetEncryptionConfiguration"},
	{Name: "PutBucketEncryption", Method: "PUT", Level: BucketLevel, Sub: "encryption", Permission: "s3:PutEncryptionConfiguration"},
	{Name: "DeleteBucketEncryption", Method: "DELETE", Level: BucketLevel, Sub: "encryption", Permission: "s3:PutEncryptionConfiguration"},
	{Name: "GetBucketIntelligentTieringConfiguration", Method: "GET", Level: BucketLevel, Sub: "intelligent-tiering", With: "id", Permission: "s3:GetIntelligentTieringConfiguration"},
	{Name: "ListBucketIntelligentTieringConfigurations", Method: "GET", Level: BucketLevel, Sub: "intelligent-tiering", Permission: "s3:GetIntelligentTieringConfiguration"},
	{Name: "PutBucketIntelligentTieringConfiguration", Method: "PUT", Level: BucketLevel, Sub: "intelligent-tiering", Permission: "s3:PutIntelligentTieringConfiguration"},
	{Name: "DeleteBucketIntelligentTieringConfiguration", Method: "DELETE", Level: BucketLevel, Sub: "intelligent-tiering", Permission: "s3:PutIntelligentTieringConfiguration"},
	{Name: "GetBucketInventoryConfiguration", Method: "GET", Level: BucketLevel, Sub: "inventory", With: "id", Permission: "s3:GetInventoryConfiguration"},
	{Name: "ListBucketInventoryConfigurations", Method: "GET", Level: BucketLevel, Sub: "inventory", Permission: "s3:GetInventoryConfiguration"},
	{Name: "PutBucketInventoryConfiguration", Method: "PUT", Level: BucketLevel, Sub: "inventory", Permission: "s3:PutInventoryConfiguration"},
	{Name: "DeleteBucketInventoryConfiguration", Method: "DELETE", Level: BucketLevel, Sub: "inventory", Permission: "s3:PutInventoryConfiguration"},
	{Name: "GetBucketLifecycleConfiguration", Method: "GET", Level: BucketLevel, Sub: "lifecycle", Permission: "s3:GetLifecycleConfiguration"},
	{Name: "PutBucketLifecycleConfiguration", Method: "PUT", Level: BucketLevel, Sub: "lifecycle", Permission: "s3:PutLifecycleConfiguration"},
	{Name: "DeleteBucketLifecycle", Method: "DELETE", Level: BucketLevel, Sub: "lifecycle", Permission: "s3:PutLifecycleConfiguration"},
	{Name: "GetBucketLogging", Method: "GET", Level: BucketLevel, Sub: "logging", Permission: "s3:GetBucketLogging"},
	{Name: "PutBucketLogging", Method: "PUT", Level: BucketLevel, Sub: "logging", Permission: "s3:PutBucketLogging"},
	{Name: "CreateBucketMetadataConfiguration", Method: "POST", Level: BucketLevel, Sub: "metadataConfiguration", Permission: "s3:CreateBucketMetadataTableConfiguration"},
	{Name: "GetBucketMetadataConfiguration", Method: "GET", Level: BucketLevel, Sub: "metadataConfiguration", Permission: "s3:GetBucketMetadataTableConfiguration"},
	{Name: "DeleteBucketMetadataConfiguration", Method: "DELETE", Level: BucketLevel, Sub: "metadataConfiguration", Permission: "s3:DeleteBucketMetadataTableConfiguration"},
	{Name: "CreateBucketMetadataTableConfiguration", Method: "POST", Level: BucketLevel, Sub: "metadataTable", Permission: "s3:CreateBucketMetadataTableConfiguration"},
	{Name: "GetBucketMetadataTableConfiguration", Method: "GET", Level: BucketLevel, Sub: "metadataTable", Permission: "s3:GetBucketMetadataTableConfiguration"},
	{Name: "DeleteBucketMetadataTableConfiguration", Method: "DELETE", Level: BucketLevel, Sub: "metadataTable", Permission: "s3:DeleteBucketMetadataTableConfiguration"},
	{Name: "UpdateBucketMetadataInventoryTableConfiguration", Method: "PUT", Level: BucketLevel, Sub: "metadataInventoryTable", Permission: "s3:UpdateBucketMetadataInventoryTableConfiguration"},
	{Name: "UpdateBucketMetadataJournalTableConfiguration", Method: "PUT", Level: BucketLevel, Sub: "metadataJournalTable", Permission: "s3:UpdateBucketMetadataJournalTableConfiguration"},
	{Name: "GetBucketMetricsConfiguration", Method: "GET", Level: BucketLevel, Sub: "metrics", With: "id", Permission: "s3:GetMetricsConfiguration"},
	{Name: "ListBucketMetricsConfigurations", Method: "GET", Level: BucketLevel, Sub: "metrics", Permission: "s3:GetMetricsConfiguration"},
	{Name: "PutBucketMetricsConfiguration", Method: "PUT", Level: BucketLevel, Sub: "metrics", Permission: "s3:PutMetricsConfiguration"},
	{Name: "DeleteBucketMetricsConfiguration", Method: "DELETE", Level: BucketLevel, Sub: "metrics", Permission: "s3:PutMetricsConfiguration"},
	{Name: "GetBucketNotificationConfiguration", Method: "GET", Level: BucketLevel, Sub: "notification", Permission: "s3:GetBucketNotification"},
	{Name: "PutBucketNotificationConfiguration", Method: "PUT", Level: BucketLevel, Sub: "notification", Permission: "s3:PutBucketNotification"},
	{Name: "GetObjectLockConfiguration", Method: "GET", Level: BucketLevel, Sub: "object-lock", Permission: "s3:GetBucketObjectLockConfiguration"},
	{Name: "PutObjectLockConfiguration", Method: "PUT", Level: BucketLevel, Sub: "object-lock", Permission: "s3:PutBucketObjectLockConfiguration"},
	{Name: "GetBucketOwnershipControls", Method: "GET", Level: BucketLevel, Sub: "ownershipControls", Permission: "s3:GetBucketOwnershipControls"},
	{Name: "PutBucketOwnershipControls", Method: "PUT", Level: BucketLevel, Sub: "ownershipControls", Permission: "s3:PutBucketOwnershipControls"},
	{Name: "DeleteBucketOwnershipControls", Method: "DELETE", Level: BucketLevel, Sub: "ownershipControls", Permission: "s3:PutBucketOwnershipControls"},
	{Name: "GetBucketPolicy", Method: "GET", Level: BucketLevel, Sub: "policy", Permission: "s3:GetBucketPolicy"},
	{Name: "PutBucketPolicy", Method: "PUT", Level: BucketLevel, Sub: "policy", Permission: "s3:PutBucketPolicy"},
	{Name: "DeleteBucketPolicy", Method: "DELETE", Level: BucketLevel, Sub: "policy", Permission: "s3:DeleteBucketPolicy"},
	{Name: "GetBucketPolicyStatus", Method: "GET", Level: BucketLevel, Sub: "policyStatus", Permission: "s3:GetBucketPolicyStatus"},
	{Name: "GetPublicAccessBlock", Method: "GET", Level: BucketLevel, Sub: "publicAccessBlock", Permission: "s3:GetBucketPublicAccessBlock"},
	{Name: "PutPublicAccessBlock", Method: "PUT", Level: BucketLevel, Sub: "publicAccessBlock", Permission: "s3:PutBucketPublicAccessBlock"},
	{Name: "DeletePublicAccessBlock", Method: "DELETE", Level: BucketLevel, Sub: "publicAccessBlock", Permission: "s3:PutBucketPublicAccessBlock"},
	{Name: "GetBucketReplication", Method: "GET", Level: BucketLevel, Sub: "replication", Permission: "s3:GetReplicationConfiguration"},
	{Name: "PutBucketReplication", Method: "PUT", Level: BucketLevel, Sub: "replication", Permission: "s3:PutReplicationConfiguration"},
	{Name: "DeleteBucketReplication", Method: "DELETE", Level: BucketLevel, Sub: "replication", Permission: "s3:PutReplicationConfiguration"},
	{Name: "GetBucketRequestPayment", Method: "GET", Level: BucketLevel, Sub: "requestPayment", Permission: "s3:GetBucketRequestPayment"},
	{Name: "PutBucketRequestPayment", Method: "PUT", Level: BucketLevel, Sub: "requestPayment", Permission: "s3:PutBucketRequestPayment"},
	{Name: "GetBucketTagging", Method: "GET", Level: BucketLevel, Sub: "tagging", Permission: "s3:GetBucketTagging"},
	{Name: "PutBucketTagging", Method: "PUT", Level: BucketLevel, Sub: "tagging", Permission: "s3:PutBucketTagging"},
	{Name: "DeleteBucketTagging", Method: "DELETE", Level: BucketLevel, Sub: "tagging", Permission: "s3:PutBucketTagging"},
	{Name: daypass.GetBucketVersioning, Method: "GET", Level: BucketLevel, Sub: "versioning", Permission: "s3:GetBucketVersioning"},
	{Name: daypass.PutBucketVersioning, Method: "PUT", Level: BucketLevel, Sub: "versioning", Permission: "s3:PutBucketVersioning"},
	{Name: "GetBucketWebsite", Method: "GET", Level: BucketLevel, Sub: "website", Permission: "s3:GetBucketWebsite"},
	{Name: "PutBucketWebsite", Method: "PUT", Level: BucketLevel, Sub: "website", Permission: "s3:PutBucketWebsite"},
	{Name: "DeleteBucketWebsite", Method: "DELETE", Level: BucketLevel, Sub: "website", Permission: "s3:DeleteBucketWebsite"},

	// Objects.
	{Name: daypass.GetObject, Method: "GET", Level: ObjectLevel, Permission: "s3:GetObject", VersionPermission: "s3:GetObjectVersion"},
	{Name: daypass.HeadObject, Method: "HEAD", Level: ObjectLevel, Permission: "s3:GetObject", VersionPermission: "s3:GetObjectVersion"},
	// A part whose upload is missing must not become the object.
	{Name: daypass.UploadPart, Method: "PUT", Level: ObjectLevel, With: "partNumber", Permission: "s3:PutObject"},
	{Name: daypass.CopyObject, Method: "PUT", Level: ObjectLevel, With: copySource, Permission: "s3:PutObject"},
	{Name: daypass.PutObject, Method: "PUT", Level: ObjectLevel, Permission: "s3:PutObject"},
	{Name: daypass.DeleteObject, Method: "DELETE", Level: ObjectLevel, Permission: "s3:DeleteObject", VersionPermission: "s3:DeleteObjectVersion"},

	{Name: daypass.CreateMultipartUpload, Method: "POST", Level: ObjectLevel, Sub: "uploads", Permission: "s3:PutObject"},
	{Name: daypass.UploadPartCopy, Method: "PUT", Level: ObjectLevel, Sub: "uploadId", With: copySource, Permission: "s3:PutObject"},
	{Name: daypass.UploadPart, Method: "PUT", Level: ObjectLevel, Sub: "uploadId", Permission: "s3:PutObject"},
	{Name: daypass.ListParts, Method: "GET", Level: ObjectLevel, Sub: "uploadId", Permission: "s3:ListMultipartUploadParts"},
	{Name: daypass.CompleteMultipartUpload, Method: "POST", Level: ObjectLevel, Sub: "uploadId", Permission: "s3:PutObject"},
	{Name: daypass.AbortMultipartUpload, Method: "DELETE", Level: ObjectLevel, Sub: "uploadId", Permission: "s3:AbortMultipartUpload"},

	{Name: "GetObjectAcl", Method: "GET", Level: ObjectLevel, Sub: "acl", Permission: "s3:GetObjectAcl", VersionPermission: "s3:GetObjectVersionAcl"},
	{Name: "PutObjectAcl", Method: "PUT", Level: ObjectLevel, Sub: "acl", Permission: "s3:PutObjectAcl", VersionPermission: "s3:PutObjectVersionAcl"},
	{Name: daypass.GetObjectAttributes, Method: "GET", Level: ObjectLevel, Sub: "attributes", Permission: "s3:GetObjectAttributes", VersionPermission: "s3:GetObjectVersionAttributes"},
	{Name: "UpdateObjectEncryption", Method: "PUT", Level: ObjectLevel, Sub: "encryption", Permission: "s3:UpdateObjectEncryption"},
	{Name: "GetObjectLegalHold", Method: "GET", Level: ObjectLevel, Sub: "legal-hold", Permission: "s3:GetObjectLegalHold"},
	{Name: "PutObjectLegalHold", Method: "PUT", Level: ObjectLevel, Sub: "legal-hold", Permission: "s3:PutObjectLegalHold"},
	{Name: "RenameObject", Method: "PUT", Level: ObjectLevel, Sub: "renameObject", Permission: "s3:PutObject"},
	{Name: "RestoreObject", Method: "POST", Level: ObjectLevel, Sub: "restore", Permission: "s3:RestoreObject"},
	{Name: "GetObjectRetention", Method: "GET", Level: ObjectLevel, Sub: "retention", Permission: "s3:GetObjectRetention"},
	{Name: "PutObjectRetention", Method: "PUT", Level: ObjectLevel, Sub: "retention", Permission: "s3:PutObjectRetention"},
	{Name: "SelectObjectContent", Method: "POST", Level: ObjectLevel, Sub: "select", Permission: "s3:GetObject"},
	{Name: daypass.GetObjectTagging, Method: "GET", Level: ObjectLevel, Sub: "tagging", Permission: "s3:GetObjectTagging", VersionPermission: "s3:GetObjectVersionTagging"},
	{Name: daypass.PutObjectTagging, Method: "PUT", Level: ObjectLevel, Sub: "tagging", Permission: "s3:PutObjectTagging", VersionPermission: "s3:PutObjectVersionTagging"},
	{Name: daypass.DeleteObjectTagging, Method: "DELETE", Level: ObjectLevel, Sub: "tagging", Permission: "s3:DeleteObjectTagging", VersionPermission: "s3:DeleteObjectVersionTagging"},
	{Name: "GetObjectTorrent", Method: "GET", Level: ObjectLevel, Sub: "torrent", Permission: "s3:GetObjectTorrent"},
})
