package s3

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/daypass/daypass"
)

// An Ownership says who owns the objects of a bucket and whether access
// control lists count (S3 User Guide, "Controlling ownership of objects").
type Ownership string

// The ownerships.
const (
	// BucketOwnerEnforced: the bucket's owner owns every object, and lists
	// count for nothing.
	BucketOwnerEnforced Ownership = "BucketOwnerEnforced"
	// BucketOwnerPreferred: as ObjectWriter, but what is written with the
	// canned ACL bucket-owner-full-control belongs to the bucket's owner.
	BucketOwnerPreferred Ownership = "BucketOwnerPreferred"
	// ObjectWriter: who writes an object owns it.
	ObjectWriter Ownership = "ObjectWriter"
)

// ParseOwnership returns the ownership of that name.
func ParseOwnership(name string) (Ownership, bool) {
	switch o := Ownership(name); o {
	case BucketOwnerEnforced, BucketOwnerPreferred, ObjectWriter:
		return o, true
	}
	return "", false
}

// ParseOwnershipControls parses the body of PutBucketOwnershipControls, which
// has one rule. MalformedXML.
func ParseOwnershipControls(body []byte) (Ownership, error) {
	var d struct {
		Rules []struct {
			ObjectOwnership string `xml:"ObjectOwnership"`
		} `xml:"Rule"`
	}
	if err := unmarshal(body, "OwnershipControls", &d); err != nil {
		return "", err
	}
	if len(d.Rules) == 1 {
		if o, ok := ParseOwnership(strings.TrimSpace(d.Rules[0].ObjectOwnership)); ok {
			return o, nil
		}
	}
	return "", &daypass.Error{Code: daypass.MalformedXML}
}

// AppendOwnershipControls appends the XML body of GetBucketOwnershipControls.
func AppendOwnershipControls(dst []byte, o Ownership) []byte {
	w := writer{b: dst}
	w.root("OwnershipControls")
	w.open("Rule")
	w.text("ObjectOwnership", string(o))
	w.close("Rule")
	w.close("OwnershipControls")
	return w.b
}

// A PublicAccessBlock takes back what policies and lists give to the public
// (S3 User Guide, "Blocking public access to your Amazon S3 storage").
type PublicAccessBlock struct {
	BlockPublicAcls       bool
	IgnorePublicAcls      bool
	BlockPublicPolicy     bool
	RestrictPublicBuckets bool
}

// ParsePublicAccessBlock parses the body of PutPublicAccessBlock; what it
// leaves out is false. MalformedXML.
func ParsePublicAccessBlock(body []byte) (PublicAccessBlock, error) {
	var d struct {
		BlockPublicAcls       string `xml:"BlockPublicAcls"`
		IgnorePublicAcls      string `xml:"IgnorePublicAcls"`
		BlockPublicPolicy     string `xml:"BlockPublicPolicy"`
		RestrictPublicBuckets string `xml:"RestrictPublicBuckets"`
	}
	var p PublicAccessBlock
	if err := unmarshal(body, "PublicAccessBlockConfiguration", &d); err != nil {
		return p, err
	}
	for _, f := range []struct {
		text string
		to   *bool
	}{
		{d.BlockPublicAcls, &p.BlockPublicAcls}, {d.IgnorePublicAcls, &p.IgnorePublicAcls},
		{d.BlockPublicPolicy, &p.BlockPublicPolicy}, {d.RestrictPublicBuckets, &p.RestrictPublicBuckets},
	} {
		switch strings.ToLower(strings.TrimSpace(f.text)) {
		case "", "false", "0":
		case "true", "1":
			*f.to = true
		default:
			return p, &daypass.Error{Code: daypass.MalformedXML}
		}
	}
	return p, nil
}

// Append appends the XML body of GetPublicAccessBlock.
func (p PublicAccessBlock) Append(dst []byte) []byte {
	w := writer{b: dst}
	w.root("PublicAccessBlockConfiguration")
	w.bool("BlockPublicAcls", p.BlockPublicAcls)
	w.bool("IgnorePublicAcls", p.IgnorePublicAcls)
	w.bool("BlockPublicPolicy", p.BlockPublicPolicy)
	w.bool("RestrictPublicBuckets", p.RestrictPublicBuckets)
	w.close("PublicAccessBlockConfiguration")
	return w.b
}

// AppendPolicyStatus appends the XML body of GetBucketPolicyStatus.
func AppendPolicyStatus(dst []byte, public bool) []byte {
	w := writer{b: dst}
	w.root("PolicyStatus")
	w.bool("IsPublic", public)
	w.close("PolicyStatus")
	return w.b
}

// A BucketTag is one tag of a bucket.
type BucketTag struct {
	Key   string `xml:"Key"`
	Value string `xml:"Value"`
}

// Limits of the tags of a bucket (AWS Billing User Guide, "User-defined tag
// restrictions"), lengths in characters.
const (
	maxBucketTags = 50
	maxTagKey     = 128
	maxTagValue   = 256
)

// ParseBucketTagging parses the body of PutBucketTagging. MalformedXML,
// InvalidTag.
func ParseBucketTagging(body []byte) ([]BucketTag, error) {
	var d struct {
		Set *struct {
			Tags []BucketTag `xml:"Tag"`
		} `xml:"TagSet"`
	}
	if err := unmarshal(body, "Tagging", &d); err != nil {
		return nil, err
	}
	if d.Set == nil {
		return nil, &daypass.Error{Code: daypass.MalformedXML}
	}
	if len(d.Set.Tags) > maxBucketTags {
		return nil, &daypass.Error{Code: daypass.InvalidRequest, Message: "Bucket tag count cannot be greater than 50"}
	}
	seen := make(map[string]bool)
	for _, t := range d.Set.Tags {
		if message := t.check(seen[t.Key]); message != "" {
			return nil, &daypass.Error{Code: InvalidTag, Message: message,
				Details: []daypass.Detail{{Name: "TagKey", Value: t.Key}}}
		}
		seen[t.Key] = true
	}
	return d.Set.Tags, nil
}

// check tells what is wrong with a tag.
func (t BucketTag) check(again bool) string {
	switch {
	case t.Key == "" || !tagText(t.Key, maxTagKey):
		return "The TagKey you have provided is invalid"
	case !tagText(t.Value, maxTagValue):
		return "The TagValue you have provided is invalid"
	case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
		return "System tags cannot be added/updated by requester"
	case again:
		return "Cannot provide multiple Tags with the same key"
	}
	return ""
}

func tagText(s string, most int) bool {
	if utf8.RuneCountInString(s) > most {
		return false
	}
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsSpace(r) && !strings.ContainsRune("_.:/=+-@", r) {
			return false
		}
	}
	return true
}

// AppendBucketTagging appends the XML body of GetBucketTagging.
func AppendBucketTagging(dst []byte, tags []BucketTag) []byte {
	same := make([]Tag, len(tags))
	for i, t := range tags {
		same[i] = Tag(t)
	}
	return AppendTagging(dst, same)
}
