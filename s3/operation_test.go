package s3

import "testing"

// TestOperations compares the names of the table with those that S3's own logs
// were seen to have.
func TestOperations(t *testing.T) {
	seen := map[string]string{
		"ListBuckets": "REST.GET.SERVICE", "ListObjects": "REST.GET.BUCKET", "ListObjectsV2": "REST.GET.BUCKET",
		"ListObjectVersions": "REST.GET.BUCKETVERSIONS", "HeadBucket": "REST.HEAD.BUCKET", "CreateBucket": "REST.PUT.BUCKET",
		"DeleteBucket": "REST.DELETE.BUCKET", "DeleteObjects": "REST.POST.MULTI_OBJECT_DELETE", "PostObject": "REST.POST.OBJECT",
		"GetBucketLocation": "REST.GET.LOCATION", "ListMultipartUploads": "REST.GET.UPLOADS", "GetBucketAcl": "REST.GET.ACL",
		"GetObjectAcl": "REST.GET.ACL", "PutObjectAcl": "REST.PUT.ACL", "GetBucketLogging": "REST.GET.LOGGING_STATUS",
		"PutBucketLogging": "REST.PUT.LOGGING_STATUS", "GetBucketPolicy": "REST.GET.BUCKETPOLICY",
		"DeleteBucketPolicy": "REST.DELETE.BUCKETPOLICY", "GetBucketPolicyStatus": "REST.GET.POLICY_STATUS",
		"GetPublicAccessBlock": "REST.GET.PUBLIC_ACCESS_BLOCK", "GetBucketOwnershipControls": "REST.GET.OWNERSHIP_CONTROLS",
		"GetObjectLockConfiguration": "REST.GET.OBJECT_LOCK_CONFIGURATION", "GetBucketRequestPayment": "REST.GET.REQUEST_PAYMENT",
		"GetBucketTagging": "REST.GET.TAGGING", "GetObjectTagging": "REST.GET.OBJECT_TAGGING",
		"DeleteObjectTagging": "REST.DELETE.OBJECT_TAGGING", "GetObjectAttributes": "REST.GET.OBJECT_ATTRIBUTES",
		"GetBucketVersioning": "REST.GET.VERSIONING", "GetBucketWebsite": "REST.GET.WEBSITE", "GetBucketCors": "REST.GET.CORS",
		"GetBucketIntelligentTieringConfiguration": "REST.GET.INTELLIGENT_TIERING",
		"GetBucketNotificationConfiguration":       "REST.GET.NOTIFICATION",
		"GetObject":                                "REST.GET.OBJECT", "HeadObject": "REST.HEAD.OBJECT", "PutObject": "REST.PUT.OBJECT",
		"DeleteObject": "REST.DELETE.OBJECT", "CopyObject": "REST.COPY.OBJECT", "UploadPartCopy": "REST.COPY.PART",
		"CreateMultipartUpload": "REST.POST.UPLOADS", "UploadPart": "REST.PUT.PART", "ListParts": "REST.GET.UPLOAD",
		"CompleteMultipartUpload": "REST.POST.UPLOAD", "AbortMultipartUpload": "REST.DELETE.UPLOAD",
		"PutObjectLegalHold": "REST.PUT.LEGAL_HOLD", "PutObjectRetention": "REST.PUT.RETENTION", "RestoreObject": "REST.POST.RESTORE",
	}
	found := 0
	for _, a := range Actions() {
		if want, ok := seen[string(a.Name)]; ok {
			found++
			if a.Operation != want {
				t.Errorf("%s: %s, want %s", a.Name, a.Operation, want)
			}
		}
		if a.Operation == "" {
			t.Errorf("%s has no operation", a.Name)
		}
	}
	if found < len(seen) {
		t.Errorf("%d rows for %d names", found, len(seen))
	}
	for want, got := range map[string]string{
		"REST.POST.OBJECT": Operation("POST", ObjectLevel, ""), "REST.PUT.LOCATION": Operation("PUT", BucketLevel, "location"),
		"": Operation("BREW", ObjectLevel, ""),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
