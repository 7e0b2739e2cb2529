package store

import (
	"context"
	"errors"
	"time"

	"github.com/daypass/daypass"
)

// A RetentionMode says who may end the retention of a version early (S3 User
// Guide, "Locking objects with Object Lock", "Retention modes").
type RetentionMode string

// The retention modes.
const (
	// Governance yields to who may bypass it and asks for that.
	Governance RetentionMode = "GOVERNANCE"
	// Compliance yields to nobody: it can be made longer only.
	Compliance RetentionMode = "COMPLIANCE"
)

// A Retention keeps a version until a time. The zero value is none.
type Retention struct {
	Mode RetentionMode
	// Until is when it ends, to the millisecond.
	Until time.Time
}

// holds reports whether a retention protects at a time.
func (r Retention) holds(now time.Time) bool { return r.Mode != "" && r.Until.After(now) }

// A LegalHold keeps a version until it is taken off. It is empty where there
// never was one.
type LegalHold string

// The states of a legal hold.
const (
	LegalHoldOn  LegalHold = "ON"
	LegalHoldOff LegalHold = "OFF"
)

// A Lock is what keeps one version of an object from being removed. The zero
// value is none.
type Lock struct {
	Retention Retention
	LegalHold LegalHold
}

// Empty reports whether there never was a lock.
func (l Lock) Empty() bool { return l.Retention.Mode == "" && l.LegalHold == "" }

// CheckRemoval reports whether a version with this lock may be removed at a
// time, where bypass says that governance is to be bypassed, which a legal hold
// does not mind. Drivers call it under the lock that their commit takes.
// AccessDenied.
func (l Lock) CheckRemoval(now time.Time, bypass bool) error {
	if l.LegalHold == LegalHoldOn {
		return lockedError()
	}
	if l.Retention.holds(now) && !(bypass && l.Retention.Mode == Governance) {
		return lockedError()
	}
	return nil
}

// checkRetention reports whether next may take the place of a retention: where
// that holds still, a longer one of its mode, and with bypass anything in place
// of governance. AccessDenied.
func (r Retention) checkRetention(next Retention, now time.Time, bypass bool) error {
	switch {
	case !r.holds(now):
		return nil
	case next.Mode == r.Mode && !next.Until.Before(r.Until):
		return nil
	case bypass && r.Mode == Governance:
		return nil
	}
	return lockedError()
}

func lockedError() error {
	return &daypass.Error{
		Code: daypass.AccessDenied, Message: "Access Denied because object protected by object lock.",
		Err: errors.New("the version is locked"),
	}
}

// An ObjectLock is the object lock of a bucket (S3 API reference,
// ObjectLockConfiguration). Once enabled, it stays so, and the bucket keeps
// versions for ever.
type ObjectLock struct {
	Enabled bool
	// Default is given to each new version that asks for no retention of its
	// own.
	Default DefaultRetention
}

// A DefaultRetention is the retention that a bucket gives to new versions. The
// zero value is none; otherwise one of Days and Years is positive.
type DefaultRetention struct {
	Mode        RetentionMode
	Days, Years int
}

// daysOfYear is how many days object lock counts for a year.
const daysOfYear = 365

// from returns the retention of a version that is made at a time.
func (d DefaultRetention) from(made time.Time) Retention {
	if d.Mode == "" {
		return Retention{}
	}
	days := d.Days + daysOfYear*d.Years
	return Retention{Mode: d.Mode, Until: made.UTC().AddDate(0, 0, days).Truncate(time.Millisecond)}
}

// LockFor returns the lock of a version that is made at a time in a bucket with
// this object lock, where given is what its writer asks for. Drivers call it
// under the lock that their commit takes. InvalidRequest (the bucket has no
// object lock).
func (o ObjectLock) LockFor(given Lock, made time.Time) (Lock, error) {
	if err := o.CheckLock(given); err != nil {
		return Lock{}, err
	}
	if o.Enabled && given.Retention.Mode == "" {
		given.Retention = o.Default.from(made)
	}
	return given, nil
}

// CheckLock reports whether a new version may be given a lock in a bucket with
// this object lock. InvalidRequest (the bucket has none).
func (o ObjectLock) CheckLock(l Lock) error {
	if l.Empty() {
		return nil
	}
	return o.CheckEnabled()
}

// CheckEnabled refuses what only a bucket with object lock has. InvalidRequest.
func (o ObjectLock) CheckEnabled() error {
	if !o.Enabled {
		return invalidRequest("Bucket is missing Object Lock Configuration")
	}
	return nil
}

// CheckVersioning reports whether a bucket with this object lock may have that
// versioning. Drivers call it under the lock that their commit takes.
// InvalidBucketState.
func (o ObjectLock) CheckVersioning(v Versioning) error {
	if o.Enabled && v != VersioningEnabled {
		return &daypass.Error{Code: InvalidBucketState, Message: "An Object Lock configuration is present on this bucket, " +
			"so the versioning state cannot be changed."}
	}
	return nil
}

// A LockUpdate changes the lock of a version.
type LockUpdate struct {
	// Retention and LegalHold replace those of the version where they are not
	// nil.
	Retention *Retention
	LegalHold *LegalHold
	// BypassGovernance lets a retention of mode Governance be shortened,
	// changed or removed.
	BypassGovernance bool
	// Time is the present.
	Time time.Time
}

// Apply returns what a lock becomes. Drivers call it under the lock that their
// commit takes, so that of two changes each sees the other. AccessDenied.
func (u LockUpdate) Apply(l Lock) (Lock, error) {
	if u.Retention != nil {
		if err := l.Retention.checkRetention(*u.Retention, u.Time, u.BypassGovernance); err != nil {
			return Lock{}, err
		}
		l.Retention = *u.Retention
	}
	if u.LegalHold != nil {
		l.LegalHold = *u.LegalHold
	}
	return l, nil
}

// A Locker is a driver that keeps locked versions: it removes none, whoever
// asks, and keeps versions in a bucket with object lock.
type Locker interface {
	// SetObjectLock enables the object lock of a bucket and sets its default
	// retention. NoSuchBucket, InvalidBucketState (versioning is not enabled).
	SetObjectLock(ctx context.Context, bucket string, def DefaultRetention) error
	// UpdateLock changes the lock of an object, or of the version that ref
	// names, and returns it. NoSuchBucket, InvalidRequest (the bucket has no
	// object lock), NoSuchKey, NoSuchVersion, MethodNotAllowed (a delete
	// marker), AccessDenied (LockUpdate.Apply).
	UpdateLock(ctx context.Context, ref daypass.ObjectRef, u LockUpdate) (*Object, error)
}

// SetObjectLock enables the object lock of a bucket, for ever, and sets its
// default retention. NoSuchBucket, InvalidArgument, InvalidBucketState
// (versioning is not enabled), NotImplemented.
func (s *Store) SetObjectLock(ctx context.Context, bucket string, def DefaultRetention) error {
	const op = "store.SetObjectLock"
	if err := existingBucketName(bucket); err != nil {
		return wrap(op, err)
	}
	if err := def.validate(); err != nil {
		return wrap(op, err)
	}
	d, err := optional[Locker](s)
	if err != nil {
		return wrap(op, err)
	}
	return wrap(op, d.SetObjectLock(ctx, bucket, def))
}

// UpdateLock changes the lock of an object, or of the version that ref names,
// and returns the object. A zero Time is the present. KeyTooLongError,
// InvalidURI, NoSuchBucket, InvalidRequest (the bucket has no object lock),
// NoSuchKey, NoSuchVersion, MethodNotAllowed (a delete marker), InvalidArgument,
// AccessDenied (the retention would be weakened), NotImplemented.
func (s *Store) UpdateLock(ctx context.Context, ref daypass.ObjectRef, u LockUpdate) (*Object, error) {
	const op = "store.UpdateLock"
	if err := validRef(ref.Bucket, ref.Key); err != nil {
		return nil, wrap(op, err)
	}
	var asked Lock
	if u.Retention != nil {
		asked.Retention = *u.Retention
	}
	if u.LegalHold != nil {
		asked.LegalHold = *u.LegalHold
	}
	if err := asked.validate(); err != nil {
		return nil, wrap(op, err)
	}
	d, err := optional[Locker](s)
	if err != nil {
		return nil, wrap(op, err)
	}
	u.Time = orNow(u.Time)
	obj, err := d.UpdateLock(ctx, ref, u)
	return obj, wrap(op, err)
}

// checkLock refuses a lock that is malformed, or that the driver would not
// keep. InvalidArgument, NotImplemented.
func (s *Store) checkLock(l Lock) error {
	if err := l.validate(); err != nil || l.Empty() {
		return err
	}
	_, err := optional[Locker](s)
	return err
}

// validate refuses what no version may have.
func (l Lock) validate() error {
	r := l.Retention
	switch {
	case (r.Mode == "") != r.Until.IsZero():
		return invalidArgument("A retention has both a mode and an end.", "Retention", string(r.Mode))
	case !r.Mode.known():
		return invalidArgument("The retention mode is unknown.", "Mode", string(r.Mode))
	case !r.Until.Equal(r.Until.Truncate(time.Millisecond)):
		return invalidArgument("A retention ends at a whole millisecond.", "RetainUntilDate", r.Until.String())
	case l.LegalHold != "" && l.LegalHold != LegalHoldOn && l.LegalHold != LegalHoldOff:
		return invalidArgument("Legal Hold must be either of 'ON' or 'OFF'", "Status", string(l.LegalHold))
	}
	return nil
}

func (m RetentionMode) known() bool { return m == "" || m == Governance || m == Compliance }

// MaxRetentionDays and MaxRetentionYears bound the default retention of a
// bucket (S3 User Guide, "Locking objects with Object Lock": 100 years).
const (
	MaxRetentionDays  = 36500
	MaxRetentionYears = 100
)

func (d DefaultRetention) validate() error {
	switch {
	case d == (DefaultRetention{}):
		return nil
	case d.Mode == "" || !d.Mode.known():
		return invalidArgument("The retention mode is unknown.", "Mode", string(d.Mode))
	case d.Days < 0 || d.Years < 0 || (d.Days > 0) == (d.Years > 0):
		return invalidArgument("Default retention period must be a positive integer value.", "Days", "")
	case d.Days > MaxRetentionDays || d.Years > MaxRetentionYears:
		return invalidArgument("Default retention period too large.", "Days", "")
	}
	return nil
}
