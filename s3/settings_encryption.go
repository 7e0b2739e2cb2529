package s3

import (
	"strings"

	"github.com/daypass/daypass"
)

// Values of x-amz-server-side-encryption (S3 API reference, PutObject).
const (
	AES256  = "AES256"
	AWSKMS  = "aws:kms"
	DSSEKMS = "aws:kms:dsse"
)

// An EncryptionRule is the default encryption of a bucket (S3 API reference,
// PutBucketEncryption).
type EncryptionRule struct {
	// Algorithm is empty where the rule sets no default.
	Algorithm string
	// BucketKey is kept and shown; it means something to SSE-KMS only.
	BucketKey bool
	// BlockSSEC refuses new objects under customers' keys.
	BlockSSEC bool
	// Unblocks says that the rule allows them in so many words.
	Unblocks bool
}

// ParseEncryption parses the body of PutBucketEncryption, which has one rule.
// MalformedXML, InvalidArgument (a KMS key where none can be), NotImplemented
// (SSE-KMS).
func ParseEncryption(body []byte) (r EncryptionRule, err error) {
	var d struct {
		Rules []struct {
			Default *struct {
				Algorithm string  `xml:"SSEAlgorithm"`
				KMSKey    *string `xml:"KMSMasterKeyID"`
			} `xml:"ApplyServerSideEncryptionByDefault"`
			BucketKey string `xml:"BucketKeyEnabled"`
			Blocked   *struct {
				Types []string `xml:"EncryptionType"`
			} `xml:"BlockedEncryptionTypes"`
			Others []struct{} `xml:",any"` // what is misspelled must not count as not blocked
		} `xml:"Rule"`
	}
	if err := unmarshal(body, "ServerSideEncryptionConfiguration", &d); err != nil {
		return r, err
	}
	malformed := &daypass.Error{Code: daypass.MalformedXML}
	if len(d.Rules) != 1 || d.Rules[0].Default == nil && d.Rules[0].Blocked == nil {
		return r, malformed
	}
	rule := d.Rules[0]
	if len(rule.Others) > 0 {
		return r, malformed
	}
	if rule.Default != nil {
		r.Algorithm = strings.TrimSpace(rule.Default.Algorithm)
		if err := checkDefault(r.Algorithm, rule.Default.KMSKey != nil); err != nil {
			return r, err
		}
	}
	switch strings.ToLower(strings.TrimSpace(rule.BucketKey)) {
	case "", "false", "0":
	case "true", "1":
		r.BucketKey = true
	default:
		return r, malformed
	}
	if rule.Blocked == nil {
		return r, nil
	}
	return r, r.block(rule.Blocked.Types)
}

// checkDefault refuses what cannot be a bucket's default.
func checkDefault(algorithm string, kmsKey bool) error {
	switch {
	case algorithm == AWSKMS, algorithm == DSSEKMS:
		return &daypass.Error{Code: daypass.NotImplemented, Details: []daypass.Detail{{Name: "SSEAlgorithm", Value: algorithm}},
			Message: "Server-side encryption with AWS KMS keys is not implemented; AES256 is."}
	case algorithm != AES256:
		return &daypass.Error{Code: daypass.MalformedXML}
	case kmsKey:
		return &daypass.Error{Code: daypass.InvalidArgument,
			Message: "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
			Details: []daypass.Detail{{Name: "ArgumentName", Value: "ApplyServerSideEncryptionByDefault"}}}
	}
	return nil
}

// block takes the list of blocked kinds: NONE, or SSE-C.
func (r *EncryptionRule) block(kinds []string) error {
	if len(kinds) == 1 && kinds[0] == "NONE" {
		r.Unblocks = true
		return nil
	}
	if len(kinds) == 0 {
		return &daypass.Error{Code: daypass.MalformedXML}
	}
	for _, kind := range kinds {
		if kind != "SSE-C" {
			return &daypass.Error{Code: daypass.MalformedXML}
		}
	}
	r.BlockSSEC = true
	return nil
}

// Append appends the XML body of GetBucketEncryption.
func (r EncryptionRule) Append(dst []byte) []byte {
	w := writer{b: dst}
	w.root("ServerSideEncryptionConfiguration")
	w.open("Rule")
	if r.Algorithm != "" {
		w.open("ApplyServerSideEncryptionByDefault")
		w.text("SSEAlgorithm", r.Algorithm)
		w.close("ApplyServerSideEncryptionByDefault")
	}
	if r.BlockSSEC || r.Unblocks {
		w.open("BlockedEncryptionTypes")
		w.text("EncryptionType", map[bool]string{true: "SSE-C", false: "NONE"}[r.BlockSSEC])
		w.close("BlockedEncryptionTypes")
	}
	w.bool("BucketKeyEnabled", r.BucketKey)
	w.close("Rule")
	w.close("ServerSideEncryptionConfiguration")
	return w.b
}
