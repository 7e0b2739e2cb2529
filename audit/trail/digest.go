package trail

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/daypass/daypass/audit"
)

// What CloudTrail calls its algorithms, and its metadata (x-amz-meta-signature
// and x-amz-meta-signature-algorithm of digest objects).
const (
	signatureAlgorithm = "SHA256withRSA"
	hashAlgorithm      = "SHA-256"
	signatureMeta      = "signature"
	algorithmMeta      = "signature-algorithm"
)

// A digest is a digest file (CloudTrail user guide, "CloudTrail digest file
// structure"). Pointers are null in the first of a chain.
type digest struct {
	AWSAccountID                string       `json:"awsAccountId"`
	DigestStartTime             time.Time    `json:"digestStartTime"`
	DigestEndTime               time.Time    `json:"digestEndTime"`
	DigestS3Bucket              string       `json:"digestS3Bucket"`
	DigestS3Object              string       `json:"digestS3Object"`
	DigestPublicKeyFingerprint  string       `json:"digestPublicKeyFingerprint"`
	DigestSignatureAlgorithm    string       `json:"digestSignatureAlgorithm"`
	NewestEventTime             *time.Time   `json:"newestEventTime"`
	OldestEventTime             *time.Time   `json:"oldestEventTime"`
	PreviousDigestS3Bucket      *string      `json:"previousDigestS3Bucket"`
	PreviousDigestS3Object      *string      `json:"previousDigestS3Object"`
	PreviousDigestHashValue     *string      `json:"previousDigestHashValue"`
	PreviousDigestHashAlgorithm *string      `json:"previousDigestHashAlgorithm"`
	PreviousDigestSignature     *string      `json:"previousDigestSignature"`
	LogFiles                    []digestFile `json:"logFiles"`
}

// A digestFile is what a digest says of a log file.
type digestFile struct {
	S3Bucket        string    `json:"s3Bucket"`
	S3Object        string    `json:"s3Object"`
	HashValue       string    `json:"hashValue"`
	HashAlgorithm   string    `json:"hashAlgorithm"`
	NewestEventTime time.Time `json:"newestEventTime"`
	OldestEventTime time.Time `json:"oldestEventTime"`
}

func atSecond(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// signingString is what is signed of a digest (CloudTrail user guide, "Custom
// implementations of CloudTrail log file integrity validation"): its end, its
// path, the hash of its content and the signature of the one before. The AWS
// command line has "null" for no signature.
func signingString(d *digest, content []byte) []byte {
	previous := "null"
	if d.PreviousDigestSignature != nil {
		previous = *d.PreviousDigestSignature
	}
	b := append(audit.AppendTime(nil, d.DigestEndTime), '\n')
	return fmt.Appendf(b, "%s/%s\n%s\n%s", d.DigestS3Bucket, d.DigestS3Object, hexHash(content), previous)
}

// sign returns the signature of a digest in hexadecimal.
func sign(key crypto.Signer, d *digest, content []byte) (string, error) {
	sum := sha256.Sum256(signingString(d, content))
	sig, err := key.Sign(nil, sum[:], crypto.SHA256) // PKCS #1 v1.5, which is deterministic
	return hex.EncodeToString(sig), err
}

func verifySignature(key *rsa.PublicKey, d *digest, content []byte, signature string) error {
	sig, err := hex.DecodeString(signature)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(signingString(d, content))
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], sig)
}

// Fingerprint returns the name by which digests know a public key: the first
// half of the SHA-256 of its PKCS #1 form, in hexadecimal, which has the length
// of CloudTrail's fingerprints.
func Fingerprint(key *rsa.PublicKey) string {
	sum := sha256.Sum256(x509.MarshalPKCS1PublicKey(key))
	return hex.EncodeToString(sum[:16])
}

func hexHash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// A packer makes files. Between files it keeps its memory only as long as the
// garbage collector lets it, since files may be hours apart.
type packer struct{ spare sync.Pool }

// A pack is the memory that a file takes while it is made.
type pack struct {
	content []byte
	out     bytes.Buffer
	gzip    *gzip.Writer
}

func (p *packer) get() (*pack, error) {
	if k, ok := p.spare.Get().(*pack); ok {
		k.content = k.content[:0]
		return k, nil
	}
	// Fast rather than small: every request costs a record.
	w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	return &pack{gzip: w}, err
}

func (p *packer) put(k *pack) { p.spare.Put(k) }

// compress compresses the content, until the next call.
func (k *pack) compress() ([]byte, error) {
	k.out.Reset()
	k.gzip.Reset(&k.out)
	_, err := k.gzip.Write(k.content)
	if err == nil {
		err = k.gzip.Close()
	}
	return k.out.Bytes(), err
}

// maxContent bounds what a file of a few bytes may expand to.
const maxContent = 1 << 30

var errTooLarge = errors.New("trail: a file expands to more than 1 GiB")

func decompress(b []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(r, maxContent+1))
	if err == nil && len(out) > maxContent {
		err = errTooLarge
	}
	return out, err
}
