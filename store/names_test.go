package store

import (
	"strings"
	"testing"

	"github.com/daypass/daypass"
)

func TestValidBucketName(t *testing.T) {
	good := []string{"abc", "a-b", "a.b", "0ab", "1.2.3.a", "a--b", "1234", "1.2.3", strings.Repeat("a", 63)}
	bad := []string{
		"", "ab", strings.Repeat("a", 64), "Abc", "abC", "a_b", "a b", "-ab", "ab-", ".ab", "ab.", "a..b", "é-é", "a/b",
		"192.168.5.4", "999.1.1.1", "xn--abc", "sthree-abc", "abc-s3alias", "abc--ol-s3", "abc.mrap", "abc--x-s3",
		"abc--table-s3", "a\x00b",
	}
	for _, name := range good {
		if err := ValidBucketName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range bad {
		if err := ValidBucketName(name); daypass.CodeOf(err) != daypass.InvalidBucketName {
			t.Errorf("%q: %v, want InvalidBucketName", name, err)
		}
	}
}

func TestValidKey(t *testing.T) {
	tests := []struct {
		key  string
		want string
	}{
		{"a", ""},
		{"/..//\x00\x1f🙂", ""},
		{strings.Repeat("é", 512), ""},
		{strings.Repeat("é", 512) + "x", "KeyTooLongError 1025 1024"},
		{"\xff", "InvalidURI"},
		{"", "InvalidURI"},
	}
	for _, tt := range tests {
		if got := describe(ValidKey(tt.key)); got != tt.want {
			t.Errorf("%.20q: %q, want %q", tt.key, got, tt.want)
		}
	}
}
