package s3store

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// Object lock is the upstream's, and so are its clock and its word: that of the
// node (Lock.CheckRemoval) never stands in for it.

// readObjectLock returns the object lock of an upstream bucket.
func (d *Driver) readObjectLock(ctx context.Context, bucket string) (store.ObjectLock, error) {
	out, err := d.client.GetObjectLockConfiguration(ctx, &s3.GetObjectLockConfigurationInput{Bucket: &bucket})
	var answer smithy.APIError
	if errors.As(err, &answer) && answer.ErrorCode() == "ObjectLockConfigurationNotFoundError" {
		return store.ObjectLock{}, nil
	}
	if err != nil {
		return store.ObjectLock{}, d.fail("read the object lock of a bucket", err)
	}
	c := out.ObjectLockConfiguration
	if c == nil || c.ObjectLockEnabled != types.ObjectLockEnabledEnabled {
		return store.ObjectLock{}, nil
	}
	lock := store.ObjectLock{Enabled: true}
	if c.Rule != nil && c.Rule.DefaultRetention != nil {
		r := c.Rule.DefaultRetention
		lock.Default = store.DefaultRetention{
			Mode: store.RetentionMode(r.Mode), Days: int(aws.ToInt32(r.Days)), Years: int(aws.ToInt32(r.Years)),
		}
	}
	return lock, nil
}

// writeObjectLock enables the object lock of an upstream bucket and sets its
// default. InvalidBucketState.
func (d *Driver) writeObjectLock(ctx context.Context, bucket string, def store.DefaultRetention) error {
	ends := d.now().AddDate(0, 0, def.Days+daysOfYear*def.Years)
	if err := checkUntil(store.Lock{Retention: store.Retention{Until: ends}}); err != nil {
		return err
	}
	c := &types.ObjectLockConfiguration{ObjectLockEnabled: types.ObjectLockEnabledEnabled}
	if def != (store.DefaultRetention{}) {
		r := &types.DefaultRetention{Mode: types.ObjectLockRetentionMode(def.Mode)}
		if def.Days > 0 {
			r.Days = aws.Int32(int32(def.Days))
		}
		if def.Years > 0 {
			r.Years = aws.Int32(int32(def.Years))
		}
		c.Rule = &types.ObjectLockRule{DefaultRetention: r}
	}
	_, err := d.client.PutObjectLockConfiguration(ctx, &s3.PutObjectLockConfigurationInput{Bucket: &bucket, ObjectLockConfiguration: c})
	return d.fail("set the object lock of a bucket", err)
}

// checkUntil refuses a retention whose end an upstream could mistake: Ceph RGW 16
// counts seconds in 32 bits, and makes a time in the past of a later one.
// NotImplemented.
func checkUntil(l store.Lock) error {
	if l.Retention.Until.After(time.Date(2106, 1, 1, 0, 0, 0, 0, time.UTC)) {
		return notImplemented("No retention can end after the year 2105.")
	}
	return nil
}

// daysOfYear is how many days object lock counts for a year.
const daysOfYear = 365

// SetObjectLock implements store.Locker. An upstream may be able to enable it
// when a bucket is created only: InvalidBucketState then.
func (d *Driver) SetObjectLock(ctx context.Context, bucket string, def store.DefaultRetention) error {
	h, err := d.hold(ctx, bucket)
	if err != nil {
		return err
	}
	if err := d.Supports(store.FeatureObjectLock); err != nil {
		return err
	}
	err = d.writeObjectLock(ctx, d.names.upstreamBucket(bucket), def)
	d.records.forget(h.name)
	return err
}

// UpdateLock implements store.Locker.
func (d *Driver) UpdateLock(ctx context.Context, ref daypass.ObjectRef, u store.LockUpdate) (*store.Object, error) {
	f, err := d.find(ctx, ref)
	if err != nil {
		return nil, err
	}
	if err := d.Supports(store.FeatureObjectLock); err != nil {
		return nil, err
	}
	if err := f.lock.CheckEnabled(); err != nil {
		return nil, err
	}
	if u.Retention != nil {
		if err := checkUntil(store.Lock{Retention: *u.Retention}); err != nil {
			return nil, err
		}
	}
	obj, err := d.head(ctx, f, ref)
	if err != nil {
		return nil, err
	}
	ref.VersionID = obj.VersionID // both changes are of this version
	if f.version, err = d.upstreamVersion(ref); err != nil {
		return nil, err
	}
	if u.Retention != nil {
		if err := d.putRetention(ctx, f, u); err != nil {
			return nil, d.lockError(err)
		}
	}
	if u.LegalHold != nil {
		_, err := d.client.PutObjectLegalHold(ctx, &s3.PutObjectLegalHoldInput{
			Bucket: &f.bucket, Key: &f.key, VersionId: f.version,
			LegalHold: &types.ObjectLockLegalHold{Status: types.ObjectLockLegalHoldStatus(*u.LegalHold)},
		})
		if err != nil {
			return nil, d.lockError(err)
		}
	}
	if u.Retention != nil {
		obj.Lock.Retention = *u.Retention
	}
	if u.LegalHold != nil {
		obj.Lock.LegalHold = *u.LegalHold
	}
	return obj, nil
}

// putRetention sets the retention of a version.
func (d *Driver) putRetention(ctx context.Context, f found, u store.LockUpdate) error {
	in := &s3.PutObjectRetentionInput{
		Bucket: &f.bucket, Key: &f.key, VersionId: f.version, Retention: &types.ObjectLockRetention{},
	}
	if u.Retention.Mode != "" {
		in.Retention.Mode = types.ObjectLockRetentionMode(u.Retention.Mode)
		in.Retention.RetainUntilDate = aws.Time(u.Retention.Until.UTC().Truncate(time.Millisecond))
	}
	if u.BypassGovernance {
		in.BypassGovernanceRetention = aws.Bool(true)
	}
	_, err := d.client.PutObjectRetention(ctx, in)
	return err
}

// lockError returns the error of a change of a lock: what the upstream refuses
// because of the lock that there is stays AccessDenied, and a time in the past is
// the client's mistake.
func (d *Driver) lockError(err error) error {
	const op = "change a lock"
	var answer smithy.APIError
	if errors.As(err, &answer) {
		switch answer.ErrorCode() {
		case "AccessDenied":
			return &daypass.Error{Code: daypass.AccessDenied, Message: "Access Denied because object protected by object lock.", Err: err}
		case "InvalidArgument":
			return &daypass.Error{Code: daypass.InvalidArgument, Message: "The retain until date must be in the future!", Err: err}
		case "MalformedXML":
			return notImplemented("The upstream does not take a retention off; it can be made to end soon.")
		}
	}
	return d.fail(op, err)
}
