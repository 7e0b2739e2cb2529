package store

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
