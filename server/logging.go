package server

import (
	"net/http"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// getBucketLogging tells where the access log of a bucket goes (S3 API
// reference, GetBucketLogging).
func (s *Server) getBucketLogging(w *response, c *call) error {
	if err := c.ownersOnly(); err != nil {
		return err
	}
	if body, ok := c.rules.raw[settingLogging]; ok {
		return w.xml(http.StatusOK, body)
	}
	return w.xml(http.StatusOK, s3.AppendLogging(nil, nil))
}

// putBucketLogging says where the access log of a bucket goes, or that it goes
// nowhere (S3 API reference, PutBucketLogging). Whether the target lets logs in
// is found out when they are delivered, as on S3.
func (s *Server) putBucketLogging(w *response, c *call) error {
	if err := c.ownersOnly(); err != nil {
		return err
	}
	body, err := c.document(w, s3.MaxBucketBody)
	if err != nil {
		return err
	}
	l, err := s3.ParseLogging(body)
	if err != nil {
		return err
	}
	var value []byte
	if l != nil {
		if err := s.checkLogging(c, l); err != nil {
			return err
		}
		value = s3.AppendLogging(nil, l)
	}
	if err := s.set(c, settingLogging, value); err != nil {
		return err
	}
	return w.empty(http.StatusOK)
}

// ownersOnly refuses whoever is not of the account that owns the bucket,
// whatever the bucket's policy says.
func (c *call) ownersOnly() error {
	if c.grant.Anonymous() || !c.key.Root && c.grant.Owner != c.bucket.Owner {
		return &daypass.Error{Code: daypass.AccessDenied}
	}
	return nil
}

// checkLogging refuses what PutBucketLogging cannot set up.
func (s *Server) checkLogging(c *call, l *s3.Logging) error {
	if s.cfg.Events == nil {
		return notImplemented(daypass.Detail{Name: "Setting", Value: settingLogging}) // there is nothing to deliver
	}
	target, err := s.store.Bucket(c.r.Context(), l.TargetBucket)
	switch daypass.CodeOf(err) {
	case "":
	case daypass.NoSuchBucket, daypass.InvalidBucketName:
		return invalidTarget(l, "The target bucket for logging does not exist")
	default:
		return err
	}
	if target.Owner != c.bucket.Owner {
		return invalidTarget(l, "The owner for the bucket to be logged and the target bucket must be the same.")
	}
	if from, to := s.regionOf(c.bucket), s.regionOf(target); from != to {
		return &daypass.Error{Code: s3.CrossLocationLogging, Details: []daypass.Detail{
			{Name: "SourceBucketLocation", Value: from}, {Name: "TargetBucketLocation", Value: to}}}
	}
	// No key may be too long: it is checked with one.
	if key := logPrefix(&c.bucket, s.cfg.Region, l).Key(c.now, "0123456789ABCDEF"); store.ValidKey(key) != nil {
		return invalidArgument("The target prefix is not valid, or too long for the keys of log objects", "TargetPrefix", l.TargetPrefix)
	}
	rules, err := s.rulesOf(c.r.Context(), &target)
	if err != nil {
		return err
	}
	if len(l.Grants) > 0 && !rules.listsCount() {
		return &daypass.Error{Code: s3.AccessControlListNotSupported, Message: "Target grants not allowed for bucket owner enforced buckets"}
	}
	return nil
}

func invalidTarget(l *s3.Logging, message string) error {
	return &daypass.Error{Code: s3.InvalidTargetBucket, Message: message,
		Details: []daypass.Detail{{Name: "TargetBucket", Value: l.TargetBucket}}}
}
