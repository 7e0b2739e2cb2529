package server

import (
	"strconv"
	"strings"
	"time"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/policy"
	"github.com/daypass/daypass/s3"
	"github.com/daypass/daypass/sign"
	"github.com/daypass/daypass/store"
)

// The headers of object lock, in canonical form and as S3 names them in errors.
const (
	lockModeHeader  = "X-Amz-Object-Lock-Mode"
	lockUntilHeader = "X-Amz-Object-Lock-Retain-Until-Date"
	lockHoldHeader  = "X-Amz-Object-Lock-Legal-Hold"
	bypassHeader    = "X-Amz-Bypass-Governance-Retention"
	newLockHeader   = "X-Amz-Bucket-Object-Lock-Enabled"
)

// refuseUnknownLock refuses the headers of object lock but those that there are.
func refuseUnknownLock(name, value string) error {
	for _, known := range [...]string{lockModeHeader, lockUntilHeader, lockHoldHeader} {
		if strings.EqualFold(name, known) {
			return nil
		}
	}
	return refuseHeader(name, value)
}

// requestLock returns the lock that the headers of a write ask for (S3 API
// reference, PutObject). InvalidArgument; InvalidRequest (the bucket has no
// object lock).
func (c *call) requestLock() (l store.Lock, err error) {
	if l.Retention, err = c.requestRetention(); err != nil {
		return l, err
	}
	hold := c.head.get(lockHoldHeader)
	if hold != "" && hold != s3.LegalHoldOn && hold != s3.LegalHoldOff {
		return l, badLock("Legal Hold must be either of 'ON' or 'OFF'", lockHoldHeader, hold)
	}
	l.LegalHold = store.LegalHold(hold)
	if l.Empty() {
		return l, nil
	}
	if c.grant.Anonymous() || c.result.Version == sign.V2 {
		return l, badLock("Put Object requests with Object Lock parameters require AWS Signature Version 4", "Authorization", "")
	}
	return l, c.bucket.ObjectLock.CheckEnabled()
}

func (c *call) requestRetention() (r store.Retention, err error) {
	mode, until := c.head.get(lockModeHeader), c.head.get(lockUntilHeader)
	r.Mode = store.RetentionMode(mode)
	const both = "x-amz-object-lock-retain-until-date and x-amz-object-lock-mode must both be supplied"
	switch {
	case mode == "" && until == "":
		return r, nil
	case mode == "":
		return r, badLock(both, lockModeHeader, "")
	case until == "":
		return r, badLock(both, lockUntilHeader, "")
	case r.Mode != store.Governance && r.Mode != store.Compliance:
		return r, badLock("Unknown wormMode directive.", lockModeHeader, mode)
	}
	var ok bool
	if r.Until, ok = s3.ParseRetainUntil(until); !ok {
		return r, badLock("The retain until date must be provided in ISO 8601 format", lockUntilHeader, until)
	}
	if !r.Until.After(c.now) {
		return r, badLock(pastRetention, lockUntilHeader, until)
	}
	return r, nil
}

const pastRetention = "The retain until date must be in the future!"

func badLock(message, name, value string) error {
	return invalidArgument(message, strings.ToLower(name), value)
}

// requireLockDigest refuses a body that will be locked without a digest, as it
// could not be mended. The hash of the payload in the signature does not count
// (S3 User Guide, "Object Lock considerations").
func (c *call) requireLockDigest(l store.Lock, request string) error {
	if l.Empty() && c.bucket.ObjectLock.Default.Mode == "" {
		return nil
	}
	sum, err := c.checksum()
	if err != nil || sum.algorithm != "" || c.head.get("Content-Md5") != "" {
		return err
	}
	return invalidRequest("Content-MD5 OR x-amz-checksum- HTTP header is required for " + request +
		" requests with Object Lock parameters")
}

// asksForBypass reports whether the request asks to bypass governance.
func (c *call) asksForBypass() bool { return strings.EqualFold(c.head.get(bypassHeader), "true") }

// bypassPermission is needed to bypass governance.
const bypassPermission = "s3:BypassGovernanceRetention"

// checkBypass refuses to bypass what a bucket does not have, whatever is asked.
func (c *call) checkBypass() error {
	v := c.head.get(bypassHeader)
	if v == "" || c.bucket.ObjectLock.Enabled || c.action.Name != daypass.DeleteObject && c.action.Name != daypass.DeleteObjects {
		return nil
	}
	name := strings.ToLower(bypassHeader)
	return invalidArgument(name+" is only applicable to Object Lock enabled buckets.", name, v)
}

// lockPermissions returns the permissions that a call needs for what it says of
// object lock.
func (c *call) lockPermissions() (permissions []string) {
	switch c.action.Name {
	case daypass.DeleteObject, putObjectRetention:
		if c.asksForBypass() {
			return []string{bypassPermission}
		}
	case daypass.CreateBucket:
		if enabled, _ := c.asksForObjectLock(); enabled {
			return []string{"s3:PutBucketObjectLockConfiguration", "s3:PutBucketVersioning"}
		}
	case daypass.PutObject, daypass.CopyObject, daypass.CreateMultipartUpload, s3.PostObject:
		if c.head.get(lockModeHeader) != "" || c.head.get(lockUntilHeader) != "" {
			permissions = append(permissions, "s3:PutObjectRetention")
		}
		if c.head.get(lockHoldHeader) != "" {
			permissions = append(permissions, "s3:PutObjectLegalHold")
		}
	}
	return permissions
}

// asksForObjectLock reports whether CreateBucket is to enable object lock.
func (c *call) asksForObjectLock() (bool, error) {
	v := c.head.get(newLockHeader)
	switch strings.ToLower(v) {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	}
	return false, badLock("The value must be true or false.", newLockHeader, v)
}

// presentLock shows the lock of an object to who may know it (S3 API reference,
// GetObject, "Response Elements").
func (s *Server) presentLock(w *response, c *call, obj *store.Object) {
	h := w.Header()
	if r := obj.Lock.Retention; r.Mode != "" && s.allows(c, "s3:GetObjectRetention") {
		h[lockModeHeader] = []string{string(r.Mode)}
		h[lockUntilHeader] = []string{r.Until.UTC().Format(s3.TimeLayout)}
	}
	if hold := obj.Lock.LegalHold; hold != "" && s.allows(c, "s3:GetObjectLegalHold") {
		h[lockHoldHeader] = []string{string(hold)}
	}
}

// allows reports whether the caller has one more permission for what a call is
// about.
func (s *Server) allows(c *call, permission string) bool {
	if c.free {
		return true
	}
	d := &deliberation{server: s, call: c, question: question{permission: permission, ref: c.ref, bucket: &c.bucket, rules: c.rules}}
	v, err := d.decide()
	return err == nil && v.Decision == policy.Allowed
}

// An askedLock is what a request says of object lock, in its headers or in the
// body of PutObjectRetention or PutObjectLegalHold, for the conditions of
// policies. What is malformed counts as not said: the operation refuses it.
type askedLock struct {
	mode, hold string
	until      time.Time
}

// lockAsked reads it once.
func (d *deliberation) lockAsked() *askedLock {
	if d.lock != nil {
		return d.lock
	}
	c := d.call
	d.lock = &askedLock{}
	switch c.action.Name {
	case putObjectLegalHold:
		d.lock.hold, _ = s3.ParseLegalHold(d.document(s3.MaxLockBody))
	case putObjectRetention:
		r, _ := s3.ParseRetention(d.document(s3.MaxLockBody))
		d.lock.mode, d.lock.until = string(r.Mode), r.Until
	default:
		d.lock.mode, d.lock.hold = c.head.get(lockModeHeader), c.head.get(lockHoldHeader)
		d.lock.until, _ = s3.ParseRetainUntil(c.head.get(lockUntilHeader))
	}
	return d.lock
}

func (d *deliberation) lockMode() (string, bool) {
	l := d.lockAsked()
	return l.mode, l.mode != ""
}

func (d *deliberation) lockHold() (string, bool) {
	l := d.lockAsked()
	return l.hold, l.hold != ""
}

func (d *deliberation) lockUntil() (string, bool) {
	l := d.lockAsked()
	return l.until.Format(time.RFC3339), !l.until.IsZero()
}

// lockDays is how many days the retention that is asked for has to go, where a
// part of a day counts as one.
func (d *deliberation) lockDays() (string, bool) {
	const day = 24 * time.Hour
	l := d.lockAsked()
	left := l.until.Sub(d.call.now)
	days := int64(left / day)
	if left > 0 && left%day != 0 {
		days++
	}
	return strconv.FormatInt(days, 10), !l.until.IsZero()
}
