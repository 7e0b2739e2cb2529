package s3store

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// An upstreamUpload is an upload as the upstream lists it; key is without the
// prefix of its bucket.
type upstreamUpload struct {
	key, id   string
	initiated time.Time
}

// compare orders uploads by key and then by their beginning.
func (u *upstreamUpload) compare(o *upstreamUpload) int {
	if c := strings.Compare(u.key, o.key); c != 0 {
		return c
	}
	if c := u.initiated.Compare(o.initiated); c != 0 {
		return c
	}
	return strings.Compare(u.id, o.id)
}

// eachUpload calls f for all upstream uploads of a bucket whose keys begin with
// prefix, in the order of the upstream.
func (d *Driver) eachUpload(ctx context.Context, bucket, prefix string, f func(*upstreamUpload) error) error {
	base := d.names.keyPrefix(bucket)
	in := &s3.ListMultipartUploadsInput{
		Bucket: aws.String(d.names.upstreamBucket(bucket)), Prefix: str(base + prefix),
		MaxUploads: aws.Int32(listMax), EncodingType: types.EncodingTypeUrl,
	}
	for {
		out, err := d.client.ListMultipartUploads(ctx, in, readable(nil))
		if err != nil {
			return d.fail("list uploads", err)
		}
		for i := range out.Uploads {
			listed := &out.Uploads[i]
			key, err := d.decodeUploadKey(out.EncodingType, listed.Key)
			if err != nil {
				return err
			}
			u := &upstreamUpload{strings.TrimPrefix(key, base), aws.ToString(listed.UploadId), aws.ToTime(listed.Initiated)}
			if err := f(u); err != nil {
				return err
			}
		}
		if !aws.ToBool(out.IsTruncated) || len(out.Uploads) == 0 {
			return nil
		}
		last := &out.Uploads[len(out.Uploads)-1]
		key, err := d.decodeUploadKey(out.EncodingType, last.Key)
		if err != nil {
			return err
		}
		in.KeyMarker, in.UploadIdMarker = &key, last.UploadId
	}
}

// decodeUploadKey returns a listed key. Ceph RGW 16 encodes keys and does not say
// so.
func (d *Driver) decodeUploadKey(encoding types.EncodingType, key *string) (string, error) {
	if encoding != types.EncodingTypeUrl && !d.can.UploadKeys {
		return aws.ToString(key), nil
	}
	return decodeKey(key)
}

// An uploadPage is one page of a listing in the making. The upstream's order is
// not trusted (Ceph RGW 16 lists "a-b" before "a"), nor what it groups, so all
// uploads below the prefix are seen and the least ones kept: memory is bounded
// by the page, time grows with the uploads under way.
type uploadPage struct {
	req store.UploadsRequest
	// marker is the upload that the page before ended with; nil where that page
	// ended with a common prefix, or the upload has. Then all of its key are
	// listed once more.
	marker  *upstreamUpload
	entries []pageEntry // in order; at most req.Max+1
}

// A pageEntry is an upload, or a common prefix where upload is nil.
type pageEntry struct {
	name   string
	upload *upstreamUpload
}

func (e *pageEntry) compare(o *pageEntry) int {
	if c := strings.Compare(e.name, o.name); c != 0 || e.upload == nil || o.upload == nil {
		return c
	}
	return e.upload.compare(o.upload)
}

// add keeps an upload if it is on the page as far as that is known.
func (p *uploadPage) add(u *upstreamUpload) {
	e := pageEntry{u.key, u}
	if rest, ok := strings.CutPrefix(u.key, p.req.Prefix); ok && p.req.Delimiter != "" {
		if i := strings.Index(rest, p.req.Delimiter); i >= 0 {
			e = pageEntry{name: u.key[:len(p.req.Prefix)+i+len(p.req.Delimiter)]}
		}
	}
	if !p.follows(&e) {
		return
	}
	at, found := slices.BinarySearchFunc(p.entries, e, func(a, b pageEntry) int { return a.compare(&b) })
	if found || at > p.req.Max {
		return
	}
	p.entries = slices.Insert(p.entries, at, e)
	if len(p.entries) > p.req.Max+1 {
		p.entries = p.entries[:p.req.Max+1]
	}
}

// follows reports whether an entry comes after the key of the marker, or is an
// upload of that key.
func (p *uploadPage) follows(e *pageEntry) bool {
	marker := p.req.KeyMarker
	switch {
	case marker == "":
		return true
	case e.upload == nil:
		return e.name > marker && !strings.HasPrefix(marker, e.name)
	case p.req.UploadIDMarker == "":
		return e.name > marker
	case p.marker != nil && e.name == marker:
		return e.upload.compare(p.marker) > 0
	}
	return e.name >= marker
}

// ListUploads implements store.Multiparter. Uploads that were not begun through
// Daypass are left out.
func (d *Driver) ListUploads(ctx context.Context, req store.UploadsRequest) (*store.UploadsPage, error) {
	h, err := d.hold(ctx, req.Bucket)
	if err != nil {
		return nil, err
	}
	if req.Max <= 0 {
		return &store.UploadsPage{}, nil
	}
	p := &uploadPage{req: req}
	if p.marker, err = d.findMarker(ctx, req); err != nil {
		return nil, err
	}
	err = d.eachUpload(ctx, req.Bucket, req.Prefix, func(u *upstreamUpload) error {
		p.add(u)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return d.showUploads(ctx, h, p)
}

// errFound ends a walk.
var errFound = errors.New("found")

// findMarker returns the upload that a page begins after, nil where there is
// none.
func (d *Driver) findMarker(ctx context.Context, req store.UploadsRequest) (marker *upstreamUpload, err error) {
	_, upstream, ok := splitUploadID(req.UploadIDMarker)
	if !ok {
		return nil, nil
	}
	err = d.eachUpload(ctx, req.Bucket, req.KeyMarker, func(u *upstreamUpload) error {
		if u.key == req.KeyMarker && u.id == upstream {
			marker = u
			return errFound
		}
		return nil
	})
	if errors.Is(err, errFound) {
		err = nil
	}
	return marker, err
}

// showUploads makes a page of its entries.
func (d *Driver) showUploads(ctx context.Context, h hold, p *uploadPage) (*store.UploadsPage, error) {
	page := &store.UploadsPage{Truncated: len(p.entries) > p.req.Max}
	entries := p.entries[:min(len(p.entries), p.req.Max)]
	uploads, err := d.readUploads(ctx, h, entries)
	if err != nil {
		return nil, err
	}
	for i, e := range entries {
		switch {
		case e.upload == nil:
			page.CommonPrefixes = append(page.CommonPrefixes, e.name)
		case uploads[i] != nil:
			page.Uploads = append(page.Uploads, uploads[i])
		}
	}
	if !page.Truncated {
		return page, nil
	}
	last := len(entries) - 1
	page.NextKey = entries[last].name
	switch {
	case uploads[last] != nil:
		page.NextUploadID = uploads[last].ID
	case entries[last].upload != nil:
		page.NextUploadID = strings.Repeat("0", 2*nonceSize) + "." + entries[last].upload.id
	}
	return page, nil
}

// uploadReaders is how many records of uploads are read at a time.
const uploadReaders = 16

// readUploads returns what is known of the uploads among the entries of a page,
// nil for each that Daypass did not begin or that has ended.
func (d *Driver) readUploads(ctx context.Context, h hold, entries []pageEntry) ([]*store.MultipartUpload, error) {
	uploads, errs := make([]*store.MultipartUpload, len(entries)), make([]error, len(entries))
	var readers sync.WaitGroup
	free := make(chan struct{}, uploadReaders)
	for i, e := range entries {
		if e.upload == nil {
			continue
		}
		free <- struct{}{}
		readers.Go(func() {
			defer func() { <-free }()
			rec, err := d.readUpload(ctx, h.name, e.upload.id)
			switch {
			case daypass.CodeOf(err) == daypass.NoSuchKey:
			case err != nil:
				errs[i] = err
			case rec.Bucket == h.ID && rec.Key == e.name:
				uploads[i] = rec.upload(h.name, rec.Nonce+"."+e.upload.id)
			}
		})
	}
	readers.Wait()
	return uploads, errors.Join(errs...)
}
