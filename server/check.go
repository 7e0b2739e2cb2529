package server

import (
	"strconv"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
)

// check refuses what no action may overlook: a resource that cannot be, and
// headers that ask for something that this server does not do.
func (c *call) check() error {
	if c.place.level != s3.ServiceLevel && c.ref.Bucket == "" {
		return &daypass.Error{Code: daypass.InvalidBucketName, Details: []daypass.Detail{{Name: "BucketName"}}}
	}
	if c.place.level == s3.ObjectLevel {
		if err := c.checkVersion(); err != nil {
			return err
		}
	}
	return c.head.eachAmz(func(name, value string) error {
		for i := range unsupported {
			if u := &unsupported[i]; u.concerns(name, c.action.Name) {
				return u.refuse(name, value)
			}
		}
		return nil
	})
}

// checkVersion refuses ids that are none; "null" is the version of an object
// that was written without versioning.
func (c *call) checkVersion() error {
	id, given := c.query.Lookup("versionId")
	switch {
	case !given:
		return nil
	case c.action.Name == daypass.PutObject:
		return invalidArgument("This operation does not accept a version-id.", "versionId", id)
	case id == "null":
		return nil
	case id == "":
		return invalidArgument("Version id cannot be the empty string", "versionId", id)
	case !looksLikeVersion(id):
		return invalidArgument("Invalid version id specified", "versionId", id)
	}
	return &daypass.Error{Code: daypass.NoSuchVersion, Details: []daypass.Detail{
		{Name: "Key", Value: c.ref.Key}, {Name: "VersionId", Value: id},
	}}
}

// looksLikeVersion reports whether id has the form of S3's version ids.
func looksLikeVersion(id string) bool {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	return len(id) == 32 && strings.Trim(id, alphabet) == ""
}

// checkOwner refuses a request that expects another owner of the bucket (S3
// User Guide, "Verifying bucket ownership with bucket owner condition").
func (s *Server) checkOwner(c *call) error {
	want := c.head.get("X-Amz-Expected-Bucket-Owner")
	if want == "" || c.place.level == s3.ServiceLevel || c.action.Name == daypass.CreateBucket {
		return nil
	}
	b, err := s.store.Bucket(c.r.Context(), c.ref.Bucket)
	if err != nil {
		return err
	}
	if b.Owner != want {
		return &daypass.Error{Code: daypass.AccessDenied}
	}
	return nil
}

// An unsupportedHeader asks for something that would silently be left out if
// the header were not looked at.
type unsupportedHeader struct {
	// name is in lower case; one that ends in "-" stands for all headers
	// that begin so.
	name string
	// actions that the header concerns; none means all.
	actions []daypass.Action
	// refuse returns the error for a value, nil where the value asks for
	// nothing special.
	refuse func(name, value string) error
}

func (u *unsupportedHeader) concerns(name string, action daypass.Action) bool {
	if name != u.name && !(strings.HasSuffix(u.name, "-") && strings.HasPrefix(name, u.name)) {
		return false
	}
	for _, a := range u.actions {
		if a == action {
			return true
		}
	}
	return len(u.actions) == 0
}

var (
	writes = []daypass.Action{daypass.PutObject}
	reads  = []daypass.Action{daypass.GetObject, daypass.HeadObject}
	makes  = []daypass.Action{daypass.CreateBucket}
)

// unsupported has a row for every such header; the first that fits counts.
var unsupported = []unsupportedHeader{
	{"x-amz-acl", writes, refuseACL(s3.AccessControlListNotSupported)},
	{"x-amz-acl", makes, refuseACL(s3.InvalidBucketACL)},
	{"x-amz-grant-", writes, refuseWith(s3.AccessControlListNotSupported)},
	{"x-amz-grant-", makes, refuseWith(s3.InvalidBucketACL)},
	{"x-amz-bucket-object-lock-enabled", makes, refuseUnless("false")},
	{"x-amz-object-ownership", makes, refuseUnless("BucketOwnerEnforced")},
	{"x-amz-object-lock-", writes, refuseHeader},
	{"x-amz-tagging", writes, refuseHeader},
	{"x-amz-write-offset-bytes", writes, refuseHeader},
	{"x-amz-storage-class", writes, refuseStorageClass},
	{"x-amz-checksum-type", writes, refuseUnless(s3.FullObject)},
	{"x-amz-server-side-encryption", writes, refuseHeader},
	{"x-amz-server-side-encryption-", writes, refuseHeader},
	{"x-amz-server-side-encryption-customer-", reads, refuseEncryption},
	{"x-amz-if-match-", nil, refuseHeader},
	{"x-amz-bypass-governance-retention", nil, refuseBypass},
}

func refuseHeader(name, _ string) error {
	return notImplemented(daypass.Detail{Name: "Header", Value: name})
}

func refuseWith(code daypass.Code) func(name, value string) error {
	return func(string, string) error { return &daypass.Error{Code: code} }
}

func refuseUnless(fine string) func(name, value string) error {
	return func(name, value string) error {
		if strings.EqualFold(value, fine) {
			return nil
		}
		return refuseHeader(name, value)
	}
}

func refuseACL(code daypass.Code) func(name, value string) error {
	return func(name, value string) error {
		known, harmless := s3.CannedACL(value)
		switch {
		case harmless:
			return nil
		case !known:
			return invalidArgument("", name, value)
		}
		return &daypass.Error{Code: code}
	}
}

func refuseStorageClass(name, value string) error {
	known, online := s3.StorageClass(value)
	switch {
	case online:
		return nil
	case !known:
		return &daypass.Error{Code: s3.InvalidStorageClass,
			Details: []daypass.Detail{{Name: "StorageClassRequested", Value: value}}}
	}
	return refuseHeader(name, value)
}

func refuseEncryption(string, string) error {
	return invalidRequest("The encryption parameters are not applicable to this object.")
}

func refuseBypass(name, value string) error {
	if strings.EqualFold(value, "false") {
		return nil
	}
	return invalidArgument(name+" is only applicable to Object Lock enabled buckets.", name, value)
}

func metadataTooLarge(size int) error {
	return &daypass.Error{Code: s3.MetadataTooLarge, Details: []daypass.Detail{
		{Name: "Size", Value: strconv.Itoa(size)}, {Name: "MaxSizeAllowed", Value: strconv.Itoa(s3.MaxMetadata)},
	}}
}
