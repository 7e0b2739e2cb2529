package s3store

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// DeleteObject implements store.Driver. What it is not sure to remove only as
// the options say is NotImplemented.
func (d *Driver) DeleteObject(ctx context.Context, ref daypass.ObjectRef, opts store.DeleteOptions) (store.Deleted, error) {
	f, err := d.find(ctx, ref)
	if err != nil {
		if daypass.CodeOf(err) == daypass.NoSuchVersion { // removing what is not there succeeds
			return store.Deleted{VersionID: ref.VersionID}, nil
		}
		return store.Deleted{}, err
	}
	if opts.Seen != nil {
		return store.Deleted{}, d.Supports(store.FeatureConditionalRemoval)
	}
	in := &s3.DeleteObjectInput{Bucket: &f.bucket, Key: &f.key, VersionId: f.version}
	if opts.BypassGovernance && f.record.lock.Enabled {
		in.BypassGovernanceRetention = aws.Bool(true)
	}
	if in.IfMatch, err = d.removalCondition(ctx, f, ref, opts.Conditions); err != nil {
		return store.Deleted{}, err
	}
	out, err := d.client.DeleteObject(ctx, in)
	if d.malformedVersion(ctx, f, err) {
		return store.Deleted{VersionID: ref.VersionID}, nil
	}
	if err != nil {
		return store.Deleted{}, d.notRemoved(ctx, f, ref, opts, err)
	}
	deleted := store.Deleted{VersionID: ref.VersionID, DeleteMarker: aws.ToBool(out.DeleteMarker)}
	if f.versioning != store.VersioningOff && ref.VersionID == "" {
		if err := d.settle(ctx, f.hold); err != nil {
			return store.Deleted{}, err
		}
		if aws.ToString(out.VersionId) == "" && (f.versioning == store.VersioningEnabled || !deleted.DeleteMarker) {
			return d.standingMarker(ctx, f, ref)
		}
		deleted.VersionID = d.versionID(f.hold, ref, out.VersionId)
	}
	return deleted, err
}

// standingMarker returns the delete marker that a deletion has found in place:
// Ceph adds no second one.
func (d *Driver) standingMarker(ctx context.Context, f found, ref daypass.ObjectRef) (store.Deleted, error) {
	marker, err := d.marker(ctx, f, ref)
	if err != nil || marker == nil {
		return store.Deleted{}, err
	}
	return store.Deleted{VersionID: marker.VersionID, DeleteMarker: true}, nil
}

// removalCondition returns the If-Match of a deletion, nil for none. A version
// never changes, so that it is looked at before it is removed; of anything else
// only the upstream knows what it is at that moment. NotImplemented,
// PreconditionFailed, NoSuchKey.
func (d *Driver) removalCondition(ctx context.Context, f found, ref daypass.ObjectRef, c store.WriteConditions) (*string, error) {
	switch {
	case c.Empty():
		return nil, nil
	case ref.VersionID != "" && ref.VersionID != store.NullVersion:
		obj, err := d.head(ctx, f, ref)
		if code := daypass.CodeOf(err); code == daypass.NoSuchVersion || code == daypass.MethodNotAllowed {
			return nil, c.Check(obj)
		}
		if err != nil {
			return nil, err
		}
		return nil, c.Check(obj)
	case c.IfNoneMatch != "", !d.can.DeleteIfMatch, f.versioning != store.VersioningOff && !d.can.VersionedConditions:
		return nil, notImplemented("The upstream cannot delete on conditions.")
	}
	return &c.IfMatch, nil
}

// notRemoved returns the error of a deletion. An upstream refuses to remove a
// locked version in the same way as it refuses this node.
func (d *Driver) notRemoved(ctx context.Context, f found, ref daypass.ObjectRef, opts store.DeleteOptions, cause error) error {
	if statusOf(cause) == 403 && f.record.lock.Enabled && ref.VersionID != "" {
		if obj, err := d.head(ctx, f, ref); err == nil {
			if err := obj.Lock.CheckRemoval(opts.Time, opts.BypassGovernance); err != nil {
				return err
			}
		}
	}
	return d.fail("delete an object", cause)
}
