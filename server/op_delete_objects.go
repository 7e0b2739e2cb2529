package server

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// parallelDeletes is how many objects of one request are deleted at a time.
// Each is durable before it is reported, and stores commit concurrent writes
// together.
const parallelDeletes = 16

// deleteObjects removes up to 1,000 objects and reports on each (S3 API
// reference, DeleteObjects).
func (s *Server) deleteObjects(w *response, c *call) error {
	if err := c.requireDigest(); err != nil {
		return err
	}
	if _, err := s.store.Bucket(c.r.Context(), c.ref.Bucket); err != nil {
		return err
	}
	body, err := c.document(w, s3.MaxDeleteBody)
	if err != nil {
		return err
	}
	req, err := s3.ParseDelete(body)
	if err != nil {
		return err
	}
	c.parts = s.deletions(c, req.Objects)
	result := s3.DeleteResult{Quiet: req.Quiet, Entries: s.deleteAll(c, req.Objects)}
	return w.xml(http.StatusOK, result.Append(nil))
}

// requireDigest refuses a body without any digest, as S3 does for this action.
func (c *call) requireDigest() error {
	sum, err := c.checksum()
	if err != nil {
		return err
	}
	if sum.algorithm == "" && c.head.get("Content-Md5") == "" {
		return invalidRequest("Missing required header for this request: Content-MD5 OR x-amz-checksum-*")
	}
	return nil
}

// deleteAll deletes objects and returns the outcomes in the same order.
func (s *Server) deleteAll(c *call, objects []s3.DeleteObject) []s3.DeletedObject {
	out := make([]s3.DeletedObject, len(objects))
	next := make(chan int)
	var wg sync.WaitGroup
	for range min(parallelDeletes, len(objects)) {
		wg.Go(func() {
			for i := range next {
				out[i] = s.deleteOne(c, &objects[i], c.part(i))
			}
		})
	}
	for i := range objects {
		next <- i
	}
	close(next)
	wg.Wait()
	return out
}

func (s *Server) deleteOne(c *call, o *s3.DeleteObject, p *part) s3.DeletedObject {
	out := s3.DeletedObject{Key: o.Key, VersionID: o.VersionID}
	deleted, err := s.tryDelete(c, o, p)
	p.end(http.StatusNoContent, err)
	if p != nil && err == nil {
		p.written = s.removed(deleted, o.VersionID != "")
	}
	if deleted.DeleteMarker {
		out.Marker = deleted.VersionID
	}
	if err != nil {
		e := s3.ErrorOf(err)
		out.Code, out.Message = string(e.Code), e.Message
		if e.Code == daypass.InternalError {
			s.logOf(c.ids).Error("delete", "bucket", c.ref.Bucket, "key", o.Key, "err", err)
		}
	}
	return out
}

// tryDelete deletes one object. It runs on a goroutine of its own, where
// nobody else would catch a panic.
func (s *Server) tryDelete(c *call, o *s3.DeleteObject, p *part) (deleted store.Deleted, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	if err := c.r.Context().Err(); err != nil {
		return deleted, err // the client has left
	}
	ref := daypass.ObjectRef{Bucket: c.ref.Bucket, Key: o.Key, VersionID: o.VersionID}
	if o.LastModified != "" || o.Size != "" {
		return deleted, notImplemented()
	}
	if err := validVersion(ref.VersionID); err != nil {
		return deleted, err
	}
	if err := s.authorizeDelete(c, o.Key, o.VersionID, p); err != nil {
		return deleted, err
	}
	return s.store.DeleteObject(c.r.Context(), ref, store.DeleteOptions{
		Conditions: store.WriteConditions{IfMatch: s3.UnquoteETag(o.ETag)}, Time: c.now, BypassGovernance: c.asksForBypass(),
	})
}
