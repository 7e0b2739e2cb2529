package store

// A crcField does arithmetic with polynomials over GF(2) modulo that of a
// CRC. As in the CRC itself, bits are reflected: the highest one is x^0.
type crcField struct {
	poly  uint64
	width int
}

// crcFields has a row for every checksum that can be combined: the checksum
// of a whole follows from those of its parts and their lengths.
var crcFields = map[ChecksumAlgorithm]crcField{
	CRC32:     {0xEDB88320, 32},
	CRC32C:    {0x82F63B78, 32},
	CRC64NVME: {0x9A6C9329AC4BC9B5, 64},
}

// one is the polynomial 1.
func (f crcField) one() uint64 { return 1 << (f.width - 1) }

// multiply returns a·b.
func (f crcField) multiply(a, b uint64) uint64 {
	var product uint64
	for bit := f.one(); bit != 0; bit >>= 1 {
		if a&bit != 0 {
			product ^= b
		}
		carry := b & 1
		b >>= 1
		if carry != 0 {
			b ^= f.poly
		}
	}
	return product
}

// shift returns x^8n, by which n more bytes multiply what came before them.
func (f crcField) shift(n int64) uint64 {
	result, power := f.one(), f.one()>>8
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			result = f.multiply(result, power)
		}
		power = f.multiply(power, power)
	}
	return result
}

// A crcCombiner joins the CRCs of pieces into that of their concatenation.
type crcCombiner struct {
	crcField
	sum uint64
	// Most parts of an upload have the same length, and its shift is what
	// costs.
	lastLength int64
	lastShift  uint64
}

// newCRCCombiner returns a combiner for an algorithm that has one.
func newCRCCombiner(a ChecksumAlgorithm) *crcCombiner {
	f := crcFields[a]
	return &crcCombiner{crcField: f, lastShift: f.one()}
}

// add appends a piece. Since a CRC begins and ends with an inversion, which
// cancel each other out, the finished sums can be combined as they are.
func (c *crcCombiner) add(digest []byte, length int64) {
	if length != c.lastLength {
		c.lastLength, c.lastShift = length, c.shift(length)
	}
	c.sum = c.multiply(c.lastShift, c.sum) ^ fromBigEndian(digest)
}

// digest returns the sum in network order.
func (c *crcCombiner) digest() []byte {
	b := make([]byte, c.width/8)
	for i := range b {
		b[i] = byte(c.sum >> (c.width - 8*(i+1)))
	}
	return b
}

func fromBigEndian(b []byte) (n uint64) {
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n
}
