package s3store

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/daypass/daypass"
	"github.com/daypass/daypass/store"
)

// lookup returns the record of a bucket that is there. An upstream bucket that
// has none is given one, and what somebody left half done is settled.
// NoSuchBucket.
func (d *Driver) lookup(ctx context.Context, bucket string) (*record, error) {
	for range recordTries {
		r, err := d.readRecord(ctx, bucket)
		if err != nil {
			return nil, err
		}
		switch {
		case r.Phase == phaseLive, r.Phase == phaseDeleting && !r.settled(d.now()):
		case r.Phase == phaseDeleting:
			r, err = d.enter(ctx, r, phaseLive)
		case r.Phase == phaseCreating:
			return nil, noSuchBucket(bucket)
		default:
			r, err = d.adopt(ctx, r)
		}
		if daypass.CodeOf(err) == daypass.PreconditionFailed {
			continue
		}
		if err != nil {
			return nil, err
		}
		return r, d.readUpstreamBucket(ctx, r)
	}
	return nil, contended(bucket)
}

func contended(bucket string) error {
	return &daypass.Error{Code: daypass.ServiceUnavailable, Err: errors.New("s3store: the record of bucket " + bucket + " changes all the time")}
}

// adopt gives a record to an upstream bucket that somebody else has made; its
// owner is empty. An upstream may show a bucket for a moment after its deletion,
// so for a while after that nothing is adopted. NoSuchBucket, PreconditionFailed.
func (d *Driver) adopt(ctx context.Context, r *record) (*record, error) {
	if d.names.bucket != "" || r.etag != "" && d.now().Sub(r.Changed) < abandoned {
		return nil, noSuchBucket(r.name)
	}
	name := d.names.upstreamBucket(r.name)
	_, err := d.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &name})
	switch {
	case isMissing(err):
		return nil, noSuchBucket(r.name)
	case err != nil:
		return nil, d.fail("look for a bucket", err)
	}
	id, err := newID()
	if err != nil {
		return nil, err
	}
	now := d.now().UTC()
	return d.writeRecord(ctx, r, record{ID: id, Region: d.config.Region, Created: now, Phase: phaseLive, Changed: now})
}

// readUpstreamBucket completes a record with the versioning and the object lock
// of the upstream bucket. NoSuchBucket.
func (d *Driver) readUpstreamBucket(ctx context.Context, r *record) error {
	if d.names.bucket != "" {
		return nil
	}
	name := d.names.upstreamBucket(r.name)
	out, err := d.client.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: &name})
	switch {
	case isMissing(err):
		return noSuchBucket(r.name)
	case err != nil:
		return d.fail("read the versioning of a bucket", err)
	}
	r.versioning = store.Versioning(out.Status)
	if r.versioning != store.VersioningEnabled || !d.can.ObjectLock {
		return nil
	}
	r.lock, err = d.readObjectLock(ctx, name)
	return err
}

// Bucket implements store.Driver.
func (d *Driver) Bucket(ctx context.Context, name string) (store.Bucket, error) {
	h, err := d.hold(ctx, name)
	if err != nil {
		return store.Bucket{}, err
	}
	return h.bucket(), nil
}

// CreateBucket implements store.Driver. OperationAborted: somebody else creates
// or deletes it at this moment.
func (d *Driver) CreateBucket(ctx context.Context, b store.Bucket) error {
	if !d.names.possible(b.Name) {
		return &daypass.Error{Code: daypass.InvalidBucketName, Details: []daypass.Detail{{Name: "BucketName", Value: b.Name}}}
	}
	if b.ObjectLock.Enabled {
		if err := d.Supports(store.FeatureObjectLock); err != nil {
			return err
		}
	}
	next := record{ID: b.ID, Owner: b.Owner, Region: b.Region, Created: b.Created, Phase: phaseCreating, Changed: d.now().UTC()}
	if d.names.bucket != "" {
		next.Phase = phaseLive
	}
	for range recordTries {
		r, err := d.freeRecord(ctx, b.Name)
		if err != nil {
			return err
		}
		r, err = d.writeRecord(ctx, r, next)
		if daypass.CodeOf(err) == daypass.PreconditionFailed {
			continue
		}
		if err != nil || r.Phase == phaseLive {
			return err
		}
		return d.createUpstream(ctx, r, b)
	}
	return contended(b.Name)
}

// freeRecord returns the record of a name that no bucket has.
// BucketAlreadyExists, OperationAborted.
func (d *Driver) freeRecord(ctx context.Context, name string) (*record, error) {
	r, err := d.readRecord(ctx, name)
	if err != nil {
		return nil, err
	}
	exists := &daypass.Error{Code: daypass.BucketAlreadyExists, Details: []daypass.Detail{{Name: "BucketName", Value: name}}}
	switch {
	case !r.settled(d.now()) && r.etag != "":
		return nil, operationAborted()
	case r.Phase == phaseDeleting, r.Phase == phaseLive && d.names.bucket != "":
		return nil, exists
	case r.Phase == phaseCreating, d.names.bucket != "":
		return r, nil
	}
	upstream := d.names.upstreamBucket(name)
	_, err = d.client.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: &upstream})
	switch {
	case isMissing(err):
		return r, nil
	case statusOf(err) == http.StatusForbidden: // somebody else's
	case err != nil:
		return nil, d.fail("look for a bucket", err)
	}
	return nil, exists
}

func operationAborted() error {
	return &daypass.Error{
		Code:    "OperationAborted",
		Message: "A conflicting conditional operation is currently in progress against this resource. Please try again.",
	}
}

// createUpstream makes the upstream bucket of a record, and the record live.
func (d *Driver) createUpstream(ctx context.Context, r *record, b store.Bucket) error {
	name := d.names.upstreamBucket(b.Name)
	in := &s3.CreateBucketInput{Bucket: &name, CreateBucketConfiguration: d.location()}
	if b.ObjectLock.Enabled {
		in.ObjectLockEnabledForBucket = aws.Bool(true)
	}
	_, err := d.client.CreateBucket(ctx, in)
	if err == nil && b.ObjectLock.Default != (store.DefaultRetention{}) {
		err = d.writeObjectLock(ctx, name, b.ObjectLock.Default)
	}
	if err != nil {
		failed := d.fail("create a bucket", err)
		if isOwned(err) {
			failed = &daypass.Error{Code: daypass.BucketAlreadyExists, Err: err}
		}
		if _, err := d.enter(context.WithoutCancel(ctx), r, phaseDeleted); err != nil {
			return errors.Join(failed, err)
		}
		return failed
	}
	_, err = d.enter(context.WithoutCancel(ctx), r, phaseLive)
	return err
}

// location returns where new upstream buckets lie: AWS alone asks for it, in all
// regions but its first.
func (d *Driver) location() *types.CreateBucketConfiguration {
	if len(d.config.Endpoints) > 0 || d.client.Options().Region == defaultRegion {
		return nil
	}
	return &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(d.client.Options().Region)}
}

// DeleteBucket implements store.Driver. It takes a little more than a second:
// see settle.
func (d *Driver) DeleteBucket(ctx context.Context, name string) error {
	if !d.names.possible(name) {
		return noSuchBucket(name)
	}
	d.records.forget(name)
	r, err := d.lookup(ctx, name)
	if err != nil {
		return err
	}
	if r.Phase == phaseDeleting {
		return operationAborted()
	}
	if err := d.checkEmpty(ctx, r); err != nil {
		return err
	}
	if r, err = d.enter(ctx, r, phaseDeleting); err != nil {
		if daypass.CodeOf(err) == daypass.PreconditionFailed {
			return operationAborted()
		}
		return err
	}
	if err := d.deleteMarked(ctx, r); err != nil {
		if _, undo := d.enter(context.WithoutCancel(ctx), r, phaseLive); undo != nil {
			return errors.Join(err, undo)
		}
		return err
	}
	_, err = d.enter(context.WithoutCancel(ctx), r, phaseDeleted)
	return err
}

// deleteMarked removes what is left of a bucket that is marked. BucketNotEmpty.
func (d *Driver) deleteMarked(ctx context.Context, r *record) error {
	if err := sleep(ctx, d.lease+d.lease/16); err != nil {
		return err
	}
	if err := d.checkEmpty(ctx, r); err != nil {
		return err
	}
	// Whoever stood still for long has been given up, and the bucket lives on.
	if now, err := d.readRecord(ctx, r.name); err != nil {
		return err
	} else if now.etag != r.etag {
		return operationAborted()
	}
	if d.names.bucket == "" {
		name := d.names.upstreamBucket(r.name)
		_, err := d.client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: &name})
		if err != nil && !isMissing(err) {
			return d.fail("delete a bucket", err)
		}
	}
	return d.endUploads(ctx, r.name)
}

// checkEmpty reports whether a bucket has neither objects nor versions nor delete
// markers. BucketNotEmpty.
func (d *Driver) checkEmpty(ctx context.Context, r *record) error {
	name, prefix := d.names.upstreamBucket(r.name), str(d.names.keyPrefix(r.name))
	var n int
	if d.names.bucket == "" && r.versioning != store.VersioningOff {
		out, err := d.client.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{
			Bucket: &name, MaxKeys: aws.Int32(1), EncodingType: types.EncodingTypeUrl,
		})
		if err != nil {
			return d.fail("look for versions in a bucket", err)
		}
		n = len(out.Versions) + len(out.DeleteMarkers)
	} else {
		out, err := d.client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{
			Bucket: &name, Prefix: prefix, MaxKeys: aws.Int32(1), EncodingType: types.EncodingTypeUrl,
		})
		if err != nil {
			return d.fail("look for objects in a bucket", err)
		}
		n = len(out.Contents)
	}
	if n > 0 {
		return &daypass.Error{Code: daypass.BucketNotEmpty, Details: []daypass.Detail{{Name: "BucketName", Value: r.name}}}
	}
	return nil
}

// ListBuckets implements store.Driver.
func (d *Driver) ListBuckets(ctx context.Context, prefix, after string, max int) (found []store.Bucket, err error) {
	for len(found) < max {
		names, more, err := d.bucketNames(ctx, prefix, after)
		if err != nil {
			return nil, err
		}
		for at := 0; at < len(names) && len(found) < max; {
			n := min(len(names)-at, max-len(found))
			some, err := d.existing(ctx, names[at:at+n])
			if err != nil {
				return nil, err
			}
			found = append(found, some...)
			at += n
		}
		if !more || len(names) == 0 {
			break
		}
		after = names[len(names)-1]
	}
	return found, nil
}

// bucketNames returns names, in order, of buckets that may exist, and whether
// there are more.
func (d *Driver) bucketNames(ctx context.Context, prefix, after string) (names []string, more bool, err error) {
	if d.names.bucket != "" {
		if after != "" {
			after = recordName(after)
		}
		names, more, err = d.listControl(ctx, recordName(prefix), after, listMax)
		for i := range names {
			names[i] = strings.TrimPrefix(names[i], recordName(""))
		}
		return names, more, err
	}
	var token *string
	for {
		in := &s3.ListBucketsInput{ContinuationToken: token}
		out, err := d.client.ListBuckets(ctx, in)
		if err != nil {
			return nil, false, d.fail("list buckets", err)
		}
		for i := range out.Buckets {
			name := d.names.daypassBucket(aws.ToString(out.Buckets[i].Name))
			if name != "" && name > after && strings.HasPrefix(name, prefix) {
				names = append(names, name)
			}
		}
		if token = out.ContinuationToken; aws.ToString(token) == "" {
			break
		}
	}
	slices.Sort(names)
	return slices.Compact(names), false, nil
}

// bucketReads is how many buckets are read at once for a list.
const bucketReads = 16

// existing returns those of some buckets that exist.
func (d *Driver) existing(ctx context.Context, names []string) ([]store.Bucket, error) {
	buckets, errs := make([]store.Bucket, len(names)), make([]error, len(names))
	var reading sync.WaitGroup
	for worker := range min(bucketReads, len(names)) {
		reading.Go(func() {
			for i := worker; i < len(names); i += bucketReads {
				buckets[i], errs[i] = d.Bucket(ctx, names[i])
			}
		})
	}
	reading.Wait()
	var found []store.Bucket
	for i, b := range buckets {
		switch {
		case errs[i] == nil:
			found = append(found, b)
		case daypass.CodeOf(errs[i]) != daypass.NoSuchBucket:
			return nil, errs[i]
		}
	}
	slices.SortFunc(found, func(a, b store.Bucket) int { return cmp.Compare(a.Name, b.Name) })
	return found, nil
}

// SetVersioning implements store.Versioner.
func (d *Driver) SetVersioning(ctx context.Context, bucket string, v store.Versioning) error {
	h, err := d.hold(ctx, bucket)
	if err != nil {
		return err
	}
	if err := d.supportsVersions(); err != nil {
		return err
	}
	if err := h.lock.CheckVersioning(v); err != nil {
		return err
	}
	name := d.names.upstreamBucket(bucket)
	_, err = d.client.PutBucketVersioning(ctx, &s3.PutBucketVersioningInput{
		Bucket: &name, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatus(v)},
	})
	d.records.forget(bucket)
	return d.fail("set the versioning of a bucket", err)
}
