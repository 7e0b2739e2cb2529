package server

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// getObjectAttributes answers with what the request asks to know of an object
// (S3 API reference, GetObjectAttributes).
func (s *Server) getObjectAttributes(w *response, c *call) error {
	wanted, err := s3.ParseAttributes(c.head.values("X-Amz-Object-Attributes"))
	if err != nil {
		return err
	}
	obj, err := s.withParts(c, wanted.ObjectParts)
	if err != nil {
		return c.noObject(w.Header(), obj, err)
	}
	w.size = obj.Size
	if err := c.readConditions().Check(obj); err != nil {
		return err
	}
	result := s3.AttributesResult{Wanted: wanted, ETag: obj.ETag, StorageClass: obj.Metadata.StorageClass, Size: obj.Size}
	result.Checksums, result.ChecksumType = shownChecksums(obj.Checksums)
	for i := range result.Checksums {
		// Here, and only here, S3 leaves out the number of parts.
		result.Checksums[i].Value, _, _ = strings.Cut(result.Checksums[i].Value, "-")
	}
	if obj.PartCount > 0 && wanted.ObjectParts {
		if result.Parts, err = c.objectParts(obj); err != nil {
			return err
		}
	}
	h := w.Header()
	setVersion(h, obj.VersionID)
	h["Last-Modified"] = []string{obj.ModTime.UTC().Format(http.TimeFormat)}
	return w.xml(http.StatusOK, result.Append(nil))
}

// withParts returns an object, with its parts where they are asked for.
func (s *Server) withParts(c *call, parts bool) (*store.Object, error) {
	if !parts {
		return s.statObject(c)
	}
	obj, body, err := s.openObject(c, store.RangeHint{Parts: true, Lazy: true})
	if err != nil {
		return obj, err
	}
	return obj, body.Close()
}

// objectParts returns the page of an object's parts that the headers ask for.
func (c *call) objectParts(obj *store.Object) (*s3.ObjectParts, error) {
	p := &s3.ObjectParts{Count: obj.PartCount}
	var err error
	if p.MaxParts, err = maxValue(c.head.get("X-Amz-Max-Parts"), "max-parts", "max-parts"); err != nil {
		return nil, err
	}
	if p.Marker, err = partMarker(c.head.get("X-Amz-Part-Number-Marker")); err != nil {
		return nil, err
	}
	for i := range obj.Parts {
		part := &obj.Parts[i]
		if part.Number <= p.Marker || len(part.Checksums) == 0 {
			continue
		}
		if len(p.Parts) == p.MaxParts {
			p.Truncated = p.MaxParts > 0
			break
		}
		p.Parts = append(p.Parts, shownPart(part))
		p.NextMarker = part.Number
	}
	return p, nil
}

// partMarker reads the number of the part after which a page begins.
func partMarker(v string) (int, error) {
	if v == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil || n < 0 {
		return 0, &daypass.Error{Code: daypass.InvalidArgument, Err: err,
			Message: "Provided part-number-marker not an integer or within integer range",
			Details: []daypass.Detail{{Name: "ArgumentName", Value: "part-number-marker"}, {Name: "ArgumentValue", Value: v}}}
	}
	return int(n), nil
}

// shownPart returns a part as XML shows it: with the checksum that its writer
// chose.
func shownPart(p *store.Part) s3.Part {
	sums, _ := shownChecksums(p.Checksums[:min(1, len(p.Checksums))])
	return s3.Part{Number: p.Number, Modified: p.ModTime, ETag: p.ETag, Size: p.Size, Checksums: sums}
}
