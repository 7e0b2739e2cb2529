package s3store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/daypass/daypass/store"
)

// decodeKey returns a key as it stands in a listing with encoding-type=url.
func decodeKey(encoded *string) (string, error) {
	key, err := url.QueryUnescape(aws.ToString(encoded))
	if err != nil {
		return "", fmt.Errorf("s3store: the upstream lists the key %q, which is not encoded: %w", aws.ToString(encoded), err)
	}
	return key, nil
}

// commonPrefix returns the common prefix that a key lies in or is.
func commonPrefix(prefix, delimiter, key string) (string, bool) {
	rest, ok := strings.CutPrefix(key, prefix)
	if !ok || delimiter == "" {
		return "", false
	}
	i := strings.Index(rest, delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(prefix)+i+len(delimiter)], true
}

// lastKey returns a key that no key below prefix comes after: the highest
// character of Unicode, as often as it fits. Upstreams differ in what a page
// begins with that starts within a common prefix.
func lastKey(prefix string) string {
	const highest = "\U0010FFFF"
	if n := (store.MaxKeyLength - len(prefix)) / len(highest); n > 0 {
		return prefix + strings.Repeat(highest, n)
	}
	return prefix
}

// A listing is a listing of the upstream under way.
type listing struct {
	driver *Driver
	hold
	upstream          string // bucket
	base              string // goes before all keys
	prefix, delimiter string
}

func (d *Driver) listing(h hold, bucket, prefix, delimiter string) *listing {
	return &listing{d, h, d.names.upstreamBucket(bucket), d.names.keyPrefix(bucket), prefix, delimiter}
}

// ListObjects implements store.Driver.
func (d *Driver) ListObjects(ctx context.Context, req store.ListRequest) (*store.ListPage, error) {
	h, err := d.hold(ctx, req.Bucket)
	if err != nil {
		return nil, err
	}
	page := &store.ListPage{}
	if req.Max <= 0 {
		return page, nil
	}
	l := d.listing(h, req.Bucket, req.Prefix, req.Delimiter)
	after := req.After
	if cp, ok := commonPrefix(req.Prefix, req.Delimiter, after); ok && after != "" {
		if !req.SkipAfter {
			more, err := l.any(ctx, cp, after)
			if err != nil {
				return nil, err
			}
			if more {
				page.CommonPrefixes, page.Next = []string{cp}, cp
			}
		}
		after = lastKey(cp)
	}
	return page, l.fill(ctx, page, after, req.Max)
}

// any reports whether there is a key below a prefix that comes after another one.
func (l *listing) any(ctx context.Context, prefix, after string) (bool, error) {
	found := *l
	found.prefix, found.delimiter = prefix, ""
	out, err := found.page(ctx, after, 1)
	return err == nil && len(out.Contents) > 0, err
}

// fill adds what comes after a key to a page, until that is full.
func (l *listing) fill(ctx context.Context, page *store.ListPage, after string, max int) error {
	for {
		have := len(page.Objects) + len(page.CommonPrefixes)
		// Of a page that is full only whether there is more is asked.
		out, err := l.page(ctx, after, min(listMax, max-have+1))
		if err != nil {
			return err
		}
		entries, err := l.entries(out)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.name() <= page.Next && page.Next != "" {
				continue
			}
			if len(page.Objects)+len(page.CommonPrefixes) == max {
				page.Truncated = true
				return nil
			}
			page.Next = e.name()
			if e.object != nil {
				page.Objects = append(page.Objects, e.object)
			} else {
				page.CommonPrefixes = append(page.CommonPrefixes, e.prefix)
			}
		}
		if !aws.ToBool(out.IsTruncated) || len(entries) == 0 {
			page.Next = ""
			return nil
		}
		last := entries[len(entries)-1].last()
		if last == after {
			return errors.New("s3store: the upstream lists the same page again and again")
		}
		after = last
	}
}

// page asks for one page.
func (l *listing) page(ctx context.Context, after string, max int) (*s3.ListObjectsV2Output, error) {
	in := &s3.ListObjectsV2Input{
		Bucket: &l.upstream, Prefix: str(l.base + l.prefix), Delimiter: str(l.asked()),
		MaxKeys: aws.Int32(int32(max)), EncodingType: types.EncodingTypeUrl,
	}
	if after >= l.prefix && after != "" {
		in.StartAfter = aws.String(l.base + after)
	}
	out, err := l.driver.client.ListObjectsV2(ctx, in, readable(nil))
	if err != nil {
		return nil, l.driver.fail("list objects", err)
	}
	return out, nil
}

// asked returns the delimiter that the upstream is asked for. Ceph 16 leaves
// common prefixes out where one is longer than a character and a page begins with
// a part of it, so that those are found in the keys.
func (l *listing) asked() string {
	if len(l.delimiter) == 1 {
		return l.delimiter
	}
	return ""
}

// An entry is an object or a common prefix of a listing.
type entry struct {
	object *store.Object
	prefix string
}

func (e *entry) name() string {
	if e.object != nil {
		return e.object.Key
	}
	return e.prefix
}

// last returns the key after which the listing goes on.
func (e *entry) last() string {
	if e.object != nil {
		return e.object.Key
	}
	return lastKey(e.prefix)
}

// entries returns what a page holds, in order.
func (l *listing) entries(out *s3.ListObjectsV2Output) ([]entry, error) {
	objects := make([]entry, 0, len(out.Contents))
	for i := range out.Contents {
		o := &out.Contents[i]
		key, err := l.key(o.Key)
		if err != nil {
			return nil, err
		}
		if cp, ok := commonPrefix(l.prefix, l.delimiter, key); ok {
			objects = append(objects, entry{prefix: cp})
			continue
		}
		objects = append(objects, entry{object: l.object(key, o.ETag, aws.ToInt64(o.Size), string(o.StorageClass), modTime(o.LastModified))})
	}
	prefixes := make([]entry, 0, len(out.CommonPrefixes))
	for i := range out.CommonPrefixes {
		cp, err := l.key(out.CommonPrefixes[i].Prefix)
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, entry{prefix: cp})
	}
	return merge(objects, prefixes), nil
}

// merge returns two lists that are each in order as one.
func merge(a, b []entry) []entry {
	all := make([]entry, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if a[0].name() < b[0].name() {
			all, a = append(all, a[0]), a[1:]
		} else {
			all, b = append(all, b[0]), b[1:]
		}
	}
	return append(append(all, a...), b...)
}

// key returns a key or common prefix of Daypass.
func (l *listing) key(encoded *string) (string, error) {
	key, err := decodeKey(encoded)
	if err != nil {
		return "", err
	}
	name, ok := strings.CutPrefix(key, l.base)
	if !ok {
		return "", fmt.Errorf("s3store: the upstream lists %q, which does not begin with %q", key, l.base)
	}
	return name, nil
}
