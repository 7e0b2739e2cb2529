package store

import (
	"fmt"
	"testing"

	"github.com/daypass/daypass"
)

func TestParseRange(t *testing.T) {
	const invalid = "InvalidRange"
	tests := []struct {
		header string
		size   int64
		want   string // offset and length, invalid, or "" where the header does not count
	}{
		{"bytes=0-9", 100, "0 10"},
		{"bytes=90-", 100, "90 10"},
		{"bytes=90-200", 100, "90 10"},
		{"bytes=-10", 100, "90 10"},
		{"bytes=-1000", 100, "0 100"},
		{"bytes=99-99", 100, "99 1"},
		{"Bytes = 0 - 0", 100, "0 1"},
		{"bytes=0-99999999999999999999999", 100, "0 100"},
		{"bytes=-99999999999999999999999", 100, "0 100"},
		{"bytes=100-", 100, invalid},
		{"bytes=100-200", 100, invalid},
		{"bytes=99999999999999999999999-", 100, invalid},
		{"bytes=-0", 100, invalid},
		{"bytes=0-", 0, invalid},
		{"bytes=-5", 0, invalid},
		{"", 100, ""},
		{"bytes", 100, ""},
		{"bytes=", 100, ""},
		{"bytes=-", 100, ""},
		{"bytes=5", 100, ""},
		{"bytes=5-4", 100, ""},
		{"bytes=a-b", 100, ""},
		{"bytes=+1-2", 100, ""},
		{"bytes=1--2", 100, ""},
		{"bytes=0x1-2", 100, ""},
		{"bytes=0-1,5-6", 100, ""},
		{"lines=0-1", 100, ""},
	}
	for _, tt := range tests {
		if got := showRange(ParseRange(tt.header, tt.size)); got != tt.want {
			t.Errorf("ParseRange(%q, %d) = %q, want %q", tt.header, tt.size, got, tt.want)
		}
	}
}

func showRange(off, n int64, ok bool, err error) string {
	switch {
	case err != nil:
		return string(daypass.CodeOf(err))
	case ok:
		return fmt.Sprint(off, n)
	}
	return ""
}

func FuzzParseRange(f *testing.F) {
	for _, h := range []string{"bytes=0-9", "bytes=-5", "bytes=9-", "bytes=1-2,3-4", "bytes=99999999999999999999-"} {
		f.Add(h, int64(10))
	}
	f.Fuzz(func(t *testing.T, header string, size int64) {
		if size < 0 {
			return
		}
		off, n, ok, err := ParseRange(header, size)
		if ok && (off < 0 || n < 1 || n > size || off > size-n) {
			t.Errorf("ParseRange(%q, %d) = %d, %d", header, size, off, n)
		}
		if ok && err != nil {
			t.Errorf("ParseRange(%q, %d): a range and an error", header, size)
		}
	})
}
