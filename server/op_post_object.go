package server

import (
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/store"
)

// postObject stores the file of a browser's form, which is signed by its own
// fields (S3 API reference, "Browser-Based Uploads Using POST").
func (s *Server) postObject(w *response, c *call) error {
	if err := c.plainForm(); err != nil {
		return err
	}
	f, err := c.readForm(w)
	if err != nil {
		return err
	}
	policy, err := s.openForm(w, c, f)
	if err != nil {
		return err
	}
	obj, err := s.putForm(w, c, f, policy)
	if err != nil {
		return err
	}
	s.wrote(w, obj)
	c.setWritten(w, obj)
	return s.formDone(w, c, f, obj)
}

// plainForm refuses a request that is signed beside its form, or that says of
// its body what a form's cannot be.
func (c *call) plainForm() error {
	switch {
	case !c.grant.Anonymous():
		return invalidArgument("Only one auth mechanism allowed; a form is signed by its fields alone.",
			"Authorization", string(c.grant.Scheme))
	case c.result.Payload.Kind != sign.PayloadUnsigned:
		return notImplemented(daypass.Detail{Name: "Header", Value: "x-amz-content-sha256"})
	}
	return nil
}

// openForm finds out who signed a form, what it says, and that the signer
// permits it. From here on the call is that of whoever signed, about the object
// that the form names, with the fields for headers.
func (s *Server) openForm(w *response, c *call, f *form) (*sign.Policy, error) {
	if _, ok := f.fields.Lookup("key"); !ok {
		return nil, invalidArgument("Bucket POST must contain a field named 'key'.  "+
			"If it is specified, please check the order of the fields.", "key", "")
	}
	f.takePIN(c)
	var policy *sign.Policy
	err := s.stepOf(c, "authenticate", func() (err error) {
		policy, err = s.authenticateForm(c, f.fields)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := s.limitForm(w, c, f, policy); err != nil {
		return nil, err
	}
	f.insertFileName()
	if policy != nil {
		if err := policy.Check(f.fields, c.ref.Bucket); err != nil {
			return nil, signError(err)
		}
	}
	if c.ref.Key = f.fields.Get("key"); c.ref.Key == "" {
		return nil, invalidArgument("User key must have a length greater than 0.", "key", "")
	}
	header, err := f.header()
	if err != nil {
		return nil, err
	}
	c.head = headers{sent: header, result: c.result}
	if err := s.stepOf(c, "authorize", func() error { return s.authorizeForm(c) }); err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	if err := s.checkOwner(c); err != nil {
		return nil, err
	}
	return policy, s.checkBound(c)
}

// putForm stores the file.
func (s *Server) putForm(w *response, c *call, f *form, policy *sign.Policy) (obj *store.Object, err error) {
	err = s.count(c, func() error {
		obj, err = s.storeForm(w, c, f, policy)
		return c.refuseOverwrite(err)
	})
	return obj, err
}

func (s *Server) storeForm(w *response, c *call, f *form, policy *sign.Policy) (*store.Object, error) {
	req, err := s.putRequest(c)
	if err != nil {
		return nil, err
	}
	opts, _, err := c.promises(store.MaxUploadSize)
	if err != nil {
		return nil, err
	}
	var file io.Reader = &formFile{part: w.rated(c.r.Context(), f.file), policy: policy, whole: c.r.ContentLength}
	if file, err = c.limitUpload(file, &opts); err != nil {
		return nil, err
	}
	if req.Body, err = store.NewUpload(file, opts); err != nil {
		return nil, err
	}
	if err := s.bind(c); err != nil {
		return nil, err
	}
	return s.store.PutObject(c.r.Context(), req)
}

// formDone answers as the form asks for.
func (s *Server) formDone(w *response, c *call, f *form, obj *store.Object) error {
	h := w.Header()
	if to, ok := f.redirect(obj); ok {
		h["Location"] = []string{to}
		return w.empty(http.StatusSeeOther)
	}
	location := s.location(c, strings.TrimSuffix(c.path, "/")+"/"+sign.EscapePath(obj.Key))
	h["Location"] = []string{location}
	switch f.fields.Get("success_action_status") {
	case "200":
		return w.empty(http.StatusOK)
	case "201":
		result := s3.PostResponse{Location: location, Bucket: obj.Bucket, Key: obj.Key, ETag: obj.ETag}
		return w.xml(http.StatusCreated, result.Append(nil))
	}
	return w.empty(http.StatusNoContent)
}

// redirect returns where the browser is to go after the upload. What is not a
// whole URL counts for nothing.
func (f *form) redirect(obj *store.Object) (string, bool) {
	to, ok := f.fields.Lookup("success_action_redirect")
	if !ok {
		to = f.fields.Get("redirect")
	}
	u, err := url.Parse(to)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", false
	}
	stored := "bucket=" + sign.EscapeQuery(obj.Bucket) + "&key=" + sign.EscapeQuery(obj.Key) +
		"&etag=" + sign.EscapeQuery(s3.QuoteETag(obj.ETag))
	if u.RawQuery != "" {
		stored = u.RawQuery + "&" + stored
	}
	u.RawQuery = stored
	return u.String(), true
}
