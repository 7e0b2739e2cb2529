package store

import (
	"fmt"
	"slices"
	"testing"
)

// A sliceCursor walks a sorted slice and counts its moves.
type sliceCursor struct {
	keys  []string
	at    int
	moves int
}

func (c *sliceCursor) SeekGE(key string) bool {
	c.moves++
	c.at, _ = slices.BinarySearch(c.keys, key)
	return c.at < len(c.keys)
}

func (c *sliceCursor) Next() bool {
	c.moves++
	c.at++
	return c.at < len(c.keys)
}

func (c *sliceCursor) Key() string              { return c.keys[c.at] }
func (c *sliceCursor) Object() (*Object, error) { return &Object{Key: c.Key()}, nil }
func (c *sliceCursor) Err() error               { return nil }

// TestListSeeks checks that a common prefix costs the same however many keys
// it stands for.
func TestListSeeks(t *testing.T) {
	var keys []string
	for dir := range 10 {
		for i := range 1000 {
			keys = append(keys, fmt.Sprintf("%d/%04d", dir, i))
		}
	}
	c := &sliceCursor{keys: keys}
	page, err := List(c, ListRequest{Delimiter: "/", Max: 100})
	if err != nil || len(page.CommonPrefixes) != 10 || len(page.Objects) != 0 {
		t.Fatalf("%+v, %v", page, err)
	}
	if c.moves > 12 {
		t.Errorf("%d moves for 10 common prefixes", c.moves)
	}
}

// TestListHighBytes covers delimiters and keys that no UTF-8 text holds.
func TestListHighBytes(t *testing.T) {
	keys := []string{"a", "a\xff", "a\xff\xff", "a\xff\xffb", "b", "\xff", "\xff\xff", "\xff\xff1"}
	tests := []struct {
		req  ListRequest
		want string
	}{
		{ListRequest{Delimiter: "\xff", Max: 9}, `["a" "b"] ["a\xff" "\xff"]`},
		{ListRequest{Delimiter: "\xff\xff", Max: 9}, `["a" "a\xff" "b" "\xff"] ["a\xff\xff" "\xff\xff"]`},
		{ListRequest{Delimiter: "\xff", After: "\xff", SkipAfter: true, Max: 9}, `[] []`},
		{ListRequest{Prefix: "\xff", Max: 9}, `["\xff" "\xff\xff" "\xff\xff1"] []`},
		{ListRequest{Prefix: "\xff", Delimiter: "\xff", Max: 9}, `["\xff"] ["\xff\xff"]`},
	}
	for _, tt := range tests {
		page, err := List(&sliceCursor{keys: keys}, tt.req)
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, o := range page.Objects {
			got = append(got, o.Key)
		}
		if s := fmt.Sprintf("%q %q", got, page.CommonPrefixes); s != tt.want {
			t.Errorf("%+v\n got %s\nwant %s", tt.req, s, tt.want)
		}
	}
}

func TestPrefixEnd(t *testing.T) {
	tests := []struct {
		prefix, end string
		ok          bool
	}{
		{"a", "b", true}, {"a/", "a0", true}, {"a\xff", "b", true}, {"a\xff\xff", "b", true}, {"a\xfe", "a\xff", true},
		{"\xff", "", false}, {"", "", false}, {"é", "\xc3\xaa", true}, {"\x00", "\x01", true},
	}
	for _, tt := range tests {
		if end, ok := prefixEnd(tt.prefix); end != tt.end || ok != tt.ok {
			t.Errorf("prefixEnd(%q) = %q, %v", tt.prefix, end, ok)
		}
	}
}
