package server

import (
	"errors"
	"net/http"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/store"
)

// createBucket adds a bucket that belongs to the signer (S3 API reference,
// CreateBucket).
func (s *Server) createBucket(w *response, c *call) error {
	config, err := c.bucketConfiguration(w)
	if err != nil {
		return err
	}
	if err := s.checkLocation(config.LocationConstraint); err != nil {
		return err
	}
	if err := s.checkNewBucket(c); err != nil {
		return err
	}
	if err := s.makeBucket(c); err != nil {
		return err
	}
	w.Header()["Location"] = []string{"/" + c.ref.Bucket}
	return w.empty(http.StatusOK)
}

// makeBucket adds the bucket with its first settings. One whose settings cannot
// be kept is not left behind.
func (s *Server) makeBucket(c *call) error {
	b := store.Bucket{Name: c.ref.Bucket, Owner: c.grant.Owner, Region: s.cfg.Region}
	b.ObjectLock.Enabled, _ = c.asksForObjectLock() // which checkNewBucket has looked at
	b, err := s.store.CreateBucket(c.r.Context(), b, c.now)
	if daypass.CodeOf(err) == daypass.BucketAlreadyExists {
		return s.existing(c, err)
	}
	if err != nil {
		return err
	}
	if err := s.initBucket(c, b); err != nil {
		return errors.Join(err, s.store.DeleteBucket(c.r.Context(), b.Name))
	}
	return nil
}

// bucketConfiguration reads the body, which may be left out.
func (c *call) bucketConfiguration(w *response) (*s3.BucketConfiguration, error) {
	if c.r.ContentLength == 0 {
		return &s3.BucketConfiguration{}, nil
	}
	body, err := c.document(w, s3.MaxBucketBody)
	if err != nil {
		return nil, err
	}
	config, err := s3.ParseBucketConfiguration(body)
	if err == nil && (config.Location != nil || config.Bucket != nil || config.Tags != nil) {
		err = notImplemented()
	}
	return config, err
}

// checkLocation refuses a region other than this one. As on S3, the first
// region is asked for by leaving it out, every other by its name.
func (s *Server) checkLocation(constraint string) error {
	region := s.cfg.Region
	switch {
	case constraint == "" && region == s3.FirstRegion:
		return nil
	case constraint == s3.FirstRegion:
		return &daypass.Error{Code: s3.InvalidLocationConstraint,
			Details: []daypass.Detail{{Name: "LocationConstraint", Value: constraint}}}
	case constraint == region, constraint == "EU" && region == "eu-west-1":
		return nil
	case constraint == "":
		constraint = "unspecified"
	}
	return &daypass.Error{Code: s3.IllegalLocationConstraint, Message: "The " + constraint +
		" location constraint is incompatible for the region specific endpoint this request was sent to."}
}

// existing answers for a bucket that is there: its owner may create it again
// in the first region, where S3 takes that for done. Object lock is not done by
// that.
func (s *Server) existing(c *call, taken error) error {
	b, err := s.store.Bucket(c.r.Context(), c.ref.Bucket)
	lock, _ := c.asksForObjectLock()
	switch {
	case err != nil:
		return err
	case b.Owner != c.grant.Owner:
		return taken
	case s.cfg.Region == s3.FirstRegion && (b.ObjectLock.Enabled || !lock):
		return nil
	}
	return &daypass.Error{Code: daypass.BucketAlreadyOwnedByYou,
		Details: []daypass.Detail{{Name: "BucketName", Value: b.Name}}}
}
