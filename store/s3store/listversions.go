package s3store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/daypass/daypass/store"
)

// object returns an object as a listing shows it: without owner, metadata and
// tags.
func (l *listing) object(key string, etag *string, size int64, class string, at time.Time) *store.Object {
	o := &store.Object{
		Bucket: l.name, Key: key, Size: size, ETag: unquote(etag), ModTime: at, IsLatest: true, PartCount: partCount(unquote(etag)),
	}
	if class != "STANDARD" {
		o.Metadata.StorageClass = class
	}
	return o
}

// ListVersions implements store.Versioner.
func (d *Driver) ListVersions(ctx context.Context, req store.VersionsRequest) (*store.VersionsPage, error) {
	h, err := d.hold(ctx, req.Bucket)
	if err != nil {
		return nil, err
	}
	return d.listVersions(ctx, h, req)
}

func (d *Driver) listVersions(ctx context.Context, h hold, req store.VersionsRequest) (*store.VersionsPage, error) {
	page := &store.VersionsPage{}
	if req.Max <= 0 {
		return page, nil
	}
	l := d.listing(h, req.Bucket, req.Prefix, req.Delimiter)
	if d.names.bucket != "" {
		return l.nullVersions(ctx, req)
	}
	after, version := req.KeyMarker, req.VersionMarker
	if cp, ok := commonPrefix(req.Prefix, req.Delimiter, after); ok && after != "" {
		after, version = lastKey(cp), ""
	}
	if version != "" && strings.HasPrefix(after, l.prefix) {
		left, all, err := l.leftOut(ctx, after, version, req.Max+1)
		if err != nil {
			return nil, err
		}
		if all {
			version = ""
		}
		for i, v := range left {
			if i == req.Max {
				page.Truncated = true
				return page, nil
			}
			add(page, entry{object: v})
		}
	}
	return page, l.fillVersions(ctx, page, after, version, req.Max)
}

// versionsOf returns a listing of what begins with a key.
func (l *listing) versionsOf(key string) *listing {
	of := *l
	of.prefix, of.delimiter = key, ""
	return &of
}

// leftOut returns what the upstream leaves out after a version of a key, at most
// max versions of the same key, and whether those are all that follow of the key.
// Ceph leaves out others after a version that is gone, where all that are left
// count as left out, since nothing tells which of them were older; and after a
// delete marker that is the null version.
func (l *listing) leftOut(ctx context.Context, key, version string, max int) (left []*store.Object, all bool, err error) {
	entries, _, _, err := l.versionsPage(ctx, position{key, version}, 1)
	if err != nil || len(entries) > 0 && entries[0].object != nil && entries[0].object.Key == key {
		return nil, false, err
	}
	found := false
	err = l.eachVersion(ctx, key, func(v *store.Object) bool {
		switch {
		case cmp.Or(v.VersionID, store.NullVersion) == version:
			left, found = nil, true
		case len(left) < max:
			left = append(left, v)
		}
		return !found || len(left) < max
	})
	return left, true, err
}

// eachVersion calls f with the versions of a key, the newest first, until it
// returns false.
func (l *listing) eachVersion(ctx context.Context, key string, f func(*store.Object) bool) error {
	of, at := l.versionsOf(key), position{}
	for {
		entries, next, more, err := of.versionsPage(ctx, at, listMax)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.object.Key != key || !f(e.object) {
				return nil
			}
		}
		if !more || len(entries) == 0 || next.version == "" { // what follows is of another key
			return nil
		}
		at = next
	}
}

// nullVersions lists objects where there are no versions.
func (l *listing) nullVersions(ctx context.Context, req store.VersionsRequest) (*store.VersionsPage, error) {
	objects, err := l.driver.ListObjects(ctx, store.ListRequest{
		Bucket: req.Bucket, Prefix: req.Prefix, Delimiter: req.Delimiter, After: req.KeyMarker, SkipAfter: true, Max: req.Max,
	})
	if err != nil {
		return nil, err
	}
	page := &store.VersionsPage{Versions: objects.Objects, CommonPrefixes: objects.CommonPrefixes, Truncated: objects.Truncated}
	if page.Truncated {
		page.NextKey, page.NextVersion = objects.Next, store.NullVersion
		if _, ok := commonPrefix(req.Prefix, req.Delimiter, objects.Next); ok {
			page.NextVersion = ""
		}
	}
	return page, nil
}

// fillVersions adds what comes after a version to a page, until that is full.
// Upstreams differ in whether a key marker alone leaves out all versions of the
// key, so that those that come are left out here.
func (l *listing) fillVersions(ctx context.Context, page *store.VersionsPage, after, version string, max int) error {
	skip := after
	if version != "" {
		skip = ""
	}
	at, wide, widened := position{after, version}, false, ""
	for {
		count := min(listMax, max-len(page.Versions)-len(page.CommonPrefixes)+1)
		if wide {
			count = listMax
		}
		entries, next, more, err := l.versionsPage(ctx, at, count)
		if err != nil {
			return err
		}
		for _, e := range entries {
			if e.object != nil && skip != "" && e.object.Key <= skip {
				continue
			}
			if len(page.Versions)+len(page.CommonPrefixes) == max {
				page.Truncated = true
				return nil
			}
			add(page, e)
		}
		if !more || len(entries) == 0 {
			page.NextKey, page.NextVersion = "", ""
			return nil
		}
		// The whole key comes again before what follows: on one page, or never.
		wide = next == position{at.key, ""}
		if wide && widened == at.key {
			return errors.New("s3store: the upstream's list of versions does not go on")
		}
		if wide {
			widened = at.key
		}
		if at = next; at.version == "" {
			skip = at.key
		}
	}
}

// A position is where a page of versions ends: after a version of a key, or with
// version "" after the whole key, of which Ceph lists versions all the same.
type position struct{ key, version string }

// versionsPage asks for one page, of at least two entries. After a null version,
// Ceph leaves out the rest of the key if that is a delete marker, and the key that
// has a byte 1 behind. So the last of a page that is not the last page is dropped
// if it is one, and next says how to go on.
func (l *listing) versionsPage(ctx context.Context, at position, count int) (entries []entry, next position, more bool, err error) {
	in := &s3.ListObjectVersionsInput{
		Bucket: &l.upstream, Prefix: str(l.prefix), Delimiter: str(l.delimiter),
		MaxKeys: aws.Int32(int32(max(count, 2))), EncodingType: types.EncodingTypeUrl,
	}
	if at.key >= l.prefix && at.key != "" {
		in.KeyMarker, in.VersionIdMarker = &at.key, str(at.version)
	}
	var order versionOrder
	out, err := l.driver.client.ListObjectVersions(ctx, in, readable(order.note))
	if err != nil {
		return nil, next, false, l.driver.fail("list versions", err)
	}
	more = aws.ToBool(out.IsTruncated)
	if entries, err = l.versionEntries(out, order.markers); err != nil || len(entries) == 0 {
		return nil, next, false, err
	}
	last := len(entries) - 1
	dropped := entry{}
	if more && last > 0 && entries[last].isNull() {
		dropped, entries = entries[last], entries[:last]
		last--
	}
	next.key = entries[last].last()
	if o := entries[last].object; o != nil && !(dropped.object != nil && entries[last].isNull() && dropped.object.Key == o.Key+"\x01") {
		next.version = cmp.Or(o.VersionID, store.NullVersion)
	}
	return entries, next, more, nil
}

// isNull reports whether an entry is the null version of its key.
func (e entry) isNull() bool {
	return e.object != nil && cmp.Or(e.object.VersionID, store.NullVersion) == store.NullVersion
}

// versionEntries returns what a page holds, in order.
func (l *listing) versionEntries(out *s3.ListObjectVersionsOutput, isMarker []bool) ([]entry, error) {
	if len(isMarker) != len(out.Versions)+len(out.DeleteMarkers) {
		return nil, errors.New("s3store: the upstream lists versions in an unknown form")
	}
	objects := make([]entry, len(isMarker))
	var versions, markers int
	for i, marker := range isMarker {
		var err error
		if marker {
			objects[i].object, err = l.marker(&out.DeleteMarkers[markers])
			markers++
		} else {
			objects[i].object, err = l.version(&out.Versions[versions])
			versions++
		}
		if err != nil {
			return nil, err
		}
	}
	prefixes := make([]entry, len(out.CommonPrefixes))
	for i := range prefixes {
		var err error
		if prefixes[i].prefix, err = l.key(out.CommonPrefixes[i].Prefix); err != nil {
			return nil, err
		}
	}
	return merge(objects, prefixes), nil
}

func (l *listing) version(v *types.ObjectVersion) (*store.Object, error) {
	key, err := l.key(v.Key)
	if err != nil {
		return nil, err
	}
	o := l.object(key, v.ETag, aws.ToInt64(v.Size), string(v.StorageClass), modTime(v.LastModified))
	o.IsLatest = aws.ToBool(v.IsLatest)
	if l.versioning != store.VersioningOff {
		o.VersionID = aws.ToString(v.VersionId)
	}
	return o, nil
}

func (l *listing) marker(v *types.DeleteMarkerEntry) (*store.Object, error) {
	key, err := l.key(v.Key)
	return &store.Object{
		Bucket: l.name, Key: key, VersionID: aws.ToString(v.VersionId), IsLatest: aws.ToBool(v.IsLatest),
		ModTime: modTime(v.LastModified), DeleteMarker: true,
	}, err
}

// A versionOrder is how versions and delete markers follow each other on a page,
// which the SDK keeps apart.
type versionOrder struct{ markers []bool }

// note keeps the order of a page.
func (v *versionOrder) note(page []byte) (err error) {
	v.markers, err = parseOrder(page)
	return err
}

// parseOrder returns for each version of a page whether it is a delete marker.
func parseOrder(page []byte) (markers []bool, err error) {
	parser := xml.NewDecoder(bytes.NewReader(page))
	depth := 0
	for {
		t, err := parser.Token()
		if err == io.EOF {
			return markers, nil
		}
		if err != nil {
			return nil, fmt.Errorf("s3store: the upstream's list of versions: %w", err)
		}
		switch t := t.(type) {
		case xml.StartElement:
			if depth++; depth == 2 && (t.Name.Local == "Version" || t.Name.Local == "DeleteMarker") {
				markers = append(markers, t.Name.Local == "DeleteMarker")
			}
		case xml.EndElement:
			depth--
		}
	}
}

// add appends an entry.
func add(page *store.VersionsPage, e entry) {
	if e.object == nil {
		page.CommonPrefixes = append(page.CommonPrefixes, e.prefix)
		page.NextKey, page.NextVersion = e.prefix, ""
		return
	}
	page.Versions = append(page.Versions, e.object)
	page.NextKey, page.NextVersion = e.object.Key, cmp.Or(e.object.VersionID, store.NullVersion)
}
