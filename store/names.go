package store

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/daypass/daypass"
)

// MaxKeyLength is the length of the longest object key, in bytes.
const MaxKeyLength = 1024

// Prefixes and suffixes that AWS keeps for itself. (S3 User Guide, "General
// purpose bucket naming rules".)
var (
	reservedPrefixes = []string{"xn--", "sthree-"}
	reservedSuffixes = []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"}
)

// ValidBucketName reports whether a bucket may be created under name.
// InvalidBucketName.
func ValidBucketName(name string) error {
	if !validBucketShape(name) || reservedBucketName(name) {
		return &daypass.Error{
			Code:    daypass.InvalidBucketName,
			Details: []daypass.Detail{{Name: "BucketName", Value: name}},
		}
	}
	return nil
}

func validBucketShape(name string) bool {
	if len(name) < 3 || len(name) > 63 || strings.Contains(name, "..") {
		return false
	}
	for i := range len(name) {
		inside := i > 0 && i < len(name)-1
		if c := name[i]; !isLowerAlnum(c) && !(inside && (c == '-' || c == '.')) {
			return false
		}
	}
	return true
}

func isLowerAlnum(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }

func reservedBucketName(name string) bool {
	for _, p := range reservedPrefixes {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	for _, s := range reservedSuffixes {
		if strings.HasSuffix(name, s) {
			return true
		}
	}
	return looksLikeIPv4(name)
}

// looksLikeIPv4 also refuses what is only shaped like an address (300.1.1.1),
// as AWS does not say which it means.
func looksLikeIPv4(name string) bool {
	dots := 0
	for i := range len(name) {
		switch c := name[i]; {
		case c == '.':
			dots++
		case c < '0' || c > '9':
			return false
		}
	}
	return dots == 3
}

// ValidKey reports whether an object may have the given key: 1 to
// MaxKeyLength bytes of UTF-8. Every such key is kept as it is, never cleaned.
// KeyTooLongError, InvalidURI.
func ValidKey(key string) error {
	switch {
	case key == "":
		return &daypass.Error{Code: invalidURI, Message: "The object key is empty."}
	case len(key) > MaxKeyLength:
		return &daypass.Error{Code: daypass.KeyTooLongError, Details: []daypass.Detail{
			{Name: "Size", Value: strconv.Itoa(len(key))},
			{Name: "MaxSizeAllowed", Value: strconv.Itoa(MaxKeyLength)},
		}}
	case !utf8.ValidString(key):
		return &daypass.Error{Code: invalidURI, Message: "Couldn't parse the specified URI."}
	}
	return nil
}
