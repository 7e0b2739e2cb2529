package s3

// A Checksum is one checksum as XML bodies show it.
type Checksum struct {
	// Algorithm is its name in the S3 API, such as CRC32.
	Algorithm string
	// Value is in base64; a composite one ends with "-" and the number of
	// parts.
	Value string
}

// checksums appends an element for each checksum.
func (w *writer) checksums(sums []Checksum) {
	for _, sum := range sums {
		w.text("Checksum"+sum.Algorithm, sum.Value)
	}
}

// ChecksumFields are the elements by which a client names checksums of a part.
type ChecksumFields struct {
	CRC32     string `xml:"ChecksumCRC32"`
	CRC32C    string `xml:"ChecksumCRC32C"`
	CRC64NVME string `xml:"ChecksumCRC64NVME"`
	SHA1      string `xml:"ChecksumSHA1"`
	SHA256    string `xml:"ChecksumSHA256"`
}

// List returns the checksums that are there.
func (f *ChecksumFields) List() []Checksum {
	var out []Checksum
	for _, sum := range [...]Checksum{
		{"CRC32", f.CRC32}, {"CRC32C", f.CRC32C}, {"CRC64NVME", f.CRC64NVME}, {"SHA1", f.SHA1}, {"SHA256", f.SHA256},
	} {
		if sum.Value != "" {
			out = append(out, sum)
		}
	}
	return out
}
