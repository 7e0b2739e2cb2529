package policy

import "strings"

// keyName brings a condition key to the form in which Request.Context is
// asked: the name in lower case, since names are insensitive to case, and what
// follows a slash, such as a tag's key, as written.
func keyName(raw string) string {
	name, rest, found := strings.Cut(raw, "/")
	name = strings.ToLower(name)
	if !found {
		return name
	}
	return name + "/" + rest
}

// checkKey tells what is wrong with a condition key. S3 refuses keys that it
// does not know, and under aws:SourceIp whatever is no address; IAM only wants
// a service prefix.
func checkKey(kind Kind, key string, values []string) string {
	if kind != Bucket {
		if prefix, name, found := strings.Cut(key, ":"); !found || prefix == "" || name == "" {
			return "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
		}
		return ""
	}
	if _, ok := bucketKey(key); !ok {
		return "Policy has an invalid condition key"
	}
	if key == "aws:sourceip" {
		for _, v := range values {
			if _, err := parseRange(v); err != nil {
				return "Invalid IP address in Conditions"
			}
		}
	}
	return ""
}

// bucketKey looks a key up and returns the actions that have it.
func bucketKey(key string) (with actionSet, ok bool) {
	name, rest, found := strings.Cut(key, "/")
	if found {
		if rest == "" {
			return actionSet{}, false
		}
		name += "/"
	}
	with, ok = bucketKeys[name]
	return with, ok
}

const (
	listing  = "ListBucket ListBucketVersions"
	granting = "CreateBucket PutBucketAcl PutObject PutObjectAcl PutObjectVersionAcl"
	writing  = "PutObject ReplicateObject"
	tagging  = "PutObject PutObjectTagging PutObjectVersionTagging ReplicateTags"
	// A request that names a version needs the permission of that name.
	versioned = "*ObjectVersion* RestoreObject *ObjectRetention *ObjectLegalHold"
)

// bucketKeys is the condition keys that a bucket policy may hold, in lower
// case, those that end in a slash with something behind it. Those that only
// some actions have come with the actions (Service Authorization Reference,
// "Condition keys for Amazon S3").
var bucketKeys = func() map[string]actionSet {
	m := make(map[string]actionSet)
	for key, actions := range map[string]string{
		"s3:prefix":    listing,
		"s3:delimiter": listing,
		"s3:max-keys":  listing,

		"s3:x-amz-acl":                granting,
		"s3:x-amz-grant-full-control": granting,
		"s3:x-amz-grant-read":         granting,
		"s3:x-amz-grant-read-acp":     granting,
		"s3:x-amz-grant-write":        granting,
		"s3:x-amz-grant-write-acp":    granting,

		"s3:x-amz-copy-source":                               "PutObject",
		"s3:x-amz-metadata-directive":                        "PutObject",
		"s3:x-amz-website-redirect-location":                 "PutObject",
		"s3:x-amz-storage-class":                             writing + " PutObjectAcl PutObjectVersionAcl",
		"s3:x-amz-object-ownership":                          "CreateBucket PutBucketOwnershipControls",
		"s3:locationconstraint":                              "CreateBucket",
		"s3:x-amz-server-side-encryption":                    writing,
		"s3:x-amz-server-side-encryption-aws-kms-key-id":     writing,
		"s3:x-amz-server-side-encryption-customer-algorithm": writing,

		"s3:requestobjecttag/":    tagging,
		"s3:requestobjecttagkeys": tagging,
		"s3:versionid":            versioned,
	} {
		m[key] = actionsNamed(actions)
	}
	for _, key := range strings.Fields(otherKeys) {
		m[key] = allActions
	}
	return m
}()

// otherKeys are those of S3 that any action may have, and the global ones (IAM
// User Guide, "AWS global condition context keys").
const otherKeys = `
s3:accessgrantsinstancearn s3:accesspointnetworkorigin s3:accesspointtag/
s3:authtype s3:bucketnamespace s3:buckettag/ s3:dataaccesspointaccount
s3:dataaccesspointarn s3:existingobjecttag/ s3:if-match s3:if-none-match
s3:inventoryaccessibleoptionalfields s3:isobjectlockconfigured
s3:object-lock-legal-hold s3:object-lock-mode
s3:object-lock-remaining-retention-days s3:object-lock-retain-until-date
s3:objectcreationoperation s3:resourceaccount s3:signatureage
s3:signatureversion s3:tlsversion s3:x-amz-content-sha256

aws:assumedroot aws:calledvia aws:calledviafirst aws:calledvialast
aws:chatbotsourcearn aws:currenttime aws:ec2instancesourceprivateipv4
aws:ec2instancesourcevpc aws:epochtime aws:federatedprovider
aws:ismcpserviceaction aws:multifactorauthage aws:multifactorauthpresent
aws:principalaccount aws:principalarn aws:principalisawsservice
aws:principalorgid aws:principalorgpaths aws:principalservicename
aws:principalservicenameslist aws:principaltag/ aws:principaltype aws:referer
aws:requestedregion aws:requesttag/ aws:resourceaccount aws:resourceorgid
aws:resourceorgpaths aws:resourcetag/ aws:securetransport aws:signinsessionarn
aws:sourceaccount aws:sourcearn aws:sourceidentity aws:sourceip
aws:sourceorgid aws:sourceorgpaths aws:sourceowner aws:sourcevpc
aws:sourcevpcarn aws:sourcevpce aws:tagkeys aws:tokenissuetime aws:useragent
aws:userid aws:username aws:viaawsmcpservice aws:viaawsservice
aws:vpceaccount aws:vpceorgid aws:vpceorgpaths aws:vpcsourceip`
