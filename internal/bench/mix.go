package bench

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// An Operation is one kind of request.
type Operation int

// The operations, in the order in which reports list them.
const (
	Get Operation = iota
	Range
	Head
	Put
	Delete
	List
	operations
)

// String returns the operation's name in mixes and reports.
func (o Operation) String() string {
	return [operations]string{"get", "range", "head", "put", "delete", "list"}[o]
}

// method is the HTTP method of an operation.
func (o Operation) method() string {
	return [operations]string{"GET", "GET", "HEAD", "PUT", "DELETE", "GET"}[o]
}

// reads reports whether the operation needs objects that were stored before.
func (o Operation) reads() bool { return o == Get || o == Range || o == Head || o == List }

// A Mix is how often each operation is wanted, as weights.
type Mix [operations]int

// ParseMix parses a mix such as "get=70,put=20,range=5". One name alone is all
// of it.
func ParseMix(text string) (m Mix, err error) {
	total := 0
	for part := range strings.SplitSeq(text, ",") {
		name, share, ok := strings.Cut(strings.TrimSpace(part), "=")
		weight := 1
		if ok {
			if weight, err = strconv.Atoi(share); err != nil || weight < 0 || weight > 1_000_000 {
				return m, fmt.Errorf("%q is not a share of a mix, such as get=70", part)
			}
		}
		op, ok := operationOf(name)
		if !ok {
			return m, fmt.Errorf("%q is no operation: there are get, range, head, put, delete and list", name)
		}
		if m[op] != 0 {
			return m, fmt.Errorf("the mix has %s twice", op)
		}
		m[op] = weight
		total += weight
	}
	if total == 0 {
		return m, fmt.Errorf("the mix is empty")
	}
	return m, nil
}

func operationOf(name string) (Operation, bool) {
	for op := range operations {
		if op.String() == name {
			return op, true
		}
	}
	return 0, false
}

// String writes the mix as ParseMix reads it.
func (m Mix) String() string {
	var parts []string
	for op, weight := range m {
		if weight > 0 {
			parts = append(parts, fmt.Sprintf("%s=%d", Operation(op), weight))
		}
	}
	return strings.Join(parts, ",")
}

// total is the sum of the weights.
func (m Mix) total() (n int) {
	for _, weight := range m {
		n += weight
	}
	return n
}

// pick chooses an operation at random, by the weights.
func (m *Mix) pick(rnd *rand.Rand, total int) Operation {
	n := rnd.IntN(total)
	for op, weight := range m {
		if n < weight {
			return Operation(op)
		}
		n -= weight
	}
	panic("bench: total is not the sum of the weights")
}

// reads reports whether the mix needs objects to read.
func (m Mix) reads() bool {
	for op, weight := range m {
		if weight > 0 && Operation(op).reads() {
			return true
		}
	}
	return false
}

// Sizes is how large objects are, as a distribution.
type Sizes []SizeShare

// A SizeShare is a size in bytes and the weight of objects that have it.
type SizeShare struct {
	Bytes  int64
	Weight float64
}

// ParseSizes parses a distribution such as "4KiB:90,1MiB:9,64MiB:1", or one
// size. parse reads one size in bytes.
func ParseSizes(text string, parse func(string) (int64, error)) (Sizes, error) {
	var s Sizes
	for part := range strings.SplitSeq(text, ",") {
		size, share, ok := strings.Cut(strings.TrimSpace(part), ":")
		bytes, err := parse(size)
		if err != nil {
			return nil, err
		}
		weight := 1.0
		if ok {
			if weight, err = strconv.ParseFloat(share, 64); err != nil || !(weight > 0) || math.IsInf(weight, 0) {
				return nil, fmt.Errorf("%q is not a share of sizes, such as 4KiB:90", part)
			}
		}
		s = append(s, SizeShare{bytes, weight})
	}
	return s, nil
}

// goldenRatio spreads whole numbers evenly between 0 and 1.
const goldenRatio = 0.618033988749894848

// At returns the size in bytes of object i. Sizes follow from the number alone,
// so that an object's size need not be remembered, and are spread evenly, so
// that few objects have the distribution too.
func (s Sizes) At(i int) int64 {
	total := 0.0
	for _, share := range s {
		total += share.Weight
	}
	_, at := math.Modf(float64(i)*goldenRatio + 0.5)
	at *= total
	for _, share := range s {
		if at < share.Weight {
			return share.Bytes
		}
		at -= share.Weight
	}
	return s[len(s)-1].Bytes
}

// String writes the distribution as ParseSizes reads it.
func (s Sizes) String() string {
	var parts []string
	for _, share := range s {
		if len(s) == 1 {
			return FormatSize(share.Bytes)
		}
		parts = append(parts, FormatSize(share.Bytes)+":"+strconv.FormatFloat(share.Weight, 'g', -1, 64))
	}
	return strings.Join(parts, ",")
}

// FormatSize writes a number of bytes with the largest unit of 1024 that
// divides it.
func FormatSize(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	u := 0
	for n != 0 && n%1024 == 0 && u < len(units)-1 {
		n /= 1024
		u++
	}
	return strconv.FormatInt(n, 10) + units[u]
}
