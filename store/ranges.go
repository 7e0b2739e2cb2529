package store

import (
	"strconv"
	"strings"

	"github.com/daypass/daypass"
)

// ParseRange reads a Range header against an object of size bytes. Where ok is
// true, n bytes from offset off are asked for, at least one. A header that is
// not well-formed, or that names several ranges, counts for nothing, as in S3:
// ok is false and the whole object is meant. InvalidRange when no byte of the
// range exists. (RFC 9110, section 14.1.2; S3 API reference, GetObject.)
func ParseRange(header string, size int64) (off, n int64, ok bool, err error) {
	spec, found := cutBytesUnit(header)
	if !found {
		return 0, 0, false, nil
	}
	first, last, found := strings.Cut(spec, "-")
	if !found {
		return 0, 0, false, nil
	}
	first, last = strings.TrimSpace(first), strings.TrimSpace(last)
	if first == "" {
		off, n, ok = suffixRange(last, size)
	} else {
		off, n, ok = plainRange(first, last, size)
	}
	if ok && n == 0 {
		return 0, 0, false, invalidRange(header, size)
	}
	return off, n, ok, nil
}

// cutBytesUnit returns what follows "bytes=".
func cutBytesUnit(header string) (string, bool) {
	unit, spec, found := strings.Cut(strings.TrimSpace(header), "=")
	return spec, found && strings.EqualFold(strings.TrimSpace(unit), "bytes")
}

// suffixRange reads the "n" of "-n": the last n bytes.
func suffixRange(digits string, size int64) (off, n int64, ok bool) {
	n, ok = parseDigits(digits)
	n = min(n, size)
	return size - n, n, ok
}

// plainRange reads "first-" and "first-last". n is zero when the range begins
// beyond the end.
func plainRange(firstDigits, lastDigits string, size int64) (off, n int64, ok bool) {
	first, ok := parseDigits(firstDigits)
	if !ok {
		return 0, 0, false
	}
	last := size - 1
	if lastDigits != "" {
		l, ok := parseDigits(lastDigits)
		if !ok || l < first {
			return 0, 0, false
		}
		last = min(last, l)
	}
	if first >= size {
		return 0, 0, true
	}
	return first, last - first + 1, true
}

// parseDigits reads a decimal number without a sign; one that is too large is
// as good as infinity.
func parseDigits(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		n = 1<<63 - 1
	}
	return n, true
}

func invalidRange(header string, size int64) error {
	return &daypass.Error{
		Code: daypass.InvalidRange,
		Details: []daypass.Detail{
			{Name: "RangeRequested", Value: header},
			{Name: "ActualObjectSize", Value: strconv.FormatInt(size, 10)},
		},
	}
}
