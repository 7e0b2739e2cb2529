package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/daypass/daypass/store"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// show writes a page on one line: keys, prefixes in brackets, "..." and the
// next position when there is more.
func show(p *store.ListPage) string {
	var words []string
	for _, o := range p.Objects {
		words = append(words, o.Key)
	}
	for _, cp := range p.CommonPrefixes {
		words = append(words, "["+cp+"]")
	}
	if p.Truncated {
		words = append(words, "..."+p.Next)
	}
	return strings.Join(words, " ")
}

func testList(s *suite) {
	s.createBucket(bucketName)
	s.createBucket("another-bucket") // whose keys must not show up
	for _, key := range []string{"a", "b/1", "b/2", "b/3/x", "b0", "c//d", "é/1", "z/"} {
		s.mustPut(key, []byte(key))
	}
	tests := []struct {
		req  store.ListRequest
		want string
	}{
		{store.ListRequest{Max: 100}, "a b/1 b/2 b/3/x b0 c//d z/ é/1"},
		{store.ListRequest{Max: 8}, "a b/1 b/2 b/3/x b0 c//d z/ é/1"},
		{store.ListRequest{Max: 7}, "a b/1 b/2 b/3/x b0 c//d z/ ...z/"},
		{store.ListRequest{Max: 0}, ""},
		{store.ListRequest{Max: 100, Delimiter: "/"}, "a b0 [b/] [c/] [z/] [é/]"},
		{store.ListRequest{Max: 2, Delimiter: "/"}, "a [b/] ...b/"},
		{store.ListRequest{Max: 6, Delimiter: "/"}, "a b0 [b/] [c/] [z/] [é/]"},
		{store.ListRequest{Max: 100, Delimiter: "/", Prefix: "b/"}, "b/1 b/2 [b/3/]"},
		{store.ListRequest{Max: 100, Delimiter: "/", Prefix: "b"}, "b0 [b/]"},
		{store.ListRequest{Max: 100, Delimiter: "/", Prefix: "z/"}, "z/"},
		{store.ListRequest{Max: 100, Delimiter: "/", Prefix: "c/"}, "[c//]"},
		{store.ListRequest{Max: 100, Prefix: "nothing"}, ""},
		{store.ListRequest{Max: 100, Delimiter: "é"}, "a b/1 b/2 b/3/x b0 c//d z/ [é]"},
		{store.ListRequest{Max: 100, Delimiter: "/3"}, "a b/1 b/2 b0 c//d z/ é/1 [b/3]"},
		{store.ListRequest{Max: 100, After: "b/2"}, "b/3/x b0 c//d z/ é/1"},
		{store.ListRequest{Max: 100, After: "b/2", Delimiter: "/"}, "b0 [b/] [c/] [z/] [é/]"},
		{store.ListRequest{Max: 100, After: "b/2", Delimiter: "/", SkipAfter: true}, "b0 [c/] [z/] [é/]"},
		{store.ListRequest{Max: 100, After: "b/", Delimiter: "/", SkipAfter: true}, "b0 [c/] [z/] [é/]"},
		{store.ListRequest{Max: 100, After: "b/3/x", Delimiter: "/"}, "b0 [c/] [z/] [é/]"},
		{store.ListRequest{Max: 100, After: "zzz", Prefix: "b/"}, ""},
		{store.ListRequest{Max: 100, After: "A", Prefix: "b/", Delimiter: "/", SkipAfter: true}, "b/1 b/2 [b/3/]"},
	}
	for _, tt := range tests {
		tt.req.Bucket = bucketName
		page, err := s.store.ListObjects(s.ctx, tt.req)
		s.must(err)
		if got := show(page); got != tt.want {
			s.Errorf("%+v\n got %q\nwant %q", tt.req, got, tt.want)
		}
	}
}

// modelPage is what ListObjects must return, computed by looking at every key.
func modelPage(keys []string, req store.ListRequest) *store.ListPage {
	page := &store.ListPage{}
	var last string // the last key or common prefix on the page
	for _, key := range keys {
		rest, ok := strings.CutPrefix(key, req.Prefix)
		if !ok || key <= req.After {
			continue
		}
		entry, isPrefix := key, false
		if i := strings.Index(rest, req.Delimiter); req.Delimiter != "" && i >= 0 {
			entry, isPrefix = key[:len(req.Prefix)+i+len(req.Delimiter)], true
		}
		if isPrefix && (entry == last || req.SkipAfter && strings.HasPrefix(req.After, entry)) {
			continue
		}
		if len(page.Objects)+len(page.CommonPrefixes) == req.Max {
			page.Truncated, page.Next = req.Max > 0, last
			return page
		}
		last = entry
		if isPrefix {
			page.CommonPrefixes = append(page.CommonPrefixes, entry)
		} else {
			page.Objects = append(page.Objects, &store.Object{Key: key})
		}
	}
	return page
}

// pieces are what random keys, prefixes and delimiters are made of. There are
// few, so that they collide.
var pieces = []string{"a", "b", "/", "//", "é", "\u00ff", "\U0010ffff", "-", "\x00", "0"}

func (s *suite) word(minLen, maxLen int) *rapid.Generator[string] {
	possible := pieces
	if s.has(NoZeroInKeys) {
		possible = slices.DeleteFunc(slices.Clone(pieces), func(p string) bool { return p == "\x00" })
	}
	return rapid.Map(rapid.SliceOfN(rapid.SampledFrom(possible), minLen, maxLen), func(ps []string) string {
		return strings.Join(ps, "")
	})
}

func testListModel(s *suite) {
	var round int
	rapid.Check(s.T, func(t *rapid.T) {
		round++
		bucket := fmt.Sprintf("bucket-%d", round)
		s.createBucket(bucket)
		keys := rapid.SliceOfNDistinct(s.word(1, 6), 0, 25, rapid.ID).Draw(t, "keys")
		for _, key := range keys {
			body, err := store.NewUpload(strings.NewReader(""), store.UploadOptions{})
			s.must(err)
			_, err = s.store.PutObject(s.ctx, &store.PutRequest{Bucket: bucket, Key: key, Body: body})
			s.must(err)
		}
		slices.Sort(keys)
		for range 20 {
			req := store.ListRequest{
				Bucket:    bucket,
				Prefix:    s.word(0, 2).Draw(t, "prefix"),
				Delimiter: s.word(0, 2).Draw(t, "delimiter"),
				After:     s.word(0, 4).Draw(t, "after"),
				SkipAfter: rapid.Bool().Draw(t, "skip after"),
				Max:       rapid.IntRange(0, 30).Draw(t, "max"),
			}
			s.comparePage(t, keys, req)
			s.comparePages(t, keys, req)
		}
	})
}

func (s *suite) comparePage(t *rapid.T, keys []string, req store.ListRequest) *store.ListPage {
	got, err := s.store.ListObjects(s.ctx, req)
	s.must(err)
	want := modelPage(keys, req)
	if diff := cmp.Diff(show(want), show(got)); diff != "" {
		t.Fatalf("keys %q, %+v (-want +got):\n%s", keys, req, diff)
	}
	return got
}

// comparePages walks through all pages and compares their concatenation with
// one large page.
func (s *suite) comparePages(t *rapid.T, keys []string, req store.ListRequest) {
	req.Max = max(req.Max, 1)
	whole := req
	whole.Max = len(keys) + 1
	want := modelPage(keys, whole)
	got := &store.ListPage{}
	for pages := 0; ; pages++ {
		page := s.comparePage(t, keys, req)
		got.Objects = append(got.Objects, page.Objects...)
		got.CommonPrefixes = append(got.CommonPrefixes, page.CommonPrefixes...)
		if !page.Truncated {
			break
		}
		if pages > len(keys) {
			t.Fatalf("keys %q, %+v: the listing does not end", keys, req)
		}
		req.After, req.SkipAfter = page.Next, true
	}
	if diff := cmp.Diff(show(want), show(got)); diff != "" {
		t.Fatalf("keys %q, all pages of %+v (-want +got):\n%s", keys, req, diff)
	}
}

func testListCancelled(s *suite) {
	s.createBucket(bucketName)
	s.mustPut("key", nil)
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	_, err := s.store.ListObjects(ctx, store.ListRequest{Bucket: bucketName, Max: 10})
	if !errors.Is(err, context.Canceled) {
		s.Errorf("ListObjects with a cancelled context: %v", err)
	}
}
