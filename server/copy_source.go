package server

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// maxCopySource is the size of the largest object that CopyObject copies, and
// of the largest range that UploadPartCopy does, in bytes.
const maxCopySource = store.MaxPartSize

// A source is what a copy is made of: a request's source as it is now, once it
// is known that it may be read and that the conditions hold.
type source struct {
	// ref names the version that obj is.
	ref daypass.ObjectRef
	obj *store.Object
	// named says that the request names the version.
	named bool
}

// source finds the source of a copy.
func (s *Server) source(c *call) (*source, error) {
	ref, err := c.sourceRef()
	if err != nil {
		return nil, err
	}
	s.readSource(c, ref)
	src, err := s.openSource(c, ref)
	c.endSource(src, err)
	return src, err
}

func (s *Server) openSource(c *call, ref daypass.ObjectRef) (*source, error) {
	if err := s.expectOwner(c, "X-Amz-Source-Expected-Bucket-Owner", ref.Bucket); err != nil {
		return nil, err
	}
	if err := s.authorizeSource(c, ref); err != nil {
		return nil, err
	}
	obj, err := s.store.Object(c.r.Context(), ref)
	if daypass.CodeOf(err) == daypass.MethodNotAllowed {
		return nil, invalidRequest("The source of a copy request may not specifically refer to a delete marker by version id.")
	}
	if err != nil {
		return nil, err
	}
	src := &source{ref: ref, obj: obj, named: ref.VersionID != ""}
	src.ref.VersionID = obj.VersionID
	return src, c.checkSource(obj)
}

// sourceRef returns what x-amz-copy-source names.
func (c *call) sourceRef() (daypass.ObjectRef, error) {
	header := c.head.get("X-Amz-Copy-Source")
	ref, err := s3.ParseCopySource(header)
	switch {
	case err != nil:
		return ref, err
	case store.ValidBucketName(ref.Bucket) != nil:
		return ref, invalidArgument("Invalid copy source bucket name", "x-amz-copy-source", header)
	case store.ValidKey(ref.Key) != nil:
		return ref, invalidArgument("Invalid copy source object key", "x-amz-copy-source", header)
	case strings.Contains(header, "?") && ref.VersionID == "":
		return ref, invalidArgument("Version id cannot be the empty string", "x-amz-copy-source", header)
	}
	return ref, validVersion(ref.VersionID)
}

// checkSource evaluates the conditions on the source. There is no 304 here:
// what has not changed is not copied.
func (c *call) checkSource(obj *store.Object) error {
	cond := store.ReadConditions{
		IfMatch:           c.head.get(sourceCondition + "Match"),
		IfNoneMatch:       c.head.get(sourceCondition + "None-Match"),
		IfModifiedSince:   c.dateHeader(sourceCondition + "Modified-Since"),
		IfUnmodifiedSince: c.dateHeader(sourceCondition + "Unmodified-Since"),
	}
	err := cond.Check(obj)
	if err == nil {
		return nil
	}
	failed := "Modified-Since"
	switch notModified := daypass.CodeOf(err) == daypass.NotModified; {
	case notModified && cond.IfNoneMatch != "":
		failed = "None-Match"
	case !notModified && cond.IfMatch != "":
		failed = "Match"
	case !notModified:
		failed = "Unmodified-Since"
	}
	return &daypass.Error{Code: daypass.PreconditionFailed,
		Details: []daypass.Detail{{Name: "Condition", Value: "x-amz-copy-source-If-" + failed}}}
}

const sourceCondition = "X-Amz-Copy-Source-If-"

// whole refuses a source that is too large to be copied at once.
func (s *source) whole() error { return copySize(s.obj.Size) }

func copySize(n int64) error {
	if n <= maxCopySource {
		return nil
	}
	return invalidRequest("The specified copy source is larger than the maximum allowable size for a copy source: " +
		strconv.FormatInt(maxCopySource, 10))
}

// span returns the bytes of the source that x-amz-copy-source-range asks for,
// all of them where it is not there.
func (s *source) span(c *call) (off, n int64, err error) {
	header := c.head.get("X-Amz-Copy-Source-Range")
	if header == "" {
		return 0, s.obj.Size, s.whole()
	}
	first, last, ok := copyRange(header)
	switch {
	case !ok:
		return 0, 0, invalidArgument("The x-amz-copy-source-range value must be of the form bytes=first-last "+
			"where first and last are the zero-based offsets of the first and last bytes to copy",
			"x-amz-copy-source-range", header)
	case last >= s.obj.Size:
		return 0, 0, invalidArgument("Range specified is not valid for source object of size: "+
			strconv.FormatInt(s.obj.Size, 10), "x-amz-copy-source-range", header)
	}
	return first, last - first + 1, copySize(last - first + 1)
}

// copyRange parses "bytes=first-last".
func copyRange(header string) (first, last int64, ok bool) {
	spec, found := strings.CutPrefix(strings.TrimSpace(header), "bytes=")
	from, to, dash := strings.Cut(spec, "-")
	first, err1 := strconv.ParseInt(from, 10, 64)
	last, err2 := strconv.ParseInt(to, 10, 64)
	return first, last, found && dash && err1 == nil && err2 == nil && 0 <= first && first <= last
}

// copyAttempts is how often a copy is tried whose source is replaced while it
// is being copied.
const copyAttempts = 20

// copied calls try with the source of a copy, and again where the source has
// been replaced between the decision to copy it and the copy itself.
func (s *Server) copied(c *call, try func(*source) error) error {
	for attempt := 1; ; attempt++ {
		src, err := s.source(c)
		if err != nil {
			return err
		}
		if err = try(src); !sourceReplaced(err) || attempt == copyAttempts {
			return err
		}
	}
}

// sourceReplaced reports whether the store refused a copy since the source is
// no longer the one that was decided upon.
func sourceReplaced(err error) bool {
	var e *daypass.Error
	return errors.As(err, &e) && e.Code == daypass.PreconditionFailed &&
		slices.Contains(e.Details, daypass.Detail{Name: "Condition", Value: "x-amz-copy-source-If-Match"})
}
