package policy

import (
	"cmp"
	"encoding/base64"
	"errors"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

var (
	errNumber  = errors.New("not a number")
	errDate    = errors.New("neither an ISO 8601 date nor seconds since 1970")
	errBool    = errors.New("neither true nor false")
	errAddress = errors.New("neither an address nor a range in CIDR notation")
)

func stringTest(value string, variables bool) (test, error) {
	return matchTest(value, syntax{variables: variables})
}

func likeTest(value string, variables bool) (test, error) {
	return matchTest(value, syntax{variables: variables, wildcards: true})
}

func matchTest(value string, x syntax) (test, error) {
	t, err := x.compile(value)
	return t.match, err
}

// foldTest compares without regard to case.
func foldTest(value string, variables bool) (test, error) {
	parts, err := syntax{variables: variables}.pieces(value)
	if err != nil {
		return nil, err
	}
	if !hasVariables(parts) {
		want := plain(parts)
		return func(_ *call, asked string) bool { return strings.EqualFold(want, asked) }, nil
	}
	t := &text{parts: parts}
	return func(c *call, asked string) bool {
		// Case folding can make a text up to three times as long.
		filled, ok := t.fill(c, 3*len(asked))
		return ok && strings.EqualFold(plain(filled), asked)
	}, nil
}

// boolTest allows variables, as the operator's documentation does.
func boolTest(value string, variables bool) (test, error) {
	hasVariable := variables && strings.Contains(value, "${")
	if !hasVariable && !strings.EqualFold(value, "true") && !strings.EqualFold(value, "false") {
		return nil, errBool
	}
	return foldTest(value, variables)
}

// binaryTest compares with what the policy holds in base64.
func binaryTest(value string, _ bool) (test, error) {
	want, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return nil, err
	}
	return func(_ *call, asked string) bool { return asked == string(want) }, nil
}

// An order is how what is asked may compare with the policy's value.
type order func(int) bool

func equal(n int) bool   { return n == 0 }
func less(n int) bool    { return n < 0 }
func atMost(n int) bool  { return n <= 0 }
func greater(n int) bool { return n > 0 }
func atLeast(n int) bool { return n >= 0 }

func numericTest(holds order) func(string, bool) (test, error) {
	return func(value string, _ bool) (test, error) {
		want, err := parseNumber(value)
		return func(_ *call, asked string) bool {
			got, err := parseNumber(asked)
			return err == nil && holds(cmp.Compare(got, want))
		}, err
	}
}

// parseNumber reads an integer or decimal, in binary64 precision.
func parseNumber(s string) (float64, error) {
	if strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, errNumber // ParseFloat takes more: Inf, NaN, hexadecimal
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, errNumber
	}
	return f, nil
}

func dateTest(holds order) func(string, bool) (test, error) {
	return func(value string, _ bool) (test, error) {
		want, err := parseDate(value)
		return func(_ *call, asked string) bool {
			got, err := parseDate(asked)
			return err == nil && holds(got.Compare(want))
		}, err
	}
}

// dateLayouts are the forms of W3C's note on date and time formats, which is
// what IAM takes; RFC 3339 covers fractions of a second.
var dateLayouts = []string{time.RFC3339, "2006-01-02T15:04Z07:00", "2006-01-02", "2006-01"}

// ParseDate reads a date as conditions of policies write it, or seconds since
// 1970, and reports whether it is one.
func ParseDate(s string) (time.Time, bool) {
	t, err := parseDate(s)
	return t, err == nil
}

// parseDate reads a date or the seconds since 1970. Four digits are a year.
func parseDate(s string) (time.Time, error) {
	if len(s) == 4 && only(s, isDigit) {
		return time.Parse("2006", s)
	}
	if seconds, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.Unix(seconds, 0), nil
	}
	for _, layout := range dateLayouts {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, errDate
}

func addressTest(value string, _ bool) (test, error) {
	want, err := parseRange(value)
	return func(_ *call, asked string) bool {
		got, err := netip.ParseAddr(asked)
		return err == nil && want.Contains(got.Unmap().WithZone(""))
	}, err
}

// parseRange reads an address or a CIDR range of either family. IPv4 addresses
// that are mapped into IPv6 are IPv4 addresses, on both sides.
func parseRange(s string) (netip.Prefix, error) {
	if !strings.Contains(s, "/") {
		a, err := netip.ParseAddr(s)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, errAddress
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, errAddress
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

// arnTest compares segment by segment, with wildcards; ArnEquals and ArnLike
// are the same.
func arnTest(value string, variables bool) (test, error) {
	p, err := compileARN(value, syntax{wildcards: true, variables: variables})
	return func(c *call, asked string) bool {
		return strings.HasPrefix(asked, "arn:") && p.match(c, asked)
	}, err
}
