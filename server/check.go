package server

import (
	"slices"
	"strconv"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
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
	if err := c.checkBypass(); err != nil {
		return err
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

// checkVersion refuses ids that are none, and ids where the action is about no
// version.
func (c *call) checkVersion() error {
	id, given := c.query.Lookup("versionId")
	switch {
	case !given:
		return nil
	case slices.Contains(versionless, c.action.Name):
		return invalidArgument("This operation does not accept a version-id.", "versionId", id)
	case id == "":
		return invalidArgument("Version id cannot be the empty string", "versionId", id)
	}
	return validVersion(id)
}

// validVersion refuses what is not the id of a version; "" is none at all.
func validVersion(id string) error {
	if id == "" || id == store.NullVersion || looksLikeVersion(id) {
		return nil
	}
	return invalidArgument("Invalid version id specified", "versionId", id)
}

// looksLikeVersion reports whether id has the form of S3's version ids.
func looksLikeVersion(id string) bool {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"
	return len(id) == 32 && strings.Trim(id, alphabet) == ""
}

// checkOwner refuses a request that expects another owner of the bucket (S3
// User Guide, "Verifying bucket ownership with bucket owner condition").
func (s *Server) checkOwner(c *call) error {
	if c.place.level == s3.ServiceLevel || c.action.Name == daypass.CreateBucket {
		return nil
	}
	return s.expectOwner(c, "X-Amz-Expected-Bucket-Owner", c.ref.Bucket)
}

// expectOwner refuses a request one of whose headers expects another owner of
// a bucket. The header may name the account in any of its ways.
func (s *Server) expectOwner(c *call, header, bucket string) error {
	want := c.head.get(header)
	if want == "" {
		return nil
	}
	b, err := s.store.Bucket(c.r.Context(), bucket)
	if err != nil {
		return err
	}
	if !daypass.NamesAccount(b.Owner, want) {
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
	return len(u.actions) == 0 || slices.Contains(u.actions, action)
}

// Sets of actions that headers concern.
var (
	puts   = []daypass.Action{daypass.PutObject, s3.PostObject}
	makes  = []daypass.Action{daypass.PutObject, s3.PostObject, daypass.CopyObject, daypass.CreateMultipartUpload}
	writes = []daypass.Action{daypass.PutObject, s3.PostObject, daypass.CopyObject, daypass.CreateMultipartUpload,
		daypass.UploadPart, daypass.UploadPartCopy, daypass.CompleteMultipartUpload}
	// versionless are about no version, or about one that is not there yet.
	versionless = append([]daypass.Action{daypass.AbortMultipartUpload, daypass.ListParts}, writes...)
	reads       = []daypass.Action{daypass.GetObject, daypass.HeadObject, daypass.GetObjectAttributes}
	// later are those that cannot say how an object is encrypted: it has been
	// said, or they take part of it or read it.
	later = append([]daypass.Action{daypass.UploadPart, daypass.UploadPartCopy, daypass.CompleteMultipartUpload}, reads...)
	// uncopied make something that is no copy.
	uncopied = []daypass.Action{daypass.PutObject, s3.PostObject, daypass.CreateMultipartUpload, daypass.UploadPart}
)

// unsupported has a row for every such header; the first that fits counts.
var unsupported = []unsupportedHeader{
	{"x-amz-object-lock-", makes, refuseUnknownLock},
	{"x-amz-write-offset-bytes", puts, refuseHeader},
	{"x-amz-copy-source", puts, refuseHeader}, // a field of a form
	{"x-amz-storage-class", makes, refuseStorageClass},
	{"x-amz-checksum-type", puts, refuseUnless(s3.FullObject)},
	{"x-amz-server-side-encryption", later, refuseSSE},
	{"x-amz-server-side-encryption-aws-", later, refuseSSE},
	{"x-amz-server-side-encryption-context", later, refuseSSE},
	{"x-amz-server-side-encryption-bucket-key-enabled", makes, refuseBucketKey},
	{"x-amz-copy-source-server-side-encryption-", uncopied, refuseEncryption},
	{"x-amz-if-match-", nil, refuseHeader},
}

func refuseHeader(name, _ string) error {
	return notImplemented(daypass.Detail{Name: "Header", Value: name})
}

func refuseUnless(fine string) func(name, value string) error {
	return func(name, value string) error {
		if strings.EqualFold(value, fine) {
			return nil
		}
		return refuseHeader(name, value)
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

func refuseSSE(name, value string) error {
	return invalidArgument(name+" header is not supported for this operation.", name, value)
}

// refuseBucketKey refuses what is neither true nor false; of these, neither
// means anything where no key is that of a KMS.
func refuseBucketKey(name, value string) error {
	if strings.EqualFold(value, "true") || strings.EqualFold(value, "false") {
		return nil
	}
	return invalidArgument("The value of "+name+" is true or false.", name, value)
}

func metadataTooLarge(size int) error {
	return &daypass.Error{Code: s3.MetadataTooLarge, Details: []daypass.Detail{
		{Name: "Size", Value: strconv.Itoa(size)}, {Name: "MaxSizeAllowed", Value: strconv.Itoa(s3.MaxMetadata)},
	}}
}
