package server

import (
	"crypto/md5"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// The headers of server-side encryption, in canonical form.
const (
	sseHeader       = "X-Amz-Server-Side-Encryption"
	sseKMSKey       = sseHeader + "-Aws-Kms-Key-Id"
	sseContext      = sseHeader + "-Context"
	sseBucketKey    = sseHeader + "-Bucket-Key-Enabled"
	customerHeader  = "Server-Side-Encryption-Customer-"
	customerLetters = 44 // of 32 bytes in base64
)

// customerNames are the names of the headers of a customer's key.
type customerNames struct{ algorithm, key, sum string }

// Those of the object's own key, and of the key of a copy's source.
var (
	customerTarget = customerNames{"X-Amz-" + customerHeader + "Algorithm", "X-Amz-" + customerHeader + "Key", "X-Amz-" + customerHeader + "Key-Md5"}
	customerSource = customerNames{"X-Amz-Copy-Source-" + customerHeader + "Algorithm", "X-Amz-Copy-Source-" + customerHeader + "Key", "X-Amz-Copy-Source-" + customerHeader + "Key-Md5"}
)

// has reports whether a request has a header, which may be empty.
func (h *headers) has(name string) bool {
	if len(h.sent[name]) > 0 {
		return true
	}
	if h.query == nil || !h.hoists(name) {
		return false
	}
	_, ok := h.query.LookupFold(name)
	return ok
}

// customerKey returns the key that a request brings under the names, nil where it brings none (S3 User Guide, "Using server-side
// encryption with customer-provided keys"). InvalidRequest where the
// connection is not encrypted; InvalidArgument, InvalidEncryptionAlgorithmError.
func (s *Server) customerKey(c *call, names customerNames) (*store.Key, error) {
	algorithm, key, sum := names.algorithm, names.key, names.sum
	if !c.head.has(algorithm) && !c.head.has(key) && !c.head.has(sum) {
		return nil, nil
	}
	if !s.encrypted(c.r) {
		return nil, invalidRequest("Requests specifying Server Side Encryption with Customer provided keys must be made over a secure connection.")
	}
	switch v := c.head.get(algorithm); {
	case !c.head.has(algorithm):
		return nil, invalidSSE("Requests specifying Server Side Encryption with Customer provided keys must provide a valid encryption algorithm.", "null")
	case v != s3.AES256:
		return nil, &daypass.Error{Code: s3.InvalidEncryptionAlgorithm, Details: sseArgument(v)}
	case !c.head.has(key):
		return nil, invalidSSE("Requests specifying Server Side Encryption with Customer provided keys must provide an appropriate secret key.", "null")
	case !c.head.has(sum):
		return nil, invalidSSE("Requests specifying Server Side Encryption with Customer provided keys must provide the client calculated MD5 of the secret key.", "null")
	}
	return parseCustomerKey(c.head.get(key), c.head.get(sum))
}

// parseCustomerKey reads a key and the MD5 that it must have, both in base64.
// No error repeats the key.
func parseCustomerKey(text, sum string) (*store.Key, error) {
	invalid := invalidSSE("The secret key was invalid for the specified algorithm.", "null")
	if len(text) > 2*customerLetters {
		return nil, invalid
	}
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, invalid
	}
	want, err := base64.StdEncoding.DecodeString(sum)
	have := md5.Sum(raw)
	if err != nil || subtle.ConstantTimeCompare(want, have[:]) != 1 {
		return nil, invalidSSE("The calculated MD5 hash of the key did not match the hash that was provided.", "null")
	}
	if len(raw) != len(store.Key{}) {
		return nil, invalid
	}
	return (*store.Key)(raw), nil
}

func invalidSSE(message, value string) error {
	return &daypass.Error{Code: daypass.InvalidArgument, Message: message, Details: sseArgument(value)}
}

func sseArgument(value string) []daypass.Detail {
	return []daypass.Detail{{Name: "ArgumentName", Value: strings.ToLower(sseHeader)}, {Name: "ArgumentValue", Value: value}}
}

// sealing returns how what the call makes is to be encrypted: as it says, else
// as the bucket does, else as the server does. The errors of customerKey,
// AccessDenied where the bucket blocks customers' keys, NotImplemented.
func (s *Server) sealing(c *call) (store.Sealing, error) {
	said := c.head.has(sseHeader)
	if said && c.customerSaid() {
		return store.Sealing{}, invalidSSE("Server Side Encryption with Customer provided key is incompatible with the encryption method specified",
			c.head.get(sseHeader))
	}
	key, err := s.customerKey(c, customerTarget)
	switch {
	case err != nil:
		return store.Sealing{}, err
	case key != nil && c.rules != nil && c.rules.encryption.BlockSSEC:
		return store.Sealing{}, &daypass.Error{Code: daypass.AccessDenied, Message: "Access Denied: this bucket blocks upload requests " +
			"that specify Server Side Encryption with Customer provided keys (SSE-C). Please specify a different server-side encryption type."}
	case key != nil:
		return store.Sealing{SSE: store.SSEC, Key: key}, nil
	case said || c.head.has(sseKMSKey) || c.head.has(sseContext):
		return c.sseSaid()
	}
	return c.rules.sealing(s.cfg.Encrypt), nil
}

// sealing returns how new objects of a bucket are encrypted where nothing else
// is said; encrypt is that of Config. r may be nil.
func (r *bucketRules) sealing(encrypt bool) store.Sealing {
	if encrypt || r != nil && r.encryption.Algorithm == s3.AES256 {
		return store.Sealing{SSE: store.SSES3}
	}
	return store.Sealing{}
}

// customerSaid reports whether a request says anything of a customer's key for
// what it makes.
func (c *call) customerSaid() bool {
	return c.head.has(customerTarget.algorithm) || c.head.has(customerTarget.key) || c.head.has(customerTarget.sum)
}

// sseSaid reads x-amz-server-side-encryption and what goes with it.
func (c *call) sseSaid() (store.Sealing, error) {
	switch v := c.head.get(sseHeader); {
	case v == s3.AWSKMS, v == s3.DSSEKMS:
		return store.Sealing{}, &daypass.Error{Code: daypass.NotImplemented, Message: "Server-side encryption with AWS KMS keys is not implemented; AES256 is.",
			Details: []daypass.Detail{{Name: "Header", Value: strings.ToLower(sseHeader)}}}
	case v != s3.AES256 && c.head.has(sseHeader):
		return store.Sealing{}, invalidSSE("The encryption method specified is not supported", v)
	case c.head.has(sseKMSKey), c.head.has(sseContext):
		return store.Sealing{}, invalidSSE("Server Side Encryption with AWS KMS managed key requires HTTP header "+
			"x-amz-server-side-encryption : aws:kms", v)
	}
	return store.Sealing{SSE: store.SSES3}, nil
}

// sse is the encryption that a request asks for. Parts and completions cannot
// say it, so it is that of their upload: a policy that insists on encryption
// would refuse every upload in parts otherwise.
func (d *deliberation) sse() (string, bool) {
	c := d.call
	if v := c.head.get(sseHeader); v != "" {
		return v, true
	}
	switch c.target.action.Name {
	case daypass.UploadPart, daypass.UploadPartCopy, daypass.CompleteMultipartUpload:
		u, err := d.server.store.MultipartUpload(c.r.Context(), c.ref.Bucket, c.ref.Key, c.uploadID())
		if err == nil && u.Encryption != nil && u.Encryption.SSE == store.SSES3 {
			return s3.AES256, true
		}
	}
	return "", false
}

// openObject opens the object of the call with the key that it brings.
func (s *Server) openObject(c *call, hint store.RangeHint) (*store.Object, store.Body, error) {
	key, err := s.customerKey(c, customerTarget)
	if err != nil {
		return nil, nil, err
	}
	return s.store.OpenRange(c.r.Context(), c.ref, key, hint)
}

// statObject returns what is known of the object of the call, if the key that
// it brings is the object's.
func (s *Server) statObject(c *call) (*store.Object, error) {
	key, err := s.customerKey(c, customerTarget)
	if err != nil {
		return nil, err
	}
	obj, err := s.store.Object(c.r.Context(), c.ref)
	if err != nil {
		return obj, err
	}
	return obj, s.store.CheckKey(obj, key)
}

// setEncryption tells how something is encrypted. Only who has brought the
// customer's key learns anything of it: its MD5, which it has sent.
func (c *call) setEncryption(h http.Header, e *store.Encryption) {
	switch {
	case e == nil:
	case e.SSE == store.SSES3:
		h[sseHeader] = []string{s3.AES256}
	case c.head.has(customerTarget.sum):
		h[customerTarget.algorithm] = []string{s3.AES256}
		h[customerTarget.sum] = []string{c.head.get(customerTarget.sum)}
	}
}

// getBucketEncryption tells how new objects are encrypted (S3 API reference,
// GetBucketEncryption).
func (s *Server) getBucketEncryption(w *response, c *call) error {
	if _, set := c.rules.raw[settingEncryption]; !set && s.cfg.Encrypt {
		return w.xml(http.StatusOK, s3.EncryptionRule{Algorithm: s3.AES256}.Append(nil))
	}
	return c.show(w, settingEncryption, s3.NoSuchEncryption)
}

// putBucketEncryption sets how new objects are encrypted (S3 API reference,
// PutBucketEncryption).
func (s *Server) putBucketEncryption(w *response, c *call) error {
	if err := s.store.Supports(store.FeatureEncryption); err != nil {
		return err
	}
	body, err := c.document(w, s3.MaxBucketBody)
	if err != nil {
		return err
	}
	rule, err := s3.ParseEncryption(body)
	if err != nil {
		return err
	}
	if err := s.set(c, settingEncryption, rule.Append(nil)); err != nil {
		return err
	}
	return w.empty(http.StatusOK)
}
