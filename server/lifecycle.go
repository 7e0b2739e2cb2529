package server

import (
	"encoding/base64"
	"io"
	"net/http"

	"github.com/daypass/daypass/lifecycle"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// The headers of lifecycle rules, in canonical form.
const (
	expirationHeader        = "X-Amz-Expiration"
	abortDateHeader         = "X-Amz-Abort-Date"
	abortRuleHeader         = "X-Amz-Abort-Rule-Id"
	transitionMinimumHeader = "X-Amz-Transition-Default-Minimum-Object-Size"
)

// getBucketLifecycle answers with the lifecycle rules of a bucket (S3 API
// reference, GetBucketLifecycleConfiguration).
func (s *Server) getBucketLifecycle(w *response, c *call) error {
	text, err := c.raw(lifecycle.Setting, s3.NoSuchLifecycle)
	if err != nil {
		return err
	}
	minimum, body, err := lifecycle.Split(text)
	if err != nil {
		return err
	}
	w.Header()[transitionMinimumHeader] = []string{minimum}
	return w.xml(http.StatusOK, body)
}

// putBucketLifecycle sets the lifecycle rules of a bucket (S3 API reference,
// PutBucketLifecycleConfiguration). Rules without an ID get one.
func (s *Server) putBucketLifecycle(w *response, c *call) error {
	if err := s.store.Supports(store.FeatureConditionalRemoval); err != nil {
		return err // rules that could never be carried out
	}
	minimum, err := s3.ParseTransitionMinimum(c.head.get(transitionMinimumHeader))
	if err != nil {
		return err
	}
	body, err := c.document(w, s3.MaxLifecycleBody)
	if err != nil {
		return err
	}
	config := lifecycle.Configuration{TransitionMinimum: minimum}
	if config.Rules, err = s3.ParseLifecycle(body); err != nil {
		return err
	}
	if err := s3.NameLifecycle(config.Rules, s.newRuleID); err != nil {
		return err
	}
	if err := s.set(c, lifecycle.Setting, config.Encode()); err != nil {
		return err
	}
	w.Header()[transitionMinimumHeader] = []string{minimum}
	return w.empty(http.StatusOK)
}

// newRuleID returns an ID for a rule that has none: 48 characters, as S3's have.
func (s *Server) newRuleID() (string, error) {
	var id [36]byte
	if _, err := io.ReadFull(s.cfg.Rand, id[:]); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(id[:]), nil
}

// setExpiration tells when a rule will remove an object that is the current
// version of its key (S3 API reference, GetObject, x-amz-expiration).
func (c *call) setExpiration(h http.Header, obj *store.Object) {
	if c.rules == nil || c.rules.lifecycle == nil {
		return
	}
	if v := c.rules.lifecycle.Version(obj, lifecycle.Place{}); v.Action == lifecycle.Expire && v.Due.Year() <= lastYear {
		h[expirationHeader] = []string{`expiry-date="` + v.Due.Format(http.TimeFormat) + `", rule-id="` + s3.EncodeURL(v.Rule) + `"`}
	}
}

// lastYear is the last one that a date in a header can name.
const lastYear = 9999

// setAbort tells when a rule will end an upload (S3 API reference,
// CreateMultipartUpload, x-amz-abort-date).
func (c *call) setAbort(h http.Header, u *store.MultipartUpload) {
	if c.rules == nil || c.rules.lifecycle == nil {
		return
	}
	if v := c.rules.lifecycle.Upload(u.Key, u.Initiated); v.Action == lifecycle.Abort && v.Due.Year() <= lastYear {
		h[abortDateHeader] = []string{v.Due.Format(http.TimeFormat)}
		h[abortRuleHeader] = []string{s3.EncodeURL(v.Rule)}
	}
}
