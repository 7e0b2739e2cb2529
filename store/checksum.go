package store

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"hash"
	"hash/crc32"
	"strings"

	"github.com/daypass/daypass"
	"github.com/minio/crc64nvme"
)

// A ChecksumAlgorithm is one of the algorithms that S3 verifies.
type ChecksumAlgorithm string

// The algorithms, by the names of the S3 API.
const (
	CRC32     ChecksumAlgorithm = "CRC32"
	CRC32C    ChecksumAlgorithm = "CRC32C"
	CRC64NVME ChecksumAlgorithm = "CRC64NVME"
	SHA1      ChecksumAlgorithm = "SHA1"
	SHA256    ChecksumAlgorithm = "SHA256"
)

// algorithms has a row for every algorithm. A CRC's Sum is its value in
// network order, which is what S3 shows.
var algorithms = map[ChecksumAlgorithm]struct {
	size int
	new  func() hash.Hash
}{
	CRC32:     {crc32.Size, func() hash.Hash { return crc32.NewIEEE() }},
	CRC32C:    {crc32.Size, func() hash.Hash { return crc32.New(castagnoli) }},
	CRC64NVME: {crc64nvme.Size, func() hash.Hash { return crc64nvme.New() }},
	SHA1:      {sha1.Size, sha1.New},
	SHA256:    {sha256.Size, sha256.New},
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Known reports whether a is one of the algorithms above.
func (a ChecksumAlgorithm) Known() bool {
	_, ok := algorithms[a]
	return ok
}

// Size returns the length of the algorithm's digest in bytes, or 0 when the
// algorithm is unknown.
func (a ChecksumAlgorithm) Size() int { return algorithms[a].size }

// New returns a hash that computes the checksum. It panics when the algorithm
// is unknown.
func (a ChecksumAlgorithm) New() hash.Hash {
	row, ok := algorithms[a]
	if !ok {
		panic("store: unknown checksum algorithm " + string(a))
	}
	return row.new()
}

// ParseChecksumValue returns the digest that value holds in base64, as in the
// header x-amz-checksum-crc32. InvalidRequest when the encoding or the length
// is wrong.
func ParseChecksumValue(a ChecksumAlgorithm, value string) ([]byte, error) {
	digest, err := base64.StdEncoding.Strict().DecodeString(value)
	if err != nil || !a.Known() || len(digest) != a.Size() {
		return nil, &daypass.Error{
			Code:    daypass.InvalidRequest,
			Message: "Value for " + a.Header() + " header is invalid.",
			Err:     err,
		}
	}
	return digest, nil
}

// Header returns the name of the header that carries the checksum, such as
// x-amz-checksum-crc32.
func (a ChecksumAlgorithm) Header() string {
	return "x-amz-checksum-" + strings.ToLower(string(a))
}
