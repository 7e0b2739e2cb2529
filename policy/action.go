package policy

import "strings"

// An actionPattern is an action as a policy names it: "s3:GetObject",
// "s3:Get*" or "*". Names are insensitive to case (IAM User Guide, "Policy
// elements: Action").
type actionPattern struct {
	raw  string
	glob glob // in lower case
}

func compileAction(raw string) actionPattern {
	parts, _ := syntax{wildcards: true}.pieces(strings.ToLower(raw)) // fails for variables only
	return actionPattern{raw, globOf(parts)}
}

// lowerAction returns an action's name in lower case, without allocating for
// those of S3.
func lowerAction(name string) string {
	if a, ok := s3Actions[name]; ok {
		return a.lower
	}
	return strings.ToLower(name)
}

type s3Action struct {
	lower string
	set   actionSet // of this action alone
}

// An actionSet is a set of actions of S3.
type actionSet [4]uint64

func (s *actionSet) add(other actionSet) {
	for i := range s {
		s[i] |= other[i]
	}
}

// meets reports whether two sets and a third have a member in common.
func (s actionSet) meets(a, b actionSet) bool {
	for i := range s {
		if s[i]&a[i]&b[i] != 0 {
			return true
		}
	}
	return false
}

// s3Actions is every action of the service prefix s3 (Service Authorization
// Reference, "Actions, resources, and condition keys for Amazon S3").
var s3Actions = func() map[string]s3Action {
	m := make(map[string]s3Action)
	for _, name := range strings.Fields(objectActions + bucketActions + otherActions) {
		var set actionSet
		set[len(m)/64] = 1 << (len(m) % 64)
		m["s3:"+name] = s3Action{"s3:" + strings.ToLower(name), set}
	}
	return m
}()

// The actions that are about each kind of resource; others are about accounts
// and what else they own.
var (
	ofObjects  = actionsNamed(objectActions)
	ofBuckets  = actionsNamed(bucketActions)
	allActions = s3Matching(compileAction("*"))
)

// actionsNamed returns the set of a list of patterns without service prefix.
func actionsNamed(list string) actionSet {
	var set actionSet
	for _, name := range strings.Fields(list) {
		set.add(s3Matching(compileAction("s3:" + name)))
	}
	return set
}

// s3Matching returns the actions of S3 that a pattern names.
func s3Matching(p actionPattern) actionSet {
	var set actionSet
	for _, a := range s3Actions {
		if p.glob.match(a.lower) {
			set.add(a.set)
		}
	}
	return set
}

const objectActions = `
AbortMultipartUpload BypassGovernanceRetention DeleteObject DeleteObjectTagging
DeleteObjectVersion DeleteObjectVersionTagging GetObject GetObjectAcl
GetObjectAttributes GetObjectLegalHold GetObjectRetention GetObjectTagging
GetObjectTorrent GetObjectVersion GetObjectVersionAcl
GetObjectVersionAttributes GetObjectVersionForReplication
GetObjectVersionTagging GetObjectVersionTorrent InitiateReplication
ListMultipartUploadParts ObjectOwnerOverrideToBucketOwner PutObject
PutObjectAcl PutObjectLegalHold PutObjectRetention PutObjectTagging
PutObjectVersionAcl PutObjectVersionTagging ReplicateDelete ReplicateObject
ReplicateTags RestoreObject UpdateObjectEncryption`

const bucketActions = `
CreateBucket CreateBucketMetadataTableConfiguration DeleteBucket
DeleteBucketMetadataTableConfiguration DeleteBucketPolicy DeleteBucketWebsite
GetAccelerateConfiguration GetAnalyticsConfiguration GetBucketAbac GetBucketAcl
GetBucketCORS GetBucketLocation GetBucketLogging
GetBucketMetadataTableConfiguration GetBucketNotification
GetBucketObjectLockConfiguration GetBucketOwnershipControls GetBucketPolicy
GetBucketPolicyStatus GetBucketPublicAccessBlock GetBucketRequestPayment
GetBucketTagging GetBucketVersioning GetBucketWebsite
GetEncryptionConfiguration GetIntelligentTieringConfiguration
GetInventoryConfiguration GetLifecycleConfiguration GetMetricsConfiguration
GetReplicationConfiguration ListBucket ListBucketMultipartUploads
ListBucketVersions ListTagsForResource PauseReplication
PutAccelerateConfiguration PutAnalyticsConfiguration PutBucketAbac PutBucketAcl
PutBucketCORS PutBucketLogging PutBucketNotification
PutBucketObjectLockConfiguration PutBucketOwnershipControls PutBucketPolicy
PutBucketPublicAccessBlock PutBucketRequestPayment PutBucketTagging
PutBucketVersioning PutBucketWebsite PutEncryptionConfiguration
PutIntelligentTieringConfiguration PutInventoryConfiguration
PutLifecycleConfiguration PutMetricsConfiguration PutReplicationConfiguration
TagResource UntagResource UpdateBucketMetadataInventoryTableConfiguration
UpdateBucketMetadataJournalTableConfiguration`

const otherActions = `
AssociateAccessGrantsIdentityCenter CreateAccessGrant
CreateAccessGrantsInstance CreateAccessGrantsLocation CreateAccessPoint
CreateAccessPointForObjectLambda CreateJob CreateMultiRegionAccessPoint
CreateStorageLensGroup DeleteAccessGrant DeleteAccessGrantsInstance
DeleteAccessGrantsInstanceResourcePolicy DeleteAccessGrantsLocation
DeleteAccessPoint DeleteAccessPointForObjectLambda DeleteAccessPointPolicy
DeleteAccessPointPolicyForObjectLambda DeleteJobTagging
DeleteMultiRegionAccessPoint DeleteStorageLensConfiguration
DeleteStorageLensConfigurationTagging DeleteStorageLensGroup DescribeJob
DescribeMultiRegionAccessPointOperation DissociateAccessGrantsIdentityCenter
GetAccessGrant GetAccessGrantsInstance GetAccessGrantsInstanceForPrefix
GetAccessGrantsInstanceResourcePolicy GetAccessGrantsLocation GetAccessPoint
GetAccessPointConfigurationForObjectLambda GetAccessPointForObjectLambda
GetAccessPointPolicy GetAccessPointPolicyForObjectLambda
GetAccessPointPolicyStatus GetAccessPointPolicyStatusForObjectLambda
GetAccountPublicAccessBlock GetDataAccess GetJobTagging
GetMultiRegionAccessPoint GetMultiRegionAccessPointPolicy
GetMultiRegionAccessPointPolicyStatus GetMultiRegionAccessPointRoutes
GetStorageLensConfiguration GetStorageLensConfigurationTagging
GetStorageLensDashboard GetStorageLensGroup ListAccessGrants
ListAccessGrantsInstances ListAccessGrantsLocations ListAccessPoints
ListAccessPointsForObjectLambda ListAllMyBuckets ListCallerAccessGrants
ListJobs ListMultiRegionAccessPoints ListStorageLensConfigurations
ListStorageLensGroups PutAccessGrantsInstanceResourcePolicy
PutAccessPointConfigurationForObjectLambda PutAccessPointPolicy
PutAccessPointPolicyForObjectLambda PutAccessPointPublicAccessBlock
PutAccountPublicAccessBlock PutJobTagging PutMultiRegionAccessPointPolicy
PutStorageLensConfiguration PutStorageLensConfigurationTagging
SubmitMultiRegionAccessPointRoutes UpdateAccessGrantsLocation UpdateJobPriority
UpdateJobStatus UpdateStorageLensGroup`

// checkAction tells whether an action is well formed for the kind of policy.
// A bucket policy must name at least one action that S3 has; IAM checks only
// the form, a service prefix and a name.
func checkAction(kind Kind, raw string) string {
	if raw == "*" && kind != Trust {
		return ""
	}
	prefix, name, found := strings.Cut(raw, ":")
	wellFormed := found && prefix != "" && name != "" && only(prefix, isServiceByte) && only(name, isActionByte)
	switch {
	case kind == Bucket && (!wellFormed || !strings.EqualFold(prefix, "s3") || s3Matching(compileAction(raw)) == actionSet{}):
		return "Policy has invalid action"
	case !wellFormed:
		return "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
	case kind == Trust && !strings.EqualFold(prefix, "sts"):
		return "AssumeRole policy may only specify STS AssumeRole actions."
	}
	return ""
}

func isServiceByte(b byte) bool { return isAlphanumeric(b) || b == '-' }

func isActionByte(b byte) bool { return isAlphanumeric(b) || b == '*' || b == '?' }

func isAlphanumeric(b byte) bool {
	return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || '0' <= b && b <= '9'
}

// only reports whether every byte of s is one of those that ok accepts.
func only(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}
