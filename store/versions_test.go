package store

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/daypass/daypass"
)

// A pairCursor walks sorted pairs of a key and a number, as versions and
// uploads are, and counts its moves.
type pairCursor struct {
	pairs [][2]string
	at    int
	moves int
}

func (c *pairCursor) seek(key, id string) bool {
	c.moves++
	c.at, _ = slices.BinarySearchFunc(c.pairs, [2]string{key, id}, func(a, b [2]string) int {
		return slices.Compare(a[:], b[:])
	})
	return c.at < len(c.pairs)
}

func (c *pairCursor) SeekGE(key string) bool        { return c.seek(key, "") }
func (c *pairCursor) SeekAfter(key, id string) bool { return c.seek(key, id+"\x00") }
func (c *pairCursor) Key() string                   { return c.pairs[c.at][0] }
func (c *pairCursor) Err() error                    { return nil }

func (c *pairCursor) Next() bool {
	c.moves++
	c.at++
	return c.at < len(c.pairs)
}

func (c *pairCursor) Version() (*Object, error) {
	return &Object{Key: c.pairs[c.at][0], VersionID: c.pairs[c.at][1]}, nil
}

func (c *pairCursor) Upload() (*MultipartUpload, error) {
	return &MultipartUpload{Key: c.pairs[c.at][0], ID: c.pairs[c.at][1]}, nil
}

// TestMarkedListingsSeek checks that a common prefix costs the same however
// many entries it stands for, and that the last page costs what it holds.
func TestMarkedListingsSeek(t *testing.T) {
	c := &pairCursor{}
	for dir := range 10 {
		for i := range 100 {
			for id := range 10 {
				c.pairs = append(c.pairs, [2]string{fmt.Sprintf("%d/%03d", dir, i), fmt.Sprint(id)})
			}
		}
	}
	versions, err := ListVersions(c, VersionsRequest{Delimiter: "/", KeyMarker: "3/", Max: 100})
	if err != nil || len(versions.CommonPrefixes) != 6 || len(versions.Versions) != 0 || versions.Truncated {
		t.Errorf("%+v, %v", versions, err)
	}
	uploads, err := ListUploads(c, UploadsRequest{Delimiter: "/", Max: 4})
	if err != nil || len(uploads.CommonPrefixes) != 4 || !uploads.Truncated || uploads.NextKey != "3/" {
		t.Errorf("%+v, %v", uploads, err)
	}
	uploads, err = ListUploads(c, UploadsRequest{KeyMarker: "9/099", UploadIDMarker: "7", Max: 100})
	if err != nil || len(uploads.Uploads) != 2 || uploads.Truncated || uploads.NextKey != "" {
		t.Errorf("%+v, %v", uploads, err)
	}
	if c.moves > 16 {
		t.Errorf("%d moves", c.moves)
	}
}

// bareDriver implements nothing that is optional.
type bareDriver struct{ Driver }

func TestNotImplemented(t *testing.T) {
	s, ctx, ref := New(bareDriver{}), context.Background(), daypass.ObjectRef{Bucket: "bucket", Key: "key"}
	body, err := NewUpload(nil, UploadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	calls := map[string]func() error{
		"SetVersioning": func() error { return s.SetVersioning(ctx, "bucket", VersioningEnabled) },
		"ListVersions":  func() error { _, err := s.ListVersions(ctx, VersionsRequest{Bucket: "bucket"}); return err },
		"UpdateObject":  func() error { _, err := s.UpdateObject(ctx, ref, Update{}); return err },
		"CreateUpload": func() error {
			_, err := s.CreateUpload(ctx, &MultipartUpload{Bucket: "bucket", Key: "key"})
			return err
		},
		"MultipartUpload": func() error { _, err := s.MultipartUpload(ctx, "bucket", "key", "id"); return err },
		"PutPart": func() error {
			_, err := s.PutPart(ctx, &PartRequest{Bucket: "bucket", Key: "key", Number: 1, Body: body})
			return err
		},
		"CopyPart": func() error {
			_, err := s.CopyPart(ctx, &PartCopyRequest{Bucket: "bucket", Key: "key", Number: 1, Source: ref})
			return err
		},
		"Parts":       func() error { _, err := s.Parts(ctx, "bucket", "key", "id", 0, 1); return err },
		"ListUploads": func() error { _, err := s.ListUploads(ctx, UploadsRequest{Bucket: "bucket"}); return err },
		"AbortUpload": func() error { return s.AbortUpload(ctx, "bucket", "key", "id") },
		"CompleteUpload": func() error {
			_, err := s.CompleteUpload(ctx, &CompleteRequest{Bucket: "bucket", Key: "key", Parts: []CompletedPart{{Number: 1}}})
			return err
		},
	}
	for name, call := range calls {
		if err := call(); daypass.CodeOf(err) != daypass.NotImplemented {
			t.Errorf("%s: %v", name, err)
		}
	}
}
