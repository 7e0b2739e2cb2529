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
		lost, err := l.lostPlace(ctx, after, version)
		if err != nil {
			return nil, err
		}
		if lost {
			return page, l.restart(ctx, page, after, req.Max)
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

// lostPlace reports whether a version of a key, after which a listing is to go
// on, is gone while others are left. Ceph leaves those out then.
func (l *listing) lostPlace(ctx context.Context, key, version string) (bool, error) {
	entries, _, err := l.versionsPage(ctx, key, version, 1)
	if err != nil || len(entries) > 0 && entries[0].object != nil && entries[0].object.Key == key {
		return false, err
	}
	of, after, marker, left := l.versionsOf(key), "", "", false
	for {
		entries, more, err := of.versionsPage(ctx, after, marker, listMax)
		if err != nil {
			return false, err
		}
		for _, e := range entries {
			switch id := cmp.Or(e.object.VersionID, store.NullVersion); {
			case e.object.Key != key:
				return left, nil
			case id == version:
				return false, nil
			default:
				left, after, marker = true, key, id
			}
		}
		if !more || len(entries) == 0 {
			return left, nil
		}
	}
}

// restart lists all versions of a key and what comes after it: those that were
// listed before come again, unless they were removed like the one after which the
// listing was to go on.
func (l *listing) restart(ctx context.Context, page *store.VersionsPage, key string, max int) error {
	var of store.VersionsPage
	if err := l.versionsOf(key).fillVersions(ctx, &of, "", "", max+1); err != nil {
		return err
	}
	for _, v := range of.Versions {
		if v.Key != key {
			break
		}
		if len(page.Versions) == max {
			page.Truncated = true
			return nil
		}
		add(page, entry{object: v})
	}
	return l.fillVersions(ctx, page, key, "", max)
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
	for {
		have := len(page.Versions) + len(page.CommonPrefixes)
		entries, more, err := l.versionsPage(ctx, after, version, min(listMax, max-have+1))
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
		last := entries[len(entries)-1]
		after, version = last.last(), ""
		if last.object != nil {
			version = cmp.Or(last.object.VersionID, store.NullVersion)
		}
	}
}

// versionsPage asks for one page.
func (l *listing) versionsPage(ctx context.Context, after, version string, max int) ([]entry, bool, error) {
	in := &s3.ListObjectVersionsInput{
		Bucket: &l.upstream, Prefix: str(l.prefix), Delimiter: str(l.delimiter),
		MaxKeys: aws.Int32(int32(max)), EncodingType: types.EncodingTypeUrl,
	}
	if after >= l.prefix && after != "" {
		in.KeyMarker, in.VersionIdMarker = &after, str(version)
	}
	var order versionOrder
	out, err := l.driver.client.ListObjectVersions(ctx, in, readable(order.note))
	if err != nil {
		return nil, false, l.driver.fail("list versions", err)
	}
	entries, err := l.versionEntries(out, order.markers)
	return entries, aws.ToBool(out.IsTruncated), err
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
