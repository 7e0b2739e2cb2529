package server

import (
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
)

// An operation carries out an action. It returns an error only before it has
// begun to answer, or when the answer cannot be completed.
type operation func(*Server, *response, *call) error

// operations are the actions on buckets and objects that are implemented. With
// settings, they are all; any other action of the table in package s3 is
// refused by name.
var operations = map[daypass.Action]operation{
	daypass.ListBuckets:       (*Server).listBuckets,
	daypass.CreateBucket:      (*Server).createBucket,
	daypass.HeadBucket:        (*Server).headBucket,
	daypass.DeleteBucket:      (*Server).deleteBucket,
	daypass.GetBucketLocation: (*Server).getBucketLocation,
	daypass.ListObjects:       (*Server).listObjects,
	daypass.ListObjectsV2:     (*Server).listObjectsV2,
	daypass.GetObject:         (*Server).getObject,
	daypass.HeadObject:        (*Server).headObject,
	daypass.PutObject:         (*Server).putObject,
	daypass.DeleteObject:      (*Server).deleteObject,
	daypass.DeleteObjects:     (*Server).deleteObjects,
	s3.PostObject:             (*Server).postObject,
	daypass.CopyObject:        (*Server).copyObject,

	daypass.GetObjectAttributes: (*Server).getObjectAttributes,
	daypass.GetObjectTagging:    (*Server).getObjectTagging,
	daypass.PutObjectTagging:    (*Server).putObjectTagging,
	daypass.DeleteObjectTagging: (*Server).deleteObjectTagging,

	daypass.CreateMultipartUpload:   (*Server).createMultipartUpload,
	daypass.UploadPart:              (*Server).uploadPart,
	daypass.UploadPartCopy:          (*Server).uploadPartCopy,
	daypass.CompleteMultipartUpload: (*Server).completeMultipartUpload,
	daypass.AbortMultipartUpload:    (*Server).abortMultipartUpload,
	daypass.ListParts:               (*Server).listParts,
	daypass.ListMultipartUploads:    (*Server).listMultipartUploads,

	daypass.GetBucketVersioning: (*Server).getBucketVersioning,
	daypass.PutBucketVersioning: (*Server).putBucketVersioning,
	daypass.ListObjectVersions:  (*Server).listObjectVersions,

	"GetObjectLockConfiguration": (*Server).getObjectLockConfiguration,
	"PutObjectLockConfiguration": (*Server).putObjectLockConfiguration,
	"GetObjectRetention":         (*Server).getObjectRetention,
	putObjectRetention:           (*Server).putObjectRetention,
	"GetObjectLegalHold":         (*Server).getObjectLegalHold,
	putObjectLegalHold:           (*Server).putObjectLegalHold,
}
