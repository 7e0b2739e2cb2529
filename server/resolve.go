package server

import (
	"net/http"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/store"
)

// A target is what a request is about, found out from its method, host, path,
// query and headers, before anything is known of who sent it.
type target struct {
	action *s3.Action
	ref    daypass.ObjectRef
	// path is the raw path and decoded the same without percent-encoding,
	// both otherwise as they came.
	path, decoded string
	query         sign.Query
	// rawQuery is what query was parsed from. byCookie says that it came in a
	// cookie.
	rawQuery string
	byCookie bool
	header   http.Header
	view     view
	place    place
	// bucket is the bucket that ref names and rules its settings, where there
	// is one; noBucket is why there is none. lookUp fills them in.
	bucket   store.Bucket
	rules    *bucketRules
	noBucket error
	// ids name the request in the log.
	ids logIDs
	// pace bounds how slowly the body may come, nil where nothing is bounded.
	pace *pace
	// memory is for the call about it.
	memory *memory
}

// resolve finds out the action and the resource of a request.
func (s *Server) resolve(r *http.Request) (*target, error) { return s.resolveIn(new(memory), r) }

func (s *Server) resolveIn(m *memory, r *http.Request) (*target, error) {
	t := &m.target
	*t = target{header: r.Header, view: s.view(r), memory: m}
	var err error
	t.path, t.rawQuery = sign.RawTarget(r)
	if t.query, err = s.verifier.ParseQuery(m.query[:0], t.rawQuery); err != nil {
		return nil, signError(err)
	}
	if t.decoded, err = sign.UnescapePath(t.path); err != nil {
		return nil, signError(err)
	}
	if t.decoded == "" || t.decoded[0] != '/' {
		return nil, &daypass.Error{Code: s3.InvalidURI}
	}
	t.place = s.names.place(t.view.host, t.decoded, t.view.stripped)
	t.ref = daypass.ObjectRef{Bucket: t.place.bucket, Key: t.place.key}
	if t.place.level == s3.ObjectLevel {
		t.ref.VersionID = t.query.Get("versionId")
	}
	return t, t.findAction(r.Method)
}

// placeOf returns what the path of a request means.
func (s *Server) placeOf(r *http.Request) (p place, ok bool) {
	path, _ := sign.RawTarget(r)
	decoded, err := sign.UnescapePath(path)
	if err != nil || !strings.HasPrefix(decoded, "/") {
		return p, false
	}
	v := s.view(r)
	return s.names.place(v.host, decoded, v.stripped), true
}

// findAction looks the action up in the table.
func (t *target) findAction(method string) error {
	sub, err := t.subResource(method)
	if err != nil {
		return err
	}
	var ok bool
	if t.action, ok = s3.Find(method, t.place.level, sub, t); !ok {
		return &daypass.Error{Code: daypass.MethodNotAllowed, Details: []daypass.Detail{
			{Name: "Method", Value: method}, {Name: "ResourceType", Value: t.resourceType(sub)},
		}}
	}
	return nil
}

func (t *target) resourceType(sub string) string {
	if sub != "" {
		return sub
	}
	return t.place.level.String()
}

// subResource returns the sub-resource that the query names. S3 refuses two
// different ones, since they would be two actions. list-type chooses between
// two listings and means nothing elsewhere.
func (t *target) subResource(method string) (string, error) {
	lists := method == http.MethodGet && t.place.level == s3.BucketLevel
	sub := ""
	for _, p := range t.query {
		name := s3.SubResource(p.Name, p.Value)
		switch {
		case name == "" || name == sub || p.Name == "list-type" && !lists:
		case sub == "":
			sub = name
		default:
			return "", invalidArgument("Conflicting query string parameters: "+sub+", "+name, "ResourceType", sub)
		}
	}
	return sub, nil
}

// Carries implements s3.Request. A header may be carried as a parameter.
func (t *target) Carries(name string) bool {
	if len(t.header[name]) > 0 {
		return true
	}
	_, ok := t.query.LookupFold(name)
	return ok
}
