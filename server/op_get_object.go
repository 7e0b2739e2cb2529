package server

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/state"
	"github.com/daypass/daypass/store"
)

// getObject answers with an object or a part of it (S3 API reference,
// GetObject).
func (s *Server) getObject(w *response, c *call) error {
	if c.zips() {
		return s.sendTree(w, c)
	}
	over, err := c.overrides()
	if err != nil {
		return err
	}
	if done, err := s.redirectGet(w, c, over); done || err != nil {
		return err
	}
	obj, body, err := s.openObject(c, c.rangeHint())
	if err != nil {
		return c.noObject(w.Header(), obj, err)
	}
	defer body.Close()
	part, err := s.choose(w, c, obj)
	if err != nil {
		return err
	}
	if err := s.bind(c); err != nil {
		return err
	}
	d, err := s.draw(c, obj, part.n, part.partial)
	if err != nil {
		return err
	}
	c.present(w, obj, part, over)
	s.presentLock(w, c, obj)
	s.setCookie(w, c)
	w.WriteHeader(part.status())
	return s.sendCounted(w, c, body, part, d)
}

// rangeHint says what of the object is likely to be read: all that the request
// says, except If-Range, which only somebody who knows the object understands.
func (c *call) rangeHint() store.RangeHint {
	hint := store.RangeHint{Conditions: c.readConditions(), Parts: c.query.Has("partNumber")}
	hint.Lazy = hint.Parts || c.counted()
	if c.head.sent.Get("If-Range") == "" {
		hint.Range = c.head.sent.Get("Range")
	}
	return hint
}

// headObject answers with what a GET would, without the body (S3 API
// reference, HeadObject).
func (s *Server) headObject(w *response, c *call) error {
	if c.zips() {
		return s.sendTree(w, c)
	}
	over, err := c.overrides()
	if err != nil {
		return err
	}
	obj, err := s.withParts(c, c.query.Has("partNumber"))
	if err != nil {
		return c.noObject(w.Header(), obj, err)
	}
	part, err := s.choose(w, c, obj)
	if err != nil {
		return err
	}
	if err := s.checkLeft(c, obj); err != nil {
		return err
	}
	c.present(w, obj, part, over)
	s.presentLock(w, c, obj)
	s.setCookie(w, c)
	w.WriteHeader(part.status())
	return nil
}

// noObject tells of the delete marker that is the reason for an error of the
// store, if one is (S3 User Guide, "Working with delete markers").
func (c *call) noObject(h http.Header, marker *store.Object, err error) error {
	if marker == nil || !marker.DeleteMarker {
		return err
	}
	h["X-Amz-Delete-Marker"] = []string{"true"}
	setVersion(h, marker.VersionID)
	if daypass.CodeOf(err) != daypass.MethodNotAllowed {
		return err
	}
	h["Allow"] = []string{http.MethodDelete}
	h["Last-Modified"] = []string{marker.ModTime.UTC().Format(http.TimeFormat)}
	return &daypass.Error{Code: daypass.MethodNotAllowed, Err: err, Details: []daypass.Detail{
		{Name: "Method", Value: c.r.Method}, {Name: "ResourceType", Value: "DeleteMarker"},
	}}
}

// A span is the part of an object that a request gets.
type span struct {
	off, n  int64
	partial bool
	// part is the part of a multipart upload that was asked for by number.
	part *store.Part
}

func (s span) status() int {
	if s.partial {
		return http.StatusPartialContent
	}
	return http.StatusOK
}

// choose is chooseSpan, but a pass that is for another object is refused rather
// than told of conditions and ranges, which are free otherwise.
func (s *Server) choose(w *response, c *call, obj *store.Object) (span, error) {
	w.size = obj.Size
	if c.counted() { // PassSpent asks for it
		w.written = written{eTag: obj.ETag, version: obj.VersionID}
	}
	part, err := c.chooseSpan(w, obj)
	if err == nil || !c.counted() {
		return part, err
	}
	if refused := s.checkLeft(c, obj); errors.Is(refused, state.ErrChanged) {
		for _, name := range [...]string{"ETag", "Last-Modified", "X-Amz-Version-Id", "Content-Range"} {
			delete(w.Header(), name)
		}
		return part, refused
	}
	return part, err
}

// chooseSpan checks the conditions and finds out which part is asked for.
func (c *call) chooseSpan(w *response, obj *store.Object) (span, error) {
	h := w.Header()
	if err := c.checkETag(obj.ETag); err != nil {
		return span{}, err
	}
	if err := c.readConditions().Check(obj); err != nil {
		if daypass.CodeOf(err) == daypass.NotModified {
			w.setValidators(obj)
		}
		return span{}, err
	}
	part, err := c.span(obj)
	if err != nil {
		if daypass.CodeOf(err) == daypass.InvalidRange {
			h.Set("Content-Range", "bytes */"+strconv.FormatInt(obj.Size, 10))
		}
		return span{}, err
	}
	return part, nil
}

// present sets the headers of the answer.
func (c *call) present(w *response, obj *store.Object, part span, over []field) {
	h := w.Header()
	w.setValidators(obj)
	w.setMetadata(&obj.Metadata)
	c.setEncryption(h, obj.Encryption)
	c.setExpiration(h, obj)
	if len(obj.Tags) > 0 {
		h["X-Amz-Tagging-Count"] = []string{strconv.Itoa(len(obj.Tags))}
	}
	for _, o := range over {
		h[o.name] = []string{o.value}
	}
	h["Accept-Ranges"] = acceptRanges
	w.setLength(part.n)
	if part.partial {
		var text [80]byte
		w.set("Content-Range", w.texts.keep(appendContentRange(text[:0], part, obj.Size)))
	}
	if part.part != nil {
		h["X-Amz-Mp-Parts-Count"] = []string{strconv.Itoa(obj.PartCount)}
	}
	if strings.EqualFold(c.head.get("X-Amz-Checksum-Mode"), "ENABLED") {
		part.setChecksums(h, obj)
	}
}

// setChecksums shows the checksum of what is sent: that of the whole says
// nothing about a range.
func (s span) setChecksums(h http.Header, obj *store.Object) {
	switch {
	case s.part != nil:
		for _, sum := range s.part.Checksums[:min(1, len(s.part.Checksums))] {
			setChecksum(h, sum)
		}
		if len(obj.Checksums) > 0 {
			h["X-Amz-Checksum-Type"] = []string{checksumType(obj.Checksums[0])}
		}
	case !s.partial:
		setChecksums(h, obj.Checksums)
	}
}

var acceptRanges = []string{"bytes"}

func appendContentRange(dst []byte, s span, size int64) []byte {
	dst = strconv.AppendInt(append(dst, "bytes "...), s.off, 10)
	dst = strconv.AppendInt(append(dst, '-'), s.off+s.n-1, 10)
	return strconv.AppendInt(append(dst, '/'), size, 10)
}

// span returns the part that Range or partNumber asks for.
func (c *call) span(obj *store.Object) (span, error) {
	whole := span{n: obj.Size}
	header := c.head.sent.Get("Range")
	if number, ok := c.query.Lookup("partNumber"); ok {
		return numbered(obj, number, header)
	}
	if header == "" || !c.rangeApplies(obj) {
		return whole, nil
	}
	off, n, ok, err := store.ParseRange(header, obj.Size)
	if err != nil || !ok {
		return whole, err
	}
	return span{off: off, n: n, partial: true}, nil
}

// numbered returns the part with a number. An object that was uploaded whole
// has the one part 1.
func numbered(obj *store.Object, number, header string) (s span, err error) {
	n, err := strconv.Atoi(number)
	switch {
	case err != nil || n < 1 || n > s3.MaxObjectPart:
		return s, badPartNumber(number)
	case header != "":
		return s, invalidRequest("Cannot specify both Range header and partNumber query parameter")
	case n == 1 && obj.PartCount == 0:
		return span{n: obj.Size, partial: obj.Size > 0}, nil
	case obj.PartCount > 0 && len(obj.Parts) == 0: // not every upstream tells
		return s, &daypass.Error{Code: daypass.NotImplemented, Message: "The parts that this object was uploaded in are not known."}
	}
	for i := range obj.Parts {
		p := &obj.Parts[i]
		if p.Number == n {
			return span{off: s.off, n: p.Size, partial: p.Size > 0, part: p}, nil
		}
		s.off += p.Size
	}
	return s, &daypass.Error{Code: s3.InvalidPartNumber, Details: []daypass.Detail{
		{Name: "ActualPartCount", Value: strconv.Itoa(max(obj.PartCount, 1))},
		{Name: "PartNumberRequested", Value: number},
	}}
}

// rangeApplies evaluates If-Range (RFC 9110, section 13.1.5): a part of an
// object that has changed is of no use.
func (c *call) rangeApplies(obj *store.Object) bool {
	v := c.head.sent.Get("If-Range")
	if v == "" {
		return true
	}
	if t, ok := s3.ParseTime(v); ok {
		return t.Equal(obj.ModTime.UTC().Truncate(time.Second))
	}
	return v == s3.QuoteETag(obj.ETag)
}

// setValidators sets the headers by which a client recognizes a version.
func (w *response) setValidators(obj *store.Object) {
	w.setETag(obj.ETag)
	var text [len(http.TimeFormat)]byte
	w.set("Last-Modified", w.texts.keep(s3.AppendHTTPTime(text[:0], obj.ModTime)))
	if obj.VersionID != "" {
		w.set("X-Amz-Version-Id", obj.VersionID)
	}
}

// setETag sets the ETag of an object.
func (w *response) setETag(etag string) {
	var text [64]byte
	w.set("ETag", w.texts.keep(append(append(append(text[:0], '"'), etag...), '"')))
}

// defaultContentType is that of an object whose writer gave none.
var defaultContentType = []string{"binary/octet-stream"}

// setMetadata sets the headers that the writer of an object has given.
func (w *response) setMetadata(m *store.Metadata) {
	if m.ContentType == "" {
		w.Header()["Content-Type"] = defaultContentType
	}
	for _, f := range [...]field{
		{"Content-Type", m.ContentType},
		{"Cache-Control", m.CacheControl},
		{"Content-Disposition", m.ContentDisposition},
		{"Content-Encoding", m.ContentEncoding},
		{"Content-Language", m.ContentLanguage},
		{"Expires", m.Expires},
		{"X-Amz-Website-Redirect-Location", m.WebsiteRedirect},
		{"X-Amz-Storage-Class", m.StorageClass},
	} {
		if f.value != "" {
			w.set(f.name, f.value)
		}
	}
	for name, value := range m.User {
		// S3 sends these names in lower case, and some programs look for
		// them so.
		w.set(s3.MetadataPrefix+name, value)
	}
}

// A field is one header and its value, as it goes over the wire.
type field struct{ name, value string }

// overrides returns the headers that response-* parameters ask for.
func (c *call) overrides() ([]field, error) {
	if !hasOverrides(c.query) {
		return nil, nil
	}
	var over []field
	for _, o := range s3.Overrides() {
		v := c.query.Get(o.Param)
		if v == "" {
			continue
		}
		encoded, ok := s3.Latin1(v)
		if !ok {
			return nil, invalidArgument("Header value cannot be represented using ISO-8859-1.", o.Param, v)
		}
		over = append(over, field{o.Header, encoded})
	}
	return over, nil
}

// hasOverrides reports whether a query may ask for response headers of its own.
func hasOverrides(q sign.Query) bool {
	for i := range q {
		if strings.HasPrefix(q[i].Name, overridePrefix) {
			return true
		}
	}
	return false
}

// overridePrefix is how the names of all parameters of s3.Overrides begin.
const overridePrefix = "response-"
